package caddyauth

import (
	"net/http"
	"strings"
)

// extendedVia is what Caddy adds to Via last of all if a request came over HTTP/2 or
// HTTP/3.
var extendedVia = [...]string{"2.0 Caddy", "3.0 Caddy"}

// isAskedSocket reports whether another Caddy asks about a WebSocket over HTTP/2 or
// HTTP/3 (RFC 8441, RFC 9220). It says CONNECT then, as its client did, but proxies a
// GET with Upgrade. Over HTTP/1 a client can send all of this but the end of Via, and
// the upstream would get the CONNECT; over the others it cannot send Upgrade
// (RFC 9113 section 8.2.2, RFC 9114 section 4.2).
func isAskedSocket(h http.Header) bool {
	via, upgrade := h["Via"], h["Upgrade"]
	if len(via) == 0 || len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") {
		return false
	}
	last := via[len(via)-1]
	return last == extendedVia[0] || last == extendedVia[1]
}
