package session

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// Lease is a session in use by a request. As a context, it is the request's,
// which ends with the session too: WebSockets, event streams and other responses
// that last are cut off when somebody signs out. Only those who ask for the end,
// by Done or Err, are told of it, and only they cost anything.
//
// The zero Lease is ready for Begin. It must not be copied.
type Lease struct {
	parent   context.Context
	manager  *Manager
	session  *Session
	listener atomic.Pointer[listener]
	released atomic.Bool
}

// listener is what those who ask for the end of a lease hold on to. It is what the
// watch looks at.
type listener struct {
	context.Context
	cancel context.CancelCauseFunc
	lease  *Lease
	began  time.Time

	// session is the lease's, as the store had it last. It is the watch's, and so
	// are changes, the count of Ended's changes at which the session was last found
	// not to be ended, and asked, the tick at which the store was last asked for it.
	session *Session
	changes uint64
	asked   uint64
	// renewed is what the store has of the session.
	renewed atomic.Pointer[Session]

	// The rest is guarded by leases.mu.
	prev, next *listener
	listed     bool
	born       uint64 // the tick at which it was listed
}

// Begin makes the lease one of a session of m, which a request uses whose context
// is parent.
func (l *Lease) Begin(parent context.Context, m *Manager, s *Session) {
	l.parent, l.manager, l.session = parent, m, s
}

// Release says that the request has been served. It must be called then: until it
// is, the session is watched.
func (l *Lease) Release() {
	l.released.Store(true)
	if n := l.listener.Load(); n != nil {
		lasting.remove(n)
	}
}

// Deadline implements context.Context. That a session expires is no deadline: it
// may be renewed before.
func (l *Lease) Deadline() (time.Time, bool) { return l.parent.Deadline() }

// Done implements context.Context.
func (l *Lease) Done() <-chan struct{} { return l.listen().Done() }

// Err implements context.Context.
func (l *Lease) Err() error { return l.listen().Err() }

// Value implements context.Context. Package context finds by it what to cancel.
func (l *Lease) Value(key any) any {
	if n := l.listener.Load(); n != nil {
		return n.Value(key)
	}
	return l.parent.Value(key)
}

// listen makes the session watched.
func (l *Lease) listen() *listener {
	if n := l.listener.Load(); n != nil {
		return n
	}
	ctx, cancel := context.WithCancelCause(l.parent)
	n := &listener{Context: ctx, cancel: cancel, lease: l, session: l.session}
	if !l.listener.CompareAndSwap(nil, n) {
		cancel(nil) // somebody else was first
		return l.listener.Load()
	}
	lasting.add(n)
	return n
}

// errRules means that the rules do not let the account in any more.
var errRules = errors.New("session: refused by the rules")

// lasts returns why the session does not count any more, nil if it does. It is
// check without patience: whoever holds a connection is not kept waiting. What the
// store has of the session is asked elsewhere, see again.
func (n *listener) lasts(now time.Time) error {
	if renewed := n.renewed.Load(); renewed != nil {
		n.session = renewed
	}
	m, s := n.lease.manager, n.session
	switch {
	case s.Expires.IsZero() || s.Expires.After(now):
	case m.opts.Database && s.ours() && now.Sub(s.Expires) < time.Minute:
		// Other requests may have extended it, which the store will tell.
	case !s.ours() || s.Expires.After(n.began):
		return ErrExpired
	case jwt.Times(now, s.times) != nil:
		// The clock's tolerance let the request in, and no longer than that.
		return ErrExpired
	}
	if m.opts.Idle > 0 && !m.opts.Database && s.ours() && now.After(m.opts.until(s.Since(), s.IssuedAt)) {
		return ErrExpired
	}
	if m.opts.Ended.lost(now) {
		return errStale
	}
	if changes := m.opts.Ended.Changes(); changes != n.changes {
		if m.opts.Ended.covers(s) {
			return ErrEnded
		}
		n.changes = changes
	}
	current, err := m.live(s)
	if err != nil {
		return err
	}
	if current != s && m.opts.Admits != nil && !m.opts.Admits(current) {
		return errRules
	}
	return nil
}

// due reports whether the store must be asked for the session, and whether it
// cannot wait.
func (n *listener) due(tick uint64, now time.Time) (due, urgent bool) {
	if !n.lease.manager.opts.Database || !n.session.ours() {
		return false, false
	}
	return tick-n.asked >= ticksPerRow, !n.session.Expires.After(now)
}

// again returns the session as the store has it at this time.
func (m *Manager) again(ctx context.Context, s *Session) (*Session, error) {
	r, ok := m.strategy.(*rows)
	if !ok {
		return s, nil
	}
	// Not what another request has read, which may be as old again.
	found, err := r.load(ctx, s.token, m.opts.Now())
	if err != nil {
		return nil, err
	}
	renewed := *found
	// Where the store does not say when a session began, it is when it was first
	// read. What has ended since must end this one.
	renewed.IssuedAt = s.IssuedAt
	return &renewed, nil
}

// cut ends the lease, and with it what the request does.
func (n *listener) cut(s *Session, reason error, now time.Time) {
	if !lasting.remove(n) {
		return // the request is through
	}
	if c := n.lease.manager.opts.Log.Check(zap.DebugLevel, "a connection was ended with its session"); c != nil {
		c.Write(zap.Error(reason), zap.String("sid", s.Key()), zap.String("user_id", s.AccountID()),
			zap.String("provider", s.Evidence.Provider), zap.Duration("lasted", now.Sub(n.began)))
	}
	n.cancel(reason)
}
