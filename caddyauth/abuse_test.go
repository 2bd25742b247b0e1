package caddyauth_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// The names of the session cookie on http and on https.
const (
	plainName  = "next-auth.session-token"
	secureName = "__Secure-next-auth.session-token"
)

// person are the claims of somebody whom the development provider signed in.
// Further claims of the evidence replace the ones here.
func person(sub string, evidence ...map[string]any) map[string]any {
	e := map[string]any{
		"sid": "sid-" + sub + "-" + fmt.Sprint(time.Now().UnixNano()), "provider": "dev", "realm": "dev", "account": sub,
		"login": sub, "verified": true, "auth_time": time.Now().Unix(),
	}
	for _, more := range evidence {
		for name, value := range more {
			e[name] = value
		}
	}
	return map[string]any{"sub": sub, "name": "Name of " + sub, "email": sub + "@example.com", "caddyauth": e}
}

// seal makes a session token with the tests' secret, as of some time ago.
func seal(t testing.TB, claims map[string]any, age time.Duration) string {
	t.Helper()
	ring, err := jwt.NewRing(dialect.V4, []string{secret}, "")
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.SealClaims(ring, claims, time.Now().Add(-age), 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// signedIn is the Cookie field of a session with these claims.
func signedIn(t testing.TB, claims map[string]any) string {
	t.Helper()
	return sessionCookie(plainName, seal(t, claims, 0))
}

// sessionCookie is the Cookie field that carries a token, in pieces if it is
// long.
func sessionCookie(name, token string) string {
	var pairs []string
	for _, c := range cookie.Chunk(cookie.Cookie{Name: name, Value: token, Path: "/"}, cookie.DefaultChunkSize, nil) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// wire is a connection to the server, for bytes as they are.
type wire struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// dial connects to the server.
func (s *server) dial() *wire {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+s.Port, 5*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{s.t, conn, bufio.NewReader(conn)}
}

func (w *wire) send(text string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, text); err != nil {
		w.t.Fatal(err)
	}
}

// receive reads the response to a request of that method.
func (w *wire) receive(method string) answer {
	w.t.Helper()
	a, err := w.read(method)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *wire) read(method string) (answer, error) {
	resp, err := http.ReadResponse(w.r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return answer{resp, string(body)}, err
}

// ask sends one request, given as its first line without the version and its
// header lines, on a connection of its own. Host is the site's unless there is
// one among the lines. After an empty line comes the body.
func (s *server) ask(line string, header ...string) answer {
	s.t.Helper()
	w := s.dial()
	defer w.conn.Close()
	w.send(s.request(line, header...))
	method, _, _ := strings.Cut(line, " ")
	return w.receive(method)
}

// request spells a request out, see ask.
func (s *server) request(line string, header ...string) string {
	var b strings.Builder
	b.WriteString(line + " HTTP/1.1\r\n")
	host, body, inBody := "Host: localhost:"+s.Port+"\r\n", "", false
	var lines strings.Builder
	for _, h := range header {
		switch {
		case inBody:
			body += h
		case h == "":
			inBody = true
		default:
			if strings.HasPrefix(strings.ToLower(h), "host:") {
				host = ""
			}
			lines.WriteString(h + "\r\n")
		}
	}
	return b.String() + host + lines.String() + "\r\n" + body
}

// one returns the only request that the upstream got.
func (u *upstream) one(t testing.TB) *http.Request {
	t.Helper()
	got := u.take()
	if len(got) != 1 {
		t.Fatalf("the upstream got %d requests, want 1", len(got))
	}
	return got[0]
}

// none fails if the upstream got anything.
func (u *upstream) none(t testing.TB) {
	t.Helper()
	if got := u.take(); len(got) != 0 {
		t.Errorf("the upstream got %d requests, the first for %s", len(got), got[0].RequestURI)
	}
}

// setCookies returns the names that a response sets.
func setCookies(h http.Header) []string {
	var names []string
	for _, line := range h["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	return names
}

// rawUpstream answers every request with the bytes given, and remembers the
// first lines that it got, byte for byte.
type rawUpstream struct {
	net.Listener
	mu    sync.Mutex
	lines []string
}

func newRawUpstream(t testing.TB, response string) *rawUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn, response)
		}
	}()
	return u
}

func (u *rawUpstream) serve(conn net.Conn, response string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	u.mu.Lock()
	u.lines = append(u.lines, strings.TrimRight(line, "\r\n"))
	u.mu.Unlock()
	for line != "\r\n" && err == nil {
		line, err = r.ReadString('\n')
	}
	_, _ = io.WriteString(conn, response)
}

// take returns the first lines since the last call.
func (u *rawUpstream) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	got := u.lines
	u.lines = nil
	return got
}

func init() {
	caddy.RegisterModule(injector{})
	httpcaddyfile.RegisterHandlerDirective("test_inject", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		args := h.RemainingArgs()
		if len(args) != 2 {
			return nil, h.ArgErr()
		}
		return injector{args[0], args[1]}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_inject", httpcaddyfile.Before, "map")
}

// injector is a handler of somebody else's that puts a header field into the
// request under a name that is not canonical, which Header.Del does not find.
type injector struct {
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
}

func (injector) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_inject", New: func() caddy.Module { return new(injector) }}
}

func (i injector) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	r.Header[i.Name] = []string{i.Value}
	return next.ServeHTTP(w, r)
}
