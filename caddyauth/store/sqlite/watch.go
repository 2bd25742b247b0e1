package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

const (
	// lookEvery is how often somebody who watches looks for news. SQLite tells no
	// other process of any.
	lookEvery = 200 * time.Millisecond
	// syncEvery is how often it is said that none was missed.
	syncEvery = 400 * time.Millisecond
)

// Revoke implements store.Revocations. A new row replaces an old one, and with it
// its seq, so that whoever watches finds it behind what is known. An older
// revocation than what is there changes nothing: it would take back a part of it.
func (s *Store) Revoke(ctx context.Context, r store.Revocation) error {
	return s.db.Insert(ctx, `INSERT OR REPLACE INTO caddyauth_revocations (kind, subject, at, until)
		SELECT $1, $2, $3, $4 WHERE NOT EXISTS
			(SELECT 1 FROM caddyauth_revocations WHERE kind = $1 AND subject = $2 AND at > $3)`,
		string(r.Kind), r.Key, r.At, r.Until)
}

// WatchRevocations implements store.Revocations.
func (s *Store) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.closing, func() { cancel(errClosed) })()

	// PRAGMA data_version compares with what the same connection saw last.
	db, err := pool(s.path, 1, url.Values{"_query_only": {"1"}})
	if err != nil {
		return err
	}
	defer db.Close()
	w := watch{db: sqlstore.NewDB(db, db, dialect(s.path)), heard: heard}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var said time.Time
	for {
		if err := w.look(ctx, now); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return fmt.Errorf("sqlite: %w", cause)
			}
			return err
		}
		if time.Since(said) >= syncEvery {
			said = time.Now()
			synced()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("sqlite: %w", context.Cause(ctx))
		}
	}
}

var errClosed = errors.New("the store is closed")

// watch is what one who watches knows.
type watch struct {
	db    *sqlstore.DB
	heard func(store.Revocation)

	version int64 // of the file
	seq     int64 // of the last revocation
	begun   bool
}

// look tells what is new. Numbers grow in the order of commits, as one writes at
// a time, so nothing turns up behind what is known.
func (w *watch) look(ctx context.Context, now time.Time) error {
	version, err := sqlstore.One(ctx, w.db, func(row sqlstore.Row, n *int64) error { return row.Scan(n) }, "PRAGMA data_version")
	if err != nil || w.begun && version == w.version {
		return err
	}
	type news struct {
		seq int64
		store.Revocation
	}
	list, err := sqlstore.Many(ctx, w.db, func(row sqlstore.Row, n *news) error {
		return row.Scan(&n.seq, sqlstore.Text((*string)(&n.Kind)), &n.Key, sqlstore.Time(&n.At), sqlstore.Time(&n.Until))
	}, `SELECT seq, kind, subject, at, until FROM caddyauth_revocations
		WHERE seq > $1 AND until > $2 ORDER BY seq`, w.seq, now)
	if err != nil {
		return err
	}
	for _, n := range list {
		w.heard(n.Revocation)
		w.seq = n.seq
	}
	w.begun, w.version = true, version
	return nil
}
