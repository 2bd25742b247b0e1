// Package bolt is a store in one file of this machine, without a server: the
// default. One process has the file open. It is made by bbolt, a tree of pages
// that is never overwritten in place, so a crash leaves either what was there
// before a write or what is there after it.
package bolt

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/local"
)

var (
	// ErrDamaged means that the file is no store, or has been damaged.
	ErrDamaged = errors.New("bolt: the file is damaged or not a store of caddyauth")
	// ErrLocked means that the file is open elsewhere.
	ErrLocked = errors.New("bolt: the file is open in another process")
	// ErrNewer means that a later version of caddyauth has written the file.
	ErrNewer = errors.New("bolt: the file is of a newer version of caddyauth")
	// ErrMoved means that the file was removed, moved or overwritten since it was
	// opened: what is written would be lost.
	ErrMoved = errors.New("bolt: the file was removed or replaced while it was open")
)

// Store is a [store.Driver] in a file. Reading does not wait for writing.
//
// A file that is replaced by another while it is open, as when a backup is put
// back, is opened at the next write, and one that was damaged as soon as it is
// whole. While it is missing, writing fails.
type Store struct {
	path string
	file atomic.Pointer[file]

	feed  local.Feed
	locks local.Locks

	jobs    chan *job
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed by the writer
	once    sync.Once
	closed  error
}

var _ store.Driver = (*Store)(nil)

// Open opens the store in the file, and makes it, mode 0600, and its folder,
// mode 0700, if they are missing. It waits up to 2 s for another process that
// has the file open, then fails with [ErrLocked].
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := openFile(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path:    path,
		jobs:    make(chan *job, maxBatch),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	s.file.Store(f)
	go s.writer()
	return s, nil
}

// Ping implements [store.Driver].
func (s *Store) Ping(ctx context.Context) error {
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		_, err := schema(tx)
		return err
	})
	if err == nil {
		_, err = s.file.Load().moved()
	}
	if err != nil {
		s.nudge()
	}
	return err
}

// Close implements [store.Driver]. It waits for what is being written.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.closing)
		s.feed.Close()
		<-s.stopped
		s.closed = s.file.Load().close()
	})
	return s.closed
}

// open reports why nothing can be done, if so.
func (s *Store) open(ctx context.Context) error {
	select {
	case <-s.closing:
		return local.ErrClosed
	default:
		return ctx.Err()
	}
}

// view reads.
func (s *Store) view(ctx context.Context, do func(*bbolt.Tx) error) error {
	for {
		if err := s.open(ctx); err != nil {
			return err
		}
		f := s.file.Load()
		err := f.view(do)
		switch {
		case f.broken.Load():
			s.nudge()
		case isClosed(err) && s.file.Load() != f:
			continue // another has taken its place
		case isClosed(err):
			return local.ErrClosed
		}
		return err
	}
}

// nudge makes the writer look after the file, unless it has something to do.
func (s *Store) nudge() {
	j := &job{ctx: context.Background(), do: func(*bbolt.Tx) error { return nil }, done: make(chan struct{})}
	if len(s.jobs) == 0 {
		select {
		case s.jobs <- j:
		default:
		}
	}
}

// WatchRevocations implements [store.Revocations].
func (s *Store) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	return s.feed.Watch(ctx, func() (list []store.Revocation, err error) {
		err = s.view(ctx, func(tx *bbolt.Tx) error {
			return tx.Bucket(revocations).ForEach(func(k, v []byte) error {
				r, err := read[revocationRow](k, v)
				if err == nil && r.Until.After(now) {
					list = append(list, store.Revocation(r))
				}
				return err
			})
		})
		return list, err
	}, heard, synced)
}

// Revoke implements [store.Revocations].
func (s *Store) Revoke(ctx context.Context, r store.Revocation) error {
	return s.write(ctx, &job{
		do:   func(tx *bbolt.Tx) error { return put(tx, revocations, revocationRow(r)) },
		then: func() { s.feed.Tell(r) },
	})
}

// Lock implements [store.Locks]. Locks are not in the file: nobody else has it
// open, so they need not outlast the process.
func (s *Store) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	if err := s.open(ctx); err != nil {
		return false, err
	}
	return s.locks.Lock(name, owner, ttl), nil
}

// Unlock implements [store.Locks].
func (s *Store) Unlock(ctx context.Context, name, owner string) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	s.locks.Unlock(name, owner)
	return nil
}
