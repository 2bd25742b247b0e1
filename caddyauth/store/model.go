package store

import (
	"encoding/json"
	"time"
)

// Times are kept to the millisecond at least and compared as points in time. A
// zero time means that there is none. Empty strings stand for NextAuth's null.

// User is a person, NextAuth's AdapterUser.
type User struct {
	// ID is made by the store.
	ID string
	// Name, Email and Image may be empty. Email is in lower case, and two users
	// cannot have the same.
	Name, Email, Image string
	// EmailVerified is when the person last proved to receive mail there.
	EmailVerified time.Time
}

// Account is one way in which a user signs in. Provider and ProviderAccountID
// together belong to one user only.
type Account struct {
	UserID string
	// Type is "oauth", "oidc", "credentials", "email" or "webauthn".
	Type              string
	Provider          string
	ProviderAccountID string

	AccessToken, RefreshToken, IDToken string
	TokenType, Scope, SessionState     string
	// ExpiresAt is when the access token expires, in seconds since the epoch;
	// 0 if nobody said.
	ExpiresAt int64
}

// Session is one person on one browser.
type Session struct {
	// ID names the session for good: the sid of its evidence. It opens nothing.
	ID string
	// Token is what the browser has, in the form that is kept: see [Vault]. It is
	// empty for sessions whose token is sealed, which are only listed here.
	Token string
	// UserID is the user's.
	UserID string
	// Provider and Account are what the person signed in with.
	Provider, Account string
	// Expires is when the session ends unless it is extended.
	Expires time.Time
	// Created is when the person signed in, Seen when the session was last
	// extended.
	Created, Seen time.Time
	// UserAgent and IP are those of the sign-in.
	UserAgent, IP string
	// Evidence is what the rules decide on, a JSON object. It is nil for sessions
	// that NextAuth made.
	Evidence json.RawMessage
}

// VerificationToken is the secret of a sign-in link.
type VerificationToken struct {
	// Identifier is the address that it was mailed to.
	Identifier string
	// Token is the hash of what the link has.
	Token   string
	Expires time.Time
}

// Authenticator is a passkey.
type Authenticator struct {
	// CredentialID names it, in standard base64 with padding, as Auth.js keeps it.
	CredentialID string
	UserID       string
	// ProviderAccountID is that of the account that belongs to the passkey.
	ProviderAccountID string
	// PublicKey is in COSE form (RFC 9052).
	PublicKey []byte
	Counter   uint32
	// DeviceType is "singleDevice" or "multiDevice".
	DeviceType string
	BackedUp   bool
	// Transports are those of the Web Authentication API, such as "internal".
	Transports []string

	// Name is what its owner calls it.
	Name string
	// Flags are the authenticator's, as it last sent them.
	Flags byte
	// AAGUID tells the make.
	AAGUID        []byte
	Created, Used time.Time
	// Evidence is that of the session that registered it, a JSON object.
	Evidence json.RawMessage
}

// Token is a personal access token.
type Token struct {
	ID     string
	UserID string
	// Hash is what is kept of the secret.
	Hash string
	// Name is what its owner calls it.
	Name string
	// Paths and Methods are where it is good for. None means everywhere.
	Paths, Methods []string
	// Expires is zero for a token that does not.
	Expires       time.Time
	Created, Used time.Time
	// Evidence is that of the session that made the token, a JSON object.
	Evidence json.RawMessage
}

// RevocationKind says what a revocation is by.
type RevocationKind string

const (
	// BySession ends the session with the sid, or the token with the jti, Key.
	BySession RevocationKind = "session"
	// ByUser ends every session that the user Key began before At.
	ByUser RevocationKind = "user"
	// ByToken ends the personal access token with the id Key.
	ByToken RevocationKind = "token"
	// ByProvider ends every session that began before At and is a part of what Key
	// says has ended at an identity provider, see session.LogoutKey.
	ByProvider RevocationKind = "provider"
)

// Revocation is the news that something was ended before its time.
type Revocation struct {
	Kind RevocationKind
	Key  string
	At   time.Time
	// Until is when nothing can be left that it is about.
	Until time.Time
}

// SessionFilter selects sessions. Empty fields select everything.
type SessionFilter struct {
	UserID, Provider string
	// Email is that of the session's user, in lower case.
	Email string
	// After is the ID of the last session of the page before. Sessions come in
	// the order of their IDs.
	After string
	// Limit is how many are wanted at most. Default: 100; at most 1000.
	Limit int
}

// Page returns the filter's limit within its bounds.
func (f SessionFilter) Page() int {
	if f.Limit <= 0 {
		return 100
	}
	return min(f.Limit, 1000)
}

// SessionAndUser is a session together with whose it is.
type SessionAndUser struct {
	Session Session
	User    User
}
