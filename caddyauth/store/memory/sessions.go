package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// CreateSession implements [store.Sessions].
func (s *Store) CreateSession(ctx context.Context, a store.Session) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, err := find(s.users, a.UserID); err != nil {
		return err
	}
	if _, taken := s.sessions[a.ID]; taken {
		return store.ErrConflict
	}
	if _, taken := s.tokens[a.Token]; taken {
		return store.ErrConflict
	}
	a.Evidence = slices.Clone(a.Evidence)
	s.sessions[a.ID] = a
	if a.Token != "" {
		s.tokens[a.Token] = a.ID
	}
	s.owned[a.UserID] = append(s.owned[a.UserID], a.ID)
	return nil
}

// dropSession needs s.mu.
func (s *Store) dropSession(a store.Session) {
	delete(s.sessions, a.ID)
	delete(s.tokens, a.Token)
	s.disown(a.UserID, a.ID)
}

// withUser needs s.mu.
func (s *Store) withUser(a store.Session) store.SessionAndUser {
	a.Evidence = slices.Clone(a.Evidence)
	return store.SessionAndUser{Session: a, User: s.users[a.UserID]}
}

// SessionByToken implements [store.Sessions].
func (s *Store) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	if err := s.read(ctx); err != nil {
		return store.SessionAndUser{}, err
	}
	defer s.mu.RUnlock()
	id, err := find(s.tokens, token)
	if err != nil {
		return store.SessionAndUser{}, err
	}
	return s.withUser(s.sessions[id]), nil
}

// SessionByID implements [store.Sessions].
func (s *Store) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	if err := s.read(ctx); err != nil {
		return store.SessionAndUser{}, err
	}
	defer s.mu.RUnlock()
	a, err := find(s.sessions, id)
	if err != nil {
		return store.SessionAndUser{}, err
	}
	return s.withUser(a), nil
}

// ExtendSession implements [store.Sessions].
func (s *Store) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	if err := s.write(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	a, ok := s.sessions[id]
	if !ok || !a.Expires.Equal(from) {
		return false, nil
	}
	a.Expires, a.Seen = to, seen
	s.sessions[id] = a
	return true, nil
}

// DeleteSession implements [store.Sessions].
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if a, ok := s.sessions[id]; ok {
		s.dropSession(a)
	}
	return nil
}

// DeleteUserSessions implements [store.Sessions].
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	if err := s.write(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var gone []string
	for _, id := range slices.Clone(s.owned[userID]) {
		if id != except {
			s.dropSession(s.sessions[id])
			gone = append(gone, id)
		}
	}
	return gone, nil
}

// ListSessions implements [store.Sessions].
func (s *Store) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	userID := f.UserID
	if userID == "" && f.Email != "" {
		var ok bool
		if userID, ok = s.emails[f.Email]; !ok {
			return nil, nil
		}
	}
	var ids []string
	if userID != "" {
		ids = slices.Clone(s.owned[userID])
	} else {
		ids = slices.Collect(maps.Keys(s.sessions))
	}
	ids = slices.DeleteFunc(ids, func(id string) bool {
		a := s.sessions[id]
		return id <= f.After && f.After != "" || !a.Expires.After(now) ||
			f.Provider != "" && a.Provider != f.Provider ||
			f.Email != "" && s.users[a.UserID].Email != f.Email
	})
	slices.Sort(ids)
	var list []store.SessionAndUser
	for _, id := range ids[:min(len(ids), f.Page())] {
		list = append(list, s.withUser(s.sessions[id]))
	}
	return list, nil
}
