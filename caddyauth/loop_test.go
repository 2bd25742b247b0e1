package caddyauth_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// picky is a cookie jar that drops what browsers drop and net/http's jar does not,
// and whatever else stands between a site and its cookies.
type picky struct {
	http.CookieJar
	keeps func(u *url.URL, c *http.Cookie) bool
	sends func(cookies []*http.Cookie) []*http.Cookie
}

func (p *picky) SetCookies(u *url.URL, cookies []*http.Cookie) {
	var kept []*http.Cookie
	for _, c := range cookies {
		if c.SameSite == http.SameSiteNoneMode && !c.Secure || p.keeps != nil && !p.keeps(u, c) {
			continue
		}
		kept = append(kept, c)
	}
	p.CookieJar.SetCookies(u, kept)
}

func (p *picky) Cookies(u *url.URL) []*http.Cookie {
	cookies := p.CookieJar.Cookies(u)
	if p.sends != nil {
		cookies = p.sends(cookies)
	}
	return cookies
}

func isSession(c *http.Cookie) bool { return strings.HasSuffix(c.Name, ".session-token") }

// pickyBrowser is a browser with such a jar.
func (s *server) pickyBrowser(p picky) *browser {
	b := s.browser()
	p.CookieJar, _ = cookiejar.New(nil)
	b.Jar = &p
	return b
}

// loopSite is a private site with a users file.
func loopSite(t *testing.T, auth string) (*server, *upstream) {
	up := newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		`+auth+`
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

// forged is a session token as an instance with that secret and that clock makes it.
func forged(t *testing.T, key string, nbf time.Duration, age time.Duration) string {
	t.Helper()
	ring, err := jwt.NewRing(dialect.V4, []string{key}, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := map[string]any{"sub": "alice", "email": "alice@example.com", "nbf": now.Add(nbf).Unix()}
	token, err := jwt.SealClaims(ring, claims, now, age)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// replaced makes every session cookie another one, as a second application or
// instance behind the same name would.
func replaced(value string) func([]*http.Cookie) []*http.Cookie {
	return func(cookies []*http.Cookie) []*http.Cookie {
		for i, c := range cookies {
			if isSession(c) {
				cookies[i] = &http.Cookie{Name: c.Name, Value: value}
			}
		}
		return cookies
	}
}

func TestSignInLoop(t *testing.T) {
	drops := func(_ *url.URL, c *http.Cookie) bool { return !isSession(c) }
	users := "users " + usersFile(t)
	for _, tt := range []struct {
		cause, auth string
		jar         picky
	}{
		{"cookie_blocked", users, picky{keeps: drops}},
		{"secure_over_http", users + "\n session {\n same_site none\n }", picky{}},
		{"cookie_too_large", users, picky{keeps: drops, sends: func(cookies []*http.Cookie) []*http.Cookie {
			for i := range 120 {
				cookies = append(cookies, &http.Cookie{Name: fmt.Sprint("c", i), Value: "x"})
			}
			return cookies
		}}},
		{"cookie_foreign", users, picky{sends: replaced(forged(t, "another-application's-secret-0123456789", 0, time.Hour))}},
		{"clock", users, picky{sends: replaced(forged(t, secret, time.Hour, 2*time.Hour))}},
		{"clock", users, picky{sends: replaced(forged(t, secret, -time.Hour, -time.Hour))}},
	} {
		t.Run(tt.cause, func(t *testing.T) {
			s, up := loopSite(t, tt.auth)
			b := s.pickyBrowser(tt.jar)
			for round := range 3 {
				a := b.get("/app?x=1")
				if a.StatusCode != http.StatusFound {
					t.Fatalf("round %d: %s", round, a.Status)
				}
				if a = b.password("alice", "alice", "/app?x=1"); a.Header.Get("Location") != s.Base+"/app?x=1" {
					t.Fatalf("round %d: signed in to %s", round, a.Header.Get("Location"))
				}
			}
			script := b.get("/app", "Sec-Fetch-Mode", "cors", "Accept", "application/json")
			if script.StatusCode != http.StatusUnauthorized || !strings.Contains(script.body, "SessionRequired") {
				t.Errorf("a script: %s %s", script.Status, script.body)
			}
			assertLoop(t, s, b.get("/app?x=1"), tt.cause)
			if got := up.take(); len(got) != 0 {
				t.Errorf("the upstream got %d requests", len(got))
			}
			// Trying again begins anew.
			if a := b.get("/app?x=1"); a.StatusCode != http.StatusFound {
				t.Errorf("again: %s", a.Status)
			}
		})
	}
}

// assertLoop fails unless an answer is the page that ends a loop, and the log
// says why.
func assertLoop(t *testing.T, s *server, a answer, cause string) {
	t.Helper()
	if a.StatusCode != http.StatusForbidden || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") ||
		!strings.Contains(a.body, "Signing in leads nowhere") || !strings.Contains(a.body, "/api/auth/signout") {
		t.Fatalf("no page about the loop: %s %v\n%s", a.Status, a.Header, a.body)
	}
	lines := 0
	for _, line := range s.logged() {
		if line["msg"] != "sign-in loop" {
			continue
		}
		lines++
		reference, _ := line["reference"].(string)
		if line["cause"] != cause || reference == "" || !strings.Contains(a.body, reference) {
			t.Errorf("log: %v", line)
		}
	}
	if lines != 1 {
		t.Errorf("%d lines about the loop", lines)
	}
}

// A cookie domain that cannot be right is refused at load, save where the site
// answers every host.
func TestSignInLoopDomain(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		session {
			cookie_domain example.com
		}
	}
	reverse_proxy `+up.addr()+`
}
`)
	b := s.pickyBrowser(picky{})
	for range 3 {
		b.get("/app")
		b.password("alice", "alice", "/app")
	}
	assertLoop(t, s, b.get("/app"), "cookie_domain")
}

// A session that has been ended comes back, as from a browser that restores an
// old cookie after each sign-in.
func TestSignInLoopEnded(t *testing.T) {
	s, _ := loopSite(t, "users "+usersFile(t))
	jar := &picky{}
	jar.CookieJar, _ = cookiejar.New(nil)
	b := s.browser()
	b.Jar = jar
	b.password("alice", "alice", "/app")
	_, token, _ := strings.Cut(b.cookieHeader(), "session-token=")
	token, _, _ = strings.Cut(token, ";")
	b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
	jar.sends = replaced(token)
	for range 3 {
		b.password("alice", "alice", "/app")
	}
	assertLoop(t, s, b.get("/app"), "ended")
}

// With auto_redirect nobody sees the sign-in page: the flow itself goes round.
func TestSignInLoopAutoRedirect(t *testing.T) {
	s, _ := loopSite(t, "provider dev\n auto_redirect")
	b := s.pickyBrowser(picky{keeps: func(_ *url.URL, c *http.Cookie) bool { return !isSession(c) }})
	navigate := []string{"Sec-Fetch-Dest", "document"}
	round := func() {
		a := b.get("/api/auth/signin?callbackUrl=%2Fapp", navigate...)
		a = b.follow(a)
		id := hiddenID.FindStringSubmatch(a.body)
		if id == nil {
			t.Fatalf("no persona page: %s\n%s", a.Status, a.body)
		}
		a = b.do(http.MethodPost, "/api/auth/dev/login", url.Values{"id": {id[1]}, "sub": {"alice"}})
		for !strings.HasSuffix(a.Header.Get("Location"), "/app") {
			next, err := a.Location()
			if err != nil {
				t.Fatalf("%s\n%s", a.Status, a.body)
			}
			a = b.get(next.String())
		}
	}
	for range 3 {
		round()
	}
	// An application's own script goes to the endpoint without asking the gate.
	assertLoop(t, s, b.get("/api/auth/signin?callbackUrl=%2Fapp", navigate...), "cookie_blocked")
	for range 3 {
		round()
	}
	if a := b.get("/app"); a.StatusCode != http.StatusForbidden {
		t.Errorf("at the gate: %s", a.Status)
	}
}

func TestNoLoopForPeople(t *testing.T) {
	s, up := loopSite(t, "users "+usersFile(t))
	b := s.browser()
	for range 4 {
		if a := b.get("/app"); a.StatusCode != http.StatusFound {
			t.Fatal(a.Status)
		}
		b.password("alice", "alice", "/app")
		if a := b.get("/app"); a.StatusCode != http.StatusOK {
			t.Fatal(a.Status)
		}
		b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
	}
	if n := len(up.take()); n != 4 {
		t.Errorf("%d requests passed", n)
	}
	// What anybody can write leads nobody else anywhere, and breaks nothing.
	for _, value := range []string{"", ".", "3", "3.", "x.1", "-3.1", "99999999999999999999.1", "3." + strings.Repeat("9", 40), "3.0", "%00.%ff"} {
		if a := s.browser().get("/app", "Cookie", "next-auth.rounds="+value); a.StatusCode != http.StatusFound {
			t.Errorf("%q: %s", value, a.Status)
		}
	}
}

// Without any cookie there is nothing to count: the sign-in page says it.
func TestSignInWithoutCookies(t *testing.T) {
	for cause, session := range map[string]string{"cookie_blocked": "", "secure_over_http": "session {\n secure on\n }"} {
		t.Run(cause, func(t *testing.T) {
			s, _ := loopSite(t, "provider dev\n users "+usersFile(t)+"\n"+session)
			b := s.pickyBrowser(picky{keeps: func(u *url.URL, c *http.Cookie) bool { return c.Secure && u.Scheme == "https" }})
			a := b.follow(b.password("alice", "alice", "/app"))
			want := map[string]string{"cookie_blocked": "cookies are blocked or expired", "secure_over_http": "plain http"}[cause]
			if a.StatusCode != http.StatusOK || !strings.Contains(a.body, want) {
				t.Errorf("form: %s\n%s", a.Status, a.body)
			}
			a = b.follow(b.get("/api/auth/callback/dev?code=x&state=y"))
			if !strings.Contains(a.body, want) {
				t.Errorf("callback: %s\n%s", a.Status, a.body)
			}
			if log := s.logText(); !strings.Contains(log, "cookies are blocked or expired") || !strings.Contains(log, `"cause":"`+cause+`"`) {
				t.Error("the log does not say so")
			}
		})
	}
}

// A form that comes without a session can be sent again only if it is the site's
// own.
func TestFormWithoutSession(t *testing.T) {
	s, up := loopSite(t, "users "+usersFile(t))
	b := s.browser()
	form := url.Values{"text": {"a-long-letter"}}
	for name, header := range map[string][]string{
		"cross-site":       {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"same-site":        {"Sec-Fetch-Site", "same-site"},
		"by itself":        {"Sec-Fetch-Site", "none"},
		"old, elsewhere":   {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"old, null":        {"Sec-Fetch-Site", "", "Origin", "null"},
		"old, says nobody": {"Sec-Fetch-Site", ""},
	} {
		a := b.do(http.MethodPost, "/app", form, header...)
		if a.StatusCode != http.StatusUnauthorized || strings.Contains(a.body, "<script>") || strings.Contains(a.body, "reload") {
			t.Errorf("CSRF %s: %s\n%s", name, a.Status, a.body)
		}
	}
	for name, header := range map[string][]string{"own": nil, "old, own": {"Sec-Fetch-Site", "", "Origin", s.Base}} {
		a := b.do(http.MethodPost, "/app", form, header...)
		if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, `target="_blank" rel="noopener"`) ||
			!strings.Contains(a.body, url.QueryEscape(s.Base+"/api/auth/signed-in")) || !strings.Contains(a.body, "Send the form again") {
			t.Errorf("%s: %s\n%s", name, a.Status, a.body)
		}
		if strings.Contains(a.body, "a-long-letter") || strings.Contains(s.logText(), "a-long-letter") {
			t.Errorf("%s: what was sent is kept", name)
		}
	}
	if n := len(up.take()); n != 0 {
		t.Errorf("%d requests passed", n)
	}
	if a := b.get("/api/auth/signed-in"); !strings.HasPrefix(a.Header.Get("Location"), s.Base+"/api/auth/signin?callbackUrl=") {
		t.Errorf("without a session: %s %s", a.Status, a.Header.Get("Location"))
	}
	a := b.follow(b.password("alice", "alice", "/api/auth/signed-in"))
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Go back to the other tab") {
		t.Errorf("signed in: %s\n%s", a.Status, a.body)
	}
	if a := b.do(http.MethodPost, "/app", form); a.StatusCode != http.StatusOK {
		t.Errorf("sent again: %s", a.Status)
	}
}

// The address to return to keeps its fragment on every way, an old page included,
// and goes nowhere else.
func TestFragmentSurvives(t *testing.T) {
	s, _ := loopSite(t, "provider dev\n users "+usersFile(t))
	if a := s.browser().get("/app"); strings.Contains(a.Header.Get("Location"), "#") {
		t.Errorf("the gate adds a fragment: %s", a.Header.Get("Location"))
	}
	for name, tt := range map[string]struct{ callbackURL, want string }{
		"plain":              {"/app?x=1#/route/5?y", "/app?x=1#/route/5?y"},
		"absolute":           {s.Base + "/app#a", "/app#a"},
		"REDIR javascript":   {"/app#javascript:alert(1)", "/app#javascript:alert(1)"},
		"REDIR host":         {"/app#//evil.example", "/app#//evil.example"},
		"REDIR user info":    {s.Base + "#@evil.example", "#@evil.example"},
		"XSS script":         {"/app#</script><script>alert(1)</script>", "/app#%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E"},
		"REDIR line feed":    {"/app#a\r\nSet-Cookie: x=y", "/app#a%0D%0ASet-Cookie:%20x=y"},
		"REDIR backslash":    {`/app#\\evil.example`, "/app#%5C%5Cevil.example"},
		"too long":           {"/app#" + strings.Repeat("a", 5000), "/app"},
		"REDIR host, before": {"//evil.example#/app", ""},
	} {
		b := s.browser()
		a := b.password("alice", "alice", tt.callbackURL)
		if got := a.Header.Get("Location"); got != s.Base+tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	b := s.browser()
	stale := url.Values{"csrfToken": {"stale"}, "username": {"alice"}, "password": {"alice"}, "callbackUrl": {"/app#</script>"}}
	a := b.do(http.MethodPost, "/api/auth/callback/credentials", stale)
	if got := a.Header.Get("Location"); got != s.Base+"/api/auth/signin?csrf=true" {
		t.Fatalf("a stale page: %s", got)
	}
	a = b.follow(a)
	if !strings.Contains(a.body, `name="callbackUrl" value="`+s.Base+`/app#%3C/script%3E"`) || !strings.Contains(a.body, "open for too long") {
		t.Errorf("after a stale page:\n%s", a.body)
	}
}
