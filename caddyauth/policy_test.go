package caddyauth_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestRules asks the rules about live sessions: who may pass where.
func TestRules(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		public /open/*
		private /open/closed/*
		deny user dev:mallory
		deny /open/not-bob/* user dev:bob
		deny /nobody/* any
		allow any
		allow /user/* user dev:alice credentials:alice
		allow /email/* email Alice@Example.com
		allow /domain/* domain example.com
		allow /role/* role admin
		allow /role/* role auditor
		allow /group/* group "/staff/eu"
		allow /role/both/* group both
	}
	reverse_proxy `+up.addr()+`
}
`)
	type claims = map[string]any
	for _, tc := range []struct {
		name     string
		evidence claims
		target   string
		want     int
	}{
		{"plain", nil, "/", 200},
		{"private over public", nil, "/open/closed/x", 200},
		{"deny over all", claims{"login": "mallory"}, "/", 403},
		{"deny leaves public as anonymous", claims{"login": "mallory"}, "/open/x", 200},
		{"scoped deny", claims{"login": "bob"}, "/open/not-bob/x", 200},
		{"deny any", nil, "/nobody/x", 403},
		{"user", claims{"login": "alice"}, "/user/", 200},
		{"user of another provider's", claims{"login": "alicia"}, "/user/", 403},
		{"user, no evidence of it", claims{"login": "", "account": ""}, "/user/", 403},
		{"email", claims{}, "/email/", 200},
		{"domain", claims{"domain": "example.com"}, "/domain/", 200},
		{"domain, case", claims{"domain": "example.com.evil"}, "/domain/", 403},
		{"role", claims{"roles": []string{"admin"}}, "/role/x", 200},
		{"role, the alternative", claims{"roles": []string{"auditor"}}, "/role/x", 200},
		{"role, case", claims{"roles": []string{"Admin"}}, "/role/x", 403},
		{"role, a group of that name", claims{"groups": []string{"admin"}}, "/role/x", 403},
		{"both scopes", claims{"roles": []string{"admin"}, "groups": []string{"both"}}, "/role/both/x", 200},
		{"one of both scopes", claims{"roles": []string{"admin"}}, "/role/both/x", 403},
		{"other one of both scopes", claims{"groups": []string{"both"}}, "/role/both/x", 403},
		{"group with a slash", claims{"groups": []string{"/staff/eu"}}, "/group/x", 200},
		{"group, prefix", claims{"groups": []string{"/staff"}}, "/group/x", 403},
		{"closing words ignore case", claims{}, "/ROLE/x", 403},
		{"closing words mean the directory too", claims{}, "/role", 403},
	} {
		sub := "alice"
		if login, ok := tc.evidence["login"].(string); ok && login != "" {
			sub = login
		}
		cookie := "Cookie: " + signedIn(t, person(sub, tc.evidence))
		if a := s.ask("GET "+tc.target, cookie); a.StatusCode != tc.want {
			t.Errorf("%s: GET %s: %s, want %d", tc.name, tc.target, a.Status, tc.want)
		}
		if a := s.ask("GET "+tc.target, cookie, "Sec-Fetch-Mode: navigate"); tc.want == 403 && (a.StatusCode != 403 || !strings.Contains(a.Header.Get("Content-Type"), "html") || !strings.Contains(a.Header.Get("Cache-Control"), "no-store")) {
			t.Errorf("%s: the page for people: %s %v", tc.name, a.Status, a.Header)
		}
	}
	for target, want := range map[string]int{"/": 401, "/open/x": 200, "/open/closed/x": 401, "/open/closed": 401, "/OPEN/x": 401, "/nobody/x": 403} {
		if a := s.ask("GET " + target); a.StatusCode != want {
			t.Errorf("without a session: GET %s: %s, want %d", target, a.Status, want)
		}
	}
	t.Run("a token of NextAuth's own", func(t *testing.T) {
		cookie := "Cookie: " + signedIn(t, claims{"sub": "7", "name": "N", "email": "alice@example.com"})
		for target, want := range map[string]int{"/": 200, "/email/": 200, "/user/": 403, "/role/x": 403, "/group/x": 403} {
			if a := s.ask("GET "+target, cookie); a.StatusCode != want {
				t.Errorf("GET %s: %s, want %d", target, a.Status, want)
			}
		}
	})
}

// TestSignInRules: rules without a scope are asked at sign-in already.
func TestSignInRules(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		allow role admin
		allow user credentials:bob
	}
	reverse_proxy `+up.addr()+`
}
`)
	for sub, want := range map[string]bool{"admin": true, "alice": false} {
		b := s.browser()
		a := b.persona(sub, "/app")
		if in := strings.Contains(b.cookieHeader(), plainName); in != want {
			t.Errorf("%s: signed in %v, ended on %s %s", sub, in, a.Request.URL, a.Status)
		}
		if !want && a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", sub, a.Status)
		}
	}
	for user, want := range map[string]bool{"bob": true, "alice": false} {
		b := s.browser()
		a := b.password(user, user, "/app")
		if in := strings.Contains(b.cookieHeader(), plainName); in != want || !want && a.Header.Get("Location") != s.Base+"/api/auth/error?error=AccessDenied" {
			t.Errorf("%s: signed in %v, %s", user, in, a.Header.Get("Location"))
		}
	}
}

func TestAutoRedirect(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		auto_redirect
	}
	reverse_proxy `+up.addr()+`
}
`)
	document := []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	begins := func(line string, header ...string) bool {
		a := s.ask(line, header...)
		return a.StatusCode == http.StatusFound && strings.HasPrefix(a.Header.Get("Location"), s.Base+"/api/auth/dev/")
	}
	if !begins("GET /api/auth/signin?callbackUrl=%2Fapp", document...) {
		t.Error("the sign-in page is shown although there is one provider")
	}
	for _, tc := range [][]string{
		{"GET /api/auth/signin/dev", document[0], document[1]}, {"HEAD /api/auth/signin", document[0], document[1]}, {"GET /api/auth/signin?error=OAuthCallback", document[0], document[1]},
		{"GET /api/auth/signin", "Sec-Fetch-Mode: cors"}, {"GET /api/auth/signin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"},
		{"GET /api/auth/signin", document[0], document[1], "Sec-Purpose: prefetch"}, {"GET /api/auth/signin", "Accept: */*"},
	} {
		if begins(tc[0], tc[1:]...) {
			t.Errorf("%v begins a flow", tc)
		}
	}
	// Whoever has just signed out is asked.
	b := s.browser()
	b.persona("alice", "/app")
	b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
	a := b.get("/app", "Sec-Fetch-Dest", "document")
	a = b.get(a.Header.Get("Location"), "Sec-Fetch-Dest", "document")
	if a.StatusCode != http.StatusOK {
		t.Errorf("after signing out: %s %s", a.Status, a.Header.Get("Location"))
	}
}

func TestOwnPages(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		allow role admin
		pages {
			sign_in /login?from=caddy
			sign_out /bye
			error /oops
		}
	}
	reverse_proxy `+up.addr()+`
}
`)
	for line, want := range map[string]int{
		"GET /login": 200, "HEAD /login": 200, "GET /login?x=y": 200, "GET /bye": 200, "GET /oops": 200,
		"POST /login": 401, "GET /login/": 401, "GET /login/x": 401, "GET /Login": 401, "GET /login;x": 401, "GET /login%2f": 401, "GET /x/../login": 401, "DELETE /login": 401, "GET /loginx": 401,
		"OPTIONS /login": 401, "GET //login": 401,
	} {
		a := s.ask(line)
		if a.StatusCode != want {
			t.Errorf("%s: %s, want %d", line, a.Status, want)
		}
	}
	up.take()
	// The gate sends people to the endpoint, which sends them to the page.
	b := s.browser()
	a := b.follow(b.get("/app?x=1"))
	if q := a.Request.URL.Query(); a.Request.URL.Path != "/login" || q.Get("from") != "caddy" || q.Get("callbackUrl") != s.Base+"/app?x=1" {
		t.Errorf("sign-in ends on %s", a.Request.URL)
	}
	if a := b.follow(b.get("/api/auth/signout")); a.Request.URL.Path != "/bye" {
		t.Errorf("sign-out ends on %s", a.Request.URL)
	}
	if a := b.follow(b.password("alice", "alice", "/app")); a.Request.URL.Path != "/oops" || a.Request.URL.Query().Get("error") != "AccessDenied" {
		t.Errorf("a refused sign-in ends on %s", a.Request.URL)
	}
	if a := b.follow(b.password("alice", "wrong", "/app")); a.Request.URL.Path != "/login" || a.Request.URL.Query().Get("error") != "CredentialsSignin" {
		t.Errorf("a failed sign-in ends on %s", a.Request.URL)
	}
}

// TestRefuse: refusals are written by the gate, unless the site asks to have
// them itself.
func TestRefuse(t *testing.T) {
	up := newUpstream(t, nil)
	site := func(words string) string {
		return `
http://localhost:{PORT} {
	caddyauth {
		secret ` + secret + `
		provider dev
		allow /admin/* role admin
		` + words + `
	}
	reverse_proxy ` + up.addr() + `
	handle_errors {
		respond "own {err.status_code}"
	}
}
`
	}
	user := "Cookie: " + signedIn(t, person("eve"))
	s := start(t, site(""))
	for _, line := range []string{"GET /", "POST /", "GET /x%00", "TRACE /"} {
		if a := s.ask(line); strings.Contains(a.body, "own") || a.StatusCode < 400 {
			t.Errorf("%s: %s %s", line, a.Status, a.body)
		}
	}
	if err := s.load("", site("pages {\nrefuse caddy\n}")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		line, header string
		want         int
	}{
		{"GET /", "X-Nothing: 1", 401}, {"POST /", "Sec-Fetch-Mode: navigate", 401}, {"GET /x%00", user, 400}, {"TRACE /", user, 405},
		{"GET /admin/", user, 403},
	} {
		if a := s.ask(tc.line, tc.header); a.StatusCode != tc.want || a.body != fmt.Sprint("own ", tc.want) && !strings.HasPrefix(tc.line, "HEAD") {
			t.Errorf("%s: %s %q, want %d", tc.line, a.Status, a.body, tc.want)
		}
	}
	if a := s.ask("GET /", "Sec-Fetch-Mode: navigate"); a.StatusCode != http.StatusFound {
		t.Errorf("a page load: %s", a.Status)
	}
	up.none(t)
}

// TestExpiry: the token's own time counts, whatever the cookie says.
func TestExpiry(t *testing.T) {
	s, up := members(t, "", nil)
	for _, tc := range []struct {
		age  time.Duration
		want int
	}{{0, 200}, {30*24*time.Hour - time.Minute, 200}, {30*24*time.Hour + time.Minute, 401}} {
		if a := s.ask("GET /app/", "Cookie: "+sessionCookie(plainName, seal(t, person("eve"), tc.age))); a.StatusCode != tc.want {
			t.Errorf("COOK-22 %v old: %s, want %d", tc.age, a.Status, tc.want)
		}
	}
	up.take()
}

// The values of rules count as they are expanded: a group that a deny line
// names through the environment must not be dropped from a session that is too
// large for cookies.
func TestCOOK10DeniedGroupFromEnvironment(t *testing.T) {
	t.Setenv("TEST_BANNED", "contractors")
	var groups []string
	for i := range 1200 {
		groups = append(groups, fmt.Sprintf("department-%04d-with-a-long-name", i))
	}
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev {
			persona big {
				groups contractors `+strings.Join(groups, " ")+`
			}
		}
		deny /app/* group {env.TEST_BANNED}
	}
	respond here
}
`)
	if a := s.browser().persona("big", "/app/"); a.StatusCode != http.StatusForbidden {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

// What handle_errors proxies is no more trusted with our cookies than any other
// upstream, and knows who was refused.
func TestRefuseCaddyKeepsCookies(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		allow /staff/* group staff
		pages {
			refuse caddy
		}
	}
	respond here
	handle_errors {
		reverse_proxy `+up.addr()+` {
			header_up X-Refused {http.auth.candidate.id}
			header_up X-User "[{http.auth.user.id}]"
		}
	}
}
`)
	b := s.browser()
	b.password("bob", "bob", "/")
	b.get("/staff/x")
	got := up.one(t).Header
	if got.Get("Cookie") != "" || got.Get("X-Refused") != "bob" || got.Get("X-User") != "[]" {
		t.Errorf("the error upstream got %v", got)
	}
}
