package caddyauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestLEAK02Logs runs whole flows with everything logged, and looks for what
// must be in no log. With log_credentials the cookies of requests that pass are
// asked for, those of the endpoints are not.
func TestLEAK02Logs(t *testing.T) {
	t.Run("default", func(t *testing.T) { testLeaks(t, "") })
	t.Run("log_credentials", func(t *testing.T) { testLeaks(t, "servers {\nlog_credentials\n}") })
}

func testLeaks(t *testing.T, global string) {
	up := newUpstream(t, nil)
	const clientSecret = "client-secret-4f1f0b7e"
	named := filepath.Join(t.TempDir(), "named.log")
	t.Setenv("CADDYAUTH_TEST_SECRET", secret)
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", clientSecret)
	s := startWith(t, global, `
http://localhost:{PORT} {
	log
	log named {
		output file `+named+`
		level DEBUG
	}
	caddyauth {
		secret {env.CADDYAUTH_TEST_SECRET}
		provider dev
		provider oidc http://127.0.0.1:`+testport.Free(t)+` as gone {
			client_id client
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
		}
		users `+usersFile(t)+`
		allow any
		allow /admin/* role admin
	}
	reverse_proxy `+up.addr()+`
}
`)
	secrets := map[string]string{"secret": secret, "client secret": clientSecret, "password": "very-wrong-password", "a JWE or JWT": "eyJ"}
	note := func(what, value string) {
		if len(value) > 5 {
			secrets[what] = value
		}
	}
	b := s.browser()
	csrf := b.csrf()
	note("csrf token", csrf)
	a := b.do(http.MethodPost, "/api/auth/signin/dev", url.Values{"csrfToken": {csrf}, "callbackUrl": {"/app/?q=1"}})
	// hops follows redirects and notes what each address carries.
	n := 0
	hops := func(a answer) answer {
		for range 10 {
			next, err := a.Location()
			if err != nil {
				return a
			}
			for _, name := range []string{"code", "state", "nonce", "code_challenge", "id"} {
				n++
				note(fmt.Sprint(name, " ", n), next.Query().Get(name))
			}
			a = b.get(next.String())
		}
		return a
	}
	a = hops(a)
	id := hiddenID.FindStringSubmatch(a.body)
	if id == nil {
		t.Fatalf("no personas: %s", a.body)
	}
	callback := b.do(http.MethodPost, "/api/auth/dev/login", url.Values{"id": {id[1]}, "sub": {"admin"}})
	hops(callback)
	code, state := "", ""
	for what, value := range secrets {
		switch {
		case strings.HasPrefix(what, "code ") && !strings.HasPrefix(what, "code_"):
			code = value
		case strings.HasPrefix(what, "state "):
			state = value
		}
	}
	if code == "" || state == "" {
		t.Fatalf("the flow had no code or no state: %v", secrets)
	}
	for pair := range strings.SplitSeq(b.cookieHeader(), "; ") {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.Contains(name, "callback-url") {
			note("cookie "+name, value)
		}
	}
	// Failures of every kind, with the same values.
	b.get("/api/auth/callback/dev?code=" + code + "&state=" + state)
	b.get("/api/auth/callback/dev?code=" + code + "&state=wrong" + state)
	b.get("/api/auth/callback/gone?code=" + code + "&state=" + state)
	b.get("/api/auth/callback/dev?error=server_error&error_description=" + code + "&state=" + state)
	b.get("/api/auth/callback/nobody?code=" + code)
	b.get("/api/auth/callback/dev?code="+code+"&state="+state, "Referer", s.Base+"/api/auth/callback/dev?code="+code)
	s.ask("GET /api/auth/callback/dev?code="+code+"&state="+state, "Host: evil/"+s.Port)
	s.ask("HEAD /api/auth/callback/dev?code=" + code + "&state=" + state)
	s.ask("TRACE /api/auth/callback/dev?code=" + code + "&state=" + state)
	s.ask("GET /api/auth/dev/authorize?state=" + state + "&nonce=" + state)
	b.do(http.MethodPost, "/api/auth/callback/dev", url.Values{"code": {code}, "state": {state}, "id_token": {"eyJhbGciOiJub25lIn0.e30."}})
	b.do(http.MethodPost, "/api/auth/signin/gone", url.Values{"csrfToken": {csrf}})
	b.get("/api/auth/signin")
	b.password("alice", "very-wrong-password", "/")
	b.password("very-wrong-password", "x", "/")
	b.password("alice", "alice", "/app/")
	b.do(http.MethodPost, "/api/auth/session", url.Values{"csrfToken": {csrf}})
	b.do(http.MethodPost, "/api/auth/_log", url.Values{"level": {"error"}, "code": {"X"}, "message": {"failed at " + s.Base + "/cb?code=" + code + "&state=" + state + " eyJhbGciOiJub25lIn0.e30.xx"}})
	b.get("/admin/")
	b.get("/app/")
	b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {csrf}})
	b.get("/app/")

	if err := s.load("", "http://localhost:{PORT} {\nrespond x\n}\n"); err != nil { // closes the log files
		t.Fatal(err)
	}
	own, err := os.ReadFile(named)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"default log": s.logText(), "named log": string(own)} {
		if strings.Count(text, "\n") < 20 {
			t.Fatalf("%s: only %d lines", file, strings.Count(text, "\n"))
		}
		for line := range strings.SplitSeq(text, "\n") {
			var entry struct {
				Logger  string
				Request struct{ URI string }
			}
			_ = json.Unmarshal([]byte(line), &entry)
			if global != "" && strings.HasPrefix(entry.Logger, "http.log") && !strings.HasPrefix(entry.Request.URI, "/api/auth") {
				continue
			}
			for what, value := range secrets {
				if strings.Contains(line, value) || strings.Contains(line, url.QueryEscape(value)) {
					t.Errorf("%s has %s: %s", file, what, line)
				}
			}
		}
	}
}

// entries returns the access entries of a log for one path.
func entries(t testing.TB, text, uri string) (list []map[string]any) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		logger, _ := entry["logger"].(string)
		request, _ := entry["request"].(map[string]any)
		got, _ := request["uri"].(string)
		if path, _, _ := strings.Cut(got, "?"); strings.HasPrefix(logger, "http.log.access") && path == uri {
			list = append(list, entry)
		}
	}
	return list
}

// TestAccessLog: the endpoints have access entries like other requests, once
// for each logger that asked for them, without the query.
func TestAccessLog(t *testing.T) {
	dir := t.TempDir()
	site := func(name, log string) string {
		return `
http://` + name + ` {
	` + log + `
	log_skip /api/auth/providers
	caddyauth {
		secret ` + secret + `
		provider dev
		public
	}
	respond hello
}
`
	}
	// Only where sites need not name their port does Caddy leave those without a
	// log out.
	s := &server{t: t, Port: testport.Free(t), Log: filepath.Join(dir, "caddy.log")}
	s.Base = "http://localhost:" + s.Port
	err := s.load("http_port "+s.Port, site("localhost", "log")+site("named.localhost", "log mine {\noutput file "+dir+"/mine.log\n}")+site("*.wild.localhost", "log {\noutput file "+dir+"/wild.log\n}")+site("quiet.localhost", ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
	user := "Cookie: " + signedIn(t, person("eve"))
	for _, host := range []string{"localhost", "named.localhost", "a.wild.localhost", "quiet.localhost"} {
		for _, line := range []string{"GET /api/auth/csrf?a=b", "GET /api/auth/nothing?a=b", "GET /api/auth/callback/dev?code=c&state=d", "GET /api/auth/providers", "GET /page?a=b", "HEAD /api/auth/session"} {
			s.ask(line, "Host: "+host+":"+s.Port, user, "User-Agent: tester")
		}
	}
	if err := s.load("", "http://localhost:{PORT} {\nrespond x\n}\n"); err != nil { // closes the log files
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, log := range []struct{ name, text, logger, host string }{
		{"default", s.logText(), "http.log.access", "localhost:" + s.Port},
		{"named", read("mine.log"), "http.log.access.mine", "named.localhost:" + s.Port},
		{"wildcard", read("wild.log"), "http.log.access.log", "a.wild.localhost:" + s.Port},
	} {
		t.Run(log.name, func(t *testing.T) {
			for _, want := range []struct {
				uri    string
				status float64
			}{{"/api/auth/csrf", 200}, {"/api/auth/nothing", 400}, {"/api/auth/callback/dev", 302}, {"/api/auth/session", 200}} {
				list := entries(t, log.text, want.uri)
				if len(list) != 1 {
					t.Errorf("%s: %d entries, want 1", want.uri, len(list))
					continue
				}
				e := list[0]
				request, _ := e["request"].(map[string]any)
				if e["status"] != want.status || request["uri"] != want.uri || !strings.HasPrefix(e["logger"].(string), log.logger) || request["host"] != log.host || e["msg"] != "handled request" {
					t.Errorf("%s: %v", want.uri, e)
				}
				if size, _ := e["size"].(float64); request["method"] == "GET" && want.status != 302 && size == 0 {
					t.Errorf("%s: size %v", want.uri, e["size"])
				}
			}
			if list := entries(t, log.text, "/api/auth/providers"); len(list) != 0 {
				t.Errorf("log_skip: %v", list)
			}
			page, endpoint := entries(t, log.text, "/page"), entries(t, log.text, "/api/auth/csrf")
			if len(page) != 1 || len(endpoint) != 1 {
				t.Fatalf("%d pages, %d endpoints", len(page), len(endpoint))
			}
			if page[0]["user_id"] != "eve" || page[0]["logger"] != endpoint[0]["logger"] {
				t.Errorf("entry of a page: %v", page[0])
			}
			// Whoever reads the log finds the same fields in both.
			for name := range page[0] {
				if _, ok := endpoint[0][name]; !ok && name != "user_id" && name != "bytes_read" {
					t.Errorf("the endpoint's entry has no %s", name)
				}
			}
		})
	}
	for _, uri := range []string{"/page", "/api/auth/csrf", "/api/auth/nothing", "/api/auth/session"} {
		for _, e := range entries(t, s.logText()+read("mine.log")+read("wild.log"), uri) {
			if request := e["request"].(map[string]any); strings.HasPrefix(request["host"].(string), "quiet.") {
				t.Errorf("a site without log is in a log: %v", e)
			}
		}
	}
	for _, text := range []string{s.logText(), read("mine.log"), read("wild.log")} {
		if strings.Contains(text, "code=c") || strings.Contains(text, "state=d") {
			t.Error("LEAK-02 a query of the endpoints is in the log")
		}
	}
}

// TestPlaceholders uses a person's placeholders in other directives.
func TestPlaceholders(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	log
	route {
		caddyauth {
			secret `+secret+`
			provider dev
			public
			private /app/*
			deny user mallory
		}
		header X-Id "{http.auth.user.id}"
		vars group "{http.auth.user.groups}"
		@admin expression `+"`{http.auth.user.roles}.split(',').exists(r, r == 'admin') && {http.auth.user.provider} == 'dev'`"+`
		respond @admin "administrator {vars.group}"
		@nobody expression `+"`{http.auth.user.id} == '' && {path} == '/cel'`"+`
		respond @nobody "nobody"
		respond "{http.auth.user.id}|{http.auth.user.name}|{http.auth.user.email}|{http.auth.user.image}|{http.auth.user.provider}|{http.auth.user.login}|{http.auth.user.roles}|{http.auth.user.groups}|{http.auth.user.expires}|{http.auth.user.claims.deep.er}|{http.auth.user.claims.list}|{http.auth.user.claims.none}|{http.auth.candidate.id}|{http.auth.candidate.email}"
	}
}
`)
	ask := func(target string, claims map[string]any) answer {
		if claims == nil {
			return s.ask("GET " + target)
		}
		return s.ask("GET "+target, "Cookie: "+signedIn(t, claims))
	}
	claims := person("eve", map[string]any{"roles": []string{"r1", "r2"}, "groups": []string{"g"}})
	claims["picture"], claims["deep"], claims["list"] = "https://img/", map[string]any{"er": 7}, []string{"a", "b"}
	a := ask("/app/", claims)
	parts := strings.Split(a.body, "|")
	if want := []string{"eve", "Name of eve", "eve@example.com", "https://img/", "dev", "eve", "r1,r2", "g"}; len(parts) != 14 || !slices.Equal(parts[:8], want) {
		t.Fatalf("%q", parts)
	}
	if !strings.HasSuffix(parts[8], "Z") || !slices.Equal(parts[9:], []string{"7", "a,b", "", "", ""}) {
		t.Errorf("%q", parts[8:])
	}
	if a.Header.Get("X-Id") != "eve" {
		t.Errorf("header: %q", a.Header.Get("X-Id"))
	}
	if a := ask("/app/", person("root", map[string]any{"roles": []string{"admin"}, "groups": []string{"wheel"}})); a.body != "administrator wheel" {
		t.Errorf("CEL and vars: %q", a.body)
	}
	if a := ask("/", nil); strings.Trim(a.body, "|") != "" || a.Header.Get("X-Id") != "" {
		t.Errorf("nobody: %q %q", a.body, a.Header.Get("X-Id"))
	}
	if a := ask("/cel", nil); a.body != "nobody" {
		t.Errorf("CEL for nobody: %q", a.body)
	}
	// Refused by a rule: on a public path that is nobody with a candidate.
	if a := ask("/", person("mallory")); a.body != "|||||||||||"+"|mallory|mallory@example.com" {
		t.Errorf("candidate: %q", a.body)
	}
	if a := ask("/app/", person("mallory")); a.StatusCode != http.StatusForbidden {
		t.Errorf("candidate: %s", a.Status)
	}
	for _, e := range entries(t, s.logText(), "/") {
		if id, _ := e["user_id"].(string); id != "" {
			t.Errorf("access log: user_id %q", id)
		}
	}
}
