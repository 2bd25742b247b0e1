package caddyauth

import (
	"net/http"
	"net/url"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// judgement is the decision about a request, and what comes with it.
type judgement struct {
	gate.Decision
	// cookies are for the browser, whatever the decision: those of a session that
	// was renewed, or is over.
	cookies []cookie.Cookie
	// forwards says that the upstream gets the access token of the session, which
	// is empty if there is none: what a client sent in its place goes.
	forwards bool
	token    string
}

// judge decides about a request, and renews what is due of its session. Either may
// end the session, so that the decision is another one. Without forward, the access
// token is left alone.
func (s *site) judge(r *http.Request, original *url.URL, forward bool) judgement {
	j := judgement{Decision: s.decide(r, original)}
	if j.Action == gate.Pass && j.Session != nil {
		if j.cookies = s.renew(r, original, j.Session); j.cookies != nil {
			j.Decision = s.decide(r, original) // a callback may have ended the session instead
		}
	}
	if !forward || j.Action != gate.Pass || !s.forwards(r, j.Decision) {
		return j
	}
	o := s.engine.Load().grants.Forward(r.Context(), r.Header, s.cookieNames(r), j.Session)
	if o.Ended {
		j.cookies = append(o.Cookies, s.whyEnded(r, original, j.Session)...)
		j.Decision = s.decide(r, original)
		return j
	}
	j.cookies = append(j.cookies, o.Cookies...)
	j.forwards, j.token = true, o.Token
	return j
}

// decide asks the policy, and takes the session from sockets of other sites' pages.
func (s *site) decide(r *http.Request, original *url.URL) gate.Decision {
	read := func() (*session.Session, error) { return s.read(r) }
	return s.guardSocket(r, s.policy.Decide(r, original, read))
}
