package cookie

import (
	"strings"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// Name prefixes that browsers enforce (RFC 6265bis section 4.1.3).
const (
	prefixSecure = "__Secure-"
	prefixHost   = "__Host-"
)

// Names are the full names of the cookies of one site.
type Names struct {
	Session     string // the session token, possibly in chunks
	CSRF        string // token and hash of the double submit
	CallbackURL string // where to go after sign-in
	State       string // sealed state of an attempt
	PKCE        string // sealed PKCE code verifier of an attempt
	Nonce       string // sealed OpenID Connect nonce of an attempt
	Challenge   string // sealed challenge that a passkey is to answer
	Notice      string // sealed reason of a failure, for the error page
	Tokens      string // sealed tokens of the provider, possibly in chunks
	Handoff     string // sealed sign-ins under way between a portal and its members
	Rounds      string // how many sign-ins there were within a minute
	Leaving     string // sealed state of a sign-out that goes on at the provider
	Prompt      string // sealed list of providers that are to ask for a sign-in

	// Secure says that the site is served over HTTPS: names carry browser
	// prefixes and cookies the Secure attribute.
	Secure bool

	// ChunkSize is the length in bytes of the longest session cookie value that
	// stays in one piece.
	ChunkSize int

	owned string // what every name starts with, browser prefix aside
}

// NewNames returns the names that start with prefix, the dialect's own if that
// is empty. With secure they start with __Secure- in addition; the CSRF cookie and
// that of handoffs get __Host-, because they must be out of reach of sibling
// domains.
func NewNames(d dialect.Dialect, prefix string, secure bool) Names {
	if prefix == "" {
		prefix = d.CookiePrefix()
	}
	usual, host := prefix, prefix
	if secure {
		usual, host = prefixSecure+prefix, prefixHost+prefix
	}
	return Names{
		Session:     usual + ".session-token",
		CSRF:        host + ".csrf-token",
		CallbackURL: usual + ".callback-url",
		State:       usual + ".state",
		PKCE:        usual + ".pkce.code_verifier",
		Nonce:       usual + ".nonce",
		Challenge:   usual + ".challenge",
		Notice:      usual + ".notice",
		Tokens:      usual + ".tokens",
		Handoff:     host + ".handoff",
		Rounds:      usual + ".rounds",
		Leaving:     usual + ".leaving",
		Prompt:      usual + ".prompt",
		Secure:      secure,
		ChunkSize:   chunkSize(d),
		owned:       prefix + ".",
	}
}

// Owned reports whether name belongs to this site's namespace: whether it
// starts with the prefix and a dot, with or without a browser prefix. That
// covers chunks and the cookies of the same site over the other scheme.
func (n *Names) Owned(name string) bool {
	if rest, ok := strings.CutPrefix(name, prefixSecure); ok {
		name = rest
	} else if rest, ok := strings.CutPrefix(name, prefixHost); ok {
		name = rest
	}
	return n.owned != "" && strings.HasPrefix(name, n.owned)
}

// ValidPrefix reports whether s can start cookie names: it is a token
// (RFC 9110 section 5.6.2) of at most 64 bytes and does not itself begin with
// a browser prefix, which [NewNames] adds as needed.
func ValidPrefix(s string) bool {
	if s == "" || len(s) > 64 || hasFoldPrefix(s, prefixSecure) || hasFoldPrefix(s, prefixHost) {
		return false
	}
	for _, c := range []byte(s) {
		if !isToken(c) {
			return false
		}
	}
	return true
}

// hasFoldPrefix ignores case, as browsers do when they look for their prefixes.
func hasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isToken reports whether c is a tchar (RFC 9110 section 5.6.2).
func isToken(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
