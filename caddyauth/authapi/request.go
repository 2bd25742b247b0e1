package authapi

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// request is one request on its way to an answer.
type request struct {
	api  *API
	w    http.ResponseWriter
	r    *http.Request
	site Site
	segments

	base string // {origin}{base path}, the address of the API
	jar  *jar
	now  time.Time

	query, body fields
	parsed      bool

	// What init finds out, see there.
	csrf        csrfState
	callbackURL string

	// stepUp is what the flow that begins here asks for beyond a sign-in, nil if
	// nothing.
	stepUp *provider.StepUp

	// initiated says that another site has sent the person to sign in here.
	initiated bool

	// flow is the one that has come to its end here, nil if there is none, and
	// improves the mark of what it asked for, see markOf.
	flow     *flow
	improves string

	// cookies are written in this order.
	cookies []cookie.Cookie
}

// segments are the parts of the path below the base path that count.
type segments struct {
	action     string
	providerID string // empty if there is none
}

// below returns what follows the base path and its slash. It is false for paths
// elsewhere, those that merely begin with the letters of the base path included.
func below(base, path string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(path, base); !ok {
		return "", false
	}
	return strings.CutPrefix(rest, "/")
}

// original is the request as it came, for an embedded identity provider.
func original(r *http.Request, site Site) *http.Request {
	r = r.WithContext(r.Context()) // a shallow copy
	u := &url.URL{RawQuery: site.Query}
	// The segments were decodable, so the rest is what can still be wrong. An
	// empty path is nobody's endpoint.
	if path, err := url.PathUnescape(site.Path); err == nil {
		u.Path, u.RawPath = path, site.Path
	}
	r.URL = u
	return r
}

// newRequest takes the path apart. One that no action can have leaves the action
// empty, which no route is for.
func (a *API) newRequest(w http.ResponseWriter, r *http.Request, site Site) *request {
	s, _ := a.contract.split(site.BasePath, site.Path)
	return &request{
		api:      a,
		w:        w,
		r:        r,
		site:     site,
		segments: s,
		base:     site.Origin + site.BasePath,
		jar:      a.jar(site.Origin),
		now:      a.opts.Now(),
	}
}

// parse reads the query and, of a POST, the body. It answers itself, and
// returns false, if the body is unacceptable.
func (q *request) parse() bool {
	if q.parsed {
		return true
	}
	q.parsed = true
	q.query = q.api.contract.parseForm(q.site.Query)
	if rt := q.api.contract.routes[q.action]; q.r.Method != http.MethodPost || rt != nil && rt.rawBody {
		return true
	}
	body, err := q.readBody(maxBody)
	if err != nil {
		q.api.contract.refuse(q, err)
		return false
	}
	q.body = body
	return true
}

// init does what NextAuth does before nearly every action: it makes sure that
// the browser has a CSRF token, and finds out where the person wants to go.
//
// A form of another site's comes without our SameSite=Lax cookies, so the
// browser seems to have none. New ones would replace those that it has, and with
// them every form open in other tabs would be dead.
func (q *request) init() {
	q.initCSRF()
	q.initCallbackURL()
	if q.crossSitePost() {
		q.cookies = nil
	}
}

// crossSitePost reports whether the browser says that another site's page sent
// a form here.
func (q *request) crossSitePost() bool {
	return q.r.Method == http.MethodPost && q.r.Header.Get("Sec-Fetch-Site") == "cross-site"
}

// signinURL, callbackURLOf and optionsURL are a provider's routes.
func (q *request) signinURL(id string) string { return q.base + "/signin/" + url.PathEscape(id) }

func (q *request) callbackURLOf(id string) string { return q.base + "/callback/" + url.PathEscape(id) }

func (q *request) optionsURL(id string) string {
	return q.base + "/" + actionOptions + "/" + url.PathEscape(id)
}

// issuer is where this site serves a provider's identity provider, empty if it
// serves none.
func (q *request) issuer(p provider.Provider) string {
	if e, ok := p.(provider.Embedded); ok {
		return q.base + "/" + e.Mount()
	}
	return ""
}

// crowded says that the browser already sends a lot of cookies, most likely a
// large session. Servers refuse requests with 16 KiB of headers, so what is
// added has to be small.
func (q *request) crowded() bool { return q.cookieSize() > 6<<10 }

// cookieSize is how much the browser sends, in bytes.
func (q *request) cookieSize() int {
	n := 0
	for _, line := range q.r.Header["Cookie"] {
		n += len(line)
	}
	return n
}

// sent reports whether the browser sent a cookie.
func (q *request) sent(name string) bool {
	_, ok := cookie.Get(q.r.Header, name)
	return ok
}
