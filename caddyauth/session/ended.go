package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxEnded bounds the memory of ended sessions. Each takes about 100 bytes.
const maxEnded = 200_000

// Ended remembers the sessions that were signed out before their tokens
// expired: a token cannot be taken back from whoever copied it, so it is
// refused instead. One Ended serves every site and outlives a reload.
//
// It keeps two generations. When the current one is half of what may be kept,
// or nothing in the older one could be valid any more, the older one is
// forgotten as a whole and the current one becomes it.
type Ended struct {
	changes atomic.Uint64

	mu             sync.RWMutex
	current, older ended
}

// ended is one generation: keys of sessions, and when the last token of any of
// them expires.
type ended struct {
	keys  map[string]struct{}
	until time.Time
}

// NewEnded returns an empty memory.
func NewEnded() *Ended {
	return &Ended{current: ended{keys: make(map[string]struct{})}}
}

// Add ends the session with that key; now is the current time, and until is
// when its last token expires.
func (e *Ended) Add(key string, now, until time.Time) {
	if key == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.current.keys) >= maxEnded/2 || len(e.current.keys) > 0 && e.older.until.Before(now) {
		e.older, e.current = e.current, ended{keys: make(map[string]struct{})}
	}
	e.current.keys[key] = struct{}{}
	if until.After(e.current.until) {
		e.current.until = until
	}
	// Whoever sees the change must find the key, so it comes last.
	e.changes.Add(1)
}

// Has reports whether the session with that key was ended.
func (e *Ended) Has(key string) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if _, ok := e.current.keys[key]; ok {
		return true
	}
	_, ok := e.older.keys[key]
	return ok
}

// Changes counts the calls of Add. Whoever has looked a key up need not do so
// again until the count changes, which keeps the lock off the path of a
// request.
func (e *Ended) Changes() uint64 { return e.changes.Load() }
