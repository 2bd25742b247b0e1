// Package sqlite keeps everything in one SQLite file, for one computer: several
// processes on it may share the file, but it must not be on a network drive, where
// locks cannot be relied on.
//
// What was acknowledged survives a crash and a power failure: the file is in WAL
// mode (https://www.sqlite.org/wal.html) with synchronous=FULL. Beside it are two
// more, with -wal and -shm at the end of their names, which belong to it.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a store in a file.
type Store struct {
	*sqlstore.Store
	db   *sqlstore.DB
	path string

	closing context.Context // done when Close is called
	close   context.CancelFunc
}

// Open opens the store in the file with that path. The file is made if there is
// none, readable for its owner only, and so is its directory.
func Open(ctx context.Context, path string) (*Store, error) {
	return openWith(ctx, path, url.Values{"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_txlock": {"immediate"}})
}

// openWith is Open with options for the connection that writes.
func openWith(ctx context.Context, path string, options url.Values) (*Store, error) {
	path, err := create(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	write, err := pool(path, 1, options)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	read, err := pool(path, readers, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", path, err)
	}
	db := sqlstore.NewDB(read, write, dialect(path))
	files, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, sqlstore.Schema{Name: "caddyauth", Files: files})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &Store{Store: sqlstore.NewStore(db), db: db, path: path}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Ping implements store.Driver. It reads from the file.
func (s *Store) Ping(ctx context.Context) error {
	_, err := sqlstore.One(ctx, s.db, func(row sqlstore.Row, n *int64) error { return row.Scan(n) },
		"SELECT version FROM caddyauth_schema")
	return err
}

// Close implements store.Driver. Whoever watches is told to go.
func (s *Store) Close() error {
	s.close()
	return s.Store.Close()
}

// creating is held while files are made. To close a file gives up all locks that
// the process has on it (fcntl(2)), so nobody may open one as a database between
// its making and that.
var creating sync.Mutex

// create makes the file, unless it is there, and returns its absolute path.
// SQLite would make it readable for everybody; the two beside it are made like it.
func create(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return path, tooShort(path)
	case err != nil:
		return "", err
	}
	return path, f.Close()
}

// tooShort refuses a file that is neither empty nor as long as the smallest
// database. SQLite would write over it.
func tooShort(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Size() > 0 && info.Size() < 512 {
		return fmt.Errorf("%s: this is no SQLite database", path)
	}
	return nil
}

// readers is how many goroutines may read at a time. One writes, as SQLite has
// it.
const readers = 8

// pool returns connections to a file. They wait a moment for others by
// themselves; that they wait longer is up to sqlstore, which minds the context.
func pool(path string, size int, options url.Values) (*sql.DB, error) {
	options.Set("_busy_timeout", "50")
	options.Set("_foreign_keys", "1")
	options.Set("_dqs", "0")
	options.Set("_error_rc", "1")
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(u.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

func dialect(path string) sqlstore.Dialect {
	const now = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
	return sqlstore.Dialect{
		Name:    "sqlite: " + path,
		Time:    func(t time.Time) any { return t.UnixMicro() },
		Now:     now,
		Later:   now + " + $3",
		Prepare: true,
		Judge:   judge,
	}
}

// Interface guards
var _ store.Driver = (*Store)(nil)
