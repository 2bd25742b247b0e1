package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// DefaultMaxAge and DefaultUpdateAge are NextAuth's.
const (
	DefaultMaxAge    = 30 * 24 * time.Hour
	DefaultUpdateAge = 24 * time.Hour
)

// signInMaxAge is how long NextAuth 4 lets the token of a fresh sign-in live,
// whatever the session's own age: its jwt.maxAge, a constant.
const signInMaxAge = 30 * 24 * time.Hour

// tokenBudget is the longest token that is written at sign-in, in bytes.
// Servers refuse requests with 16 KiB of headers, Caddy among them, with an
// answer that no page can explain.
const tokenBudget = 8 << 10

// Options configures a Manager.
type Options struct {
	// Ring seals and opens the session tokens. Required.
	Ring *jwt.Ring

	// SecureRing does so where cookies are secure: in dialect v5 the cookie's
	// name, which is another one there, is the salt of the keys. Default: Ring.
	SecureRing *jwt.Ring

	// Dialect decides how long the token of a fresh sign-in lives: in v5 as long
	// as any, in v4 no longer than 30 days. Default: v4.
	Dialect dialect.Dialect

	// Store keeps the sessions of strategy database. Those of strategy jwt are
	// only listed there, and where they were ended. Default: none, and strategy
	// jwt.
	Store store.Driver

	// Database is strategy database. It needs a Store.
	Database bool

	// MaxAge is how long a session lasts after it was last renewed; with Idle, how
	// long it lasts at all. Default: 30 days.
	MaxAge time.Duration

	// UpdateAge is how long ago a session must have been renewed for traffic to
	// renew it again. Default: one day; with Idle, half of that at most.
	UpdateAge time.Duration

	// Idle is how long a session lasts without being used. Default: MaxAge alone
	// counts, from one renewal to the next.
	Idle time.Duration

	// Domain and SameSite are attributes of the session cookie. Default: a
	// cookie for the host alone, and Lax.
	Domain, SameSite string

	// Realms are the providers whose sessions are accepted, by id. Sessions of
	// NextAuth's own making name no provider and are accepted always. Nil
	// accepts every provider.
	Realms map[string]string

	// Live is asked at each request for the groups and roles that the person
	// has now, and whether the account still may sign in. It must be fast. Nil
	// keeps what the token says. Sessions without evidence are not asked about.
	Live func(*Session) (groups, roles []string, alive bool)

	// Admits is asked whether somebody may stay whose groups or roles changed while
	// a connection was open, see Lease. Nil lets them stay.
	Admits func(*Session) bool

	// Ended remembers the sessions that were signed out. Default: a memory of
	// this Manager's own.
	Ended *Ended

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	Log *zap.Logger
}

// Manager reads, makes and ends the sessions of one site.
type Manager struct {
	opts     Options
	strategy strategy
	tokens   tokens
}

// strategy is where sessions live.
type strategy interface {
	// open finds the session of what a cookie has. The entry is where it is kept
	// for the next request, and may be nil.
	open(ctx context.Context, names *cookie.Names, token string) (*Session, *entry, error)

	// issue makes a session and returns what the cookie gets.
	issue(ctx context.Context, names *cookie.Names, draft *Session, claims map[string]any, now time.Time, from Client) (*Session, string, error)

	// refresh renews a session with these claims.
	refresh(ctx context.Context, names *cookie.Names, s *Session, claims string, now time.Time) (*Session, string, error)

	// due reports whether traffic should renew the session.
	due(s *Session, now time.Time) bool
}

// Client is whom a session is made for, to tell it from others in a list.
type Client struct {
	UserAgent, IP string
}

// New returns a Manager.
func New(opts Options) (*Manager, error) {
	if opts.Ring == nil {
		return nil, errors.New("session: no keys")
	}
	if opts.Database && opts.Store == nil {
		return nil, errors.New("session: strategy database needs a store")
	}
	opts.complete()
	m := &Manager{opts: opts}
	m.tokens = tokens{opts: &m.opts, cache: newCache()}
	if opts.Database {
		m.strategy = newRows(&m.opts)
	} else {
		m.strategy = newSealed(&m.opts)
	}
	return m, nil
}

// complete fills in the defaults.
func (o *Options) complete() {
	if o.SecureRing == nil {
		o.SecureRing = o.Ring
	}
	if o.MaxAge <= 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.UpdateAge <= 0 {
		o.UpdateAge = DefaultUpdateAge
	}
	if o.Idle > 0 {
		o.UpdateAge = min(o.UpdateAge, o.Idle/2)
	}
	if o.SameSite == "" {
		o.SameSite = "Lax"
	}
	if o.Ended == nil {
		o.Ended = NewEnded()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
}

// until is when a session ends that began at a time and is used now.
func (o *Options) until(since, now time.Time) time.Time {
	if o.Idle <= 0 {
		return now.Add(o.MaxAge)
	}
	idle, end := now.Add(o.Idle), since.Add(o.MaxAge)
	if end.Before(idle) {
		return end
	}
	return idle
}

// Until is when a session ends if it is renewed now.
func (m *Manager) Until(s *Session) time.Time { return m.opts.until(s.Since(), m.opts.Now()) }

// Domain and SameSite are the attributes of the session cookie; an empty Domain is
// the host's alone.
func (m *Manager) Domain() string { return m.opts.Domain }

// SameSite is described at [Manager.Domain].
func (m *Manager) SameSite() string { return m.opts.SameSite }

// Database reports whether sessions live in the store.
func (m *Manager) Database() bool { return m.opts.Database }

// Read returns the session of a request's cookies. The error is ErrNone,
// ErrInvalid, ErrExpired, ErrEnded or ErrUnavailable. Where several cookies could
// be the session, such as a stale one of the parent domain beside a good one, the
// first that opens and still counts is it.
func (m *Manager) Read(ctx context.Context, h http.Header, names *cookie.Names) (*Session, error) {
	var (
		found *Session
		err   = ErrNone
	)
	cookie.SessionTokens(h, names.Session, func(token string) bool {
		s, e := m.open(ctx, names, token)
		if e == nil {
			found, err = s, nil
			return false
		}
		if err == ErrNone || err == ErrInvalid || errors.Is(e, ErrUnavailable) {
			err = e
		}
		return true
	})
	return found, err
}

// open turns what a cookie has into a session that counts at this moment.
func (m *Manager) open(ctx context.Context, names *cookie.Names, token string) (*Session, error) {
	s, e, err := m.strategy.open(ctx, names, token)
	if err != nil {
		return nil, err
	}
	return m.check(ctx, s, e)
}

// known reports whether the provider that signed the person in is one of this
// site's. Sites of one Caddy share a generated secret, so a token from another
// site opens here; an account of its users file must not become ours.
func (o *Options) known(s *Session) bool {
	if !s.HasEvidence || o.Realms == nil {
		return true
	}
	return s.Evidence.Within(o.Realms)
}

// Within reports whether providers with those realms, by their ids, include the one
// that signed the person in.
func (e *Evidence) Within(realms map[string]string) bool {
	realm, ok := realms[e.Provider]
	return ok && realm == e.Realm
}

// check asks what changes while a session stays the same: the clock, sign-outs
// and the users file. The entry may be nil.
func (m *Manager) check(ctx context.Context, s *Session, e *entry) (*Session, error) {
	now := m.opts.Now()
	if s.PAT != nil {
		// The store has no skew to forgive, and a token may have no end.
		if !s.Expires.IsZero() && !s.Expires.After(now) {
			return nil, ErrExpired
		}
	} else if err := jwt.Times(now, s.times); err != nil {
		if errors.Is(err, jwt.ErrExpired) {
			return nil, ErrExpired
		}
		if errors.Is(err, jwt.ErrNotYet) {
			return nil, ErrNotYet
		}
		return nil, ErrInvalid
	}
	if m.opts.Idle > 0 && !m.opts.Database && s.PAT == nil && now.After(m.opts.until(s.Since(), s.IssuedAt)) {
		// Others, who seal with the same secret, may know no such limit.
		return nil, ErrExpired
	}
	if err := m.opts.Ended.fresh(ctx, now); err != nil {
		return nil, err
	}
	if m.ended(s, e) {
		return nil, ErrEnded
	}
	return m.live(s)
}

// live is the session with the groups and roles that the account has now. The
// error is ErrEnded if there is no such account any more.
func (m *Manager) live(s *Session) (*Session, error) {
	if m.opts.Live == nil || !s.HasEvidence {
		return s, nil
	}
	groups, roles, alive := m.opts.Live(s)
	if !alive {
		return nil, ErrEnded
	}
	if slices.Equal(groups, s.Evidence.Groups) && slices.Equal(roles, s.Evidence.Roles) {
		return s, nil
	}
	changed := *s
	changed.Evidence.Groups, changed.Evidence.Roles = groups, roles
	return &changed, nil
}

func (m *Manager) ended(s *Session, e *entry) bool {
	changes := m.opts.Ended.Changes()
	if changes == 0 || e != nil && e.fresh.Load() == changes {
		return false
	}
	if m.opts.Ended.covers(s) {
		return true
	}
	if e != nil {
		e.fresh.Store(changes)
	}
	return false
}

// Preview is the session that Issue would make of the claims, for those who
// decide whether it does.
func (m *Manager) Preview(claims map[string]any) (*Session, error) { return draft(claims) }

// Standing is the session, which may be a preview, as a request with it would
// find it by what its evidence says: with the groups and roles that the account
// has now. The error is ErrInvalid if its provider is none of this site's, and
// ErrEnded if the account is gone.
func (m *Manager) Standing(s *Session) (*Session, error) {
	if !m.opts.known(s) {
		return nil, ErrInvalid
	}
	return m.live(s)
}

// Issue makes the session of a person who has just signed in and returns its
// cookies, those that clear an older session's pieces included. It fails with
// ErrTooLarge if the claims do not fit, and with ErrUnavailable if the store does
// not answer.
func (m *Manager) Issue(ctx context.Context, h http.Header, names *cookie.Names, claims map[string]any, from Client) ([]cookie.Cookie, *Session, error) {
	d, err := draft(claims)
	if err != nil {
		return nil, nil, err
	}
	now := m.opts.Now()
	s, token, err := m.strategy.issue(ctx, names, d, claims, now, from)
	if err != nil {
		return nil, nil, err
	}
	return m.cookies(h, names, token, m.opts.until(now, now)), s, nil
}

// Refresh renews a session. Claims is what a token of it is to hold, a JSON
// object: that of the session, whoever made the token, or what became of it; the
// session's evidence and id must be in it as they were. A database session has no
// claims of its own, and is written only when it is due.
func (m *Manager) Refresh(ctx context.Context, h http.Header, names *cookie.Names, s *Session, claims string) ([]cookie.Cookie, *Session, error) {
	now := m.opts.Now()
	renewed, token, err := m.strategy.refresh(ctx, names, s, claims, now)
	if err != nil {
		return nil, nil, err
	}
	return m.cookies(h, names, token, m.opts.until(s.Since(), now)), renewed, nil
}

// Due reports whether gated traffic should renew the session: that was UpdateAge
// ago.
func (m *Manager) Due(s *Session) bool { return m.strategy.due(s, m.opts.Now()) }

// cookies carry a session's token.
func (m *Manager) cookies(h http.Header, names *cookie.Names, token string, expires time.Time) []cookie.Cookie {
	c := m.cookie(names.Session, names.Secure)
	c.Value, c.Expires = token, expires
	return cookie.Chunk(c, names.ChunkSize, cookie.Present(h, names.Session))
}

// Clear returns the cookies that remove every piece of a session, and of what was
// kept beside it, from the browser that sent h.
func (m *Manager) Clear(h http.Header, names *cookie.Names) []cookie.Cookie {
	var clears []cookie.Cookie
	for _, name := range append(cookie.Present(h, names.Session), cookie.Present(h, names.Tokens)...) {
		clears = append(clears, cookie.Clear(m.cookie(name, names.Secure)))
	}
	return clears
}

func (m *Manager) cookie(name string, secure bool) cookie.Cookie {
	return cookie.Cookie{
		Name: name, Path: "/", Domain: m.opts.Domain,
		HttpOnly: true, Secure: secure, SameSite: m.opts.SameSite,
	}
}

// End ends a session: every token of it is refused from now on, copies and
// renewals included, in this process and, where there is a store, everywhere. A
// token of NextAuth's own names no session, only itself: those that NextAuth
// renewed before live on. With ErrUnavailable it has not ended for sure.
func (m *Manager) End(ctx context.Context, s *Session) error {
	now := m.opts.Now()
	until := LastBreath(m.opts.MaxAge, s.Expires, now)
	if m.opts.Store != nil && s.Key() != "" {
		if err := Revoke(ctx, m.opts.Store, s.Key(), now, until); err != nil {
			return unavailable(err)
		}
	}
	m.opts.Ended.Add(s.Key(), now, until)
	return nil
}

// LastBreath is when no token of a session can be good any more that ends at a time,
// as far as that is known, where sessions last maxAge. Renewals may have sealed, or be
// sealing, one of full length; one from elsewhere may live longer than any of ours.
func LastBreath(maxAge time.Duration, expires, now time.Time) time.Time {
	until := now.Add(max(maxAge, DefaultMaxAge))
	if expires.After(until) {
		until = expires
	}
	return until.Add(time.Minute)
}

// Revoke ends the session with that key in a store. Until is when its last token
// expires.
func Revoke(ctx context.Context, d store.Driver, key string, now, until time.Time) error {
	// First the news, then the row: whoever hears of it refuses copies, and
	// whoever finds no row does so as well.
	if err := d.Revoke(ctx, store.Revocation{Kind: store.BySession, Key: key, At: now, Until: until}); err != nil {
		return err
	}
	return d.DeleteSession(ctx, key)
}

// EndOwner ends every session that a user has begun, see [Session.Owner].
func (m *Manager) EndOwner(ctx context.Context, owner string) error {
	now := m.opts.Now()
	// NextAuth's tokens live so long, whatever we make of ours.
	until := LastBreath(m.opts.MaxAge, time.Time{}, now)
	if m.opts.Store != nil {
		if _, err := RevokeUser(ctx, m.opts.Store, owner, now, until); err != nil {
			return unavailable(err)
		}
	}
	m.opts.Ended.AddUser(owner, now, now, until)
	return nil
}

// RevokeUser ends every session that a user has begun, in a store, and returns the
// IDs of those that were listed. Until is as for Revoke.
func RevokeUser(ctx context.Context, d store.Driver, owner string, now, until time.Time) ([]string, error) {
	// First the news, then the rows, as for a single session.
	if err := d.Revoke(ctx, store.Revocation{Kind: store.ByUser, Key: owner, At: now, Until: until}); err != nil {
		return nil, err
	}
	return d.DeleteUserSessions(ctx, owner, "")
}

// EndAll ends every session that a request's cookies open, and returns the
// one that counted, nil if none did. It fails with ErrUnavailable if the store
// does not answer; then no session may have ended.
func (m *Manager) EndAll(ctx context.Context, h http.Header, names *cookie.Names) (*Session, error) {
	return m.endAll(ctx, h, names, m.End)
}

func (m *Manager) endAll(ctx context.Context, h http.Header, names *cookie.Names, end func(context.Context, *Session) error) (*Session, error) {
	var (
		counted *Session
		errs    []error
	)
	cookie.SessionTokens(h, names.Session, func(token string) bool {
		s, e, err := m.strategy.open(ctx, names, token)
		if err == nil {
			// One that does not count at this moment, as its owner is disabled, may
			// do so later.
			if checked, err := m.check(ctx, s, e); err == nil {
				counted = cmp.Or(counted, checked)
			}
			err = end(ctx, s)
		}
		if errors.Is(err, ErrUnavailable) {
			errs = append(errs, err)
		}
		return true
	})
	if len(errs) > 0 {
		return counted, fmt.Errorf("ending sessions: %w", errs[0])
	}
	return counted, nil
}

// NewID returns a fresh sid: 128 random bits in hex.
func NewID() string { return store.NewID() }
