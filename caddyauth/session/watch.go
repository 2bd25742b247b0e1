package session

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/store"
)

const (
	// staleAfter is how long the news of ended sessions may be missing before no
	// session is believed: another node may have ended it.
	staleAfter = time.Second

	// patience is how long a request then waits for them, so that a store that
	// hesitates refuses nobody.
	patience = time.Second

	// lostAfter is how long they may be missing before nobody waits any more.
	lostAfter = 3 * time.Second

	// rewatch is how long it takes to listen again.
	rewatch = 100 * time.Millisecond
)

// watch is how an Ended learns what other nodes ended.
type watch struct {
	on     atomic.Bool
	begun  time.Time    // when there were no news yet
	synced atomic.Int64 // when nothing was missing last, in Unix nanoseconds

	mu   sync.Mutex
	next chan struct{} // closed when that is said again; nil if nobody waits
}

// Watch keeps the memory up with a store until the context ends: what any node
// ends is refused here a second later, also where the store cannot be heard, as
// no session is believed then. It is called once.
func (e *Ended) Watch(ctx context.Context, d store.Revocations, now func() time.Time, log *zap.Logger) {
	e.watch.begun = now()
	e.watch.on.Store(true)
	go func() {
		for ctx.Err() == nil {
			err := d.WatchRevocations(ctx, now(),
				func(r store.Revocation) { e.hear(r, now()) },
				func() { e.watch.sync(now()) })
			if ctx.Err() != nil {
				return
			}
			log.Debug("the store cannot be heard", zap.Error(err))
			select {
			case <-time.After(rewatch):
			case <-ctx.Done():
			}
		}
	}()
}

// sync notes that nothing is missing at this moment.
func (w *watch) sync(now time.Time) {
	w.synced.Store(now.UnixNano())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

// wait waits until that is said again.
func (w *watch) wait(ctx context.Context) bool {
	w.mu.Lock()
	if w.next == nil {
		w.next = make(chan struct{})
	}
	next := w.next
	w.mu.Unlock()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-next:
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// hear takes in one piece of news.
func (e *Ended) hear(r store.Revocation, now time.Time) {
	switch r.Kind {
	case store.BySession:
		if !e.Has(r.Key) {
			e.Add(r.Key, now, r.Until)
			return
		}
		e.keep(r.Until)
	case store.ByUser:
		e.AddUser(r.Key, r.At, now, r.Until)
	case store.ByProvider:
		e.AddLogout(r.Key, r.At, now, r.Until)
	case store.ByToken:
		if key := tokenKey(r.Key); !e.Has(key) {
			e.Add(key, now, r.Until)
		}
	}
}

// tokenKey is what a personal access token is remembered by.
func tokenKey(id string) string { return "token:" + id }

// errStale is why a session is not believed.
var errStale = fmt.Errorf("%w: which sessions were ended lately is not known", ErrUnavailable)

// fresh returns an error if too much may have been missed.
func (e *Ended) fresh(ctx context.Context, now time.Time) error {
	w := &e.watch
	missing := w.missing(now)
	if missing <= staleAfter || missing < lostAfter && w.wait(ctx) {
		return nil
	}
	return errStale
}

// lost reports whether so much may have been missed that nobody waits for it.
func (e *Ended) lost(now time.Time) bool { return e.watch.missing(now) >= lostAfter }

// missing is how long there have been no news, zero if there need not be any.
// At the beginning there are none yet, however short it is.
func (w *watch) missing(now time.Time) time.Duration {
	if !w.on.Load() {
		return 0
	}
	last := w.synced.Load()
	if last == 0 {
		return max(now.Sub(w.begun), staleAfter+1)
	}
	return time.Duration(now.UnixNano() - last)
}
