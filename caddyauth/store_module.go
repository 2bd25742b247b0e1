package caddyauth

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

func init() {
	caddy.RegisterModule(new(MemoryStore))
	caddy.RegisterModule(new(BoltStore))
}

// storeNamespace is where guest modules add kinds of stores.
const storeNamespace = "caddyauth.stores"

// StoreModule is what a guest module in the namespace caddyauth.stores
// implements. Its name there is the word that follows `store` in a Caddyfile.
type StoreModule interface {
	caddy.Module

	// Target names the store itself, so that sites and reloads that mean the same
	// one share it. It may have secrets in it and is never shown.
	Target() (string, error)

	// Open opens the store. It is called when the store is first needed, and
	// again if that failed.
	Open(context.Context) (store.Driver, error)

	// Plain says that tokens are kept as Auth.js keeps them, for applications of
	// Auth.js that share the store.
	Plain() bool
}

// MemoryStore keeps users and sessions in memory: gone when Caddy ends, though
// not when its configuration is loaded anew.
type MemoryStore struct{}

// CaddyModule returns the Caddy module information.
func (*MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: storeNamespace + ".memory", New: func() caddy.Module { return new(MemoryStore) }}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store memory
func (*MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	if d.NextArg() {
		return d.Errf("'memory' takes no value")
	}
	return nil
}

// Target implements StoreModule.
func (*MemoryStore) Target() (string, error) { return "", nil }

// Open implements StoreModule.
func (*MemoryStore) Open(context.Context) (store.Driver, error) { return memory.New(), nil }

// Plain implements StoreModule.
func (*MemoryStore) Plain() bool { return false }

// BoltStore keeps users and sessions in one file on this machine. One Caddy can
// have it open at a time.
type BoltStore struct {
	// The file. Its folder is made if need be. Default: `caddyauth/store.db` in
	// Caddy's data directory.
	Path string `json:"path,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*BoltStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: storeNamespace + ".bolt", New: func() caddy.Module { return new(BoltStore) }}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store bolt [<path>]
func (b *BoltStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	switch args := d.RemainingArgs(); len(args) {
	case 0:
	case 1:
		b.Path = args[0]
	default:
		return d.Errf("'bolt' takes one path, got %d values", len(args))
	}
	return nil
}

// Target implements StoreModule.
func (b *BoltStore) Target() (string, error) {
	if b.Path == "" {
		return filepath.Join(caddy.AppDataDir(), "caddyauth", "store.db"), nil
	}
	path, err := resolve(b.Path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// Open implements StoreModule.
func (b *BoltStore) Open(ctx context.Context) (store.Driver, error) {
	path, err := b.Target()
	if err != nil {
		return nil, err
	}
	return bolt.Open(ctx, path)
}

// Plain implements StoreModule.
func (*BoltStore) Plain() bool { return false }

// store parses:
//
//	store <kind> [<argument>...] { ... }
func (p *parser) store() error {
	if !p.NextArg() {
		return p.Errf("'store' needs a kind: %s", strings.Join(storeKinds(), ", "))
	}
	kind := p.Val()
	if !slices.Contains(storeKinds(), kind) {
		return p.unknownStore(kind)
	}
	module, err := caddyfile.UnmarshalModule(p.Dispenser, storeNamespace+"."+kind)
	if err != nil {
		return err
	}
	p.config.StoreRaw = caddyconfig.JSONModuleObject(module, "kind", kind, nil)
	return nil
}

// builtStores are the kinds that come with caddyauth, as leaves or not.
var builtStores = []string{"memory", "bolt", "sqlite", "postgres", "redis"}

func (p *parser) unknownStore(kind string) error {
	if slices.Contains(builtStores, kind) {
		return p.Errf("store '%s' is not in this caddy: build it with the module github.com/caddyauth/gateway/caddyauth/store/%s", kind, kind)
	}
	return p.Errf("unknown store '%s'%s; it is one of %s", kind, didYouMean(kind, builtStores), strings.Join(storeKinds(), ", "))
}

// storeKinds are the kinds of stores in this Caddy.
func storeKinds() []string {
	var kinds []string
	for _, m := range caddy.GetModules(storeNamespace) {
		kinds = append(kinds, m.ID.Name())
	}
	return kinds
}

// loadStore provisions the guest module of a site's store.
func (s *site) loadStore(ctx caddy.Context) (StoreModule, error) {
	if s.config.StoreRaw == nil {
		return new(BoltStore), nil
	}
	value, err := ctx.LoadModule(s.config, "StoreRaw")
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	module, ok := value.(StoreModule)
	if !ok {
		return nil, fmt.Errorf("store: module %T is no store", value)
	}
	return module, nil
}

// Interface guards
var (
	_ StoreModule           = (*MemoryStore)(nil)
	_ StoreModule           = (*BoltStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*BoltStore)(nil)
)
