// Package limit bounds how often something may happen for each of many keys,
// in bounded memory.
package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Rate allows N events in Per, all of them at once if nothing happened before.
// A rate with N or Per of zero or less allows everything.
type Rate struct {
	N   int
	Per time.Duration
}

// DefaultKeys is how many keys a Limiter tracks by default: 65,536 of 16 bytes
// each, 1 MiB.
const DefaultKeys = 1 << 16

// Limiter is a set of token buckets, one for each key. It is safe for
// concurrent use.
//
// It never holds more than its maximum of keys. Keys beyond that share the
// bucket of the key they displace, which errs on the side of refusing: a flood
// of made-up keys cannot make the limiter forget a bucket that is nearly empty.
type Limiter struct {
	rate Rate
	now  func() time.Time
	seed maphash.Seed
	// start is where bucket times are counted from. A difference of times is
	// taken from the monotonic clock: one that is set back would refuse everybody
	// until it has caught up, one that is set forward would fill all buckets.
	start time.Time

	mu sync.Mutex
	// sets are made when the first key comes: a Caddy may have hundreds of
	// sites, and most of them are idle.
	sets []set
	n    int // how many sets
}

// ways is how many keys may live in one set before they displace each other.
const ways = 8

type set [ways]bucket

// bucket is stored as the time at which it will be full again (generic cell
// rate algorithm), in nanoseconds since start: one number instead of a count and
// a time.
type bucket struct {
	key  uint64
	full int64
}

// New returns a Limiter. maxKeys of zero or less means DefaultKeys; a nil now
// means time.Now.
func New(rate Rate, maxKeys int, now func() time.Time) *Limiter {
	if maxKeys <= 0 {
		maxKeys = DefaultKeys
	}
	if now == nil {
		now = time.Now
	}
	return &Limiter{
		rate:  rate,
		now:   now,
		start: now(),
		seed:  maphash.MakeSeed(),
		n:     (maxKeys + ways - 1) / ways,
	}
}

// Allow takes one event off the key's bucket and reports whether it was there.
// A refused event costs nothing.
//
// Keys are kept as 64-bit hashes under a random seed, so that nobody can pick
// two names that share a bucket, and no name stays in memory.
func (l *Limiter) Allow(key string) bool {
	if l.rate.N <= 0 || l.rate.Per <= 0 {
		return true
	}
	h := maphash.String(l.seed, key)
	now := int64(l.now().Sub(l.start))

	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(l.slot(h, now), h, now)
}

// slot finds the key's bucket, else a free one, else the one that is fullest
// and so remembers least. It needs l.mu.
func (l *Limiter) slot(h uint64, now int64) *bucket {
	if l.sets == nil {
		l.sets = make([]set, l.n)
	}
	s := &l.sets[h%uint64(l.n)]
	oldest := &s[0]
	for i := range s {
		b := &s[i]
		if b.key == h {
			return b
		}
		if b.full < oldest.full {
			oldest = b
		}
	}
	return oldest
}

func (l *Limiter) take(b *bucket, h uint64, now int64) bool {
	interval := int64(l.rate.Per) / int64(l.rate.N)
	full := max(b.full, now)
	if full+interval > now+interval*int64(l.rate.N) {
		return false
	}
	b.key, b.full = h, full+interval
	return true
}

// ClientKey names the party behind an address: an IPv4 address, however it is
// written, or the /64 network of an IPv6 address, as one customer usually has
// a whole one to pick from. Whoever has a /48 has 65,536 of those: against them
// it is a limit on the account, from everywhere, that holds.
func ClientKey(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
