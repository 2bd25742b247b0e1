package gate_test

import (
	"net/http/httptest"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// Whoever is denied for being in a group, a role or an organization is denied with a
// passkey, too, which their provider is not asked about.
func TestIDENTPasskeyIsDenied(t *testing.T) {
	evidence := session.Evidence{SID: "s", Provider: "op", Account: "1", Roles: []string{"banned"}, Groups: []string{"contractors"}, Orgs: []string{"rivals"}}
	raw, err := (&session.Session{User: session.User{ID: "1"}, Evidence: evidence, HasEvidence: true}).PasskeyEvidence()
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := session.OpenEvidence(raw)
	if err != nil {
		t.Fatal(err)
	}
	kept.Method = session.MethodPasskey
	s := &session.Session{User: session.User{ID: "1"}, Evidence: kept, HasEvidence: true}
	for kind, value := range map[string]string{"role": "banned", "group": "contractors", "org": "rivals"} {
		for _, scope := range []string{"", "/x/*"} {
			subject, err := gate.NewSubject(kind, []string{value}, gate.SubjectOptions{Providers: []string{"op"}, OrgProviders: []string{"op"}})
			if err != nil {
				t.Fatal(err)
			}
			rule := gate.Rule{Scope: scope, Subject: subject, Line: kind}
			if scope != "" {
				rule.Matcher, _ = gate.NewPathMatcher(scope)
			}
			p := &gate.Policy{Deny: []gate.Rule{rule}}
			if err := p.Compile(); err != nil {
				t.Fatal(err)
			}
			d := p.Decide(httptest.NewRequest("GET", "/x/y", nil), nil, func() (*session.Session, error) { return s, nil })
			if d.Action != gate.Forbid || d.Reason != gate.ReasonDenied {
				t.Errorf("deny %s %s: %v, %s", scope, kind, d.Action, d.Reason)
			}
			if scope == "" && p.SignIn(s) {
				t.Errorf("deny %s: may sign in", kind)
			}
		}
	}
}
