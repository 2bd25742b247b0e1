package bolt

import (
	"context"
	"crypto/rand"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// CreateUser implements [store.Users].
func (s *Store) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	u.ID = rand.Text()
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		if u.Email != "" && taken(tx, usersByEmail, []byte(u.Email)) {
			return store.ErrConflict
		}
		return addUser(tx, u)
	})
	if err != nil {
		return store.User{}, err
	}
	return u, nil
}

// addUser keeps a user whose address nobody has.
func addUser(tx *bbolt.Tx, u store.User) error {
	if u.Email != "" {
		if err := tx.Bucket(usersByEmail).Put([]byte(u.Email), []byte(u.ID)); err != nil {
			return err
		}
	}
	return put(tx, users, userRow(u))
}

// User implements [store.Users].
func (s *Store) User(ctx context.Context, id string) (u store.User, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		r, err := get[userRow](tx, users, []byte(id))
		u = store.User(r)
		return err
	})
	return u, err
}

// UserByEmail implements [store.Users].
func (s *Store) UserByEmail(ctx context.Context, email string) (u store.User, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		id := tx.Bucket(usersByEmail).Get([]byte(email))
		if id == nil {
			return store.ErrNotFound
		}
		r, err := of[userRow](tx, users, id)
		u = store.User(r)
		return err
	})
	return u, err
}

// UserByAccount implements [store.Users].
func (s *Store) UserByAccount(ctx context.Context, provider, providerAccountID string) (u store.User, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		a, err := get[accountRow](tx, accounts, key(provider, providerAccountID))
		if err != nil {
			return err
		}
		r, err := of[userRow](tx, users, []byte(a.UserID))
		u = store.User(r)
		return err
	})
	return u, err
}

// UpdateUser implements [store.Users].
func (s *Store) UpdateUser(ctx context.Context, u store.User) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		old, err := get[userRow](tx, users, []byte(u.ID))
		if err != nil {
			return err
		}
		if old.Email == u.Email {
			return put(tx, users, userRow(u))
		}
		if u.Email != "" && taken(tx, usersByEmail, []byte(u.Email)) {
			return store.ErrConflict
		}
		if err := tx.Bucket(usersByEmail).Delete([]byte(old.Email)); err != nil {
			return err
		}
		return addUser(tx, u)
	})
}

// DeleteUser implements [store.Users].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		if !taken(tx, users, []byte(id)) {
			return nil
		}
		u, err := get[userRow](tx, users, []byte(id))
		if err != nil {
			return err
		}
		for _, of := range []struct {
			bucket []byte
			drop   func(*bbolt.Tx, []byte) error
		}{
			{accountsOf, dropAccount}, {sessionsOf, dropSession}, {authenticatorsOf, dropAuthenticator}, {tokensOf, dropToken},
		} {
			for _, k := range theirs(tx, of.bucket, id) {
				if err := of.drop(tx, k); err != nil {
					return err
				}
			}
		}
		if err := tx.Bucket(usersByEmail).Delete([]byte(u.Email)); err != nil {
			return err
		}
		return tx.Bucket(users).Delete([]byte(id))
	})
}
