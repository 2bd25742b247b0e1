package authapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// actionOptions is the action that passkeys begin with. Both dialects have it where
// there are passkeys, although the NextAuth of v4 has none.
const actionOptions = "webauthn-options"

// addPasskeys makes the API serve it.
func (a *API) addPasskeys() {
	if _, ok := providerOf[provider.Passkeys](a); ok {
		a.contract.routes[actionOptions] = &route{get: (*request).passkeyOptions, noHead: true}
	}
}

// What a browser is asked to do.
const (
	actionAuthenticate = "authenticate"
	actionRegister     = "register"
)

// maxPasskeys is how many passkeys one person can have: browsers take no longer
// list of those that a new one must not be.
const maxPasskeys = 64

// passkeyOptions answers GET {base}/webauthn-options/:provider, what a script hands
// to the browser's Web Authentication API.
//
// Whoever is signed in registers a passkey or shows that they have one of theirs;
// anybody else can sign in with one that the browser finds by itself. Auth.js takes
// an e-mail address as well: its answer tells strangers who has an account here and
// with which passkeys, and for an address that nobody has it makes a user of whoever
// types it. Here an address has no effect.
func (q *request) passkeyOptions() {
	if q.member() {
		q.unsupported() // passkeys are the portal's host's
		return
	}
	p, ok := q.api.providers[q.providerID].(provider.Passkeys)
	if !ok {
		q.unsupported()
		return
	}
	if !q.sameOrigin() {
		// No page of another site's has to do with this, and it could push the
		// challenges of ours out of their cookie.
		q.refuseOptions(http.StatusBadRequest, "Invalid request")
		return
	}
	q.init()
	if !q.mayAskOptions() {
		q.setRetryAfter(retryAfter)
		q.refuseOptions(http.StatusTooManyRequests, "Too many requests")
		return
	}
	s, u, err := q.signedIn()
	if err != nil {
		q.failOptions(p, err)
		return
	}
	switch action := q.query["action"]; {
	case action.present && action.text != actionAuthenticate && action.text != actionRegister:
		q.refuseOptions(http.StatusBadRequest, "Invalid action")
	case action.text == actionRegister && u.ID == "", !action.present && u.ID != "":
		q.refuseOptions(http.StatusBadRequest, "Invalid request")
	case action.text == actionRegister:
		q.beginRegistration(p, s, u)
	default:
		q.beginAuthentication(p, u)
	}
}

// beginRegistration asks for a new passkey of the person who is signed in. It takes
// a recent sign-in: a passkey outlives the session that it is registered in, and
// ending all sessions does not end it.
func (q *request) beginRegistration(p provider.Passkeys, s *session.Session, u store.User) {
	if !q.recent(s) {
		q.refuseOptions(http.StatusBadRequest, "Invalid request")
		return
	}
	have, err := q.passkeysOf(u)
	switch {
	case err != nil:
		q.failOptions(p, err)
		return
	case len(have) >= maxPasskeys:
		q.refuseOptions(http.StatusBadRequest, "Invalid request")
		return
	}
	options, challenge, err := p.BeginRegistration(q.relyingParty(), passkeyUser(s, u), have)
	if err != nil {
		q.failOptions(p, err)
		return
	}
	q.ask(p, actionRegister, options, attempt{value: challenge, user: u.ID})
}

// beginAuthentication asks for one of the person's passkeys or, if nobody is signed
// in, for any.
func (q *request) beginAuthentication(p provider.Passkeys, u store.User) {
	var have []provider.Passkey
	var err error
	if u.ID != "" {
		have, err = q.passkeysOf(u)
	}
	if err != nil {
		q.failOptions(p, err)
		return
	}
	options, challenge, err := p.BeginAuthentication(q.relyingParty(), have)
	if err != nil {
		q.failOptions(p, err)
		return
	}
	q.ask(p, actionAuthenticate, options, attempt{value: challenge})
}

// ask keeps the challenge and answers with the options.
func (q *request) ask(p provider.Passkeys, action string, options json.RawMessage, a attempt) {
	a.provider = p.Info().ID
	a.expires = q.now.Add(checkAge).Unix()
	c := q.jar.challengeCheck()
	q.set(q.checkCookie(c, append([]attempt{a}, q.attempts(c)...)))
	body := append(jwt.AppendString([]byte(`{"action":`), action), `,"options":`...)
	q.json(http.StatusOK, append(append(body, options...), '}'))
}

func (q *request) refuseOptions(status int, text string) {
	q.json(status, append(jwt.AppendString([]byte(`{"error":`), text), '}'))
}

// failOptions answers where there are no options: the store does not answer, or no
// passkey can be bound to the address that the site is visited at.
func (q *request) failOptions(p provider.Passkeys, err error) {
	if provider.ReasonOf(err) == "" {
		q.cookies = nil
		q.setRetryAfter(storeRetryAfter)
		q.refuseOptions(http.StatusServiceUnavailable, "Temporarily unavailable")
		return
	}
	if q.api.opts.Limits.ClientLog.Allow("passkeys\x00" + q.client()) {
		q.api.opts.Log.Warn("passkeys cannot be used at this address",
			append(q.about(p.Info().ID, ""), zap.String("origin", q.site.Origin), zap.Error(err))...)
	}
	q.refuseOptions(http.StatusBadRequest, "Invalid request")
}

// relyingParty is the site as passkeys are bound to it, unless the provider knows
// better.
func (q *request) relyingParty() provider.RelyingParty {
	rp := provider.RelyingParty{Origin: q.site.Origin}
	if u, err := url.Parse(q.site.Origin); err == nil {
		rp.ID, rp.Name = u.Hostname(), u.Host
	}
	return rp
}

// maxPasskeyUser bounds the names that authenticators are told, in bytes. They may
// cut them at 64 (Web Authentication, section 6.4.1).
const maxPasskeyUser = 128

// passkeyUser is whom a passkey is for, as authenticators show it.
func passkeyUser(s *session.Session, u store.User) provider.PasskeyUser {
	name := "user"
	for _, known := range []string{u.Email, s.Evidence.Login, u.Name} {
		if known != "" {
			name = known
			break
		}
	}
	return provider.PasskeyUser{
		Handle: passkeyHandle(u.ID), Name: cut(name, maxPasskeyUser), DisplayName: cut(u.Name, maxPasskeyUser),
	}
}

// passkeyHandle names a user to authenticators without anything personal in it
// (Web Authentication, section 14.6.1). It is the same for all passkeys of a user,
// so that an authenticator does not keep two for one account.
func passkeyHandle(userID string) []byte {
	sum := sha256.Sum256([]byte("caddyauth passkey user\x00" + userID))
	return []byte(hex.EncodeToString(sum[:])[:32])
}

// passkeysOf are a user's passkeys.
func (q *request) passkeysOf(u store.User) ([]provider.Passkey, error) {
	rows, err := q.api.opts.Store.Authenticators(q.r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	list := make([]provider.Passkey, len(rows))
	for i, row := range rows {
		list[i] = passkeyOf(row)
	}
	return list, nil
}

// multiDevice is the DeviceType of a passkey that may be synced.
const multiDevice = "multiDevice"

// passkeyOf is a passkey as the provider knows it.
func passkeyOf(row store.Authenticator) provider.Passkey {
	k := provider.Passkey{
		ID: row.CredentialID, PublicKey: row.PublicKey, Counter: row.Counter,
		MultiDevice: row.DeviceType == multiDevice, BackedUp: row.BackedUp,
		Transports: row.Transports, Flags: row.Flags, AAGUID: row.AAGUID,
	}
	if !row.Created.IsZero() {
		// Auth.js says neither when it registered one nor for which handle.
		k.Handle = passkeyHandle(row.UserID)
	}
	return k
}
