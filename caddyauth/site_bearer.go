package caddyauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/bearer"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// bearers judges the bearer tokens of a site.
type bearers struct {
	// session accepts the session token; database says that it is no JWE.
	session, database bool
	// only says that nothing else lets anybody in.
	only bool
	// passOn leaves session tokens in what the upstream gets.
	passOn bool
	// tokens judges access tokens. Nil accepts none.
	tokens *bearer.Verifier
}

// provisionBearer sets up what the word bearer asks for. Nothing is fetched yet.
func (s *site) provisionBearer(caddy.Context) error {
	c := s.config.Bearer
	if c == nil || !c.Session && len(c.Issuers) == 0 {
		return nil
	}
	b := &bearers{session: c.Session, only: s.onlyBearer(), database: s.config.Session.Strategy == strategyDatabase, passOn: s.config.Session.PassCookie}
	challenge := &gate.BearerChallenge{Only: b.only}
	if len(c.Issuers) > 0 {
		if err := s.provisionIssuers(b, c.Issuers); err != nil {
			return err
		}
		challenge.Metadata = resourceMetadata
	}
	s.bearer = b
	if s.responder != nil { // what is wrong with the gate is told already
		s.responder.Bearer = challenge
	}
	return nil
}

// onlyBearer reports whether nobody signs in here: access tokens of others are the
// only way in. What is for people makes a site theirs, and needs a provider.
func (s *site) onlyBearer() bool {
	c := s.config
	return len(c.Providers) == 0 && len(s.bearerIDs()) > 0 && !c.Bearer.Session && s.portal == nil && !c.hasAccount() && !c.hasTokens()
}

func (s *site) provisionIssuers(b *bearers, configs []*BearerIssuer) error {
	options := bearer.Options{Roles: s.config.Roles, Groups: s.config.Groups, Log: s.log}
	var errs []error
	for _, c := range configs {
		issuers, err := s.bearerIssuers(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("bearer: %w", err))
		}
		options.Issuers = append(options.Issuers, issuers...)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var err error
	b.tokens, err = bearer.New(options)
	return err
}

// bearerIssuers makes one issuer of a block that names it, and otherwise one of
// each provider of the site's that has access tokens of the kind.
func (s *site) bearerIssuers(c *BearerIssuer) ([]bearer.Issuer, error) {
	template := bearer.Issuer{Algorithms: c.Algorithms, Types: c.Types}
	var err error
	if template.Audience, err = resolveAll(c.Audience); err != nil {
		return nil, fmt.Errorf("audience: %w", err)
	}
	name, err := resolve(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	jwks, err := resolve(c.JWKS)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	if name == "" && jwks != "" {
		return nil, errors.New("jwks without an issuer: name whose keys they are")
	}
	var issuers []bearer.Issuer
	for _, p := range s.providers {
		t, ok := p.(provider.TokenIssuer)
		if info := p.Info(); !ok || info.Type != provider.TypeOIDC || info.Issuer == "" || name != "" && info.Issuer != name {
			continue
		}
		s.warnAudience(p.Info().ID, t.ClientID(), template.Audience)
		template.Keys, template.Accounts = t, t
		issuers = append(issuers, template)
	}
	switch {
	case name == "" && issuers == nil:
		return nil, errors.New("no OpenID Connect provider of this site issues access tokens: write a block with 'issuer' and 'audience'")
	case name == "" || issuers != nil && jwks == "":
		return issuers, nil
	}
	own, err := s.standalone(name, jwks)
	if err != nil {
		return nil, err
	}
	if issuers == nil {
		template.Keys, template.Accounts, template.Standalone = own, own, true
		return []bearer.Issuer{template}, nil
	}
	for i := range issuers {
		issuers[i].Keys = own
	}
	return issuers, nil
}

// standalone makes an issuer that nobody signs in with.
func (s *site) standalone(name, jwks string) (provider.TokenIssuer, error) {
	if slices.Contains(s.accountProviders(), bearer.StandaloneProvider) {
		return nil, fmt.Errorf("issuer %s: its accounts are written '%s:...', so no provider can have that id: give it another with 'as <id>'", name, bearer.StandaloneProvider)
	}
	own, err := provider.NewTokenIssuer(provider.TokenIssuerConfig{Issuer: name, JWKS: jwks}, provider.Options{Log: s.log, Cache: s.app.shared.cache})
	if err != nil {
		return nil, err
	}
	unscoped := slices.ContainsFunc(s.config.Allow, func(r *Rule) bool { return r.scope() == "" })
	if who, public := (&provider.Config{Preset: "oidc", Issuer: name}).Public(); public && !unscoped {
		return nil, fmt.Errorf("issuer %s: anyone with %s account could get a token: add 'allow user ...', 'allow email ...' or 'allow any'", name, withArticle(who))
	}
	return own, nil
}

// warnAudience tells of an API that has no name of its own.
func (s *site) warnAudience(id, client string, audience []string) {
	if client != "" && slices.Contains(audience, client) {
		s.log.Warn("the audience of bearer tokens is the client that people sign in with: only tokens with a scope, or of type at+jwt, are accepted for it, as its ID tokens have that audience, too; register the API by itself",
			zap.String("site", s.source), zap.String("provider", id))
	}
}

// bearerIDs are what accounts of standalone issuers are written with in rules.
func (s *site) bearerIDs() []string {
	if c := s.config.Bearer; c != nil && slices.ContainsFunc(c.Issuers, func(i *BearerIssuer) bool { return i.Issuer != "" }) {
		return []string{bearer.StandaloneProvider}
	}
	return nil
}

// read returns the session of a bearer token. Whoever sends one means it: a bad
// one is not made good by a cookie.
func (b *bearers) read(ctx context.Context, e *engine, names *cookie.Names, token string) (*session.Session, error) {
	switch {
	case token == "":
		return nil, session.ErrInvalid
	case b.tokens != nil && bearer.Shaped(token):
		return b.tokens.Read(ctx, token)
	case !b.session:
		return nil, session.ErrInvalid
	}
	// NextAuth's getToken decodes it as it does a cookie (and once fell over what
	// cannot be decoded).
	decoded, err := url.PathUnescape(token)
	if err != nil {
		return nil, session.ErrInvalid
	}
	return e.sessions.ReadBearer(ctx, names, decoded)
}

// stripBearer takes a session token out of a request that is passed on, as the
// cookie is taken out. Access tokens are meant for the API behind.
func (s *site) stripBearer(r *http.Request) {
	if s.bearer == nil || !s.bearer.session || s.bearer.passOn {
		return
	}
	for _, field := range r.Header["Authorization"] {
		if token, ok := session.BearerOf(http.Header{"Authorization": {field}}); ok && s.bearer.mayBeSession(token) {
			r.Header.Del("Authorization")
			return
		}
	}
}

// mayBeSession reports whether a token has the form of a session token: of an
// encrypted JWT or, where sessions are in the store, of anything but a JWT.
func (b *bearers) mayBeSession(token string) bool {
	if decoded, err := url.PathUnescape(token); err == nil {
		token = decoded
	}
	if b.database {
		return !bearer.Shaped(token)
	}
	return strings.Count(token, ".") == 4
}

// resourceMetadata is where RFC 9728 section 3 has the metadata of a resource
// whose identifier is an origin.
const resourceMetadata = "/.well-known/oauth-protected-resource"

// serveWellKnown answers requests for the metadata of the resource, which need no
// session: whoever asks is about to get a token. It reports whether it did.
func (s *site) serveWellKnown(w http.ResponseWriter, r *http.Request, original *url.URL) bool {
	if s.bearer == nil || s.bearer.tokens == nil {
		return false
	}
	// The identifier of a root with its slash has the same metadata.
	if path := original.EscapedPath(); path != resourceMetadata && path != resourceMetadata+"/" {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return true
	}
	origin, err := s.origin(r)
	if err != nil {
		http.Error(w, "Bad Request: "+err.Error(), http.StatusBadRequest)
		return true
	}
	body, err := json.Marshal(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Methods  []string `json:"bearer_methods_supported"`
	}{origin, s.bearer.tokens.Issuers(), []string{"header"}})
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return true
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache, no-store")
	// Clients in browsers look for it from anywhere, and it is everybody's.
	h.Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
	return true
}
