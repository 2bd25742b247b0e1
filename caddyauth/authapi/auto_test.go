package authapi

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

var opened = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Sec-Fetch-User", "?1"}

func autoWorld(t testing.TB) *world {
	return newWorld(t, func(o *Options) { o.AutoRedirect = true; o.Providers = o.Providers[:1] })
}

func TestAutoRedirect(t *testing.T) {
	for _, c := range []struct {
		name, method, target string
		header               []string
		starts               bool
	}{
		{"opened", "GET", "/signin", opened, true},
		{"from the gate", "GET", "/signin?callbackUrl=%2Fdeep%3Fx", opened, true},
		{"from a link elsewhere", "GET", "/signin", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}, true},
		{"old browser", "GET", "/signin", []string{"Accept", "text/html,*/*;q=0.8"}, true},
		{"program", "GET", "/signin", []string{"Accept", "*/*"}, false},
		{"fetch", "GET", "/signin", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, false},
		{"image", "GET", "/signin", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false},
		{"frame", "GET", "/signin", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
		{"prefetch", "GET", "/signin", append([]string{"Sec-Purpose", "prefetch;prerender"}, opened...), false},
		{"old prefetch", "GET", "/signin", append([]string{"Purpose", "prefetch"}, opened...), false},
		{"HEAD", "HEAD", "/signin", opened, false},
		{"error", "GET", "/signin?error=OAuthCallback", opened, false},
		{"empty error", "GET", "/signin?error=", opened, false},
		{"CSRF failure", "GET", "/signin?csrf=true", opened, false},
		{"CSRF-02 below signin", "GET", "/signin/op", opened, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := autoWorld(t)
			r := w.browser(t).do(c.method, c.target, "", c.header...)
			if c.starts != strings.HasPrefix(r.location(), idpURL) || c.starts != (len(w.op.started) == 1) {
				t.Errorf("got %d %q", r.status, r.location())
			}
		})
	}
}

func TestAutoRedirectFlow(t *testing.T) {
	w := autoWorld(t)
	b := w.browser(t)
	start := b.get("/signin?callbackUrl=%2Fdeep%3Fx", opened...)
	done := b.get("/callback/op?code=x&state=" + start.param("state"))
	equal(t, "Location", done.location(), testOrigin+"/deep?x")

	b.post("/signout")
	page := b.get("/signin?callbackUrl=%2Fdeep", opened...)
	if page.status != 200 || strings.Contains(page.body, "role=\"alert\"") {
		t.Errorf("after signing out: %d", page.status)
	}
	if again := b.get("/signin", opened...); again.status != 302 {
		t.Errorf("the next time: %d", again.status)
	}
}

// TestAutoRedirectLoop lets every flow fail: the browser must come to rest.
func TestAutoRedirectLoop(t *testing.T) {
	w := autoWorld(t)
	b := w.browser(t)
	for _, err := range []error{
		&provider.Error{Reason: provider.ReasonProfile},
		&provider.Error{Reason: provider.ReasonUnavailable},
		errors.New("other"),
	} {
		w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return nil, err }
		start := b.get("/signin", opened...)
		r := b.get("/callback/op?code=x&state=" + start.param("state"))
		for hops := 0; r.status == 302; hops++ {
			if hops > 3 || !strings.HasPrefix(r.location(), testOrigin+testBase) {
				t.Fatalf("%v: still going to %q", err, r.location())
			}
			r = b.get(strings.TrimPrefix(r.location(), testOrigin+testBase), opened...)
		}
		equal(t, err.Error(), r.status, 200)
	}
	w.op.startErr = errors.New("down")
	if r := b.get("/signin", opened...); r.location() != testOrigin+testBase+"/error?error=OAuthSignin" {
		t.Errorf("got %q", r.location())
	}
}

// A sign-in page that starts flows must not be where a flow ends.
func TestREDIR16AutoRedirect(t *testing.T) {
	for _, back := range []string{
		testBase + "/signin", testBase + "/signin/", testBase + "/sign%69n", testBase + "/signin?callbackUrl=" + testBase + "/signin",
		testBase + "/signin#x", testOrigin + testBase + "/signin?error=x",
	} {
		w := autoWorld(t)
		b := w.browser(t)
		start := b.get("/signin?callbackUrl="+url.QueryEscape(back), opened...)
		done := b.get("/callback/op?code=x&state=" + start.param("state"))
		equal(t, back, done.location(), testOrigin)
	}
	for _, other := range []string{"/signin", testBase + "/signin/op", testBase + "/signinx"} {
		b := autoWorld(t).browser(t)
		start := b.get("/signin?callbackUrl="+other, opened...)
		done := b.get("/callback/op?code=x&state=" + start.param("state"))
		equal(t, other, done.location(), testOrigin+other)
	}
	t.Run("without AutoRedirect", func(t *testing.T) {
		b := newWorld(t).browser(t)
		b.get("/signin?callbackUrl=" + testBase + "/signin")
		equal(t, "Location", b.signIn("op").location(), testOrigin+testBase+"/signin")
	})
}

func TestAutoRedirectSignedIn(t *testing.T) {
	w := autoWorld(t)
	b := w.browser(t)
	start := b.get("/signin", opened...)
	b.get("/callback/op?code=x&state=" + start.param("state"))
	equal(t, "flows", len(w.op.started), 1)
	for _, c := range []struct{ target, to string }{
		{"/signin?callbackUrl=%2Fdeep%3Fx", testOrigin + "/deep?x"},
		{"/signin", testOrigin + "/deep?x"}, // remembered
		{"/signin?callbackUrl=" + testBase + "/signin", testOrigin},
	} {
		r := b.get(c.target, opened...)
		if r.status != 302 || r.location() != c.to {
			t.Errorf("%s: got %d %q", c.target, r.status, r.location())
		}
	}
	equal(t, "flows", len(w.op.started), 1)
	// The page is still there for whoever asks for it, and no limit is used up.
	if r := b.get("/signin?error=OAuthCallback", opened...); r.status != 200 {
		t.Errorf("got %d %q", r.status, r.location())
	}
	for range 100 {
		if r := b.get("/signin", opened...); r.status != 302 {
			t.Fatalf("got %d", r.status)
		}
	}
}

func TestAutoRedirectNeedsOneProvider(t *testing.T) {
	for name, list := range map[string]func([]provider.Provider) []provider.Provider{
		"several":  func(p []provider.Provider) []provider.Provider { return p },
		"password": func(p []provider.Provider) []provider.Provider { return p[2:] },
		"none":     func(p []provider.Provider) []provider.Provider { return nil },
	} {
		w := newWorld(t, func(o *Options) { o.AutoRedirect = true; o.Providers = list(o.Providers) })
		if r := w.browser(t).get("/signin", opened...); r.status != 200 {
			t.Errorf("%s: %d %q", name, r.status, r.location())
		}
	}
}
