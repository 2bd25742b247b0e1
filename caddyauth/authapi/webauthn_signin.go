package authapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// authenticate signs in with a passkey.
func (q *request) authenticate(p provider.Passkeys, a attempt, data string) {
	var row store.Authenticator
	k, err := p.FinishAuthentication(q.relyingParty(), a.value, []byte(data), func(id string) (_ provider.Passkey, err error) {
		row, err = q.api.opts.Store.Authenticator(q.r.Context(), id)
		return passkeyOf(row), err
	})
	s := q.byPasskey(p, row)
	if err == nil {
		err = q.once(a)
	}
	if err == nil {
		row.Counter, row.BackedUp, row.Flags, row.Used = k.Counter, k.BackedUp, k.Flags, q.now
		err = q.api.opts.Store.UpdateAuthenticator(q.r.Context(), row)
	}
	if err != nil {
		q.failPasskey(s, err)
		return
	}
	q.letIn(s)
}

// byPasskey is the sign-in of whoever has a passkey. Whose it is, identify finds
// out.
func (q *request) byPasskey(p provider.Passkeys, row store.Authenticator) *signIn {
	s := q.newSignIn(p, &provider.Identity{
		User:    provider.User{ID: row.UserID},
		Account: provider.Account{Type: p.Info().Type, ProviderAccountID: row.ProviderAccountID},
	})
	s.evidence.Method, s.evidence.Passkey = session.MethodPasskey, session.PasskeyMark(row.CredentialID)
	s.passkey = &row
	return s
}

// identifyByPasskey finds the user whose passkey it is, and what it is good for.
func (q *request) identifyByPasskey(s *signIn) *failure {
	current, err := q.storedUser()
	if err != nil {
		return q.storeFailure(s, err)
	}
	u, err := q.api.opts.Store.UserByAccount(q.r.Context(), s.evidence.Provider, s.evidence.Account)
	switch {
	case err != nil:
		return q.passkeyFailure(s, err)
	case u.ID != s.passkey.UserID:
		return q.passkeyFailure(s, errNoPasskey)
	case current.ID != "" && current.ID != u.ID:
		return s.refusal(kindPasskeyTaken, ReasonAccountTaken)
	}
	s.person.user, s.person.linked = u, true
	if err := q.recall(s); err != nil {
		return q.passkeyFailure(s, err)
	}
	return nil
}

// recall gives the session the evidence of the one that the passkey was registered
// in: a passkey stands for the account that its owner had signed in with, so rules
// that name the account hold, and it is good for nothing once the account is another
// person's, or nobody's. One that Auth.js registered speaks for itself alone.
func (q *request) recall(s *signIn) error {
	if s.passkey.Evidence == nil {
		return nil
	}
	e, email, err := session.OpenEvidence(s.passkey.Evidence)
	if err != nil {
		return &provider.Error{Reason: provider.ReasonPasskey, Err: err}
	}
	theirs, err := q.theirs(s.person.user, e.Provider, e.Account)
	switch {
	case err != nil:
		return err
	case !theirs:
		return &provider.Error{Reason: provider.ReasonPasskey, Err: errors.New("the account that the passkey was registered with is not the user's any more")}
	}
	e.SID, e.AuthTime, e.Since = s.evidence.SID, s.evidence.AuthTime, s.evidence.Since
	e.Method, e.Passkey = s.evidence.Method, s.evidence.Passkey
	s.evidence = e
	s.identity.User.Email, s.identity.Verified = orNull(email), e.Verified
	return nil
}

// passkeyBasis is what a passkey rests on.
type passkeyBasis struct {
	account accountID // that it stands for, zero if for none
	good    bool
}

// needs reports whether the passkey is good for something as long as there is that
// account.
func (b passkeyBasis) needs(a store.Account) bool {
	return b.good && b.account == accountID{a.Provider, a.ProviderAccountID}
}

// basisOf tells for each of a user's passkeys, by its id, what recall will find.
func (q *request) basisOf(u store.User, passkeys []store.Authenticator, accounts []store.Account) map[string]passkeyBasis {
	all := make(map[string]passkeyBasis, len(passkeys))
	for _, k := range passkeys {
		b := passkeyBasis{good: true}
		if k.Evidence != nil {
			e, _, err := session.OpenEvidence(k.Evidence)
			b.account = accountID{e.Provider, e.Account}
			switch q.api.providers[e.Provider].(type) {
			case nil:
				b.good = false
			case provider.Email:
				b.good = err == nil && strings.EqualFold(u.Email, e.Account)
			default:
				b.good = err == nil && slices.ContainsFunc(accounts, func(a store.Account) bool {
					return b.account == accountID{a.Provider, a.ProviderAccountID}
				})
			}
		}
		all[k.CredentialID] = b
	}
	return all
}

// theirs reports whether an account is a user's. An address, which is proved by
// mail, is no account that is kept.
func (q *request) theirs(u store.User, providerID, account string) (bool, error) {
	if _, mail := q.api.providers[providerID].(provider.Email); mail {
		return account != "" && strings.EqualFold(u.Email, account), nil
	}
	a, err := q.api.opts.Store.Account(q.r.Context(), providerID, account)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && a.UserID == u.ID, err
}

// stands reports whether the account that a passkey stands for may be used at this
// moment: it has not been asked. If it is false, that has been answered.
func (q *request) stands(s *signIn) bool {
	if s.passkey == nil {
		return true
	}
	standing, err := q.api.opts.Sessions.Standing(s.session)
	if err != nil {
		q.fail(s.failure(kindPasskey, provider.ReasonPasskey, fmt.Errorf("the account that the passkey stands for cannot be used: %w", err)))
		return false
	}
	s.evidence.Groups, s.evidence.Roles = standing.Evidence.Groups, standing.Evidence.Roles
	return q.preview(s)
}
