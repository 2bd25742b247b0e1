package authapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/testkey"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// withRoles is somebody about whom the provider says all that it can.
func withRoles() *provider.Identity {
	id := somebody("1", "grace@example.com", true)
	id.Domain, id.Login = "example.com", "grace"
	id.Profile["roles"], id.Profile["groups"] = []any{"admin"}, []any{"staff"}
	return id
}

func TestRegisterPasskey(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		before := b.in(b.as(l.gh, withRoles()))
		l.forget()
		l.clock.add(time.Minute)
		device := newDevice(t)
		challenge := b.options("register")
		data := device.Create(challenge)
		v := url.Values{"csrfToken": {b.csrf()}, "action": {"register"}, "data": {string(data)}, "callbackUrl": {"/welcome"}}
		r := b.do("POST", "/callback/passkey", v.Encode(), "User-Agent", firefox)
		equal(t, "status", r.status, 302)
		equal(t, "Location", r.location(), testOrigin+"/welcome")
		if want := l.cookieNames("callback-url", "challenge"); !slices.Equal(r.names(), want) || b.has(l.name("challenge")) {
			t.Errorf("cookies %q, want %q", r.names(), want)
		}
		if s := b.session(); s == nil || s.Key() != before.Key() || s.Since() != before.Since() || s.Claims != before.Claims {
			t.Errorf("the session became %+v", s)
		}

		id := credentialID(device)
		kept := l.passkeys(t, before.Owner())
		if len(kept) != 1 {
			t.Fatalf("%d passkeys", len(kept))
		}
		evidence := map[string]any{}
		if err := json.Unmarshal(kept[0].Evidence, &evidence); err != nil {
			t.Fatal(err)
		}
		wantEvidence := map[string]any{
			"sid": "", "auth_time": 0.0, "provider": "github", "account": "1", "login": "grace", "verified": true,
			"domain": "example.com", "user": before.Owner(), "email": "grace@example.com",
			"roles": []any{"admin"}, "groups": []any{"staff"},
		}
		if !reflect.DeepEqual(evidence, wantEvidence) {
			t.Errorf("evidence %v, want %v", evidence, wantEvidence)
		}
		want := store.Authenticator{
			CredentialID: id, UserID: before.Owner(), ProviderAccountID: id, PublicKey: []byte("key of " + id), Counter: 1,
			DeviceType: "multiDevice", BackedUp: true, Transports: []string{"internal", "hybrid"},
			Name: "Firefox, Linux", Flags: testkey.UP | testkey.UV, AAGUID: make([]byte, 16),
			Created: l.clock.now(), Evidence: kept[0].Evidence,
		}
		if !reflect.DeepEqual(kept[0], want) {
			t.Errorf("passkey\n%+v, want\n%+v", kept[0], want)
		}
		a, err := l.shelf.Driver.Account(bg, "passkey", id)
		if want := (store.Account{UserID: before.Owner(), Type: "webauthn", Provider: "passkey", ProviderAccountID: id}); err != nil || a != want {
			t.Errorf("account %+v, %v", a, err)
		}
		if got, want := l.linked(), []string{"linkAccount passkey webauthn " + id}; !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
		if n := l.logs.FilterMessage("passkey registered").Len(); n != 1 {
			t.Errorf("%d lines", n)
		}
		l.silent(t, challenge, string(data))
	})
}

// Who signs in with a passkey is who they were when they registered it, less what
// was true for that time.
func TestSignInWithPasskey(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		first := b.in(b.as(l.gh, withRoles()))
		if len(first.Evidence.Roles) == 0 || len(first.Evidence.Groups) == 0 {
			t.Fatalf("evidence %+v", first.Evidence)
		}
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		l.clock.add(40 * 24 * time.Hour)
		l.forget()
		l.judged = nil

		for i := range 3 {
			b = l.browser(t)
			challenge := b.options("authenticate")
			data := device.Get(challenge)
			s := b.in(b.answer("authenticate", data))
			want := first.Evidence
			want.SID, want.Since, want.AuthTime = s.Evidence.SID, l.clock.now().UnixMilli(), l.clock.now().Unix()
			want.Method, want.Passkey = "passkey", session.PasskeyMark(credentialID(device))
			if !reflect.DeepEqual(s.Evidence, want) || s.Evidence.SID == first.Evidence.SID || s.User != first.User {
				t.Errorf("session %+v, evidence\n%+v, want\n%+v", s.User, s.Evidence, want)
			}
			if b.has(l.name("challenge")) {
				t.Error("the challenge is still there")
			}
			if judged := l.judged[len(l.judged)-1]; len(l.judged) != i+1 || !reflect.DeepEqual(judged.Evidence, want) {
				t.Errorf("the rules were asked about %+v", judged.Evidence)
			}
			kept := l.passkeys(t, s.Owner())[0]
			if kept.Counter != uint32(i+2) || kept.Flags != testkey.UP|testkey.UV || kept.BackedUp || !kept.Used.Equal(l.clock.now()) {
				t.Errorf("passkey %+v", kept)
			}
			if got, want := l.linked(), []string{"signIn passkey webauthn " + credentialID(device)}; !slices.Equal(got, want) {
				t.Errorf("events %q, want %q", got, want)
			}
			l.silent(t, challenge, string(data))
			l.clock.add(time.Minute)
		}
		if n := l.logs.FilterMessage("signed in").Len(); n != 3 {
			t.Errorf("%d lines", n)
		}
		if n := len(l.sessions(t)); n != 3 {
			t.Errorf("%d sessions listed", n)
		}
	})
}

// Signed in already, a passkey shows that one is still there: a new session takes the
// place of the old one (IDENT-01).
func TestIDENT01SignInAgainWithPasskey(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		first := b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		l.clock.add(2 * time.Hour)
		copied := l.browser(t)
		copied.jar = slices.Clone(b.jar)
		s := b.in(b.uses(device))
		if s.Key() == first.Key() || s.Since() == first.Since() || s.User != first.User {
			t.Errorf("session %+v", s)
		}
		if copied.session() != nil {
			t.Error("the session before is still good")
		}
		b.options("register") // recent again
		if rest := l.sessions(t); len(rest) != 1 {
			t.Errorf("%d sessions listed", len(rest))
		}
	})
}

// The clients want the address in a body, whatever the dialect; forms do not.
func TestPasskeyAnswersInABody(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		for _, c := range []struct {
			name   string
			more   []string
			header []string
			body   bool
		}{
			{"form", nil, nil, false},
			{"header", nil, []string{returnRedirect, "1"}, true},
			{"empty header", nil, []string{returnRedirect, ""}, true},
			{"field", []string{"json", "true"}, nil, true},
			{"other field", []string{"json", "1"}, nil, false},
		} {
			post := func(data []byte) reply {
				v := url.Values{"csrfToken": {b.csrf()}, "action": {"authenticate"}, "data": {string(data)}, "callbackUrl": {testOrigin + "/there"}}
				for i := 0; i+1 < len(c.more); i += 2 {
					v.Set(c.more[i], c.more[i+1])
				}
				return b.do("POST", "/callback/passkey", v.Encode(), c.header...)
			}
			good := post(device.Get(b.options("authenticate")))
			bad := post(device.Get(strings.Repeat("A", 43)))
			status, wantGood, wantBad := 302, "", ""
			if c.body {
				failed := "/signin?error=WebAuthnVerificationError"
				if l.api.opts.Dialect == dialect.V5 {
					failed = "/error?error=WebAuthnVerificationError"
				}
				status, wantGood, wantBad = 200, `{"url":"`+testOrigin+`/there"}`, `{"url":"`+baseURL+failed+`"}`
			}
			if good.status != status || good.body != wantGood || bad.status != status || bad.body != wantBad {
				t.Errorf("%s: %d %s, and %d %s", c.name, good.status, good.body, bad.status, bad.body)
			}
		}
		// The switch of v5 is none of v4's anywhere else.
		if r := b.do("POST", "/signout", "csrfToken="+b.csrf(), returnRedirect, "1"); l.api.opts.Dialect == dialect.V4 && r.status != 302 {
			t.Errorf("signing out: %d", r.status)
		}
	})
}

// A client may post JSON, in which data is JSON text all the same.
func TestPasskeyAnswersAsJSON(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		l.forget()
		for _, text := range []bool{false, true} {
			answer := device.Get(b.options("authenticate"))
			data := json.RawMessage(answer)
			if text {
				data, _ = json.Marshal(string(answer))
			}
			body, err := json.Marshal(map[string]any{"csrfToken": b.csrf(), "action": "authenticate", "data": data})
			if err != nil {
				t.Fatal(err)
			}
			r := b.do("POST", "/callback/passkey", string(body), "Content-Type", "application/json")
			if !text {
				l.wantNoPasskey(t, r, provider.ReasonPasskey)
				continue
			}
			b.in(r)
		}
	})
}

// Everything that is no answer to a challenge of ours ends in one and the same way.
func TestPasskeyRefusals(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		second := &locksmith{id: "keys"}
		l := newLibrary(withPasskeys, func(o *Options) { o.Providers = append(o.Providers, second) })
		grace := l.browser(t)
		s := grace.in(grace.as(l.gh, withRoles()))
		device, stranger := newDevice(t), newDevice(t)
		grace.adds(device)
		for name, c := range map[string]struct {
			try  func(b *browser) reply
			want reason
		}{
			"no data":           {func(b *browser) reply { b.options("authenticate"); return b.answer("authenticate", nil) }, provider.ReasonPasskey},
			"no JSON":           {func(b *browser) reply { return b.answer("authenticate", []byte("{")) }, provider.ReasonPasskey},
			"a list":            {func(b *browser) reply { return b.answer("authenticate", []byte("[]")) }, provider.ReasonPasskey},
			"no client data":    {func(b *browser) reply { return b.answer("authenticate", []byte("{}")) }, provider.ReasonPasskey},
			"no action":         {func(b *browser) reply { return b.answer("", device.Get(b.options("authenticate"))) }, provider.ReasonPasskey},
			"another action":    {func(b *browser) reply { return b.answer("remove", device.Get(b.options("authenticate"))) }, provider.ReasonPasskey},
			"wrong action":      {func(b *browser) reply { return b.answer("register", device.Create(b.options("authenticate"))) }, provider.ReasonPasskey},
			"other action":      {func(b *browser) reply { return b.answer("register", device.Get(b.options("authenticate"))) }, provider.ReasonPasskey},
			"no challenge":      {func(b *browser) reply { return b.answer("authenticate", device.Get(strings.Repeat("A", 43))) }, ReasonStateCookieMissing},
			"unknown challenge": {func(b *browser) reply { b.options("authenticate"); return b.answer("authenticate", device.Get("AAAA")) }, provider.ReasonPasskey},
			"empty challenge":   {func(b *browser) reply { b.options("authenticate"); return b.answer("authenticate", device.Get("")) }, provider.ReasonPasskey},
			"old challenge": {func(b *browser) reply {
				challenge := b.options("authenticate")
				l.clock.add(16 * time.Minute)
				return b.answer("authenticate", device.Get(challenge))
			}, ReasonStateExpired},
			"challenge of another browser": {func(b *browser) reply {
				challenge := l.browser(t).options("authenticate")
				b.options("authenticate")
				return b.answer("authenticate", device.Get(challenge))
			}, provider.ReasonPasskey},
			"challenge of another provider": {func(b *browser) reply {
				challenge := b.options("authenticate")
				return b.post("/callback/keys", "action", "authenticate", "data", string(device.Get(challenge)))
			}, provider.ReasonPasskey},
			"unknown passkey": {func(b *browser) reply { return b.uses(stranger) }, provider.ReasonPasskey},
			"origin": {func(b *browser) reply {
				return b.answer("authenticate", device.Get(b.options("authenticate"), func(c *testkey.Ceremony) { c.Client["origin"] = "https://evil.example" }))
			}, provider.ReasonPasskey},
			"too long": {func(b *browser) reply {
				data := device.Get(b.options("authenticate"), func(c *testkey.Ceremony) {
					c.Sent = func(answer, _ map[string]any) { answer["x"] = strings.Repeat("x", maxAnswer) }
				})
				return b.answer("authenticate", data)
			}, provider.ReasonPasskey},
			"client data too long": {func(b *browser) reply {
				data := device.Get(b.options("authenticate"), func(c *testkey.Ceremony) { c.Client["x"] = strings.Repeat("x", maxClientData) })
				return b.answer("authenticate", data)
			}, provider.ReasonPasskey},
			"signed out meanwhile": {func(b *browser) reply {
				b.keepSession(grace)
				challenge := b.options("register")
				b.drop(l.name("session-token"))
				return b.answer("register", stranger.Create(challenge))
			}, ReasonStateExpired},
			"registers after NextAuth took over": {func(b *browser) reply {
				b.keepSession(grace)
				challenge := b.options("register")
				b.keep(l.nextAuthSession(t, l.userOf(t, "github", "1")))
				return b.answer("register", stranger.Create(challenge))
			}, provider.ReasonPasskey},
			"register with a lie": {func(b *browser) reply {
				b.keepSession(grace)
				return b.answer("register", stranger.Create(b.options("register"), func(c *testkey.Ceremony) { c.Client["type"] = "webauthn.get" }))
			}, provider.ReasonPasskey},
		} {
			t.Run(name, func(t *testing.T) {
				l.forget()
				b := l.browser(t)
				b.csrf()
				l.wantNoPasskey(t, c.try(b), c.want)
				if s := b.session(); s != nil && !strings.HasPrefix(name, "register") {
					t.Errorf("signed in: %+v", s)
				}
				l.wantTold(t)
				if n := l.shelf.count("CreateUser", "CreateUserAndAccount", "CreateAuthenticator", "UpdateAuthenticator", "LinkAccount", "CreateSession"); n != 0 {
					t.Errorf("%d calls that write", n)
				}
			})
		}
		if n := len(l.passkeys(t, s.Owner())); n != 1 {
			t.Errorf("%d passkeys", n)
		}
	})
}

// keepSession gives a browser another one's session.
func (b *browser) keepSession(from *browser) {
	c, _ := from.holds("session-token")
	b.keep(c)
}

// A form has to prove where it comes from, and one that does not uses nothing up.
func TestPasskeyNeedsCSRF(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		l.forget()
		challenge := b.options("authenticate")
		data := device.Get(challenge)
		token := b.csrf()
		want := map[string]string{"v4": "/signin?csrf=true", "v5": "/signin?error=MissingCSRF"}[l.api.opts.Dialect.String()]
		for name, c := range map[string]struct {
			token  string
			header []string
		}{
			"none":         {"", nil},
			"wrong":        {strings.Repeat("0", 64), nil},
			"another site": {token, []string{"Sec-Fetch-Site", "cross-site"}},
			"origin":       {token, []string{"Origin", "https://evil.example"}},
		} {
			v := url.Values{"action": {"authenticate"}, "data": {string(data)}}
			if c.token != "" {
				v.Set("csrfToken", c.token)
			}
			r := b.do("POST", "/callback/passkey", v.Encode(), c.header...)
			if r.status != 302 || r.location() != baseURL+want || b.session() != nil {
				t.Errorf("%s: %d %q", name, r.status, r.location())
			}
		}
		if n := l.shelf.count("Authenticator", "Lock"); n != 0 {
			t.Errorf("%d calls", n)
		}
		b.in(b.answer("authenticate", data))
	})
}

// An answer is good once, whoever sends it and however often: the cookie with the
// challenge is a copy away.
func TestPasskeyAnswerIsUsedOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		owner := b.in(b.as(l.gh, withRoles())).Owner()
		device := newDevice(t).Synced() // it never counts
		b.adds(device)
		b.signOut()
		l.forget()
		data := device.Get(b.options("authenticate"))
		b.csrf()
		thieves := make([]*browser, 8)
		for i := range thieves {
			thieves[i] = l.browser(t)
			thieves[i].jar = slices.Clone(b.jar)
		}
		var wg sync.WaitGroup
		for _, thief := range thieves {
			wg.Go(func() { thief.answer("authenticate", data) })
		}
		wg.Wait()
		in := 0
		for _, thief := range thieves {
			if thief.session() != nil {
				in++
			}
		}
		if in != 1 {
			t.Errorf("%d are signed in", in)
		}
		l.logs.TakeAll()
		l.clock.add(14 * time.Minute)
		l.wantNoPasskey(t, b.answer("authenticate", data), provider.ReasonPasskey)
		if n := len(l.sessions(t)); n != 1 {
			t.Errorf("%d sessions", n)
		}

		// The same goes for new passkeys.
		b = l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		challenge := b.options("register")
		copied := l.browser(t)
		copied.jar = slices.Clone(b.jar)
		for i, who := range []*browser{b, copied} {
			r := who.answer("register", newDevice(t).Create(challenge))
			if i == 1 {
				l.wantNoPasskey(t, r, provider.ReasonPasskey)
			}
		}
		if n := len(l.passkeys(t, owner)); n != 2 {
			t.Errorf("%d passkeys", n)
		}
	})
}

// Nodes that share a store take an answer once between them.
func TestPasskeyAnswerIsUsedOnceAmongNodes(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		other := newLibrary(t, false, d, withPasskeys, func(o *Options) { o.Store = l.shelf }, func(o *Options) {
			so := sessionOptions(t, o.Now, o.Dialect, o.Secrets)
			so.Store = l.shelf
			var err error
			if o.Sessions, err = session.New(so); err != nil {
				t.Fatal(err)
			}
		})
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t).Synced()
		b.adds(device)
		b.signOut()
		data := device.Get(b.options("authenticate"))
		elsewhere := other.browser(t)
		elsewhere.jar = slices.Clone(b.jar)
		elsewhere.in(elsewhere.answer("authenticate", data)) // begun on one, ended on another
		l.logs.TakeAll()
		l.wantNoPasskey(t, b.answer("authenticate", data), provider.ReasonPasskey)
	})
}

// Each tab has a challenge of its own, up to a number.
func TestPasskeysInSeveralTabs(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		var registered []*testkey.Device
		var challenges []string
		for range maxEarlier + 1 {
			registered = append(registered, newDevice(t))
			challenges = append(challenges, b.options("register"))
		}
		c, _ := b.holds("challenge")
		if len(c.value) > maxCheckCookie {
			t.Errorf("the cookie has %d bytes", len(c.value))
		}
		for i, d := range registered {
			if r := b.answer("register", d.Create(challenges[i])); r.status != 302 || r.location() != testOrigin {
				t.Errorf("tab %d: %d %q", i, r.status, r.location())
			}
		}
		b.signOut()
		challenges = nil
		for range maxEarlier + 2 {
			challenges = append(challenges, b.options("authenticate"))
		}
		l.logs.TakeAll()
		l.wantNoPasskey(t, b.answer("authenticate", registered[0].Get(challenges[0])), provider.ReasonPasskey)
		b.in(b.answer("authenticate", registered[1].Get(challenges[2])))
		b.in(b.answer("authenticate", registered[2].Get(challenges[1])))
	})
}

// A passkey goes to whom it was asked for, not to whoever is signed in by then.
func TestPasskeyIsForWhoAsked(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		grace, mallory := l.browser(t), l.browser(t)
		grace.in(grace.as(l.gh, withRoles()))
		mallory.in(mallory.as(l.gh, somebody("666", "mallory@example.com", true)))
		device := newDevice(t)
		challenge := mallory.options("register")
		c, _ := mallory.holds("challenge")
		grace.keep(c) // planted
		l.forget()
		l.wantTaken(t, grace.answer("register", device.Create(challenge)))
		l.wantTold(t)
		if n := l.shelf.count("CreateAuthenticator", "LinkAccount"); n != 0 || grace.session() == nil {
			t.Errorf("%d calls that write", n)
		}

		// Nor does a passkey that is somebody else's sign in over a session.
		mallory.adds(device)
		before := grace.session().Key()
		l.forget()
		l.wantTaken(t, grace.uses(device))
		if s := grace.session(); s == nil || s.Key() != before {
			t.Errorf("session %+v", s)
		}
		l.wantTold(t)

		// And nobody registers what is known already.
		l.forget()
		l.wantTaken(t, grace.answer("register", device.Create(grace.options("register"))))
		if owner, err := l.shelf.Driver.UserByAccount(bg, "passkey", credentialID(device)); err != nil || owner.Email != "mallory@example.com" {
			t.Errorf("the passkey is %+v's, %v", owner, err)
		}
	})
}

// Removed while the browser asks, or of a user who is gone: no passkey.
func TestPasskeyGoesAway(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for name, remove := range map[string]func(l *library, owner, id string) error{
			"passkey": func(l *library, owner, id string) error { return l.shelf.DeleteAuthenticator(bg, owner, id) },
			"account": func(l *library, _, id string) error { return l.shelf.UnlinkAccount(bg, "passkey", id) },
			"user":    func(l *library, owner, _ string) error { return l.shelf.DeleteUser(bg, owner) },
			"during the ceremony": func(l *library, owner, id string) error {
				l.shelf.before["UpdateAuthenticator"] = func() { _ = l.shelf.Driver.DeleteAuthenticator(bg, owner, id) }
				return nil
			},
			"another's account": func(l *library, _, id string) error {
				u, err := l.shelf.CreateUser(bg, store.User{})
				return errors.Join(err, l.shelf.UnlinkAccount(bg, "passkey", id),
					l.shelf.LinkAccount(bg, store.Account{UserID: u.ID, Provider: "passkey", ProviderAccountID: id}))
			},
		} {
			l := newLibrary(withPasskeys)
			b := l.browser(t)
			s := b.in(b.as(l.gh, withRoles()))
			device := newDevice(t)
			b.adds(device)
			b.signOut()
			l.forget()
			challenge := b.options("authenticate")
			if err := remove(l, s.Owner(), credentialID(device)); err != nil {
				t.Fatal(name, err)
			}
			l.wantNoPasskey(t, b.answer("authenticate", device.Get(challenge)), provider.ReasonPasskey)
			l.wantTold(t)
		}
	})
}

// Rules, callbacks and event handlers have their say as with any sign-in.
func TestPasskeysAreSubjectToRules(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		denied := "/error?error=AccessDenied"
		for name, c := range map[string]struct {
			change func(*Options)
			why    reason
		}{
			"rules": {func(o *Options) {
				o.Authorize = func(s *session.Session) bool { return s.Evidence.Method == "" }
			}, ReasonAccessDenied},
			"callback": {with(t, callbacks.Config{SignIn: `account.provider != "passkey" || account.type != "webauthn"`}), ReasonAccessDenied},
			"event":    {nil, ReasonVetoed},
		} {
			l := newLibrary(withPasskeys)
			if c.change != nil {
				l = newLibrary(withPasskeys, c.change)
			}
			b := l.browser(t)
			s := b.in(b.as(l.gh, withRoles()))
			device := newDevice(t)
			if name == "callback" {
				// NextAuth asks it about new passkeys too.
				l.forget()
				l.wantRefusal(t, b.answer("register", device.Create(b.options("register"))), ReasonAccessDenied, denied)
				if n := len(l.passkeys(t, s.Owner())); n != 0 {
					t.Error("registered")
				}
				continue
			}
			b.adds(device)
			b.signOut()
			if name == "event" {
				l.api.opts.Events = func(context.Context, string, func() map[string]any) error { return errors.New("no") }
			}
			l.forget()
			l.wantRefusal(t, b.uses(device), c.why, denied)
			if b.session() != nil {
				t.Errorf("%s: signed in", name)
			}
		}
	})
}
