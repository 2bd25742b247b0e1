package callbacks

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
)

func ruleSessionOf() *session.Session {
	return &session.Session{
		User:        session.User{ID: "sub", Name: "Alice", Email: "alice@example.com", Image: "https://example.com/a.png"},
		HasEvidence: true,
		Evidence: session.Evidence{
			SID: "s1", Provider: "keycloak", Account: "42", Login: "alice", Verified: true, Domain: "example.com",
			Roles: []string{"staff"}, Groups: []string{"dev", "ops"}, Orgs: []string{"acme"}, AuthTime: 1_800_000_000, ACR: "gold",
		},
		Expires: time.Unix(1_800_003_600, 0),
		Claims:  `{"sub":"sub","plan":"pro","seats":5,"realm_access":{"roles":["a","b"]},"dotted.name":true}`,
	}
}

func TestRule(t *testing.T) {
	r := httptest.NewRequest("POST", "/a/b%20c?q=1&q=2&empty", nil)
	r.Host = "App.Example.com.:8443"
	r.Header.Set("X-Key", "k")
	r.Header.Set("Cookie", "secret=1")
	r.Header.Set("Authorization", "Bearer secret")
	in := RuleInput{Session: ruleSessionOf(), Request: r, RemoteIP: netip.MustParseAddr("::ffff:192.0.2.7")}
	for expr, want := range map[string]bool{
		`true`:            true,
		`user.id == "42"`: true,
		`user.login == "alice" && user.name == "Alice" && user.email == "alice@example.com" && user.provider == "keycloak"`: true,
		`user.image.startsWith("https://")`:                                    true,
		`"staff" in user.roles && "ops" in user.groups && "acme" in user.orgs`: true,
		`user.groups.exists(g, g.startsWith("op"))`:                            true,
		`size(user.roles) == 1 && user.roles[0] == "staff"`:                    true,
		`sets.intersects(user.groups, ["x", "dev"])`:                           true,
		`user.domain == "example.com" && user.verified`:                        true,
		`has(user.login) && user.?login.orValue("") == "alice"`:                true,
		`session.claims.plan in ["pro", "team"]`:                               true,
		`session.claims.seats >= 5`:                                            true,
		`"b" in session.claims.realm_access.roles`:                             true,
		`session.claims["dotted.name"]`:                                        true,
		`session.claims.?missing.orValue("x") == "x"`:                          true,
		`has(session.claims.missing)`:                                          false,
		`session.sid == "s1" && session.acr == "gold"`:                         true,
		`session.expires - session.auth_time == duration("1h")`:                true,
		`session.auth_time < timestamp("2030-01-01T00:00:00Z")`:                true,
		`request.method == "POST" && request.path == "/a/b c"`:                 true,
		`request.host == "app.example.com"`:                                    true,
		`request.query.q == "1" && request.query.empty == ""`:                  true,
		`request.headers["x-key"] == "k"`:                                      true,
		`"cookie" in request.headers || "authorization" in request.headers`:    false,
		`request.remote_ip == "192.0.2.7"`:                                     true,
		`user == user && size(user) == 11`:                                     true,
		`user.all(k, k != "password")`:                                         true,
		`dyn(user) == dyn({"id": "42"})`:                                       false,
		`[user, session][0].login == "alice"`:                                  true,
		`type(user) == map`:                                                    true,
	} {
		rule, err := CompileRule(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := rule.Eval(context.Background(), in); got != want || err != nil {
			t.Errorf("%s: %v, %v", expr, got, err)
		}
		if got := rule.ReadsRequest(); got != strings.Contains(expr, "request") {
			t.Errorf("%s: reads the request: %v", expr, got)
		}
	}
}

func TestRuleReadsLists(t *testing.T) {
	for expr, want := range map[string]bool{
		`user.login == "ada"`: false,
		`user["login"] == "ada" && user[?"email"].hasValue()`:      false,
		`session.claims.username == "user.roles"`:                  false, // words of another meaning
		`session.acr == "caddyauth" && "caddyauth" in ["user"]`:    false,
		`session.claims.?plan.orValue("") == "pro"`:                false,
		`session.claims["https://example.com/roles"] == ["a"]`:     false,
		`request.path.startsWith("/users/")`:                       false,
		`"staff" in user.roles`:                                    true,
		`"staff" in user["groups"]`:                                true,
		`user.orgs.exists(o, o == "acme")`:                         true,
		`user.?roles.hasValue()`:                                   true,
		`has(user.groups)`:                                         true,
		`user["or" + "gs"].size() > 0`:                             true,
		`user.exists(k, k == "x")`:                                 true,
		`session.claims.caddyauth.groups == ["a"]`:                 true,
		`session.claims[?"caddyauth"].hasValue()`:                  true,
		`session.claims["caddy" + "auth"].roles.size() > 0`:        true,
		`session["cla" + "ims"].x == 1`:                            true,
		`[session.claims].exists(c, c["caddyauth"].orgs == ["a"])`: true,
		`[user].all(u, u.login == "ada")`:                          true,
		`session.claims == {"x": 1}`:                               true,
	} {
		rule, err := CompileRule(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := rule.ReadsLists(); got != want {
			t.Errorf("%s: %v", expr, got)
		}
	}
}

// TestRuleErrors: what fails, in which words, and is false.
func TestRuleErrors(t *testing.T) {
	for expr, want := range map[string]string{
		`session.claims.missing == "x"`:                            "no such key: missing (what may be absent is written .?name)",
		`session.claims.plan > 5`:                                  "no such overload",
		`user.login`:                                               "must be a bool, not string",
		`user.roles[3] == "x"`:                                     "index out of bounds",
		`request.path == "/"`:                                      "there is no request",
		`user.email.matches(user.login + "(")`:                     "error parsing regexp",
		`lists.range(10000).map(x, lists.range(10000)).size() > 0`: "cost limit",
	} {
		rule, err := CompileRule(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got, err := rule.Eval(context.Background(), RuleInput{Session: ruleSessionOf()})
		if got || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", expr, got, err, want)
		}
	}
	rule, err := CompileRule(`lists.range(1000).all(x, lists.range(90).all(y, y >= 0))`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if ok, err := rule.Eval(ctx, RuleInput{Session: ruleSessionOf()}); ok || err == nil {
		t.Errorf("a request that was given up: %v, %v", ok, err)
	}
}

// TestRuleMistakes are those that only rules have; the others are those of
// callbacks.
func TestRuleMistakes(t *testing.T) {
	for expr, want := range map[string]string{
		`user.group == "x"`:             "user has no 'group', did you mean 'user.groups'?",
		`user.isAdmin`:                  "user has no 'isAdmin'",
		`session.exp > 5`:               "session has no 'exp', did you mean 'session.expires'?",
		`session.?sidd.orValue("")==""`: "session has no 'sidd', did you mean 'sid'?",
		`claims.plan == "pro"`:          "unrecognized name 'claims', did you mean 'session.claims'?",
		`account.provider == "x"`:       "unrecognized name 'account'",
		`now > session.expires`:         "unrecognized name 'now', the time is not known here",
		`size(user.roles)`:              "must be a bool, not int",
		`optional.of(true)`:             "must be a bool, not optional(bool): add .orValue(...)",
		`user.verified and true`:        "'and' is && in CEL",
		`"a".matches("(")`:              "error parsing regexp",
	} {
		_, err := CompileRule(expr)
		var mistake *CompileError
		if !errors.As(err, &mistake) || !strings.Contains(mistake.Message, want) || !strings.HasPrefix(err.Error(), "expr") {
			t.Errorf("%s\n got %v\nwant %s", expr, err, want)
		}
	}
	// Neither language has the other's variables.
	if err := Check(SignIn, Step{Expr: `session.claims.x == 1 && user.nope == ""`}); err != nil {
		t.Errorf("a callback: %v", err)
	}
}

func BenchmarkRule(b *testing.B) {
	for name, expr := range map[string]string{
		"user":    `user.domain == "example.com" && "dev" in user.groups`,
		"claims":  `session.claims.plan == "pro"`,
		"request": `request.method == "GET"`,
	} {
		b.Run(name, func(b *testing.B) {
			rule, err := CompileRule(expr)
			if err != nil {
				b.Fatal(err)
			}
			in := RuleInput{Session: ruleSessionOf(), Request: httptest.NewRequest("GET", "/", nil)}
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := rule.Eval(context.Background(), in); !ok {
					b.Fatal(err)
				}
			}
		})
	}
}
