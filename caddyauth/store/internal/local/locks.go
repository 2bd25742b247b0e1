package local

import (
	"sync"
	"time"
)

// maxLocks is how many locks there may be before those whose time is over are
// looked for.
const maxLocks = 1024

// Locks are leases that last no longer than the process. The zero value is ready
// for use. Their time is counted by the monotonic clock.
type Locks struct {
	mu    sync.Mutex
	locks map[string]lease
}

type lease struct {
	owner string
	until time.Time
}

// Lock is [store.Locks.Lock].
func (l *Locks) Lock(name, owner string, ttl time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if had, ok := l.locks[name]; ok && had.owner != owner && now.Before(had.until) {
		return false
	}
	if l.locks == nil {
		l.locks = make(map[string]lease)
	}
	if len(l.locks) >= maxLocks {
		l.forget(now)
	}
	l.locks[name] = lease{owner, now.Add(ttl)}
	return true
}

// Unlock is [store.Locks.Unlock].
func (l *Locks) Unlock(name, owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locks[name].owner == owner {
		delete(l.locks, name)
	}
}

func (l *Locks) forget(now time.Time) {
	for name, had := range l.locks {
		if !now.Before(had.until) {
			delete(l.locks, name)
		}
	}
}
