package authapi

import (
	"strings"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
)

// initCallbackURL finds out where to go after signing in or out: what the body
// says, else the query, else the cookie of an earlier request, else the
// origin. All of them are anybody's word and pass the same validator. NextAuth
// fails on those it cannot parse; here they count as the origin.
func (q *request) initCallbackURL() {
	name := q.jar.names.CallbackURL
	kept, _ := cookie.Get(q.r.Header, name)
	given := q.body["callbackUrl"]
	if !given.present {
		given = q.query["callbackUrl"]
	}
	switch {
	case given.truthy():
		q.callbackURL = q.resolve(given.text)
	case kept != "":
		q.callbackURL = q.resolve(kept)
	default:
		q.callbackURL = q.site.Origin
	}
	q.callbackURL = q.shorten(q.callbackURL)
	if q.callbackURL != kept {
		q.set(q.newCookie(name, q.callbackURL))
	}
}

// resolve returns an absolute URL that is safe to redirect to.
func (q *request) resolve(raw string) string {
	target := safeurl.Target{Origin: q.site.Origin}
	to, ok := target.Resolve(raw)
	if !ok || q.only() != nil && q.isSignIn(to) {
		return q.site.Origin
	}
	return to
}

// isSignIn reports whether an address of this site is that of the sign-in page.
// Where opening it starts a flow, a flow that ends there would never end.
func (q *request) isSignIn(to string) bool {
	path := strings.TrimPrefix(to, q.site.Origin)
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	s, ok := split(q.site.BasePath, path)
	return ok && s.action == "signin" && s.providerID == ""
}

// shorten cuts the query off an address that would not fit into its cookie, and
// if that does not help, the path. Browsers drop cookies of more than 4096
// bytes without a word.
func (q *request) shorten(to string) string {
	limit := 3500
	if q.crowded() {
		limit = 1800
	}
	if len(cookie.Encode(to)) <= limit {
		return to
	}
	if i := strings.IndexAny(to, "?#"); i >= 0 && len(cookie.Encode(to[:i])) <= limit {
		return to[:i]
	}
	return q.site.Origin
}
