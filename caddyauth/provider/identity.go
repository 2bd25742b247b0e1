package provider

import "time"

// Identity is who signed in, and on whose word.
type Identity struct {
	User    User
	Account Account

	// Profile holds the raw claims with case-exact names: of the ID token, of
	// the userinfo response, or of both (userinfo on). Numbers are json.Number.
	Profile map[string]any

	// Login is the name the account has at the provider (GitHub's login,
	// preferred_username with oidc and keycloak, the key in the users file), if it
	// has one of at most 255 bytes. Providers may let people change it: the name
	// that lasts is Account.ProviderAccountID.
	Login string

	// Verified is true if the provider vouches for the e-mail address.
	Verified bool

	// Domain is the lower-case domain that the provider vouches for: Google's
	// hd, else that of a verified address; empty otherwise.
	Domain string

	// Groups are those of the users file.
	Groups []string

	// Orgs are the organizations that the person belongs to, if Options.Orgs asks
	// for them.
	Orgs []string

	// Subject is who the person is in the ID token (the claim sub), and Session names
	// their session at the provider (the claim sid; OpenID Connect Front-Channel
	// Logout 1.0, section 3). Both are empty without OpenID Connect, and Session
	// where the provider does not name any.
	Subject, Session string

	// AuthTime is when the person last proved who they are, if known.
	AuthTime time.Time
}

// User is NextAuth's user object, the result of its profile callback.
type User struct {
	ID    string
	Name  Text
	Email Text // lower case
	Image Text
}

// Account is NextAuth's account object. Empty strings and a zero ExpiresAt mean
// that the provider did not say.
type Account struct {
	// Type is the provider's type, see Info.
	Type string
	// ProviderAccountID names the account at the provider, for good.
	ProviderAccountID string

	AccessToken  string
	RefreshToken string
	IDToken      string
	// TokenType is as the provider spelled it, usually "Bearer" or "bearer".
	TokenType string
	Scope     string
	// ExpiresAt is when the access token expires, in seconds since the epoch.
	ExpiresAt int64
}
