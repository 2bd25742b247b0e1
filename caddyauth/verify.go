package caddyauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// signInField tells nginx where to send people: it takes nothing but a status
// from the answer by itself, and no redirect.
const signInField = "X-Auth-Request-Redirect"

// verify answers other proxies that ask whether they may pass a request on:
// nginx (auth_request), Traefik (ForwardAuth), Envoy (ext_authz over HTTP) and
// Caddy (forward_auth). What the request was, they say in header fields, which
// are believed from Caddy's trusted_proxies only: anybody else could name a public
// path in them.
type verify struct {
	untrusted, unclear, stranger sync.Once
}

// provisionVerify adds the endpoint if the configuration asks for it.
func (s *site) provisionVerify(caddy.Context) error {
	if s.config.ForwardAuth == nil || !*s.config.ForwardAuth {
		return nil
	}
	v := new(verify)
	s.addExtra("verify", v.serve)
	s.addExtra("verify/", v.serve) // Envoy appends the path
	return nil
}

// serve implements extraHandler.
func (v *verify) serve(h *Handler, w http.ResponseWriter, r *http.Request, e *engine, _ string, original *url.URL) {
	w.Header().Set("Cache-Control", "private, no-cache, no-store")
	s := h.site
	if !trusted(r) {
		warn(&v.untrusted, h.log, "forward_auth was asked by a peer that is not trusted: name the addresses of the proxy, and of nobody else, in the global option 'servers { trusted_proxies static ... }'",
			zap.String("site", s.name()), zap.String("remote_addr", r.RemoteAddr))
		http.Error(w, "Forbidden: this peer is not one of trusted_proxies", http.StatusForbidden)
		return
	}
	asked, err := s.asked(r, original)
	var from string
	if err == nil {
		from, err = s.askedOrigin(r, asked)
	}
	if err != nil {
		warn(&v.unclear, h.log, "forward_auth was asked about a request that is not clear: see how the documentation configures the proxy", zap.String("site", s.name()), zap.Error(err))
		http.Error(w, "Bad Request: "+err.Error(), http.StatusBadRequest)
		return
	}
	probe, err := s.probe(w, r, asked)
	if err != nil {
		http.Error(w, "Bad Request: "+err.Error(), http.StatusBadRequest)
		return
	}
	site := gate.Site{Origin: from, BasePath: s.basePath, URL: probe.URL}
	if !s.answersFor(asked.host) || s.canonical != nil {
		if s.canonical == nil {
			warn(&v.stranger, h.log, "forward_auth was asked about another host, and it is not known where people sign in: name the site's URL with 'url'",
				zap.String("site", s.name()), zap.String("host", asked.host))
			http.Error(w, "Bad Request: the site's URL is not known", http.StatusBadRequest)
			return
		}
		site.Origin, site.From = s.canonical.origin, from
	}
	v.decide(h, w, probe, e, asked, site)
}

// warn tells operators once what else only debugging shows.
func warn(once *sync.Once, log *zap.Logger, message string, fields ...zap.Field) {
	first := false
	once.Do(func() { first = true })
	if first {
		log.Warn(message, fields...)
		return
	}
	log.Debug(message, fields...)
}

// decide asks the gate about the request, and answers.
func (v *verify) decide(h *Handler, w http.ResponseWriter, probe *http.Request, e *engine, a asked, site gate.Site) {
	s := h.site
	// Without a store, a renewed access token is in cookies, which may get lost.
	j := s.judge(probe, probe.URL, s.store != nil)
	d := j.Decision
	if len(j.cookies) == 1 {
		// Proxies carry one cookie to the browser, if any: half a session is none.
		setCookie(w, j.cookies[0])
	}
	if d.Action == gate.Pass {
		s.assertTo(w.Header(), e, cmp.Or(site.From, site.Origin), probe.Method, probe.URL, d.Session)
		if j.forwards {
			s.putToken(w.Header(), j.token)
		}
		s.vouch(w.Header(), d.Session)
		w.WriteHeader(http.StatusOK)
		return
	}
	if d.Action == gate.Preflight {
		// Its answer would be a 2xx, by which proxies let requests pass.
		d = gate.Decision{Action: gate.Forbid, Reason: d.Reason}
	}
	if d.Action == gate.SignIn && below(s.basePath, probe.URL) {
		// Nobody could ever sign in.
		h.log.Warn("forward_auth was asked about the endpoints of the sign-in: let the proxy pass them on to this site without asking", zap.String("path", probe.URL.EscapedPath()))
		d = gate.Decision{Action: gate.Forbid, Reason: d.Reason}
	}
	site.Reference = newReference()
	h.logRefusal(probe, d, site.Reference)
	if !a.nginx {
		s.responder.Respond(w, probe, d, site)
		return
	}
	if (d.Action == gate.SignIn || d.Action == gate.StepUp) && !d.API && gate.Navigation(probe) == gate.Navigate {
		w.Header().Set(signInField, gate.SignInURL(site, site.Back()))
	} else {
		s.responder.Challenge(w.Header(), probe, d, site) // which nginx hands on
	}
	w.WriteHeader(a.refusal(statusOf(d.Action)))
}

func setCookie(w http.ResponseWriter, c cookie.Cookie) { w.Header().Add("Set-Cookie", c.String()) }

// vouch names the person in the answer, beside what is there already. Fields without a value are there, too, and
// empty: some proxies would otherwise pass on what the client wrote in them
// (CVE-2026-30851).
func (s *site) vouch(header http.Header, current *session.Session) {
	s.headers.Set(header, current)
	names := append(s.headers.Names(), s.tokenFields()...)
	if s.assertion != nil {
		names = append(names, s.assertion.header)
	}
	for _, name := range names {
		if header[name] == nil {
			header[name] = []string{""}
		}
	}
}

// asked is the request that a proxy asks about.
type asked struct {
	method, uri, scheme, host string
	// nginx understands the statuses 401 and 403 only, and adds a body of its own.
	nginx bool
}

// refusal is a status that the proxy understands.
func (a asked) refusal(status int) int {
	if a.nginx && status >= 400 && status < 500 && status != http.StatusUnauthorized {
		return http.StatusForbidden
	}
	return status
}

// asked finds out what the request was. Whatever is said twice must be the same:
// clients can send these fields, too, and proxies pass on those that they do not
// set themselves.
func (s *site) asked(r *http.Request, original *url.URL) (a asked, err error) {
	var errs []error
	field := func(name string) string {
		values := r.Header[name]
		if len(values) > 1 {
			errs = append(errs, fmt.Errorf("%s is there %d times", name, len(values)))
		}
		if len(values) == 0 {
			return ""
		}
		return values[0]
	}
	originalURL, originalMethod := field("X-Original-Url"), field("X-Original-Method")
	uri, method := field("X-Forwarded-Uri"), field("X-Forwarded-Method")
	host, scheme := field("X-Forwarded-Host"), field("X-Forwarded-Proto")
	appended, envoy := s.appended(r, original)
	a.nginx = originalURL != "" && !envoy
	same := func(name string, to *string, also string) {
		switch {
		case also == "":
		case *to == "":
			*to = also
		case *to != also:
			errs = append(errs, fmt.Errorf("%s contradicts what else the proxy says", name))
		}
	}
	if envoy {
		a.uri, a.method, a.host = appended, r.Method, r.Host
	}
	if originalURL != "" {
		rest := originalURL
		if scheme, authority, found := strings.Cut(originalURL, "://"); found && !strings.HasPrefix(originalURL, "/") {
			same("X-Original-URL", &a.scheme, scheme)
			i := strings.IndexAny(authority, "/?#")
			if i < 0 {
				authority, i = authority+"/", len(authority)
			}
			same("X-Original-URL", &a.host, authority[:i])
			rest = authority[i:]
		}
		same("X-Original-URL", &a.uri, rest)
	}
	same("X-Original-Method", &a.method, originalMethod)
	same("X-Forwarded-Uri", &a.uri, uri)
	same("X-Forwarded-Method", &a.method, method)
	same("X-Forwarded-Host", &a.host, host)
	same("X-Forwarded-Proto", &a.scheme, scheme)
	if a.method == http.MethodConnect && isAskedSocket(r.Header) {
		a.method = http.MethodGet
	}
	if a.host == "" {
		a.host = r.Host
	}
	if a.scheme == "" {
		a.scheme = "http"
		if r.TLS != nil {
			a.scheme = "https"
		}
	}
	switch {
	case len(errs) > 0:
	case a.uri == "" || a.method == "":
		errs = append(errs, errors.New("the proxy does not say which request it asks about: X-Forwarded-Method and X-Forwarded-Uri, or X-Original-Method and X-Original-URL"))
	case a.scheme != "http" && a.scheme != "https" || strings.ContainsAny(a.host, ", "):
		errs = append(errs, errors.New("the proxy says more than one host or scheme"))
	}
	return a, errors.Join(errs...)
}

// appended is what Envoy has put behind the endpoint's path: path and query of the
// request, as they were.
func (s *site) appended(r *http.Request, original *url.URL) (uri string, ok bool) {
	target := r.RequestURI
	if before, has := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); has {
		target = before.RequestURI
	}
	endpoint := s.basePath + "/verify"
	if original.EscapedPath() == endpoint {
		return "", false
	}
	uri, ok = strings.CutPrefix(target, endpoint)
	return uri, ok && strings.HasPrefix(uri, "/")
}

// errOtherHost says that nobody signed in here may be sent to a host.
var errOtherHost = errors.New("it is neither a host of this site nor below its cookie_domain nor a callback_origin")

// askedOrigin is the origin of the request, if people may be sent back to it.
func (s *site) askedOrigin(r *http.Request, a asked) (string, error) {
	origin, ok := safeurl.CanonicalOrigin(a.scheme + "://" + a.host)
	if !ok {
		return "", errHost
	}
	_, authority, _ := strings.Cut(origin, "://")
	host, _, err := splitHost(authority)
	if err != nil {
		return "", err
	}
	switch {
	case s.canonical != nil && origin == s.canonical.origin,
		s.canonical == nil && s.answersFor(a.host),
		slices.Contains(s.callbackOrigins, origin):
		return origin, nil
	}
	if domain := s.config.Session.CookieDomain; domain != "" && (host == domain || strings.HasSuffix(host, "."+domain)) {
		return origin, nil
	}
	return "", fmt.Errorf("host %s: %w", a.host, errOtherHost)
}

// probe is the request that the proxy asks about, as it would have come here.
func (s *site) probe(w http.ResponseWriter, r *http.Request, a asked) (*http.Request, error) {
	if a.uri[0] != '/' || strings.ContainsFunc(a.uri, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return nil, errors.New("the request's target is no path")
	}
	u, err := url.ParseRequestURI(a.uri)
	if err != nil {
		return nil, errors.New("the request's target is no path")
	}
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil, errors.New("no server")
	}
	probe := &http.Request{
		Method: a.method, URL: u, RequestURI: a.uri, Host: a.host, Header: r.Header.Clone(), Body: http.NoBody,
		Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, RemoteAddr: r.RemoteAddr, TLS: r.TLS,
	}
	// Proxies take the hop-by-hop fields away that tell a WebSocket.
	if h := probe.Header; len(h["Upgrade"]) == 0 && (len(h["Sec-Websocket-Key"]) > 0 || len(h["Sec-Websocket-Version"]) > 0 || h.Get("Sec-Fetch-Mode") == "websocket") {
		h["Upgrade"], h["Connection"] = []string{"websocket"}, []string{"Upgrade"}
	}
	// What decides about the scheme and the cookies' names reads it there.
	probe.Header["X-Forwarded-Proto"], probe.Header["X-Forwarded-Host"] = []string{a.scheme}, []string{a.host}
	return caddyhttp.PrepareRequest(probe.WithContext(r.Context()), caddy.NewReplacer(), w, server), nil
}
