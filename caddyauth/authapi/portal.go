package authapi

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// PortalOptions make several hosts sign people in at one of them, the portal. All
// of them have the same secrets and the same store.
//
// A member sends the browser to the portal with a sealed start, and gets it back
// with a code that is good once, for ten seconds, at this member, in the browser
// that set out. What the code stands for is in the store. Is and URL are required.
type PortalOptions struct {
	// Is reports whether an origin of this API is the portal's. Every other one is
	// a member's.
	Is func(origin string) bool

	// URL is the portal's {origin}{base path}, as members send browsers to it.
	URL func() string

	// Own says that this member has rules of its own for who may sign in, which
	// count in place of the portal's.
	Own bool

	// Meets reports whether a session of the portal's is by a sign-in that will still be
	// recent and strong enough at that time. Whoever has such a session is not asked
	// for another one. Default: none is.
	Meets func(s *session.Session, need provider.StepUp, at time.Time) bool

	// Member is what the portal knows of the site at an origin. Known is false for
	// sites elsewhere: that a start is sealed has to do for those. Default: nothing
	// is known.
	Member func(origin, basePath string) (m Member, known bool)
}

// Member is a site as a portal knows it.
type Member struct {
	// Listed says that this is its portal.
	Listed bool
	// Admits asks its rules about a session of the portal's.
	Admits func(*session.Session) bool
}

// addPortal makes the API one of a portal's. Its routes are none of NextAuth's.
func (a *API) addPortal() (err error) {
	o := a.opts.Portal
	if o == nil {
		return nil
	}
	if a.opts.Store == nil {
		return errors.New("authapi: a portal needs a store")
	}
	if o.Is == nil || o.URL == nil {
		return errors.New("authapi: the portal is not said to be anywhere")
	}
	a.contract.routes[actionHandoff] = &route{extra: true, get: (*request).handoff, noHead: true}
	a.contract.routes[actionPortal] = &route{extra: true, get: (*request).portalPage}
	// The same whatever the dialect: members may differ in it.
	if a.starts, err = jwt.NewRing(dialect.V4, a.opts.Secrets, "caddyauth handoff start"); err != nil {
		return err
	}
	a.codes, err = jwt.NewRing(dialect.V4, a.opts.Secrets, "caddyauth handoff code")
	return err
}

// The actions of a portal.
const (
	actionHandoff = "handoff"
	actionPortal  = "portal"
)

// paramRestart keeps the sign-in page from starting a flow by itself, where that
// would go round in circles.
const paramRestart = "restart"

// isMember reports whether sign-ins of a site happen at a portal elsewhere.
func (a *API) isMember(site Site) bool {
	return a.opts.Portal != nil && !a.opts.Portal.Is(site.Origin)
}

func (q *request) member() bool { return q.api.isMember(q.site) }

func (q *request) atPortal() bool { return q.api.opts.Portal != nil && !q.member() }

// handoff answers GET {base}/handoff: at the portal a start or the way on after
// signing in, at a member the code that it leads to.
func (q *request) handoff() {
	switch {
	case q.providerID != "":
		q.unsupported()
	case q.member():
		q.redeem()
	case q.query["start"].present:
		q.acceptStart()
	default:
		q.proceed()
	}
}

// portalPage answers GET {base}/portal, which is the portal's front page where
// nothing else is.
func (q *request) portalPage() {
	if q.member() || q.providerID != "" {
		q.unsupported()
		return
	}
	q.initCSRF()
	account := ""
	if s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names); err == nil {
		account = s.Label()
	}
	q.writeCookies()
	q.api.opts.Page.Portal(q.w, q.r, page.Portal{
		Common: q.common(), CSRFToken: q.csrf.token, CallbackURL: q.site.Origin, Account: account,
	})
}

// admits asks the rules about a person who signs in. On the way to a member with
// rules of its own, those count: at the portal itself the gate still asks its own
// at every request.
func (q *request) admits(s *session.Session) bool {
	h := q.pendingHandoff()
	if h == nil || !h.own || q.authorizes(s) {
		return q.authorizes(s)
	}
	m, known := q.memberAt(h)
	return !known || m.Admits == nil || m.Admits(s)
}

func (q *request) authorizes(s *session.Session) bool {
	return q.api.opts.Authorize == nil || q.api.opts.Authorize(s)
}

// relate makes a session of the portal's the head of a family. One that replaces
// another of the same person stays in that one's, so that what began from either
// ends together.
func (q *request) relate(s *signIn) bool {
	if !q.atPortal() {
		return true
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	s.evidence.Family = base64.RawURLEncoding.EncodeToString(b[:])
	before, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	if err == nil && before.Evidence.Family != "" && before.Owner() == s.session.Owner() {
		s.evidence.Family = before.Evidence.Family
	}
	return q.preview(s)
}

// formAction are the origins that the browser visits after a form, those on the
// way to the portal and back included: browsers check every redirect.
func (q *request) formAction(own []string) []string {
	if len(own) == 0 || q.atPortal() {
		return nil // back to whichever member it was
	}
	all := append(slices.Clip(own), q.api.opts.CallbackOrigins...)
	if q.member() {
		all = append(all, originOf(q.api.opts.Portal.URL()))
	}
	return all
}

// destination is the page's site as people know it who are on their way to a
// member.
func (q *request) destination(c page.Common) page.Common {
	if h := q.pendingHandoff(); h != nil {
		_, c.Host, _ = strings.Cut(h.origin, "://")
	}
	return c
}

// trustedOrigin reports whether what is sent to an origin reaches nobody else: codes
// must not be readable on the way.
func trustedOrigin(origin string) bool {
	canonical, ok := safeurl.CanonicalOrigin(origin)
	if !ok || canonical != origin {
		return false
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && loopback.Is(u.Hostname()))
}

// refused logs a handoff that does not happen, and returns the name of the line.
func (q *request) refused(why string, more ...zap.Field) (reference string) {
	reference = q.reference()
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "handoff refused"); entry != nil {
		entry.Write(append(more, zap.String("reason", why), zap.String("origin", q.site.Origin),
			zap.String("reference", reference), zap.String("client_ip", q.site.ClientIP.String()))...)
	}
	return reference
}

// Why a handoff is refused, in the log.
const (
	handoffInvalid  = "invalid"  // not sealed with our secret, or for this purpose
	handoffExpired  = "expired"  // too old
	handoffUsed     = "used"     // or never there: of two, one wins
	handoffHost     = "host"     // made for another host or base path
	handoffBrowser  = "browser"  // this is not the browser that set out
	handoffMember   = "member"   // the site is none of this portal's
	handoffPlain    = "plain"    // http on a host that is not loopback
	handoffEnded    = "ended"    // the session at the portal is over
	handoffProvider = "provider" // the member does not have the provider
)
