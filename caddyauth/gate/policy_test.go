package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

func TestDecide(t *testing.T) {
	down := errors.New("store: connection refused")
	for _, test := range []struct {
		name   string
		lines  []string
		target string
		read   func() (*session.Session, error)
		want   Action
		public bool
		reason Reason
		// session and candidate say which of the two must be there.
		session, candidate bool
		rule               string
	}{
		{name: "everything is private", target: "/x", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "anyone signed in", target: "/x", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "NextAuth's own token", target: "/x", read: signedIn(plainToken()), want: Pass, reason: ReasonSession, session: true},
		{name: "no session and no error", target: "/x", read: failing(nil), want: SignIn, reason: ReasonNone},
		{name: "invalid", target: "/x", read: failing(session.ErrInvalid), want: SignIn, reason: ReasonInvalid},
		{name: "expired", target: "/x", read: failing(fmt.Errorf("token: %w", session.ErrExpired)), want: SignIn, reason: ReasonExpired},
		{name: "ended", target: "/x", read: failing(session.ErrEnded), want: SignIn, reason: ReasonEnded},
		{name: "IDENT-07 infrastructure", target: "/x", read: failing(down), want: Unavailable, reason: ReasonUnavailable},
		{name: "IDENT-07 infrastructure on a public path", lines: []string{"public /x"}, target: "/x", read: failing(down), want: Pass, public: true, reason: ReasonPublic},
		{name: "IDENT-06 token without a subject", target: "/x", read: signedIn(&session.Session{Claims: "{}"}), want: SignIn, reason: ReasonSubject},

		{name: "public", lines: []string{"public /x"}, target: "/x", read: anonymous, want: Pass, public: true, reason: ReasonPublic},
		{name: "public without matcher", lines: []string{"public"}, target: "/x", read: anonymous, want: Pass, public: true, reason: ReasonPublic},
		{name: "public with a session", lines: []string{"public"}, target: "/x", read: signedIn(alice()), want: Pass, public: true, reason: ReasonSession, session: true},
		{name: "public with an expired session", lines: []string{"public"}, target: "/x", read: failing(session.ErrExpired), want: Pass, public: true, reason: ReasonPublic},
		{name: "public elsewhere", lines: []string{"public /x"}, target: "/y", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "private over public", lines: []string{"public", "private /x/*"}, target: "/x/y", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "private over public, whatever the order", lines: []string{"private /x/*", "public /x/y"}, target: "/x/y", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "private without matcher", lines: []string{"public /x", "private"}, target: "/x", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "private means the directory itself", lines: []string{"public", "private /x/*"}, target: "/x", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "public does not", lines: []string{"public /x/*"}, target: "/x", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "readings in several public lines", lines: []string{"public /a/b", "public /a%2Fb"}, target: "/a%2Fb", read: anonymous, want: Pass, public: true, reason: ReasonPublic},

		{name: "allow", lines: []string{"allow user alice"}, target: "/x", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "allow somebody else", lines: []string{"allow user bob"}, target: "/x", read: signedIn(alice()), want: Forbid, reason: ReasonNotAllowed, candidate: true, rule: "user bob"},
		{name: "alternatives of one scope", lines: []string{"allow user bob", "allow role staff"}, target: "/x", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "both scopes must be passed", lines: []string{"allow role staff", "allow /x/* role admin"}, target: "/x/y", read: signedIn(alice()), want: Forbid, reason: ReasonNotAllowed, candidate: true, rule: "/x/* role admin"},
		{name: "both scopes are passed", lines: []string{"allow role staff", "allow /x/* group dev"}, target: "/x/y", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "the scope without matcher is one too", lines: []string{"allow role admin", "allow /x/* group dev"}, target: "/x/y", read: signedIn(alice()), want: Forbid, reason: ReasonNotAllowed, candidate: true, rule: "role admin"},
		{name: "another scope", lines: []string{"allow /x/* role admin"}, target: "/y", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "alternatives of one path", lines: []string{"allow /x/* role admin", "allow /x/* group dev"}, target: "/x/y", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "scopes that overlap", lines: []string{"allow /x/* group dev", "allow /x/y/* role admin"}, target: "/x/y/z", read: signedIn(alice()), want: Forbid, reason: ReasonNotAllowed, candidate: true, rule: "/x/y/* role admin"},
		{name: "scoped rules ask for a session first", lines: []string{"allow /x/* role admin"}, target: "/x/y", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "a scoped rule does not close what is public", lines: []string{"public", "allow /x/* role admin"}, target: "/x/y", read: anonymous, want: Pass, public: true, reason: ReasonPublic},
		{name: "on a public path a session that fails is a candidate", lines: []string{"public", "allow role admin"}, target: "/x", read: signedIn(alice()), want: Pass, public: true, reason: ReasonNotAllowed, candidate: true, rule: "role admin"},
		{name: "on a public path with a scope as well", lines: []string{"public", "allow /x role admin"}, target: "/x", read: signedIn(alice()), want: Pass, public: true, reason: ReasonNotAllowed, candidate: true, rule: "/x role admin"},
		{name: "NextAuth's own token has no role", lines: []string{"allow role staff"}, target: "/x", read: signedIn(plainToken()), want: Forbid, reason: ReasonNotAllowed, candidate: true, rule: "role staff"},

		{name: "deny over allow", lines: []string{"allow any", "deny group dev"}, target: "/x", read: signedIn(alice()), want: Forbid, reason: ReasonDenied, candidate: true, rule: "group dev"},
		{name: "deny somebody else", lines: []string{"deny group ops"}, target: "/x", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "deny elsewhere", lines: []string{"deny /y/* group dev"}, target: "/x", read: signedIn(alice()), want: Pass, reason: ReasonSession, session: true},
		{name: "deny there, case ignored", lines: []string{"deny /y/* group dev"}, target: "/Y/z", read: signedIn(alice()), want: Forbid, reason: ReasonDenied, candidate: true, rule: "/y/* group dev"},
		{name: "deny on a public path", lines: []string{"public", "deny group dev"}, target: "/x", read: signedIn(alice()), want: Pass, public: true, reason: ReasonDenied, candidate: true, rule: "group dev"},
		{name: "deny any over public", lines: []string{"public", "deny /x/* any"}, target: "/x/y", read: anonymous, want: Forbid, reason: ReasonDenied, rule: "/x/* any"},
		{name: "deny any names the account", lines: []string{"deny /x/* any"}, target: "/x/y", read: signedIn(alice()), want: Forbid, reason: ReasonDenied, candidate: true, rule: "/x/* any"},
		{name: "deny any elsewhere", lines: []string{"public", "deny /x/* any"}, target: "/y", read: anonymous, want: Pass, public: true, reason: ReasonPublic},

		{name: "within the directive's matcher", lines: []string{"scope /x/*"}, target: "/x/y", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "the matcher means the directory too", lines: []string{"scope /x/*"}, target: "/X", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "some reading within the matcher", lines: []string{"scope /x/*"}, target: "/y/..;/x/z", read: anonymous, want: SignIn, reason: ReasonNone},
		{name: "outside the directive's matcher", lines: []string{"scope /x/*", "deny any"}, target: "/y", read: failing(down), want: Pass, public: true, reason: ReasonOutside},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := policy(t, test.lines...).Decide(get(t, test.target), nil, test.read)
			if d.Action != test.want || d.Public != test.public || d.Reason != test.reason || d.Rule != test.rule {
				t.Errorf("got %+v", d)
			}
			if (d.Session != nil) != test.session || (d.Candidate != nil) != test.candidate {
				t.Errorf("session %v, candidate %v", d.Session, d.Candidate)
			}
			if d.Outside != (test.reason == ReasonOutside) {
				t.Errorf("outside: %v", d.Outside)
			}
			if wantErr := errors.Is(errOf(test.read), down) && !d.Outside; (d.Err != nil) != wantErr {
				t.Errorf("err: %v", d.Err)
			}
		})
	}
}

func errOf(read func() (*session.Session, error)) error {
	_, err := read()
	return err
}

func TestDecideReadsTheSessionOnceAtMost(t *testing.T) {
	for _, lines := range [][]string{nil, {"public"}, {"allow role x", "deny role y"}, {"deny any"}} {
		reads := 0
		policy(t, lines...).Decide(get(t, "/a%2Fb"), nil, func() (*session.Session, error) {
			reads++
			return alice(), nil
		})
		if reads != 1 {
			t.Errorf("%v: %d reads", lines, reads)
		}
	}
}

func TestUncompiledPolicyLetsNobodyPass(t *testing.T) {
	p := &Policy{Public: []Matcher{nil}}
	if d := p.Decide(get(t, "/"), nil, signedIn(alice())); d.Action != Unavailable || d.Err == nil {
		t.Errorf("got %+v", d)
	}
	if p.SignIn(alice()) {
		t.Error("signed in")
	}
	if (Decision{}).Action != Unavailable {
		t.Error("the zero decision is no refusal")
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, p := range map[string]*Policy{
		"no subject":            {Allow: []Rule{{Line: "x"}}},
		"scope without matcher": {Allow: []Rule{{Subject: Any, Scope: "/x"}}},
		"matcher without scope": {Deny: []Rule{{Subject: Any, Matcher: paths(t, "/x")}}},
	} {
		if err := p.Compile(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPolicySignIn(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"no rules", nil, true},
		{"allowed", []string{"allow user alice"}, true},
		{"one of several", []string{"allow user bob", "allow domain example.com"}, true},
		{"not allowed", []string{"allow user bob"}, false},
		{"scoped rules are not asked", []string{"allow /x role admin", "deny /x any"}, true},
		{"denied", []string{"allow any", "deny user alice"}, false},
		{"denied otherwise", []string{"allow any", "deny user bob"}, true},
		{"public changes nothing", []string{"public", "allow user bob"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := policy(t, test.lines...).SignIn(alice()); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if policy(t).SignIn(nil) {
		t.Error("nobody signed in")
	}
}

func TestMethods(t *testing.T) {
	request := func(method, target string) *http.Request {
		r := get(t, "/")
		r.Method, r.URL = method, parse(t, target)
		if target == "*" {
			r.URL = &url.URL{Path: "*"}
		}
		return r
	}
	everything := policy(t, "public")
	for _, test := range []struct {
		name string
		r    *http.Request
		want Action
	}{
		{"METH-04 TRACE", request("TRACE", "/"), MethodNotAllowed},
		{"METH-04 TRACK", request("TRACK", "/"), MethodNotAllowed},
		{"PATH-18 CONNECT", &http.Request{Method: "CONNECT", ProtoMajor: 1, Host: "app:443", URL: &url.URL{Host: "app:443"}}, MethodNotAllowed},
		{"PATH-18 CONNECT over HTTP/2", &http.Request{Method: "CONNECT", ProtoMajor: 2, URL: &url.URL{Host: "app:443"}}, MethodNotAllowed},
		{"PATH-16 GET *", request("GET", "*"), MethodNotAllowed},
		{"PATH-16 OPTIONS *", request("OPTIONS", "*"), MethodNotAllowed},
		{"GET", request("GET", "/"), Pass},
		{"an odd method", request("PROPFIND", "/"), Pass},
	} {
		t.Run(test.name, func(t *testing.T) {
			for who, read := range map[string]func() (*session.Session, error){"anonymous": anonymous, "alice": signedIn(alice())} {
				if d := everything.Decide(test.r, nil, read); d.Action != test.want {
					t.Errorf("%s: %+v", who, d)
				}
			}
		})
	}
	t.Run("METH-01 HEAD", func(t *testing.T) {
		for _, lines := range [][]string{nil, {"public /x"}, {"allow role admin"}} {
			for who, read := range map[string]func() (*session.Session, error){"anonymous": anonymous, "alice": signedIn(alice())} {
				g, h := policy(t, lines...).Decide(request("GET", "/x"), nil, read), policy(t, lines...).Decide(request("HEAD", "/x"), nil, read)
				if g.Action != h.Action {
					t.Errorf("%v, %s: GET %v, HEAD %v", lines, who, g.Action, h.Action)
				}
			}
		}
	})
	t.Run("METH-05 OPTIONS", func(t *testing.T) {
		r := request("OPTIONS", "/admin")
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		if d := policy(t).Decide(r, nil, anonymous); d.Action != SignIn || Navigation(r) != Script {
			t.Errorf("got %+v", d)
		}
	})
}

// No header field and no query has a say in the decision.
func TestFieldsDecideNothing(t *testing.T) {
	p := policy(t, "public /public/*", "allow role admin")
	for _, test := range []struct{ id, name, value string }{
		{"METH-03", "X-Http-Method-Override", "GET"},
		{"METH-03", "X-Method-Override", "HEAD"},
		{"HDR-20", "X-Middleware-Subrequest", "middleware:middleware:middleware"},
		{"HDR-20", "X-Auth-Return-Redirect", "1"},
		{"HDR-20", "X-Forwarded-Uri", "/public/x"},
		{"HDR-20", "X-Original-Url", "/public/x"},
		{"HDR-20", "X-Rewrite-Url", "/public/x"},
		{"HOST-04", "X-Forwarded-Prefix", "/public"},
		{"HOST-04", "X-Forwarded-Port", "1"},
		{"HOST-04", "X-Forwarded-Method", "OPTIONS"},
		{"HOST-04", "X-Forwarded-Server", "localhost"},
		{"HDR-19", "Authorization", "Basic YWRtaW46YWRtaW4="},
		{"HDR-01", "Remote-User", "admin"},
		{"CACHE-05", "If-None-Match", `"x"`},
		{"health check", "User-Agent", "kube-probe/1.33"},
	} {
		t.Run(test.id+" "+test.name, func(t *testing.T) {
			r := get(t, "/admin?_method=GET&x=/public/")
			r.Method = "DELETE"
			r.Header.Set(test.name, test.value)
			if d := p.Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("anonymous: %+v", d)
			}
			if d := p.Decide(r, nil, signedIn(alice())); d.Action != Forbid {
				t.Errorf("alice: %+v", d)
			}
		})
	}
	t.Run("HOST-07 host", func(t *testing.T) {
		for _, host := range []string{"APP.EXAMPLE.COM", "app.example.com.", "evil.example", ""} {
			r := get(t, "/admin")
			r.Host = host
			if d := p.Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("%q: %+v", host, d)
			}
		}
	})
}

// A named matcher sees each reading in the request itself.
func TestNamedMatchersSeeReadings(t *testing.T) {
	var seen []string
	spy := matcherFunc(func(r *http.Request) (bool, error) {
		seen = append(seen, r.URL.Path+" "+r.URL.RawPath)
		return true, nil
	})
	p := &Policy{Public: []Matcher{spy}}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	r := get(t, "/a%2Fb?q")
	before := *r.URL
	if d := p.Decide(r, parse(t, "/x"), anonymous); d.Action != Pass {
		t.Errorf("got %+v", d)
	}
	if got := strings.Join(seen, ", "); got != "/a/b /a%2Fb, /a%2Fb , /x " {
		t.Errorf("saw %s", got)
	}
	if *r.URL != before {
		t.Errorf("URL is %+v", *r.URL)
	}
}

func TestNamedMatchersThatClose(t *testing.T) {
	admin := func(r *http.Request) (bool, error) { return strings.HasPrefix(r.URL.Path, "/admin/"), nil }
	other := func(r *http.Request) (bool, error) { return !strings.HasPrefix(r.URL.Path, "/Open/"), nil }
	for _, test := range []struct {
		name    string
		private Matcher
		target  string
		want    Action
	}{
		{"as it is", matcherFunc(admin), "/admin/x", SignIn},
		{"in upper case", matcherFunc(admin), "/ADMIN/x", SignIn},
		{"without the slash", matcherFunc(admin), "/admin", SignIn},
		{"both", matcherFunc(admin), "/Admin", SignIn},
		{"another reading", matcherFunc(admin), "/x/..;/admin/x", SignIn},
		{"elsewhere", matcherFunc(admin), "/x", Pass},
		{"a negation, asked as usual", matcherFunc(other), "/Open/x", SignIn},
		{"a negation, asked exactly", Exact(matcherFunc(other)), "/Open/x", Pass},
		{"a negation, asked exactly, elsewhere", Exact(matcherFunc(other)), "/x", SignIn},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &Policy{Public: []Matcher{nil}, Private: []Matcher{test.private}}
			if err := p.Compile(); err != nil {
				t.Fatal(err)
			}
			if d := p.Decide(get(t, test.target), nil, anonymous); d.Action != test.want {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestRulesWithNamedMatchers(t *testing.T) {
	post := matcherFunc(func(r *http.Request) (bool, error) { return r.Method == "POST", nil })
	broken := matcherFunc(func(*http.Request) (bool, error) { return false, errors.New("no such key") })
	for _, test := range []struct {
		name        string
		allow, deny *Rule
		method      string
		want        Action
	}{
		{"allow, matches and fails", &Rule{Scope: "@post", Matcher: post, Subject: subject(t, "role admin")}, nil, "POST", Forbid},
		{"allow, matches and passes", &Rule{Scope: "@post", Matcher: post, Subject: subject(t, "role staff")}, nil, "POST", Pass},
		{"allow, does not match", &Rule{Scope: "@post", Matcher: post, Subject: subject(t, "role admin")}, nil, "GET", Pass},
		{"deny, matches", nil, &Rule{Scope: "@post", Matcher: post, Subject: subject(t, "role staff")}, "POST", Forbid},
		{"deny, matches somebody else", nil, &Rule{Scope: "@post", Matcher: post, Subject: subject(t, "role admin")}, "POST", Pass},
		{"deny, does not match", nil, &Rule{Scope: "@post", Matcher: post, Subject: subject(t, "role staff")}, "GET", Pass},
		{"allow, matcher fails", &Rule{Scope: "@x", Matcher: broken, Subject: subject(t, "role admin")}, nil, "GET", Forbid},
		{"deny, matcher fails", nil, &Rule{Scope: "@x", Matcher: broken, Subject: subject(t, "role staff")}, "GET", Forbid},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := new(Policy)
			if test.allow != nil {
				p.Allow = []Rule{*test.allow}
			}
			if test.deny != nil {
				p.Deny = []Rule{*test.deny}
			}
			if err := p.Compile(); err != nil {
				t.Fatal(err)
			}
			r := get(t, "/x")
			r.Method = test.method
			if d := p.Decide(r, nil, signedIn(alice())); d.Action != test.want {
				t.Errorf("got %+v", d)
			}
			if !p.SignIn(alice()) {
				t.Error("a scoped rule was asked at sign-in")
			}
		})
	}
}

func TestMatcherThatFails(t *testing.T) {
	broken := matcherFunc(func(*http.Request) (bool, error) { return true, errors.New("no such key") })
	opening := &Policy{Public: []Matcher{broken}}
	closing := &Policy{Public: []Matcher{nil}, Private: []Matcher{matcherFunc(func(*http.Request) (bool, error) {
		return false, errors.New("no such key")
	})}}
	for name, p := range map[string]*Policy{"opening": opening, "closing": closing} {
		if err := p.Compile(); err != nil {
			t.Fatal(err)
		}
		if d := p.Decide(get(t, "/x"), nil, anonymous); d.Action != SignIn || d.Err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestMatcherThatPanics(t *testing.T) {
	p := &Policy{Public: []Matcher{matcherFunc(func(*http.Request) (bool, error) { panic("boom") })}}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	r := get(t, "/a%2Fb")
	before := *r.URL
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		if *r.URL != before {
			t.Errorf("URL is %+v", *r.URL)
		}
	}()
	p.Decide(r, parse(t, "/x"), anonymous)
}

func TestExtendedConnect(t *testing.T) {
	method := ""
	spy := matcherFunc(func(r *http.Request) (bool, error) { method = r.Method; return method == "GET", nil })
	p := &Policy{Public: []Matcher{spy}}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"HTTP/2": {Method: "CONNECT", ProtoMajor: 2, URL: parse(t, "/ws"), Header: http.Header{":protocol": {"websocket"}}},
		"HTTP/3": {Method: "CONNECT", ProtoMajor: 3, Proto: "websocket", URL: parse(t, "/ws"), Header: http.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := p.Decide(r, nil, anonymous); d.Action != Pass || method != "GET" {
				t.Errorf("got %+v, matcher saw %s", d, method)
			}
			if r.Method != "CONNECT" {
				t.Errorf("method is %s afterwards", r.Method)
			}
			if d := policy(t).Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("private: %+v", d)
			}
			if Navigation(r) != Script || !IsTunnel(r) {
				t.Error("not a tunnel")
			}
		})
	}
	for name, r := range map[string]*http.Request{
		"another protocol": {Method: "CONNECT", ProtoMajor: 2, URL: parse(t, "/ws"), Header: http.Header{":protocol": {"connect-udp"}}},
		"HTTP/1":           {Method: "CONNECT", ProtoMajor: 1, URL: parse(t, "/ws"), Header: http.Header{":protocol": {"websocket"}}},
		"HTTP/3, plain":    {Method: "CONNECT", ProtoMajor: 3, Proto: "HTTP/3.0", URL: parse(t, "/ws"), Header: http.Header{}},
	} {
		if d := p.Decide(r, nil, anonymous); d.Action != MethodNotAllowed {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestActionString(t *testing.T) {
	if Pass.String() != "pass" || MethodNotAllowed.String() != "method_not_allowed" || Action(99).String() != "unknown" {
		t.Error(Pass, MethodNotAllowed, Action(99))
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	p := policy(t, "public /public/*", "private /members/*", "allow group dev", "allow /app/* role staff admin", "deny user mallory")
	r, read := get(t, "/app/x"), signedIn(alice())
	if n := testing.AllocsPerRun(100, func() {
		if d := p.Decide(r, r.URL, read); d.Action != Pass {
			t.Fatal(d)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
