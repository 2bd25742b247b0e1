package authapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// Options configures an API. Providers, Sessions and Secrets are required.
type Options struct {
	// Dialect is what clients and backends speak. Default: v4.
	Dialect dialect.Dialect

	// Providers are the ways to sign in, in the order of the sign-in page.
	Providers []provider.Provider

	// Sessions makes, reads and ends sessions.
	Sessions *session.Manager

	// Store keeps users and their accounts, by NextAuth's rules for linking them.
	// It is the one that Sessions has, if any. Default: none, and nobody is kept.
	Store store.Driver

	// Foreign says that the users are those of an application of Auth.js: they
	// are taken as NextAuth takes them, and what is noted of their addresses is
	// believed less.
	Foreign bool

	// Secrets sign the CSRF token and seal the cookies of a flow: the first
	// one signs and seals, all of them verify and open.
	Secrets []string

	// Generated says that the secrets change by themselves, and that no
	// application of Auth.js has the same: each one is then used alone, where
	// Auth.js makes one text of all of them, so that what was signed before a
	// change is good after it.
	Generated bool

	// CookiePrefix begins the name of every cookie. Default: that of the
	// dialect, "next-auth" or "authjs".
	CookiePrefix string

	// Secure says whether cookies are secure, which changes their names too.
	// Nil means that they are where the site's origin is https.
	Secure *bool

	// Pages are the site's own pages, shown instead of the built-in ones.
	Pages Pages

	// Page renders the built-in pages. Default: one with default options.
	Page *page.Renderer

	// Authorize decides whether a person who proved who they are may have a
	// session. It is asked with the session as it would be. Nil admits
	// everybody.
	Authorize func(*session.Session) bool

	// Roles and Groups are the claim paths that become the session's roles and
	// groups. Default of Roles: the union of "roles", "realm_access.roles" and
	// "resource_access.<client id>.roles"; of Groups: "groups".
	Roles, Groups []string

	// Needed reports whether a rule reads a value of the list "roles",
	// "groups" or "orgs". It is asked when a session is too large for cookies,
	// to find out what can go. Nil means that nothing is read.
	Needed func(list, value string) bool

	// Callbacks shape sign-ins, redirects, tokens and sessions. Default: those of
	// NextAuth, which admit everybody and change nothing.
	Callbacks *callbacks.Set

	// Grants keeps what providers granted at a sign-in. Default: nobody does,
	// but for the row of a new account.
	Grants Grants

	// Events is told what happens, under NextAuth's names: signIn, signOut,
	// session, createUser, updateUser and linkAccount. data makes NextAuth's
	// arguments, without tokens, codes and secrets, and need not be called if nobody
	// listens. It is called when all is decided and kept, and before the answer is
	// written. An error of signIn refuses the sign-in, and a user or account that it
	// has added is removed again; other errors are logged.
	Events func(ctx context.Context, name string, data func() map[string]any) error

	// Client serves a script for pages without a bundler as {base}/client.js, and
	// its types as {base}/client.d.ts.
	Client bool

	// Account serves the person's own page. Default: there is none.
	Account *AccountOptions

	// Logout is what signing out has to do with identity providers. Default: nothing.
	Logout LogoutOptions

	// InitiateLogin serves {base}/login/:provider, where other sites send people to
	// sign in here with that provider (OpenID Connect Core, section 4). Default:
	// there is no such endpoint.
	InitiateLogin bool

	// CallbackOrigins are further origins that callbackUrl may lead to.
	CallbackOrigins []string

	// Portal makes the API one of several that sign people in at one host. It needs
	// a store, and AutoRedirect is then for any single provider. Default: each
	// site signs people in itself.
	Portal *PortalOptions

	// AutoRedirect skips the sign-in page when there is one provider only and
	// it is an OAuth one. See [API.Serve] for when it does not.
	AutoRedirect bool

	// Limits bound attempts. See there for the defaults.
	Limits Limits

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Rand is where one-time values come from. Default: crypto/rand.
	Rand io.Reader

	// Log receives what happens, without tokens, codes or secrets. Default:
	// nothing is logged.
	Log *zap.Logger
}

// Pages are paths or URLs of the site's own pages. An empty one means the
// built-in page.
type Pages struct {
	// SignIn gets the query parameters callbackUrl and, after a failure, error.
	// In dialect v5 a failure comes here straight, with error and perhaps code.
	SignIn string
	// SignOut gets none.
	SignOut string
	// Error gets the query parameter error.
	Error string
	// VerifyRequest gets none or, in dialect v5, all that there are.
	VerifyRequest string
	// NewUser is where a person is sent after the first sign-in ever, which
	// takes a store to know. Without one it has no effect, as in NextAuth.
	NewUser string
}

// Site is where a request arrived. The origin is the caller's decision: no
// header is looked at to find it.
type Site struct {
	// Origin is scheme, host and, if it is not the scheme's own, port, such as
	// "https://app.example.com". Unless Options say otherwise, it decides whether
	// cookies are secure.
	Origin string
	// BasePath begins with a slash and ends without one: "/api/auth".
	BasePath string
	// Path and Query are those of the request as it came, before anything
	// rewrote it: the escaped path, base path included, and the raw query.
	Path, Query string
	// ClientIP is who asks, for limits and the log. Requests without one share
	// their limits.
	ClientIP netip.Addr
}

// API answers the requests of one site. It is safe for concurrent use.
type API struct {
	opts      Options
	contract  *contract
	providers map[string]provider.Provider
	embedded  map[string]provider.Embedded
	csrf      csrfSigner
	jars      [2]jar // for http and https

	// linkKeys are what the tokens of mailed links are hashed with, the one that
	// new ones get first.
	linkKeys []string
	pace     pace

	// posts seals what identity providers have posted.
	posts *jwt.Ring
	// starts, codes and exits are what members and the portal seal for each other.
	starts, codes, exits *jwt.Ring
}

// jar holds what depends on whether cookies are secure: their names and, as a
// name is the salt of its key, the keys.
type jar struct {
	names              cookie.Names
	state, pkce, nonce *jwt.Ring
	challenge, notice  *jwt.Ring
	leaving, prompt    *jwt.Ring
	// handoff is a member's, for what it has begun; pending the portal's.
	handoff, pending *jwt.Ring
}

// New checks the options and derives all keys. It touches neither network nor
// files.
func New(opts Options) (*API, error) {
	if opts.Sessions == nil {
		return nil, errors.New("authapi: no session manager")
	}
	if err := opts.complete(); err != nil {
		return nil, err
	}
	c := contractOf(opts.Dialect)
	a := &API{
		opts:      opts,
		contract:  c,
		providers: make(map[string]provider.Provider, len(opts.Providers)),
		embedded:  make(map[string]provider.Embedded),
		csrf:      newCSRFSigner(opts.signingKeys(c)),
		linkKeys:  opts.signingKeys(c),
	}
	if opts.Client {
		addClient(c.routes)
	}
	a.addPasskeys()
	if err := a.addAccount(); err != nil {
		return nil, err
	}
	if err := a.addPortal(); err != nil {
		return nil, err
	}
	if err := a.addLogout(); err != nil {
		return nil, err
	}
	var err error
	if a.posts, err = jwt.NewRing(dialect.V4, opts.Secrets, "caddyauth form post"); err != nil {
		return nil, err
	}
	for _, p := range opts.Providers {
		if err := a.add(p); err != nil {
			return nil, err
		}
	}
	for i := range a.jars {
		j, err := newJar(opts.Dialect, opts.CookiePrefix, i == 1, opts.Secrets)
		if err != nil {
			return nil, err
		}
		a.jars[i] = j
	}
	return a, nil
}

// signingKeys are what CSRF tokens are signed and the tokens of links hashed with:
// the first one does, all of them are good.
func (o *Options) signingKeys(c *contract) []string {
	if o.Generated {
		return o.Secrets
	}
	return c.csrfKeys(o.Secrets)
}

// complete fills in the defaults.
func (o *Options) complete() (err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Page == nil {
		o.Page, err = page.New(page.Options{Log: o.Log})
	}
	o.Limits.complete(o.Now)
	return err
}

func (a *API) add(p provider.Provider) error {
	id := p.Info().ID
	if id == "" {
		return errors.New("authapi: a provider without an id")
	}
	if _, taken := a.providers[id]; taken {
		return fmt.Errorf("authapi: two providers with the id %q", id)
	}
	a.providers[id] = p
	switch p.(type) {
	case provider.Email, provider.Passkeys:
		if a.opts.Store == nil {
			return fmt.Errorf("authapi: provider %q needs a store", id)
		}
	}
	e, ok := p.(provider.Embedded)
	if !ok {
		return nil
	}
	if _, taken := a.embedded[e.Mount()]; taken || a.contract.routes[e.Mount()] != nil {
		return fmt.Errorf("authapi: provider %q wants the path %q, which is taken", id, e.Mount())
	}
	a.embedded[e.Mount()] = e
	return nil
}

func newJar(d dialect.Dialect, prefix string, secure bool, secrets []string) (jar, error) {
	j := jar{names: cookie.NewNames(d, prefix, secure)}
	for _, k := range []struct {
		ring **jwt.Ring
		salt string
	}{
		{&j.state, j.names.State},
		{&j.pkce, j.names.PKCE},
		{&j.nonce, j.names.Nonce},
		{&j.challenge, j.names.Challenge},
		{&j.notice, j.names.Notice},
		{&j.leaving, j.names.Leaving},
		{&j.prompt, j.names.Prompt},
		{&j.handoff, j.names.Handoff},
		{&j.pending, j.names.Handoff + " at the portal"},
	} {
		ring, err := jwt.NewRing(d, secrets, k.salt)
		if err != nil {
			return jar{}, fmt.Errorf("authapi: keys of cookie %q: %w", k.salt, err)
		}
		*k.ring = ring
	}
	return j, nil
}

// Names returns the names that cookies have at an origin, for whoever reads the
// session there.
func (a *API) Names(origin string) *cookie.Names { return &a.jar(origin).names }

func (a *API) jar(origin string) *jar {
	secure := strings.HasPrefix(origin, "https:")
	if a.opts.Secure != nil {
		secure = *a.opts.Secure
	}
	if secure {
		return &a.jars[1]
	}
	return &a.jars[0]
}

// mounted returns the provider that a request is for the identity provider of,
// nil if there is none. The path below it is its own: the dialect has no say.
func (a *API) mounted(site Site) provider.Embedded {
	if len(a.embedded) == 0 || a.isMember(site) {
		return nil
	}
	s, ok := split(site.BasePath, site.Path)
	if !ok {
		return nil
	}
	return a.embedded[s.action]
}

// Serve answers one request below the site's base path; others are answered
// with 400. It reads the path and the query from site and nowhere else, as r
// may have been rewritten.
//
// With AutoRedirect, GET {base}/signin starts the flow of the only provider, or
// goes on to callbackUrl if the browser is signed in already; but never below
// {base}/signin/, for a prefetch, for a frame or for anything else than a
// navigation, after a failure, or within a minute after signing out: each of
// these gets the page.
func (a *API) Serve(w http.ResponseWriter, r *http.Request, site Site) {
	noStore(w.Header())
	if e := a.mounted(site); e != nil {
		e.ServeIdP(w, original(r, site), site.Origin+site.BasePath+"/"+e.Mount())
		return
	}
	q := a.newRequest(w, r, site)
	handle := q.handler()
	switch {
	case handle == nil:
		q.unsupported()
	case q.parse() && a.contract.accepts(q):
		handle(q)
	}
}
