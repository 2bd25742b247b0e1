package caddyauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// granting is an OAuth 2.0 provider that replaces refresh tokens and asks nobody
// for a password.
type granting struct {
	*httptest.Server
	mu       sync.Mutex
	issued   int
	refresh  string // the one that is good
	lifetime int    // of access tokens, in seconds
	refuse   bool
	refreshs int
}

func newGranting(t testing.TB) *granting {
	g := &granting{lifetime: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?code=c&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
	})
	mux.HandleFunc("/token", g.token)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"sub":"alice","name":"Alice","email":"alice@example.com"}`))
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

func (g *granting) token(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.FormValue("grant_type") == "refresh_token" {
		g.refreshs++
		if g.refuse || r.FormValue("refresh_token") != g.refresh {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
	}
	g.issued++
	g.refresh = fmt.Sprintf("leak-refresh-%d", g.issued)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": fmt.Sprintf("leak-access-%d", g.issued), "refresh_token": g.refresh,
		"token_type": "Bearer", "expires_in": g.lifetime,
	})
}

// set changes the provider under its lock.
func (g *granting) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *granting) refreshes() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refreshs
}

const forwardedToken = "X-Forwarded-Access-Token"

// forwarding is a site that forwards access tokens.
func forwarding(t *testing.T, field, more string) (*server, *upstream, *granting) {
	t.Helper()
	up, op := newUpstream(t, nil), newGranting(t)
	return start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		provider oauth2 as op {
			client_id id
			client_secret secret
			authorization `+op.URL+`/authorize
			token `+op.URL+`/token
			userinfo `+op.URL+`/userinfo
		}
		allow any
		public /open
		access_token `+field+`
		headers
		`+more+`
	}
	reverse_proxy `+up.addr()+`
}
http://localhost:`+freePort(t)+` {
	reverse_proxy `+up.addr()+`
}
`), up, op
}

// oauth signs in at a provider that asks nothing.
func (b *browser) oauth(id, callbackURL string) answer {
	b.t.Helper()
	return b.follow(b.do(http.MethodPost, "/api/auth/signin/"+id, url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {callbackURL}}))
}

var tokenStrategies = map[string]string{
	"cookie":   "",
	"v5":       "compat v5",
	"jwt":      "store memory",
	"database": "store memory\nsession {\nstrategy database\n}",
}

func TestAccessToken(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			s, up, op := forwarding(t, "", more)
			b := s.browser()
			b.oauth("op", "/private")
			spoofed := []string{forwardedToken, "spoofed", "X_Forwarded_Access-Token", "spoofed"}
			for _, target := range []string{"/private", "/open"} {
				up.take()
				b.get(target, append(spoofed, "Authorization", "Bearer of the client's")...)
				got := up.take()
				if len(got) != 1 || strings.Join(got[0].Header[forwardedToken], ",") != "leak-access-1" || got[0].Header.Get("X_forwarded_access-Token") != "" ||
					got[0].Header.Get("Authorization") != "Bearer of the client's" || got[0].Header.Get("Cookie") != "" {
					t.Fatalf("%s: %v", target, got)
				}
			}
			// On public requests without a session, nothing of the kind.
			s.browser().get("/open", spoofed...)
			if got := up.take(); len(got) != 1 || got[0].Header[forwardedToken] != nil {
				t.Errorf("signed out: %v", got)
			}
			if a := b.get("/api/auth/session"); strings.Contains(a.body, "leak-") || !strings.Contains(a.body, "Alice") {
				t.Errorf("session: %s", a.body)
			}
			if strings.Contains(b.cookieHeader(), "leak-") {
				t.Errorf("cookies: %s", b.cookieHeader())
			}
			if has := strings.Contains(b.cookieHeader(), ".tokens="); has != (name == "cookie" || name == "v5") {
				t.Errorf("tokens in a cookie: %v", has)
			}
			b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
			if left := b.cookieHeader(); strings.Contains(left, "tokens") || strings.Contains(left, "session") {
				t.Errorf("after signing out: %s", left)
			}
			if n := op.refreshes(); n != 0 {
				t.Errorf("%d refreshes", n)
			}
			s.noTokensLogged()
		})
	}
}

// noTokensLogged looks for tokens in the log. What Caddy's reverse_proxy writes at
// level DEBUG is its own affair: it shows every field that it sends.
func (s *server) noTokensLogged() {
	s.t.Helper()
	for line := range strings.SplitSeq(s.logText(), "\n") {
		if strings.Contains(line, "leak-") && !strings.Contains(line, `"logger":"http.handlers.reverse_proxy"`) {
			s.t.Errorf("a token is in the log: %s", line)
		}
	}
}

func TestAccessTokenAsAuthorization(t *testing.T) {
	s, up, _ := forwarding(t, "Authorization", "store memory\naccount /me\ntokens")
	b := s.browser()
	b.oauth("op", "/private")
	up.take()
	b.get("/private", "Authorization", "Bearer of the client's", "Connection", "keep-alive, Authorization")
	if got := up.take(); len(got) != 1 || strings.Join(got[0].Header["Authorization"], ",") != "Bearer leak-access-1" {
		t.Errorf("signed in: %v", got)
	}
	s.browser().get("/open", "Authorization", "Bearer of the client's")
	if got := up.take(); len(got) != 1 || got[0].Header.Get("Authorization") != "Bearer of the client's" {
		t.Errorf("signed out: %v", got)
	}
	// A personal access token is not the person's browser.
	pat := b.token("", "")
	up.take()
	s.browser().get("/private", "Authorization", "Bearer "+pat, "Sec-Fetch-Mode", "")
	if got := up.take(); len(got) != 1 || got[0].Header["Authorization"] != nil {
		t.Errorf("personal access token: %v", got)
	}
}

// A session that has no tokens sends none, and what the client sends is not one.
func TestAccessTokenOfNobody(t *testing.T) {
	s, up, _ := forwarding(t, "Authorization", "users "+usersFile(t))
	b := s.browser()
	b.password("bob", "bob", "/")
	up.take()
	b.get("/private", "Authorization", "Bearer of the client's")
	if got := up.take(); len(got) != 1 || got[0].Header["Authorization"] != nil {
		t.Errorf("%v", got)
	}
}

func TestTIME03AccessTokenIsRenewedOnce(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			s, up, op := forwarding(t, "", more)
			op.lifetime = 30 // due from the beginning
			b := s.browser()
			b.oauth("op", "/api/auth/csrf")
			op.set(func() { op.lifetime = 3600 })
			header := b.cookieHeader()
			up.take()
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					req, _ := http.NewRequest(http.MethodGet, s.Base+"/private", nil)
					req.Header.Set("Cookie", header)
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Errorf("%s", resp.Status)
					}
				})
			}
			wg.Wait()
			got := up.take()
			for _, r := range got {
				if token := r.Header.Get(forwardedToken); token != "leak-access-2" {
					t.Fatalf("token %q", token)
				}
			}
			if n := op.refreshes(); n != 1 || len(got) != 100 {
				t.Errorf("%d refreshes for %d requests", n, len(got))
			}
			s.noTokensLogged()
		})
	}
}

func TestAccessTokenRefused(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			s, up, op := forwarding(t, "", more)
			op.lifetime, op.refuse = 30, true
			b := s.browser()
			// The first request after signing in renews, and is refused.
			a := b.oauth("op", "/private")
			if a.StatusCode != http.StatusOK || len(up.take()) != 0 || !strings.Contains(a.Request.URL.Path, "/signin") {
				t.Fatalf("%s %s", a.Request.URL, a.Status)
			}
			if left := b.cookieHeader(); strings.Contains(left, "session-token") || strings.Contains(left, ".tokens") {
				t.Errorf("left: %s", left)
			}
			if !strings.Contains(s.logText(), `"ended":"refresh_refused"`) {
				t.Error("the log does not say why")
			}
			if a := b.get("/open"); a.StatusCode != http.StatusOK {
				t.Errorf("a public path: %s", a.Status)
			}
			s.noTokensLogged()
		})
	}
}

func TestAccessTokenMistakes(t *testing.T) {
	site := func(lines string) string {
		return "http://localhost:{PORT} {\n\tcaddyauth {\n\t\tsecret " + secret + "\n\t\tprovider dev\n\t\tallow any\n" + lines + "\n\t}\n\trespond ok\n}\n"
	}
	for lines, want := range map[string]string{
		"access_token Cookie":               "access_token: Cookie cannot name a person",
		"access_token X-Forwarded-For":      "access_token: X-Forwarded-For cannot name a person",
		"access_token 'a b'":                "",
		"access_token X:Y":                  "is no name of a header field",
		"headers\naccess_token Remote-User": "access_token: Remote-User is among the headers that name the person: take another",
		"access_token a b":                  "'access_token' takes one header field at most",
	} {
		err := loadError(t, "", site(lines))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", lines, err, want)
		}
	}
	for _, lines := range []string{"access_token", "access_token on", "access_token off", "access_token Authorization"} {
		s := &server{t: t, Port: freePort(t), Log: t.TempDir() + "/caddy.log"}
		if err := s.load("", site(lines)); err != nil {
			t.Errorf("%q: %v", lines, err)
			continue
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOrgRules(t *testing.T) {
	t.Setenv("AUTH_GITHUB_ID", "id")
	t.Setenv("AUTH_GITHUB_SECRET", "secret")
	t.Setenv("AUTH_GOOGLE_ID", "id")
	t.Setenv("AUTH_GOOGLE_SECRET", "secret")
	users := "users " + usersFile(t)
	site := func(lines string) string {
		return "http://localhost:{PORT} {\n\tcaddyauth {\n\t\tsecret " + secret + "\n" + lines + "\n\t}\n\trespond ok\n}\n"
	}
	for lines, want := range map[string]string{
		users + "\nallow org acme":                                     "'allow org acme': people belong to organizations at GitHub, Google Workspace and OpenID Connect issuers such as GitLab, and not at credentials",
		users + "\ndeny org acme":                                      "'deny org acme': people belong to organizations",
		"provider github\nprovider google\nallow org acme":             "org: with several providers that have organizations, write 'github:acme'",
		users + "\nprovider github\nallow org credentials:acme":        "people belong to no organization",
		"provider github\nallow /x org acme":                           "anyone with a GitHub account could sign in",
		"provider github\nprovider google\nallow org github:acme \"\"": "has an empty value",
	} {
		if err := loadError(t, "", site(lines)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", lines, err, want)
		}
	}
	for _, lines := range []string{
		"provider github\nallow org acme acme/backend",
		"provider github\nprovider google\nallow org github:acme google:dev@example.com",
		users + "\nprovider github\nallow org acme",
	} {
		s := &server{t: t, Port: freePort(t), Log: t.TempDir() + "/caddy.log"}
		s.Base = "http://localhost:" + s.Port
		if err := s.load("", site(lines)); err != nil {
			t.Errorf("%q: %v", lines, err)
			continue
		}
		b := s.browser()
		a := b.do(http.MethodPost, "/api/auth/signin/github", url.Values{"csrfToken": {b.csrf()}})
		if u, err := a.Location(); err != nil || !strings.Contains(u.Query().Get("scope"), "read:org") {
			t.Errorf("%q: %s leads to %v", lines, a.Status, u)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// The personas' groups stand in for organizations.
func TestOrgRulesDecide(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		allow org staff
		deny /admin/* org admin
	}
	reverse_proxy `+up.addr()+`
}
`)
	b := s.browser()
	if a := b.persona("admin", "/x"); a.StatusCode != http.StatusOK || len(up.take()) != 1 {
		t.Errorf("a member: %s", a.Status)
	}
	if a := b.get("/admin/x"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a member who is denied: %s", a.Status)
	}
	if a := s.browser().persona("user", "/x"); len(up.take()) != 0 || a.StatusCode == http.StatusOK && !strings.Contains(a.body, "denied") && !strings.Contains(a.Request.URL.Path, "/api/auth/") {
		t.Errorf("somebody else: %s %s", a.Request.URL, a.Status)
	}
}
