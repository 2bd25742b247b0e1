package redis

import (
	"context"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// CreateVerificationToken implements [store.Driver].
func (s *Store) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	return s.do(ctx, luaCreateLink, pair(v.Identifier, v.Token), millis(v.Expires), keep(time.Time{}, v.Expires))
}

// UseVerificationToken implements [store.Driver].
func (s *Store) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	v, err := s.find(ctx, luaUseLink, pair(identifier, token))
	if err != nil {
		return store.VerificationToken{}, err
	}
	text, ok := v.(string)
	if !ok {
		return store.VerificationToken{}, errReply
	}
	expires, err := parseMillis(text)
	if err != nil {
		return store.VerificationToken{}, err
	}
	return store.VerificationToken{Identifier: identifier, Token: token, Expires: expires}, nil
}
