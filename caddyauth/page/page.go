// Package page renders the pages that people see: sign in, sign out, errors,
// and the answers of the gate to somebody who may not pass.
//
// Every page is one response without third parties. Nobody can use passkeys without
// a script; the other scripts are small, and the pages work without them. Forms,
// field names, ids and class names are those of NextAuth.js, so style sheets and scripts written for its pages find what they look for.
package page

import (
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// Options configure a [Renderer]. The zero value is good.
type Options struct {
	// ColorScheme is "auto" (default: what the browser prefers), "light" or
	// "dark".
	ColorScheme string
	// Log receives failures to render, and origins that cannot be put into a
	// policy. Nil discards them.
	Log *zap.Logger
}

// Renderer writes pages. It is safe for concurrent use.
type Renderer struct {
	log      *zap.Logger
	scheme   string
	messages *catalog
	// sheet is for most pages, accountSheet for the person's own.
	sheet, accountSheet sheet
	passkeyScript       script
	// fragmentScript keeps the address's fragment, returnScript notices that
	// somebody has signed in elsewhere.
	fragmentScript, retryScript, returnScript script
	logos                                     map[string]template.HTML
	signin                                    *template.Template
	notice                                    *template.Template
	account                                   *template.Template
}

// New reads the embedded templates, style sheet, logos and messages. It fails
// for an unknown color scheme only; everything else is fixed at build time.
func New(o Options) (*Renderer, error) {
	r := &Renderer{log: o.Log, scheme: o.ColorScheme}
	if r.log == nil {
		r.log = zap.NewNop()
	}
	switch r.scheme {
	case "":
		r.scheme = "auto"
	case "auto", "light", "dark":
	default:
		return nil, fmt.Errorf("color scheme is %q, but can be auto, light or dark", r.scheme)
	}
	if err := r.load(); err != nil {
		return nil, fmt.Errorf("loading pages: %w", err)
	}
	return r, nil
}

// SignIn writes the sign-in page with status 200, whatever its error: clients
// of NextAuth.js read the code from the address, not from the status.
func (r *Renderer) SignIn(w http.ResponseWriter, req *http.Request, v SignIn) {
	sources := r.formAction(v.Common, v.Providers)
	r.write(w, req, http.StatusOK, sources, r.signin, r.signInModel(v))
}

// SignOut writes the page that asks before signing out, with status 200.
func (r *Renderer) SignOut(w http.ResponseWriter, req *http.Request, v SignOut) {
	r.writeNotice(w, req, http.StatusOK, v.Common, r.signOutModel(v))
}

// Portal writes the front page of a portal, with status 200.
func (r *Renderer) Portal(w http.ResponseWriter, req *http.Request, v Portal) {
	r.writeNotice(w, req, http.StatusOK, v.Common, r.portalModel(v))
}

// Error writes the error page with the status of its code, see [StatusOf].
func (r *Renderer) Error(w http.ResponseWriter, req *http.Request, v Error) {
	r.writeNotice(w, req, StatusOf(v.Code), v.Common, r.errorModel(v))
}

// VerifyRequest writes the page after a sign-in link was mailed, with status
// 200.
func (r *Renderer) VerifyRequest(w http.ResponseWriter, req *http.Request, v VerifyRequest) {
	r.writeNotice(w, req, http.StatusOK, v.Common, r.verifyRequestModel(v))
}

// Denied writes the page for an account that may not see what it asked for,
// with status 403.
func (r *Renderer) Denied(w http.ResponseWriter, req *http.Request, v Denied) {
	r.writeNotice(w, req, http.StatusForbidden, v.Common, r.deniedModel(v))
}

// Unauthorized writes the page for a form that was sent without a session,
// with status 401. The WWW-Authenticate header that RFC 9110 section 15.5.2
// asks for is left to the caller, who knows the realm.
func (r *Renderer) Unauthorized(w http.ResponseWriter, req *http.Request, v Unauthorized) {
	r.writeNotice(w, req, http.StatusUnauthorized, v.Common, r.unauthorizedModel(v))
}

// StepUp writes the page for a fresh sign-in that is not what a page asks for,
// with status 403.
func (r *Renderer) StepUp(w http.ResponseWriter, req *http.Request, v StepUp) {
	r.writeNotice(w, req, http.StatusForbidden, v.Common, r.stepUpModel(v))
}

// StepUpForm writes the page for a form that needs a fresh sign-in, with status
// 401. The WWW-Authenticate header is left to the caller.
func (r *Renderer) StepUpForm(w http.ResponseWriter, req *http.Request, v StepUpForm) {
	r.writeNotice(w, req, http.StatusUnauthorized, v.Common, r.stepUpFormModel(v))
}

// Loop writes the page that ends a sign-in loop, with status 403.
func (r *Renderer) Loop(w http.ResponseWriter, req *http.Request, v Loop) {
	r.writeNotice(w, req, http.StatusForbidden, v.Common, r.loopModel(v))
}

// SignedIn writes the page that a sign-in in a tab of its own ends on, with
// status 200.
func (r *Renderer) SignedIn(w http.ResponseWriter, req *http.Request, v SignedIn) {
	r.writeNotice(w, req, http.StatusOK, v.Common, r.signedInModel(v))
}

// Unavailable writes the page for a part that does not answer, with status
// 503.
func (r *Renderer) Unavailable(w http.ResponseWriter, req *http.Request, v Unavailable) {
	if v.RetryAfter > 0 {
		// Rounded up: a client must not come back too early.
		seconds := int64((v.RetryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	r.writeNotice(w, req, http.StatusServiceUnavailable, v.Common, r.unavailableModel(v))
}

// BadRequest writes the page for a request that makes no sense, with status
// 400.
func (r *Renderer) BadRequest(w http.ResponseWriter, req *http.Request, v BadRequest) {
	r.writeNotice(w, req, http.StatusBadRequest, v.Common, r.badRequestModel(v))
}

// writeNotice writes one of the pages that share a template.
func (r *Renderer) writeNotice(w http.ResponseWriter, req *http.Request, status int, c Common, m *noticeModel) {
	r.write(w, req, status, r.formAction(c, nil), r.notice, m)
}
