package caddyauth

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// auditGate adds what else decides, or answers strangers.
func (s *site) auditGate(out *auditSite) {
	out.API, out.StepUp, out.Bearer, out.Warnings = []string{}, []string{}, []string{}, []string{}
	for _, a := range s.config.API {
		out.API = append(out.API, apiLine(a))
	}
	for _, u := range s.config.StepUp {
		out.StepUp = append(out.StepUp, stepUpLine(u))
	}
	s.auditBearer(out)
	s.auditPortal(out)
	if a := s.assertion; a != nil {
		out.Assertion = a.header + ", audience " + cmp.Or(a.audience, out.Origin, "the origin")
	}
	out.AccessToken = s.tokenField
	// Of what is below the base path and tells strangers more than NextAuth does.
	for _, name := range []string{"jwks", "verify"} {
		if s.extra[name] != nil {
			out.Endpoints = append(out.Endpoints, s.basePath+"/"+name)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.clientKeys)) {
		out.Endpoints = append(out.Endpoints, s.basePath+"/jwks/"+id)
	}
	own := ""
	if s.canonical != nil {
		own = s.canonical.origin
	}
	for _, w := range ruleWarnings(s.config, s.match, own) {
		out.Warnings = append(out.Warnings, w.line+": "+w.why)
	}
}

func (s *site) auditBearer(out *auditSite) {
	if s.config.hasTokens() {
		out.Bearer = append(out.Bearer, "personal access tokens")
	}
	if s.bearer == nil {
		return
	}
	if s.bearer.session {
		out.Bearer = append(out.Bearer, "session tokens")
	}
	if s.bearer.tokens == nil {
		return
	}
	out.Endpoints = append(out.Endpoints, resourceMetadata)
	for _, c := range s.config.Bearer.Issuers {
		audience, _ := resolveAll(c.Audience) // which has worked before
		issuer, _ := resolve(c.Issuer)
		out.Bearer = append(out.Bearer, "issuer "+cmp.Or(issuer, "of each provider")+", audience "+strings.Join(audience, " "))
	}
}

func (s *site) auditPortal(out *auditSite) {
	switch {
	case s.portal == nil:
		return
	case s.portal.site == s:
		out.Portal = s.portal.host + " (people sign in here for other sites)"
		for _, m := range s.app.sites {
			if origin := m.usualOrigin(); m.isMember() && m.portal.site == s && origin != "" {
				out.Redirects = append(out.Redirects, origin)
			}
		}
		slices.Sort(out.Redirects[1:])
		out.Redirects = slices.Compact(out.Redirects)
	default:
		out.Portal = s.portalURL() + " (people sign in there)"
		scheme, rest, _ := strings.Cut(s.portalURL(), "://")
		host, _, _ := strings.Cut(rest, "/")
		out.Redirects = append(out.Redirects, scheme+"://"+host)
	}
	if s.portal.front {
		out.Endpoints = append(out.Endpoints, "/")
	}
}
