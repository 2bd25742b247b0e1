package caddyauth

import (
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// unconditional reports whether a route takes every request.
func unconditional(route caddyhttp.Route) bool {
	return len(route.MatcherSetsRaw) == 0 && len(route.MatcherSets) == 0
}

// answers names the handler of the list that answers every request, if one
// does.
func answers(server *caddyhttp.Server, handlers []caddyhttp.MiddlewareHandler, depth int) string {
	if depth > maxDepth {
		return ""
	}
	for _, h := range handlers {
		if name := answersAll(h); name != "" {
			return name
		}
		for _, route := range inside(server, h) {
			if !unconditional(route) {
				continue
			}
			if name := answers(server, route.Handlers, depth+1); name != "" {
				return name
			}
		}
	}
	return ""
}

// answersAll names a handler that passes no request on.
func answersAll(h caddyhttp.MiddlewareHandler) string {
	switch h := h.(type) {
	case caddyhttp.StaticResponse, *caddyhttp.StaticResponse:
		return "respond or redir"
	case caddyhttp.StaticError, *caddyhttp.StaticError:
		return "error"
	case *reverseproxy.Handler:
		// Routes for some of the upstream's answers may pass requests on, as
		// forward_auth does where the upstream agrees.
		if len(h.HandleResponse) == 0 {
			return "reverse_proxy"
		}
	case *fileserver.FileServer:
		if !h.PassThru {
			return "file_server"
		}
	}
	return ""
}

// answersSome names a handler in routes before a place that answers requests
// for the place's hosts.
func answersSome(at place, routes caddyhttp.RouteList) string {
	for _, route := range routes {
		var there place
		there.enter(route)
		if len(there.hosts) > 0 && !sameHosts(there.hosts, at.hosts) {
			continue
		}
		name, guarded := firstAnswer(at.server, route.Handlers, 0)
		if name != "" {
			return name
		}
		if guarded && unconditional(route) {
			return ""
		}
	}
	return ""
}

// firstAnswer names the first handler that answers requests. What stands behind
// another caddyauth is guarded by it, and does not count.
func firstAnswer(server *caddyhttp.Server, handlers []caddyhttp.MiddlewareHandler, depth int) (name string, guarded bool) {
	if depth > maxDepth {
		return "", false
	}
	for _, h := range handlers {
		if _, ok := h.(*Handler); ok {
			return "", true
		}
		if name := answerer(h); name != "" {
			return name, false
		}
		for _, route := range inside(server, h) {
			name, guarded := firstAnswer(server, route.Handlers, depth+1)
			if name != "" || guarded && unconditional(route) {
				return name, guarded
			}
		}
	}
	return "", false
}

// answerer names a handler that answers requests. Redirects to https under the
// same host, which Caddy adds by itself, are none that matter, and neither is
// forward_auth, which asks another gate.
func answerer(h caddyhttp.MiddlewareHandler) string {
	switch h := h.(type) {
	case caddyhttp.StaticResponse:
		return staticAnswer(&h)
	case *caddyhttp.StaticResponse:
		return staticAnswer(h)
	case *reverseproxy.Handler:
		if len(h.HandleResponse) == 0 || h.Rewrite == nil || h.Rewrite.Method == "" {
			return "reverse_proxy"
		}
	case *fileserver.FileServer:
		return "file_server"
	}
	return ""
}

// staticAnswer is the directive that makes a static response.
func staticAnswer(h *caddyhttp.StaticResponse) string {
	location := h.Headers.Get("Location")
	switch {
	case h.Abort:
		return "abort"
	case strings.HasPrefix(location, "https://{http.request.host}"):
		return ""
	case location != "":
		return "redir"
	}
	return "respond"
}
