package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// TokenTable is the table caddyauth_tokens, beside whatever table has the users.
type TokenTable struct {
	db     *DB
	users  UserTable
	byHash string
}

// NewTokenTable returns the table of a database.
func NewTokenTable(db *DB, users UserTable) TokenTable {
	return TokenTable{db, users, fmt.Sprintf("SELECT %s, %s FROM caddyauth_tokens t JOIN %s ON %s WHERE t.hash = $1",
		tokenColumns, users.Columns, users.From, fmt.Sprintf(users.Where, "t.user_id"))}
}

// DeleteTokensOf removes those of the user $1.
const DeleteTokensOf = "DELETE FROM caddyauth_tokens WHERE user_id = $1"

const tokenColumns = "t.id, t.user_id, t.hash, t.name, t.paths, t.methods, t.expires, t.created, t.used, t.evidence"

func scanToken(t *store.Token) []any {
	return []any{&t.ID, &t.UserID, &t.Hash, &t.Name, List(&t.Paths), List(&t.Methods),
		Time(&t.Expires), Time(&t.Created), Time(&t.Used), JSON(&t.Evidence)}
}

// CreateToken implements store.Tokens.
func (t TokenTable) CreateToken(ctx context.Context, v store.Token) error {
	const query = `INSERT INTO caddyauth_tokens (id, user_id, hash, name, paths, methods, expires, created, used, evidence)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	return t.db.Tx(ctx, func(ctx context.Context, tx *Tx) error {
		if err := t.users.exists(ctx, tx, v.UserID); err != nil {
			return err
		}
		return tx.Insert(ctx, query, v.ID, v.UserID, v.Hash, Label(v.Name), v.Paths, v.Methods,
			v.Expires, v.Created, v.Used, v.Evidence)
	})
}

// TokenByHash implements store.Tokens.
func (t TokenTable) TokenByHash(ctx context.Context, hash string) (store.Token, store.User, error) {
	type both struct {
		token store.Token
		user  store.User
	}
	v, err := One(ctx, t.db, func(row Row, v *both) error {
		return row.Scan(append(scanToken(&v.token), t.users.Scan(&v.user)...)...)
	}, t.byHash, hash)
	return v.token, v.user, err
}

// Tokens implements store.Tokens.
func (t TokenTable) Tokens(ctx context.Context, userID string) ([]store.Token, error) {
	query, args := "SELECT "+tokenColumns+" FROM caddyauth_tokens t", []any{}
	if userID != "" {
		query, args = query+" WHERE t.user_id = $1", []any{userID}
	}
	return Many(ctx, t.db, func(row Row, v *store.Token) error { return row.Scan(scanToken(v)...) },
		query+" ORDER BY t.created, t.id", args...)
}

// TouchToken implements store.Tokens.
func (t TokenTable) TouchToken(ctx context.Context, id string, used time.Time) error {
	_, err := t.db.Count(ctx, "UPDATE caddyauth_tokens SET used = $2 WHERE id = $1", id, used)
	return err
}

// DeleteToken implements store.Tokens.
func (t TokenTable) DeleteToken(ctx context.Context, userID, id string) error {
	if userID == "" {
		return t.db.Delete(ctx, "DELETE FROM caddyauth_tokens WHERE id = $1", id)
	}
	return t.db.Delete(ctx, "DELETE FROM caddyauth_tokens WHERE id = $1 AND user_id = $2", id, userID)
}
