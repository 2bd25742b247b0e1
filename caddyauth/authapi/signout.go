package authapi

import (
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
)

// signOutPage answers GET {base}/signout. It signs nobody out.
func (q *request) signOutPage() {
	q.init()
	if own := q.api.opts.Pages.SignOut; own != "" {
		q.redirect(own)
		return
	}
	account := ""
	if s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names); err == nil {
		account = s.Label()
	}
	q.writeCookies()
	q.api.opts.Page.SignOut(q.w, q.r, page.SignOut{
		Common: q.common(), CSRFToken: q.csrf.token, CallbackURL: q.callbackURL, Account: account,
	})
}

// signOut answers POST {base}/signout. The session ends even for whoever holds
// a copy of its token, and every piece of it leaves the browser.
func (q *request) signOut() {
	q.init()
	if !q.csrf.verified {
		q.failCSRF(kindCSRFSignOut)
		return
	}
	s, err := q.api.opts.Sessions.SignOut(q.r.Context(), q.r.Header, &q.jar.names)
	if err != nil {
		// Somebody who believes to be signed out must be.
		q.unavailable(err)
		return
	}
	if s != nil {
		if entry := q.api.opts.Log.Check(zap.InfoLevel, "signed out"); entry != nil {
			entry.Write(q.about(s.Evidence.Provider, s.AccountID())...)
		}
		_ = q.emit(eventSignOut, func() map[string]any { return q.signOutData(s) })
	}
	q.set(q.api.opts.Sessions.Clear(q.r.Header, &q.jar.names)...)
	q.forgetRounds()
	q.stay()
	q.redirect(q.leaveProvider(s))
}
