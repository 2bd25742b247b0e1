package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

// AuthJS is a store whose users, accounts, sessions and verification tokens are
// in the tables that an application of Auth.js has, which reads and writes them
// at the same time. These are never created or altered. What has no place there
// is in tables of ours beside them.
//
// Session tokens and the tokens of providers are kept as they are, because Auth.js
// does so. Times are kept to the millisecond, which is what JavaScript knows.
//
// A session that Auth.js made has the first 32 hexadecimal digits of its token's
// SHA-256 for an ID, and no evidence.
type AuthJS struct {
	authenticators
	sqlstore.TokenTable
	sqlstore.LockTable
	*revocations
	*layout
	db *database
}

// authenticators are in a table of theirs or of ours.
type authenticators interface{ store.Authenticators }

// OpenAuthJS opens the store in a database of Auth.js. The schema is "pg-adapter"
// or "prisma". It fails if tables or columns of that are missing.
func OpenAuthJS(ctx context.Context, dsn, schemaName string) (*AuthJS, error) {
	db, err := connect(dsn)
	if err != nil {
		return nil, err
	}
	s, err := openAuthJS(ctx, db, schemaName)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func openAuthJS(ctx context.Context, db *database, schemaName string) (*AuthJS, error) {
	l, err := inspect(ctx, db.DB, schemaName)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, schema("side"), schema("authjs")); err != nil {
		return nil, err
	}
	users := sqlstore.UserTable{
		Columns: l.userColumns(), From: l.users.name + " u", Where: "u.id = " + l.id("%[1]s"), Scan: scanTheirUser,
	}
	s := &AuthJS{
		authenticators: sqlstore.NewAuthenticatorTable(db.DB, users),
		TokenTable:     sqlstore.NewTokenTable(db.DB, users),
		LockTable:      sqlstore.NewLockTable(db.DB),
		revocations:    &revocations{db},
		layout:         l,
		db:             db,
	}
	if l.passkeys != nil {
		s.authenticators = passkeys{s}
	}
	return s, nil
}

// Ping implements store.Driver.
func (s *AuthJS) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close implements store.Driver. Whoever watches is told to go.
func (s *AuthJS) Close() error { return s.db.Close() }

// Sweep implements store.Driver. It also removes what belongs to users and
// sessions that Auth.js has deleted.
func (s *AuthJS) Sweep(ctx context.Context, now time.Time) error {
	err := s.db.Sweep(ctx, now,
		sqlstore.Expiring{Table: s.sessions.name, Key: `"sessionToken"`, Time: s.sessions.read("expires")},
		sqlstore.Expiring{Table: "caddyauth_authjs_sessions", Key: "id", Time: "expires"},
		sqlstore.Expiring{Table: s.links.name, Key: "identifier, token", Time: s.links.read("expires")},
		sqlstore.ExpiringTokens, sqlstore.ExpiringRevocations,
	)
	if err != nil {
		return err
	}
	orphans := []string{
		// Ours and theirs are made in one transaction, so the one is never there
		// before the other.
		`DELETE FROM caddyauth_authjs_sessions e WHERE e.token IS NOT NULL
			AND NOT EXISTS (SELECT FROM ` + s.sessions.name + ` s WHERE s."sessionToken" = e.token)`,
	}
	for _, table := range []string{"caddyauth_authjs_sessions", "caddyauth_authenticators", "caddyauth_tokens"} {
		orphans = append(orphans, "DELETE FROM "+table+" t WHERE NOT EXISTS (SELECT FROM "+s.users.name+" u WHERE u.id = "+s.id("t.user_id")+")")
	}
	for _, query := range orphans {
		if err := s.db.Delete(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// only makes sure that nobody else keeps something with that key at the same
// time, until the end of the transaction: the tables of pg-adapter have no unique
// constraints. ErrConflict if the query finds something that has it already.
func only(ctx context.Context, tx *sqlstore.Tx, kind, key, query string, args ...any) error {
	// Two keys with one hash wait for each other without need, and that is all.
	const lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7161373263450301299))"
	if err := tx.Insert(ctx, lock, kind+" "+key); err != nil {
		return err
	}
	switch found, err := there(ctx, tx, query, args...); {
	case err != nil:
		return err
	case found:
		return store.ErrConflict
	}
	return nil
}

// there tells whether a query finds something.
func there(ctx context.Context, tx *sqlstore.Tx, query string, args ...any) (bool, error) {
	_, err := sqlstore.One(ctx, tx, func(row sqlstore.Row, _ *int) error { return row.Scan(new(sql.RawBytes)) }, query, args...)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// keepUser keeps a user from being deleted before the end of the transaction.
// ErrNotFound if there is none.
func (s *AuthJS) keepUser(ctx context.Context, tx *sqlstore.Tx, id string) error {
	found, err := there(ctx, tx, "SELECT 1 FROM "+s.users.name+" u WHERE u.id = "+s.id("$1")+" FOR KEY SHARE", id)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return err
}

// at is a time as JavaScript can have it.
func at(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

// lowered scans an address, which Auth.js keeps as the provider wrote it.
type lowered struct{ s *string }

// Scan implements sql.Scanner.
func (l lowered) Scan(src any) error {
	err := sqlstore.Text(l.s).Scan(src)
	*l.s = strings.ToLower(*l.s)
	return err
}

// quoted is a name in an SQL statement.
func quoted(name string) string { return fmt.Sprintf(`"%s"`, name) }

// Interface guards
var _ store.Driver = (*AuthJS)(nil)
