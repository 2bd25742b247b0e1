package session

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
)

// ReadBearer returns the session of a session token that came in place of a
// cookie: what the cookie of that name would have. The errors are those of Read.
func (m *Manager) ReadBearer(ctx context.Context, names *cookie.Names, token string) (*Session, error) {
	if token == "" {
		return nil, ErrInvalid
	}
	s, err := m.open(ctx, names, token)
	if err != nil {
		return nil, err
	}
	// The cache of opened tokens has the same session for cookies.
	marked := *s
	marked.Bearer = true
	return &marked, nil
}

// FromBearer makes a session of the claims of an access token, a JSON object with
// the evidence in it. Whoever calls it has verified them.
func FromBearer(claims string) (*Session, error) {
	s, err := parse(claims)
	if err != nil || !s.HasEvidence || !s.times.HasExp || !s.Identified() {
		return nil, ErrInvalid
	}
	s.Bearer, s.foreign = true, true
	return s, nil
}

// BearerCache keeps the sessions of access tokens that were verified a moment
// ago. Its memory is bounded; it is safe for concurrent use.
type BearerCache struct {
	cache *cache
	fresh time.Duration
}

// NewBearerCache returns a cache that believes a token for so long.
func NewBearerCache(fresh time.Duration) *BearerCache { return &BearerCache{newCache(), fresh} }

// Get returns the session of a token, nil if it has to be verified. Whether it
// has expired is for the caller to see.
func (b *BearerCache) Get(token string, now time.Time) *Session {
	e := b.cache.get(b.cache.hash(token), token)
	if e == nil {
		return nil
	}
	if age := now.UnixNano() - e.at; age < 0 || age >= int64(b.fresh) {
		return nil
	}
	return e.session
}

// Put keeps the session of a token that was just verified.
func (b *BearerCache) Put(token string, s *Session, now time.Time) {
	b.cache.put(b.cache.hash(token), token, s, now)
}

// BearerOf returns the bearer token of a request's Authorization field (RFC 6750
// section 2.1), the only place that is looked at: what stands in a query or a
// form ends up in logs. It reports whether there is one, or the attempt at one.
// Of several fields, servers behind may take any, so that such a token is empty.
func BearerOf(h http.Header) (token string, ok bool) {
	values := h["Authorization"]
	for _, v := range values {
		end := strings.IndexAny(v, " \t")
		if end < 0 {
			end = len(v)
		}
		if strings.EqualFold(v[:end], "Bearer") {
			token, ok = strings.Trim(v[end:], " \t"), true
		}
	}
	if len(values) != 1 || strings.ContainsAny(token, " \t,") {
		token = ""
	}
	return token, ok
}
