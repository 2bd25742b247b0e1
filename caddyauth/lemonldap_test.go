package caddyauth_test

import (
	"os"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestMoreLemonLDAP signs in by a posted form and out again with a provider that
// Debian has a package of, which few machines have: CADDYAUTH_MORE=1 runs it.
func TestMoreLemonLDAP(t *testing.T) {
	if os.Getenv("CADDYAUTH_MORE") != "1" {
		return
	}
	port := testport.Free(t)
	base := "http://localhost:" + port
	r := &certified{T: t, up: newUpstream(t, nil), op: testop.StartLemonLDAP(t, base+"/api/auth/callback/op", base+"/api/auth/signed-out")}
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", r.op.ClientSecret)
	r.s = start(t, `
http://localhost:`+port+` {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+r.op.URL+` as op {
			client_id `+r.op.ClientID+`
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
			response_mode form_post
		}
		public /open
		allow any
		headers
		logout
	}
	reverse_proxy `+r.up.addr()+`
}
http://localhost:{PORT} {
	respond ok
}
`)
	r.s.Base = base
	b := r.s.strict()
	v := r.op.Walk(t, b.Jar, r.begin(b, "/private?x=1"), testop.LemonUser)
	if v.Form.Get("code") == "" || v.Pages != 1 {
		t.Fatalf("the provider sends %v to %s after %d pages", v.Form, v.URL, v.Pages)
	}
	a := b.arrive(v)
	got := r.up.take()
	if a.Request.URL.String() != base+"/private?x=1" || len(got) != 1 {
		t.Fatalf("ends at %s: %s\n%v", a.Request.URL, a.Status, r.s.failures())
	}
	if h := got[0].Header; h.Get("Remote-User") != "dwho" || h.Get("Remote-Name") != "Doctor Who" || h.Get("Remote-Email") != "dwho@badwolf.org" {
		t.Errorf("the upstream got %v", h)
	}
	// The session there lasts: it asks nothing the next time.
	if v := r.op.Walk(t, b.Jar, r.begin(b, "/"), nil); v.Pages != 0 || v.Form.Get("code") == "" {
		t.Errorf("the provider sends %v to %s after %d pages", v.Form, v.URL, v.Pages)
	}
	if a := b.arrive(r.op.Walk(t, b.Jar, b.leave("/open?x").Header.Get("Location"), nil)); a.Request.URL.String() != base+"/open?x" {
		t.Errorf("signing out ends at %s: %s", a.Request.URL, a.Status)
	}
	if v := r.op.Walk(t, b.Jar, r.begin(b, "/"), testop.LemonUser); v.Pages != 1 {
		t.Errorf("the provider asks %d times", v.Pages)
	}
}
