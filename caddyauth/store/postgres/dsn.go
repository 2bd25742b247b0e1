package postgres

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

var errAddress = errors.New("postgres: the address is not a URL such as postgres://user:password@host/database")

// expand replaces the placeholders of a text. Each value is put in as escape
// makes it.
type expand func(text string, escape func(string) string) (string, error)

// literally is an expand for text that has no placeholders.
func literally(text string, _ func(string) string) (string, error) { return text, nil }

// resolve returns an address with its placeholders replaced, in the form that
// libpq has
// (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS).
//
// The address is taken apart before anything is replaced, so values may have any
// characters. That is also why a password may be written as it is: the user
// information ends at the last @, and a percent sign that begins no escape is
// one. Errors tell nothing of a password.
func resolve(address string, expand expand) (string, error) {
	if isPlaceholder(address) {
		value, err := expand(address, func(s string) string { return s })
		if err != nil {
			return "", fmt.Errorf("postgres: address: %w", err)
		}
		address, expand = value, literally
	}
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return "", errAddress
	}
	r := resolver{expand: expand}
	r.b.WriteString("postgres://")
	if i := lastOutside(rest, '@'); i >= 0 {
		user, password, has := cutOutside(rest[:i], ':')
		r.part("user", user, "")
		if has {
			r.b.WriteByte(':')
			r.secret(password)
		}
		r.b.WriteByte('@')
		rest = rest[i+1:]
	}
	rest, query, _ := cutOutside(rest, '?')
	host, database, hasPath := cutOutside(rest, '/')
	r.part("host", host, ",:[]")
	if hasPath {
		r.b.WriteByte('/')
		r.part("database", database, "")
	}
	r.query(query, strings.Contains(host, ","))
	if r.err != nil {
		return "", fmt.Errorf("postgres: address: %w", r.err)
	}
	return r.b.String(), nil
}

// resolver puts an address together.
type resolver struct {
	expand expand
	b      strings.Builder
	err    error
}

// part adds one part of the address. The characters in keep mean something there
// and stay as they are.
func (r *resolver) part(name, text, keep string) {
	value, err := r.expand(text, func(s string) string { return escape(s, "") })
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	r.b.WriteString(escape(unescape(value), keep))
}

// secret adds a part that errors must not quote.
func (r *resolver) secret(text string) {
	before := r.err
	if r.part("", text, ""); r.err != before {
		r.err = errors.New("password: a placeholder in it is unknown or empty, or its file cannot be read (a brace that is meant literally has a backslash before it)")
	}
}

// query adds the parameters. Of several hosts, one that can be written to is
// wanted.
func (r *resolver) query(query string, several bool) {
	sep := byte('?')
	for query != "" {
		var pair string
		pair, query, _ = cutOutside(query, '&')
		if pair == "" {
			continue
		}
		name, value, _ := cutOutside(pair, '=')
		r.b.WriteByte(sep)
		sep = '&'
		r.part("parameter", name, "")
		r.b.WriteByte('=')
		if strings.Contains(strings.ToLower(unescape(name)), "password") {
			r.secret(value)
		} else {
			r.part("parameter", value, "")
		}
		several = several && unescape(name) != "target_session_attrs"
	}
	if several {
		r.b.WriteByte(sep)
		r.b.WriteString("target_session_attrs=read-write")
	}
}

// isPlaceholder reports whether all of s is one placeholder, which stands for a
// whole address then.
func isPlaceholder(s string) bool {
	return strings.HasPrefix(s, "{") && strings.IndexByte(s, '}') == len(s)-1
}

// outside calls f with the positions of the bytes of s that do not belong to a
// placeholder, until it says no.
func outside(s string, f func(i int) bool) {
	for i := 0; i < len(s); i++ {
		end := strings.IndexByte(s[i:], '}')
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '{' || s[i+1] == '}'):
			i++
		case s[i] == '{' && end > 0:
			i += end
		case !f(i):
			return
		}
	}
}

// cutOutside is strings.Cut, around a byte that is not between braces.
func cutOutside(s string, sep byte) (before, after string, found bool) {
	at := -1
	outside(s, func(i int) bool {
		if s[i] == sep {
			at = i
		}
		return at < 0
	})
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

// lastOutside is strings.LastIndexByte, for a byte that is not between braces.
func lastOutside(s string, c byte) int {
	at := -1
	outside(s, func(i int) bool {
		if s[i] == c {
			at = i
		}
		return true
	})
	return at
}

// unescape decodes percent escapes. A percent sign that begins none is one.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// escape escapes everything that may mean something in a URL, except the
// characters in keep.
func escape(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			strings.IndexByte("-._~"+keep, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
