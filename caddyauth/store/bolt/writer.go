package bolt

import (
	"context"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/local"
)

// maxBatch is how many writes may share one transaction.
const maxBatch = 256

// job is one write.
type job struct {
	ctx context.Context
	// do must not have written anything when it returns [store.ErrNotFound] or
	// [store.ErrConflict]: the writes of others are kept all the same. It is called
	// again if another of its batch fails.
	do func(*bbolt.Tx) error
	// then is called once it is kept, in the order of the writes, if not nil.
	then func()
	err  error
	done chan struct{}
}

// write has something written and waits until it is on the disk.
//
// One goroutine writes. What comes in while it waits for the disk goes into the
// next transaction together, so that many sign-ins at once cost little more than
// one; a single write waits for nothing. bbolt's own Batch would let each wait
// for others to come.
func (s *Store) write(ctx context.Context, j *job) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	j.ctx, j.done = ctx, make(chan struct{})
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return local.ErrClosed
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
	}
	select {
	case <-j.done: // it was in the last batch
		return j.err
	default:
		return local.ErrClosed
	}
}

// update is write without anything else to do.
func (s *Store) update(ctx context.Context, do func(*bbolt.Tx) error) error {
	return s.write(ctx, &job{do: do})
}

// change is update with a result. Whoever stops waiting gets none: it may be
// made still.
func change[T any](ctx context.Context, s *Store, do func(*bbolt.Tx) (T, error)) (T, error) {
	result := new(T)
	err := s.update(ctx, func(tx *bbolt.Tx) (err error) {
		*result, err = do(tx)
		return err
	})
	if err != nil {
		return *new(T), err
	}
	return *result, nil
}

func (s *Store) writer() {
	defer close(s.stopped)
	for {
		select {
		case <-s.closing:
			return
		case j := <-s.jobs:
			batch := []*job{j}
			for len(batch) < maxBatch && len(s.jobs) > 0 {
				batch = append(batch, <-s.jobs)
			}
			s.commit(batch)
		}
	}
}

// commit writes a batch in one transaction. A job that fails is left out of it,
// and the others are done again without it.
func (s *Store) commit(batch []*job) {
	for {
		failed, err := s.try(batch)
		if failed < 0 {
			for _, j := range batch {
				j.finish(err)
			}
			return
		}
		batch[failed].finish(err)
		batch = slices.Delete(batch, failed, failed+1)
	}
}

// finish tells how a job ended: with the error of the transaction, if there is
// one, or its own.
func (j *job) finish(err error) {
	if err != nil {
		j.err = err
	}
	if j.err == nil && j.then != nil {
		j.then()
	}
	close(j.done)
}

// try writes a batch. On an error nothing is written; failed is the index of the
// job at fault, or -1 if it is not one of them.
func (s *Store) try(batch []*job) (failed int, err error) {
	failed = -1
	f, err := s.healthy()
	if err != nil {
		return failed, err
	}
	err = f.update(func(tx *bbolt.Tx) error {
		for i, j := range batch {
			if j.err = j.ctx.Err(); j.err != nil {
				continue // nobody waits for it
			}
			j.err, _ = guard(func() error { return j.do(tx) })
			if j.err != nil && !errors.Is(j.err, store.ErrNotFound) && !errors.Is(j.err, store.ErrConflict) {
				failed = i
				return j.err
			}
		}
		return nil
	})
	return failed, err
}

// healthy returns the file, opened again if it is broken or another has taken its
// place. One that is missing or empty is not made anew: it may be about to be
// put back.
func (s *Store) healthy() (*file, error) {
	f := s.file.Load()
	missing, err := f.moved()
	broken := f.broken.Load()
	if missing || err == nil && !broken {
		return f, err
	}
	if broken {
		_ = f.close() // or it cannot be opened again
	}
	next, err := tryOpen(s.path, false)
	if err != nil {
		return nil, err
	}
	s.file.Store(next)
	s.feed.Interrupt()
	if !broken {
		_ = f.close()
	}
	return next, nil
}
