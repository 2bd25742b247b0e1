package caddyauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// sweepEvery is how often what has expired is removed from a store.
const sweepEvery = time.Hour

// openStore is a store that sites share, and that outlives a reload.
type openStore struct {
	id    string // tells stores apart, the same on every instance
	kind  string
	conn  *store.Conn
	ended *session.Ended
	plain bool
	log   *zap.Logger

	begin  sync.Once
	ctx    context.Context
	cancel context.CancelFunc
}

// provisionStore finds out which store the site has, if any. Nothing is opened:
// `caddy validate` provisions as well.
func (s *site) provisionStore(ctx caddy.Context) error {
	if !s.needsStore() {
		return nil
	}
	module, err := s.loadStore(ctx)
	if err != nil {
		return err
	}
	target, err := module.Target()
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.warnOfLocalStore(ctx, module)
	kind := module.CaddyModule().ID.Name()
	// Hashed, as whatever lists the pool must not show passwords.
	sum := sha256.Sum256([]byte(kind + "\x00" + target))
	id := hex.EncodeToString(sum[:])
	key := "store " + id
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newOpenStore(id[:12], kind, module, s.app.log.Named("store")), nil
	})
	if err != nil {
		return err
	}
	s.app.holdStore(key)
	s.store = value.(*openStore)
	return nil
}

// needsStore reports whether something of the site has to be kept.
func (s *site) needsStore() bool {
	c := s.config
	if c.StoreRaw != nil || s.portal != nil || c.Session.Strategy == strategyDatabase || c.hasAccount() || c.hasTokens() {
		return true
	}
	return slices.ContainsFunc(c.Providers, func(p *Provider) bool {
		return p.Preset == presetEmail || p.Preset == presetPasskey
	})
}

// warnOfLocalStore tells those who run several instances that each would have
// users of its own.
func (s *site) warnOfLocalStore(ctx caddy.Context, module StoreModule) {
	_, file := ctx.Storage().(*certmagic.FileStorage)
	if _, local := module.(*BoltStore); local && s.config.StoreRaw == nil && !file {
		s.log.Warn("users and sessions are kept in a file of this machine, though Caddy's storage is shared: with several instances, set 'store postgres' or 'store redis'")
	}
}

func newOpenStore(id, kind string, module StoreModule, log *zap.Logger) *openStore {
	log = log.With(zap.String("kind", kind))
	ctx, cancel := context.WithCancel(context.Background())
	return &openStore{
		id: id, kind: kind, plain: module.Plain(), log: log, ctx: ctx, cancel: cancel, ended: session.NewEnded(),
		conn: store.NewConn(store.Options{
			Open: module.Open, Log: log,
			Health: func(up bool) { metrics.storeUp(kind, up) },
			Failed: func() { metrics.storeFailures.WithLabelValues(kind).Inc() },
		}),
	}
}

// start opens the store and listens to what other nodes end. It does not wait.
func (o *openStore) start() {
	o.begin.Do(func() {
		metrics.storeUp(o.kind, true)
		o.ended.Watch(o.ctx, o.conn, time.Now, o.log)
		go o.sweep()
	})
}

// sweep removes what has expired, now and then.
func (o *openStore) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-o.ctx.Done():
			return
		case now := <-tick.C:
			if err := o.conn.Sweep(o.ctx, now); err != nil && !errors.Is(err, context.Canceled) {
				o.log.Warn("what has expired could not be removed", zap.Error(err))
			}
		}
	}
}

// Destruct implements caddy.Destructor.
func (o *openStore) Destruct() error {
	o.cancel()
	return o.conn.Close()
}

// driver is the store as this site may see it.
func (o *openStore) driver(secrets []string) (store.Driver, error) {
	if o.plain {
		return o.conn, nil
	}
	return store.NewVault(o.conn, secrets)
}

// holdStore remembers what Cleanup has to let go of.
func (a *App) holdStore(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = append(a.held, key)
}

// releaseStores lets go of the stores. The next configuration, if it has them
// too, holds them already.
func (a *App) releaseStores() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, key := range a.held {
		if _, err := pool.Delete(key); err != nil {
			errs = append(errs, err)
		}
	}
	a.held = nil
	return errors.Join(errs...)
}

// checkRealms refuses sites that share a store and call different providers by
// one id: an account of one would be taken for that of the other.
func (a *App) checkRealms() error {
	type key struct {
		store *openStore
		id    string
	}
	first := make(map[key]*site)
	var errs []error
	for _, s := range a.sites {
		if s.store == nil {
			continue
		}
		for _, p := range s.providers {
			k := key{s.store, p.Info().ID}
			other, seen := first[k]
			if !seen {
				first[k] = s
				continue
			}
			if people(other, k.id) != people(s, k.id) {
				errs = append(errs, fmt.Errorf("provider '%s' of %s is another one than that of %s, and both sites keep their users in one store: give one of them another id with 'as <id>', or the sites stores of their own", k.id, s.source, other.source))
			}
		}
	}
	return errors.Join(errs...)
}

// people tells whose accounts a provider of a site has. Those of one issuer are
// the same whatever application asks for them.
func people(s *site, id string) string {
	for _, p := range s.providers {
		if info := p.Info(); info.ID == id {
			return cmp.Or(info.Issuer, info.Realm)
		}
	}
	return ""
}
