package caddyauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
)

// apis compiles the api lines.
func (s *site) apis(ctx caddy.Context) ([]gate.APIScope, error) {
	var scopes []gate.APIScope
	var errs []error
	for _, a := range s.config.API {
		m, err := a.matcher(ctx)
		errs = append(errs, err)
		origins, err := resolveAll(a.CORS)
		if err == nil {
			origins, err = gate.CleanOrigins(origins)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("'%s': cors: %w", lineOf("api", &a.Match), err))
		}
		scopes = append(scopes, gate.APIScope{Matcher: m, Origins: origins})
	}
	return scopes, errors.Join(errs...)
}

// stepUps compiles the step_up lines.
func (s *site) stepUps(ctx caddy.Context) ([]gate.StepUpScope, error) {
	var scopes []gate.StepUpScope
	var errs []error
	for _, l := range s.config.StepUp {
		m, err := l.matcher(ctx)
		errs = append(errs, err)
		acr, err := resolveAll(l.ACR)
		if err != nil {
			errs = append(errs, fmt.Errorf("'%s': %w", lineOf("step_up", &l.Match), err))
		}
		scopes = append(scopes, gate.StepUpScope{Matcher: m, Requirement: gate.Requirement{MaxAge: time.Duration(l.MaxAge), ACR: acr}})
	}
	return scopes, errors.Join(errs...)
}

// lineOf is a line as it was written, as far as messages need it.
func lineOf(word string, m *Match, rest ...string) string {
	words := append([]string{word, m.scope()}, rest...)
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// stepsUp reports whether a decision is answered by sending a person to sign in
// again. Only what they open themselves starts a flow: a script cannot follow it,
// and a form would be lost.
func stepsUp(r *http.Request, d gate.Decision) bool {
	return d.Action == gate.StepUp && d.Lacking != nil && !d.API && r.Method == http.MethodGet && gate.Navigation(r) == gate.Navigate
}

// stepUp sends a person to sign in again.
func (h *Handler) stepUp(w http.ResponseWriter, r *http.Request, d gate.Decision, original *url.URL, site gate.Site) {
	// The address that it leads to has the flow's state in it.
	entry, w := beginAccessLog(w, r)
	defer entry.end(h.site.access, r)

	e, err := h.site.ready(r.Context())
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	e.api.StepUp(w, r, h.site.apiSite(r, site.Origin, original), authapi.StepUpRequest{
		Session: d.Candidate, MaxAge: d.Lacking.MaxAge, ACR: d.Lacking.ACR,
		CallbackURL: safeurl.FromRequest(site.Origin, original), Reference: site.Reference,
	})
}
