package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// watching is somebody who watches.
type watching struct {
	heard  chan store.Revocation
	synced chan time.Time
	ended  chan error
}

func watch(t testing.TB, s *Store, now time.Time) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watching{make(chan store.Revocation, 100), make(chan time.Time, 100), make(chan error, 1)}
	done := make(chan bool)
	go func() {
		defer close(done)
		w.ended <- s.WatchRevocations(ctx, now, func(r store.Revocation) { w.heard <- r }, func() { w.synced <- time.Now() })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return w
}

// next is what is heard next.
func next[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(5 * time.Second):
		t.Fatal("nothing is heard")
		panic("unreachable")
	}
}

func testWatch(t *testing.T, server *testdb.PostgresServer) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	revocation := func(key string) store.Revocation {
		return store.Revocation{Kind: store.ByUser, Key: key, At: now, Until: now.Add(time.Hour)}
	}

	t.Run("news that are too long", func(t *testing.T) {
		t.Parallel()
		s := opened(t, owned(server))
		w := watch(t, s, now)
		next(t, w.synced)
		// The index of the table takes longer ones only if they can be compressed.
		long := revocation(strings.Repeat("ab", maxPayload))
		fatal(t, s.Revoke(t.Context(), long))
		if got := next(t, w.heard); got != long {
			t.Errorf("heard %.100v", got)
		}
	})
	// Anybody who is let into the database can say anything there.
	t.Run("news that are not true", func(t *testing.T) {
		t.Parallel()
		dsn := owned(server)
		s := opened(t, dsn)
		fatal(t, s.Revoke(t.Context(), revocation("ada")))
		w := watch(t, s, now)
		next(t, w.heard)
		next(t, w.synced)
		conn := raw(t, dsn)
		for _, payload := range []string{"session x", "user x", "x", " ", "user ' OR true --", "\x01", "user ada"} {
			if _, err := conn.Exec(t.Context(), "SELECT pg_notify($1, $2)", channel, payload); err != nil {
				t.Fatal(err)
			}
		}
		if got := next(t, w.heard); got != revocation("ada") {
			t.Errorf("heard %v", got)
		}
		execute(t, conn, "NOTIFY "+channel) // says to read everything
		if got := next(t, w.heard); got != revocation("ada") {
			t.Errorf("heard %v", got)
		}
	})
	// One database can have several stores, which have one channel together.
	t.Run("news of others", func(t *testing.T) {
		t.Parallel()
		s, other := opened(t, owned(server)), opened(t, owned(server))
		w := watch(t, s, now)
		next(t, w.synced)
		fatal(t, other.Revoke(t.Context(), revocation("theirs")))
		fatal(t, s.Revoke(t.Context(), revocation("ours")))
		if got := next(t, w.heard); got != revocation("ours") {
			t.Errorf("heard %v", got)
		}
	})
	t.Run("an older one", func(t *testing.T) {
		t.Parallel()
		s := opened(t, owned(server))
		w := watch(t, s, now)
		next(t, w.synced)
		newer, older, last := revocation("ada"), revocation("ada"), revocation("last")
		older.At = now.Add(-time.Minute)
		for _, r := range []store.Revocation{newer, older, last} {
			fatal(t, s.Revoke(t.Context(), r))
		}
		if got := []store.Revocation{next(t, w.heard), next(t, w.heard)}; got[0] != newer || got[1] != last {
			t.Errorf("heard %v", got)
		}
		if got := next(t, watch(t, s, now).heard); got != newer {
			t.Errorf("kept %v, want %v", got, newer)
		}
	})
	t.Run("nothing that was undone", func(t *testing.T) {
		t.Parallel()
		dsn := owned(server)
		s := opened(t, dsn)
		w := watch(t, s, now)
		next(t, w.synced)
		execute(t, raw(t, dsn), "ALTER TABLE caddyauth_revocations ADD CONSTRAINT never CHECK (subject <> 'never')")
		if err := s.Revoke(t.Context(), revocation("never")); err == nil {
			t.Error("it was kept")
		}
		fatal(t, s.Revoke(t.Context(), revocation("last")))
		if got := next(t, w.heard); got != revocation("last") {
			t.Errorf("heard %v", got)
		}
	})
	t.Run("news without a pause", func(t *testing.T) {
		t.Parallel()
		s := opened(t, owned(server))
		w := watch(t, s, now)
		last := next(t, w.synced)
		for range 30 {
			fatal(t, s.Revoke(t.Context(), revocation("ada")))
			next(t, w.heard)
			time.Sleep(100 * time.Millisecond)
			select {
			case last = <-w.synced:
			default:
			}
			if d := time.Since(last); d > 2*time.Second {
				t.Fatalf("synced %v ago", d)
			}
		}
	})
	t.Run("a connection that was cut", func(t *testing.T) {
		t.Parallel()
		dsn := owned(server)
		s := opened(t, dsn)
		w := watch(t, s, now)
		next(t, w.synced)
		execute(t, raw(t, dsn), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()")
		wantError(t, next(t, w.ended), "the server is being shut down")
		next(t, watch(t, s, now).synced)
	})
	t.Run("the store is closed", func(t *testing.T) {
		t.Parallel()
		s := opened(t, owned(server))
		w := watch(t, s, now)
		next(t, w.synced)
		fatal(t, s.Close())
		wantError(t, next(t, w.ended), "the store is closed")
	})
	// A pooler in between forgets that somebody listens.
	t.Run("nothing arrives", func(t *testing.T) {
		t.Parallel()
		s := opened(t, owned(server))
		conn, err := pgx.ConnectConfig(t.Context(), s.db.pool.Config().ConnConfig)
		fatal(t, err)
		l := &listener{db: s.db, conn: conn}
		defer l.hangUp()
		if err := l.test(t.Context()); err == nil || !strings.Contains(err.Error(), "must pool sessions, not transactions") {
			t.Errorf("got %v", err)
		}
	})
}
