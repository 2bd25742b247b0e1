package grant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

const (
	// rowFresh is how long a row is believed, and rowKept how long while the store
	// does not answer.
	rowFresh = 2 * time.Second
	rowKept  = 15 * time.Minute
	// saving is how long it may take to write a row, and tries how often it is
	// attempted: a refresh token that was replaced is lost otherwise.
	saving = 5 * time.Second
	tries  = 3
)

// account names a row.
type account struct{ provider, id string }

func accountOf(s *session.Session) account { return account{s.Evidence.Provider, s.Evidence.Account} }

// space tells the account's tokens from those of others.
func (k *Keeper) space(a account) string {
	return "row\x00" + k.opts.Space + "\x00" + a.provider + "\x00" + a.id
}

func fromRow(a *store.Account) Grant {
	return Grant{
		Access: a.AccessToken, Refresh: a.RefreshToken, ID: a.IDToken, Expires: a.ExpiresAt,
		Said: provider.SaidBy(a.IDToken), kind: a.TokenType, scope: a.Scope,
	}
}

func (g *Grant) into(a *store.Account) {
	a.AccessToken, a.RefreshToken, a.IDToken = g.Access, g.Refresh, g.ID
	a.TokenType, a.Scope, a.ExpiresAt = g.kind, g.scope, g.Expires
}

func (k *Keeper) forwardKept(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) Outcome {
	a := accountOf(s)
	r, ok := k.read(ctx, a)
	if !ok || r.user != s.Evidence.User {
		return Outcome{} // unlinked, or linked by somebody else since
	}
	g, err := k.fresh(ctx, &job{
		provider: a.provider, space: k.space(a), about: about(s),
		renew: func(ctx context.Context, p provider.Refresher, g Grant) (Grant, error) {
			return k.renewRow(ctx, p, a, g)
		},
	}, r.grant)
	if err != nil {
		return k.end(ctx, h, names, s)
	}
	return Outcome{Token: g.token(k.opts.Now())}
}

// read returns an account's row as it was a moment ago at most, or longer if the
// store does not answer.
func (k *Keeper) read(ctx context.Context, a account) (row, bool) {
	now, m, key := k.opts.Now(), k.opts.Memory, k.space(a)
	r, have := m.row(key, now)
	if have && now.Sub(r.read) < rowFresh {
		return r, true
	}
	answer := m.flights.DoChan("read\x00"+key, func() (any, error) {
		kept, err := k.opts.Store.Account(context.WithoutCancel(ctx), a.provider, a.id)
		if err != nil {
			return row{}, err
		}
		r := row{grant: fromRow(&kept), user: kept.UserID, read: now}
		k.saveLater(ctx, a, &kept, r.grant)
		m.keepRow(key, r, now)
		return r, nil
	})
	select {
	case got := <-answer:
		switch {
		case got.Err == nil:
			return got.Val.(row), true
		case errors.Is(got.Err, store.ErrNotFound):
			m.dropRow(key)
			return row{}, false
		}
		k.opts.Log.Debug("an account's tokens could not be read", zap.String("provider", a.provider), zap.Error(got.Err))
	case <-ctx.Done():
	}
	return r, have
}

// keepRow writes what was granted at a sign-in. A provider that gives a refresh
// token only once, as Google does, means the one before to stay.
func (k *Keeper) keepRow(ctx context.Context, s *session.Session, g Grant) {
	a := accountOf(s)
	kept, err := k.opts.Store.Account(ctx, a.provider, a.id)
	if err == nil {
		before := fromRow(&kept)
		if k.opts.IDTokensOnly {
			id := g.ID
			if g = before; id != "" {
				g.ID = id
			}
		}
		if g.Refresh == "" {
			g.Refresh = before.Refresh
		}
		if before.same(&g) && before.ID == g.ID || kept.UserID != s.Evidence.User {
			return
		}
		g.into(&kept)
		err = k.opts.Store.UpdateAccount(ctx, kept)
	}
	if err != nil {
		k.opts.Log.Warn("the provider's tokens could not be kept", append(about(s), zap.Error(err))...)
	}
	k.opts.Memory.dropRow(k.space(a))
}

// renewRow renews the grant of an account unless another node has done so, or is
// doing it: a lock in the store lets one at a time. The lease of one that fell
// down ends by itself.
func (k *Keeper) renewRow(ctx context.Context, p provider.Refresher, a account, g Grant) (Grant, error) {
	name, owner := lockName(a), store.NewID()
	for {
		locked, err := k.opts.Store.Lock(ctx, name, owner, k.pace.lease)
		if err != nil {
			return g, err
		}
		next, err := k.takeTurn(ctx, p, a, g, locked)
		if locked {
			k.unlock(ctx, name, owner)
		}
		if !errors.Is(err, errWait) {
			return next, err
		}
		select {
		case <-time.After(k.pace.poll):
		case <-ctx.Done():
			return g, ctx.Err()
		}
	}
}

var (
	// errWait is the cause when another node has the lock, errGone when an account
	// was unlinked meanwhile.
	errWait = errors.New("another node renews it")
	errGone = errors.New("the account is gone")
)

// takeTurn looks at the row, which another node may have renewed, and renews it if
// that is still to be done and the lock is ours.
func (k *Keeper) takeTurn(ctx context.Context, p provider.Refresher, a account, g Grant, locked bool) (Grant, error) {
	kept, err := k.opts.Store.Account(ctx, a.provider, a.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return g, errGone
	case err != nil:
		return g, err
	}
	now, have := k.opts.Now(), fromRow(&kept)
	switch {
	case !have.due(now), have.Access != g.Access && have.good(now):
	case !locked:
		return g, errWait
	default:
		if have, err = k.renewLocked(ctx, p, &kept, have); err != nil {
			return have, err
		}
	}
	k.opts.Memory.keepRow(k.space(a), row{have, kept.UserID, now}, now)
	return have, nil
}

func (k *Keeper) unlock(ctx context.Context, name, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saving)
	defer cancel()
	if err := k.opts.Store.Unlock(ctx, name, owner); err != nil {
		k.opts.Log.Debug("a lock could not be given back: its lease ends by itself", zap.Error(err))
	}
}

// renewLocked asks the provider and writes what it says.
func (k *Keeper) renewLocked(ctx context.Context, p provider.Refresher, kept *store.Account, g Grant) (Grant, error) {
	next, err := k.ask(ctx, p, g)
	if err != nil && provider.Refused(err) {
		// Somebody may have signed in again meanwhile.
		if newer, e := k.opts.Store.Account(ctx, kept.Provider, kept.ProviderAccountID); e == nil && newer.RefreshToken != g.Refresh {
			return fromRow(&newer), nil
		}
		return g, err
	}
	if !next.same(&g) {
		k.save(ctx, kept, g, next)
	}
	return next, err
}

// save writes a grant. If the store does not take it, memory keeps it for a while.
func (k *Keeper) save(ctx context.Context, kept *store.Account, g, next Grant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saving)
	defer cancel()
	next.into(kept)
	var err error
	for try := range tries {
		if try > 0 {
			time.Sleep(k.pace.poll)
		}
		if err = k.opts.Store.UpdateAccount(ctx, *kept); err == nil {
			return
		}
	}
	a := account{kept.Provider, kept.ProviderAccountID}
	now := k.opts.Now()
	k.opts.Memory.keep(keyOf(k.space(a), &g), record{next: next, at: now, unsaved: true}, now, k.pace.unsaved)
	k.opts.Log.Error("renewed tokens could not be kept: if this process ends before they can be, people have to sign in again",
		zap.String("provider", a.provider), zap.String("account", a.id), zap.Error(err))
}

// saveLater writes what save could not, if the row still has what was renewed.
func (k *Keeper) saveLater(ctx context.Context, a account, kept *store.Account, g Grant) {
	now, m := k.opts.Now(), k.opts.Memory
	key := keyOf(k.space(a), &g)
	r := m.record(key, now)
	if !r.unsaved || r.next.same(&g) {
		return
	}
	row := *kept
	r.next.into(&row)
	if k.opts.Store.UpdateAccount(context.WithoutCancel(ctx), row) == nil {
		r.unsaved = false
		m.keep(key, r, now, k.pace.reuse)
	}
}

// lockName is the name of the lock that is held to renew an account's tokens.
func lockName(a account) string {
	sum := sha256.Sum256([]byte(a.provider + "\x00" + a.id))
	return "refresh " + hex.EncodeToString(sum[:])
}
