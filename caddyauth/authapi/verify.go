package authapi

import "github.com/caddyauth/gateway/caddyauth/page"

// verifyRequest answers GET {base}/verify-request, the page after a sign-in
// link was mailed.
func (q *request) verifyRequest() {
	q.init()
	if own := q.api.opts.Pages.VerifyRequest; own != "" {
		if query := q.api.contract.verifyQuery(q.site.Query); query != "" {
			own += separator(own) + query
		}
		q.redirect(own)
		return
	}
	q.writeCookies()
	q.api.opts.Page.VerifyRequest(q.w, q.r, page.VerifyRequest{Common: q.common()})
}
