package authapi

import (
	"slices"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// file is what the users file says of bob.
func (l *library) file(name, email string) {
	l.pw.person = func(id *provider.Identity) {
		id.User.Name = provider.String(name)
		if email != "" {
			id.User.Email, id.Verified, id.Domain = provider.String(email), true, "example.com"
		}
	}
}

// bob signs in with his password.
func (l *library) bob(b *browser) reply {
	b.t.Helper()
	return b.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2")
}

// wantBob makes sure that the rules were asked about whom the session is for.
func (l *library) wantBob(t *testing.T, b *browser, r reply, name, email string, verified bool) store.User {
	t.Helper()
	s := b.in(r)
	judged := l.judged[len(l.judged)-1]
	for what, got := range map[string]struct {
		name, email string
		verified    bool
	}{
		"session":     {s.User.Name, s.User.Email, s.Evidence.Verified},
		"asked about": {judged.User.Name, judged.User.Email, judged.Evidence.Verified},
	} {
		if got.name != name || got.email != email || got.verified != verified {
			t.Errorf("%s: %+v, want %s %s %v", what, got, name, email, verified)
		}
	}
	u := l.userOf(t, "credentials", "bob")
	if s.Owner() != u.ID || u.Name != name || u.Email != email {
		t.Errorf("session of %s, stored %+v", s.Owner(), u)
	}
	return u
}

// People of the users file are users like others, and what the file says of them
// goes on to count.
func TestUsersFile(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.file("Bob", "bob@example.com")
		b := l.browser(t)
		u := l.wantBob(t, b, l.bob(b), "Bob", "bob@example.com", true)
		if !u.EmailVerified.IsZero() {
			t.Errorf("stored %+v: he has not proved it", u)
		}
		if a, err := l.shelf.Account(bg, "credentials", "bob"); err != nil || a.Type != "credentials" || a.UserID != u.ID {
			t.Errorf("account %+v, %v", a, err)
		}
		l.wantTold(t, "createUser", "linkAccount", "signIn true")

		if again := l.wantBob(t, b, l.bob(b), "Bob", "bob@example.com", true); again.ID != u.ID {
			t.Errorf("another user: %+v", again)
		}
		l.wantTold(t, "signIn false")
		if n := l.shelf.count("UpdateUser"); n != 0 {
			t.Errorf("%d writes where nothing has changed", n)
		}

		// The operator changes the file: rules are asked about what it says now.
		l.file("Robert", "robert@example.com")
		if again := l.wantBob(t, b, l.bob(b), "Robert", "robert@example.com", true); again.ID != u.ID {
			t.Errorf("another user: %+v", again)
		}
		// An address that he has proved himself gives way as well.
		u = l.userOf(t, "credentials", "bob")
		u.EmailVerified = l.clock.now()
		if err := l.shelf.UpdateUser(bg, u); err != nil {
			t.Fatal(err)
		}
		l.file("Robert", "bob@example.com")
		if again := l.wantBob(t, b, l.bob(b), "Robert", "bob@example.com", true); !again.EmailVerified.IsZero() {
			t.Errorf("stored %+v", again)
		}
		// One that the file no longer has stays, and nobody vouches for it.
		l.file("Robert", "")
		l.wantBob(t, b, l.bob(b), "Robert", "bob@example.com", false)
	})
}

// The file's address is a user's who has not proved it: they are two people, and
// only one can be found by it.
func TestUsersFileBesideAnUnprovedAddress(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.file("Bob", "bob@example.com")
		other := l.browser(t)
		first := other.in(other.as(l.gh, somebody("666", "bob@example.com", false)))
		b := l.browser(t)
		u := l.wantBob(t, b, l.bob(b), "Bob", "", false)
		if u.ID == first.Owner() {
			t.Fatal("IDENT-04: whoever came first has bob's account")
		}
		l.forget()
		if again := l.wantBob(t, b, l.bob(b), "Bob", "", false); again.ID != u.ID {
			t.Errorf("another user: %+v", again)
		}
		if n := l.shelf.count("UpdateUser", "CreateUser", "LinkAccount", "CreateUserAndAccount"); n != 0 {
			t.Errorf("%d calls that write where nothing has changed", n)
		}
		if s := other.session(); s == nil || s.User.Email != "bob@example.com" {
			t.Errorf("the other's session is %+v", s)
		}
		// The address becomes free, and is his.
		if err := l.shelf.DeleteUser(bg, first.Owner()); err != nil {
			t.Fatal(err)
		}
		if again := l.wantBob(t, b, l.bob(b), "Bob", "bob@example.com", true); again.ID != u.ID {
			t.Errorf("another user: %+v", again)
		}
	})
}

// The file's address is a user's who has proved it: they are one person.
func TestUsersFileBesideAProvedAddress(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.file("Bob", "bob@example.com")
		other := l.browser(t)
		first := other.in(l.byMail(other, "bob@example.com"))
		l.forget()
		b := l.browser(t)
		s := b.in(l.bob(b))
		if s.Owner() != first.Owner() || !s.Evidence.Verified || s.Evidence.Provider != "credentials" {
			t.Errorf("session %+v", s)
		}
		l.wantTold(t, "linkAccount", "signIn false")
	})
}

// The operator gives bob an address that another user has: he gets none.
func TestUsersFileTakesNoAddress(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.file("Bob", "bob@example.com")
		b := l.browser(t)
		u := l.wantBob(t, b, l.bob(b), "Bob", "bob@example.com", true)
		other := l.browser(t)
		ada := other.in(other.as(l.gh, somebody("1", "ada@example.com", true)))
		l.file("Bob", "ada@example.com")
		if again := l.wantBob(t, b, l.bob(b), "Bob", "", false); again.ID != u.ID {
			t.Errorf("another user: %+v", again)
		}
		if owner := l.userOf(t, "github", "1"); owner.ID != ada.Owner() || owner.Email != "ada@example.com" {
			t.Errorf("the other is now %+v", owner)
		}
		// The same, taken between looking and writing.
		l.file("Bob", "bob2@example.com")
		l.shelf.before["UpdateUser"] = func() {
			if _, err := l.shelf.Driver.CreateUser(bg, store.User{Email: "bob2@example.com"}); err != nil {
				t.Error(err)
			}
		}
		if s := b.in(l.bob(b)); s.Owner() != u.ID || s.User.Email != "" || s.Evidence.Verified {
			t.Errorf("session %+v", s)
		}
	})
}

// An account elsewhere with the address of somebody in the file is nobody's to
// take; signed in, bob can add it.
func TestUsersFileAndOtherProviders(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.file("Bob", "bob@example.com")
		b := l.browser(t)
		u := l.wantBob(t, b, l.bob(b), "Bob", "bob@example.com", true)
		l.forget()
		l.wantNotLinked(t, l.browser(t).as(l.gh, somebody("1", "bob@example.com", true)), ReasonEmailTaken)
		if s := b.in(b.as(l.gh, somebody("1", "bob@example.com", true))); s.Owner() != u.ID {
			t.Errorf("session %+v", s)
		}
		if got := l.accountsOf(t, u.ID); !slices.Equal(got, []string{"credentials:bob", "github:1"}) {
			t.Errorf("accounts %q", got)
		}
	})
}

// A form with a password starts anew: it is how people change accounts.
func TestPasswordBesideASession(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		l.file("Bob", "bob@example.com")
		b := l.browser(t)
		ada := b.in(b.as(l.gh, somebody("1", "ada@example.com", true)))
		before := slices.Clone(b.jar)
		if u := l.wantBob(t, b, l.bob(b), "Bob", "bob@example.com", true); u.ID == ada.Owner() {
			t.Error("bob's account is ada's")
		}
		if got := l.accountsOf(t, ada.Owner()); !slices.Equal(got, []string{"github:1"}) {
			t.Errorf("ada's accounts %q", got)
		}
		l.clock.add(3 * time.Second)
		old := l.browser(t)
		if old.jar = before; old.session() != nil {
			t.Error("IDENT-01: ada's session is still good")
		}
	})
}
