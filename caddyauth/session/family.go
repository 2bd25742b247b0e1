package session

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// FromRow is the session that a store lists, as its evidence and its user say it is.
// It opens nothing, and whether it was ended is not asked.
func FromRow(row store.SessionAndUser) (*Session, error) { return fromRow(row) }

// SignOut is EndAll for a person who leaves: with each session, those of its family
// end, on whatever host they are.
func (m *Manager) SignOut(ctx context.Context, h http.Header, names *cookie.Names) (*Session, error) {
	return m.endAll(ctx, h, names, m.EndFamily)
}

// longestCookie is the limit that browsers put on Max-Age.
const longestCookie = 400 * 24 * time.Hour

// EndFamily ends a session and all that began from the same sign-in at a portal,
// everywhere that has the same store. With ErrUnavailable they have not ended for
// sure.
func (m *Manager) EndFamily(ctx context.Context, s *Session) error {
	family := s.Evidence.Family
	if family == "" {
		return m.End(ctx, s)
	}
	now := m.opts.Now()
	// Members may let sessions last longer than this site does, but browsers let no
	// cookie last longer than this (RFC 6265bis section 5.5).
	until := now.Add(max(longestCookie, m.opts.MaxAge))
	if m.opts.Store != nil {
		// Every session of the family names it, so this one word ends all.
		if err := m.opts.Store.Revoke(ctx, store.Revocation{Kind: store.BySession, Key: family, At: now, Until: until}); err != nil {
			return unavailable(err)
		}
	}
	m.opts.Ended.Add(family, now, until)
	if err := m.End(ctx, s); err != nil {
		return err
	}
	if err := m.unlist(ctx, s); err != nil {
		// They are refused all the same.
		m.opts.Log.Warn("sessions have ended, but are still listed", zap.Error(err))
	}
	return nil
}

// maxRelatives bounds the search for a family's rows: one person rarely has more
// sessions.
const maxRelatives = 1000

// unlist takes the rest of a session's family off the list.
func (m *Manager) unlist(ctx context.Context, s *Session) error {
	if m.opts.Store == nil || s.Evidence.User == "" {
		return nil
	}
	rows, err := m.opts.Store.ListSessions(ctx, store.SessionFilter{UserID: s.Evidence.User, Limit: maxRelatives}, m.opts.Now())
	if err != nil {
		return err
	}
	for _, row := range rows {
		if FamilyOf(row.Session) != s.Evidence.Family {
			continue
		}
		if err := m.opts.Store.DeleteSession(ctx, row.Session.ID); err != nil {
			return err
		}
	}
	return nil
}

// FamilyOf is the family of a listed session, empty if it has none.
func FamilyOf(row store.Session) string {
	if row.Evidence == nil {
		return ""
	}
	e, _, err := OpenEvidence(row.Evidence)
	if err != nil {
		return "" // nobody can read it, so it is no session
	}
	return e.Family
}
