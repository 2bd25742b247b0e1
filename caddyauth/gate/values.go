package gate

import (
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// of returns the value as it goes on the wire.
func (f *field) of(s *session.Session) string {
	switch {
	case f.list != nil:
		return joinItems(f.list(s))
	case f.value != nil:
		return encodeValue(f.value(s), false)
	}
	return claimValue(s, f.Claim)
}

// claimValue returns the claim at path as a field value: text as it is, lists
// of text joined, numbers and booleans as JSON has them. Objects and null are
// no value.
func claimValue(s *session.Session, path string) string {
	switch v, _ := s.Claim(path); v.Kind() {
	case jwt.String:
		return encodeValue(v.String(), false)
	case jwt.Number, jwt.Bool:
		return v.Raw()
	case jwt.Array:
		return joinItems(v.Strings())
	}
	return ""
}

// joinItems joins the items of a list, each encoded.
func joinItems(items []string) string {
	switch len(items) {
	case 0:
		return ""
	case 1:
		return encodeValue(items[0], true)
	}
	n := len(items) - 1
	for _, item := range items {
		n += encodedLen(item, true)
	}
	b := make([]byte, 0, n)
	for _, item := range items {
		if item == "" {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = appendEncoded(b, item, true)
	}
	return string(b)
}

// encodeValue returns s itself if nothing in it needs encoding.
func encodeValue(s string, item bool) string {
	n := encodedLen(s, item)
	if n == len(s) {
		return s
	}
	return string(appendEncoded(make([]byte, 0, n), s, item))
}

func encodedLen(s string, item bool) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if mustEncode(s, i, item) {
			n += 2
		}
	}
	return n
}

func appendEncoded(b []byte, s string, item bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		if c := s[i]; mustEncode(s, i, item) {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

func mustEncode(s string, i int, item bool) bool {
	switch c := s[i]; {
	case c < 0x20, c >= 0x7f, c == '%':
		return true
	case c == ' ':
		// Both ends of a field value are trimmed (RFC 9110 section 5.5).
		return i == 0 || i == len(s)-1
	case c == ',', c == ';':
		return item
	}
	return false
}
