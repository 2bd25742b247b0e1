package authapi

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// StepUpRequest is what a page asks of a sign-in beyond what the session has.
type StepUpRequest struct {
	// Session is the one that is not enough. Required.
	Session *session.Session

	// MaxAge is how long ago the person may have proved who they are, in whole
	// seconds. Zero means that it does not matter.
	MaxAge time.Duration

	// ACR are the authentication context classes that suffice, any one of them.
	// None means that all do.
	ACR []string

	// CallbackURL is the absolute URL of the page.
	CallbackURL string

	// Reference names the answer in the caller's log. It may be empty.
	Reference string
}

const (
	// stepUpMark begins the id of a flow that is to improve on a session. The id is
	// sealed with each of the flow's values, and nobody else makes one.
	stepUpMark = "step-up."

	// vainAge is for how long after a sign-in that did not help another one is not
	// asked for.
	vainAge = time.Minute
)

// StepUp sends a person to sign in again, who opened a page (GET) that asks for
// more than their session has: to the provider of the session, which is asked to
// take a fresh look (OpenID Connect Core, section 3.1.2.1: prompt, max_age,
// acr_values), or to the sign-in page where it has none or the person used a form
// or a passkey. They come back to the page. With a portal, that is where they sign
// in, unless they are signed in there as the same person, with the same provider, and
// that is enough: see PortalOptions.Meets.
//
// A provider may take no notice. What the person has just done in vain they are
// not sent to do again: within a minute the answer is a page with status 403 that
// says what is lacking.
func (a *API) StepUp(w http.ResponseWriter, r *http.Request, site Site, to StepUpRequest) {
	noStore(w.Header())
	w.Header().Add("Vary", "Sec-Fetch-Mode, Sec-Fetch-Dest, Accept")
	q := a.newRequest(w, r, site)
	// The query is the page's own. Nothing in it is for us.
	q.segments = segments{}
	q.query, q.body, q.parsed = fields{}, fields{}, true
	q.query["callbackUrl"] = field{text: to.CallbackURL, present: true}
	p := q.stepUpProvider(to.Session)
	if q.inVain(p, to) {
		q.logVain(to)
		a.opts.Page.StepUp(w, r, page.StepUp{
			Common: q.common(), Account: to.Session.Label(), Provider: q.nameOf(to.Session),
			Strength: len(to.ACR) > 0 && !slices.Contains(to.ACR, to.Session.Evidence.ACR),
			Form:     p == nil, CallbackURL: to.CallbackURL, Reference: to.Reference,
		})
		return
	}
	q.init()
	q.stepUp = &provider.StepUp{MaxAge: to.MaxAge, ACR: to.ACR}
	switch way := q.wayOf(to.Session); {
	case q.member() && way != nil:
		q.signInAtPortal(way)
	case p == nil:
		q.signInAgain()
	case !q.mayBegin():
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindStart, reason: ReasonTooManyAttempts, provider: p.Info().ID})
	default:
		q.start(p, nil)
	}
}

// wayOf is the provider that a session began with, which may be that of passkeys, nil
// if there is none of it anymore.
func (q *request) wayOf(s *session.Session) provider.Provider {
	for _, p := range q.api.opts.Providers {
		if q.by(s, p.Info().ID) {
			return p
		}
	}
	return nil
}

// stepUpProvider is who can be asked to take a fresh look, nil if nobody can.
func (q *request) stepUpProvider(s *session.Session) provider.OAuth {
	if s.Evidence.Method != "" {
		return nil
	}
	p, _ := q.api.providers[s.Evidence.Provider].(provider.OAuth)
	return p
}

// signInAgain shows the sign-in page to somebody who is signed in. The code keeps
// the page from being skipped, and tells a page of the site's own; the notice says
// it in other words.
func (q *request) signInAgain() {
	const code = "SessionRequired"
	q.leave(notice{code: code, reason: ReasonStepUp})
	q.redirect(q.base + "/signin?callbackUrl=" + q.api.contract.encode(q.callbackURL) + "&error=" + code)
}

// inVain reports whether the person has just signed in for the sake of this, and
// the session did not have what is asked for from its first moment on.
func (q *request) inVain(p provider.OAuth, to StepUpRequest) bool {
	e, began := &to.Session.Evidence, to.Session.Since()
	// A flow without any check leaves no mark: there, every sign-in counts.
	marks := p != nil && p.Checks() != provider.Checks{}
	if since := q.now.Sub(began); since > vainAge || since < -vainAge || !e.StepUp && marks {
		return false
	}
	age := time.Duration(began.Unix()-e.AuthTime) * time.Second
	return to.MaxAge > 0 && age > to.MaxAge || len(to.ACR) > 0 && !slices.Contains(to.ACR, e.ACR)
}

func (q *request) logVain(to StepUpRequest) {
	e := &to.Session.Evidence
	q.api.opts.Log.Warn("a fresh sign-in was not what step_up asks for", append(q.about(e.Provider, to.Session.AccountID()),
		zap.String("reference", to.Reference), zap.Duration("max_age", to.MaxAge), zap.Strings("acr_values", to.ACR),
		zap.Time("auth_time", time.Unix(e.AuthTime, 0)), zap.String("acr", e.ACR))...)
}

// nameOf is what people call the provider of a session.
func (q *request) nameOf(s *session.Session) string {
	if p, ok := q.api.providers[s.Evidence.Provider]; ok {
		return p.Info().Name
	}
	return s.Evidence.Provider
}

// improves reports whether a flow was begun by StepUp.
func (f flow) improves() bool { return strings.HasPrefix(f.id, stepUpMark) }
