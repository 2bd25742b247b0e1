package caddyauth

import (
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/provider/email"
)

// Config is what a site configures, and what the global option configures for
// all sites. Every field is optional; a site needs at least one provider, its
// own or a global one, or an issuer of bearer tokens.
type Config struct {
	// Who signs in, and how. Providers are shown in this order, after those of
	// the global option; one with the id of a global one adds to it.
	Providers []*Provider `json:"providers,omitempty"`

	// The secrets that session tokens are sealed with: the first seals, all of
	// them open. Each must have at least 32 characters. Placeholders such as
	// `{env.NEXTAUTH_SECRET}` and `{file./path}` are expanded when the
	// configuration loads. Default: the environment variables of the dialect,
	// for `v4` `NEXTAUTH_SECRET`, then `AUTH_SECRET`; for `v5` `AUTH_SECRET_3`,
	// `AUTH_SECRET_2`, `AUTH_SECRET_1` and `AUTH_SECRET` together, then
	// `NEXTAUTH_SECRET`. Each but the last may be the file that the variable with
	// the suffix `_FILE` names. Without any of them, 32 random bytes that are
	// made once and kept in Caddy's storage.
	Secret []string `json:"secret,omitempty"`

	// The canonical URL of the site, such as `https://app.example.com`. A path
	// in it is the base path. Default: the environment variable `NEXTAUTH_URL`,
	// in dialect `v5` `AUTH_URL` before it, on the site whose host it names; else
	// the scheme and host of each request.
	URL string `json:"url,omitempty"`

	// What clients and backends speak: `v4`, the contract of next-auth 4, or
	// `v5`, that of Auth.js and next-auth 5. Sessions of one are none in the
	// other. Default: `v4`.
	Compat string `json:"compat,omitempty"`

	// Where the REST API is served. Default: `/api/auth`.
	BasePath string `json:"base_path,omitempty"`

	// The session and its cookies.
	Session *Session `json:"session,omitempty"`

	// Where users, accounts and what belongs to them are kept: a guest module in
	// the namespace `caddyauth.stores`. Default: nowhere, or `bolt` where strategy
	// `database`, preset `email`, passkeys, tokens, the account page or
	// a portal need one.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=caddyauth.stores inline_key=kind"`

	// Requests that need no session. An identity is still passed on when there
	// is one. Default: none, everything is private.
	Public []*Match `json:"public,omitempty"`

	// Requests that need a session although `public` matches them.
	Private []*Match `json:"private,omitempty"`

	// Who may pass. Rules of one scope are alternatives, each scope that matches
	// must be passed. Rules without a scope are asked at sign-in already. A
	// site's rules replace the global ones of the same scope. Default: every
	// signed-in person; providers where anybody can get an account demand a
	// rule.
	Allow []*Rule `json:"allow,omitempty"`

	// Who may not, whatever else is configured.
	Deny []*Rule `json:"deny,omitempty"`

	// The claims whose values are a person's roles, as dotted paths. Default:
	// `roles`, `realm_access.roles` and `resource_access.<client id>.roles`
	// together.
	Roles []string `json:"roles,omitempty"`

	// The claims whose values are a person's groups, as dotted paths. Default:
	// `groups`.
	Groups []string `json:"groups,omitempty"`

	// Requests of programs: they are never redirected to sign in, but answered
	// with 401 and JSON, whatever they accept.
	API []*API `json:"api,omitempty"`

	// Which bearer tokens (RFC 6750) stand in for a session. Default: none but
	// personal access tokens, where `tokens` is on.
	Bearer *Bearer `json:"bearer,omitempty"`

	// Requests for which having signed in some time ago, or somehow, is not
	// enough. All that match must be met.
	StepUp []*StepUp `json:"step_up,omitempty"`

	// Serves `verify` below the base path, for proxies that ask before they pass
	// a request on: nginx (auth_request), Traefik (ForwardAuth), Envoy
	// (ext_authz over HTTP) and Caddy (forward_auth). Default: false.
	ForwardAuth *bool `json:"forward_auth,omitempty"`

	// The host that signs people in for this site, or its URL where that is not
	// https on the usual port. A site of that host, in this Caddy or in another one
	// with the same secret, the same store and the same providers, is the portal; the
	// providers need to know its callback URLs only. `off` undoes what the global
	// option says. Default: the site signs people in itself.
	Portal string `json:"portal,omitempty"`

	// Further origins, such as `https://www.example.com`, that a callbackUrl may
	// lead to after signing in or out.
	CallbackOrigins []string `json:"callback_origins,omitempty"`

	// A signed JWT about the person that each request carries to the upstream.
	// Default: none.
	Assertion *Assertion `json:"assertion,omitempty"`

	// The header field that the provider's access token is forwarded in,
	// refreshed when it is due. `Authorization` carries it as a bearer token.
	// Default: it is not forwarded.
	AccessToken string `json:"access_token,omitempty"`

	// The identity headers that the upstream receives. Default: none.
	Headers *Headers `json:"headers,omitempty"`

	// How many attempts to sign in are accepted.
	Limit *Limit `json:"limit,omitempty"`

	// Pages of the site's own that replace the built-in ones.
	Pages *Pages `json:"pages,omitempty"`

	// With one provider, sends people there without showing the sign-in page.
	// Default: false.
	AutoRedirect *bool `json:"auto_redirect,omitempty"`

	// A page where people see and end what is theirs: sessions, accounts, passkeys
	// and tokens. `on` serves it as `account` below the base path, a path serves it
	// there as well. Default: `off`.
	Account string `json:"account,omitempty"`

	// Lets people make personal access tokens on that page, which stand in for a
	// session as Bearer and as the password of HTTP Basic. Default: false.
	Tokens *bool `json:"tokens,omitempty"`

	// What signing out has to do with identity providers. Default: nothing, people
	// stay signed in there.
	Logout *Logout `json:"logout,omitempty"`

	// Serves `login/<provider>` below the base path, where other sites send people to
	// sign in here, such as the launch page of an OpenID Provider (OpenID Connect
	// Core, section 4). It takes a provider of OpenID Connect. Default: false.
	InitiateLogin *bool `json:"initiate_login,omitempty"`

	// Expressions in CEL that take part in signing in and in reading sessions.
	Callbacks *callbacks.Config `json:"callbacks,omitempty"`

	// Serves a small script client for pages without a bundler as `client.js`
	// below the base path. Default: false.
	Client *bool `json:"client,omitempty"`
}

// Provider is one way to sign in. The preset decides which of the other fields
// count: `credentials` reads a users file, `email` mails links, a preset that is no built-in one
// names a guest module in the namespace `caddyauth.providers`, and all others
// are OpenID Connect or OAuth 2.0.
type Provider struct {
	provider.Config

	// The users file of preset `credentials`: YAML as Authelia writes it, or
	// lines of htpasswd. Changes count within two seconds.
	File string `json:"file,omitempty"`

	// How preset `email` mails its links.
	Mail *email.Config `json:"mail,omitempty"`

	// The configuration of a guest module.
	Module json.RawMessage `json:"module,omitempty"`
}

// Session configures the session and its cookies.
type Session struct {
	// Where sessions live: `jwt`, encrypted tokens in the browser's cookie, or
	// `database`, rows in the store. A row that was read is believed for two
	// seconds; what caddyauth ends counts at once. Default: `jwt`.
	Strategy string `json:"strategy,omitempty"`

	// How long a session lasts after it was last renewed or, with idle, after the
	// person signed in. Default: 30d.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// How long ago a session must have been renewed for traffic through the gate
	// to renew it again. Default: 1d, with idle half of that at most.
	UpdateAge caddy.Duration `json:"update_age,omitempty"`

	// How long a session lasts without being used. Default: max_age alone counts.
	Idle caddy.Duration `json:"idle,omitempty"`

	// The Domain attribute of the session cookie, which shares a session among
	// subdomains. Default: none, the cookie belongs to the host alone.
	CookieDomain string `json:"cookie_domain,omitempty"`

	// What the names of all cookies start with, before the dot.
	// Default: `next-auth`, or `authjs` in dialect `v5`.
	CookiePrefix string `json:"cookie_prefix,omitempty"`

	// Whether cookies are Secure and carry the `__Secure-` and `__Host-`
	// prefixes: `on`, `off` or `auto`. Default: `auto`, which says yes for https.
	Secure string `json:"secure,omitempty"`

	// The SameSite attribute of the session cookie: `lax`, `strict` or `none`.
	// Default: `lax`.
	SameSite string `json:"same_site,omitempty"`

	// Passes our cookies on to the upstream, and the upstream's cookies of the
	// same names back: for a NextAuth application behind the gate that reads
	// the session itself. Default: false.
	PassCookie bool `json:"pass_cookie,omitempty"`
}

// Match selects requests. The zero value selects all.
type Match struct {
	// What the Caddyfile calls it: a path pattern, or the name of a matcher. It
	// is the rule's scope and stands in logs.
	Scope string `json:"scope,omitempty"`

	// Path patterns as of the `path` matcher.
	Path []string `json:"path,omitempty"`

	// Any of Caddy's matchers. Every set of them is an alternative.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`
}

// Rule admits or refuses people.
type Rule struct {
	Match

	// What the values are: `any`, `user`, `email`, `domain`, `role`, `group`,
	// `org`, `claim` (a dotted path and then its values) or `expr` (one expression
	// in CEL). A claim is one of the session token. Where a bearer token of an issuer
	// stands in for a session it is one of that token, as the issuer wrote it but for
	// `sub`, `name`, `email` and `picture`, and `scopes`, which is made of `scope`.
	Subject string `json:"subject"`

	// Any one of them suffices. Placeholders are expanded when the configuration
	// loads, but not in an `expr`. `any` takes none.
	//
	// An `expr` sees `user` (id, login, name, email, image, provider, roles,
	// groups, orgs, domain, verified), `session` (claims, sid, expires, auth_time,
	// acr) and `request` (method, host, path, query, headers, remote_ip), and
	// results in a bool. What may be absent is written
	// `session.claims.?plan.orValue("")`. An error refuses.
	Values []string `json:"values,omitempty"`
}

// API selects requests of programs.
type API struct {
	Match

	// The origins of pages whose scripts may read the answers to these requests,
	// refusals included, with credentials. Preflight requests (Fetch standard,
	// section 4.8) from them are answered here, as they carry no session.
	// Default: none, CORS is the upstream's affair and preflights need a session.
	CORS []string `json:"cors,omitempty"`
}

// Bearer configures which bearer tokens stand in for a session.
type Bearer struct {
	// The session token itself: what the cookie has, for clients that keep no
	// cookies. Default: false.
	Session bool `json:"session,omitempty"`

	// Who issues access tokens for this site.
	Issuers []*BearerIssuer `json:"issuers,omitempty"`
}

// BearerIssuer is an authorization server whose access tokens are accepted: JWTs
// as RFC 9068 describes them.
type BearerIssuer struct {
	// The issuer, whose metadata is fetched. Default: the issuers of the site's
	// OpenID Connect providers, each of them.
	Issuer string `json:"issuer,omitempty"`

	// What a token must be meant for: one of these is in its `aud`. Required.
	Audience []string `json:"audience,omitempty"`

	// Where the keys are. Default: the issuer's metadata says so.
	JWKS string `json:"jwks,omitempty"`

	// The accepted signature algorithms. Default: RS256, RS384, RS512, PS256,
	// PS384, PS512, ES256, ES384, ES512 and EdDSA, whichever the keys are for.
	Algorithms []string `json:"algorithms,omitempty"`

	// The accepted `typ` of the token's header. Default: `at+jwt`, and `JWT` or
	// none from issuers that do not follow RFC 9068 yet.
	Types []string `json:"types,omitempty"`
}

// StepUp asks for a sign-in that is recent or strong enough.
type StepUp struct {
	Match

	// How long ago the person may have proved who they are.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// The authentication context classes (`acr`) that suffice, as the provider
	// names them; any one of them.
	ACR []string `json:"acr,omitempty"`
}

// Assertion configures the signed identity of requests. Its keys are served as
// `jwks` below the base path.
type Assertion struct {
	// The header field. Default: `X-Auth-Assertion`.
	Header string `json:"header,omitempty"`

	// Whom it is meant for, the claim `aud`. Default: the site's origin.
	Audience string `json:"audience,omitempty"`

	// How long it is valid. Default: 60s.
	TTL caddy.Duration `json:"ttl,omitempty"`
}

// Headers configures the identity headers that the upstream receives. All of
// them, and all that any site could set, are removed from what clients send.
type Headers struct {
	// `remote` sets Remote-User, Remote-Name, Remote-Email and Remote-Groups;
	// `oauth2_proxy` sets the X-Forwarded-User and X-Auth-Request-User
	// families; `none` sets nothing. Default: `remote`, or `none` where set
	// gives a mapping.
	Preset string `json:"preset,omitempty"`

	// Further headers, and the placeholder or claim path that each one takes
	// its value from.
	Set []HeaderValue `json:"set,omitempty"`
}

// HeaderValue is one identity header.
type HeaderValue struct {
	// The name of the header field.
	Name string `json:"name"`

	// A placeholder of the signed-in person, such as `{http.auth.user.email}`,
	// or a dotted path into the token's claims.
	Value string `json:"value"`
}

// Limit bounds attempts to sign in. Whoever exceeds a limit is answered as if
// the password were wrong. Rates are written `<number>/<duration>`.
type Limit struct {
	// Attempts with a password for one account from one client address, IPv6
	// by /64. Default: `10/1m`.
	SignIn string `json:"sign_in,omitempty"`

	// Attempts with a password for one account, from everywhere. It is wider
	// than sign_in, so that nobody can lock somebody else out alone.
	// Default: `100/1m`.
	Account string `json:"account,omitempty"`

	// Attempts with a password from one client address, whatever the account;
	// as many sign-ins that it begins at identity providers, and as many that
	// it comes back from.
	// Default: `60/1m`.
	Client string `json:"client,omitempty"`

	// Links mailed to one address for one client address, IPv6 by /64. What is too
	// much is not mailed, and looks as if it were. Default: `5/15m`.
	Mail string `json:"mail,omitempty"`

	// Links mailed to one address, whoever asks. It is wider than mail, so that
	// nobody can keep somebody else from getting one alone. Default: `20/15m`.
	MailAccount string `json:"mail_account,omitempty"`

	// Links that one client address has mailed, whatever the address.
	// Default: `20/15m`.
	MailClient string `json:"mail_client,omitempty"`

	// Turns the limits off.
	Off bool `json:"off,omitempty"`
}

// Pages names pages of the site that replace the built-in ones. Paths on this
// site are public. Parameters are those that NextAuth gives such pages.
type Pages struct {
	// Where people choose how to sign in.
	SignIn string `json:"sign_in,omitempty"`

	// Where people confirm that they want to sign out.
	SignOut string `json:"sign_out,omitempty"`

	// Where people land when a sign-in failed; the parameter `error` says why.
	Error string `json:"error,omitempty"`

	// Where people are told to look at their mail.
	VerifyRequest string `json:"verify_request,omitempty"`

	// Where people land after their first sign-in.
	NewUser string `json:"new_user,omitempty"`

	// `caddy` returns refusals as errors, for `handle_errors`, instead of
	// writing an answer.
	Refuse string `json:"refuse,omitempty"`
}

// Logout configures what signing out has to do with identity providers.
type Logout struct {
	// Signs people out at their provider too, when they sign out here. They come back
	// to `signed-out` below the base path, an address to register with the provider;
	// with a portal, it is the portal's. A provider without a sign-out of its own is
	// asked for a fresh sign-in the next time instead. A refresh token that was kept for
	// the session alone is revoked where the provider takes that (RFC 7009).
	// Default: true.
	Provider *bool `json:"provider,omitempty"`

	// Serves `backchannel-logout/<provider>` below the base path, where providers of
	// OpenID Connect say that somebody has signed out there. Default: false.
	Backchannel *bool `json:"backchannel,omitempty"`

	// Serves `frontchannel-logout/<provider>` below the base path, where they say so
	// in a frame of their own page. Anybody who knows the provider's name of a session
	// can, and browsers may keep it from working: the other way is the better one.
	// Default: false.
	Frontchannel *bool `json:"frontchannel,omitempty"`
}

// id is the provider's id: the one given, or the preset's.
func (p *Provider) id() string {
	if p.ID != "" {
		return p.ID
	}
	return p.Preset
}

// The values of Config.Account that are no path.
const (
	accountOn  = "on"
	accountOff = "off"
)

func (c *Config) hasAccount() bool { return c.Account != "" && c.Account != accountOff }

func (c *Config) hasTokens() bool { return c.Tokens != nil && *c.Tokens }

// leaves reports whether signing out here signs people out at their provider.
func (c *Config) leaves() bool {
	return c.Logout != nil && (c.Logout.Provider == nil || *c.Logout.Provider)
}

func (c *Config) hasBackchannel() bool { return c.Logout != nil && isOn(c.Logout.Backchannel) }

func (c *Config) hasFrontchannel() bool { return c.Logout != nil && isOn(c.Logout.Frontchannel) }

func (c *Config) initiatesLogin() bool { return isOn(c.InitiateLogin) }

func isOn(b *bool) bool { return b != nil && *b }
