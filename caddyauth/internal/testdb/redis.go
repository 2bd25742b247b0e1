package testdb

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisServer is a redis-server of a test's own, on a port of 127.0.0.1. What it
// acknowledged survives Stop, and Kill as well with the setting "appendfsync",
// "always", which takes its time.
type RedisServer struct {
	// URL is where it is, as "store redis" takes it, without a password.
	URL string
	// Port is where it listens, also after it was started again.
	Port int

	t    testing.TB
	dir  string
	args []string

	mu      sync.Mutex
	process *process
}

// Redis starts a redis-server, which the end of the test ends. Settings are
// those of redis.conf, name and value in turn, such as "maxmemory", "10mb".
func Redis(t testing.TB, settings ...string) *RedisServer {
	t.Helper()
	port := freePort(t)
	s := &RedisServer{t: t, Port: port, URL: "redis://" + loopback(port), dir: redisDir(t)}
	s.args = []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
		// A replica is wanted at once, not when more of them may have come.
		"--repl-diskless-sync-delay", "0",
	}
	for i, word := range settings {
		if i%2 == 0 {
			word = "--" + word
		}
		s.args = append(s.args, word)
	}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// redisDir is a directory that the test's end removes after the servers in it
// have ended, which were started later.
func redisDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "caddyauth-redis-")
	fatal(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Start starts the server again after Stop or Kill, and waits until it answers.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = startRedis(s.t, s.args...)
	awaitRedis(s.t, s.process, s.Port)
}

// Stop ends the server in good order.
func (s *RedisServer) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server with SIGKILL, as a power failure would.
func (s *RedisServer) Kill() { s.end(syscall.SIGKILL) }

func (s *RedisServer) end(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	s.process.signal(sig)
	s.process.signal(syscall.SIGCONT)
	select {
	case <-s.process.done:
	case <-time.After(10 * time.Second):
		s.process.kill()
		s.t.Errorf("redis-server did not end after %v:\n%s", sig, s.process.log())
	}
	s.process = nil
}

// Pause stops the server from doing anything. Connections stay.
func (s *RedisServer) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *RedisServer) Resume() { s.signal(syscall.SIGCONT) }

func (s *RedisServer) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.signal(sig)
	}
}

// Do runs a command and returns the answer.
func (s *RedisServer) Do(args ...any) string {
	s.t.Helper()
	answer, err := askRedis(s.Port, args...)
	if err != nil {
		s.t.Fatalf("redis-server: %v: %v", args, err)
	}
	return answer
}

// Leads reports whether the server is a master. One that changes its role ends
// its connections, so no answer is a no.
func (s *RedisServer) Leads() bool {
	info, err := askRedis(s.Port, "INFO", "replication")
	return err == nil && strings.Contains(info, "role:master")
}

// startRedis starts a process of redis-server.
func startRedis(t testing.TB, args ...string) *process {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is missing: install the package redis-server")
	}
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = processAttributes()
	return startProcess(t, cmd)
}

// awaitRedis waits until a server answers. One that wants a password does.
func awaitRedis(t testing.TB, p *process, port int) {
	t.Helper()
	var err error
	for range 400 {
		select {
		case <-p.done:
			t.Fatalf("redis-server ended:\n%s", p.log())
		default:
		}
		if _, err = askRedis(port, "PING"); err == nil || redis.IsAuthError(err) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	p.kill()
	t.Fatalf("redis-server does not answer: %v\n%s", err, p.log())
}

// askRedis runs one command on a connection of its own.
func askRedis(port int, args ...any) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// go-redis would log every attempt that nobody answers.
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", loopback(port))
	if err != nil {
		return "", err
	}
	c := redis.NewClient(&redis.Options{
		Dialer:     func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		MaxRetries: -1, DisableIdentity: true,
	})
	defer c.Close()
	answer, err := c.Do(ctx, args...).Result()
	return fmt.Sprint(answer), err
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// redisFile writes a file of settings.
func redisFile(t testing.TB, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(redisDir(t), name)
	fatal(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}
