package authapi

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

const otherSecret = "another-secret-0123456789abcdef012345"

// Auth.js appends its list of secrets to the token as JavaScript turns a list
// into text.
func TestCSRFCookieV5(t *testing.T) {
	secrets := []string{testSecret, otherSecret}
	s := newCSRFSigner(csrfKeysV5(secrets))
	equal(t, "signed", s.sign(vectorToken), vectorToken+"|"+csrfHash(vectorToken, testSecret+","+otherSecret))
	equal(t, "one secret", newCSRFSigner(csrfKeysV5(secrets[:1])).sign(vectorToken), vectorToken+"|"+vectorHash)
	for name, c := range map[string]struct {
		key string
		ok  bool
	}{
		"all":             {testSecret + "," + otherSecret, true},
		"first alone":     {testSecret, true},
		"second alone":    {otherSecret, true},
		"other order":     {otherSecret + "," + testSecret, false},
		"without a comma": {testSecret + otherSecret, false},
		"another":         {"a-third-secret-0123456789abcdef01234567", false},
	} {
		if _, ok := s.open(vectorToken + "|" + csrfHash(vectorToken, c.key)); ok != c.ok {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

// postsV5 are all routes that a token guards.
var postsV5 = []string{"/signin/op", "/signin", "/signin/credentials", "/signout", "/callback/credentials"}

func TestCSRFGuardsV5(t *testing.T) {
	creds := url.Values{"username": {"bob"}, "password": {"hunter2-hunter2"}}.Encode()
	for _, target := range postsV5 {
		for id, header := range map[string][]string{
			"CSRF-01 no token":                 nil,
			"CSRF-01 no token, as a body":      {returnRedirect, "1"},
			"CSRF-12 cross-site":               {"Sec-Fetch-Site", "cross-site"},
			"CSRF-12 cross-site, as a body":    {"Sec-Fetch-Site", "cross-site", "Origin", testOrigin, returnRedirect, "1"},
			"deviation 22 without the header":  {"Origin", testOrigin, "Sec-Fetch-Site", "same-origin"},
			"deviation 22 without an origin":   {returnRedirect, "1", "Sec-Fetch-Site", "same-origin"},
			"deviation 22 same site":           {returnRedirect, "1", "Origin", testOrigin, "Sec-Fetch-Site", "same-site"},
			"deviation 22 typed":               {returnRedirect, "1", "Origin", testOrigin, "Sec-Fetch-Site", "none"},
			"deviation 22 null origin":         {returnRedirect, "1", "Origin", "null", "Sec-Fetch-Site", "same-origin"},
			"deviation 22 other origin":        {returnRedirect, "1", "Origin", "https://evil.example"},
			"deviation 22 sibling":             {returnRedirect, "1", "Origin", "https://evil.app.example.com"},
			"deviation 22 other scheme":        {returnRedirect, "1", "Origin", "http://app.example.com"},
			"deviation 22 other port":          {returnRedirect, "1", "Origin", testOrigin + ":8443"},
			"deviation 22 origin with a slash": {returnRedirect, "1", "Origin", testOrigin + "/"},
			"deviation 22 origins in one line": {returnRedirect, "1", "Origin", testOrigin + ", https://evil.example"},
		} {
			t.Run(id+target, func(t *testing.T) {
				w := newWorld(t, inV5)
				b := w.browser(t)
				b.signIn("op")
				before := len(w.op.started)
				r := b.do("POST", target, creds, header...)
				if !strings.Contains(r.location()+r.body, missingCSRF) {
					t.Errorf("got %d %q %s", r.status, r.location(), r.body)
				}
				for _, check := range []string{"state", "pkce.code_verifier", "nonce", "session-token"} {
					if _, set := r.cookie(w.name(check)); set {
						t.Errorf("sets %s", check)
					}
				}
				if len(w.op.started) != before || w.pw.asked != 0 || b.session() == nil {
					t.Error("it had an effect")
				}
			})
		}
		t.Run("CSRF-12 sets nothing"+target, func(t *testing.T) {
			r := newWorld(t, inV5).browser(t).do("POST", target, "callbackUrl=/x", "Sec-Fetch-Site", "cross-site")
			if len(r.cookies) != 0 {
				t.Errorf("cookies %q", r.names())
			}
		})
	}
}

// Frameworks that check the origin themselves send forms without a token.
func TestDeviation22(t *testing.T) {
	creds := url.Values{"username": {"bob"}, "password": {"hunter2-hunter2"}}.Encode()
	for _, header := range [][]string{
		{returnRedirect, "1", "Origin", testOrigin},
		{returnRedirect, "", "Origin", testOrigin, "Sec-Fetch-Site", "same-origin"},
		{returnRedirect, "1", "Origin", "HTTPS://App.Example.COM"},
	} {
		for target, want := range map[string]string{
			"/signin/op": idpURL, "/signin": baseURL + "/signin", "/signout": testOrigin, "/callback/credentials": testOrigin,
		} {
			b := newWorld(t, inV5).browser(t)
			r := b.do("POST", target, creds, header...)
			if r.status != 200 || !strings.HasPrefix(r.location(), want) {
				t.Errorf("%q %s: got %d %q %s", header, target, r.status, r.location(), r.body)
			}
		}
		b := newWorld(t, inV5).browser(t)
		b.signIn("op")
		if r := b.do("POST", "/session", "", header...); r.status != 200 || !strings.Contains(r.body, "Alice") {
			t.Errorf("session: %d %s", r.status, r.body)
		}
	}
	header := []string{returnRedirect, "1", "Origin", testOrigin, "Sec-Fetch-Site", "same-origin"}
	t.Run("a wrong token is not none", func(t *testing.T) {
		for _, body := range []string{"csrfToken=x", "csrfToken=", "csrfToken=" + vectorToken, `{"csrfToken":["x"]}`} {
			contentType := "application/x-www-form-urlencoded"
			if body[0] == '{' {
				contentType = jsonType
			}
			b := newWorld(t, inV5).browser(t)
			b.csrf()
			r := b.do("POST", "/signin/op", body, append(header, "Content-Type", contentType)...)
			equal(t, body, r.body, `{"url":"`+missingCSRF+`"}`)
		}
	})
	t.Run("not in v4", func(t *testing.T) {
		r := newWorld(t).browser(t).do("POST", "/signin/op", "json=true", header...)
		equal(t, "body", r.body, `{"url":"`+baseURL+`/signin?csrf=true"}`)
	})
}

func TestCSRF03SessionUpdateV5(t *testing.T) {
	w := newWorld(t, inV5)
	b := w.browser(t)
	b.signIn("op")
	for _, c := range [][2]string{
		{jsonType, `{"data":{"name":"Mallory"}}`}, {jsonType, `{"csrfToken":"x"}`},
		{"application/x-www-form-urlencoded", "csrfToken=&callbackUrl=/x"}, {"text/plain", `{"csrfToken":"` + b.csrf() + `"}`},
	} {
		r := b.do("POST", "/session", c[1], "Content-Type", c[0])
		equal(t, "status", r.status, 400)
		equal(t, "body", r.body, "null")
		equal(t, "cookies", len(r.cookies), 0)
	}
	r := w.browser(t).do("POST", "/session", "", returnRedirect, "1")
	if r.status != 400 || r.body != "null" || len(r.cookies) != 0 {
		t.Errorf("a fresh browser: %d %s %q", r.status, r.body, r.names())
	}
	r = b.do("POST", "/session", `{"csrfToken":"`+b.csrf()+`","data":{"name":"Mallory"}}`, "Content-Type", jsonType)
	if r.status != 200 || !strings.Contains(r.body, `"name":"Alice"`) || !slices.Equal(r.names(), w.cookieNames("session-token")) {
		t.Errorf("got %d %s %q", r.status, r.body, r.names())
	}
	anonymous := w.browser(t)
	r = anonymous.do("POST", "/session", `{"csrfToken":"`+anonymous.csrf()+`"}`, "Content-Type", jsonType)
	if r.status != 200 || r.body != "null" {
		t.Errorf("nobody: %d %s", r.status, r.body)
	}
}
