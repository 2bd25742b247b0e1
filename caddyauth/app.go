package caddyauth

import (
	"context"
	"errors"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/grant"
	"github.com/caddyauth/gateway/caddyauth/internal/limit"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds what the sites of one Caddy have in common: the configuration of
// the global option `caddyauth`, the generated secret, and the memory that
// outlives a reload. It is loaded by the first site that uses the handler,
// whether or not it is configured.
type App struct {
	Config

	ctx    caddy.Context
	log    *zap.Logger
	shared *shared
	sites  []*site
	secret generatedSecret

	mu   sync.Mutex
	held []string // keys of stores in the pool

	// owned are the identity headers of all sites together: an upstream that
	// two of them share must be able to trust what either could set.
	owned *gate.Owned

	place sync.Once
	// placeErr is why the sites do not stand where they can work.
	placeErr error
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddyauth", New: func() caddy.Module { return new(App) }}
}

// Provision sets up the app.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	a.log = ctx.Logger()
	a.secret = generatedSecret{storage: ctx.Storage(), log: a.log, now: time.Now, pacing: defaultPacing}
	value, _, err := pool.LoadOrNew(sharedKey, newShared)
	if err != nil {
		return err
	}
	a.shared = value.(*shared)
	return metrics.register(ctx.GetMetricsRegistry())
}

// secretPatience is how long a start waits for Caddy's storage. Requests that
// need the secret try again.
const secretPatience = 5 * time.Second

// Start checks that every site stands where its endpoints can be reached, and
// makes the secret if one is needed.
func (a *App) Start() error {
	if len(a.sites) == 0 {
		if !reflect.ValueOf(a.Config).IsZero() {
			a.log.Warn("the global option protects nothing by itself: write 'caddyauth' in each site")
		}
		return nil
	}
	if err := a.placeSites(); err != nil {
		return err
	}
	if _, set := os.LookupEnv("AUTH_TRUST_HOST"); set {
		a.log.Info("AUTH_TRUST_HOST has no effect: a site answers for the hosts of its address, and believes the proxies in trusted_proxies")
	}
	ctx, cancel := context.WithTimeout(a.ctx, secretPatience)
	defer cancel()
	for _, s := range a.sites {
		if _, err := s.ready(ctx); err != nil {
			// Not fatal: the storage may be back before the first sign-in.
			a.log.Error("sessions are not available yet", zap.String("site", s.name()), zap.Error(err))
		}
		s.announce()
	}
	a.tellRetirement()
	if len(a.generatedSites()) > 0 {
		go a.followSecret(a.ctx)
	}
	atWork.enter(a)
	return nil
}

// Stop takes the app away from the admin API; Cleanup lets go of what is shared.
func (a *App) Stop() error {
	atWork.leave(a)
	return nil
}

// Cleanup releases the shared memory. The next configuration, if there is one,
// holds it already.
func (a *App) Cleanup() error {
	if a.shared == nil {
		return nil
	}
	err := a.releaseStores()
	if _, e := pool.Delete(sharedKey); e != nil {
		err = errors.Join(err, e)
	}
	return err
}

// placeSites walks the HTTP routes once, to tell each site where it stands.
// Caddy starts its apps in no particular order, so the first request may come
// before Start.
func (a *App) placeSites() error {
	a.place.Do(func() {
		var names []string
		for _, s := range a.sites {
			names = append(names, s.headers.Names()...)
			if s.assertion != nil {
				names = append(names, s.assertion.header)
			}
			names = append(names, s.tokenFields()...)
		}
		a.owned = gate.NewOwned(names...)
		app, err := a.ctx.App("http")
		if err != nil {
			a.placeErr = err
			return
		}
		w := &walk{log: a.log, owned: a.owned}
		w.servers(app.(*caddyhttp.App).Servers)
		var errs []error
		for _, s := range a.sites {
			errs = append(errs, s.settle())
			w.check(s)
			s.checked = true
		}
		errs = append(errs, a.checkRealms())
		a.placeErr = errors.Join(append(w.errs, errs...)...)
	})
	return a.placeErr
}

// shared is what outlives a reload.
type shared struct {
	ended *session.Ended
	cache *provider.Cache
	// grants knows of refreshes under way, and of what they brought.
	grants *grant.Memory

	mu       sync.Mutex
	limiters map[limiterKey]*limit.Limiter
}

// limiterKey tells limiters apart. The same site with the same rate keeps its
// limiter over a reload, and with it the memory of failed attempts.
type limiterKey struct {
	site, use string
	rate      limit.Rate
}

const sharedKey = "caddyauth"

var pool = caddy.NewUsagePool()

func newShared() (caddy.Destructor, error) {
	return &shared{
		ended:    session.NewEnded(),
		cache:    provider.NewCache(),
		grants:   grant.NewMemory(),
		limiters: make(map[limiterKey]*limit.Limiter),
	}, nil
}

// Destruct implements caddy.Destructor.
func (*shared) Destruct() error { return nil }

// maxLimiters bounds what a long row of reloads with other rates can pile up.
const maxLimiters = 1000

func (s *shared) limiter(key limiterKey) *limit.Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.limiters[key]; ok {
		return l
	}
	if len(s.limiters) >= maxLimiters {
		clear(s.limiters)
	}
	l := limit.New(key.rate, 0, nil)
	s.limiters[key] = l
	return l
}

// register adds a site. Two handlers for one base path on one site would
// answer for each other, which the walk finds.
func (a *App) register(s *site) {
	if !slices.Contains(a.sites, s) {
		a.sites = append(a.sites, s)
	}
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
