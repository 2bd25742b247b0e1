package postgres

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

// passkeys are the authenticators in the table that Auth.js has for them. What
// has no column there is in ours.
type passkeys struct{ *AuthJS }

// oursOfPasskey are the columns of our table that theirs has not. The counter is
// there as well, because theirs may be a number of 31 bits.
const insertOursOfPasskey = `INSERT INTO caddyauth_authenticators
	(credential_id, user_id, provider_account_id, counter, device_type, backed_up, name, flags, aaguid, created, used, evidence)
	VALUES ($1, $2, '', $3, '', false, $4, $5, $6, $7, $8, $9)`

func oursOfPasskey(a store.Authenticator) []any {
	return []any{a.CredentialID, a.UserID, int64(a.Counter), sqlstore.Label(a.Name), int64(a.Flags), a.AAGUID, a.Created, a.Used, a.Evidence}
}

// CreateAuthenticator implements store.Authenticators.
func (p passkeys) CreateAuthenticator(ctx context.Context, a store.Authenticator) error {
	names := []string{"credentialID", "userId", "providerAccountId", "credentialPublicKey", "counter",
		"credentialDeviceType", "credentialBackedUp", "transports"}
	return p.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		query := "SELECT 1 FROM " + p.layout.passkeys.name + ` WHERE "credentialID" = $1`
		if err := only(ctx, tx, "passkey", a.CredentialID, query, a.CredentialID); err != nil {
			return err
		}
		if err := p.keepUser(ctx, tx, a.UserID); err != nil {
			return err
		}
		query, args := p.layout.passkeys.insert(names, a.CredentialID, a.UserID, a.ProviderAccountID,
			base64.StdEncoding.EncodeToString(a.PublicKey), int64(a.Counter), a.DeviceType, a.BackedUp, strings.Join(a.Transports, ","))
		if err := tx.Insert(ctx, query, args...); err != nil {
			return err
		}
		// Auth.js may have deleted one with this id before.
		if err := tx.Delete(ctx, "DELETE FROM caddyauth_authenticators WHERE credential_id = $1", a.CredentialID); err != nil {
			return err
		}
		return tx.Insert(ctx, insertOursOfPasskey, oursOfPasskey(a)...)
	})
}

func (p passkeys) find(where string) string {
	return `SELECT a."credentialID", a."userId"::text, a."providerAccountId", a."credentialPublicKey",
		greatest(a.counter, e.counter), a."credentialDeviceType", a."credentialBackedUp", a.transports,
		e.name, coalesce(e.flags, 0), e.aaguid, e.created, e.used, e.evidence
		FROM ` + p.layout.passkeys.name + ` a LEFT JOIN caddyauth_authenticators e
			ON e.credential_id = a."credentialID" AND e.user_id = a."userId"::text WHERE ` + where
}

func scanPasskey(row sqlstore.Row, a *store.Authenticator) error {
	var key, transports string
	var evidence json.RawMessage
	err := row.Scan(&a.CredentialID, &a.UserID, &a.ProviderAccountID, &key, &a.Counter, &a.DeviceType, &a.BackedUp,
		sqlstore.Text(&transports), sqlstore.Text(&a.Name), &a.Flags, &a.AAGUID,
		sqlstore.Time(&a.Created), sqlstore.Time(&a.Used), sqlstore.JSON(&evidence))
	if err != nil {
		return err
	}
	if a.PublicKey, err = base64.StdEncoding.DecodeString(key); err != nil {
		return fmt.Errorf("the public key of a passkey is not base64: %w", err)
	}
	if transports != "" {
		a.Transports = strings.Split(transports, ",")
	}
	a.Evidence = evidence
	return nil
}

// Authenticator implements store.Authenticators.
func (p passkeys) Authenticator(ctx context.Context, credentialID string) (store.Authenticator, error) {
	return sqlstore.One(ctx, p.db.DB, scanPasskey, p.find(`a."credentialID" = $1`), credentialID)
}

// Authenticators implements store.Authenticators.
func (p passkeys) Authenticators(ctx context.Context, userID string) ([]store.Authenticator, error) {
	return sqlstore.Many(ctx, p.db.DB, scanPasskey,
		p.find(`a."userId" = `+p.id("$1"))+` ORDER BY e.created, a."credentialID" COLLATE "C"`, userID)
}

// UpdateAuthenticator implements store.Authenticators. Passkeys that Auth.js
// registered get a row of ours.
func (p passkeys) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return p.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		query := "UPDATE " + p.layout.passkeys.name + p.layout.passkeys.set(2, "counter", "credentialBackedUp") +
			` WHERE "credentialID" = $1 RETURNING "userId"::text`
		var err error
		a.UserID, err = sqlstore.One(ctx, tx, func(row sqlstore.Row, id *string) error { return row.Scan(id) },
			query, a.CredentialID, int64(a.Counter), a.BackedUp)
		if err != nil {
			return err
		}
		a.Created, a.AAGUID, a.Evidence = time.Time{}, nil, nil // those that are kept stay
		return tx.Insert(ctx, insertOursOfPasskey+` ON CONFLICT (credential_id) DO UPDATE SET
			counter = excluded.counter, name = excluded.name, flags = excluded.flags, used = excluded.used`, oursOfPasskey(a)...)
	})
}

// DeleteAuthenticator implements store.Authenticators.
func (p passkeys) DeleteAuthenticator(ctx context.Context, userID, credentialID string) error {
	return p.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		query := "DELETE FROM " + p.layout.passkeys.name + ` WHERE "userId" = ` + p.id("$1") + ` AND "credentialID" = $2`
		if err := tx.Delete(ctx, query, userID, credentialID); err != nil {
			return err
		}
		return tx.Delete(ctx, "DELETE FROM caddyauth_authenticators WHERE user_id = $1 AND credential_id = $2", userID, credentialID)
	})
}
