package caddyauth

import (
	"net/http"
	"net/url"
	"strings"
)

// tooEarly reports whether a request of the API came in TLS early data and must
// not be answered before the handshake is complete: whoever recorded it can send
// it again (RFC 8470). That is all that changes something, and what comes from a
// provider or a mail. Early data arrives over HTTP/3, or at a proxy that
// says so. The browser sends the request once more by itself.
func (s *site) tooEarly(r *http.Request, original *url.URL) bool {
	early := r.TLS != nil && !r.TLS.HandshakeComplete
	for _, v := range r.Header["Early-Data"] {
		early = early || strings.TrimSpace(v) == "1"
	}
	if !early {
		return false
	}
	rest, _ := strings.CutPrefix(original.Path, s.basePath+"/")
	action, _, _ := strings.Cut(rest, "/")
	switch action {
	case "callback", "handoff", "signed-out", "frontchannel-logout", "login":
		return true
	}
	return r.Method != http.MethodGet && r.Method != http.MethodHead
}
