package redis

import (
	"strconv"
	"strings"
)

// text is part of a URL, together with the same part in which placeholders are
// covered up, so that nothing in them separates anything.
type text struct{ raw, covered string }

func newText(s string) text {
	b := []byte(s)
	for i := 0; i < len(b); i++ {
		if b[i] != '{' || i > 0 && b[i-1] == '\\' {
			continue
		}
		length := strings.IndexByte(s[i:], '}')
		if length < 0 {
			break
		}
		for end := i + length; i <= end; i++ {
			b[i] = '*'
		}
		i--
	}
	return text{s, string(b)}
}

func (t text) cut(separator string) (before, after text, found bool) {
	return t.at(strings.Index(t.covered, separator), len(separator))
}

func (t text) cutLast(separator string) (before, after text, found bool) {
	return t.at(strings.LastIndex(t.covered, separator), len(separator))
}

func (t text) at(i, length int) (before, after text, found bool) {
	if i < 0 {
		return t, text{}, false
	}
	return text{t.raw[:i], t.covered[:i]}, text{t.raw[i+length:], t.covered[i+length:]}, true
}

// unescape decodes percent signs that two hexadecimal digits follow, and leaves
// others as they are.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// escape is what unescape undoes.
func escape(s string) string { return strings.ReplaceAll(s, "%", "%25") }
