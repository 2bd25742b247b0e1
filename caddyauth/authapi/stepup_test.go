package authapi

import (
	"html"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

const vault = testOrigin + "/vault?tab=1&callbackUrl=https://evil.example"

// stepUp opens a page that asks for more than the session has.
func (b *browser) stepUp(to StepUpRequest) reply {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/vault?tab=1&callbackUrl=https://evil.example", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	var pairs []string
	for _, c := range b.jar {
		pairs = append(pairs, c.name+"="+c.value)
	}
	r.Header.Set("Cookie", strings.Join(pairs, "; "))
	if to.Session == nil {
		to.Session = b.session()
	}
	to.CallbackURL = vault
	site := b.site
	site.Path, site.Query = "/vault", "tab=1&callbackUrl=https://evil.example"
	rec := httptest.NewRecorder()
	b.api.StepUp(rec, r, site, to)
	out := reply{t: b.t, status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	for _, line := range rec.Header().Values("Set-Cookie") {
		pair, attributes, _ := strings.Cut(line, "; ")
		name, value, _ := strings.Cut(pair, "=")
		c := setCookie{name, value, attributes}
		out.cookies = append(out.cookies, c)
		b.keep(c)
	}
	if got := rec.Header().Get("Cache-Control"); got != "private, no-cache, no-store" {
		b.t.Errorf("Cache-Control %q", got)
	}
	return out
}

// back returns from the provider.
func (b *browser) back(id string, r reply) reply {
	b.t.Helper()
	return b.get("/callback/" + id + "?code=c&state=" + r.param("state"))
}

func dialects(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("v4", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("v5", func(t *testing.T) { test(t, newWorld(t, inV5)) })
}

func TestStepUp(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		b := w.browser(t)
		b.signIn("op")
		before := b.session()
		w.clock.add(time.Hour)

		r := b.stepUp(StepUpRequest{MaxAge: 5 * time.Minute, ACR: []string{"gold"}})
		if r.status != http.StatusFound || !strings.HasPrefix(r.location(), idpURL) {
			t.Fatalf("%d %s", r.status, r.location())
		}
		asked := w.op.started[len(w.op.started)-1]
		if asked.StepUp == nil || asked.StepUp.MaxAge != 5*time.Minute || !slices.Equal(asked.StepUp.ACR, []string{"gold"}) || asked.Extra != nil {
			t.Errorf("asked for %+v, %v", asked.StepUp, asked.Extra)
		}
		w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			id := alice()
			id.AuthTime = w.clock.now().Add(-time.Second)
			id.Profile["acr"] = "gold"
			return id, nil
		}
		// The session is live, and the callback is processed all the same.
		r = b.back("op", r)
		if r.location() != vault {
			t.Errorf("came back to %s", r.location())
		}
		after := b.session()
		if e := after.Evidence; e.StepUp == "" || e.ACR != "gold" || e.AuthTime != w.clock.now().Unix()-1 || e.SID == before.Evidence.SID {
			t.Errorf("%+v", e)
		}
	})
}

// TestStepUpInVain: a provider that takes no notice makes no loop.
func TestStepUpInVain(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		old := w.clock.now().Add(-24 * time.Hour)
		w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			id := alice()
			id.AuthTime = old
			return id, nil
		}
		for name, ask := range map[string]StepUpRequest{
			"max_age": {MaxAge: 5 * time.Minute, Reference: "REF"}, "acr": {ACR: []string{"gold"}, Reference: "REF"},
		} {
			b := w.browser(t)
			b.signIn("op")
			w.clock.add(10 * time.Second)
			r := b.stepUp(ask)
			if r.status != http.StatusFound {
				t.Fatalf("%s: a fresh session of an ordinary sign-in: %d", name, r.status)
			}
			b.back("op", r)
			w.clock.add(10 * time.Second)
			r = b.stepUp(ask)
			if r.status != http.StatusForbidden || r.location() != "" || !strings.Contains(r.body, "REF") || !strings.Contains(r.body, "The &lt;OP&gt; &amp; Co was asked for") {
				t.Errorf("%s: %d %s %s", name, r.status, r.location(), r.body)
			}
			if len(r.cookies) > 0 {
				t.Errorf("%s: sets %v", name, r.names())
			}
			if r := b.stepUp(StepUpRequest{MaxAge: 48 * time.Hour, ACR: []string{"none"}}); r.status != http.StatusFound {
				t.Errorf("another requirement: %d", r.status)
			}
			w.clock.add(time.Minute)
			if r := b.stepUp(ask); r.status != http.StatusFound {
				t.Errorf("%s: a minute later: %d", name, r.status)
			}
		}
		if w.logs.FilterMessage("a fresh sign-in was not what step_up asks for").Len() == 0 {
			t.Error("nothing was logged")
		}
	})
}

// TestStepUpByForm: who used a password is asked for it again.
func TestStepUpByForm(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		b := w.browser(t)
		b.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2")
		if s := b.session(); s.Evidence.Provider != "credentials" {
			t.Fatalf("%+v", s.Evidence)
		}
		w.clock.add(time.Hour)
		r := b.stepUp(StepUpRequest{MaxAge: 5 * time.Minute})
		if r.status != http.StatusFound || !strings.HasPrefix(r.location(), testOrigin+testBase+"/signin?callbackUrl=") || r.param("callbackUrl") != vault {
			t.Fatalf("%d %s", r.status, r.location())
		}
		page := b.get(strings.TrimPrefix(r.location(), testOrigin+testBase))
		if page.status != 200 || !strings.Contains(page.body, "Sign in again to continue") {
			t.Errorf("%d %s", page.status, page.body)
		}
		b.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2")
		if s := b.session(); s.Evidence.AuthTime != w.clock.now().Unix() {
			t.Errorf("auth_time %d", s.Evidence.AuthTime)
		}
		// No password has a class.
		if r := b.stepUp(StepUpRequest{ACR: []string{"gold"}}); r.status != http.StatusForbidden || !strings.Contains(r.body, "than the one you used") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// TestStepUpSkipsNoPage: with auto_redirect the sign-in page stays.
func TestStepUpSkipsNoPage(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.AutoRedirect, o.Providers = true, o.Providers[:1] })
	b := w.browser(t)
	b.signIn("op")
	s := *b.session()
	s.Evidence.Method = session.MethodPasskey
	r := b.stepUp(StepUpRequest{Session: &s, MaxAge: time.Second})
	page := b.get(strings.TrimPrefix(r.location(), testOrigin+testBase), "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	if page.status != 200 || !strings.Contains(page.body, "Sign in again to continue") {
		t.Errorf("%s: %d %s", r.location(), page.status, page.location())
	}
}

// TestStepUpUnmarked: where a provider's flows carry no check, there is no loop
// either.
func TestStepUpUnmarked(t *testing.T) {
	w := newWorld(t)
	w.gh.checks = provider.Checks{}
	b := w.browser(t)
	b.get("/signin")
	b.start("github")
	b.get("/callback/github?code=c")
	if r := b.stepUp(StepUpRequest{ACR: []string{"gold"}}); r.status != http.StatusForbidden {
		t.Errorf("%d %s", r.status, r.location())
	}
}

// TestStepUpLimit: each flow counts as an attempt.
func TestStepUpLimit(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("op")
	for i := range 100 {
		r := b.stepUp(StepUpRequest{MaxAge: time.Second})
		if strings.HasPrefix(r.location(), idpURL) {
			continue
		}
		if i < 50 || r.header.Get("Retry-After") == "" {
			t.Errorf("after %d: %d %s", i, r.status, r.location())
		}
		return
	}
	t.Error("no limit")
}

// TestEvidenceOfAuthentication: when and how somebody signed in, as far as it can
// be believed.
func TestEvidenceOfAuthentication(t *testing.T) {
	w := newWorld(t)
	now := w.clock.now()
	for _, test := range []struct {
		name     string
		authTime time.Time
		acr      any
		want     int64
		wantACR  string
	}{
		{"the provider says nothing", time.Time{}, nil, now.Unix(), ""},
		{"the provider says when", now.Add(-time.Hour), "urn:mace:incommon:iap:silver", now.Unix() - 3600, "urn:mace:incommon:iap:silver"},
		{"a time to come", now.Add(time.Hour), "0", now.Unix(), "0"},
		{"before all time", time.Unix(-5, 0), nil, 0, ""},
		{"a class that is none", time.Time{}, 7, now.Unix(), ""},
		{"a list of them", time.Time{}, []any{"gold"}, now.Unix(), ""},
		{"a class without end", time.Time{}, strings.Repeat("x", 256), now.Unix(), ""},
	} {
		w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			id := alice()
			id.AuthTime = test.authTime
			if test.acr != nil {
				id.Profile["acr"] = test.acr
			}
			return id, nil
		}
		b := w.browser(t)
		b.signIn("op")
		if e := b.session().Evidence; e.AuthTime != test.want || e.ACR != test.wantACR || e.StepUp != "" {
			t.Errorf("%s: %+v", test.name, e)
		}
	}
}

// TestNestedRoles: where roles and groups are found, and where not.
func TestNestedRoles(t *testing.T) {
	profile := map[string]any{
		"sub":                       "alice-id",
		"https://example.com/roles": []any{"a"},
		"a":                         map[string]any{"b": map[string]any{"c": []any{"deep"}}, "b.c": []any{"dotted"}},
		"x.y":                       map[string]any{"z.w": []any{"both"}},
		"objects":                   []any{map[string]any{"name": "admin"}, map[string]any{"name": "root"}},
		"mixed":                     []any{"ok", map[string]any{"name": "admin"}, nil, []any{"nested"}, true},
		"object":                    map[string]any{"admin": true},
		"text":                      "one",
		"Case":                      []any{"no"},
		"resource_access":           map[string]any{"my.app": map[string]any{"roles": []any{"editor"}}, "my": map[string]any{"app": map[string]any{"other": []any{"x"}}}},
	}
	for path, want := range map[string]string{
		"https://example.com/roles":    "a",
		"a.b.c":                        "dotted",
		"x.y.z.w":                      "both",
		"objects":                      "",
		"objects.name":                 "",
		"objects.0.name":               "",
		"mixed":                        "ok",
		"object":                       "",
		"text":                         "one",
		"case":                         "",
		"resource_access.my.app.roles": "editor",
		"resource_access.my.app.other": "x",
		"missing.path":                 "",
	} {
		w := newWorld(t, func(o *Options) { o.Roles, o.Groups = []string{path}, []string{path} })
		w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			id := alice()
			id.Profile = profile
			return id, nil
		}
		b := w.browser(t)
		b.signIn("op")
		e := b.session().Evidence
		if got := strings.Join(e.Roles, " "); got != want || !slices.Equal(e.Roles, e.Groups) {
			t.Errorf("%s: roles %q, groups %q, want %q", path, e.Roles, e.Groups, want)
		}
	}
}

// TestStepUpWithAnotherAccount: it is another session, and not one more account of
// the same user, whom somebody else may have left signed in.
func TestStepUpWithAnotherAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		ada := b.in(b.as(l.op, somebody("ada", "ada@example.com", true)))
		l.clock.add(2 * time.Hour)

		r := b.stepUp(StepUpRequest{MaxAge: 5 * time.Minute})
		l.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			return somebody("bob", "bob@example.com", true), nil
		}
		if r = b.back("op", r); r.location() != vault {
			t.Fatalf("%d %s", r.status, r.location())
		}
		if bob := b.session(); bob.Evidence.User == ada.Evidence.User || bob.Evidence.Account != "bob" || bob.User.Email != "bob@example.com" {
			t.Errorf("%+v", bob.Evidence)
		}
		// The same account is the same user.
		l.clock.add(2 * time.Minute)
		r = b.stepUp(StepUpRequest{MaxAge: time.Second})
		l.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			return somebody("ada", "ada@example.com", true), nil
		}
		b.back("op", r)
		if again := b.session(); again.Evidence.User != ada.Evidence.User || again.Evidence.SID == ada.Evidence.SID || again.Evidence.StepUp == "" {
			t.Errorf("%+v", again.Evidence)
		}
	})
}

// TestStepUpDemands: a form that needs a fresh sign-in cannot be sent on the way to
// the provider, so a link to the sign-in page says what its buttons are to ask for.
func TestStepUpDemands(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		"max_age=300&acr_values=gold%20silver":           "acr_values=gold+silver&max_age=300&prompt=login",
		"max_age=60&hd=example.com":                      "max_age=60&prompt=login",
		"acr_values=%22%3E%3Cscript%3E":                  "acr_values=%22%3E%3Cscript%3E&prompt=login",
		"max_age=-1":                                     "",
		"max_age=99999999999":                            "",
		"prompt=none":                                    "",
		"acr_values=" + strings.Repeat("a", maxDemand+1): "",
	} {
		body := html.UnescapeString(w.browser(t).get("/signin?error=SessionRequired&" + query).body)
		action := testBase + "/signin/op"
		if want != "" {
			action += "?" + want
		}
		if !strings.Contains(body, action+`"`) {
			t.Errorf("%s: no form leads to %s", query, action)
		}
		if strings.Contains(body, "Sign in again to continue") != (want != "") {
			t.Errorf("%s: the page says otherwise", query)
		}
	}
}
