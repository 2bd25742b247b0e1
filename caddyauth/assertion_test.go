package caddyauth_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddyauth/gateway/caddyauth/assertion"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// assertionSite signs who people are. /open is public.
func assertionSite(t testing.TB, words, upstream string) *server {
	t.Helper()
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		public /open/*
		assertion `+words+`
	}
	reverse_proxy `+upstream+`
}
http://127.0.0.1:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		public
	}
	reverse_proxy `+upstream+`
}
`)
}

// asserted verifies an assertion with the keys that the site publishes.
func asserted(t testing.TB, s *server, token string) map[string]any {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(s.program("/api/auth/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	tok, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("%q: %v", token, err)
	}
	claims := make(map[string]any)
	if err := tok.Claims(set, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestHDR18Assertion(t *testing.T) {
	up := newUpstream(t, nil)
	s := assertionSite(t, "", up.addr())
	eve := "Cookie: " + signedIn(t, person("eve", map[string]any{"roles": []string{"staff"}}))
	const name = "X-Auth-Assertion"

	t.Run("HDR-18 claims", func(t *testing.T) {
		s.ask("PUT /a%20b/x?q=1", eve, "Content-Length: 0")
		c := asserted(t, s, up.one(t).Header.Get(name))
		for claim, want := range map[string]any{
			"iss": s.Base, "aud": s.Base, "sub": "dev:eve", "email": "eve@example.com", "email_verified": true,
			"provider": "dev", "htm": "PUT", "htu": s.Base + "/a%20b/x",
		} {
			if c[claim] != want {
				t.Errorf("%s: %v, want %v", claim, c[claim], want)
			}
		}
		if age := c["exp"].(float64) - c["iat"].(float64); age != 60 {
			t.Errorf("valid for %v s", age)
		}
	})
	t.Run("HDR-01 a client sends one", func(t *testing.T) {
		for _, alias := range []string{name, "x-auth-assertion", "X_Auth_Assertion", "X.Auth-Assertion"} {
			s.program("/x", eve, alias+": forged")
			for field, values := range up.one(t).Header {
				if slices.Contains(values, "forged") {
					t.Errorf("%s reached the upstream as %s", alias, field)
				}
			}
		}
	})
	t.Run("HDR-03 on public paths, and on the site next door", func(t *testing.T) {
		for _, host := range []string{"localhost:" + s.Port, "127.0.0.1:" + s.Port} {
			for _, field := range []string{name, "X_Auth_Assertion"} {
				if a := s.program("/open/x", "Host: "+host, field+": forged"); a.StatusCode != http.StatusOK {
					t.Fatal(a.Status)
				}
				h := up.one(t).Header
				if h.Get(name) != "" || h.Get("X_Auth_Assertion") != "" {
					t.Errorf("%s: %v", host, h)
				}
			}
		}
		s.program("/open/x", eve)
		if up.one(t).Header.Get(name) == "" {
			t.Error("none for somebody who is signed in")
		}
	})
	t.Run("HDR-07 Connection names it", func(t *testing.T) {
		s.program("/x", eve, "Connection: close, "+name)
		if up.one(t).Header.Get(name) == "" {
			t.Error("the proxy took it out")
		}
	})
	t.Run("HDR-12 a trailer", func(t *testing.T) {
		s.ask("POST /open/x", "Transfer-Encoding: chunked", "Trailer: "+name, "", "1\r\na\r\n0\r\n"+name+": forged\r\n\r\n")
		r := up.one(t)
		if r.Header.Get(name) != "" || len(r.Trailer[name]) != 0 {
			t.Errorf("%v %v", r.Header, r.Trailer)
		}
	})
	t.Run("the site next door has no keys", func(t *testing.T) {
		if a := s.program("/api/auth/jwks", "Host: 127.0.0.1:"+s.Port); a.StatusCode == http.StatusOK {
			t.Error(a.Status)
		}
	})
	up.take()

	t.Run("keys", func(t *testing.T) {
		a := s.program("/api/auth/jwks")
		if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "public, max-age=300" || a.Header.Get("Content-Type") != "application/jwk-set+json" || len(setCookies(a.Header)) != 0 {
			t.Errorf("%s %v", a.Status, a.Header)
		}
		tag := a.Header.Get("Etag")
		if a := s.program("/api/auth/jwks", "If-None-Match: "+tag); a.StatusCode != http.StatusNotModified || a.body != "" {
			t.Errorf("%s %s", tag, a.Status)
		}
		if a := s.ask("HEAD /api/auth/jwks"); a.StatusCode != http.StatusOK || a.body != "" {
			t.Error(a.Status)
		}
		if a := s.ask("POST /api/auth/jwks", "Content-Length: 0"); a.StatusCode != http.StatusMethodNotAllowed {
			t.Error(a.Status)
		}
		up.none(t)
	})
}

func TestAssertionSettings(t *testing.T) {
	up := newUpstream(t, nil)
	s := assertionSite(t, "{\n\t\t\theader x-who\n\t\t\taudience orders\n\t\t\tttl 10s\n\t\t}", up.addr())
	s.program("/x", "Cookie: "+signedIn(t, person("eve")), "X-Who: forged")
	values := up.one(t).Header["X-Who"]
	if len(values) != 1 {
		t.Fatal(values)
	}
	c := asserted(t, s, values[0])
	if c["aud"] != "orders" || c["exp"].(float64)-c["iat"].(float64) != 10 {
		t.Errorf("%v", c)
	}
}

// counterfeit makes an assertion as the site would, with lies.
func counterfeit(t testing.TB, o assertion.Options, r assertion.Request, age time.Duration) string {
	t.Helper()
	o.Now = func() time.Time { return time.Now().Add(-age) }
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	signer, err := assertion.New(o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(r, &session.Session{User: session.User{ID: "mallory"}})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// tampered has another payload under the same signature.
func tampered(token string) string {
	parts := strings.Split(token, ".")
	b := []byte(parts[1])
	b[len(b)/2] ^= 1
	if b[len(b)/2] == '.' {
		b[len(b)/2] = 'A'
	}
	return parts[0] + "." + string(b) + "." + parts[2]
}
