package caddyauth_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
)

// advisorySite is a site with what systems of this kind were broken by.
type advisorySite struct {
	*server
	up     *upstream
	mail   *testsmtp.Server
	tokens atomic.Int32 // requests for a token that the providers op and other got
}

const opSecret = "client-secret-of-the-provider"

func newAdvisorySite(t *testing.T) *advisorySite {
	t.Helper()
	v := &advisorySite{up: newUpstream(t, nil)}
	var err error
	if v.mail, err = testsmtp.Listen("127.0.0.1:0", testsmtp.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.mail.Close)
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/token":
			v.tokens.Add(1)
			fmt.Fprint(w, `{"access_token":"access-token-of-the-provider","token_type":"bearer"}`)
		case "/userinfo":
			fmt.Fprint(w, `{"sub":"7","id":"7","name":"Eve","email":"eve@example.com"}`)
		}
	}))
	t.Cleanup(op.Close)
	provider := func(id string) string {
		return "provider oauth2 as " + id + " {\nclient_id c\nclient_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}\nauthorization " + op.URL + "/authorize\ntoken " + op.URL + "/token\nuserinfo " + op.URL + "/userinfo\n}\n"
	}
	t.Setenv("CADDYAUTH_TEST_SECRET", secret)
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", opSecret)
	v.server = start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret {env.CADDYAUTH_TEST_SECRET}
		users `+usersFile(t)+`
		provider dev
		`+provider("op")+provider("other")+`
		provider oidc http://127.0.0.1:`+testport.Free(t)+` as down {
			client_id c
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
		}
		email login@example.com `+v.mail.URL+` {
			tls off
		}
		store memory
		limit off
		allow any
		allow /staff/* group staff
		allow /domain/* domain company.com
		public /public/*
		headers
	}
	reverse_proxy `+v.up.addr()+`
}
`)
	return v
}

// closed fails unless a request is refused, and never gets to the upstream.
func (v *advisorySite) closed(t *testing.T, line string, header ...string) {
	t.Helper()
	if a := v.ask(line, header...); a.StatusCode < 400 || a.StatusCode >= 500 {
		t.Errorf("%s %.80q: %s", line, header, a.Status)
	}
	v.up.none(t)
}

// stays fails unless what a client wants as callbackUrl leads to the site.
func (v *advisorySite) stays(t *testing.T, targets ...string) {
	t.Helper()
	for _, to := range targets {
		for _, path := range []string{"/api/auth/signout", "/api/auth/callback/credentials"} {
			b := v.browser()
			began := time.Now()
			a := b.do(http.MethodPost, path, url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {to}, "username": {"alice"}, "password": {"alice"}})
			u, err := a.Location()
			if err != nil || a.StatusCode != http.StatusFound || u.Scheme+"://"+u.Host != v.Base || time.Since(began) > 5*time.Second {
				t.Errorf("%s %.60q: %s %q %v", path, to, a.Status, a.Header["Location"], err)
			}
			if strings.Contains(b.cookieHeader(), "evil") {
				t.Errorf("%.60q stands in a cookie", to)
			}
		}
		if len(to) < 4000 {
			if a := v.ask("GET /api/auth/signin?callbackUrl="+url.QueryEscape(to), "Accept: text/html"); a.StatusCode != http.StatusOK || strings.Contains(a.body, "evil") {
				t.Errorf("sign-in page with %.60q: %s", to, a.Status)
			}
		}
	}
}

// anonymous fails if the upstream learns anything that a client says about who
// it is, with and without a session.
func (v *advisorySite) anonymous(t *testing.T, fields ...string) {
	t.Helper()
	eve := "Cookie: " + signedIn(t, person("eve"))
	for _, field := range fields {
		for _, cookie := range []string{"X-No: 1", eve} {
			if a := v.ask("GET /public/x", field, cookie); a.StatusCode != http.StatusOK {
				continue // the server refuses such a field
			}
			h := v.up.one(t).Header
			for name, values := range h {
				if slices.Contains(values, "admin") {
					t.Errorf("%q reached the upstream as %s", field, name)
				}
			}
			if want := map[bool]string{true: "dev:eve"}[cookie == eve]; h.Get("Remote-User") != want {
				t.Errorf("%q: Remote-User %q", field, h.Get("Remote-User"))
			}
		}
	}
}

// begin begins at a provider and returns the browser and the state.
func (v *advisorySite) begin(t *testing.T, provider string) (*browser, string) {
	t.Helper()
	b := v.browser()
	a := b.do(http.MethodPost, "/api/auth/signin/"+provider, url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {"/"}})
	u, err := a.Location()
	if err != nil || u.Query().Get("state") == "" {
		t.Fatalf("%s: %s %v", provider, a.Status, u)
	}
	return b, u.Query().Get("state")
}

// back comes back from a provider with cookies, and reports whether that signs in.
func (v *advisorySite) back(provider, query, cookies string) bool {
	a := v.ask("GET /api/auth/callback/"+provider+"?"+query, "Cookie: "+cookies)
	return slices.Contains(setCookies(a.Header), plainName) && !strings.Contains(a.Header.Get("Location"), "error=")
}

// link asks for a mailed link and returns the parameters in it.
func (v *advisorySite) link(t *testing.T, to string) url.Values {
	t.Helper()
	b := v.browser()
	b.do(http.MethodPost, "/api/auth/signin/email", url.Values{"csrfToken": {b.csrf()}, "email": {to}})
	u, err := url.Parse(v.mail.Link(t, to))
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// mails reports who is mailed for an address.
func (v *advisorySite) mails(address string) (answer, []string) {
	before := len(v.mail.Recipients())
	b := v.browser()
	a := b.do(http.MethodPost, "/api/auth/signin/email", url.Values{"csrfToken": {b.csrf()}, "email": {address}})
	return a, v.mail.Recipients()[before:]
}

// without drops cookies whose name contains part.
func cookiesWithout(cookies, part string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(cookies, "; "), func(pair string) bool { return strings.Contains(pair, part) }), "; ")
}

// TestAdvisories does what was once possible somewhere else, by the number
// under which it was reported.
func TestAdvisories(t *testing.T) {
	v := newAdvisorySite(t)
	eve := "Cookie: " + signedIn(t, person("eve"))
	closed := func(header ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, h := range header {
				for _, line := range []string{"GET /app/", "POST /app/", "GET /ping", "GET /staff/x"} {
					v.closed(t, line, h)
				}
			}
		}
	}
	paths := func(targets ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, target := range targets {
				v.closed(t, "GET "+target)
			}
		}
	}
	stays := func(targets ...string) func(*testing.T) { return func(t *testing.T) { v.stays(t, targets...) } }
	unnamed := func(fields ...string) func(*testing.T) { return func(t *testing.T) { v.anonymous(t, fields...) } }
	own := func(header ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, h := range header {
				a := v.ask("GET /app/", "Sec-Fetch-Mode: navigate", h)
				if !strings.HasPrefix(a.Header.Get("Location"), v.Base+"/api/auth/signin?") || strings.Contains(a.Header.Get("Location"), "evil") || strings.Contains(strings.Join(a.Header["Set-Cookie"], ""), "Secure") {
					t.Errorf("%s: %v", h, a.Header)
				}
			}
		}
	}
	keeps := func(connection ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, c := range connection {
				if a := v.ask("GET /app/", eve, "Connection: "+c); a.StatusCode != http.StatusOK {
					t.Fatal(a.Status)
				}
				if h := v.up.one(t).Header; h.Get("Remote-User") != "dev:eve" || h.Get("X-Forwarded-Host") == "" || h.Get("X-Forwarded-For") == "" {
					t.Errorf("Connection: %s: the upstream got %v", c, h)
				}
			}
		}
	}
	wrongLink := func(change func(url.Values)) func(*testing.T) {
		return func(t *testing.T) {
			q := v.link(t, "a@example.net")
			change(q)
			if v.back("email", q.Encode(), "") {
				t.Error("signed in")
			}
		}
	}
	notMailed := func(addresses ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, address := range addresses {
				if a, to := v.mails(address); len(to) != 0 {
					t.Errorf("%q: %s, mailed to %q", address, a.Status, to)
				}
			}
		}
	}
	notOfDomain := func(t *testing.T) {
		for _, email := range []string{"attacker@evil.com@company.com", "a@company.com.evil.com", "a@badcompany.com", "a@sub.company.com", "\"a@evil.com\"@company.com", "a@evil.com\uff20company.com", "a@evil.com,b@company.com", "@company.com"} {
			v.closed(t, "GET /domain/", "Cookie: "+signedIn(t, map[string]any{"sub": "7", "email": email}))
		}
		if a := v.ask("GET /domain/", "Cookie: "+signedIn(t, map[string]any{"sub": "7", "email": "a@Company.com"})); a.StatusCode != http.StatusOK {
			t.Errorf("an address of the domain: %s", a.Status)
		}
		v.up.take()
	}
	checkCookies := func(t *testing.T) {
		for _, provider := range []string{"dev", "op"} {
			b, _ := v.begin(t, provider)
			tried := 0
			for pair := range strings.SplitSeq(b.cookieHeader(), "; ") {
				if _, value, _ := strings.Cut(pair, "="); strings.Count(value, ".") == 4 {
					tried++
					v.closed(t, "GET /app/", "Cookie: "+plainName+"="+value)
				}
			}
			if tried < 2 {
				t.Errorf("%s: %d cookies tried", provider, tried)
			}
		}
		// A token that opens and names nobody is no session either.
		v.closed(t, "GET /app/", "Cookie: "+signedIn(t, map[string]any{"name": "x"}))
	}
	signOut := func(t *testing.T) {
		b := v.browser()
		b.password("alice", "alice", "/")
		stolen := b.cookieHeader()
		if a := b.get("/app/"); a.StatusCode != http.StatusOK {
			t.Fatal(a.Status)
		}
		v.up.take()
		b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
		v.closed(t, "GET /app/", "Cookie: "+stolen)
		// What was asked for with the old cookie does not bring it back.
		if a := v.ask("GET /api/auth/session", "Cookie: "+stolen); a.body != "{}" || slices.ContainsFunc(a.Header["Set-Cookie"], func(c string) bool {
			return strings.HasPrefix(c, plainName+"=e")
		}) {
			t.Errorf("%s %v", a.body, a.Header["Set-Cookie"])
		}
	}
	escaped := func(targets ...string) func(*testing.T) {
		return func(t *testing.T) {
			for _, target := range targets {
				a := v.ask("GET "+target, "Accept: text/html", "Sec-Fetch-Mode: navigate", "Referer: javascript:alert(1)//<script>evil")
				if strings.Contains(a.body, "<script>evil") || strings.Contains(a.body, "javascript:") || strings.Contains(a.Header.Get("Location"), "javascript:") || strings.Contains(a.Header.Get("Location"), "<") {
					t.Errorf("%s: %s %s", target, a.Header.Get("Location"), a.body)
				}
				if a.StatusCode == http.StatusOK && !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
					t.Errorf("%s: no policy", target)
				}
			}
			v.up.none(t)
		}
	}
	for _, tc := range []struct {
		id    string
		check func(*testing.T)
	}{
		// next-auth and Auth.js
		{"CVE-2021-21310 link with another address", wrongLink(func(q url.Values) { q.Set("email", "b@example.net") })},
		{"CVE-2022-39263 another token with the address", wrongLink(func(q url.Values) { q.Set("token", strings.Repeat("0", len(q.Get("token")))) })},
		{"CVE-2022-24858", stays("https://evil.com", "//evil.com", "https:evil.com")},
		{"CVE-2022-29214", func(t *testing.T) {
			v.stays(t, "https://localhost:"+v.Port+"/", "http://localhost.evil.com", "http:/evil.com")
		}},
		{"CVE-2022-31093 GHSA-g5fm-jp9v-2432", stays("http://[::1", "%zz", "http://", "https://%", strings.Repeat("a", 64<<10))},
		{"CVE-2022-31127 GHSA-pgjx-7f9g-9463", func(t *testing.T) {
			v.mail.Clear()
			_, to := v.mails(`<a href="http://evil.com">x</a>@example.net`)
			for _, address := range to {
				for _, m := range v.mail.Messages(address) {
					if strings.Contains(string(m.Raw), "evil.com\"") {
						t.Errorf("mail %s", m.Raw)
					}
				}
			}
		}},
		{"CVE-2022-31186", func(t *testing.T) {
			b, state := v.begin(t, "op")
			v.back("op", "code=code-of-the-provider&state="+state, b.cookieHeader())
			for _, value := range []string{opSecret, "code-of-the-provider", "access-token-of-the-provider", secret, state} {
				if strings.Contains(v.logText(), value) {
					t.Errorf("the log has %s", value)
				}
			}
		}},
		{"CVE-2022-35924 GHSA-xv97-c62v-4587", notMailed("a@evil.com,b@example.net", "a@evil.com;b@example.net", "a@evil.com b@example.net", "a@evil.com\nb@example.net", "a@evil.com\r\nBcc: b@example.net")},
		{"GHSA-5jpx-9hw9-2fx4", notMailed(`"a@evil.com"@example.net`, `"a@evil.com x"@example.net`, `a@evil.com(b@example.net)`)},
		{"GHSA-7rqj-j65f-68wh", notMailed("a@evil.com\uff20example.net", "a@evil.com\ufe6bexample.net")},
		{"CVE-2023-27490 GHSA-7r7x-4c4q-c4qf", func(t *testing.T) {
			v.tokens.Store(0)
			for _, part := range []string{"state", "pkce", "next-auth"} {
				b, state := v.begin(t, "op")
				if v.back("op", "code=x&state="+state, cookiesWithout(b.cookieHeader(), part)) {
					t.Errorf("signed in without the cookie %s", part)
				}
			}
			b, state := v.begin(t, "op")
			for _, q := range []string{"code=x", "code=x&state=", "code=x&state=" + state + "1", "code=x&state=" + state[1:]} {
				if v.back("op", q, b.cookieHeader()) {
					t.Errorf("signed in with %s", q)
				}
			}
			if n := v.tokens.Load(); n != 0 {
				t.Errorf("%d codes were sent", n)
			}
			if b, state := v.begin(t, "op"); !v.back("op", "code=x&state="+state, b.cookieHeader()) {
				t.Error("an honest flow fails")
			}
		}},
		{"CVE-2023-48309 GHSA-v64w-49xw-qq89", checkCookies},
		{"CVE-2024-47616", checkCookies},
		{"GHSA-xmf8-cvqr-rfgj", closed("Authorization: Bearer %E0%A4%A", "Authorization: Bearer", "Authorization: Bearer %", "Authorization: bearer \xff")},
		{"GHSA-x445-f3h2-j279", func(t *testing.T) {
			v.tokens.Store(0)
			b, state := v.begin(t, "op")
			if v.back("other", "code=x&state="+state, b.cookieHeader()) || v.tokens.Load() != 0 {
				t.Errorf("a flow of one provider ended at another, %d codes were sent", v.tokens.Load())
			}
		}},
		{"GHSA-8fpg-xm3f-6cx3", func(t *testing.T) {
			b := v.browser()
			a := b.follow(b.do(http.MethodPost, "/api/auth/signin/down", url.Values{"csrfToken": {b.csrf()}}))
			if strings.Contains(b.cookieHeader(), plainName) || a.StatusCode == http.StatusInternalServerError {
				t.Errorf("%s %s", a.Status, b.cookieHeader())
			}
			v.closed(t, "GET /app/", "Cookie: "+b.cookieHeader())
			v.closed(t, "GET /app/", "Cookie: "+plainName+`={"message":"There was a problem"}`)
		}},
		{"next-auth 271377d0c", signOut},
		{"CVE-2025-29927", closed("X-Middleware-Subrequest: middleware:middleware:middleware:middleware:middleware", "X-Middleware-Subrequest: src/middleware", "X-Nextjs-Data: 1")},

		// oauth2-proxy
		{"CVE-2017-1000069", func(t *testing.T) {
			attacker, state := v.begin(t, "op")
			_ = attacker
			victim, _ := v.begin(t, "op")
			if v.back("op", "code=x&state="+state, victim.cookieHeader()) {
				t.Error("the state of one browser counts in another")
			}
		}},
		{"CVE-2017-1000070", stays("//evil.com", "/\t/evil.com")},
		{"CVE-2020-5233 GHSA-qqxw", stays(`/\evil.com`, `/\\evil.com`, `\/evil.com`, `/./\evil.com`)},
		{"CVE-2020-11053 GHSA-j7px", stays("/\t/evil.com", "/\n/evil.com", "/%09/evil.com", "/%0d/evil.com", "/ /evil.com", "/%5cevil.com")},
		{"CVE-2020-4037 GHSA-5m6c", stays("/\t\t\\\\evil.com", "/\x0b/evil.com", "//\u00a0evil.com", "http:///evil.com", `\t//evil.com`)},
		{"CVE-2021-21291 GHSA-4mf2", func(t *testing.T) { v.stays(t, "http://evillocalhost:"+v.Port, "http://localhost:"+v.Port+".evil.com") }},
		{"CVE-2021-21411 GHSA-652x", func(t *testing.T) {
			b := v.browser()
			b.password("bob", "bob", "/")
			if a := b.get("/staff/x"); a.StatusCode != http.StatusForbidden {
				t.Errorf("outside the group: %s", a.Status)
			}
			v.up.none(t)
			b.password("alice", "alice", "/")
			if a := b.get("/staff/x"); a.StatusCode != http.StatusOK {
				t.Errorf("in the group: %s", a.Status)
			}
			v.up.take()
		}},
		{"CVE-2025-54576 GHSA-7rh7", paths("/app?/public/x", "/app?x=/public/x", "/app?/public", "/app/?/api/auth/session")},
		{"CVE-2025-64484 GHSA-vjrc", unnamed("Remote_User: admin", "remote_user: admin", "X_Forwarded_User: admin", "X-Auth-Request_User: admin")},
		{"CVE-2026-34454 GHSA-f24x", signOut},
		{"CVE-2026-34457 GHSA-5hvv", closed("User-Agent: GoogleHC/1.0", "User-Agent: kube-probe/1.31", "User-Agent: ELB-HealthChecker/2.0")},
		{"CVE-2026-40574 GHSA-c5c4", notOfDomain},
		{"CVE-2026-40575 GHSA-7x63", closed("X-Forwarded-Uri: /public/x", "X-Original-URL: /public/x", "X-Rewrite-URL: /public/x", "X-Forwarded-Path: /public/x", "X-Forwarded-Prefix: /public", "X-Forwarded-Method: OPTIONS")},
		{"CVE-2026-41059 GHSA-pxq7", paths("/public/%23/../../app", "/app%23/../public/x", "/app%23/public/", "/public/..%23/app", "/app%3f/../public/x")},

		// caddy-security and go-authcrunch
		{"CVE-2023-52430", escaped("/app/<script>evil</script>", "/api/auth/<script>evil", "/api/auth/error?error=<script>evil", "/api/auth/signin?error=<script>evil", "/api/auth/signin?callbackUrl=\"><script>evil", "/api/auth/verify-request?x=<script>evil")},
		{"CVE-2024-21496", escaped("/api/auth/signin", "/api/auth/signout", "/api/auth/error", "/api/auth/error?error=Verification")},
		{"CVE-2024-21495", noMathRand},
		{"CVE-2024-21494 GHSA-3h23-rrpc-3p87", func(t *testing.T) {
			v.ask("GET /app/", "X-Forwarded-For: 203.0.113.9", "X-Real-Ip: 203.0.113.9", "Forwarded: for=203.0.113.9", "Cf-Connecting-Ip: 203.0.113.9")
			if strings.Contains(v.logText(), `"client_ip":"203.0.113.9"`) {
				t.Error("a client says where it comes from")
			}
		}},
		{"CVE-2024-21497", stays("https://evil.com/?redirect_url=http://localhost", "//evil.com/%2f..")},
		{"CVE-2024-21498", own("X-Forwarded-Host: evil.com", "X-Host: evil.com", "Forwarded: host=evil.com")},
		{"CVE-2024-21499", own("X-Forwarded-Proto: https", "X-Forwarded-Proto: evil", "X-Forwarded-Ssl: on")},
		{"CVE-2024-21492", signOut},
		{"CVE-2024-21493", func(t *testing.T) {
			for _, text := range []string{"caddyauth {\nallow\n}", "caddyauth {\nprovider\n}", "caddyauth {\nprovider as\n}", "caddyauth {\nheaders {\nX\n}\n}", "caddyauth {\nsession {\nmax_age\n}\n}", "caddyauth {\nstep_up\n}", "caddyauth {\nbearer {\n}\n}", "caddyauth }", "caddyauth @", "caddyauth {\nallow @ any\n}"} {
				if _, _, err := adapt(t, ":80 {\n"+text+"\n}\n"); err == nil {
					t.Errorf("%q is accepted", text)
				}
			}
		}},
		{"caddy-security #274", func(t *testing.T) {
			b := v.browser()
			b.password("alice", "alice", "/")
			b.do(http.MethodPost, "/api/auth/signout", url.Values{}, "Origin", "https://evil.com")
			if !strings.Contains(b.get("/api/auth/session").body, "alice") {
				t.Error("signed out without a token")
			}
		}},
		{"caddy-security #275", func(t *testing.T) { // no path at all
			for _, line := range []string{"GET http://localhost:" + v.Port, "GET http://localhost:" + v.Port + "?x"} {
				v.closed(t, line)
			}
		}},
		{"go-authcrunch 87d594b", paths("/public/%252e%252e/app", "/public/%25252e%25252e/app", "/public//../app", "/public/./../app")},
		{"go-authcrunch c320a62", func(t *testing.T) { v.closed(t, "GET http://localhost:"+v.Port+"/public/../app") }},
		{"go-authcrunch 7b9002e", stays("https://localhost.evil.com/public/x", "http://evil.com/api/auth")},
		{"go-authcrunch c923e43", func(t *testing.T) {
			b := v.browser()
			form := url.Values{"csrfToken": {b.csrf()}, "username": {"alice"}, "password": {"alice"}}.Encode()
			a := v.ask("POST /api/auth/callback/credentials", "Cookie: "+cookiesWithout(b.cookieHeader(), "callback-url")+"; next-auth.callback-url=https%3A%2F%2Fevil.com", "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(form)), "", form)
			if a.Header.Get("Location") != v.Base {
				t.Errorf("%s %s", a.Status, a.Header.Get("Location"))
			}
		}},

		// Caddy
		{"CVE-2026-27585 GHSA-4xrr", paths(`/public\..\app`, "/public/..%5capp", `/public/\../..\app`)},
		{"CVE-2026-27586", func(t *testing.T) {
			for _, lines := range []string{"users /nonexistent/users.yml", "provider dev\nsecret {file./nonexistent/secret}", "provider dev\nsecret short"} {
				if _, err := net.LookupHost("localhost"); err == nil && validate(siteWith(lines)) == nil {
					t.Errorf("%q is accepted", lines)
				}
			}
		}},
		{"CVE-2026-27587 GHSA-g7pc", paths("/public/..%2fapp", "/public/..%2Fapp", "/public%2f..%2Fapp", "/public/%2E%2e/app")},
		{"CVE-2026-30851 GHSA-7r4p", unnamed("Remote-User: admin", "Remote-Groups: admin", "Remote-Email: admin", "X-Auth-Request-Groups: admin")},
		{"CVE-2026-30852 GHSA-m2w3", func(t *testing.T) {
			t.Setenv("CADDYAUTH_TEST_LEAK", "expanded-twice")
			token := signedIn(t, map[string]any{"sub": "{env.CADDYAUTH_TEST_LEAK}", "name": "{env.CADDYAUTH_TEST_LEAK}", "email": "{env.CADDYAUTH_TEST_LEAK}@example.com"})
			v.ask("GET /app/?{env.CADDYAUTH_TEST_LEAK}", "Cookie: "+token, "X-Any: {env.CADDYAUTH_TEST_LEAK}")
			if h := fmt.Sprint(v.up.one(t).Header); strings.Contains(h, "expanded-twice") || !strings.Contains(h, "{env.CADDYAUTH_TEST_LEAK}") {
				t.Errorf("the upstream got %s", h)
			}
		}},
		{"CVE-2026-52845 GHSA-f59h", unnamed("REMOTE_USER: admin", "Remote_Groups: admin")},
		{"GHSA-49wc-4hcv-v58q", unnamed("Remote.User: admin", "X.Auth.Request.User: admin", "X-Forwarded.User: admin")},
		{"caddy #7941", paths("/public/..%2fapp", "/public/%2e%2e%2fapp", "/public/..%2f..%2fapp/x")},
		{"caddy #7858", paths(`/public/..\app`, "/public/..%255capp", "/public/.%2e%5capp", "/public/.. /app", "/public/..%20/app")},
		{"GHSA-gx7w GHSA-x5w9", paths("/api/authsignin", "/api/auth2/session", "/api/authx", "/api/auth%2fsignin", "/API/AUTH/csrf")},

		// Traefik, Fabio, Authelia, Pomerium, Vouch and others
		{"CVE-2024-45410", keeps("X-Forwarded-Host, X-Forwarded-For", "close, X-Forwarded-Host", "x-forwarded-host")},
		{"CVE-2025-48865", keeps("Remote-User", "remote-user, close", "keep-alive, REMOTE-USER, Remote-Groups")},
		{"CVE-2026-35051 GHSA-6384", own("X-Forwarded-Prefix: /evil", "X-Forwarded-Prefix: //evil.com")},
		{"CVE-2026-39858 GHSA-5m6w", own("X_Forwarded_Host: evil.com", "X.Forwarded.Host: evil.com", "X_Forwarded_Proto: https")},
		{"GHSA-x677", unnamed("Remote.User: admin", "Remote_User: admin", "Remote~User: admin")},
		{"CVE-2026-40912 GHSA-6jwx", paths("/public%2f..%2fapp", "/public/%2e%2e%2fapp/x", "/%70ublic/../app")},
		{"CVE-2026-54764 GHSA-3q9r", own("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443", "X-Forwarded-Port: 8443")},
		{"CVE-2021-29456", stays("https://evil.com/?rd=x", "//evil.com")},
		{"CVE-2021-32637", paths("/%", "/app/%zz", "/public/%", "/\x01", "/app\x7f", "http:app", "app", "/%ff", "/public/%00")},
		{"CVE-2021-29651 CVE-2021-29652", stays("https://localhost@evil.com", "http://evil.com#@localhost")},
		{"CVE-2021-39206", paths("/app#/../public/x", "/public/#/../../app", "/app#x", "/public/..#/app")},
		{"CVE-2021-39204 duplicate fields", unnamed("Remote-User: admin\r\nRemote-User: admin", "Remote-User: \r\nRemote-User: admin")},
		{"CVE-2021-41230", func(t *testing.T) { // a decision is made for each request
			b := v.browser()
			b.password("bob", "bob", "/")
			for range 2 {
				if a := b.get("/staff/"); a.StatusCode != http.StatusForbidden {
					t.Error(a.Status)
				}
			}
			v.up.none(t)
		}},
		{"CVE-2022-24797", paths("/debug/pprof/", "/metrics", "/api/auth/debug/pprof/", "/api/auth/metrics")},
		{"CVE-2023-33189", paths("/public/../app", "/public/..;/app", "//app", "/public/%2e%2e%3b/app", "/;/app", "/.;/app")},
		{"CVE-2024-39315", func(t *testing.T) {
			b, state := v.begin(t, "op")
			a := v.ask("GET /api/auth/callback/op?code=x&state="+state, "Cookie: "+b.cookieHeader())
			var pairs []string
			for _, line := range a.Header["Set-Cookie"] {
				pair, _, _ := strings.Cut(line, ";")
				pairs = append(pairs, pair)
			}
			shown := v.ask("GET /api/auth/session", "Cookie: "+strings.Join(pairs, "; ")).body + v.ask("GET /api/auth/providers").body + v.ask("GET /api/auth/signin").body
			if !strings.Contains(shown, "Eve") || strings.Contains(shown, "access-token-of-the-provider") || strings.Contains(shown, opSecret) {
				t.Errorf("shown: %s", shown)
			}
		}},
		{"CVE-2026-47203 CVE-2025-24806 CVE-2026-48794 host in another case", func(t *testing.T) {
			v.closed(t, "GET /app/", "Host: LOCALHOST:"+v.Port)
			v.closed(t, "GET /app/", "Host: LocalHost:"+v.Port)
		}},
		{"vouch #335", func(t *testing.T) {
			v.stays(t, "http://evillocalhost:"+v.Port+"/", "http://localhost:"+v.Port+"evil.com/")
		}},
		{"tinyauth d67c3ab", stays("http://", "http://.", "http://localhost:", "http://localhost:99999", "http:///x")},
		{"better-auth GHSA-x732-6j76-qmhm", paths("//app", "//api/auth/session", "/public//../app", "///app", "/api//auth/csrf")},

		// Libraries
		{"CVE-2024-28180 CVE-2025-27144 CVE-2026-34986 CVE-2025-30204 CVE-2025-22868", closed("Cookie: "+plainName+"="+strings.Repeat(".", 12000), "Cookie: "+plainName+"="+strings.Repeat("a.", 5), "Cookie: "+plainName+"=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA")},
		{"CVE-2025-58186 thousands of cookies", closed("Cookie: " + strings.Repeat("a=b; ", 3000))},
		{"CVE-2019-16276 space before the colon", unnamed("Remote-User : admin", "Remote-User\t: admin")},
		{"CVE-2025-22871 bare line feeds in chunks", func(t *testing.T) {
			w := v.dial()
			w.send(v.request("POST /public/x", "Transfer-Encoding: chunked", "", "1;\nX\r\na\r\n0\r\n\r\nGET /app/ HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			_, _ = w.read("POST")
			for _, r := range v.up.take() {
				if strings.HasPrefix(r.URL.Path, "/app") {
					t.Error("a request in a body reached the upstream")
				}
			}
		}},
		{"CVE-2026-40946 nothing is skipped", noSkippedChecks},
	} {
		t.Run(tc.id, func(t *testing.T) {
			v.up.take()
			tc.check(t)
		})
	}
	if bytes.Contains([]byte(v.logText()), []byte("panic")) {
		t.Error("something panicked")
	}
}

// eachSource calls fn with every file of the module's that is no test.
func eachSource(t *testing.T, fn func(name string, imports []string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, string(filepath.Separator)+"test") || strings.Contains(name, "storetest") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, i := range file.Imports {
			imports = append(imports, strings.Trim(i.Path.Value, `"`))
		}
		fn(name, imports)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func noMathRand(t *testing.T) {
	files := 0
	eachSource(t, func(name string, imports []string) {
		files++
		if slices.Contains(imports, "math/rand") || slices.Contains(imports, "math/rand/v2") {
			t.Errorf("%s imports math/rand", name)
		}
	})
	if files < 50 {
		t.Errorf("only %d files", files)
	}
}

// noSkippedChecks looks for the switches that turn a library's checks off.
func noSkippedChecks(t *testing.T) {
	eachSource(t, func(name string, _ []string) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"SkipClientIDCheck", "SkipIssuerCheck", "InsecureSkipSignatureCheck", "InsecureIssuerURLContext", "InsecureSkipVerify"} {
			if bytes.Contains(text, []byte(field)) {
				t.Errorf("%s mentions %s", name, field)
			}
		}
	})
}
