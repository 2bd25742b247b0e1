package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// database is an SQLite file.
func database(t *testing.T, path string) *DB {
	t.Helper()
	pool, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_busy_timeout=50")
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	db := NewDB(pool, pool, Dialect{
		Name: "test",
		Time: func(t time.Time) any { return t.UnixMicro() },
		Now:  "0",
		Judge: func(err error) (Kind, string) {
			var e *sqlite.Error
			if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
				return Busy, ""
			}
			return Other, ""
		},
	})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// files makes a schema of statements, one for each version.
func files(name string, steps ...string) Schema {
	fs := fstest.MapFS{"notes.txt": {Data: []byte("no migration")}}
	for i, step := range steps {
		fs[fmt.Sprintf("%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(step)}
	}
	return Schema{Name: name, Files: fs}
}

const (
	makeTable = "CREATE TABLE things (name TEXT PRIMARY KEY); INSERT INTO things VALUES ('first')"
	addColumn = "ALTER TABLE things ADD COLUMN size INTEGER; UPDATE things SET size = 1"
	addRow    = "INSERT INTO things VALUES ('second', 2)"
)

func things(t *testing.T, db *DB) string {
	t.Helper()
	list, err := Many(t.Context(), db, func(row Row, s *string) error { return row.Scan(s) },
		"SELECT name || coalesce(size, 0) FROM things ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func migrate(t *testing.T, db *DB, schemas ...Schema) {
	t.Helper()
	if err := db.Migrate(t.Context(), schemas...); err != nil {
		t.Fatal(err)
	}
}

func TestMigrate(t *testing.T) {
	db := database(t, filepath.Join(t.TempDir(), "db"))
	migrate(t, db, files("a", makeTable))
	for range 2 { // again is nothing
		migrate(t, db, files("a", makeTable, addColumn))
		if got := things(t, db); got != "first1" {
			t.Fatalf("things: %s", got)
		}
	}
	migrate(t, db, files("b", "CREATE TABLE other (n INTEGER)"), files("a", makeTable, addColumn, addRow))
	if got := things(t, db); got != "first1 second2" {
		t.Errorf("things: %s", got)
	}
	have, err := versions(t.Context(), db)
	if err != nil || len(have) != 2 || have["a"] != 3 || have["b"] != 1 {
		t.Errorf("versions %v, %v", have, err)
	}
}

func TestMigrateFromNewer(t *testing.T) {
	db := database(t, filepath.Join(t.TempDir(), "db"))
	migrate(t, db, files("a", makeTable, addColumn))
	// Also when another schema would have to be migrated.
	for _, schemas := range [][]Schema{{files("a", makeTable)}, {files("b", "CREATE TABLE b (n INTEGER)"), files("a", makeTable)}} {
		err := db.Migrate(t.Context(), schemas...)
		const want = `test: the tables of schema "a" have version 2, and this program knows versions up to 1 only: ` +
			`a newer one has changed them, so use that one, or another database`
		if err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if have, err := versions(t.Context(), db); err != nil || len(have) != 1 || have["a"] != 2 {
		t.Errorf("versions %v, %v", have, err)
	}
}

// A migration that fails leaves nothing behind.
func TestMigrateFails(t *testing.T) {
	db := database(t, filepath.Join(t.TempDir(), "db"))
	err := db.Migrate(t.Context(), files("a", makeTable, "CREATE TABLE more (n INTEGER); nonsense"))
	if err == nil || !strings.Contains(err.Error(), `schema "a", version 2`) {
		t.Errorf("got %v", err)
	}
	n, err := One(t.Context(), db, func(row Row, n *int64) error { return row.Scan(n) }, "SELECT count(*) FROM sqlite_master")
	if n != 0 || err != nil {
		t.Errorf("%d things were made, %v", n, err)
	}
	migrate(t, db, files("a", makeTable, addColumn))
}

func TestMigrationFiles(t *testing.T) {
	for name, fs := range map[string]fstest.MapFS{
		"a gap":     {"0001_a.sql": {}, "0003_b.sql": {}},
		"no first":  {"0002_a.sql": {}},
		"twice":     {"0001_a.sql": {}, "0001_b.sql": {}},
		"no number": {"tables.sql": {}},
		"short":     {"1_a.sql": {}},
		"none":      {"readme.txt": {}},
	} {
		db := database(t, filepath.Join(t.TempDir(), "db"))
		if err := db.Migrate(t.Context(), Schema{Name: "a", Files: fs}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMigrateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	errs := make(chan error)
	const n = 8
	for range n {
		db := database(t, path)
		go func() { errs <- db.Migrate(context.Background(), files("a", makeTable, addColumn, addRow)) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := things(t, database(t, path)); got != "first1 second2" {
		t.Errorf("things: %s", got)
	}
}

func TestSweepInParts(t *testing.T) {
	db := database(t, filepath.Join(t.TempDir(), "db"))
	migrate(t, db, files("a", "CREATE TABLE things (a TEXT, b TEXT, until INTEGER); CREATE TABLE caddyauth_locks (until INTEGER)"))
	now := time.Now()
	err := db.Tx(t.Context(), func(ctx context.Context, tx *Tx) error {
		for i := range 2*sweepAtOnce + 10 {
			until := now
			if i%100 == 0 {
				until = now.Add(time.Second)
			} else if i%100 == 1 {
				until = time.Time{}
			}
			if err := tx.Insert(ctx, "INSERT INTO things VALUES ($1, $2, $3)", fmt.Sprint(i), "x", until); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.Sweep(t.Context(), now, Expiring{Table: "things", Key: "a, b", Time: "until"})
	}
	n, err2 := One(t.Context(), db, func(row Row, n *int64) error { return row.Scan(n) }, "SELECT count(*) FROM things")
	if want := int64(2 * 11); err != nil || err2 != nil || n != want {
		t.Errorf("%d are left, want %d; %v, %v", n, want, err, err2)
	}
}

// A transaction that cannot be finished is undone.
func TestTxFails(t *testing.T) {
	db := database(t, filepath.Join(t.TempDir(), "db"))
	migrate(t, db, files("a", makeTable, addColumn))
	for name, end := range map[string]func(context.Context, *Tx) error{
		"an error": func(context.Context, *Tx) error { return errOther },
		"nobody": func(ctx context.Context, tx *Tx) error {
			return tx.Update(ctx, "UPDATE things SET size = 1 WHERE name = $1", "x")
		},
		"what is no key": func(ctx context.Context, tx *Tx) error {
			return tx.Update(ctx, "UPDATE things SET size = 1 WHERE name = $1", "\xff")
		},
		"no text": func(ctx context.Context, tx *Tx) error {
			return tx.Insert(ctx, "INSERT INTO things VALUES ($1, 1)", "\xff")
		},
	} {
		err := db.Tx(t.Context(), func(ctx context.Context, tx *Tx) error {
			if err := tx.Delete(ctx, "DELETE FROM things WHERE name = $1", "first"); err != nil {
				return err
			}
			return end(ctx, tx)
		})
		if err == nil || errors.Is(err, store.ErrNotFound) != (name == "nobody" || name == "what is no key") {
			t.Errorf("%s: %v", name, err)
		}
		if got := things(t, db); got != "first1" {
			t.Fatalf("%s: things: %s", name, got)
		}
	}
}
