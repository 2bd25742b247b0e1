package gate

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// Site is where a request has arrived.
type Site struct {
	// Origin is the canonical origin, such as https://app.example.com.
	Origin string
	// BasePath is the path of the REST API, such as /api/auth.
	BasePath string
	// URL is the request's URL as the client sent it, before any rewrite. Its
	// host does not count. Nil means the request's own.
	URL *url.URL
	// From is the origin that URL was asked of, where that is another one: a
	// proxy asks on behalf of other hosts. Empty means Origin.
	From string
	// Reference names the answer in the log, for the page or the JSON to show. It may be
	// empty.
	Reference string
}

// Refusal is what a page needs to know of the request that it answers.
type Refusal struct {
	Decision Decision
	Site     Site
	// CallbackURL is where to go after signing in: an absolute URL of the site.
	CallbackURL string
}

// Pages writes what people see. Each writes the whole response, with the
// status in its comment, for GET, HEAD and POST.
type Pages interface {
	// Denied names the account and offers another: 403.
	Denied(w http.ResponseWriter, r *http.Request, v Refusal)
	// Unauthorized says that a form came without a session: 401.
	Unauthorized(w http.ResponseWriter, r *http.Request, v Refusal)
	// StepUp says that a form needs a fresh sign-in: 401.
	StepUp(w http.ResponseWriter, r *http.Request, v Refusal)
	// Unavailable says that nobody can tell who it is: 503.
	Unavailable(w http.ResponseWriter, r *http.Request, v Refusal)
	// BadRequest says that the address makes no sense: 400.
	BadRequest(w http.ResponseWriter, r *http.Request, v Refusal)
}

// Responder writes the gate's own answers.
type Responder struct {
	// Pages are shown to people. Nil means that they get JSON like everybody.
	Pages Pages

	// Basic asks programs for a password (RFC 7617), which may be a personal
	// access token: git and WebDAV clients send none before they are asked.
	Basic bool

	// Bearer words the challenges of a site that takes bearer tokens. Nil means
	// that it takes none.
	Bearer *BearerChallenge
}

// Respond answers a request that may not pass. A decision to pass is answered
// with 503, since whoever asks here has not passed it on.
//
// Page loads without a session are redirected to sign in, with 302: a
// permanent redirect would be remembered when the person has signed in. The
// address is absolute and made of the canonical origin. Nothing may be stored.
func (p *Responder) Respond(w http.ResponseWriter, r *http.Request, d Decision, site Site) {
	if site.URL == nil {
		site.URL = r.URL
	}
	h := w.Header()
	// A handler in front may have described the response it expected.
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		delete(h, name)
	}
	h.Set("Cache-Control", "private, no-cache, no-store")
	h.Add("Vary", "Cookie, Accept, Sec-Fetch-Mode, Sec-Fetch-Dest")

	kind := Navigation(r)
	d.CrossOrigin(h)
	if _, token := session.TokenOf(r.Header); token && p.Basic || d.API {
		kind = Script // no person opens a page like that
	}
	if p.Challenge(h, r, d, site) {
		kind = Script // nor one like that
	}
	switch d.Action {
	case SignIn:
		p.signIn(w, r, d, site, kind)
	case StepUp:
		p.stepUp(w, r, d, site, kind)
	case Preflight:
		preflight(w, r)
	case Forbid:
		p.refuse(w, r, d, site, kind, http.StatusForbidden, "AccessDenied", Pages.Denied)
	case BadRequest:
		p.refuse(w, r, d, site, kind, http.StatusBadRequest, "BadRequest", Pages.BadRequest)
	case MethodNotAllowed:
		// RFC 9110 section 15.5.6 wants the field. Which of these the upstream
		// knows is its affair.
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		writeJSON(w, r, http.StatusMethodNotAllowed, answer{Error: "MethodNotAllowed", Reference: site.Reference})
	default:
		h.Set("Retry-After", "5")
		p.refuse(w, r, d, site, kind, http.StatusServiceUnavailable, "Unavailable", Pages.Unavailable)
	}
}

func (p *Responder) signIn(w http.ResponseWriter, r *http.Request, d Decision, site Site, kind Kind) {
	if kind == Navigate {
		delete(w.Header(), "Www-Authenticate")
		w.Header()["Location"] = []string{SignInURL(site, site.Back())}
		w.WriteHeader(http.StatusFound)
		return
	}
	if kind == NavigatePost && p.Pages != nil {
		p.Pages.Unauthorized(w, r, refusal(r, d, site, kind))
		return
	}
	a := answer{Error: "SessionRequired", Reference: site.Reference}
	if !p.onlyBearer() {
		a.SignIn = SignInURL(site, "")
	}
	writeJSON(w, r, http.StatusUnauthorized, a)
}

// stepUp answers what cannot be sent to sign in again, or is not to be.
func (p *Responder) stepUp(w http.ResponseWriter, r *http.Request, d Decision, site Site, kind Kind) {
	p.refuse(w, r, d, site, kind, http.StatusUnauthorized, "StepUpRequired", Pages.StepUp)
}

func (p *Responder) refuse(w http.ResponseWriter, r *http.Request, d Decision, site Site, kind Kind,
	status int, code string, page func(Pages, http.ResponseWriter, *http.Request, Refusal),
) {
	if kind == Script || p.Pages == nil {
		writeJSON(w, r, status, answer{Error: code, Reference: site.Reference})
		return
	}
	page(p.Pages, w, r, refusal(r, d, site, kind))
}

// refusal finds where to come back to. What a form was sent to is seldom what
// can be loaded, so after one it is the page with the form.
func refusal(r *http.Request, d Decision, site Site, kind Kind) Refusal {
	v := Refusal{Decision: d, Site: site, CallbackURL: site.Origin}
	if kind == NavigatePost {
		if back, ok := (safeurl.Target{Origin: site.Origin}).Resolve(first(r.Header, "Referer")); ok {
			v.CallbackURL = back
		}
	} else if d.Action != BadRequest {
		v.CallbackURL = site.Back()
	}
	return v
}

// Back is where to come back to after signing in.
func (s Site) Back() string {
	if s.From != "" {
		return safeurl.FromRequest(s.From, s.URL)
	}
	return safeurl.FromRequest(s.Origin, s.URL)
}

// SignInURL is the address of the sign-in page. callbackURL may be empty.
func SignInURL(site Site, callbackURL string) string {
	u := site.Origin + site.BasePath + "/signin"
	if callbackURL == "" {
		return u
	}
	return u + "?callbackUrl=" + url.QueryEscape(callbackURL)
}

// fromBrowser reports whether a browser sent the request, which would ask the
// person for a name and password in a window of its own.
func fromBrowser(h http.Header) bool {
	return len(h["Sec-Fetch-Mode"]) > 0 || strings.HasPrefix(first(h, "User-Agent"), "Mozilla/")
}

// realm makes of an origin what can stand in a quoted string.
func realm(origin string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, origin)
}

// answer is the body for clients that are no people.
type answer struct {
	Error  string `json:"error"`
	SignIn string `json:"signin,omitempty"`
	// Reference is Site.Reference, to be read out to whoever has the log.
	Reference string `json:"reference,omitempty"`
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, body answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		return // strings can always be marshaled
	}
	_, _ = w.Write(text)
}
