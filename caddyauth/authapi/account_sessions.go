package authapi

import (
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// endSession ends one of the person's sessions.
func (q *request) endSession(o *owner) (page.AccountNotice, error) {
	id := q.body.text("id")
	if id == o.session.Key() {
		return q.endCurrent(o)
	}
	row, err := q.api.opts.Store.SessionByID(q.r.Context(), id)
	switch {
	case err != nil:
		return "", err
	case row.Session.UserID != o.user.ID:
		return "", errGone
	}
	return page.AccountSessionEnded, q.endRow(o, row.Session)
}

// endCurrent signs out.
func (q *request) endCurrent(o *owner) (page.AccountNotice, error) {
	if err := q.api.opts.Sessions.EndFamily(q.r.Context(), o.session); err != nil {
		return "", err
	}
	q.logAccount("signed out", o)
	q.goodbye(o)
	return "", nil
}

// goodbye answers somebody who is no longer signed in.
func (q *request) goodbye(o *owner) {
	_ = q.emit(eventSignOut, func() map[string]any { return q.signOutData(o.session) })
	q.set(q.api.opts.Sessions.Clear(q.r.Header, &q.jar.names)...)
	q.leave(notice{reason: ReasonSignedOut})
	q.seeOther(q.base + "/signin")
}

// endRow ends a session that is not the one at hand.
func (q *request) endRow(o *owner, row store.Session) error {
	s := &session.Session{Evidence: session.Evidence{SID: row.ID, User: row.UserID}, Expires: row.Expires}
	if family := session.FamilyOf(row); family != o.session.Evidence.Family {
		// The portal of that browser would bring it back at once. In this browser,
		// that would end the session at hand as well.
		s.Evidence.Family = family
	}
	if err := q.api.opts.Sessions.EndFamily(q.r.Context(), s); err != nil {
		return err
	}
	q.logAccount("session ended by its owner", o, zap.String("sid", row.ID))
	_ = q.emit(eventSignOut, func() map[string]any { return rowData(row) })
	return nil
}

// endRows ends the person's sessions that match, but never the one at hand.
func (q *request) endRows(o *owner, match func(store.Session) bool) error {
	f := store.SessionFilter{UserID: o.user.ID, Limit: maxListed}
	for {
		rows, err := q.api.opts.Store.ListSessions(q.r.Context(), f, q.now)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if row.Session.ID == o.session.Key() || !match(row.Session) {
				continue
			}
			if err := q.endRow(o, row.Session); err != nil {
				return err
			}
		}
		f.After = rows[len(rows)-1].Session.ID
	}
}

// endOthers ends all sessions but the one at hand.
func (q *request) endOthers(o *owner) (page.AccountNotice, error) {
	return page.AccountSessionsEnded, q.endRows(o, func(store.Session) bool { return true })
}

// endEverywhere ends all sessions, those that are not listed included.
func (q *request) endEverywhere(o *owner) (page.AccountNotice, error) {
	if err := q.api.opts.Sessions.EndOwner(q.r.Context(), o.user.ID); err != nil {
		return "", err
	}
	q.logAccount("signed out everywhere", o)
	q.goodbye(o)
	return "", nil
}
