package caddyauth_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyauth/gateway/caddyauth"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	_ "github.com/caddyauth/gateway/caddyauth/provider/devidp"
)

// secret seals the sessions of tests that do not want a generated one.
const secret = "glue-test-secret-0123456789abcdefghij"

// asCaddy is the environment variable that makes this program the command caddy.
const asCaddy = "CADDYAUTH_TEST_AS_CADDY"

// TestMain gives Caddy homes of its own, and takes settings of the machine's
// away that it would read.
func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		caddycmd.Main()
		return
	}
	dir, err := os.MkdirTemp("", "caddyauth-test-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_DATA_HOME", filepath.Join(dir, "data"))
	os.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AUTH_") || strings.HasPrefix(name, "NEXTAUTH_") {
			os.Unsetenv(name)
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// adapt turns a Caddyfile into JSON.
func adapt(t testing.TB, text string) ([]byte, []caddyconfig.Warning, error) {
	t.Helper()
	return caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
}

// server is a running Caddy.
type server struct {
	t testing.TB
	// Port is where the site that the test's Caddyfile calls {PORT} listens.
	Port string
	// Base is its origin.
	Base string
	// Log is the file that the default logger writes to.
	Log string
	// config is the Caddyfile as it was loaded.
	config string
}

// globals are what every Caddyfile of these tests begins with.
const globals = `{
	admin off
	skip_install_trust
	auto_https disable_redirects
	log {
		output file {LOG}
		level DEBUG
	}
	{GLOBAL}
}
`

// start runs a Caddyfile. {PORT} in it is the site's port. There is one Caddy
// in a process, so tests that start one do not run in parallel.
func start(t testing.TB, config string) *server { return startWith(t, "", config) }

// startWith is start with further global options.
func startWith(t testing.TB, global, config string) *server {
	t.Helper()
	s := &server{t: t, Port: testport.Free(t), Log: filepath.Join(t.TempDir(), "caddy.log")}
	s.Base = "http://localhost:" + s.Port
	if err := s.load(global, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopCaddy(t) })
	return s
}

// stopCaddy ends it once the WebSockets have ended that tests have let go of: Caddy
// says goodbye to those that it still has, while others may be writing to them.
func stopCaddy(t testing.TB) {
	t.Helper()
	for until := time.Now().Add(2 * time.Second); openTunnels.Load() > 0 && time.Now().Before(until); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
}

// load loads or reloads.
func (s *server) load(global, config string) error {
	replace := strings.NewReplacer("{PORT}", s.Port, "{LOG}", s.Log, "{GLOBAL}", global)
	s.config = replace.Replace(globals + config)
	raw, _, err := adapt(s.t, s.config)
	if err != nil {
		return fmt.Errorf("adapting: %w\n%s", err, s.config)
	}
	if err := caddy.Load(unkept(s.t, raw), true); err != nil {
		return err
	}
	afterLoad()
	// Caddy stops the old servers in the background: they may take a connection
	// for a moment after Load has returned.
	time.Sleep(50 * time.Millisecond)
	return nil
}

// unkept is a configuration that Caddy does not keep in its home: it found that
// before TestMain gave it another.
func unkept(t testing.TB, raw []byte) []byte {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	admin, ok := config["admin"].(map[string]any)
	if !ok {
		t.Fatalf("no admin options in %s", raw)
	}
	admin["config"] = map[string]any{"persist": false}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// loadError returns the error that loading a Caddyfile fails with.
func loadError(t testing.TB, global, config string) error {
	t.Helper()
	s := &server{t: t, Port: testport.Free(t), Log: filepath.Join(t.TempDir(), "caddy.log")}
	err := s.load(global, config)
	if err == nil {
		_ = caddy.Stop()
	}
	return err
}

// logged returns what the log has, decoded line by line.
func (s *server) logged() []map[string]any {
	s.t.Helper()
	f, err := os.Open(s.Log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	var lines []map[string]any
	dec := json.NewDecoder(f)
	for {
		var line map[string]any
		if err := dec.Decode(&line); err != nil {
			if err != io.EOF {
				s.t.Fatal(err)
			}
			return lines
		}
		lines = append(lines, line)
	}
}

// logText returns the log as it is.
func (s *server) logText() string {
	s.t.Helper()
	b, err := os.ReadFile(s.Log)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// upstream is a server that remembers what it received.
type upstream struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// newUpstream starts one that answers 200, or as answer says.
func newUpstream(t testing.TB, answer http.HandlerFunc) *upstream {
	t.Helper()
	u := new(upstream)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clone := r.Clone(r.Context())
		u.mu.Lock()
		u.requests = append(u.requests, clone)
		u.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(u.Close)
	return u
}

// addr is host and port of the upstream.
func (u *upstream) addr() string { return u.Listener.Addr().String() }

// take returns what was received since the last call.
func (u *upstream) take() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	got := u.requests
	u.requests = nil
	return got
}

// browser is a client with cookies that follows no redirect by itself.
type browser struct {
	t testing.TB
	http.Client
	base string
}

func (s *server) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &browser{t: s.t, base: s.Base, Client: http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return b
}

// answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

// do sends a request as a page load would.
func (b *browser) do(method, target string, form url.Values, header ...string) answer {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.base + target
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	// Right after a reload, the listener of the old configuration may take a
	// connection and close it. Caddy does so without any module, too.
	for tries := 0; (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) && method == http.MethodGet && tries < 3; tries++ {
		resp, err = b.Do(r)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

func (b *browser) get(target string, header ...string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, target, nil, header...)
}

// follow gets a page and follows redirects to its end.
func (b *browser) follow(a answer) answer {
	b.t.Helper()
	for range 10 {
		next, err := a.Location()
		if err != nil {
			return a
		}
		a = b.get(next.String())
	}
	b.t.Fatal("redirected too often")
	return a
}

// csrf fetches a CSRF token.
func (b *browser) csrf() string {
	b.t.Helper()
	var got struct{ CSRFToken string }
	if err := json.Unmarshal([]byte(b.get("/api/auth/csrf").body), &got); err != nil {
		b.t.Fatal(err)
	}
	return got.CSRFToken
}

// password signs in with the users file.
func (b *browser) password(username, password, callbackURL string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, "/api/auth/callback/credentials", url.Values{
		"csrfToken": {b.csrf()}, "username": {username}, "password": {password}, "callbackUrl": {callbackURL},
	})
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// persona signs in at the development provider and returns the page that it
// ends on.
func (b *browser) persona(sub, callbackURL string) answer {
	b.t.Helper()
	a := b.do(http.MethodPost, "/api/auth/signin/dev", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {callbackURL}})
	a = b.follow(a)
	id := hiddenID.FindStringSubmatch(a.body)
	if id == nil {
		b.t.Fatalf("no persona page: %s\n%s", a.Status, a.body)
	}
	return b.follow(b.do(http.MethodPost, "/api/auth/dev/login", url.Values{"id": {id[1]}, "sub": {sub}}))
}

// cookieHeader is what the browser would send to the site.
func (b *browser) cookieHeader() string {
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	var pairs []string
	for _, c := range b.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// raw sends bytes over TCP and reads one response: what a client library would
// tidy arrives as it is.
func (s *server) raw(request string) (status int, header http.Header, body string) {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+s.Port, 5*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, request)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, resp.Header, string(b)
}

// usersFile writes a users file: alice (group staff), bob (no group), with
// their names as passwords.
func usersFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "users.yml")
	if err := os.WriteFile(name, []byte(usersYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// The hashes are bcrypt of the lowest cost: these tests sign in a lot.
const usersYAML = `users:
  alice:
    displayname: Alice Example
    email: alice@example.com
    password: $2a$04$HMZyeLsYt8ktCtqjVcSVdeJS5t.PtMID0EBmOADa64qHvizufl/z2
    groups: [staff]
  bob:
    displayname: Bob Example
    email: bob@example.org
    password: $2a$04$4JNutIzDDmqR4TOjedj/L.hG4eKBsQECdNjgVkvsUwuLeB41pjtti
`

// pretty indents JSON for comparison.
func pretty(t testing.TB, raw []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
