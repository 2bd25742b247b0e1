package authapi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// STORE-01: whatever call of a sign-in the store does not answer, there is no
// session, the browser keeps the one that it has, and it can try again.
func TestSTORE01SignInFails(t *testing.T) {
	const callback, create, createByEmail = "Callback", "OAuthCreateAccount", "EmailCreateAccount"
	for name, tc := range map[string]struct {
		// prepare is what was before; it returns who tries.
		prepare func(l *library, b *browser)
		try     func(l *library, b *browser) reply
		fails   map[string]string // method to code in v4
		only    string            // the one strategy that makes the call
	}{
		"somebody new": {
			try:   func(l *library, b *browser) reply { return b.as(l.gh, somebody("1", "ada@example.com", true)) },
			fails: map[string]string{"UserByAccount": callback, "UserByEmail": callback, "CreateUserAndAccount": create, "CreateSession": callback},
		},
		"a known account": {
			prepare: func(l *library, _ *browser) {
				other := l.browser(l.T)
				other.in(other.as(l.gh, somebody("1", "ada@example.com", true)))
			},
			try:   func(l *library, b *browser) reply { return b.as(l.gh, somebody("1", "ada@example.com", true)) },
			fails: map[string]string{"UserByAccount": callback, "CreateSession": callback},
		},
		"another account": {
			prepare: func(l *library, b *browser) { b.in(b.as(l.op, somebody("1", "ada@example.com", true))) },
			try:     func(l *library, b *browser) reply { return b.as(l.gh, somebody("1", "", true)) },
			fails: map[string]string{
				"User": callback, "UserByAccount": callback, "LinkAccount": callback, "CreateSession": callback,
				"Revoke": callback, "DeleteSession": callback,
			},
		},
		"another account, read from the store": {
			prepare: func(l *library, b *browser) { b.in(b.as(l.op, somebody("1", "ada@example.com", true))) },
			try:     func(l *library, b *browser) reply { return b.as(l.gh, somebody("1", "", true)) },
			fails:   map[string]string{"SessionByToken": callback},
			only:    "database",
		},
		"a password": {
			prepare: func(l *library, b *browser) {
				l.file("Bob", "bob@example.com")
				b.in(l.bob(b))
				l.file("Robert", "robert@example.com")
			},
			try: func(l *library, b *browser) reply { return l.bob(b) },
			fails: map[string]string{
				"UserByAccount": callback, "UserByEmail": callback, "UpdateUser": callback, "CreateSession": callback, "Revoke": callback,
			},
		},
		"a link of somebody new": {
			try: func(l *library, b *browser) reply { return b.get("/callback/email?" + l.postman.link(b.t)) },
			prepare: func(l *library, b *browser) {
				b.post("/signin/email", "email", "ada@example.com")
			},
			fails: map[string]string{"UserByEmail": callback, "CreateUser": createByEmail, "CreateSession": callback},
		},
		"a link of somebody known": {
			try: func(l *library, b *browser) reply { return b.get("/callback/email?" + l.postman.link(b.t)) },
			prepare: func(l *library, b *browser) {
				b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
				b.post("/signin/email", "email", "ada@example.com")
			},
			fails: map[string]string{"UserByEmail": callback, "UpdateUser": createByEmail, "Revoke": callback},
		},
	} {
		for method, code := range tc.fails {
			everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
				l := newLibrary()
				if tc.only != "" && l.api.opts.Sessions.Database() != (tc.only == "database") {
					return
				}
				what := name + ", " + method
				b := l.browser(t)
				if tc.prepare != nil {
					tc.prepare(l, b)
				}
				before := b.session()
				listed := len(l.sessions(t))
				l.clock.add(5 * time.Second) // rows are read again
				l.forget()
				l.shelf.down(method)
				r := tc.try(l, b)
				l.shelf.down("")
				if l.shelf.count(method) == 0 {
					t.Errorf("%s: not asked", what)
				}
				want := baseURL + "/error?error=" + code
				if l.api.opts.Dialect == dialect.V5 {
					want = baseURL + "/error?error=Configuration"
				}
				equal(t, what+": status", r.status, 302)
				equal(t, what+": Location", r.location(), want)
				equal(t, what+": Retry-After", r.header.Get("Retry-After"), "5")
				if _, set := r.cookie(l.name("session-token")); set {
					t.Errorf("%s: cookies %q", what, r.names())
				}
				l.wantReason(t, what, ReasonStore, true)
				after := b.session()
				// Of a sign-out that was half done, the store says what became.
				if before != nil && (after == nil || after.Key() != before.Key()) && method != "DeleteSession" {
					t.Errorf("%s: the session was %+v and is %+v", what, before, after)
				}
				if before == nil && after != nil {
					t.Errorf("%s: session %+v", what, after)
				}
				if n := len(l.sessions(t)); n > listed && method != "Revoke" && method != "DeleteSession" {
					t.Errorf("%s: %d sessions listed, %d before", what, n, listed)
				}

				// STORE-07
				if strings.HasPrefix(name, "a link") {
					b.post("/signin/email", "email", "ada@example.com") // a link is used once
				}
				b.in2(tc.try(l, b))
			})
		}
	}
}

// A sign-in whose old session cannot be ended leaves no other behind.
func TestSTORE01NoSessionIsLeftBehind(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		s := b.in(b.as(l.op, somebody("1", "ada@example.com", true)))
		l.shelf.before["Revoke"] = func() { l.shelf.down("") } // the first call fails
		l.shelf.down("Revoke")
		if r := b.as(l.gh, somebody("1", "", true)); !strings.HasPrefix(r.location(), baseURL+"/error") {
			t.Errorf("signed in: %s", r.location())
		}
		if list := l.sessions(t); len(list) != 1 || list[0].Session.ID != s.Key() {
			t.Errorf("listed %+v", list)
		}
	})
}

// Asking for a link, and opening one, where the link itself cannot be kept or
// looked up. A link that nobody could look up is still good.
func TestSTORE01LinksFail(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		code := "Callback"
		if l.api.opts.Dialect == dialect.V5 {
			code = "Configuration"
		}
		for _, method := range []string{"UserByEmail", "CreateVerificationToken"} {
			token := b.csrf()
			l.shelf.down(method)
			r := b.do("POST", "/signin/email", "email=ada%40example.com&csrfToken="+token)
			l.shelf.down("")
			wantError(t, r, code)
			equal(t, "Retry-After", r.header.Get("Retry-After"), "5")
		}
		if len(l.postman.sent) != 0 {
			t.Error("mailed a link that nobody knows")
		}
		b.post("/signin/email", "email", "ada@example.com")
		link := "/callback/email?" + l.postman.link(t)
		l.shelf.down("UseVerificationToken")
		r := b.get(link)
		l.shelf.down("")
		wantError(t, r, code)
		equal(t, "Retry-After", r.header.Get("Retry-After"), "5")
		b.in(b.get(link))
	})
}

// STORE-01 and TIME-06: nobody can tell who is signed in, so nobody is told to be
// signed out.
func TestSTORE01SessionAndSignOut(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		s := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		token := b.csrf()
		jar := slices.Clone(b.jar)
		l.clock.add(5 * time.Second)
		l.forget()
		l.shelf.down("*")
		unavailable := func(what string, r reply) {
			t.Helper()
			equal(t, what+": status", r.status, 503)
			equal(t, what+": Retry-After", r.header.Get("Retry-After"), "5")
			if len(r.cookies) != 0 {
				t.Errorf("%s: cookies %q", what, r.names())
			}
			l.wantTold(t)
		}
		form := "csrfToken=" + token
		if l.api.opts.Sessions.Database() {
			for what, r := range map[string]reply{
				"GET session":  b.get("/session"),
				"POST session": b.do("POST", "/session", form),
			} {
				unavailable(what, r)
				equal(t, what, r.body, l.api.contract.noSession)
			}
		} else if r := b.get("/session"); r.status != 200 || !strings.Contains(r.body, "ada@example.com") {
			t.Errorf("GET session: %d %s: the token says it all", r.status, r.body)
		}
		l.forget()
		r := b.do("POST", "/signout", form)
		unavailable("POST signout", r)
		if !strings.Contains(r.header.Get("Content-Type"), "text/html") || !strings.Contains(r.body, "Temporarily unavailable") {
			t.Errorf("POST signout: %s", r.body)
		}
		r = b.do("POST", "/signout", form+"&json=true", returnRedirect, "1")
		unavailable("POST signout by a script", r)
		if !strings.HasPrefix(r.body, `{"url":"`+baseURL+`/error?error=`) || r.location() != "" {
			t.Errorf("POST signout by a script: %s", r.body)
		}
		// A page that only says who is signed in can do without.
		if r := b.get("/signout"); r.status != 200 {
			t.Errorf("GET signout: %d", r.status)
		}

		l.shelf.down("")
		b.jar = jar
		if now := b.session(); now == nil || now.Key() != s.Key() {
			t.Errorf("STORE-07: the session was %+v and is %+v", s, now)
		}
		r = b.do("POST", "/signout", form)
		if r.status != 302 || b.session() != nil || len(l.sessions(t)) != 0 {
			t.Errorf("signed out: %d, cookies %q", r.status, r.names())
		}
		l.wantTold(t, "signOut")
	})
}

// A session is read but cannot be renewed: it is as good as before.
func TestSTORE01RenewalFails(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, true, d)
		b := l.browser(t)
		b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		old := l.clock.now().Add(session.DefaultMaxAge)
		l.clock.add(2 * session.DefaultUpdateAge)
		l.shelf.down("ExtendSession")
		r := b.get("/session")
		if r.status != 200 || !strings.Contains(r.body, old.Format(`"expires":"2006-01-02T15:04:05.000Z"`)) || len(r.cookies) != 0 {
			t.Errorf("%d %s, cookies %q", r.status, r.body, r.names())
		}
		// The answer to a renewal that succeeds has the old end too.
		l.shelf.down("")
		r = b.get("/session")
		c, _ := r.cookie(l.name("session-token"))
		if !strings.Contains(r.body, old.Format(`"expires":"2006-01-02T15:04:05.000Z"`)) ||
			!strings.Contains(c.attributes, l.clock.now().Add(session.DefaultMaxAge).Format(time.RFC1123)[:16]) {
			t.Errorf("%s, cookie %+v", r.body, c)
		}
		if r = b.get("/session"); !strings.Contains(r.body, old.Add(2*session.DefaultUpdateAge).Format(`"expires":"2006-01-02T15:04:05.000Z"`)) {
			t.Errorf("afterwards: %s", r.body)
		}
		if n := l.shelf.count("ExtendSession"); n != 2 {
			t.Errorf("%d renewals", n)
		}
	})
}

// STORE-01 with strategy jwt: when the news of sign-outs stop, no token is
// believed.
func TestSTORE01NewsStop(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		live, cancel := context.WithCancel(bg)
		defer cancel()
		ended := session.NewEnded()
		s := newShelf()
		quiet := make(chan struct{})
		w := newWorld(t, d, func(o *Options) {
			so := sessionOptions(t, o.Now, o.Dialect, o.Secrets)
			so.Store, so.Ended, o.Store = s, ended, s
			var err error
			if o.Sessions, err = session.New(so); err != nil {
				t.Fatal(err)
			}
			ended.Watch(live, &watchedOnce{Driver: s, quiet: quiet}, o.Now, zap.NewNop())
		})
		b := w.browser(t)
		b.signIn("github")
		if r := b.get("/session"); r.status != 200 { // waits for the first news
			t.Fatalf("GET session: %d", r.status)
		}
		w.clock.add(11 * time.Second)
		for what, r := range map[string]reply{
			"GET session":  b.get("/session"),
			"POST session": b.post("/session"),
		} {
			if _, set := r.cookie(w.name("session-token")); r.status != 503 || r.header.Get("Retry-After") != "5" || set {
				t.Errorf("%s: %d, cookies %q", what, r.status, r.names())
			}
		}
		if !b.has(w.name("session-token")) {
			t.Error("the browser has lost its session")
		}
		// Signing out takes no news, only that the store keeps it.
		if r := b.post("/signout"); r.status != 302 || b.has(w.name("session-token")) {
			t.Errorf("POST signout: %d, cookies %q", r.status, r.names())
		}
	})
}

// watchedOnce is a store that has news at first, and then none.
type watchedOnce struct {
	store.Driver
	quiet chan struct{}
}

func (w *watchedOnce) WatchRevocations(ctx context.Context, _ time.Time, _ func(store.Revocation), synced func()) error {
	select {
	case <-w.quiet:
	default:
		close(w.quiet)
		synced()
	}
	<-ctx.Done()
	return fmt.Errorf("gone: %w", ctx.Err())
}
