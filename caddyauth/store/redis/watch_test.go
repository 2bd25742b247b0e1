package redis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// watcher is a WatchRevocations under way.
type watcher struct {
	mu     sync.Mutex
	keys   map[string]int
	synced int
	ended  chan error
}

func (w *watcher) heard(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys[key]
}

func (w *watcher) complete() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.synced > 0
}

// watching starts to watch and waits until all was heard.
func watching(t *testing.T, s *Store) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{keys: make(map[string]int), ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ended <- s.WatchRevocations(ctx, time.Now(), func(r store.Revocation) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.keys[r.Key]++
		}, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.synced++
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	within(t, 3*time.Second, "synced", w.complete)
	return w
}

func ended(key string) store.Revocation {
	return store.Revocation{Kind: store.BySession, Key: key, At: time.Now(), Until: time.Now().Add(time.Hour)}
}

func TestWatchGaps(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s, ctx, c := opened(t, server.URL), t.Context(), raw(t, server)
	w := watching(t, s)

	t.Run("a message tells at once", func(t *testing.T) {
		start := time.Now()
		for i := range 5 {
			key := fmt.Sprint("told", i)
			fatal(t, s.Revoke(ctx, ended(key)))
			within(t, time.Second, "heard", func() bool { return w.heard(key) > 0 })
		}
		if took := time.Since(start); took > listenEvery {
			t.Errorf("five took %v", took)
		}
	})
	t.Run("a lost message", func(t *testing.T) {
		source := luaRevoke.source
		silent := strings.Replace(source, "call('PUBLISH', prefix .. 'revoked', number)", "", 1)
		if silent == source {
			t.Fatal("the script publishes nothing")
		}
		args := []any{"session:lost", millis(time.Now()) + " " + millis(time.Now().Add(time.Hour)), ""}
		fatal(t, c.Eval(ctx, silent, []string{"caddyauth:", "caddyauth:schema"}, args...).Err())
		within(t, listenEvery+300*time.Millisecond, "heard", func() bool { return w.heard("lost") > 0 })
	})
	t.Run("many at once", func(t *testing.T) {
		const n = 2*listenStep + 7
		var wg sync.WaitGroup
		for k := range 8 {
			wg.Go(func() {
				for i := k; i < n; i += 8 {
					if err := s.Revoke(ctx, ended(fmt.Sprint("many", i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		all := func(w *watcher) func() bool {
			return func() bool {
				for i := range n {
					if w.heard(fmt.Sprint("many", i)) == 0 {
						return false
					}
				}
				return true
			}
		}
		within(t, time.Second, "all were heard", all(w))
		if late := watching(t, s); !all(late)() {
			t.Error("synced before all that existed were heard")
		}
	})
	t.Run("heard once", func(t *testing.T) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for key, n := range w.keys {
			if n != 1 {
				t.Errorf("%s was heard %d times", key, n)
			}
		}
	})
	t.Run("data that were lost", func(t *testing.T) {
		fatal(t, c.FlushAll(ctx).Err())
		fatal(t, s.Revoke(ctx, ended("flushed")))
		within(t, time.Second, "heard", func() bool { return w.heard("flushed") > 0 })
	})
	t.Run("data from before", func(t *testing.T) {
		// As a backup of another server has them, whose clock was late.
		fatal(t, c.FlushAll(ctx).Err())
		fatal(t, c.HSet(ctx, "caddyauth:revocations", "user:old", " "+millis(time.Now().Add(time.Hour))).Err())
		fatal(t, c.Do(ctx, "ZADD", "caddyauth:revocation-log", 7, "user:old").Err())
		fatal(t, c.Set(ctx, "caddyauth:revocation-number", 7, 0).Err())
		within(t, listenEvery+300*time.Millisecond, "heard", func() bool { return w.heard("old") > 0 })
	})
	t.Run("a connection that is cut", func(t *testing.T) {
		fatal(t, c.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err())
		select {
		case err := <-w.ended:
			if err == nil {
				t.Error("no error")
			}
		case <-time.After(time.Second):
			t.Error("it was not noticed")
		}
	})
}

// TestNumbersGrow wants the numbers of revocations to grow even if the server's
// clock goes back.
func TestNumbersGrow(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s, ctx, c := opened(t, server.URL), t.Context(), raw(t, server)
	ahead := uint64(time.Now().Add(time.Hour).UnixMicro())
	fatal(t, c.Set(ctx, "caddyauth:revocation-number", ahead, 0).Err())
	w := watching(t, s)
	for i := range uint64(3) {
		fatal(t, s.Revoke(ctx, ended(fmt.Sprint(i))))
		if got, err := c.Get(ctx, "caddyauth:revocation-number").Uint64(); err != nil || got != ahead+1+i {
			t.Errorf("the number is %d, %v; want %d", got, err, ahead+1+i)
		}
		within(t, time.Second, "heard", func() bool { return w.heard(fmt.Sprint(i)) == 1 })
	}
}
