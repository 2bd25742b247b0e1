package gate

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// withToken is alice by a personal access token.
func withToken(methods string, paths ...string) func() (*session.Session, error) {
	s := alice()
	s.PAT = &session.PAT{ID: "t1", Paths: paths, Methods: strings.Fields(methods)}
	return signedIn(s)
}

func TestScopePaths(t *testing.T) {
	p := policy(t)
	for _, c := range []struct {
		pattern string
		target  string
		want    bool
	}{
		{"/repo/*", "/repo/", true},
		{"/repo/*", "/repo/x/y.git?service=git-upload-pack", true},
		{"/repo/*", "/repo/a%20b", true},
		{"/repo/*", "/repo/caf%C3%A9", true},
		{"/repo/*", "/repo/a%2Fb", true},
		{"/repo/*", "/repo/x;v=1", true},
		{"/repo/*", "/repo/a/../b", true},
		{"/repo/*", "/repo", false},
		{"/repo/*", "/", false},
		{"/repo/*", "/repository/x", false},
		{"/repo/*", "/admin", false},
		{"/repo/*", "/x/repo/", false},
		{"/repo", "/repo", true},
		{"/repo", "/repo/", false},
		{"/repo", "/repo/x", false},
		{"*.git", "/x/y.git", true},
		{"*.git", "/x/y.git/z", false},
		{"/*", "/anything/at/all", true},

		// The case is as written: what a server makes of it is its own affair.
		{"/repo/*", "/Repo/x", false},
		{"/repo/*", "/REPO/", false},

		// PATH: every way to read it must stay below.
		{"/repo/*", "/repo/../admin", false},
		{"/repo/*", "/repo/x/../../admin", false},
		{"/repo/*", "/repo/..", false},
		{"/repo/*", "/repo/%2e%2e/admin", false},
		{"/repo/*", "/repo/%2E./admin", false},
		{"/repo/*", "/repo/..%2fadmin", false},
		{"/repo/*", "/repo/..%2Fadmin", false},
		{"/repo/*", "/repo%2F..%2Fadmin", false},
		{"/repo/*", "/repo/%252e%252e/admin", false},
		{"/repo/*", "/repo/%252e%252e%252fadmin", false},
		{"/repo/*", "/repo/%25252e%25252e/admin", false},
		{"/repo/*", "/repo/..;/admin", false},
		{"/repo/*", "/repo/..;x=1/admin", false},
		{"/repo/*", "/repo/%2e%2e%3b/admin", false},
		{"/repo/*", `/repo/..\admin`, false},
		{"/repo/*", "/repo/..%5cadmin", false},
		{"/repo/*", "/repo/..%255cadmin", false},
		{"/repo/*", "/repo//../../admin", false},
		{"/repo/*", "/repo/.. /admin", false},
		{"/repo/*", "/repo/..%20/admin", false},
		{"/repo/*", "//repo/x", false},
		{"/repo/*", "/admin/..%2frepo/x", false},
		{"/repo/*", "/admin%23/../repo/x", false},
		{"/repo/*", "/%72epo/x", false},
		{"/repo/*", "/repo%2fx", false},
	} {
		u, err := url.ParseRequestURI(strings.ReplaceAll(c.target, " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
		d := p.Decide(r, u, withToken("", c.pattern))
		if got := d.Action == Pass; got != c.want {
			t.Errorf("%s, %s: %s %s, want to pass: %t", c.pattern, c.target, d.Action, d.Reason, c.want)
		}
		if !c.want && (d.Action != Forbid || d.Reason != ReasonScope || d.Session != nil || d.Candidate == nil || d.Rule != ruleScope) {
			t.Errorf("%s, %s: %+v", c.pattern, c.target, d)
		}
		if d := p.Decide(r, u, withToken("")); d.Action != Pass {
			t.Errorf("%s without paths: %s", c.target, d.Action)
		}
	}
}

// A rewrite must not lead out of the scope, nor into it.
func TestScopeRewritten(t *testing.T) {
	p := policy(t)
	for _, c := range []struct {
		original, current string
		want              bool
	}{
		{"/repo/x", "/repo/y", true}, {"/repo/x", "/admin", false}, {"/admin", "/repo/x", false}, {"/repo/x", "/repo/%2e%2e/admin", false},
	} {
		r := get(t, c.current)
		original, err := url.ParseRequestURI(c.original)
		if err != nil {
			t.Fatal(err)
		}
		if d := p.Decide(r, original, withToken("", "/repo/*")); (d.Action == Pass) != c.want {
			t.Errorf("%s rewritten to %s: %s", c.original, c.current, d.Action)
		}
		if r.URL.Path != get(t, c.current).URL.Path {
			t.Errorf("the path is left as %s", r.URL.Path)
		}
	}
}

// Each reading may be in the scope by another of its paths.
func TestScopeSeveralPaths(t *testing.T) {
	p := policy(t)
	for target, want := range map[string]bool{
		"/repo/x": true, "/files/x": true, "/repo/../files/x": true, "/files/..%2Frepo/x": true,
		"/repo/../admin": false, "/other": false, "/repo/../files": false,
	} {
		r := get(t, target)
		if d := p.Decide(r, nil, withToken("", "/repo/*", "/files/*")); (d.Action == Pass) != want {
			t.Errorf("%s: %s %s", target, d.Action, d.Reason)
		}
	}
}

func TestScopeMethods(t *testing.T) {
	p := policy(t)
	for _, c := range []struct {
		methods, method string
		want            bool
	}{
		{"", "DELETE", true}, {"", "PROPFIND", true},
		{"GET", "GET", true}, {"GET", "HEAD", true}, {"HEAD", "HEAD", true}, {"HEAD", "GET", false},
		{"GET", "POST", false}, {"GET", "OPTIONS", false}, {"GET", "get", false}, {"GET", "GETX", false}, {"GET", "", false},
		{"POST", "HEAD", false}, {"PUT PROPFIND", "PROPFIND", true}, {"PUT PROPFIND", "PROPPATCH", false}, {"get", "GET", false},
	} {
		r := get(t, "/repo/x")
		r.Method = c.method
		d := p.Decide(r, nil, withToken(c.methods, "/repo/*"))
		if (d.Action == Pass) != c.want || !c.want && d.Reason != ReasonScope {
			t.Errorf("%q, %s: %s %s, want to pass: %t", c.methods, c.method, d.Action, d.Reason, c.want)
		}
		r.URL.Path = "/admin"
		if d := p.Decide(r, nil, withToken(c.methods, "/repo/*")); d.Action != Forbid {
			t.Errorf("%q, %s elsewhere: %s", c.methods, c.method, d.Action)
		}
	}
	// A WebSocket over HTTP/2 is a GET to the upstream (RFC 8441), and goes both ways.
	for methods, want := range map[string]Action{"GET": Forbid, "POST": Forbid, "CONNECT": Forbid, "": Pass} {
		r := get(t, "/repo/ws")
		r.Method, r.ProtoMajor, r.Header = "CONNECT", 2, http.Header{":protocol": {"websocket"}}
		if d := p.Decide(r, nil, withToken(methods, "/repo/*")); d.Action != want {
			t.Errorf("WebSocket with %q: %s, want %s", methods, d.Action, want)
		}
	}
}

// METHOD: what may be another method to the upstream is in no scope with methods.
func TestScopeDisguisedMethods(t *testing.T) {
	p := policy(t)
	fields := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = []string{pairs[i+1]}
		}
		return h
	}
	for _, c := range []struct {
		name   string
		target string
		header http.Header
		want   bool
	}{
		{"nothing", "/repo/x", fields("Accept", "*/*", "Authorization", "x"), true},
		{"override", "/repo/x", fields("X-Http-Method-Override", "DELETE"), false},
		{"the same method", "/repo/x", fields("X-Http-Method-Override", "GET"), false},
		{"nothing in it", "/repo/x", fields("X-Http-Method-Override", ""), false},
		{"Microsoft's", "/repo/x", fields("X-Http-Method", "MERGE"), false},
		{"IBM's", "/repo/x", fields("X-Method-Override", "PUT"), false},
		{"without X", "/repo/x", fields("Http-Method-Override", "PUT"), false},
		{"CGI's spelling", "/repo/x", fields("X_http_method_override", "PUT"), false},
		{"as written in HTTP/2", "/repo/x", fields("x-http-method-override", "PUT"), false},
		{"a proxy's", "/repo/x", fields("X-Forwarded-Method", "PUT"), false},
		{"another proxy's", "/repo/x", fields("X-Original-Method", "PUT"), false},
		{"a preflight's", "/repo/x", fields("Access-Control-Request-Method", "PUT"), true},
		{"somebody's own", "/repo/x", fields("X-Payment-Method", "card"), true},
		{"parameter", "/repo/x?_method=DELETE", nil, false},
		{"second parameter", "/repo/x?a=b&_method=DELETE", nil, false},
		{"after a semicolon", "/repo/x?a=b;_method=DELETE", nil, false},
		{"escaped", "/repo/x?%5fm%65thod=DELETE", nil, false},
		{"capitals", "/repo/x?_METHOD=DELETE", nil, false},
		{"a list", "/repo/x?_method[]=DELETE", nil, false},
		{"PHP's dot", "/repo/x?.method=DELETE", nil, false},
		{"PHP's space", "/repo/x?+method=DELETE", nil, false},
		{"alone", "/repo/x?_method", nil, false},
		{"parameters like it", "/repo/x?method=DELETE&a_method=x&b=_method", nil, true},
		{"WebSocket", "/repo/x", fields("Upgrade", "websocket", "Connection", "Upgrade"), false},
		{"another upgrade", "/repo/x", fields("Upgrade", "h2c", "Connection", "upgrade, http2-settings"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := url.ParseRequestURI(c.target)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{Method: "GET", URL: u, Header: c.header}
			d := p.Decide(r, u, withToken("GET POST DELETE", "/repo/*"))
			if (d.Action == Pass) != c.want || !c.want && d.Reason != ReasonScope {
				t.Errorf("%s %s, want to pass: %t", d.Action, d.Reason, c.want)
			}
			if d := p.Decide(r, u, withToken("", "/repo/*")); d.Action != Pass {
				t.Errorf("without methods: %s %s", d.Action, d.Reason)
			}
			if d := p.Decide(r, u, signedIn(alice())); d.Action != Pass {
				t.Errorf("with a session: %s %s", d.Action, d.Reason)
			}
		})
	}
}

// A scope takes away from what the rules give, and never adds to it.
func TestScopeAndRules(t *testing.T) {
	for _, c := range []struct {
		lines  []string
		target string
		action Action
		reason Reason
		line   string
	}{
		{[]string{"allow role staff"}, "/repo/x", Pass, ReasonSession, ""},
		{[]string{"allow role staff"}, "/admin", Forbid, ReasonScope, ruleScope},
		{[]string{"allow role boss"}, "/repo/x", Forbid, ReasonNotAllowed, "role boss"},
		{[]string{"allow role boss"}, "/admin", Forbid, ReasonNotAllowed, "role boss"},
		{[]string{"deny /repo/secret/* any"}, "/repo/secret/x", Forbid, ReasonDenied, "/repo/secret/* any"},
		{[]string{"deny user alice"}, "/repo/x", Forbid, ReasonDenied, "user alice"},
		{[]string{"public"}, "/repo/x", Pass, ReasonSession, ""},
		{[]string{"public"}, "/admin", Pass, ReasonScope, ruleScope},
		{[]string{"public", "private /admin"}, "/admin", Forbid, ReasonScope, ruleScope},
		{[]string{"scope /repo/*"}, "/admin", Pass, ReasonOutside, ""},
	} {
		d := policy(t, c.lines...).Decide(get(t, c.target), nil, withToken("", "/repo/*"))
		if d.Action != c.action || d.Reason != c.reason || d.Rule != c.line {
			t.Errorf("%q, %s: got %s %s %q, want %s %s %q", c.lines, c.target, d.Action, d.Reason, d.Rule, c.action, c.reason, c.line)
		}
		if out := d.Reason == ReasonScope; out && (d.Session != nil || d.Candidate == nil) {
			t.Errorf("%q, %s: out of scope, the person is named to the upstream", c.lines, c.target)
		}
	}
}

// A session has no scope.
func TestScopeOfSession(t *testing.T) {
	if d := policy(t).Decide(get(t, "/repo/../admin"), nil, signedIn(alice())); d.Action != Pass {
		t.Errorf("got %s %s", d.Action, d.Reason)
	}
}

// A path that nobody can compile opens nothing, and the log is told.
func TestScopeOfNonsense(t *testing.T) {
	for _, pattern := range []string{"", "/[", "/{http.request.uri}", "/%zz", "/a%2a"} {
		d := policy(t).Decide(get(t, "/a"), nil, withToken("", "/a", pattern))
		if d.Action != Forbid || d.Reason != ReasonScope || d.Err == nil {
			t.Errorf("%q: %s %s %v", pattern, d.Action, d.Reason, d.Err)
		}
	}
}

// PATH-22: no chain of upstream habits reads more out of a request than its token
// is good for.
func TestPATH22NoUpstreamReadsMoreThanTheScope(t *testing.T) {
	words := []string{"/", "/", "/", "repo", "repo", "admin", "a", "..", ".", "%2e", "%252e", "%2f", "%252F", "//", ";x=1", "%3b", `\`, "%5c", "%23", "%3f", "%20", "%25"}
	p := policy(t)
	random := rand.New(rand.NewPCG(3, 4))
	passed := 0
	for range 4_000 {
		target := "/repo/"
		for range 1 + random.IntN(6) {
			target += words[random.IntN(len(words))]
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			continue
		}
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
		if p.Decide(r, u, withToken("", "/repo/*")).Action != Pass {
			continue
		}
		passed++
		for range 12 {
			seen, habits := u.EscapedPath(), []int(nil)
			for range random.IntN(5) {
				habit := random.IntN(len(upstreams))
				habits = append(habits, habit)
				seen = upstreams[habit](seen)
			}
			if !strings.HasPrefix("/"+strings.TrimPrefix(seen, "/"), "/repo/") {
				t.Fatalf("%s passed, an upstream with habits %v reads %s", target, habits, seen)
			}
		}
	}
	if passed < 100 {
		t.Errorf("only %d paths were compared", passed)
	}
}

func BenchmarkScope(b *testing.B) {
	p, read := policy(b), withToken("GET", "/repo/*", "/files/*")
	r := get(b, "/files/report.pdf")
	b.ReportAllocs()
	for b.Loop() {
		if p.Decide(r, r.URL, read).Action != Pass {
			b.Fatal("refused")
		}
	}
}
