package caddyauth

import (
	"cmp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// Placeholders of the person a request comes from. Those of the candidate
// stand for a session that was read but does not count, because a rule refuses
// it; Caddy's own authentication handler names rejected accounts likewise.
const (
	userPlaceholder      = "http.auth.user."
	candidatePlaceholder = "http.auth.candidate."
)

// nobody has no values.
var nobody session.Session

// identify makes the placeholders of a request available. They are looked up
// when somebody asks, so that a request that needs none pays for none. Those of
// nobody are empty: directives leave a placeholder that is unknown as it is
// written, and an upstream could take that for a name.
func identify(repl *caddy.Replacer, user, candidate *session.Session) {
	if user == nil && candidate == nil {
		repl.Map(anonymous) // which needs no memory
		return
	}
	repl.Map(func(key string) (any, bool) { return lookup(key, user, candidate) })
}

func anonymous(key string) (any, bool) { return lookup(key, nil, nil) }

func lookup(key string, user, candidate *session.Session) (any, bool) {
	s := user
	name, ok := strings.CutPrefix(key, userPlaceholder)
	if !ok {
		if name, ok = strings.CutPrefix(key, candidatePlaceholder); !ok {
			return "", key == referencePlaceholder // nothing was refused
		}
		s = candidate
	}
	return placeholder(cmp.Or(s, &nobody), name)
}

// placeholder returns the value of a session's placeholder, without its prefix:
//
//	id name email image provider roles groups expires claims.<path>
func placeholder(s *session.Session, name string) (any, bool) {
	switch name {
	case "id":
		return s.AccountID(), true
	case "name":
		return s.User.Name, true
	case "email":
		return s.User.Email, true
	case "image":
		return s.User.Image, true
	case "provider":
		return s.Evidence.Provider, true
	case "login":
		return s.Evidence.Login, true
	case "roles":
		return strings.Join(s.Evidence.Roles, ","), true
	case "groups":
		return strings.Join(s.Evidence.Groups, ","), true
	case "expires":
		if s.Expires.IsZero() {
			return "", true
		}
		return s.Expires.UTC().Format(time.RFC3339), true
	}
	path, ok := strings.CutPrefix(name, "claims.")
	if !ok {
		return nil, false
	}
	return claim(s, path), true
}

// claim returns the claim at a path as text: strings as they are, lists of
// strings joined by commas, everything else as JSON, and "" if there is no such
// claim.
func claim(s *session.Session, path string) string {
	v, _ := s.Claim(path)
	switch v.Kind() {
	case jwt.String:
		return v.String()
	case jwt.Null:
		return ""
	case jwt.Array:
		if list := v.Strings(); list != nil {
			return strings.Join(list, ",")
		}
	}
	return v.Raw()
}
