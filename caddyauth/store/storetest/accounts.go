package storetest

import (
	"errors"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) accounts(t *testing.T) {
	t.Run("LinkAccount", s.linkAccount)
	t.Run("CreateUserAndAccount", s.createUserAndAccount)
	t.Run("UpdateAccount", s.updateAccount)
	t.Run("UnlinkAccount", s.unlinkAccount)

	t.Run("Account", func(t *testing.T) {
		a := s.account(s.user(t).ID)
		notFound(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t)
		ok(t, s.LinkAccount(t.Context(), a))
		same(t, must(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t), a)
		notFound(s.Account(t.Context(), "github", a.ProviderAccountID))(t)
		notFound(s.Account(t.Context(), a.Provider, a.ProviderAccountID+" "))(t)
		// Where one ends and the other begins matters.
		notFound(s.Account(t.Context(), a.Provider+a.ProviderAccountID[:1], a.ProviderAccountID[1:]))(t)
	})
	t.Run("Accounts", func(t *testing.T) {
		u, other := s.user(t), s.user(t)
		ok(t, s.LinkAccount(t.Context(), s.account(other.ID)))
		if list := must(s.Accounts(t.Context(), u.ID))(t); len(list) != 0 {
			t.Fatalf("a new user has %v", list)
		}
		suffix := unique("")
		var want []store.Account
		// In this order, byte by byte.
		for _, id := range [][2]string{{"Google", "1"}, {"github", "10"}, {"github", "2"}, {"github", "B"}, {"github", "a"}, {"google", "1"}} {
			a := s.account(u.ID)
			a.Provider, a.ProviderAccountID = id[0], id[1]+suffix
			want = append(want, a)
		}
		for _, i := range []int{3, 0, 5, 2, 4, 1} {
			ok(t, s.LinkAccount(t.Context(), want[i]))
		}
		same(t, must(s.Accounts(t.Context(), u.ID))(t), want)
		if list := must(s.Accounts(t.Context(), "' OR 1=1"))(t); len(list) != 0 {
			t.Fatalf("nobody has %v", list)
		}
	})
}

func (s *suite) linkAccount(t *testing.T) {
	t.Run("linked already", func(t *testing.T) {
		u, other := s.user(t), s.user(t)
		a := s.account(u.ID)
		ok(t, s.LinkAccount(t.Context(), a))
		for _, userID := range []string{other.ID, u.ID} {
			again := a
			again.UserID, again.AccessToken = userID, "another"
			is(t, s.LinkAccount(t.Context(), again), store.ErrConflict)
		}
		same(t, must(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t), a)
		same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), u)
		if list := must(s.Accounts(t.Context(), other.ID))(t); len(list) != 0 {
			t.Fatalf("the other user has %v", list)
		}
	})
	t.Run("one winner", func(t *testing.T) {
		var racers [contenders]store.User
		for i := range racers {
			racers[i] = s.user(t)
		}
		a := s.account("")
		i := oneWins(t, store.ErrConflict, func(i int) error {
			a := a
			a.UserID = racers[i].ID
			return s.LinkAccount(t.Context(), a)
		})
		same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), racers[i])
	})
	t.Run("of nobody", func(t *testing.T) {
		u := s.user(t)
		ok(t, s.DeleteUser(t.Context(), u.ID))
		a := s.account(u.ID)
		is(t, s.LinkAccount(t.Context(), a), store.ErrNotFound)
		notFound(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t)
	})
}

func (s *suite) createUserAndAccount(t *testing.T) {
	t.Run("both", func(t *testing.T) {
		a := s.account("of somebody else")
		want := store.User{ID: "not this", Name: "Ada", Email: unique("both") + "@example.com", Image: "x", EmailVerified: base}
		u := must(s.CreateUserAndAccount(t.Context(), want, a))(t)
		if u.ID == "" || u.ID == want.ID {
			t.Fatalf("the user has the id %q", u.ID)
		}
		want.ID, a.UserID = u.ID, u.ID
		same(t, u, want)
		same(t, must(s.User(t.Context(), u.ID))(t), want)
		same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), want)
		same(t, must(s.Accounts(t.Context(), u.ID))(t), []store.Account{a})
	})
	t.Run("neither, for the address", func(t *testing.T) {
		u, a := s.user(t), s.account("")
		conflict(s.CreateUserAndAccount(t.Context(), store.User{Email: u.Email}, a))(t)
		notFound(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t)
		same(t, must(s.UserByEmail(t.Context(), u.Email))(t), u)
	})
	t.Run("neither, for the account", func(t *testing.T) {
		u := s.user(t)
		a := s.account(u.ID)
		ok(t, s.LinkAccount(t.Context(), a))
		email := unique("neither") + "@example.com"
		conflict(s.CreateUserAndAccount(t.Context(), store.User{Email: email}, a))(t)
		notFound(s.UserByEmail(t.Context(), email))(t)
		same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), u)
	})
	t.Run("one winner of an account", func(t *testing.T) {
		a := s.account("")
		var emails [contenders]string
		winner := oneWins(t, store.ErrConflict, func(i int) error {
			emails[i] = unique("first") + "@example.com"
			_, err := s.CreateUserAndAccount(t.Context(), store.User{Email: emails[i]}, a)
			return err
		})
		for i, email := range emails {
			if i == winner {
				u := must(s.UserByEmail(t.Context(), email))(t)
				same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), u)
				continue
			}
			notFound(s.UserByEmail(t.Context(), email))(t)
		}
	})
	t.Run("one winner of an address", func(t *testing.T) {
		email := unique("first") + "@example.com"
		var accounts [contenders]store.Account
		winner := oneWins(t, store.ErrConflict, func(i int) error {
			accounts[i] = s.account("")
			_, err := s.CreateUserAndAccount(t.Context(), store.User{Email: email}, accounts[i])
			return err
		})
		for i, a := range accounts {
			_, err := s.Account(t.Context(), a.Provider, a.ProviderAccountID)
			if i != winner && !errors.Is(err, store.ErrNotFound) || i == winner && err != nil {
				t.Fatalf("account %d, when %d won: %v", i, winner, err)
			}
		}
	})
}

func (s *suite) updateAccount(t *testing.T) {
	u, other := s.user(t), s.user(t)
	a, neighbor := s.account(u.ID), s.account(u.ID)
	ok(t, s.LinkAccount(t.Context(), a))
	ok(t, s.LinkAccount(t.Context(), neighbor))

	t.Run("replaces the tokens", func(t *testing.T) {
		a.AccessToken, a.RefreshToken, a.IDToken = "A", "R", "I"
		a.TokenType, a.Scope, a.SessionState, a.ExpiresAt = "DPoP", "all", "S", 12345
		ok(t, s.UpdateAccount(t.Context(), a))
		same(t, must(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t), a)

		a.AccessToken, a.RefreshToken, a.IDToken = "", "", ""
		a.TokenType, a.Scope, a.SessionState, a.ExpiresAt = "", "", "", 0
		ok(t, s.UpdateAccount(t.Context(), a))
		same(t, must(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t), a)
		same(t, must(s.Account(t.Context(), neighbor.Provider, neighbor.ProviderAccountID))(t), neighbor)
	})
	t.Run("not whose it is", func(t *testing.T) {
		stolen := neighbor
		stolen.UserID = other.ID
		ok(t, s.UpdateAccount(t.Context(), stolen))
		same(t, must(s.UserByAccount(t.Context(), neighbor.Provider, neighbor.ProviderAccountID))(t), u)
		if list := must(s.Accounts(t.Context(), other.ID))(t); len(list) != 0 {
			t.Fatalf("the other user has %v", list)
		}
	})
	t.Run("unknown", func(t *testing.T) {
		unknown := s.account(u.ID)
		is(t, s.UpdateAccount(t.Context(), unknown), store.ErrNotFound)
		notFound(s.Account(t.Context(), unknown.Provider, unknown.ProviderAccountID))(t)
	})
}

func (s *suite) unlinkAccount(t *testing.T) {
	u, other := s.user(t), s.user(t)
	a, b := s.account(u.ID), s.account(u.ID)
	ok(t, s.LinkAccount(t.Context(), a))
	ok(t, s.LinkAccount(t.Context(), b))
	for range 2 {
		ok(t, s.UnlinkAccount(t.Context(), a.Provider, a.ProviderAccountID))
		notFound(s.Account(t.Context(), a.Provider, a.ProviderAccountID))(t)
		notFound(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t)
		same(t, must(s.Accounts(t.Context(), u.ID))(t), []store.Account{b})
	}
	same(t, must(s.User(t.Context(), u.ID))(t), u)

	is(t, s.UpdateAccount(t.Context(), a), store.ErrNotFound)
	a.UserID = other.ID
	ok(t, s.LinkAccount(t.Context(), a))
	same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), other)
}
