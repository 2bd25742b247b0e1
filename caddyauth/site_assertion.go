package caddyauth

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/assertion"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// defaultAssertionHeader carries assertions unless the configuration has another
// field for them.
const defaultAssertionHeader = "X-Auth-Assertion"

// assertions is how a site's assertions look.
type assertions struct {
	header, audience string
	ttl              time.Duration
}

// provisionAssertion sets up assertions and the endpoint with their keys.
func (s *site) provisionAssertion(caddy.Context) error {
	c := s.config.Assertion
	if c == nil {
		return nil
	}
	a := &assertions{header: c.Header, ttl: time.Duration(c.TTL)}
	if a.header == "" {
		a.header = defaultAssertionHeader
	}
	var err error
	if a.audience, err = resolve(c.Audience); err != nil {
		return fmt.Errorf("assertion: audience: %w", err)
	}
	// What can name a person can carry an assertion.
	fields, err := gate.NewHeaders(gate.HeaderOptions{Fields: []gate.Field{{Name: a.header, Claim: "sub"}}})
	if err != nil || textproto.CanonicalMIMEHeaderKey(a.header) == "Authorization" {
		return fmt.Errorf("assertion: header '%s' cannot carry it: choose another field, such as %s", a.header, defaultAssertionHeader)
	}
	a.header = fields.Names()[0]
	if s.headers != nil && slices.Contains(s.headers.Names(), a.header) {
		return fmt.Errorf("assertion: header '%s' is an identity header of this site already: choose another field", a.header)
	}
	// Whatever else the keys need is checked with a secret of no consequence: the
	// real one may come later.
	if _, err := assertion.New(assertion.Options{Secrets: []string{"x"}, TTL: a.ttl}); err != nil {
		return err
	}
	s.assertion = a
	s.addExtra("jwks", serveJWKS)
	return nil
}

// newSigner makes what signs, nil for sites without assertions.
func (s *site) newSigner(secrets []string) (*assertion.Signer, error) {
	if s.assertion == nil {
		return nil, nil
	}
	return assertion.New(assertion.Options{Secrets: secrets, Audience: s.assertion.audience, TTL: s.assertion.ttl})
}

// assert adds the assertion to a request that is passed on with a session.
// Without one, an upstream that asks for it refuses the request.
func (s *site) assert(r *http.Request, who *session.Session) {
	e := s.engine.Load()
	if s.assertion == nil || e == nil {
		return
	}
	origin, err := s.origin(r)
	if err != nil {
		return // a host that can be part of no URL, and so of no claim
	}
	s.assertTo(r.Header, e, origin, r.Method, originalURL(r), who)
}

// assertTo adds the assertion about a request to a header.
func (s *site) assertTo(h http.Header, e *engine, origin, method string, original *url.URL, who *session.Session) {
	if s.assertion == nil || who == nil {
		return
	}
	token, err := e.assertion(origin, method, original, who)
	if err != nil {
		s.log.Error("an assertion could not be signed", zap.Error(err))
		return
	}
	h[s.assertion.header] = []string{token}
}

// assertion signs one request. The path is the one that the client sent: what
// later handlers make of it is between them and the upstream.
func (e *engine) assertion(origin, method string, original *url.URL, who *session.Session) (string, error) {
	if method == http.MethodConnect {
		// A WebSocket over HTTP/2 or HTTP/3 (RFC 8441), which the upstream gets as
		// an upgrade of HTTP/1.
		method = http.MethodGet
	}
	return e.signer.Sign(assertion.Request{Origin: origin, Method: method, Path: original.EscapedPath()}, who)
}

// jwksCaching says how long the keys may be kept: they are published a day before
// they sign.
const jwksCaching = "public, max-age=300"

// serveJWKS serves the keys of assertions, which are everybody's.
func serveJWKS(h *Handler, w http.ResponseWriter, r *http.Request, e *engine, _ string, _ *url.URL) {
	body, etag, err := e.signer.JWKS()
	if err != nil {
		h.log.Error("the keys of assertions are not available", zap.Error(err))
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
		return
	}
	serveKeys(w, r, body, etag)
}

// serveKeys serves a JWK Set. An empty etag is none.
func serveKeys(w http.ResponseWriter, r *http.Request, body []byte, etag string) {
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	header.Set("Content-Type", "application/jwk-set+json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", jwksCaching)
	if etag != "" {
		header.Set("Etag", etag)
	}
	if etag != "" && slices.ContainsFunc(r.Header["If-None-Match"], func(v string) bool { return strings.Contains(v, etag) || v == "*" }) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}
