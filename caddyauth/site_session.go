package caddyauth

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"golang.org/x/net/publicsuffix"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// provisionDialect finds out what clients and backends speak.
func (s *site) provisionDialect(caddy.Context) (err error) {
	if s.config.Compat == "" {
		return nil
	}
	if s.dialect, err = dialect.Parse(s.config.Compat); err != nil {
		return fmt.Errorf("compat: %w", err)
	}
	return nil
}

// The values of session.strategy.
const (
	strategyJWT      = "jwt"
	strategyDatabase = "database"
)

// provisionSession checks the cookie settings and derives the cookie names.
func (s *site) provisionSession(caddy.Context) error {
	c := new(Session)
	if s.config.Session != nil {
		*c = *s.config.Session // a copy: the global option's is every site's
	}
	s.config.Session = c
	if !slices.Contains([]string{"", strategyJWT, strategyDatabase}, c.Strategy) {
		return fmt.Errorf("session strategy %q: it is jwt or database", c.Strategy)
	}
	if c.Idle < 0 {
		return fmt.Errorf("session idle %v: it must not be negative", time.Duration(c.Idle))
	}
	if longest := cmp.Or(time.Duration(c.MaxAge), session.DefaultMaxAge); c.Idle > 0 && time.Duration(c.Idle) > longest {
		return fmt.Errorf("session idle %v is longer than max_age %v, which would have no effect: make it shorter", time.Duration(c.Idle), longest)
	}
	if c.MaxAge < 0 {
		return fmt.Errorf("session max_age %v: it must not be negative", time.Duration(c.MaxAge))
	}
	if c.UpdateAge < 0 {
		return fmt.Errorf("session update_age %v: it must not be negative", time.Duration(c.UpdateAge))
	}
	prefix := cmp.Or(c.CookiePrefix, s.dialect.CookiePrefix())
	if !cookie.ValidPrefix(prefix) {
		return fmt.Errorf("session cookie_prefix %q: it takes up to 64 letters, digits and any of !#$%%&'*+-.^_`|~, and begins with neither __Secure- nor __Host-", prefix)
	}
	s.names = [2]cookie.Names{cookie.NewNames(s.dialect, prefix, false), cookie.NewNames(s.dialect, prefix, true)}
	c.CookiePrefix = prefix

	s.secure = c.Secure
	if s.secure == "" {
		s.secure = "auto"
	}
	if !slices.Contains([]string{"on", "off", "auto"}, s.secure) {
		return fmt.Errorf("session secure %q: it is on, off or auto", s.secure)
	}
	switch c.SameSite {
	case "", "lax":
		c.SameSite = "Lax"
	case "strict":
		c.SameSite = "Strict"
	case "none":
		c.SameSite = "None"
		if s.secure == "off" {
			return errors.New("session same_site none needs Secure cookies: browsers drop the cookie otherwise")
		}
	default:
		return fmt.Errorf("session same_site %q: it is lax, strict or none", c.SameSite)
	}
	return s.checkCookieDomain(c)
}

// checkCookieDomain refuses a domain that browsers would ignore, or that would
// hand the session to strangers.
func (s *site) checkCookieDomain(c *Session) error {
	if c.CookieDomain == "" {
		return nil
	}
	raw, err := resolve(c.CookieDomain)
	if err != nil {
		return fmt.Errorf("session cookie_domain: %w", err)
	}
	domain, err := cleanHost(strings.TrimPrefix(raw, "."))
	if _, notIP := netip.ParseAddr(domain); err != nil || notIP == nil || !strings.Contains(domain, ".") {
		return fmt.Errorf("session cookie_domain %q is no domain that cookies can have: write one such as example.com, or leave it out", raw)
	}
	// Browsers drop a cookie for a public suffix such as co.uk (RFC 6265 5.3),
	// and those that do not know it as one send the session to strangers.
	if suffix, _ := publicsuffix.PublicSuffix(domain); suffix == domain {
		return fmt.Errorf("session cookie_domain %q is a public suffix, below which anybody can have a site: browsers would drop the cookie", domain)
	}
	c.CookieDomain = domain
	if s.canonical != nil {
		return s.cookieReaches(s.canonical.host)
	}
	return nil
}

// cookieReaches refuses a host whose cookies cannot have the configured domain
// (RFC 6265 5.1.3).
func (s *site) cookieReaches(host string) error {
	domain := s.config.Session.CookieDomain
	if domain == "" || strings.EqualFold(host, domain) || strings.HasSuffix(strings.ToLower(host), "."+domain) {
		return nil
	}
	return fmt.Errorf("session cookie_domain %q is not a parent of %s: browsers would drop the cookie", domain, host)
}

// cookieNames returns the names of the cookies on this request.
func (s *site) cookieNames(r *http.Request) *cookie.Names {
	if s.isSecure(r) {
		return &s.names[1]
	}
	return &s.names[0]
}

// forcedSecure is session.secure where it says on or off.
func (s *site) forcedSecure() *bool {
	if s.secure == "auto" {
		return nil
	}
	on := s.secure == "on"
	return &on
}

func (s *site) isSecure(r *http.Request) bool {
	switch s.secure {
	case "on":
		return true
	case "off":
		return false
	}
	if s.canonical != nil {
		return strings.HasPrefix(s.canonical.origin, "https:")
	}
	return s.requestScheme(r) == "https"
}

// read returns the session of a request. An error that is none of package
// session's means that nobody can tell.
func (s *site) read(r *http.Request) (*session.Session, error) {
	e := s.engine.Load()
	if e == nil {
		var err error
		if e, err = s.ready(r.Context()); err != nil {
			return nil, err
		}
	}
	if s.config.hasTokens() {
		if token, ok := session.TokenOf(r.Header); ok {
			// Whoever sends one means it: a bad one is not made good by a cookie.
			return e.sessions.ReadToken(r.Context(), token)
		}
	}
	if s.bearer != nil {
		if token, ok := session.BearerOf(r.Header); ok {
			return s.bearer.read(r.Context(), e, s.cookieNames(r), token)
		}
		if s.bearer.only {
			return nil, session.ErrNone
		}
	}
	return e.sessions.Read(r.Context(), r.Header, s.cookieNames(r))
}

// stripToken takes a personal access token out of a request that is passed on: it
// is for the gate, and with it an upstream could be anybody who visits it. One that
// is for another site is taken out as well: clients send it to the wrong one.
func stripToken(r *http.Request) {
	// Of several fields none counts, but one of them may have a token all the same.
	if slices.ContainsFunc(r.Header["Authorization"], session.CarriesToken) {
		r.Header.Del("Authorization")
	}
}

// renew returns the cookies of a session that is old enough to be sealed
// again, or that a callback has ended. Only navigations renew: a page's dozens
// of images need not, and their answers are kept in caches.
func (s *site) renew(r *http.Request, original *url.URL, current *session.Session) []cookie.Cookie {
	e := s.engine.Load()
	if e == nil || current.PAT != nil || current.Bearer || r.Method != http.MethodGet || gate.Navigation(r) != gate.Navigate || !e.sessions.Due(current) {
		return nil
	}
	origin, err := s.origin(r)
	if err != nil {
		return nil // another request will do
	}
	cookies, err := e.api.Renew(r, s.apiSite(r, origin, original), current)
	if err != nil {
		s.log.Error("renewing a session", zap.Error(err))
		return nil
	}
	return cookies
}
