package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// call is one call of a method that works as long as the store does.
type call struct {
	name string
	do   func(context.Context) error
}

// calls are all methods. Each may be called once.
func (s *suite) calls(t testing.TB) []call {
	t.Helper()
	b, c := s.belongings(t), s.belongings(t)
	fresh, link := s.user(t), s.verification()
	ok(t, s.CreateVerificationToken(t.Context(), link))
	account, session, key, token, other := s.account(fresh.ID), s.session(fresh.ID), s.authenticator(fresh.ID), s.token(fresh.ID), s.account("")
	calls := []call{
		{"Ping", s.Ping},
		{"Sweep", func(ctx context.Context) error { return s.Sweep(ctx, base.Add(-time.Hour)) }},
		{"UpdateUser", func(ctx context.Context) error { return s.UpdateUser(ctx, b.user) }},
		{"DeleteUser", func(ctx context.Context) error { return s.DeleteUser(ctx, c.user.ID) }},
		{"LinkAccount", func(ctx context.Context) error { return s.LinkAccount(ctx, account) }},
		{"UpdateAccount", func(ctx context.Context) error { return s.UpdateAccount(ctx, b.account) }},
		{"UnlinkAccount", func(ctx context.Context) error { return s.UnlinkAccount(ctx, unique("nobody"), "1") }},
		{"CreateSession", func(ctx context.Context) error { return s.CreateSession(ctx, session) }},
		{"DeleteSession", func(ctx context.Context) error { return s.DeleteSession(ctx, unique("nobody")) }},
		{"CreateVerificationToken", func(ctx context.Context) error { return s.CreateVerificationToken(ctx, s.verification()) }},
		{"CreateAuthenticator", func(ctx context.Context) error { return s.CreateAuthenticator(ctx, key) }},
		{"UpdateAuthenticator", func(ctx context.Context) error { return s.UpdateAuthenticator(ctx, b.authenticator) }},
		{"DeleteAuthenticator", func(ctx context.Context) error { return s.DeleteAuthenticator(ctx, b.user.ID, unique("nobody")) }},
		{"CreateToken", func(ctx context.Context) error { return s.CreateToken(ctx, token) }},
		{"TouchToken", func(ctx context.Context) error { return s.TouchToken(ctx, b.token.ID, b.token.Used) }},
		{"DeleteToken", func(ctx context.Context) error { return s.DeleteToken(ctx, b.user.ID, unique("nobody")) }},
		{"Revoke", func(ctx context.Context) error { return s.Revoke(ctx, revocation(store.BySession)) }},
		{"Unlock", func(ctx context.Context) error { return s.Unlock(ctx, unique("lock"), "a") }},
		{"TokenByHash", func(ctx context.Context) error { _, _, err := s.TokenByHash(ctx, b.token.Hash); return err }},
	}
	return append(calls,
		result("CreateUser", func(ctx context.Context) (any, error) { return s.CreateUser(ctx, store.User{Name: "x"}) }),
		result("User", func(ctx context.Context) (any, error) { return s.User(ctx, b.user.ID) }),
		result("UserByEmail", func(ctx context.Context) (any, error) { return s.UserByEmail(ctx, b.user.Email) }),
		result("UserByAccount", func(ctx context.Context) (any, error) {
			return s.UserByAccount(ctx, b.account.Provider, b.account.ProviderAccountID)
		}),
		result("CreateUserAndAccount", func(ctx context.Context) (any, error) {
			return s.CreateUserAndAccount(ctx, store.User{Name: "x"}, other)
		}),
		result("Account", func(ctx context.Context) (any, error) {
			return s.Account(ctx, b.account.Provider, b.account.ProviderAccountID)
		}),
		result("Accounts", func(ctx context.Context) (any, error) { return s.Accounts(ctx, b.user.ID) }),
		result("SessionByToken", func(ctx context.Context) (any, error) { return s.SessionByToken(ctx, b.session.Token) }),
		result("SessionByID", func(ctx context.Context) (any, error) { return s.SessionByID(ctx, b.session.ID) }),
		result("ExtendSession", func(ctx context.Context) (any, error) {
			return s.ExtendSession(ctx, b.session.ID, b.session.Expires, b.session.Expires, b.session.Seen)
		}),
		result("DeleteUserSessions", func(ctx context.Context) (any, error) { return s.DeleteUserSessions(ctx, b.user.ID, b.session.ID) }),
		result("ListSessions", func(ctx context.Context) (any, error) {
			return s.ListSessions(ctx, store.SessionFilter{UserID: b.user.ID}, base)
		}),
		result("UseVerificationToken", func(ctx context.Context) (any, error) {
			return s.UseVerificationToken(ctx, link.Identifier, link.Token)
		}),
		result("Authenticator", func(ctx context.Context) (any, error) { return s.Authenticator(ctx, b.authenticator.CredentialID) }),
		result("Authenticators", func(ctx context.Context) (any, error) { return s.Authenticators(ctx, b.user.ID) }),
		result("Tokens", func(ctx context.Context) (any, error) { return s.Tokens(ctx, b.user.ID) }),
		result("Lock", func(ctx context.Context) (any, error) { return s.Lock(ctx, unique("lock"), "a", time.Minute) }),
	)
}

func result(name string, f func(context.Context) (any, error)) call {
	return call{name, func(ctx context.Context) error { _, err := f(ctx); return err }}
}

// refused calls all methods at once and wants each to fail within the time, and
// not with an answer: whoever is told that there is no such session signs
// somebody out.
func refused(t testing.TB, calls []call, limit time.Duration, context func() (context.Context, context.CancelFunc)) {
	t.Helper()
	type outcome struct {
		took time.Duration
		err  error
	}
	outcomes, _ := race(len(calls), func(i int) (outcome, error) {
		ctx, cancel := context()
		defer cancel()
		start := time.Now()
		err := calls[i].do(ctx)
		return outcome{time.Since(start), err}, nil
	})
	for i, o := range outcomes {
		switch {
		case o.err == nil:
			t.Errorf("%s: no error", calls[i].name)
		case errors.Is(o.err, store.ErrNotFound), errors.Is(o.err, store.ErrConflict):
			t.Errorf("%s: the answer %v", calls[i].name, o.err)
		case o.took > limit:
			t.Errorf("%s: took %v", calls[i].name, o.took)
		}
	}
}

// answered calls all methods at once and wants each to work.
func answered(t testing.TB, calls []call) {
	t.Helper()
	_, errs := race(len(calls), func(i int) (any, error) { return nil, calls[i].do(t.Context()) })
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", calls[i].name, err)
		}
	}
}
