package caddyauth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	secretKey  = "caddyauth/secret"
	secretLock = "caddyauth_secret"
)

// pacing are the times that a rotation takes.
type pacing struct {
	// lead is how long a new secret is there before it seals, and reread how
	// often every instance looks for one: whoever meets a token that it sealed
	// has read it by then.
	lead, reread time.Duration
	// margin is added to how long sessions last: clocks differ.
	margin time.Duration
}

// defaultPacing is the pacing of every configuration.
var defaultPacing = pacing{lead: 2 * time.Minute, reread: time.Minute, margin: time.Hour}

// generatedSecret is the secret of sites that configure none. It is made once
// and kept in Caddy's storage, so that every instance on that storage has the
// same; a rotation makes several of it. The zero value must not be used.
type generatedSecret struct {
	storage certmagic.Storage
	log     *zap.Logger
	now     func() time.Time
	pacing  pacing

	mu  sync.Mutex
	set secretSet
	// version counts what this process stored itself, which a reading that was
	// under way meanwhile must not undo.
	version int
	// flight is closed when the attempt under way ends; nil if there is none.
	flight chan struct{}
	// failed is when the storage last failed, and err how: while it is down,
	// requests do not queue up for it.
	failed time.Time
	err    error
	// stale says that the last attempt to read the set again failed.
	stale bool
}

// retrySecret is how long a failure of the storage is remembered.
const retrySecret = 2 * time.Second

// errStorage says that the secret cannot be had from Caddy's storage.
var errStorage = errors.New("Caddy's storage is not available")

// get returns the secrets, of which the first seals and all open, making one if
// there is none yet. Those who ask while it is being fetched wait for that one
// attempt, as long as they like; the attempt itself ends with nobody's request.
func (g *generatedSecret) get(ctx context.Context) ([]string, error) {
	g.mu.Lock()
	if g.set != nil || g.err != nil && time.Since(g.failed) < retrySecret {
		defer g.mu.Unlock()
		return g.known()
	}
	g.mu.Unlock()
	return g.attempt(ctx)
}

// attempt waits for the attempt under way, and makes one if there is none.
func (g *generatedSecret) attempt(ctx context.Context) ([]string, error) {
	g.mu.Lock()
	if g.flight == nil {
		g.flight = make(chan struct{})
		go g.fetch(context.WithoutCancel(ctx), g.flight, g.version, g.set != nil)
	}
	flight := g.flight
	g.mu.Unlock()

	// A storage that does not heed its context must not hold requests.
	ctx, cancel := context.WithTimeout(ctx, secretPatience+time.Second)
	defer cancel()
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errStorage, ctx.Err())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known()
}

// known is what was fetched. It needs g.mu.
func (g *generatedSecret) known() ([]string, error) {
	if g.set == nil {
		return nil, g.err
	}
	return g.set.at(g.now()), nil
}

// fetch is the one attempt. A set that is known is only read again: what becomes
// of the storage changes nothing then.
func (g *generatedSecret) fetch(ctx context.Context, flight chan struct{}, version int, known bool) {
	ctx, cancel := context.WithTimeout(ctx, secretPatience)
	defer cancel()
	var (
		set secretSet
		err error
	)
	if known {
		set, err = g.load(ctx)
	} else {
		set, err = g.loadOrMake(ctx)
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	g.flight = nil
	close(flight)
	switch {
	case known:
		g.noteReread(err)
		if err == nil && g.version == version {
			g.set = set
		}
	case err != nil:
		g.failed, g.err = time.Now(), fmt.Errorf("%w: %w", errStorage, err)
	default:
		g.set, g.err = set, nil
	}
}

// noteReread says once that the set cannot be read again, and once that it can.
// It needs g.mu.
func (g *generatedSecret) noteReread(err error) {
	stale := err != nil
	if stale == g.stale {
		return
	}
	g.stale = stale
	if stale {
		g.log.Error("the secret of session tokens cannot be read again: what was read before stays, and a rotation elsewhere goes unnoticed", zap.Error(err))
		return
	}
	g.log.Info("the secret of session tokens can be read again")
}

// loadOrMake reads the set under a lock that all instances on the storage
// share: of two that start together, one makes it and the other finds it.
func (g *generatedSecret) loadOrMake(ctx context.Context) (secretSet, error) {
	if set, err := g.load(ctx); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return set, err
	}
	var set secretSet
	err := g.locked(ctx, func() (err error) {
		if set, err = g.load(ctx); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		value := newSecret()
		if err := g.storage.Store(ctx, secretKey, []byte(value)); err != nil {
			return fmt.Errorf("storing: %w", err)
		}
		set = oneSecret(value)
		g.log.Info("made a secret for session tokens and keeps it in Caddy's storage; to pin it, set 'secret' or AUTH_SECRET",
			zap.String("key", secretKey))
		return nil
	})
	return set, err
}

// locked does something while no other instance on the storage does.
func (g *generatedSecret) locked(ctx context.Context, do func() error) error {
	if err := g.storage.Lock(ctx, secretLock); err != nil {
		return fmt.Errorf("locking: %w", err)
	}
	defer func() {
		// The request may be gone; the lock must not stay.
		if err := g.storage.Unlock(context.WithoutCancel(ctx), secretLock); err != nil {
			g.log.Error("unlocking the secret", zap.Error(err))
		}
	}()
	return do()
}

func (g *generatedSecret) load(ctx context.Context) (secretSet, error) {
	raw, err := g.storage.Load(ctx, secretKey)
	if err != nil {
		return nil, err
	}
	return parseSet(raw)
}

// newSecret returns 32 random bytes in base64.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return base64.StdEncoding.EncodeToString(b[:])
}
