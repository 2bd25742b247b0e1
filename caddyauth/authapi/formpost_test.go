package authapi

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// byForm makes the provider "op" one that answers with forms.
func byForm(o *Options) {
	for _, p := range o.Providers {
		if op, ok := p.(*scripted); ok && op.info.ID == "op" {
			op.info.FormPost = true
		}
	}
}

// crossPost posts as a page of another site does: with the cookies that are
// SameSite=None, and no others.
func (b *browser) crossPost(target, body string) reply {
	b.t.Helper()
	all := b.jar
	b.jar = nil
	for _, c := range all {
		if strings.Contains(c.attributes, "SameSite=None") {
			b.jar = append(b.jar, c)
		}
	}
	r := b.do("POST", target, body, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "https://idp.example.net")
	b.jar = all
	for _, c := range r.cookies {
		b.keep(c)
	}
	return r
}

// follow goes to where the browser is sent, which must be here.
func (b *browser) follow(r reply) reply {
	b.t.Helper()
	to, ok := strings.CutPrefix(r.location(), b.site.Origin+b.site.BasePath)
	if !ok || r.status != 303 {
		b.t.Fatalf("%d %s", r.status, r.location())
	}
	return b.get(to, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate")
}

func TestFormPost(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, byForm)
		b := w.browser(t)
		state := b.start("op", "callbackUrl", "/where/I/was")
		for _, c := range b.jar {
			check := strings.HasSuffix(c.name, ".state") || strings.HasSuffix(c.name, ".code_verifier") || strings.HasSuffix(c.name, ".nonce")
			if none := strings.Contains(c.attributes, "SameSite=None"); none != check || !strings.Contains(c.attributes, "Secure") {
				t.Errorf("%s: %s", c.name, c.attributes)
			}
		}
		form := url.Values{"code": {"the-code"}, "state": {state}, "user": {`{"name":"A"}`}}
		r := b.crossPost("/callback/op", form.Encode())
		if len(r.cookies) != 0 || strings.Contains(r.location(), "the-code") || strings.Contains(r.location(), state) {
			t.Errorf("%q, cookies %q", r.location(), r.names())
		}
		if len(w.op.exchanged) != 0 {
			t.Error("redeemed already")
		}
		done := b.follow(r)
		equal(t, "Location", done.location(), testOrigin+"/where/I/was")
		if b.session() == nil || len(w.op.exchanged) != 1 {
			t.Fatalf("%d redeemed, session %v", len(w.op.exchanged), b.session())
		}
		if got := w.op.exchanged[0].Params; got.Get("code") != "the-code" || got.Get("user") != `{"name":"A"}` {
			t.Errorf("params %v", got)
		}
		// Opened again, or posted again, it redeems nothing.
		equal(t, "again", b.follow(r).location(), testOrigin+"/where/I/was")
		equal(t, "posted again", b.follow(b.crossPost("/callback/op", form.Encode())).location(), testOrigin+"/where/I/was")
		if len(w.op.exchanged) != 1 {
			t.Errorf("redeemed %d times", len(w.op.exchanged))
		}
	})
}

func TestFormPostWithLaxCookies(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, byForm)
		b := w.browser(t)
		state := b.start("op", "callbackUrl", "/x")
		equal(t, "Location", b.do("POST", "/callback/op", "code=c&state="+state).location(), testOrigin+"/x")
		if b.session() == nil || len(w.op.exchanged) != 1 {
			t.Error("not signed in at once")
		}
	})
}

func TestFormPostRefused(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, byForm)
		sealed := func(b *browser, body string) string {
			r := b.crossPost("/callback/op", body)
			return strings.TrimPrefix(r.location(), testOrigin+testBase)
		}
		for _, c := range []struct {
			name string
			do   func(b *browser, state string) reply
			want reason
		}{
			{"STATE-02 another state", func(b *browser, _ string) reply {
				return b.get(sealed(b, "code=c&state=other"))
			}, ReasonStateMismatch},
			{"no state", func(b *browser, _ string) reply { return b.get(sealed(b, "code=c")) }, ReasonStateMissing},
			{"another browser's answer", func(b *browser, state string) reply {
				victim := w.browser(t)
				victim.start("op")
				return victim.get(sealed(b, "code=c&state="+state))
			}, ReasonStateMismatch},
			{"a browser without a flow", func(b *browser, state string) reply {
				return w.browser(t).get(sealed(b, "code=c&state="+state))
			}, ReasonStateCookieMissing},
			{"late", func(b *browser, state string) reply {
				to := sealed(b, "code=c&state="+state)
				b.clock.add(2 * time.Minute)
				return b.get(to)
			}, ReasonStateExpired},
			{"changed", func(b *browser, state string) reply { return b.get(sealed(b, "code=c&state="+state) + "x") }, ReasonStateInvalid},
			{"another provider's", func(b *browser, state string) reply {
				w.gh.info.FormPost = true
				defer func() { w.gh.info.FormPost = false }()
				// Even with a state that is good there: it was not posted there.
				return b.get(strings.Replace(sealed(b, "code=c&state="+b.start("github")), "/op?", "/github?", 1))
			}, ReasonStateInvalid},
			{"plain fields beside the seal do not count", func(b *browser, state string) reply {
				return b.get(sealed(b, "code=c") + "&state=" + state)
			}, ReasonStateMissing},
			{"too large", func(b *browser, state string) reply {
				return b.crossPost("/callback/op", "state="+state+"&code="+strings.Repeat("c", maxPosted))
			}, provider.ReasonCode},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := w.browser(t)
				state := b.start("op")
				r := c.do(b, state)
				if len(w.op.exchanged) != 0 || b.session() != nil || !strings.Contains(r.location(), "error=") {
					t.Errorf("%d exchanged, %d %s", len(w.op.exchanged), r.status, r.location())
				}
				equal(t, "reason", w.lastReason(t), any(string(c.want)))
			})
		}
	})
}

// What has no single value before the bounce has none after it.
func TestFormPostRepeated(t *testing.T) {
	w := newWorld(t, byForm)
	b := w.browser(t)
	state := b.start("op")
	b.follow(b.crossPost("/callback/op", "code=c&iss=a&iss=b&state="+state))
	equal(t, "reason", w.lastReason(t), any(string(provider.ReasonIss)))
	if len(w.op.exchanged) != 0 {
		t.Error("exchanged")
	}
}

func TestFormPostError(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, byForm)
		b := w.browser(t)
		state := b.start("op")
		r := b.follow(b.crossPost("/callback/op", "error=access_denied&state="+state))
		equal(t, "reason", w.lastReason(t), any(string(ReasonDeclined)))
		if !strings.Contains(r.location(), "error=") {
			t.Error(r.location())
		}
	})
}

// Whoever is signed in links the account that comes back: the session is there,
// which is what the bounce is for.
func TestFormPostLinks(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(byForm)
		b := l.browser(t)
		before := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		l.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			return somebody("7", "x@example.com", true), nil
		}
		state := b.start("op")
		after := b.in(b.follow(b.crossPost("/callback/op", "code=c&state="+state)))
		if after.Owner() != before.Owner() || after.User.Email != "ada@example.com" {
			t.Errorf("session %+v", after)
		}
		if got := l.accountsOf(t, before.Owner()); !slices.Equal(got, []string{"github:1", "op:7"}) {
			t.Errorf("accounts %q", got)
		}
	})
}

// Flows of other tabs keep the cookie as the one that answers with a form needs it
// (deviation 11), and no longer.
func TestFormPostCookies(t *testing.T) {
	w := newWorld(t, byForm)
	b := w.browser(t)
	stateCookie := w.name("state")
	sameSite := func() string {
		for _, c := range b.jar {
			if c.name == stateCookie {
				_, after, _ := strings.Cut(c.attributes, "SameSite=")
				word, _, _ := strings.Cut(after, ";")
				return word
			}
		}
		return ""
	}
	github := b.start("github")
	equal(t, "github alone", sameSite(), "Lax")
	op := b.start("op")
	equal(t, "and op", sameSite(), "None")
	another := b.start("github")
	equal(t, "op is an earlier one", sameSite(), "None")
	b.follow(b.crossPost("/callback/op", "code=c&state="+op))
	equal(t, "op has ended", sameSite(), "Lax")
	for _, state := range []string{github, another} {
		if r := b.get("/callback/github?code=c&state=" + state); strings.Contains(r.location(), "error") {
			t.Error(r.location())
		}
	}
	equal(t, "all have ended", sameSite(), "")
}

func TestFormPostNeedsHTTPS(t *testing.T) {
	for origin, ok := range map[string]bool{
		"http://app.example.com": false, "http://127.evil.example": false, "https://app.example.com": true, "http://localhost:8080": true,
	} {
		t.Run(origin, func(t *testing.T) {
			w := newWorld(t, byForm)
			w.site.Origin = origin
			b := w.browser(t)
			b.site = w.site
			r := b.post("/signin/op")
			if got := strings.HasPrefix(r.location(), idpURL); got != ok {
				t.Fatalf("%d %s", r.status, r.location())
			}
			if !ok {
				equal(t, "reason", w.lastReason(t), any(string(ReasonInsecure)))
				return
			}
			for _, c := range r.cookies {
				if strings.Contains(c.attributes, "SameSite=None") && !strings.Contains(c.attributes, "Secure") {
					t.Errorf("%s: %s", c.name, c.attributes)
				}
			}
		})
	}
}

// Providers that answer with a query are none of this.
func TestPostWithoutFormPost(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	state := b.start("op")
	if r := b.crossPost("/callback/op", "code=c&state="+state); r.status == 303 {
		t.Errorf("%d %s", r.status, r.location())
	}
	equal(t, "reason", w.lastReason(t), any(string(ReasonStateCookieMissing)))
	b.get("/callback/op?posted=x&code=c&state=" + state)
	if len(w.op.exchanged) != 1 {
		t.Error("posted= counts where there is nothing posted")
	}
}
