package cookie

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// DefaultChunkSize is the length in bytes of the longest session cookie value
// that NextAuth.js v4 leaves in one piece: 4096, which browsers grant a cookie,
// less an estimate for name and attributes.
const DefaultChunkSize = 3933

// chunkSize is that length in a dialect. Auth.js estimates three bytes less.
func chunkSize(d dialect.Dialect) int {
	if d == dialect.V5 {
		return 3936
	}
	return DefaultChunkSize
}

// Cookie is a cookie to set. Name, Domain, Path and SameSite come from the
// configuration; Value may be any text.
type Cookie struct {
	Name, Value string

	// Domain is left out if empty, which makes a host-only cookie.
	Domain string

	// Path is "/" if empty.
	Path string

	// MaxAge counts if HasMaxAge is set; it is written in whole seconds, zero
	// included.
	MaxAge    int
	HasMaxAge bool

	// Expires is left out if zero.
	Expires time.Time

	HttpOnly, Secure bool

	// SameSite is "Lax", "Strict", "None" in any case, or empty to leave the
	// attribute out.
	SameSite string
}

// String returns the cookie as a Set-Cookie field value, with the bytes and the
// order of attributes of the npm package "cookie". A Domain, Path or SameSite
// that would break out of its attribute is left out.
func (c Cookie) String() string {
	value := Encode(c.Value)
	b := make([]byte, 0, len(c.Name)+len(value)+len(c.Domain)+128)
	b = append(b, c.Name...)
	b = append(b, '=')
	b = append(b, value...)
	if c.HasMaxAge {
		b = append(b, "; Max-Age="...)
		b = strconv.AppendInt(b, int64(c.MaxAge), 10)
	}
	b = appendAttr(b, "Domain", c.Domain)
	path := c.Path
	if path == "" {
		path = "/"
	}
	b = appendAttr(b, "Path", path)
	if !c.Expires.IsZero() {
		b = append(b, "; Expires="...)
		b = c.Expires.UTC().AppendFormat(b, http.TimeFormat)
	}
	if c.HttpOnly {
		b = append(b, "; HttpOnly"...)
	}
	if c.Secure {
		b = append(b, "; Secure"...)
	}
	b = appendAttr(b, "SameSite", sameSite(c.SameSite))
	return string(b)
}

// appendAttr appends an attribute, unless it is empty or its value has bytes
// that no attribute value may have (RFC 6265 section 4.1.1).
func appendAttr(b []byte, name, value string) []byte {
	bad := func(r rune) bool { return r < ' ' || r == ';' || r >= 0x7F }
	if value == "" || strings.ContainsFunc(value, bad) {
		return b
	}
	b = append(b, "; "...)
	b = append(b, name...)
	b = append(b, '=')
	return append(b, value...)
}

func sameSite(s string) string {
	for _, mode := range [...]string{"Lax", "Strict", "None"} {
		if strings.EqualFold(s, mode) {
			return mode
		}
	}
	return ""
}

// Clear returns the cookie that removes c: empty, with Max-Age=0 and without
// Expires. All other attributes stay, because a browser replaces a cookie only
// by one of the same name, domain and path.
func Clear(c Cookie) Cookie {
	c.Value, c.MaxAge, c.HasMaxAge, c.Expires = "", 0, true, time.Time{}
	return c
}

// Chunk returns the cookies that store c: c itself if its value has at most
// size bytes, else c.Name.0, c.Name.1, ... of that size. Names in
// present, those that the request brought (see [Present]), come first and in
// their order, overwritten if still in use and cleared if not; new ones follow.
// The value is cut between bytes and therefore has to be ASCII, as tokens are.
func Chunk(c Cookie, size int, present []string) []Cookie {
	cookies := make([]Cookie, 0, len(present)+1+len(c.Value)/size)
	for _, name := range present {
		old := c
		old.Name = name
		cookies = append(cookies, Clear(old))
	}
	for _, piece := range pieces(c, size) {
		same := func(old Cookie) bool { return old.Name == piece.Name }
		if i := slices.IndexFunc(cookies, same); i >= 0 {
			cookies[i] = piece
		} else {
			cookies = append(cookies, piece)
		}
	}
	return cookies
}

// pieces cuts c up.
func pieces(c Cookie, size int) []Cookie {
	if len(c.Value) <= size {
		return []Cookie{c}
	}
	var list []Cookie
	for value := c.Value; value != ""; {
		n := min(len(value), size)
		piece := c
		piece.Name = c.Name + "." + strconv.Itoa(len(list))
		piece.Value, value = value[:n], value[n:]
		list = append(list, piece)
	}
	return list
}
