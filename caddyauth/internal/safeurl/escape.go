package safeurl

import "strings"

// forbidden are the printable characters that browsers never send bare in a
// request target.
const forbidden = "\"<>\\"

// escape percent-encodes what must not stand in a URL: space, controls,
// non-ASCII bytes, a few delimiters, those in also, and percent signs that
// begin no escape. Everything else stays as it is, so that a clean URL comes
// back byte for byte.
func escape(s, also string) string {
	i := 0
	for i < len(s) && keeps(s, i, also) {
		i++
	}
	if i == len(s) {
		return s
	}
	const hex = "0123456789ABCDEF"
	out := append(make([]byte, 0, len(s)+32), s[:i]...)
	for ; i < len(s); i++ {
		if c := s[i]; keeps(s, i, also) {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

// keeps reports whether the byte at s[i] may stand as it is.
func keeps(s string, i int, also string) bool {
	switch c := s[i]; {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/':
		return true
	case c <= ' ', c >= 0x7F:
		return false
	case c == '%':
		_, ok := Unescape(s[i:])
		return ok
	default:
		return strings.IndexByte(forbidden, c) < 0 && strings.IndexByte(also, c) < 0
	}
}

// Unescape returns the byte of the percent escape that s begins with, if it does.
func Unescape(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	hi, ok1 := nibble(s[1])
	lo, ok2 := nibble(s[2])
	return hi<<4 | lo, ok1 && ok2
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
