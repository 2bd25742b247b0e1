package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// pathEnv tells a process that a test starts where its store is.
const pathEnv = "CADDYAUTH_SQLITE_PATH"

// process is the test binary with only the calling test in it.
func process(t *testing.T, exe, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), pathEnv+"="+path)
	return cmd
}

func executable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	fatal(t, err)
	return exe
}

const (
	usersOfEach = 25
	atOnce      = 8
)

// busy reports whether others have held the file for longer than a request waits,
// as they may on a busy machine. Nothing was written then.
func busy(err error) bool { return err != nil && strings.Contains(err.Error(), "SQLITE_BUSY") }

// write keeps users of its own.
func write(s *Store, name string) error {
	for i := range usersOfEach {
		u := store.User{Name: name, Email: fmt.Sprintf("%s-%d@example.com", name, i)}
		_, err := s.CreateUserAndAccount(context.Background(), u, store.Account{Provider: name, ProviderAccountID: u.Email})
		for again := 0; again < 10 && busy(err); again++ {
			_, err = s.CreateUserAndAccount(context.Background(), u, store.Account{Provider: name, ProviderAccountID: u.Email})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openAndWrite does what several do at once.
func openAndWrite(path, name string) error {
	s, err := Open(context.Background(), path)
	for again := 0; again < 10 && busy(err); again++ {
		s, err = Open(context.Background(), path)
	}
	if err != nil {
		return err
	}
	return errors.Join(write(s, name), s.Close())
}

func count(t *testing.T, path string) int {
	t.Helper()
	var n int
	fatal(t, raw(t, path).QueryRow("SELECT count(*) FROM caddyauth_users u JOIN caddyauth_accounts a ON a.user_id = u.id").Scan(&n))
	return n
}

// Several open a file that is not there yet, and each makes the tables or finds
// them.
func TestGoroutinesAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "store.db")
	errs := make(chan error)
	for i := range atOnce {
		go func() { errs <- openAndWrite(path, fmt.Sprintf("g%d", i)) }()
	}
	for range atOnce {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := count(t, path); n != atOnce*usersOfEach {
		t.Errorf("%d users, want %d", n, atOnce*usersOfEach)
	}
}

func TestProcessesAtOnce(t *testing.T) {
	if path := os.Getenv(pathEnv); path != "" {
		fatal(t, openAndWrite(path, fmt.Sprintf("p%d", os.Getpid())))
		return
	}
	path := filepath.Join(t.TempDir(), "dir", "store.db")
	const processes = 3
	errs := make(chan error)
	for range processes {
		cmd := process(t, executable(t), path)
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, out)
			}
			errs <- err
		}()
	}
	for range processes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := count(t, path); n != processes*usersOfEach {
		t.Errorf("%d users, want %d", n, processes*usersOfEach)
	}
}

// A file that may only be read. Nothing keeps root from writing, so somebody else
// has to try.
func TestReadOnly(t *testing.T) {
	if path := os.Getenv(pathEnv); path != "" {
		s, err := Open(t.Context(), path)
		if err == nil {
			_, err = s.CreateUser(t.Context(), store.User{Name: "Ada"})
			_ = s.Close()
		}
		fmt.Printf("answer: %v\n", err)
		return
	}
	base, err := os.MkdirTemp("", "caddyauth-readonly-") // unlike t.TempDir, nobody is shut out
	fatal(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	fatal(t, os.Chmod(base, 0o755))
	exe := filepath.Join(base, "test")
	b, err := os.ReadFile(executable(t))
	fatal(t, err)
	fatal(t, os.WriteFile(exe, b, 0o755))

	for name, tt := range map[string]struct {
		dir, file os.FileMode
		want      string
	}{
		"file":      {0o777, 0o444, "the file or its directory cannot be written to"},
		"directory": {0o555, 0o666, "the file"},
		"secret":    {0o755, 0o000, "the file cannot be opened"},
		"nothing":   {0o555, 0, "permission denied"},
	} {
		dir := filepath.Join(base, name)
		fatal(t, os.Mkdir(dir, 0o755))
		path := filepath.Join(dir, "store.db")
		if name != "nothing" {
			fatal(t, opened(t, path).Close())
			fatal(t, os.Chmod(path, tt.file))
		}
		fatal(t, os.Chmod(dir, tt.dir))
		cmd := process(t, exe, path)
		cmd.Dir = base
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		answer, _, _ := strings.Cut(string(out[max(bytes.Index(out, []byte("answer: ")), 0):]), "\n")
		if err != nil || !strings.Contains(answer, path) || !strings.Contains(answer, tt.want) {
			t.Errorf("%s: %v, %s; want %s", name, err, out, tt.want)
		}
		t.Log(answer)
		fatal(t, os.Chmod(dir, 0o755))
	}
}
