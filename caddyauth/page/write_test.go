package page

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/net/html"
)

// directives splits a policy into its directives.
func directives(res response) map[string]string {
	policy := make(map[string]string)
	for d := range strings.SplitSeq(res.Header().Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(d, " ")
		policy[name] = value
	}
	return policy
}

func TestFormAction(t *testing.T) {
	const wide = "'self' https:"
	const local = wide + " http://localhost:* http://*.localhost:* http://127.0.0.1:*"
	with := func(p Provider, origins ...string) Provider {
		p.FormAction = origins
		return p
	}
	hub := with(github, "https://github.com")
	tests := []struct {
		name      string
		loopback  bool
		providers []Provider
		want      string
	}{
		{"no provider", false, nil, wide},
		{"no provider, loopback", true, nil, local},
		{"none listed", false, []Provider{github, google}, wide},
		{"none listed, loopback", true, []Provider{github}, local},
		{"one of two listed", false, []Provider{hub, google}, wide},
		{"all listed", false, []Provider{hub, with(google, "https://accounts.google.com", "https://github.com")},
			"'self' https://accounts.google.com https://github.com"},
		{"listed, loopback", true, []Provider{with(acme, "http://localhost:9000")}, "'self' http://localhost:9000"},
		{"forms stay here", false, []Provider{hub, users, email}, "'self' https://github.com"},
		{"only forms", false, []Provider{users}, wide},
		{"wildcards", false, []Provider{with(acme, "https://*.example.com:*")}, "'self' https://*.example.com:*"},
		{"scheme", false, []Provider{with(acme, "https:")}, "'self' https:"},
		{"directive inside", false, []Provider{with(acme, "https://a.example; script-src *")}, wide},
		{"comma inside", false, []Provider{with(acme, "https://a.example,default-src")}, wide},
		{"line break inside", false, []Provider{with(acme, "https://a.example\r\nX-Evil: 1")}, wide},
		{"keyword", false, []Provider{with(acme, "'unsafe-inline'")}, wide},
		{"star", false, []Provider{with(acme, "*")}, wide},
		{"javascript", false, []Provider{with(acme, "javascript:")}, wide},
		{"path", false, []Provider{with(acme, "https://a.example/login")}, wide},
		{"empty", false, []Provider{with(acme, "")}, wide},
	}
	r := newRenderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := signIn(tt.providers...)
			v.Loopback = tt.loopback
			res := get(t, r, pageOf((*Renderer).SignIn, v))
			if got := directives(res)["form-action"]; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The policy allows exactly the style sheet that is sent.
func TestStyleHash(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		res := get(t, r, f)
		sum := sha256.Sum256([]byte(one(t, res.root, "style").FirstChild.Data))
		want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if got := directives(res)["style-src"]; got != want {
			t.Errorf("%s: style-src is %s, the hash is %s", name, got, want)
		}
	}
}

func TestHeadersReplaceThoseOfTheSite(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Security-Policy", "form-action 'none'")
	rec.Header().Set("Cache-Control", "public, max-age=900")
	rec.Header().Set("Vary", "Accept-Encoding, cookie")
	rec.Header().Add("Set-Cookie", "a=b")
	newRenderer(t).SignIn(rec, httptest.NewRequest(http.MethodGet, "/", nil), signIn(github))
	h := rec.Header()
	if got := h.Values("Content-Security-Policy"); len(got) != 1 || strings.Contains(got[0], "form-action 'none'") {
		t.Errorf("Content-Security-Policy is %q", got)
	}
	if got := h.Values("Cache-Control"); !slices.Equal(got, []string{"private, no-cache, no-store"}) {
		t.Errorf("Cache-Control is %q", got)
	}
	if got := h.Values("Vary"); !slices.Equal(got, []string{"Accept-Encoding, cookie"}) {
		t.Errorf("Vary is %q", got)
	}
	if got := h.Get("Set-Cookie"); got != "a=b" {
		t.Errorf("Set-Cookie is %q", got)
	}
}

func TestVary(t *testing.T) {
	for _, tt := range []struct{ have, want []string }{
		{nil, []string{"Cookie"}},
		{[]string{"Accept"}, []string{"Accept", "Cookie"}},
		{[]string{"Accept,Cookie"}, []string{"Accept,Cookie"}},
		{[]string{"Accept", "COOKIE"}, []string{"Accept", "COOKIE"}},
		{[]string{"*"}, []string{"*"}},
		{[]string{"X-Cookie"}, []string{"X-Cookie", "Cookie"}},
	} {
		h := http.Header{"Vary": slices.Clone(tt.have)}
		addVary(h, "Cookie")
		if !slices.Equal(h["Vary"], tt.want) {
			t.Errorf("%q: got %q, want %q", tt.have, h["Vary"], tt.want)
		}
	}
}

func TestHead(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		res := get(t, r, f)
		head := httptest.NewRecorder()
		f(r, head, httptest.NewRequest(http.MethodHead, "/", nil))
		if head.Code != res.Code {
			t.Errorf("%s: status is %d, with GET %d", name, head.Code, res.Code)
		}
		if head.Body.Len() != 0 {
			t.Errorf("%s: HEAD has a body", name)
		}
		for field := range res.Header() {
			if got, want := head.Header().Get(field), res.Header().Get(field); got != want {
				t.Errorf("%s: %s is %q, with GET %q", name, field, got, want)
			}
		}
		if got, want := head.Header().Get("Content-Length"), strconv.Itoa(res.Body.Len()); got != want {
			t.Errorf("%s: Content-Length is %s, the page has %s", name, got, want)
		}
	}
}

// A template that fails halfway leaves no half page behind.
func TestTemplateError(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	r, err := New(Options{Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	r.signin = template.Must(template.New("signin").Funcs(template.FuncMap{
		"fail": func() (string, error) { return "", errors.New("no reason") },
	}).Parse(`{{define "layout"}}<!DOCTYPE html><p>half{{fail}}{{end}}`))
	res := get(t, r, pageOf((*Renderer).SignIn, signIn(github)))
	if res.Code != http.StatusInternalServerError {
		t.Errorf("status is %d", res.Code)
	}
	if got := res.Body.String(); got != "Internal Server Error\n" {
		t.Errorf("body is %q", got)
	}
	if got := res.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := res.Header().Get("Cache-Control"); got != "private, no-cache, no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if n := logs.FilterMessage("page could not be rendered").Len(); n != 1 {
		t.Errorf("%d log entries", n)
	}
}

// brokenWriter is a connection that went away.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWriteError(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	r, err := New(Options{Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	r.SignIn(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil), signIn(github))
	if n := logs.FilterMessage("page could not be sent").FilterLevelExact(zap.DebugLevel).Len(); n != 1 {
		t.Errorf("%d log entries", n)
	}
}

// assertAllowed fails unless a script is the one that the page is for.
func assertAllowed(t *testing.T, res response, script *html.Node) {
	t.Helper()
	if len(script.Attr) > 0 || script.FirstChild == nil || script.NextSibling != nil && strings.TrimSpace(script.NextSibling.Data) != "" {
		t.Fatal("there is an odd <script>")
	}
	sum := sha256.Sum256([]byte(script.FirstChild.Data))
	policy := directives(res)
	sources := strings.Fields(policy["script-src"])
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !slices.Contains(sources, want) {
		t.Errorf("script-src is %s, the hash is %s", policy["script-src"], want)
	}
	if n := len(find(res.root, "script")); n != len(sources) {
		t.Errorf("%d scripts, %d sources", n, len(sources))
	}
	want := ""
	if strings.Contains(res.Body.String(), "fetch(") {
		want = "'self'"
	}
	if policy["connect-src"] != want {
		t.Errorf("connect-src is %q, want %q", policy["connect-src"], want)
	}
}

// assertInert fails if a page contains anything that could run, load or be
// blocked by its own policy.
func assertInert(t *testing.T, res response) {
	t.Helper()
	for n := range res.root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script":
			assertAllowed(t, res, n)
		case "img", "iframe", "object", "embed", "base", "template", "foreignobject", "use", "image", "animate", "set":
			t.Errorf("there is a <%s>", n.Data)
		case "style":
			if n.Parent.Data != "head" {
				t.Error("there is a <style> in the body")
			}
		case "link":
			if attr(n, "rel") != "icon" || attr(n, "href") != "data:," {
				t.Errorf("there is a <link> to %q", attr(n, "href"))
			}
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcset", a.Key == "formaction", a.Key == "srcdoc":
				t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
			case (a.Key == "href" || a.Key == "action") && strings.HasPrefix(value, "javascript:"):
				t.Errorf("<%s> leads to %q", n.Data, a.Val)
			}
		}
	}
}
