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

// resolve returns an absolute URL that is safe to redirect to: of this site, or
// where the callback redirect sends people instead.
func (q *request) resolve(raw string) string {
	to, ok := raw, true
	if q.api.opts.Callbacks.HasRedirect() {
		to, ok = q.redirected(raw)
	} else {
		to, ok = safeurl.Target{Origin: q.site.Origin, Also: q.api.opts.CallbackOrigins}.Resolve(raw)
	}
	if !ok || q.starts(to) {
		return q.site.Origin
	}
	return to
}

// redirected asks the callback redirect. It gets what is an address without
// doubt: "/..." for one of this site, unless it was written in full, or an http
// or https URL of any site. The same goes for its answer, which is the
// operator's word and may lead to another site.
func (q *request) redirected(raw string) (to string, ok bool) {
	if raw, ok = anywhere(q.site.Origin, raw); !ok {
		return "", false
	}
	to, err := q.api.opts.Callbacks.Redirect(q.r.Context(), raw, q.site.Origin, q.api.callbackRequest(q.r, q.site))
	if err != nil {
		q.logCallback(q.known(), "", err)
		return "", false
	}
	if to, ok = anywhere(q.site.Origin, to); ok && to[0] == '/' {
		to = q.site.Origin + to
	}
	return to, ok
}

// anywhere normalizes an address of any site. A path stays one.
func anywhere(origin, raw string) (string, bool) {
	target := safeurl.Target{Origin: origin}
	relative := strings.HasPrefix(raw, "/")
	if !relative {
		target.Also = []string{originOf(raw)}
	}
	to, ok := target.Resolve(raw)
	if relative {
		to = strings.TrimPrefix(to, origin)
	}
	return to, ok
}

// originOf is what an absolute URL begins with, up to its path.
func originOf(raw string) string {
	start := strings.Index(raw, "://")
	if start < 0 {
		return ""
	}
	if end := strings.IndexAny(raw[start+3:], "/?#"); end >= 0 {
		return raw[:start+3+end]
	}
	return raw
}

// starts reports whether opening an address of this site starts a flow, which would
// never end if it ended there.
func (q *request) starts(to string) bool {
	path := strings.TrimPrefix(to, q.site.Origin)
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	s, ok := q.api.contract.split(q.site.BasePath, path)
	switch {
	case !ok:
		return false
	case s.action == actionLogin:
		return q.api.opts.InitiateLogin
	}
	return s.action == "signin" && s.providerID == "" && q.only() != nil
}

// shorten cuts the fragment off an address that would not fit into its cookie; if
// that does not help, the query, and at last the path. Browsers drop cookies of more than 4096
// bytes without a word.
func (q *request) shorten(to string) string {
	limit := 3500
	if q.crowded() {
		limit = 1800
	}
	if len(cookie.Encode(to)) <= limit {
		return to
	}
	if i := strings.IndexByte(to, '#'); i >= 0 {
		if to = to[:i]; len(cookie.Encode(to)) <= limit {
			return to
		}
	}
	if i := strings.IndexByte(to, '?'); i >= 0 && len(cookie.Encode(to[:i])) <= limit {
		return to[:i]
	}
	return q.site.Origin
}
