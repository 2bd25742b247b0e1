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
	// Reference names the answer in the log, for the page to show. It may be
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
	if _, token := session.TokenOf(r.Header); token && p.Basic {
		kind = Script // no person opens a page like that
	}
	switch d.Action {
	case SignIn:
		p.signIn(w, r, d, site, kind)
	case Forbid:
		p.refuse(w, r, d, site, kind, http.StatusForbidden, "AccessDenied", Pages.Denied)
	case BadRequest:
		p.refuse(w, r, d, site, kind, http.StatusBadRequest, "BadRequest", Pages.BadRequest)
	case MethodNotAllowed:
		// RFC 9110 section 15.5.6 wants the field. Which of these the upstream
		// knows is its affair.
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		writeJSON(w, r, http.StatusMethodNotAllowed, answer{Error: "MethodNotAllowed"})
	default:
		h.Set("Retry-After", "5")
		p.refuse(w, r, d, site, kind, http.StatusServiceUnavailable, "Unavailable", Pages.Unavailable)
	}
}

func (p *Responder) signIn(w http.ResponseWriter, r *http.Request, d Decision, site Site, kind Kind) {
	if kind == Navigate {
		w.Header()["Location"] = []string{SignInURL(site, safeurl.FromRequest(site.Origin, site.URL))}
		w.WriteHeader(http.StatusFound)
		return
	}
	// RFC 9110 section 15.5.2 wants a challenge. Basic would make browsers ask
	// for a password; a scheme that they do not know leaves it to the script.
	challenges := []string{`Session realm="` + realm(site.Origin) + `"`}
	if p.Basic && !fromBrowser(r.Header) {
		challenges = append(challenges, `Basic realm="`+realm(site.Origin)+`", charset="UTF-8"`)
	}
	w.Header()["Www-Authenticate"] = challenges
	if kind == NavigatePost && p.Pages != nil {
		p.Pages.Unauthorized(w, r, refusal(r, d, site, kind))
		return
	}
	writeJSON(w, r, http.StatusUnauthorized, answer{Error: "SessionRequired", SignIn: SignInURL(site, "")})
}

func (p *Responder) refuse(w http.ResponseWriter, r *http.Request, d Decision, site Site, kind Kind,
	status int, code string, page func(Pages, http.ResponseWriter, *http.Request, Refusal),
) {
	if kind == Script || p.Pages == nil {
		writeJSON(w, r, status, answer{Error: code})
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
		v.CallbackURL = safeurl.FromRequest(site.Origin, site.URL)
	}
	return v
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
		return // two strings can always be marshaled
	}
	_, _ = w.Write(text)
}
