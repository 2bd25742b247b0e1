package cookie

import (
	"strings"
	"unicode/utf8"

	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
)

// verbatim marks the bytes that encodeURIComponent leaves alone (ECMA-262,
// section "encodeURIComponent").
var verbatim = func() (t [256]bool) {
	for c := range t {
		t[c] = isAlnum(byte(c)) || strings.IndexByte("-_.!~*'()", byte(c)) >= 0
	}
	return t
}()

// Encode is JavaScript's encodeURIComponent. Bytes that are no UTF-8, on which
// that one throws, count as U+FFFD.
func Encode(s string) string {
	i := 0
	for i < len(s) && verbatim[s[i]] {
		i++
	}
	if i == len(s) {
		return s
	}
	const hex = "0123456789ABCDEF"
	s = strings.ToValidUTF8(s, "\uFFFD")
	out := append(make([]byte, 0, len(s)+32), s[:i]...)
	for _, c := range []byte(s[i:]) {
		if verbatim[c] {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

// Decode is JavaScript's decodeURIComponent, except that it returns s as it is
// where that one throws: if a percent sign begins no escape, or escapes do not
// spell UTF-8. It decodes once and does not allocate without a percent sign.
func Decode(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for rest := s; ; i = strings.IndexByte(rest, '%') {
		if i < 0 {
			return string(append(out, rest...))
		}
		out, rest = append(out, rest[:i]...), rest[i:]
		// A run of escapes has to be UTF-8 on its own; what stands beside it
		// unescaped does not complete it.
		run := len(out)
		for len(rest) > 0 && rest[0] == '%' {
			c, ok := safeurl.Unescape(rest)
			if !ok {
				return s
			}
			out, rest = append(out, c), rest[3:]
		}
		if !utf8.Valid(out[run:]) {
			return s
		}
	}
}
