// Package loopback tells which host names mean this machine.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether a host, without a port, can be reached from this machine
// alone: a loopback address, in brackets or not, or a name that resolves to
// nothing else (RFC 6761, section 6.3). A name that only looks like an address,
// such as 127.evil.example, is anybody's.
func Is(host string) bool {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
