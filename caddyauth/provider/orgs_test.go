package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// github stands in for GitHub's API: for every call that the preset makes.
type github struct {
	orgs, teams []string
	scope       string
	status      map[string]int // of a path, 200 else
	calls       []string
}

func (g *github) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Host + r.URL.Path
	g.calls = append(g.calls, path+"?"+r.URL.RawQuery)
	if s := g.status[path]; s != 0 {
		w.WriteHeader(s)
		return w.Result(), nil
	}
	var v any
	switch path {
	case "github.com/login/oauth/access_token":
		v = map[string]any{"access_token": "gho_x", "scope": g.scope, "token_type": "bearer"}
	case "api.github.com/user":
		v = map[string]any{"id": 1, "login": "octocat"}
	case "api.github.com/user/emails":
		v = []any{}
	case "api.github.com/user/orgs":
		v = page(r, g.orgs, func(o string) any { return map[string]any{"login": o, "id": 7} })
	case "api.github.com/user/teams":
		v = page(r, g.teams, func(t string) any {
			org, slug, _ := strings.Cut(t, "/")
			return map[string]any{"slug": slug, "name": "A Name", "organization": map[string]any{"login": org}}
		})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	if r.URL.Host == "api.github.com" && r.Header.Get("Authorization") != "Bearer gho_x" {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_ = json.NewEncoder(w).Encode(v)
	return w.Result(), nil
}

func page(r *http.Request, all []string, entry func(string) any) []any {
	per, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	out := []any{}
	for i := (n - 1) * per; i >= 0 && i < n*per && i < len(all); i++ {
		out = append(out, entry(all[i]))
	}
	return out
}

func (g *github) signIn(t *testing.T, orgs bool) (*Identity, error) {
	t.Helper()
	p := mustNew(t, Config{Preset: "github", ClientID: "id", ClientSecret: "secret"}, Options{Orgs: orgs, HTTP: &http.Client{Transport: g}})
	return p.Exchange(t.Context(), CallbackRequest{
		Params: url.Values{"code": {"c"}}, RedirectURI: testRedirect, CodeVerifier: strings.Repeat("v", 43),
	})
}

func many(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s%04d", prefix, i))
	}
	return list
}

func TestGitHubOrganizations(t *testing.T) {
	const all = "read:org,read:user,user:email"
	for _, tc := range []struct {
		name string
		g    github
		want []string
	}{
		{"organizations and teams", github{orgs: []string{"Acme", "other"}, teams: []string{"Acme/backend"}, scope: all}, []string{"Acme", "Acme/backend", "other"}},
		{"none", github{scope: all}, []string{}},
		{"a GitHub App has no scopes", github{orgs: []string{"acme"}}, []string{"acme"}},
		{"a wider scope", github{orgs: []string{"acme"}, scope: "admin:org"}, []string{"acme"}},
		{"three pages", github{orgs: many("o", 250), scope: all}, many("o", 250)},
		{"twice the same", github{orgs: []string{"acme", "acme"}, scope: all}, []string{"acme"}},
		{"nonsense", github{orgs: []string{"", strings.Repeat("x", 300)}, teams: []string{"acme", "/x"}, scope: all}, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := tc.g.signIn(t, true)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(id.Orgs, tc.want) {
				t.Errorf("%q, want %q", id.Orgs, tc.want)
			}
		})
	}
	t.Run("nobody wants to know", func(t *testing.T) {
		g := github{orgs: []string{"acme"}}
		id, err := g.signIn(t, false)
		if err != nil || id.Orgs != nil || slices.ContainsFunc(g.calls, func(c string) bool { return strings.Contains(c, "/orgs") }) {
			t.Errorf("%+v %v %q", id, err, g.calls)
		}
	})
}

// A rule may shut out the members of an organization: what cannot be found out
// must not pass for none.
func TestGitHubOrganizationsUnknown(t *testing.T) {
	for _, tc := range []struct {
		name   string
		g      github
		reason Reason
	}{
		{"the scope was taken out of the address", github{scope: "read:user,user:email"}, ReasonUserinfo},
		{"not allowed", github{status: map[string]int{"api.github.com/user/teams": 403}}, ReasonUserinfo},
		{"down", github{status: map[string]int{"api.github.com/user/orgs": 502}}, ReasonUnavailable},
		{"more than are read", github{orgs: many("o", 1001)}, ReasonUserinfo},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := tc.g.signIn(t, true); ReasonOf(err) != tc.reason {
				t.Errorf("%v, want %s", err, tc.reason)
			}
			if len(tc.g.calls) > 3+2*maxOrgPages {
				t.Errorf("%d calls", len(tc.g.calls))
			}
		})
	}
}

func TestOrgScope(t *testing.T) {
	for _, tc := range []struct {
		orgs   bool
		scope  []string
		preset string
		want   string
	}{
		{false, nil, "github", "read:user user:email"},
		{true, nil, "github", "read:user user:email read:org"},
		{true, []string{"read:org"}, "github", "read:org"},
		{true, []string{"user:email"}, "github", "user:email read:org"},
	} {
		cfg := Config{Preset: tc.preset, ClientID: "c", ClientSecret: "s", Scope: tc.scope}
		p := mustNew(t, cfg, Options{Orgs: tc.orgs})
		for range 2 { // asking must not add to it
			raw, err := p.AuthorizationURL(t.Context(), AuthorizationRequest{RedirectURI: testRedirect})
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(raw)
			if got := u.Query().Get("scope"); got != tc.want {
				t.Errorf("orgs %v, scope %q: %q, want %q", tc.orgs, tc.scope, got, tc.want)
			}
		}
	}
}

func TestOrganizationsInClaims(t *testing.T) {
	for _, tc := range []struct {
		name, preset string
		claims       map[string]any
		want         []string
	}{
		{"GitLab, direct groups", "oidc", map[string]any{"groups_direct": []string{"acme", "acme/backend"}}, []string{"acme", "acme/backend"}},
		{"GitLab, userinfo", "oidc", map[string]any{"groups": []string{"acme/backend"}}, []string{"acme/backend"}},
		{"one group", "oidc", map[string]any{"groups": "acme"}, []string{"acme"}},
		{"none", "oidc", nil, []string{}},
		{"objects", "oidc", map[string]any{"groups": []any{map[string]any{"a": 1}}}, []string{}},
		{"Google Workspace", "google", map[string]any{"groups": []string{"dev@acme.example"}}, []string{"dev@acme.example"}},
		{"Keycloak, names", "keycloak", map[string]any{"organization": []string{"acme"}}, []string{"acme"}},
		{"Keycloak, objects", "keycloak", map[string]any{"organization": map[string]any{"acme": map[string]any{"id": "1"}}}, []string{"acme"}},
		{"Keycloak's groups are none", "keycloak", map[string]any{"groups": []string{"/staff"}}, []string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Claims = func(c map[string]any) {
				for name, v := range tc.claims {
					c[name] = v
				}
			}
			cfg := op.config()
			cfg.Preset = tc.preset
			p := mustNew(t, cfg, Options{Orgs: true, Now: op.clock})
			id, err := op.exchange(p)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(id.Orgs, tc.want) {
				t.Errorf("%q, want %q", id.Orgs, tc.want)
			}
		})
	}
}

func TestHasOrgs(t *testing.T) {
	for preset, want := range map[string]bool{"github": true, "google": true, "oidc": true, "keycloak": true, "oauth2": false, "credentials": false, "email": false} {
		if got := (&Config{Preset: preset}).HasOrgs(); got != want {
			t.Errorf("%s: %v", preset, got)
		}
	}
}
