package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// paths compiles patterns.
func paths(t testing.TB, patterns ...string) *PathMatcher {
	t.Helper()
	m, err := NewPathMatcher(patterns...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// get makes a request as the server does, from a request line.
func get(t testing.TB, target string) *http.Request {
	t.Helper()
	return httptest.NewRequest(http.MethodGet, target, nil)
}

// alice is a session with evidence of every kind.
func alice() *session.Session {
	return &session.Session{
		User:        session.User{ID: "42", Name: "Alice", Email: "alice@example.com"},
		HasEvidence: true,
		Evidence: session.Evidence{
			SID: "s1", Provider: "keycloak", Account: "42", Login: "alice", Verified: true, Domain: "example.com",
			Roles: []string{"staff"}, Groups: []string{"dev"}, Orgs: []string{"acme"},
		},
		Claims: `{"sub":"42","name":"Alice"}`,
	}
}

// plainToken is a session that NextAuth itself has made.
func plainToken() *session.Session {
	return &session.Session{User: session.User{ID: "7", Name: "Bob", Email: "bob@example.com"}}
}

func signedIn(s *session.Session) func() (*session.Session, error) {
	return func() (*session.Session, error) { return s, nil }
}

func failing(err error) func() (*session.Session, error) {
	return func() (*session.Session, error) { return nil, err }
}

func anonymous() (*session.Session, error) { return nil, session.ErrNone }

func subject(t testing.TB, words string, providers ...string) Subject {
	t.Helper()
	w := strings.Fields(words)
	s, err := NewSubject(w[0], w[1:], SubjectOptions{
		Providers: providers,
		FoldLogin: func(provider string) bool { return provider == "github" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rule parses "[/path] kind value...".
func rule(t testing.TB, line string) Rule {
	t.Helper()
	r := Rule{Line: line}
	if first, rest, _ := strings.Cut(line, " "); strings.HasPrefix(first, "/") || strings.HasPrefix(first, "*") {
		r.Scope, r.Matcher, line = first, paths(t, first), rest
	}
	r.Subject = subject(t, line)
	return r
}

// policy makes a Policy of lines such as a Caddyfile has.
func policy(t testing.TB, lines ...string) *Policy {
	t.Helper()
	p := new(Policy)
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		var m Matcher
		if rest != "" && (word == "public" || word == "private" || word == "scope") {
			m = paths(t, strings.Fields(rest)...)
		}
		switch word {
		case "scope":
			p.Scope = m
		case "public":
			p.Public = append(p.Public, m)
		case "private":
			p.Private = append(p.Private, m)
		case "allow":
			p.Allow = append(p.Allow, rule(t, rest))
		case "deny":
			p.Deny = append(p.Deny, rule(t, rest))
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

// matcherFunc is a named matcher.
type matcherFunc func(*http.Request) (bool, error)

func (f matcherFunc) MatchWithError(r *http.Request) (bool, error) { return f(r) }
