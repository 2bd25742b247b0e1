package authapi

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// The address is vouched for as far as it is the one that the provider vouched for,
// or the person has proved to have it.
func TestAddressOfAPasskey(t *testing.T) {
	proved := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		vouched  bool
		now      func(*store.User)
		verified bool
	}{
		"vouched for":               {true, func(*store.User) {}, true},
		"not vouched for":           {false, func(*store.User) {}, false},
		"proved since":              {false, func(u *store.User) { u.EmailVerified = proved }, true},
		"another one since":         {true, func(u *store.User) { u.Email = "boss@example.com" }, false},
		"another one since, proved": {true, func(u *store.User) { u.Email, u.EmailVerified = "boss@example.com", proved }, true},
		"none any more":             {true, func(u *store.User) { u.Email = "" }, false},
	} {
		everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
			l := newLibrary(withPasskeys)
			b := l.browser(t)
			s := b.in(b.as(l.gh, somebody("1", "grace@example.com", c.vouched)))
			device := newDevice(t)
			b.adds(device)
			b.signOut()
			u := l.userOf(t, "github", "1")
			u.Name, u.EmailVerified = "Another name", time.Time{}
			c.now(&u)
			if err := l.shelf.UpdateUser(bg, u); err != nil {
				t.Fatal(err)
			}
			l.judged = nil
			again := b.in(b.uses(device))
			for what, got := range map[string]*session.Session{"asked about": &l.judged[0], "made": again} {
				if got.User.Email != u.Email || got.User.Name != u.Name || got.Evidence.Verified != c.verified || got.Evidence.User != s.Owner() {
					t.Errorf("%s, %s: %+v, verified %v", name, what, got.User, got.Evidence.Verified)
				}
			}
		})
	}
}

// IDENT-08: what the users file says at the moment is what counts: groups, and
// whether there is such an account.
func TestIDENT08PasskeyOfAUsersFile(t *testing.T) {
	inBothStrategies(t, func(t *testing.T, database bool, d func(*Options)) {
		alive, groups := true, []string{"paper"}
		live := func(s *session.Session) ([]string, []string, bool) {
			if s.Evidence.Provider != "credentials" || s.Evidence.Login != "bob" || s.Evidence.Account != "bob" {
				t.Errorf("asked about %+v", s.Evidence)
			}
			return groups, []string{"role of " + groups[0]}, alive
		}
		l := newLibrary(t, database, d, withPasskeys, strictly(t, database, nil, live), func(o *Options) {
			o.Authorize = func(s *session.Session) bool {
				return slices.Contains(s.Evidence.Groups, groups[0]) && (s.Evidence.Method == "" || slices.Contains(s.Evidence.Roles, "role of "+groups[0]))
			}
		})
		b := l.browser(t)
		b.in(b.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2"))
		device := newDevice(t)
		b.adds(device)
		b.signOut()

		groups = []string{"scissors"}
		s := b.in(b.uses(device))
		if !slices.Equal(s.Evidence.Groups, groups) || s.Evidence.Provider != "credentials" || s.Evidence.Method != "passkey" {
			t.Errorf("evidence %+v", s.Evidence)
		}

		// Disabled: neither the session nor the passkey is any good.
		alive = false
		if b.session() != nil {
			t.Error("still signed in")
		}
		b = l.browser(t)
		l.forget()
		l.wantNoPasskey(t, b.uses(device), provider.ReasonPasskey)
		l.wantTold(t)
		if n := l.shelf.count("CreateSession"); n != 0 {
			t.Error("a session was made")
		}
		alive = true
		b.in(b.uses(device))
	})
}

// A passkey is good for nothing at a site that does not know the provider, or one of
// that name with other people in it.
func TestPasskeyOfAnotherRealm(t *testing.T) {
	inBothStrategies(t, func(t *testing.T, database bool, d func(*Options)) {
		realms := map[string]string{"op": "", "github": "", "credentials": "", "email": "", "passkey": "passkey"}
		l := newLibrary(t, database, d, withPasskeys, strictly(t, database, realms, nil))
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		for name, realm := range map[string]map[string]string{"unknown": {"op": ""}, "another": {"github": "elsewhere"}} {
			maps.DeleteFunc(realms, func(id, _ string) bool { return id == "github" })
			maps.Copy(realms, realm)
			l.logs.TakeAll()
			r := b.uses(device)
			l.wantNoPasskey(t, r, provider.ReasonPasskey)
			if b.session() != nil {
				t.Errorf("%s: signed in", name)
			}
		}
		realms["github"] = ""
		b.in(b.uses(device))
	})
}

// A passkey stands for an account. Without that account it is good for nothing, or
// whoever has left would come back by it.
func TestPasskeyStandsForAnAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		owner := b.in(b.as(l.op, somebody("1", "grace@example.com", true))).Owner()
		b.in(b.as(l.gh, withRoles())) // connected
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		if s := b.in(b.uses(device)); s.Evidence.Provider != "github" {
			t.Errorf("evidence %+v", s.Evidence)
		}
		// Another one that is added now stands for the same account.
		second := newDevice(t)
		b.adds(second)
		b.signOut()
		if s := b.in(b.uses(second)); s.Evidence.Provider != "github" || s.Evidence.Login != "grace" || s.Evidence.Method != "passkey" {
			t.Errorf("evidence %+v", s.Evidence)
		}
		b.signOut()

		if err := l.shelf.UnlinkAccount(bg, "github", "1"); err != nil {
			t.Fatal(err)
		}
		l.logs.TakeAll()
		l.wantNoPasskey(t, b.uses(device), provider.ReasonPasskey)
		l.wantNoPasskey(t, b.uses(second), provider.ReasonPasskey)

		// It has another owner: that is not who registered the passkey.
		other, err := l.shelf.CreateUserAndAccount(bg, store.User{}, store.Account{Provider: "github", ProviderAccountID: "1"})
		if err != nil || other.ID == owner {
			t.Fatal(err)
		}
		l.wantNoPasskey(t, b.uses(device), provider.ReasonPasskey)

		if err := errors.Join(l.shelf.UnlinkAccount(bg, "github", "1"), l.shelf.LinkAccount(bg, store.Account{UserID: owner, Provider: "github", ProviderAccountID: "1"})); err != nil {
			t.Fatal(err)
		}
		b.in(b.uses(device))
	})
}

// An address that was proved by mail is no account that is kept. The passkey stands
// for it as long as it is the user's.
func TestPasskeyStandsForAnAddress(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		s := b.in(l.byMail(b, "grace@example.com"))
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		again := b.in(b.uses(device))
		if again.Evidence.Provider != "email" || again.Evidence.Account != "grace@example.com" || !again.Evidence.Verified || again.User != s.User {
			t.Errorf("session %+v", again)
		}
		b.signOut()
		u, err := l.shelf.Driver.User(bg, s.Owner())
		u.Email = "other@example.com"
		if err := errors.Join(err, l.shelf.UpdateUser(bg, u)); err != nil {
			t.Fatal(err)
		}
		l.logs.TakeAll()
		l.wantNoPasskey(t, b.uses(device), provider.ReasonPasskey)
	})
}

// foreign is a passkey as Auth.js keeps it.
func (s *shelf) foreign(t testing.TB, u store.User, id string) {
	t.Helper()
	a := store.Authenticator{CredentialID: id, UserID: u.ID, ProviderAccountID: id, PublicKey: []byte("key of " + id), DeviceType: "multiDevice"}
	err := errors.Join(s.Driver.CreateAuthenticator(bg, a),
		s.Driver.LinkAccount(bg, store.Account{UserID: u.ID, Type: "webauthn", Provider: "passkey", ProviderAccountID: id}))
	if err != nil {
		t.Fatal(err)
	}
}

// A passkey that Auth.js registered speaks for itself alone.
func TestPasskeyOfAuthJS(t *testing.T) {
	proved := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		proved   time.Time
		foreign  bool
		verified bool
	}{{time.Time{}, false, false}, {proved, false, true}, {proved, true, false}} {
		everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
			l := newLibrary(withPasskeys, func(o *Options) { o.Foreign = c.foreign })
			u, err := l.shelf.CreateUser(bg, store.User{Email: "grace@example.com", EmailVerified: c.proved})
			if err != nil {
				t.Fatal(err)
			}
			device := newDevice(t)
			device.Handle = "any at all"
			id := credentialID(device)
			l.shelf.foreign(t, u, id)
			b := l.browser(t)
			s := b.in(b.uses(device))
			want := session.Evidence{
				SID: s.Evidence.SID, Provider: "passkey", Realm: "passkey", Account: id, User: u.ID, Method: "passkey", Passkey: session.PasskeyMark(id),
				Verified: c.verified, AuthTime: l.clock.now().Unix(), Since: l.clock.now().UnixMilli(),
			}
			if got := s.Evidence; got.SID == "" || !sameEvidence(got, want) || s.User.ID != u.ID {
				t.Errorf("evidence\n%+v, want\n%+v", got, want)
			}
			// So does one that is registered then: it needs no other passkey.
			second := newDevice(t)
			b.adds(second)
			for _, k := range l.passkeys(t, u.ID) {
				if k.Evidence != nil {
					t.Errorf("evidence %s", k.Evidence)
				}
			}
			b.signOut()
			if s := b.in(b.uses(second)); s.Evidence.Account != credentialID(second) {
				t.Errorf("evidence %+v", s.Evidence)
			}
		})
	}
}

func sameEvidence(a, b session.Evidence) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return errors.Join(err1, err2) == nil && string(x) == string(y)
}

// The account that belongs to a passkey has to be the same person's.
func TestPasskeyAndItsAccountDiffer(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		device := newDevice(t)
		id := credentialID(device)
		u, err := l.shelf.CreateUser(bg, store.User{})
		if err != nil {
			t.Fatal(err)
		}
		l.shelf.foreign(t, u, id)
		l.browser(t).uses(device)
		if len(l.sessions(t)) != 1 {
			t.Fatal("the passkey does not work")
		}
		other, err := l.shelf.CreateUser(bg, store.User{})
		err = errors.Join(err, l.shelf.UnlinkAccount(bg, "passkey", id),
			l.shelf.LinkAccount(bg, store.Account{UserID: other.ID, Provider: "passkey", ProviderAccountID: id}))
		if err != nil {
			t.Fatal(err)
		}
		l.logs.TakeAll()
		l.wantNoPasskey(t, l.browser(t).uses(device), provider.ReasonPasskey)
	})
}

// Our own passkeys are for one user handle.
func TestPasskeyHandle(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		device.Handle = "b3RoZXI"
		l.logs.TakeAll()
		l.wantNoPasskey(t, b.uses(device), provider.ReasonPasskey)
		device.Handle = ""
		b.in(b.uses(device))
	})
}

// Evidence that cannot be read is none, and that is not the same as evidence that was
// never there.
func TestDamagedEvidenceOfAPasskey(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		for _, evidence := range []string{"{", "[]", "{}", `{"provider":1}`} {
			l := newLibrary(t, false, d, withPasskeys)
			u, err := l.shelf.CreateUser(bg, store.User{})
			if err != nil {
				t.Fatal(err)
			}
			device := newDevice(t)
			id := credentialID(device)
			l.shelf.foreign(t, u, id)
			err = errors.Join(l.shelf.DeleteAuthenticator(bg, u.ID, id), l.shelf.CreateAuthenticator(bg, store.Authenticator{
				CredentialID: id, UserID: u.ID, ProviderAccountID: id, PublicKey: []byte("key of " + id),
				DeviceType: "multiDevice", Evidence: json.RawMessage(evidence),
			}))
			if err != nil {
				t.Fatal(err)
			}
			l.wantNoPasskey(t, l.browser(t).uses(device), provider.ReasonPasskey)
		}
	})
}

// The callback jwt shapes the claims, redirect and sign_in decide where to go.
func TestCallbacksOfPasskeys(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys, with(t, callbacks.Config{JWT: steps("how", `trigger + " " + account.provider + " " + account.type`)}))
		b := l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		b.signOut()
		b.in(b.uses(device))
		if how := b.claims()["how"]; how != "signIn passkey webauthn" {
			t.Errorf("claim %v", how)
		}

		l = newLibrary(t, false, d, withPasskeys, with(t, callbacks.Config{SignIn: `account.provider == "passkey" ? dyn("/step-two") : dyn(true)`}))
		b = l.browser(t)
		s := b.in(b.as(l.gh, withRoles()))
		if r := b.answer("register", device.Create(b.options("register"))); r.location() != testOrigin+"/step-two" || len(l.passkeys(t, s.Owner())) != 0 {
			t.Errorf("%d %q", r.status, r.location())
		}
	})
}

// STORE-01: whatever call the store does not answer, nobody is signed in and nothing
// is half there.
func TestSTORE01Passkeys(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		codes := map[string]string{"v4": "/error?error=Callback", "v5": "/error?error=Configuration"}
		for _, c := range []struct{ action, method string }{
			{"authenticate", "Authenticator"}, {"authenticate", "Lock"}, {"authenticate", "UpdateAuthenticator"},
			{"authenticate", "UserByAccount"}, {"authenticate", "Account"}, {"authenticate", "CreateSession"},
			{"register", "User"}, {"register", "Lock"}, {"register", "CreateAuthenticator"}, {"register", "LinkAccount"},
		} {
			l := newLibrary(withPasskeys)
			b := l.browser(t)
			s := b.in(b.as(l.gh, withRoles()))
			device := newDevice(t)
			var data []byte
			if c.action == "register" {
				data = device.Create(b.options("register"))
			} else {
				b.adds(device)
				b.signOut()
				data = device.Get(b.options("authenticate"))
			}
			before := len(l.passkeys(t, s.Owner()))
			l.forget()
			l.shelf.down(c.method)
			r := b.answer(c.action, data)
			l.shelf.down("")
			l.wantRefusal(t, r, ReasonStore, codes[l.api.opts.Dialect.String()])
			if c.method != "CreateSession" && r.header.Get("Retry-After") == "" {
				t.Errorf("%s %s: no Retry-After", c.action, c.method)
			}
			l.wantTold(t)
			if after := len(l.passkeys(t, s.Owner())); after != before {
				t.Errorf("%s %s: %d passkeys, %d before", c.action, c.method, after, before)
			}
			if c.action == "authenticate" {
				b.in(b.uses(device))
			} else {
				b.adds(device)
			}
		}
	})
}

// An account that exists without its passkey is not taken over by another one.
func TestPasskeyWithALeftoverAccount(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		b := l.browser(t)
		s := b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		other, err := l.shelf.CreateUserAndAccount(bg, store.User{}, store.Account{Provider: "passkey", ProviderAccountID: credentialID(device)})
		if err != nil {
			t.Fatal(err)
		}
		l.logs.TakeAll()
		l.wantTaken(t, b.answer("register", device.Create(b.options("register"))))
		if len(l.passkeys(t, s.Owner())) != 0 || len(l.passkeys(t, other.ID)) != 0 {
			t.Error("there is a passkey")
		}
	})
}

// On the account page: what was added with which account, and what is left of it.
func TestAccountPageOfPasskeys(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys, func(o *Options) { o.Account = &AccountOptions{} })
		b := l.browser(t)
		b.in(b.as(l.op, somebody("1", "grace@example.com", false)))
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		r := b.answer("register", device.Create(b.options("register")), "callbackUrl", baseURL+"/account")
		if r.location() != baseURL+"/account" {
			t.Fatalf("%d %q", r.status, r.location())
		}
		page := b.get("/account")
		equal(t, "notice", page.says(), "You can sign in with the passkey from now on.")
		for _, want := range []string{`data-passkey-action="register"`, "Passkeys that you added when you had signed in with it stop working without it."} {
			if strings.Count(page.body, want) != 1 {
				t.Errorf("not once on the page: %s", want)
			}
		}
		// The session that begins with it says so.
		b.signOut()
		if r := b.uses(device); r.location() != baseURL+"/account" || b.session() == nil {
			t.Fatalf("%d %q", r.status, r.location())
		}
		if page := b.get("/account"); !strings.Contains(page.body, "<dt>With</dt><dd>Passkey</dd>") {
			t.Error("the session is with no passkey")
		}
		if got := b.account("unlink", "provider", "github", "account", "1"); got.status != 303 {
			t.Errorf("unlinking: %d", got.status)
		}
		b = l.browser(t)
		b.in(b.as(l.op, somebody("1", "", false)))
		page = b.get("/account")
		if !strings.Contains(page.body, "cannot be used.") {
			t.Error("the passkey looks alive")
		}
		// The other account is the only way in by now, and the dead passkey can go.
		wantRefused(t, b.account("unlink", "provider", "op", "account", "1"), 409, "This is your only way to sign in.")
		if got := b.account("delete_passkey", "id", credentialID(device)); got.status != 303 {
			t.Errorf("removing: %d", got.status)
		}
	})
}

// Whoever has a passkey that its owner removes, a lost phone say, is signed out with
// it, and nobody else is.
func TestRemovingAPasskeyEndsItsSessions(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys, func(o *Options) { o.Account = &AccountOptions{Tokens: true} })
		lost, kept := newDevice(t), newDevice(t)
		b, thief, laptop := l.browser(t), l.browser(t), l.browser(t)
		owner := b.in(b.as(l.gh, withRoles())).Owner()
		b.adds(lost)
		b.adds(kept)
		thief.in(thief.uses(lost))
		laptop.in(laptop.uses(kept))
		for _, who := range []*browser{b, thief} {
			if r := who.account("create_token", "name", "CI", "days", "30"); r.status != 200 {
				t.Fatalf("%d %s", r.status, r.says())
			}
		}
		if r := b.account("delete_passkey", "id", credentialID(lost)); r.status != 303 {
			t.Errorf("removing: %d", r.status)
		}
		if thief.session() != nil {
			t.Error("the thief is still signed in")
		}
		if b.session() == nil || laptop.session() == nil {
			t.Error("others are signed out")
		}
		tokens, err := l.shelf.Tokens(bg, owner)
		if err != nil || len(tokens) != 1 {
			t.Errorf("%d tokens, %v", len(tokens), err)
		}
		l.logs.TakeAll()
		l.wantNoPasskey(t, thief.uses(lost), provider.ReasonPasskey)
	})
}

// Passkeys that stand for the only account are no other way to sign in.
func TestPasskeysKeepTheirAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys, func(o *Options) { o.Account = &AccountOptions{} })
		b := l.browser(t)
		b.in(b.as(l.gh, somebody("1", "grace@example.com", false)))
		device := newDevice(t)
		b.adds(device)
		if page := b.get("/account"); !strings.Contains(page.body, "Your passkeys need this account") {
			t.Error("the page does not say so")
		}
		wantRefused(t, b.account("unlink", "provider", "github", "account", "1"), 409, "This is your only way to sign in.")
		if got := b.account("delete_passkey", "id", credentialID(device)); got.status != 303 {
			t.Errorf("removing: %d", got.status)
		}
	})
}

// A session that begins with a passkey at the last moment ends with it as well.
func TestRemovingAPasskeyEndsWhatBeginsMeanwhile(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys, func(o *Options) { o.Account = &AccountOptions{Tokens: true} })
		b, thief := l.browser(t), l.browser(t)
		b.in(b.as(l.gh, withRoles()))
		device := newDevice(t)
		b.adds(device)
		m := &members{library: l}
		secret := ""
		l.shelf.before["UnlinkAccount"] = func() {
			thief.in(thief.uses(device))
			secret = m.makeToken(thief)
		}
		if r := b.account("delete_passkey", "id", credentialID(device)); r.status != 303 {
			t.Fatalf("not removed: %d %q", r.status, r.says())
		}
		if thief.session() != nil || b.session() == nil {
			t.Error("not the session that began with the passkey, and only it, has ended")
		}
		if _, err := l.sess.ReadToken(bg, secret); secret == "" || !errors.Is(err, session.ErrInvalid) {
			t.Errorf("the token %q: %v", secret, err)
		}
	})
}
