package memory

import (
	"context"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Revoke implements [store.Revocations].
func (s *Store) Revoke(ctx context.Context, r store.Revocation) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.ended[endedID{r.Kind, r.Key}] = r
	s.feed.Tell(r)
	return nil
}

// WatchRevocations implements [store.Revocations].
func (s *Store) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	return s.feed.Watch(ctx, func() ([]store.Revocation, error) {
		if err := s.read(ctx); err != nil {
			return nil, err
		}
		defer s.mu.RUnlock()
		var list []store.Revocation
		for _, r := range s.ended {
			if r.Until.After(now) {
				list = append(list, r)
			}
		}
		return list, nil
	}, heard, synced)
}

// Lock implements [store.Locks].
func (s *Store) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	if err := s.read(ctx); err != nil {
		return false, err
	}
	defer s.mu.RUnlock()
	return s.locks.Lock(name, owner, ttl), nil
}

// Unlock implements [store.Locks].
func (s *Store) Unlock(ctx context.Context, name, owner string) error {
	if err := s.read(ctx); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	s.locks.Unlock(name, owner)
	return nil
}
