package jwt

import (
	"errors"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// ErrSyntax says that a text is not the JSON it has to be.
var ErrSyntax = errors.New("jwt: invalid JSON")

// MaxDepth is how deep arrays and objects may nest, the outermost included.
const MaxDepth = 64

// Members calls fn for each member of the JSON object claims, in order, until
// fn returns false. Names come unescaped and are compared by nobody: what
// differs in case is a different member. Of repeated members the last one
// counts in JavaScript, so callers simply overwrite.
//
// The text must be strict JSON (RFC 8259) in valid UTF-8, nested no deeper
// than [MaxDepth]; otherwise the error is [ErrSyntax]. It is checked along the
// way: a caller must discard what it gathered if Members returns an error, and
// what comes after fn returned false has not been looked at.
//
// Members does not allocate, except for names written with escapes.
func Members(claims string, fn func(name string, v Value) bool) error {
	return scanObject(claims, func(_, name string, v Value) bool { return fn(name, v) })
}

// scanObject is Members with the name as written, quotes included, in front.
func scanObject(s string, fn func(key, name string, v Value) bool) error {
	i := skipSpace(s, 0)
	if i == len(s) || s[i] != '{' {
		return ErrSyntax
	}
	for first := true; ; first = false {
		i = skipSpace(s, i+1)
		if first && i < len(s) && s[i] == '}' {
			break
		}
		keyEnd, escaped := scanString(s, i)
		if keyEnd < 0 {
			return ErrSyntax
		}
		key := s[i:keyEnd]
		i = skipSpace(s, keyEnd)
		if i == len(s) || s[i] != ':' {
			return ErrSyntax
		}
		i = skipSpace(s, i+1)
		v, end := scanValue(s, i, MaxDepth-1)
		if end < 0 {
			return ErrSyntax
		}
		name := key[1 : len(key)-1]
		if escaped {
			name = unquote(key)
		}
		if !fn(key, name, v) {
			return nil
		}
		i = skipSpace(s, end)
		if i == len(s) {
			return ErrSyntax
		}
		if s[i] == '}' {
			break
		}
		if s[i] != ',' {
			return ErrSyntax
		}
	}
	if skipSpace(s, i+1) != len(s) {
		return ErrSyntax
	}
	return nil
}

// scanValue reads the value at s[i:] and returns the index after it, or -1.
// It may nest levels deep.
func scanValue(s string, i, levels int) (Value, int) {
	if i >= len(s) {
		return Value{}, -1
	}
	v, end := Value{}, -1
	switch c := s[i]; c {
	case '"':
		v.kind = String
		end, v.escaped = scanString(s, i)
	case '{', '[':
		v.kind = Array
		if c == '{' {
			v.kind = Object
		}
		end = scanNested(s, i, levels)
	default:
		v.kind, end = scanScalar(s, i)
	}
	if end < 0 {
		return Value{}, -1
	}
	v.raw = s[i:end]
	return v, end
}

// scanScalar reads a number, a boolean or null at s[i:].
func scanScalar(s string, i int) (Kind, int) {
	switch rest := s[i:]; {
	case strings.HasPrefix(rest, "null"):
		return Null, i + 4
	case strings.HasPrefix(rest, "true"):
		return Bool, i + 4
	case strings.HasPrefix(rest, "false"):
		return Bool, i + 5
	default:
		return Number, scanNumber(s, i)
	}
}

// scanNested walks over the array or object at s[i:]. It keeps what is open in
// the bits of a word instead of recursing: 1 for an object, 0 for an array, all
// of them below a sentinel 1.
func scanNested(s string, i, levels int) int {
	open := uint64(1)
	for {
		// A value is due at s[i].
		if i = skipSpace(s, i); i == len(s) {
			return -1
		}
		switch c := s[i]; c {
		case '{', '[':
			if bits.Len64(open) > levels {
				return -1
			}
			open <<= 1
			if c == '{' {
				open |= 1
			}
			i = skipSpace(s, i+1)
			if i < len(s) && s[i] != closer(open) {
				if i = scanElement(s, i, open); i < 0 {
					return -1
				}
				continue
			}
		default:
			if _, i = scanValue(s, i, 0); i < 0 {
				return -1
			}
			i = skipSpace(s, i)
		}
		if i, open = scanAfter(s, i, open); i < 0 || open == 1 {
			return i
		}
	}
}

// scanAfter goes on from the end of a value at s[i:]. It closes what ends
// there and steps over the comma, and the name, that lead to the next value.
func scanAfter(s string, i int, open uint64) (int, uint64) {
	for ; i < len(s); i = skipSpace(s, i+1) {
		if s[i] == ',' {
			return scanElement(s, skipSpace(s, i+1), open), open
		}
		if s[i] != closer(open) {
			return -1, open
		}
		if open >>= 1; open == 1 {
			return i + 1, open
		}
	}
	return -1, open
}

// scanElement steps over what precedes a value in the innermost container:
// nothing in an array, the name in an object.
func scanElement(s string, i int, open uint64) int {
	if open&1 == 1 {
		return scanKey(s, i)
	}
	return i
}

// closer is the character that ends the innermost container.
func closer(open uint64) byte {
	if open&1 == 1 {
		return '}'
	}
	return ']'
}

// scanKey reads a member's name and the colon after it.
func scanKey(s string, i int) int {
	i, _ = scanString(s, i)
	if i < 0 {
		return -1
	}
	i = skipSpace(s, i)
	if i == len(s) || s[i] != ':' {
		return -1
	}
	return i + 1
}

// plain marks the bytes that stand for themselves inside a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// scanString reads the string at s[i:], quotes included. It returns the index
// after it, or -1, and whether the string has escapes.
func scanString(s string, i int) (end int, escaped bool) {
	if i >= len(s) || s[i] != '"' {
		return -1, false
	}
	start, ascii := i, true
	for i++; ; i++ {
		for i < len(s) && plain[s[i]] {
			i++
		}
		if i == len(s) {
			return -1, false
		}
		switch c := s[i]; {
		case c == '"':
			// Checking the whole at once is faster than rune by rune.
			if !ascii && !utf8.ValidString(s[start:i]) {
				return -1, false
			}
			return i + 1, escaped
		case c == '\\':
			n := escapeLen(s[i:])
			if n == 0 {
				return -1, false
			}
			i += n - 1
			escaped = true
		case c >= utf8.RuneSelf:
			ascii = false
		default:
			return -1, false // control characters must be escaped
		}
	}
}

// escapeLen is the length of the escape that s begins with, 0 if it is none.
// Half a surrogate pair is an escape like any other here.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(s); ok {
			return 6
		}
	}
	return 0
}

// scanNumber reads the number at s[i:] (RFC 8259 section 6).
func scanNumber(s string, i int) int {
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++ // no digit may follow a leading zero
	} else if i = skipDigits(s, i); i < 0 {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		if i = skipDigits(s, i+1); i < 0 {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		i = skipDigits(s, i)
	}
	return i
}

// skipDigits returns the index after one or more digits, or -1.
func skipDigits(s string, i int) int {
	start := i
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}
