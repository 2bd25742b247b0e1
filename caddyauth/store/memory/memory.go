// Package memory is a store that lasts as long as the process. It is for tests,
// and for sites that want what only a store can do and can do without it after a
// restart.
package memory

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/local"
)

// Store is a [store.Driver] that keeps everything in memory: about 1 KiB for a
// session with its evidence. It is bounded by [Store.Sweep] alone.
type Store struct {
	feed  local.Feed
	locks local.Locks

	mu     sync.RWMutex
	closed bool

	users    map[string]store.User
	emails   map[string]string // to the user's id
	accounts map[accountID]store.Account
	sessions map[string]store.Session
	tokens   map[string]string // of sessions, to their id
	links    map[linkID]store.VerificationToken
	passkeys map[string]store.Authenticator
	pats     map[string]store.Token
	hashes   map[string]string // of personal access tokens, to their id
	ended    map[endedID]store.Revocation

	// owned are the IDs of each user's sessions.
	owned map[string][]string
}

type (
	accountID struct{ provider, id string }
	linkID    struct{ identifier, token string }
	endedID   struct {
		kind store.RevocationKind
		key  string
	}
)

var _ store.Driver = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		users:    make(map[string]store.User),
		emails:   make(map[string]string),
		accounts: make(map[accountID]store.Account),
		sessions: make(map[string]store.Session),
		tokens:   make(map[string]string),
		links:    make(map[linkID]store.VerificationToken),
		passkeys: make(map[string]store.Authenticator),
		pats:     make(map[string]store.Token),
		hashes:   make(map[string]string),
		ended:    make(map[endedID]store.Revocation),
		owned:    make(map[string][]string),
	}
}

// Ping implements [store.Driver].
func (s *Store) Ping(ctx context.Context) error {
	if err := s.read(ctx); err != nil {
		return err
	}
	s.mu.RUnlock()
	return nil
}

// Close implements [store.Driver]. Everything is forgotten.
func (s *Store) Close() error {
	s.feed.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := New()
	s.closed = true
	s.users, s.emails, s.accounts, s.sessions, s.tokens = empty.users, empty.emails, empty.accounts, empty.sessions, empty.tokens
	s.links, s.passkeys, s.pats, s.hashes, s.ended = empty.links, empty.passkeys, empty.pats, empty.hashes, empty.ended
	s.owned = empty.owned
	return nil
}

// read locks the store for reading, unless there is an error.
func (s *Store) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return local.ErrClosed
	}
	return nil
}

// write locks the store for writing, unless there is an error.
func (s *Store) write(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return local.ErrClosed
	}
	return nil
}

// find returns what is in a map, or [store.ErrNotFound].
func find[K comparable, V any](m map[K]V, key K) (V, error) {
	v, ok := m[key]
	if !ok {
		return v, store.ErrNotFound
	}
	return v, nil
}

// newID makes the id of a user: 128 random bits.
func newID() string { return rand.Text() }

// Sweep implements [store.Driver].
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, a := range s.sessions {
		if !a.Expires.After(now) {
			s.dropSession(a)
		}
	}
	for key, v := range s.links {
		if !v.Expires.After(now) {
			delete(s.links, key)
		}
	}
	for _, p := range s.pats {
		if !p.Expires.IsZero() && !p.Expires.After(now) {
			s.dropToken(p)
		}
	}
	for key, r := range s.ended {
		if !r.Until.After(now) {
			delete(s.ended, key)
		}
	}
	return nil
}

// disown removes an id from a user's sessions.
func (s *Store) disown(userID, id string) {
	ids := s.owned[userID]
	if i := slices.Index(ids, id); i >= 0 {
		ids = slices.Delete(ids, i, i+1)
	}
	if len(ids) == 0 {
		delete(s.owned, userID)
		return
	}
	s.owned[userID] = ids
}
