package caddyauth_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestOwnPagesSpellings checks that whoever is sent to a page of the site's own arrives
// there, however the page is written.
func TestOwnPagesSpellings(t *testing.T) {
	t.Setenv("SIGN_OUT_PAGE", "/bye")
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		url http://localhost:{PORT}
		pages {
			sign_in /sign%20in?theme=dark
			sign_out {env.SIGN_OUT_PAGE}
			error http://LOCALHOST:{PORT}/oops
			verify_request http://other.example/mail
			new_user /willkommen/grüße
		}
	}
	respond page
}
`)
	b := s.browser()
	a := b.follow(b.get("/private"))
	if a.StatusCode != http.StatusOK || a.body != "page" || a.Request.URL.EscapedPath() != "/sign%20in" || !strings.Contains(a.Request.URL.RawQuery, "theme=dark") {
		t.Errorf("sign-in page: %s at %s", a.Status, a.Request.URL)
	}
	for path, want := range map[string]int{
		"/sign%20in": 200, "/sign in": 200, "/bye": 200, "/oops": 200, "/willkommen/gr%C3%BC%C3%9Fe": 200,
		"/sign%2520in": 302, "/Bye": 302, "/oops/": 302, "/mail": 302, "/": 302,
	} {
		if a := b.get(strings.ReplaceAll(path, " ", "%20")); a.StatusCode != want {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if a := b.get("/api/auth/signout"); a.StatusCode != http.StatusFound || !strings.HasPrefix(a.Header.Get("Location"), s.Base+"/bye") && !strings.HasPrefix(a.Header.Get("Location"), "/bye") {
		t.Errorf("sign-out page: %s %s", a.Status, a.Header.Get("Location"))
	}
}
