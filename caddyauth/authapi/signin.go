package authapi

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// signInPage answers GET {base}/signin and everything below it.
func (q *request) signInPage() {
	q.init()
	if own := q.api.opts.Pages.SignIn; own != "" {
		q.redirect(q.ownSignIn(own))
		return
	}
	code := q.query.text("error")
	if p := q.only(); p != nil {
		q.w.Header().Add("Vary", "Sec-Fetch-Mode, Sec-Fetch-Dest, Sec-Purpose, Accept")
		if q.opened() {
			if q.live() {
				// A flow would end where it began: here, or at the page that
				// the person has just been sent away from.
				q.redirect(q.callbackURL)
				return
			}
			if q.stopLoop(q.reference()) {
				return
			}
			if q.mayBegin() {
				q.begins(p)
				return
			}
		}
	}
	n, _ := q.take(code)
	n = q.explain(n, code)
	if n.reason == "" && q.demands() != "" {
		n.reason = ReasonStepUp
	}
	q.writeCookies()
	q.api.opts.Page.SignIn(q.w, q.r, page.SignIn{
		Common:      q.destination(q.common()),
		CSRFToken:   q.csrf.token,
		CallbackURL: q.callbackURL,
		SessionURL:  q.sessionURL(code),
		ErrorCode:   code,
		Reason:      string(n.reason),
		Provider:    n.provider,
		Reference:   n.reference,
		Username:    n.account,
		Email:       q.query.text("email"),
		Providers:   q.buttons(),
	})
}

// ownSignIn is the address of the site's own page.
func (q *request) ownSignIn(own string) string {
	c := q.api.contract
	to := own + separator(own) + "callbackUrl=" + c.encode(q.callbackURL)
	if code, _ := c.errorCode(q); code != "" {
		to += "&error=" + c.encode(code)
	}
	return to
}

// separator is what comes before another query parameter.
func separator(address string) string {
	if strings.Contains(address, "?") {
		return "&"
	}
	return "?"
}

// common is what all pages need to know.
func (q *request) common() page.Common {
	scheme, host, _ := strings.Cut(q.site.Origin, "://")
	name := (&url.URL{Host: host}).Hostname() // without the port
	return page.Common{Host: host, BaseURL: q.base, Loopback: scheme == "http" && loopback.Is(name)}
}

// buttons are the forms of the sign-in page.
func (q *request) buttons() []page.Provider {
	list := make([]page.Provider, 0, len(q.api.opts.Providers))
	demands := ""
	if query := q.demands(); query != "" {
		demands = "?" + query
	}
	for _, p := range q.api.opts.Providers {
		info := p.Info()
		b := page.Provider{
			ID:          info.ID,
			Name:        info.Name,
			Type:        info.Type,
			SigninURL:   q.signinURL(info.ID) + demands,
			CallbackURL: q.callbackURLOf(info.ID),
			Logo:        info.Logo,
			FormAction:  q.formAction(info.FormAction),
		}
		if q.member() {
			// Whatever happens there, from here it is a button.
			b.Type = provider.TypeOAuth
			list = append(list, b)
			continue
		}
		if _, ok := p.(provider.Passkeys); ok {
			b.OptionsURL = q.optionsURL(info.ID)
		}
		if c, ok := p.(provider.Credentials); ok {
			b.Fields = formFields(c)
		}
		if h, ok := p.(provider.Health); ok {
			h.Warm()
			_, b.Unavailable = h.Down()
		}
		list = append(list, b)
	}
	return list
}

func formFields(c provider.Credentials) []page.Field {
	var list []page.Field
	for _, f := range c.Fields() {
		list = append(list, page.Field{
			Name: f.Name, Label: f.Label, Type: f.Type, Autocomplete: f.Autocomplete, Required: true,
		})
	}
	return list
}

// only returns the provider that AutoRedirect may start, nil if it is off or
// there is a choice.
func (q *request) only() provider.Provider {
	if !q.api.opts.AutoRedirect || len(q.api.opts.Providers) != 1 {
		return nil
	}
	p := q.api.opts.Providers[0]
	if _, ok := p.(provider.OAuth); !ok && !q.member() {
		return nil
	}
	return p
}

// begins starts the flow of the only provider.
func (q *request) begins(p provider.Provider) {
	if p, ok := p.(provider.OAuth); ok {
		q.start(p, nil)
		return
	}
	q.toPortal(p, nil)
}

// opened reports whether a GET may do without the page: somebody opened it, and
// nothing has just happened that the page has to tell. A notice also says
// that somebody has just signed out, who must not be signed in again at once.
func (q *request) opened() bool {
	return q.r.Method == http.MethodGet && q.providerID == "" &&
		!q.query["error"].present && !q.query["csrf"].present && !q.query[paramRestart].present &&
		!q.sent(q.jar.names.Notice) && navigation(q.r.Header)
}

// navigation reports whether a person opens the address in a window. Where the
// browser does not say so (plain http), it must at least ask for a page.
func navigation(h http.Header) bool {
	if prefetches(h) {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && h.Get("Sec-Fetch-Dest") == "document"
	}
	return strings.Contains(h.Get("Accept"), "text/html")
}

// prefetches reports whether a browser opens the address in advance, which nobody
// has asked it to.
func prefetches(h http.Header) bool {
	for _, name := range []string{"Purpose", "Sec-Purpose", "X-Moz"} {
		if strings.Contains(h.Get(name), "prefetch") {
			return true
		}
	}
	return false
}

// signIn answers POST {base}/signin/:provider.
func (q *request) signIn() {
	q.init()
	p, known := q.api.providers[q.providerID]
	switch {
	case !q.csrf.verified:
		q.failCSRF(kindCSRF)
	case !known:
		q.api.contract.signInNowhere(q)
	default:
		switch p := p.(type) {
		case provider.OAuth:
			q.signInOAuth(p)
			return
		}
		if q.member() {
			q.signInAtPortal(p)
			return
		}
		switch p := p.(type) {
		case provider.Email:
			q.signInEmail(p)
		default:
			// The form of a credentials provider goes to its callback.
			q.redirect(q.base + "/signin")
		}
	}
}

func (q *request) signInOAuth(p provider.OAuth) {
	if !q.mayBegin() {
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindStart, reason: ReasonTooManyAttempts, provider: p.Info().ID})
		return
	}
	q.start(p, q.extra())
}

// start begins a flow and sends the browser to the identity provider.
func (q *request) start(p provider.OAuth, extra url.Values) {
	if q.member() {
		q.toPortal(p, extra)
		return
	}
	if h := q.pendingHandoff(); h != nil && q.stepUp == nil {
		q.stepUp = h.stepUp // whatever way the person chooses on the page
	}
	id := p.Info().ID
	if q.insecure(p) {
		q.fail(failure{kind: kindStart, reason: ReasonInsecure, provider: id})
		return
	}
	before := len(q.cookies)
	state, verifier, nonce := q.begin(p)
	to, err := p.AuthorizationURL(q.r.Context(), provider.AuthorizationRequest{
		RedirectURI:   q.callbackURLOf(id),
		State:         state,
		Nonce:         nonce,
		CodeChallenge: challenge(verifier),
		Extra:         q.askAgain(id, extra),
		Issuer:        q.issuer(p),
		StepUp:        q.stepUp,
	})
	if err != nil {
		q.cookies = q.cookies[:before] // there is no flow
		q.fail(failure{kind: kindStart, reason: reasonOf(err), provider: id, err: err})
		return
	}
	q.redirect(q.api.contract.authorizationURL(to))
}

// challenge is the S256 challenge of a verifier (RFC 7636, section 4.2), empty
// if there is none.
func challenge(verifier string) string {
	if verifier == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// extra are the parameters that a client adds to the authorization request with
// the query of POST {base}/signin/:provider: scope, prompt, login_hint and so
// on. NextAuth lets a client replace even those that the flow's safety rests on.
func (q *request) extra() url.Values {
	values := q.query.values()
	for name := range values {
		if name == "" || provider.Reserved(name) {
			delete(values, name)
		}
	}
	return values
}

// reasonOf is the reason that a provider gives for an error.
func reasonOf(err error) reason {
	if r := provider.ReasonOf(err); r != "" {
		return r
	}
	return ReasonProviderError
}
