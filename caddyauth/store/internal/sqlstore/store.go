package sqlstore

import (
	"context"
	"time"
)

// Store is our own schema: everything that a store.Driver has but the
// revocations, whose news travels in another way in each database.
type Store struct {
	AuthenticatorTable
	TokenTable
	LockTable
	db *DB
}

// NewStore returns a Store.
func NewStore(db *DB) *Store {
	users := UserTable{Columns: userColumns, From: "caddyauth_users u", Where: "u.id = %s", Scan: scanUser}
	return &Store{
		AuthenticatorTable: NewAuthenticatorTable(db, users),
		TokenTable:         NewTokenTable(db, users),
		LockTable:          NewLockTable(db),
		db:                 db,
	}
}

// Ping implements store.Driver.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Close implements store.Driver.
func (s *Store) Close() error { return s.db.Close() }

// Sweep implements store.Driver.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	return s.db.Sweep(ctx, now,
		Expiring{Table: "caddyauth_sessions", Key: "id", Time: "expires"},
		Expiring{Table: "caddyauth_verification_tokens", Key: "identifier, token", Time: "expires"},
		ExpiringTokens, ExpiringRevocations,
	)
}
