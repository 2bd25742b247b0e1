package authapi

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// With response_mode=form_post the identity provider's page posts the answer here,
// across sites. Browsers leave SameSite=Lax cookies out of such a request: that of
// the session, that of the callback URL, and those of handoffs and rounds. The
// cookies of the flow itself are SameSite=None and there, so that the flow could
// end; but an account could not be linked, a session not be improved or replaced,
// and the person would not come back to where they were.
//
// So the browser is sent on to the same address with GET, a navigation that takes
// Lax cookies along, and everything else is as with any callback. What was posted
// goes with it, sealed: a code in the address would be in histories, and Apple
// posts a name. The seal is no proof of anything. Whoever can post a form can also
// have one sealed; the state in the flow's cookie is what ties an answer to the
// browser, and it is looked at once, by the GET. What is posted is redeemed by
// nobody before.

const (
	// paramPosted carries what was posted.
	paramPosted = "posted"
	// postedAge is how long it may be on its way.
	postedAge = time.Minute
	// maxPosted bounds it, in bytes: it becomes part of an address.
	maxPosted = 6 << 10
)

// formPost reports whether a provider answers with a form.
func (q *request) formPost(id string) bool {
	p, ok := q.api.providers[id]
	return ok && p.Info().FormPost
}

// bounces reports whether an answer has come without the Lax cookies that the flow
// began with. One that has brought them gains nothing by coming again.
func (q *request) bounces(p provider.OAuth) bool {
	return q.r.Method == http.MethodPost && p.Info().FormPost &&
		!q.sent(q.jar.names.CSRF) && !q.sent(q.jar.names.CallbackURL)
}

// bounce sends the browser on with what was posted. It sets no cookies: those that
// the browser has only seem to be missing.
func (q *request) bounce(p provider.OAuth) {
	id := p.Info().ID
	posted := q.body.encode()
	sealed, err := jwt.SealClaims(q.api.posts, map[string]any{"provider": id, "form": posted}, q.now, postedAge)
	if err != nil || len(posted) > maxPosted {
		q.init()
		q.fail(failure{kind: kindCallback, reason: provider.ReasonCode, provider: id, err: err})
		return
	}
	q.w.Header().Set("Location", q.callbackURLOf(id)+"?"+paramPosted+"="+sealed)
	q.w.WriteHeader(http.StatusSeeOther)
}

// posted returns the parameters of an answer in a form: those of the body, or
// those that a bounce has brought here. An answer with neither counts as it is:
// errors that a provider meets before it knows of the response mode come with a
// query.
func (q *request) posted(p provider.OAuth) (fields, reason) {
	switch {
	case q.r.Method == http.MethodPost:
		return q.body, ""
	case !q.query[paramPosted].present:
		return q.query, ""
	}
	var id, form string
	why := open(q.api.posts, q.query.text(paramPosted), q.now, func(name string, v jwt.Value) bool {
		switch name {
		case "provider":
			id = v.String()
		case "form":
			form = v.String()
		default:
			return false
		}
		return true
	})
	switch {
	case why == handoffExpired:
		return nil, ReasonStateExpired
	case why != "", id != p.Info().ID:
		return nil, ReasonStateInvalid
	}
	// As if it had been posted here: what goes into the log is cleared of it.
	q.body = q.api.contract.parseForm(form)
	return q.body, ""
}

// encode writes fields as a form. One that has no single value comes twice, so that
// it has none afterwards either.
func (f fields) encode() string {
	v := make(url.Values, len(f))
	for name, field := range f {
		switch {
		case field.invalid:
			v[name] = []string{"", ""}
		case field.present:
			v[name] = []string{field.text}
		}
	}
	return v.Encode()
}

// insecure reports whether browsers would not keep the cookies of a flow that ends
// with a form: SameSite=None is for https alone (draft-ietf-httpbis-rfc6265bis,
// section 5.7), and loopback counts as that.
func (q *request) insecure(p provider.OAuth) bool {
	return p.Info().FormPost && strings.HasPrefix(q.site.Origin, "http:") && !q.common().Loopback
}
