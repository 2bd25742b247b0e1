package jwt

import "slices"

// digit gives the value of a base64url character (RFC 4648 section 5), or
// noDigit.
var digit = func() (t [256]byte) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range t {
		t[i] = noDigit
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return t
}()

const noDigit = 0xFF

// decodedLen is the number of bytes that n base64url characters stand for.
func decodedLen(n int) int { return n/4*3 + n%4*3/4 }

// appendDecoded appends the bytes that s stands for in unpadded base64url.
//
// It exists because encoding/base64 skips CR and LF even in strict mode and
// wants its input as bytes. Here no two strings decode to the same bytes:
// padding, foreign characters and set bits after the last byte are errors.
func appendDecoded(dst []byte, s string) ([]byte, bool) {
	dst = slices.Grow(dst, decodedLen(len(s)))
	for len(s) >= 4 {
		a, b, c, d := digit[s[0]], digit[s[1]], digit[s[2]], digit[s[3]]
		if a|b|c|d == noDigit {
			return dst, false
		}
		dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|d)
		s = s[4:]
	}
	switch len(s) {
	case 0:
		return dst, true
	case 2:
		a, b := digit[s[0]], digit[s[1]]
		if a|b == noDigit || b&0x0F != 0 {
			return dst, false
		}
		return append(dst, a<<2|b>>4), true
	case 3:
		a, b, c := digit[s[0]], digit[s[1]], digit[s[2]]
		if a|b|c == noDigit || c&0x03 != 0 {
			return dst, false
		}
		return append(dst, a<<2|b>>4, b<<4|c>>2), true
	default:
		return dst, false // one character is 6 bits, less than a byte
	}
}
