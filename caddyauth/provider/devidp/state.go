package devidp

import (
	"container/list"
	"sync"
	"time"
)

// Lifetimes and bounds of what the provider remembers. Somebody chooses a
// persona within minutes, software redeems a code within seconds (RFC 6749,
// section 4.1.2 recommends ten minutes at most), and a development provider
// that gets thousands of requests is being played with: the oldest go first.
const (
	requestLifetime = 15 * time.Minute
	codeLifetime    = time.Minute
	tokenLifetime   = time.Hour
	maxEntries      = 512
)

// table is a map whose entries expire after a fixed time and whose size is
// capped. As all entries live equally long, the order of insertion is the
// order of expiry, and sweeping looks at the oldest only.
type table[V any] struct {
	lifetime time.Duration
	max      int
	items    map[string]*list.Element
	order    *list.List // of row[V], oldest first
}

type row[V any] struct {
	key     string
	value   V
	expires time.Time
}

func newTable[V any](lifetime time.Duration, limit int) *table[V] {
	return &table[V]{lifetime: lifetime, max: limit, items: make(map[string]*list.Element), order: list.New()}
}

// put adds an entry under a new key and returns when it expires.
func (t *table[V]) put(now time.Time, key string, value V) time.Time {
	for e := t.order.Front(); e != nil; e = t.order.Front() {
		r := e.Value.(row[V])
		if len(t.items) < t.max && now.Before(r.expires) {
			break
		}
		t.drop(r.key)
	}
	expires := now.Add(t.lifetime)
	t.items[key] = t.order.PushBack(row[V]{key, value, expires})
	return expires
}

// get returns the entry unless it expired.
func (t *table[V]) get(now time.Time, key string) (V, bool) {
	if e, ok := t.items[key]; ok {
		if r := e.Value.(row[V]); now.Before(r.expires) {
			return r.value, true
		}
	}
	var zero V
	return zero, false
}

func (t *table[V]) drop(key string) {
	if e, ok := t.items[key]; ok {
		t.order.Remove(e)
		delete(t.items, key)
	}
}

// state is all that the provider remembers, in memory only. Everything that
// leaves it is immutable; what changes is changed under its lock.
type state struct {
	now func() time.Time

	mu       sync.Mutex
	requests *table[*request] // waiting for a persona, by id
	grants   *table[*grant]   // by code
	tokens   *table[*token]   // by id
}

// grant is what a code stands for. It stays after the code was redeemed, to
// notice the second time.
type grant struct {
	request  *request
	redeemed bool
	replayed bool
	tokenID  string
}

// token is what an access token stands for.
type token struct {
	tenant  string
	persona Persona
	scopes  []string
}

func newState(now func() time.Time) *state {
	return &state{
		now:      now,
		requests: newTable[*request](requestLifetime, maxEntries),
		grants:   newTable[*grant](codeLifetime, maxEntries),
		tokens:   newTable[*token](tokenLifetime, maxEntries),
	}
}

func (s *state) addRequest(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests.put(s.now(), r.id, r)
}

// request returns a request that still waits for a persona.
func (s *state) request(tenant, id string) (*request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests.get(s.now(), id)
	if !ok || r.tenant != tenant {
		return nil, false
	}
	return r, true
}

// takeRequest is request for the one who answers it: nobody else can.
func (s *state) takeRequest(tenant, id string) (*request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests.get(s.now(), id)
	if !ok || r.tenant != tenant {
		return nil, false
	}
	s.requests.drop(id)
	return r, true
}

func (s *state) addGrant(code string, r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants.put(s.now(), code, &grant{request: r})
}

// redeem returns the request that a code was issued for, once. A code that
// comes back takes the token of the first time with it (RFC 6749, section
// 4.1.2).
func (s *state) redeem(tenant, code string) (*request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants.get(s.now(), code)
	if !ok || g.request.tenant != tenant {
		return nil, false
	}
	if g.redeemed {
		g.replayed = true
		s.tokens.drop(g.tokenID)
		return nil, false
	}
	g.redeemed = true
	// The copy knows its grant, so that the token ends up there.
	r := *g.request
	r.grant = g
	return &r, true
}

// addToken remembers an access token, unless its code came back meanwhile.
func (s *state) addToken(id string, r *request) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.grant != nil {
		if r.grant.replayed {
			return time.Time{}, false
		}
		r.grant.tokenID = id
	}
	t := &token{tenant: r.tenant, persona: r.persona, scopes: r.GetScopes()}
	return s.tokens.put(s.now(), id, t), true
}

func (s *state) token(tenant, id string) (*token, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens.get(s.now(), id)
	if !ok || t.tenant != tenant {
		return nil, false
	}
	return t, true
}

// endTokens forgets the access tokens of somebody who signed out.
func (s *state) endTokens(tenant, sub string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.tokens.order.Front(); e != nil; {
		r := e.Value.(row[*token])
		e = e.Next()
		if r.value.tenant == tenant && r.value.persona.Sub == sub {
			s.tokens.drop(r.key)
		}
	}
}
