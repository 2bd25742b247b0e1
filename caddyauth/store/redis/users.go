package redis

import (
	"context"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// userFields are all fields of a user: address and the others, even if they are
// empty, because an update sets them all, and a hash needs one.
func userFields(u store.User) fields {
	return fields{"name", u.Name, "email", u.Email, "image", u.Image, "verified", millis(u.EmailVerified)}
}

func (r *row) user(id string) (store.User, error) {
	u := store.User{ID: id, Name: r.text("name"), Email: r.text("email"), Image: r.text("image"), EmailVerified: r.time("verified")}
	return u, r.err
}

// CreateUser implements [store.Driver].
func (s *Store) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	return s.createUser(ctx, u, "", nil)
}

// CreateUserAndAccount implements [store.Driver].
func (s *Store) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	return s.createUser(ctx, u, accountName(a.Provider, a.ProviderAccountID), &a)
}

func (s *Store) createUser(ctx context.Context, u store.User, account string, a *store.Account) (store.User, error) {
	u.ID = store.NewID()
	f := userFields(u)
	args := append([]any{u.ID, u.Email, account, len(f)}, f...)
	if a != nil {
		a.UserID = u.ID
		args = append(args, accountFields(*a)...)
	}
	if err := s.do(ctx, luaCreateUser, args...); err != nil {
		return store.User{}, err
	}
	return u, nil
}

// User implements [store.Driver].
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	v, err := s.find(ctx, luaRow, "user", id)
	if err != nil {
		return store.User{}, err
	}
	return newRow(v).user(id)
}

// UserByEmail implements [store.Driver].
func (s *Store) UserByEmail(ctx context.Context, email string) (store.User, error) {
	return s.userBy(ctx, luaUserByEmail, email)
}

// UserByAccount implements [store.Driver].
func (s *Store) UserByAccount(ctx context.Context, provider, providerAccountID string) (store.User, error) {
	return s.userBy(ctx, luaUserByAccount, accountName(provider, providerAccountID))
}

// userBy finds a user by something that is nobody else's.
func (s *Store) userBy(ctx context.Context, sc *script, name string) (store.User, error) {
	v, err := s.find(ctx, sc, name)
	if err != nil {
		return store.User{}, err
	}
	found, err := parts(v, 1)
	switch {
	case err != nil:
		return store.User{}, err
	case len(found) < 2:
		return store.User{}, store.ErrNotFound
	}
	id, _ := found[0].(string)
	return newRow(found[1]).user(id)
}

// UpdateUser implements [store.Driver].
func (s *Store) UpdateUser(ctx context.Context, u store.User) error {
	return s.do(ctx, luaUpdateUser, append([]any{u.ID, u.Email}, userFields(u)...)...)
}

// DeleteUser implements [store.Driver].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return s.do(ctx, luaDeleteUser, id)
}
