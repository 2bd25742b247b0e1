package testdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgresUser is the superuser of every server, and the operating system's user
// that runs them if root runs the tests: PostgreSQL refuses root.
const postgresUser = "postgres"

const postgresPassword = "Sup3r-secret"

// PostgresOptions change a server.
type PostgresOptions struct {
	// Fsync makes the server write through to the disk, where that is what a test
	// is about.
	Fsync bool
	// Settings are lines of postgresql.conf, such as "max_connections=20".
	Settings []string
}

// PostgresServer is a PostgreSQL server of a test's own, on a port of 127.0.0.1.
type PostgresServer struct {
	// DSN is the URL of its database "postgres", password included.
	DSN string
	// Port is where it listens, also after it was started again.
	Port int

	t     testing.TB
	dir   string
	opts  PostgresOptions
	count int // of databases

	mu      sync.Mutex
	process *process
	paused  bool
}

// Postgres starts a PostgreSQL server, which the end of the test ends. It takes
// about a second.
func Postgres(t testing.TB, opts ...PostgresOptions) *PostgresServer {
	t.Helper()
	s := newPostgres(t, append(opts, PostgresOptions{})[0])
	passwords := filepath.Join(filepath.Dir(s.dir), "password")
	fatal(t, os.WriteFile(passwords, []byte(postgresPassword+"\n"), 0o644))
	s.prepare(s.command("initdb", "--pgdata="+s.dir, "--username="+postgresUser, "--pwfile="+passwords,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"))
	s.Start()
	return s
}

// Standby starts a second server that follows this one, until it is promoted.
func (s *PostgresServer) Standby() *PostgresServer {
	s.t.Helper()
	standby := newPostgres(s.t, s.opts)
	cmd := standby.command("pg_basebackup", "--pgdata="+standby.dir, "--dbname="+s.DSN, "--write-recovery-conf",
		"--checkpoint=fast", "--no-sync")
	standby.prepare(cmd)
	standby.Start()
	return standby
}

// newPostgres returns a server without data. Its directory is not one of
// t.TempDir's, which only the user of the tests can enter. What need not be on a
// disk is in memory: a server has a thousand files.
func newPostgres(t testing.TB, opts PostgresOptions) *PostgresServer {
	t.Helper()
	var parent string
	if !opts.Fsync {
		parent = memoryDir()
	}
	removeStale(parent)
	dir, err := os.MkdirTemp(parent, fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	fatal(t, err)
	s := &PostgresServer{t: t, Port: freePort(t), dir: filepath.Join(dir, "data"), opts: opts}
	if u := serverUser(t); u != nil {
		fatal(t, os.Chown(dir, int(u.Uid), int(u.Gid)))
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(postgresUser, postgresPassword),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	s.DSN = u.String()
	t.Cleanup(func() {
		s.end(syscall.SIGQUIT) // at once, but cleanly
		_ = os.RemoveAll(dir)
	})
	return s
}

// dirPrefix begins the names of directories. The process whose tests they are for
// follows.
const dirPrefix = "caddyauth-postgres-"

// removeStale removes what tests have left behind that were killed.
func removeStale(parent string) {
	if parent == "" {
		parent = os.TempDir()
	}
	dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

// prepare runs what makes the data directory.
func (s *PostgresServer) prepare(cmd *exec.Cmd) {
	s.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
}

// Start starts the server again after Stop or Kill, and waits until it answers.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var log string
	// After a kill, the processes of the old server may take a moment to notice,
	// and a new one refuses to start beside them.
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		p := startProcess(s.t, s.command("postgres", s.arguments()...))
		if s.answers(p) {
			s.process = p
			return
		}
		p.kill()
		log = p.log()
	}
	s.t.Fatalf("PostgreSQL does not start:\n%s", log)
}

func (s *PostgresServer) arguments() []string {
	args := []string{"-D", s.dir, "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(s.Port), "-c", "unix_socket_directories=",
		"-c", "shared_buffers=16MB", "-c", "autovacuum=off", // tests are short and have little
		"-c", "dynamic_shared_memory_type=mmap"} // in the data directory, where a kill leaves nothing behind
	if !s.opts.Fsync {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	for _, setting := range s.opts.Settings {
		args = append(args, "-c", setting)
	}
	return args
}

// answers waits until the server does, or is gone.
func (s *PostgresServer) answers(p *process) bool {
	for range 400 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		conn, err := pgx.Connect(ctx, s.DSN)
		if err == nil {
			_ = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return true
		}
		select {
		case <-p.done:
			return false
		case <-time.After(25 * time.Millisecond):
		}
	}
	return false
}

// Stop ends the server in good order. Connections are cut.
func (s *PostgresServer) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server with SIGKILL, as a power failure would.
func (s *PostgresServer) Kill() { s.end(syscall.SIGKILL) }

// Pause makes the server hang: connections stay, new ones are accepted by the
// system, and nobody answers. Linux only.
func (s *PostgresServer) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signalAll(syscall.SIGSTOP)
}

// Resume ends Pause.
func (s *PostgresServer) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signalAll(syscall.SIGCONT)
}

// signalAll sends a signal to every process of the server.
func (s *PostgresServer) signalAll(sig syscall.Signal) {
	s.t.Helper()
	pid := s.process.cmd.Process.Pid
	fatal(s.t, syscall.Kill(pid, sig)) // it starts no others then
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	fatal(s.t, err)
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, sig) // some end by themselves
		}
	}
	s.paused = sig == syscall.SIGSTOP
}

func (s *PostgresServer) end(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	if s.paused {
		s.signalAll(syscall.SIGCONT)
	}
	s.process.signal(sig)
	select {
	case <-s.process.done:
	case <-time.After(20 * time.Second):
		s.process.kill()
		s.t.Errorf("PostgreSQL did not end after %v:\n%s", sig, s.process.log())
	}
	s.process = nil
}

// Database makes an empty database and returns its DSN.
func (s *PostgresServer) Database() string {
	s.t.Helper()
	s.count++
	name := fmt.Sprintf("test%d", s.count)
	s.Exec("CREATE DATABASE " + name + " STRATEGY file_copy") // with fsync off, the faster one
	u, err := url.Parse(s.DSN)
	fatal(s.t, err)
	u.Path = "/" + name
	return u.String()
}

// Exec runs statements in the database "postgres" as the superuser.
func (s *PostgresServer) Exec(statements ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.DSN)
	fatal(s.t, err)
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// command is one of PostgreSQL's programs, as a user that it accepts.
func (s *PostgresServer) command(name string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(postgresProgram(s.t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	cmd.Dir = filepath.Dir(s.dir)
	cmd.SysProcAttr = processAttributes()
	cmd.SysProcAttr.Credential = serverUser(s.t)
	return cmd
}

// postgresProgram finds a program. Debian keeps those of the server out of the
// search path.
func postgresProgram(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Fatalf("PostgreSQL's %s is missing: install the package postgresql", name)
	}
	return slices.MaxFunc(found, func(a, b string) int { return release(a) - release(b) })
}

// release is the number in /usr/lib/postgresql/15/bin/initdb.
func release(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// serverUser is who runs the server: nil, which is the user of the tests, unless
// that is root.
func serverUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(postgresUser)
	if err != nil {
		t.Fatalf("PostgreSQL refuses to be run by root, and there is no user %s: install the package postgresql", postgresUser)
	}
	uid, err := strconv.Atoi(u.Uid)
	fatal(t, err)
	gid, err := strconv.Atoi(u.Gid)
	fatal(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
