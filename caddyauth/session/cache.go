package session

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cacheSlots = 4096 // a power of two
	cacheBytes = 4 << 20
	// entryOverhead is what an entry holds besides its token, its claims and
	// its lists: the entry and the Session, rounded up to Go's size classes.
	entryOverhead = 512
)

// cache keeps opened tokens, so that a browser's second request costs a hash
// and a comparison instead of a decryption. It says only that a token was
// sealed by us and what it holds; time, sign-out and the users file are asked
// again at every request. Lookups take no lock.
//
// A token gets a place when it is seen for the second time while its slot
// remembers the first: a flood of distinct sessions then costs no memory.
type cache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[entry]
	seen  [cacheSlots]atomic.Uint64

	mu    sync.Mutex // held to put, not to get
	bytes int
	hand  int // where the search for a victim goes on
}

// entry is one opened token.
type entry struct {
	hash    uint64
	token   string
	secure  bool // which of the two rings opened it
	session *Session
	size    int
	// at is when a row was read, in Unix nanoseconds.
	at int64
	// fresh is the count of Ended's changes at which the session was last found
	// not to be ended.
	fresh atomic.Uint64
}

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

// hash is keyed with a random seed. A client cannot aim at another's slot, and
// equal hashes are what lets a comparison of tokens happen at all, so its
// timing tells nothing.
func (c *cache) hash(token string) uint64 { return maphash.String(c.seed, token) }

func (c *cache) get(hash uint64, token string) *entry {
	e := c.slots[hash%cacheSlots].Load()
	if e == nil || e.hash != hash || e.token != token {
		return nil
	}
	return e
}

// offer proposes a token that was just opened, and returns its entry if it was
// taken.
func (c *cache) offer(hash uint64, token string, secure bool, s *Session) *entry {
	if c.seen[hash%cacheSlots].Swap(hash) != hash {
		return nil
	}
	size := sizeOf(token, s)
	if size > cacheBytes/64 {
		return nil // one person must not push out everybody else
	}
	// The token is a part of the request's Cookie line; a clone lets go of it.
	e := &entry{hash: hash, token: strings.Clone(token), secure: secure, session: s, size: size}
	c.keep(e)
	return e
}

// put keeps a row that was just read: what a second request spares is worth more
// than the memory.
func (c *cache) put(hash uint64, token string, s *Session, now time.Time) *entry {
	e := &entry{hash: hash, token: strings.Clone(token), session: s, at: now.UnixNano(), size: sizeOf(token, s)}
	if e.size <= cacheBytes/64 {
		c.keep(e)
	}
	return e
}

// drop forgets what is kept of a token.
func (c *cache) drop(token string) {
	hash := c.hash(token)
	if c.get(hash, token) == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(int(hash%cacheSlots), nil)
}

// sizeOf is about what an entry takes, in bytes.
func sizeOf(token string, s *Session) int {
	return entryOverhead + len(token) + len(s.Claims) +
		16*(len(s.Evidence.Roles)+len(s.Evidence.Groups)+len(s.Evidence.Orgs))
}

// keep puts an entry into its slot, and takes out others if that makes too much.
func (c *cache) keep(e *entry) {
	hash := e.hash
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(int(hash%cacheSlots), e)
	for c.bytes > cacheBytes {
		c.hand = (c.hand + 1) % cacheSlots
		if c.hand != int(hash%cacheSlots) {
			c.replace(c.hand, nil)
		}
	}
}

// replace puts e, or nothing, into a slot and keeps count. It needs c.mu.
func (c *cache) replace(slot int, e *entry) {
	if old := c.slots[slot].Swap(e); old != nil {
		c.bytes -= old.size
	}
	if e != nil {
		c.bytes += e.size
	}
}
