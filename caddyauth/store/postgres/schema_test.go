package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

func testSchema(t *testing.T, server *testdb.PostgresServer) {
	t.Run("several at once", func(t *testing.T) {
		dsn := owned(server)
		const n = 8
		errs := make(chan error)
		for i := range n {
			go func() { errs <- openAndWrite(dsn, fmt.Sprint("u", i)) }()
		}
		for range n {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		conn := raw(t, dsn)
		if users := number(t, conn, "SELECT count(*) FROM caddyauth_users"); users != n {
			t.Errorf("%d users, want %d", users, n)
		}
		if others := number(t, conn, "SELECT count(*) FROM pg_tables WHERE tableowner = current_user AND tablename NOT LIKE 'caddyauth\\_%'"); others != 0 {
			t.Errorf("%d tables have other names", others)
		}
	})

	// Tables in the schema that the address names.
	t.Run("search_path", func(t *testing.T) {
		dsn := owned(server)
		conn := raw(t, dsn)
		server.Exec("CREATE SCHEMA auth", "GRANT ALL ON SCHEMA auth TO PUBLIC")
		s := opened(t, dsn+"&search_path=auth")
		_, err := s.CreateUser(t.Context(), store.User{Name: "Ada"})
		fatal(t, err)
		if n := number(t, conn, "SELECT count(*) FROM auth.caddyauth_users"); n != 1 {
			t.Errorf("%d users", n)
		}
	})

	t.Run("newer", func(t *testing.T) {
		dsn := owned(server)
		fatal(t, opened(t, dsn).Close())
		execute(t, raw(t, dsn), "UPDATE caddyauth_schema SET version = 99 WHERE name = 'own'")
		_, err := Open(t.Context(), dsn)
		wantError(t, err, `the tables of schema "own" have version 99, and this program knows versions up to 1 only: `+
			"a newer one has changed them, so use that one, or another database")
	})

	// Whoever may only use the tables that somebody else has made can do so.
	t.Run("few permissions", func(t *testing.T) {
		dsn := owned(server)
		conn := raw(t, dsn)
		server.Exec("CREATE ROLE poor LOGIN PASSWORD 'x'")
		var schema string
		fatal(t, conn.QueryRow(t.Context(), "SELECT current_schema()").Scan(&schema))
		poor := "postgres://poor:x" + dsn[strings.LastIndexByte(dsn, '@'):] + "&search_path=" + schema
		execute(t, conn, "GRANT USAGE ON SCHEMA "+schema+" TO poor")
		_, err := Open(t.Context(), poor)
		wantError(t, err, "the database user lacks a permission")

		fatal(t, opened(t, dsn).Close())
		execute(t, conn, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+schema+" TO poor")
		s := opened(t, poor)
		_, err = s.CreateUserAndAccount(t.Context(), store.User{Name: "Ada"}, store.Account{Provider: "a", ProviderAccountID: "b"})
		fatal(t, err)
	})

	t.Run("tables that went away", func(t *testing.T) {
		dsn := owned(server)
		s := opened(t, dsn)
		execute(t, raw(t, dsn), "DROP TABLE caddyauth_sessions")
		_, err := s.SessionByToken(t.Context(), "x")
		wantError(t, err, "a table is missing")
	})
}

// dsnEnv tells a process that a test starts where its database is.
const dsnEnv = "CADDYAUTH_POSTGRES_DSN"

func TestMain(m *testing.M) {
	dsn := os.Getenv(dsnEnv)
	if dsn == "" {
		os.Exit(m.Run())
	}
	if err := openAndWrite(dsn, fmt.Sprint("p", os.Getpid())); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func testProcesses(t *testing.T, server *testdb.PostgresServer) {
	dsn := owned(server)
	exe, err := os.Executable()
	fatal(t, err)
	const n = 2
	errs := make(chan error)
	for range n {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), dsnEnv+"="+dsn)
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if users := number(t, raw(t, dsn), "SELECT count(*) FROM caddyauth_users"); users != n {
		t.Errorf("%d users, want %d", users, n)
	}
}

// wantError wants an error that says what, and no answer.
func wantError(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "postgres: ") || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %s", err, what)
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		t.Errorf("%v passes for an answer", err)
	}
}
