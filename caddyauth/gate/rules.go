package gate

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// Subject is whom a rule means.
type Subject interface {
	// Allows says whether the rule means the person of s, which is not nil.
	Allows(s *session.Session) bool
}

// SubjectOptions is what subjects need to know of the site.
type SubjectOptions struct {
	// Providers are the ids of the site's providers. With two or more of them,
	// a user must be written with the provider's id: github:octocat.
	Providers []string
	// Also are further ids that a user may be written with.
	Also []string
	// OrgProviders are those whose people can belong to organizations. With two or
	// more of them, an organization must be written with the provider's id. Nil
	// means that any provider's organizations count.
	OrgProviders []string
	// FoldLogin tells whether logins of that provider are the same in any
	// case, as GitHub's are. Nil means that none are.
	FoldLogin func(provider string) bool
}

// Any means everybody who is signed in; as a deny, everybody.
var Any Subject = anySubject{}

type anySubject struct{}

func (anySubject) Allows(*session.Session) bool { return true }

// NewSubject compiles the words of a rule after its matcher. Several values
// are alternatives. The kinds are any, user, email, domain, role, group,
// org and claim, whose first value is the path of the claim.
func NewSubject(kind string, values []string, options SubjectOptions) (Subject, error) {
	if kind == "any" {
		if len(values) > 0 {
			return nil, fmt.Errorf("any takes no value, got %q", values[0])
		}
		return Any, nil
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s: no value", kind)
	}
	for _, v := range values {
		if v == "" || strings.TrimSpace(v) != v {
			return nil, fmt.Errorf("%s: %q is empty or has spaces around it", kind, v)
		}
	}
	values = slices.Clone(values)
	switch kind {
	case "user":
		return newUserSubject(values, options)
	case "email":
		return newEmailSubject(values)
	case "domain":
		return newDomainSubject(values)
	case "role":
		return listSubject{values, func(e *session.Evidence) []string { return e.Roles }}, nil
	case "group":
		return listSubject{values, func(e *session.Evidence) []string { return e.Groups }}, nil
	case "claim":
		return newClaimSubject(values)
	case "org":
		return newOrgSubject(values, options)
	}
	return nil, fmt.Errorf("unrecognized subject '%s': use any, user, email, domain, role, group, org or claim", kind)
}

// listSubject means those who have one of the values, spelled exactly so.
type listSubject struct {
	values []string
	of     func(*session.Evidence) []string
}

func (l listSubject) Allows(s *session.Session) bool {
	if !s.HasEvidence {
		return false
	}
	for _, have := range l.of(&s.Evidence) {
		for _, want := range l.values {
			if have == want {
				return true
			}
		}
	}
	return false
}

// userSubject means accounts by their login or id at the provider.
type userSubject struct {
	users []user
	fold  func(provider string) bool
}

type user struct {
	// provider is empty on a site with one provider.
	provider string
	name     string
	number   bool
}

func newUserSubject(values []string, options SubjectOptions) (Subject, error) {
	u := userSubject{fold: options.FoldLogin}
	for _, v := range values {
		id, name, ok := strings.Cut(v, ":")
		if !ok || !slices.Contains(options.Providers, id) && !slices.Contains(options.Also, id) {
			// A colon may well be part of an account's id.
			id, name = "", v
		}
		if name == "" {
			return nil, fmt.Errorf("user: %q names nobody", v)
		}
		if id == "" && len(options.Providers) > 1 {
			return nil, fmt.Errorf("user: with several providers, write '%s:%s'", options.Providers[0], v)
		}
		if id == "" && len(options.Providers) == 1 {
			id = options.Providers[0] // nobody else's account of that name
		}
		u.users = append(u.users, user{id, name, isNumber(name)})
	}
	return u, nil
}

func (u userSubject) Allows(s *session.Session) bool {
	if !s.HasEvidence {
		return false
	}
	e := &s.Evidence
	for i := range u.users {
		want := &u.users[i]
		if want.provider != "" && want.provider != e.Provider {
			continue
		}
		if want.name == e.Account {
			return true
		}
		// Where accounts are numbered, a number is an account: anybody may
		// choose somebody else's number for a login.
		if e.Login == "" || want.number && isNumber(e.Account) {
			continue
		}
		if want.name == e.Login || u.fold != nil && u.fold(e.Provider) && equalFoldASCII(want.name, e.Login) {
			return true
		}
	}
	return false
}

func isNumber(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// emailSubject means e-mail addresses that the provider vouches for.
type emailSubject []string

func newEmailSubject(values []string) (Subject, error) {
	for _, v := range values {
		switch {
		case strings.ContainsAny(v, "*?"):
			_, domain, _ := strings.Cut(v, "@")
			return nil, fmt.Errorf("email: %q is a pattern, did you mean 'domain %s'?", v, domain)
		case emailDomain(v) == "":
			return nil, fmt.Errorf("email: %q is no address", v)
		}
	}
	return emailSubject(values), nil
}

// Allows compares without regard to the case of ASCII letters. Other letters
// must be the same: Unicode's folding makes one of what mail servers tell
// apart, such as k and the Kelvin sign.
func (m emailSubject) Allows(s *session.Session) bool {
	if s.HasEvidence && !s.Evidence.Verified {
		return false
	}
	for _, want := range m {
		if equalFoldASCII(want, s.User.Email) {
			return true
		}
	}
	return false
}

// domainSubject means everybody of a domain. It does not mean subdomains.
type domainSubject []string

func newDomainSubject(values []string) (Subject, error) {
	for i, v := range values {
		if strings.ContainsAny(v, "@*/: ") || strings.HasPrefix(v, ".") {
			return nil, fmt.Errorf("domain: write %q as 'example.com'; subdomains are domains of their own", v)
		}
		values[i] = strings.ToLower(v)
	}
	return domainSubject(values), nil
}

// Allows asks the evidence for the domain, which the provider vouches for. A
// token that NextAuth made has none: there it is the address that counts.
func (d domainSubject) Allows(s *session.Session) bool {
	have := s.Evidence.Domain
	if !s.HasEvidence {
		have = emailDomain(s.User.Email)
	}
	if have == "" {
		return false
	}
	for _, want := range d {
		if equalFoldASCII(want, have) {
			return true
		}
	}
	return false
}

// emailDomain returns the domain of an address that no mail server takes for
// another: one @, also after compatibility normalization (which makes an @ of
// U+FF20), and none of the characters of quoted names, comments and lists.
func emailDomain(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || strings.ContainsAny(address, "\"<>()[]:;,\\ \t\r\n\x00") {
		return ""
	}
	if strings.Count(norm.NFKC.String(address), "@") != 1 {
		return ""
	}
	return domain
}

// equalFoldASCII compares without regard to the case of ASCII letters.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
			return false
		}
	}
	return true
}
