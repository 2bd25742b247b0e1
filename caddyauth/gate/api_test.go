package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
)

const partner = "https://partner.example.com"

// apiPolicy has an API that the partner's pages may read, and one without CORS.
func apiPolicy(t testing.TB) *Policy {
	t.Helper()
	p := &Policy{
		Public: []Matcher{paths(t, "/api/public/*")},
		Deny:   []Rule{{Scope: "/api/closed/*", Matcher: paths(t, "/api/closed/*"), Subject: Any, Line: "deny /api/closed/* any"}},
		API: []APIScope{
			{Matcher: paths(t, "/api/*"), Origins: []string{"HTTPS://Partner.example.com:443", "http://localhost:5173"}},
			{Matcher: paths(t, "/rpc/*")},
		},
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

func ask(t *testing.T, p *Policy, read func() (*session.Session, error), method, target string, header ...string) (Decision, *http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	d := p.Decide(r, nil, read)
	w := httptest.NewRecorder()
	(&Responder{Pages: fakePages{}}).Respond(w, r, d, Site{Origin: "https://app.example.com", BasePath: "/api/auth"})
	return d, w.Result(), w.Body.String()
}

func TestAPI(t *testing.T) {
	p := apiPolicy(t)
	page := []string{"Sec-Fetch-Mode", "navigate", "Accept", "text/html"}
	for _, test := range []struct {
		name, target string
		header       []string
		status       int
		body         string
		origin       string
		varies       bool
	}{
		{"an API is never redirected", "/api/x", page, 401, "SessionRequired", "", true},
		{"nor under another spelling of it", "/API/x", page, 401, "SessionRequired", "", true},
		{"nor under an ambiguous one", "/x/..%2fapi/x", page, 401, "SessionRequired", "", true},
		{"nor at its root", "/api", page, 401, "SessionRequired", "", true},
		{"without CORS", "/rpc/x", append(page, "Origin", partner), 401, "SessionRequired", "", false},
		{"other requests are", "/web", page, 302, "", "", false},
		{"a listed origin reads the refusal", "/api/x", []string{"Origin", partner}, 401, "SessionRequired", partner, true},
		{"a listed origin of another port", "/api/x", []string{"Origin", "http://localhost:5173"}, 401, "SessionRequired", "http://localhost:5173", true},
		{"METH-06 another origin does not", "/api/x", []string{"Origin", "https://evil.example"}, 401, "SessionRequired", "", true},
		{"METH-06 an origin that begins alike", "/api/x", []string{"Origin", partner + ".evil.example"}, 401, "SessionRequired", "", true},
		{"METH-06 the origin null", "/api/x", []string{"Origin", "null"}, 401, "SessionRequired", "", true},
		{"METH-06 another scheme", "/api/x", []string{"Origin", "http://partner.example.com"}, 401, "SessionRequired", "", true},
		{"METH-06 two origins", "/api/x", []string{"Origin", partner, "Origin", "https://evil.example"}, 401, "SessionRequired", "", true},
		{"METH-06 an origin outside of the API", "/web", []string{"Origin", partner}, 401, "SessionRequired", "", false},
		{"a denial is read as well", "/api/closed/x", []string{"Origin", partner}, 403, "AccessDenied", partner, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, res, body := ask(t, p, anonymous, "GET", test.target, test.header...)
			h := res.Header
			if res.StatusCode != test.status || !strings.Contains(body, test.body) || h.Get("Access-Control-Allow-Origin") != test.origin {
				t.Errorf("%v: %d %v %s", d, res.StatusCode, h, body)
			}
			if (h.Get("Access-Control-Allow-Credentials") == "true") != (test.origin != "") {
				t.Errorf("credentials: %v", h)
			}
			if got := strings.Contains(strings.Join(h["Vary"], ","), "Origin"); got != test.varies {
				t.Errorf("Vary %q", h["Vary"])
			}
			if test.status == 401 && h.Get("WWW-Authenticate") == "" {
				t.Error("METH-08: no challenge")
			}
		})
	}
	t.Run("METH-08 no cookie is minted", func(t *testing.T) {
		if _, res, _ := ask(t, p, anonymous, "GET", "/api/x", "Origin", partner); len(res.Header["Set-Cookie"]) > 0 {
			t.Error(res.Header)
		}
	})
	t.Run("a session passes with its origin noted", func(t *testing.T) {
		d, _, _ := ask(t, p, signedIn(alice()), "GET", "/api/x", "Origin", partner)
		if d.Action != Pass || !d.API || d.CORS != partner || !d.VaryOrigin {
			t.Errorf("%+v", d)
		}
	})
	t.Run("outside of the directive's matcher nothing is ours", func(t *testing.T) {
		p := &Policy{Scope: paths(t, "/in/*"), API: []APIScope{{Origins: []string{partner}}}}
		if err := p.Compile(); err != nil {
			t.Fatal(err)
		}
		d, _, _ := ask(t, p, anonymous, "OPTIONS", "/out", "Origin", partner, "Access-Control-Request-Method", "PUT")
		if !d.Outside || d.Action != Pass || d.API || d.CORS != "" {
			t.Errorf("%+v", d)
		}
	})
}

func TestMETH05Preflight(t *testing.T) {
	p := apiPolicy(t)
	never := func() (*session.Session, error) {
		t.Error("the session was read")
		return nil, session.ErrNone
	}
	d, res, body := ask(t, p, never, "OPTIONS", "/api/closed/x", "Origin", partner,
		"Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization,x-thing")
	want := map[string]string{
		"Access-Control-Allow-Origin": partner, "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "DELETE",
		"Access-Control-Allow-Headers": "authorization,x-thing", "Access-Control-Max-Age": "600", "Cache-Control": "private, no-cache, no-store",
	}
	if d.Action != Preflight || res.StatusCode != 204 || body != "" {
		t.Errorf("%v: %d %q", d, res.StatusCode, body)
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, name := range []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"} {
		if !strings.Contains(strings.Join(res.Header["Vary"], ","), name) {
			t.Errorf("Vary lacks %s", name)
		}
	}
	for _, test := range []struct {
		name, method, target string
		header               []string
	}{
		{"METH-05 plain OPTIONS", "OPTIONS", "/api/x", []string{"Origin", partner}},
		{"METH-05 not OPTIONS", "POST", "/api/x", []string{"Origin", partner, "Access-Control-Request-Method", "PUT"}},
		{"METH-05 another origin", "OPTIONS", "/api/x", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}},
		{"METH-05 no origin", "OPTIONS", "/api/x", []string{"Access-Control-Request-Method", "PUT"}},
		{"METH-05 outside of the API", "OPTIONS", "/web", []string{"Origin", partner, "Access-Control-Request-Method", "PUT"}},
		{"METH-05 an API without CORS", "OPTIONS", "/rpc/x", []string{"Origin", partner, "Access-Control-Request-Method", "PUT"}},
		{"METH-05 a method that is none", "OPTIONS", "/api/x", []string{"Origin", partner, "Access-Control-Request-Method", "P T"}},
		{"METH-05 an empty method", "OPTIONS", "/api/x", []string{"Origin", partner, "Access-Control-Request-Method", ""}},
		{"METH-05 two methods", "OPTIONS", "/api/x", []string{"Origin", partner, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Method", "GET"}},
		{"METH-03 method override", "POST", "/api/x", []string{"Origin", partner, "X-HTTP-Method-Override", "OPTIONS", "Access-Control-Request-Method", "PUT"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d, res, _ := ask(t, p, anonymous, test.method, test.target, test.header...); d.Action != SignIn || res.StatusCode != 401 {
				t.Errorf("%v: %d", d.Action, res.StatusCode)
			}
		})
	}
	t.Run("METH-04 TRACE", func(t *testing.T) {
		if d, _, _ := ask(t, p, signedIn(alice()), "TRACE", "/api/x", "Origin", partner); d.Action != MethodNotAllowed {
			t.Error(d.Action)
		}
	})
	t.Run("names of fields that are none are not sent back", func(t *testing.T) {
		for _, names := range []string{"a b", "a:b", strings.Repeat("x", 5000), `"`, "a,,b"} {
			_, res, _ := ask(t, p, anonymous, "OPTIONS", "/api/x", "Origin", partner, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", names)
			if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Headers") != "" {
				t.Errorf("%q: %v", names, res.Header)
			}
		}
	})
}

func TestCleanOrigins(t *testing.T) {
	for origin, want := range map[string]string{
		"https://www.example.com":        "https://www.example.com",
		"HTTPS://WWW.Example.com:443":    "https://www.example.com",
		"http://localhost:80":            "http://localhost",
		"https://a.example:8443":         "https://a.example:8443",
		"http://[::1]:3000":              "http://[::1]:3000",
		"https://[2001:db8::1]":          "https://[2001:db8::1]",
		"capacitor://localhost":          "capacitor://localhost",
		"chrome-extension://abcdefghijk": "chrome-extension://abcdefghijk",
		"https://xn--bcher-kva.example":  "https://xn--bcher-kva.example",
		"null":                           "", "*": "", "https://*": "", "https://*.example.com": "", "": "", "example.com": "", "//example.com": "",
		"https://": "", "https:///x": "", "https://a.example/": "", "https://a.example/x": "", "https://a.example?x": "", "https://a.example?": "",
		"https://a.example#": "", "https://u@a.example": "", "https://a.example:": "", "https://a.example:0": "", "https://a.example:99999": "",
		"https://bücher.example": "", "https:a.example": "", "https://a b.example": "",
	} {
		got, err := CleanOrigins([]string{origin})
		if want == "" {
			if err == nil {
				t.Errorf("%q became %q", origin, got)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, %v", origin, got, err)
		}
	}
	if _, err := newAPIScopes([]APIScope{{Origins: []string{"*"}}}); err == nil {
		t.Error("a wildcard was compiled")
	}
	if got, _ := CleanOrigins([]string{"https://a.example", "https://A.example:443"}); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestWriterCORS(t *testing.T) {
	for _, test := range []struct {
		name         string
		rules        ResponseRules
		upstream     http.Header
		origin, vary string
	}{
		{"added", ResponseRules{CORS: partner, VaryOrigin: true}, http.Header{}, partner, "Origin"},
		{"never doubled", ResponseRules{CORS: partner, VaryOrigin: true}, http.Header{"Access-Control-Allow-Origin": {"*"}, "Vary": {"Accept, origin"}}, "*", "Accept, origin"},
		{"the upstream's word stands", ResponseRules{CORS: partner, VaryOrigin: true}, http.Header{"Access-Control-Allow-Origin": {partner}}, partner, "Origin"},
		{"for nobody", ResponseRules{VaryOrigin: true}, http.Header{}, "", "Origin"},
		{"varies on all", ResponseRules{CORS: partner, VaryOrigin: true}, http.Header{"Vary": {"*"}}, partner, "*"},
		{"no API", ResponseRules{}, http.Header{}, "", ""},
	} {
		rec := httptest.NewRecorder()
		w := NewWriter(rec, test.rules)
		for name, values := range test.upstream {
			w.Header()[name] = values
		}
		w.WriteHeader(200)
		w.Finish()
		h := rec.Header()
		if got := strings.Join(h["Access-Control-Allow-Origin"], "|"); got != test.origin {
			t.Errorf("%s: origin %q", test.name, got)
		}
		if got := strings.Join(h["Vary"], "|"); got != test.vary {
			t.Errorf("%s: Vary %q", test.name, got)
		}
	}
}

func TestStepUp(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(age time.Duration, acr string) *session.Session {
		s := alice()
		s.Evidence.AuthTime, s.Evidence.ACR = now.Add(-age).Unix(), acr
		return s
	}
	p := &Policy{
		Now:    func() time.Time { return now },
		Public: []Matcher{paths(t, "/open/*")},
		Deny:   []Rule{{Subject: subject(t, "user mallory"), Line: "deny user mallory"}},
		StepUp: []StepUpScope{
			{Matcher: paths(t, "/admin/*", "/open/form"), Requirement: Requirement{MaxAge: 5 * time.Minute}},
			{Matcher: paths(t, "/admin/keys/*"), Requirement: Requirement{MaxAge: time.Minute, ACR: []string{"gold", "platinum"}}},
			{Matcher: paths(t, "/mfa"), Requirement: Requirement{ACR: []string{"platinum"}}},
		},
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	pat := at(0, "gold")
	pat.PAT = new(session.PAT)
	plain := plainToken()
	plain.Evidence.AuthTime = now.Unix()
	mallory := at(time.Hour, "")
	mallory.Evidence.Login = "mallory"
	for _, test := range []struct {
		name, target string
		s            *session.Session
		want         Action
		challenge    string
	}{
		{"fresh", "/admin/x", at(4*time.Minute, ""), Pass, ""},
		{"to the second", "/admin/x", at(5*time.Minute, ""), Pass, ""},
		{"too old", "/admin/x", at(5*time.Minute+time.Second, ""), StepUp, `max_age="300"`},
		{"elsewhere", "/", at(time.Hour, ""), Pass, ""},
		{"closing words ignore case", "/ADMIN", at(time.Hour, ""), StepUp, `max_age="300"`},
		{"any reading", "/x/..%2fadmin", at(time.Hour, ""), StepUp, `max_age="300"`},
		{"both lines", "/admin/keys/1", at(2*time.Minute, "gold"), StepUp, `max_age="60", acr_values="gold platinum"`},
		{"both lines are met", "/admin/keys/1", at(30*time.Second, "platinum"), Pass, ""},
		{"weak", "/mfa", at(0, "silver"), StepUp, `acr_values="platinum"`},
		{"strong", "/mfa", at(time.Hour, "platinum"), Pass, ""},
		{"another node's clock", "/admin/x", at(-30*time.Second, ""), Pass, ""},
		{"a time to come", "/admin/x", at(-time.Hour, ""), StepUp, `max_age="300"`},
		{"no time", "/admin/x", alice(), StepUp, `max_age="300"`},
		{"no evidence", "/admin/x", plain, StepUp, `max_age="300"`},
		{"a personal access token", "/admin/x", pat, Forbid, ""},
		{"rules come first", "/admin/x", mallory, Forbid, ""},
		{"nobody", "/admin/x", nil, SignIn, ""},
		{"a public path", "/open/form", at(time.Hour, ""), Pass, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, res, body := ask(t, p, func() (*session.Session, error) { return test.s, nil }, "GET", test.target, "Sec-Fetch-Mode", "cors")
			if d.Action != test.want {
				t.Fatalf("%v %v", d.Action, d.Reason)
			}
			if test.want != StepUp {
				return
			}
			got := res.Header.Get("WWW-Authenticate")
			if res.StatusCode != 401 || !strings.HasPrefix(got, `Bearer realm="https://app.example.com", error="insufficient_user_authentication", error_description="`) ||
				!strings.HasSuffix(got, ", "+test.challenge) || !strings.Contains(body, "StepUpRequired") {
				t.Errorf("%d %s %s", res.StatusCode, got, body)
			}
			if d.Session != nil || d.Candidate != test.s || d.Reason != ReasonStepUp {
				t.Errorf("%+v", d)
			}
		})
	}
	t.Run("a public path knows nobody", func(t *testing.T) {
		d, _, _ := ask(t, p, signedIn(at(time.Hour, "")), "GET", "/open/form")
		if !d.Public || d.Session != nil || d.Candidate == nil || d.Reason != ReasonStepUp || d.Lacking == nil {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a form", func(t *testing.T) {
		_, res, body := ask(t, p, signedIn(at(time.Hour, "")), "POST", "/admin/x", "Sec-Fetch-Mode", "navigate", "Referer", "https://app.example.com/form")
		if res.StatusCode != 401 || body != "step up https://app.example.com/form" {
			t.Errorf("%d %s", res.StatusCode, body)
		}
	})
	for _, bad := range []Requirement{{}, {MaxAge: -time.Second}, {MaxAge: time.Millisecond}, {ACR: []string{""}}, {ACR: []string{"a b"}}, {ACR: []string{`"`}}, {ACR: []string{"é"}}} {
		if err := (&Policy{StepUp: []StepUpScope{{Requirement: bad}}}).Compile(); err == nil {
			t.Errorf("%+v was compiled", bad)
		}
	}
}

func TestRequirementMerge(t *testing.T) {
	a := Requirement{MaxAge: time.Minute, ACR: []string{"x", "y"}}
	for _, test := range []struct{ b, want Requirement }{
		{Requirement{}, a},
		{Requirement{MaxAge: time.Second}, Requirement{MaxAge: time.Second, ACR: a.ACR}},
		{Requirement{MaxAge: time.Hour, ACR: []string{"y", "z"}}, Requirement{MaxAge: time.Minute, ACR: []string{"y"}}},
		{Requirement{ACR: []string{"z"}}, a},
	} {
		if got := a.merge(test.b); got.MaxAge != test.want.MaxAge || strings.Join(got.ACR, " ") != strings.Join(test.want.ACR, " ") {
			t.Errorf("%+v: %+v", test.b, got)
		}
	}
	if got := (Requirement{}).merge(a); got.MaxAge != a.MaxAge || len(got.ACR) != 2 {
		t.Errorf("%+v", got)
	}
}

func BenchmarkDecideAPIAndStepUp(b *testing.B) {
	p := apiPolicy(b)
	p.StepUp = []StepUpScope{{Matcher: paths(b, "/api/*"), Requirement: Requirement{MaxAge: time.Hour}}}
	if err := p.Compile(); err != nil {
		b.Fatal(err)
	}
	s := alice()
	s.Evidence.AuthTime = time.Now().Unix()
	r := httptest.NewRequest("GET", "/api/x", nil)
	r.Header.Set("Origin", partner)
	read := signedIn(s)
	b.ReportAllocs()
	for b.Loop() {
		if d := p.Decide(r, r.URL, read); d.Action != Pass {
			b.Fatal(d)
		}
	}
}
