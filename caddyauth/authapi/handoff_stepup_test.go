package authapi

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/internal/testkey"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// newSteps are portals whose gate judges sign-ins.
func newSteps(t testing.TB, newLibrary func(...func(*Options)) *library, change ...func(*Options)) *portals {
	t.Helper()
	p := newPortals(t, newLibrary, change...)
	p.options.Meets = func(s *session.Session, need provider.StepUp, at time.Time) bool {
		return gate.Requirement{MaxAge: need.MaxAge, ACR: need.ACR}.Met(s, at)
	}
	return p
}

// met is what the gate of the member says.
func (v *visitor) met(ask StepUpRequest) bool {
	v.t.Helper()
	s := v.member.session()
	if s == nil {
		v.t.Fatal("not signed in")
	}
	return gate.Requirement{MaxAge: ask.MaxAge, ACR: ask.ACR}.Met(s, v.clock.now())
}

// walk follows redirects between the member, the portal and GitHub, which says that it
// is somebody, and returns the first answer that leads elsewhere, and how often GitHub
// was asked.
func (v *visitor) walk(r reply, id *provider.Identity) (_ reply, asked int) {
	v.t.Helper()
	for range 12 {
		to := r.location()
		switch {
		case strings.HasPrefix(to, idpURL):
			asked++
			v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return id, nil }
			r = v.portal.back("github", r)
		case strings.HasPrefix(to, portalOrigin+testBase+"/handoff?"):
			r = v.portal.get(strings.TrimPrefix(to, portalOrigin+testBase))
		case strings.HasPrefix(to, testOrigin+testBase+"/handoff?"):
			r = v.member.get(strings.TrimPrefix(to, testOrigin+testBase))
		default:
			return r, asked
		}
	}
	v.t.Fatalf("redirected too often, last to %s", r.location())
	return r, asked
}

// at is somebody who proved who they are at some time, in some way.
func at(id *provider.Identity, when time.Time, acr string) *provider.Identity {
	id.AuthTime = when
	if acr != "" {
		id.Profile["acr"] = acr
	}
	return id
}

// A page of a member that asks for more gets it from the provider, which the portal
// asks.
func TestHandoffStepUp(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		p := newSteps(t, newLibrary)
		v := p.visitor(t)
		before := v.member.in(v.signIn(ada()))
		p.clock.add(time.Hour)

		ask := StepUpRequest{MaxAge: 5 * time.Minute, ACR: []string{"gold", "platinum"}}
		r := v.member.stepUp(ask)
		if !strings.HasPrefix(r.location(), portalOrigin+testBase+"/handoff?start=") {
			t.Fatalf("%d %s", r.status, r.location())
		}
		// The browser has no say in what is asked for.
		start := strings.TrimPrefix(r.location(), portalOrigin+testBase) + "&max_age=99999&acr=none&maxAge=99999"
		r = v.portal.get(start)
		asked := p.gh.started[len(p.gh.started)-1]
		if !strings.HasPrefix(r.location(), idpURL) || asked.StepUp == nil || asked.StepUp.MaxAge != ask.MaxAge || !slices.Equal(asked.StepUp.ACR, ask.ACR) || asked.Extra.Encode() != "" {
			t.Fatalf("asked for %+v, %v, at %s", asked.StepUp, asked.Extra, r.location())
		}
		proved := p.clock.now().Add(-2 * time.Second)
		r, _ = v.walk(r, at(ada(), proved, "platinum"))
		if r.location() != vault {
			t.Errorf("came back to %s", r.location())
		}
		after, there := v.member.session(), v.portal.session()
		for name, e := range map[string]session.Evidence{"member": after.Evidence, "portal": there.Evidence} {
			if e.StepUp == "" || e.ACR != "platinum" || e.AuthTime != proved.Unix() {
				t.Errorf("at the %s: %+v", name, e)
			}
		}
		if after.Evidence.SID == before.Evidence.SID || after.Evidence.Family != before.Evidence.Family || after.Owner() != before.Owner() || !v.met(ask) {
			t.Errorf("%+v", after.Evidence)
		}
		if v.member.has(v.name("handoff")) || v.portal.has(v.name("handoff")) {
			t.Error("what was under way is still kept")
		}
	})
}

// Whoever has signed in at the portal lately is not asked again for that, but for what
// they have not.
func TestHandoffStepUpMet(t *testing.T) {
	const gold = "gold"
	for name, c := range map[string]struct {
		ask   StepUpRequest
		since time.Duration // how long ago the sign-in at the portal was
		acr   string        // and of which class
		asked int
	}{
		"recent":             {StepUpRequest{MaxAge: 5 * time.Minute}, 4 * time.Minute, "", 0},
		"old":                {StepUpRequest{MaxAge: 5 * time.Minute}, 6 * time.Minute, "", 1},
		"about to be old":    {StepUpRequest{MaxAge: 5 * time.Minute}, 5*time.Minute - codeAge/2, "", 1},
		"strong":             {StepUpRequest{ACR: []string{"silver", gold}}, time.Hour, gold, 0},
		"weak":               {StepUpRequest{ACR: []string{gold}}, 0, "silver", 1},
		"of no class":        {StepUpRequest{ACR: []string{gold}}, 0, "", 1},
		"recent, but weak":   {StepUpRequest{MaxAge: time.Hour, ACR: []string{gold}}, time.Minute, "silver", 1},
		"strong, but old":    {StepUpRequest{MaxAge: time.Minute, ACR: []string{gold}}, time.Hour, gold, 1},
		"strong and recent":  {StepUpRequest{MaxAge: time.Hour, ACR: []string{gold}}, time.Minute, gold, 0},
		"nothing is too old": {StepUpRequest{MaxAge: 1 << 30 * time.Second}, time.Hour, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newSteps(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
			v := p.visitor(t)
			v.member.in(v.signIn(ada()))
			p.clock.add(24 * time.Hour)
			// At the portal itself, or at another member.
			v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
				return at(ada(), p.clock.now(), c.acr), nil
			}
			v.portal.signIn("github")
			p.clock.add(c.since)
			r, asked := v.walk(v.member.stepUp(c.ask), at(ada(), p.clock.now(), gold))
			if r.location() != vault || asked != c.asked || !v.met(c.ask) {
				t.Errorf("asked %d times, came back to %s, met %v", asked, r.location(), v.met(c.ask))
			}
			// The sign-in at hand is what counts, not the moment at which it came here.
			if s := v.member.session(); c.asked == 0 && s.Evidence.AuthTime != p.clock.now().Add(-c.since).Unix() {
				t.Errorf("auth_time %d", s.Evidence.AuthTime)
			}
		})
	}
	t.Run("another person", func(t *testing.T) {
		p := newSteps(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
		v := p.visitor(t)
		first := v.member.in(v.signIn(ada()))
		// Another browser's session at the portal is no proof of hers.
		other := p.visitor(t)
		other.member.in(other.signIn(somebody("2", "bob@example.com", true)))
		p.clock.add(time.Minute)
		v.portal.jar = other.portal.jar
		r, asked := v.walk(v.member.stepUp(StepUpRequest{MaxAge: time.Hour}), ada())
		if s := v.member.session(); asked != 1 || r.location() != vault || s.Owner() != first.Owner() {
			t.Errorf("asked %d times, %s, %+v", asked, r.location(), s)
		}
	})
	t.Run("nobody to judge", func(t *testing.T) {
		p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
		v := p.visitor(t)
		v.member.in(v.signIn(ada()))
		if _, asked := v.walk(v.member.stepUp(StepUpRequest{MaxAge: time.Hour}), ada()); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// A provider that takes no notice is asked once, and makes no circle, neither for the
// first member nor for the next.
func TestHandoffStepUpInVain(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for name, ask := range map[string]StepUpRequest{
			"max_age": {MaxAge: 5 * time.Minute, Reference: "REF"}, "acr": {ACR: []string{"gold"}, Reference: "REF"},
		} {
			p := newSteps(t, newLibrary)
			v := p.visitor(t)
			old := p.clock.now().Add(-24 * time.Hour)
			v.member.in(v.signIn(at(ada(), old, "")))
			p.clock.add(10 * time.Second)
			r, asked := v.walk(v.member.stepUp(ask), at(ada(), old, ""))
			if asked != 1 || r.location() != vault || v.met(ask) {
				t.Fatalf("%s: asked %d times, %d %s", name, asked, r.status, r.location())
			}
			r = v.member.stepUp(ask)
			if r.status != 403 || r.location() != "" || !strings.Contains(r.body, "REF") || !strings.Contains(r.body, "GitHub was asked for") {
				t.Errorf("%s: %d %s %s", name, r.status, r.location(), r.body)
			}
			if len(r.cookies) > 0 {
				t.Errorf("%s: sets %v", name, r.names())
			}
			// A minute later it may be asked again, which the portal does, too.
			p.clock.add(time.Minute + time.Second)
			if _, asked := v.walk(v.member.stepUp(ask), at(ada(), old, "")); asked != 1 {
				t.Errorf("%s: a minute later: asked %d times", name, asked)
			}
			if r := v.member.stepUp(ask); r.status != 403 {
				t.Errorf("%s: %d %s", name, r.status, r.location())
			}
		}
	})
}

// What one member has asked for in vain is not held against another one.
func TestHandoffStepUpMark(t *testing.T) {
	p := newSteps(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	v.member.in(v.signIn(ada()))
	p.clock.add(time.Hour)
	v.walk(v.member.stepUp(StepUpRequest{MaxAge: time.Minute}), ada())
	if v.member.session().Evidence.StepUp == "" {
		t.Fatal("no mark")
	}
	next := p.visitor(t)
	next.portal.jar = slices.Clone(v.portal.jar)
	if s := next.member.in(next.signIn(nil)); s.Evidence.StepUp != "" {
		t.Errorf("%+v", s.Evidence)
	}
	ask := StepUpRequest{ACR: []string{"gold"}}
	if r, asked := next.walk(next.member.stepUp(ask), ada()); asked != 1 || r.location() != vault {
		t.Errorf("asked %d times, %d %s", asked, r.status, r.location())
	}
	if r := next.member.stepUp(ask); r.status != 403 {
		t.Errorf("%d %s", r.status, r.location())
	}
}

// Codes are no better because they are for a fresh sign-in.
func TestHandoffStepUpCodes(t *testing.T) {
	p := newSteps(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	s := v.member.in(v.signIn(ada()))
	ask := StepUpRequest{MaxAge: 5 * time.Minute}
	code := func() string {
		p.clock.add(time.Hour)
		r := v.member.stepUp(ask)
		return v.code(strings.TrimPrefix(r.location(), portalOrigin+testBase+"/handoff?"), ada())
	}
	refused := func(why string, r reply) {
		t.Helper()
		// Whoever is signed in stays so, with the session of before.
		if now := v.member.session(); now == nil || now.Evidence.SID != s.Evidence.SID || v.met(ask) {
			t.Errorf("%s: %+v", why, now)
		}
		if strings.Contains(strings.Join(r.names(), " "), "session-token") {
			t.Errorf("%s: sets %v", why, r.names())
		}
		v.wantWhy(why)
	}
	late := code()
	p.clock.add(codeAge)
	p.logs.TakeAll()
	refused(handoffExpired, v.redeem(late))

	foreign := code()
	p.logs.TakeAll()
	elsewhere := *p.world
	elsewhere.site.Origin = "https://other.example.org"
	b := elsewhere.browser(t)
	b.jar = slices.Clone(v.member.jar)
	refused(handoffHost, b.get("/handoff?"+foreign))
	refused(handoffUsed, v.redeem(foreign)) // it is gone, and this browser is still on its way

	stolen := code()
	p.logs.TakeAll()
	refused(handoffBrowser, p.visitor(t).redeem(stolen))

	good := code()
	if r := v.redeem(good); r.location() != vault || !v.met(ask) {
		t.Fatalf("%d %s", r.status, r.location())
	}
	p.logs.TakeAll()
	s = v.member.session()
	v.redeem(good)
	if now := v.member.session(); now.Evidence.SID != s.Evidence.SID {
		t.Errorf("%+v", now)
	}
	v.wantWhy(handoffUsed)
}

// A code that the member's store has never had may mean that there are two stores.
func TestHandoffTwoStores(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	code := v.code(v.start("github"), ada())
	there := p.shelf.Driver
	p.shelf.Driver = newShelf().Driver // the member's own
	p.logs.TakeAll()
	r := v.redeem(code)
	lines := p.logs.FilterMessage("handoff refused").All()
	if len(lines) != 1 || lines[0].ContextMap()["hint"] != "unknown or used: do the portal and this site share one store?" {
		t.Errorf("%+v", lines)
	}
	v.wantNone(r, handoffUsed)
	p.shelf.Driver = there
	v.member.in(v.redeem(v.code(v.start("github"), ada())))
	// Of one that was used the browser has nothing left.
	code = v.code(v.start("github"), ada())
	v.redeem(code)
	p.logs.TakeAll()
	v.redeem(code)
	if lines := p.logs.FilterMessage("handoff refused").All(); len(lines) != 1 || lines[0].ContextMap()["hint"] != nil {
		t.Errorf("%+v", lines)
	}
}

// Who used a password is asked for it again, on the portal's page.
func TestHandoffStepUpByForm(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		p := newSteps(t, newLibrary, withPassword)
		v := p.visitor(t)
		bob := func(callback string) {
			v.portal.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2", "callbackUrl", callback)
		}
		r := v.portal.get("/handoff?" + v.start("credentials"))
		bob(r.param("callbackUrl"))
		v.walk(reply{t: t, header: map[string][]string{"Location": {r.param("callbackUrl")}}}, nil)
		if s := v.member.session(); s == nil || s.Evidence.Provider != "credentials" {
			t.Fatalf("%+v", s)
		}
		p.clock.add(time.Hour)
		ask := StepUpRequest{MaxAge: 5 * time.Minute}
		r, _ = v.walk(v.member.stepUp(ask), nil)
		callback := r.param("callbackUrl")
		if !strings.HasPrefix(r.location(), portalOrigin+testBase+"/signin?callbackUrl=") || !strings.HasPrefix(callback, portalOrigin+testBase+"/handoff?continue=") {
			t.Fatalf("%d %s", r.status, r.location())
		}
		page := v.portal.get(strings.TrimPrefix(r.location(), portalOrigin+testBase), "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
		if page.status != 200 || !strings.Contains(page.body, "Sign in again to continue") || !strings.Contains(page.body, "app.example.com") {
			t.Errorf("%d %s", page.status, page.body)
		}
		// Going on without it leads nowhere.
		r, _ = v.walk(reply{t: t, header: map[string][]string{"Location": {callback}}}, nil)
		if !strings.HasPrefix(r.location(), portalOrigin+testBase+"/signin?") || v.met(ask) {
			t.Errorf("without a password: %d %s", r.status, r.location())
		}
		bob(callback)
		r, _ = v.walk(reply{t: t, header: map[string][]string{"Location": {callback}}}, nil)
		if r.location() != vault || !v.met(ask) {
			t.Errorf("%d %s", r.status, r.location())
		}
		// No password has a class.
		if r := v.member.stepUp(StepUpRequest{ACR: []string{"gold"}}); r.status != 403 || !strings.Contains(r.body, "than the one you used") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// withPassword makes the form with a password the only way in.
func withPassword(o *Options) {
	o.Providers = slices.DeleteFunc(o.Providers, func(p provider.Provider) bool { return !isCredentials(p) })
	o.AutoRedirect = true
}

// The way that a person chooses on the portal's page is asked for what the member
// wants, too.
func TestHandoffStepUpChosen(t *testing.T) {
	p := newSteps(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	v.member.in(v.signIn(ada()))
	p.clock.add(time.Hour)
	r := v.portal.get(strings.TrimPrefix(v.member.stepUp(StepUpRequest{MaxAge: time.Minute}).location(), portalOrigin+testBase))
	// The person declines, and tries again from the page that says so.
	r = v.portal.get("/callback/github?error=access_denied&state=" + r.param("state"))
	page := v.portal.get(strings.TrimPrefix(r.location(), portalOrigin+testBase))
	page = v.portal.get(strings.TrimPrefix(page.location(), portalOrigin+testBase))
	if !strings.Contains(page.body, `name="callbackUrl" value="`+portalOrigin+testBase+"/handoff?continue=") || !strings.Contains(page.body, "app.example.com") {
		t.Fatalf("the page: %d %s", page.status, page.body)
	}
	r = v.portal.post("/signin/github")
	asked := p.gh.started[len(p.gh.started)-1]
	if asked.StepUp == nil || asked.StepUp.MaxAge != time.Minute {
		t.Errorf("asked for %+v", asked.StepUp)
	}
	if r, _ = v.walk(r, at(ada(), p.clock.now(), "")); r.location() != vault || !v.met(StepUpRequest{MaxAge: time.Minute}) {
		t.Errorf("%d %s", r.status, r.location())
	}
}

// Another account is another session, and not one more way into the same.
func TestHandoffStepUpWithAnotherAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		p := newSteps(t, newLibrary)
		v := p.visitor(t)
		first := v.member.in(v.signIn(ada()))
		copied := p.visitor(t)
		copied.member.jar = slices.Clone(v.member.jar)
		p.clock.add(time.Hour)
		r, _ := v.walk(v.member.stepUp(StepUpRequest{MaxAge: time.Minute}), somebody("2", "bob@example.com", true))
		s := v.member.session()
		if r.location() != vault || s == nil || s.Owner() == first.Owner() || s.Evidence.Family == first.Evidence.Family || p.userOf(t, "github", "2").ID != s.Evidence.User {
			t.Errorf("%s %+v", r.location(), s)
		}
		if s := copied.member.session(); s != nil {
			t.Errorf("the first person is still there: %+v", s.Evidence)
		}
	})
}

// Where nothing of a way is left, the member's own page is all there is.
func TestHandoffStepUpWithoutItsProvider(t *testing.T) {
	p := newSteps(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	s := *v.member.in(v.signIn(ada()))
	s.Evidence.Method = session.MethodPasskey
	r := v.member.stepUp(StepUpRequest{Session: &s, MaxAge: time.Minute})
	if !strings.HasPrefix(r.location(), testOrigin+testBase+"/signin?callbackUrl=") || r.param("callbackUrl") != vault || r.param("error") != "SessionRequired" {
		t.Errorf("%d %s", r.status, r.location())
	}
}

// Passkeys are the portal's, and good for every member: to sign in, and to do so again.
func TestHandoffByPasskey(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		p := newSteps(t, newLibrary, withPasskeys)
		v := p.visitor(t)
		first := v.member.in(v.signIn(ada()))
		_, host, _ := strings.Cut(portalOrigin, "://")
		device := testkey.New(t, testkey.EdDSA, host, portalOrigin)
		if r := v.portal.answer("register", device.Create(v.portal.options("register"))); strings.Contains(r.location(), "error") {
			t.Fatalf("not registered: %s", r.location())
		}
		if r := v.member.get("/webauthn-options/passkey?action=authenticate"); r.status == 200 {
			t.Errorf("the member hands out challenges: %s", r.body)
		}
		v.member.signOut()
		if v.portal.session() != nil {
			t.Fatal("still signed in at the portal")
		}

		in := func(r reply) reply {
			t.Helper()
			callback := r.param("callbackUrl")
			if !strings.HasPrefix(r.location(), portalOrigin+testBase+"/signin?") || !strings.HasPrefix(callback, portalOrigin+testBase+"/handoff?continue=") {
				t.Fatalf("at the portal: %d %s", r.status, r.location())
			}
			page := v.portal.get(strings.TrimPrefix(r.location(), portalOrigin+testBase))
			if page.status != 200 || !strings.Contains(page.body, portalOrigin+testBase+"/webauthn-options/passkey") {
				t.Errorf("the page: %d %s", page.status, page.body)
			}
			r = v.portal.answer("authenticate", device.Get(v.portal.options("authenticate")), "callbackUrl", callback)
			r, _ = v.walk(r, nil)
			return r
		}
		s := v.member.in(in(v.portal.get("/handoff?" + v.start("passkey"))))
		if s.Owner() != first.Owner() || s.Evidence.Method != session.MethodPasskey || s.Evidence.Provider != "github" || s.Evidence.Passkey == "" || s.Evidence.Family == "" {
			t.Errorf("%+v", s.Evidence)
		}
		// The next member is not asked, and GitHub's session it is not.
		if r, _ := v.walk(v.member.post("/signin/passkey"), nil); !strings.HasPrefix(r.location(), portalOrigin+testBase+"/signin?") {
			t.Errorf("who comes to sign in: %s", r.location())
		}

		ask := StepUpRequest{MaxAge: 5 * time.Minute}
		p.clock.add(time.Hour)
		r, asked := v.walk(v.member.stepUp(ask), nil)
		if asked != 0 || r.param("error") != "SessionRequired" {
			t.Fatalf("a fresh one: %d %s", r.status, r.location())
		}
		if r = in(r); r.location() != vault || !v.met(ask) || v.member.session().Owner() != first.Owner() {
			t.Errorf("afterwards: %d %s", r.status, r.location())
		}
		// What a passkey is not, it does not become.
		if r := v.member.stepUp(StepUpRequest{ACR: []string{"gold"}}); r.status != 403 {
			t.Errorf("%d %s", r.status, r.location())
		}
		if r := v.member.post("/callback/passkey", "action", "authenticate", "data", string(device.Get("x"))); strings.Contains(strings.Join(r.names(), " "), "session-token") {
			t.Errorf("at the member: %d %s %v", r.status, r.location(), r.names())
		}
	})
}

// The portal's error page leads on to the member, or back to it.
func TestHandoffErrorPage(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		newer := func(change ...func(*Options)) *library {
			return newLibrary(t, false, append([]func(*Options){d}, change...)...)
		}
		admitted := false
		p := newPortals(t, newer, func(o *Options) { o.Authorize = func(*session.Session) bool { return admitted } })
		v := p.visitor(t)
		pageOf := func(r reply) string {
			t.Helper()
			page := v.portal.get(strings.TrimPrefix(r.location(), portalOrigin+testBase))
			if !strings.HasPrefix(r.location(), portalOrigin+testBase+"/error") || !strings.Contains(page.body, `<a class="site" href="`+testOrigin+`/">`) || !strings.Contains(page.body, "app.example.com") || strings.Contains(page.body, "auth.example.net<") {
				t.Errorf("%s: %s", r.location(), page.body)
			}
			return firstGroup(`<a class="button" href="[^"]*/signin(\?callbackUrl=[^"]*)"`, page.body)
		}
		v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return ada(), nil }
		r := v.portal.get("/handoff?" + v.start("github", "callbackUrl", "/x"))
		again := pageOf(v.portal.back("github", r))
		admitted = true
		v.portal.get("/signin" + again)
		r, _ = v.walk(v.portal.post("/signin/github"), ada())
		if r.location() != testOrigin+"/x" || v.member.session() == nil {
			t.Errorf("another attempt: %d %s", r.status, r.location())
		}
		// Of no handoff, the page is the portal's own.
		b := p.visitor(t).portal
		page := b.get("/error?error=AccessDenied")
		if strings.Contains(page.body, `class="site"`) || strings.Contains(page.body, "app.example.com") {
			t.Errorf("%s", page.body)
		}
		// Who tries too often finds back as well.
		v = p.visitor(t)
		start := v.start("github")
		for range 100 {
			if r = v.portal.get("/handoff?" + start); !strings.HasPrefix(r.location(), idpURL) {
				v = p.visitor(t) // who has not been here before
				r = v.portal.get("/handoff?" + start)
				page := v.portal.get(strings.TrimPrefix(r.location(), portalOrigin+testBase))
				if page.location() != "" { // v4 explains it on the sign-in page
					page = v.portal.get(strings.TrimPrefix(page.location(), portalOrigin+testBase))
				}
				if !strings.Contains(page.body, "/handoff?continue=") && !strings.Contains(page.body, "%2Fhandoff%3Fcontinue%3D") || !strings.Contains(page.body, "app.example.com") {
					t.Errorf("%s: %s", r.location(), page.body)
				}
				return
			}
		}
		t.Error("no limit")
	})
}

// firstGroup is the first group of what matches in a page, unescaped, empty if nothing
// does.
func firstGroup(pattern, page string) string {
	found := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}
