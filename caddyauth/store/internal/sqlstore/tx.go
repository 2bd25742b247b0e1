package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Tx is a transaction.
type Tx struct {
	db *DB
	tx *sql.Tx
}

// Tx does something in a transaction, all or nothing. It may do so several times
// until nobody else is in the way.
func (db *DB) Tx(ctx context.Context, do func(context.Context, *Tx) error) error {
	return db.try(ctx, false, func(ctx context.Context) error { return db.once(ctx, do) })
}

func (db *DB) once(ctx context.Context, do func(context.Context, *Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(ctx, &Tx{db, tx}); err != nil {
		_ = tx.Rollback() // a connection on which that fails is given up
		return err
	}
	return tx.Commit()
}

// Insert is DB.Insert.
func (tx *Tx) Insert(ctx context.Context, query string, args ...any) error {
	_, err := tx.exec(ctx, query, args)
	return err
}

// Update is DB.Update.
func (tx *Tx) Update(ctx context.Context, query string, args ...any) error {
	n, err := tx.exec(ctx, query, args)
	if errors.Is(err, errNotText) || err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// Delete is DB.Delete.
func (tx *Tx) Delete(ctx context.Context, query string, args ...any) error {
	_, err := tx.exec(ctx, query, args)
	if errors.Is(err, errNotText) {
		return nil
	}
	return err
}

// Script runs statements without arguments, one after the other.
func (tx *Tx) Script(ctx context.Context, statements string) error {
	_, err := tx.tx.ExecContext(ctx, statements)
	return err
}

func (tx *Tx) exec(ctx context.Context, query string, args []any) (int64, error) {
	values, err := tx.db.dialect.values(args)
	if err != nil {
		return 0, err
	}
	result, err := tx.tx.ExecContext(ctx, query, values...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (tx *Tx) rows(ctx context.Context, again func(), each func(Row) error, query string, args []any) error {
	again()
	values, err := tx.db.dialect.values(args)
	if errors.Is(err, errNotText) {
		return nil
	} else if err != nil {
		return err
	}
	rows, err := tx.tx.QueryContext(ctx, query, values...)
	if err != nil {
		return err
	}
	return drain(rows, each)
}
