package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// demo is a site with everything: the development provider, a users file, a
// public front, private parts and an upstream.
func demo(t *testing.T) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		public
		private /app/*
		allow any
		allow /app/admin/* role admin
		headers
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

func TestSignInWithProvider(t *testing.T) {
	s, up := demo(t)
	b := s.browser()
	deep := s.Base + "/app/x?a=1&b=%2F%26&c=%E9%A0%81"

	a := b.get(deep)
	if a.StatusCode != http.StatusFound || len(up.take()) != 0 {
		t.Fatalf("deep link without a session: %s", a.Status)
	}
	location, _ := a.Location()
	if got := location.Query().Get("callbackUrl"); got != deep {
		t.Errorf("REDIR-19 return address %q, want %q", got, deep)
	}
	b.persona("admin", deep)
	got := up.take()
	if len(got) != 1 || got[0].RequestURI != strings.TrimPrefix(deep, s.Base) {
		t.Fatalf("after signing in: %v", got)
	}
	for name, want := range map[string]string{
		"Remote-User": "dev:admin", "Remote-Email": "admin@example.com", "Remote-Groups": "admin,staff",
	} {
		if v := got[0].Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if c := got[0].Header.Get("Cookie"); c != "" {
		t.Errorf("the upstream got cookies %q", c)
	}
	if body := b.get("/api/auth/session").body; !strings.Contains(body, `"email":"admin@example.com"`) {
		t.Errorf("session %s", body)
	}
	if a := b.get("/app/admin/"); a.StatusCode != http.StatusOK {
		t.Errorf("administrator: %s", a.Status)
	}
}

func TestSignInWithUsersFile(t *testing.T) {
	s, up := demo(t)
	b := s.browser()
	if a := b.password("alice", "wrong", "/app/x"); !strings.Contains(a.Header.Get("Location"), "error=CredentialsSignin") {
		t.Errorf("wrong password: %s %s", a.Status, a.Header.Get("Location"))
	}
	if a := b.password("alice", "alice", "/app/x"); a.Header.Get("Location") != s.Base+"/app/x" {
		t.Fatalf("right password: %s %s", a.Status, a.Header.Get("Location"))
	}
	if a := b.get("/app/x"); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	if got := up.take()[0].Header.Get("Remote-Groups"); got != "staff" {
		t.Errorf("groups %q", got)
	}
	if a := b.get("/app/admin/"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "alice@example.com") {
		t.Errorf("plain user: %s\n%s", a.Status, a.body)
	}
	if got := up.take(); len(got) != 0 {
		t.Errorf("the upstream got %v", got)
	}
}

func TestOUT01SignOut(t *testing.T) {
	s, _ := demo(t)
	b := s.browser()
	b.persona("alice", "/app/x")
	stolen := b.cookieHeader()
	a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
	if a.StatusCode != http.StatusFound {
		t.Fatal(a.Status)
	}
	if a := b.get("/app/x"); a.StatusCode != http.StatusFound {
		t.Errorf("after signing out: %s", a.Status)
	}
	if a := s.browser().get("/app/x", "Cookie", stolen); a.StatusCode != http.StatusFound {
		t.Errorf("a copied cookie after signing out: %s", a.Status)
	}
}
