package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// LockTable is the table caddyauth_locks.
type LockTable struct {
	db   *DB
	lock string
}

// NewLockTable returns the table of a database.
func NewLockTable(db *DB) LockTable {
	return LockTable{db, fmt.Sprintf(`INSERT INTO caddyauth_locks (name, owner, until) VALUES ($1, $2, %s)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
		WHERE caddyauth_locks.owner = excluded.owner OR caddyauth_locks.until <= %s`, db.dialect.Later, db.dialect.Now)}
}

// Lock implements store.Locks. All nodes go by one clock, the database's.
func (t LockTable) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	// What cannot be kept must not count as nothing to do.
	n, err := t.db.exec(ctx, t.lock, []any{name, owner, ttl.Microseconds()})
	return n == 1, err
}

// Unlock implements store.Locks.
func (t LockTable) Unlock(ctx context.Context, name, owner string) error {
	return t.db.Delete(ctx, "DELETE FROM caddyauth_locks WHERE name = $1 AND owner = $2", name, owner)
}
