package caddyauth

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
)

// checkFront finds out whether a portal has anything to show but its own page.
func (w *walk) checkFront(s *site) {
	if s.portal == nil || s.portal.site != s {
		return
	}
	s.portal.front = true
	for _, at := range s.places {
		for _, routes := range at.after {
			if w.shows(at, routes, 0) {
				s.portal.front = false
			}
		}
	}
}

// shows reports whether routes may answer requests for a place's hosts: anything may
// that is not known to pass all of them on.
func (w *walk) shows(at place, routes caddyhttp.RouteList, depth int) bool {
	if depth > maxDepth {
		return true
	}
	for _, route := range routes {
		var there place
		there.enter(route)
		if len(there.hosts) > 0 && !sameHosts(there.hosts, at.hosts) {
			continue
		}
		for _, h := range route.Handlers {
			switch h.(type) {
			case *caddyhttp.VarsMiddleware, caddyhttp.VarsMiddleware, *headers.Handler, *encode.Encode:
			case *caddyhttp.Subroute, *caddyhttp.Invoke:
				if w.shows(at, inside(at.server, h), depth+1) {
					return true
				}
			default:
				return true
			}
		}
	}
	return false
}
