package authapi

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestWholeFlowV5(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	b.get("/signin?callbackUrl=%2Fmembers%2F%3Fx%3D1")
	r := b.post("/signin/op?scope=a&scope=openid%20b&client_id=evil&prompt=login")
	if !slices.Equal(r.names(), w.cookieNames("state", "pkce.code_verifier", "nonce")) {
		t.Errorf("cookies at the start: %q", r.names())
	}
	if !strings.Contains(r.location(), "scope=openid+b") || r.param("client_id") != "client" || r.param("prompt") != "login" {
		t.Errorf("authorization request %q", r.location())
	}
	sent := w.op.started[0]
	equal(t, "redirect_uri", sent.RedirectURI, baseURL+"/callback/op")
	r = b.get("/callback/op?code=the-code&iss=https%3A%2F%2Fidp&state=" + sent.State)
	equal(t, "status", r.status, 302)
	equal(t, "Location", r.location(), testOrigin+"/members/?x=1")
	if !slices.Equal(r.names(), w.cookieNames("state", "pkce.code_verifier", "nonce", "session-token", "rounds")) {
		t.Errorf("cookies at the end: %q", r.names())
	}
	equal(t, "challenge", challenge(w.op.exchanged[0].CodeVerifier), sent.CodeChallenge)
	equal(t, "nonce", w.op.exchanged[0].Nonce, sent.Nonce)

	s := b.session()
	if !uuid.MatchString(s.User.ID) || s.Evidence.Account != "alice-id" || s.AccountID() != "alice-id" {
		t.Errorf("user %q, account %q", s.User.ID, s.Evidence.Account)
	}
	r = b.get("/session")
	equal(t, "LEAK-03 session", r.body, `{"user":{"name":"Alice","email":"alice@example.com","image":null},"expires":"2026-12-23T12:00:00.000Z"}`)
	equal(t, "the user stays", b.session().User.ID, s.User.ID)
	b.signIn("op")
	if b.session().User.ID == s.User.ID {
		t.Error("a user without a store outlives the session")
	}
	r = b.post("/signout", "callbackUrl", "/bye")
	equal(t, "Location", r.location(), testOrigin+"/bye")
	if !slices.Equal(r.names(), w.cookieNames("callback-url", "session-token", "rounds")) {
		t.Errorf("cookies at sign-out: %q", r.names())
	}
	equal(t, "session after", b.get("/session").body, "null")
	for _, line := range w.logs.FilterField(zap.String("user_id", s.User.ID)).All() {
		t.Errorf("the log names nobody: %s", line.Message)
	}
}

func TestAuthorizationURLV5(t *testing.T) {
	for in, want := range map[string]string{
		"https://idp/a%20b?scope=a%20b%2Bc&x~%2A=%2520": "https://idp/a%20b?scope=a+b%2Bc&x%7E*=%2520",
		"https://idp/a~b": "https://idp/a~b",
		"https://idp/?":   "https://idp/?",
	} {
		equal(t, in, authorizationURLV5(in), want)
	}
	equal(t, "v4", v4().authorizationURL("https://idp/?a=b%20c"), "https://idp/?a=b%20c")
}

func TestPasswordV5(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	b.csrf()
	r := b.password("bob", "hunter2-hunter2")
	equal(t, "Location", r.location(), testOrigin)
	equal(t, "sub", b.session().User.ID, "bob")
	sid := b.session().Evidence.SID
	r = b.password("bob", "wrong")
	equal(t, "Location", r.location(), baseURL+"/signin?error=CredentialsSignin&code=credentials")
	equal(t, "session after", b.session().Evidence.SID, sid)
	page := b.get("/signin?error=CredentialsSignin&code=credentials")
	if !strings.Contains(page.body, `value="bob"`) || !strings.Contains(page.body, "Check the details") {
		t.Errorf("page %s", page.body)
	}
	one := w.browser(t).password("bob", "wrong")
	two := w.browser(t).password("nobody", "wrong")
	if one.location() != two.location() || !slices.Equal(one.names(), two.names()) {
		t.Errorf("BRUTE-01 %q and %q", one.location(), two.location())
	}
	for range 10 {
		r = b.password("bob", "wrong")
	}
	if r.location() != one.location() || r.header.Get("Retry-After") != "60" {
		t.Errorf("beyond the limit: %q", r.location())
	}
}

// TestBrokenCallbacksV5 are callbacks that must not sign anybody in.
func TestBrokenCallbacksV5(t *testing.T) {
	const declined = baseURL + "/signin?error=OAuthCallbackError"
	for _, c := range []struct {
		id, target string // STATE is the good one
		location   string
		reason     reason
	}{
		{"STATE-01 no state", "/callback/op?code=x", configuration, ReasonStateMissing},
		{"STATE-01 empty state", "/callback/op?code=x&state=", configuration, ReasonStateMissing},
		{"STATE-01 repeated, wrong last", "/callback/op?code=x&state=STATE&state=x", configuration, ReasonStateMismatch},
		{"state of somebody else", "/callback/op?code=x&state=" + vectorToken, configuration, ReasonStateMismatch},
		{"STATE-07 other provider's state", "/callback/github?code=x&state=STATE", configuration, ReasonStateInvalid},
		{"STATE-12 error and code", "/callback/op?error=access_denied&code=x&state=STATE", declined, ReasonDeclined},
		{"STATE-12 other error", "/callback/op?error=server_error&state=STATE", declined, ReasonProviderError},
		{"TOKEN-02 error and wrong iss", "/callback/op?error=access_denied&state=STATE&iss=https%3A%2F%2Fevil.example", configuration, provider.ReasonIss},
		{"TOKEN-02 error and iss", "/callback/op?error=access_denied&state=STATE&iss=https%3A%2F%2Fop.example.com", declined, ReasonDeclined},
		{"STATE-13 error without state", "/callback/op?error=access_denied", configuration, ReasonStateMissing},
		{"STATE-13 error with a wrong state", "/callback/op?error=access_denied&state=wrong", configuration, ReasonStateMismatch},
		{"STATE-13 error with another's state", "/callback/github?error=access_denied&state=STATE", configuration, ReasonStateInvalid},
	} {
		t.Run(c.id, func(t *testing.T) {
			w := newWorld(t, inV5)
			b := w.browser(t)
			state := b.start("op")
			kept := slices.Clone(b.jar)
			r := b.get(strings.ReplaceAll(c.target, "STATE", state))
			equal(t, "Location", r.location(), c.location)
			if n := len(w.op.exchanged) + len(w.gh.exchanged); n != 0 {
				t.Errorf("%d codes were redeemed", n)
			}
			if !slices.Equal(r.names(), w.cookieNames("notice")) {
				t.Errorf("deviation 7: cookies %q", r.names())
			}
			w.wantReason(t, c.id, c.reason, true)
			b.jar = kept
			if r := b.get("/callback/op?code=x&state=" + state); r.location() != testOrigin {
				t.Errorf("the flow is dead: %q", r.location())
			}
		})
	}
}

// Of parameters that come twice the last one counts, for the check and for the
// exchange alike.
func TestRepeatedParametersV5(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	r := b.get("/callback/op?code=evil&code=good&iss=https%3A%2F%2Fevil&iss=https%3A%2F%2Fidp&state=evil&state=" + b.start("op"))
	equal(t, "Location", r.location(), testOrigin)
	got := w.op.exchanged[0].Params
	if got.Get("code") != "good" || got.Get("iss") != "https://idp" || len(got["code"]) != 1 {
		t.Errorf("TOKEN-02 exchanged %v", got)
	}
}

// Auth.js reads the query even of a POST, unless the provider was asked to post.
func TestPostCallbackV5(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	state := b.start("op")
	for _, c := range [][2]string{
		{"/callback/op", "code=x&state=" + state},
		{"/callback/op?code=x", "state=" + state},
		{"/callback/op?state=wrong", "code=x&state=" + state},
	} {
		if r := b.do("POST", c[0], c[1]); r.location() != configuration {
			t.Errorf("STATE-14 %s: %q", c[0], r.location())
		}
	}
	equal(t, "redeemed", len(w.op.exchanged), 0)
	equal(t, "Location", b.do("POST", "/callback/op?code=x&state="+state, "").location(), testOrigin)
}

// Without a check of state there is nothing to look for before an error is
// believed.
func TestErrorWithoutStateCheckV5(t *testing.T) {
	w := newWorld(t, inV5)
	w.op.checks = provider.Checks{PKCE: true}
	r := w.browser(t).get("/callback/op?error=access_denied")
	equal(t, "no flow", r.location(), configuration)
	b := w.browser(t)
	b.post("/signin/op")
	equal(t, "flow", b.get("/callback/op?error=access_denied").location(), baseURL+"/signin?error=OAuthCallbackError")
}

// Deviation 7: an error says goodbye to no cookie, and keeps those that every
// page sets anyway.
func TestDeviation7(t *testing.T) {
	w := newWorld(t, inV5, func(o *Options) { o.Authorize = nil })
	b := w.browser(t)
	state := b.start("op")
	r := b.get("/callback/op?code=x&state=wrong&callbackUrl=/elsewhere")
	if !slices.Equal(r.names(), w.cookieNames("callback-url", "notice")) {
		t.Errorf("cookies %q", r.names())
	}
	equal(t, "Location", b.get("/callback/op?code=x&state="+state).location(), testOrigin+"/elsewhere")
	t.Run("STATE-11 two tabs", func(t *testing.T) {
		b := w.browser(t)
		one, two := b.start("op"), b.start("github")
		for id, state := range map[string]string{"op": one, "github": two} {
			if r := b.get("/callback/" + id + "?code=x&state=" + state); r.location() != testOrigin {
				t.Errorf("%s: %q", id, r.location())
			}
		}
	})
	t.Run("TOKEN-06 again", func(t *testing.T) {
		b := w.browser(t)
		state := b.start("op")
		before := len(w.op.exchanged)
		for range 3 {
			equal(t, "Location", b.get("/callback/op?code=x&state="+state).location(), testOrigin)
		}
		equal(t, "redeemed", len(w.op.exchanged)-before, 1)
		equal(t, "an error is no replay", b.get("/callback/op?error=access_denied&state="+state).location(), configuration)
	})
}

// A flow that Auth.js began ends here: its cookies hold one attempt each.
func TestCheckCookiesOfAuthJS(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	for name, value := range map[string]string{"state": "eyJhbGciOiJkaXIifQ..a.b.c", "pkce.code_verifier": vectorToken, "nonce": "a-nonce"} {
		b.keep(w.seal(t, w.name(name), value, "op", checkAge))
	}
	r := b.get("/callback/op?code=x&state=" + url.QueryEscape("eyJhbGciOiJkaXIifQ..a.b.c"))
	equal(t, "Location", r.location(), testOrigin)
	if ex := w.op.exchanged[0]; ex.CodeVerifier != vectorToken || ex.Nonce != "a-nonce" {
		t.Errorf("exchanged %+v", ex)
	}
	// The full name is the salt: a cookie of the other origin's is none.
	b = w.browser(t)
	c := w.seal(t, "authjs.state", "s", "op", checkAge)
	c.name = w.name("state")
	b.keep(c)
	equal(t, "COOK-13", b.get("/callback/op?code=x&state=s").location(), configuration)
}

func TestCookieAttributesV5(t *testing.T) {
	for _, c := range []struct{ origin, prefix, host, tail string }{
		{"https://app.example.com", "__Secure-authjs.", "__Host-authjs.", "HttpOnly; Secure; SameSite=Lax"},
		{"http://localhost:8080", "authjs.", "authjs.", "HttpOnly; SameSite=Lax"},
	} {
		w := newWorld(t, inV5)
		w.site.Origin = c.origin
		b := w.browser(t)
		r := b.post("/signin/op")
		for name, attributes := range map[string]string{
			"state":              "Max-Age=900; Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; " + c.tail,
			"pkce.code_verifier": "Max-Age=900; Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; " + c.tail,
			"nonce":              "Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; " + c.tail,
		} {
			if got, ok := r.cookie(c.prefix + name); !ok || got.attributes != attributes {
				t.Errorf("%s: got %q, want %q", name, got.attributes, attributes)
			}
		}
		fresh := w.browser(t).get("/csrf")
		if !slices.Equal(fresh.names(), []string{c.host + "csrf-token", c.prefix + "callback-url"}) {
			t.Errorf("cookies %q", fresh.names())
		}
		r = b.get("/callback/op?code=c&state=" + r.param("state"))
		if s, ok := r.cookie(c.prefix + "session-token"); !ok || s.attributes != "Path=/; Expires=Wed, 23 Dec 2026 12:00:00 GMT; "+c.tail {
			t.Errorf("session: got %q", s.attributes)
		}
		if b.session() == nil {
			t.Error("the session cannot be read")
		}
	}
}

// Texts of the other codes of Auth.js, and a notice beside them.
func TestPagesV5(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	if page := b.get("/signin?error=OAuthCallbackError"); !strings.Contains(page.body, "The sign-in was not completed") {
		t.Errorf("page %s", page.body)
	}
	b.start("op")
	w.clock.add(16 * time.Minute)
	b.get("/callback/op?code=x&state=y")
	page := b.get("/error?error=Configuration")
	if page.status != 500 || !strings.Contains(page.body, "took too long") {
		t.Errorf("the page does not say what happened: %d %s", page.status, page.body)
	}
	b.do("POST", "/signout", "")
	if page := b.get("/signin?error=MissingCSRF"); !strings.Contains(page.body, "open for too long") {
		t.Errorf("page %s", page.body)
	}
	for _, code := range []string{"configuration", "ACCESSDENIED", "__proto__", "constructor"} {
		page := b.get("/error?error=" + code)
		if page.status != 200 || !strings.Contains(page.body, "Something went wrong") {
			t.Errorf("%s: %d", code, page.status)
		}
	}
	// The last of repeated codes is the one that the built-in page shows.
	if page := b.get("/signin?error=SessionRequired&error=CredentialsSignin"); !strings.Contains(page.body, "Check the details") {
		t.Errorf("page %s", page.body)
	}
}

func TestAutoRedirectV5(t *testing.T) {
	w := newWorld(t, inV5, func(o *Options) { o.AutoRedirect = true; o.Providers = o.Providers[:1] })
	b := w.browser(t)
	start := b.get("/signin?callbackUrl=%2Fdeep", opened...)
	if !strings.HasPrefix(start.location(), idpURL) {
		t.Fatalf("got %q", start.location())
	}
	equal(t, "Location", b.get("/callback/op?code=x&state="+start.param("state")).location(), testOrigin+"/deep")
	b.post("/signout")
	equal(t, "after signing out", b.get("/signin", opened...).status, 200)
	equal(t, "CSRF-02", b.get("/signin/op", opened...).location(), configuration)
	for _, back := range []string{testBase + "/signin", testBase + "//signin/", testBase + "/signin/undefined"} {
		b := w.browser(t)
		start := b.get("/signin?callbackUrl="+url.QueryEscape(back), opened...)
		equal(t, "REDIR-16 "+back, b.get("/callback/op?code=x&state="+start.param("state")).location(), testOrigin)
	}
}

func TestHostileCallbackURLsV5(t *testing.T) {
	for _, h := range hostile {
		w := newWorld(t, inV5)
		for name, route := range map[string]func(b *browser) string{
			"body":  func(b *browser) string { return b.post("/signout", "callbackUrl", h.raw).location() },
			"query": func(b *browser) string { return b.post("/signout?callbackUrl=" + url.QueryEscape(h.raw)).location() },
			"header mode": func(b *browser) string {
				return b.do("POST", "/signout", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {h.raw}}.Encode(), returnRedirect, "1").location()
			},
			"REDIR-14 cookie": func(b *browser) string {
				b.keep(setCookie{name: w.name("callback-url"), value: cookie.Encode(h.raw)})
				return b.signIn("op").location()
			},
			"own page": func(b *browser) string {
				r := b.get("/signin?callbackUrl=" + url.QueryEscape(h.raw))
				c, _ := r.cookie(w.name("callback-url"))
				return cookie.Decode(c.value)
			},
		} {
			if got := route(w.browser(t)); got != testOrigin {
				t.Errorf("%s %s %q: got %q", h.id, name, h.raw, got)
			}
		}
	}
}
