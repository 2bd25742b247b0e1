package session

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
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
	size := entryOverhead + len(token) + len(s.Claims) +
		16*(len(s.Evidence.Roles)+len(s.Evidence.Groups)+len(s.Evidence.Orgs))
	if size > cacheBytes/64 {
		return nil // one person must not push out everybody else
	}
	// The token is a part of the request's Cookie line; a clone lets go of it.
	e := &entry{hash: hash, token: strings.Clone(token), secure: secure, session: s, size: size}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(int(hash%cacheSlots), e)
	for c.bytes > cacheBytes {
		c.hand = (c.hand + 1) % cacheSlots
		if c.hand != int(hash%cacheSlots) {
			c.replace(c.hand, nil)
		}
	}
	return e
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
