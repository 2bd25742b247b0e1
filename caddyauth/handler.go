package caddyauth

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/bearer"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/store"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler signs people in. It serves the REST API of NextAuth.js below its
// base path, and lets every other request through only with a session that the
// rules admit; what is `public` passes without one.
//
// It belongs before everything that changes the request or answers it. In a
// Caddyfile it stands there by itself.
//
// Placeholders that it sets for requests with a session:
//
// Placeholder | Description
// ------------|------------
// `{http.auth.user.id}` | The account's id, which the access log shows as user_id
// `{http.auth.user.name}` | The person's name
// `{http.auth.user.email}` | The e-mail address
// `{http.auth.user.image}` | The URL of a picture
// `{http.auth.user.provider}` | The id of the provider
// `{http.auth.user.login}` | The account's name at the provider
// `{http.auth.user.roles}` | The roles, joined by commas
// `{http.auth.user.groups}` | The groups, joined by commas
// `{http.auth.user.expires}` | When the session ends, in RFC 3339
// `{http.auth.user.claims.<path>}` | Any claim of the session token
//
// `{http.auth.reference}` is what the log calls a refusal, where `pages` hands it to
// `handle_errors`.
//
// The matchers `auth_user`, `auth_role` and `auth_claim` tell such requests apart in
// the handlers behind it.
//
// A session that a rule refuses on a public path has the same placeholders
// below `{http.auth.candidate.*}` instead. Without a session all of them are
// empty.
type Handler struct {
	Config

	// Which requests pass the gate. The endpoints answer, and identity headers
	// of clients are removed, on all requests. Default: all.
	Match *Match `json:"match,omitempty"`

	// Where the directive stands, for messages. The Caddyfile adapter fills it
	// in.
	Source string `json:"source,omitempty"`

	log  *zap.Logger
	site *site
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.caddyauth", New: func() caddy.Module { return new(Handler) }}
}

// Provision builds the site from its own and the global configuration. It
// touches neither the network nor Caddy's storage.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.log = ctx.Logger()
	value, err := ctx.App("caddyauth")
	if err != nil {
		return err
	}
	app := value.(*App)
	config, err := merge(&app.Config, &h.Config)
	if err != nil {
		return err
	}
	if h.site, err = newSite(ctx, app, h, config); err != nil {
		return err
	}
	app.register(h.site)
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	s := h.site
	// Caddy starts its apps in no particular order; where the site stands must
	// be known before anything is answered.
	err := s.app.placeSites()
	s.app.owned.StripRequest(r)
	s.app.owned.SanitizeConnection(r.Header)
	if err != nil {
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}

	original := originalURL(r)
	if below(s.basePath, original) {
		h.serveAPI(w, r, original)
		return nil
	}
	if s.isAccountPage(original) {
		h.serveAPI(w, r, &url.URL{Path: s.basePath + "/account", RawQuery: original.RawQuery})
		return nil
	}
	if s.serveWellKnown(w, r, original) {
		return nil
	}
	if s.isPortalFront(r, original) {
		h.serveAPI(w, r, &url.URL{Path: s.basePath + "/portal", RawQuery: original.RawQuery})
		return nil
	}
	j := s.judge(r, original, true)
	if j.Action != gate.Pass {
		for _, c := range j.cookies {
			setCookie(w, c)
		}
		return h.refuse(w, r, j.Decision, original)
	}
	return h.pass(w, r, j, next)
}

// originalURL is the URL as the client sent it, before other handlers changed
// it. It has no host.
func originalURL(r *http.Request) *url.URL {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && original.URL != nil {
		return original.URL
	}
	return r.URL
}

// below reports whether a URL is one of the API's. The base path ends at a
// segment's end, and is compared as it is written: other spellings are the
// gate's business.
func below(base string, u *url.URL) bool {
	path := u.RawPath
	if path == "" {
		path = u.Path
	}
	return strings.HasPrefix(path, base) && (len(path) == len(base) || path[len(base)] == '/')
}

// serveAPI answers a request of the REST API. It returns nothing to Caddy:
// handle_errors would see the address with the code in it.
func (h *Handler) serveAPI(w http.ResponseWriter, r *http.Request, original *url.URL) {
	entry, w := beginAccessLog(w, r)
	defer entry.end(h.site.access, r)
	guarded := &started{ResponseWriter: w}
	w = guarded
	defer h.contain(guarded)
	if h.site.tooEarly(r, original) {
		w.Header().Set("Cache-Control", "private, no-cache, no-store")
		w.WriteHeader(http.StatusTooEarly)
		return
	}

	e, err := h.site.ready(r.Context())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	origin, err := h.site.origin(r)
	if err != nil {
		http.Error(w, "Bad Request: "+err.Error(), http.StatusBadRequest)
		return
	}
	if extra := h.site.extraFor(original); extra != nil {
		extra(h, w, r, e, origin, original)
		return
	}
	e.api.Serve(w, r, h.site.apiSite(r, origin, original))
}

// apiSite is where a request arrived, in the API's terms.
func (s *site) apiSite(r *http.Request, origin string, original *url.URL) authapi.Site {
	return authapi.Site{
		Origin: origin, BasePath: s.basePath,
		Path: original.EscapedPath(), Query: original.RawQuery, ClientIP: clientIP(r),
	}
}

func (h *Handler) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	site := h.gateSite(r, originalURL(r))
	site.Reference = newReference()
	h.log.Error("sessions are not available", zap.String("reference", site.Reference), zap.Error(err))
	h.site.responder.Respond(w, r, gate.Decision{Action: gate.Unavailable, Reason: gate.ReasonUnavailable, Err: err}, site)
}

// pass hands a request on, with the identity of whoever is signed in and, on the
// way back, the cookies of a renewed session.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, j judgement, next caddyhttp.Handler) error {
	s, d := h.site, j.Decision
	if d.Err != nil && !errors.Is(d.Err, store.ErrUnavailable) && !errors.Is(d.Err, bearer.ErrUnavailable) {
		h.log.Warn("a request passes although something failed", zap.String("reason", string(d.Reason)), zap.Error(d.Err))
	}
	rules := gate.ResponseRules{Private: d.Session != nil || d.Candidate != nil, Owned: s.ownedCookie, Cookies: j.cookies, CORS: d.CORS, VaryOrigin: d.VaryOrigin}
	if d.Session != nil {
		s.headers.Set(r.Header, d.Session)
		s.assert(r, d.Session)
	}
	s.introduce(r, d)
	s.present(r, d.Session)
	if j.forwards {
		s.putToken(r.Header, j.token) // last of all: it may take the place of what was stripped
	}
	return s.serve(w, r, rules, d.Session, next)
}

// introduce readies a request for the handlers behind: placeholders say who it
// comes from, and our cookies are not among those that they see.
func (s *site) introduce(r *http.Request, d gate.Decision) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		identify(repl, d.Session, d.Candidate)
	}
	switch {
	case s.ownedCookie != nil:
		cookie.StripRequest(r.Header, s.ownedCookie)
	case d.Reason == gate.ReasonCrossSite:
		// The upstream, which reads the session itself, must not take it for one.
		cookie.StripRequest(r.Header, s.names[0].Owned)
	}
	stripToken(r)
	s.stripBearer(r)
}

// gateSite is what the gate's answers need to know of a request's site.
func (h *Handler) gateSite(r *http.Request, original *url.URL) gate.Site {
	origin, err := h.site.origin(r)
	if err != nil {
		// A host that cannot be part of a URL: answers need no origin then, as
		// the request is refused.
		origin = ""
	}
	return gate.Site{Origin: origin, BasePath: h.site.basePath, URL: original}
}

// refuse answers a request that may not pass.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, d gate.Decision, original *url.URL) error {
	site := h.gateSite(r, original)
	if site.Origin == "" && d.Action == gate.SignIn {
		d = gate.Decision{Action: gate.BadRequest, Reason: gate.ReasonPath, Err: errHost}
	}
	reference := newReference()
	if d.Action == gate.SignIn && !d.API && h.stopsLoop(w, r, original, site, reference) {
		return nil
	}
	h.logRefusal(r, d, reference)
	if site.Reference = reference; stepsUp(r, d) && site.Origin != "" {
		h.stepUp(w, r, d, original, site)
		return nil
	}
	if h.site.config.Pages.Refuse == "caddy" && d.Action != gate.Preflight && !(d.Action == gate.SignIn && !d.API && gate.Navigation(r) == gate.Navigate) {
		// The token that a challenge is about is taken out of what goes on.
		h.site.responder.Challenge(w.Header(), r, d, site)
		h.site.introduce(r, d)
		if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
			repl.Set(referencePlaceholder, reference)
		}
		d.CrossOrigin(w.Header())
		return caddyhttp.Error(statusOf(d.Action), errors.New(string(d.Reason)))
	}
	h.site.responder.Respond(w, r, d, site)
	return nil
}

// statusOf is the status that an action is answered with where Caddy writes
// the answer.
func statusOf(a gate.Action) int {
	switch a {
	case gate.SignIn, gate.StepUp:
		return http.StatusUnauthorized
	case gate.Forbid:
		return http.StatusForbidden
	case gate.BadRequest:
		return http.StatusBadRequest
	case gate.MethodNotAllowed:
		return http.StatusMethodNotAllowed
	}
	return http.StatusServiceUnavailable
}

// logRefusal says why a request was refused. That somebody has to sign in
// first is everyday; that somebody may not is what operators look for.
func (h *Handler) logRefusal(r *http.Request, d gate.Decision, reference string) {
	level := zap.DebugLevel
	message := "sign-in required"
	switch d.Action {
	case gate.Preflight:
		message = "preflight answered"
	case gate.StepUp:
		message = "a fresh sign-in is required"
	case gate.Forbid:
		level, message = zap.InfoLevel, "access denied"
	case gate.BadRequest, gate.MethodNotAllowed:
		level, message = zap.InfoLevel, "request refused"
	case gate.Unavailable:
		level, message = zap.ErrorLevel, "sessions are not available"
		if errors.Is(d.Err, store.ErrUnavailable) || errors.Is(d.Err, bearer.ErrUnavailable) {
			level = zap.DebugLevel // the store's or the issuer's own line says it once
		}
	}
	c := h.log.Check(level, message)
	if c == nil {
		return
	}
	fields := append(refusedRequest(r, d, reference), h.site.refusedPerson(d)...)
	if d.Err != nil {
		fields = append(fields, zap.Error(d.Err))
	}
	c.Write(fields...)
}

// newReference names one refusal, on the page and in the log.
func newReference() string { return rand.Text()[:8] }

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
