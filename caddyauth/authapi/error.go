package authapi

import (
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/page"
)

// shownAtSignIn are the codes that the sign-in page explains, case-sensitively.
var shownAtSignIn = map[string]bool{
	"Signin":                true,
	"OAuthSignin":           true,
	"OAuthCallback":         true,
	"OAuthCreateAccount":    true,
	"EmailCreateAccount":    true,
	"Callback":              true,
	"OAuthAccountNotLinked": true,
	"EmailSignin":           true,
	"CredentialsSignin":     true,
	"SessionRequired":       true,
}

// errorPage answers GET {base}/error. The code is the query's or, without one,
// the second path segment.
func (q *request) errorPage() {
	q.init()
	code, known := q.query.text("error"), q.query["error"].present
	if !known {
		code = q.providerID
		known = code != ""
	}
	switch own := q.api.opts.Pages.Error; {
	case shownAtSignIn[code]:
		q.redirect(http.StatusOK, q.base+"/signin?error="+code)
	case own != "":
		if !known {
			code = "undefined" // what JavaScript makes of none
		}
		// NextAuth leaves the code as it is, line feeds included.
		q.redirect(http.StatusOK, own+separator(own)+"error="+cookie.Encode(code))
	default:
		q.showError(code)
	}
}

func (q *request) showError(code string) {
	n, _ := q.take(code)
	name := ""
	if p, ok := q.api.providers[n.provider]; ok {
		name = p.Info().Name
	}
	q.writeCookies()
	q.api.opts.Page.Error(q.w, q.r, page.Error{
		Common: q.common(), Code: code, Reason: string(n.reason), Reference: n.reference,
		Account: n.account, ProviderName: name,
	})
}
