package caddyauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRulesOfClaimsAndExpressions asks the rules about live sessions.
func TestRulesOfClaimsAndExpressions(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		allow any
		allow /org/* org acme "acme/core team"
		allow /claim/* claim realm_access.roles editor
		allow /claim/* claim seats 5
		allow /expr/* expr `+"`user.email.endsWith('@example.com') && 'staff' in user.groups`"+`
		allow /path/* expr `+"`request.path.startsWith('/path/open/')`"+`
		allow /write/* expr `+"`request.method == 'GET' || 'writer' in user.roles`"+`
		allow /header/* expr `+"`request.headers[?'x-key'].orValue('') == 'k' && request.query.?q.orValue('') == '1' && request.host == 'localhost'`"+`
		allow /broken/* expr `+"`session.claims.plan == 'pro'`"+`
		allow /type/* expr `+"`user.login`"+`
		deny /denied/* expr `+"`session.claims.plan == 'free'`"+`
		deny /lan/* expr `+"`!request.remote_ip.startsWith('127.')`"+`
		deny /cookie/* expr `+"`'cookie' in request.headers || 'authorization' in request.headers`"+`
	}
	reverse_proxy `+up.addr()+`
}
`)
	type claims = map[string]any
	with := func(evidence claims, more claims) claims {
		c := person("alice", evidence)
		for name, v := range more {
			c[name] = v
		}
		return c
	}
	for _, tc := range []struct {
		name   string
		claims claims
		ask    string
		header []string
		want   int
	}{
		{"org", with(claims{"orgs": []string{"acme"}}, nil), "GET /org/x", nil, 200},
		{"org, a team", with(claims{"orgs": []string{"acme/core team"}}, nil), "GET /org/x", nil, 200},
		{"org, another", with(claims{"orgs": []string{"acme2"}}, nil), "GET /org/x", nil, 403},
		{"claim, nested", with(nil, claims{"realm_access": claims{"roles": []string{"x", "editor"}}}), "GET /claim/x", nil, 200},
		{"claim, a number", with(nil, claims{"seats": 5}), "GET /claim/x", nil, 200},
		{"claim, another number", with(nil, claims{"seats": 50}), "GET /claim/x", nil, 403},
		{"claim, objects", with(nil, claims{"realm_access": claims{"roles": []claims{{"name": "editor"}}}}), "GET /claim/x", nil, 403},
		{"claim, none", with(nil, nil), "GET /claim/x", nil, 403},
		{"claim, a token of NextAuth's own", claims{"sub": "7", "email": "n@example.com", "seats": 5}, "GET /claim/x", nil, 403},
		{"expr", with(claims{"groups": []string{"staff"}}, nil), "GET /expr/x", nil, 200},
		{"expr, not", with(nil, nil), "GET /expr/x", nil, 403},
		{"expr, a token of NextAuth's own", claims{"sub": "7", "email": "n@example.com"}, "GET /expr/x", nil, 403},
		{"expr of the path", with(nil, nil), "GET /path/open/x", nil, 200},
		{"expr of the path, every reading", with(nil, nil), "GET /path/open/..%2fx", nil, 403},
		{"expr of the path, decoded twice", with(nil, nil), "GET /path/open/%252e%252e/x", nil, 403},
		{"expr of the method", with(nil, nil), "POST /write/x", nil, 403},
		{"expr of the method, overridden (METH-03)", with(nil, nil), "POST /write/x", []string{"X-HTTP-Method-Override: GET"}, 403},
		{"expr of the method, a writer", with(claims{"roles": []string{"writer"}}, nil), "POST /write/x", nil, 200},
		{"expr of header and query", with(nil, nil), "GET /header/x?q=1", []string{"X-Key: k"}, 200},
		{"expr of header and query, not", with(nil, nil), "GET /header/x?q=2", []string{"X-Key: k"}, 403},
		{"an error refuses", with(nil, nil), "GET /broken/x", nil, 403},
		{"no error", with(nil, claims{"plan": "pro"}), "GET /broken/x", nil, 200},
		{"another type refuses", with(nil, nil), "GET /type/x", nil, 403},
		{"an error in deny refuses", with(nil, nil), "GET /denied/x", nil, 403},
		{"deny holds", with(nil, claims{"plan": "free"}), "GET /denied/x", nil, 403},
		{"deny does not", with(nil, claims{"plan": "pro"}), "GET /denied/x", nil, 200},
		{"deny, a token of NextAuth's own", claims{"sub": "7", "email": "n@example.com", "plan": "free"}, "GET /denied/x", nil, 403},
		{"deny by address", with(nil, nil), "GET /lan/x", nil, 200},
		{"no secrets in headers", with(nil, nil), "GET /cookie/x", []string{"Authorization: Bearer x"}, 200},
	} {
		header := append([]string{"Cookie: " + signedIn(t, tc.claims)}, tc.header...)
		if a := s.ask(tc.ask, header...); a.StatusCode != tc.want {
			t.Errorf("%s: %s: %s, want %d", tc.name, tc.ask, a.Status, tc.want)
		}
	}
	log := s.logText()
	if !strings.Contains(log, "no such key: plan") || !strings.Contains(log, `session.claims.plan == 'pro'`) {
		t.Error("the log does not say which expression failed, and why")
	}
}

// TestExpressionsAtSignIn: those that read no request are asked at sign-in.
func TestExpressionsAtSignIn(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		allow expr `+"`'staff' in user.groups`"+`
		deny expr `+"`request.path == '/closed'`"+`
	}
	respond "in"
}
`)
	b := s.browser()
	b.password("alice", "alice", "/")
	if a := b.get("/"); a.StatusCode != 200 {
		t.Errorf("alice: %s", a.Status)
	}
	if a := b.get("/closed"); a.StatusCode != 403 {
		t.Errorf("alice at /closed: %s", a.Status)
	}
	b = s.browser()
	if a := b.password("bob", "bob", "/"); !strings.Contains(a.Header.Get("Location"), "AccessDenied") {
		t.Errorf("bob: %s %s", a.Status, a.Header.Get("Location"))
	}
}

// TestCORS: a page of a listed origin can read what passes and what does not.
func TestCORS(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/own") {
			w.Header().Set("Access-Control-Allow-Origin", "https://own.example")
		}
	})
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		allow any
		api /api/* {
			cors https://page.example
		}
	}
	reverse_proxy `+up.addr()+`
}
`)
	me := "Cookie: " + signedIn(t, person("alice"))
	const listed, evil = "Origin: https://page.example", "Origin: https://evil.example"
	for _, tc := range []struct {
		name, ask string
		header    []string
		want      int
		origin    string
		reaches   bool
	}{
		{"passes", "GET /api/x", []string{me, listed}, 200, "https://page.example", true},
		{"the upstream's own word is not doubled", "GET /api/own", []string{me, listed}, 200, "https://own.example", true},
		{"METH-06 another origin", "GET /api/x", []string{me, evil}, 200, "", true},
		{"outside of the API", "GET /x", []string{me, listed}, 200, "", true},
		{"401 is readable", "GET /api/x", []string{listed}, 401, "https://page.example", false},
		{"401 for another origin is not", "GET /api/x", []string{evil}, 401, "", false},
		{"METH-05 preflight", "OPTIONS /api/x", []string{listed, "Access-Control-Request-Method: PUT"}, 204, "https://page.example", false},
		{"METH-05 preflight with a session", "OPTIONS /api/x", []string{me, listed, "Access-Control-Request-Method: PUT"}, 204, "https://page.example", false},
		{"METH-05 preflight of another origin", "OPTIONS /api/x", []string{evil, "Access-Control-Request-Method: PUT"}, 401, "", false},
		{"METH-05 plain OPTIONS", "OPTIONS /api/x", []string{listed}, 401, "https://page.example", false},
		{"METH-06 the auth endpoints know no CORS", "GET /api/auth/session", []string{me, listed}, 200, "", false},
		{"METH-06 nor the CSRF token", "GET /api/auth/csrf", []string{me, listed}, 200, "", false},
		{"METH-01 HEAD", "HEAD /api/x", []string{listed}, 401, "https://page.example", false},
		{"METH-08 a navigation is not redirected", "GET /api/x", []string{"Sec-Fetch-Mode: navigate", "Accept: text/html"}, 401, "", false},
	} {
		a := s.ask(tc.ask, tc.header...)
		reached := len(up.take()) > 0
		if got := strings.Join(a.Header["Access-Control-Allow-Origin"], "|"); a.StatusCode != tc.want || got != tc.origin || reached != tc.reaches {
			t.Errorf("%s: %s, origin %q, reached %v", tc.name, a.Status, got, reached)
		}
		if strings.Contains(tc.name, "evil") || a.Header.Get("Set-Cookie") != "" && tc.want == 401 {
			t.Errorf("%s: sets %v", tc.name, a.Header["Set-Cookie"])
		}
	}
}

// TestCORSWithErrorPages: a refusal that Caddy writes can be read as well.
func TestCORSWithErrorPages(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		api {
			cors https://page.example
		}
		pages {
			refuse caddy
		}
	}
	respond ok
	handle_errors {
		respond "error {err.status_code}"
	}
}
`)
	a := s.ask("GET /x", "Origin: https://page.example")
	if a.StatusCode != 401 || a.Header.Get("Access-Control-Allow-Origin") != "https://page.example" || a.body != "error 401" {
		t.Errorf("%s %v %s", a.Status, a.Header, a.body)
	}
	a = s.ask("OPTIONS /x", "Origin: https://page.example", "Access-Control-Request-Method: PUT")
	if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Methods") != "PUT" {
		t.Errorf("preflight: %s %v", a.Status, a.Header)
	}
}

// TestStepUp goes the whole way: an old sign-in, the provider, a fresh one.
func TestStepUp(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		allow any
		step_up /admin/* max_age 5m
		step_up /vault/* acr gold
		api /admin/api/*
	}
	reverse_proxy `+up.addr()+`
}
`)
	old := map[string]any{"auth_time": time.Now().Add(-time.Hour).Unix(), "since": time.Now().Add(-time.Hour).UnixMilli()}
	page := []string{"Sec-Fetch-Mode: navigate", "Accept: text/html"}
	cookie := "Cookie: " + signedIn(t, person("alice", old))

	t.Run("scripts get the challenge", func(t *testing.T) {
		for _, ask := range []string{"GET /admin/x", "POST /admin/x", "GET /admin/api/x", "HEAD /admin/x"} {
			a := s.ask(ask, cookie)
			if a.StatusCode != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="insufficient_user_authentication"`) ||
				!strings.Contains(a.Header.Get("WWW-Authenticate"), `max_age="300"`) {
				t.Errorf("%s: %s %v", ask, a.Status, a.Header)
			}
		}
		if a := s.ask("GET /admin/api/x", append(page, cookie)...); a.StatusCode != 401 {
			t.Errorf("a navigation to an API: %s", a.Status)
		}
		if a := s.ask("GET /x", cookie); a.StatusCode != 200 {
			t.Errorf("elsewhere: %s", a.Status)
		}
	})
	t.Run("a person is sent to the provider and comes back", func(t *testing.T) {
		b := s.browser()
		b.setSession(person("alice", old))
		a := b.get("/admin/x?tab=1")
		to, err := a.Location()
		if err != nil || a.StatusCode != 302 || to.Query().Get("prompt") != "login" || to.Query().Get("max_age") != "300" {
			t.Fatalf("%s %v", a.Status, a.Header["Location"])
		}
		a = b.choose(b.follow(a), "alice")
		if a.StatusCode != 200 || a.Request.URL.RequestURI() != "/admin/x?tab=1" {
			t.Fatalf("ended on %s %s", a.Request.URL, a.Status)
		}
		if a := b.get("/admin/y"); a.StatusCode != 200 {
			t.Errorf("afterwards: %s", a.Status)
		}
	})
	t.Run("a provider that takes no notice", func(t *testing.T) {
		b := s.browser()
		b.setSession(person("alice", old))
		a := b.choose(b.follow(b.get("/vault/x")), "alice")
		if a.StatusCode != 403 || !strings.Contains(a.body, "stronger way of signing in") || a.Header.Get("Location") != "" {
			t.Errorf("%s %s\n%s", a.Status, a.Request.URL, a.body)
		}
		if !strings.Contains(s.logText(), "a fresh sign-in was not what step_up asks for") {
			t.Error("the log does not say so")
		}
		if a := b.get("/vault/x"); a.StatusCode != 403 {
			t.Errorf("again: %s", a.Status)
		}
		if a := b.get("/x"); a.StatusCode != 200 {
			t.Errorf("elsewhere: %s", a.Status)
		}
	})
	t.Run("another account is another session", func(t *testing.T) {
		b := s.browser()
		b.setSession(person("alice", old))
		if a := b.choose(b.follow(b.get("/admin/x")), "admin"); a.StatusCode != 200 {
			t.Fatalf("%s", a.Status)
		}
		if got := b.get("/api/auth/session").body; strings.Contains(got, "alice") {
			t.Errorf("the session is %s", got)
		}
	})
	t.Run("a password is asked for on the sign-in page", func(t *testing.T) {
		b := s.browser()
		e := map[string]any{"provider": "credentials", "account": "alice"}
		for name, v := range old {
			e[name] = v
		}
		b.password("alice", "alice", "/") // for a session of the file's realm
		if a := b.get("/admin/x"); a.StatusCode != 200 {
			t.Fatalf("fresh: %s", a.Status)
		}
		a := b.get("/vault/x")
		if a.StatusCode != 403 || !strings.Contains(a.body, "than the one you used") {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
}

// setSession gives the browser a session.
func (b *browser) setSession(claims map[string]any) {
	b.t.Helper()
	r, err := http.NewRequest("GET", b.base, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	name, value, _ := strings.Cut(signedIn(b.t, claims), "=")
	b.Jar.SetCookies(r.URL, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// choose picks a persona on the page of the development provider.
func (b *browser) choose(a answer, sub string) answer {
	b.t.Helper()
	id := hiddenID.FindStringSubmatch(a.body)
	if id == nil {
		b.t.Fatalf("no persona page: %s\n%s", a.Status, a.body)
	}
	return b.follow(b.do(http.MethodPost, "/api/auth/dev/login", map[string][]string{"id": {id[1]}, "sub": {sub}}))
}

// TestMatchers asks the matchers who sent a request.
func TestMatchers(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	@any auth_user
	@alice auth_user dev:alice
	@bare auth_user alice
	@admin auth_role admin
	@pro auth_claim plan pro team
	@cel `+"`auth_role('admin') && !auth_claim('plan', 'free') && auth_user('dev:alice', 'dev:bob')`"+`
	@none not auth_user
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		allow any
		deny user dev:mallory
		public
	}
	request_header @any X-Any Any
	request_header @alice X-Alice Alice
	handle /bare {
		respond @bare "alice"
	}
	request_header @admin X-Admin Admin
	request_header @pro X-Pro Pro
	request_header @cel X-Cel Cel
	request_header @none X-None None
	respond "{http.request.header.X-Any} {http.request.header.X-Alice} {http.request.header.X-Bare} {http.request.header.X-Admin} {http.request.header.X-Pro} {http.request.header.X-Cel} {http.request.header.X-None} vars{http.vars.caddyauth.session}{http.vars.caddyauth.site}"
}
`)
	for _, tc := range []struct {
		name   string
		claims map[string]any
		want   string
	}{
		{"nobody", nil, "None"},
		{"alice", person("alice"), "Any Alice"},
		{"bob, an admin", person("bob", map[string]any{"roles": []string{"admin"}}), "Any Admin Cel"},
		{"refused on a public path", person("mallory", map[string]any{"roles": []string{"admin"}}), "None"},
		{"a token of NextAuth's own", map[string]any{"sub": "alice", "plan": "pro", "email": "a@example.com"}, "Any"},
	} {
		var header []string
		if tc.claims != nil {
			header = []string{"Cookie: " + signedIn(t, tc.claims)}
		}
		a := s.ask("GET /", header...)
		if got := strings.Join(strings.Fields(a.body), " "); got != tc.want+" vars" {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	// A name alone is somebody's at each provider: neither yes nor no is right.
	if a := s.ask("GET /bare", "Cookie: "+signedIn(t, person("alice"))); a.StatusCode != 500 {
		t.Errorf("a name without its provider: %s %s", a.Status, a.body)
	}
	c := person("alice")
	c["plan"] = "team"
	if a := s.ask("GET /", "Cookie: "+signedIn(t, c)); !strings.Contains(a.body, "Pro") {
		t.Error("claim: " + a.body)
	}
}

// TestMatchersInRules: the gate asks its rules before anybody knows who it is.
func TestMatchersInRules(t *testing.T) {
	for _, matcher := range []string{"auth_role admin", "not auth_user", "expression `auth_user('x')`"} {
		err := loadError(t, "", `
http://localhost:{PORT} {
	@m `+matcher+`
	caddyauth {
		secret `+secret+`
		provider dev
		deny @m any
	}
	respond ok
}
`)
		if err == nil || !strings.Contains(err.Error(), "asks who has signed in, which the gate finds out later") {
			t.Errorf("%s: %v", matcher, err)
		}
	}
}
