package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Row is a row of a result.
type Row interface{ Scan(dest ...any) error }

// Querier is where queries go: a DB outside of transactions, a Tx within one,
// and DB.Changing for those that change something.
type Querier interface {
	// rows calls each with every row. It calls again first, and whenever it has to
	// begin anew.
	rows(ctx context.Context, again func(), each func(Row) error, query string, args []any) error
}

// One returns the first row of a result, or store.ErrNotFound.
func One[T any](ctx context.Context, q Querier, scan func(Row, *T) error, query string, args ...any) (T, error) {
	var v, none T
	var found bool
	err := q.rows(ctx, func() { found = false }, func(row Row) error {
		if found {
			return nil
		}
		found = true
		return scan(row, &v)
	}, query, args)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// Many returns the rows of a result.
func Many[T any](ctx context.Context, q Querier, scan func(Row, *T) error, query string, args ...any) ([]T, error) {
	var list []T
	err := q.rows(ctx, func() { list = nil }, func(row Row) error {
		var v T
		if err := scan(row, &v); err != nil {
			return err
		}
		list = append(list, v)
		return nil
	}, query, args)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// rows of a DB only reads, so it may be tried again.
func (db *DB) rows(ctx context.Context, again func(), each func(Row) error, query string, args []any) error {
	return db.query(ctx, db.read, true, again, each, query, args)
}

// Changing is a Querier for statements that change something and return rows.
func (db *DB) Changing() Querier { return changing{db} }

type changing struct{ db *DB }

func (c changing) rows(ctx context.Context, again func(), each func(Row) error, query string, args []any) error {
	return c.db.query(ctx, c.db.write, false, again, each, query, args)
}

func (db *DB) query(ctx context.Context, pool *sql.DB, reads bool, again func(), each func(Row) error, query string, args []any) error {
	again()
	values, err := db.dialect.values(args)
	switch {
	case errors.Is(err, errNotText):
		return nil // nothing can have it
	case err != nil:
		return db.Explain(ctx, err)
	}
	return db.try(ctx, reads, func(ctx context.Context) error {
		again()
		rows, err := db.queryOnce(ctx, pool, query, values)
		if err != nil {
			return err
		}
		return drain(rows, each)
	})
}

func (db *DB) queryOnce(ctx context.Context, pool *sql.DB, query string, values []any) (*sql.Rows, error) {
	stmt, err := db.statement(ctx, pool, query)
	if err != nil {
		return nil, err
	}
	if stmt != nil {
		return stmt.QueryContext(ctx, values...)
	}
	return pool.QueryContext(ctx, query, values...)
}

// drain reads all rows, also when nobody wants more: only at the end is it known
// that a statement did what it was to do.
func drain(rows *sql.Rows, each func(Row) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}
