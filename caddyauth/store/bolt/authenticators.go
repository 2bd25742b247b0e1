package bolt

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func rowOfAuthenticator(a store.Authenticator) authenticatorRow {
	return authenticatorRow{
		CredentialID: a.CredentialID, UserID: a.UserID, ProviderAccountID: a.ProviderAccountID, PublicKey: a.PublicKey,
		Counter: a.Counter, DeviceType: a.DeviceType, BackedUp: a.BackedUp, Transports: a.Transports, Name: a.Name,
		Flags: a.Flags, AAGUID: a.AAGUID, Created: a.Created, Used: a.Used, Evidence: a.Evidence,
	}
}

func (r authenticatorRow) authenticator() store.Authenticator {
	return store.Authenticator{
		CredentialID: r.CredentialID, UserID: r.UserID, ProviderAccountID: r.ProviderAccountID, PublicKey: r.PublicKey,
		Counter: r.Counter, DeviceType: r.DeviceType, BackedUp: r.BackedUp, Transports: r.Transports, Name: r.Name,
		Flags: r.Flags, AAGUID: r.AAGUID, Created: r.Created, Used: r.Used, Evidence: r.Evidence,
	}
}

// CreateAuthenticator implements [store.Authenticators].
func (s *Store) CreateAuthenticator(ctx context.Context, a store.Authenticator) error {
	id := []byte(a.CredentialID)
	row, err := encode(rowOfAuthenticator(a))
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bbolt.Tx) error {
		switch {
		case !taken(tx, users, []byte(a.UserID)):
			return store.ErrNotFound
		case taken(tx, authenticators, id):
			return store.ErrConflict
		}
		if err := belong(tx, authenticatorsOf, a.UserID, id); err != nil {
			return err
		}
		return tx.Bucket(authenticators).Put(id, row)
	})
}

// Authenticator implements [store.Authenticators].
func (s *Store) Authenticator(ctx context.Context, credentialID string) (a store.Authenticator, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		r, err := get[authenticatorRow](tx, authenticators, []byte(credentialID))
		a = r.authenticator()
		return err
	})
	return a, err
}

// Authenticators implements [store.Authenticators].
func (s *Store) Authenticators(ctx context.Context, userID string) (list []store.Authenticator, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		for _, k := range theirs(tx, authenticatorsOf, userID) {
			r, err := of[authenticatorRow](tx, authenticators, k)
			if err != nil {
				return err
			}
			list = append(list, r.authenticator())
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b store.Authenticator) int { return a.Created.Compare(b.Created) })
	return list, err
}

// UpdateAuthenticator implements [store.Authenticators].
func (s *Store) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		r, err := get[authenticatorRow](tx, authenticators, []byte(a.CredentialID))
		if err != nil {
			return err
		}
		r.Counter, r.BackedUp, r.Flags, r.Used, r.Name = a.Counter, a.BackedUp, a.Flags, a.Used, a.Name
		return put(tx, authenticators, r)
	})
}

// DeleteAuthenticator implements [store.Authenticators].
func (s *Store) DeleteAuthenticator(ctx context.Context, userID, credentialID string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		if !taken(tx, authenticatorsOf, append(key(userID), credentialID...)) {
			return nil
		}
		return dropAuthenticator(tx, []byte(credentialID))
	})
}

// dropAuthenticator removes a passkey. It succeeds if there is none.
func dropAuthenticator(tx *bbolt.Tx, id []byte) error {
	if !taken(tx, authenticators, id) {
		return nil
	}
	r, err := get[authenticatorRow](tx, authenticators, id)
	if err != nil {
		return err
	}
	if err := disown(tx, authenticatorsOf, r.UserID, id); err != nil {
		return err
	}
	return tx.Bucket(authenticators).Delete(id)
}

func (r tokenRow) token() store.Token {
	return store.Token{
		ID: r.ID, UserID: r.UserID, Hash: r.Hash, Name: r.Name, Paths: r.Paths, Methods: r.Methods,
		Expires: r.Expires, Created: r.Created, Used: r.Used, Evidence: r.Evidence,
	}
}

// CreateToken implements [store.Tokens].
func (s *Store) CreateToken(ctx context.Context, p store.Token) error {
	id := []byte(p.ID)
	row, err := encode(tokenRow{
		ID: p.ID, UserID: p.UserID, Hash: p.Hash, Name: p.Name, Paths: p.Paths, Methods: p.Methods,
		Expires: p.Expires, Created: p.Created, Used: p.Used, Evidence: p.Evidence,
	})
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bbolt.Tx) error {
		switch {
		case !taken(tx, users, []byte(p.UserID)):
			return store.ErrNotFound
		case taken(tx, tokens, id), taken(tx, tokensByHash, []byte(p.Hash)):
			return store.ErrConflict
		}
		if err := tx.Bucket(tokensByHash).Put([]byte(p.Hash), id); err != nil {
			return err
		}
		if err := belong(tx, tokensOf, p.UserID, id); err != nil {
			return err
		}
		return tx.Bucket(tokens).Put(id, row)
	})
}

// TokenByHash implements [store.Tokens].
func (s *Store) TokenByHash(ctx context.Context, hash string) (p store.Token, u store.User, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		id := tx.Bucket(tokensByHash).Get([]byte(hash))
		if id == nil {
			return store.ErrNotFound
		}
		r, err := of[tokenRow](tx, tokens, id)
		if err != nil {
			return err
		}
		owner, err := of[userRow](tx, users, []byte(r.UserID))
		if err == nil {
			p, u = r.token(), store.User(owner)
		}
		return err
	})
	return p, u, err
}

// Tokens implements [store.Tokens].
func (s *Store) Tokens(ctx context.Context, userID string) (list []store.Token, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		add := func(id, v []byte) error {
			r, err := read[tokenRow](id, v)
			list = append(list, r.token())
			return err
		}
		if userID == "" {
			return tx.Bucket(tokens).ForEach(add)
		}
		for _, id := range theirs(tx, tokensOf, userID) {
			if err := add(id, tx.Bucket(tokens).Get(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b store.Token) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// TouchToken implements [store.Tokens].
func (s *Store) TouchToken(ctx context.Context, id string, used time.Time) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		r, err := get[tokenRow](tx, tokens, []byte(id))
		if err != nil {
			return err
		}
		r.Used = used
		return put(tx, tokens, r)
	})
}

// DeleteToken implements [store.Tokens].
func (s *Store) DeleteToken(ctx context.Context, userID, id string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error {
		if userID != "" && !taken(tx, tokensOf, append(key(userID), id...)) {
			return nil
		}
		return dropToken(tx, []byte(id))
	})
}

// dropToken removes a personal access token. It succeeds if there is none.
func dropToken(tx *bbolt.Tx, id []byte) error {
	if !taken(tx, tokens, id) {
		return nil
	}
	r, err := get[tokenRow](tx, tokens, id)
	if err != nil {
		return err
	}
	if err := tx.Bucket(tokensByHash).Delete([]byte(r.Hash)); err != nil {
		return err
	}
	if err := disown(tx, tokensOf, r.UserID, id); err != nil {
		return err
	}
	return tx.Bucket(tokens).Delete(id)
}
