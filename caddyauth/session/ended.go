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

// maxLogouts bounds that of logouts at providers, of about 30 bytes each.
const maxLogouts = 500_000

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
	// logouts are those at providers. They have memory of their own: some of them
	// are anybody's word, and must not push out what was ended here.
	logouts, olderLogouts ended
}

// ended is one generation: what was ended, and when the last token of any of it
// expires.
type ended struct {
	keys  map[uint64]struct{}
	users map[uint64]int64 // when their sessions were ended, in Unix milliseconds; of logouts, by their keys
	until time.Time
}

func newGeneration() ended {
	return ended{keys: make(map[uint64]struct{}), users: make(map[uint64]int64)}
}

func (g *ended) size() int { return len(g.keys) + len(g.users) }

// NewEnded returns an empty memory.
func NewEnded() *Ended {
	return &Ended{seed: maphash.MakeSeed(), current: newGeneration(), logouts: newGeneration()}
}

// Add ends the session with that key; now is the current time, and until is
// when its last token expires.
func (e *Ended) Add(key string, now, until time.Time) {
	if key == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	turn(&e.current, &e.older, maxEnded, now, until)
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
	e.note(&e.current, &e.older, maxEnded, e.hash(owner), at, now, until)
}

// AddLogout ends the sessions that had begun at a time, which is no later than now,
// and are a part of what a [LogoutKey] names.
func (e *Ended) AddLogout(key string, at, now, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.note(&e.logouts, &e.olderLogouts, maxLogouts, e.hash(key), at, now, until)
}

// note keeps a time for a hash unless there is a later one. It needs e.mu.
func (e *Ended) note(current, older *ended, most int, hash uint64, at, now, until time.Time) {
	ms := at.UnixMilli()
	if ms <= max(current.users[hash], older.users[hash]) {
		return
	}
	turn(current, older, most, now, until)
	current.users[hash] = ms
	e.changes.Add(1)
}

// once notes a name and reports whether it was not there.
func (e *Ended) once(name string, now, until time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	hash := e.hash(name)
	if _, ok := e.logouts.keys[hash]; ok {
		return false
	}
	if _, ok := e.olderLogouts.keys[hash]; ok {
		return false
	}
	turn(&e.logouts, &e.olderLogouts, maxLogouts, now, until)
	e.logouts.keys[hash] = struct{}{}
	return true
}

// undo takes a name back.
func (e *Ended) undo(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	hash := e.hash(name)
	delete(e.logouts.keys, hash)
	delete(e.olderLogouts.keys, hash)
}

// turn makes room in two generations of memory.
func turn(current, older *ended, most int, now, until time.Time) {
	if current.size() >= most/2 || current.size() > 0 && older.until.Before(now) {
		*older, *current = *current, newGeneration()
	}
	if until.After(current.until) {
		current.until = until
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

// covers reports whether a session was ended, by itself, with its family, with all
// of its owner's or by its provider.
func (e *Ended) covers(s *Session) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.has(s.Key()) || s.PAT == nil && s.Evidence.Family != "" && e.has(s.Evidence.Family) {
		return true
	}
	if s.PAT != nil {
		return false // personal access tokens are ended one by one
	}
	var at int64
	if len(e.current.users)+len(e.older.users) > 0 {
		owner := e.hash(s.Owner())
		at = max(e.current.users[owner], e.older.users[owner])
	}
	if len(e.logouts.users)+len(e.olderLogouts.users) > 0 {
		one, all := s.logoutKeys()
		for _, key := range []string{one, all} {
			hash := e.hash(key)
			at = max(at, e.logouts.users[hash], e.olderLogouts.users[hash])
		}
	}
	return at != 0 && s.Since().UnixMilli() <= at
}

// Changes counts the calls of Add, AddUser and AddLogout. Whoever has looked a session up
// need not do so again until the count changes, which keeps the lock off the path
// of a request.
func (e *Ended) Changes() uint64 { return e.changes.Load() }
