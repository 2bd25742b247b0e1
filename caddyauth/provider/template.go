package provider

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

const (
	// nullPath stands for null, at the end of a list of paths.
	nullPath = "null"
	// tokensPrefix begins a path into the token response.
	tokensPrefix = "$tokens."
	issuerPath   = "$issuer"
)

// expand replaces each {name} by what value knows of it. It is false if one is
// not known, or a brace has no partner.
func expand(template string, value func(name string) (string, bool)) (string, bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", false
		}
		v, ok := value(name)
		if !ok {
			return "", false
		}
		b.WriteString(v)
		template = after
	}
}

// value finds what a path of the profile's language leads to: a claim, a member
// of the token response, or the issuer.
func (s *signIn) value(path string) (any, bool) {
	if path == issuerPath {
		return strings.TrimRight(s.p.cfg.Issuer, "/"), true
	}
	if rest, ok := strings.CutPrefix(path, tokensPrefix); ok {
		return at(s.tokens.raw, rest)
	}
	return at(s.profile, path)
}

// text is what a path or a template says, as a chain of JavaScript's ?? takes it:
// a value (nil for null), or that there is none. A template is there if all of
// its parts are; in one that is an address they are escaped, except for slashes.
func (s *signIn) text(path string) (v any, exists bool) {
	if path == nullPath {
		return nil, true
	}
	if !strings.Contains(path, "{") {
		return s.value(path)
	}
	address := strings.HasPrefix(path, "https://")
	out, ok := expand(path, func(name string) (string, bool) {
		v, _ := s.value(name)
		text, ok := claim.Text(v)
		if address {
			text = strings.ReplaceAll(url.PathEscape(text), "%2F", "/")
		}
		return text, ok && text != ""
	})
	return out, ok
}

// at is claim.Lookup for paths in which [n] enters a list, such as
// "emails[0].value".
func at(m map[string]any, path string) (any, bool) {
	for {
		if v, ok := claim.Lookup(m, path); ok {
			return v, true
		}
		name, rest, indexed := strings.Cut(path, "[")
		if !indexed {
			return nil, false
		}
		v, _ := claim.Lookup(m, name)
		for indexed {
			var number string
			if number, rest, indexed = strings.Cut(rest, "]"); !indexed {
				return nil, false
			}
			if v, indexed = element(v, number); !indexed {
				return nil, false
			}
			if rest, indexed = strings.CutPrefix(rest, "["); !indexed {
				break
			}
		}
		if rest == "" {
			return v, true
		}
		var ok bool
		if m, ok = v.(map[string]any); !ok {
			return nil, false
		}
		if path, ok = strings.CutPrefix(rest, "."); !ok {
			return nil, false
		}
	}
}

func element(v any, number string) (any, bool) {
	list, ok := v.([]any)
	n, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || n >= uint64(len(list)) {
		return nil, false
	}
	return list[n], true
}
