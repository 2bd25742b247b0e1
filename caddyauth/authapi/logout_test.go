package authapi

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// leavable is a scripted provider at which people can be signed out.
type leavable struct {
	*scripted
	end   func(context.Context, provider.EndSessionRequest) (string, error)
	token provider.LogoutToken
	err   error
}

func (l *leavable) EndSession(ctx context.Context, r provider.EndSessionRequest) (string, error) {
	return l.end(ctx, r)
}

func (l *leavable) LogoutToken(context.Context, string) (provider.LogoutToken, error) {
	return l.token, l.err
}

// A provider that hangs or fails keeps nobody signed in here, and nobody waiting for
// long.
func TestLogoutWhileTheProviderFails(t *testing.T) {
	for name, end := range map[string]func(context.Context, provider.EndSessionRequest) (string, error){
		"hangs": func(ctx context.Context, _ provider.EndSessionRequest) (string, error) {
			<-ctx.Done()
			return "", &provider.Error{Reason: provider.ReasonUnavailable, Err: ctx.Err()}
		},
		"fails": func(context.Context, provider.EndSessionRequest) (string, error) {
			return "", &provider.Error{Reason: provider.ReasonDiscovery, Err: errors.New("404")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) {
				o.Logout.Provider = true
				o.Providers[0] = &leavable{scripted: o.Providers[0].(*scripted), end: end}
			})
			b := w.browser(t)
			b.signIn("op")
			began := time.Now()
			r := b.post("/signout", "callbackUrl", "/bye")
			if took := time.Since(began); took > 2*leaveWait {
				t.Errorf("it took %v", took)
			}
			if r.location() != testOrigin+"/bye" || b.session() != nil {
				t.Errorf("%q, signed in: %v", r.location(), b.session() != nil)
			}
			equal(t, "lines", w.logs.FilterMessageSnippet("signed out here, but not at the provider").Len(), 1)
			b.start("op")
			if got := w.op.started[len(w.op.started)-1].Extra; got.Get("prompt") != "login" {
				t.Errorf("the next request: %v", got)
			}
		})
	}
}

// A session that came with a passkey says nothing about one at the provider, and one
// of another realm nothing about this provider.
func TestLogoutOfOtherSessions(t *testing.T) {
	for name, change := range map[string]func(*session.Evidence){
		"passkey": func(e *session.Evidence) { e.Method = session.MethodPasskey },
		"realm":   func(e *session.Evidence) { e.Realm = "another" },
		"gone":    func(e *session.Evidence) { e.Provider = "gone" },
	} {
		w := newWorld(t, func(o *Options) {
			o.Logout.Provider = true
			o.Providers[0] = &leavable{scripted: o.Providers[0].(*scripted), end: func(context.Context, provider.EndSessionRequest) (string, error) {
				return "https://idp.example.net/end", nil
			}}
		})
		e := session.Evidence{Provider: "op"}
		change(&e)
		q := w.api.newRequest(nil, nil, w.site)
		q.callbackURL = testOrigin + "/bye"
		if got := q.leaveProvider(&session.Session{Evidence: e, HasEvidence: true}); got != q.callbackURL {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// The cookie that remembers where a sign-out leads is good for one browser, one
// state and a quarter of an hour.
func TestSignedOutState(t *testing.T) {
	var asked provider.EndSessionRequest
	w := newWorld(t, func(o *Options) {
		o.Logout.Provider = true
		o.Providers[0] = &leavable{scripted: o.Providers[0].(*scripted), end: func(_ context.Context, r provider.EndSessionRequest) (string, error) {
			asked = r
			return "https://idp.example.net/end?" + url.Values{"state": {r.State}}.Encode(), nil
		}}
	})
	b := w.browser(t)
	leave := func() string {
		b.signIn("op")
		b.post("/signout", "callbackUrl", "/bye")
		return "/signed-out?state=" + url.QueryEscape(asked.State)
	}
	to := leave()
	equal(t, "back at", asked.RedirectURI, testOrigin+testBase+"/signed-out")
	if r := w.browser(t).get(to); r.location() != testOrigin {
		t.Errorf("another browser: %q", r.location())
	}
	equal(t, "another state", b.get("/signed-out?state=x").location(), testOrigin)
	equal(t, "HEAD", b.do("HEAD", to, "").status, 400)
	equal(t, "the return", b.get(to).location(), testOrigin+"/bye")
	equal(t, "twice", b.get(to).location(), testOrigin)
	to = leave()
	w.clock.add(checkAge + time.Second)
	equal(t, "too late", b.get(to).location(), testOrigin)
	for _, e := range w.logs.All() {
		for k, v := range e.ContextMap() {
			if s, ok := v.(string); ok && asked.State != "" && strings.Contains(s, asked.State) {
				t.Errorf("the state is in the log, as %s", k)
			}
		}
	}
}

// The store must be able to say that a token is new, and that sessions have ended.
func TestBackchannelLogoutStore(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		var op *leavable
		l := newLibrary(func(o *Options) {
			o.Logout.Backchannel = true
			op = &leavable{scripted: o.Providers[0].(*scripted)}
			op.info.Type = provider.TypeOIDC
			op.token = provider.LogoutToken{Subject: "alice-id", ID: "1", Until: o.Now().Add(time.Minute)}
			o.Providers[0] = op
		})
		b := l.browser(t)
		b.signIn("op")
		if b.session() == nil {
			t.Fatal("not signed in")
		}
		for _, method := range []string{"Lock", "Revoke"} {
			l.shelf.down(method)
			r := b.do("POST", "/backchannel-logout/op", "logout_token=x")
			if r.status != 400 || !strings.Contains(r.body, "temporarily_unavailable") || r.header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %s", method, r.status, r.body)
			}
		}
		l.shelf.down("")
		l.forget()
		if r := b.do("POST", "/backchannel-logout/op", "logout_token=x"); r.status != 200 || b.session() != nil {
			t.Errorf("%d %s, signed in: %v", r.status, r.body, b.session() != nil)
		}
		l.wantTold(t, "signOut")
		if r := b.do("POST", "/backchannel-logout/op", "logout_token=x"); r.status != 400 {
			t.Errorf("twice: %d", r.status)
		}
	})
}
