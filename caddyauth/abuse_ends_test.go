package caddyauth_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestREDIR21TrustedOrigins: an origin is trusted as a whole. There are no
// patterns of hosts, and no host of one entry goes with the scheme of another.
func TestREDIR21TrustedOrigins(t *testing.T) {
	target := safeurl.Target{Origin: "https://app.example.com", Also: []string{"https://example.com", "http://b.example.net:8080", ".example.org", "*.example.org", "https://*.example.org"}}
	for raw, want := range map[string]bool{
		"https://example.com/x": true, "https://EXAMPLE.com": true, "http://b.example.net:8080/x": true, "/x": true,
		"https://a.example.com/x": false, "https://aexample.com": false, "https://example.com.evil": false, "http://example.com": false, "https://example.com:8080": false,
		"https://b.example.net:8080": false, "http://b.example.net": false, "http://example.com:8080": false,
		"https://example.org": false, "https://a.example.org": false, "https://*.example.org": false, "https://.example.org": false, "https://evil.com/https://example.com": false,
		"https://example.com@evil.com": false, "https://example.com\\@evil.com": false, "https://example.com%2eevil.com": false,
	} {
		if to, ok := target.Resolve(raw); ok != want {
			t.Errorf("%s: %q %v", raw, to, ok)
		}
	}
	for _, origin := range []string{"*", "https://*.example.com", "*.example.com"} {
		if err := adaptError(t, siteWith("secret "+secret+"\nprovider dev\ncallback_origin "+origin)); err == nil {
			t.Errorf("callback_origin %s is accepted", origin)
		}
	}
}

func TestCACHE07BackAfterSignOut(t *testing.T) {
	s, up := members(t, "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Etag", `"1"`)
		fmt.Fprint(w, "members only")
	})
	b := s.browser()
	b.password("alice", "alice", "/app/")
	a := b.get("/app/")
	// The browser has to ask before it shows the page again, and nobody else may
	// keep it.
	if c := a.Header.Get("Cache-Control"); a.body != "members only" || !strings.Contains(c, "private") || !strings.Contains(c, "no-cache") && !strings.Contains(c, "no-store") {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	up.take()
	out := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
	if !strings.Contains(out.Header.Get("Cache-Control"), "no-store") {
		t.Errorf("signing out: %v", out.Header)
	}
	for _, header := range [][]string{nil, {"If-None-Match", `"1"`}, {"Cache-Control", "max-age=0"}, {"Cache-Control", "only-if-cached"}} {
		if a := b.get("/app/", header...); a.StatusCode != http.StatusFound || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") || strings.Contains(a.body, "members") {
			t.Errorf("%v: %s %v", header, a.Status, a.Header)
		}
	}
	up.none(t)
}

func TestOUT04SignOutByGET(t *testing.T) {
	s, _ := members(t, "", nil)
	b := s.browser()
	b.password("alice", "alice", "/app/")
	for _, line := range []string{"GET /api/auth/signout", "HEAD /api/auth/signout", "GET /api/auth/signout?csrfToken=" + b.csrf(), "GET /api/auth/signout?json=true&callbackUrl=/", "DELETE /api/auth/signout", "GET /api/auth/signout/credentials"} {
		method, target, _ := strings.Cut(line, " ")
		if a := b.do(method, target, nil); strings.Contains(strings.Join(setCookies(a.Header), " "), plainName) || line == "GET /api/auth/signout" && (a.StatusCode != http.StatusOK || !strings.Contains(a.body, "<form")) {
			t.Errorf("%s: %s %v", line, a.Status, a.Header)
		}
		if a := b.get("/app/"); a.StatusCode != http.StatusOK {
			t.Fatalf("%s signed out", line)
		}
	}
	// A form of another site's has no token.
	b.do(http.MethodPost, "/api/auth/signout", url.Values{}, "Origin", "https://evil.com", "Sec-Fetch-Site", "cross-site")
	if a := b.get("/app/"); a.StatusCode != http.StatusOK {
		t.Error("a POST without a token signed out")
	}
}

// TestOUT02EveryPieceIsCleared: what a browser has of a session, and of older ones
// that were longer or shorter, is taken from it; what belongs to others is not.
func TestOUT02EveryPieceIsCleared(t *testing.T) {
	s, _ := members(t, "", nil)
	for name, pieces := range map[string]func(token string) []string{
		"whole": func(token string) []string { return []string{"=" + token} },
		"in five pieces": func(token string) []string {
			n := len(token)/5 + 1
			return []string{".0=" + token[:n], ".1=" + token[n:2*n], ".2=" + token[2*n:3*n], ".3=" + token[3*n:4*n], ".4=" + token[4*n:], ".9=stale"}
		},
		"whole, and pieces of an older one": func(token string) []string {
			return []string{"=" + token, ".0=stale", ".1=stale", ".7=stale"}
		},
		"in pieces, and an older one": func(token string) []string {
			n := len(token)/2 + 1
			return []string{"=stale", ".0=" + token[:n], ".1=" + token[n:]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.browser()
			csrf := b.csrf()
			var sent, want []string
			for _, piece := range pieces(seal(t, person("eve"), time.Hour)) {
				sent = append(sent, plainName+piece)
				suffix, _, _ := strings.Cut(piece, "=")
				want = append(want, plainName+suffix)
			}
			inside := func() int { return s.browser().get("/app/", "Cookie", strings.Join(sent, "; ")).StatusCode }
			if got := inside(); got != http.StatusOK {
				t.Fatalf("no session: %d", got)
			}
			others := []string{plainName + "-of-another=x", plainName + ".x=x"}
			cookies := strings.Join(append(append(sent, others...), b.cookieHeader()), "; ")
			b.Jar = nil
			a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {csrf}}, "Cookie", cookies)
			var cleared []string
			for _, c := range a.Cookies() {
				switch {
				case c.MaxAge < 0 && c.Value == "":
					cleared = append(cleared, c.Name)
				case strings.HasPrefix(c.Name, plainName):
					t.Errorf("sets %s", c.Name)
				}
			}
			for _, name := range want {
				if !slices.Contains(cleared, name) {
					t.Errorf("%s stays: %q are cleared", name, cleared)
				}
			}
			for _, name := range others {
				if name, _, _ = strings.Cut(name, "="); slices.Contains(cleared, name) {
					t.Errorf("%s is cleared", name)
				}
			}
			if a.StatusCode != http.StatusFound {
				t.Errorf("%s", a.Status)
			}
			if inside() == http.StatusOK {
				t.Error("a copy is still good")
			}
		})
	}
}

// TestBRUTE08ConstantTime: what a client may guess is not compared by operators,
// which tell by the time that they take how much of it was right.
func TestBRUTE08ConstantTime(t *testing.T) {
	secrets := regexp.MustCompile(`(?i)^(csrf\w*|hash|mac|tag|nonce|challenge|verifier|password|digest|signature|state)$`)
	compared := 0
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			return err
		}
		last := func(e ast.Expr) string {
			switch e := e.(type) {
			case *ast.Ident:
				return e.Name
			case *ast.SelectorExpr:
				return e.Sel.Name
			}
			return ""
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f := last(n.Fun); f == "ConstantTimeCompare" || f == "Equal" && strings.Contains(fmt.Sprint(n.Fun), "hmac") {
					compared++
				}
			case *ast.BinaryExpr:
				// Whether there is one at all is no secret, nor is a hash that is
				// keyed at random.
				if name != filepath.Join("session", "cache.go") && (n.Op == token.EQL || n.Op == token.NEQ) && last(n.X) != "" && last(n.Y) != "" && last(n.Y) != "nil" && secrets.MatchString(last(n.X)) && secrets.MatchString(last(n.Y)) {
					t.Errorf("%s: compares %s with %s by an operator", set.Position(n.Pos()), last(n.X), last(n.Y))
				}
			}
			return true
		})
		return nil
	})
	if err != nil || compared < 8 {
		t.Errorf("%d comparisons in constant time, %v", compared, err)
	}
	// And they hold: neither a part of the token nor nothing is enough.
	s, _ := members(t, "", nil)
	b := s.browser()
	good := b.csrf()
	for _, sent := range []string{"", good[:len(good)-1], good + "0", strings.ToUpper(good), good[1:], "0" + good[1:]} {
		if sent == good {
			continue
		}
		a := b.do(http.MethodPost, "/api/auth/callback/credentials", url.Values{"csrfToken": {sent}, "username": {"alice"}, "password": {"alice"}})
		if strings.Contains(b.cookieHeader(), plainName) {
			t.Fatalf("%q was accepted: %s", sent, a.Status)
		}
	}
}

// TestLEAK04AdminAPI: what Caddy's admin API shows of the configuration, of
// metrics and of memory profiles by name holds no secret.
func TestLEAK04AdminAPI(t *testing.T) {
	const clientSecret = "client-secret-19c1d8b0"
	t.Setenv("CADDYAUTH_TEST_SECRET", secret)
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", clientSecret)
	file := filepath.Join(t.TempDir(), "second")
	if err := os.WriteFile(file, []byte("second-"+secret), 0o600); err != nil {
		t.Fatal(err)
	}
	s, admin := startAdmin(t, `
http://localhost:{PORT} {
	caddyauth {
		secret {env.CADDYAUTH_TEST_SECRET} {file.`+file+`}
		users `+usersFile(t)+`
		provider oidc http://127.0.0.1:`+testport.Free(t)+` as gone {
			client_id client
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
		}
		allow any
	}
	respond here
}
`)
	b := s.browser()
	b.password("alice", "alice", "/")
	for _, path := range []string{"/config/", "/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/vars", "/reverse_proxy/upstreams", "/pki/ca/local", "/caddyauth/sessions"} {
		status, text := admin.call(http.MethodGet, path, nil)
		for what, value := range map[string]string{"secret": secret, "client secret": clientSecret, "password hash": "$2a$04$", "session": "eyJ"} {
			if strings.Contains(text, value) {
				t.Errorf("%s (%d) shows the %s", path, status, what)
			}
		}
	}
	if raw, _, err := adapt(t, s.config); err != nil || strings.Contains(string(raw), secret) || !strings.Contains(string(raw), "{env.CADDYAUTH_TEST_SECRET}") {
		t.Errorf("adapted: %v", err)
	}
	// Another site's page cannot ask (CVE-2026-27589).
	r, err := http.NewRequest(http.MethodPost, "http://"+admin.Address+"/load", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://evil.com")
	r.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: %s", resp.Status)
	}
}

// TestRELOAD08SharedSession: a token that NextAuth made opens the gate, and one
// of ours opens with NextAuth's keys; testdata/interop has NextAuth's own word.
func TestRELOAD08SharedSession(t *testing.T) {
	s, up := members(t, "session {\npass_cookie\n}", nil)
	theirs := map[string]any{"name": "N", "email": "n@example.com", "picture": nil, "sub": "7"}
	token := seal(t, theirs, time.Hour)
	if a := s.ask("GET /app/", "Cookie: "+sessionCookie(plainName, token)); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	if got := up.one(t).Header.Get("Cookie"); got != plainName+"="+token {
		t.Errorf("the application gets %q", got)
	}
	if a := s.ask("GET /api/auth/session", "Cookie: "+sessionCookie(plainName, token)); !strings.Contains(a.body, `"user":{"name":"N","email":"n@example.com","image":null}`) {
		t.Errorf("session %s", a.body)
	}
}

// TestRES03Concurrent proxies for people and for nobody at once, while others
// sign in and out; the race detector watches.
//
// Caddy #7859 was a race of forward_auth for the variables of a request.
func TestRES03Concurrent(t *testing.T) {
	s, _ := headerSite(t, "", "", nil)
	sessions := []string{"X-No: 1", "Cookie: " + signedIn(t, person("eve")), "Cookie: " + signedIn(t, person("bob"))}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			b := s.browser()
			for i := range 20 {
				switch worker % 4 {
				case 0:
					b.persona("alice", "/app/")
					b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
					if i > 3 {
						return
					}
				default:
					if a := s.ask([]string{"GET /app/a%2Fb", "POST /app/x", "GET /public/..;/app", "GET /x"}[i%4], sessions[(worker+i)%3]); a.StatusCode >= 500 {
						t.Error(a.Status)
					}
				}
			}
		}()
	}
	wg.Wait()
}

func init() { caddy.RegisterModule(panicker{}) }

// panicker is an event handler that panics.
type panicker struct{}

func (panicker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_panicker", New: func() caddy.Module { return new(panicker) }}
}

func (*panicker) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (*panicker) Handle(context.Context, caddy.Event) error { panic("test_panicker panics") }

func TestRES04Panic(t *testing.T) {
	s := startWith(t, "events {\non signIn test_panicker\n}", `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
	}
	respond here
}
`)
	b := s.browser()
	form := url.Values{"csrfToken": {b.csrf()}, "username": {"alice"}, "password": {"alice"}}.Encode()
	w := s.dial()
	for range 2 { // on one connection
		w.send(s.request("POST /api/auth/callback/credentials", "Cookie: "+b.cookieHeader(), "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(form)), "", form))
		a := w.receive("POST")
		if a.StatusCode != http.StatusInternalServerError || len(a.Header["Set-Cookie"]) != 0 || strings.Contains(a.body, "panic") || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s %v %s", a.Status, a.Header, a.body)
		}
	}
	if n := strings.Count(s.logText(), `"msg":"the API panicked"`); n != 2 {
		t.Errorf("logged %d times", n)
	}
	if a := s.ask("GET /api/auth/csrf"); a.StatusCode != http.StatusOK {
		t.Error(a.Status)
	}
}

// TestRES05Disconnect: somebody who leaves while the provider is asked takes the
// question along, and the code is sent once.
func TestRES05Disconnect(t *testing.T) {
	var tokens atomic.Int32
	asked, left := make(chan struct{}, 8), make(chan struct{}, 8)
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			return
		}
		tokens.Add(1)
		_ = r.ParseForm()
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
			left <- struct{}{}
		case <-time.After(20 * time.Second):
		}
	}))
	defer op.Close()
	s := start(t, siteWith(`secret `+secret+`
		provider oauth2 as op {
			client_id c
			client_secret client-secret-of-op
			authorization `+op.URL+`/authorize
			token `+op.URL+`/token
			userinfo `+op.URL+`/userinfo
		}
		allow any`))
	b := s.browser()
	a := b.do(http.MethodPost, "/api/auth/signin/op", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {"/x"}})
	to, err := a.Location()
	if err != nil {
		t.Fatal(a.Status, err)
	}
	w := s.dial()
	w.send(s.request("GET /api/auth/callback/op?code=c&state="+url.QueryEscape(to.Query().Get("state")), "Cookie: "+b.cookieHeader()))
	wait := func(c chan struct{}, what string) {
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatal(what)
		}
	}
	wait(asked, "the provider was not asked")
	w.conn.Close()
	wait(left, "the request to the provider went on")
	time.Sleep(50 * time.Millisecond)
	if n := tokens.Load(); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
	if a := s.ask("GET /api/auth/csrf"); a.StatusCode != http.StatusOK {
		t.Error(a.Status)
	}
}

func TestRES08NothingOfCaddys(t *testing.T) {
	s, up := members(t, "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/metrics", "/config/", "/caddyauth/sessions", "/api/auth/debug/pprof/", "/api/auth/metrics", "/api/auth/config/", "/api/auth/caddyauth/sessions"} {
		a := s.ask("GET " + path)
		if strings.Contains(a.body, "goroutine") || strings.Contains(a.body, "go_") || strings.Contains(a.body, `"apps"`) || a.StatusCode < 400 {
			t.Errorf("%s: %s %.100s", path, a.Status, a.body)
		}
		if got := up.take(); len(got) == 1 && strings.HasPrefix(path, "/api/auth") {
			t.Errorf("%s reached the upstream", path)
		}
	}
}
