package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

// opened opens a store that the end of the test closes.
func opened(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	fatal(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// empty opens a store in a directory of the test.
func empty(t testing.TB) *Store {
	t.Helper()
	return opened(t, filepath.Join(t.TempDir(), "store.db"))
}

// raw is the file without the store.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	fatal(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver { return empty(t) }, storetest.Options{
		Shared: func(t *testing.T) (a, b store.Driver) {
			path := filepath.Join(t.TempDir(), "shared.db")
			return opened(t, path), opened(t, path)
		},
		Reopen: func(t *testing.T, d store.Driver) store.Driver {
			s := d.(*Store)
			fatal(t, s.Close())
			return opened(t, s.path)
		},
	})
}

func TestCrash(t *testing.T) {
	storetest.Crash(t,
		func(path string) (store.Driver, error) { return Open(context.Background(), path) },
		func(t *testing.T, path string) {
			db := raw(t, path)
			for _, check := range []string{"PRAGMA integrity_check", "PRAGMA foreign_key_check"} {
				rows, err := db.Query(check)
				fatal(t, err)
				for rows.Next() {
					var line string
					if err := rows.Scan(&line); err != nil || line != "ok" {
						t.Errorf("%s: %s, %v", check, line, err)
					}
				}
				fatal(t, rows.Err())
			}
			fatal(t, db.Close())
		})
}
