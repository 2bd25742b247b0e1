package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// watcher remembers what it heard.
type watcher struct {
	ended chan error

	mu     sync.Mutex
	heard  map[[2]string][]store.Revocation
	synced []time.Time
	before int // how many things were heard before the first synced
}

func (w *watcher) hear(r store.Revocation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := [2]string{string(r.Kind), r.Key}
	w.heard[key] = append(w.heard[key], r)
}

func (w *watcher) sync() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.synced) == 0 {
		w.before = len(w.heard)
	}
	w.synced = append(w.synced, time.Now())
}

// of returns all that was heard of one thing.
func (w *watcher) of(r store.Revocation) []store.Revocation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard[[2]string{string(r.Kind), r.Key}]
}

// last reports whether the revocation is the last that was heard of its thing.
func (w *watcher) last(r store.Revocation) bool {
	all := w.of(r)
	return len(all) > 0 && all[len(all)-1].At.Equal(r.At) && all[len(all)-1].Until.Equal(r.Until)
}

func (w *watcher) syncs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.synced)
}

func (w *watcher) lastSync() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.synced) == 0 {
		return time.Time{}
	}
	return w.synced[len(w.synced)-1]
}

// watch watches until the test ends, or until the function that it returns is
// called.
func (s *suite) watch(t testing.TB, now time.Time) (*watcher, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{ended: make(chan error, 1), heard: make(map[[2]string][]store.Revocation)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.ended <- s.WatchRevocations(ctx, now, w.hear, w.sync)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-stopped:
		case <-time.After(5 * time.Second):
			t.Error("WatchRevocations goes on after the end of its context")
		}
	})
	return w, cancel
}

// caughtUp waits until a watcher has heard what there was.
func (w *watcher) caughtUp(t testing.TB) {
	t.Helper()
	within(t, 2*time.Second, "synced", func() bool { return w.syncs() > 0 })
}

func (s *suite) revocations(t *testing.T) {
	revoke := func(t *testing.T, r store.Revocation) store.Revocation {
		t.Helper()
		ok(t, s.Revoke(t.Context(), r))
		return r
	}
	kinds := []store.RevocationKind{store.BySession, store.ByUser, store.ByToken, store.ByProvider}

	t.Run("nothing at all", func(t *testing.T) {
		w, _ := s.watch(t, base)
		w.caughtUp(t)
		if w.before != 0 {
			t.Fatalf("heard %v", w.heard)
		}
	})
	t.Run("what there was", func(t *testing.T) {
		var all []store.Revocation
		for i := range 300 {
			all = append(all, revoke(t, revocation(kinds[i%len(kinds)])))
		}
		over := revocation(store.BySession)
		over.Until = base.Add(-time.Millisecond)
		revoke(t, over)

		w, _ := s.watch(t, base)
		w.caughtUp(t)
		if w.before != len(all) {
			t.Fatalf("%d of %d were heard before the first synced", w.before, len(all))
		}
		for _, r := range all {
			same(t, w.of(r)[0], r)
		}
		if len(w.of(over)) > 0 {
			t.Fatal("heard one whose Until is over")
		}
	})
	t.Run("as they come", func(t *testing.T) {
		first, _ := s.watch(t, base)
		second, _ := s.watch(t, base)
		first.caughtUp(t)
		second.caughtUp(t)
		for _, kind := range kinds {
			r := revoke(t, revocation(kind))
			within(t, time.Second, "heard", func() bool { return first.last(r) && second.last(r) })
			same(t, first.of(r)[0], r)
		}
	})
	t.Run("a later one replaces", func(t *testing.T) {
		w, _ := s.watch(t, base)
		w.caughtUp(t)
		early := revoke(t, revocation(store.ByUser))
		within(t, time.Second, "heard", func() bool { return w.last(early) })
		late := early
		late.At, late.Until = late.At.Add(time.Minute), late.Until.Add(time.Minute)
		revoke(t, late)
		within(t, time.Second, "heard again", func() bool { return w.last(late) })
		other := late
		other.Kind, other.At = store.BySession, base
		revoke(t, other)

		fresh, _ := s.watch(t, base)
		fresh.caughtUp(t)
		same(t, fresh.of(early), []store.Revocation{late})
		same(t, fresh.of(other), []store.Revocation{other})
		// Until is the later one's as well.
		afterwards, _ := s.watch(t, early.Until)
		afterwards.caughtUp(t)
		same(t, afterwards.of(early), []store.Revocation{late})
	})
	t.Run("the same again", func(t *testing.T) {
		r := revoke(t, revocation(store.BySession))
		revoke(t, r)
		w, _ := s.watch(t, base)
		w.caughtUp(t)
		same(t, w.of(r)[0], r)
	})
	t.Run("none is missed by whoever comes meanwhile", s.revokeMeanwhile)
	t.Run("synced goes on", func(t *testing.T) {
		w, _ := s.watch(t, base)
		w.caughtUp(t)
		n := w.syncs()
		within(t, 4500*time.Millisecond, "synced twice", func() bool { return w.syncs() >= n+2 })
	})
	t.Run("synced is true", func(t *testing.T) {
		w, _ := s.watch(t, base)
		w.caughtUp(t)
		for range 3 {
			n := w.syncs()
			r := revoke(t, revocation(store.BySession))
			// The next one may have been due when it was revoked.
			within(t, 5*time.Second, "synced twice", func() bool { return w.syncs() >= n+2 })
			if !w.last(r) {
				t.Fatal("not heard, though synced since")
			}
		}
	})
	t.Run("until the context ends", func(t *testing.T) {
		w, cancel := s.watch(t, base)
		w.caughtUp(t)
		cancel()
		select {
		case err := <-w.ended:
			is(t, err, context.Canceled)
		case <-time.After(2 * time.Second):
			t.Fatal("it goes on")
		}
	})
	t.Run("hostile keys", func(t *testing.T) {
		w, _ := s.watch(t, base)
		w.caughtUp(t)
		for _, v := range hostile() {
			r := revocation(store.BySession)
			r.Key += v.text
			revoke(t, r)
			within(t, time.Second, v.name, func() bool { return w.last(r) })
			same(t, w.of(r)[0], r)
		}
	})
}

// revokeMeanwhile starts to watch while things are being revoked.
func (s *suite) revokeMeanwhile(t *testing.T) {
	const each = 20
	var all [contenders][each]store.Revocation
	var watchers []*watcher
	done := make(chan error)
	go func() {
		_, errs := race(contenders, func(i int) (any, error) {
			for k := range each {
				all[i][k] = revocation(store.BySession)
				if err := s.Revoke(t.Context(), all[i][k]); err != nil {
					return nil, err
				}
				time.Sleep(time.Millisecond) // lasts as long as watchers come
			}
			return nil, nil
		})
		done <- errors.Join(errs...)
	}()
	for range 8 {
		w, _ := s.watch(t, base)
		watchers = append(watchers, w)
		time.Sleep(3 * time.Millisecond)
	}
	ok(t, <-done)
	for _, w := range watchers {
		within(t, time.Second, "all heard", func() bool {
			for i := range all {
				for _, r := range all[i] {
					if !w.last(r) {
						return false
					}
				}
			}
			return true
		})
	}
}
