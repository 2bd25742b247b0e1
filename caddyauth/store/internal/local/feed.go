// Package local does within one process what stores that several share leave to
// their server: it tells revocations to whoever watches, and keeps locks.
package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// ErrClosed is what watchers get when the store is closed.
var ErrClosed = errors.New("store: closed")

// errInterrupted is what watchers get who have to begin anew.
var errInterrupted = errors.New("store: opened again")

// every is how often watchers that hear nothing are told that they miss nothing.
const every = 400 * time.Millisecond

// Feed hands revocations to whoever watches. The zero value is ready for use.
type Feed struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
	closed   bool
}

// watcher has what one watcher has yet to hear.
type watcher struct {
	pending []store.Revocation
	end     error         // why it has to stop, if so
	wake    chan struct{} // holds one
}

func (w *watcher) alert() {
	select {
	case w.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Tell hands a revocation to all watchers. The store calls it once the
// revocation is kept and before it says so, in the order in which they are kept.
func (f *Feed) Tell(r store.Revocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		w.pending = append(w.pending, r)
		w.alert()
	}
}

// Interrupt ends what watching there is: what is kept is not what it was.
func (f *Feed) Interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end(errInterrupted)
}

// Close ends all watching with ErrClosed.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.end(ErrClosed)
}

// end needs f.mu.
func (f *Feed) end(err error) {
	for w := range f.watchers {
		w.end = err
		w.alert()
	}
}

// Watch is [store.Revocations.WatchRevocations] for a store that one process has
// for itself. Existing returns what is kept already.
//
// It listens before it looks: what is revoked in between is heard twice, and
// what is heard last is what was kept last.
func (f *Feed) Watch(ctx context.Context, existing func() ([]store.Revocation, error), heard func(store.Revocation), synced func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &watcher{wake: make(chan struct{}, 1)}
	if err := f.add(w); err != nil {
		return err
	}
	defer f.remove(w)

	kept, err := existing()
	if err != nil {
		return err
	}
	for _, r := range kept {
		heard(r)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		news, end := f.take(w)
		for _, r := range news {
			heard(r)
		}
		if end != nil {
			return end
		}
		synced()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		case <-tick.C:
		}
	}
}

func (f *Feed) add(w *watcher) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	if f.watchers == nil {
		f.watchers = make(map[*watcher]struct{})
	}
	f.watchers[w] = struct{}{}
	return nil
}

func (f *Feed) remove(w *watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers, w)
}

// take returns what the watcher has not heard yet, and why it has to stop, if so.
func (f *Feed) take(w *watcher) (news []store.Revocation, end error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	news, w.pending = w.pending, nil
	return news, w.end
}
