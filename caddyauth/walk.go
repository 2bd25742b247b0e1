package caddyauth

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/gate"
)

// walk looks at the HTTP routes to see where the sites' handlers stand. It
// tells each site the hosts it serves, and finds the places where a handler
// could not do its work.
type walk struct {
	log   *zap.Logger
	owned *gate.Owned
	errs  []error
}

// place is what is known on the way down to a handler.
type place struct {
	server *caddyhttp.Server
	hosts  []string
	// gates are the matchers of each route on the way; a request for an endpoint
	// must pass them all.
	gates []caddyhttp.MatcherSets
	// answered names what answers every request before the handler's turn.
	answered string
	// before are the routes that come first, at every level, and after are those
	// that follow.
	before, after []caddyhttp.RouteList
}

func (w *walk) servers(servers map[string]*caddyhttp.Server) {
	for _, name := range slices.Sorted(mapKeys(servers)) {
		w.routes(servers[name].Routes, place{server: servers[name]}, 0)
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// maxDepth bounds the descent: named routes may invoke each other.
const maxDepth = 32

func (w *walk) routes(routes caddyhttp.RouteList, at place, depth int) {
	if depth > maxDepth {
		return
	}
	outer := at
	for i, route := range routes {
		inner := at
		inner.before = append(slices.Clip(outer.before), routes[:i])
		inner.after = append(slices.Clip(outer.after), routes[i+1:])
		inner.enter(route)
		w.handlers(route, inner, depth)
		if at.answered == "" && unconditional(route) {
			at.answered = answers(at.server, route.Handlers, depth)
		}
	}
}

// enter narrows a place to what a route matches. Sets of matchers are
// alternatives: one that says nothing about hosts lets all of them in.
func (p *place) enter(route caddyhttp.Route) {
	p.gates = append(slices.Clip(p.gates), route.MatcherSets)
	var hosts []string
	everyHost := len(route.MatcherSets) == 0
	for _, set := range route.MatcherSets {
		hasHost := false
		for _, m := range set {
			switch m := m.(type) {
			case *caddyhttp.MatchHost:
				hasHost, hosts = true, append(hosts, *m...)
			case caddyhttp.MatchHost:
				hasHost, hosts = true, append(hosts, m...)
			}
		}
		everyHost = everyHost || !hasHost
	}
	if !everyHost {
		p.hosts = hosts
	}
}

func (w *walk) handlers(route caddyhttp.Route, at place, depth int) {
	outer := at
	for i, h := range route.Handlers {
		at.before = append(slices.Clip(outer.before), caddyhttp.RouteList{{Handlers: route.Handlers[:i]}})
		at.after = append(slices.Clip(outer.after), caddyhttp.RouteList{{Handlers: route.Handlers[i+1:]}})
		if h, ok := h.(*Handler); ok {
			w.found(h.site, at)
		}
		w.routes(inside(at.server, h), at, depth+1)
		if at.answered == "" {
			at.answered = answers(at.server, route.Handlers[i:i+1], depth)
		}
	}
}

// inside returns the routes that a handler leads requests through.
func inside(server *caddyhttp.Server, h caddyhttp.MiddlewareHandler) caddyhttp.RouteList {
	switch h := h.(type) {
	case *caddyhttp.Subroute:
		return h.Routes
	case *caddyhttp.Invoke:
		if named, ok := server.NamedRoutes[h.Name]; ok {
			return caddyhttp.RouteList{*named}
		}
	}
	return nil
}

// found notes a place where a site's handler stands. One handler may stand in
// several places, where a named route is invoked from several sites.
func (w *walk) found(s *site, at place) {
	if s == nil {
		return
	}
	s.server = at.server
	s.hosts = append(s.hosts, at.hosts...)
	s.everyHost = s.everyHost || len(at.hosts) == 0
	s.places = append(s.places, at)
}

// sameHosts reports whether two routes serve a host in common. No hosts means
// all of them.
func sameHosts(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return slices.ContainsFunc(a, func(h string) bool { return slices.Contains(b, h) })
}
