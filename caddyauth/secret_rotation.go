package caddyauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// rotationPlan is what a rotation has begun.
type rotationPlan struct {
	// SealsFrom is when the new secret begins to seal.
	SealsFrom time.Time `json:"seals_from"`
	// RetiresAt is when nothing is left that the one before has sealed.
	RetiresAt time.Time `json:"retires_at"`
}

// rotate adds a secret. Keep is how long what a secret sealed can be good.
func (g *generatedSecret) rotate(ctx context.Context, keep time.Duration) (rotationPlan, error) {
	ctx, cancel := context.WithTimeout(ctx, secretPatience)
	defer cancel()
	var done rotationPlan
	err := g.locked(ctx, func() error {
		set, err := g.latest(ctx)
		if err != nil {
			return err
		}
		now := g.now().UTC()
		// Whole seconds, so that what is printed is what is meant.
		done.SealsFrom = now.Add(g.pacing.lead + time.Second - 1).Truncate(time.Second)
		done.RetiresAt = done.SealsFrom.Add(keep)
		if set, err = set.rotated(newSecret(), now, done.SealsFrom, keep); err != nil {
			return err
		}
		return g.store(ctx, set)
	})
	if err != nil && !errors.Is(err, errRotating) {
		err = fmt.Errorf("%w: %w", errStorage, err)
	}
	return done, err
}

// latest is the set that the storage has or, if somebody has deleted it, the one
// that this process seals with.
func (g *generatedSecret) latest(ctx context.Context) (secretSet, error) {
	set, err := g.load(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return set, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.set == nil {
		return nil, err
	}
	return g.set, nil
}

// store keeps a set for every instance, and opens with it here at once.
func (g *generatedSecret) store(ctx context.Context, set secretSet) error {
	raw, err := set.encode()
	if err != nil {
		return err
	}
	if err := g.storage.Store(ctx, secretKey, raw); err != nil {
		return fmt.Errorf("storing: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set = set
	g.version++
	return nil
}

// wait is how long until the set is to be looked at again.
func (g *generatedSecret) wait() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	wait := g.pacing.reread
	if next, ok := g.set.change(now); ok {
		wait = min(wait, next.Sub(now))
	}
	return max(wait, time.Millisecond)
}

// errNoGenerated says that there is nothing to rotate.
var errNoGenerated = errors.New("no site uses the generated secret: to rotate a configured one, write the new one in front of it, as in 'secret new old', and reload")

// rotateSecret begins a rotation for all sites that use the generated secret, of
// this instance and of every other one on the same storage.
func (a *App) rotateSecret(ctx context.Context) (rotationPlan, error) {
	sites := a.generatedSites()
	if len(sites) == 0 {
		return rotationPlan{}, errNoGenerated
	}
	done, err := a.secret.rotate(ctx, longest(sites)+a.secret.pacing.margin)
	if err != nil {
		return done, err
	}
	a.log.Info("a new secret for session tokens was made: the one before it goes by itself",
		zap.Time("seals_from", done.SealsFrom), zap.Time("retires_at", done.RetiresAt))
	a.reseal(ctx)
	return done, nil
}

// generatedSites are the sites without a secret of their own.
func (a *App) generatedSites() []*site {
	var sites []*site
	for _, s := range a.sites {
		if s.secrets == nil {
			sites = append(sites, s)
		}
	}
	return sites
}

// followSecret keeps the sites up with the generated secret until the
// configuration goes: what another instance has added, and whose time has come.
func (a *App) followSecret(ctx context.Context) {
	var read time.Time
	for {
		select {
		case <-time.After(a.secret.wait()):
		case <-ctx.Done():
			return
		}
		if time.Since(read) >= a.secret.pacing.reread {
			read = time.Now()
			_, _ = a.secret.attempt(ctx) // says itself what is wrong
		}
		a.reseal(ctx)
	}
}

// reseal builds the engines anew of sites whose secrets have changed.
func (a *App) reseal(ctx context.Context) {
	secrets, err := a.secret.get(ctx)
	if err != nil {
		return // nobody has an engine yet
	}
	for _, s := range a.generatedSites() {
		if err := s.reseal(secrets); err != nil {
			s.log.Error("a rotated secret cannot be used", zap.Error(err))
		}
	}
}

// reseal builds the engine anew if it has other secrets. What belongs to the
// site and not to its keys is the same in both: limits, what was ended, and the
// store. Requests under way end with the engine that they began with.
func (s *site) reseal(secrets []string) error {
	s.build.Lock()
	defer s.build.Unlock()
	before := s.engine.Load()
	if before == nil || slices.Equal(before.secrets, secrets) {
		return nil
	}
	e, err := s.newEngine(secrets)
	if err != nil {
		return err
	}
	s.engine.Store(e)
	return nil
}

// tellRetirement says when the last of several configured secrets has done its
// duty.
func (a *App) tellRetirement() {
	var several []*site
	for _, s := range a.sites {
		if len(s.secrets) > 1 {
			several = append(several, s)
		}
	}
	if len(several) > 0 {
		a.log.Info("several secrets are configured: once all instances have run with the first one until the given time, the last one can go",
			zap.Time("until", time.Now().Add(longest(several)).Truncate(time.Second)), zap.Int("sites", len(several)))
	}
}

// longest is how long something that the sites seal can be good.
func longest(sites []*site) time.Duration {
	var age time.Duration
	for _, s := range sites {
		age = max(age, cmp.Or(time.Duration(s.config.Session.MaxAge), session.DefaultMaxAge))
		for _, p := range s.providers {
			if mail, ok := p.(provider.Email); ok {
				age = max(age, mail.MaxAge())
			}
		}
	}
	return age
}
