package session

import (
	"bytes"
	"time"

	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// parse reads a token's payload. Names of claims are case-exact, as they are
// for NextAuth: "SUB" is not a subject.
func parse(claims string) (*Session, error) {
	s := &Session{Claims: claims}
	err := jwt.Members(claims, func(name string, v jwt.Value) bool {
		s.take(name, v)
		return true
	})
	if err != nil {
		return nil, ErrInvalid
	}
	if s.times.HasExp {
		s.IssuedAt = time.Unix(s.times.Iat, 0)
		s.Expires = time.Unix(s.times.Exp, 0)
	}
	return s, nil
}

// FromClaims makes a session of a token's payload, which nobody has verified: for
// tools that show what such a session would be worth.
func FromClaims(claims string) (*Session, error) { return parse(claims) }

func (s *Session) take(name string, v jwt.Value) {
	switch name {
	case "sub":
		s.User.ID = v.String()
	case "name":
		s.User.Name = v.String()
	case "email":
		s.User.Email = v.String()
	case "picture":
		s.User.Image = v.String()
	case "jti":
		s.JTI = v.String()
	case EvidenceClaim:
		s.Evidence, s.HasEvidence = evidence(v)
	default:
		s.times.Take(name, v)
	}
}

// evidence reads the claim of that name. Anything but an object with a sid and
// a provider is no evidence of ours.
func evidence(v jwt.Value) (Evidence, bool) {
	var e Evidence
	v.Members(func(name string, v jwt.Value) bool {
		e.take(name, v)
		return true
	})
	if e.SID == "" || e.Provider == "" {
		return Evidence{}, false
	}
	return e, true
}

func (e *Evidence) take(name string, v jwt.Value) {
	switch name {
	case "sid":
		e.SID = v.String()
	case "provider":
		e.Provider = v.String()
	case "realm":
		e.Realm = v.String()
	case "account":
		e.Account = v.String()
	case "login":
		e.Login = v.String()
	case "verified":
		e.Verified = v.Bool()
	case "domain":
		e.Domain = v.String()
	case "roles":
		e.Roles = v.Strings()
	case "groups":
		e.Groups = v.Strings()
	case "orgs":
		e.Orgs = v.Strings()
	case "auth_time":
		e.AuthTime, _ = v.Int()
	case "acr":
		e.ACR = v.String()
	case "step_up":
		e.StepUp = v.String()
	case "user":
		e.User = v.String()
	case "since":
		e.Since, _ = v.Int()
	case "method":
		e.Method = v.String()
	case "passkey":
		e.Passkey = v.String()
	case "family":
		e.Family = v.String()
	case "idp_sid":
		e.IdPSession = v.String()
	case "idp_sub":
		e.IdPSubject = v.String()
	}
}

// Claim returns the claim at a path of names with dots between them. Names may
// have dots themselves: the longest one that leads to a value wins. Of repeated
// names the last one counts, as in JavaScript.
func (s *Session) Claim(path string) (jwt.Value, bool) {
	search := claimSearch{path: path}
	if jwt.Members(s.Claims, search.visit) != nil {
		return jwt.Value{}, false
	}
	return search.found, search.ok
}

// claimSearch descends along a path.
type claimSearch struct {
	path  string
	found jwt.Value
	ok    bool
	// length is that of the name that led to found.
	length int
}

func (c *claimSearch) visit(name string, v jwt.Value) bool {
	n := len(name)
	switch {
	case n == 0 || n < c.length:
	case name == c.path:
		c.found, c.ok, c.length = v, true, n
	case n < len(c.path) && c.path[n] == '.' && c.path[:n] == name:
		inner := claimSearch{path: c.path[n+1:]}
		v.Members(inner.visit)
		if inner.ok {
			c.found, c.ok, c.length = inner.found, true, n
		} else if n == c.length {
			// A later member of the name has taken the earlier one's place.
			c.found, c.ok, c.length = jwt.Value{}, false, 0
		}
	}
	return true
}

// Public is the body of NextAuth's session endpoint: the user, built from the
// claims name, email and picture, and when the session expires. A claim that
// is null stays null; one that is absent is left out.
func Public(s *Session, expires time.Time) []byte {
	var name, email, image jwt.Value
	// The claims were scanned when the session was made: no error here.
	_ = jwt.Members(s.Claims, func(key string, v jwt.Value) bool {
		switch key {
		case "name":
			name = v
		case "email":
			email = v
		case "picture":
			image = v
		}
		return true
	})
	var b bytes.Buffer
	b.WriteString(`{"user":{`)
	separator := ""
	for _, m := range []struct {
		key   string
		value jwt.Value
	}{{"name", name}, {"email", email}, {"image", image}} {
		if m.value.Kind() == 0 {
			continue
		}
		b.WriteString(separator + `"` + m.key + `":`)
		writeJSON(&b, m.value)
		separator = ","
	}
	b.WriteString(`},"expires":"` + expires.UTC().Format("2006-01-02T15:04:05.000Z") + `"}`)
	return b.Bytes()
}

// writeJSON writes a value as JavaScript's JSON.stringify would, whoever wrote the
// token.
func writeJSON(b *bytes.Buffer, v jwt.Value) {
	if v.Kind() != jwt.String {
		b.WriteString(v.Raw())
		return
	}
	b.Write(jwt.AppendString(b.AvailableBuffer(), v.String()))
}

// Identified reports whether the session names anybody. A token may open and
// still say nothing about its bearer; NextAuth's session endpoint shows it as
// it is, but it opens no door.
func (s *Session) Identified() bool { return s.User.ID != "" || s.User.Email != "" }
