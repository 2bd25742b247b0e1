package caddyauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// listedUser is whose something is.
type listedUser struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

func listUser(u store.User) listedUser { return listedUser{u.ID, u.Name, u.Email} }

// listedSession is a session as lists show it: enough to tell whose it is and
// where from, and nothing that opens it.
type listedSession struct {
	ID        string     `json:"id"`
	User      listedUser `json:"user"`
	Provider  string     `json:"provider,omitempty"`
	Account   string     `json:"account,omitempty"`
	Login     string     `json:"login,omitempty"`
	Roles     []string   `json:"roles,omitempty"`
	Groups    []string   `json:"groups,omitempty"`
	Created   time.Time  `json:"created,omitzero"`
	Seen      time.Time  `json:"seen,omitzero"`
	Expires   time.Time  `json:"expires"`
	UserAgent string     `json:"user_agent,omitempty"`
	IP        string     `json:"ip,omitempty"`
	// Strategy is where the session lives: "jwt" or "database".
	Strategy string `json:"strategy"`
	// Store is the kind of store that lists it.
	Store string `json:"store"`
}

// sessionPage is a page of the list of sessions.
type sessionPage struct {
	Sessions []listedSession `json:"sessions"`
	// Next is the parameter after of the next page, empty if there is none.
	Next string `json:"next,omitempty"`
}

// listSessions answers GET /caddyauth/sessions.
func (q *adminRequest) listSessions() error {
	values, err := q.query("user", "email", "provider", "after", "limit")
	if err != nil {
		return err
	}
	if err := q.needStore(); err != nil {
		return err
	}
	p, err := q.page(values)
	if err != nil {
		return err
	}
	filter := store.SessionFilter{
		UserID: values.Get("user"), Provider: values.Get("provider"), Email: strings.ToLower(values.Get("email")),
	}
	list := func(o *openStore, after string, limit int) ([]listedSession, error) {
		filter.After, filter.Limit = after, limit
		rows, err := o.conn.ListSessions(q.r.Context(), filter, q.now)
		if err != nil {
			return nil, err
		}
		var found []listedSession
		for _, row := range rows {
			found = append(found, listSession(o, row))
		}
		return found, nil
	}
	var answer sessionPage
	answer.Sessions, answer.Next, err = walkStores(q, p, list, func(s listedSession) string { return s.ID })
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, answer)
}

func listSession(o *openStore, row store.SessionAndUser) listedSession {
	s := row.Session
	listed := listedSession{
		ID: s.ID, User: listUser(row.User), Provider: s.Provider, Account: s.Account,
		Created: s.Created.UTC(), Seen: s.Seen.UTC(), Expires: s.Expires.UTC(),
		UserAgent: s.UserAgent, IP: s.IP, Strategy: strategyDatabase, Store: o.kind,
	}
	if s.Token == "" {
		listed.Strategy = strategyJWT
	}
	if e, ok := evidenceOf(s); ok {
		listed.Login, listed.Roles, listed.Groups = e.Login, e.Roles, e.Groups
	}
	return listed
}

// evidenceOf is what the rules decide on of a listed session. A session that
// NextAuth made has none.
func evidenceOf(s store.Session) (e session.Evidence, ok bool) {
	if s.Evidence == nil || json.Unmarshal(s.Evidence, &e) != nil {
		return session.Evidence{}, false
	}
	return e, e.Provider != ""
}

// maxID is how long the id of a session or a token can be, in bytes.
const maxID = 128

func validID(id string) bool {
	return id != "" && len(id) <= maxID && printable(id) && !strings.ContainsAny(id, " /")
}

// endSession answers DELETE /caddyauth/sessions/<id>.
func (q *adminRequest) endSession(id string) error {
	if _, err := q.query(); err != nil {
		return err
	}
	if !validID(id) {
		return adminError(http.StatusBadRequest, "that is no id of a session")
	}
	known, err := q.app.endSession(q.r.Context(), id, q.now)
	switch {
	case err != nil:
		return err
	case known:
		q.log.Info("a session was ended", zap.String("sid", id))
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	case len(q.app.storedAt(nil)) > 0:
		return adminError(http.StatusNotFound, "no store knows the session %s; sites without a store refuse it from now on, as long as this process runs", id)
	}
	return adminError(http.StatusNotFound, "no store knows the session %s", id)
}

// endSession ends a session in the store that has it, and reports whether one
// has. Sites without a store know no ids: they are told all of them.
func (a *App) endSession(ctx context.Context, id string, now time.Time) (known bool, err error) {
	if sites := a.storedAt(nil); len(sites) > 0 {
		a.shared.ended.Add(id, now, session.LastBreath(longest(sites), time.Time{}, now))
	}
	var failed error
	for _, o := range a.stores() {
		row, err := o.conn.SessionByID(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			failed = err // another store may have it
			continue
		}
		until := session.LastBreath(longest(a.storedAt(o)), row.Session.Expires, now)
		if err := session.Revoke(ctx, o.conn, id, now, until); err != nil {
			return false, err
		}
		o.ended.Add(id, now, until)
		if family := session.FamilyOf(row.Session); family != "" {
			// The portal would sign the person in again without a question.
			if err := session.Revoke(ctx, o.conn, family, now, until); err != nil {
				return false, err
			}
			o.ended.Add(family, now, until)
		}
		return true, nil
	}
	return false, failed
}

// endedCount is how many things were ended.
type endedCount struct {
	Ended int `json:"ended"`
}

// endUserSessions answers DELETE /caddyauth/sessions?user=<id>.
func (q *adminRequest) endUserSessions() error {
	user, err := q.filterUser("sessions")
	if err != nil {
		return err
	}
	n, err := q.app.endUserSessions(q.r.Context(), user, q.now)
	if err != nil {
		return err
	}
	q.log.Info("all sessions of a user were ended", zap.String("user_id", user), zap.Int("listed", n))
	return q.json(http.StatusOK, endedCount{n})
}

// endUserSessions ends every session that a user has begun and returns how many
// of them were listed. That no store knows the user ends nothing less: a token
// may have outlived its user.
func (a *App) endUserSessions(ctx context.Context, user string, now time.Time) (n int, err error) {
	if sites := a.storedAt(nil); len(sites) > 0 {
		a.shared.ended.AddUser(user, now, now, session.LastBreath(longest(sites), time.Time{}, now))
	}
	var errs []error
	for _, o := range a.stores() {
		until := session.LastBreath(longest(a.storedAt(o)), time.Time{}, now)
		// Whatever the store says: here they are to end.
		o.ended.AddUser(user, now, now, until)
		ids, err := session.RevokeUser(ctx, o.conn, user, now, until)
		if err != nil {
			errs = append(errs, err)
		}
		n += len(ids)
	}
	return n, errors.Join(errs...)
}
