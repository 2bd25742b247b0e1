package gate

import (
	"fmt"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// claimSubject means those whose token has one of the values at a path.
type claimSubject struct {
	path   string
	values []string
}

func newClaimSubject(words []string) (Subject, error) {
	if len(words) < 2 {
		return nil, fmt.Errorf("claim: the path %q needs a value behind it", words[0])
	}
	return claimSubject{words[0], words[1:]}, nil
}

// Allows compares strings as they are, numbers and booleans by how JSON spells
// them, and of an array every member. Nothing is null, and no object is a value.
func (c claimSubject) Allows(s *session.Session) bool {
	v, ok := s.Claim(c.path)
	if !ok {
		return false
	}
	if v.Kind() != jwt.Array {
		return c.has(v)
	}
	found := false
	v.Elements(func(e jwt.Value) bool {
		found = c.has(e)
		return !found
	})
	return found
}

func (c claimSubject) has(v jwt.Value) bool {
	switch v.Kind() {
	case jwt.String:
		text := v.String()
		for _, want := range c.values {
			if text == want {
				return true
			}
		}
	case jwt.Number, jwt.Bool:
		for _, want := range c.values {
			if v.Raw() == want {
				return true
			}
		}
	}
	return false
}
