package sqlstore

import (
	"context"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// CreateVerificationToken implements store.VerificationTokens.
func (s *Store) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	return s.db.Insert(ctx, "INSERT INTO caddyauth_verification_tokens (identifier, token, expires) VALUES ($1, $2, $3)",
		v.Identifier, v.Token, v.Expires)
}

// UseVerificationToken implements store.VerificationTokens. To remove and to read
// is one statement, so nobody else can come in between.
func (s *Store) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	return One(ctx, s.db.Changing(), func(row Row, v *store.VerificationToken) error {
		return row.Scan(&v.Identifier, &v.Token, Time(&v.Expires))
	}, `DELETE FROM caddyauth_verification_tokens WHERE identifier = $1 AND token = $2
		RETURNING identifier, token, expires`, identifier, token)
}
