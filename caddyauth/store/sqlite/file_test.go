package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func TestFileModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "store?%41 #.db") // no part of it means anything
	s := opened(t, path)
	if _, err := s.CreateUser(t.Context(), store.User{Name: "Ada"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, dir: fs.ModeDir | 0o700, filepath.Dir(dir): fs.ModeDir | 0o700,
	} {
		info, err := os.Stat(name)
		fatal(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
	fatal(t, s.Close())
	entries, err := os.ReadDir(dir)
	fatal(t, err)
	if len(entries) != 1 {
		t.Errorf("%v is left, want the one file", entries)
	}
}

// What somebody has decided about a file stays so.
func TestModeOfExistingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	fatal(t, opened(t, path).Close())
	fatal(t, os.Chmod(path, 0o640))
	opened(t, path)
	info, err := os.Stat(path)
	fatal(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("the mode is %v", info.Mode())
	}
}

func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s := opened(t, "store.db")
	t.Chdir(t.TempDir())
	if _, err := s.CreateUser(t.Context(), store.User{Name: "Ada"}); err != nil {
		t.Fatal(err)
	}
	w := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { w <- s.WatchRevocations(ctx, time.Now(), func(store.Revocation) {}, cancel) }()
	if err := <-w; !errors.Is(err, context.Canceled) {
		t.Errorf("watching: %v", err)
	}
}

func TestWrongFiles(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	s := opened(t, good)
	for range 200 {
		if _, err := s.CreateUser(t.Context(), store.User{Name: strings.Repeat("x", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	fatal(t, s.Close())
	whole, err := os.ReadFile(good)
	fatal(t, err)

	// Everything behind the table of contents is gone.
	damaged := bytes.Clone(whole)
	for i := 4096; i < len(damaged); i++ {
		damaged[i] = 0xa5
	}
	for name, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"text":      {[]byte(strings.Repeat("users:\n  alice: {password: x}\n", 100)), "this is no SQLite database"},
		"short":     {[]byte("x"), "this is no SQLite database"},
		"damaged":   {damaged, "the file is damaged: put a backup in its place"},
		"truncated": {whole[:8192], "the file is damaged: put a backup in its place"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			fatal(t, os.WriteFile(path, tt.content, 0o600))
			s, err := Open(t.Context(), path)
			if err == nil {
				defer s.Close()
				_, err = s.CreateUser(t.Context(), store.User{Name: "Ada", Email: "ada@example.com"})
			}
			wantError(t, err, path, tt.want)
		})
	}
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		_, err := Open(t.Context(), dir)
		wantError(t, err, dir, "the file cannot be opened")
	})
	t.Run("below a file", func(t *testing.T) {
		_, err := Open(t.Context(), filepath.Join(good, "store.db"))
		wantError(t, err, good, "not a directory")
	})
}

// wantError wants an error that says where it is and what.
func wantError(t *testing.T, err error, where, what string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), where) || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, want %s: %s", err, where, what)
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		t.Errorf("%v passes for an answer", err)
	}
}

// A disk that is full ends writing, not reading, and once there is space again,
// all is well.
func TestFull(t *testing.T) {
	s, err := openWith(t.Context(), filepath.Join(t.TempDir(), "store.db"),
		url.Values{"_journal_mode": {"WAL"}, "_txlock": {"immediate"}, "_pragma": {"max_page_count(60)"}})
	fatal(t, err)
	defer s.Close()
	first, err := s.CreateUser(t.Context(), store.User{Name: "first", Email: "first@example.com"})
	fatal(t, err)
	var big []store.User
	for range 100 {
		var u store.User
		if u, err = s.CreateUser(t.Context(), store.User{Name: strings.Repeat("x", 10_000)}); err != nil {
			break
		}
		big = append(big, u)
	}
	wantError(t, err, s.path, "there is no space left for it")
	if u, err := s.UserByEmail(t.Context(), "first@example.com"); err != nil || u != first {
		t.Errorf("%v, %v", u, err)
	}
	if len(big) == 0 {
		t.Fatal("it was full from the start")
	}
	for _, u := range big {
		fatal(t, s.DeleteUser(t.Context(), u.ID))
	}
	if _, err := s.CreateUser(t.Context(), store.User{Name: strings.Repeat("x", 10_000)}); err != nil {
		t.Error(err)
	}
}

// Another process may be busy with the file, and may hang. Nobody waits for it
// longer than two seconds, or than there is interest.
func TestLocked(t *testing.T) {
	s := empty(t)
	u, err := s.CreateUser(t.Context(), store.User{Name: "Ada"})
	fatal(t, err)
	other := raw(t, s.path)
	execute(t, other, "BEGIN IMMEDIATE")

	if got, err := s.User(t.Context(), u.ID); err != nil || got != u {
		t.Errorf("reading: %v, %v", got, err)
	}
	started := time.Now()
	err = s.DeleteUser(t.Context(), u.ID)
	wantError(t, err, s.path, "another process has kept the file locked for too long")
	if d := time.Since(started); d < time.Second || d > 3*time.Second {
		t.Errorf("it waited for %v", d)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	started = time.Now()
	if err := s.DeleteUser(ctx, u.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if d := time.Since(started); d > time.Second {
		t.Errorf("it waited for %v", d)
	}

	released := time.AfterFunc(300*time.Millisecond, func() { _, _ = other.Exec("ROLLBACK") })
	defer released.Stop()
	fatal(t, s.DeleteUser(t.Context(), u.ID))
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	fatal(t, opened(t, path).Close())
	execute(t, raw(t, path), "UPDATE caddyauth_schema SET version = 99")
	_, err := Open(t.Context(), path)
	wantError(t, err, path, `the tables of schema "caddyauth" have version 99, and this program knows versions up to 1 only: `+
		"a newer one has changed them, so use that one, or another database")
}
