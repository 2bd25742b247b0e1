package authapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// actionLogin is where other sites send people to sign in here.
const actionLogin = "login"

// initiatedMark begins the id of a flow that another site has begun. Its end makes no
// account one of whoever is signed in: nobody here has asked for that.
const initiatedMark = "initiated."

// initiated reports whether another site has begun the flow.
func (f *flow) initiated() bool { return f != nil && strings.HasPrefix(f.id, initiatedMark) }

// maxLoginHint bounds what is passed on of a stranger's words, in bytes.
const maxLoginHint = 512

// initiateLogin answers GET and POST {base}/login/:provider (OpenID Connect Core,
// section 4): it begins a flow with the provider, if that is the issuer named. A
// person who is signed in already is sent there all the same: who they are is for
// the provider to say, and another account there means another session here.
func (q *request) initiateLogin() {
	h := q.w.Header()
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", framedBy("'none'"))
	h.Add("Vary", "Sec-Fetch-Mode, Sec-Fetch-Dest, Sec-Purpose")
	form, ok := q.form()
	p, _ := q.api.providers[q.providerID].(provider.OAuth)
	switch {
	case p == nil:
		q.refuseLogin("no such provider")
	case !ok:
		q.refuseLogin("no form")
	case p.Info().Issuer == "" || form.text("iss") != p.Info().Issuer:
		q.refuseLogin("iss is missing or another issuer")
	case p.Checks() == provider.Checks{}:
		q.refuseLogin("the provider's flows have no check that would tell who began them")
	case q.r.Method == http.MethodPost:
		q.loginByGet(form)
	default:
		q.login(p, form)
	}
}

// loginByGet sends the browser the same way once more: with another site's form come
// no cookies, of which those of flows under way are needed.
func (q *request) loginByGet(form fields) {
	params := make(url.Values)
	for _, name := range []string{"iss", "login_hint", "target_link_uri"} {
		if v := form.text(name); v != "" {
			params.Set(name, v)
		}
	}
	q.w.Header().Set("Location", q.base+"/"+actionLogin+"/"+url.PathEscape(q.providerID)+"?"+params.Encode())
	q.w.WriteHeader(http.StatusSeeOther)
}

// login begins the flow. Where nobody looks at the window, as it is a frame or opened
// in advance, it leads to the sign-in page.
func (q *request) login(p provider.OAuth, form fields) {
	target := form.text("target_link_uri")
	if target == "" {
		target = q.site.Origin // not where an earlier flow was to lead
	}
	// The query is not one of NextAuth's.
	q.query, q.body = fields{"callbackUrl": {text: target, present: true}}, fields{}
	q.init()
	switch {
	case q.unseen():
		q.redirect(q.base + "/signin?callbackUrl=" + q.api.contract.encode(q.callbackURL))
		return
	case q.stopLoop(q.reference()):
		return
	case !q.mayBegin():
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindStart, reason: ReasonTooManyAttempts, provider: p.Info().ID})
		return
	}
	var extra url.Values
	if hint := form.text("login_hint"); hint != "" && len(hint) <= maxLoginHint {
		extra = url.Values{"login_hint": {hint}}
	}
	if q.initiated = true; q.member() {
		q.hideSession()
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "sign-in begun by another site"); entry != nil {
		entry.Write(q.about(p.Info().ID, "")...)
	}
	q.start(p, extra)
}

// unseen reports whether the browser says that the address is opened in a frame, by a
// script or in advance.
func (q *request) unseen() bool {
	mode, dest := q.r.Header.Get("Sec-Fetch-Mode"), q.r.Header.Get("Sec-Fetch-Dest")
	return mode != "" && mode != "navigate" || dest != "" && dest != "document" || prefetches(q.r.Header)
}

// hideSession makes a nobody of the person for the rest of the request: the portal
// takes an account for one of whoever is signed in at the member.
func (q *request) hideSession() {
	q.r = q.r.WithContext(q.r.Context())
	q.r.Header = q.r.Header.Clone()
	names := cookie.Present(q.r.Header, q.jar.names.Session)
	cookie.StripRequest(q.r.Header, func(name string) bool { return slices.Contains(names, name) })
}

// refuseLogin answers a request that begins nothing.
func (q *request) refuseLogin(why string) {
	reference := q.reference()
	if q.api.opts.Limits.ClientLog.Allow("login\x00" + q.client()) {
		q.api.opts.Log.Info("sign-in begun by another site was refused",
			append(q.about(q.known(), ""), zap.String("reason", why), zap.String("reference", reference))...)
	}
	q.api.opts.Page.BadRequest(q.w, q.r, page.BadRequest{Common: q.common(), Reference: reference})
}
