package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// sealed is strategy jwt: the cookie has the session itself.
type sealed struct {
	opts    *Options
	cache   *cache
	scratch sync.Pool // *[]byte, for plaintexts
}

func newSealed(opts *Options) *sealed {
	t := &sealed{opts: opts, cache: newCache()}
	t.scratch.New = func() any { b := make([]byte, 0, 2<<10); return &b }
	return t
}

func (t *sealed) ring(names *cookie.Names) *jwt.Ring {
	if names.Secure {
		return t.opts.SecureRing
	}
	return t.opts.Ring
}

func (t *sealed) open(_ context.Context, names *cookie.Names, token string) (*Session, *entry, error) {
	hash := t.cache.hash(token)
	if e := t.cache.get(hash, token); e != nil && e.secure == names.Secure {
		return e.session, e, nil
	}
	s, err := t.unseal(t.ring(names), token)
	if err != nil {
		return nil, nil, err
	}
	return s, t.cache.offer(hash, token, names.Secure, s), nil
}

// unseal decrypts and parses. What it returns depends on the token alone, so
// that it can be kept.
func (t *sealed) unseal(ring *jwt.Ring, token string) (*Session, error) {
	buf := t.scratch.Get().(*[]byte)
	defer t.scratch.Put(buf)
	plain, err := ring.Open((*buf)[:0], token)
	if err != nil {
		return nil, ErrInvalid
	}
	*buf = plain[:0]
	s, err := parse(string(plain))
	if err != nil || !s.times.HasExp || !t.opts.known(s) {
		return nil, ErrInvalid
	}
	return s, nil
}

func (t *sealed) issue(ctx context.Context, names *cookie.Names, _ *Session, claims map[string]any, now time.Time, from Client) (*Session, string, error) {
	// NextAuth 4 gives a fresh token its 30 days even if sessions are shorter,
	// and it would outlive its cookie; the shorter of both counts here.
	age := t.opts.until(now, now).Sub(now)
	if t.opts.Dialect == dialect.V4 {
		age = min(age, signInMaxAge)
	}
	token, err := jwt.SealClaims(t.ring(names), claims, now, age)
	if errors.Is(err, jwt.ErrTooLarge) || len(token) > tokenBudget {
		return nil, "", ErrTooLarge
	}
	if err != nil {
		return nil, "", err
	}
	s, err := t.unseal(t.ring(names), token)
	if err != nil {
		return nil, "", err
	}
	return s, token, t.record(ctx, s, now, from)
}

// record lists the session in the store, if there is one.
func (t *sealed) record(ctx context.Context, s *Session, now time.Time, from Client) error {
	if t.opts.Store == nil || !s.HasEvidence {
		return nil
	}
	row, err := rowOf(s, now, from)
	if err != nil {
		return err
	}
	row.Expires = s.Expires
	if err := t.opts.Store.CreateSession(ctx, row); err != nil {
		return unavailable(err)
	}
	return nil
}

func (t *sealed) refresh(ctx context.Context, names *cookie.Names, s *Session, claims string, now time.Time) (*Session, string, error) {
	before, err := parse(claims)
	if err != nil {
		return nil, "", err
	}
	jti := ""
	if !before.HasEvidence {
		// The only name that such a session has: under a new one, the tokens
		// before this would outlive the sign-out.
		jti = before.JTI
	}
	token, err := jwt.Renew(t.ring(names), claims, jti, now, t.opts.until(s.Since(), now).Sub(now))
	if err != nil {
		return nil, "", err
	}
	renewed, err := t.unseal(t.ring(names), token)
	if err != nil {
		return nil, "", err
	}
	t.extend(ctx, s, renewed, now)
	return renewed, token, nil
}

// extend keeps the listed session up with its token, once in UpdateAge. That it
// fails is no reason to refuse a session: the list alone is behind.
func (t *sealed) extend(ctx context.Context, s, renewed *Session, now time.Time) {
	span := now.Truncate(t.opts.UpdateAge)
	if t.opts.Store == nil || !s.HasEvidence || !s.IssuedAt.Before(span) {
		return
	}
	row, err := t.opts.Store.SessionByID(ctx, s.Key())
	if err == nil && row.Session.Seen.Before(span) { // nobody else has
		_, err = t.opts.Store.ExtendSession(ctx, s.Key(), row.Session.Expires, renewed.Expires, now)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.opts.Log.Warn("a session was renewed, but not where it is listed", zap.String("sid", s.Key()), zap.Error(err))
	}
}

func (t *sealed) due(s *Session, now time.Time) bool {
	return now.Sub(s.IssuedAt) >= t.opts.UpdateAge
}

// rowOf is a session as a store keeps it.
func rowOf(s *Session, now time.Time, from Client) (store.Session, error) {
	evidence, err := s.KeptEvidence()
	return store.Session{
		ID: s.Key(), UserID: s.Evidence.User, Provider: s.Evidence.Provider, Account: s.Evidence.Account,
		Expires: s.Expires, Created: now, Seen: now, UserAgent: from.UserAgent, IP: from.IP, Evidence: evidence,
	}, err
}
