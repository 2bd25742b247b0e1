package authapi

import (
	"context"
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// register keeps a new passkey of the person who is signed in, and who has to be
// the one that it was asked for. The session stays as it is: nobody has signed in.
func (q *request) register(p provider.Passkeys, a attempt, data string) {
	current, u, err := q.signedIn()
	s := &signIn{provider: p, identity: new(provider.Identity), user: storedUser(u), session: current}
	s.identity.User.ID = u.ID
	switch {
	case err != nil:
		q.failPasskey(s, err)
		return
	case u.ID == "":
		// Auth.js would make a user here.
		q.fail(*s.refusal(kindPasskey, ReasonStateExpired))
		return
	case u.ID != a.user:
		q.fail(*s.refusal(kindPasskeyTaken, ReasonAccountTaken))
		return
	case !current.HasEvidence:
		q.fail(*s.refusal(kindPasskey, provider.ReasonPasskey))
		return
	}
	k, err := p.FinishRegistration(q.relyingParty(), a.value, passkeyUser(current, u), []byte(data))
	if err == nil {
		err = q.once(a)
	}
	if err != nil {
		q.failPasskey(s, err)
		return
	}
	s.identity.Account = provider.Account{Type: p.Info().Type, ProviderAccountID: k.ID}
	s.evidence.Provider = p.Info().ID // of the account
	if !q.calledBack(s) {
		return
	}
	if f := q.keepPasskey(s, k); f != nil {
		q.fail(*f)
		return
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "passkey registered"); entry != nil {
		entry.Write(q.about(p.Info().ID, u.ID)...)
	}
	_ = q.emit(eventLinkAccount, func() map[string]any { return q.linkData(s) })
	if q.api.opts.Account != nil && q.callbackURL == q.accountURL() {
		q.leave(notice{code: noticeAccount, reason: reason(page.AccountPasskeyAdded)})
	}
	q.redirect(q.callbackURL)
}

// keepPasskey keeps a passkey and the account that belongs to it, as Auth.js has it.
func (q *request) keepPasskey(s *signIn, k provider.Passkey) *failure {
	row, err := q.passkeyRow(s, k)
	if err == nil {
		err = q.api.opts.Store.CreateAuthenticator(q.r.Context(), row)
	}
	if err == nil {
		if err = q.api.opts.Store.LinkAccount(q.r.Context(), q.account(s, row.UserID)); err != nil {
			// It would be good for nothing. If it stays, its owner can remove it.
			_ = q.api.opts.Store.DeleteAuthenticator(context.WithoutCancel(q.r.Context()), row.UserID, row.CredentialID)
		}
	}
	switch {
	case errors.Is(err, store.ErrConflict):
		return s.refusal(kindPasskeyTaken, ReasonAccountTaken)
	case err != nil:
		return q.storeFailure(s, err)
	}
	return nil
}

// endPasskey ends the sessions that began with a passkey, but not the one at hand, and
// the tokens that were made in them.
func (q *request) endPasskey(o *owner, k store.Authenticator) error {
	mark := session.PasskeyMark(k.CredentialID)
	if err := q.endRows(o, func(row store.Session) bool { return evidenceOf(row).Passkey == mark }); err != nil {
		return err
	}
	return q.endTokensOf(o, func(e session.Evidence) bool { return e.Passkey == mark })
}

// passkeyRow is a new passkey as it is kept. Until its owner finds a better name,
// it has that of the browser, as lists of sessions do.
func (q *request) passkeyRow(s *signIn, k provider.Passkey) (store.Authenticator, error) {
	browser, system := describeAgent(q.r.UserAgent())
	row := store.Authenticator{
		CredentialID: k.ID, UserID: s.identity.User.ID, ProviderAccountID: k.ID,
		PublicKey: k.PublicKey, Counter: k.Counter, DeviceType: "singleDevice", BackedUp: k.BackedUp,
		Transports: k.Transports, Flags: k.Flags, AAGUID: k.AAGUID, Created: q.now,
		Name: strings.Trim(browser+", "+system, ", "),
	}
	if k.MultiDevice {
		row.DeviceType = multiDevice
	}
	if s.session.Evidence.Provider == s.provider.Info().ID {
		return row, nil // one of Auth.js', which says nothing more
	}
	var err error
	row.Evidence, err = s.session.PasskeyEvidence()
	return row, err
}
