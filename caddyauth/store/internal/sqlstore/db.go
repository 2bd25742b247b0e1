package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// DB asks one database. Its methods return store.ErrNotFound and
// store.ErrConflict for what these mean, and explain other errors.
type DB struct {
	dialect     Dialect
	read, write *sql.DB

	mu       sync.RWMutex
	prepared map[statement]*sql.Stmt
}

// statement names a prepared statement.
type statement struct {
	pool  *sql.DB
	query string
}

// NewDB returns a DB. Pools for reading and for writing may be one and the same.
func NewDB(read, write *sql.DB, dialect Dialect) *DB {
	if dialect.Lost == nil {
		dialect.Lost = func(bool) {}
	}
	return &DB{dialect: dialect, read: read, write: write, prepared: make(map[statement]*sql.Stmt)}
}

// Close closes both pools.
func (db *DB) Close() error {
	if db.read == db.write {
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	_, err := One(ctx, db, func(row Row, n *int64) error { return row.Scan(n) }, "SELECT 1")
	return err
}

// Insert adds a row: store.ErrConflict if it is there, store.ErrNotFound if it
// refers to one that is not.
func (db *DB) Insert(ctx context.Context, query string, args ...any) error {
	_, err := db.exec(ctx, query, args)
	return err
}

// Update changes a row: store.ErrNotFound if there is none.
func (db *DB) Update(ctx context.Context, query string, args ...any) error {
	n, err := db.Count(ctx, query, args...)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// Delete removes rows, if there are any.
func (db *DB) Delete(ctx context.Context, query string, args ...any) error {
	_, err := db.Count(ctx, query, args...)
	return err
}

// Count changes rows that are there and says how many.
func (db *DB) Count(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := db.exec(ctx, query, args)
	if errors.Is(err, errNotText) {
		return 0, nil // nothing can have it
	}
	return n, err
}

func (db *DB) exec(ctx context.Context, query string, args []any) (n int64, err error) {
	values, err := db.dialect.values(args)
	if err != nil {
		return 0, db.Explain(ctx, err)
	}
	err = db.try(ctx, false, func(ctx context.Context) error {
		result, err := db.execOnce(ctx, query, values)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

func (db *DB) execOnce(ctx context.Context, query string, values []any) (sql.Result, error) {
	stmt, err := db.statement(ctx, db.write, query)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		return stmt.ExecContext(ctx, values...)
	}
	return db.write.ExecContext(ctx, query, values...)
}

// statement returns the prepared statement for a query, or nil if the dialect
// does not want any.
func (db *DB) statement(ctx context.Context, pool *sql.DB, query string) (*sql.Stmt, error) {
	if !db.dialect.Prepare {
		return nil, nil
	}
	key := statement{pool, query}
	db.mu.RLock()
	stmt := db.prepared[key]
	db.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := pool.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if other := db.prepared[key]; other != nil {
		_ = stmt.Close() // somebody was faster
		return other, nil
	}
	db.prepared[key] = stmt
	return stmt, nil
}
