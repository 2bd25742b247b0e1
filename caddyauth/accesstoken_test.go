package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

const forwardedToken = "X-Forwarded-Access-Token"

// oauth2Lines configure an OP as a provider of plain OAuth 2.0.
func oauth2Lines(t testing.TB, op *lyingop.OP) string {
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", op.ClientSecret)
	return `provider oauth2 as op {
			client_id ` + op.ClientID + `
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
			authorization ` + op.URL + lyingop.Authorization + `
			token ` + op.URL + lyingop.Token + `
			userinfo ` + op.URL + lyingop.Userinfo + `
		}`
}

// forwarding is a site that forwards access tokens.
func forwarding(t *testing.T, field, more string) (*server, *upstream, *lyingop.OP) {
	t.Helper()
	up, op := newUpstream(t, nil), lyingop.New(t)
	return start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		`+oauth2Lines(t, op)+`
		allow any
		public /open
		access_token `+field+`
		headers
		`+more+`
	}
	reverse_proxy `+up.addr()+`
}
http://localhost:`+testport.Free(t)+` {
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
			if a := b.get("/api/auth/session"); strings.Contains(a.body, "leak-") || !strings.Contains(a.body, lyingop.Name) {
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
			if n := op.Grants("refresh_token"); n != 0 {
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

func TestAccessTokenRefused(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			s, up, op := forwarding(t, "", more)
			op.Lifetime, op.Refuses = 30*time.Second, true
			b := s.browser()
			// The first request after signing in renews, and is refused.
			a := b.oauth("op", "/private")
			if a.StatusCode != http.StatusOK || len(up.take()) != 0 || !strings.Contains(a.Request.URL.Path, "/signin") {
				t.Fatalf("%s %s", a.Request.URL, a.Status)
			}
			if !strings.Contains(a.body, "has ended your sign-in") {
				t.Errorf("the page does not say why:\n%s", a.body)
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
		s := &server{t: t, Port: testport.Free(t), Log: t.TempDir() + "/caddy.log"}
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
		s := &server{t: t, Port: testport.Free(t), Log: t.TempDir() + "/caddy.log"}
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
