// Package session reads, makes and ends sessions. With strategy jwt a session is
// an encrypted token in the browser's cookie, exactly as NextAuth seals it, so
// that a NextAuth application with the same secret reads ours and we read its.
// With strategy database it is a row in a store, and the cookie has its name.
package session

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// Session is one signed-in person on one browser. It is immutable once made:
// the cache of opened tokens hands the same value to many requests.
type Session struct {
	// User is the person as NextAuth's clients see them.
	User User

	// Evidence is what the rules decide on. It is the zero value for tokens
	// that NextAuth itself has made; HasEvidence tells the difference.
	Evidence    Evidence
	HasEvidence bool

	// JTI is the token's own id. It changes whenever the token is sealed
	// again, unlike Evidence.SID.
	JTI string

	// IssuedAt and Expires are the token's iat and exp. Of a database session,
	// they are when it began and when it ends.
	IssuedAt, Expires time.Time

	// Claims is the whole payload, as JSON. Of a database session, it is what the
	// payload of a token would be.
	Claims string

	// PAT is the personal access token that the request came with in place of a
	// session cookie. Nil for sessions.
	PAT *PAT

	// Bearer says that the request came with a bearer token in place of a session
	// cookie: an access token of an issuer's, or the session token itself.
	Bearer bool

	times jwt.Standard
	// token is what the browser has of a database session.
	token string
	// foreign says that the session is that of an access token, which others
	// issue and end.
	foreign bool
}

// User is the person of a session. Absent claims are empty strings.
type User struct {
	// ID is the claim sub: without a store, the account's id at its provider or,
	// in dialect v5, a random one. See [Session.AccountID].
	ID    string
	Name  string
	Email string
	// Image is the claim picture.
	Image string
}

// EvidenceClaim is the name of the claim that carries the Evidence.
const EvidenceClaim = "caddyauth"

// Evidence is what the provider vouched for when the person signed in. It
// travels in the token as one claim, which NextAuth keeps when it seals a
// token again.
type Evidence struct {
	// SID names the session for as long as it lives; sessions are ended by it.
	SID string `json:"sid"`
	// Provider is the id of the provider that signed the person in.
	Provider string `json:"provider"`
	// Realm tells providers of one id apart, such as the users files of two
	// sites that share a secret. See provider.Info.
	Realm string `json:"realm,omitempty"`
	// Account is the account's id at the provider.
	Account string `json:"account,omitempty"`
	// Login is the account's name at the provider.
	Login string `json:"login,omitempty"`
	// Verified says that the provider vouches for the e-mail address.
	Verified bool `json:"verified,omitempty"`
	// Domain is the lower-case domain that the provider vouches for.
	Domain string   `json:"domain,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	Groups []string `json:"groups,omitempty"`
	Orgs   []string `json:"orgs,omitempty"`
	// AuthTime is when the person proved who they are, in Unix seconds.
	AuthTime int64 `json:"auth_time"`
	// ACR is the authentication context class that the provider vouches for
	// (OpenID Connect Core, section 2), empty if it said nothing.
	ACR string `json:"acr,omitempty"`
	// StepUp tells what the sign-in was asked for if the session began because an
	// earlier one was not recent or strong enough, empty otherwise.
	StepUp string `json:"step_up,omitempty"`
	// User is the id of the stored user, empty where nobody is stored.
	User string `json:"user,omitempty"`
	// Since is when this session began, in Unix milliseconds.
	Since int64 `json:"since,omitempty"`
	// Method is how the person signed in if that was not with the provider:
	// [MethodPasskey].
	Method string `json:"method,omitempty"`
	// Passkey tells the passkey, see [PasskeyMark].
	Passkey string `json:"passkey,omitempty"`
	// Family is what the sessions have in common that began from one sign-in at
	// one portal, on many hosts: signing out anywhere ends all of them.
	Family string `json:"family,omitempty"`
	// IdPSession is the [IdPMark] of the session at the provider that this one comes
	// from, empty if the provider does not name them.
	IdPSession string `json:"idp_sid,omitempty"`
	// IdPSubject is the [IdPMark] of the person at the provider, where that is not
	// who Account says.
	IdPSubject string `json:"idp_sub,omitempty"`
}

// MethodPasskey is the Evidence.Method of a sign-in with a passkey. The provider
// is then the one that the person had signed in with to register it.
const MethodPasskey = "passkey"

// PasskeyMark is what a session remembers of the id of its passkey, which may be too
// long for a cookie.
func PasskeyMark(credentialID string) string {
	sum := sha256.Sum256([]byte(credentialID))
	return hex.EncodeToString(sum[:8])
}

// ours says that the session lasts by the rules of the Manager's strategy, as what
// came in place of one does not.
func (s *Session) ours() bool { return s.PAT == nil && !s.foreign }

// Key is what ending the session is remembered by: its sid or, for a token
// that NextAuth made, its jti.
func (s *Session) Key() string {
	if s.Evidence.SID != "" {
		return s.Evidence.SID
	}
	return s.JTI
}

// Owner is whose session it is, as sessions are ended by user: the stored user's
// id or, where nobody is stored, the account at its provider.
func (s *Session) Owner() string {
	switch {
	case s.Evidence.User != "":
		return s.Evidence.User
	case s.HasEvidence:
		return s.Evidence.Provider + ":" + s.AccountID()
	}
	return s.User.ID
}

// Since is when the session began. A token of NextAuth's own says no more than
// when it was sealed.
func (s *Session) Since() time.Time {
	switch {
	case s.Evidence.Since != 0:
		return time.UnixMilli(s.Evidence.Since)
	case s.Evidence.AuthTime != 0:
		return time.Unix(s.Evidence.AuthTime, 0)
	}
	return s.IssuedAt
}

// AccountID is the account's id at the provider that signed the person in. In a
// token that NextAuth made, only the claim sub is there to tell. Auth.js makes
// that claim anew at each sign-in where there is no store, so nothing that is to
// last can be tied to it.
func (s *Session) AccountID() string {
	if s.Evidence.Account != "" {
		return s.Evidence.Account
	}
	return s.User.ID
}

// Label is what people call the account that they are signed in with, the same on
// every page.
func (s *Session) Label() string {
	for _, name := range []string{s.User.Email, s.Evidence.Login, s.User.Name, s.AccountID()} {
		if strings.TrimSpace(name) != "" {
			return name
		}
	}
	return ""
}

// Reasons why a request has no session.
var (
	// ErrNone means that the request carries no session cookie.
	ErrNone = errors.New("session: no session cookie")
	// ErrInvalid means that no session cookie could be opened.
	ErrInvalid = errors.New("session: no valid token")
	// ErrNotYet is the ErrInvalid of a token whose time has not come: the clock of
	// whoever made it is ahead.
	ErrNotYet = fmt.Errorf("%w: not valid yet", ErrInvalid)
	// ErrExpired means that the session has lasted its time.
	ErrExpired = errors.New("session: expired")
	// ErrEnded means that the session was signed out, or that its user was
	// removed or disabled.
	ErrEnded = errors.New("session: ended")
	// ErrUnavailable means that nobody can tell, because the store does not
	// answer.
	ErrUnavailable = store.ErrUnavailable
	// ErrTooLarge means that the claims do not fit into cookies that every
	// browser and server accepts.
	ErrTooLarge = errors.New("session: too large for cookies")
)
