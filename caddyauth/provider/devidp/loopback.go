package devidp

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
)

// loopbackIssuer reports whether an issuer's host can only ever mean this
// computer: localhost and the names below it (RFC 6761, section 6.3), 127/8
// and ::1.
func loopbackIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return false
	}
	return loopback.Is(u.Hostname())
}

// loopbackAddr reports whether the text form of a connection's address is a
// loopback IP address. IPv4 inside IPv6, which dual-stack sockets report, is
// looked at as IPv4. Whatever is no IP address, a Unix socket say, is not:
// nobody knows who stands behind it.
func loopbackAddr(s string) bool {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().IsLoopback()
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Unmap().IsLoopback()
}

// local reports whether both ends of the connection are on this computer, and
// the browser knows that.
//
// A site called localhost listens on all interfaces by default, and a Host
// header is easily forged, so addresses decide. They are those of the
// connection, also of the request as it was before any handler rewrote it. The
// host can only close the door: a page of anybody's whose name was rebound to
// this computer gives itself away by it.
func local(r *http.Request) bool {
	if u := (url.URL{Host: r.Host}); !loopback.Is(u.Hostname()) {
		return false
	}
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if addr == nil || !loopbackAddr(addr.String()) || !loopbackAddr(r.RemoteAddr) {
		return false
	}
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if ok && original.RemoteAddr != "" && !loopbackAddr(original.RemoteAddr) {
		return false
	}
	return !forwarded(r.Header)
}

// forwarded reports whether a proxy on this computer carries the request for
// somebody elsewhere: a tunnel or a reverse proxy makes both ends of the
// connection loopback. It can only close the door, so believing headers that
// anybody can send does no harm.
func forwarded(h http.Header) bool {
	if len(h["Forwarded"]) > 0 {
		return true
	}
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip"} {
		for _, line := range h[name] {
			for item := range strings.SplitSeq(line, ",") {
				if !loopbackAddr(strings.TrimSpace(item)) {
					return true
				}
			}
		}
	}
	return false
}
