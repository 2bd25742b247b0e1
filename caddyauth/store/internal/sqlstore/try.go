package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// patience is how long others may keep a database busy.
const patience = 2 * time.Second

// try does something, again if others were first, and, if it only reads, once
// more when the connection was lost.
func (db *DB) try(ctx context.Context, reads bool, do func(context.Context) error) error {
	if db.dialect.Timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, db.dialect.Timeout)
		defer cancel()
		ctx = bounded
	}
	start, pause := time.Now(), time.Millisecond
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		switch kind, _ := db.judge(err); {
		case ctx.Err() != nil:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				db.dialect.Lost(true)
			}
			return db.Explain(ctx, err)
		case kind == Gone:
			db.dialect.Lost(false)
			if !reads {
				return db.Explain(ctx, err)
			}
			reads = false
		case kind == Busy && time.Since(start) < patience:
			if !sleep(ctx, pause) {
				return db.Explain(ctx, err)
			}
			pause = min(2*pause, 50*time.Millisecond)
		default:
			return db.Explain(ctx, err)
		}
	}
}

// judge tells what an error means.
func (db *DB) judge(err error) (Kind, string) {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) || errors.Is(err, errNotText) {
		return Other, ""
	}
	return db.dialect.Judge(err)
}

// Explain returns the error that callers get for one of the driver.
func (db *DB) Explain(ctx context.Context, err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		return err
	}
	kind, words := db.judge(err)
	switch {
	case kind == Conflict:
		return store.ErrConflict
	case kind == Orphan:
		return store.ErrNotFound
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		// Drivers say in their own words that they were interrupted.
		return fmt.Errorf("%s: %w: %w", db.dialect.Name, ctx.Err(), err)
	case words != "":
		return fmt.Errorf("%s: %s: %w", db.dialect.Name, words, err)
	}
	return fmt.Errorf("%s: %w", db.dialect.Name, err)
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
