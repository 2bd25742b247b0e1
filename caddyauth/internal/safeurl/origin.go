package safeurl

import (
	"net/netip"
	"strconv"
	"strings"
)

// CanonicalOrigin returns the origin (RFC 6454) that s spells, in lower case
// and without the scheme's default port, and whether s is one: http or https,
// "://", a host and perhaps a port, and nothing else.
//
// The host is taken literally. User information, escapes, characters outside
// ASCII, IPv6 zones, a trailing dot, an empty port or one with leading zeros
// are refused, although a browser may fold some of them into a host that is
// ours: nobody writes them by accident. So are hosts that end in a number but
// are no IPv4 address in its usual form, because browsers read one into them.
func CanonicalOrigin(s string) (string, bool) {
	scheme, authority, ok := strings.Cut(s, "://")
	scheme = lower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return "", false
	}
	host, port, ok := splitPort(lower(authority))
	if !ok || !validHost(host) {
		return "", false
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host, true
	}
	return scheme + "://" + host + ":" + port, true
}

// splitPort cuts the port off an authority, if there is one.
func splitPort(authority string) (host, port string, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, "", true
	}
	host, port = authority[:i], authority[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	return host, port, err == nil && n > 0 && port[0] != '0'
}

// validHost reports whether host, in lower case, is an IP address or a name
// that every parser takes for the same one.
func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == "" && addr.String() == inner
	}
	if host == "" || len(host) > 253 {
		return false
	}
	label := ""
	for rest, more := host, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		if !validLabel(label) {
			return false
		}
	}
	if !isNumber(label) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is4()
}

// isNumber is the WHATWG URL standard's test of a host's last label that makes
// the host an IPv4 address: all digits, or hexadecimal ones after 0x.
func isNumber(label string) bool {
	digits := "0123456789"
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		label, digits = rest, "0123456789abcdef"
	}
	return strings.Trim(label, digits) == ""
}

// validLabel allows the underscore, which is no host name (RFC 952) but works
// in every browser.
func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range []byte(label) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// lower folds ASCII only. Unicode folding turns the Kelvin sign into a k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
