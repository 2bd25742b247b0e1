package authapi

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	// stepUpMark begins the id of a flow that is to improve on a session; markOf
	// follows. The id is sealed with each of the flow's values, and nobody else makes
	// one.
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

// Demands are the query by which a link to the sign-in page has its buttons ask the
// provider for a fresh look, as StepUp does. Nothing is believed of what comes back but
// what the session then has, so it does not matter who writes such links.
func Demands(s provider.StepUp) string {
	demands := url.Values{"prompt": {"login"}}
	if s.MaxAge > 0 {
		demands.Set("max_age", strconv.FormatInt(int64(s.MaxAge/time.Second), 10))
	}
	if len(s.ACR) > 0 {
		demands.Set("acr_values", strings.Join(s.ACR, " "))
	}
	return demands.Encode()
}

// maxDemand bounds what the sign-in page takes over from its address, in bytes.
const maxDemand = 512

// demands are those of the sign-in page's own address, empty if it has none.
func (q *request) demands() string {
	var s provider.StepUp
	if seconds, err := strconv.ParseUint(q.query.text("max_age"), 10, 31); err == nil {
		s.MaxAge = time.Duration(seconds) * time.Second
	}
	if acr := q.query.text("acr_values"); len(acr) <= maxDemand {
		s.ACR = strings.Fields(acr)
	}
	if s.MaxAge == 0 && len(s.ACR) == 0 {
		return ""
	}
	return Demands(s)
}

// inVain reports whether the person has just signed in for the sake of this, and
// the session did not have what is asked for from its first moment on. For the sake of
// something else does not count: the provider has not been asked for this one.
func (q *request) inVain(p provider.OAuth, to StepUpRequest) bool {
	e, began := &to.Session.Evidence, to.Session.Since()
	// A flow without any check leaves no mark: there, every sign-in counts.
	marks := p != nil && p.Checks() != provider.Checks{}
	if since := q.now.Sub(began); since > vainAge || since < -vainAge || marks && e.StepUp != markOf(provider.StepUp{MaxAge: to.MaxAge, ACR: to.ACR}) {
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

// markOf tells one step-up from another.
func markOf(s provider.StepUp) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", s.MaxAge/time.Second, s.ACR))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// improves is the mark of the step-up that a flow was begun for, empty if it was for
// none.
func (f flow) improves() string {
	rest, _ := strings.CutPrefix(f.id, stepUpMark)
	mark, _, marked := strings.Cut(rest, ".")
	if !marked || rest == f.id {
		return ""
	}
	return mark
}
