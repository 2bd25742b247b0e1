package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// orgSubject means the members of organizations, each of one provider: at some
// of them anybody can found an organization of any name.
type orgSubject struct {
	orgs []org
	fold func(provider string) bool
}

type org struct {
	// provider is empty where any will do.
	provider string
	name     string
}

func newOrgSubject(values []string, options SubjectOptions) (Subject, error) {
	o := orgSubject{fold: options.FoldLogin}
	for _, v := range values {
		id, name := OrgOf(v, options.Providers)
		switch {
		case name == "":
			return nil, fmt.Errorf("org: %q names no organization", v)
		case options.OrgProviders == nil:
		case id == "" && len(options.OrgProviders) == 1:
			id = options.OrgProviders[0]
		case id == "":
			return nil, fmt.Errorf("org: with several providers that have organizations, write '%s:%s'", options.OrgProviders[0], v)
		case !slices.Contains(options.OrgProviders, id):
			return nil, fmt.Errorf("org: %q can admit nobody: at provider %s, people belong to no organization", v, id)
		}
		o.orgs = append(o.orgs, org{id, name})
	}
	return o, nil
}

// OrgOf splits the value of a rule by organization, which may begin with the id
// of one of the providers and a colon.
func OrgOf(value string, providers []string) (provider, name string) {
	if id, name, ok := strings.Cut(value, ":"); ok && slices.Contains(providers, id) {
		return id, name
	}
	return "", value
}

// Allows compares exactly, or without regard to the case of ASCII letters where
// the provider does so.
func (o orgSubject) Allows(s *session.Session) bool {
	if !s.HasEvidence || len(s.Evidence.Orgs) == 0 {
		return false
	}
	e := &s.Evidence
	fold := o.fold != nil && o.fold(e.Provider)
	for i := range o.orgs {
		want := &o.orgs[i]
		if want.provider != "" && want.provider != e.Provider {
			continue
		}
		for _, have := range e.Orgs {
			if have == want.name || fold && equalFoldASCII(have, want.name) {
				return true
			}
		}
	}
	return false
}
