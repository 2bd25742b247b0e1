package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
)

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// alter changes a file as no version of caddyauth does.
func alter(t *testing.T, path string, f func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	fatal(t, err)
	defer db.Close()
	fatal(t, db.Update(f))
}

// made returns the path of a store with some users in it.
func made(t *testing.T, users int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	for i := range users {
		_, err := s.CreateUser(t.Context(), store.User{Name: strings.Repeat("x", 500), Email: fmt.Sprintf("%d@example.com", i)})
		fatal(t, err)
	}
	fatal(t, s.Close())
	return path
}

func TestOpenMakesWhatIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "store")
	open(t, path)
	for name, want := range map[string]os.FileMode{filepath.Dir(dir): 0o700, dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		fatal(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestOpenAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	fatal(t, os.WriteFile(path, nil, 0o600))
	fatal(t, open(t, path).Ping(t.Context()))
}

func TestOpenAFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := bolt.Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v", err)
	}
	file := made(t, 1)
	if _, err := bolt.Open(t.Context(), filepath.Join(file, "store")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: got error %v", err)
	}
}

func TestOpenGarbage(t *testing.T) {
	r := rand.NewChaCha8([32]byte{4})
	noise := make([]byte, 1<<20)
	r.Read(noise)
	store, err := os.ReadFile(made(t, 100))
	fatal(t, err)
	for name, data := range map[string][]byte{
		"one byte": {0}, "text": []byte(strings.Repeat("no store\n", 2000)), "zeros": make([]byte, 64<<10), "noise": noise,
		"SQLite":   append([]byte("SQLite format 3\x00"), noise[:16<<10]...),
		"one page": store[:4096], "two pages": store[:8192], "three pages": store[:12288], "cut short": store[:5*4096],
		"no beginning": store[5000:],
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			fatal(t, os.WriteFile(path, data, 0o600))
			for range 2 { // nothing stays locked
				_, err := bolt.Open(t.Context(), path)
				if !errors.Is(err, bolt.ErrDamaged) || !strings.Contains(err.Error(), path) {
					t.Fatalf("got error %v", err)
				}
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, data) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestOpenOtherSchema(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(*bbolt.Tx) error
		want  error
	}{
		"newer":            {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("2")) }, bolt.ErrNewer},
		"none":             {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("schema")) }, bolt.ErrDamaged},
		"zero":             {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("0")) }, bolt.ErrDamaged},
		"text":             {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("one")) }, bolt.ErrDamaged},
		"without sessions": {func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("sessions")) }, bolt.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t, 1)
			alter(t, path, c.alter)
			if _, err := bolt.Open(t.Context(), path); !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
		})
	}
	t.Run("of another program", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store")
		alter(t, path, func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("etcd"))
			return err
		})
		if _, err := bolt.Open(t.Context(), path); !errors.Is(err, bolt.ErrDamaged) {
			t.Errorf("got error %v", err)
		}
		alter(t, path, func(tx *bbolt.Tx) error {
			if tx.Bucket([]byte("users")) != nil {
				t.Error("something was added to it")
			}
			return nil
		})
	})
}

// lockEnv tells a child process which file to open until its input ends.
const lockEnv = "CADDYAUTH_BOLT_LOCK"

// elsewhere opens a store in another process, until the function is called that
// it returns.
func elsewhere(t *testing.T, path string) (leave func()) {
	t.Helper()
	exe, err := os.Executable()
	fatal(t, err)
	cmd := exec.Command(exe, "-test.run=^TestOpenElsewhere$")
	cmd.Env = append(os.Environ(), lockEnv+"="+path)
	in, err := cmd.StdinPipe()
	fatal(t, err)
	out, err := cmd.StdoutPipe()
	fatal(t, err)
	fatal(t, cmd.Start())
	leave = func() { in.Close() }
	t.Cleanup(func() {
		leave()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	if n, err := out.Read(make([]byte, 1)); n != 1 {
		t.Fatalf("the other process did not open it: %v", err)
	}
	return leave
}

func TestOpenElsewhere(t *testing.T) {
	if path := os.Getenv(lockEnv); path != "" {
		s, err := bolt.Open(context.Background(), path)
		if err != nil {
			os.Exit(3)
		}
		os.Stdout.WriteString("!")
		os.Stdin.Read(make([]byte, 1))
		s.Close()
		os.Exit(0)
	}

	path := made(t, 1)
	leave := elsewhere(t, path)
	t.Run("locked", func(t *testing.T) {
		start := time.Now()
		_, err := bolt.Open(t.Context(), path)
		if !errors.Is(err, bolt.ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("got error %v", err)
		}
		if d := time.Since(start); d < 1500*time.Millisecond || d > 4*time.Second {
			t.Errorf("it took %v", d)
		}
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := bolt.Open(ctx, path)
		if !errors.Is(err, bolt.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v", d)
		}
	})
	t.Run("about to be left", func(t *testing.T) {
		time.AfterFunc(300*time.Millisecond, leave)
		s := open(t, path)
		fatal(t, s.Ping(t.Context()))
		if _, err := s.UserByEmail(t.Context(), "0@example.com"); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenTwice(t *testing.T) {
	path := made(t, 1)
	s := open(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := bolt.Open(ctx, path); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("got error %v", err)
	}
	fatal(t, s.Close())
	open(t, path)
}
