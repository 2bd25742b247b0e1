package authapi

import (
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// session answers GET {base}/session.
func (q *request) session() {
	q.init()
	q.writeSession(callbacks.JWTInput{})
}

// updateSession answers POST {base}/session. Without callbacks that would look
// at it, the data in the body changes nothing, as in NextAuth.
func (q *request) updateSession() {
	q.init()
	if !q.csrf.verified {
		q.api.contract.refuseUpdate(q)
		return
	}
	in := callbacks.JWTInput{Trigger: "update", Session: q.body["data"].json()}
	if len(in.Session) > maxGrown {
		// No cookie could keep it, and to expressions that compare all of it with
		// all of it the length is what they cost.
		q.api.opts.Log.Info("an update brings more than a session can hold: its data is left out",
			zap.Int("bytes", len(in.Session)), zap.String("client_ip", q.site.ClientIP.String()))
		in.Session = ""
	}
	q.writeSession(in)
}

// writeSession seals the session again, so that it lasts as long as it is used,
// and shows its public part. Cookies that are no session are cleared.
func (q *request) writeSession(in callbacks.JWTInput) {
	opts, c := &q.api.opts, q.api.contract
	s, err := opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	if errors.Is(err, session.ErrUnavailable) {
		q.unavailable(err)
		return
	}
	if err != nil {
		q.set(opts.Sessions.Clear(q.r.Header, &q.jar.names)...)
		q.json(http.StatusOK, []byte(c.noSession))
		return
	}
	n, err := q.renew(s, in)
	expires := opts.Sessions.Until(s)
	switch {
	case err != nil && n.session == nil:
		q.unavailable(err)
		return
	case opts.Sessions.Database():
		// The end that the row had, even if it has just been moved, as in NextAuth.
		expires = s.Expires
	}
	if err != nil {
		// The session at hand is still good; it is only not made longer.
		opts.Log.Warn("session could not be renewed", append(q.about(s.Evidence.Provider, s.AccountID()), zap.Error(err))...)
		expires = s.Expires
	}
	q.set(n.cookies...)
	if n.session == nil {
		q.json(http.StatusOK, []byte(c.noSession))
		return
	}
	public := session.Public(n.session, expires)
	body := q.shapeSession(public, n, in)
	_ = q.emit(eventSession, func() map[string]any {
		var data map[string]any
		_ = json.Unmarshal(public, &data)
		if opts.Sessions.Database() {
			return map[string]any{"session": data}
		}
		return map[string]any{"session": data, "token": tokenData(n.session)}
	})
	q.json(http.StatusOK, body)
}

// shapeSession lets the callback session change the body.
func (q *request) shapeSession(body []byte, n renewal, in callbacks.JWTInput) []byte {
	set := q.api.opts.Callbacks
	if set == nil {
		return body
	}
	input := callbacks.SessionInput{
		Token: n.claims, Trigger: in.Trigger, NewSession: in.Session,
		Request: q.api.callbackRequest(q.r, q.site),
	}
	if q.api.opts.Sessions.Database() {
		input.Token, input.User = "", rowUser(n.session)
	}
	body, err := set.Session(q.r.Context(), body, input)
	q.logCallback(n.session.Evidence.Provider, n.session.AccountID(), err)
	return body
}
