package grant

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// maxKept bounds the entries of each kind.
const maxKept = 4096

// Memory is what a process knows of refreshes: what they brought, which failed,
// and which are under way. Sites and successive configurations may share one.
type Memory struct {
	flights singleflight.Group

	mu      sync.Mutex
	records shelf[record]
	rows    shelf[row]
	paused  shelf[time.Time] // until when a provider that does not answer is left alone
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{records: shelf[record]{}, rows: shelf[row]{}, paused: shelf[time.Time]{}}
}

// record is what became of a refresh token.
type record struct {
	// next is what its refresh brought, the zero value if there was none yet.
	next Grant
	// at is when next was granted.
	at time.Time
	// refused is the provider's last word.
	refused error
	// retry is when it may be asked again, after a failure that may pass, and pause
	// how long that is from the failure.
	retry time.Time
	pause time.Duration
	// unsaved says that next is not in the store yet.
	unsaved bool
}

// row is an account's row as it was read.
type row struct {
	grant Grant
	user  string
	read  time.Time
}

// keyOf names a refresh token of a session or an account, without telling it.
func keyOf(space string, g *Grant) string {
	sum := sha256.Sum256([]byte(space + "\x00" + g.Refresh))
	return string(sum[:])
}

func (m *Memory) record(key string, now time.Time) record {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, _ := m.records.get(key, now)
	return r
}

func (m *Memory) keep(key string, r record, now time.Time, span time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records.put(key, r, now, now.Add(span))
}

// latest follows a grant to the one that has taken its place, which whoever asks
// with an older cookie has not heard of.
func (m *Memory) latest(space string, g Grant, now time.Time) Grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range 8 {
		r, ok := m.records.get(keyOf(space, &g), now)
		if !ok || r.next.Refresh == "" || r.next.same(&g) || r.next.Expires < g.Expires {
			return g
		}
		g = r.next
	}
	return g
}

func (m *Memory) row(key string, now time.Time) (row, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows.get(key, now)
}

func (m *Memory) keepRow(key string, r row, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows.put(key, r, now, now.Add(rowKept))
}

func (m *Memory) dropRow(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, key)
}

// pausedUntil is when a provider may be asked again, and pauseUntil sets it.
func (m *Memory) pausedUntil(provider string, now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, _ := m.paused.get(provider, now)
	return t
}

func (m *Memory) pauseUntil(provider string, now, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paused.put(provider, until, now, until)
}

// shelf is a bounded map whose entries expire.
type shelf[V any] map[string]shelved[V]

type shelved[V any] struct {
	value V
	until time.Time
}

func (s shelf[V]) get(key string, now time.Time) (v V, ok bool) {
	e, ok := s[key]
	if !ok || !now.Before(e.until) {
		return v, false
	}
	return e.value, true
}

// put makes room if need be: what has expired goes first, then anything. Whoever
// loses an entry asks once more.
func (s shelf[V]) put(key string, v V, now, until time.Time) {
	if _, has := s[key]; !has && len(s) >= maxKept {
		s.sweep(now)
	}
	s[key] = shelved[V]{v, until}
}

func (s shelf[V]) sweep(now time.Time) {
	for key, e := range s {
		if !now.Before(e.until) {
			delete(s, key)
		}
	}
	for key := range s {
		if len(s) < maxKept*3/4 {
			return
		}
		delete(s, key)
	}
}
