package authapi

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json"
	baseURL  = testOrigin + testBase

	configuration = baseURL + "/error?error=Configuration"
	missingCSRF   = baseURL + "/signin?error=MissingCSRF"
	badRequestV5  = `"Bad request."`
)

// TestRoutesV5 is the table of routes and methods, for a browser without
// cookies. The answers are those of Auth.js, but for the cookies of failures
// and for HEAD.
func TestRoutesV5(t *testing.T) {
	none, initial := []string{}, []string{"csrf-token", "callback-url"}
	noted := []string{"csrf-token", "callback-url", "notice"}
	for _, c := range []routeCase{
		{"GET", "/providers", 200, jsonType, "", none, `{"op":{"id":"op","name":"The <OP> & Co","type":"oidc","signinUrl":"` + baseURL + `/signin/op","callbackUrl":"` + baseURL + `/callback/op"},"github":{"id":"github","name":"GitHub","type":"oauth",`},
		{"GET", "/csrf", 200, jsonType, "", initial, `{"csrfToken":"`},
		{"GET", "/session", 200, jsonType, "", initial, "null"},
		{"GET", "//session//", 200, jsonType, "", initial, "null"},
		{"GET", "/session/extra", 400, jsonType, "", none, badRequestV5},
		{"GET", "/session/undefined", 400, jsonType, "", none, badRequestV5},
		{"POST", "/session", 400, jsonType, "", none, "null"},
		{"GET", "/signin", 200, htmlType, "", initial, "<!"},
		{"GET", "/signin/", 200, htmlType, "", initial, "<!"},
		{"GET", "/signin/undefined", 200, htmlType, "", initial, "<!"},
		{"GET", "/signin/op", 302, "", configuration, noted, ""},
		{"GET", "//signin//op//", 302, "", configuration, noted, ""},
		{"GET", "/signin/unknown", 302, "", configuration, noted, ""},
		{"GET", "/signin/o%70", 302, "", configuration, noted, ""},
		{"GET", "/signin/op/x", 400, jsonType, "", none, badRequestV5},
		{"GET", "/%73ignin", 400, jsonType, "", none, badRequestV5},
		{"GET", "/Signin", 400, jsonType, "", none, badRequestV5},
		{"POST", "/signin", 302, "", missingCSRF, noted, ""},
		{"POST", "/signin/undefined", 302, "", missingCSRF, noted, ""},
		{"POST", "/signin/op", 302, "", missingCSRF, noted, ""},
		{"POST", "/signin/unknown", 302, "", configuration, noted, ""},
		{"POST", "/signin/op/x", 400, jsonType, "", none, badRequestV5},
		{"GET", "/signout", 200, htmlType, "", initial, "<!"},
		{"POST", "/signout", 302, "", missingCSRF, noted, ""},
		{"POST", "/signout/x", 400, jsonType, "", none, badRequestV5},
		{"GET", "/verify-request", 200, htmlType, "", initial, "<!"},
		{"GET", "/verify-request?x=1", 200, htmlType, "", initial, "<!"},
		{"POST", "/verify-request", 302, "", configuration, noted, ""},
		{"GET", "/callback", 302, "", configuration, noted, ""},
		{"POST", "/callback", 302, "", configuration, noted, ""},
		{"GET", "/callback/undefined", 302, "", configuration, noted, ""},
		{"GET", "/callback/unknown", 302, "", configuration, noted, ""},
		{"POST", "/callback/unknown", 302, "", configuration, noted, ""},
		{"GET", "/callback/op", 302, "", configuration, noted, ""},
		{"POST", "/callback/op", 302, "", configuration, noted, ""},
		{"GET", "/callback/credentials", 302, "", configuration, noted, ""},
		{"POST", "/callback/credentials", 302, "", missingCSRF, noted, ""},
		{"GET", "/error", 200, htmlType, "", initial, "<!"},
		{"GET", "/error?error=", 200, htmlType, "", initial, "<!"},
		{"GET", "/error?error=Configuration", 500, htmlType, "", initial, "<!"},
		{"GET", "/error?error=configuration", 200, htmlType, "", initial, "<!"},
		{"GET", "/error?error=AccessDenied", 403, htmlType, "", initial, "<!"},
		{"GET", "/error?error=accessdenied", 200, htmlType, "", initial, "<!"},
		{"GET", "/error?error=Verification", 403, htmlType, "", initial, "<!"},
		{"GET", "/error?error=OAuthCallback", 200, htmlType, "", initial, "<!"},
		{"GET", "/error?error=CredentialsSignin", 200, htmlType, "", initial, "<!"},
		{"GET", "/error?error=AccessDenied&error=Configuration", 403, htmlType, "", initial, "<!"},
		{"GET", "/error/AccessDenied", 400, jsonType, "", none, badRequestV5},
		{"POST", "/error", 302, "", configuration, noted, ""},
		{"POST", "/providers", 302, "", configuration, noted, ""},
		{"POST", "/csrf", 302, "", configuration, noted, ""},
		{"GET", "/_log", 400, jsonType, "", none, badRequestV5},
		{"POST", "/_log", 400, jsonType, "", none, badRequestV5},
		{"GET", "/webauthn-options", 302, "", configuration, noted, ""},
		{"POST", "/webauthn-options", 302, "", configuration, noted, ""},
		{"GET", "/webauthn-options/op", 302, "", configuration, noted, ""},
		{"GET", "/webauthn-options/unknown", 302, "", configuration, noted, ""},
		{"GET", "/webauthn-options/op/x", 400, jsonType, "", none, badRequestV5},
		{"HEAD", "/webauthn-options", 400, jsonType, "", none, badRequestV5},
		{"HEAD", "/callback/op", 400, jsonType, "", none, badRequestV5},
		{"HEAD", "/callback/unknown", 400, jsonType, "", none, badRequestV5},
		{"HEAD", "/callback", 400, jsonType, "", none, badRequestV5},
		{"GET", "", 400, jsonType, "", none, badRequestV5},
		{"GET", "/", 400, jsonType, "", none, badRequestV5},
		{"POST", "/", 400, jsonType, "", none, badRequestV5},
		{"GET", "/unknown", 400, jsonType, "", none, badRequestV5},
		{"GET", "/client.js", 400, jsonType, "", none, badRequestV5},
		{"GET", "/../auth/session", 400, jsonType, "", none, badRequestV5},
	} {
		t.Run(c.method+" "+c.target, func(t *testing.T) {
			c.check(t, newWorld(t, inV5))
		})
	}
}

func TestMethodsV5(t *testing.T) {
	for _, action := range []string{"/signin", "/signin/op", "/signout", "/session", "/csrf", "/providers", "/callback/op", "/error", "/verify-request", "/webauthn-options", "/x"} {
		for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE", "get", "FOO"} {
			r := newWorld(t, inV5).browser(t).do(method, action, "{", "Content-Type", jsonType)
			if r.status != 400 || len(r.cookies) > 0 || r.body != badRequestV5 {
				t.Errorf("METH-04 METH-05 %s %s: got %d %q", method, action, r.status, r.body)
			}
		}
	}
	for _, target := range []string{"/session", "/csrf", "/providers", "/signin", "/signin/op", "/signout", "/error", "/verify-request"} {
		get, head := newWorld(t, inV5).browser(t).get(target), newWorld(t, inV5).browser(t).do("HEAD", target, "")
		equal(t, target+" status", head.status, get.status)
		equal(t, target+" Location", head.location(), get.location())
		if !slices.Equal(head.names(), get.names()) {
			t.Errorf("%s: cookies %q, want %q", target, head.names(), get.names())
		}
	}
}

func TestSplitV5(t *testing.T) {
	for _, c := range []struct {
		path, action, provider string
		ok                     bool
	}{
		{"/api/auth/signin", "signin", "", true},
		{"/api/auth/signin/", "signin", "", true},
		{"/api/auth//signin", "signin", "", true},
		{"/api/auth///signin///op///", "signin", "op", true},
		{"/api/auth/callback/op", "callback", "op", true},
		{"/api/auth/webauthn-options/op", "webauthn-options", "op", true},
		{"/api/auth/signin/undefined", "signin", "", true},
		{"/api/auth/undefined", "undefined", "", true},
		{"/api/auth/signin/%6fp", "signin", "%6fp", true},
		{"/api/auth/signin%2Fop", "signin%2Fop", "", true},
		{"/api/auth/%zz", "%zz", "", true},
		{"/api/auth/signin/a/b", "", "", false},
		{"/api/auth/signin/undefined/b", "", "", false},
		{"/api/auth/session/x", "", "", false},
		{"/api/auth/signout/undefined", "", "", false},
		{"/api/auth/client.js/x", "", "", false},
		{"/api/auth/../auth/signin", "", "", false}, // PATH-20
		{"/api/auth/", "", "", false},
		{"/api/auth//", "", "", false},
		{"/api/auth", "", "", false},
		{"/api/authsignin", "", "", false},
		{"/API/AUTH/signin", "", "", false},
		{"", "", "", false},
	} {
		s, ok := splitV5("/api/auth", c.path)
		if ok != c.ok || ok && (s.action != c.action || s.providerID != c.provider) {
			t.Errorf("%s: got %q %q %v", c.path, s.action, s.providerID, ok)
		}
	}
}

func TestNotBelowBaseV5(t *testing.T) {
	for _, path := range []string{"/api/authsession", "/api/authx/session", "/API/auth/session", "/api/auth", "/session", ""} {
		w := newWorld(t, inV5)
		site := w.site
		site.Path = path
		r := w.send(t, httptest.NewRequest("GET", "/", nil), site)
		if r.status != 400 || r.body != badRequestV5 || len(r.cookies) != 0 {
			t.Errorf("PATH-20 %s: got %d %s", path, r.status, r.body)
		}
	}
}

func TestBodiesV5(t *testing.T) {
	const form, js = "application/x-www-form-urlencoded", "application/json"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"bad JSON", js, `{"a":`, 400},
		{"no JSON", js, "", 400},
		{"blank JSON", js, " ", 400},
		{"JSON with a tail", js, `{} {}`, 400},
		{"deep JSON", js, strings.Repeat(`{"a":`, 50000), 400},
		{"a list", js, `["csrfToken"]`, 302},
		{"null", js, "null", 302},
		{"a string", js, `"csrfToken"`, 302},
		{"a mark before JSON", js, "\ufeff{}", 302},
		{"JSON that is no UTF-8", js, "{\"a\":\"\xff\"}", 302},
		{"the type as a parameter", "text/plain; x=application/json", "{", 400},
		{"the type among others", "application/json, text/plain", "{", 400},
		{"JSON before a form", "application/json; " + form, "a=b", 400},
		{"upper case", "Application/JSON", "{", 302},
		{"ld+json", "application/ld+json", "{", 302},
		{"no type", "", "{", 302},
		{"broken escapes", form, "%zz=%", 302},
		{"1 MB", form, "x=" + strings.Repeat("a", 1<<20-2), 302},
		{"more than 1 MB", form, "x=" + strings.Repeat("a", 1<<20-1), 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			for target, want := range map[string]string{"/signout": missingCSRF, "/providers": configuration} {
				r := newWorld(t, inV5).browser(t).do("POST", target, c.body, "Content-Type", c.contentType)
				equal(t, "status", r.status, c.status)
				if c.status == 302 {
					equal(t, "Location", r.location(), want)
				} else if r.body != badRequestV5 || r.header.Get("Content-Type") != jsonType || len(r.cookies) > 0 {
					t.Errorf("got %q %q", r.body, r.names())
				}
			}
		})
	}
}

// Fields that come twice, and the types a body can have.
func TestFieldsV5(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, contentType string
		body              string // TOKEN is the good one
		location          string
	}{
		{"CSRF-11 good last", form, "csrfToken=evil&csrfToken=TOKEN", testOrigin + "/q2"},
		{"CSRF-11 good first", form, "csrfToken=TOKEN&csrfToken=evil", missingCSRF},
		{"CSRF-11 empty last", form, "csrfToken=TOKEN&csrfToken=", missingCSRF},
		{"CSRF-11 JSON good last", jsonType, `{"csrfToken":"evil","csrfToken":"TOKEN"}`, testOrigin + "/q2"},
		{"CSRF-11 JSON good first", jsonType, `{"csrfToken":"TOKEN","csrfToken":"evil"}`, missingCSRF},
		{"CSRF-11 JSON null last", jsonType, `{"csrfToken":"TOKEN","csrfToken":null}`, missingCSRF},
		{"CSRF-11 JSON list", jsonType, `{"csrfToken":["TOKEN"]}`, missingCSRF},
		{"CSRF-10 upper case", "Application/x-www-form-urlencoded", "csrfToken=TOKEN", missingCSRF},
		{"CSRF-10 text/plain", "text/plain", "csrfToken=TOKEN", missingCSRF},
		{"CSRF-10 ld+json", "application/ld+json", `{"csrfToken":"TOKEN"}`, missingCSRF},
		{"CSRF-10 parameters", form + ";charset=UTF-8", "csrfToken=TOKEN", testOrigin + "/q2"},
		{"CSRF-10 substring", "text/plain;application/json", `{"csrfToken":"TOKEN"}`, testOrigin + "/q2"},
		{"a question mark", form, "?csrfToken=TOKEN", testOrigin + "/q2"},
		{"a mark", form, "\ufeffcsrfToken=TOKEN", testOrigin + "/q2"},
		{"REDIR-13 body", form, "csrfToken=TOKEN&callbackUrl=//evil.com&callbackUrl=/ok", testOrigin + "/ok"},
		{"REDIR-13 body, evil last", form, "csrfToken=TOKEN&callbackUrl=/ok&callbackUrl=//evil.com", testOrigin},
		{"REDIR-13 JSON", jsonType, `{"csrfToken":"TOKEN","callbackUrl":"//evil.com","callbackUrl":"/ok"}`, testOrigin + "/ok"},
		{"REDIR-13 JSON list", jsonType, `{"csrfToken":"TOKEN","callbackUrl":["/ok"]}`, testOrigin},
		{"JSON null", jsonType, `{"csrfToken":"TOKEN","callbackUrl":null}`, testOrigin + "/q2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newWorld(t, inV5).browser(t)
			body := strings.ReplaceAll(c.body, "TOKEN", b.csrf())
			r := b.do("POST", "/signout?callbackUrl=/q1&callbackUrl=/q2", body, "Content-Type", c.contentType)
			equal(t, "Location", r.location(), c.location)
		})
	}
}

func TestOwnPagesV5(t *testing.T) {
	own := func(o *Options) {
		o.Pages = Pages{SignIn: "/login", SignOut: "/bye", Error: "/oops", VerifyRequest: "/mail"}
	}
	for _, c := range []struct{ target, location string }{
		{"/signin", "/login?callbackUrl=https%3A%2F%2Fapp.example.com"},
		{"/signin?callbackUrl=/a%3Fb=c~*", "/login?callbackUrl=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%7E*"},
		{"/signin?error=a%26b&error=c", "/login?callbackUrl=https%3A%2F%2Fapp.example.com&error=a%26b"},
		{"/signin?error=a+b", "/login?callbackUrl=https%3A%2F%2Fapp.example.com&error=a+b"},
		{"/signin?error=", "/login?callbackUrl=https%3A%2F%2Fapp.example.com"},
		{"/signout?x=1", "/bye"},
		{"/verify-request?provider=email&type=email", "/mail?provider=email&type=email"},
		{"/verify-request?x='%20%0d%0a", "/mail?x=%27%20%0d%0a"},
		{"/verify-request", "/mail"},
		{"/error?error=AccessDenied", "/oops?error=AccessDenied"},
		{"/error?error=OAuthCallback", "/oops?error=OAuthCallback"},
		{"/error", "/oops?error=undefined"},
		{"/error?error=", "/oops?error="},
		{"/error?error=a&error=b", "/oops?error=a"},
	} {
		w := newWorld(t, inV5, own)
		r := w.browser(t).get(c.target)
		if r.status != 302 || r.location() != c.location {
			t.Errorf("%s: got %d %q, want %q", c.target, r.status, r.location(), c.location)
		}
		if !slices.Equal(r.names(), w.cookieNames("csrf-token", "callback-url")) {
			t.Errorf("%s: cookies %q", c.target, r.names())
		}
	}
	w := newWorld(t, inV5, own)
	b := w.browser(t)
	equal(t, "unsupported", b.get("/signin/op").location(), testOrigin+"/oops?error=Configuration")
	equal(t, "CSRF", b.do("POST", "/signout", "").location(), testOrigin+"/login?error=MissingCSRF")
	equal(t, "password", b.password("bob", "x").location(), testOrigin+"/login?error=CredentialsSignin&code=credentials")
	r := b.do("POST", "/signout", "", "X-Auth-Return-Redirect", "1")
	equal(t, "as a body", r.body, `{"url":"`+testOrigin+`/login?error=MissingCSRF"}`)
	for page, want := range map[string]string{
		"https://other.example/oops": "https://other.example/oops?error=Configuration",
		"/oops?x=1":                  testOrigin + "/oops?x=1&error=Configuration",
	} {
		b := newWorld(t, inV5, func(o *Options) { o.Pages.Error = page }).browser(t)
		equal(t, page, b.get("/signin/op").location(), want)
	}
}

// The header counts by being there; the address is in the body and, of a
// success, in the header as well.
func TestReturnRedirectV5(t *testing.T) {
	w := newWorld(t, inV5)
	for _, c := range []struct {
		name, target string
		fields       url.Values
		url          string // prefix
		failed       bool
		cookies      []string
	}{
		{"start", "/signin/op", nil, idpURL + "?", false, []string{"state", "pkce.code_verifier", "nonce"}},
		{"no provider", "/signin", nil, baseURL + "/signin", false, nil},
		{"form provider", "/signin/credentials", nil, baseURL + "/signin", false, nil},
		{"right password", "/callback/credentials", url.Values{"username": {"bob"}, "password": {"hunter2-hunter2"}, "callbackUrl": {"/a?b=c&d"}}, testOrigin + "/a?b=c&d", false, []string{"callback-url", "session-token", "rounds"}},
		{"sign-out", "/signout", nil, testOrigin, false, nil},
		{"wrong password", "/callback/credentials", url.Values{"username": {"bob"}, "password": {"x"}}, baseURL + "/signin?error=CredentialsSignin&code=credentials", true, []string{"notice"}},
		{"unknown provider", "/signin/unknown", nil, configuration, true, []string{"notice"}},
	} {
		for _, value := range []string{"1", "", "0"} {
			b := w.browser(t)
			fields := url.Values{"csrfToken": {b.csrf()}, "json": {"true"}}
			for name, v := range c.fields {
				fields[name] = v
			}
			r := b.do("POST", c.target, fields.Encode(), "X-Auth-Return-Redirect", value)
			equal(t, c.name+" status", r.status, 200)
			equal(t, c.name+" Content-Type", r.header.Get("Content-Type"), jsonType)
			if !strings.HasPrefix(r.body, `{"url":"`+c.url) {
				t.Errorf("%s: body %s", c.name, r.body)
			}
			want := ""
			if !c.failed {
				want = strings.TrimSuffix(strings.TrimPrefix(r.body, `{"url":"`), `"}`)
			}
			equal(t, c.name+" Location", r.location(), want)
			if !slices.Equal(r.names(), w.cookieNames(c.cookies...)) {
				t.Errorf("%s: cookies %q", c.name, r.names())
			}
		}
		// What counts in the other dialect does not count here.
		b := w.browser(t)
		fields := url.Values{"csrfToken": {b.csrf()}, "json": {"true"}, "username": c.fields["username"], "password": c.fields["password"]}
		equal(t, c.name+" as a form", b.do("POST", c.target, fields.Encode()).status, 302)
	}
	r := w.browser(t).get("/signin/op", "X-Auth-Return-Redirect", "")
	if r.status != 200 || r.body != `{"url":"`+configuration+`"}` || r.location() != "" {
		t.Errorf("a GET: %d %s", r.status, r.body)
	}
	if !slices.Contains(r.header.Values("Vary"), "X-Auth-Return-Redirect") {
		t.Errorf("Vary %q", r.header.Values("Vary"))
	}
}
