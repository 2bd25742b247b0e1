package postgres

import (
	"context"
	"database/sql"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

const theirAccountColumns = `a."userId"::text, a.type, a.provider, a."providerAccountId",
	a.access_token, a.refresh_token, a.id_token, a.token_type, a.scope, a.session_state, a.expires_at`

func scanTheirAccount(row sqlstore.Row, a *store.Account) error {
	var expires sql.NullInt64
	err := row.Scan(&a.UserID, sqlstore.Text(&a.Type), &a.Provider, &a.ProviderAccountID,
		sqlstore.Text(&a.AccessToken), sqlstore.Text(&a.RefreshToken), sqlstore.Text(&a.IDToken),
		sqlstore.Text(&a.TokenType), sqlstore.Text(&a.Scope), sqlstore.Text(&a.SessionState), &expires)
	a.ExpiresAt = expires.Int64
	return err
}

// tokenColumns are what UpdateAccount replaces.
var tokenColumns = []string{"access_token", "refresh_token", "id_token", "token_type", "scope", "session_state", "expires_at"}

func tokenValues(a store.Account, before ...any) []any {
	return append(before, a.AccessToken, a.RefreshToken, a.IDToken, a.TokenType, a.Scope, a.SessionState, a.ExpiresAt)
}

// LinkAccount implements store.Accounts.
func (s *AuthJS) LinkAccount(ctx context.Context, a store.Account) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error { return s.linkAccount(ctx, tx, a) })
}

func (s *AuthJS) linkAccount(ctx context.Context, tx *sqlstore.Tx, a store.Account) error {
	query := "SELECT 1 FROM " + s.accounts.name + ` WHERE provider = $1 AND "providerAccountId" = $2`
	if err := only(ctx, tx, "account", a.Provider+" "+a.ProviderAccountID, query, a.Provider, a.ProviderAccountID); err != nil {
		return err
	}
	if err := s.keepUser(ctx, tx, a.UserID); err != nil {
		return err
	}
	names := append([]string{"userId", "type", "provider", "providerAccountId"}, tokenColumns...)
	query, args := s.accounts.insert(names, tokenValues(a, a.UserID, a.Type, a.Provider, a.ProviderAccountID)...)
	return tx.Insert(ctx, query, args...)
}

// CreateUserAndAccount implements store.Accounts.
func (s *AuthJS) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	var made store.User
	err := s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) (err error) {
		if made, err = s.createUser(ctx, tx, u); err != nil {
			return err
		}
		a.UserID = made.ID
		return s.linkAccount(ctx, tx, a)
	})
	if err != nil {
		return store.User{}, err
	}
	return made, nil
}

// Account implements store.Accounts.
func (s *AuthJS) Account(ctx context.Context, provider, providerAccountID string) (store.Account, error) {
	query := "SELECT " + theirAccountColumns + " FROM " + s.accounts.name + ` a WHERE a.provider = $1 AND a."providerAccountId" = $2`
	return sqlstore.One(ctx, s.db.DB, scanTheirAccount, query, provider, providerAccountID)
}

// Accounts implements store.Accounts.
func (s *AuthJS) Accounts(ctx context.Context, userID string) ([]store.Account, error) {
	query := "SELECT " + theirAccountColumns + " FROM " + s.accounts.name + ` a WHERE a."userId" = ` + s.id("$1") +
		` ORDER BY a.provider COLLATE "C", a."providerAccountId" COLLATE "C"`
	return sqlstore.Many(ctx, s.db.DB, scanTheirAccount, query, userID)
}

// UpdateAccount implements store.Accounts.
func (s *AuthJS) UpdateAccount(ctx context.Context, a store.Account) error {
	query := "UPDATE " + s.accounts.name + s.accounts.set(3, tokenColumns...) + ` WHERE provider = $1 AND "providerAccountId" = $2`
	return s.db.Update(ctx, query, tokenValues(a, a.Provider, a.ProviderAccountID)...)
}

// UnlinkAccount implements store.Accounts.
func (s *AuthJS) UnlinkAccount(ctx context.Context, provider, providerAccountID string) error {
	return s.db.Delete(ctx, "DELETE FROM "+s.accounts.name+` WHERE provider = $1 AND "providerAccountId" = $2`, provider, providerAccountID)
}

// CreateVerificationToken implements store.VerificationTokens.
func (s *AuthJS) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	query, args := s.links.insert([]string{"identifier", "token", "expires"}, v.Identifier, v.Token, at(v.Expires))
	return s.db.Insert(ctx, query, args...)
}

// UseVerificationToken implements store.VerificationTokens. To remove and to read
// is one statement, so nobody else can come in between.
func (s *AuthJS) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	query := "DELETE FROM " + s.links.name + " WHERE identifier = $1 AND token = $2 RETURNING identifier, token, " + s.links.read("expires")
	return sqlstore.One(ctx, s.db.Changing(), func(row sqlstore.Row, v *store.VerificationToken) error {
		return row.Scan(&v.Identifier, &v.Token, sqlstore.Time(&v.Expires))
	}, query, identifier, token)
}
