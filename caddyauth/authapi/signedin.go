package authapi

import (
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/page"
)

// actionSignedIn is where a sign-in in a tab of its own ends. NextAuth has no such
// page; it is where the page for a form that came without a session leads.
const actionSignedIn = "signed-in"

// signedInPage answers GET {base}/signed-in.
func (q *request) signedInPage() {
	q.init()
	s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	if err != nil || !s.Identified() {
		q.redirect(q.base + "/signin?callbackUrl=" + formEncode(q.base+"/"+actionSignedIn))
		return
	}
	// Sign-ins to come lead elsewhere.
	q.set(q.newCookie(q.jar.names.CallbackURL, q.site.Origin))
	q.writeCookies()
	q.api.opts.Page.SignedIn(q.w, q.r, page.SignedIn{Common: q.common(), Account: s.Label()})
}

// sessionURL is where the script of the sign-in page asks whether somebody has
// signed in in another tab: of one that the gate has sent the person to, who was
// nobody then. Whoever is somebody and opens the page wants to be somebody else.
func (q *request) sessionURL(code string) string {
	given := q.query["callbackUrl"]
	if q.r.Method == http.MethodPost || q.providerID != "" || !given.truthy() || code != "" || q.query["csrf"].present || q.live() {
		return ""
	}
	return q.base + "/session"
}
