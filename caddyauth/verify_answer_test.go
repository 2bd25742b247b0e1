package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testissuer"
)

// asking are the fields of a proxy that asks about a request to the server itself.
func (s *server) asking(method, uri string, more ...string) []string {
	return append([]string{"X-Forwarded-Method: " + method, "X-Forwarded-Uri: " + uri}, more...)
}

// The application behind the other proxy verifies who sent the request that it
// gets, not the one that asked about it.
func TestForwardAuthHDR18Assertion(t *testing.T) {
	const name = "X-Auth-Assertion"
	s := verifier(t, trustLoopback, "assertion")
	eve := "Cookie: " + signedIn(t, person("eve"))
	a := s.ask(verifyPath, s.asking("PUT", "/a%20b/x?q=1", eve, name+": forged")...)
	if a.StatusCode != http.StatusOK || len(a.Header[name]) != 1 {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	c := asserted(t, s, a.Header.Get(name))
	for claim, want := range map[string]any{"iss": s.Base, "aud": s.Base, "sub": "dev:eve", "htm": "PUT", "htu": s.Base + "/a%20b/x"} {
		if c[claim] != want {
			t.Errorf("%s: %v, want %v", claim, c[claim], want)
		}
	}
	t.Run("for the method and URL that nginx asks about", func(t *testing.T) {
		a := s.ask(verifyPath, "X-Original-Method: DELETE", "X-Original-URL: "+s.Base+"/b", eve)
		if c := asserted(t, s, a.Header.Get(name)); c["htm"] != "DELETE" || c["htu"] != s.Base+"/b" {
			t.Errorf("%v", c)
		}
	})
	t.Run("HDR-03 empty where nobody is signed in", func(t *testing.T) {
		a := s.ask(verifyPath, s.asking("GET", "/public/x", name+": forged")...)
		if got := a.Header[name]; a.StatusCode != http.StatusOK || len(got) != 1 || got[0] != "" {
			t.Errorf("%s %q", a.Status, got)
		}
	})
	t.Run("none for who is refused", func(t *testing.T) {
		for _, more := range [][]string{{eve}, nil} {
			if a := s.ask(verifyPath, s.asking("GET", "/admin/x", more...)...); a.StatusCode < 400 || a.Header.Get(name) != "" {
				t.Errorf("%s %v", a.Status, a.Header)
			}
		}
	})
}

// With a store, a renewed token is kept there; without, it would be in cookies that
// the proxy may lose.
func TestForwardAuthAccessToken(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			up, op := newUpstream(t, nil), lyingop.New(t)
			s := startWith(t, trustLoopback, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		`+oauth2Lines(t, op)+`
		allow any
		public /open
		access_token
		forward_auth
		`+more+`
	}
	reverse_proxy `+up.addr()+`
}
`)
			b := s.browser()
			b.oauth("op", "/private")
			want := "leak-access-1"
			if !strings.Contains(more, "store") {
				want = ""
			}
			cookies := "Cookie: " + b.cookieHeader()
			for _, uri := range []string{"/private", "/open"} {
				a := s.ask(verifyPath, s.asking("GET", uri, cookies, forwardedToken+": spoofed")...)
				if got := a.Header[forwardedToken]; a.StatusCode != http.StatusOK || len(got) != 1 || got[0] != want {
					t.Errorf("%s: %s %q", uri, a.Status, got)
				}
			}
			// Without a session, the field is there to take away what a client sent.
			a := s.ask(verifyPath, s.asking("GET", "/open", forwardedToken+": spoofed")...)
			if got := a.Header[forwardedToken]; a.StatusCode != http.StatusOK || len(got) != 1 || got[0] != "" {
				t.Errorf("signed out: %s %q", a.Status, got)
			}
			if want == "" {
				return
			}
			b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
			if a := s.ask(verifyPath, s.asking("GET", "/private", cookies)...); a.StatusCode != http.StatusUnauthorized || a.Header.Get(forwardedToken) != "" {
				t.Errorf("after signing out: %s %v", a.Status, a.Header)
			}
		})
	}
}

func TestForwardAuthStepUp(t *testing.T) {
	s := verifier(t, trustLoopback, "step_up /vault/* max_age 5m\n\t\tapi /api/*")
	old := "Cookie: " + signedIn(t, person("eve", map[string]any{"auth_time": time.Now().Add(-time.Hour).Unix(), "since": time.Now().Add(-time.Hour).UnixMilli()}))
	fresh := "Cookie: " + signedIn(t, person("eve", map[string]any{"auth_time": time.Now().Unix()}))
	nginx := func(uri string, more ...string) answer {
		return s.ask(verifyPath, append([]string{"X-Original-Method: GET", "X-Original-URL: " + s.Base + uri}, more...)...)
	}
	const page = "Accept: text/html"
	a := nginx("/vault/x", old, page)
	want := s.Base + "/api/auth/signin?callbackUrl=" + url.QueryEscape(s.Base+"/vault/x")
	if got := a.Header.Get("X-Auth-Request-Redirect"); a.StatusCode != http.StatusUnauthorized || got != want {
		t.Errorf("page: %s %q", a.Status, got)
	}
	if a := nginx("/vault/x", old); a.StatusCode != http.StatusUnauthorized || a.Header.Get("X-Auth-Request-Redirect") != "" || !strings.Contains(a.Header.Get("Www-Authenticate"), `max_age="300"`) {
		t.Errorf("script: %s %v", a.Status, a.Header)
	}
	if a := nginx("/vault/x", fresh, page); a.StatusCode != http.StatusOK || a.Header.Get("Remote-User") != "eve" {
		t.Errorf("fresh: %s %v", a.Status, a.Header)
	}
	// Other proxies pass the whole answer on.
	a = s.ask(verifyPath, s.asking("POST", "/vault/x", old)...)
	if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("Www-Authenticate"), `error="insufficient_user_authentication"`) {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	t.Run("an API answers page loads as it does programs", func(t *testing.T) {
		a := s.ask(verifyPath, s.asking("GET", "/api/x", page, "Sec-Fetch-Mode: navigate")...)
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" || a.Header.Get("Content-Type") != "application/json" || !strings.Contains(a.body, "SessionRequired") {
			t.Errorf("%s %v %s", a.Status, a.Header, a.body)
		}
		if a := nginx("/api/x", page); a.StatusCode != http.StatusUnauthorized || a.Header.Get("X-Auth-Request-Redirect") != "" {
			t.Errorf("nginx: %s %v", a.Status, a.Header)
		}
	})
}

func TestForwardAuthBearer(t *testing.T) {
	op := testissuer.New(t)
	s := verifier(t, trustLoopback, "bearer session\n\t\tbearer {\n\t\t\tissuer "+op.URL+"\n\t\t\taudience orders\n\t\t}")
	token := op.Token(t, op.Claims("orders", map[string]any{"sub": "grace"}))
	if a := s.ask(verifyPath, s.asking("GET", "/x", bearerField(token))...); a.StatusCode != http.StatusOK || a.Header.Get("Remote-User") != "bearer:"+op.URL+"#grace" {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	if a := s.ask(verifyPath, s.asking("GET", "/x", bearerField(seal(t, person("eve"), 0)))...); a.StatusCode != http.StatusOK || a.Header.Get("Remote-User") == "" {
		t.Errorf("session token: %s %v", a.Status, a.Header)
	}
	for name, token := range map[string]string{"for another API": op.Token(t, op.Claims("payments")), "none at all": "x"} {
		a := s.ask(verifyPath, s.asking("GET", "/x", bearerField(token), "Accept: text/html")...)
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Remote-User") != "" || !strings.Contains(a.Header.Get("Www-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: %s %v", name, a.Status, a.Header)
		}
	}
	if a := s.ask(verifyPath, s.asking("GET", "/admin/x", bearerField(token))...); a.StatusCode != http.StatusForbidden {
		t.Errorf("a rule: %s", a.Status)
	}
}
