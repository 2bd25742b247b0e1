package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ask runs a query that has one number for an answer.
func ask(t *testing.T, dsn, query string) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	var n int
	err = conn.QueryRow(ctx, query).Scan(&n)
	return n, err
}

func TestPostgres(t *testing.T) {
	s := Postgres(t, PostgresOptions{Fsync: true, Settings: []string{"max_connections=17"}})
	s.Exec("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (42)")
	check := func(t *testing.T, dsn, query string, want int) {
		t.Helper()
		if got, err := ask(t, dsn, query); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", query, got, err, want)
		}
	}
	check(t, s.DSN, "SELECT current_setting('max_connections')::int", 17)
	check(t, s.DSN, "SELECT n FROM t", 42)
	check(t, s.Database(), "SELECT count(*) FROM pg_tables WHERE tablename = 't'", 0)

	for name, end := range map[string]func(){"stop": s.Stop, "kill": s.Kill} {
		end()
		if _, err := ask(t, s.DSN, "SELECT n FROM t"); err == nil {
			t.Errorf("%s: the server still answers", name)
		}
		end() // there is nothing left to end
		s.Start()
		check(t, s.DSN, "SELECT n FROM t", 42)
	}
}

func TestPostgresPause(t *testing.T) {
	s := Postgres(t)
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := pgx.Connect(ctx, s.DSN); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that hangs: %v", err)
	}
	s.Resume()
	if n, err := ask(t, s.DSN, "SELECT 1"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	s.Pause() // also then, the end of the test ends it
}

func TestPostgresStandby(t *testing.T) {
	s := Postgres(t)
	s.Exec("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (42)")
	standby := s.Standby()
	if n, err := ask(t, standby.DSN, "SELECT n FROM t WHERE pg_is_in_recovery()"); n != 42 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	s.Kill()
	standby.Exec("SELECT pg_promote()", "INSERT INTO t VALUES (1)")
}

func TestRemoveStale(t *testing.T) {
	parent := t.TempDir()
	cmd := exec.Command("true")
	fatal(t, cmd.Run()) // that process is no more
	stale := fmt.Sprint(dirPrefix, cmd.ProcessState.Pid(), "-1")
	keep := []string{fmt.Sprint(dirPrefix, os.Getpid(), "-1"), dirPrefix + "x-1", "other"}
	for _, name := range append(keep, stale) {
		fatal(t, os.MkdirAll(filepath.Join(parent, name, "data"), 0o700))
	}
	removeStale(parent)
	for _, name := range keep {
		if _, err := os.Stat(filepath.Join(parent, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(parent, stale)); err == nil {
		t.Errorf("%s is still there", stale)
	}
}
