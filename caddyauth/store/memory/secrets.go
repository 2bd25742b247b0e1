package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// CreateVerificationToken implements [store.VerificationTokens].
func (s *Store) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.links[linkID{v.Identifier, v.Token}] = v
	return nil
}

// UseVerificationToken implements [store.VerificationTokens].
func (s *Store) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	if err := s.write(ctx); err != nil {
		return store.VerificationToken{}, err
	}
	defer s.mu.Unlock()
	key := linkID{identifier, token}
	v, err := find(s.links, key)
	delete(s.links, key)
	return v, err
}

// clonePasskey makes what is kept independent of the caller's.
func clonePasskey(a store.Authenticator) store.Authenticator {
	a.PublicKey, a.AAGUID, a.Transports = slices.Clone(a.PublicKey), slices.Clone(a.AAGUID), slices.Clone(a.Transports)
	a.Evidence = slices.Clone(a.Evidence)
	return a
}

// CreateAuthenticator implements [store.Authenticators].
func (s *Store) CreateAuthenticator(ctx context.Context, a store.Authenticator) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, err := find(s.users, a.UserID); err != nil {
		return err
	}
	if _, taken := s.passkeys[a.CredentialID]; taken {
		return store.ErrConflict
	}
	s.passkeys[a.CredentialID] = clonePasskey(a)
	return nil
}

// Authenticator implements [store.Authenticators].
func (s *Store) Authenticator(ctx context.Context, credentialID string) (store.Authenticator, error) {
	if err := s.read(ctx); err != nil {
		return store.Authenticator{}, err
	}
	defer s.mu.RUnlock()
	a, err := find(s.passkeys, credentialID)
	return clonePasskey(a), err
}

// Authenticators implements [store.Authenticators].
func (s *Store) Authenticators(ctx context.Context, userID string) ([]store.Authenticator, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var list []store.Authenticator
	for _, a := range s.passkeys {
		if a.UserID == userID {
			list = append(list, clonePasskey(a))
		}
	}
	slices.SortFunc(list, func(a, b store.Authenticator) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.CredentialID, b.CredentialID))
	})
	return list, nil
}

// UpdateAuthenticator implements [store.Authenticators].
func (s *Store) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old, err := find(s.passkeys, a.CredentialID)
	if err != nil {
		return err
	}
	old.Counter, old.BackedUp, old.Flags, old.Used, old.Name = a.Counter, a.BackedUp, a.Flags, a.Used, a.Name
	s.passkeys[a.CredentialID] = old
	return nil
}

// DeleteAuthenticator implements [store.Authenticators].
func (s *Store) DeleteAuthenticator(ctx context.Context, userID, credentialID string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if a, ok := s.passkeys[credentialID]; ok && a.UserID == userID {
		delete(s.passkeys, credentialID)
	}
	return nil
}

// cloneToken makes what is kept independent of the caller's.
func cloneToken(p store.Token) store.Token {
	p.Paths, p.Methods, p.Evidence = slices.Clone(p.Paths), slices.Clone(p.Methods), slices.Clone(p.Evidence)
	return p
}

// CreateToken implements [store.Tokens].
func (s *Store) CreateToken(ctx context.Context, p store.Token) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, err := find(s.users, p.UserID); err != nil {
		return err
	}
	if _, taken := s.pats[p.ID]; taken {
		return store.ErrConflict
	}
	if _, taken := s.hashes[p.Hash]; taken {
		return store.ErrConflict
	}
	s.pats[p.ID], s.hashes[p.Hash] = cloneToken(p), p.ID
	return nil
}

// dropToken needs s.mu.
func (s *Store) dropToken(p store.Token) {
	delete(s.pats, p.ID)
	delete(s.hashes, p.Hash)
}

// TokenByHash implements [store.Tokens].
func (s *Store) TokenByHash(ctx context.Context, hash string) (store.Token, store.User, error) {
	if err := s.read(ctx); err != nil {
		return store.Token{}, store.User{}, err
	}
	defer s.mu.RUnlock()
	id, err := find(s.hashes, hash)
	if err != nil {
		return store.Token{}, store.User{}, err
	}
	p := s.pats[id]
	return cloneToken(p), s.users[p.UserID], nil
}

// Tokens implements [store.Tokens].
func (s *Store) Tokens(ctx context.Context, userID string) ([]store.Token, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var list []store.Token
	for _, p := range s.pats {
		if userID == "" || p.UserID == userID {
			list = append(list, cloneToken(p))
		}
	}
	slices.SortFunc(list, func(a, b store.Token) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// TouchToken implements [store.Tokens].
func (s *Store) TouchToken(ctx context.Context, id string, used time.Time) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	p, err := find(s.pats, id)
	if err != nil {
		return err
	}
	p.Used = used
	s.pats[id] = p
	return nil
}

// DeleteToken implements [store.Tokens].
func (s *Store) DeleteToken(ctx context.Context, userID, id string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if p, ok := s.pats[id]; ok && (userID == "" || p.UserID == userID) {
		s.dropToken(p)
	}
	return nil
}
