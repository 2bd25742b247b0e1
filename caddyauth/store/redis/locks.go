package redis

import (
	"context"
	"time"
)

// Lock implements [store.Driver]. The server's clock ends the lock.
func (s *Store) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	v, err := s.eval(ctx, luaLock, name, owner, max(ttl.Milliseconds(), 1))
	return v == int64(1), err
}

// Unlock implements [store.Driver].
func (s *Store) Unlock(ctx context.Context, name, owner string) error {
	return s.do(ctx, luaUnlock, name, owner)
}
