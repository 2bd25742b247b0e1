package sqlstore

import (
	"context"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// AuthenticatorTable is the table caddyauth_authenticators, beside whatever table
// has the users.
type AuthenticatorTable struct {
	db    *DB
	users UserTable
}

// NewAuthenticatorTable returns the table of a database.
func NewAuthenticatorTable(db *DB, users UserTable) AuthenticatorTable {
	return AuthenticatorTable{db, users}
}

// DeleteAuthenticatorsOf removes those of the user $1.
const DeleteAuthenticatorsOf = "DELETE FROM caddyauth_authenticators WHERE user_id = $1"

const authenticatorColumns = `credential_id, user_id, provider_account_id, public_key, counter, device_type, backed_up,
	transports, name, flags, aaguid, created, used, evidence`

func scanAuthenticator(row Row, a *store.Authenticator) error {
	return row.Scan(&a.CredentialID, &a.UserID, &a.ProviderAccountID, &a.PublicKey, &a.Counter, &a.DeviceType, &a.BackedUp,
		List(&a.Transports), &a.Name, &a.Flags, &a.AAGUID, Time(&a.Created), Time(&a.Used), JSON(&a.Evidence))
}

// CreateAuthenticator implements store.Authenticators.
func (t AuthenticatorTable) CreateAuthenticator(ctx context.Context, a store.Authenticator) error {
	const query = "INSERT INTO caddyauth_authenticators (" + authenticatorColumns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	return t.db.Tx(ctx, func(ctx context.Context, tx *Tx) error {
		if err := t.users.exists(ctx, tx, a.UserID); err != nil {
			return err
		}
		return tx.Insert(ctx, query, a.CredentialID, a.UserID, a.ProviderAccountID, a.PublicKey, int64(a.Counter), a.DeviceType,
			a.BackedUp, a.Transports, Label(a.Name), int64(a.Flags), a.AAGUID, a.Created, a.Used, a.Evidence)
	})
}

// Authenticator implements store.Authenticators.
func (t AuthenticatorTable) Authenticator(ctx context.Context, credentialID string) (store.Authenticator, error) {
	return One(ctx, t.db, scanAuthenticator,
		"SELECT "+authenticatorColumns+" FROM caddyauth_authenticators WHERE credential_id = $1", credentialID)
}

// Authenticators implements store.Authenticators.
func (t AuthenticatorTable) Authenticators(ctx context.Context, userID string) ([]store.Authenticator, error) {
	return Many(ctx, t.db, scanAuthenticator,
		"SELECT "+authenticatorColumns+" FROM caddyauth_authenticators WHERE user_id = $1 ORDER BY created, credential_id", userID)
}

// UpdateAuthenticator implements store.Authenticators.
func (t AuthenticatorTable) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return t.db.Update(ctx,
		"UPDATE caddyauth_authenticators SET counter = $2, backed_up = $3, flags = $4, used = $5, name = $6 WHERE credential_id = $1",
		a.CredentialID, int64(a.Counter), a.BackedUp, int64(a.Flags), a.Used, Label(a.Name))
}

// DeleteAuthenticator implements store.Authenticators.
func (t AuthenticatorTable) DeleteAuthenticator(ctx context.Context, userID, credentialID string) error {
	return t.db.Delete(ctx,
		"DELETE FROM caddyauth_authenticators WHERE user_id = $1 AND credential_id = $2", userID, credentialID)
}
