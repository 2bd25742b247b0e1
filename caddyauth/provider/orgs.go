package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

const (
	// orgPage is how many entries a page of GitHub's lists has, the most that it
	// grants; maxOrgPages is how many are asked for.
	orgPage     = 100
	maxOrgPages = 10
	// maxOrg is the longest name of an organization that counts, in bytes.
	maxOrg = 255
)

// HasOrgs reports whether people can belong to organizations at the provider, as
// far as this package can find out.
func (c *Config) HasOrgs() bool {
	p := presets[c.Preset]
	return p != nil && (p.orgs != nil || len(p.Orgs) > 0)
}

// scopes are those to ask for. A scope that shows organizations is asked for only
// where a rule wants to know: people have to consent to it.
func (p *oauthProvider) scopes() []string {
	if extra := p.preset.orgScope; p.orgs && extra != "" && !slices.Contains(p.cfg.Scope, extra) {
		return append(slices.Clip(p.cfg.Scope), extra)
	}
	return p.cfg.Scope
}

// organizations are those of the person, nil where no rule wants to know. That
// they cannot be found out fails the sign-in: a rule may shut somebody out by
// them.
func (s *signIn) organizations(ctx context.Context) ([]string, error) {
	if !s.p.orgs {
		return nil, nil
	}
	found := s.orgsIn(s.p.preset.Orgs)
	if find := s.p.preset.orgs; find != nil {
		var err error
		if found, err = find(ctx, s); err != nil {
			return nil, failure(ctx, ReasonUserinfo, fmt.Errorf("organizations: %w", err))
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return slices.DeleteFunc(found, func(o string) bool { return o == "" || len(o) > maxOrg }), nil
}

// orgsIn finds organizations in the first of the claims that is there. GitLab's ID token has the groups that one is a direct member of, its
// userinfo all of them, subgroups as paths. An object has them as names of its
// members, as Keycloak's claim organization may.
func (s *signIn) orgsIn(claims []string) []string {
	for _, name := range claims {
		v, ok := s.profile[name]
		if !ok {
			continue
		}
		if object, ok := v.(map[string]any); ok {
			return slices.Collect(maps.Keys(object))
		}
		return slices.Clone(claim.Strings(v))
	}
	return nil
}

// githubOrgScopes are those that show organizations and teams.
var githubOrgScopes = []string{"read:org", "write:org", "admin:org"}

// githubOrgs asks for organizations, which become "acme", and for teams, which
// become "acme/backend".
//
// Whoever takes the scope out of the address on the way to GitHub must not seem
// to belong nowhere: the scope granted is in the token response. It is empty for
// GitHub Apps, which have permissions instead.
func githubOrgs(ctx context.Context, s *signIn) ([]string, error) {
	granted := strings.FieldsFunc(s.tokens.scope, func(r rune) bool { return r == ',' || r == ' ' })
	if len(granted) > 0 && !slices.ContainsFunc(granted, func(g string) bool { return slices.Contains(githubOrgScopes, g) }) {
		return nil, errors.New("the scope read:org was not granted")
	}
	orgs, err := githubList(ctx, s, "/orgs", func(o githubOrg) string { return o.Login })
	if err != nil {
		return nil, err
	}
	teams, err := githubList(ctx, s, "/teams", func(t githubTeam) string {
		if t.Organization.Login == "" || t.Slug == "" {
			return ""
		}
		return t.Organization.Login + "/" + t.Slug
	})
	return append(orgs, teams...), err
}

type githubOrg struct {
	Login string `json:"login"`
}

type githubTeam struct {
	Slug         string    `json:"slug"`
	Organization githubOrg `json:"organization"`
}

// githubList reads a list page by page. A longer one than is read could hide
// that somebody belongs where a rule shuts them out, so it is an error.
func githubList[T any](ctx context.Context, s *signIn, path string, name func(T) string) ([]string, error) {
	base := strings.TrimSuffix(s.metadata.userinfo, "/") + path
	var names []string
	for page := 1; page <= maxOrgPages; page++ {
		url := fmt.Sprintf("%s?per_page=%d&page=%d", base, orgPage, page)
		body, _, err := get(ctx, s.p.client, url, s.tokens.access)
		if err != nil {
			return nil, err
		}
		var list []T
		if err := decodeStrict(body, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", hostOf(url), err)
		}
		for _, e := range list {
			names = append(names, name(e))
		}
		if len(list) < orgPage {
			return names, nil
		}
	}
	return nil, fmt.Errorf("%s: more than %d entries", base, maxOrgPages*orgPage)
}
