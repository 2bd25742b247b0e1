package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// openAndWrite opens the store, keeps a user and closes it.
func openAndWrite(dsn, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := Open(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = s.CreateUser(ctx, store.User{Name: name, Email: name + "@example.com"})
	return errors.Join(err, s.Close())
}

// busy makes calls at once, so that there are as many connections.
func busy(t testing.TB, n int, call func(context.Context) error) error {
	t.Helper()
	errs := make(chan error)
	for range n {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			errs <- call(ctx)
		}()
	}
	var all []error
	for range n {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// sleeping reads, and takes long enough for others to need connections of their
// own.
func sleeping(s *Store) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.db.Count(ctx, "SELECT pg_sleep(0.05)")
		return err
	}
}

// Connections that died while nobody looked are replaced, and whoever reads does
// not notice. A write must not be done twice, so it may fail, but once.
func TestDeadConnections(t *testing.T) {
	t.Parallel()
	server := testdb.Postgres(t)
	s := opened(t, server.DSN)
	u, err := s.CreateUser(t.Context(), store.User{Name: "Ada", Email: "ada@example.com"})
	fatal(t, err)
	read := func(ctx context.Context) error {
		_, err := s.User(ctx, u.ID)
		return err
	}
	fatal(t, busy(t, connections, sleeping(s)))
	server.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'caddyauth'")
	if err := busy(t, 3*connections, read); err != nil {
		t.Errorf("after all connections were cut: %v", err)
	}

	fatal(t, busy(t, connections, sleeping(s)))
	server.Kill()
	server.Start()
	if err := busy(t, 3*connections, read); err != nil {
		t.Errorf("after the server was started again: %v", err)
	}

	fatal(t, busy(t, connections, sleeping(s)))
	server.Exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'caddyauth'")
	failed := 0
	for i := range connections {
		if _, err := s.CreateUser(t.Context(), store.User{Email: fmt.Sprintf("u%d@example.com", i)}); err != nil {
			failed++
		}
	}
	if users := number(t, raw(t, server.DSN), "SELECT count(*) FROM caddyauth_users"); failed > 1 || users != 1+connections-failed {
		t.Errorf("%d writes failed, and there are %d users", failed, users)
	}
}

// The server becomes read-only, as the primary does before a failover, and can be
// written to again.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	server := testdb.Postgres(t)
	s := opened(t, server.DSN)
	u, err := s.CreateUser(t.Context(), store.User{Name: "Ada"})
	fatal(t, err)
	write := func() error { return s.UpdateUser(t.Context(), u) }
	server.Exec("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	within(t, 2*time.Second, "read-only", func() bool { return write() != nil })
	wantError(t, write(), "the server is read-only")
	if got, err := s.User(t.Context(), u.ID); err != nil || got != u {
		t.Errorf("reading: %v, %v", got, err)
	}
	wantError(t, s.Revoke(t.Context(), store.Revocation{Key: "x"}), "the server is read-only")
	_, err = s.Lock(t.Context(), "lock", "owner", time.Minute)
	wantError(t, err, "the server is read-only")

	server.Exec("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
	within(t, 2*time.Second, "it can be written to", func() bool { return write() == nil })
}

// The primary dies and its standby takes over.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := testdb.Postgres(t)
	standby := primary.Standby()
	u, err := url.Parse(primary.DSN)
	fatal(t, err)
	u.Host = fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", standby.Port, primary.Port)
	s := opened(t, u.String()) // the first one cannot be written to
	ada, err := s.CreateUser(t.Context(), store.User{Name: "Ada", Email: "ada@example.com"})
	fatal(t, err)
	fatal(t, busy(t, connections, sleeping(s)))
	conn := raw(t, standby.DSN)
	within(t, 5*time.Second, "replicated", func() bool {
		var n int
		return conn.QueryRow(t.Context(), "SELECT count(*) FROM caddyauth_users").Scan(&n) == nil && n == 1
	})

	primary.Kill()
	if _, err := s.User(t.Context(), ada.ID); err == nil {
		t.Error("somebody answers")
	}
	standby.Exec("SELECT pg_promote()")
	if got, err := s.User(t.Context(), ada.ID); err != nil || got != ada {
		t.Errorf("reading: %v, %v", got, err)
	}
	if _, err := s.CreateUser(t.Context(), store.User{Name: "Grace"}); err != nil {
		t.Errorf("writing: %v", err)
	}
}

func testBounds(t *testing.T, server *testdb.PostgresServer) {
	dsn := owned(server)
	s := opened(t, dsn)
	u, err := s.CreateUser(t.Context(), store.User{Name: "Ada"})
	fatal(t, err)
	conn := raw(t, dsn)

	t.Run("connections", func(t *testing.T) {
		fatal(t, busy(t, 6*connections, sleeping(s)))
		if n := number(t, conn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'caddyauth' AND usename = current_user"); n != connections {
			t.Errorf("%d connections, want %d", n, connections)
		}
		three := opened(t, dsn+"&pool_max_conns=3&application_name=three")
		fatal(t, busy(t, 20, sleeping(three)))
		if n := number(t, conn, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'three'"); n != 3 {
			t.Errorf("%d connections, want 3", n)
		}
	})
	t.Run("a statement that takes long", func(t *testing.T) {
		started := time.Now()
		_, err := s.db.Count(t.Context(), "SELECT pg_sleep(30)")
		if d := time.Since(started); !errors.Is(err, context.DeadlineExceeded) || d > callTimeout+time.Second {
			t.Errorf("%v after %v", err, d)
		}
		within(t, 3*time.Second, "ended on the server", func() bool {
			return number(t, conn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()") == 0
		})
	})
	t.Run("a row that somebody keeps locked", func(t *testing.T) {
		execute(t, conn, "BEGIN", "SELECT 1 FROM caddyauth_users FOR UPDATE")
		started := time.Now()
		err := s.UpdateUser(t.Context(), u)
		if d := time.Since(started); d > callTimeout+time.Second {
			t.Errorf("it took %v", d)
		}
		wantError(t, err, "another transaction is in the way for too long")
		execute(t, conn, "ROLLBACK")
		fatal(t, s.UpdateUser(t.Context(), u))
	})
	// The server refuses what others have changed meanwhile. It is tried again.
	t.Run("strict transactions", func(t *testing.T) {
		strict := opened(t, dsn+"&default_transaction_isolation=serializable")
		var count atomic.Int64
		err := busy(t, connections, func(ctx context.Context) error {
			v := u
			v.Name = fmt.Sprint(count.Add(1))
			_, err := strict.CreateUserAndAccount(ctx, v, store.Account{Provider: "github", ProviderAccountID: v.Name})
			return errors.Join(err, strict.UpdateUser(ctx, v))
		})
		if n := number(t, conn, "SELECT count(*) FROM caddyauth_accounts"); err != nil || n != connections {
			t.Errorf("%d accounts, %v", n, err)
		}
	})
	t.Run("what the address says", func(t *testing.T) {
		quick := opened(t, dsn+"&statement_timeout=100ms")
		_, err := quick.db.Count(t.Context(), "SELECT pg_sleep(30)")
		wantError(t, err, "the server took too long")
	})
}

// Errors of the server say what is wrong, in one line, and no password.
func testRefusals(t *testing.T, server *testdb.PostgresServer) {
	other := func(change func(u *url.URL)) string {
		u, err := url.Parse(server.DSN)
		fatal(t, err)
		change(u)
		return u.String()
	}
	const secret = "hunter2"
	for want, dsn := range map[string]string{
		"wrong user or password":     other(func(u *url.URL) { u.User = url.UserPassword("postgres", secret) }),
		"there is no such database":  other(func(u *url.URL) { u.Path = "/nowhere" }),
		"connection refused":         other(func(u *url.URL) { u.Host = "127.0.0.1:1" }),
		"hostname resolving error":   other(func(u *url.URL) { u.Host = "no.such.host.invalid" }),
		"server refused TLS":         other(func(u *url.URL) { u.RawQuery = "sslmode=require" }),
		"unrecognized configuration": other(func(u *url.URL) { u.RawQuery = "sslmode=disable&no_such_setting=1" }),
	} {
		_, err := Open(t.Context(), dsn)
		wantError(t, err, want)
		for _, s := range []string{secret, "Sup3r"} {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("the error has the password: %v", err)
			}
		}
	}
}

// within waits until cond holds.
func within(t testing.TB, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
