package caddyauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/gate"
)

// guardSocket takes the session from a request by which a page of another site
// opens a WebSocket. Pages of the site's own origin may, those of the origins in
// callback_origin and api cors, and those of all hosts that share the cookie.
func (s *site) guardSocket(r *http.Request, d gate.Decision) gate.Decision {
	if d.Session == nil || !gate.CrossSite(r, func(origin string) bool { return d.CORS != "" && origin == d.CORS || s.isOurs(r, origin) }) {
		return d
	}
	return d.WithoutSession(gate.ReasonCrossSite)
}

// isOurs reports whether pages of an origin may use the session of a request.
func (s *site) isOurs(r *http.Request, origin string) bool {
	own, err := s.origin(r)
	if err != nil {
		return false
	}
	if origin == own || slices.Contains(s.callbackOrigins, origin) {
		return true
	}
	domain := s.config.Session.CookieDomain
	u, err := url.Parse(origin)
	if err != nil || domain == "" || !strings.HasPrefix(own, u.Scheme+"://") {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == domain || strings.HasSuffix(host, "."+domain)
}
