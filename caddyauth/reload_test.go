package caddyauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// reloadSite is the site of the reload tests; version makes one configuration
// differ from the next, store are lines in it, and words are further directives.
func reloadSite(users, upstream string, version int, store string, words ...string) string {
	return fmt.Sprintf(`
# version %d
http://localhost:{PORT} {
	%s
	header X-Version %d
	caddyauth {
		provider dev
		users %s
		public
		private /app/*
		limit off
		headers
		%s
	}
	reverse_proxy %s
}
`, version, strings.Join(words, "\n"), version, users, store, upstream)
}

// openFiles counts the descriptors of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd:", err)
	}
	return len(list)
}

// settle waits until a count is at most a limit, and returns it.
func settle(count func() int, limit int) int {
	n := count()
	for deadline := time.Now().Add(10 * time.Second); n > limit && time.Now().Before(deadline); n = count() {
		time.Sleep(50 * time.Millisecond)
	}
	return n
}

// TestRELOAD01And02 loads a hundred configurations while people use the site. The
// secret is the generated one: it must outlive all of them.
//
// The site listens on a Unix socket, which Caddy hands from one configuration
// to the next, where of TCP sockets every configuration has its own. Even so a
// connection that the old server has just accepted may be closed without an
// answer, with caddyauth and without; clients try again then, as RFC 9112
// section 9.3.1 allows, and so do these. An answer must be right always.
func TestRELOAD01And02(t *testing.T) {
	t.Run("without a store", func(t *testing.T) { reloadUnderLoad(t, "") })
	t.Run("with a store", func(t *testing.T) {
		reloadUnderLoad(t, "session {\nstrategy database\n}\nstore bolt "+filepath.Join(t.TempDir(), "store.db"))
	})
}

func reloadUnderLoad(t *testing.T, store string) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Remote-User")) })
	users := usersFile(t)
	dir, err := os.MkdirTemp("", "caddyauth") // short: the path of a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	bind := "bind unix/" + socket
	transport := func() *http.Transport {
		return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}
	}
	s := start(t, reloadSite(users, up.addr(), 0, store, bind))
	client := func() *browser {
		b := s.browser()
		b.Transport = transport()
		return b
	}
	alice, ended := client(), client()
	alice.password("alice", "alice", "/")
	ended.password("bob", "bob", "/")
	endedCookie := ended.cookieHeader()
	if !strings.Contains(endedCookie, plainName) {
		t.Fatal(endedCookie)
	}
	ended.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {ended.csrf()}})
	cookie := alice.cookieHeader()
	alice.CloseIdleConnections()
	ended.CloseIdleConnections()

	// What a first round of reloads leaves behind is the baseline.
	for i := range 3 {
		if err := s.load("", reloadSite(users, up.addr(), i, store, bind)); err != nil {
			t.Fatal(err)
		}
	}
	up.CloseClientConnections()
	time.Sleep(200 * time.Millisecond)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)

	var (
		stop     atomic.Bool
		requests atomic.Int64
		closed   atomic.Int64
		wg       sync.WaitGroup
	)
	hammer := func(target, cookie string, keepAlive bool, want int, body string) {
		wg.Go(func() {
			tr := transport()
			tr.DisableKeepAlives = !keepAlive
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			for n := 0; !stop.Load() && n < 100_000; n++ {
				r, _ := http.NewRequest(http.MethodGet, s.Base+target, nil)
				if cookie != "" {
					r.Header.Set("Cookie", cookie)
				}
				resp, err := client.Do(r)
				for again := 0; again < 5 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)); again++ {
					closed.Add(1)
					resp, err = client.Do(r)
				}
				if err != nil {
					t.Errorf("%s: %v", target, err)
					return
				}
				text := new(strings.Builder)
				_ = resp.Write(text)
				resp.Body.Close()
				requests.Add(1)
				if resp.StatusCode != want || !strings.Contains(text.String(), body) {
					t.Errorf("%s: %s", target, resp.Status)
					return
				}
			}
		})
	}
	hammer("/app/x", cookie, true, 200, "credentials:alice")
	hammer("/app/y", cookie, false, 200, "credentials:alice")
	hammer("/api/auth/session", cookie, true, 200, "alice@example.com")
	hammer("/app/x", "", true, 401, "SessionRequired")
	hammer("/", "", false, 200, "")
	hammer("/app/x", endedCookie, true, 401, "SessionRequired")

	for i := range 100 {
		if err := s.load("", reloadSite(users, up.addr(), i, store, bind)); err != nil {
			t.Errorf("RELOAD-01 load %d: %v", i, err)
			break
		}
	}
	stop.Store(true)
	wg.Wait()
	if t.Failed() {
		return
	}
	t.Logf("RELOAD-01: %d requests during 100 reloads, %d connections closed unanswered", requests.Load(), closed.Load())
	if requests.Load() < 200 || closed.Load() > 600 {
		t.Errorf("RELOAD-01 %d requests, %d connections closed unanswered", requests.Load(), closed.Load())
	}
	if a := alice.get("/app/"); a.StatusCode != http.StatusOK {
		t.Errorf("RELOAD-01 the session is lost: %s", a.Status)
	}
	if a := ended.get("/app/", "Cookie", endedCookie); a.StatusCode != http.StatusFound {
		t.Errorf("a session that was ended is back: %s", a.Status)
	}
	alice.CloseIdleConnections()
	ended.CloseIdleConnections()
	up.CloseClientConnections()
	if n := settle(runtime.NumGoroutine, goroutines+5); n > goroutines+5 {
		buf := make([]byte, 1<<20)
		t.Errorf("RELOAD-02 %d goroutines, %d before\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	if n := settle(func() int { return openFiles(t) }, files+3); n > files+3 {
		t.Errorf("RELOAD-02 %d open files, %d before", n, files)
	}
}

func TestRELOAD03BrokenConfiguration(t *testing.T) {
	up := newUpstream(t, nil)
	users := usersFile(t)
	s := start(t, reloadSite(users, up.addr(), 7, ""))
	b := s.browser()
	b.password("alice", "alice", "/")
	goroutines := runtime.NumGoroutine()
	for name, config := range map[string]string{
		"secret":          "secret short\nprovider dev",
		"secret file":     "secret {file./nowhere/secret}\nprovider dev",
		"users file":      "users /nowhere/users.yml",
		"word":            "provider dev\nalow any",
		"no provider":     "public",
		"incomplete":      "provider oidc https://op.example.com",
		"matcher":         "provider dev\npublic @nothing",
		"two of one name": "provider dev\nprovider dev",
		"headers":         "provider dev\nheaders {\nCookie {http.auth.user.id}\n}",
		"header value":    "provider dev\nheaders {\nX-A {env.HOME}\n}",
		"url":             "provider dev\nurl ftp://x",
	} {
		err := s.load("", "http://localhost:{PORT} {\ncaddyauth {\n"+config+"\n}\nreverse_proxy "+up.addr()+"\n}\n")
		if err == nil {
			t.Errorf("%s: loaded", name)
		}
		if a := b.get("/app/"); a.StatusCode != http.StatusOK || a.Header.Get("X-Version") != "7" {
			t.Fatalf("after %s the old configuration does not serve: %s %s", name, a.Status, a.Header.Get("X-Version"))
		}
	}
	// Refused only when the apps start, after the handlers were provisioned.
	if err := s.load("", "http://localhost:{PORT} {\nroute {\nrespond early\ncaddyauth {\nprovider dev\n}\n}\n}\n"); err == nil {
		t.Error("an answer before caddyauth was accepted")
	}
	if err := s.load("", "http://app.example.com:{PORT} {\ncaddyauth {\nprovider dev\n}\n}\n"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("provider dev on a public site: %v", err)
	}
	if a := b.get("/app/"); a.StatusCode != http.StatusOK || a.Header.Get("X-Version") != "7" {
		t.Fatalf("after a failed start: %s", a.Status)
	}
	b.CloseIdleConnections()
	if n := settle(runtime.NumGoroutine, goroutines+5); n > goroutines+5 {
		t.Errorf("RELOAD-02 %d goroutines, %d before", n, goroutines)
	}
}

// TestRELOAD05SecretRemoved: sessions of a key that is gone are none, and the
// way to a new one is open. A key that is only not the first one still opens.
func TestRELOAD05SecretRemoved(t *testing.T) {
	up := newUpstream(t, nil)
	users := usersFile(t)
	site := func(secrets string) string {
		return "http://localhost:{PORT} {\ncaddyauth {\nsecret " + secrets + "\nusers " + users + "\n}\nreverse_proxy " + up.addr() + "\n}\n"
	}
	const next = "another-secret-0123456789abcdefghijkl"
	s := start(t, site(secret))
	b := s.browser()
	b.password("alice", "alice", "/")
	for _, tc := range []struct {
		secrets string
		want    int
	}{{next + " " + secret, 200}, {next, 302}, {secret, 200}} {
		if err := s.load("", site(tc.secrets)); err != nil {
			t.Fatal(err)
		}
		if a := b.get("/app"); a.StatusCode != tc.want {
			t.Errorf("%.20s: %s, want %d", tc.secrets, a.Status, tc.want)
		}
	}
	if err := s.load("", site(next)); err != nil {
		t.Fatal(err)
	}
	if a := b.get("/api/auth/session"); a.body != "{}" || strings.Contains(b.cookieHeader(), plainName) {
		t.Errorf("session %s, cookies %s", a.body, b.cookieHeader())
	}
	if a := b.password("alice", "alice", "/app"); a.Header.Get("Location") != s.Base+"/app" || b.get("/app").StatusCode != http.StatusOK {
		t.Errorf("signing in anew: %s", a.Header.Get("Location"))
	}
}

// TestProviderDown: an identity provider that cannot be reached stops neither a
// start nor a reload, and spoils no other way to sign in.
func TestProviderDown(t *testing.T) {
	up := newUpstream(t, nil)
	users := usersFile(t)
	site := `
http://localhost:{PORT} {
	caddyauth {
		secret ` + secret + `
		provider oidc http://127.0.0.1:` + testport.Free(t) + ` as gone {
			name Gone
			client_id client
			client_secret something-secret
		}
		users ` + users + `
	}
	reverse_proxy ` + up.addr() + `
}
`
	begun := time.Now()
	s := start(t, site)
	for range 3 {
		if err := s.load("", site); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("start and three reloads took %v", d)
	}
	b := s.browser()
	a := b.do(http.MethodPost, "/api/auth/signin/gone", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {"/app"}})
	if location := a.Header.Get("Location"); a.StatusCode != http.StatusFound || location != s.Base+"/api/auth/error?error=OAuthSignin" {
		t.Errorf("signing in there: %s %s", a.Status, location)
	}
	a = b.follow(a)
	if a.StatusCode != http.StatusOK || a.Request.URL.Query().Get("error") != "OAuthSignin" || !strings.Contains(a.body, "Gone") {
		t.Errorf("ends on %s %s", a.Request.URL, a.Status)
	}
	page := func() string { return s.browser().get("/api/auth/signin").body }
	body := page()
	for range 50 { // the page asks in the background
		if strings.Contains(body, "unavailable") || strings.Contains(body, "not available") {
			break
		}
		time.Sleep(50 * time.Millisecond)
		body = page()
	}
	if !strings.Contains(body, "unavailable") && !strings.Contains(body, "not available") {
		t.Errorf("the button does not say that it is down: %s", body)
	}
	if strings.Contains(body, "127.0.0.1") {
		t.Errorf("the page tells too much: %s", body)
	}
	if a := b.password("alice", "alice", "/app"); a.Header.Get("Location") != s.Base+"/app" || b.get("/app").StatusCode != http.StatusOK {
		t.Errorf("the users file: %s", a.Header.Get("Location"))
	}
}

// TestUsersFileEdits: a person who is removed, disabled or regrouped counts as
// such at the next request, and a broken edit changes nothing.
func TestUsersFileEdits(t *testing.T) {
	up := newUpstream(t, nil)
	file := filepath.Join(t.TempDir(), "users.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(usersYAML)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+file+`
		allow /staff/* group staff
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
	alice, bob := s.browser(), s.browser()
	alice.password("alice", "alice", "/")
	bob.password("bob", "bob", "/")
	check := func(what string, b *browser, path string, want int) {
		t.Helper()
		var a answer
		for range 50 { // the file is looked at every two seconds
			if a = b.get(path); a.StatusCode == want {
				return
			}
			time.Sleep(60 * time.Millisecond)
		}
		t.Errorf("%s: %s, want %d", what, a.Status, want)
	}
	check("in the group", alice, "/staff/", 200)
	check("not in the group", bob, "/staff/", 403)

	write(strings.Replace(strings.Replace(usersYAML, "[staff]", "[]", 1), "    email: bob@example.org\n", "    email: bob@example.org\n    groups: [staff]\n", 1))
	check("out of the group", alice, "/staff/", 403)
	check("into the group", bob, "/staff/", 200)
	up.take()
	check("still there", alice, "/", 200)
	if got := up.one(t).Header.Get("Remote-Groups"); got != "" {
		t.Errorf("Remote-Groups %q", got)
	}

	write("users:\n  alice: [this is\n no users file")
	time.Sleep(2200 * time.Millisecond)
	check("a broken edit", alice, "/", 200)
	check("a broken edit", bob, "/staff/", 200)
	if !strings.Contains(s.logText(), `"level":"error"`) {
		t.Error("a broken edit is not in the log")
	}

	write(usersYAML[strings.Index(usersYAML, "users:"):strings.Index(usersYAML, "  bob:")])
	check("removed", bob, "/", 302)
	check("the other one", alice, "/staff/", 200)
	if a := bob.password("bob", "bob", "/"); !strings.Contains(a.Header.Get("Location"), "error=CredentialsSignin") {
		t.Errorf("a removed user signs in: %s", a.Header.Get("Location"))
	}
	write(strings.Replace(usersYAML, "    groups: [staff]\n", "    groups: [staff]\n    disabled: true\n", 1))
	check("disabled", alice, "/", 302)
}
