package jwt

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds of JSON values. The zero Value has none of them.
const (
	Null Kind = iota + 1
	Bool
	Number
	String
	Array
	Object
)

// Value is a JSON value as it stands in the text it was read from. Its methods
// answer for the zero Value, and for a value of another kind than they are
// about, with the zero value of what they return.
type Value struct {
	raw     string
	kind    Kind
	escaped bool // a string with escapes in it
}

// Kind returns the type of the value.
func (v Value) Kind() Kind { return v.kind }

// Raw returns the value as written, strings with their quotes.
func (v Value) Raw() string { return v.raw }

// Bool returns the truth of a boolean.
func (v Value) Bool() bool { return v.kind == Bool && v.raw == "true" }

// String returns the text of a string. Without escapes in it that is a
// substring of the claims; else it is built. Half a surrogate pair, which
// JavaScript can write but UTF-8 cannot, becomes U+FFFD.
func (v Value) String() string {
	switch {
	case v.kind != String:
		return ""
	case v.escaped:
		return unquote(v.raw)
	default:
		return v.raw[1 : len(v.raw)-1]
	}
}

// Int returns a number that is written as an integer and fits 64 bits.
func (v Value) Int() (int64, bool) {
	if v.kind != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.raw, 10, 64)
	return n, err == nil
}

// NumericDate returns a number as seconds since the epoch (RFC 7519 section
// 2), a fraction rounded up. What lies before the epoch or after [MaxDate] is
// not a date.
func (v Value) NumericDate() (int64, bool) {
	if v.kind != Number {
		return 0, false
	}
	if n, ok := v.Int(); ok {
		return n, n >= 0 && n <= MaxDate
	}
	f, err := strconv.ParseFloat(v.raw, 64)
	if f = math.Ceil(f); err != nil || !(f >= 0 && f <= MaxDate) {
		return 0, false
	}
	return int64(f), true
}

// Strings returns the strings in an array, leaving out what is none. A string
// that stands alone counts as a list of one, as in the aud claim (RFC 7519
// section 4.1.3).
func (v Value) Strings() []string {
	if v.kind == String {
		return []string{v.String()}
	}
	var list []string
	v.Elements(func(e Value) bool {
		if e.kind == String {
			list = append(list, e.String())
		}
		return true
	})
	return list
}

// Elements calls fn for each element of an array until fn returns false.
func (v Value) Elements(fn func(Value) bool) {
	if v.kind != Array {
		return
	}
	// The text has been checked when v was made, so what fails here is only
	// the search for another element.
	for i := 1; ; i++ {
		e, end := scanValue(v.raw, skipSpace(v.raw, i), MaxDepth-1)
		if end < 0 || !fn(e) {
			return
		}
		i = skipSpace(v.raw, end) // at the comma or the bracket
	}
}

// Members calls fn for each member of an object until fn returns false. See
// the function [Members].
func (v Value) Members(fn func(name string, v Value) bool) {
	if v.kind == Object {
		_ = Members(v.raw, fn) // checked when v was made
	}
}

// unquote returns the text of a checked JSON string literal.
func unquote(lit string) string {
	s := lit[1 : len(lit)-1]
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	// Every escape is longer than what it stands for.
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for i < len(s) {
		c := s[i]
		if c != '\\' {
			out = append(out, c)
			i++
			continue
		}
		if s[i+1] != 'u' {
			out = append(out, unescaped(s[i+1]))
			i += 2
			continue
		}
		r, n := unescapeRune(s[i:])
		out = utf8.AppendRune(out, r)
		i += n
	}
	return string(out)
}

// unescaped is what the letter of a two-character escape stands for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c // quote, backslash, slash
	}
}

// unescapeRune reads the \u escape, or the surrogate pair of them, that s
// begins with (RFC 8259 section 7), and returns its length.
func unescapeRune(s string) (rune, int) {
	r, _ := hex4(s)
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex4(s[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

// hex4 returns the code unit of the \u escape that s begins with.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	r := rune(0)
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
