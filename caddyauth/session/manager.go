package session

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
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

	// MaxAge is how long a session lasts after it was last sealed.
	// Default: 30 days.
	MaxAge time.Duration

	// UpdateAge is how old a token must be for gated traffic to renew it.
	// Default: one day.
	UpdateAge time.Duration

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

	// Ended remembers the sessions that were signed out. Default: a memory of
	// this Manager's own.
	Ended *Ended

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	Log *zap.Logger
}

// Manager reads, makes and ends the sessions of one site.
type Manager struct {
	opts    Options
	cache   *cache
	scratch sync.Pool // *[]byte, for plaintexts
}

// New returns a Manager.
func New(opts Options) (*Manager, error) {
	if opts.Ring == nil {
		return nil, errors.New("session: no keys")
	}
	if opts.SecureRing == nil {
		opts.SecureRing = opts.Ring
	}
	if opts.MaxAge <= 0 {
		opts.MaxAge = DefaultMaxAge
	}
	if opts.UpdateAge <= 0 {
		opts.UpdateAge = DefaultUpdateAge
	}
	if opts.SameSite == "" {
		opts.SameSite = "Lax"
	}
	if opts.Ended == nil {
		opts.Ended = NewEnded()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	m := &Manager{opts: opts, cache: newCache()}
	m.scratch.New = func() any { b := make([]byte, 0, 2<<10); return &b }
	return m, nil
}

// MaxAge is how long a session lasts after it was last sealed.
func (m *Manager) MaxAge() time.Duration { return m.opts.MaxAge }

// Read returns the session of a request's cookies. The error is ErrNone,
// ErrInvalid, ErrExpired or ErrEnded. Where several cookies could be the
// session, such as a stale one of the parent domain beside a good one, the
// first that opens and still counts is it.
func (m *Manager) Read(h http.Header, names *cookie.Names) (*Session, error) {
	var (
		found *Session
		err   = ErrNone
	)
	cookie.SessionTokens(h, names.Session, func(token string) bool {
		s, e := m.open(names, token)
		if e == nil {
			found, err = s, nil
			return false
		}
		if err == ErrNone || err == ErrInvalid {
			err = e
		}
		return true
	})
	return found, err
}

// open turns a token into a session that counts at this moment.
func (m *Manager) open(names *cookie.Names, token string) (*Session, error) {
	hash := m.cache.hash(token)
	if e := m.cache.get(hash, token); e != nil && e.secure == names.Secure {
		return m.check(e.session, e)
	}
	s, err := m.unseal(m.ring(names), token)
	if err != nil {
		return nil, err
	}
	return m.check(s, m.cache.offer(hash, token, names.Secure, s))
}

func (m *Manager) ring(names *cookie.Names) *jwt.Ring {
	if names.Secure {
		return m.opts.SecureRing
	}
	return m.opts.Ring
}

// unseal decrypts and parses. What it returns depends on the token alone, so
// that it can be kept.
func (m *Manager) unseal(ring *jwt.Ring, token string) (*Session, error) {
	buf := m.scratch.Get().(*[]byte)
	defer m.scratch.Put(buf)
	plain, err := ring.Open((*buf)[:0], token)
	if err != nil {
		return nil, ErrInvalid
	}
	*buf = plain[:0]
	s, err := parse(string(plain))
	if err != nil || !m.known(&s.Evidence, s.HasEvidence) {
		return nil, ErrInvalid
	}
	return s, nil
}

// known reports whether the provider that signed the person in is one of this
// site's. Sites of one Caddy share a generated secret, so a token from another
// site opens here; an account of its users file must not become ours.
func (m *Manager) known(e *Evidence, has bool) bool {
	if !has || m.opts.Realms == nil {
		return true
	}
	realm, ok := m.opts.Realms[e.Provider]
	return ok && realm == e.Realm
}

// check asks what changes while a token stays the same: the clock, sign-outs
// and the users file. The entry may be nil.
func (m *Manager) check(s *Session, e *entry) (*Session, error) {
	if err := jwt.Times(m.opts.Now(), s.times); err != nil {
		if errors.Is(err, jwt.ErrExpired) {
			return nil, ErrExpired
		}
		return nil, ErrInvalid
	}
	if m.ended(s, e) {
		return nil, ErrEnded
	}
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
	if m.opts.Ended.Has(s.Key()) {
		return true
	}
	if e != nil {
		e.fresh.Store(changes)
	}
	return false
}

// Issue makes the session of a person who has just signed in and returns its
// cookies, those that clear an older session's pieces included. It fails with
// ErrTooLarge if the claims do not fit.
func (m *Manager) Issue(h http.Header, names *cookie.Names, claims map[string]any) ([]cookie.Cookie, *Session, error) {
	// NextAuth 4 gives a fresh token its 30 days even if sessions are shorter,
	// and it would outlive its cookie; the shorter of both counts here.
	now, age := m.opts.Now(), m.opts.MaxAge
	if m.opts.Dialect == dialect.V4 {
		age = min(age, signInMaxAge)
	}
	token, err := jwt.SealClaims(m.ring(names), claims, now, age)
	if errors.Is(err, jwt.ErrTooLarge) || len(token) > tokenBudget {
		return nil, nil, ErrTooLarge
	}
	return m.cookies(h, names, token, now, err)
}

// Refresh seals a session again, with a life of MaxAge from this moment. Claims
// is the payload, a JSON object: that of the session, whoever made the token, or
// what became of it. The session's evidence and id must be in it as they were.
func (m *Manager) Refresh(h http.Header, names *cookie.Names, claims string) ([]cookie.Cookie, *Session, error) {
	before, err := parse(claims)
	if err != nil {
		return nil, nil, err
	}
	jti := ""
	if !before.HasEvidence {
		// The only name that such a session has: under a new one, the tokens
		// before this would outlive the sign-out.
		jti = before.JTI
	}
	now := m.opts.Now()
	token, err := jwt.Renew(m.ring(names), claims, jti, now, m.opts.MaxAge)
	return m.cookies(h, names, token, now, err)
}

// Due reports whether gated traffic should renew the session: its token is
// older than UpdateAge.
func (m *Manager) Due(s *Session) bool {
	return m.opts.Now().Sub(s.IssuedAt) >= m.opts.UpdateAge
}

// cookies turns a freshly sealed token into its session and the cookies that
// carry it.
func (m *Manager) cookies(h http.Header, names *cookie.Names, token string, now time.Time, err error) ([]cookie.Cookie, *Session, error) {
	if err != nil {
		return nil, nil, err
	}
	s, err := m.unseal(m.ring(names), token)
	if err != nil {
		return nil, nil, err
	}
	c := m.cookie(names.Session, names.Secure)
	c.Value = token
	c.Expires = now.Add(m.opts.MaxAge)
	return cookie.Chunk(c, names.ChunkSize, cookie.Present(h, names.Session)), s, nil
}

// Clear returns the cookies that remove every piece of a session from the
// browser that sent h.
func (m *Manager) Clear(h http.Header, names *cookie.Names) []cookie.Cookie {
	var clears []cookie.Cookie
	for _, name := range cookie.Present(h, names.Session) {
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

// End ends a session in this process: every token of it is refused from now
// on, copies and renewals included. A token of NextAuth's own names no session,
// only itself: those that NextAuth renewed before live on.
func (m *Manager) End(s *Session) {
	now := m.opts.Now()
	// Renewals may have sealed, or be sealing, a token of full length; one from
	// elsewhere may live longer than any of ours.
	until := now.Add(m.opts.MaxAge)
	if s.Expires.After(until) {
		until = s.Expires
	}
	m.opts.Ended.Add(s.Key(), now, until.Add(time.Minute))
}

// EndAll ends every session that a request's cookies open, and returns the
// one that counted, nil if none did.
func (m *Manager) EndAll(h http.Header, names *cookie.Names) *Session {
	var counted *Session
	cookie.SessionTokens(h, names.Session, func(token string) bool {
		if s, err := m.open(names, token); err == nil {
			m.End(s)
			counted = cmp.Or(counted, s)
		}
		return true
	})
	return counted
}

// NewID returns a fresh sid: 128 random bits in hex.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}
