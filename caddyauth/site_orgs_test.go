package caddyauth

import (
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func TestNeededOrgs(t *testing.T) {
	s := &site{ruled: make(map[ruledValue]bool), config: &Config{Providers: []*Provider{{Config: provider.Config{Preset: "github"}}}}}
	r := &Rule{Subject: "org", Values: []string{"Acme", "github:Other/Team"}}
	s.ruleOrgs(r, r.Values)
	for value, want := range map[string]bool{"acme": true, "ACME": true, "other/team": true, "Other/Team": true, "other": false, "x": false} {
		if got := s.needed("orgs", value); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
	if s.needed("groups", "acme") {
		t.Error("a group of that name")
	}
}

func TestAsksOrgs(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config Config
		want   bool
	}{
		{"nothing", Config{}, false},
		{"allow", Config{Allow: []*Rule{{Subject: "org", Values: []string{"acme"}}}}, true},
		{"deny", Config{Deny: []*Rule{{Subject: "org", Values: []string{"acme"}}}}, true},
		{"a group", Config{Allow: []*Rule{{Subject: "group", Values: []string{"orgs"}}}}, false},
		{"an expression", Config{Allow: []*Rule{{Subject: "expr", Values: []string{"'acme' in user.orgs"}}}}, true},
		{"a header", Config{Headers: &Headers{Set: []HeaderValue{{Name: "X-Orgs", Value: "caddyauth.orgs"}}}}, true},
	} {
		if got := (&site{config: &tc.config}).asksOrgs(); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
