package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
)

// asNobody opens a store without the rights of root, if the tests have them.
func asNobody(ctx context.Context, path string) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends together with the goroutine, for it is never unlocked.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
		}
		var s *bolt.Store
		if s, err = bolt.Open(ctx, path); err == nil {
			_ = s.Close()
		}
	}()
	<-done
	return err
}

func TestNotAllowed(t *testing.T) {
	path := made(t, 1)
	dir := filepath.Dir(path)
	for _, name := range []string{dir, filepath.Dir(dir)} {
		fatal(t, os.Chmod(name, 0o755))
	}
	for name, mode := range map[string]os.FileMode{"read-only": 0o444, "neither": 0} {
		t.Run(name, func(t *testing.T) {
			fatal(t, os.Chmod(path, mode))
			if err := asNobody(t.Context(), path); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), path) {
				t.Errorf("got error %v", err)
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		fatal(t, os.Chmod(dir, 0o555))
		defer os.Chmod(dir, 0o755)
		for _, name := range []string{"another", "a/b/c"} {
			if err := asNobody(t.Context(), filepath.Join(dir, name)); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: got error %v", name, err)
			}
		}
	})
}

// fullEnv tells a child process which store to fill.
const fullEnv = "CADDYAUTH_BOLT_FULL"

// A disk that is full is played by a limit of the process.
func TestFull(t *testing.T) {
	if path := os.Getenv(fullEnv); path != "" {
		full(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "store")
	exe, err := os.Executable()
	fatal(t, err)
	cmd := exec.Command(exe, "-test.run=^TestFull$", "-test.v")
	cmd.Env = append(os.Environ(), fullEnv+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestFull") {
		t.Errorf("%v\n%s", err, out)
	}
}

func full(t *testing.T, path string) {
	// Instead of an error, the default is to end the process.
	signal.Ignore(syscall.SIGXFSZ)
	s := open(t, path)
	var limit syscall.Rlimit
	fatal(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = 4 << 20
	fatal(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))

	var ids []string
	create := func() error {
		u, err := s.CreateUser(t.Context(), store.User{Name: strings.Repeat("x", 100<<10), Email: fmt.Sprintf("%d@example.com", len(ids))})
		if err == nil {
			ids = append(ids, u.ID)
		}
		return err
	}
	there := func() {
		t.Helper()
		for _, id := range ids {
			_, err := s.User(t.Context(), id)
			fatal(t, err)
		}
	}
	var err error
	for err == nil && len(ids) < 1000 {
		err = create()
	}
	if err == nil || !strings.Contains(err.Error(), syscall.EFBIG.Error()) || len(ids) < 5 {
		t.Fatalf("got error %v after %d users", err, len(ids))
	}
	there()
	// Whether one more fits by chance or not, nothing that is there is lost.
	for range 3 {
		if err := create(); errors.Is(err, store.ErrConflict) || errors.Is(err, bolt.ErrDamaged) {
			t.Fatalf("got error %v", err)
		}
		there()
	}

	limit.Cur = limit.Max
	fatal(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	for range 5 {
		fatal(t, create())
	}
	there()
	fatal(t, s.Close())
	s = open(t, path)
	there()
}
