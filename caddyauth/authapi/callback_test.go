package authapi

import (
	"errors"
	"net/netip"
	"net/url"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// lastReason is the reason of the latest failure in the log.
func (w *world) lastReason(t testing.TB) any {
	t.Helper()
	lines := w.logs.FilterMessage("sign-in failed").All()
	if len(lines) == 0 {
		t.Fatal("no failure in the log")
	}
	return lines[len(lines)-1].ContextMap()["reason"]
}

// One state, and any number of codes made up for it: each would be a request of
// ours to the provider.
func TestManyCallbacks(t *testing.T) {
	w := newWorld(t)
	w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return nil, errors.New("no such code") }
	b := w.browser(t)
	state := b.start("op")
	var r reply
	for range 80 {
		r = b.get("/callback/op?code=made-up&state=" + state)
	}
	equal(t, "exchanged", len(w.op.exchanged), 60)
	wantError(t, r, codeOAuthCallback)
	equal(t, "Retry-After", r.header.Get("Retry-After"), "60")
	equal(t, "reason", w.lastReason(t), any("too_many_attempts"))

	t.Run("callbacks without a flow cost nothing", func(t *testing.T) {
		w.site.ClientIP = netip.MustParseAddr("198.51.100.1")
		for range 80 {
			b.get("/callback/op?code=made-up&state=wrong")
		}
		w.op.exchange = nil
		equal(t, "Location", b.get("/callback/op?code=x&state="+state).location(), testOrigin)
	})
}

func TestTOKEN02RepeatedParameters(t *testing.T) {
	const evil = "&iss=https%3A%2F%2Fevil.example"
	for _, c := range []struct {
		name, query string // state is put in place of S
		reason      provider.Reason
	}{
		{"TOKEN-02 iss", "code=abc&state=S" + evil + "&iss=https%3A%2F%2Fother.example", provider.ReasonIss},
		{"TOKEN-02 the same iss", "code=abc&state=S" + evil + evil, provider.ReasonIss},
		{"TOKEN-02 an empty iss", "code=abc&state=S&iss=&iss=", provider.ReasonIss},
		{"code", "code=abc&code=def&state=S", provider.ReasonCode},
		{"state", "code=abc&state=S&state=S", ReasonStateMissing},
		{"another state", "code=abc&state=evil&state=S", ReasonStateMissing},
	} {
		for _, checks := range []provider.Checks{{State: true, PKCE: true, Nonce: true}, {PKCE: true}} {
			for _, method := range []string{"GET", "POST"} {
				w := newWorld(t)
				w.op.checks = checks
				b := w.browser(t)
				v, err := url.ParseQuery(c.query)
				if err != nil {
					t.Fatal(err)
				}
				state := b.start("op")
				for i, s := range v["state"] {
					if s == "S" {
						v["state"][i] = state
					}
				}
				var r reply
				if method == "GET" {
					r = b.get("/callback/op?" + v.Encode())
				} else {
					r = b.do("POST", "/callback/op", v.Encode())
				}
				wantError(t, r, codeOAuthCallback)
				equal(t, c.name+" reason", w.lastReason(t), any(string(c.reason)))
				if len(w.op.exchanged) != 0 || b.session() != nil {
					t.Errorf("%s %s: it had an effect", method, c.name)
				}
			}
		}
	}
}

// A form that another site sends comes without our cookies. What it sets would
// replace the token that other tabs have in their forms.
func TestCSRF12CrossSiteSetsNothing(t *testing.T) {
	w := newWorld(t)
	for _, p := range posts {
		form := "callbackUrl=%2Fevil"
		r := w.browser(t).do("POST", p.target, form, "Sec-Fetch-Site", "cross-site")
		if len(r.cookies) != 0 {
			t.Errorf("%s sets %q", p.target, r.names())
		}
		equal(t, p.target, r.location(), testOrigin+testBase+p.refused)
		if r := w.browser(t).do("POST", p.target, form, "Sec-Fetch-Site", "same-site"); len(r.cookies) == 0 {
			t.Errorf("%s: a form of the same site is told nothing", p.target)
		}
	}
	if r := w.browser(t).do("POST", "/session", "", "Sec-Fetch-Site", "cross-site"); len(r.cookies) != 0 {
		t.Errorf("/session sets %q", r.names())
	}
	if r := w.browser(t).do("POST", "/callback/op", "error=access_denied", "Sec-Fetch-Site", "cross-site"); len(r.cookies) != 0 {
		t.Errorf("a callback sets %q", r.names())
	}
	// A link from elsewhere is how people come.
	if r := w.browser(t).get("/signin", "Sec-Fetch-Site", "cross-site"); len(r.cookies) != 2 {
		t.Errorf("a link sets %q", r.names())
	}
	// A provider may send its answer as a form, to sites whose cookies allow it.
	b := w.browser(t)
	state := b.start("op")
	r := b.do("POST", "/callback/op", "code=x&state="+state, "Sec-Fetch-Site", "cross-site")
	if equal(t, "Location", r.location(), testOrigin); b.session() == nil {
		t.Error("not signed in")
	}
}

func TestCommonLoopback(t *testing.T) {
	for origin, want := range map[string]bool{
		"http://localhost": true, "http://localhost:8080": true, "http://127.0.0.1:8080": true,
		"http://[::1]:8080": true, "http://[::1]": true, "http://app.localhost": true,
		"http://127.evil.example": false, "http://127.0.0.1.evil.example:80": false, "https://localhost": false,
	} {
		q := &request{site: Site{Origin: origin}}
		equal(t, origin, q.common().Loopback, want)
	}
}
