package grant

import (
	"context"
	"errors"
	"net"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// pace are the spans of a refresh.
type pace struct {
	// deadline is how long a refresh may take, waiting for another node included.
	deadline time.Duration
	// patience is how long a request waits for it that has a good token.
	patience time.Duration
	// floor is how long after a refresh there is no other while the token is good:
	// some live for less than a minute.
	floor time.Duration
	// pause is how long after a failure there is no other attempt, doubled from one
	// failure to the next up to longest.
	pause, longest time.Duration
	// reuse is how long it is remembered what a refresh brought, for those who come
	// with the token before; unsaved is how long if no store has it.
	reuse, unsaved time.Duration
	// lease is how long a lock is held without being given back, poll how often
	// others look.
	lease, poll time.Duration
}

var usual = pace{
	deadline: 10 * time.Second, patience: time.Second, floor: 10 * time.Second,
	pause: 10 * time.Second, longest: 2 * time.Minute,
	reuse: 2 * time.Minute, unsaved: 15 * time.Minute,
	lease: 20 * time.Second, poll: 100 * time.Millisecond,
}

// job is a refresh that may be needed.
type job struct {
	provider string
	// space is whose tokens they are.
	space string
	about []zap.Field
	// renew asks for a new grant. With an error it returns the one that holds.
	renew func(ctx context.Context, p provider.Refresher, g Grant) (Grant, error)
}

// errRefused says that the provider will not renew the grant.
var errRefused = errors.New("grant: refused")

// fresh returns the grant, renewed if that is due and works. The error is
// errRefused.
func (k *Keeper) fresh(ctx context.Context, j *job, g Grant) (Grant, error) {
	p := k.refreshers[j.provider]
	if p == nil || g.Refresh == "" {
		return g, nil
	}
	g, decided, err := k.known(j, g)
	if decided {
		return g, err
	}
	return k.wait(ctx, k.opts.Memory.flights.DoChan(keyOf(j.space, &g), func() (any, error) {
		if g, decided, err := k.known(j, g); decided {
			return g, err // the answer has just come
		}
		// Others wait for it as well, so it does not end with the request that was
		// first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.pace.deadline)
		defer cancel()
		next, err := j.renew(ctx, p, g)
		return next, k.settle(j, g, next, err)
	}), g)
}

// known is what can be said without asking anybody.
func (k *Keeper) known(j *job, g Grant) (latest Grant, decided bool, err error) {
	now, m := k.opts.Now(), k.opts.Memory
	g = m.latest(j.space, g, now)
	if !g.due(now) {
		return g, true, nil
	}
	r := m.record(keyOf(j.space, &g), now)
	switch {
	case r.refused != nil:
		return g, true, errRefused
	case g.good(now) && now.Sub(r.at) < k.pace.floor,
		now.Before(r.retry), now.Before(m.pausedUntil(j.provider, now)):
		return g, true, nil
	}
	return g, false, nil
}

// wait waits for a refresh, not longer than it is worth it: the old token will do
// while it is good.
func (k *Keeper) wait(ctx context.Context, answer <-chan singleflight.Result, g Grant) (Grant, error) {
	span := k.pace.deadline
	if g.good(k.opts.Now()) {
		span = k.pace.patience
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case a := <-answer:
		if next, ok := a.Val.(Grant); ok {
			return next, a.Err
		}
		return g, a.Err
	case <-timer.C:
	case <-ctx.Done():
	}
	return g, nil
}

// ask asks the provider.
func (k *Keeper) ask(ctx context.Context, p provider.Refresher, g Grant) (Grant, error) {
	account, err := p.Refresh(ctx, provider.RefreshRequest{RefreshToken: g.Refresh, Said: g.Said})
	switch {
	case err != nil && account != nil && account.RefreshToken != "":
		// The old one may be spent.
		g.Refresh = account.RefreshToken
		return g, err
	case err != nil:
		return g, err
	case !sendable(account.AccessToken):
		return g, &provider.Error{Reason: provider.ReasonTokenResponse, Err: errors.New("the access token has characters that no header field can carry")}
	}
	return g.with(account), nil
}

// settle remembers how a refresh went.
func (k *Keeper) settle(j *job, g, next Grant, err error) error {
	now, m := k.opts.Now(), k.opts.Memory
	before, after := keyOf(j.space, &g), keyOf(j.space, &next)
	if err == nil {
		done := record{next: next, at: now}
		if m.record(before, now).unsaved { // see save
			return nil
		}
		m.keep(before, done, now, k.pace.reuse)
		m.keep(after, done, now, k.pace.reuse)
		return nil
	}
	fields := append(j.about, zap.String("reason", string(provider.ReasonOf(err))), zap.Error(err))
	if provider.Refused(err) {
		m.keep(before, record{refused: err}, now, k.pace.reuse)
		k.opts.Log.Info("session ended: its provider refuses to renew the tokens", append(fields, zap.String("ended", ReasonRefused))...)
		return errRefused
	}
	pause := min(max(2*m.record(before, now).pause, k.pace.pause), k.pace.longest)
	if before != after {
		m.keep(before, record{next: next}, now, k.pace.reuse)
	}
	m.keep(after, record{retry: now.Add(pause), pause: pause}, now, 2*pause)
	if unanswered(err) {
		// Whoever hangs lets nobody else wait for the same.
		m.pauseUntil(j.provider, now, now.Add(k.pace.pause))
	}
	k.opts.Log.Warn("a provider's tokens could not be renewed for now", append(fields, zap.Duration("retry_after", pause))...)
	return nil
}

// ReasonRefused is the reason in the log for a session that ends because its
// provider withdrew what it had granted.
const ReasonRefused = "refresh_refused"

// unanswered reports whether a provider did not answer at all.
func unanswered(err error) bool {
	var network net.Error
	return provider.ReasonOf(err) == provider.ReasonUnavailable && (errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network))
}
