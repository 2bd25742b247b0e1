package authapi

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestRoutes is the table of routes and methods, for a browser without cookies.
func TestRoutes(t *testing.T) {
	const (
		html = "text/html; charset=utf-8"
		json = "application/json; charset=utf-8"
		text = ""
		B    = testOrigin + testBase
	)
	none, initial := []string{}, []string{"csrf-token", "callback-url"}
	noted := []string{"csrf-token", "callback-url", "notice"}
	unsupported := func(method string) string {
		return "Error: This action with HTTP " + method + " is not supported by NextAuth.js"
	}
	for _, c := range []routeCase{
		{"GET", "/providers", 200, json, "", none, `{"op":{"id":"op","name":"The <OP> & Co","type":"oauth","signinUrl":"` + B + `/signin/op","callbackUrl":"` + B + `/callback/op"},"github":{"id":"github",`},
		{"GET", "/csrf", 200, json, "", initial, `{"csrfToken":"`},
		{"GET", "/session", 200, json, "", initial, `{}`},
		{"GET", "/session/extra", 200, json, "", initial, `{}`},
		{"POST", "/session", 400, json, "", initial, `{}`},
		{"GET", "/signin", 200, html, "", initial, "<!"},
		{"GET", "/signin/", 200, html, "", initial, "<!"},
		{"GET", "/signin/op", 200, html, "", initial, "<!"},
		{"GET", "/signin/op/x/y", 200, html, "", initial, "<!"},
		{"GET", "/%73ignin", 200, html, "", initial, "<!"},
		{"POST", "/signin", 302, "", B + "/signin?csrf=true", noted, ""},
		{"POST", "/signin/op", 302, "", B + "/signin?csrf=true", noted, ""},
		{"POST", "/signin/unknown", 302, "", B + "/signin?csrf=true", noted, ""},
		{"GET", "/signout", 200, html, "", initial, "<!"},
		{"POST", "/signout", 302, "", B + "/signout?csrf=true", initial, ""},
		{"GET", "/verify-request", 200, html, "", initial, "<!"},
		{"POST", "/verify-request", 400, text, "", none, unsupported("POST")},
		{"GET", "/callback", 400, text, "", none, unsupported("GET")},
		{"POST", "/callback", 400, text, "", none, unsupported("POST")},
		{"GET", "/callback/unknown", 400, text, "", none, unsupported("GET")},
		{"POST", "/callback/unknown", 400, text, "", none, unsupported("POST")},
		{"GET", "/callback/op", 302, "", B + "/error?error=OAuthCallback", noted, ""},
		{"POST", "/callback/op", 302, "", B + "/error?error=OAuthCallback", noted, ""},
		{"GET", "/callback/credentials", 400, text, "", initial, "Error: Callback for provider type credentials not supported"},
		{"POST", "/callback/credentials", 302, "", B + "/signin?csrf=true", noted, ""},
		{"HEAD", "/callback/op", 400, text, "", none, unsupported("HEAD")},
		{"HEAD", "/callback/credentials", 400, text, "", none, unsupported("HEAD")},
		{"GET", "/error", 200, html, "", initial, "<!"},
		{"GET", "/error?error=whatever", 200, html, "", initial, "<!"},
		{"GET", "/error?error=Configuration", 500, html, "", initial, "<!"},
		{"GET", "/error?error=configuration", 500, html, "", initial, "<!"},
		{"GET", "/error?error=AccessDenied", 403, html, "", initial, "<!"},
		{"GET", "/error/AccessDenied", 403, html, "", initial, "<!"},
		{"GET", "/error?error=Verification", 403, html, "", initial, "<!"},
		{"GET", "/error?error=OAuthCallback", 302, "", B + "/signin?error=OAuthCallback", initial, ""},
		{"GET", "/error/SessionRequired", 302, "", B + "/signin?error=SessionRequired", initial, ""},
		{"GET", "/error?error=oauthcallback", 200, html, "", initial, "<!"},
		{"POST", "/error", 400, text, "", none, unsupported("POST")},
		{"POST", "/providers", 400, text, "", none, unsupported("POST")},
		{"POST", "/csrf", 400, text, "", none, unsupported("POST")},
		{"POST", "/_log", 200, "", "", none, ""},
		{"GET", "/_log", 400, text, "", none, unsupported("GET")},
		{"HEAD", "/_log", 400, text, "", none, unsupported("HEAD")},
		{"GET", "", 400, text, "", none, unsupported("GET")},
		{"GET", "/", 400, text, "", none, unsupported("GET")},
		{"GET", "//signin", 400, text, "", none, unsupported("GET")},
		{"GET", "/Signin", 400, text, "", none, unsupported("GET")},
		{"GET", "/signin%2Fop", 400, text, "", none, unsupported("GET")},
		{"GET", "/unknown", 400, text, "", none, unsupported("GET")},
		{"GET", "/webauthn-options", 400, text, "", none, unsupported("GET")},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			c.check(t, newWorld(t))
		})
	}
}

// routeCase is a request of a browser without cookies, and the answer.
type routeCase struct {
	method, target string
	status         int
	contentType    string
	location       string
	cookies        []string // without what their names begin with
	body           string   // prefix
}

func (c routeCase) check(t *testing.T, w *world) {
	t.Helper()
	r := w.browser(t).do(c.method, c.target, "")
	equal(t, "status", r.status, c.status)
	equal(t, "Content-Type", r.header.Get("Content-Type"), c.contentType)
	equal(t, "Location", r.location(), c.location)
	if want := w.cookieNames(c.cookies...); !slices.Equal(r.names(), want) {
		t.Errorf("cookies: got %q, want %q", r.names(), want)
	}
	if body := strings.ToLower(r.body); c.body == "" && body != "" || !strings.HasPrefix(body, strings.ToLower(c.body)) {
		t.Errorf("body: got %.200q", r.body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "private, no-cache, no-store", "Pragma": "no-cache", "Expires": "0", "X-Content-Type-Options": "nosniff",
	} {
		equal(t, name, r.header.Get(name), want)
	}
	if !slices.Contains(r.header.Values("Vary"), "Cookie") {
		t.Error("CACHE-01: no Vary: Cookie")
	}
}

func TestMethods(t *testing.T) {
	for _, action := range []string{"/signin", "/signin/op", "/signout", "/session", "/csrf", "/providers", "/callback/op", "/error", "/verify-request", "/_log", "/x"} {
		for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE", "get", "FOO"} {
			b := newWorld(t).browser(t)
			r := b.do(method, action, "", "Access-Control-Request-Method", "POST", "Origin", testOrigin)
			if r.status != 400 || len(r.cookies) > 0 ||
				r.body != "Error: This action with HTTP "+method+" is not supported by NextAuth.js" {
				t.Errorf("METH-04 METH-05 %s %s: got %d %q", method, action, r.status, r.body)
			}
		}
	}
	t.Run("METH-03 method override", func(t *testing.T) {
		b := newWorld(t).browser(t)
		b.signIn("op")
		token := b.csrf()
		b.do("GET", "/signout?_method=POST&csrfToken="+token, "", "X-HTTP-Method-Override", "POST")
		if b.session() == nil {
			t.Error("a GET has signed out")
		}
	})
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	for _, target := range []string{"/session", "/csrf", "/providers", "/signin", "/signout", "/error", "/verify-request"} {
		get, head := newWorld(t).browser(t).do("GET", target, ""), newWorld(t).browser(t).do("HEAD", target, "")
		equal(t, target+" status", head.status, get.status)
		equal(t, target+" type", head.header.Get("Content-Type"), get.header.Get("Content-Type"))
		if !slices.Equal(head.names(), get.names()) {
			t.Errorf("%s: cookies %q, want %q", target, head.names(), get.names())
		}
	}
	// net/http drops what a handler writes to a HEAD request; see it do so.
	w := newWorld(t)
	srv := httptest.NewServer(serveAll(w))
	defer srv.Close()
	resp, err := srv.Client().Head(srv.URL + testBase + "/session")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	equal(t, "status", resp.StatusCode, 200)
}

func TestNotBelowBase(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/authsignin", "/API/auth/signin", "/api/auth", "/signin", "", "/api/auth/%zz", "/api/auth/callback/%zz"} {
		site := w.site
		site.Path = path
		r := w.send(t, httptest.NewRequest("GET", "/", nil), site)
		if r.status != 400 || len(r.cookies) != 0 {
			t.Errorf("PATH-20 %s: got %d", path, r.status)
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	for _, c := range []struct{ origin, prefix, host, tail string }{
		{"https://app.example.com", "__Secure-next-auth.", "__Host-next-auth.", "HttpOnly; Secure; SameSite=Lax"},
		{"http://localhost:8080", "next-auth.", "next-auth.", "HttpOnly; SameSite=Lax"},
	} {
		w := newWorld(t)
		w.site.Origin = c.origin
		b := w.browser(t)
		r := b.post("/signin/op")
		want := map[string]string{
			c.prefix + "state":              "Max-Age=900; Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; " + c.tail,
			c.prefix + "pkce.code_verifier": "Max-Age=900; Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; " + c.tail,
			c.prefix + "nonce":              "Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; " + c.tail,
		}
		for name, attributes := range want {
			got, ok := r.cookie(name)
			if !ok || got.attributes != attributes {
				t.Errorf("%s: got %q, want %q", name, got.attributes, attributes)
			}
		}
		fresh := w.browser(t).get("/csrf")
		for _, name := range []string{c.host + "csrf-token", c.prefix + "callback-url"} {
			got, ok := fresh.cookie(name)
			if !ok || got.attributes != "Path=/; "+c.tail {
				t.Errorf("%s: got %q", name, got.attributes)
			}
		}
		token, _ := fresh.cookie(c.host + "csrf-token")
		if !strings.Contains(token.value, "%7C") {
			t.Errorf("CSRF-07: the bar is not encoded in %q", token.value)
		}
		r = b.get("/callback/op?code=c&state=" + r.param("state"))
		for name := range want {
			got, ok := r.cookie(name)
			if !ok || got.value != "" || got.attributes != "Max-Age=0; Path=/; "+c.tail {
				t.Errorf("clearing %s: got %q", name, got)
			}
		}
		s, ok := r.cookie(c.prefix + "session-token")
		if !ok || s.attributes != "Path=/; Expires=Wed, 23 Dec 2026 12:00:00 GMT; "+c.tail {
			t.Errorf("session: got %q", s.attributes)
		}
	}
}

func TestOwnPages(t *testing.T) {
	const B = testOrigin + testBase
	w := newWorld(t, func(o *Options) {
		o.Pages = Pages{SignIn: "/login", SignOut: "/bye", Error: "/oops?x=1", VerifyRequest: "/mail"}
	})
	for _, c := range []struct{ target, location string }{
		{"/signin", "/login?callbackUrl=https%3A%2F%2Fapp.example.com"},
		{"/signin?callbackUrl=/a%3Fb=c", "/login?callbackUrl=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc"},
		{"/signin?error=OAuthCallback", "/login?callbackUrl=https%3A%2F%2Fapp.example.com&error=OAuthCallback"},
		{"/signin?error=a%26b", "/login?callbackUrl=https%3A%2F%2Fapp.example.com&error=a%26b"},
		{"/signin/github", "/login?callbackUrl=https%3A%2F%2Fapp.example.com&error=github"},
		{"/signout?x=1", "/bye"},
		{"/verify-request?provider=email", "/mail"},
		{"/error?error=AccessDenied", "/oops?x=1&error=AccessDenied"},
		{"/error", "/oops?x=1&error=undefined"},
		{"/error?error=", "/oops?x=1&error="},
		{"/error?error=a%0D%0ASet-Cookie:%20x=y", "/oops?x=1&error=a%0D%0ASet-Cookie%3A%20x%3Dy"},
		{"/error?error=OAuthCallback", B + "/signin?error=OAuthCallback"},
	} {
		r := w.browser(t).get(c.target)
		if r.status != 302 || r.location() != c.location {
			t.Errorf("%s: got %d %q, want %q", c.target, r.status, r.location(), c.location)
		}
		if !slices.Equal(r.names(), []string{secure("csrf-token"), secure("callback-url")}) {
			t.Errorf("%s: cookies %q", c.target, r.names())
		}
	}
}

func TestNew(t *testing.T) {
	sessions := newWorld(t).sess
	for name, o := range map[string]Options{
		"no sessions":        {Secrets: []string{testSecret}},
		"IDENT-07 no secret": {Sessions: sessions},
		"empty secret":       {Sessions: sessions, Secrets: []string{""}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	same := &scripted{}
	same.info.ID = "op"
	nameless := &scripted{}
	for name, o := range map[string][]*scripted{"twice": {same, same}, "no id": {nameless}} {
		opts := Options{Sessions: sessions, Secrets: []string{testSecret}}
		for _, p := range o {
			opts.Providers = append(opts.Providers, p)
		}
		if _, err := New(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
