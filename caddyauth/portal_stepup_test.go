package caddyauth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	_ "github.com/caddyauth/gateway/caddyauth/store/postgres"
)

// steps are the pages of members that ask for more than a session.
const steps = "step_up /vault/* max_age 5m\nstep_up /gold/* acr gold"

// age makes the sign-in of the browser at an origin one of some time ago.
func (w *portalWorld) age(b *browser, origin string, by time.Duration) {
	w.t.Helper()
	ring, err := jwt.NewRing(dialect.V4, []string{secret}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	u, _ := url.Parse(origin)
	for _, c := range b.Jar.Cookies(u) {
		if !strings.HasSuffix(c.Name, "session-token") {
			continue
		}
		raw, err := ring.OpenString(c.Value)
		if err != nil {
			w.t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal([]byte(raw), &claims); err != nil {
			w.t.Fatal(err)
		}
		e := claims["caddyauth"].(map[string]any)
		e["auth_time"] = time.Now().Add(-by).Unix()
		e["since"] = time.Now().Add(-by).UnixMilli()
		token, err := jwt.SealClaims(ring, claims, time.Now(), time.Hour)
		if err != nil {
			w.t.Fatal(err)
		}
		b.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: token, Path: "/", Secure: true}})
		return
	}
	w.t.Fatalf("no session at %s", origin)
}

// open opens a page as somebody in a window does, and follows where that leads.
func (w *portalWorld) open(b *browser, to, user string) answer {
	w.t.Helper()
	a := b.get(to, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	for range 12 {
		next, err := a.Location()
		if err != nil {
			return a
		}
		if to = next.String(); strings.HasPrefix(to, w.op.URL) {
			if user == "" {
				w.t.Fatalf("the provider is asked: %s", to)
			}
			if next.Query().Get("prompt") != "login" {
				w.t.Errorf("asked without a prompt: %s", to)
			}
			to = w.op.SignIn(w.t, to, user).String()
		}
		a = b.get(to, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	}
	w.t.Fatalf("redirected too often, last to %s", to)
	return a
}

// wantSteps goes through what members ask for, whose pages say "wiki" and "shop".
func (w *portalWorld) wantSteps(b *browser) {
	w.t.Helper()
	if a := w.signInAt(b, w.wiki, "alice", "/"); a.StatusCode != http.StatusOK {
		w.t.Fatalf("signing in: %s %s", a.Status, a.Request.URL)
	}
	if a := w.signInAt(b, w.shop, "", "/"); a.StatusCode != http.StatusOK {
		w.t.Fatalf("signing in: %s %s", a.Status, a.Request.URL)
	}
	want := func(what, user, page string, asked int) {
		w.t.Helper()
		before := w.op.Requests("/authorize")
		a := w.open(b, page, user)
		if a.StatusCode != http.StatusOK || a.Request.URL.String() != page || !strings.Contains(a.body, aliceMail) {
			w.t.Errorf("%s: %s %s %s", what, a.Status, a.Request.URL, a.body)
		}
		if got := w.op.Requests("/authorize") - before; got != asked {
			w.t.Errorf("%s: the provider was asked %d times, not %d", what, got, asked)
		}
	}
	want("a new sign-in", "", w.wiki+"/vault/x?a=%2F", 0)
	w.age(b, w.wiki, time.Hour)
	want("a new one at the portal", "", w.wiki+"/vault/x?a=%2F", 0)
	w.age(b, w.wiki, time.Hour)
	w.age(b, w.shop, time.Hour)
	w.age(b, w.auth, time.Hour)
	// A script is told, and no browser sets out for it.
	a := b.get(w.wiki+"/vault/x", "Sec-Fetch-Mode", "cors")
	if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), `max_age="300"`) {
		w.t.Errorf("a script: %s %v", a.Status, a.Header)
	}
	want("elsewhere", "", w.wiki+"/x", 0)
	want("an old one", "alice", w.wiki+"/vault/x?a=%2F", 1)
	want("again", "", w.wiki+"/vault/y", 0)
	want("at the other member", "", w.shop+"/vault/x", 0)

	// The provider knows of no class. It is asked once, and that is that.
	for _, member := range []string{w.wiki, w.shop} {
		w.age(b, member, time.Hour)
		before := w.op.Requests("/authorize")
		for range 2 {
			a := w.open(b, member+"/gold/x", "alice")
			if a.StatusCode != http.StatusForbidden || a.Request.URL.String() != member+"/gold/x" || !strings.Contains(a.body, "stronger way of signing in") {
				w.t.Errorf("in vain: %s %s\n%s", a.Status, a.Request.URL, a.body)
			}
		}
		if got := w.op.Requests("/authorize") - before; got != 1 {
			w.t.Errorf("in vain: the provider was asked %d times", got)
		}
		want("elsewhere", "", member+"/x", 0)
	}

	// Codes and starts are what they are otherwise.
	w.age(b, w.wiki, time.Hour)
	w.age(b, w.auth, time.Hour)
	start := b.get(w.wiki+"/vault/x", "Sec-Fetch-Mode", "navigate").Header.Get("Location")
	if !strings.HasPrefix(start, w.auth+"/api/auth/handoff?start=") {
		w.t.Fatalf("no start: %s", start)
	}
	code := w.toCode(b, start, "alice")
	thief := w.browser()
	thief.Transport = b.Transport
	if a := thief.get(code); strings.Contains(strings.Join(a.Header["Set-Cookie"], "\n"), "session-token=ey") {
		w.t.Error("the code is good in another browser")
	}
	w.wantSession(thief, w.wiki, "")
	if a := b.get(code); a.StatusCode != http.StatusFound || strings.Contains(strings.Join(a.Header["Set-Cookie"], "\n"), "session-token=ey") {
		w.t.Errorf("a code that was tried: %s %v", a.Status, a.Header)
	}
	want("after all that", "", w.wiki+"/vault/x", 0)
}

// TestPortalStepUp: pages of members send people to sign in again at the portal.
func TestPortalStepUp(t *testing.T) {
	w := newPortal(t, "", steps)
	w.wantSteps(w.browser())
	w.wantCleanLog()
	if !strings.Contains(w.logText(), "a fresh sign-in was not what step_up asks for") {
		t.Error("the log does not say so")
	}
}

// TestPortalStepUpElsewhere: also if the portal is in another process, which knows of
// no member and of no step_up.
func TestPortalStepUpElsewhere(t *testing.T) {
	w := newFarPortal(t, "postgres "+testdb.Postgres(t).DSN, "jwt", steps)
	w.wantSteps(w.farBrowser())
}
