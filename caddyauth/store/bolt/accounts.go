package bolt

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// LinkAccount implements [store.Accounts].
func (s *Store) LinkAccount(ctx context.Context, a store.Account) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		switch {
		case taken(tx, accounts, key(a.Provider, a.ProviderAccountID)):
			return store.ErrConflict
		case !taken(tx, users, []byte(a.UserID)):
			return store.ErrNotFound
		}
		return addAccount(tx, a)
	})
}

// addAccount keeps an account that nobody has.
func addAccount(tx *bbolt.Tx, a store.Account) error {
	k := key(a.Provider, a.ProviderAccountID)
	if err := belong(tx, accountsOf, a.UserID, k); err != nil {
		return err
	}
	return put(tx, accounts, accountRow(a))
}

// dropAccount removes an account. It succeeds if there is none.
func dropAccount(tx *bbolt.Tx, k []byte) error {
	if !taken(tx, accounts, k) {
		return nil
	}
	a, err := get[accountRow](tx, accounts, k)
	if err != nil {
		return err
	}
	if err := disown(tx, accountsOf, a.UserID, k); err != nil {
		return err
	}
	return tx.Bucket(accounts).Delete(k)
}

// CreateUserAndAccount implements [store.Accounts].
func (s *Store) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	u.ID = rand.Text()
	a.UserID = u.ID
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		if u.Email != "" && taken(tx, usersByEmail, []byte(u.Email)) ||
			taken(tx, accounts, key(a.Provider, a.ProviderAccountID)) {
			return store.ErrConflict
		}
		if err := addUser(tx, u); err != nil {
			return err
		}
		return addAccount(tx, a)
	})
	if err != nil {
		return store.User{}, err
	}
	return u, nil
}

// Account implements [store.Accounts].
func (s *Store) Account(ctx context.Context, provider, providerAccountID string) (a store.Account, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		r, err := get[accountRow](tx, accounts, key(provider, providerAccountID))
		a = store.Account(r)
		return err
	})
	return a, err
}

// Accounts implements [store.Accounts].
func (s *Store) Accounts(ctx context.Context, userID string) (list []store.Account, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		for _, k := range theirs(tx, accountsOf, userID) {
			r, err := of[accountRow](tx, accounts, k)
			if err != nil {
				return err
			}
			list = append(list, store.Account(r))
		}
		return nil
	})
	// The keys begin with lengths, so theirs is another order.
	slices.SortFunc(list, func(a, b store.Account) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ProviderAccountID, b.ProviderAccountID))
	})
	return list, err
}

// UpdateAccount implements [store.Accounts].
func (s *Store) UpdateAccount(ctx context.Context, a store.Account) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		k := key(a.Provider, a.ProviderAccountID)
		old, err := get[accountRow](tx, accounts, k)
		if err != nil {
			return err
		}
		a.UserID, a.Type = old.UserID, old.Type
		return put(tx, accounts, accountRow(a))
	})
}

// UnlinkAccount implements [store.Accounts].
func (s *Store) UnlinkAccount(ctx context.Context, provider, providerAccountID string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error { return dropAccount(tx, key(provider, providerAccountID)) })
}

// CreateVerificationToken implements [store.VerificationTokens].
func (s *Store) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		return put(tx, links, linkRow(v))
	})
}

// UseVerificationToken implements [store.VerificationTokens].
func (s *Store) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	k := key(identifier, token)
	return change(ctx, s, func(tx *bbolt.Tx) (store.VerificationToken, error) {
		r, err := get[linkRow](tx, links, k)
		if err != nil {
			return store.VerificationToken{}, err
		}
		return store.VerificationToken(r), tx.Bucket(links).Delete(k)
	})
}
