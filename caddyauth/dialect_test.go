package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// The names of the session cookie of dialect v5.
const (
	plainName5  = "authjs.session-token"
	secureName5 = "__Secure-authjs.session-token"
)

// seal5 makes a session token of dialect v5 for the cookie of that name.
func seal5(t testing.TB, name string, claims map[string]any, age time.Duration) string {
	t.Helper()
	ring, err := jwt.NewRing(dialect.V5, []string{secret}, name)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.SealClaims(ring, claims, time.Now().Add(-age), 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// v5 is a site of dialect v5 with everything.
func v5(t *testing.T, lines string) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	bind 127.0.0.1
	log
	caddyauth {
		compat v5
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		allow any
`+lines+`
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

// TestV5SignIn signs in with each kind of provider, and out again.
func TestV5SignIn(t *testing.T) {
	s, up := v5(t, "headers")
	for name, signIn := range map[string]func(*browser){
		"dev:admin": func(b *browser) { b.persona("admin", s.Base+"/x") },
		"alice":     func(b *browser) { b.follow(b.password("alice", "alice", s.Base+"/x")) },
	} {
		b := s.browser()
		if a := b.get("/api/auth/session"); a.body != "null" {
			t.Fatalf("session before: %s", a.body)
		}
		signIn(b)
		got := up.take()
		want := name
		if name == "alice" {
			want = "credentials:alice"
		}
		if len(got) != 1 || got[0].Header.Get("Remote-User") != want || got[0].Header.Get("Cookie") != "" {
			t.Fatalf("%s: %v", name, got)
		}
		if sent := b.cookieHeader(); !strings.Contains(sent, plainName5+"=") || strings.Contains(sent, "next-auth") {
			t.Errorf("%s: cookies %s", name, sent)
		}
		if a := b.get("/api/auth/session"); !strings.HasPrefix(a.body, `{"user":{"name":`) {
			t.Errorf("%s: session %s", name, a.body)
		}
		a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}}, "X-Auth-Return-Redirect", "1")
		if a.StatusCode != http.StatusOK || a.body != `{"url":"`+s.Base+`/x"}` {
			t.Errorf("%s: sign-out %s %s", name, a.Status, a.body)
		}
		if a := b.get("/x"); a.StatusCode != http.StatusFound || len(up.take()) != 0 {
			t.Errorf("%s: after sign-out %s", name, a.Status)
		}
	}
}

// TestV5Tokens lets in no token but those for this cookie of this dialect, and
// clears the others.
func TestV5Tokens(t *testing.T) {
	s, _ := v5(t, "")
	good := seal5(t, plainName5, person("alice"), 0)
	for _, c := range []struct {
		name, cookie string
		status       int
		clears       bool
	}{
		{"good", sessionCookie(plainName5, good), http.StatusOK, false},
		{"of v4", sessionCookie(plainName5, seal(t, person("alice"), 0)), http.StatusFound, true},
		{"of v4 under its own name", sessionCookie(plainName, seal(t, person("alice"), 0)), http.StatusFound, false},
		{"of the https cookie", sessionCookie(plainName5, seal5(t, secureName5, person("alice"), 0)), http.StatusFound, true},
		{"of the https cookie under its own name", sessionCookie(secureName5, seal5(t, secureName5, person("alice"), 0)), http.StatusFound, false},
		{"a state cookie", sessionCookie(plainName5, seal5(t, "authjs.state", person("alice"), 0)), http.StatusFound, true},
		{"truncated", sessionCookie(plainName5, good[:len(good)-8]), http.StatusFound, true},
		{"in wrong pieces", plainName5 + ".1=" + good[:400] + "; " + plainName5 + ".0=" + good[400:], http.StatusFound, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a := s.browser().get("/x", "Cookie", c.cookie); a.StatusCode != c.status {
				t.Errorf("the gate: %s", a.Status)
			}
			a := s.browser().get("/api/auth/session", "Cookie", c.cookie)
			cleared := strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), plainName5+"=; Max-Age=0") ||
				strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), plainName5+".0=; Max-Age=0")
			if (a.body == "null") != (c.status != http.StatusOK) || cleared != c.clears {
				t.Errorf("the session: %s %v", a.body, a.Header.Values("Set-Cookie"))
			}
		})
	}
}

// TestV5KeepsOwnNames checks that an upstream with a NextAuth 4 of its own keeps
// its cookies, and sees none of ours.
func TestV5KeepsOwnNames(t *testing.T) {
	s, up := v5(t, "")
	s.browser().get("/x", "Cookie", sessionCookie(plainName5, seal5(t, plainName5, person("alice"), 0))+"; next-auth.session-token=theirs; a=b")
	got := up.take()
	if len(got) != 1 || got[0].Header.Get("Cookie") != "next-auth.session-token=theirs; a=b" {
		t.Errorf("the upstream got %v", got)
	}
}

// TestV5UserID checks that what upstreams and logs know a person by stays the
// same, although the claim sub is another one at each sign-in.
func TestV5UserID(t *testing.T) {
	s, up := v5(t, "headers {\nX-Id {http.auth.user.id}\nX-Sub sub\n}")
	subs := make(map[string]bool)
	for range 2 {
		s.browser().persona("admin", s.Base+"/x")
		got := up.take()
		if len(got) != 1 || got[0].Header.Get("X-Id") != "admin" {
			t.Fatalf("got %v", got)
		}
		subs[got[0].Header.Get("X-Sub")] = true
	}
	if len(subs) != 2 || subs["admin"] {
		t.Errorf("subjects %v", subs)
	}
}

// TestAUTHTRUSTHOST says once that the variable has no effect.
func TestAUTHTRUSTHOST(t *testing.T) {
	site := siteWith("secret " + secret + "\n" + keycloak)
	if text := start(t, site).logText(); strings.Contains(text, "AUTH_TRUST_HOST") {
		t.Error("said without need")
	}
	t.Setenv("AUTH_TRUST_HOST", "true")
	if got := strings.Count(start(t, site).logText(), "AUTH_TRUST_HOST"); got != 1 {
		t.Errorf("said %d times", got)
	}
}

// TestAUTHURL has the environment's URLs in both dialects.
func TestAUTHURL(t *testing.T) {
	for _, c := range []struct{ compat, auth, next, want string }{
		{"v4", "https://localhost/a/auth", "", "http://localhost:{PORT}/api/auth/"},
		{"v4", "https://localhost/a/auth", "https://localhost/b/auth", "https://localhost/b/auth/"},
		{"v5", "https://localhost/a/auth", "https://localhost/b/auth", "https://localhost/a/auth/"},
		{"v5", "https://localhost", "", "https://localhost/api/auth/"},
		{"v5", "", "https://localhost/b/auth", "https://localhost/b/auth/"},
	} {
		t.Setenv("AUTH_URL", c.auth)
		t.Setenv("NEXTAUTH_URL", c.next)
		s := start(t, siteWith("compat "+c.compat+"\nsecret "+secret+"\n"+keycloak))
		want := strings.ReplaceAll(c.want, "{PORT}", s.Port)
		base := want[strings.Index(want[8:], "/")+8:]
		if a := s.browser().get(base + "providers"); !strings.Contains(a.body, `"`+want+`signin/keycloak"`) {
			t.Errorf("%+v: %s %s", c, a.Status, a.body)
		}
	}
}
