package authapi

import (
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// acceptStart answers GET {base}/handoff?start=: whoever is signed in goes back to
// the member at once, anybody else signs in first.
func (q *request) acceptStart() {
	q.initCSRF()
	h, why := q.openStart(q.query.text("start"))
	if why == "" {
		why = q.serves(&h)
	}
	p, known := q.api.providers[h.provider]
	if why == "" && !known {
		why = handoffProvider
	}
	if why != "" {
		q.refuseStart(h, why)
		return
	}
	if !q.mayBegin() {
		q.pend(&h) // so that the page knows where the person comes from
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindStart, reason: ReasonTooManyAttempts, provider: h.provider})
		return
	}
	s, err := q.portalSession()
	switch {
	case err != nil:
		q.unavailable(err)
	case !h.fresh && q.suits(&h, s):
		q.handOver(&h, s)
	default:
		q.signInFor(h, p)
	}
}

// serves says what is wrong with a start that is sealed: nothing, unless it is for
// another portal, or of a site that is none of ours.
func (q *request) serves(h *handoff) string {
	m, known := q.memberAt(h)
	switch {
	case h.portal != q.base, known && !m.Listed:
		return handoffMember
	case !trustedOrigin(h.origin), !trustedOrigin(q.site.Origin):
		return handoffPlain
	}
	return ""
}

func (q *request) memberAt(h *handoff) (m Member, known bool) {
	if q.api.opts.Portal.Member == nil {
		return Member{}, false
	}
	return q.api.opts.Portal.Member(h.origin, h.base)
}

// refuseStart answers a start that is no good. One that is merely too old, as it
// is when somebody goes back in the browser's history, leads to the member's page;
// of any other nobody knows where it came from.
func (q *request) refuseStart(h handoff, why string) {
	reference := q.refused(why, zap.String("member", h.origin))
	if why == handoffExpired && q.serves(&h) == "" {
		q.redirect(h.member() + "/signin?callbackUrl=" + q.api.contract.encode(h.callbackURL) + "&" + paramRestart + "=true")
		return
	}
	q.cookies = nil
	q.api.opts.Page.BadRequest(q.w, q.r, page.BadRequest{Common: q.common(), Reference: reference})
}

// portalSession is the browser's session at the portal, nil if it has none that
// could be handed over: one of a token of NextAuth's own, say, is not in the store,
// where a member would look for it. The error means that nobody can tell.
func (q *request) portalSession() (*session.Session, error) {
	s, u, err := q.signedIn()
	if err != nil {
		return nil, err
	}
	if u.ID == "" || !s.HasEvidence {
		return nil, nil
	}
	return s, nil
}

// suits reports whether a session does for a handoff without any question: it is by
// the provider that was asked for, recent and strong enough, and the rules admit the
// person.
func (q *request) suits(h *handoff, s *session.Session) bool {
	if s == nil || !q.by(s, h.provider) || !q.meets(h, s) || !h.own && !q.authorizes(s) {
		return false
	}
	m, known := q.memberAt(h)
	return !known || m.Admits == nil || m.Admits(s)
}

// meets reports whether a session is what a member asks for beyond a sign-in. It has
// to be the same person's, or asking for more would change accounts without a word,
// and it has to last until the code is there: a member that finds it too old sends
// the browser back at once.
func (q *request) meets(h *handoff, s *session.Session) bool {
	if h.stepUp == nil {
		return true
	}
	meets := q.api.opts.Portal.Meets
	return meets != nil && s.Evidence.User == h.user && meets(s, *h.stepUp, q.now.Add(codeAge))
}

// by reports whether somebody signed in with a provider, which may be their passkey.
func (q *request) by(s *session.Session, id string) bool {
	if _, ok := q.api.providers[id].(provider.Passkeys); ok {
		return s.Evidence.Method == session.MethodPasskey
	}
	return s.Evidence.Provider == id && s.Evidence.Method != session.MethodPasskey
}

// signInFor begins a sign-in at the portal that goes on to the member.
func (q *request) signInFor(h handoff, p provider.Provider) {
	q.pend(&h)
	if p, ok := p.(provider.OAuth); ok {
		params, err := url.ParseQuery(h.params)
		if err != nil {
			params = nil // the member has encoded it, so it is not
		}
		q.stepUp = h.stepUp
		q.start(p, params)
		return
	}
	if h.stepUp != nil {
		q.signInAgain()
		return
	}
	q.redirect(q.base + "/signin?callbackUrl=" + q.api.contract.encode(q.callbackURL))
}

// pend notes a handoff that a sign-in here comes before, and has that lead back to it.
func (q *request) pend(h *handoff) {
	h.id = base64.RawURLEncoding.EncodeToString(q.api.randomBytes(8))
	h.since, h.expires = q.now.UnixMilli(), q.now.Add(checkAge).Unix()
	q.keep(*h)
	q.callbackURL = q.base + "/" + actionHandoff + "?continue=" + h.id
	q.set(q.newCookie(q.jar.names.CallbackURL, q.callbackURL))
}

const (
	// handoffMark begins the id of a flow for a handoff, whose own id follows. Any
	// link to the portal begins such a flow, and the cookie with the callback URL can
	// be written over before the flow ends: only what is sealed with the flow's values
	// says what it was begun for.
	handoffMark = "handoff."

	// handoffIDLength is that of a handoff's id: 8 bytes in base64url.
	handoffIDLength = 11
)

// continues is the id of the handoff that a sign-in leads back to, and whether it
// leads to any. An id that cannot be one is empty, which none has.
func (q *request) continues() (id string, ok bool) {
	if !q.atPortal() {
		return "", false
	}
	id, ok = strings.CutPrefix(q.callbackURL, q.base+"/"+actionHandoff+"?continue=")
	if len(id) != handoffIDLength {
		id = ""
	}
	return id, ok
}

// pendingHandoff is the handoff that this sign-in is for, as far as the callback
// URL tells, nil if it is for the portal itself.
func (q *request) pendingHandoff() *handoff {
	id, _ := q.continues()
	return q.pendingByID(id)
}

// mayLink reports whether an account may become one of whoever is signed in here. At
// the portal, that is somebody who has asked for it: at the portal itself, where a
// form begins the flow, or signed in as the same user at the member.
func (q *request) mayLink(u store.User) bool {
	if !q.atPortal() {
		return true
	}
	if q.flow == nil || q.flow.id == "" || q.improves != "" {
		return false // without any check, nobody knows who began it, and for what
	}
	rest, marked := strings.CutPrefix(q.flow.id, handoffMark)
	if !marked {
		return true
	}
	id, _, _ := strings.Cut(rest, ".")
	h := q.pendingByID(id)
	return h != nil && h.user == u.ID
}

// proceed answers GET {base}/handoff?continue=: the person has signed in, with the
// provider that was asked for or another one of the page.
func (q *request) proceed() {
	q.initCSRF()
	h := q.pendingByID(q.query.text("continue"))
	if h == nil {
		// It is done, or too long ago, or of another browser.
		q.forget("")
		q.redirect(q.site.Origin)
		return
	}
	s, err := q.portalSession()
	switch {
	case err != nil:
		q.unavailable(err)
	case s != nil && s.Since().UnixMilli() >= h.since && (h.own || q.authorizes(s)), !h.fresh && q.suits(h, s):
		q.handOver(h, s)
	default:
		// The page, and nothing by itself: it would come back here.
		to := q.base + "/" + actionHandoff + "?continue=" + h.id
		q.redirect(q.base + "/signin?callbackUrl=" + q.api.contract.encode(to) + "&" + paramRestart + "=true")
	}
}

// handOver sends the browser back to the member with a code.
func (q *request) handOver(h *handoff, s *session.Session) {
	claims := map[string]any{
		"to": h.member(), "sid": s.Key(), "binding": h.binding, "callbackUrl": h.callbackURL,
	}
	if h.stepUp != nil {
		claims["stepUp"] = true
	}
	if carried := q.carriedClaims(s); carried != nil {
		claims["claims"] = carried
	}
	// 96 bits of nonce, and a jti of 122: nobody guesses one, and none comes twice.
	token, err := jwt.SealClaims(q.api.codes, claims, q.now, codeAge)
	if err != nil {
		q.fail(failure{kind: kindSession, reason: ReasonSessionFailed, provider: h.provider, err: err})
		return
	}
	err = q.api.opts.Store.CreateVerificationToken(q.r.Context(), store.VerificationToken{
		Identifier: codeIdentifier(h.member()), Token: codeHash(token), Expires: q.now.Add(codeAge),
	})
	if err != nil {
		q.unavailable(err)
		return
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "handed over"); entry != nil {
		entry.Write(append(q.about(s.Evidence.Provider, s.AccountID()), zap.String("member", h.origin))...)
	}
	q.forget(h.id)
	q.redirect(h.member() + "/" + actionHandoff + "?code=" + token)
}

// forget drops a handoff, and keeps the next sign-in at the portal from leading to
// it.
func (q *request) forget(id string) {
	if q.sent(q.jar.names.Handoff) {
		var rest []handoff
		for _, h := range q.pendingAll() {
			if h.id != id {
				rest = append(rest, h)
			}
		}
		q.setPending(rest)
	}
	if q.sent(q.jar.names.CallbackURL) {
		q.set(q.newCookie(q.jar.names.CallbackURL, q.site.Origin))
	}
}

func equalText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
