package sqlite

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Numbers of revocations that were swept are not given out again, or whoever
// watches would take the next ones for known.
func TestSweptRevocations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, other := opened(t, path), opened(t, path)
	now := time.Now()
	heard, synced := make(chan string, 10), make(chan bool, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.WatchRevocations(ctx, now, func(r store.Revocation) { heard <- r.Key }, func() { synced <- true })
	}()
	<-synced
	for _, key := range []string{"a", "b", "c", "a"} {
		fatal(t, other.Revoke(t.Context(), store.Revocation{Kind: store.BySession, Key: key, At: now, Until: now.Add(time.Hour)}))
		select {
		case got := <-heard:
			if got != key {
				t.Fatalf("heard %s, want %s", got, key)
			}
		case <-time.After(2 * time.Second):
			t.Fatalf("%s was not heard", key)
		}
		fatal(t, other.Sweep(t.Context(), now.Add(2*time.Hour)))
	}
	cancel()
	<-done
}

// An older revocation must not take back what a newer one has ended.
func TestOlderRevocation(t *testing.T) {
	s := empty(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	newer := store.Revocation{Kind: store.ByUser, Key: "ada", At: now, Until: now.Add(time.Hour)}
	older := newer
	older.At = now.Add(-time.Minute)
	fatal(t, s.Revoke(t.Context(), newer))
	fatal(t, s.Revoke(t.Context(), older))
	ctx, cancel := context.WithCancel(t.Context())
	var all []store.Revocation
	_ = s.WatchRevocations(ctx, now, func(r store.Revocation) { all = append(all, r) }, cancel)
	if len(all) != 1 || all[0] != newer {
		t.Errorf("heard %v, want %v", all, newer)
	}
}
