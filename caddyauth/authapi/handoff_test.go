package authapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

const portalOrigin = "https://auth.example.net"

// portals is a library whose site is a member, with its portal.
type portals struct {
	*library
	options PortalOptions
	// listed is what the portal knows of the member, nil if nothing.
	listed *Member
}

func newPortals(t testing.TB, newLibrary func(...func(*Options)) *library, change ...func(*Options)) *portals {
	t.Helper()
	p := &portals{}
	p.options = PortalOptions{
		Is:  func(origin string) bool { return origin == portalOrigin },
		URL: func() string { return portalOrigin + testBase },
		Member: func(string, string) (Member, bool) {
			if p.listed == nil {
				return Member{}, false
			}
			return *p.listed, true
		},
	}
	p.library = newLibrary(append([]func(*Options){func(o *Options) { o.Portal = &p.options }}, change...)...)
	return p
}

// visitor is one browser at both hosts.
type visitor struct {
	*portals
	t              testing.TB
	member, portal *browser
}

func (p *portals) visitor(t testing.TB) *visitor {
	v := &visitor{portals: p, t: t, member: p.browser(t)}
	there := *p.world
	there.site.Origin = portalOrigin
	v.portal = there.browser(t)
	return v
}

// start begins at the member and returns the query of the portal's address.
func (v *visitor) start(id string, more ...string) string {
	v.t.Helper()
	r := v.member.post("/signin/"+id, more...)
	query, ok := strings.CutPrefix(r.location(), portalOrigin+testBase+"/handoff?")
	if r.status != 302 || !ok {
		v.t.Fatalf("no start: %d %s", r.status, r.location())
	}
	return query
}

// code takes a start to the portal, signs in there if it asks, and returns the query
// of the member's address.
func (v *visitor) code(start string, id *provider.Identity) string {
	v.t.Helper()
	v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return id, nil }
	r := v.portal.get("/handoff?" + start)
	if strings.HasPrefix(r.location(), idpURL) {
		if id == nil {
			v.t.Fatal("the provider is asked")
		}
		r = v.portal.get("/callback/github?code=the-code&state=" + r.param("state"))
		next, ok := strings.CutPrefix(r.location(), portalOrigin+testBase)
		if !ok || !strings.HasPrefix(next, "/handoff?continue=") {
			v.t.Fatalf("after signing in at the portal: %d %s", r.status, r.location())
		}
		r = v.portal.get(next)
	}
	query, ok := strings.CutPrefix(r.location(), testOrigin+testBase+"/handoff?")
	if r.status != 302 || !ok {
		v.t.Fatalf("no code: %d %s", r.status, r.location())
	}
	return query
}

func (v *visitor) redeem(code string) reply {
	v.t.Helper()
	return v.member.get("/handoff?" + code)
}

// signIn goes the whole way.
func (v *visitor) signIn(id *provider.Identity) reply {
	v.t.Helper()
	return v.redeem(v.code(v.start("github"), id))
}

// wantNone fails unless a code was refused, for that reason.
func (v *visitor) wantNone(r reply, why string) {
	v.t.Helper()
	if want := testOrigin + testBase + "/signin?callbackUrl="; r.status != 302 || !strings.HasPrefix(r.location(), want) || r.param(paramRestart) == "" {
		v.t.Errorf("got %d %q, want %q", r.status, r.location(), want)
	}
	if s := v.member.session(); s != nil {
		v.t.Errorf("session %+v", s)
	}
	v.wantWhy(why)
}

func (v *visitor) wantWhy(why string) {
	v.t.Helper()
	lines := v.logs.FilterMessage("handoff refused").TakeAll()
	if len(lines) != 1 || lines[0].ContextMap()["reason"] != why {
		v.t.Errorf("%d lines, want one with reason %q: %+v", len(lines), why, lines)
	}
	v.logs.TakeAll()
}

func ada() *provider.Identity { return somebody("1", "ada@example.com", true) }

func TestHandoff(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		p := newPortals(t, newLibrary)
		v := p.visitor(t)
		began := p.clock.now()
		s := v.member.in(v.signIn(ada()))
		at := v.portal.session()
		if at == nil || s.Evidence.Family == "" || s.Evidence.Family != at.Evidence.Family || s.Key() == at.Key() || s.Owner() != at.Owner() {
			t.Fatalf("sessions %+v and %+v", s, at)
		}
		if !s.Since().Equal(at.Since()) || s.Evidence.AuthTime != began.Unix() || !s.Evidence.Verified || s.User != at.User {
			t.Errorf("evidence %+v, at the portal %+v", s.Evidence, at.Evidence)
		}
		if v.member.has(v.name("handoff")) || v.portal.has(v.name("handoff")) {
			t.Error("what was under way is still kept")
		}
		if n := len(p.sessions(t)); n != 2 {
			t.Errorf("%d sessions are listed", n)
		}
		// Later, and without a question. When the person proved who they are stays.
		p.clock.add(2 * time.Hour)
		other := p.visitor(t)
		other.portal.jar = slices.Clone(v.portal.jar)
		second := other.member.in(other.signIn(nil))
		if second.Evidence.AuthTime != began.Unix() || !second.Since().Equal(s.Since()) {
			t.Errorf("evidence %+v", second.Evidence)
		}
		if r := v.member.post("/signout"); r.status != 302 {
			t.Fatal(r.status)
		}
		for name, b := range map[string]*browser{"member": v.member, "portal": v.portal, "other": other.member} {
			if s := b.session(); s != nil {
				t.Errorf("the session at the %s: %+v", name, s)
			}
		}
		if n := len(p.sessions(t)); n != 0 {
			t.Errorf("%d sessions are listed", n)
		}
	})
}

func TestHandoffTimes(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		newer := func(change ...func(*Options)) *library {
			return newLibrary(t, false, append([]func(*Options){d}, change...)...)
		}
		p := newPortals(t, newer)
		v := p.visitor(t)
		t.Run("code in time", func(t *testing.T) {
			code := v.code(v.start("github"), ada())
			p.clock.add(codeAge - time.Second)
			v.member.in(v.redeem(code))
			v.member.drop(v.name("session-token"))
			p.logs.TakeAll()
		})
		t.Run("code late", func(t *testing.T) {
			code := v.code(v.start("github"), nil)
			p.clock.add(codeAge)
			v.wantNone(v.redeem(code), handoffExpired)
			v.wantNone(v.redeem(code), handoffExpired)
		})
		t.Run("start late", func(t *testing.T) {
			start := v.start("github", "callbackUrl", "/x")
			p.clock.add(startAge)
			r := v.portal.get("/handoff?" + start)
			if want := testOrigin + testBase + "/signin?callbackUrl="; r.status != 302 || !strings.HasPrefix(r.location(), want) || r.param("callbackUrl") != testOrigin+"/x" || r.param(paramRestart) == "" {
				t.Errorf("got %d %q", r.status, r.location())
			}
			v.wantWhy(handoffExpired)
		})
		t.Run("attempt late", func(t *testing.T) {
			stranger := p.visitor(t)
			start := stranger.start("github")
			r := stranger.portal.get("/handoff?" + start)
			p.clock.add(checkAge + time.Minute)
			// The portal has forgotten it as well.
			r = stranger.portal.get("/callback/github?code=the-code&state=" + r.param("state"))
			if !strings.Contains(r.location(), "error=") {
				t.Errorf("got %d %q", r.status, r.location())
			}
		})
		t.Run("session ended in between", func(t *testing.T) {
			code := v.code(v.start("github"), nil)
			v.portal.post("/signout")
			p.logs.TakeAll()
			v.wantNone(v.redeem(code), handoffEnded)
		})
	})
}

// Starts that are sealed, and still no good.
func TestHandoffMembers(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	good := handoff{portal: portalOrigin + testBase, origin: testOrigin, base: testBase, provider: "github", binding: "x", callbackURL: testOrigin}
	for name, c := range map[string]struct {
		change func(*handoff)
		listed *Member
		why    string
	}{
		"another portal":    {func(h *handoff) { h.portal = "https://login.example.net/api/auth" }, nil, handoffMember},
		"another base path": {func(h *handoff) { h.portal = portalOrigin + "/auth" }, nil, handoffMember},
		"not of this one":   {func(*handoff) {}, &Member{}, handoffMember},
		"plain http":        {func(h *handoff) { h.origin = "http://app.example.com" }, nil, handoffPlain},
		"no origin":         {func(h *handoff) { h.origin = "" }, nil, handoffInvalid},
		"a path":            {func(h *handoff) { h.origin += "/x" }, nil, handoffPlain},
		"user and host":     {func(h *handoff) { h.origin = "https://app.example.com@evil.example" }, nil, handoffPlain},
		"unknown provider":  {func(h *handoff) { h.provider = "x" }, nil, handoffProvider},
		"no binding":        {func(h *handoff) { h.binding = "" }, nil, handoffInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			v.t, p.listed = t, c.listed
			h := good
			c.change(&h)
			start, err := jwt.SealClaims(p.api.starts, h.claims(), p.clock.now(), startAge)
			if err != nil {
				t.Fatal(err)
			}
			if r := v.portal.get("/handoff?start=" + start); r.status != 400 || r.location() != "" || len(r.cookies) != 0 {
				t.Errorf("got %d %q, cookies %q", r.status, r.location(), r.names())
			}
			v.wantWhy(c.why)
		})
	}
}

// Codes of other purposes are none, and a start is no code.
func TestHandoffPurposes(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	start := strings.TrimPrefix(v.start("github"), "start=")
	c, ok := v.member.jarValue(v.name("handoff"))
	if !ok {
		t.Fatal("no cookie")
	}
	for name, token := range map[string]string{"start": start, "cookie": c, "empty": "", "long": strings.Repeat("A", jwt.MaxToken+1)} {
		t.Run(name, func(t *testing.T) {
			v.t = t
			v.wantNone(v.redeem("code="+token), handoffInvalid)
		})
	}
	v.t = t
	code := strings.TrimPrefix(v.code("start="+start, ada()), "code=")
	for _, end := range []string{"A", "=", " ", ".", "%00"} {
		v.wantNone(v.redeem("code="+code+url.QueryEscape(end)), handoffInvalid)
	}
	v.member.in(v.redeem("code=" + code))
}

func (b *browser) jarValue(name string) (string, bool) {
	for _, c := range b.jar {
		if c.name == name {
			return c.value, true
		}
	}
	return "", false
}

// Nobody gets a session, and nobody loses one, while the store is away.
func TestHandoffUnavailable(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	v.member.in(v.signIn(ada()))
	v.member.drop(v.name("session-token"))
	for _, c := range []struct{ method, at string }{
		{"SessionByID", "portal"}, {"User", "portal"}, {"CreateVerificationToken", "portal"},
		{"UseVerificationToken", "member"}, {"SessionByID", "member"},
	} {
		t.Run(c.method+" at the "+c.at, func(t *testing.T) {
			v.t = t
			start := v.start("github")
			b, target := v.portal, "/handoff?"+start
			if c.at == "member" {
				b, target = v.member, "/handoff?"+v.code(start, nil)
			}
			p.shelf.down(c.method)
			r := b.get(target)
			p.shelf.down("")
			if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" || v.member.session() != nil {
				t.Errorf("got %d %q", r.status, r.location())
			}
			if v.portal.session() == nil {
				t.Error("the portal's session is gone")
			}
		})
	}
}

// Whoever comes from a member where nobody is signed in links nothing to whoever is
// at the portal.
func TestHandoffLinksNothing(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	first := v.member.in(v.signIn(ada()))
	v.member.drop(v.name("session-token"))
	old := v.portal.session()

	// The provider is asked again because the client wants it to be.
	r := v.member.post("/signin/github?prompt=login")
	second := v.member.in(v.redeem(v.code(strings.TrimPrefix(r.location(), portalOrigin+testBase+"/handoff?"), somebody("2", "bob@example.com", true))))
	if second.Evidence.User == first.Evidence.User || p.userOf(t, "github", "2").ID != second.Evidence.User {
		t.Errorf("the second person is %+v", second.Evidence)
	}
	if second.Evidence.Family == first.Evidence.Family || !p.ended(old) || !p.ended(first) {
		t.Error("the first person is still signed in somewhere")
	}

	// Whoever is signed in at the member links what they sign in with.
	third := v.member.in(v.redeem(v.code(v.start("github"), somebody("3", "", false))))
	if third.Evidence.User != second.Evidence.User || third.Evidence.Account != "3" || third.Evidence.Family != second.Evidence.Family {
		t.Errorf("the third sign-in %+v after %+v", third.Evidence, second.Evidence)
	}
}

// A flow for a member links nothing to whoever is signed in at the portal, whatever
// becomes of the portal's cookies while it is under way.
func TestHandoffLinkMark(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for name, c := range map[string]struct {
			between func(v *visitor)
			checks  *provider.Checks
			asked   bool // at the member, by the person who is signed in at the portal
			want    bool
		}{
			"CSRF another window opens the page": {func(v *visitor) { v.portal.get("/signin?callbackUrl=/") }, nil, false, false},
			"CSRF state alone":                   {func(v *visitor) { v.portal.get("/signin?callbackUrl=/") }, &provider.Checks{State: true}, false, false},
			"CSRF no check at all":               {func(v *visitor) { v.portal.get("/signin?callbackUrl=/") }, &provider.Checks{}, false, false},
			"CSRF the cookie is dropped":         {func(v *visitor) { v.portal.drop(v.name("callback-url")) }, nil, false, false},
			"CSRF the handoff is dropped":        {func(v *visitor) { v.portal.drop(v.name("handoff")); v.portal.drop(v.name("callback-url")) }, nil, false, false},
			"CSRF another handoff is pending": {func(v *visitor) {
				v.portal.get("/handoff?" + v.start("github"))
			}, nil, false, false},
			"asked for":                         {func(*visitor) {}, nil, true, true},
			"asked for, in one of two windows":  {func(v *visitor) { v.portal.get("/signin?callbackUrl=/") }, nil, true, true},
			"asked for, but no longer pending":  {func(v *visitor) { v.portal.drop(v.name("handoff")) }, nil, true, false},
			"asked for, with other state alone": {func(*visitor) {}, &provider.Checks{State: true}, true, true},
		} {
			t.Run(name, func(t *testing.T) {
				p := newPortals(t, newLibrary)
				victim := p.visitor(t)
				first := victim.member.in(victim.signIn(ada()))
				from := victim
				if !c.asked {
					from = p.visitor(t) // the start is somebody else's
					from.member.in(from.signIn(somebody("9", "eve@example.com", true)))
				}
				if c.checks != nil {
					p.gh.checks = *c.checks
				}
				start := from.start("github")
				p.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return somebody("2", "", false), nil }
				r := victim.portal.get("/handoff?" + start)
				if !strings.HasPrefix(r.location(), idpURL) {
					t.Fatalf("no flow: %d %s", r.status, r.location())
				}
				c.between(victim)
				victim.portal.get("/callback/github?code=the-code&state=" + r.param("state"))
				owner := p.userOf(t, "github", "2")
				if owner.ID == "" || (owner.ID == first.Evidence.User) != c.want {
					t.Errorf("the account is %+v's, and %s was signed in", owner, first.Evidence.User)
				}
			})
		}
	})
}

// At the portal itself people link accounts as anywhere else, also while some window
// is on its way to a member.
func TestPortalLinks(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		p := newPortals(t, newLibrary)
		v := p.visitor(t)
		first := v.member.in(v.signIn(ada()))
		p.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return somebody("2", "", false), nil }
		state := v.portal.start("github", "callbackUrl", "/")
		v.portal.get("/handoff?" + p.visitor(t).start("github"))
		v.portal.get("/callback/github?code=the-code&state=" + state)
		if owner := p.userOf(t, "github", "2"); owner.ID != first.Evidence.User {
			t.Errorf("the account is %+v's", owner)
		}
		// An id in the address that is none makes no cookie longer.
		v.portal.drop(v.name("state"))
		v.portal.post("/signin/github", "callbackUrl", testBase+"/handoff?continue="+strings.Repeat("x", 1000))
		if c, _ := v.portal.jarValue(v.name("state")); c == "" || len(c) > maxCheckCookie {
			t.Errorf("%d bytes", len(c))
		}
	})
}

// ended reports whether a session is refused by what is known to have ended.
func (p *portals) ended(s *session.Session) bool {
	for _, row := range p.sessions(p.T) {
		if row.Session.ID == s.Key() {
			return false
		}
	}
	return true
}

// A person whom the member refuses is asked by the provider at the next attempt, and
// does not come back with the same account for ever.
func TestHandoffRefused(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		refused := ""
		p := newPortals(t, func(change ...func(*Options)) *library {
			return newLibrary(t, false, append([]func(*Options){d}, change...)...)
		}, func(o *Options) {
			o.Authorize = func(s *session.Session) bool { return s.Evidence.Account != refused }
		})
		v := p.visitor(t)
		v.portal.came(v.signIn(ada()))
		v.member.drop(v.name("session-token"))
		code := v.code(v.start("github"), nil)
		refused = "1"
		r := v.redeem(code)
		if !strings.Contains(r.location(), "error=AccessDenied") || v.member.session() != nil {
			t.Fatalf("refused: %d %s", r.status, r.location())
		}
		p.options.Own = true // or the portal would refuse, too
		r = v.portal.get("/handoff?" + v.start("github"))
		if !strings.HasPrefix(r.location(), idpURL) {
			t.Errorf("the second attempt: %d %s", r.status, r.location())
		}
		p.options.Own = false
		// At the portal, whoever its rules refuse gets no session.
		other := p.visitor(t)
		v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return ada(), nil }
		r = other.portal.get("/handoff?" + other.start("github"))
		r = other.portal.get("/callback/github?code=the-code&state=" + r.param("state"))
		if !strings.Contains(r.location(), "error=AccessDenied") || other.portal.session() != nil {
			t.Errorf("refused at the portal: %d %s", r.status, r.location())
		}
	})
}

// The same goes for the callback sign_in.
func TestHandoffCalledBack(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) },
		with(t, callbacks.Config{SignIn: `request.host == "auth.example.net"`}))
	v := p.visitor(t)
	if r := v.signIn(ada()); !strings.Contains(r.location(), "error=AccessDenied") || v.member.session() != nil || v.portal.session() == nil {
		t.Fatalf("refused: %d %s", r.status, r.location())
	}
	if r := v.portal.get("/handoff?" + v.start("github")); !strings.HasPrefix(r.location(), idpURL) {
		t.Errorf("the second attempt: %d %s", r.status, r.location())
	}
}

// came makes sure that a sign-in for a member has left a session at the portal.
func (b *browser) came(r reply) {
	b.t.Helper()
	if r.location() != testOrigin || b.session() == nil {
		b.t.Fatalf("not signed in: %d %s", r.status, r.location())
	}
}

// With rules of the member's own, those decide who may have a session at the portal.
func TestHandoffOwnRules(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) }, func(o *Options) {
		o.Authorize = func(*session.Session) bool { return false }
	})
	p.options.Own = true
	for name, admits := range map[string]bool{"admits": true, "refuses": false} {
		t.Run(name, func(t *testing.T) {
			v := p.visitor(t)
			p.listed = &Member{Listed: true, Admits: func(*session.Session) bool { return admits }}
			v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return ada(), nil }
			r := v.portal.get("/handoff?" + v.start("github"))
			v.portal.get("/callback/github?code=the-code&state=" + r.param("state"))
			if got := v.portal.session() != nil; got != admits {
				t.Errorf("a session at the portal: %v", got)
			}
		})
	}
}

// Several tabs are on their way at once.
func TestHandoffTabs(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) })
	v := p.visitor(t)
	v.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return ada(), nil }
	var states []string
	for range 3 {
		r := v.portal.get("/handoff?" + v.start("github"))
		states = append(states, r.param("state"))
	}
	long := "/" + strings.Repeat("x", 1900)
	start := v.start("github", "callbackUrl", long)
	if c, _ := v.portal.jarValue(v.name("handoff")); len(c) > maxPendingCookie {
		t.Errorf("a cookie of %d bytes", len(c))
	}
	r := v.redeem(v.code(start, ada()))
	if r.location() != testOrigin+long {
		t.Errorf("leads to %s", r.location())
	}
	for i, state := range states[:1] {
		r := v.portal.get("/callback/github?code=the-code&state=" + state)
		if r.status != 302 || strings.Contains(r.location(), "error") {
			t.Errorf("tab %d: %d %s", i, r.status, r.location())
		}
	}
}

// What callbacks have put into the portal's session comes along.
func TestHandoffCarriesClaims(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) }, with(t, callbacks.Config{JWT: steps("department", "profile.?department")}))
	v := p.visitor(t)
	id := ada()
	id.Profile["department"] = "math"
	s := v.member.in(v.signIn(id))
	if got, _ := s.Claim("department"); got.String() != "math" {
		t.Errorf("claims %s", s.Claims)
	}
}

// On the person's page, a session of another browser goes with its whole family, and
// one of this browser alone: the session at hand is of that family, too.
func TestHandoffAccount(t *testing.T) {
	p := newPortals(t, func(change ...func(*Options)) *library { return newLibrary(t, false, change...) }, func(o *Options) {
		o.Account = &AccountOptions{}
	})
	here, there := p.visitor(t), p.visitor(t)
	here.member.in(here.signIn(ada()))
	mine := here.portal.session()
	other := there.member.in(there.signIn(ada()))
	if r := here.member.account("end_session", "id", other.Key()); r.status != 303 {
		t.Fatalf("ending: %d %s", r.status, r.body)
	}
	if there.member.session() != nil || there.portal.session() != nil {
		t.Error("the portal would sign the other browser in again")
	}
	if r := here.member.account("end_session", "id", mine.Key()); r.status != 303 {
		t.Fatalf("ending: %d %s", r.status, r.body)
	}
	if here.portal.session() != nil || here.member.session() == nil {
		t.Error("not exactly the one session was ended")
	}
	there.member.in(there.signIn(ada()))
	here.member.in(here.signIn(ada()))
	here.member.account("end_all")
	for name, b := range map[string]*browser{"member": here.member, "portal": here.portal, "other": there.member, "other portal": there.portal} {
		if b.session() != nil {
			t.Errorf("signed in at the %s", name)
		}
	}
}

// Links are mailed by the portal, and lead on to the member.
func TestHandoffByMail(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		p := newPortals(t, func(change ...func(*Options)) *library {
			return newLibrary(t, false, append([]func(*Options){d}, change...)...)
		})
		v := p.visitor(t)
		r := v.portal.get("/handoff?" + v.start("email", "email", "ada@example.com", "callbackUrl", "/x"))
		callback := r.param("callbackUrl")
		if !strings.HasPrefix(r.location(), portalOrigin+testBase+"/signin?") || !strings.HasPrefix(callback, portalOrigin+testBase+"/handoff?continue=") {
			t.Fatalf("at the portal: %d %s", r.status, r.location())
		}
		if len(p.postman.sent) != 0 {
			t.Error("the member has mailed a link")
		}
		v.portal.post("/signin/email", "email", "ada@example.com", "callbackUrl", callback)
		r = v.portal.get("/callback/email?" + p.postman.link(t))
		if r.location() != callback {
			t.Fatalf("the link leads to %d %s", r.status, r.location())
		}
		r = v.portal.get("/handoff?continue=" + callback[strings.LastIndex(callback, "=")+1:])
		r = v.redeem(strings.TrimPrefix(r.location(), testOrigin+testBase+"/handoff?"))
		if s := v.member.session(); r.location() != testOrigin+"/x" || s == nil || s.Evidence.Provider != "email" || !s.Evidence.Verified {
			t.Errorf("at the member: %d %s, %+v", r.status, r.location(), s)
		}
		// In another browser the link signs in at the portal, and that is all.
		other := p.visitor(t)
		if r := other.portal.get("/handoff?continue=" + callback[strings.LastIndex(callback, "=")+1:]); r.location() != portalOrigin {
			t.Errorf("elsewhere: %d %s", r.status, r.location())
		}
	})
}
