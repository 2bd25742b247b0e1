// Package safeurl decides which URLs a browser may be sent to, and spells them
// so that every browser, proxy and framework reads the same thing in them.
//
// Go and browsers disagree about URLs (the WHATWG URL standard strips tabs and
// line feeds, takes backslashes for slashes and guesses missing ones), so
// nothing here trusts one parser's opinion. Input is accepted by its literal
// spelling only, and output never is the input: it starts with a configured
// origin, continues with a path, query or fragment, and holds nothing but
// printable ASCII.
package safeurl

import (
	"net/url"
	"strings"
)

// MaxURL is the length in bytes of the longest URL that [Target.Resolve] and
// [FromRequest] return. A longer one would hardly fit into the cookie that
// carries it percent-encoded through the sign-in.
const MaxURL = 2048

// Target says where redirects may lead.
type Target struct {
	// Origin is where relative URLs lead: scheme, host and, unless it is the
	// scheme's default, port.
	Origin string

	// Also are further origins that an absolute URL may have.
	Also []string
}

// Resolve returns the absolute URL that raw stands for, if it leads to the
// target: either "/..." on its origin, or an http(s) URL of exactly one of its
// origins, with default ports and the case of scheme and host folded. What is
// printable ASCII in path, query and fragment stays as it is, save for the few
// characters that no URL may hold.
//
// A fragment with which the URL would be too long is left out. What no URL may
// hold is escaped in it, as browsers leave some of that as it is there.
//
// If ok is false, raw is empty, leads elsewhere, is longer than [MaxURL], or is
// spelled so that somebody might think it leads elsewhere; callers use the
// origin instead.
func (t Target) Resolve(raw string) (absolute string, ok bool) {
	raw, fragment, hasFragment := strings.Cut(raw, "#")
	if raw == "" || len(raw) > MaxURL || hasAmbiguous(raw) {
		return "", false
	}
	origin, rest := "", raw
	if raw[0] == '/' {
		if origin, ok = CanonicalOrigin(t.Origin); !ok || leavesOrigin(raw) {
			return "", false
		}
	} else if origin, rest, ok = t.match(raw); !ok {
		return "", false
	}
	absolute = origin + escape(rest, "")
	if len(absolute) > MaxURL {
		return "", false
	}
	if hasFragment && len(fragment) <= MaxURL {
		// No server sees it, and it has no say in where the browser goes.
		if whole := absolute + "#" + escape(fragment, ""); len(whole) <= MaxURL {
			absolute = whole
		}
	}
	return absolute, true
}

// match returns the canonical origin of the absolute URL raw, if it is one of
// the target's, and what follows it in raw.
func (t Target) match(raw string) (origin, rest string, ok bool) {
	start := strings.Index(raw, "://")
	if start < 0 {
		return "", "", false
	}
	end := len(raw)
	if i := strings.IndexAny(raw[start+3:], "/?#"); i >= 0 {
		end = start + 3 + i
	}
	origin, ok = CanonicalOrigin(raw[:end])
	if !ok {
		return "", "", false
	}
	if own, ok := CanonicalOrigin(t.Origin); ok && own == origin {
		return origin, raw[end:], true
	}
	for _, other := range t.Also {
		if other, ok := CanonicalOrigin(other); ok && other == origin {
			return origin, raw[end:], true
		}
	}
	return "", "", false
}

// hasAmbiguous reports whether s has bytes on which parsers disagree: controls,
// which browsers strip in part, and backslashes, which they take for slashes.
func hasAmbiguous(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7F || c == '\\' {
			return true
		}
	}
	return false
}

// leavesOrigin reports whether a path, read as a reference by a browser or by
// code that decodes it first, would name a host: whether it begins with two
// slashes once escapes are decoded, controls and space dropped, backslashes
// turned around and dot segments removed. Joined to an origin such a path does
// no harm, but somebody may take it off again.
func leavesOrigin(path string) bool {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	depth := 0         // segments left of those read
	size, dots := 0, 0 // of the segment being read
	for i := 1; i < len(path); i++ {
		c := path[i]
		if b, ok := Unescape(path[i:]); ok {
			c = b
			i += 2
		}
		switch {
		case c == '.':
			size++
			dots++
		case c <= ' ', c == 0x7F:
		case c != '/' && c != '\\':
			size++
		default:
			switch {
			case size == 0 && depth == 0:
				return true
			case size == 2 && dots == 2:
				depth = max(depth-1, 0)
			case size != 1 || dots != 1:
				depth++
			}
			size, dots = 0, 0
		}
	}
	return false
}

// FromRequest returns the URL to come back to after sign-in for a request for
// u, which is the URL that the client asked for: path and query as the client
// spelled them, on origin. The host of u, which a client can choose freely,
// does not count. Without the query if the URL would be longer than [MaxURL],
// and the origin alone if it still is.
func FromRequest(origin string, u *url.URL) string {
	path := u.EscapedPath()
	// EscapedPath writes a path anew, and %2F as a slash, if the client left
	// one character unescaped that Go escapes.
	if decoded, err := url.PathUnescape(u.RawPath); u.RawPath != "" && err == nil && decoded == u.Path {
		path = u.RawPath
	}
	if path == "" || path[0] != '/' {
		path = "/" // OPTIONS *, CONNECT
	}
	bare := origin + escape(path, "?#")
	full := bare
	if u.RawQuery != "" || u.ForceQuery {
		full += "?" + escape(u.RawQuery, "#")
	}
	switch {
	case len(full) <= MaxURL:
		return full
	case len(bare) <= MaxURL:
		return bare
	default:
		return origin
	}
}
