package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// The values of Info.Type, as GET /providers reports them in dialect v5. In v4 an
// OpenID Connect provider is of type "oauth" as well.
const (
	TypeOAuth       = "oauth"
	TypeOIDC        = "oidc"
	TypeCredentials = "credentials"
	TypeEmail       = "email"
	TypeWebAuthn    = "webauthn"
)

// Provider is one way to sign in. Implementations are safe for concurrent use.
type Provider interface {
	Info() Info
}

// Info describes a provider to pages, to GET /providers and to the checks made
// when a configuration is loaded.
type Info struct {
	// ID is the path segment of the provider's routes, unique on a site.
	ID string
	// Name is what the button shows.
	Name string
	// Type is one of the constants TypeOAuth and so on.
	Type string
	// Logo names the picture of the button: the preset's id, empty for a
	// provider without a preset.
	Logo string
	// Public is true where anybody can get an account, so that a site without
	// rules would admit everybody.
	Public bool
	// LinkByEmail says that a new account with the address of a user belongs to
	// that user. Whoever can have any address there can be anybody here.
	LinkByEmail bool
	// FormAction lists the origins a sign-in form may lead to. Empty means any
	// https origin: brokered providers hop over hosts that nobody can list.
	FormAction []string
	// FormPost says that the browser comes back with a form that the identity
	// provider's page posts (OAuth 2.0 Form Post Response Mode), so across sites.
	FormPost bool
	// Issuer is the configured issuer identifier, empty if there is none.
	Issuer string
	// Realm tells providers of one id apart: it is the same wherever accounts
	// of one name are the same person, and another for, say, another users
	// file. Sites that share a secret accept each other's sessions only within
	// a realm.
	Realm string
}

// OAuth is a provider that sends the browser to an authorization endpoint and
// takes it back with a code.
type OAuth interface {
	Provider

	// Checks tells which one-time values a flow carries.
	Checks() Checks

	// AuthorizationURL returns where to send the browser. It may wait for
	// discovery. Failures are of type *Error.
	AuthorizationURL(ctx context.Context, r AuthorizationRequest) (string, error)

	// Exchange turns a callback's parameters into an identity. The caller has
	// dealt with an "error" parameter and compared state already. The code is
	// sent to the token endpoint at most once, by several calls as well, and only
	// after the issuer check of RFC 9207. Failures are of type *Error.
	Exchange(ctx context.Context, r CallbackRequest) (*Identity, error)

	// CheckIssuer makes sure that a callback is from the provider asked, as far
	// as its parameters and the provider's promises say (RFC 9207, section 2.4).
	// Exchange does so by itself; this is for error responses.
	// Failures are of type *Error.
	CheckIssuer(ctx context.Context, r CallbackRequest) error
}

// Checks are the one-time values that tie a callback to the browser and the
// flow that began it.
type Checks struct {
	PKCE  bool
	State bool
	Nonce bool
}

// AuthorizationRequest is the part of an authorization request that differs
// from one flow to the next.
type AuthorizationRequest struct {
	// RedirectURI is the absolute callback URL.
	RedirectURI string
	// State and Nonce are sent if not empty.
	State string
	Nonce string
	// CodeChallenge is the base64url SHA-256 of the PKCE verifier; the method
	// sent with it is always S256.
	CodeChallenge string
	// Extra are further parameters, from the query of POST /signin/:provider.
	// They override the provider's own, but neither those that the flow rests on
	// nor configured acr_values, claims, hd and max_age.
	Extra url.Values
	// Issuer is where this site serves an embedded identity provider. Others
	// ignore it.
	Issuer string
	// StepUp asks the provider to take a fresh look at who the person is, whatever
	// else is configured or asked for. Nil does not.
	StepUp *StepUp
}

// StepUp is what a fresh look is to result in.
type StepUp struct {
	// MaxAge is how old it may be, in whole seconds. Zero means that it does not
	// matter.
	MaxAge time.Duration
	// ACR are the authentication context classes that suffice, any one of them.
	ACR []string
}

// CallbackRequest is what came back from the authorization endpoint together
// with what was kept for it.
type CallbackRequest struct {
	// Params are the query or form parameters of the callback.
	Params url.Values
	// RedirectURI is the one of the authorization request.
	RedirectURI string
	// CodeVerifier is the PKCE verifier, empty if the check is off.
	CodeVerifier string
	// Nonce is the one sent. If it is empty, an ID token must carry none.
	Nonce string
	// Issuer is as in AuthorizationRequest.
	Issuer string
}

// Credentials is a provider whose form is part of the sign-in page.
type Credentials interface {
	Provider

	// Fields describes the form, in order.
	Fields() []Field

	// Authorize checks what was typed. The error is ErrCredentials, in the same
	// time, whether the user is unknown, disabled or mistyped the password.
	Authorize(ctx context.Context, fields url.Values) (*Identity, error)
}

// Field is one input of a credentials form.
type Field struct {
	Name         string // name of the form field
	Label        string
	Type         string // "text" or "password"
	Autocomplete string // token of the HTML autocomplete attribute
}

// Live is a provider that knows whether an account still exists, without
// network and cheaply enough to be asked at every request.
type Live interface {
	Provider

	// Live looks up an account by the login it signed in with. It is false for
	// accounts that were removed or disabled since.
	Live(login string) (Person, bool)
}

// Person is an account as it stands at this moment. Its fields are shared and
// must not be changed.
type Person struct {
	ID     string
	Login  string
	Name   string
	Email  string
	Groups []string
}

// Embedded is a provider whose identity provider is served by this very site,
// below {base}/{Mount()}.
type Embedded interface {
	OAuth

	// Mount is the path segment below the base path.
	Mount() string

	// ServeIdP answers the requests below it. The issuer is the site's origin,
	// base path and mount.
	ServeIdP(w http.ResponseWriter, r *http.Request, issuer string)
}

// Email is a provider that mails a link to whoever says that an address is
// theirs.
type Email interface {
	Provider

	// MaxAge is how long a link is good for.
	MaxAge() time.Duration

	// Send hands a mail to the mail server. It takes ten seconds at most.
	// Failures are of type *Error, with ReasonMail. Those that may be due to the
	// recipient are ErrRecipient as well.
	Send(ctx context.Context, m Mail) error

	// Check goes as far with the mail server as Send does before it names the
	// recipient, and fails as Send does there, but mails nothing.
	Check(ctx context.Context) error
}

// Mail is one sign-in link on its way.
type Mail struct {
	// To is the address, in the one form that links are kept for.
	To string
	// URL is the link.
	URL string
	// Host is what people call the site, such as "app.example.com".
	Host string
	// Languages is the request's Accept-Language field. Anything may be in it.
	Languages string
	// Color is the brand's, as CSS. Default: one of ours.
	Color string
}

// Passkeys is a provider that checks passkeys (Web Authentication Level 3).
// Challenges and passkeys are the caller's to keep.
type Passkeys interface {
	Provider

	// BeginRegistration returns the options of navigator.credentials.create, as
	// JSON, and the challenge in them. The user's passkeys are excluded.
	BeginRegistration(rp RelyingParty, user PasskeyUser, have []Passkey) (options json.RawMessage, challenge string, err error)

	// FinishRegistration checks what the browser answered. Failures are of type
	// *Error, with ReasonPasskey.
	FinishRegistration(rp RelyingParty, challenge string, user PasskeyUser, response []byte) (Passkey, error)

	// BeginAuthentication returns the options of navigator.credentials.get. With
	// no passkeys, the browser offers those that it can find by itself.
	BeginAuthentication(rp RelyingParty, have []Passkey) (options json.RawMessage, challenge string, err error)

	// FinishAuthentication checks what the browser answered against the passkey
	// that find returns for its id, and returns that with what changed. Errors of
	// find are returned as they are; failures are of type *Error, with
	// ReasonPasskey.
	FinishAuthentication(rp RelyingParty, challenge string, response []byte, find func(credentialID string) (Passkey, error)) (Passkey, error)
}

// RelyingParty is the site that a passkey is for.
type RelyingParty struct {
	// ID is the host, without a port, or a parent domain of it.
	ID string
	// Name is shown by authenticators.
	Name string
	// Origin is scheme, host and port.
	Origin string
}

// PasskeyUser is whom a new passkey is for.
type PasskeyUser struct {
	// Handle is 1 to 48 bytes of ASCII that name the user, without anything
	// personal in them. (Older browser libraries take it for text.)
	Handle []byte
	// Name and DisplayName tell the user's accounts apart for the user.
	Name, DisplayName string
}

// Passkey is what a site keeps of one.
type Passkey struct {
	// ID is the credential id in standard base64 with padding.
	ID string
	// PublicKey is in COSE form (RFC 9052).
	PublicKey []byte
	Counter   uint32
	// Handle is the user's. Nil means that it was not kept and is not compared.
	Handle []byte
	// MultiDevice says that it may be synced to other devices; BackedUp, that it
	// is.
	MultiDevice, BackedUp bool
	Transports            []string
	// Flags are the authenticator data's.
	Flags  byte
	AAGUID []byte
}
