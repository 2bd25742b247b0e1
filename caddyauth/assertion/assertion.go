package assertion

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// The bounds of how long an assertion is valid, and what it is by default.
const (
	DefaultTTL = time.Minute
	MinTTL     = 5 * time.Second
	MaxTTL     = 5 * time.Minute
)

// maxPath is the longest path that is named in an assertion, in bytes: servers
// bound their headers, and the path is in the request already.
const maxPath = 2 << 10

// Options configures a Signer.
type Options struct {
	// Secrets are what the keys are derived from. The first one's sign, those of
	// all are published. Required.
	Secrets []string

	// Audience is the claim aud. Default: the origin of each request.
	Audience string

	// TTL is how long an assertion is valid. Default: DefaultTTL.
	TTL time.Duration

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Signer signs assertions. It is safe for concurrent use.
type Signer struct {
	opts Options
	day  atomic.Pointer[day]
	turn sync.Mutex // held to derive the keys of another day
}

// New returns a Signer.
func New(opts Options) (*Signer, error) {
	if opts.TTL == 0 {
		opts.TTL = DefaultTTL
	}
	switch {
	case len(opts.Secrets) == 0 || opts.Secrets[0] == "":
		return nil, errors.New("assertion: no secret")
	case opts.TTL < MinTTL || opts.TTL > MaxTTL:
		return nil, fmt.Errorf("assertion: ttl %v is not between %v and %v", opts.TTL, MinTTL, MaxTTL)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Signer{opts: opts}
	_, err := s.today(opts.Now())
	return s, err
}

// today returns the keys that hold at a time.
func (s *Signer) today(now time.Time) (*day, error) {
	period := now.Unix() / int64(Rotation/time.Second)
	if d := s.day.Load(); d != nil && d.period == period {
		return d, nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if d := s.day.Load(); d != nil && d.period == period {
		return d, nil
	}
	d, err := newDay(s.opts.Secrets, period)
	if err != nil {
		return nil, err
	}
	s.day.Store(d)
	return d, nil
}

// JWKS returns the public keys (RFC 7517 section 5) and their entity tag.
func (s *Signer) JWKS() (body []byte, etag string, err error) {
	d, err := s.today(s.opts.Now())
	if err != nil {
		return nil, "", err
	}
	return d.jwks, d.etag, nil
}

// Request is what an assertion is about besides the person.
type Request struct {
	// Origin is the site's, such as https://app.example.com: the claim iss, and
	// the beginning of htu.
	Origin string
	// Method is the claim htm.
	Method string
	// Path is the path of the request as the client sent it, escaped and without
	// a query: the rest of htu. One that is very long is left out.
	Path string
}

// Sign returns the assertion of a person's request. The claims are documented for
// those who verify it, see docs/assertion.md.
func (s *Signer) Sign(r Request, who *session.Session) (string, error) {
	now := s.opts.Now()
	d, err := s.today(now)
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	claims := s.claims(make([]byte, 0, 512), r, who, now)
	token := make([]byte, 0, len(d.header)+b64.EncodedLen(len(claims))+1+b64.EncodedLen(64))
	token = append(token, d.header...)
	token = b64.AppendEncode(token, claims)
	sum := sha256.Sum256(token)
	x, y, err := ecdsa.Sign(rand.Reader, d.signing.private, sum[:])
	if err != nil {
		return "", fmt.Errorf("assertion: signing: %w", err)
	}
	var signature [64]byte
	x.FillBytes(signature[:32]) // r and s, side by side (RFC 7518 section 3.4)
	y.FillBytes(signature[32:])
	token = append(token, '.')
	return string(b64.AppendEncode(token, signature[:])), nil
}

// claims writes the payload.
func (s *Signer) claims(b []byte, r Request, who *session.Session, now time.Time) []byte {
	e := &who.Evidence
	audience := s.opts.Audience
	if audience == "" {
		audience = r.Origin
	}
	b = member(append(b, '{'), "iss", r.Origin)
	b = member(b, "aud", audience)
	b = member(b, "sub", who.Owner())
	b = optional(b, "name", who.User.Name)
	b = optional(b, "preferred_username", e.Login)
	if who.User.Email != "" {
		b = member(b, "email", who.User.Email)
		b = append(b, `,"email_verified":`...)
		b = strconv.AppendBool(b, e.Verified)
	}
	b = list(b, "roles", e.Roles)
	b = list(b, "groups", e.Groups)
	b = list(b, "orgs", e.Orgs)
	b = optional(b, "provider", e.Provider)
	b = optional(b, "sid", who.Key())
	b = member(b, "htm", r.Method)
	path := r.Path
	if len(path) > maxPath {
		path = ""
	}
	b = member(b, "htu", r.Origin+path)
	b = number(b, "iat", now)
	b = number(b, "nbf", now)
	b = number(b, "exp", now.Add(s.opts.TTL))
	b = member(b, "jti", rand.Text())
	return append(b, '}')
}

// member appends a member with a text.
func member(b []byte, name, value string) []byte {
	return jwt.AppendString(label(b, name), value)
}

// optional leaves out what is empty.
func optional(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return member(b, name, value)
}

// list is there without members, too: who reads it need not ask first.
func list(b []byte, name string, values []string) []byte {
	b = append(label(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = jwt.AppendString(b, v)
	}
	return append(b, ']')
}

func number(b []byte, name string, at time.Time) []byte {
	return strconv.AppendInt(label(b, name), at.Unix(), 10)
}

func label(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), '"', ':')
}
