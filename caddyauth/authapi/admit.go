package authapi

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// signIn is somebody who proved who they are, on the way to a session.
type signIn struct {
	provider provider.Provider
	identity *provider.Identity
	user     provider.User // as the session will have it
	profile  provider.User // as the provider has it
	person   person
	claims   map[string]any
	evidence session.Evidence

	// carried are claims that the portal's session has besides.
	carried map[string]any

	// passkey is what the person signs in with, nil if it is anything else.
	passkey *store.Authenticator

	cookies []cookie.Cookie
	// session is a preview until it has been issued.
	session *session.Session
}

// admit gives a person who proved who they are a session, if the rules and the
// callback sign_in let them have one, and sends them to where they wanted to go.
func (q *request) admit(p provider.Provider, identity *provider.Identity) {
	if identity == nil || identity.User.ID == "" || q.api.opts.Store != nil && identity.Account.ProviderAccountID == "" {
		// A session without a subject would be nobody's, an account without an id
		// everybody's.
		q.fail(failure{kind: kindProfile, reason: provider.ReasonProfile, provider: p.Info().ID})
		return
	}
	q.letIn(q.newSignIn(p, identity))
}

// letIn is admit for a sign-in that is made.
func (q *request) letIn(s *signIn) {
	if !q.identify(s) || !q.preview(s) || !q.stands(s) || !q.allowed(s) || !q.calledBack(s) || !q.settle(s) || !q.relate(s) {
		return // it has been answered
	}
	q.grant(s)
}

// grant gives a person who may have one a session.
func (q *request) grant(s *signIn) {
	if !q.shape(s) {
		return
	}
	if s.session == nil {
		q.dropped(s)
		return
	}
	if !q.issue(s) || !q.announced(s) || !q.replace(s) {
		return
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "signed in"); entry != nil {
		entry.Write(q.about(s.provider.Info().ID, s.identity.User.ID)...)
	}
	q.set(s.cookies...)
	q.keepGrant(s)
	q.asked(s.provider.Info().ID)
	q.countRound()
	if own := q.api.opts.Pages.NewUser; own != "" && s.person.isNew {
		q.redirect(own + separator(own) + "callbackUrl=" + q.api.contract.encode(q.callbackURL))
		return
	}
	q.redirect(q.callbackURL)
}

// announced emits signIn once everything is kept. A handler that objects undoes
// the sign-in: nobody gets the session, and whom it made known is forgotten. If it
// is false, that has been answered.
func (q *request) announced(s *signIn) bool {
	err := q.emit(eventSignIn, func() map[string]any { return q.signInData(s) })
	if err == nil {
		return true
	}
	if q.api.opts.Store != nil {
		// If it cannot be ended, it only seems to be there.
		_ = q.api.opts.Sessions.End(context.WithoutCancel(q.r.Context()), s.session)
		q.unsettle(s)
	}
	q.fail(s.failure(kindDenied, ReasonVetoed, err))
	return false
}

func (q *request) newSignIn(p provider.Provider, identity *provider.Identity) *signIn {
	s := &signIn{provider: p, identity: identity, user: identity.User, evidence: q.evidence(p, identity)}
	if _, ok := p.(provider.OAuth); ok {
		s.user.ID = q.api.contract.subject(q, identity)
	}
	s.profile = s.user
	return s
}

// preview makes the session that is to be decided on.
func (q *request) preview(s *signIn) bool {
	s.claims = maps.Clone(s.carried)
	if s.claims == nil {
		s.claims = make(map[string]any)
	}
	maps.Copy(s.claims, userClaims(s.user))
	s.claims[session.EvidenceClaim] = s.evidence
	var err error
	if s.session, err = q.api.opts.Sessions.Preview(s.claims); err != nil {
		q.fail(s.failure(kindSession, ReasonSessionFailed, err))
		return false
	}
	return true
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
	if q.admits(s.session) {
		return true
	}
	q.fail(s.failure(kindDenied, ReasonAccessDenied, nil))
	return false
}

// calledBack runs the callback sign_in. If it is false, that has led to another
// answer.
func (q *request) calledBack(s *signIn) bool {
	if q.api.opts.Callbacks == nil {
		return true
	}
	in := q.signInInput(s)
	if _, ok := s.provider.(provider.OAuth); ok && !s.person.linked {
		// Whoever it may become the account of: what is asked about is the account.
		in.User = userObject(s.profile)
	}
	return q.verdict(s, in)
}

// verdict asks the callback sign_in. If it is false, that has led to another
// answer.
func (q *request) verdict(s *signIn, in callbacks.SignInInput) bool {
	verdict, err := q.api.opts.Callbacks.SignIn(q.r.Context(), in)
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
	return true
}

// shape lets the callback jwt change the claims. One that ends the session leaves
// s without one. A database session has no claims.
func (q *request) shape(s *signIn) bool {
	if q.api.opts.Callbacks == nil || q.api.opts.Sessions.Database() {
		return true
	}
	in, before := q.signInInput(s), s.session.Claims
	trigger := "signIn"
	if s.person.isNew {
		trigger = "signUp"
	}
	claims, keep, err := q.api.opts.Callbacks.JWT(q.r.Context(), before, callbacks.JWTInput{
		Trigger: trigger, IsNewUser: s.person.isNew,
		User: in.User, Account: in.Account, Profile: in.Profile, Request: in.Request,
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
	return true
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
	if _, err := q.api.opts.Sessions.EndAll(q.r.Context(), q.r.Header, &q.jar.names); err != nil {
		q.fail(s.failure(kindStore, ReasonStore, err))
		return
	}
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
		s.cookies, s.session, err = q.api.opts.Sessions.Issue(q.r.Context(), q.r.Header, &q.jar.names, s.claims, q.from())
		if err == nil {
			return true
		}
		if !errors.Is(err, session.ErrTooLarge) {
			break
		}
		reduce()
	}
	k, why := kindSession, ReasonSessionFailed
	switch {
	case errors.Is(err, session.ErrTooLarge):
		why = ReasonSessionTooLarge
	case errors.Is(err, session.ErrUnavailable):
		k, why = kindStore, ReasonStore
	}
	q.fail(s.failure(k, why, err))
	return false
}

// maxUserAgent bounds what is kept of a browser's name.
const maxUserAgent = 256

// from is the browser that a session is made for.
func (q *request) from() session.Client {
	return session.Client{UserAgent: cut(q.r.UserAgent(), maxUserAgent), IP: q.site.ClientIP.String()}
}

// replace ends the session that the browser had until now: nothing that was in it
// before a sign-in opens anything after it. Where nothing is stored nobody would
// list it, and NextAuth leaves it alone.
func (q *request) replace(s *signIn) bool {
	if q.api.opts.Store == nil {
		return true
	}
	before, err := q.api.opts.Sessions.EndAll(q.r.Context(), q.r.Header, &q.jar.names)
	if err == nil && before != nil && before.Evidence.Family != "" && before.Owner() != s.session.Owner() {
		// Somebody else signs in: that person has left, on all hosts.
		err = q.api.opts.Sessions.EndFamily(q.r.Context(), before)
	}
	if err != nil {
		// Nobody gets the other one. If it cannot be ended, it only seems to be there.
		_ = q.api.opts.Sessions.End(q.r.Context(), s.session)
		q.fail(s.failure(kindStore, ReasonStore, err))
		return false
	}
	return true
}
