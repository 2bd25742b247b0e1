package caddyauth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	"go.uber.org/zap"
)

// check looks at the places of a settled site.
func (w *walk) check(s *site) {
	for _, at := range s.places {
		w.checkReachable(s, at)
		w.checkAlone(s, at)
		for _, routes := range at.after {
			w.later(s, at.server, routes, 0)
		}
		if errors := at.server.Errors; errors != nil && w.proxiesErrors(errors.Routes, at) {
			s.log.Warn("handle_errors proxies: requests reach that upstream without a session, and those that fail before caddyauth with the client's own identity headers and cookies, so it must trust neither; cookies that it sets are not filtered",
				zap.String("site", s.source))
		}
	}
	w.checkEarlier(s)
	w.checkFront(s)
}

// checkEarlier warns, once per site, of what answers some requests before the
// handler's turn. That may be what the operator wants, a health check say.
func (w *walk) checkEarlier(s *site) {
	for _, at := range s.places {
		if at.answered != "" {
			continue // an error already
		}
		for _, routes := range at.before {
			if name := answersSome(at, routes); name != "" {
				s.log.Warn("a handler answers some requests before caddyauth is asked",
					zap.String("site", s.source), zap.String("handler", name))
				return
			}
		}
	}
}

// checkReachable finds what keeps requests from the endpoints.
func (w *walk) checkReachable(s *site, at place) {
	if at.answered != "" {
		w.errs = append(w.errs, fmt.Errorf(
			"%s: %s answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')",
			s.source, at.answered))
	}
	for _, sets := range at.gates {
		if passes(sets, probe(at, s.basePath+"/session")) {
			continue
		}
		arrives := strings.Join(pathsOf(sets), " ")
		if arrives == "" {
			arrives = "what a matcher of other requests selects"
		}
		w.errs = append(w.errs, fmt.Errorf(
			"%s: caddyauth stands where only %s arrives, so its endpoints under %s cannot be reached: move it to the top of the site",
			s.source, arrives, s.basePath))
	}
}

// checkAlone finds another handler that would answer for the same endpoints, or
// take away the same cookies.
func (w *walk) checkAlone(s *site, at place) {
	for _, other := range s.app.sites {
		if other == s || !other.checked ||
			!slices.ContainsFunc(other.places, func(o place) bool { return o.server == at.server && sameHosts(o.hosts, at.hosts) }) {
			continue
		}
		prefix := s.config.Session.CookiePrefix
		switch {
		case other.basePath == s.basePath:
			w.errs = append(w.errs, fmt.Errorf(
				"%s: this site has a caddyauth with the base path %s at %s already: keep one", s.source, s.basePath, other.source))
		case other.config.Session.CookiePrefix == prefix:
			// The first removes from requests what the second looks for, and
			// signing in at one ends the session of the other.
			w.errs = append(w.errs, fmt.Errorf(
				"%s: this site has a caddyauth with the cookie_prefix %s at %s already, and each would take the other's cookies: keep one, or give one another cookie_prefix",
				s.source, prefix, other.source))
		}
	}
}

// proxiesErrors reports whether the error routes of a place's hosts proxy.
func (w *walk) proxiesErrors(routes caddyhttp.RouteList, at place) bool {
	return slices.ContainsFunc(routes, func(route caddyhttp.Route) bool {
		var errorsAt place
		errorsAt.enter(route)
		shared := len(errorsAt.hosts) == 0 || len(at.hosts) == 0 || sameHosts(errorsAt.hosts, at.hosts)
		return shared && proxies(at.server, caddyhttp.RouteList{route}, 0)
	})
}

// later warns of what changes a request after the rules were asked.
func (w *walk) later(s *site, server *caddyhttp.Server, routes caddyhttp.RouteList, depth int) {
	if depth > maxDepth {
		return
	}
	for _, route := range routes {
		for _, h := range route.Handlers {
			switch h := h.(type) {
			case *rewrite.Rewrite:
				w.rewrite(s, h)
			case *headers.Handler:
				w.requestHeaders(s, h)
			}
			w.later(s, server, inside(server, h), depth+1)
		}
	}
}

// rewrite warns if a path that the rules close is the target of a rewrite that
// comes after them: what they opened would lead there.
func (w *walk) rewrite(s *site, h *rewrite.Rewrite) {
	target, _, _ := strings.Cut(h.URI, "?")
	if target == "" || strings.Contains(target, "{") || len(s.config.Public) == 0 {
		return
	}
	if u, err := url.ParseRequestURI(target); err == nil && !s.opens(u) {
		s.log.Warn("a later rewrite leads from public requests to a private path",
			zap.String("site", s.source), zap.String("target", target))
	}
}

// requestHeaders warns if a later handler sets an identity header: what it
// takes from the client would be believed.
func (w *walk) requestHeaders(s *site, h *headers.Handler) {
	if h.Request == nil {
		return
	}
	for _, set := range []http.Header{h.Request.Set, h.Request.Add} {
		for name := range set {
			if w.owned.Owns(name) {
				s.log.Warn("request_header sets an identity header after caddyauth did",
					zap.String("site", s.source), zap.String("header", name))
			}
		}
	}
}

// proxies reports whether routes contain a reverse proxy.
func proxies(server *caddyhttp.Server, routes caddyhttp.RouteList, depth int) bool {
	if depth > maxDepth {
		return false
	}
	for _, route := range routes {
		for _, h := range route.Handlers {
			if _, ok := h.(*reverseproxy.Handler); ok || proxies(server, inside(server, h), depth+1) {
				return true
			}
		}
	}
	return false
}
