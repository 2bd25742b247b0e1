package authapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func serveAll(w *world) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		site := w.site
		site.Path, site.Query = r.URL.EscapedPath(), r.URL.RawQuery
		w.api.Serve(rw, r, site)
	})
}

// cookieWire is the cookie of the test vectors: 64 times a, signed with the
// test secret.
const (
	vectorToken = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	vectorHash  = "493be8f638fb67ebe3d8c03258ad1a168a5460af61f98415453a89f295ee9c11"
)

func TestCSRFCookie(t *testing.T) {
	s := newCSRFSigner([]string{testSecret, "another-secret-0123456789abcdef012345"})
	equal(t, "vector", s.sign(vectorToken), vectorToken+"|"+vectorHash)
	old := newCSRFSigner([]string{"another-secret-0123456789abcdef012345"}).sign(vectorToken)
	for value, ok := range map[string]bool{
		vectorToken + "|" + vectorHash:           true,
		vectorToken + "|" + vectorHash + "|more": true,
		old:                                      true,
		s.sign("short"):                          true, // the length is not checked
		vectorToken + "|" + strings.ToUpper(vectorHash): false,
		vectorToken + "|" + vectorHash[1:]:              false,
		vectorToken + "|":                               false,
		vectorToken:                                     false,
		"deadbeef|deadbeef":                             false, // CSRF-05
		s.sign(""):                                      false,
		"":                                              false,
	} {
		token, got := s.open(value)
		if got != ok || ok && !strings.HasPrefix(value, token+"|") {
			t.Errorf("%q: got %q %v", value, token, got)
		}
	}
}

func TestCSRFOnCookies(t *testing.T) {
	name := secure("csrf-token")
	for _, c := range []struct {
		id, cookie string
		kept       bool
	}{
		{"CSRF-07 percent-encoded bar", name + "=" + vectorToken + "%7C" + vectorHash, true},
		{"bare bar", name + "=" + vectorToken + "|" + vectorHash, true},
		{"CSRF-08 double encoding", name + "=" + vectorToken + "%257C" + vectorHash, false},
		{"CSRF-05 forged", name + "=deadbeef%7Cdeadbeef", false},
		{"CSRF-13 unprefixed on https", "next-auth.csrf-token=" + vectorToken + "%7C" + vectorHash, false},
		{"CSRF-13 __Secure-", "__Secure-next-auth.csrf-token=" + vectorToken + "%7C" + vectorHash, false},
		{"COOK-15 case", "__host-next-auth.csrf-token=" + vectorToken + "%7C" + vectorHash, false},
		{"first of duplicates", name + "=" + vectorToken + "%7C" + vectorHash + "; " + name + "=x", true},
	} {
		t.Run(c.id, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser(t)
			body := url.Values{"csrfToken": {vectorToken}}.Encode()
			r := b.do("POST", "/signin/op", body, "Cookie", c.cookie)
			started := strings.HasPrefix(r.location(), idpURL)
			_, issued := r.cookie(name)
			if started != c.kept || issued == c.kept {
				t.Errorf("started %v, new cookie %v", started, issued)
			}
		})
	}
}

// posts are all routes that a token guards, and where they send those without.
var posts = []struct{ target, refused string }{
	{"/signin/op", "/signin?csrf=true"},
	{"/signin/credentials", "/signin?csrf=true"},
	{"/signout", "/signout?csrf=true"},
	{"/callback/credentials", "/signin?csrf=true"},
}

func TestCSRFGuards(t *testing.T) {
	creds := url.Values{"username": {"bob"}, "password": {"hunter2-hunter2"}}
	for _, p := range posts {
		for _, c := range []struct {
			id   string
			form func(token string) (body, contentType string)
		}{
			{"CSRF-01 no token", func(string) (string, string) { return creds.Encode(), "application/x-www-form-urlencoded" }},
			{"CSRF-01 wrong token", func(string) (string, string) {
				return creds.Encode() + "&csrfToken=" + vectorToken, "application/x-www-form-urlencoded"
			}},
			{"CSRF-01 empty token", func(string) (string, string) {
				return creds.Encode() + "&csrfToken=", "application/x-www-form-urlencoded"
			}},
			{"CSRF-11 evil first", func(token string) (string, string) {
				return creds.Encode() + "&csrfToken=evil&csrfToken=" + token, "application/x-www-form-urlencoded"
			}},
			{"CSRF-11 good first", func(token string) (string, string) {
				return creds.Encode() + "&csrfToken=" + token + "&csrfToken=evil", "application/x-www-form-urlencoded"
			}},
			{"CSRF-11 both good", func(token string) (string, string) {
				return creds.Encode() + "&csrfToken=" + token + "&csrfToken=" + token, "application/x-www-form-urlencoded"
			}},
			{"CSRF-11 JSON last wins", func(token string) (string, string) {
				return `{"csrfToken":"` + token + `","csrfToken":"evil"}`, "application/json"
			}},
			{"CSRF-11 JSON list", func(token string) (string, string) {
				return `{"csrfToken":["` + token + `"]}`, "application/json"
			}},
			{"CSRF-11 JSON case", func(token string) (string, string) {
				return `{"CSRFTOKEN":"` + token + `"}`, "application/json"
			}},
			{"CSRF-10 text/plain", func(token string) (string, string) {
				return creds.Encode() + "&csrfToken=" + token, "text/plain"
			}},
			{"CSRF-10 JSON as text/plain", func(token string) (string, string) {
				return `{"csrfToken":"` + token + `"}`, "text/plain"
			}},
			{"CSRF-10 multipart", func(token string) (string, string) {
				return "--b\r\nContent-Disposition: form-data; name=\"csrfToken\"\r\n\r\n" + token + "\r\n--b--", "multipart/form-data; boundary=b"
			}},
			{"CSRF-10 no type", func(token string) (string, string) { return creds.Encode() + "&csrfToken=" + token, "" }},
			{"CSRF-10 broken type", func(token string) (string, string) {
				return creds.Encode() + "&csrfToken=" + token, "application/x-www-form-urlencoded; ="
			}},
		} {
			t.Run(c.id+p.target, func(t *testing.T) {
				w := newWorld(t)
				b := w.browser(t)
				b.signIn("op")
				before := len(w.op.started)
				token := b.csrf()
				body, contentType := c.form(token)
				r := b.do("POST", p.target, body, "Content-Type", contentType)
				if r.status != 302 || r.location() != testOrigin+testBase+p.refused {
					t.Errorf("got %d %q", r.status, r.location())
				}
				for _, check := range []string{"state", "pkce.code_verifier", "nonce", "session-token"} {
					if _, set := r.cookie(secure(check)); set {
						t.Errorf("sets %s", check)
					}
				}
				if len(w.op.started) != before || w.pw.asked != 0 || b.session() == nil {
					t.Error("it had an effect")
				}
			})
		}
	}
}

func TestCSRFQueryDoesNotCount(t *testing.T) {
	b := newWorld(t).browser(t)
	r := b.do("POST", "/signin/op?csrfToken="+b.csrf(), "x=y")
	equal(t, "Location", r.location(), testOrigin+testBase+"/signin?csrf=true")
}

func TestCSRFAcceptedTypes(t *testing.T) {
	for _, c := range []struct {
		contentType string
		json        bool
	}{
		{"application/x-www-form-urlencoded", false},
		{"application/x-www-form-urlencoded; charset=UTF-8", false},
		{"Application/X-WWW-Form-URLEncoded", false},
		{"application/json", true},
		{"application/json; charset=utf-8", true},
		{"application/ld+json", true},
	} {
		b := newWorld(t).browser(t)
		body := "csrfToken=" + b.csrf()
		if c.json {
			body = `{"csrfToken":"` + b.csrf() + `"}`
		}
		if r := b.do("POST", "/signin/op", body, "Content-Type", c.contentType); !strings.HasPrefix(r.location(), idpURL) {
			t.Errorf("CSRF-10 %s: got %q", c.contentType, r.location())
		}
	}
}

func TestCSRF02GetStartsNothing(t *testing.T) {
	for _, auto := range []bool{false, true} {
		w := newWorld(t, func(o *Options) { o.AutoRedirect = auto; o.Providers = o.Providers[:1] })
		for _, method := range []string{"GET", "HEAD"} {
			for _, header := range [][]string{
				{},
				{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"},
				{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
				{"Purpose", "prefetch"},
			} {
				r := w.browser(t).do(method, "/signin/op?csrfToken="+vectorToken, "", header...)
				if r.status != 200 || r.location() != "" {
					t.Errorf("%s %q: got %d %q", method, header, r.status, r.location())
				}
			}
		}
		equal(t, "flows", len(w.op.started), 0)
	}
}

func TestCSRF03SessionUpdate(t *testing.T) {
	b := newWorld(t).browser(t)
	b.signIn("op")
	r := b.do("POST", "/session", `{"data":{"name":"Mallory"}}`, "Content-Type", "application/json")
	equal(t, "status", r.status, 400)
	equal(t, "body", r.body, "{}")
	if _, set := r.cookie(secure("session-token")); set {
		t.Error("the session was sealed again")
	}
	r = b.do("POST", "/session", `{"csrfToken":"`+b.csrf()+`","data":{"name":"Mallory"}}`, "Content-Type", "application/json")
	equal(t, "status", r.status, 200)
	if !strings.Contains(r.body, `"name":"Alice"`) {
		t.Errorf("data was believed: %s", r.body)
	}
	if _, set := r.cookie(secure("session-token")); !set {
		t.Error("the session was not sealed again")
	}
}

func TestCSRF12Origins(t *testing.T) {
	for _, c := range []struct {
		id     string
		header []string
		ok     bool
	}{
		{"neither", nil, true},
		{"ours", []string{"Origin", testOrigin}, true},
		{"same-origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", testOrigin}, true},
		{"site with no-referrer policy", []string{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, true},
		{"typed", []string{"Sec-Fetch-Site", "none"}, true},
		{"cross-site", []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"cross-site with our origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", testOrigin}, false},
		{"sibling", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"}, false},
		{"unknown value", []string{"Sec-Fetch-Site", "Same-Origin"}, false},
		{"evil origin", []string{"Origin", "https://evil.example"}, false},
		{"null origin", []string{"Origin", "null"}, false},
		{"empty origin", []string{"Origin", ""}, false},
		{"other scheme", []string{"Origin", "http://app.example.com"}, false},
		{"other port", []string{"Origin", testOrigin + ":8443"}, false},
	} {
		for _, p := range posts {
			w := newWorld(t)
			b := w.browser(t)
			b.signIn("op")
			body := url.Values{"csrfToken": {b.csrf()}, "username": {"bob"}, "password": {"hunter2-hunter2"}}.Encode()
			r := b.do("POST", p.target, body, c.header...)
			refused := r.location() == testOrigin+testBase+p.refused
			if refused == c.ok {
				t.Errorf("CSRF-12 %s %s: got %d %q", c.id, p.target, r.status, r.location())
			}
		}
	}
	t.Run("two Origin headers", func(t *testing.T) {
		w := newWorld(t)
		r := httptest.NewRequest("POST", "/", strings.NewReader("csrfToken="+vectorToken))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", secure("csrf-token")+"="+vectorToken+"|"+vectorHash)
		r.Header["Origin"] = []string{testOrigin, "https://evil.example"}
		site := w.site
		site.Path = testBase + "/signin/op"
		equal(t, "Location", w.send(t, r, site).location(), testOrigin+testBase+"/signin?csrf=true")
	})
}
