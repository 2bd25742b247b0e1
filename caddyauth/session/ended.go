package session

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// maxEnded bounds the memory of ended sessions. Each takes about 20 bytes, and
// one of all of a user's about 30.
const maxEnded = 1_000_000

// Ended remembers what was ended before it expired, session by session or all
// that one user had begun: a token cannot be taken back from whoever copied it,
// so it is refused instead. One Ended serves every site of a store, or every site
// that has none, and outlives a reload.
//
// It keeps two generations. When the current one is half of what may be kept,
// or nothing in the older one could be valid any more, the older one is
// forgotten as a whole and the current one becomes it.
type Ended struct {
	changes atomic.Uint64
	watch   watch
	// seed makes hashes that nobody can aim at: a session whose hash is that of an
	// ended one would be refused.
	seed maphash.Seed

	mu             sync.RWMutex
	current, older ended
}

// ended is one generation: what was ended, and when the last token of any of it
// expires.
type ended struct {
	keys  map[uint64]struct{}
	users map[uint64]int64 // when their sessions were ended, in Unix milliseconds
	until time.Time
}

func newGeneration() ended {
	return ended{keys: make(map[uint64]struct{}), users: make(map[uint64]int64)}
}

func (g *ended) size() int { return len(g.keys) + len(g.users) }

// NewEnded returns an empty memory.
func NewEnded() *Ended { return &Ended{seed: maphash.MakeSeed(), current: newGeneration()} }

// Add ends the session with that key; now is the current time, and until is
// when its last token expires.
func (e *Ended) Add(key string, now, until time.Time) {
	if key == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.turn(now, until)
	e.current.keys[e.hash(key)] = struct{}{}
	// Whoever sees the change must find the key, so it comes last.
	e.changes.Add(1)
}

// AddUser ends the sessions that the owner had begun at a time, which is no later
// than now.
func (e *Ended) AddUser(owner string, at, now, until time.Time) {
	if owner == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	ms, hash := at.UnixMilli(), e.hash(owner)
	if ms <= max(e.current.users[hash], e.older.users[hash]) {
		return
	}
	e.turn(now, until)
	e.current.users[hash] = ms
	e.changes.Add(1)
}

// turn makes room. It needs e.mu.
func (e *Ended) turn(now, until time.Time) {
	if e.current.size() >= maxEnded/2 || e.current.size() > 0 && e.older.until.Before(now) {
		e.older, e.current = e.current, newGeneration()
	}
	if until.After(e.current.until) {
		e.current.until = until
	}
}

// keep makes the memory of what it knows already last longer.
func (e *Ended) keep(until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range []*ended{&e.current, &e.older} {
		if until.After(g.until) {
			g.until = until
		}
	}
}

// Has reports whether the session with that key was ended.
func (e *Ended) Has(key string) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.has(key)
}

func (e *Ended) hash(key string) uint64 { return maphash.String(e.seed, key) }

func (e *Ended) has(key string) bool {
	hash := e.hash(key)
	if _, ok := e.current.keys[hash]; ok {
		return true
	}
	_, ok := e.older.keys[hash]
	return ok
}

// covers reports whether a session was ended, by itself, with its family or with
// all of its owner's.
func (e *Ended) covers(s *Session) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.has(s.Key()) || s.PAT == nil && s.Evidence.Family != "" && e.has(s.Evidence.Family) {
		return true
	}
	if len(e.current.users)+len(e.older.users) == 0 || s.PAT != nil {
		return false // personal access tokens are ended one by one
	}
	owner := e.hash(s.Owner())
	at := max(e.current.users[owner], e.older.users[owner])
	return at != 0 && s.Since().UnixMilli() <= at
}

// Changes counts the calls of Add and AddUser. Whoever has looked a session up
// need not do so again until the count changes, which keeps the lock off the path
// of a request.
func (e *Ended) Changes() uint64 { return e.changes.Load() }
