package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// CreateUser implements [store.Users].
func (s *Store) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	if err := s.write(ctx); err != nil {
		return store.User{}, err
	}
	defer s.mu.Unlock()
	return s.addUser(u)
}

func (s *Store) addUser(u store.User) (store.User, error) {
	if _, taken := s.emails[u.Email]; taken {
		return store.User{}, store.ErrConflict
	}
	u.ID = newID()
	s.users[u.ID] = u
	if u.Email != "" {
		s.emails[u.Email] = u.ID
	}
	return u, nil
}

// User implements [store.Users].
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	if err := s.read(ctx); err != nil {
		return store.User{}, err
	}
	defer s.mu.RUnlock()
	return find(s.users, id)
}

// UserByEmail implements [store.Users].
func (s *Store) UserByEmail(ctx context.Context, email string) (store.User, error) {
	if err := s.read(ctx); err != nil {
		return store.User{}, err
	}
	defer s.mu.RUnlock()
	id, err := find(s.emails, email)
	if err != nil {
		return store.User{}, err
	}
	return find(s.users, id)
}

// UserByAccount implements [store.Users].
func (s *Store) UserByAccount(ctx context.Context, provider, providerAccountID string) (store.User, error) {
	if err := s.read(ctx); err != nil {
		return store.User{}, err
	}
	defer s.mu.RUnlock()
	a, err := find(s.accounts, accountID{provider, providerAccountID})
	if err != nil {
		return store.User{}, err
	}
	return find(s.users, a.UserID)
}

// UpdateUser implements [store.Users].
func (s *Store) UpdateUser(ctx context.Context, u store.User) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old, err := find(s.users, u.ID)
	if err != nil {
		return err
	}
	if id, taken := s.emails[u.Email]; taken && id != u.ID {
		return store.ErrConflict
	}
	delete(s.emails, old.Email)
	s.users[u.ID] = u
	if u.Email != "" {
		s.emails[u.Email] = u.ID
	}
	return nil
}

// DeleteUser implements [store.Users].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	u, ok := s.users[id]
	if !ok {
		return nil
	}
	delete(s.emails, u.Email)
	delete(s.users, id)
	for _, sid := range slices.Clone(s.owned[id]) {
		s.dropSession(s.sessions[sid])
	}
	for key, a := range s.accounts {
		if a.UserID == id {
			delete(s.accounts, key)
		}
	}
	for key, a := range s.passkeys {
		if a.UserID == id {
			delete(s.passkeys, key)
		}
	}
	for _, p := range s.pats {
		if p.UserID == id {
			s.dropToken(p)
		}
	}
	return nil
}

// LinkAccount implements [store.Accounts].
func (s *Store) LinkAccount(ctx context.Context, a store.Account) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	key := accountID{a.Provider, a.ProviderAccountID}
	if _, taken := s.accounts[key]; taken {
		return store.ErrConflict
	}
	if _, err := find(s.users, a.UserID); err != nil {
		return err
	}
	s.accounts[key] = a
	return nil
}

// CreateUserAndAccount implements [store.Accounts].
func (s *Store) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	if err := s.write(ctx); err != nil {
		return store.User{}, err
	}
	defer s.mu.Unlock()
	key := accountID{a.Provider, a.ProviderAccountID}
	if _, taken := s.accounts[key]; taken {
		return store.User{}, store.ErrConflict
	}
	u, err := s.addUser(u)
	if err != nil {
		return store.User{}, err
	}
	a.UserID = u.ID
	s.accounts[key] = a
	return u, nil
}

// Account implements [store.Accounts].
func (s *Store) Account(ctx context.Context, provider, providerAccountID string) (store.Account, error) {
	if err := s.read(ctx); err != nil {
		return store.Account{}, err
	}
	defer s.mu.RUnlock()
	return find(s.accounts, accountID{provider, providerAccountID})
}

// Accounts implements [store.Accounts].
func (s *Store) Accounts(ctx context.Context, userID string) ([]store.Account, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	var list []store.Account
	for _, a := range s.accounts {
		if a.UserID == userID {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b store.Account) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ProviderAccountID, b.ProviderAccountID))
	})
	return list, nil
}

// UpdateAccount implements [store.Accounts].
func (s *Store) UpdateAccount(ctx context.Context, a store.Account) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	key := accountID{a.Provider, a.ProviderAccountID}
	old, err := find(s.accounts, key)
	if err != nil {
		return err
	}
	a.UserID, a.Type = old.UserID, old.Type
	s.accounts[key] = a
	return nil
}

// UnlinkAccount implements [store.Accounts].
func (s *Store) UnlinkAccount(ctx context.Context, provider, providerAccountID string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.accounts, accountID{provider, providerAccountID})
	return nil
}
