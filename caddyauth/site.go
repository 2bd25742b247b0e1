package caddyauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/assertion"
	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/grant"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// defaultBasePath is NextAuth's.
const defaultBasePath = "/api/auth"

// site is one handler at work: its configuration merged with the global one,
// with all placeholders expanded, and what was built from it.
type site struct {
	app    *App
	ctx    caddy.Context
	events *caddyevents.App
	log    *zap.Logger
	access *zap.Logger // parent of Caddy's access loggers
	source string      // file and line of the directive, for messages
	config *Config

	scope     string // the directive's own matcher; empty for every request
	match     *Match // the same
	basePath  string
	dialect   dialect.Dialect
	canonical *canonical // nil: the request decides
	names     [2]cookie.Names
	secure    string // session.secure

	providers  []provider.Provider
	realms     map[string]string
	live       map[string]provider.Live
	clientKeys map[string][]byte // JWK Sets of providers, by id
	loopback   []string          // ids of providers that only loopback sites may have

	portal          *portal  // nil: the site signs people in itself
	callbackOrigins []string // further origins for callbackUrl

	store       *openStore // nil: nothing is kept
	accountPath string     // where the person's own page is, if not below the base path
	callbacks   *callbacks.Set
	policy      *gate.Policy
	headers     *gate.Headers
	tokenField  string // what the access token is forwarded in; empty: nothing
	responder   *gate.Responder
	page        *page.Renderer
	pagePaths   []string               // of pages of the site's own, decoded
	ownedCookie func(name string) bool // whether a cookie is kept from the upstream; nil passes all
	ruled       map[ruledValue]bool
	extra       map[string]extraHandler // by their path below the base path
	bearer      *bearers                // nil: bearer tokens are the upstream's
	assertion   *assertions             // nil: the upstream gets none

	secrets []string
	engine  atomic.Pointer[engine]
	build   sync.Mutex

	// What the route walk finds.
	server    *caddyhttp.Server
	hosts     []string
	everyHost bool // somewhere, no host is asked for
	places    []place
	checked   bool

	// Headers of trusted proxies that were ignored, to be logged once.
	lists, strangers sync.Once
}

// engine is the part of a site that needs the secret, which may come later
// than the first request.
type engine struct {
	secrets  []string // what it was built with: the first seals
	sessions *session.Manager
	grants   *grant.Keeper // nil: the tokens of providers are of no use
	api      *authapi.API
	signer   *assertion.Signer // nil without assertions
}

// newSite builds a site. It collects what is wrong, so that everything can be
// mended at once.
func newSite(ctx caddy.Context, app *App, h *Handler, config *Config) (*site, error) {
	s := &site{app: app, log: ctx.Logger(), source: h.Source, config: config, realms: make(map[string]string), live: make(map[string]provider.Live), ruled: make(map[ruledValue]bool)}
	// A site's own log is fed by module http only: what anybody else logs under
	// the same name goes to the default log.
	s.access = ctx.Logger(new(caddyhttp.App)).Named("log.access")
	if s.source == "" {
		s.source = "caddyauth"
	}
	var errs []error
	for _, step := range []func(caddy.Context) error{
		s.provisionEvents, s.provisionDialect, s.provisionOrigin, s.provisionSession,
		s.provisionCallbackOrigins, func(caddy.Context) error { return s.provisionPortal(h) }, s.provisionStore,
		s.provisionCallbacks, s.provisionProviders,
		func(caddy.Context) error { return s.provisionLogout(&h.Config) }, s.provisionPages, s.provisionAccount,
		func(ctx caddy.Context) error { return s.provisionGate(ctx, h.Match) },
		s.provisionBearer, s.provisionAssertion,
		func(caddy.Context) error { _, err := s.rates(); return err },
		s.provisionVerify,
	} {
		if err := step(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	if s.secrets, err = resolveSecrets(config.Secret, s.dialect, s.log); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, s.problems(err)
	}
	if s.secrets != nil {
		// Built to see that it can be. The one that serves is built when it is
		// known where the site stands.
		if _, err := s.newEngine(s.secrets); err != nil {
			return nil, fmt.Errorf("%s: %w", s.source, err)
		}
	}
	return s, nil
}

// problems names the site in front of what is wrong with it, one line each.
func (s *site) problems(err error) error {
	list := strings.Split(err.Error(), "\n")
	if len(list) == 1 {
		return fmt.Errorf("%s: %w", s.source, err)
	}
	return fmt.Errorf("%s: %d problems:\n  - %s", s.source, len(list), strings.Join(list, "\n  - "))
}

// ready returns the engine, building it when the secret can be had.
func (s *site) ready(ctx context.Context) (*engine, error) {
	if e := s.engine.Load(); e != nil {
		return e, nil
	}
	secrets := s.secrets
	if secrets == nil {
		var err error
		if secrets, err = s.app.secret.get(ctx); err != nil {
			return nil, err
		}
	}
	s.build.Lock()
	defer s.build.Unlock()
	if e := s.engine.Load(); e != nil {
		return e, nil
	}
	e, err := s.newEngine(secrets)
	if err != nil {
		return nil, err
	}
	if s.store != nil {
		s.store.start()
	}
	s.engine.Store(e)
	return e, nil
}

func (s *site) newEngine(secrets []string) (*engine, error) {
	plain, secure, err := s.rings(secrets)
	if err != nil {
		return nil, err
	}
	c := s.config.Session
	ended, driver := s.app.shared.ended, store.Driver(nil)
	if s.store != nil {
		ended = s.store.ended
		if driver, err = s.store.driver(secrets); err != nil {
			return nil, err
		}
	}
	sessions, err := session.New(session.Options{
		Dialect: s.dialect, Ring: plain, SecureRing: secure, Store: driver, Database: c.Strategy == strategyDatabase,
		MaxAge: time.Duration(c.MaxAge), UpdateAge: time.Duration(c.UpdateAge), Idle: time.Duration(c.Idle),
		Domain: c.CookieDomain, SameSite: c.SameSite,
		Realms: s.realms, Live: s.alive, Admits: s.policy.SignIn, Ended: ended, Log: s.log,
	})
	if err != nil {
		return nil, err
	}
	grants, err := s.newGrants(secrets, sessions, driver)
	if err != nil {
		return nil, err
	}
	limits, err := s.limits()
	if err != nil {
		return nil, err
	}
	pages := s.config.Pages
	api, err := authapi.New(authapi.Options{
		Providers: s.providers, Sessions: sessions, Store: driver, Foreign: s.store != nil && s.store.plain, Secrets: secrets, Generated: s.secrets == nil, CookiePrefix: c.CookiePrefix,
		Pages: authapi.Pages{
			SignIn: pages.SignIn, SignOut: pages.SignOut, Error: pages.Error,
			VerifyRequest: pages.VerifyRequest, NewUser: pages.NewUser,
		},
		Page: s.page, Authorize: s.policy.SignIn, Roles: s.config.Roles, Groups: s.config.Groups,
		Secure: s.forcedSecure(), Needed: s.needed, AutoRedirect: s.config.AutoRedirect != nil && *s.config.AutoRedirect,
		Limits: limits, Log: s.log, Dialect: s.dialect,
		Account: s.accountOptions(), Grants: keeper(grants),
		Logout: s.logoutOptions(), InitiateLogin: s.config.initiatesLogin(),
		Portal: s.portalOptions(), CallbackOrigins: s.callbackOrigins,
		Callbacks: s.callbacks, Events: s.emit, Client: s.config.Client != nil && *s.config.Client,
	})
	if err != nil {
		return nil, err
	}
	signer, err := s.newSigner(secrets)
	if err != nil {
		return nil, err
	}
	return &engine{secrets: secrets, sessions: sessions, grants: grants, api: api, signer: signer}, nil
}

// rings are the keys of session tokens in plain and in secure cookies. In
// dialect v4 they are the same; in v5 the cookie's name is their salt.
func (s *site) rings(secrets []string) (plain, secure *jwt.Ring, err error) {
	if s.dialect == dialect.V4 {
		plain, err = jwt.NewRing(s.dialect, secrets, "")
		return plain, plain, err
	}
	if plain, err = jwt.NewRing(s.dialect, secrets, s.names[0].Session); err != nil {
		return nil, nil, err
	}
	secure, err = jwt.NewRing(s.dialect, secrets, s.names[1].Session)
	return plain, secure, err
}

// name is what logs call the site.
func (s *site) name() string {
	if len(s.hosts) > 0 {
		return strings.Join(s.hosts, ", ")
	}
	return s.source
}
