package provider

import (
	"sync"

	jose "github.com/go-jose/go-jose/v4"
)

// Cache keeps what was learned from identity providers: metadata, signing keys,
// whether they answer, and for a while which codes were redeemed. It is safe for
// concurrent use and meant to outlive a reload of the configuration, which would
// otherwise forget the keys just when they cannot be fetched. It holds one entry for
// each issuer and for each address of keys ever used, with what was kept of one document of at most 1 MiB, and drops
// none: a document that has aged is still of use while its endpoint is down.
type Cache struct {
	mu       sync.Mutex
	metadata map[string]*cached[*metadata]
	keys     map[string]*cached[[]jose.JSONWebKey]
	health   map[string]*health
	codes    spentCodes
}

// NewCache returns an empty Cache.
func NewCache() *Cache {
	return &Cache{
		metadata: make(map[string]*cached[*metadata]),
		keys:     make(map[string]*cached[[]jose.JSONWebKey]),
		health:   make(map[string]*health),
	}
}

func (c *Cache) forIssuer(issuer string) *cached[*metadata] { return entry(c, c.metadata, issuer) }

func (c *Cache) forJWKS(url string) *cached[[]jose.JSONWebKey] { return entry(c, c.keys, url) }

func (c *Cache) healthOf(key string) *health { return entry(c, c.health, key) }

func entry[T any](c *Cache, m map[string]*T, key string) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := m[key]
	if e == nil {
		e = new(T)
		m[key] = e
	}
	return e
}
