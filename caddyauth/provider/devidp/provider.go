package devidp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// maxIssuers bounds how many origins of a site are remembered at a time. A
// catch-all site has as many as there are loopback names.
const maxIssuers = 16

// errOrigin is the cause when a sign-in would have to use an origin that is
// not loopback.
var errOrigin = errors.New("the development provider works only on loopback sites")

// embedded is the provider of a site: the OpenID Provider, and the generic
// client that signs people in with it, one for each origin.
type embedded struct {
	idp      *server
	id       string
	name     string
	personas []Persona
	opts     provider.Options
	log      *zap.Logger

	mu      sync.Mutex
	clients map[string]provider.OAuth // by issuer
	order   []string                  // of issuers, oldest first
}

var _ provider.Embedded = (*embedded)(nil)

func newProvider(idp *server, id, name string, personas []Persona, opts provider.Options) *embedded {
	log := opts.Log
	if log == nil {
		log = zap.NewNop()
	}
	return &embedded{
		idp: idp, id: id, name: name, personas: slices.Clone(personas), opts: opts, log: log,
		clients: make(map[string]provider.OAuth),
	}
}

// Info describes the provider. It is not public: who can use it owns this
// computer.
func (e *embedded) Info() provider.Info {
	return provider.Info{ID: e.id, Name: e.name, Type: provider.TypeOIDC, Logo: "dev", Realm: "dev"}
}

// Checks are those of any OpenID Connect provider.
func (e *embedded) Checks() provider.Checks {
	return provider.Checks{PKCE: true, State: true, Nonce: true}
}

// Mount is "dev", and another segment for every other id, so that two of these
// providers on one site stay apart.
func (e *embedded) Mount() string {
	if e.id == "dev" {
		return "dev"
	}
	return "dev-" + e.id
}

// AuthorizationURL leads to the page of personas.
func (e *embedded) AuthorizationURL(ctx context.Context, r provider.AuthorizationRequest) (string, error) {
	c, err := e.client(r.Issuer)
	if err != nil {
		return "", err
	}
	return c.AuthorizationURL(ctx, r)
}

// Exchange redeems the code, within the process.
func (e *embedded) Exchange(ctx context.Context, r provider.CallbackRequest) (*provider.Identity, error) {
	c, err := e.client(r.Issuer)
	if err != nil {
		return nil, err
	}
	return c.Exchange(ctx, r)
}

// CheckIssuer makes the check of the generic provider.
func (e *embedded) CheckIssuer(ctx context.Context, r provider.CallbackRequest) error {
	c, err := e.client(r.Issuer)
	if err != nil {
		return err
	}
	return c.CheckIssuer(ctx, r)
}

// client returns the generic OpenID Connect provider of an issuer.
func (e *embedded) client(issuer string) (provider.OAuth, error) {
	t, ok := newTenant(issuer, e.Mount(), e.id, e.personas)
	if !ok {
		return nil, &provider.Error{Reason: provider.ReasonUnavailable, Err: errOrigin}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.clients[issuer]; ok {
		return c, nil
	}
	opts := e.opts
	opts.HTTP = &http.Client{Transport: &transport{e.idp, t}}
	opts.Cache = nil // the keys are a function call away
	c, err := provider.New(provider.Config{
		Preset: "oidc", ID: e.id, Name: e.name, Issuer: issuer,
		ClientID: ClientID, ClientSecret: e.idp.storage.secret,
	}, opts)
	if err != nil {
		return nil, &provider.Error{Reason: provider.ReasonUnavailable, Err: err}
	}
	if len(e.order) >= maxIssuers {
		delete(e.clients, e.order[0])
		e.order = e.order[1:]
	}
	e.clients[issuer], e.order = c, append(e.order, issuer)
	return c, nil
}

// ServeIdP answers the browser's requests below the issuer.
func (e *embedded) ServeIdP(w http.ResponseWriter, r *http.Request, issuer string) {
	// The queries of this flow carry state and nonce, which belong into no log.
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)

	t, ok := newTenant(issuer, e.Mount(), e.id, e.personas)
	if !ok || !local(r) {
		e.log.Warn("development provider refused a request that is not local",
			zap.String("remote_addr", r.RemoteAddr), zap.String("host", r.Host))
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "The development provider answers only on this computer: "+
			"the site's host and both ends of the connection must be loopback.", http.StatusForbidden)
		return
	}
	u := r.URL
	// Handlers in front may have rewritten the path; the issuer is part of the
	// one that came.
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		u = original.URL
	}
	path, below := strings.CutPrefix(u.EscapedPath(), t.issuerPath())
	if !below {
		path = "" // which is no endpoint
	}
	e.idp.serve(w, r, t, path, u.RawQuery)
}
