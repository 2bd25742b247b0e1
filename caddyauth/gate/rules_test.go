package gate

import (
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

func TestSubjects(t *testing.T) {
	with := func(change func(*session.Session)) *session.Session {
		s := alice()
		change(s)
		return s
	}
	address := func(email string) *session.Session {
		return &session.Session{User: session.User{ID: "7", Email: email}}
	}
	github := func(login, account string) *session.Session {
		return with(func(s *session.Session) {
			s.Evidence.Provider, s.Evidence.Login, s.Evidence.Account = "github", login, account
		})
	}
	two := []string{"github", "keycloak"}
	for _, test := range []struct {
		name, words string
		providers   []string
		s           *session.Session
		want        bool
	}{
		{"any", "any", nil, alice(), true},
		{"any, NextAuth's own token", "any", nil, plainToken(), true},

		{"user by login", "user alice", nil, alice(), true},
		{"user by account", "user 42", nil, alice(), true},
		{"one of several", "user bob carol alice", nil, alice(), true},
		{"nobody of several", "user bob carol", nil, alice(), false},
		{"login in another case", "user Alice", nil, alice(), false},
		{"login in another case at GitHub", "user OctoCat", nil, github("octocat", "583231"), true},
		{"user by e-mail address", "user alice@example.com", nil, alice(), false},
		{"user by name", "user Alice", nil, alice(), false},
		{"user without evidence", "user 7", nil, plainToken(), false},
		{"user with the provider", "user keycloak:alice", two, alice(), true},
		{"user with another provider", "user github:alice", two, alice(), false},
		{"account with the provider", "user keycloak:42", two, alice(), true},
		{"user with the only provider", "user keycloak:alice", two[1:], alice(), true},
		{"colon in an account's id", "user oidc:x", nil, github("", "oidc:x"), true},
		{"a login that is somebody's number", "user 583231", nil, github("583231", "999"), false},
		{"the number itself", "user 583231", nil, github("octocat", "583231"), true},
		{"a login of digits where accounts are not numbered", "user 1234", nil, github("1234", "x-y"), true},
		{"no login", "user x", nil, github("", ""), false},

		{"email", "email alice@example.com", nil, alice(), true},
		{"email in another case", "email Alice@EXAMPLE.com", nil, alice(), true},
		{"email that nobody vouches for", "email alice@example.com", nil, with(func(s *session.Session) { s.Evidence.Verified = false }), false},
		{"email, NextAuth's own token", "email bob@example.com", nil, plainToken(), true},
		{"email with a Kelvin sign", "email k@example.com", nil, address("\u212a@example.com"), false},
		{"email absent", "email alice@example.com", nil, address(""), false},
		{"email with an apostrophe", "email o'brien@example.com", nil, address("O'Brien@example.com"), true},

		{"domain", "domain example.com", nil, alice(), true},
		{"domain in another case", "domain Example.COM", nil, alice(), true},
		{"one of several domains", "domain example.org example.com", nil, alice(), true},
		{"domain of the address counts for nothing beside evidence", "domain example.com", nil, with(func(s *session.Session) { s.Evidence.Domain = "" }), false},
		{"subdomain", "domain example.com", nil, with(func(s *session.Session) { s.Evidence.Domain = "a.example.com" }), false},
		{"parent domain", "domain a.example.com", nil, alice(), false},
		{"suffix", "domain example.com", nil, with(func(s *session.Session) { s.Evidence.Domain = "badexample.com" }), false},
		{"domain, NextAuth's own token", "domain example.com", nil, plainToken(), true},
		{"IDENT-05 two at signs", "domain company.com", nil, address("attacker@evil.com@company.com"), false},
		{"IDENT-05 longer domain", "domain company.com", nil, address("a@company.com.evil"), false},
		{"IDENT-05 upper case", "domain company.com", nil, address("a@COMPANY.com"), true},
		{"IDENT-05 full-width at sign", "domain company.com", nil, address("a\uff20evil.com@company.com"), false},
		{"IDENT-05 only a full-width at sign", "domain company.com", nil, address("a\uff20company.com"), false},
		{"IDENT-05 quotes", "domain company.com", nil, address(`"a@evil.com"@company.com`), false},
		{"IDENT-05 display name", "domain company.com", nil, address("A <a@company.com>"), false},
		{"IDENT-05 list", "domain company.com", nil, address("x,a@company.com"), false},
		{"IDENT-05 nothing before the at sign", "domain company.com", nil, address("@company.com"), false},
		{"IDENT-05 no address", "domain company.com", nil, address("company.com"), false},

		{"role", "role staff", nil, alice(), true},
		{"role in another case", "role Staff", nil, alice(), false},
		{"role is no group", "role dev", nil, alice(), false},
		{"role without evidence", "role staff", nil, plainToken(), false},
		{"group", "group ops dev", nil, alice(), true},
		{"group is no role", "group staff", nil, alice(), false},
		{"group with a slash", "group /staff", nil, with(func(s *session.Session) { s.Evidence.Groups = []string{"/staff"} }), true},
		{"org", "org acme", nil, alice(), true},
		{"org is no group", "org dev", nil, alice(), false},
		{"evidence that is not there", "role staff", nil, with(func(s *session.Session) { s.HasEvidence = false }), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := subject(t, test.words, test.providers...).Allows(test.s); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestNewSubjectRefuses(t *testing.T) {
	two := SubjectOptions{Providers: []string{"github", "google"}}
	for _, test := range []struct {
		kind    string
		values  []string
		options SubjectOptions
		want    string // in the error
	}{
		{"any", []string{"x"}, two, "takes no value"},
		{"user", nil, two, "no value"},
		{"user", []string{"octocat"}, two, "'github:octocat'"},
		{"user", []string{"gitlab:octocat"}, two, "'github:gitlab:octocat'"},
		{"user", []string{"github:"}, two, "names nobody"},
		{"user", []string{""}, SubjectOptions{}, "empty"},
		{"email", []string{"*@example.com"}, two, "'domain example.com'"},
		{"email", []string{"example.com"}, two, "no address"},
		{"email", []string{"a@b@c"}, two, "no address"},
		{"domain", []string{"@example.com"}, two, "'example.com'"},
		{"domain", []string{"*.example.com"}, two, "'example.com'"},
		{"domain", []string{".example.com"}, two, "'example.com'"},
		{"role", []string{" admin"}, two, "spaces"},
		{"team", []string{"x"}, two, "unrecognized"},
	} {
		_, err := NewSubject(test.kind, test.values, test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: %v", test.kind, test.values, err)
		}
	}
}

func TestNewSubjectKeepsNothingOfItsArguments(t *testing.T) {
	values := []string{"Example.com"}
	s, err := NewSubject("domain", values, SubjectOptions{})
	if err != nil || values[0] != "Example.com" {
		t.Fatal(values, err)
	}
	values[0] = "evil.com"
	if !s.Allows(alice()) {
		t.Error("the caller's slice is the rule's")
	}
}

// A name without a provider is one at the provider that the site has, whoever
// else may sign somebody in: whoever registers a passkey with an application of
// Auth.js chooses its account's id.
func TestUserOfTheOnlyProvider(t *testing.T) {
	subject, err := NewSubject("user", []string{"carol"}, SubjectOptions{Providers: []string{"credentials"}})
	if err != nil {
		t.Fatal(err)
	}
	for provider, want := range map[string]bool{"credentials": true, "passkey": false} {
		s := &session.Session{HasEvidence: true, Evidence: session.Evidence{Provider: provider, Account: "carol"}}
		if got := subject.Allows(s); got != want {
			t.Errorf("%s: %v, want %v", provider, got, want)
		}
	}
}
