package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakePages writes the name of the page and where it leads to.
type fakePages struct{}

func (fakePages) write(w http.ResponseWriter, status int, name string, v Refusal) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte(name + " " + v.CallbackURL))
}

func (p fakePages) Denied(w http.ResponseWriter, _ *http.Request, v Refusal) {
	p.write(w, 403, "denied "+v.Decision.Candidate.User.Name, v)
}

func (p fakePages) Unauthorized(w http.ResponseWriter, _ *http.Request, v Refusal) {
	p.write(w, 401, "unauthorized", v)
}

func (p fakePages) StepUp(w http.ResponseWriter, _ *http.Request, v Refusal) {
	p.write(w, 401, "step up", v)
}

func (p fakePages) Unavailable(w http.ResponseWriter, _ *http.Request, v Refusal) {
	p.write(w, 503, "unavailable", v)
}

func (p fakePages) BadRequest(w http.ResponseWriter, _ *http.Request, v Refusal) {
	p.write(w, 400, "bad request", v)
}

func TestRespond(t *testing.T) {
	const challenge = `Session realm="https://app.example.com"`
	page := http.Header{"Sec-Fetch-Mode": {"navigate"}}
	script := http.Header{"Sec-Fetch-Mode": {"cors"}}
	for _, test := range []struct {
		name, method, target string
		header               http.Header
		d                    Decision
		bare                 bool // no Pages
		status               int
		location             string
		authenticate         string
		body                 string
	}{
		{
			name: "page load", method: "GET", target: "/a%2Fb?x=1&y=%26#", header: page, d: Decision{Action: SignIn},
			status: 302, location: "https://app.example.com/api/auth/signin?callbackUrl=https%3A%2F%2Fapp.example.com%2Fa%252Fb%3Fx%3D1%26y%3D%2526",
		},
		{
			name: "METH-01 HEAD", method: "HEAD", target: "/a", header: page, d: Decision{Action: SignIn},
			status: 302, location: "https://app.example.com/api/auth/signin?callbackUrl=https%3A%2F%2Fapp.example.com%2Fa",
		},
		{
			name: "a path that looks like a host", method: "GET", target: `//evil.example/%5C..`, header: page, d: Decision{Action: SignIn},
			status: 302, location: "https://app.example.com/api/auth/signin?callbackUrl=https%3A%2F%2Fapp.example.com%2F%2Fevil.example%2F%255C..",
		},
		{
			name: "METH-08 script", method: "GET", target: "/a", header: script, d: Decision{Action: SignIn},
			status: 401, authenticate: challenge, body: `{"error":"SessionRequired","signin":"https://app.example.com/api/auth/signin"}`,
		},
		{name: "METH-01 HEAD of a script", method: "HEAD", target: "/a", header: script, d: Decision{Action: SignIn}, status: 401, authenticate: challenge},
		{
			name: "METH-09 POST of a script", method: "POST", target: "/a", header: script, d: Decision{Action: SignIn},
			status: 401, authenticate: challenge, body: `{"error":"SessionRequired","signin":"https://app.example.com/api/auth/signin"}`,
		},
		{
			name: "METH-09 form", method: "POST", target: "/save", d: Decision{Action: SignIn},
			header: http.Header{"Sec-Fetch-Mode": {"navigate"}, "Referer": {"https://app.example.com/edit?id=1"}},
			status: 401, authenticate: challenge, body: "unauthorized https://app.example.com/edit?id=1",
		},
		{
			name: "form on another site", method: "POST", target: "/save", d: Decision{Action: SignIn},
			header: http.Header{"Sec-Fetch-Mode": {"navigate"}, "Referer": {"https://evil.example/"}},
			status: 401, authenticate: challenge, body: "unauthorized https://app.example.com",
		},
		{
			name: "METH-05 OPTIONS", method: "OPTIONS", target: "/a", header: http.Header{"Origin": {"https://evil.example"}}, d: Decision{Action: SignIn},
			status: 401, authenticate: challenge, body: `{"error":"SessionRequired","signin":"https://app.example.com/api/auth/signin"}`,
		},
		{
			name: "form without pages", method: "POST", target: "/a", header: page, bare: true, d: Decision{Action: SignIn},
			status: 401, authenticate: challenge, body: `{"error":"SessionRequired","signin":"https://app.example.com/api/auth/signin"}`,
		},
		{name: "denied", method: "GET", target: "/a?b", header: page, d: Decision{Action: Forbid, Candidate: alice()}, status: 403, body: "denied Alice https://app.example.com/a?b"},
		{name: "denied script", method: "GET", target: "/a", header: script, d: Decision{Action: Forbid, Candidate: alice()}, status: 403, body: `{"error":"AccessDenied"}`},
		{name: "bad path", method: "GET", target: "/a%00", header: page, d: Decision{Action: BadRequest}, status: 400, body: "bad request https://app.example.com"},
		{name: "bad path, script", method: "GET", target: "/a%00", header: script, d: Decision{Action: BadRequest}, status: 400, body: `{"error":"BadRequest"}`},
		{name: "store down", method: "GET", target: "/a", header: page, d: Decision{}, status: 503, body: "unavailable https://app.example.com/a"},
		{name: "store down, script", method: "GET", target: "/a", header: script, d: Decision{}, status: 503, body: `{"error":"Unavailable"}`},
		{name: "METH-04 TRACE", method: "TRACE", target: "/a", header: page, d: Decision{Action: MethodNotAllowed}, status: 405, body: `{"error":"MethodNotAllowed"}`},
		{name: "a decision to pass that was not followed", method: "GET", target: "/a", header: script, d: Decision{Action: Pass}, status: 503, body: `{"error":"Unavailable"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := get(t, "/")
			r.Method, r.URL, r.Header, r.Host = test.method, parse(t, strings.TrimSuffix(test.target, "#")), test.header, "evil.example"
			w := httptest.NewRecorder()
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("Etag", `"x"`)
			responder := &Responder{Pages: fakePages{}}
			if test.bare {
				responder.Pages = nil
			}
			responder.Respond(w, r, test.d, Site{Origin: "https://app.example.com", BasePath: "/api/auth"})
			h := w.Result().Header
			if w.Code != test.status || h.Get("Location") != test.location || strings.TrimSpace(w.Body.String()) != test.body {
				t.Errorf("%d\n%s\n%s", w.Code, h.Get("Location"), w.Body)
			}
			if h.Get("WWW-Authenticate") != test.authenticate {
				t.Errorf("WWW-Authenticate: %s", h.Get("WWW-Authenticate"))
			}
			// CACHE-02
			if h.Get("Cache-Control") != "private, no-cache, no-store" || h.Get("Etag") != "" || !strings.Contains(h.Get("Vary"), "Cookie") {
				t.Errorf("header %v", h)
			}
			if (h.Get("Retry-After") != "") != (test.status == 503) || (h.Get("Allow") != "") != (test.status == 405) {
				t.Errorf("header %v", h)
			}
			if h.Get("Access-Control-Allow-Origin") != "" {
				t.Error("a foreign origin may read this")
			}
		})
	}
}

func TestRespondComesBackToTheOriginalURL(t *testing.T) {
	r := get(t, "/index.php")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := httptest.NewRecorder()
	site := Site{Origin: "https://app.example.com", BasePath: "/auth", URL: parse(t, "/wiki/C%23")}
	new(Responder).Respond(w, r, Decision{Action: SignIn}, site)
	const want = "https://app.example.com/auth/signin?callbackUrl=https%3A%2F%2Fapp.example.com%2Fwiki%2FC%2523"
	if got := w.Header().Get("Location"); got != want {
		t.Errorf("got %s", got)
	}
}

func TestRealm(t *testing.T) {
	if got := realm("https://a\"b\\c\r\n é:1"); got != "https://abc:1" {
		t.Errorf("got %q", got)
	}
}
