package authapi

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// maxGrown is how large a callback can make a token that is read, in bytes. What
// an update brings is the browser's word, and cookies that are too large lock it
// out: servers refuse its requests.
const maxGrown = 8 << 10

// Renew seals a session again, as GET {base}/session does, for requests to the
// site itself. It returns the cookies to set. If the callback jwt ends the
// session, these clear it, and the session is ended for every copy of its token;
// the request at hand is the caller's to decide on. After an error the session
// is as good as before.
func (a *API) Renew(r *http.Request, site Site, s *session.Session) ([]cookie.Cookie, error) {
	n, err := a.newRequest(nil, r, site).renew(s, callbacks.JWTInput{})
	return n.cookies, err
}

// renewal is what became of a session that was read.
type renewal struct {
	// session is nil if a callback has ended it.
	session *session.Session
	// claims are what the callback jwt made of those of the token.
	claims  string
	cookies []cookie.Cookie
}

// renew runs the callback jwt and seals what it makes of the claims. With an
// error the renewal holds the session as it was, and no cookies.
func (q *request) renew(s *session.Session, in callbacks.JWTInput) (renewal, error) {
	claims, keep := s.Claims, true
	if set := q.api.opts.Callbacks; set != nil && !q.api.opts.Sessions.Database() {
		in.Request = q.api.callbackRequest(q.r, q.site)
		var err error
		claims, keep, err = set.JWT(q.r.Context(), s.Claims, in)
		q.logCallback(s.Evidence.Provider, s.AccountID(), err)
		claims = unvouched(s, claims)
	}
	if !keep {
		return q.endDropped(s)
	}
	n, err := q.seal(s, claims)
	if claims != s.Claims && errors.Is(err, session.ErrTooLarge) {
		q.api.opts.Log.Error("the callbacks make a session too large for cookies: its claims stay as they were",
			q.about(s.Evidence.Provider, s.AccountID())...)
		n, err = q.seal(s, s.Claims)
	}
	if err != nil {
		return renewal{session: s, claims: s.Claims}, err
	}
	return n, nil
}

// seal makes the cookies of a session from its claims.
func (q *request) seal(before *session.Session, claims string) (renewal, error) {
	cookies, s, err := q.api.opts.Sessions.Refresh(q.r.Context(), q.r.Header, &q.jar.names, before, claims)
	if err != nil {
		return renewal{}, err
	}
	size := 0
	for _, c := range cookies {
		size += len(c.Value)
	}
	if size > max(maxGrown, q.cookieSize()) {
		return renewal{}, session.ErrTooLarge
	}
	return renewal{session: s, claims: claims, cookies: cookies}, nil
}

func (q *request) endDropped(s *session.Session) (renewal, error) {
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "session dropped by a callback"); entry != nil {
		entry.Write(q.about(s.Evidence.Provider, s.AccountID())...)
	}
	if err := q.api.opts.Sessions.End(q.r.Context(), s); err != nil {
		return renewal{}, err
	}
	return renewal{cookies: q.api.opts.Sessions.Clear(q.r.Header, &q.jar.names)}, nil
}
