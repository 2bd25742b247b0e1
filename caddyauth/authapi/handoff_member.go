package authapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// handoffCheck is what a member keeps of the sign-ins that it has sent away.
func (j *jar) handoffCheck() check { return check{j.names.Handoff, j.handoff, true} }

// again marks an attempt that was refused: the next one asks for a sign-in, or it
// would come back with the same account.
const again = "again"

// maxParams bounds what a client can have sent to the identity provider.
const maxParams = 1 << 10

// callbackAtMember answers {base}/callback/:provider at a member. Identity providers
// come back to the portal, so only forms arrive here. What is typed into one is
// not looked at: it is for the portal's page.
func (q *request) callbackAtMember() {
	p, known := q.api.providers[q.providerID]
	_, oauth := p.(provider.OAuth)
	if !known || oauth || q.r.Method != http.MethodPost {
		q.unsupported()
		return
	}
	q.init()
	if !q.csrf.verified {
		q.failCSRF(kindCSRF)
		return
	}
	q.signInAtPortal(p)
}

// signInAtPortal sends somebody to the portal who has asked for it.
func (q *request) signInAtPortal(p provider.Provider) {
	if !q.mayBegin() {
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindStart, reason: ReasonTooManyAttempts, provider: p.Info().ID})
		return
	}
	q.toPortal(p, nil)
}

// toPortal begins a handoff: the browser keeps one half, a random value, and takes
// the other with it, its hash.
func (q *request) toPortal(p provider.Provider, extra url.Values) {
	attempts := q.attempts(q.jar.handoffCheck())
	a := attempt{
		value: q.api.randomToken(), provider: p.Info().ID, expires: q.now.Add(checkAge).Unix(),
		id: base64.RawURLEncoding.EncodeToString(q.api.randomBytes(8)),
	}
	h := handoff{
		portal: q.api.opts.Portal.URL(), origin: q.site.Origin, base: q.site.BasePath,
		provider: a.provider, callbackURL: q.callbackURL, binding: bindingOf(a.value), own: q.api.opts.Portal.Own,
		stepUp: q.stepUp,
	}
	if h.params = extra.Encode(); len(h.params) > maxParams {
		h.params = ""
	}
	var rest []attempt
	for _, earlier := range attempts {
		if earlier.user == again {
			h.fresh = true
			continue
		}
		rest = append(rest, earlier)
	}
	// Whoever is signed in here and comes to sign in wants something else than what
	// there is, unless it is a page that asks for more: a sign-in at the portal may do
	// that is newer than the one here.
	if s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names); err == nil {
		h.fresh, h.user = h.fresh || q.stepUp == nil, s.Evidence.User
	}
	h.fresh = h.fresh || extra.Has("prompt") || extra.Has("max_age") || extra.Has("acr_values")
	start, err := jwt.SealClaims(q.api.starts, h.claims(), q.now, startAge)
	if err != nil {
		q.fail(failure{kind: kindStart, reason: ReasonSessionFailed, provider: a.provider, err: err})
		return
	}
	q.set(q.checkCookie(q.jar.handoffCheck(), append([]attempt{a}, rest...)))
	q.redirect(h.portal + "/" + actionHandoff + "?start=" + start)
}

// bindingOf is what a start says about the value that the browser keeps.
func bindingOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// code is what the portal gives a browser to take to a member.
type code struct {
	to          string // the member's {origin}{base path}
	sid         string // the session at the portal
	binding     string
	callbackURL string
	stepUp      bool   // whether the member has asked for more than a sign-in
	claims      string // what the portal's session has besides, a JSON object
}

func (c *code) take(name string, v jwt.Value) bool {
	switch name {
	case "to":
		c.to = v.String()
	case "sid":
		c.sid = v.String()
	case "binding":
		c.binding = v.String()
	case "callbackUrl":
		c.callbackURL = v.String()
	case "stepUp":
		c.stepUp = v.Bool()
	case "claims":
		c.claims = v.Raw()
	default:
		return false
	}
	return true
}

// codeIdentifier and codeHash are what the store has of a code. No mail address looks
// like that.
func codeIdentifier(to string) string { return "handoff:" + to }

func codeHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// redeem answers GET {base}/handoff at a member: it makes a session of what the
// portal's code stands for.
func (q *request) redeem() {
	q.init()
	if !q.mayExchange() {
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindCallback, reason: ReasonTooManyAttempts})
		return
	}
	c, why, err := q.useCode(q.query.text("code"))
	if err != nil {
		q.unavailable(err)
		return
	}
	if why != "" {
		q.restart(why, q.strayed(c, why))
		return
	}
	q.finishHandoff(c)
	row, err := q.api.opts.Store.SessionByID(q.r.Context(), c.sid)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !row.Session.Expires.After(q.now):
		q.restart(handoffEnded)
		return
	case err != nil:
		q.unavailable(err)
		return
	}
	if q.callbackURL = q.shorten(q.resolve(c.callbackURL)); q.callbackURL != "" {
		q.set(q.newCookie(q.jar.names.CallbackURL, q.callbackURL))
	}
	q.letInFrom(row, c)
}

// useCode takes a code out of the store, and says what is wrong with it. It is gone
// then, whatever that is: of what somebody else holds, nothing is to be left.
func (q *request) useCode(token string) (c code, why string, err error) {
	if why = open(q.api.codes, token, q.now, c.take); why == handoffInvalid {
		return c, why, nil
	}
	row, err := q.api.opts.Store.UseVerificationToken(q.r.Context(), codeIdentifier(c.to), codeHash(token))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return c, cmp.Or(why, handoffUsed), nil
	case err != nil:
		return c, "", err
	case why != "" || !row.Expires.After(q.now):
		return c, handoffExpired, nil
	case c.to != q.base:
		return c, handoffHost, nil
	case !q.setOut(c):
		return c, handoffBrowser, nil
	}
	return c, "", nil
}

// setOut reports whether it was this browser that began the handoff. A code that
// somebody else has got for an account of theirs is no good here.
func (q *request) setOut(c code) bool {
	for _, a := range q.attempts(q.jar.handoffCheck()) {
		if a.user != again && equalText(bindingOf(a.value), c.binding) {
			return true
		}
	}
	return false
}

// strayed is what the log adds about a code that the store does not have, although it
// is in time, for this site, and in a browser that is still on its way: of one that
// has let it in, it would have nothing left.
func (q *request) strayed(c code, why string) zap.Field {
	if why != handoffUsed || c.to != q.base || !q.setOut(c) {
		return zap.Skip()
	}
	return zap.String("hint", "unknown or used: do the portal and this site share one store?")
}

// finishHandoff forgets an attempt that has come to its end.
func (q *request) finishHandoff(c code) {
	var rest []attempt
	for _, a := range q.attempts(q.jar.handoffCheck()) {
		if bindingOf(a.value) != c.binding {
			rest = append(rest, a)
		}
	}
	q.setHandoff(rest)
}

// setHandoff is for good what becomes of the attempts.
func (q *request) setHandoff(attempts []attempt) {
	c := q.checkCookie(q.jar.handoffCheck(), attempts)
	q.cookies = slices.DeleteFunc(q.cookies, func(set cookie.Cookie) bool { return set.Name == c.Name })
	q.set(c)
}

// restart answers a code that is no good. Nothing happens to whoever is signed in;
// anybody else gets the page, which starts nothing by itself: a browser that keeps
// no cookies would go round in circles.
func (q *request) restart(why string, more ...zap.Field) {
	q.refused(why, more...)
	if q.live() {
		q.redirect(q.callbackURL)
		return
	}
	q.redirect(q.base + "/signin?callbackUrl=" + q.api.contract.encode(q.callbackURL) + "&" + paramRestart + "=true")
}

// letInFrom gives the person of the portal's session one of this member's, if its
// rules and callbacks let them have it.
func (q *request) letInFrom(row store.SessionAndUser, c code) {
	s, ok := q.signInFrom(row, c)
	if !ok || !q.preview(s) {
		return
	}
	standing, err := q.api.opts.Sessions.Standing(s.session)
	if err != nil {
		// The provider of that id is another one here, or the account is gone.
		q.fail(s.failure(kindSession, ReasonSessionFailed, err))
		return
	}
	s.evidence.Groups, s.evidence.Roles = standing.Evidence.Groups, standing.Evidence.Roles
	if !q.preview(s) {
		return
	}
	q.comeAgain(s)
	if !q.admits(s.session) {
		q.fail(s.failure(kindDenied, ReasonAccessDenied, nil))
		return
	}
	if q.calledBack(s) {
		q.finishHandoff(c)
		q.grant(s)
	}
}

// comeAgain makes the next handoff ask for a sign-in, unless this one succeeds.
func (q *request) comeAgain(s *signIn) {
	mark := attempt{value: q.api.randomToken(), provider: s.evidence.Provider, id: again, user: again, expires: q.now.Add(checkAge).Unix()}
	q.setHandoff([]attempt{mark})
}

// signInFrom is what the portal found out. The session gets an id of its own, the
// rest stays as it was: when the person proved who they are, and whose family it is.
func (q *request) signInFrom(row store.SessionAndUser, c code) (*signIn, bool) {
	at, err := session.FromRow(row)
	if err != nil || !at.HasEvidence {
		q.restart(handoffEnded)
		return nil, false
	}
	e := at.Evidence
	p, known := q.api.providers[e.Provider]
	if !known {
		q.refused(handoffProvider, zap.String("provider", e.Provider))
		q.fail(failure{kind: kindProvider, reason: ReasonUnknownProvider})
		return nil, false
	}
	e.Family = cmp.Or(e.Family, e.SID)
	e.SID = session.NewID()
	// A mark that is there for another member's sake says nothing here.
	if !c.stepUp {
		e.StepUp = ""
	}
	user := storedUser(row.User)
	return &signIn{
		provider: p, user: user, profile: user, evidence: e, carried: rawClaims(cmp.Or(c.claims, "{}")),
		person: person{user: row.User, kept: row.User, linked: true},
		identity: &provider.Identity{
			User: user, Login: e.Login, Verified: e.Verified, Domain: e.Domain, Groups: e.Groups,
			Account:  provider.Account{Type: p.Info().Type, ProviderAccountID: e.Account},
			AuthTime: time.Unix(e.AuthTime, 0),
		},
	}, true
}

// maxCarried bounds the claims that a code takes along. It stands in an address.
const maxCarried = 2 << 10

// carriedClaims are those of a session that are not made anew at the member: what
// callbacks have put there, who had the provider's profile to look at.
func (q *request) carriedClaims(s *session.Session) json.RawMessage {
	if q.api.opts.Sessions.Database() {
		return nil
	}
	claims := rawClaims(s.Claims)
	for _, name := range []string{"sub", "name", "email", "picture", "iat", "exp", "jti", "nbf", session.EvidenceClaim} {
		delete(claims, name)
	}
	if len(claims) == 0 {
		return nil
	}
	raw, err := json.Marshal(claims)
	if err != nil || len(raw) > maxCarried {
		q.api.opts.Log.Warn("claims of callbacks are too large to be handed to a member: they are left out there",
			zap.String("provider", s.Evidence.Provider), zap.Int("bytes", len(raw)))
		return nil
	}
	return raw
}
