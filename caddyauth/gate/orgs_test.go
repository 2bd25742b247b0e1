package gate

import (
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

func TestOrgSubject(t *testing.T) {
	one := SubjectOptions{
		Providers: []string{"github", "users"}, OrgProviders: []string{"github"},
		FoldLogin: func(p string) bool { return p == "github" },
	}
	two := one
	two.Providers, two.OrgProviders = []string{"github", "gitlab"}, []string{"github", "gitlab"}
	for _, tc := range []struct {
		name     string
		options  SubjectOptions
		rule     string
		provider string
		orgs     []string
		want     bool
	}{
		{"a member", one, "acme", "github", []string{"other", "acme"}, true},
		{"in other case", one, "ACME", "github", []string{"Acme"}, true},
		{"a team", one, "acme/backend", "github", []string{"acme", "Acme/Backend"}, true},
		{"of the organization, not of the team", one, "acme/backend", "github", []string{"acme"}, false},
		{"of a team alone", one, "acme", "github", []string{"acme/backend"}, false},
		{"of another", one, "acme", "github", []string{"acme2", "xacme"}, false},
		{"of none", one, "acme", "github", nil, false},
		{"the same name elsewhere", one, "acme", "users", []string{"acme"}, false},
		{"beyond ASCII", one, "kelvin", "github", []string{"\u212aelvin"}, false},
		{"one of several rules", one, "x acme", "github", []string{"acme"}, true},
		{"with the provider", two, "github:acme", "github", []string{"acme"}, true},
		{"with the provider, elsewhere", two, "github:acme", "gitlab", []string{"acme"}, false},
		{"exact where the provider is", two, "gitlab:Acme", "gitlab", []string{"acme"}, false},
		{"any provider", SubjectOptions{}, "acme", "x", []string{"acme"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := NewSubject("org", strings.Fields(tc.rule), tc.options)
			if err != nil {
				t.Fatal(err)
			}
			who := &session.Session{HasEvidence: true, Evidence: session.Evidence{Provider: tc.provider, Orgs: tc.orgs}}
			if got := s.Allows(who); got != tc.want {
				t.Errorf("%v", got)
			}
			who.HasEvidence = false
			if s.Allows(who) {
				t.Error("allows a session without evidence")
			}
		})
	}
	for _, tc := range []struct {
		options SubjectOptions
		rule    string
		want    string
	}{
		{two, "acme", "write 'github:acme'"},
		{two, "github:", "names no organization"},
		{one, "users:acme", "people belong to no organization"},
	} {
		if _, err := NewSubject("org", []string{tc.rule}, tc.options); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.rule, err)
		}
	}
}
