package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// IdPMark is what a session remembers of a name that its provider has given to the
// person's session there, or to the person. Either may be too long for a cookie.
func IdPMark(name string) string {
	if name == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// What a logout at a provider can be about.
const (
	// LogoutSID is one session there.
	LogoutSID = "sid"
	// LogoutSub is all sessions of one person there.
	LogoutSub = "sub"
	// LogoutRest is what cannot be told apart any more: the person's sessions here
	// that do not say which session there they come from.
	LogoutRest = "rest"
)

// LogoutKey is what a logout is remembered by that a provider has told of. The
// realm is the provider's, about one of the words above, and mark the [IdPMark] of
// the session there or of the person.
func LogoutKey(realm, about, mark string) string { return about + ":" + mark + ":" + realm }

// logoutKeys are the keys of the logouts that end a session of a provider's, both
// empty if none can.
func (s *Session) logoutKeys() (one, all string) {
	e := &s.Evidence
	if !s.HasEvidence || s.PAT != nil || s.foreign {
		return "", "" // others issue and end those
	}
	person := e.IdPSubject
	if person == "" {
		person = IdPMark(e.Account)
	}
	all = LogoutKey(e.Realm, LogoutSub, person)
	if e.IdPSession == "" {
		return LogoutKey(e.Realm, LogoutRest, person), all
	}
	return LogoutKey(e.Realm, LogoutSID, e.IdPSession), all
}

// IdPLogout is a logout that a provider tells of (OpenID Connect Back-Channel
// Logout 1.0, section 2.7).
type IdPLogout struct {
	// Provider is the provider's id at this site, Realm its realm.
	Provider, Realm string
	// SID names one session there, Subject the person. At least one is set; with a
	// SID, only that session has ended.
	SID, Subject string
}

// keys are what the logout is remembered by.
func (l IdPLogout) keys() []string {
	switch {
	case l.SID == "":
		return []string{LogoutKey(l.Realm, LogoutSub, IdPMark(l.Subject))}
	case l.Subject == "":
		return []string{LogoutKey(l.Realm, LogoutSID, IdPMark(l.SID))}
	}
	return []string{
		LogoutKey(l.Realm, LogoutSID, IdPMark(l.SID)),
		LogoutKey(l.Realm, LogoutRest, IdPMark(l.Subject)),
	}
}

// About reports whether the logout ends a session that began before it.
func (l IdPLogout) About(s *Session) bool {
	one, all := s.logoutKeys()
	for _, key := range l.keys() {
		if key == one || key == all {
			return true
		}
	}
	return false
}

// EndAtProvider ends the sessions that began before a logout at their provider, in
// this process and, where there is a store, everywhere. It returns those that were
// listed in the store and are not any more; the list says which user an account is,
// so a logout that names none leaves the rows: they are refused all the same. With
// ErrUnavailable the sessions have not ended for sure.
func (m *Manager) EndAtProvider(ctx context.Context, l IdPLogout) ([]store.Session, error) {
	now := m.opts.Now()
	// Other sites of the store may let sessions last longer than this one does.
	until := now.Add(max(longestCookie, m.opts.MaxAge))
	keys := l.keys()
	if m.opts.Store != nil {
		for _, key := range keys {
			if err := m.opts.Store.Revoke(ctx, store.Revocation{Kind: store.ByProvider, Key: key, At: now, Until: until}); err != nil {
				return nil, unavailable(err)
			}
		}
	}
	for _, key := range keys {
		m.opts.Ended.AddLogout(key, now, now, until)
	}
	rows, err := m.unlistAtProvider(ctx, l, now)
	if err != nil {
		m.opts.Log.Warn("sessions have ended, but are still listed", zap.Error(err))
	}
	return rows, nil
}

// unlistAtProvider takes the sessions that a logout has ended off the list.
func (m *Manager) unlistAtProvider(ctx context.Context, l IdPLogout, now time.Time) (gone []store.Session, err error) {
	if m.opts.Store == nil || l.Subject == "" {
		return nil, nil
	}
	// An account whose id is not the subject is not found. Its sessions are refused
	// all the same, until the rows expire.
	user, err := m.opts.Store.UserByAccount(ctx, l.Provider, l.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	rows, err := m.opts.Store.ListSessions(ctx, store.SessionFilter{UserID: user.ID, Limit: maxRelatives}, now)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		s, err := fromRow(row)
		if err != nil || s.Since().After(now) || !l.About(s) {
			continue
		}
		if err := m.opts.Store.DeleteSession(ctx, row.Session.ID); err != nil {
			return gone, err
		}
		gone = append(gone, row.Session)
	}
	return gone, nil
}

// Once reports whether a thing of that name has not been done before, by any node,
// and notes that it has been now; the note lasts until a time. It returns what takes
// the note back. With ErrUnavailable nobody can tell.
func (m *Manager) Once(ctx context.Context, name string, until time.Time) (first bool, undo func(), err error) {
	now := m.opts.Now()
	if m.opts.Store == nil {
		return m.opts.Ended.once(name, now, until), func() { m.opts.Ended.undo(name) }, nil
	}
	owner := store.NewID()
	first, err = m.opts.Store.Lock(ctx, name, owner, until.Sub(now))
	if err != nil {
		return false, nil, unavailable(fmt.Errorf("what was done before cannot be told: %w", err))
	}
	return first, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoing)
		defer cancel()
		if err := m.opts.Store.Unlock(ctx, name, owner); err != nil {
			m.opts.Log.Debug("a note could not be taken back: it ends by itself", zap.Error(err))
		}
	}, nil
}

// undoing is how long it may take to take a note back.
const undoing = 5 * time.Second
