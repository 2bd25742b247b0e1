package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

var userColumns = []string{"name", "email", "image", "emailVerified"}

// userColumns are what scanTheirUser scans, of a table u.
func (l *layout) userColumns() string {
	return "u.id::text, u.name, u.email, u.image, " + l.users.readAs("u.", "emailVerified")
}

func scanTheirUser(u *store.User) []any {
	return []any{&u.ID, sqlstore.Text(&u.Name), lowered{&u.Email}, sqlstore.Text(&u.Image), sqlstore.Time(&u.EmailVerified)}
}

func oneTheirUser(row sqlstore.Row, u *store.User) error { return row.Scan(scanTheirUser(u)...) }

// CreateUser implements store.Users.
func (s *AuthJS) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	var made store.User
	err := s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) (err error) {
		made, err = s.createUser(ctx, tx, u)
		return err
	})
	return made, err
}

func (s *AuthJS) createUser(ctx context.Context, tx *sqlstore.Tx, u store.User) (store.User, error) {
	if err := s.freeEmail(ctx, tx, "", u.Email); err != nil {
		return store.User{}, err
	}
	query, args := s.users.insert(userColumns, sqlstore.Label(u.Name), u.Email, sqlstore.Label(u.Image), at(u.EmailVerified))
	id, err := sqlstore.One(ctx, tx, func(row sqlstore.Row, id *string) error { return row.Scan(id) }, query+" RETURNING id::text", args...)
	if err != nil {
		return store.User{}, err
	}
	u.ID, u.EmailVerified = id, at(u.EmailVerified)
	return u, nil
}

// freeEmail makes sure that nobody but the user with that id has an address.
func (s *AuthJS) freeEmail(ctx context.Context, tx *sqlstore.Tx, id, email string) error {
	if email == "" {
		return nil
	}
	return only(ctx, tx, "email", email, "SELECT 1 FROM "+s.users.name+" u WHERE lower(u.email) = $1 AND u.id::text <> $2", email, id)
}

// User implements store.Users.
func (s *AuthJS) User(ctx context.Context, id string) (store.User, error) {
	return s.oneUser(ctx, "u.id = "+s.id("$1"), id)
}

// UserByEmail implements store.Users. Auth.js keeps addresses as providers write
// them. An index serves the first query only, and most addresses are found by it.
func (s *AuthJS) UserByEmail(ctx context.Context, email string) (store.User, error) {
	if email == "" {
		return store.User{}, store.ErrNotFound
	}
	u, err := s.oneUser(ctx, "u.email = $1", email)
	if errors.Is(err, store.ErrNotFound) {
		u, err = s.oneUser(ctx, "lower(u.email) = $1 ORDER BY u.id LIMIT 1", email)
	}
	return u, err
}

// UserByAccount implements store.Users.
func (s *AuthJS) UserByAccount(ctx context.Context, provider, providerAccountID string) (store.User, error) {
	return s.oneUser(ctx, "u.id = (SELECT a.\"userId\" FROM "+s.accounts.name+
		` a WHERE a.provider = $1 AND a."providerAccountId" = $2 LIMIT 1)`, provider, providerAccountID)
}

func (s *AuthJS) oneUser(ctx context.Context, where string, args ...any) (store.User, error) {
	query := "SELECT " + s.userColumns() + " FROM " + s.users.name + " u WHERE " + where
	return sqlstore.One(ctx, s.db.DB, oneTheirUser, query, args...)
}

// UpdateUser implements store.Users. An address that differs in case only stays
// as it is: Auth.js looks for it in the provider's spelling.
func (s *AuthJS) UpdateUser(ctx context.Context, u store.User) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		if err := s.freeEmail(ctx, tx, u.ID, u.Email); err != nil {
			return err
		}
		query := "UPDATE " + s.users.name + s.users.set(2, "name", "image", "emailVerified") +
			", email = CASE WHEN lower(email) = $5 THEN email ELSE " + s.users.write("email", "$5") + " END WHERE id = " + s.id("$1")
		return tx.Update(ctx, query, u.ID, sqlstore.Label(u.Name), sqlstore.Label(u.Image), at(u.EmailVerified), u.Email)
	})
}

// DeleteUser implements store.Users. To lock the user first waits for whoever is
// adding something to it. The tables of pg-adapter do not refer to the user, and
// those of Prisma may forbid to delete one who has anything left.
func (s *AuthJS) DeleteUser(ctx context.Context, id string) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		where := "id = " + s.id("$1")
		if _, err := there(ctx, tx, "SELECT 1 FROM "+s.users.name+" WHERE "+where+" FOR UPDATE", id); err != nil {
			return err
		}
		theirs := func(t *table) string { return "DELETE FROM " + t.name + ` WHERE "userId" = ` + s.id("$1") }
		// Their sessions come before ours, as in ExtendSession: in another order the
		// two would wait for each other.
		queries := []string{
			theirs(s.sessions), "DELETE FROM caddyauth_authjs_sessions WHERE user_id = $1",
			sqlstore.DeleteAuthenticatorsOf, sqlstore.DeleteTokensOf, theirs(s.accounts),
		}
		if s.passkeys != nil {
			queries = append(queries, theirs(s.passkeys))
		}
		for _, query := range append(queries, "DELETE FROM "+s.users.name+" WHERE "+where) {
			if err := tx.Delete(ctx, query, id); err != nil {
				return needed(err)
			}
		}
		return nil
	})
}

// needed explains why a user cannot be deleted: the application has more tables.
func needed(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23503" {
		// Not wrapped, because it does not mean that something was not found.
		return fmt.Errorf("the application needs the user in its table %q: %s", refused.TableName, refused.Message)
	}
	return err
}
