package authapi

import (
	"encoding/json"
	"errors"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// signIn is somebody who proved who they are, on the way to a session.
type signIn struct {
	provider provider.Provider
	identity *provider.Identity
	user     provider.User // as the session will have it
	claims   map[string]any
	evidence session.Evidence

	cookies []cookie.Cookie
	session *session.Session
}

// admit gives a person who proved who they are a session, if the rules and the
// callback sign_in let them have one, and sends them to where they wanted to go.
func (q *request) admit(p provider.Provider, identity *provider.Identity) {
	if identity == nil || identity.User.ID == "" {
		// A session without a subject would be nobody's.
		q.fail(failure{kind: kindProfile, reason: provider.ReasonProfile, provider: p.Info().ID})
		return
	}
	s := q.newSignIn(p, identity)
	if !q.issue(s) || !q.allowed(s) || !q.calledBack(s) {
		return // it has been answered
	}
	if s.session == nil {
		q.dropped(s)
		return
	}
	if err := q.emit(eventSignIn, func() map[string]any { return q.signInData(s) }); err != nil {
		q.fail(s.failure(kindDenied, ReasonVetoed, err))
		return
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "signed in"); entry != nil {
		entry.Write(q.about(p.Info().ID, identity.User.ID)...)
	}
	q.set(s.cookies...)
	q.redirect(q.callbackURL)
}

func (q *request) newSignIn(p provider.Provider, identity *provider.Identity) *signIn {
	s := &signIn{provider: p, identity: identity, user: identity.User, evidence: q.evidence(p, identity)}
	if _, ok := p.(provider.OAuth); ok {
		s.user.ID = q.api.contract.subject(q, identity)
	}
	s.claims = userClaims(s.user)
	s.claims[session.EvidenceClaim] = s.evidence
	return s
}

func (s *signIn) failure(k kind, why reason, err error) failure {
	f := failure{kind: k, reason: why, provider: s.provider.Info().ID, userID: s.identity.User.ID, err: err}
	if k == kindDenied {
		f.account = s.session.Label()
	}
	return f
}

// allowed asks the rules, with the session as it is before any callback.
func (q *request) allowed(s *signIn) bool {
	if q.api.opts.Authorize == nil || q.api.opts.Authorize(s.session) {
		return true
	}
	q.fail(s.failure(kindDenied, ReasonAccessDenied, nil))
	return false
}

// calledBack runs the callbacks sign_in and jwt. If it is false, they have led
// to another answer. A callback that ends the session leaves s without one.
func (q *request) calledBack(s *signIn) bool {
	set := q.api.opts.Callbacks
	if set == nil {
		return true
	}
	verdict, err := set.SignIn(q.r.Context(), q.signInInput(s))
	switch {
	case err != nil:
		q.fail(s.failure(kindDenied, ReasonCallbackFailed, err))
		return false
	case verdict.Redirect != "":
		q.redirect(q.resolve(verdict.Redirect))
		return false
	case !verdict.Allow:
		q.fail(s.failure(kindDenied, ReasonAccessDenied, nil))
		return false
	}
	return q.shape(s)
}

// shape lets the callback jwt change the claims.
func (q *request) shape(s *signIn) bool {
	in, before := q.signInInput(s), s.session.Claims
	claims, keep, err := q.api.opts.Callbacks.JWT(q.r.Context(), before, callbacks.JWTInput{
		Trigger: "signIn", User: in.User, Account: in.Account, Profile: in.Profile, Request: in.Request,
	})
	q.logCallback(s.evidence.Provider, s.identity.User.ID, err)
	switch {
	case !keep:
		s.session, s.cookies = nil, nil
		return true
	case claims == before:
		return true
	}
	s.claims = rawClaims(unvouched(s.session, claims))
	s.evidence, _ = evidenceIn(s.claims) // what is too large is reduced from there
	return q.issue(s)
}

// unvouched keeps rules and upstreams from believing an e-mail address that the
// callback jwt has changed: what an expression has made of it, and at an update
// maybe the browser. The evidence says from then on that nobody vouches for it. A
// token of NextAuth's own making has no evidence and is believed as it stands, so
// there the address stays what it was.
func unvouched(before *session.Session, claims string) string {
	if claims == before.Claims || before.HasEvidence && !before.Evidence.Verified {
		return claims
	}
	after := rawClaims(claims)
	var email string
	_ = json.Unmarshal(rawOf(after["email"]), &email) // anything but a string is no address
	if email == before.User.Email {
		return claims
	}
	if e, ok := evidenceIn(after); ok && before.HasEvidence {
		e.Verified = false
		after[session.EvidenceClaim] = e
	} else if was, ok := rawClaims(before.Claims)["email"]; ok {
		after["email"] = was
	} else {
		delete(after, "email")
	}
	changed, err := json.Marshal(after)
	if err != nil {
		return before.Claims // JSON came in, so it goes out
	}
	return string(changed)
}

// evidenceIn is the evidence in claims, and whether there is any.
func evidenceIn(claims map[string]any) (e session.Evidence, ok bool) {
	err := json.Unmarshal(rawOf(claims[session.EvidenceClaim]), &e)
	return e, err == nil
}

func rawOf(v any) json.RawMessage {
	raw, _ := v.(json.RawMessage)
	return raw
}

// rawClaims are claims that keep their spelling when they are sealed.
func rawClaims(object string) map[string]any {
	claims := make(map[string]any)
	// The text comes from package callbacks, which writes objects.
	_ = jwt.Members(object, func(name string, v jwt.Value) bool {
		claims[name] = json.RawMessage(v.Raw())
		return true
	})
	return claims
}

// dropped answers a sign-in whose session a callback has ended before it began.
// As in Auth.js the person goes on, signed out.
func (q *request) dropped(s *signIn) {
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "session dropped by a callback"); entry != nil {
		entry.Write(q.about(s.provider.Info().ID, s.identity.User.ID)...)
	}
	q.api.opts.Sessions.EndAll(q.r.Header, &q.jar.names)
	q.set(q.api.opts.Sessions.Clear(q.r.Header, &q.jar.names)...)
	q.stay()
	q.redirect(q.callbackURL)
}

// stay keeps the sign-in page from starting a flow by itself, which would sign
// the person in again, or try to for ever.
func (q *request) stay() {
	if q.api.opts.AutoRedirect {
		q.leave(notice{reason: ReasonSignedOut})
	}
}

// issue makes the session. One that is too large for cookies loses, one after
// the other, the values that no rule reads and the picture.
func (q *request) issue(s *signIn) bool {
	var err error
	for _, reduce := range []func(){
		func() {
			q.dropUnread(&s.evidence)
			s.claims[session.EvidenceClaim] = s.evidence
		},
		func() { delete(s.claims, "picture") },
		func() {},
	} {
		s.cookies, s.session, err = q.api.opts.Sessions.Issue(q.r.Header, &q.jar.names, s.claims)
		if err == nil {
			return true
		}
		if !errors.Is(err, session.ErrTooLarge) {
			break
		}
		reduce()
	}
	why := ReasonSessionFailed
	if errors.Is(err, session.ErrTooLarge) {
		why = ReasonSessionTooLarge
	}
	q.fail(s.failure(kindSession, why, err))
	return false
}
