package caddyauth

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// gatePages shows the gate's answers with the built-in pages.
type gatePages struct{ page *page.Renderer }

// Denied implements gate.Pages.
func (g gatePages) Denied(w http.ResponseWriter, r *http.Request, v gate.Refusal) {
	g.page.Denied(w, r, page.Denied{
		Common: common(v), Account: account(v.Decision.Candidate),
		CallbackURL: v.CallbackURL, Reference: v.Site.Reference,
	})
}

// Unauthorized implements gate.Pages.
func (g gatePages) Unauthorized(w http.ResponseWriter, r *http.Request, v gate.Refusal) {
	c := common(v)
	g.page.Unauthorized(w, r, page.Unauthorized{
		Common: c, CallbackURL: v.CallbackURL, Reference: v.Site.Reference,
		Resend: ownForm(r, v.Site.Origin), DoneURL: c.BaseURL + "/signed-in", SessionURL: c.BaseURL + "/session",
	})
}

// StepUp implements gate.Pages.
func (g gatePages) StepUp(w http.ResponseWriter, r *http.Request, v gate.Refusal) {
	form := page.StepUpForm{Common: common(v), CallbackURL: v.CallbackURL, Reference: v.Site.Reference}
	if need := v.Decision.Lacking; need != nil {
		form.Demands = authapi.Demands(provider.StepUp{MaxAge: need.MaxAge, ACR: need.ACR})
	}
	g.page.StepUpForm(w, r, form)
}

// Unavailable implements gate.Pages.
func (g gatePages) Unavailable(w http.ResponseWriter, r *http.Request, v gate.Refusal) {
	g.page.Unavailable(w, r, page.Unavailable{Common: common(v), RetryAfter: 5 * time.Second, Reference: v.Site.Reference})
}

// BadRequest implements gate.Pages.
func (g gatePages) BadRequest(w http.ResponseWriter, r *http.Request, v gate.Refusal) {
	g.page.BadRequest(w, r, page.BadRequest{Common: common(v), Reference: v.Site.Reference})
}

func common(v gate.Refusal) page.Common {
	c := page.Common{BaseURL: v.Site.Origin + v.Site.BasePath}
	if u, err := url.Parse(v.Site.Origin); err == nil {
		c.Host = u.Host
		c.Loopback = u.Scheme == "http" && loopback.Is(u.Hostname())
	}
	return c
}

// account is what the person is called who is refused, if there is anybody.
func account(s *session.Session) string {
	if s == nil {
		return ""
	}
	return s.Label()
}

// provisionPages sets up the built-in pages.
func (s *site) provisionPages(caddy.Context) (err error) {
	pages := new(Pages)
	if s.config.Pages != nil {
		*pages = *s.config.Pages // a copy: the global option's is every site's
	}
	s.config.Pages = pages
	if r := pages.Refuse; r != "" && r != "caddy" {
		return fmt.Errorf("pages refuse %q: it takes only 'caddy'", r)
	}
	for _, p := range pages.own() {
		if err := s.provisionPage(p); err != nil {
			return fmt.Errorf("pages: %w", err)
		}
	}
	s.page, err = page.New(page.Options{Log: s.log})
	return err
}

// provisionPage expands the placeholders of one page. If the page is on this
// site, its path is to be public: whoever has no session is sent there.
func (s *site) provisionPage(to *string) error {
	page, err := resolve(*to)
	if err != nil {
		return err
	}
	*to = page
	u, err := url.Parse(page)
	switch {
	case err != nil || !isPage(u):
		return fmt.Errorf("%q is neither a path that begins with a slash nor an http or https URL", redacted(page))
	case u.User != nil:
		return fmt.Errorf("%q has a user name in it", redacted(page))
	case strings.Contains(page, "#"):
		// The parameters come behind it and would never arrive.
		return fmt.Errorf("%q has a fragment", page)
	case !s.isOwn(u):
		return nil
	case strings.Contains(strings.ToUpper(u.EscapedPath()), "%2F"):
		return fmt.Errorf("%q has an escaped slash", page)
	}
	s.pagePaths = append(s.pagePaths, cmp.Or(u.Path, "/"))
	return nil
}

// isPage reports whether a browser can be sent to u, and stays at the host that
// it names.
func isPage(u *url.URL) bool {
	if u.Scheme == "" {
		return u.Host == "" && strings.HasPrefix(u.Path, "/") && !strings.HasPrefix(u.Path, "//")
	}
	return (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

// isOwn reports whether u is a page of this site: a path, or a URL of the
// origin that the setting url names.
func (s *site) isOwn(u *url.URL) bool {
	if u.Scheme == "" {
		return true
	}
	host, err := cleanHost(u.Hostname())
	return err == nil && s.canonical != nil && s.canonical.origin == u.Scheme+"://"+joinPort(host, u.Port(), u.Scheme)
}

// own returns the pages that are set.
func (p *Pages) own() []*string {
	var set []*string
	for _, s := range []*string{&p.SignIn, &p.SignOut, &p.Error, &p.VerifyRequest, &p.NewUser} {
		if *s != "" {
			set = append(set, s)
		}
	}
	return set
}
