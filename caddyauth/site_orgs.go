package caddyauth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/gate"
)

// asksOrgs reports whether something of the site wants to know what organizations
// people belong to. Only then are providers asked, who may in turn ask for
// consent.
func (s *site) asksOrgs() bool {
	asks := func(r *Rule) bool {
		if r.Subject == subjectOrg {
			return true
		}
		// Expressions and claim paths name the list.
		return slices.ContainsFunc(r.Values, func(v string) bool {
			return (r.Subject == subjectExpr || r.Subject == subjectClaim) && strings.Contains(v, "orgs")
		})
	}
	if slices.ContainsFunc(s.config.Allow, asks) || slices.ContainsFunc(s.config.Deny, asks) {
		return true
	}
	return s.config.Headers != nil && slices.ContainsFunc(s.config.Headers.Set, func(h HeaderValue) bool { return strings.Contains(h.Value, "orgs") })
}

// orgProviders are the ids of the providers whose people can belong to
// organizations. A guest is taken at its word.
func (s *site) orgProviders() []string {
	ids := []string{}
	for _, p := range s.config.Providers {
		if p.HasOrgs() || p.Preset != presetPasskey && isGuest(p.Preset) {
			ids = append(ids, p.id())
		}
	}
	return ids
}

// checkOrgRule refuses a rule that could admit nobody, or shut nobody out.
func (s *site) checkOrgRule(r *Rule) error {
	if r.Subject != subjectOrg || len(s.orgProviders()) > 0 {
		return nil
	}
	return fmt.Errorf("people belong to organizations at GitHub, Google Workspace and OpenID Connect issuers such as GitLab, and not at %s: use 'group' or 'user' instead",
		strings.Join(s.accountProviders(), ", "))
}

// ruleOrgs notes which organizations rules name, in the form that needed looks
// for.
func (s *site) ruleOrgs(r *Rule, values []string) {
	if r.Subject != subjectOrg {
		return
	}
	for _, v := range values {
		_, name := gate.OrgOf(v, s.accountProviders())
		s.ruled[ruledValue{subjectOrg, strings.ToLower(name)}] = true
	}
}
