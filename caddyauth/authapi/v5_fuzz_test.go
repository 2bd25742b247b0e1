package authapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzSplitV5 holds that what is taken apart can be put together again, and
// that nothing but the segments is in it.
func FuzzSplitV5(f *testing.F) {
	for _, path := range []string{
		"/api/auth/signin/op", "/api/auth//callback//op//", "/api/auth/session/x", "/api/auth/signin/undefined",
		"/api/auth/%2e%2e/x", "/api/authx", "/api/auth/a/b/c", "", "/api/auth/\x00/\xff",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		s, ok := splitV5(testBase, path)
		if !ok {
			return
		}
		if !strings.HasPrefix(path, testBase+"/") {
			t.Errorf("%q is not below the base path", path)
		}
		if s.action == "" || strings.Contains(s.action+s.providerID, "/") || s.providerID == "undefined" {
			t.Errorf("%q: segments %q", path, s)
		}
		if s.providerID != "" && !slices.Contains(withProvider, s.action) {
			t.Errorf("%q: %s has no provider", path, s.action)
		}
		if again, ok := splitV5(testBase, testBase+"/"+s.action+"/"+s.providerID); !ok || again != s {
			t.Errorf("%q: segments %q, and again %q", path, s, again)
		}
	})
}

// FuzzBodyV5 compares the fields of forms and of JSON with what the standard
// library makes of them, where it accepts them.
func FuzzBodyV5(f *testing.F) {
	for _, s := range [][2]string{
		{"application/x-www-form-urlencoded", "csrfToken=a&csrfToken=b&x=%20+%zz"},
		{"application/x-www-form-urlencoded; charset=utf-8", "?a=b&&=c&d"},
		{"application/json", `{"csrfToken":"a","csrfToken":"b","data":{"x":[1,2]},"n":null}`},
		{"text/plain; application/json", "\ufeff{\"a\":\"\\ud800\"}"},
		{"Application/JSON", "{"},
		{"application/json", `"text"`},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, contentType, raw string) {
		got, err := parseBodyV5(contentType, raw)
		if err != nil && (got != nil || err.status != 400) {
			t.Fatalf("fields %v and error %v", got, err)
		}
		if !utf8.ValidString(raw) || strings.HasPrefix(raw, "\ufeff") {
			return
		}
		switch {
		case strings.Contains(contentType, "application/json"):
			compareJSON(t, raw, got, err)
		case strings.Contains(contentType, "application/x-www-form-urlencoded"):
			compareForm(t, strings.TrimPrefix(raw, "?"), got)
		case got != nil || err != nil:
			t.Errorf("%q has fields: %v", contentType, got)
		}
	})
}

func compareForm(t *testing.T, raw string, got fields) {
	t.Helper()
	want, err := url.ParseQuery(raw)
	if err != nil || strings.Count(raw, "&") >= maxFields {
		return // net/url refuses what browsers accept
	}
	for name, values := range want {
		last := values[len(values)-1]
		if utf8.ValidString(name) && utf8.ValidString(last) && (got[name].text != last || !got[name].present) {
			t.Errorf("%q: %q is %+v, want %q", raw, name, got[name], last)
		}
	}
}

func compareJSON(t *testing.T, raw string, got fields, err *bodyError) {
	t.Helper()
	var want any
	if json.Unmarshal([]byte(raw), &want) != nil {
		if err == nil {
			t.Errorf("%q passes for JSON", raw)
		}
		return
	}
	if strings.Count(raw, "[")+strings.Count(raw, "{") > 60 || strings.Count(raw, ",") >= maxFields {
		return
	}
	if err != nil {
		t.Errorf("%q does not pass for JSON", raw)
	}
	object, _ := want.(map[string]any)
	if len(got) != len(object) {
		t.Errorf("%q: %d fields, want %d", raw, len(got), len(object))
	}
	for name, v := range object {
		text, isText := v.(string)
		if got[name].text != text || got[name].present != (v != nil) || got[name].invalid == isText && v != nil {
			t.Errorf("%q: %q is %+v, want %v", raw, name, got[name], v)
		}
	}
}

// FuzzRequestV5 sends any path, query and body, and holds what must hold for
// all of them, as FuzzRequest does for the other dialect.
func FuzzRequestV5(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "/signin/op", "callbackUrl=%2Fx", "", ""},
		{"POST", "/signin/op", "scope=a", "csrfToken=" + vectorToken, "application/x-www-form-urlencoded"},
		{"POST", "/callback/credentials", "", `{"csrfToken":"` + vectorToken + `","username":"bob","password":"x"}`, "application/json"},
		{"POST", "/signout", "callbackUrl=//evil.example", "csrfToken=" + vectorToken + "&callbackUrl=/a&callbackUrl=https://evil.example", "text/plain; application/x-www-form-urlencoded"},
		{"GET", "/callback/op", "code=x&state=y&error=%ff", "", ""},
		{"GET", "/error", "error=Configuration&error=x", "", ""},
		{"GET", "/verify-request", "x=\r\n'\"<>", "", ""},
		{"POST", "/providers", "", "{", "application/json"},
		{"HEAD", "//signin//", "&&=&%", "", ""},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	w := newWorld(f, inV5, func(o *Options) { o.Pages.VerifyRequest = testOrigin + "/mail" })
	f.Fuzz(func(t *testing.T, method, path, query, body, contentType string) {
		w.logs.TakeAll()
		for _, asBody := range []bool{false, true} {
			r := (&http.Request{Method: method, URL: &url.URL{}, Header: http.Header{
				"Content-Type": {contentType},
				"Cookie":       {w.name("csrf-token") + "=" + vectorToken + "|" + vectorHash},
			}, Body: http.NoBody}).WithContext(context.Background())
			if body != "" {
				r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
			}
			if asBody {
				r.Header.Set(returnRedirect, "")
			}
			site := w.site
			site.Path, site.Query = testBase+path, query
			checkFuzzedV5(t, w.send(t, r, site), site)
		}
	})
}

func checkFuzzedV5(t *testing.T, out reply, site Site) {
	t.Helper()
	if s, _ := splitV5(testBase, site.Path); out.status >= 500 && s.action != "error" {
		t.Errorf("status %d", out.status)
	}
	var inBody struct{ URL string }
	if out.header.Get("Content-Type") == jsonType {
		if !json.Valid([]byte(out.body)) {
			t.Errorf("no JSON: %q", out.body)
		}
		_ = json.Unmarshal([]byte(out.body), &inBody)
	}
	for _, to := range []string{out.location(), inBody.URL} {
		if to != "" && to != testOrigin && !strings.HasPrefix(to, testOrigin+"/") && !strings.HasPrefix(to, idpURL+"?") {
			t.Errorf("leads to %q", to)
		}
		if strings.ContainsAny(to, "\r\n\t ") {
			t.Errorf("address %q", to)
		}
	}
}
