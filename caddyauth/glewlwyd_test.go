package caddyauth_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestMoreGlewlwyd signs in, has tokens renewed and signs out with a provider that
// Debian has a package of, which few machines have: CADDYAUTH_MORE=1 runs it.
func TestMoreGlewlwyd(t *testing.T) {
	if os.Getenv("CADDYAUTH_MORE") != "1" {
		return
	}
	port, up := testport.Free(t), newUpstream(t, nil)
	base := "http://localhost:" + port
	op := testop.StartGlewlwyd(t, base+"/api/auth/callback/op", base+"/api/auth/backchannel-logout/op")
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", op.ClientSecret)
	s := start(t, `
http://localhost:`+port+` {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+op.URL+` as op {
			client_id `+op.ClientID+`
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
		}
		public /open
		allow any
		headers
		access_token
		logout {
			provider on
			backchannel
		}
	}
	reverse_proxy `+up.addr()+`
}
http://localhost:{PORT} {
	respond ok
}
`)
	s.Base = base
	b := s.strict()
	signIn := func() {
		t.Helper()
		a := b.do(http.MethodPost, "/api/auth/signin/op", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {"/private?x=1"}})
		to := a.Header.Get("Location")
		if !strings.HasPrefix(to, op.URL+"/auth?client_id=") || !strings.Contains(to, "&request_uri=urn") {
			t.Fatalf("%s to %q\n%v", a.Status, to, s.failures())
		}
		a = b.arrive(testop.Visit{URL: op.SignIn(t, b.Jar, to, "alice")})
		if a.Request.URL.String() != base+"/private?x=1" || a.StatusCode != http.StatusOK {
			t.Fatalf("ends at %s: %s\n%v", a.Request.URL, a.Status, s.failures())
		}
	}
	signIn()
	tokens := make(map[string]bool)
	for range 3 {
		up.take()
		if a := b.get("/private"); a.StatusCode != http.StatusOK {
			t.Fatal(a.Status)
		}
		h := up.take()[0].Header
		if h.Get("Remote-Name") != "Alice Example" || h.Get("Remote-Email") != "alice@example.com" || h.Get("Remote-User") == "" {
			t.Errorf("the upstream got %v", h)
		}
		tokens[h.Get(forwardedToken)] = true
		time.Sleep(1100 * time.Millisecond) // until it has expired
	}
	if len(tokens) != 3 || tokens[""] {
		t.Errorf("%d access tokens", len(tokens))
	}

	// Somebody who has signed in again makes use of where to sign out. glewlwyd's
	// logout tokens are those of draft 06, without an end: the final specification has
	// them refused (Back-Channel Logout 1.0, sections 2.4 and 2.6).
	to := b.leave("/open").Header.Get("Location")
	if !strings.HasPrefix(to, op.URL+"/end_session?") || b.get("/api/auth/session").body != "{}" {
		t.Fatalf("to %q", to)
	}
	signIn()
	op.EndSession(t, b.Jar, to)
	for until := time.Now().Add(5 * time.Second); len(s.linesOf("logout request refused")) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("no logout token came")
		}
	}
	if l := s.linesOf("logout request refused")[0]; l["error"] != "the logout token is no good: exp is missing" || b.get("/private").StatusCode != http.StatusOK {
		t.Errorf("%v", l)
	}
}
