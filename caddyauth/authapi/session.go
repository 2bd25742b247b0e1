package authapi

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// session answers GET {base}/session.
func (q *request) session() {
	q.init()
	q.writeSession()
}

// updateSession answers POST {base}/session. Without callbacks that would look
// at it, the data in the body changes nothing, as in NextAuth.
func (q *request) updateSession() {
	q.init()
	if !q.csrf.verified {
		q.json(http.StatusBadRequest, []byte("{}"))
		return
	}
	q.writeSession()
}

// writeSession seals the session again, so that it lasts as long as it is used,
// and shows its public part. Cookies that are no session are cleared.
func (q *request) writeSession() {
	names := &q.jar.names
	s, err := q.api.opts.Sessions.Read(q.r.Header, names)
	if err != nil {
		q.set(q.api.opts.Sessions.Clear(q.r.Header, names)...)
		q.json(http.StatusOK, []byte("{}"))
		return
	}
	cookies, renewed, err := q.api.opts.Sessions.Refresh(q.r.Header, names, s.Claims)
	if err != nil {
		// The session at hand is still good; it is only not made longer.
		q.api.opts.Log.Warn("session could not be renewed", append(q.about(s.Evidence.Provider, s.User.ID), zap.Error(err))...)
		q.json(http.StatusOK, session.Public(s, s.Expires))
		return
	}
	q.set(cookies...)
	q.json(http.StatusOK, session.Public(renewed, q.now.Add(q.api.opts.Sessions.MaxAge())))
}
