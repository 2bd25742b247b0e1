package sqlstore

import (
	"context"

	"github.com/caddyauth/gateway/caddyauth/store"
)

const accountColumns = `provider, provider_account_id, user_id, type,
	access_token, refresh_token, id_token, token_type, scope, session_state, expires_at`

func scanAccount(row Row, a *store.Account) error {
	return row.Scan(&a.Provider, &a.ProviderAccountID, &a.UserID, &a.Type,
		&a.AccessToken, &a.RefreshToken, &a.IDToken, &a.TokenType, &a.Scope, &a.SessionState, &a.ExpiresAt)
}

const insertAccount = "INSERT INTO caddyauth_accounts (" + accountColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"

func accountValues(a store.Account) []any {
	return []any{a.Provider, a.ProviderAccountID, a.UserID, a.Type,
		a.AccessToken, a.RefreshToken, a.IDToken, a.TokenType, a.Scope, a.SessionState, a.ExpiresAt}
}

// LinkAccount implements store.Accounts.
func (s *Store) LinkAccount(ctx context.Context, a store.Account) error {
	return s.db.Insert(ctx, insertAccount, accountValues(a)...)
}

// CreateUserAndAccount implements store.Accounts.
func (s *Store) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	u.ID = store.NewID()
	a.UserID = u.ID
	err := s.db.Tx(ctx, func(ctx context.Context, tx *Tx) error {
		if err := tx.Insert(ctx, insertUser, userValues(u)...); err != nil {
			return err
		}
		return tx.Insert(ctx, insertAccount, accountValues(a)...)
	})
	if err != nil {
		return store.User{}, err
	}
	return u, nil
}

// Account implements store.Accounts.
func (s *Store) Account(ctx context.Context, provider, providerAccountID string) (store.Account, error) {
	return One(ctx, s.db, scanAccount,
		"SELECT "+accountColumns+" FROM caddyauth_accounts WHERE provider = $1 AND provider_account_id = $2",
		provider, providerAccountID)
}

// Accounts implements store.Accounts.
func (s *Store) Accounts(ctx context.Context, userID string) ([]store.Account, error) {
	return Many(ctx, s.db, scanAccount,
		"SELECT "+accountColumns+" FROM caddyauth_accounts WHERE user_id = $1 ORDER BY provider, provider_account_id", userID)
}

// UpdateAccount implements store.Accounts.
func (s *Store) UpdateAccount(ctx context.Context, a store.Account) error {
	const query = `UPDATE caddyauth_accounts SET access_token = $3, refresh_token = $4, id_token = $5,
		token_type = $6, scope = $7, session_state = $8, expires_at = $9
		WHERE provider = $1 AND provider_account_id = $2`
	return s.db.Update(ctx, query, a.Provider, a.ProviderAccountID,
		a.AccessToken, a.RefreshToken, a.IDToken, a.TokenType, a.Scope, a.SessionState, a.ExpiresAt)
}

// UnlinkAccount implements store.Accounts.
func (s *Store) UnlinkAccount(ctx context.Context, provider, providerAccountID string) error {
	return s.db.Delete(ctx,
		"DELETE FROM caddyauth_accounts WHERE provider = $1 AND provider_account_id = $2", provider, providerAccountID)
}
