package authapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		path, action, provider string
		ok                     bool
	}{
		{"/api/auth/signin", "signin", "", true},
		{"/api/auth/signin/", "signin", "", true},
		{"/api/auth/signin/op", "signin", "op", true},
		{"/api/auth/signin/op/", "signin", "op", true},
		{"/api/auth/callback/op/../../../admin", "callback", "op", true}, // PATH-21
		{"/api/auth/../auth/signin", "..", "auth", true},                 // PATH-20
		{"/api/auth/%73ignin/%6fp", "signin", "op", true},
		{"/api/auth/signin%2Fop", "signin/op", "", true},
		{"/api/auth/signin/a%2Fb", "signin", "a/b", true},
		{"/api/auth/%2573ignin", "%73ignin", "", true},
		{"/api/auth/a+b", "a+b", "", true},
		{"/api/auth/", "", "", true},
		{"/api/auth//signin", "", "signin", true},
		{"/api/auth", "", "", false},
		{"/api/authsignin", "", "", false},
		{"/API/AUTH/signin", "", "", false},
		{"/api/auth/%zz", "", "", false},
		{"/api/auth/signin/%2", "", "", false},
		{"", "", "", false},
	} {
		s, ok := split("/api/auth", c.path)
		if ok != c.ok || s.action != c.action || s.providerID != c.provider {
			t.Errorf("%s: got %q %q %v", c.path, s.action, s.providerID, ok)
		}
	}
}

func TestParseForm(t *testing.T) {
	for raw, want := range map[string]fields{
		"":                   {},
		"&&":                 {},
		"a":                  {"a": {present: true}},
		"a=":                 {"a": {present: true}},
		"a=b=c":              {"a": {text: "b=c", present: true}},
		"a=b&a=c":            {"a": {present: true, invalid: true}},
		"a=b&a=b&a=b":        {"a": {present: true, invalid: true}},
		"a=%2B+x":            {"a": {text: "+ x", present: true}},
		"a=%zz%41%":          {"a": {text: "%zzA%", present: true}},
		"a=%ff%C3%BC":        {"a": {text: "\uFFFDü", present: true}},
		"a;b=c;d":            {"a;b": {text: "c;d", present: true}},
		"%61=x&a[]=y&=z":     {"a": {text: "x", present: true}, "a[]": {text: "y", present: true}, "": {text: "z", present: true}},
		"__proto__=x&a=\x00": {"__proto__": {text: "x", present: true}, "a": {text: "\x00", present: true}},
	} {
		if got := parseForm(raw); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, want %v", raw, got, want)
		}
	}
	if got := parseForm(strings.Repeat("x&", 5000) + "late=1"); got["late"].present {
		t.Error("more than 1000 fields are read")
	}
}

func TestBodies(t *testing.T) {
	const form, js = "application/x-www-form-urlencoded", "application/json"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		want                    string
	}{
		{"bad JSON", js, `{"a":`, 400, "Invalid JSON"},
		{"bad JSON, blank", js, ` `, 400, "Invalid JSON"},
		{"bad JSON, ld", "application/ld+json", `{a:1}`, 400, "Invalid JSON"},
		{"JSON behind a mark", js, "\ufeff{}", 302, ""},
		{"bad JSON, two marks", js, "\ufeff\ufeff{}", 400, "Invalid JSON"},
		{"bad JSON, list", js, `[1,`, 400, "Invalid JSON"},
		{"bad JSON, tail", js, `{} {}`, 400, "Invalid JSON"},
		{"deep JSON", js, strings.Repeat(`{"a":`, 50000), 400, "Invalid JSON"},
		{"no JSON", js, "", 302, ""},
		{"a list", js, `["csrfToken"]`, 302, ""},
		{"null", js, `null`, 302, ""},
		{"a string", js, `"csrfToken"`, 302, ""},
		{"1 MB", form, "x=" + strings.Repeat("a", 1<<20-2), 302, ""},
		{"more than 1 MB", form, "x=" + strings.Repeat("a", 1<<20-1), 413, "Body exceeded 1mb limit"},
		{"more than 1 MB of text", "text/plain", strings.Repeat("a", 1<<20+1), 413, "Body exceeded 1mb limit"},
		{"not read as JSON", "text/plain", `{"a":`, 302, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newWorld(t).browser(t).do("POST", "/signin/op", c.body, "Content-Type", c.contentType)
			equal(t, "status", r.status, c.status)
			if c.status != 302 && r.body != c.want {
				t.Errorf("body %q", r.body)
			}
		})
	}
	t.Run("length not announced", func(t *testing.T) {
		w := newWorld(t)
		r := httptest.NewRequest("POST", "/", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("a", 1<<20+1))})
		r.ContentLength = -1
		r.Header.Set("Content-Type", form)
		site := w.site
		site.Path = testBase + "/signout"
		equal(t, "status", w.send(t, r, site).status, 413)
	})
	t.Run("broken off", func(t *testing.T) {
		w := newWorld(t)
		r := httptest.NewRequest("POST", "/", brokenBody{})
		site := w.site
		site.Path = testBase + "/signout"
		equal(t, "status", w.send(t, r, site).status, 400)
	})
	t.Run("a GET's body is not read", func(t *testing.T) {
		r := newWorld(t).browser(t).do("GET", "/signin", `{"a":`, "Content-Type", js)
		equal(t, "status", r.status, 200)
	})
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, http.ErrBodyReadAfterClose }

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                   `""`,
		"a<b>&c":             `"a<b>&c"`,
		`"\`:                 `"\"\\"`,
		"\b\f\n\r\t\x00\x1f": `"\b\f\n\r\t\u0000\u001f"`,
		"\u2028é😀":           "\"\u2028é😀\"",
		"\xff":               "\"\uFFFD\"",
	} {
		equal(t, in, string(jwt.AppendString(nil, in)), want)
	}
}

// mounted is an embedded provider.
type mounted struct {
	scripted
	issuer, path, query string
}

func (m *mounted) Mount() string { return "dev" }

func (m *mounted) ServeIdP(w http.ResponseWriter, r *http.Request, issuer string) {
	m.issuer, m.path, m.query = issuer, r.URL.EscapedPath(), r.URL.RawQuery
	w.WriteHeader(http.StatusTeapot)
}

func (m *mounted) AuthorizationURL(ctx context.Context, r provider.AuthorizationRequest) (string, error) {
	m.issuer = r.Issuer
	return m.scripted.AuthorizationURL(ctx, r)
}

func TestEmbedded(t *testing.T) {
	m := &mounted{}
	m.info = provider.Info{ID: "dev-op", Type: "oauth"}
	w := newWorld(t, func(o *Options) { o.Providers = append(o.Providers, m) })
	b := w.browser(t)
	for _, method := range []string{"GET", "POST", "OPTIONS"} {
		r := b.do(method, "/dev/a%2Fb?x=%20", "")
		equal(t, "status", r.status, http.StatusTeapot)
		equal(t, "issuer", m.issuer, testOrigin+testBase+"/dev")
		equal(t, "path", m.path, testBase+"/dev/a%2Fb")
		equal(t, "query", m.query, "x=%20")
		equal(t, "cookies", len(r.cookies), 0)
	}
	m.issuer = ""
	b.start("dev-op")
	equal(t, "issuer", m.issuer, testOrigin+testBase+"/dev")
	if r := b.get("/developers"); r.status != 400 {
		t.Errorf("no boundary: %d", r.status)
	}
	thief := &mounted{}
	thief.info.ID = "thief"
	opts := w.api.opts
	opts.Providers = append(opts.Providers, thief)
	if _, err := New(opts); err == nil {
		t.Error("two providers at one mount")
	}
}

// FuzzRequest sends any path, query and body, and holds what must hold for all
// of them: no panic, no status of 500 without its code, no way out of the
// site, and bodies that parse.
func FuzzRequest(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "/signin/op", "callbackUrl=%2Fx", "", ""},
		{"POST", "/signin/op", "scope=a", "csrfToken=" + vectorToken + "&json=true", "application/x-www-form-urlencoded"},
		{"POST", "/callback/credentials", "", `{"csrfToken":"` + vectorToken + `","username":"bob","password":"x","json":"true"}`, "application/json"},
		{"POST", "/signout", "callbackUrl=//evil.example", "csrfToken=" + vectorToken + "&callbackUrl=https://evil.example", "application/x-www-form-urlencoded; charset=utf-8"},
		{"GET", "/callback/op", "code=x&state=y&error=%ff", "", ""},
		{"GET", "/error/%41ccessDenied", "error=Configuration", "", ""},
		{"POST", "/_log", "", `{"level":"error","code":["x"]}`, "application/json"},
		{"POST", "/session", "", `{"csrfToken":null,"data":{"a":[1,2,{"b":"c"}]}}`, "application/json"},
		{"HEAD", "//%2f", "&&=&%", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, method, path, query, body, contentType string) {
		w.logs.TakeAll()
		r := (&http.Request{Method: method, URL: &url.URL{}, Header: http.Header{
			"Content-Type": {contentType},
			"Cookie":       {secure("csrf-token") + "=" + vectorToken + "|" + vectorHash},
		}, Body: http.NoBody}).WithContext(context.Background())
		if body != "" {
			r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
		}
		site := w.site
		site.Path, site.Query = testBase+path, query
		out := w.send(t, r, site)
		if out.status >= 500 {
			seg, _ := split(testBase, site.Path)
			code := parseForm(query)["error"]
			if !code.present {
				code.text = seg.providerID
			}
			if seg.action != "error" || !strings.EqualFold(code.text, "Configuration") {
				t.Errorf("status %d", out.status)
			}
		}
		to := out.location()
		if to != "" && to != testOrigin && !strings.HasPrefix(to, testOrigin+"/") && !strings.HasPrefix(to, idpURL+"?") {
			t.Errorf("leads to %q", to)
		}
		if strings.ContainsAny(to, "\r\n\t\\") {
			t.Errorf("Location %q", to)
		}
		if strings.HasPrefix(out.header.Get("Content-Type"), "application/json") && !json.Valid([]byte(out.body)) {
			t.Errorf("no JSON: %q", out.body)
		}
	})
}
