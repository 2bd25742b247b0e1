package gate

import (
	"net/http"
	"net/url"
)

// method is the request's method as the upstream gets it.
func method(r *http.Request) string {
	if r.Method == http.MethodConnect && isExtendedConnect(r) {
		return http.MethodGet
	}
	return r.Method
}

// isExtendedConnect says whether r opens a WebSocket over HTTP/2 (RFC 8441) or
// HTTP/3 (RFC 9220), which Caddy's proxy turns into a GET with Upgrade. Go has
// the :protocol pseudo-header in the header map, quic-go in r.Proto. HTTP/1
// cannot send either: a colon does not begin a field name.
func isExtendedConnect(r *http.Request) bool {
	if r.Method != http.MethodConnect {
		return false
	}
	switch r.ProtoMajor {
	case 2:
		v := r.Header[":protocol"]
		return len(v) == 1 && v[0] == "websocket"
	case 3:
		return r.Proto == "websocket"
	}
	return false
}

// refusesMethod says whether the request is one that a gate has no use for:
// TRACE would hand a script the headers that were set for the upstream, CONNECT
// would make a tunnel, and * is no path that a rule could mean.
func refusesMethod(r *http.Request, original *url.URL) bool {
	switch r.Method {
	case http.MethodTrace, "TRACK":
		return true
	case http.MethodConnect:
		return !isExtendedConnect(r)
	}
	return original.Path == "*" || r.URL.Path == "*"
}
