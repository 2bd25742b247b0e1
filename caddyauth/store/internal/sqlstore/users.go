package sqlstore

import (
	"context"
	"fmt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// UserTable is where the users are.
type UserTable struct {
	// Columns are those that Scan scans, and From the table, under a name that
	// Columns and Where use.
	Columns, From string
	// Where is the condition that a user has the id that %s stands for. Any other
	// percent sign in it is doubled.
	Where string
	// Scan returns where the columns of a row go.
	Scan func(*store.User) []any
}

// exists fails unless there is a user with that id, and keeps the user from
// being deleted before the end of the transaction.
func (t *UserTable) exists(ctx context.Context, tx *Tx, id string) error {
	query := "SELECT 1 FROM " + t.From + " WHERE " + fmt.Sprintf(t.Where, "$1") + tx.db.dialect.Share
	_, err := One(ctx, tx, func(row Row, n *int64) error { return row.Scan(n) }, query, id)
	return err
}

const userColumns = "u.id, u.name, u.email, u.image, u.email_verified"

func scanUser(u *store.User) []any {
	return []any{&u.ID, &u.Name, &u.Email, &u.Image, Time(&u.EmailVerified)}
}

func oneUser(row Row, u *store.User) error { return row.Scan(scanUser(u)...) }

const insertUser = "INSERT INTO caddyauth_users (id, name, email, image, email_verified) VALUES ($1, $2, $3, $4, $5)"

func userValues(u store.User) []any {
	return []any{u.ID, Label(u.Name), u.Email, Label(u.Image), u.EmailVerified}
}

// CreateUser implements store.Users.
func (s *Store) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	u.ID = store.NewID()
	if err := s.db.Insert(ctx, insertUser, userValues(u)...); err != nil {
		return store.User{}, err
	}
	return u, nil
}

// User implements store.Users.
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	return One(ctx, s.db, oneUser, "SELECT "+userColumns+" FROM caddyauth_users u WHERE u.id = $1", id)
}

// UserByEmail implements store.Users.
func (s *Store) UserByEmail(ctx context.Context, email string) (store.User, error) {
	return One(ctx, s.db, oneUser,
		"SELECT "+userColumns+" FROM caddyauth_users u WHERE u.email = $1 AND u.email <> ''", email)
}

// UserByAccount implements store.Users.
func (s *Store) UserByAccount(ctx context.Context, provider, providerAccountID string) (store.User, error) {
	const query = "SELECT " + userColumns + ` FROM caddyauth_accounts a JOIN caddyauth_users u ON u.id = a.user_id
		WHERE a.provider = $1 AND a.provider_account_id = $2`
	return One(ctx, s.db, oneUser, query, provider, providerAccountID)
}

// UpdateUser implements store.Users.
func (s *Store) UpdateUser(ctx context.Context, u store.User) error {
	return s.db.Update(ctx,
		"UPDATE caddyauth_users SET name = $2, email = $3, image = $4, email_verified = $5 WHERE id = $1", userValues(u)...)
}

// DeleteUser implements store.Users. Accounts and sessions refer to their user
// and go with it. The user goes first, because that waits for whoever is adding
// something to it.
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx *Tx) error {
		for _, query := range []string{
			"DELETE FROM caddyauth_users WHERE id = $1",
			DeleteAuthenticatorsOf, DeleteTokensOf,
		} {
			if err := tx.Delete(ctx, query, id); err != nil {
				return err
			}
		}
		return nil
	})
}
