package jwt

import (
	"errors"
	"time"
)

var (
	// ErrExpired says that a token's exp has passed.
	ErrExpired = errors.New("jwt: token expired")
	// ErrNotYet says that a token's nbf lies in the future.
	ErrNotYet = errors.New("jwt: token not valid yet")
)

// Tolerance is how far the clocks of those who issue and those who read a
// token may be apart. It is NextAuth's value.
const Tolerance = 15 * time.Second

// MaxDate is the last NumericDate that counts as one: the end of the year
// 9999, the last that RFC 3339 can write.
const MaxDate = 253402300799

// Standard are the registered claims about time (RFC 7519 section 4.1), in
// seconds since the epoch. A fraction is rounded up, which decides every
// comparison with a whole second as the fraction itself would.
type Standard struct {
	Exp, Nbf, Iat          int64
	HasExp, HasNbf, HasIat bool

	badExp, badNbf, badIat bool // there, but no NumericDate
}

// Take stores the member if it is one of exp, nbf and iat, and reports whether
// it is. A value that is no NumericDate makes [Times] fail. Of repeated members
// the last one counts.
func (s *Standard) Take(name string, v Value) bool {
	switch name {
	case "exp":
		s.Exp, s.HasExp = v.NumericDate()
		s.badExp = !s.HasExp
	case "nbf":
		s.Nbf, s.HasNbf = v.NumericDate()
		s.badNbf = !s.HasNbf
	case "iat":
		s.Iat, s.HasIat = v.NumericDate()
		s.badIat = !s.HasIat
	default:
		return false
	}
	return true
}

// Times decides whether a token is valid at now, with [Tolerance] either way.
// The error is [ErrInvalid] if exp is missing or a date is none, [ErrExpired],
// or [ErrNotYet].
//
// An iat in the future refuses nothing, as with NextAuth: whoever holds the
// secret could have written any date, and a backend whose clock runs ahead
// still makes valid tokens.
func Times(now time.Time, t Standard) error {
	if !t.HasExp || t.badExp || t.badNbf || t.badIat {
		return ErrInvalid
	}
	const tolerance = int64(Tolerance / time.Second)
	sec := now.Unix()
	switch {
	case t.Exp <= sec-tolerance:
		return ErrExpired
	case t.HasNbf && t.Nbf > sec+tolerance:
		return ErrNotYet
	}
	return nil
}
