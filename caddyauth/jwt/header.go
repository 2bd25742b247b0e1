package jwt

import (
	"slices"
	"strings"
)

// maxHeader bounds the protected header of a foreign spelling, in base64url.
const maxHeader = 512

// takeHeader puts into p what the protected header of a token decides, and
// returns what comes after it and the empty encrypted key.
func (r *Ring) takeHeader(p *parts, token string) (rest string, ok bool) {
	for i := range r.usual {
		h := &r.usual[i]
		if rest, ok := strings.CutPrefix(token, h.prefix); ok {
			p.suite, p.aad = h.suite, h.aad
			return rest, true
		}
	}
	encoded, rest, found := strings.Cut(token, "..")
	if !found {
		return "", false
	}
	h, ok := parseHeader(encoded)
	if !ok {
		return "", false
	}
	if p.suite = r.candidates(h); len(p.keys) == 0 {
		return "", false
	}
	p.aad = []byte(encoded)
	return rest, true
}

// candidates returns the keys that may have sealed a token with such a header,
// at most one if keys are named.
func (r *Ring) candidates(h params) suite {
	i := slices.IndexFunc(r.suites, func(s suite) bool { return s.name == h.enc })
	if i < 0 {
		return suite{}
	}
	s := r.suites[i]
	switch {
	case !r.named:
	case !h.hasKid:
		s.keys = s.keys[:1]
	default:
		n := slices.IndexFunc(s.keys, func(k key) bool { return k.id == h.kid })
		if n < 0 {
			return suite{}
		}
		s.keys = s.keys[n : n+1]
	}
	return s
}

// params are the parameters of a protected header that decide something.
type params struct {
	enc, kid string
	hasKid   bool
}

// parseHeader reads an encoded protected header that is spelled in another way
// than ours. Parameters that change how a token is processed (zip, crit, p2c
// and their kind), bring keys along (jwk, jku, x5u, x5c) or are unknown are
// refused, and so are repeated ones (RFC 7516 section 4).
func parseHeader(encoded string) (p params, ok bool) {
	if len(encoded) > maxHeader {
		return p, false
	}
	var buf [maxHeader * 3 / 4]byte
	header, ok := appendDecoded(buf[:0], encoded)
	if !ok {
		return p, false
	}
	const alg, enc, typ, cty, kid = 1, 2, 4, 8, 16
	seen := 0
	err := Members(string(header), func(name string, v Value) bool {
		bit := 0
		switch {
		case v.Kind() != String:
		case name == "alg" && v.String() == "dir":
			bit = alg
		case name == "enc":
			bit, p.enc = enc, v.String()
		case name == "typ":
			bit = typ
		case name == "cty":
			bit = cty
		case name == "kid":
			bit, p.kid, p.hasKid = kid, v.String(), true
		}
		if ok = bit != 0 && seen&bit == 0; ok {
			seen |= bit
		}
		return ok
	})
	return p, err == nil && ok && seen&(alg|enc) == alg|enc
}
