package page

import (
	"bytes"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// printable is the model of a page.
type printable interface {
	styleSource() string
	scriptSources() (sources string, connects bool)
	referrerPolicy() string
}

// write renders a page and sends it. Nothing is sent before the whole page
// exists, so a failing template cannot leave half a page behind a status 200.
func (r *Renderer) write(w http.ResponseWriter, req *http.Request, status int, formAction string, t *template.Template, m printable) {
	h := w.Header()
	r.setHeaders(h, formAction, m)
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "layout", m); err != nil {
		r.log.Error("page could not be rendered", zap.String("template", t.Name()), zap.Error(err))
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Del("Content-Language")
		status = http.StatusInternalServerError
		page.Reset()
		page.WriteString(http.StatusText(status) + "\n")
	}
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	if req.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(page.Bytes()); err != nil {
		r.log.Debug("page could not be sent", zap.Error(err))
	}
}

// setHeaders replaces what the site may have set for its own pages: a policy
// made for the application would break these.
func (r *Renderer) setHeaders(h http.Header, formAction string, m printable) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", r.messages.lang)
	h.Set("Cache-Control", "private, no-cache, no-store")
	addVary(h, "Cookie")
	scripts := ""
	if sources, connects := m.scriptSources(); sources != "" {
		scripts = "; script-src" + sources
		if connects {
			scripts += "; connect-src 'self'"
		}
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+m.styleSource()+scripts+
		"; img-src 'self' data:; form-action "+formAction+
		"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", m.referrerPolicy())
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// addVary adds a field to Vary unless it is there.
func addVary(h http.Header, field string) {
	for _, line := range h.Values("Vary") {
		for f := range strings.SplitSeq(line, ",") {
			if f = strings.TrimSpace(f); f == "*" || strings.EqualFold(f, field) {
				return
			}
		}
	}
	h.Add("Vary", field)
}

const (
	// anywhere is the default of form-action. 'self' alone would block every
	// provider button: browsers check the redirects after a form as well
	// (w3c/webappsec-csp#8), and a provider that brokers others hops over
	// hosts that nobody can list.
	anywhere = "'self' https:"
	// loopback joins it where the site itself is such a place, for providers
	// run beside it during development. The grammar of CSP has no IPv6
	// addresses: browsers ignore http://[::1]:* with an error on the console.
	loopback = " http://localhost:* http://*.localhost:* http://127.0.0.1:*"
)

// formAction returns the value of the form-action directive. It is narrowed to
// listed origins only when every provider that leaves the site listed some,
// since a single missing one is a dead button.
func (r *Renderer) formAction(c Common, providers []Provider) string {
	wide := anywhere
	if c.Loopback {
		wide += loopback
	}
	var origins []string
	for _, p := range providers {
		if p.staysHere() {
			continue
		}
		if len(p.FormAction) == 0 {
			return wide
		}
		for _, o := range p.FormAction {
			if !formSource.MatchString(o) {
				r.log.Warn("form_action is not an origin, the policy stays wide",
					zap.String("provider", p.ID), zap.String("form_action", o))
				return wide
			}
			origins = append(origins, o)
		}
	}
	if origins == nil {
		return wide
	}
	slices.Sort(origins)
	return "'self' " + strings.Join(slices.Compact(origins), " ")
}

// formSource is the subset of a CSP source expression (CSP3 section 2.3.1)
// that makes sense for form-action: a scheme, or an origin whose host may
// start with a wildcard and whose port may be one.
var formSource = regexp.MustCompile(`^https?:(//(\*\.)?([A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+(:([0-9]{1,5}|\*))?)?$`)
