package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

const (
	// channel is where revocations are told of.
	channel = "caddyauth_revocations"
	// syncEvery is how often the connection is tried, and aliveWithin how long it
	// may take to answer.
	syncEvery   = 400 * time.Millisecond
	aliveWithin = 2 * time.Second
	// beginWithin is how long it may take to begin.
	beginWithin = 10 * time.Second
	// maxPayload is how long news may be: PostgreSQL allows a little more. Longer
	// ones only say that there is something to read.
	maxPayload = 7000
	// testPrefix begins what somebody who watches says to itself.
	testPrefix = "test "
)

// revocations is the table caddyauth_revocations and the channel with its news.
type revocations struct{ db *database }

// Revoke implements store.Revocations. The news is part of the transaction: it
// goes out if and when the row can be read. It only says which row that is, as
// anybody who is let into the database can write to a channel. An older revocation
// than what is there changes nothing: it would take back a part of it.
func (r *revocations) Revoke(ctx context.Context, v store.Revocation) error {
	payload := string(v.Kind) + " " + v.Key
	if len(payload) > maxPayload {
		payload = ""
	}
	const query = `WITH kept AS (
			INSERT INTO caddyauth_revocations AS r (kind, subject, at, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, subject) DO UPDATE SET at = excluded.at, until = excluded.until WHERE r.at <= excluded.at
			RETURNING 1
		) SELECT pg_notify('` + channel + `', $5) FROM kept`
	return r.db.Insert(ctx, query, string(v.Kind), v.Key, v.At, v.Until, payload)
}

// WatchRevocations implements store.Revocations.
func (r *revocations) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.db.closing, func() { cancel(errClosed) })()

	l := &listener{db: r.db, now: now, heard: heard}
	err := l.run(ctx, synced)
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("postgres: %w", cause)
	}
	return err
}

var errClosed = errors.New("the store is closed")

// listener is a connection that listens. PostgreSQL hands every notification to
// every session that has done LISTEN before it was committed, so none is missed
// as long as the connection lives.
type listener struct {
	db    *database
	now   time.Time
	heard func(store.Revocation)

	conn    *pgx.Conn
	arrived []string // payloads
}

func (l *listener) run(ctx context.Context, synced func()) error {
	if err := l.begin(ctx); err != nil {
		return l.db.Explain(ctx, err)
	}
	defer l.hangUp()
	for {
		synced()
		if err := l.listen(ctx); err != nil {
			return l.db.Explain(ctx, err)
		}
	}
}

// begin connects and tells what there is already.
func (l *listener) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beginWithin)
	defer cancel()
	config := l.db.pool.Config().ConnConfig
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { l.arrived = append(l.arrived, n.Payload) }
	var err error
	if l.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return oneLine{err}
	}
	// What is committed between listening and reading is told of twice.
	if _, err = l.conn.Exec(ctx, "LISTEN "+channel); err == nil {
		err = l.read(ctx, "until > $1", l.now)
	}
	if err == nil {
		err = l.test(ctx)
	}
	if err == nil {
		err = l.tell(ctx)
	}
	if err != nil {
		l.hangUp()
	}
	return err
}

func (l *listener) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx) // nothing depends on it
}

// listen tells what arrives for a while. Then it makes a round trip, to know that
// somebody is there: what the server has to tell comes before its answer.
func (l *listener) listen(ctx context.Context) error {
	turn, cancel := context.WithTimeout(ctx, syncEvery)
	defer cancel()
	for {
		err := l.conn.PgConn().WaitForNotification(turn)
		if errors.Is(err, context.DeadlineExceeded) && !l.conn.IsClosed() {
			break
		}
		if err == nil {
			err = l.tell(ctx)
		}
		if err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, aliveWithin)
	defer cancel()
	if err := l.conn.Ping(bounded); err != nil {
		return err
	}
	return l.tell(ctx)
}

// tell looks up what has arrived, and passes it on. More may arrive meanwhile.
func (l *listener) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, aliveWithin)
	defer cancel()
	for len(l.arrived) > 0 {
		var kinds, keys []string
		for _, payload := range l.arrived {
			kind, key, _ := strings.Cut(payload, " ")
			kinds, keys = append(kinds, kind), append(keys, key)
		}
		everything := slices.Contains(l.arrived, "")
		l.arrived = nil
		var err error
		if everything {
			err = l.read(ctx, "until > $1", l.now)
		} else {
			err = l.read(ctx, "(kind, subject) IN (SELECT * FROM unnest($1::text[], $2::text[]))", kinds, keys)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read tells what the table has.
func (l *listener) read(ctx context.Context, where string, args ...any) error {
	rows, err := l.conn.Query(ctx, "SELECT kind, subject, at, until FROM caddyauth_revocations WHERE "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r store.Revocation
		if err := rows.Scan(&r.Kind, &r.Key, sqlstore.Time(&r.At), sqlstore.Time(&r.Until)); err != nil {
			return err
		}
		l.heard(r)
	}
	return rows.Err()
}

// test makes sure that notifications of other sessions arrive. A pooler that
// hands out a connection for a transaction at a time accepts LISTEN, and drops
// what comes of it.
func (l *listener) test(ctx context.Context) error {
	payload := testPrefix + rand.Text()
	// It does no harm to send it twice, so it may go to a connection that is dead.
	_, err := sqlstore.Many(ctx, l.db.DB, func(sqlstore.Row, *bool) error { return nil }, "SELECT pg_notify('"+channel+"', $1)", payload)
	if err != nil {
		return err
	}
	for seen := 0; ; {
		for ; seen < len(l.arrived); seen++ {
			if l.arrived[seen] == payload {
				return nil
			}
		}
		turn, cancel := context.WithTimeout(ctx, aliveWithin)
		err := l.conn.PgConn().WaitForNotification(turn)
		cancel()
		if err != nil {
			return fmt.Errorf("notifications do not arrive; a connection pooler in between must pool sessions, not transactions: %w", err)
		}
	}
}
