package caddyauth_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// trustLoopback believes proxies on this machine.
const trustLoopback = "servers {\ntrusted_proxies static 127.0.0.1/32 ::1/128\n}"

// verifier is a site that answers for app.localhost.
func verifier(t *testing.T, global, words string) *server {
	t.Helper()
	return startWith(t, global, `
http://localhost:{PORT}, http://app.localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		forward_auth
		public /public/*
		deny /closed/* any
		allow /admin/* role admin
		allow /app/post group staff
		headers remote {
			X-Auth-User {http.auth.user.email}
		}
		`+words+`
	}
	respond "here"
}
`)
}

const verifyPath = "GET /api/auth/verify"

func TestForwardAuth(t *testing.T) {
	s := verifier(t, trustLoopback, "")
	eve := "Cookie: " + sessionCookie(secureName, seal(t, person("eve"), 0))
	forwarded := func(method, uri string, more ...string) []string {
		return append([]string{"Host: app.localhost", "X-Forwarded-Method: " + method, "X-Forwarded-Uri: " + uri, "X-Forwarded-Proto: https", "X-Forwarded-Host: app.localhost"}, more...)
	}
	nginx := func(method, uri string, more ...string) []string {
		return append([]string{"Host: app.localhost", "X-Original-Method: " + method, "X-Original-URL: https://app.localhost" + uri}, more...)
	}
	const page = "Accept: text/html"
	for _, c := range []struct {
		name   string
		line   string
		header []string
		status int
		user   string
	}{
		{"session", verifyPath, forwarded("GET", "/app/x?y=1", eve), 200, "eve"},
		{"session, nginx", verifyPath, nginx("GET", "/app/x?y=1", eve), 200, "eve"},
		{"session, Envoy", "GET /api/auth/verify/app/x?y=1", []string{"Host: app.localhost", "X-Forwarded-Proto: https", eve}, 200, "eve"},
		{"public", verifyPath, forwarded("GET", "/public/x"), 200, ""},
		{"public, nginx", verifyPath, nginx("GET", "/public/x"), 200, ""},
		{"public, Envoy", "POST /api/auth/verify/public/x", []string{"Host: app.localhost"}, 200, ""},
		{"script without a session", verifyPath, forwarded("GET", "/app/x"), 401, ""},
		{"page without a session", verifyPath, forwarded("GET", "/app/x?y=1", page), 302, ""},
		{"form without a session", verifyPath, forwarded("POST", "/app/x", page), 401, ""},
		{"page, Envoy", "GET /api/auth/verify/app/x?y=1", []string{"Host: app.localhost", "X-Forwarded-Proto: https", page}, 302, ""},
		{"page, nginx", verifyPath, nginx("GET", "/app/x?y=1", page), 401, ""},
		{"rule", verifyPath, forwarded("GET", "/admin/x", eve), 403, ""},
		{"rule, nginx", verifyPath, nginx("GET", "/admin/x", eve), 403, ""},
		{"rule, Envoy", "DELETE /api/auth/verify/admin/x", []string{"Host: app.localhost", "X-Forwarded-Proto: https", eve}, 403, ""},
		{"denied to any", verifyPath, forwarded("GET", "/closed/x", eve), 403, ""},
		// The canonicalizer of the gate reads what the proxy says.
		{"PATH public and back", verifyPath, forwarded("GET", "/public/../app/x"), 401, ""},
		{"PATH encoded", verifyPath, forwarded("GET", "/public/%2e%2e/admin/x", eve), 403, ""},
		{"PATH encoded, Envoy", "GET /api/auth/verify/public/%2e%2e/admin/x", []string{"Host: app.localhost", "X-Forwarded-Proto: https", eve}, 403, ""},
		{"PATH matrix", verifyPath, forwarded("GET", "/public;a/..;/app/x"), 401, ""},
		{"PATH fragment", verifyPath, forwarded("GET", "/app#/../public/x"), 401, ""},
		{"PATH fragment, encoded", verifyPath, forwarded("GET", "/app%23/../public/x"), 401, ""},
		{"PATH NUL", verifyPath, forwarded("GET", "/public/%00"), 400, ""},
		{"PATH NUL, nginx", verifyPath, nginx("GET", "/public/%00"), 403, ""},
		{"PATH two slashes", verifyPath, forwarded("GET", "//public/x/../../app"), 401, ""},
		{"PATH absolute", verifyPath, forwarded("GET", "https://app.localhost/public/x"), 400, ""},
		{"PATH none", verifyPath, forwarded("GET", "public/x"), 400, ""},
		{"PATH absolute behind an absolute one", verifyPath, []string{"Host: app.localhost", "X-Original-Method: GET", "X-Original-URL: https://app.localhosthttp://x/public/x"}, 400, ""},
		{"TRACE", verifyPath, forwarded("TRACE", "/public/x"), 405, ""},
		{"CONNECT", verifyPath, forwarded("CONNECT", "/public/x"), 405, ""},
		// What is said twice must be the same.
		{"HOST two URIs", verifyPath, forwarded("GET", "/public/x", "X-Forwarded-Uri: /app/x", eve), 400, ""},
		{"HOST two methods", verifyPath, forwarded("GET", "/public/x", "X-Forwarded-Method: POST", eve), 400, ""},
		{"HOST two hosts", verifyPath, forwarded("GET", "/public/x", "X-Forwarded-Host: localhost", eve), 400, ""},
		{"HOST a list of hosts", verifyPath, []string{"Host: app.localhost", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /public/x", "X-Forwarded-Host: evil.example, app.localhost"}, 400, ""},
		{"HOST a list of schemes", verifyPath, []string{"Host: app.localhost", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /public/x", "X-Forwarded-Proto: https,http"}, 400, ""},
		{"nginx, and a client that names a public path", verifyPath, nginx("GET", "/app/x", "X-Forwarded-Uri: /public/x"), 400, ""},
		{"Traefik, and a client that names a public path", verifyPath, forwarded("GET", "/app/x", "X-Original-URL: /public/x"), 400, ""},
		{"Traefik, and a client that names another method", verifyPath, forwarded("POST", "/app/x", "X-Original-Method: GET"), 400, ""},
		{"Envoy, and a client that names a public path", "GET /api/auth/verify/app/x", []string{"Host: app.localhost", "X-Forwarded-Uri: /public/x"}, 400, ""},
		{"Envoy, and a client that names a public URL", "GET /api/auth/verify/app/x", []string{"Host: app.localhost", "X-Original-URL: https://app.localhost/public/x"}, 400, ""},
		{"nginx says another host", verifyPath, nginx("GET", "/public/x", "X-Forwarded-Host: localhost"), 400, ""},
		{"nginx says another scheme", verifyPath, nginx("GET", "/public/x", "X-Forwarded-Proto: http"), 400, ""},
		// Too little.
		{"nothing", verifyPath, []string{"Host: app.localhost"}, 400, ""},
		{"no method", verifyPath, []string{"Host: app.localhost", "X-Original-URL: https://app.localhost/public/x"}, 400, ""},
		{"no URI", verifyPath, []string{"Host: app.localhost", "X-Forwarded-Method: GET"}, 400, ""},
		// Open redirects.
		{"REDIR another host", verifyPath, []string{"Host: app.localhost", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /app/x", "X-Forwarded-Host: evil.example", page}, 400, ""},
		{"REDIR another host, nginx", verifyPath, []string{"Host: app.localhost", "X-Original-Method: GET", "X-Original-URL: https://evil.example/app/x", page}, 400, ""},
		{"REDIR user information", verifyPath, []string{"Host: app.localhost", "X-Original-Method: GET", "X-Original-URL: https://app.localhost@evil.example/app/x", page}, 400, ""},
		{"REDIR backslash", verifyPath, []string{"Host: app.localhost", "X-Original-Method: GET", `X-Original-URL: https://evil.example\app.localhost/app/x`, page}, 400, ""},
		{"REDIR scheme", verifyPath, []string{"Host: app.localhost", "X-Original-Method: GET", "X-Original-URL: javascript://app.localhost/app/x", page}, 400, ""},
		{"endpoints of the sign-in", verifyPath, forwarded("GET", "/api/auth/signin", page), 403, ""},
		{"another endpoint", "GET /api/auth/verifyx", forwarded("GET", "/public/x"), 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.ask(c.line, c.header...)
			if a.StatusCode != c.status {
				t.Fatalf("%s %s\n%v", a.Status, a.body, a.Header)
			}
			if got := a.Header.Get("Remote-User"); got != c.user {
				t.Errorf("Remote-User %q", got)
			}
			if c.line == "GET /api/auth/verifyx" {
				return
			}
			if cc := a.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
				t.Errorf("Cache-Control %q", cc)
			}
			if a.StatusCode == http.StatusOK && a.body != "" {
				t.Errorf("a body: %s", a.body)
			}
			if a.StatusCode == http.StatusOK {
				// Each one once, empty where there is nothing to say.
				for _, name := range []string{"Remote-User", "Remote-Email", "Remote-Groups", "Remote-Name", "X-Auth-User"} {
					if len(a.Header[name]) != 1 {
						t.Errorf("%s: %q", name, a.Header[name])
					}
				}
			} else if strings.Contains(fmt.Sprint(a.Header)+a.body, "eve@") && !strings.Contains(c.name, "rule") && !strings.Contains(c.name, "PATH encoded") && !strings.Contains(c.name, "denied") {
				t.Errorf("%v %s", a.Header, a.body)
			}
			back := "callbackUrl=" + url.QueryEscape("https://app.localhost/app/x?y=1")
			switch want := "https://app.localhost/api/auth/signin?" + back; {
			case a.StatusCode == http.StatusFound && a.Header.Get("Location") != want:
				t.Errorf("Location %q", a.Header.Get("Location"))
			case c.name == "page, nginx" && (a.Header.Get("X-Auth-Request-Redirect") != want || a.Header.Get("Location") != ""):
				t.Errorf("%v", a.Header)
			}
		})
	}
	t.Run("renewal", func(t *testing.T) {
		old := "Cookie: " + sessionCookie(secureName, seal(t, person("eve"), 48*time.Hour))
		a := s.ask(verifyPath, forwarded("GET", "/app/x", old, page)...)
		if a.StatusCode != http.StatusOK || !slices.Equal(setCookies(a.Header), []string{secureName}) {
			t.Errorf("%s %v", a.Status, a.Header)
		}
		if a := s.ask(verifyPath, forwarded("GET", "/app/x", old)...); len(a.Header["Set-Cookie"]) != 0 {
			t.Errorf("a script's request renews: %v", a.Header)
		}
		big := person("eve", map[string]any{"groups": slices.Repeat([]string{"a-group-with-quite-a-long-name"}, 120)})
		// A proxy that keeps the first cookie only would break a session in pieces.
		if a := s.ask(verifyPath, forwarded("GET", "/app/x", "Cookie: "+sessionCookie(secureName, seal(t, big, 48*time.Hour)), page)...); a.StatusCode != http.StatusOK || len(a.Header["Set-Cookie"]) != 0 {
			t.Errorf("%s %v", a.Status, a.Header)
		}
	})
}

// CVE-2026-40575: who is not the proxy could name a public path.
func TestForwardAuthUntrusted(t *testing.T) {
	s := verifier(t, "", "")
	for _, header := range [][]string{
		{"X-Forwarded-Method: GET", "X-Forwarded-Uri: /public/x"},
		{"X-Original-Method: GET", "X-Original-URL: http://localhost/public/x"},
		nil,
	} {
		if a := s.ask(verifyPath, header...); a.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %s", header, a.Status)
		}
	}
	if !strings.Contains(s.logText(), "trusted_proxies static") {
		t.Error("the log does not say what to do")
	}
	if s := start(t, "http://localhost:{PORT} {\ncaddyauth {\nsecret "+secret+"\nprovider dev\n}\n}"); s.ask(verifyPath).StatusCode == http.StatusForbidden {
		t.Error("the endpoint is there without forward_auth")
	}
}

// Hosts of one cookie domain sign in at one of them.
func TestForwardAuthHosts(t *testing.T) {
	s := startWith(t, trustLoopback, `
http://auth.example.com:{PORT} {
	caddyauth {
		secret `+secret+`
		url https://auth.example.com
		provider github {
			client_id id
			client_secret secret
		}
		allow any
		forward_auth
		session {
			cookie_domain example.com
		}
		callback_origin https://app.example.org
	}
}
`)
	for origin, ok := range map[string]bool{
		"https://auth.example.com": true, "https://app.example.com": true, "https://a.b.example.com": true, "https://app.example.org": true,
		"https://example.com.evil.org": false, "https://evilexample.com": false, "https://www.example.org": false, "http://app.example.org": false,
	} {
		a := s.ask(verifyPath, "Host: auth.example.com", "X-Original-Method: GET", "X-Original-URL: "+origin+"/x?y=%2F", "Accept: text/html")
		want := "https://auth.example.com/api/auth/signin?callbackUrl=" + url.QueryEscape(origin+"/x?y=%2F")
		if got := a.Header.Get("X-Auth-Request-Redirect"); ok && (a.StatusCode != http.StatusUnauthorized || got != want) || !ok && (a.StatusCode != http.StatusBadRequest || got != "") {
			t.Errorf("%s: %s %q", origin, a.Status, got)
		}
	}
}

// nginxConfig is the one that the documentation shows.
func nginxConfig(t *testing.T, listen, auth, app string) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "```nginx\n")
	text, _, closed := strings.Cut(text, "```\n")
	if !found || !closed {
		t.Fatal("no configuration of nginx in the README")
	}
	return strings.NewReplacer("listen 80;", "listen 127.0.0.1:"+listen+";", "server_name app.example.com;", "server_name localhost;",
		"auth:8080", "127.0.0.1:"+auth, "app:3000", app).Replace(text)
}

// runNginx starts a server of nginx's.
func runNginx(t *testing.T, config string) {
	t.Helper()
	program := testreq.Program(t, "nginx")
	dir := t.TempDir()
	text := "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nerror_log " + dir + "/error.log info;\nevents {}\nhttp {\naccess_log off;\n"
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		text += name + "_temp_path " + dir + "/" + name + ";\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text+config+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-p", dir, "-c", file, "-e", dir+"/error.log")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(dir + "/error.log")
			t.Logf("%s", text)
		}
	})
}

func awaitPort(t *testing.T, port string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// guarded checks an application behind a proxy that asks us.
func guarded(t *testing.T, front string, app *upstream) {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	b := &browser{t: t, base: "http://localhost:" + front, Client: http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	spoofed := []string{"Remote-User", "admin", "Remote-Groups", "admins", "X-Forwarded-Uri", "/public/x", "X-Forwarded-Method", "GET"}
	if a := b.get("/public/x", spoofed[:4]...); a.StatusCode != http.StatusOK {
		t.Fatalf("public: %s %s", a.Status, a.body)
	}
	if r := app.one(t); r.Header.Get("Remote-User") != "" || r.Header.Get("Remote-Groups") != "" {
		t.Errorf("without a session, the application got %v", r.Header)
	}
	a := b.get("/app/x?y=1")
	want := b.base + "/api/auth/signin?callbackUrl=" + url.QueryEscape(b.base+"/app/x?y=1")
	if a.StatusCode != http.StatusFound || a.Header.Get("Location") != want {
		t.Fatalf("%s %s, want %s", a.Status, a.Header.Get("Location"), want)
	}
	for _, header := range [][]string{spoofed, {"X-Original-URL", b.base + "/public/x", "X-Original-Method", "GET"}, {"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Uri", "/public/x"}} {
		if a := b.get("/app/x", header...); a.StatusCode == http.StatusOK || strings.Contains(a.Header.Get("Location"), "evil") {
			t.Errorf("%v: %s %s", header, a.Status, a.Header.Get("Location"))
		}
	}
	if a := b.get("/app/x", "Sec-Fetch-Mode", "cors"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a script: %s", a.Status)
	}
	if got := app.take(); len(got) != 0 {
		t.Fatalf("%d requests passed without a session", len(got))
	}
	if a := b.persona("alice", b.base+"/app/x?y=1"); a.StatusCode != http.StatusOK || a.Request.URL.RequestURI() != "/app/x?y=1" {
		t.Fatalf("signing in: %s %s %s", a.Status, a.Request.URL, a.body)
	}
	if r := app.one(t); r.Header.Get("Remote-User") != "dev:alice" && r.Header.Get("Remote-User") != "alice" || r.URL.RequestURI() != "/app/x?y=1" {
		t.Errorf("the application got %s %v", r.URL, r.Header)
	}
	if a := b.get("/app/x", "Remote-User", "admin", "Remote-Groups", "admins"); a.StatusCode != http.StatusOK {
		t.Errorf("%s %s", a.Status, a.body)
	}
	if r := app.one(t); len(r.Header["Remote-User"]) != 1 || strings.Contains(fmt.Sprint(r.Header), "admin") {
		t.Errorf("the application got %v", r.Header)
	}
	if a := b.get("/admin/x"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a rule: %s", a.Status)
	}
	if a := b.do(http.MethodPost, "/admin/x", url.Values{"a": {"b"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a rule: %s", a.Status)
	}
	if a := b.do(http.MethodPost, "/app/y", url.Values{"a": {"b"}}); a.StatusCode != http.StatusOK {
		t.Errorf("a form: %s", a.Status)
	}
	if a := b.get("/public/%2e%2e/admin/x"); a.StatusCode == http.StatusOK {
		t.Errorf("PATH: %s", a.Status)
	}
}

// verifierBehind is a site that answers a proxy, and an application behind that
// proxy. There may be further sites.
func verifierBehind(t *testing.T, sites string) (*server, *upstream) {
	app := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Remote-User")) })
	s := startWith(t, trustLoopback, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		forward_auth
		public /public/*
		allow /admin/* role admin
		headers
		limit off
	}
}
`+strings.NewReplacer("{CADDY}", "{PORT}", "{APP}", app.addr()).Replace(sites))
	return s, app
}

func TestForwardAuthNginx(t *testing.T) {
	testreq.Program(t, "nginx")
	front := testport.Free(t)
	s, app := verifierBehind(t, "")
	runNginx(t, nginxConfig(t, front, s.Port, app.addr()))
	awaitPort(t, front)
	guarded(t, front, app)
}

// caddyConfig is the one that the documentation shows for another Caddy.
const caddyConfig = `
http://localhost:{FRONT} {
	# No browser asks this.
	handle /api/auth/verify* {
		respond 404
	}
	# The endpoints of the sign-in.
	handle /api/auth/* {
		reverse_proxy 127.0.0.1:{CADDY}
	}
	handle {
		forward_auth 127.0.0.1:{CADDY} {
			uri /api/auth/verify
			copy_headers Remote-User Remote-Groups
		}
		reverse_proxy {APP}
	}
}
`

func TestForwardAuthCaddy(t *testing.T) {
	front := testport.Free(t)
	// Both Caddys are one process here; only the requests tell them apart.
	_, app := verifierBehind(t, strings.ReplaceAll(caddyConfig, "{FRONT}", front))
	awaitPort(t, front)
	guarded(t, front, app)
}
