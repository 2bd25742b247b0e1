package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// Config describes one provider that signs people in with OpenID Connect or
// OAuth 2.0. Whatever the preset knows need not be repeated.
//
// The name that rules by user compare is the provider's own: GitHub's login, or
// the claim `preferred_username` with oidc and keycloak. Where people may rename
// themselves, such rules should name the account id instead.
type Config struct {
	// The preset, such as `github`, `google` or `keycloak` (`caddy auth providers`
	// lists them), or `oidc` for any issuer that supports OpenID Connect discovery,
	// or `oauth2` for an OAuth 2.0 server whose endpoints are given below.
	// Required.
	Preset string `json:"preset,omitempty"`

	// The id in the provider's URLs, among them the callback URL to register:
	// `{base}/callback/{id}`. Default: the preset.
	ID string `json:"id,omitempty"`

	// What the sign-in button shows. Default: the preset's name, or the host of
	// the issuer.
	Name string `json:"name,omitempty"`

	// The client id registered with the provider. Default: the environment
	// variable `AUTH_<ID>_ID`.
	ClientID string `json:"client_id,omitempty"`

	// The client secret. Default: the environment variable `AUTH_<ID>_SECRET`,
	// or the content of the file that `AUTH_<ID>_SECRET_FILE` names. Not needed
	// with client_auth none.
	ClientSecret string `json:"client_secret,omitempty"`

	// The issuer identifier, compared exactly, trailing slash included. It must
	// be an https URL unless its host is loopback. Default: the preset's, or the
	// environment variable `AUTH_<ID>_ISSUER`.
	Issuer string `json:"issuer,omitempty"`

	// The authorization endpoint. Default: the preset's or the discovered one.
	Authorization *Authorization `json:"authorization,omitempty"`

	// URL of the token endpoint. Default: the preset's or the discovered one.
	Token string `json:"token,omitempty"`

	// `on` asks the discovered userinfo endpoint as well and lets its claims win
	// over those of the ID token, `off` does not ask, a URL is asked. Default:
	// off with OpenID Connect, and the preset's URL without.
	Userinfo string `json:"userinfo,omitempty"`

	// URL of the provider's signing keys. Default: the discovered one.
	JWKS string `json:"jwks,omitempty"`

	// The scopes to ask for. Default: the preset's; `openid profile email` for
	// oidc, none for oauth2.
	Scope []string `json:"scope,omitempty"`

	// The one-time values of a flow: any of `pkce`, `state`, `nonce`, or only
	// `none`. Default: pkce and state, and nonce with OpenID Connect.
	Checks []string `json:"checks,omitempty"`

	// How the client authenticates at the token endpoint: `basic` sends id and
	// secret in the Authorization header, `post` in the body, `none` sends only
	// the id; `client_secret_jwt` sends a token signed with the secret (HS256, so
	// the secret has 32 bytes or more), `private_key_jwt` one signed with
	// client_key (RFC 7523). Default: private_key_jwt if there is a client_key,
	// else the preset's, else basic, or where discovery does not offer that the
	// first it offers of post and client_secret_jwt.
	ClientAuth string `json:"client_auth,omitempty"`

	// The private key of private_key_jwt: RSA of at least 2048 bits (RS256, or
	// PS256 where discovery offers only that), EC (ES256, ES384, ES512) or Ed25519
	// (EdDSA), as PEM, JWK or a JWK Set of one key. A placeholder such as
	// `{file./path/to/key.pem}` keeps it out of the configuration.
	ClientKey string `json:"client_key,omitempty"`

	// The key id of client_key. Default: that of the JWK, else its RFC 7638
	// thumbprint.
	ClientKeyID string `json:"client_key_id,omitempty"`

	// Whom the tokens of private_key_jwt and client_secret_jwt are for, for
	// providers that insist on the URL of their token endpoint. Default: the
	// issuer; without one, the token endpoint.
	ClientAssertionAudience string `json:"client_assertion_audience,omitempty"`

	// The private key that ID tokens are encrypted for, RSA or EC, in the forms of
	// client_key. With it, an ID token that is not encrypted is refused. Encrypted
	// are also userinfo responses, if the provider does so. Default: client_key
	// decrypts what is encrypted, if it can, and nothing has to be; without either
	// an encrypted ID token is refused.
	IDTokenKey string `json:"id_token_key,omitempty"`

	// The key id of id_token_key. Default: as for client_key.
	IDTokenKeyID string `json:"id_token_key_id,omitempty"`

	// Whether the parameters of a sign-in go to the provider directly instead of
	// through the browser (RFC 9126): `auto` where discovery names an endpoint for
	// that, `required` always, so that a provider without one is of no use, `off`
	// never. A sign-in that cannot be pushed fails. Default: auto.
	PushedAuthorization string `json:"pushed_authorization,omitempty"`

	// How the provider sends the browser back: `query` as a GET with the parameters
	// in the address, `form_post` as a POST with them in its body (OAuth 2.0 Form
	// Post Response Mode). The cookies of such a flow are SameSite=None. Default:
	// query, or what the preset needs.
	ResponseMode string `json:"response_mode,omitempty"`

	// The signature algorithms an ID token may use. Default: RS256; where
	// discovery does not list that, the asymmetric ones it lists.
	IDTokenAlg []string `json:"id_token_alg,omitempty"`

	// Where the user's `id`, `name`, `email` and `image` are found: for each a
	// list of claim paths, of which the first that exists is taken. `emails[0]` is
	// the first of a list. Default: the preset's.
	Profile map[string][]string `json:"profile,omitempty"`

	// What the service needs to know of its client besides id and secret, such as
	// `team_id` and `key_id` for apple. Default: the environment variables
	// `AUTH_<ID>_<NAME>`.
	Settings map[string]string `json:"settings,omitempty"`

	// Further parameters of the authorization request, such as `prompt`. They are
	// defaults: a client of the REST API may ask for others with the query of
	// POST `{base}/signin/{id}`, except that `acr_values`, `claims`, `hd` and
	// `max_age` stay as they are given here. No parameter takes the place of a
	// rule, as the person can change the address on the way to the provider.
	Params map[string]string `json:"params,omitempty"`

	// The origins that a sign-in form may lead to, for the page's content
	// security policy. Default: any https origin.
	FormAction []string `json:"form_action,omitempty"`

	// Makes a new account with the verified address of a user one of that user's.
	// Whoever can have any address verified there can then be any user here.
	// Default: false, people link accounts by signing in with one and then, still
	// signed in, with the other.
	AllowEmailLinking bool `json:"allow_email_linking,omitempty"`

	// How long the provider may take for all calls of one sign-in together.
	// Default: 10s.
	Timeout Duration `json:"timeout,omitempty"`
}

// Authorization is an authorization endpoint.
type Authorization struct {
	// The URL. Default: the preset's or the discovered one.
	URL string `json:"url,omitempty"`

	// Parameters of the authorization request, such as `audience`. They are
	// defaults as `params` of the provider are, which win over these.
	Params map[string]string `json:"params,omitempty"`
}

// Duration is a time span that JSON gives as a string such as "10s" or as a
// number of nanoseconds.
type Duration time.Duration

// UnmarshalJSON reads either form.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return json.Unmarshal(b, (*int64)(d))
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("not a duration: %q", s)
	}
	*d = Duration(v)
	return nil
}

// Options are what a provider needs besides its configuration. The zero value
// is fit for production.
type Options struct {
	// HTTP makes the calls to the identity provider; its transport is used, its
	// redirect policy and time limit are replaced. Default: a client that
	// honors the proxy environment variables and refuses to be led to private
	// addresses.
	HTTP *http.Client
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Log receives what an operator should know. Default: nothing is logged.
	Log *zap.Logger
	// Orgs finds out which organizations a person belongs to, for rules that ask
	// so. GitHub's scope read:org is asked for then. Default: false.
	Orgs bool
	// Backchannel and Frontchannel say that the site waits to be told of logouts. A
	// provider that does not say that it tells of them draws a warning, once.
	Backchannel, Frontchannel bool
	// Cache keeps discovered metadata and keys. Providers of several sites and
	// of successive configurations may share one. Default: one for this provider.
	Cache *Cache
}
