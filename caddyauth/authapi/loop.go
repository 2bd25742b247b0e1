package authapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// Cause is why somebody who has signed in is a stranger again: one word of a
// closed set, for the log and the page.
type Cause string

// The causes of a sign-in loop.
const (
	// CauseSecureOverHTTP: browsers take the session cookie over https only,
	// because it is Secure or has SameSite=None, and the site is at http.
	CauseSecureOverHTTP Cause = "secure_over_http"
	// CauseDomain: the cookie's domain is none that the host is in.
	CauseDomain Cause = "cookie_domain"
	// CauseTooLarge: the browser has so many cookies that it drops some.
	CauseTooLarge Cause = "cookie_too_large"
	// CauseStrict: the cookie has SameSite=Strict, and the person comes from
	// another site, which the identity provider is.
	CauseStrict Cause = "cookie_strict"
	// CauseBlocked: the cookie does not come back, for none of these reasons. The
	// browser, an extension or a proxy drops it.
	CauseBlocked Cause = "cookie_blocked"
	// CauseForeign: what comes back under the name is not of this site's making.
	CauseForeign Cause = "cookie_foreign"
	// CauseClock: the session is over, or has not begun, although it was made just
	// now.
	CauseClock Cause = "clock"
	// CauseEnded: the session was ended at once.
	CauseEnded Cause = "ended"
)

// Bounds from which on browsers drop cookies: Chromium keeps 180 of a site, and
// servers begin to refuse requests with 16 KiB of headers.
const (
	manyCookieBytes = 12 << 10
	manyCookies     = 100
)

// StopLoop answers a request that would be redirected to sign in, if that is the
// fourth time within minutes: with a page that says why, and a line in the log
// that does too. Otherwise it does nothing and returns false. callbackURL is where
// the person wants to go.
func (a *API) StopLoop(w http.ResponseWriter, r *http.Request, site Site, callbackURL, reference string) bool {
	q := a.newRequest(w, r, site)
	q.callbackURL = callbackURL
	return q.stopLoop(reference)
}

func (q *request) stopLoop(reference string) bool {
	n, ahead := q.rounds()
	if n < tooManyRounds {
		return false
	}
	cause := q.cause()
	if cause == "" {
		return false
	}
	if ahead && cause != CauseForeign {
		cause = CauseClock
	}
	q.logLoop(cause, reference)
	// The page's link begins anew, and so does a reload.
	q.forgetRounds()
	q.writeCookies()
	noStore(q.w.Header())
	q.api.opts.Page.Loop(q.w, q.r, page.Loop{
		Common: q.common(), Cause: string(cause), CallbackURL: q.callbackURL, Reference: reference,
	})
	return true
}

func (q *request) logLoop(cause Cause, reference string) {
	q.api.opts.Log.Warn("sign-in loop", zap.String("cause", string(cause)), zap.String("reference", reference),
		zap.String("origin", q.site.Origin), zap.String("client_ip", q.site.ClientIP.String()))
}

// cause tells why there is no session. It is empty if there is one, or if nobody
// can tell.
func (q *request) cause() Cause {
	s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	switch {
	case err == nil && s.Identified():
		return ""
	case errors.Is(err, session.ErrNone):
		return q.lost()
	case errors.Is(err, session.ErrExpired), errors.Is(err, session.ErrNotYet):
		return CauseClock
	case errors.Is(err, session.ErrEnded):
		return CauseEnded
	case err == nil, errors.Is(err, session.ErrInvalid):
		if q.overfull() {
			return CauseTooLarge // a piece of it is missing
		}
		return CauseForeign
	}
	return ""
}

// lost tells why the session cookie does not come back. What the configuration
// makes certain comes first.
func (q *request) lost() Cause {
	m := q.api.opts.Sessions
	switch {
	case q.needsTLS():
		return CauseSecureOverHTTP
	case !within(q.common().Host, m.Domain()):
		return CauseDomain
	case q.overfull():
		return CauseTooLarge
	case m.SameSite() == "Strict" && q.r.Header.Get("Sec-Fetch-Site") == "cross-site":
		return CauseStrict
	}
	return CauseBlocked
}

// needsTLS reports whether browsers drop the session cookie because the site is
// at http. Those that take localhost for secure do not, and then there is no loop.
func (q *request) needsTLS() bool {
	return strings.HasPrefix(q.site.Origin, "http:") && (q.jar.names.Secure || q.api.opts.Sessions.SameSite() == "None")
}

// within reports whether a host may have cookies of a domain (RFC 6265, section
// 5.1.3). An empty one is the host's own.
func within(hostport, domain string) bool {
	host := strings.ToLower((&url.URL{Host: hostport}).Hostname())
	domain = strings.ToLower(domain)
	return domain == "" || host == domain || strings.HasSuffix(host, "."+domain)
}

// overfull reports whether the browser sends about as many cookies as it can.
func (q *request) overfull() bool {
	n := 0
	for _, line := range q.r.Header["Cookie"] {
		n += 1 + strings.Count(line, ";")
	}
	return n > manyCookies || q.cookieSize() > manyCookieBytes
}

// cookieless tells the cause of a failure if it is that the browser sends none of
// our cookies, not even those that came with the page before: no notice can say so
// then. The code is that of the page.
func (q *request) cookieless(code string) (Cause, bool) {
	n := &q.jar.names
	if !q.query["csrf"].present && !lostCodes[code] || q.sent(n.CSRF) || q.sent(n.CallbackURL) || q.sent(n.Notice) {
		return "", false
	}
	cause := CauseBlocked
	if q.jar.names.Secure && q.needsTLS() {
		cause = CauseSecureOverHTTP
	}
	return cause, true
}

// lostCodes are the codes that a sign-in without cookies ends with, in either
// dialect.
var lostCodes = map[string]bool{codeOAuthCallback: true, codeConfiguration: true, "MissingCSRF": true, codePasskey: true}

// explain completes a notice for a browser that could not keep one.
func (q *request) explain(n notice, code string) notice {
	if cause, ok := q.cookieless(code); ok {
		n = notice{reason: reason(cause), reference: q.reference()}
		q.logLoop(cause, n.reference)
	}
	return n
}

// hint is what a line of the log adds about a request without the cookie that it
// needs.
func (q *request) hint(name string) zap.Field {
	if q.sent(name) {
		return zap.Skip()
	}
	return zap.String("hint", "the browser sent no such cookie: cookies are blocked or expired, or it began at another address")
}
