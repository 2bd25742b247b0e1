package gate

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
)

// Why a path is refused with 400. Everything else has readings, however odd.
var (
	errPathEscape  = errors.New("gate: path has a broken percent-escape")
	errPathControl = errors.New("gate: path has a control byte")
	errPathUTF8    = errors.New("gate: path is not UTF-8")
	errPathOpaque  = errors.New("gate: request target has no path")
)

// decodeWire decodes the escapes of a path that is on the wire, once. With
// keep it leaves what a server may not take for the same: %2F, which is no
// separator to many, and escaped letters, digits, dots, hyphens and
// underscores, which no client escapes (RFC 3986 section 2.3) but somebody who
// hopes that one server decodes them and another does not.
func decodeWire(p string, keep bool) (string, error) {
	escaped := false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '%':
			if !isEscape(p, i) {
				return "", errPathEscape
			}
			escaped = true
		case c < 0x20 || c == 0x7f:
			return "", errPathControl
		}
	}
	if !escaped {
		if !utf8.ValidString(p) {
			return "", errPathUTF8
		}
		return p, nil
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '%' {
			b = append(b, p[i])
			continue
		}
		c, _ := safeurl.Unescape(p[i:])
		switch {
		case c < 0x20 || c == 0x7f:
			return "", errPathControl
		case keep && (c == '/' || c == '.' || c == '-' || c == '_' || isAlnum(c)):
			b = append(b, '%', upperHex(p[i+1]), upperHex(p[i+2]))
		default:
			b = append(b, c)
		}
		i += 2
	}
	if !utf8.Valid(b) {
		return "", errPathUTF8
	}
	return string(b), nil
}

// decodeAgain decodes the escapes of a path that is decoded already. A % that
// begins no escape is a percent sign then: a file may be named "100%". Bytes
// that are not UTF-8 are an error together with the result, since that, too,
// may be a mere name ("50%ab").
func decodeAgain(p string) (string, error) {
	first := strings.IndexByte(p, '%')
	for first >= 0 && !isEscape(p, first) {
		next := strings.IndexByte(p[first+1:], '%')
		if next < 0 {
			return p, nil
		}
		first += 1 + next
	}
	if first < 0 {
		return p, nil
	}
	b := append(make([]byte, 0, len(p)), p[:first]...)
	for i := first; i < len(p); i++ {
		c := p[i]
		if escaped, ok := safeurl.Unescape(p[i:]); ok {
			if escaped < 0x20 || escaped == 0x7f {
				return "", errPathControl
			}
			c = escaped
			i += 2
		}
		b = append(b, c)
	}
	if !utf8.Valid(b) {
		return string(b), errPathUTF8
	}
	return string(b), nil
}

func isEscape(p string, i int) bool {
	_, ok := safeurl.Unescape(p[i:])
	return ok
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func upperHex(c byte) byte {
	if c >= 'a' {
		return c &^ 0x20
	}
	return c
}

// foldText folds the case of s if it has characters beyond ASCII, and returns
// s itself otherwise: comparisons fold ASCII on their own. Composed and
// decomposed accents count as the same, as they do to macOS's file systems;
// decomposed, a prefix stays a prefix.
func foldText(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(foldRune, norm.NFD.String(s))
		}
	}
	return s
}

// foldRune returns one representative of all the runes that differ from r in
// case only: a lower-case letter for ASCII, such as k for the Kelvin sign.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
