package authapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

var bg = context.Background()

// byAddress makes the provider github one that is trusted with addresses.
func byAddress(o *Options) {
	for _, p := range o.Providers {
		if p, ok := p.(*scripted); ok && p.info.ID == "github" {
			p.info.LinkByEmail = true
		}
	}
}

// wantNotLinked is the refusal of an account that cannot be this person's: nothing
// is kept, and the session stays as it was.
func (l *library) wantNotLinked(t *testing.T, r reply, why reason) {
	t.Helper()
	want := baseURL + "/error?error=OAuthAccountNotLinked"
	cookies := []string{"state", "pkce.code_verifier", "notice"}
	if l.api.opts.Dialect == dialect.V5 {
		want, cookies = baseURL+"/signin?error=OAuthAccountNotLinked", []string{"notice"}
	}
	equal(t, "status", r.status, 302)
	equal(t, "Location", r.location(), want)
	set := slices.DeleteFunc(r.names(), func(name string) bool { return name == l.name("nonce") }) // not every provider's
	if !slices.Equal(set, l.cookieNames(cookies...)) {
		t.Errorf("cookies %q", r.names())
	}
	l.wantReason(t, "refused", why, true)
	l.wantTold(t)
	if n := l.shelf.count("CreateUser", "LinkAccount", "CreateUserAndAccount", "UpdateUser", "CreateSession"); n != 0 {
		t.Errorf("%d calls that write", n)
	}
}

// forget begins to count calls, events and lines of the log anew.
func (l *library) forget() {
	l.told()
	l.logs.TakeAll()
	l.shelf.mu.Lock()
	defer l.shelf.mu.Unlock()
	l.shelf.calls = map[string]int{}
}

func TestFirstSignIn(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		b.t = t
		id := somebody("1", "ada@example.com", true)
		id.User.Image = provider.String("https://example.com/ada.png")
		id.Account.RefreshToken, id.Account.IDToken, id.Account.TokenType = "refresh", "eyJ.id.token", "Bearer"
		id.Account.Scope, id.Account.ExpiresAt = "read:user", 1_900_000_000
		s := b.in(b.as(l.gh, id))
		u := l.userOf(t, "github", "1")
		want := store.User{ID: u.ID, Name: "Name of 1", Email: "ada@example.com", Image: "https://example.com/ada.png", EmailVerified: l.clock.now()}
		if u.ID == "" || u != want {
			t.Errorf("user %+v, want %+v", u, want)
		}
		a, err := l.shelf.Account(bg, "github", "1")
		wantAccount := store.Account{
			UserID: u.ID, Type: "oauth", Provider: "github", ProviderAccountID: "1",
			AccessToken: "access-token-of-1", RefreshToken: "refresh", IDToken: "eyJ.id.token",
			TokenType: "Bearer", Scope: "read:user", ExpiresAt: 1_900_000_000,
		}
		if err != nil || a != wantAccount {
			t.Errorf("account %+v, %v, want %+v", a, err, wantAccount)
		}
		if s.User != (session.User{ID: u.ID, Name: u.Name, Email: u.Email, Image: u.Image}) || s.Owner() != u.ID {
			t.Errorf("session of %+v", s.User)
		}
		if e := s.Evidence; e.User != u.ID || e.Account != "1" || e.Provider != "github" || !e.Verified ||
			e.Since != l.clock.now().UnixMilli() || s.Since() != l.clock.now().Local() {
			t.Errorf("evidence %+v", e)
		}
		l.wantTold(t, "createUser", "linkAccount", "signIn true")
		list := l.sessions(t)
		if len(list) != 1 || list[0].Session.ID != s.Key() || list[0].User != u || list[0].Session.IP != "192.0.2.7" {
			t.Errorf("listed %+v", list)
		}
		if token, _ := cookieValue(b, "session-token"); list[0].Session.Token != "" && list[0].Session.Token != token ||
			(list[0].Session.Token != "") != l.api.opts.Sessions.Database() {
			t.Errorf("listed with the token %q", list[0].Session.Token)
		}
	})
}

func cookieValue(b *browser, name string) (string, bool) {
	i := slices.IndexFunc(b.jar, func(c setCookie) bool { return c.name == b.name(name) })
	if i < 0 {
		return "", false
	}
	return b.jar[i].value, true
}

// An account is known: it is its user's.
func TestKnownAccount(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		ada := l.browser(t)
		first := ada.in(ada.as(l.gh, somebody("1", "ada@example.com", true)))
		l.forget()

		// Nobody is signed in. What the provider says now is of no concern.
		b := l.browser(t)
		s := b.in(b.as(l.gh, somebody("1", "other@example.com", true)))
		if s.User != first.User || s.Key() == first.Key() {
			t.Errorf("session of %+v", s)
		}
		l.wantTold(t, "signIn false")

		// The same user is: a new session takes the place of the old one.
		before := slices.Clone(b.jar)
		again := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		if again.User != first.User || again.Key() == s.Key() {
			t.Errorf("session of %+v", again)
		}
		l.wantTold(t, "signIn false")
		thief := l.browser(t)
		thief.jar = before
		if thief.session() != nil {
			t.Error("IDENT-01: the session before the sign-in is still good")
		}
		if ada.session() == nil {
			t.Error("another browser's session ended")
		}
		if n := len(l.sessions(t)); n != 2 {
			t.Errorf("%d sessions listed, want those of two browsers", n)
		}
		if n := l.shelf.count("CreateUser", "LinkAccount", "CreateUserAndAccount", "UpdateUser"); n != 0 {
			t.Errorf("%d calls that write", n)
		}
	})
}

// An account is known, and another user is signed in.
func TestAccountOfAnotherUser(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(byAddress)
		bob := l.browser(t)
		bob.in(bob.as(l.gh, somebody("2", "bob@example.com", true)))
		b := l.browser(t)
		s := b.in(b.as(l.op, somebody("1", "ada@example.com", true)))
		l.forget()
		r := b.as(l.gh, somebody("2", "ada@example.com", true))
		l.wantNotLinked(t, r, ReasonAccountTaken)
		if now := b.session(); now == nil || now.Key() != s.Key() {
			t.Errorf("the session is %+v", now)
		}
		if bob.session() == nil {
			t.Error("the other user was signed out")
		}
	})
}

// A new account, and somebody is signed in: it becomes theirs, whatever address
// it has.
func TestNewAccountOfWhoIsSignedIn(t *testing.T) {
	for _, email := range []string{"", "ada@example.com", "ada@elsewhere.example", "bob@example.com"} {
		everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
			l := newLibrary()
			bob := l.browser(t)
			bob.in(bob.as(l.op, somebody("2", "bob@example.com", true)))
			b := l.browser(t)
			first := b.in(b.as(l.op, somebody("1", "ada@example.com", true)))
			before := slices.Clone(b.jar)
			l.forget()
			s := b.in(b.as(l.gh, somebody("1", email, true)))
			if s.User != first.User || s.Evidence.Provider != "github" || s.Key() == first.Key() {
				t.Errorf("%q: session of %+v, want %+v", email, s, first.User)
			}
			if got := l.accountsOf(t, first.User.ID); !slices.Equal(got, []string{"github:1", "op:1"}) {
				t.Errorf("%q: accounts %q", email, got)
			}
			l.wantTold(t, "linkAccount", "signIn false")
			old := l.browser(t)
			if old.jar = before; old.session() != nil {
				t.Error("IDENT-01: the session before the sign-in is still good")
			}
			// From now on it leads there by itself.
			other := l.browser(t)
			if s := other.in(other.as(l.gh, somebody("1", email, true))); s.User != first.User {
				t.Errorf("%q: session of %+v", email, s.User)
			}
		})
	}
}

// IDENT-04: that an account has a user's address proves nothing, whatever the
// provider says of it.
func TestIDENT04AddressOfAnotherUser(t *testing.T) {
	for _, claimed := range []any{false, nil, "false", "true", true, 1} {
		everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
			l := newLibrary()
			ada := l.browser(t)
			ada.in(ada.as(l.op, somebody("1", "ada@example.com", true)))
			l.forget()
			id := somebody("666", "ada@example.com", claimed == true)
			if id.Profile["email_verified"] = claimed; claimed == nil {
				delete(id.Profile, "email_verified")
			}
			b := l.browser(t)
			l.wantNotLinked(t, b.as(l.gh, id), ReasonEmailTaken)
			if b.session() != nil {
				t.Errorf("email_verified %v: signed in", claimed)
			}
			if u := l.userOf(t, "github", "666"); u.ID != "" {
				t.Errorf("linked to %+v", u)
			}
			// Signed in, it is another matter.
			l.forget()
			if s := ada.in(ada.as(l.gh, id)); s.Owner() != l.userOf(t, "op", "1").ID {
				t.Errorf("session of %+v", s.User)
			}
		})
	}
}

// The operator may trust a provider with addresses.
func TestLinkByEmail(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(byAddress)
		ada := l.browser(t)
		first := ada.in(ada.as(l.op, somebody("1", "ada@example.com", true)))
		l.forget()
		b := l.browser(t)
		s := b.in(b.as(l.gh, somebody("9", "ada@example.com", true)))
		if s.User != first.User {
			t.Errorf("session of %+v", s.User)
		}
		if got := l.accountsOf(t, first.User.ID); !slices.Equal(got, []string{"github:9", "op:1"}) {
			t.Errorf("accounts %q", got)
		}
		// What NextAuth calls a new user differs, and is kept.
		l.wantTold(t, "createUser", "linkAccount", fmt.Sprint("signIn ", l.api.opts.Dialect == dialect.V4))
		if ada.session() == nil {
			t.Error("another browser's session ended")
		}
		// Only that provider is trusted.
		l.forget()
		l.wantNotLinked(t, l.browser(t).as(l.op, somebody("7", "ada@example.com", true)), ReasonEmailTaken)
	})
}

// Accounts without an address are as many users.
func TestNewAccountsWithoutAddress(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(byAddress)
		owners := map[string]bool{}
		for _, account := range []string{"1", "2"} {
			b := l.browser(t)
			s := b.in(b.as(l.gh, somebody(account, "", false)))
			if s.User.Email != "" || s.Evidence.Verified {
				t.Errorf("session of %+v, %+v", s.User, s.Evidence)
			}
			owners[s.Owner()] = true
		}
		if len(owners) != 2 {
			t.Errorf("users %v", owners)
		}
	})
}

// An account without an id would be everybody's who has none.
func TestIDENT06AccountWithoutID(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		id := somebody("1", "ada@example.com", true)
		id.Account.ProviderAccountID = ""
		b := l.browser(t)
		r := b.as(l.gh, id)
		equal(t, "Location", r.location(), baseURL+"/signin")
		if b.session() != nil || l.shelf.count("CreateUserAndAccount") != 0 {
			t.Error("signed in")
		}
	})
}

// A mailed link leads to whose the address is, whatever they signed in with
// before.
func TestByMail(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		s := b.in(l.byMail(b, "Grace@Example.com"))
		u, err := l.shelf.Driver.UserByEmail(bg, "grace@example.com")
		if err != nil || !u.EmailVerified.Equal(l.clock.now()) || s.Owner() != u.ID || !s.Evidence.Verified {
			t.Errorf("user %+v, %v; session %+v", u, err, s)
		}
		l.wantTold(t, "createUser", "signIn true")

		ada := l.browser(t)
		first := ada.in(ada.as(l.gh, somebody("1", "ada@example.com", true)))
		l.forget()
		l.clock.add(time.Minute)
		s = b.in(l.byMail(b, "ada@example.com"))
		if s.User != first.User || s.Evidence.Provider != "email" || !s.Evidence.Verified {
			t.Errorf("session %+v", s)
		}
		if u := l.userOf(t, "github", "1"); !u.EmailVerified.Equal(l.clock.now()) {
			t.Errorf("user %+v", u)
		}
		if got := l.accountsOf(t, s.Owner()); !slices.Equal(got, []string{"github:1"}) {
			t.Errorf("accounts %q: an address needs none", got)
		}
		l.wantTold(t, "updateUser", "signIn false")
		if ada.session() == nil {
			t.Error("another browser's session ended")
		}
	})
}

// link makes an account one of a user's.
func (l *library) link(t testing.TB, userID, providerID, account string) {
	t.Helper()
	if err := l.shelf.Driver.LinkAccount(bg, store.Account{UserID: userID, Type: "oauth", Provider: providerID, ProviderAccountID: account}); err != nil {
		t.Fatal(err)
	}
}

// Somebody who signed up with an address that is not theirs shares nothing with
// whoever proves to have it.
func TestIDENT04AddressTakenInVain(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		thief := l.browser(t)
		first := thief.in(thief.as(l.gh, somebody("666", "ada@example.com", false)))
		ada := l.browser(t)
		s := ada.in(l.byMail(ada, "ada@example.com"))
		if s.Owner() == first.Owner() || !s.Evidence.Verified || s.User.Email != "ada@example.com" {
			t.Fatalf("session %+v", s)
		}
		if again := thief.in(thief.as(l.gh, somebody("666", "ada@example.com", true))); again.Owner() != first.Owner() || again.User.Email != "" || again.Evidence.Verified {
			t.Errorf("the thief's session %+v", again)
		}
		// Who is signed in proves it of themselves.
		l = newLibrary()
		bob := l.browser(t)
		first = bob.in(bob.as(l.gh, somebody("2", "bob@example.com", false)))
		if s := bob.in(l.byMail(bob, "bob@example.com")); s.Owner() != first.Owner() || !s.Evidence.Verified {
			t.Errorf("session %+v", s)
		}
		// The users of an application are what NextAuth makes of them, but its word
		// for an address is not theirs.
		l = newLibrary(func(o *Options) { o.Foreign = true })
		thief = l.browser(t)
		first = thief.in(thief.as(l.gh, somebody("666", "ada@example.com", false)))
		ada = l.browser(t)
		if s := ada.in(l.byMail(ada, "ada@example.com")); s.Owner() != first.Owner() {
			t.Errorf("session %+v", s)
		}
		if again := thief.in(thief.as(l.gh, somebody("666", "ada@example.com", false))); again.Evidence.Verified {
			t.Errorf("the thief's session %+v", again)
		}
	})
}

// A copy of an old cookie does not become a way in of the thief's own.
func TestLinkingNeedsAFreshSignIn(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		s := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		l.clock.add(2 * time.Hour)
		l.forget()
		l.wantNotLinked(t, b.as(l.op, somebody("666", "x@example.com", true)), ReasonSignInAgain)
		if got := l.accountsOf(t, s.Owner()); !slices.Equal(got, []string{"github:1"}) {
			t.Errorf("accounts %q", got)
		}
		b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		if s := b.in(b.as(l.op, somebody("7", "x@example.com", true))); s.User.Email != "ada@example.com" {
			t.Errorf("session %+v", s)
		}
	})
}

// Who is new goes where new people go, and the callback jwt is told.
func TestNewUserPage(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(with(t, callbacks.Config{JWT: steps("how", "trigger", "new", "isNewUser")}), byAddress,
			func(o *Options) { o.Pages.NewUser = "/welcome?x=1" })
		claimed := func(s *session.Session, how, isNew string) {
			t.Helper()
			if l.api.opts.Sessions.Database() {
				return // NextAuth does not ask it there
			}
			for name, want := range map[string]string{"how": `"` + how + `"`, "new": isNew} {
				if v, _ := s.Claim(name); v.Raw() != want {
					t.Errorf("claim %s is %s, want %s", name, v.Raw(), want)
				}
			}
		}
		welcome := "/welcome?x=1&callbackUrl=https%3A%2F%2Fapp.example.com%2Fnext"
		b := l.browser(t)
		state := b.start("github", "callbackUrl", "/next")
		l.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			return somebody("1", "ada@example.com", true), nil
		}
		r := b.get("/callback/github?code=x&state=" + state)
		equal(t, "new", r.location(), welcome)
		claimed(b.session(), "signUp", "true")

		b.drop(b.name("session-token"))
		r = b.as(l.gh, somebody("1", "ada@example.com", true))
		equal(t, "known", r.location(), testOrigin+"/next")
		claimed(b.session(), "signIn", "false")

		r = b.as(l.op, somebody("5", "", true)) // linked to who is signed in
		equal(t, "linked", r.location(), testOrigin+"/next")

		// Linked by the address: NextAuth 4 calls that new.
		b.drop(b.name("session-token"))
		b.in2(b.as(l.op, somebody("6", "bea@example.com", true)))
		b.drop(b.name("session-token"))
		r = b.as(l.gh, somebody("6", "bea@example.com", true))
		if l.api.opts.Dialect == dialect.V4 {
			equal(t, "linked by address", r.location(), welcome)
			claimed(b.session(), "signUp", "true")
		} else {
			equal(t, "linked by address", r.location(), testOrigin+"/next")
			claimed(b.session(), "signIn", "false")
		}
	})
}

// in2 is in, wherever it leads to.
func (b *browser) in2(r reply) *session.Session {
	b.t.Helper()
	s := b.session()
	if r.status != 302 || s == nil || strings.Contains(r.location(), "error=") {
		b.t.Fatalf("not signed in: %d %q", r.status, r.location())
	}
	return s
}

// Rules are asked about the user as the session will have them: with the address
// that is stored, vouched for only if somebody did so for that one.
func TestRulesAreAskedAboutTheStoredUser(t *testing.T) {
	proved := time.Unix(1_800_000_000, 0)
	for _, tc := range []struct {
		name     string
		stored   store.User
		says     string // the provider
		vouches  bool
		verified bool
	}{
		{"vouched for", store.User{Email: "ada@example.com"}, "ada@example.com", true, true},
		{"in another spelling", store.User{Email: "ada@example.com"}, "Ada@Example.COM", true, true},
		{"not vouched for", store.User{Email: "ada@example.com"}, "ada@example.com", false, false},
		{"another one is", store.User{Email: "ada@example.com"}, "boss@example.com", true, false},
		{"none is", store.User{Email: "ada@example.com"}, "", false, false},
		{"proved", store.User{Email: "ada@example.com", EmailVerified: proved}, "ada@example.com", false, true},
		{"proved, another one vouched for", store.User{Email: "ada@example.com", EmailVerified: proved}, "boss@example.com", true, true},
		{"none stored", store.User{}, "boss@example.com", true, false},
		{"none stored, once proved", store.User{EmailVerified: proved}, "boss@example.com", true, false},
	} {
		everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
			l := newLibrary()
			u, err := l.shelf.CreateUserAndAccount(bg, tc.stored, store.Account{Provider: "github", ProviderAccountID: "1"})
			if err != nil {
				t.Fatal(err)
			}
			b := l.browser(t)
			s := b.in(b.as(l.gh, somebody("1", tc.says, tc.vouches)))
			for what, got := range map[string]session.Session{"asked about": l.judged[len(l.judged)-1], "made": *s} {
				if got.User.ID != u.ID || got.User.Email != tc.stored.Email || got.Evidence.Verified != tc.verified || got.Evidence.User != u.ID {
					t.Errorf("%s: %s %+v, verified %v", tc.name, what, got.User, got.Evidence.Verified)
				}
			}
			if len(l.judged) != 1 {
				t.Errorf("asked %d times", len(l.judged))
			}
		})
	}
}

// Nothing is kept of whom the rules, or the callback sign_in, refuse.
func TestRefusedPeopleAreNotKept(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for name, refuse := range map[string]func(*Options){
			"rules":    func(o *Options) { o.Authorize = func(*session.Session) bool { return false } },
			"callback": with(t, callbacks.Config{SignIn: "false"}),
		} {
			l := newLibrary(refuse)
			b := l.browser(t)
			for _, id := range []*provider.Identity{somebody("1", "ada@example.com", true), somebody("2", "", false)} {
				r := b.as(l.gh, id)
				equal(t, name, r.location(), baseURL+"/error?error=AccessDenied")
			}
			if n := l.shelf.count("CreateUser", "CreateUserAndAccount", "LinkAccount", "UpdateUser", "CreateSession"); n != 0 || b.session() != nil {
				t.Errorf("%s: %d calls that write", name, n)
			}
		}
	})
}

// Two tabs sign the same new person in: one user, and both are in.
func TestRaceOfFirstSignIns(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			return somebody("1", "ada@example.com", true), nil
		}
		var browsers []*browser
		var states []string
		for range 8 {
			b := l.browser(t)
			browsers, states = append(browsers, b), append(states, b.start("github"))
		}
		var wg sync.WaitGroup
		for i, b := range browsers {
			wg.Go(func() { b.get("/callback/github?code=x&state=" + states[i]) })
		}
		wg.Wait()
		u := l.userOf(t, "github", "1")
		for _, b := range browsers {
			if s := b.session(); s == nil || s.Owner() != u.ID || s.User.ID != u.ID {
				t.Errorf("session %+v", s)
			}
		}
		told := l.told()
		for event, want := range map[string]int{"createUser": 1, "linkAccount": 1, "signIn true": 1, "signIn false": 7} {
			if n := count(told, event); n != want {
				t.Errorf("%s %d times, want %d", event, n, want)
			}
		}
	})
}

func count(list []string, want string) (n int) {
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
}

// What happens between looking and writing is found out by writing.
func TestRacesWhileLinking(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		create := func(l *library, providerID, account, email string) store.User {
			u, err := l.shelf.Driver.CreateUserAndAccount(bg, store.User{Email: email, EmailVerified: l.clock.now()}, store.Account{Provider: providerID, ProviderAccountID: account})
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		// Another tab, with the same account.
		l := newLibrary()
		var u store.User
		l.shelf.before["CreateUserAndAccount"] = func() { u = create(l, "github", "1", "ada@example.com") }
		b := l.browser(t)
		if s := b.in(b.as(l.gh, somebody("1", "ada@example.com", true))); s.Owner() != u.ID || s.User.ID != u.ID {
			t.Errorf("session %+v", s)
		}
		l.wantTold(t, "signIn false")

		// The same a moment earlier.
		l = newLibrary()
		l.shelf.before["UserByEmail"] = func() { u = create(l, "github", "1", "ada@example.com") }
		b = l.browser(t)
		if s := b.in(b.as(l.gh, somebody("1", "ada@example.com", true))); s.Owner() != u.ID || s.User.ID != u.ID {
			t.Errorf("session %+v", s)
		}
		l.wantTold(t, "signIn false")

		// Another person, or another account of the person.
		l = newLibrary()
		l.shelf.before["CreateUserAndAccount"] = func() { create(l, "op", "1", "ada@example.com") }
		b = l.browser(t)
		r := b.as(l.gh, somebody("1", "ada@example.com", true))
		equal(t, "error", r.param("error"), "OAuthAccountNotLinked")
		l.wantReason(t, "address taken meanwhile", ReasonEmailTaken, true)
		if b.session() != nil || l.userOf(t, "github", "1").ID != "" {
			t.Error("signed in")
		}

		// The same, where the provider is trusted with addresses.
		l = newLibrary(byAddress)
		l.shelf.before["CreateUserAndAccount"] = func() { u = create(l, "op", "1", "ada@example.com") }
		b = l.browser(t)
		if s := b.in(b.as(l.gh, somebody("1", "ada@example.com", true))); s.Owner() != u.ID {
			t.Errorf("session %+v", s)
		}

		// The account is linked to somebody else while it is being linked.
		l = newLibrary()
		b = l.browser(t)
		first := b.in(b.as(l.op, somebody("1", "ada@example.com", true)))
		l.forget()
		l.shelf.before["LinkAccount"] = func() { create(l, "github", "2", "bob@example.com") }
		r = b.as(l.gh, somebody("2", "", true))
		equal(t, "error", r.param("error"), "OAuthAccountNotLinked")
		l.wantReason(t, "account taken meanwhile", ReasonAccountTaken, true)
		l.wantTold(t)
		if s := b.session(); s == nil || s.Key() != first.Key() {
			t.Errorf("session %+v", s)
		}
	})
}

// IDENT-01: what a browser had before a sign-in, planted or not, opens nothing
// after it.
func TestIDENT01PlantedCookies(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		planted := "00000000-0000-4000-8000-000000000000"
		b := l.browser(t)
		b.keep(setCookie{name: b.name("session-token"), value: planted})
		b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		if token, _ := cookieValue(b, "session-token"); token == planted {
			t.Error("the token was adopted")
		}
		attacker := l.browser(t)
		attacker.keep(setCookie{name: b.name("session-token"), value: planted})
		if s := attacker.session(); s != nil {
			t.Errorf("the planted token opens %+v", s)
		}
	})
}

// NextAuth's own sessions say who is signed in as well, and nothing more.
func TestNextAuthsSessionsAsCurrentUser(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		u, err := l.shelf.CreateUserAndAccount(bg, store.User{Email: "ada@example.com"}, store.Account{Provider: "op", ProviderAccountID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		other, err := l.shelf.CreateUserAndAccount(bg, store.User{Email: "bob@example.com"}, store.Account{Provider: "op", ProviderAccountID: "2"})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		signedIn := func(sub string) *browser {
			n++
			b := l.browser(t)
			value := fmt.Sprint("token-of-nextauth-", n)
			if l.api.opts.Sessions.Database() {
				row := store.Session{ID: fmt.Sprint("id", n), Token: value, UserID: sub, Expires: l.clock.now().Add(time.Hour)}
				if err := l.shelf.Driver.CreateSession(bg, row); err != nil {
					return b // a row of nobody cannot be
				}
			} else {
				// As NextAuth seals it: its claims and no others.
				cookies, _, err := l.sess.Issue(bg, http.Header{}, l.api.Names(l.site.Origin), map[string]any{"sub": sub, "email": "ada@example.com"}, session.Client{})
				if err != nil {
					t.Fatal(err)
				}
				value = cookies[0].Value
			}
			b.keep(setCookie{name: b.name("session-token"), value: value})
			if s := b.session(); s == nil || s.HasEvidence {
				t.Fatalf("session %+v", s)
			}
			return b
		}
		// It does not say when that was, so it may have been long ago.
		b := signedIn(u.ID)
		l.forget()
		l.wantNotLinked(t, b.as(l.gh, somebody("1", "x@example.com", true)), ReasonSignInAgain)
		if got := l.accountsOf(t, u.ID); !slices.Equal(got, []string{"op:1"}) {
			t.Errorf("accounts %q", got)
		}
		l.link(t, u.ID, "github", "1")
		l.forget()
		b = signedIn(other.ID)
		l.wantNotLinked(t, b.as(l.gh, somebody("1", "x@example.com", true)), ReasonAccountTaken)

		// A subject that is no user, as of a time without a store, is nobody.
		b = signedIn("583231")
		if s := b.in(b.as(l.gh, somebody("3", "y@example.com", true))); s.Owner() == u.ID || s.Owner() == other.ID || s.User.Email != "y@example.com" {
			t.Errorf("session %+v", s)
		}
	})
}

// A session whose user is gone from the store is nobody's.
func TestSessionOfADeletedUser(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		s := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		if err := l.shelf.DeleteUser(bg, s.Owner()); err != nil {
			t.Fatal(err)
		}
		again := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		if again.Owner() == s.Owner() || again.Owner() != l.userOf(t, "github", "1").ID {
			t.Errorf("session %+v", again)
		}
	})
}
