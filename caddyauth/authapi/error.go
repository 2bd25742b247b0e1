package authapi

import (
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/page"
)

// errorPage answers GET {base}/error.
func (q *request) errorPage() {
	q.init()
	c := q.api.contract
	code, given := c.errorCode(q)
	switch own := q.api.opts.Pages.Error; {
	case c.bounced[code]:
		q.redirect(q.base + "/signin?error=" + code)
	case own != "":
		if !given {
			code = "undefined" // what JavaScript makes of none
		}
		// NextAuth leaves the code as it is, line feeds included.
		q.redirect(own + separator(own) + "error=" + cookie.Encode(code))
	default:
		q.showError(c.pageCode(code))
	}
}

func (q *request) showError(code string) {
	n, _ := q.take(code)
	n = q.explain(n, code)
	name := ""
	if p, ok := q.api.providers[n.provider]; ok {
		name = p.Info().Name
	}
	q.writeCookies()
	v := page.Error{
		Common: q.common(), Code: code, Reason: string(n.reason), Reference: n.reference,
		Account: n.account, ProviderName: name,
	}
	if h := q.pendingHandoff(); h != nil {
		// Whoever is on the way to a member has nothing to look for at the portal.
		v.Common, v.CallbackURL, v.Site = q.destination(v.Common), q.callbackURL, h.origin
	}
	q.api.opts.Page.Error(q.w, q.r, v)
}
