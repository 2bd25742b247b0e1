package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// belongings are one thing of each kind that a user may have.
type belongings struct {
	user          store.User
	account       store.Account
	session       store.Session
	authenticator store.Authenticator
	token         store.Token
}

func (s *suite) belongings(t testing.TB) belongings {
	t.Helper()
	u := s.user(t)
	b := belongings{u, s.account(u.ID), s.session(u.ID), s.authenticator(u.ID), s.token(u.ID)}
	ok(t, s.LinkAccount(t.Context(), b.account))
	ok(t, s.CreateSession(t.Context(), b.session))
	ok(t, s.CreateAuthenticator(t.Context(), b.authenticator))
	ok(t, s.CreateToken(t.Context(), b.token))
	return b
}

// has wants all of them to be there.
func (s *suite) has(t testing.TB, b belongings) {
	t.Helper()
	ctx := t.Context()
	same(t, must(s.User(ctx, b.user.ID))(t), b.user)
	same(t, must(s.UserByEmail(ctx, b.user.Email))(t), b.user)
	same(t, must(s.UserByAccount(ctx, b.account.Provider, b.account.ProviderAccountID))(t), b.user)
	same(t, must(s.Accounts(ctx, b.user.ID))(t), []store.Account{b.account})
	same(t, must(s.SessionByToken(ctx, b.session.Token))(t), store.SessionAndUser{Session: b.session, User: b.user})
	same(t, must(s.Authenticators(ctx, b.user.ID))(t), []store.Authenticator{b.authenticator})
	same(t, must(s.byHash(t, b.token.Hash))(t), tokenAndUser{b.token, b.user})
}

// hasNot wants none of them to be there.
func (s *suite) hasNot(t testing.TB, b belongings) {
	t.Helper()
	ctx := t.Context()
	notFound(s.User(ctx, b.user.ID))(t)
	notFound(s.UserByEmail(ctx, b.user.Email))(t)
	notFound(s.UserByAccount(ctx, b.account.Provider, b.account.ProviderAccountID))(t)
	notFound(s.Account(ctx, b.account.Provider, b.account.ProviderAccountID))(t)
	notFound(s.SessionByToken(ctx, b.session.Token))(t)
	notFound(s.SessionByID(ctx, b.session.ID))(t)
	notFound(s.Authenticator(ctx, b.authenticator.CredentialID))(t)
	notFound(s.byHash(t, b.token.Hash))(t)
	sessions := must(s.ListSessions(ctx, store.SessionFilter{UserID: b.user.ID}, base))(t)
	accounts := must(s.Accounts(ctx, b.user.ID))(t)
	authenticators := must(s.Authenticators(ctx, b.user.ID))(t)
	tokens := must(s.Tokens(ctx, b.user.ID))(t)
	if n := len(sessions) + len(accounts) + len(authenticators) + len(tokens); n > 0 {
		t.Fatalf("%d things are still listed", n)
	}
}

func (s *suite) deleteUser(t *testing.T) {
	t.Run("and all that is theirs", func(t *testing.T) {
		gone, stays := s.belongings(t), s.belongings(t)
		s.has(t, gone)
		for range 2 {
			ok(t, s.DeleteUser(t.Context(), gone.user.ID))
			s.hasNot(t, gone)
			s.has(t, stays)
		}
	})
	t.Run("names are free again", func(t *testing.T) {
		b := s.belongings(t)
		old := b.user.ID
		ok(t, s.DeleteUser(t.Context(), old))
		u := must(s.CreateUserAndAccount(t.Context(), b.user, b.account))(t)
		if u.ID == old {
			t.Fatal("the heir has the id of who is gone")
		}
		b.user, b.account.UserID, b.session.UserID, b.authenticator.UserID, b.token.UserID = u, u.ID, u.ID, u.ID, u.ID
		ok(t, s.CreateSession(t.Context(), b.session))
		ok(t, s.CreateAuthenticator(t.Context(), b.authenticator))
		ok(t, s.CreateToken(t.Context(), b.token))
		s.has(t, b)
	})
	t.Run("while they get more", func(t *testing.T) {
		for range 5 {
			s.deleteAndCreate(t)
		}
	})
}

// deleteAndCreate deletes a user while others keep new things of theirs:
// nothing of it may stay.
func (s *suite) deleteAndCreate(t *testing.T) {
	u := s.user(t)
	b := belongings{u, s.account(u.ID), s.session(u.ID), s.authenticator(u.ID), s.token(u.ID)}
	ctx := t.Context()
	calls := []func() error{
		func() error { return s.LinkAccount(ctx, b.account) },
		func() error { return s.CreateSession(ctx, b.session) },
		func() error { time.Sleep(time.Millisecond); return s.DeleteUser(ctx, u.ID) },
		func() error { return s.CreateAuthenticator(ctx, b.authenticator) },
		func() error { return s.CreateToken(ctx, b.token) },
		func() error { u := u; u.Name = "again"; return s.UpdateUser(ctx, u) },
		func() error { _, err := s.SessionByToken(ctx, b.session.Token); return err },
	}
	_, errs := race(len(calls), func(i int) (any, error) { return nil, calls[i]() })
	for _, err := range errs {
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	s.hasNot(t, b)
	heir := must(s.CreateUserAndAccount(ctx, store.User{Email: u.Email}, b.account))(t)
	b.session.UserID = heir.ID
	ok(t, s.CreateSession(ctx, b.session))
}
