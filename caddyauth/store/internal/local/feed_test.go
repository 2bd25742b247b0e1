package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func none() ([]store.Revocation, error) { return nil, nil }

// events are what was heard and synced, in order.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, what)
}

// take waits until nothing happens any more, and returns what has since the last
// time.
func (e *events) take() []string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.all
	e.all = nil
	return all
}

// want compares what was heard, and wants synced to come after it.
func (e *events) want(t *testing.T, want ...string) {
	t.Helper()
	all := e.take()
	heard := slices.DeleteFunc(slices.Clone(all), func(e string) bool { return e == "synced" })
	if !slices.Equal(heard, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	if len(want) > 0 && all[len(all)-1] != "synced" {
		t.Errorf("got %v without a synced at the end", all)
	}
}

// watching starts to watch.
func watching(ctx context.Context, f *Feed, existing func() ([]store.Revocation, error)) (e *events, ended chan error) {
	e, ended = new(events), make(chan error, 1)
	go func() {
		ended <- f.Watch(ctx, existing, func(r store.Revocation) { e.add(r.Key) }, func() { e.add("synced") })
	}()
	return e, ended
}

func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Feed
		f.Tell(store.Revocation{Key: "before"})
		ctx, cancel := context.WithCancel(t.Context())
		a, endedA := watching(ctx, &f, func() ([]store.Revocation, error) {
			// What comes while it looks is heard after what it has seen.
			f.Tell(store.Revocation{Key: "meanwhile"})
			return []store.Revocation{{Key: "existing"}}, nil
		})
		a.want(t, "existing", "meanwhile")
		b, endedB := watching(t.Context(), &f, none)
		b.want(t)

		for _, key := range []string{"1", "2", "3"} {
			f.Tell(store.Revocation{Key: key})
		}
		a.want(t, "1", "2", "3")
		b.want(t, "1", "2", "3")

		time.Sleep(2*every + time.Millisecond)
		if all := a.take(); !slices.Equal(all, []string{"synced", "synced"}) {
			t.Errorf("got %v in %v", all, 2*every)
		}

		cancel()
		if err := <-endedA; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
		f.Tell(store.Revocation{Key: "4"})
		a.want(t)
		b.want(t, "4")

		f.Interrupt()
		if err := <-endedB; err == nil {
			t.Error("no error")
		}
		c, endedC := watching(t.Context(), &f, none)
		if !slices.Contains(c.take(), "synced") {
			t.Error("not synced")
		}
		f.Tell(store.Revocation{Key: "5"})
		f.Close()
		if err := <-endedC; !errors.Is(err, ErrClosed) {
			t.Errorf("got error %v", err)
		}
		if len(f.watchers) != 0 {
			t.Errorf("%d watchers are left", len(f.watchers))
		}
		d, endedD := watching(t.Context(), &f, none)
		if err := <-endedD; !errors.Is(err, ErrClosed) {
			t.Errorf("got error %v", err)
		}
		d.want(t)
	})
}

// Without having heard what there is, nobody must be told that nothing is missed.
func TestFeedCannotLook(t *testing.T) {
	var f Feed
	broken := errors.New("broken")
	err := f.Watch(t.Context(), func() ([]store.Revocation, error) { return nil, broken },
		func(store.Revocation) { t.Error("heard") }, func() { t.Error("synced") })
	if !errors.Is(err, broken) || len(f.watchers) != 0 {
		t.Errorf("got error %v", err)
	}
}

func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks
		l.Unlock("a", "x")
		for _, step := range []struct {
			owner string
			ttl   time.Duration
			want  bool
			sleep time.Duration
		}{
			{"x", time.Minute, true, 59 * time.Second},
			{"y", time.Minute, false, 0},
			{"x", time.Minute, true, 59 * time.Second},
			{"y", time.Minute, false, time.Second},
			{"y", time.Minute, true, 0},
			{"x", time.Minute, false, 0},
		} {
			if got := l.Lock("a", step.owner, step.ttl); got != step.want {
				t.Fatalf("%s got %v, want %v", step.owner, got, step.want)
			}
			time.Sleep(step.sleep)
		}
		l.Unlock("a", "x")
		if l.Lock("a", "x", time.Minute) {
			t.Error("another's lock was given back")
		}
		l.Unlock("a", "y")
		if !l.Lock("a", "x", time.Minute) {
			t.Error("it was not given back")
		}
	})
}

// Names that nobody gives back do not stay for ever.
func TestLocksForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks
		l.Lock("held", "x", time.Hour)
		for i := range 10 * maxLocks {
			l.Lock(fmt.Sprint(i), "x", time.Second)
			time.Sleep(10 * time.Millisecond)
		}
		if len(l.locks) > maxLocks {
			t.Errorf("%d are kept", len(l.locks))
		}
		if l.Lock("held", "y", time.Hour) {
			t.Error("one that is held was forgotten")
		}
	})
}
