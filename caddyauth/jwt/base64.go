package jwt

import "slices"

// digits gives what a base64url character (RFC 4648 section 5) stands for, in
// its place among the four characters that make three bytes, or foreign.
var digits = func() (t [4][256]uint32) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for place := range t {
		for c := range t[place] {
			t[place][c] = foreign
		}
		for value := range len(alphabet) {
			t[place][alphabet[value]] = uint32(value) << (18 - 6*place)
		}
	}
	return t
}()

// foreign is a bit that no value has.
const foreign = 1 << 31

// encodedLen is the number of base64url characters that stand for n bytes.
func encodedLen(n int) int { return (n*8 + 5) / 6 }

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
		v := digits[0][s[0]] | digits[1][s[1]] | digits[2][s[2]] | digits[3][s[3]]
		if v&foreign != 0 {
			return dst, false
		}
		dst = append(dst, byte(v>>16), byte(v>>8), byte(v))
		s = s[4:]
	}
	switch len(s) {
	case 0:
		return dst, true
	case 2:
		v := digits[0][s[0]] | digits[1][s[1]]
		return append(dst, byte(v>>16)), v&(foreign|0xFFFF) == 0
	case 3:
		v := digits[0][s[0]] | digits[1][s[1]] | digits[2][s[2]]
		return append(dst, byte(v>>16), byte(v>>8)), v&(foreign|0xFF) == 0
	default:
		return dst, false // one character is 6 bits, less than a byte
	}
}
