package authapi

import (
	"net/http"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// noticeAge is how long the page has to show what happened, in seconds.
const noticeAge = 60

// notice is what happened, told to the page that the browser is redirected to.
// The address has room for one of NextAuth's codes only, and anybody can write
// an address; so the rest travels in a sealed cookie.
type notice struct {
	// code is the error code of the redirect, which the notice explains. Beside
	// another code, or another page, it says nothing.
	code string
	// reason is from the vocabulary of the log, reference names the line there.
	reason    reason
	reference string
	// provider is the id of the one that the attempt was with.
	provider string
	// account is what was refused or, for a form, what was typed.
	account string
}

// maxAccount bounds what a client can make us send back.
const maxAccount = 128

// leave sets the notice cookie, but not for another site's form: it could make
// the page say whatever failure it provokes.
func (q *request) leave(n notice) {
	if q.crossSitePost() {
		return
	}
	claims := map[string]any{"code": n.code, "reason": string(n.reason)}
	for name, value := range map[string]string{
		"reference": n.reference, "provider": n.provider, "account": cut(n.account, maxAccount),
	} {
		if value != "" {
			claims[name] = value
		}
	}
	sealed, err := jwt.SealClaims(q.jar.notice, claims, q.now, noticeAge*time.Second)
	if err != nil {
		return // without it the page still has the code
	}
	c := q.newCookie(q.jar.names.Notice, sealed)
	c.MaxAge, c.HasMaxAge = noticeAge, true
	q.set(c)
}

// Refused returns the cookies by which the sign-in page tells why it is there: the
// provider of the session has withdrawn what it granted, and so ended the session.
// They are for the response to r that leads there.
func (a *API) Refused(r *http.Request, site Site, s *session.Session) []cookie.Cookie {
	q := a.newRequest(nil, r, site)
	q.leave(notice{reason: ReasonRefreshRefused, provider: s.Evidence.Provider})
	return q.cookies
}

// take returns the notice for a page that shows an error code, and clears the
// cookie, whether it fits or not. present tells whether there was one at all.
func (q *request) take(code string) (n notice, present bool) {
	name := q.jar.names.Notice
	value, present := cookie.Get(q.r.Header, name)
	if !present {
		return notice{}, false
	}
	q.set(cookie.Clear(q.newCookie(name, "")))
	n, ok := openNotice(q.jar.notice, value, q.now)
	if !ok || n.code != code {
		return notice{}, true
	}
	return n, true
}

func openNotice(ring *jwt.Ring, value string, now time.Time) (n notice, ok bool) {
	claims, err := ring.OpenString(value)
	if err != nil {
		return notice{}, false
	}
	var times jwt.Standard
	err = jwt.Members(claims, func(name string, v jwt.Value) bool {
		switch name {
		case "code":
			n.code = v.String()
		case "reason":
			n.reason = reason(v.String())
		case "reference":
			n.reference = v.String()
		case "provider":
			n.provider = v.String()
		case "account":
			n.account = v.String()
		default:
			times.Take(name, v)
		}
		return true
	})
	if err != nil || jwt.Times(now, times) != nil {
		return notice{}, false
	}
	return n, true
}
