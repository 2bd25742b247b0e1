package gate

import (
	"strings"
	"testing"
)

func TestClaimSubject(t *testing.T) {
	const claims = `{"plan":"pro","seats":5,"price":1.50,"beta":true,"off":false,"none":null,"empty":"",` +
		`"list":["a",7,true,null,{"name":"in"},["deep"]],"realm_access":{"roles":["admin"]},` +
		`"resource_access":{"my.app":{"roles":["editor"]}},"https://example.com/tier":"gold","obj":{"x":"y"},` +
		`"twice":"first","twice":"second","Plan":"other","caddyauth":{"groups":["dev"]}}`
	s := alice()
	s.Claims = claims
	for line, want := range map[string]bool{
		"plan pro":                            true,
		"plan free pro":                       true,
		"plan Pro":                            false,
		"plan pr":                             false,
		"PLAN pro":                            false,
		"Plan other":                          true,
		"seats 5":                             true,
		"seats 5.0":                           false,
		"price 1.50":                          true,
		"price 1.5":                           false,
		"beta true":                           true,
		"off false":                           true,
		"off true":                            false,
		"none null":                           false,
		"missing null":                        false,
		"list a":                              true,
		"list 7":                              true,
		"list true":                           true,
		"list null":                           false,
		"list in":                             false,
		"list deep":                           false,
		"list.name in":                        false,
		`list ["a"]`:                          false,
		"realm_access.roles admin":            true,
		"realm_access admin":                  false,
		"resource_access.my.app.roles editor": true,
		"resource_access.my.roles editor":     false,
		"https://example.com/tier gold":       true,
		`obj {"x":"y"}`:                       false,
		"obj.x y":                             true,
		"twice second":                        true,
		"twice first":                         false,
		"caddyauth.groups dev":                true,
	} {
		if got := subject(t, "claim "+line).Allows(s); got != want {
			t.Errorf("claim %s: %v, want %v", line, got, want)
		}
	}
	for _, words := range [][]string{nil, {"plan"}, {"plan", ""}, {"", "pro"}, {" plan", "pro"}} {
		if _, err := NewSubject("claim", words, SubjectOptions{}); err == nil {
			t.Errorf("claim %q was accepted", words)
		}
	}
}

// TestClaimWithoutEvidence: what NextAuth sealed by itself admits nobody, and is
// still enough to refuse.
func TestClaimWithoutEvidence(t *testing.T) {
	s := plainToken()
	s.Claims = `{"sub":"7","plan":"free"}`
	for _, test := range []struct {
		lines string
		want  Action
	}{
		{"allow claim plan free", Forbid},
		{"allow claim plan free\nallow any", Pass},
		{"deny claim plan free", Forbid},
		{"deny claim plan pro", Pass},
	} {
		p := policy(t, strings.Split(test.lines, "\n")...)
		if d := p.Decide(get(t, "/"), nil, signedIn(s)); d.Action != test.want {
			t.Errorf("%q: %v", test.lines, d.Action)
		}
		if p.SignIn(s) != (test.want == Pass) {
			t.Errorf("%q: at sign-in", test.lines)
		}
	}
}

func BenchmarkClaimSubject(b *testing.B) {
	s := alice()
	s.Claims = `{"sub":"42","name":"Alice","email":"alice@example.com","realm_access":{"roles":["a","b","admin"]},"exp":1}`
	subject := subject(b, "claim realm_access.roles admin")
	b.ReportAllocs()
	for b.Loop() {
		if !subject.Allows(s) {
			b.Fatal("refused")
		}
	}
}
