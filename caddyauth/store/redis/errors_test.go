package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// refused wants opening to fail with these words, and without any password.
func refused(t *testing.T, url, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := Open(ctx, url, Options{})
	// A machine that is busy may need more than the second that there is.
	for busy := 0; busy < 3 && errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), want); busy++ {
		s, err = Open(ctx, url, Options{})
	}
	switch {
	case err == nil:
		_ = s.Close()
		t.Errorf("opened, want the error %q", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("got %v, want %q", err, want)
	case strings.Contains(err.Error(), "hunter2"):
		t.Errorf("the error tells a password: %v", err)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		t.Errorf("%v counts as an answer", err)
	}
}

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	host := strings.TrimPrefix(server.URL, "redis://")
	guarded := testdb.Redis(t, "requirepass", "right")
	guardedHost := strings.TrimPrefix(guarded.URL, "redis://")
	replica := testdb.Redis(t, "replicaof", strings.Replace(host, ":", " ", 1))

	refused(t, guarded.URL, "the server wants a password")
	refused(t, "redis://:hunter2@"+guardedHost, "the server does not accept the user or the password")
	refused(t, "redis://u:hunter2@"+guardedHost, "the server does not accept the user or the password")
	refused(t, "redis://u:hunter2@"+host, "the server does not accept the user or the password")
	refused(t, server.URL+"/99", "the server has no such database")
	refused(t, "redis+cluster://"+host, "the server is no cluster")
	refused(t, "redis+sentinel://"+host+"/main", "sentinels")
	refused(t, "rediss://:hunter2@"+host, "deadline exceeded")
	refused(t, "redis://:hunter2@127.0.0.1:1", "connection refused")
	refused(t, "redis+sentinel://:hunter2@127.0.0.1:1/main?sentinel_password=hunter2", "connection refused")
	refused(t, "redis+cluster://:hunter2@127.0.0.1:1", "connection refused")
	refused(t, "unix://:hunter2@/nonexistent", "no such file")
	refused(t, "rediss://h?ca=/nonexistent", "no such file")
	refused(t, "rediss://h?ca=errors_test.go", "no certificates")
	refused(t, "rediss://h?cert=/nonexistent&key=/nonexistent", "no such file")

	server.Do("ACL", "SETUSER", "weak", "on", ">hunter2", "+@all", "-@scripting")
	refused(t, "redis://weak:hunter2@"+host, "the user lacks a right on the server")
	server.Do("ACL", "SETUSER", "elsewhere", "on", ">hunter2", "+@all", "~other:*")
	refused(t, "redis://elsewhere:hunter2@"+host, "the user lacks a right on the server")

	refused(t, replica.URL, "the server is a replica, which takes no writes")
	opened(t, server.URL)
	within(t, 5*time.Second, "the replica has the store", func() bool { return replica.Do("EXISTS", "caddyauth:schema") == "1" })
	refused(t, replica.URL, "the server is a replica, which takes no writes")

	server.Do("SET", "newer:schema", "2")
	refused(t, server.URL+"?prefix=newer", "a newer one has used it")
	server.Do("SET", "foreign:schema", "hunter2")
	refused(t, server.URL+"?prefix=foreign", "another program may use the prefix")
	server.Do("RPUSH", "list:schema", "x")
	refused(t, server.URL+"?prefix=list", "WRONGTYPE")
}

// impostor is a server that answers everything with one line.
func impostor(t *testing.T, answer func(request string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, 64<<10)
				for {
					n, err := conn.Read(b)
					if err != nil {
						return
					}
					fmt.Fprintf(conn, "%s\r\n", answer(string(b[:n])))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestImpostors(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"-LOADING Redis is loading the dataset in memory":                      "the server is still loading its data",
		"-MISCONF Redis is configured to save":                                 "the server cannot save its data and takes no writes",
		"-NOREPLICAS Not enough good replicas to write.":                       "the server has too few replicas to take writes",
		"-MASTERDOWN Link with MASTER is down":                                 "the server is a replica that has lost its master",
		"-ERR max number of clients reached":                                   "the server has too many clients",
		"-BUSY Redis is busy running a script":                                 "the server is busy with a script",
		"-ERR Error running script: @user_script: 1: -OOM command not allowed": "the server's memory is full",
		"HTTP/1.1 400 Bad Request":                                             "redis",
		"+OK":                                                                  "redis",
		":7":                                                                   "redis",
		"$-1":                                                                  "redis",
		"*0":                                                                   "redis",
		"*1\r\n*1\r\n$1\r\nx":                                                  "redis",
		"":                                                                     "redis",
	} {
		refused(t, "redis://"+impostor(t, func(string) string { return answer }), want)
	}
	// Old servers repeat a command that they do not know, here with a password.
	echo := impostor(t, func(request string) string {
		return "-ERR unknown command, with args beginning with: " + strings.Join(strings.Fields(request), " ")
	})
	refused(t, "redis://u:hunter2@"+echo, "***")
	refused(t, "redis+cluster://u:hunter2@"+echo, "")
	refused(t, "redis+sentinel://"+echo+"/main?sentinel_password=hunter2", "")

	// Nobody answers at all.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer l.Close()
	start := time.Now()
	refused(t, "redis://:hunter2@"+l.Addr().String(), "timeout")
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v to find out that nobody answers", took)
	}
}

// TestFull wants a server without memory to refuse what needs some as a whole,
// and to go on with the rest.
func TestFull(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t, "maxmemory-policy", "noeviction")
	s, ctx := opened(t, server.URL), t.Context()
	u, err := s.CreateUser(ctx, store.User{Name: "Ada", Email: "ada@example.com"})
	fatal(t, err)
	now := time.Now()
	v := store.Session{ID: "id", Token: "token", UserID: u.ID, Created: now, Seen: now, Expires: now.Add(time.Hour)}
	fatal(t, s.CreateSession(ctx, v))

	server.Do("CONFIG", "SET", "maxmemory", "1")
	other := v
	other.ID, other.Token = "other", "other"
	for name, call := range map[string]func() error{
		"CreateSession": func() error { return s.CreateSession(ctx, other) },
		"CreateUser":    func() error { _, err := s.CreateUser(ctx, store.User{Email: "bob@example.com"}); return err },
		"Revoke":        func() error { return s.Revoke(ctx, store.Revocation{Kind: store.BySession, Key: "x", Until: now}) },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "the server's memory is full") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.SessionByToken(ctx, "token"); err != nil {
		t.Errorf("a session is not found: %v", err)
	}
	if _, err := s.SessionByToken(ctx, "other"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session that was refused: %v", err)
	}
	if _, err := s.UserByEmail(ctx, "bob@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a user who was refused: %v", err)
	}
	if err := s.DeleteSession(ctx, "id"); err != nil {
		t.Errorf("a session cannot be ended: %v", err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	fatal(t, s.CreateSession(ctx, other))
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	for _, c := range []struct {
		settings [][2]string
		want     string
	}{
		{nil, ""},
		{[][2]string{{"maxmemory-policy", "allkeys-lru"}}, ""}, // as long as the memory has no bounds
		{[][2]string{{"maxmemory", "1gb"}}, "redis may forget sessions and revocations when its memory is full"},
		{[][2]string{{"maxmemory-policy", "volatile-ttl"}}, "redis may forget sessions and revocations when its memory is full"},
		{[][2]string{{"maxmemory-policy", "noeviction"}}, ""},
		{[][2]string{{"appendonly", "no"}}, "redis may lose what it acknowledged when it crashes"},
	} {
		for _, setting := range c.settings {
			server.Do("CONFIG", "SET", setting[0], setting[1])
		}
		core, logs := observer.New(zap.InfoLevel)
		s, err := Open(t.Context(), server.URL, Options{Log: zap.New(core)})
		fatal(t, err)
		fatal(t, s.Close())
		var got string
		for _, line := range logs.All() {
			got += line.Message
		}
		if got != c.want {
			t.Errorf("%v: warned %q, want %q", c.settings, got, c.want)
		}
	}
	// Whoever must not ask is not bothered.
	server.Do("ACL", "SETUSER", "blind", "on", ">pw", "allkeys", "allchannels", "+@all", "-info")
	opened(t, strings.Replace(server.URL, "://", "://blind:pw@", 1))
}

// TestGarbage wants an error from a thing that cannot be read, and never an
// answer.
func TestGarbage(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s, ctx := opened(t, server.URL), t.Context()
	u, err := s.CreateUser(ctx, store.User{Name: "Ada"})
	fatal(t, err)
	now := time.Now()
	spoil := func(key, field string) { server.Do("HSET", "caddyauth:"+key, field, "garbage") }
	wrong := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, errReply) {
			t.Errorf("%s: %v", what, err)
		}
	}

	fatal(t, s.CreateSession(ctx, store.Session{ID: "s", Token: "t", UserID: u.ID, Expires: now.Add(time.Hour)}))
	spoil("session:s", "seen")
	_, err = s.SessionByToken(ctx, "t")
	wrong("SessionByToken", err)
	_, err = s.ListSessions(ctx, store.SessionFilter{}, now)
	wrong("ListSessions", err)

	fatal(t, s.CreateToken(ctx, store.Token{ID: "p", Hash: "h", UserID: u.ID, Paths: []string{"/"}}))
	spoil("token:p", "paths")
	_, _, err = s.TokenByHash(ctx, "h")
	wrong("TokenByHash", err)
	_, err = s.Tokens(ctx, "")
	wrong("Tokens", err)

	fatal(t, s.CreateAuthenticator(ctx, store.Authenticator{CredentialID: "c", UserID: u.ID}))
	spoil("authenticator:c", "counter")
	_, err = s.Authenticator(ctx, "c")
	wrong("Authenticator", err)

	fatal(t, s.LinkAccount(ctx, store.Account{UserID: u.ID, Provider: "p", ProviderAccountID: "1"}))
	spoil("account:1:p:1", "expires_at")
	_, err = s.Accounts(ctx, u.ID)
	wrong("Accounts", err)

	fatal(t, s.CreateVerificationToken(ctx, store.VerificationToken{Identifier: "i", Token: "t", Expires: now}))
	server.Do("SET", "caddyauth:link:1:i:t", "garbage")
	_, err = s.UseVerificationToken(ctx, "i", "t")
	wrong("UseVerificationToken", err)

	spoil("revocations", "session:x")
	server.Do("ZADD", "caddyauth:revocation-log", 1, "session:x")
	wrong("WatchRevocations", s.WatchRevocations(ctx, now, func(store.Revocation) { t.Error("heard garbage") }, func() { t.Error("synced") }))

	spoil("user:"+u.ID, "verified")
	_, err = s.User(ctx, u.ID)
	wrong("User", err)
	server.Do("DEL", "caddyauth:user:"+u.ID)
	server.Do("SET", "caddyauth:user:"+u.ID, "garbage")
	if _, err = s.User(ctx, u.ID); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key of another type: %v", err)
	}
}
