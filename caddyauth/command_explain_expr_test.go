package caddyauth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExplainLogOfExpressions replays refusals of expressions: what these read is in
// the log or, where it may be a secret, asked for. Each refuses for the value alone, so
// that the replay is another decision if the value is lost.
func TestExplainLogOfExpressions(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		allow any
		allow /method/* expr `+"`request.method != 'POST' || request.host != 'localhost' || request.path != '/method/x' || request.remote_ip != '127.0.0.1'`"+`
		allow /name/* expr `+"`user.name != 'Name of eve'`"+`
		allow /mail/* expr `+"`user.email != 'eve@example.com'`"+`
		allow /image/* expr `+"`user.image != 'https://example.com/eve.png'`"+`
		allow /acr/* expr `+"`session.acr != 'silver'`"+`
		allow /time/* expr `+"`session.auth_time < timestamp('2020-01-01T00:00:00Z')`"+`
		allow /field/* expr `+"`request.headers[?'x-key'].orValue('') != 'k' || request.query.?q.orValue('') != '2'`"+`
		deny /field/* expr `+"`request.headers[?'x-key'].orValue('') == 'bad'`"+`
		allow /plan/* expr `+"`session.claims.plan == 'pro'`"+`
		deny /unsafe/* expr `+"`request.method != 'GET'`"+`
	}
	respond here
}
`)
	eve := person("eve", map[string]any{"acr": "silver"})
	eve["plan"], eve["picture"] = "hidden-claim", "https://example.com/eve.png"
	cookie := "Cookie: " + signedIn(t, eve)
	c := caddyCommand{t, t.TempDir()}
	config, log := filepath.Join(c.home, "Caddyfile"), filepath.Join(c.home, "log")
	const note = "of which nothing is known"
	for _, tc := range []struct {
		name, line string
		header     string
		rule       string
		args       []string // of explain
		missing    string   // in the note; none if empty
		differs    bool
	}{
		{"what the log has of the request", "POST /method/x", "X-No: 1", "allow /method/* expr", nil, "", false},
		{"the method of a deny", "DELETE /unsafe/x", "X-No: 1", "deny /unsafe/* expr", nil, "", false},
		{"the name", "GET /name/x", "X-No: 1", "allow /name/* expr", nil, "", false},
		{"the address", "GET /mail/x", "X-No: 1", "allow /mail/* expr", nil, "", false},
		{"the image", "GET /image/x", "X-No: 1", "allow /image/* expr", nil, "", false},
		{"how they signed in", "GET /acr/x", "X-No: 1", "allow /acr/* expr", nil, "", false},
		{"when they signed in", "GET /time/x", "X-No: 1", "allow /time/* expr", nil, "", false},
		{"a field and the query", "GET /field/x?q=2&code=hidden-code", "X-Key: k", "allow /field/* expr", nil, "reads request.headers and request.query, " + note + ": add --header and --query", true},
		{"a field and the query, given", "GET /field/x?q=2&code=hidden-code", "X-Key: k", "allow /field/* expr", []string{"--query", "q=2", "--header", "X-Key: k"}, "", false},
		{"a field, and not the query", "GET /field/x?q=2", "X-Key: bad", "deny /field/* expr", []string{"--header", "X-Key: bad"}, "reads request.query, " + note + ": add --query", false},
		{"a denied field, not given", "GET /field/x?q=2", "X-Key: bad", "deny /field/* expr", nil, "reads request.headers, " + note + ": add --header", true},
		{"a claim", "GET /plan/x", "X-No: 1", "allow /plan/* expr", nil, "reads session.claims, " + note + ": add --claims", false},
		{"a claim, given", "GET /plan/x", "X-No: 1", "allow /plan/* expr", []string{"--claims", `{"sub":"eve","plan":"free","caddyauth":{"sid":"s","provider":"dev","login":"eve"}}`}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := s.ask(tc.line, cookie, tc.header, "Accept: application/json")
			var body struct{ Error, Reference string }
			if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Error != "AccessDenied" {
				t.Fatalf("%v: %s %s", err, a.Status, a.body)
			}
			text := s.logText()
			if strings.Contains(text, "hidden-claim") || strings.Contains(text, "hidden-code") {
				t.Error("LEAK-02 the log has what may be a secret")
			}
			written := s.config
			for name, content := range map[string]string{config: written, log: text} {
				if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := caddyCommand{t, c.home}
			got := c.ok(append(append([]string{"auth", "explain", "--config", config, "--log", log}, tc.args...), body.Reference)...)
			if differs := strings.Contains(got, "the log says"); differs != tc.differs {
				t.Errorf("differs from the log: %v\n%s", differs, got)
			}
			if !tc.differs && !strings.Contains(got, "\n  rule            "+tc.rule) {
				t.Errorf("not decided by %s:\n%s", tc.rule, got)
			}
			if tc.missing == "" && strings.Contains(got, note) || !strings.Contains(got, tc.missing) {
				t.Errorf("no %q, or a note too many:\n%s", tc.missing, got)
			}
		})
	}
	if code, _, stderr := c.run("auth", "explain", "--config", config, "--query", "a", "http://localhost/x"); code == 0 || !strings.Contains(stderr, "the URL has the query") {
		t.Errorf("status %d, %s", code, stderr)
	}
}
