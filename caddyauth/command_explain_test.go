package caddyauth_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const explainedSite = `http://app.localhost:1234 {
	caddyauth {
		secret ` + secret + `
		provider dev
		public /docs/*
		private /docs/internal/*
		deny user mallory
		allow any
		allow /admin/* role admin
		step_up /admin/pay/* max_age 5m
		api /v1/* {
			cors https://www.example.com
		}
	}
	respond hello
}
`

// TestExplain checks what the command says about requests, and that it does not
// need a running Caddy.
func TestExplain(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	file := filepath.Join(c.home, "Caddyfile")
	if err := os.WriteFile(file, []byte(explainedSite), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(args ...string) []string { return append([]string{"auth", "explain", "--config", file}, args...) }
	const want = `GET http://app.localhost:1234/docs/..%2Fadmin/x
  site            app.localhost (Caddyfile:2)
  signed in       eve
  decision        forbid: it is answered with 403
  reason          not_allowed
  rule            allow /admin/* role admin
  reading         /docs/../admin/x
  reading         /docs/..%2Fadmin/x
  reading         /admin/x

  deny user mallory                         this request; not this person
  public /docs/*                            not every reading, as /docs/../admin/x /docs/..%2Fadmin/x
  private /docs/internal/*                  another request
  allow any                                 this request; this person
* allow /admin/* role admin                 this request, as /admin/x; not this person
  step_up /admin/pay/* max_age 5m0s         another request; met
  api /v1/* cors https://www.example.com    another request
`
	if got := c.ok(at("--user", "dev:eve", "--role", "staff", "http://app.localhost:1234/docs/..%2Fadmin/x")...); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for name, tc := range map[string]struct {
		args                 []string
		action, reason, mark string
	}{
		"nobody":    {[]string{"http://app.localhost:1234/x"}, "sign_in", "session_required", ""},
		"private":   {[]string{"app.localhost/docs/internal/x"}, "sign_in", "session_required", "private /docs/internal/*"},
		"public":    {[]string{"http://app.localhost/docs/x"}, "pass", "public", "public /docs/*"},
		"denied":    {[]string{"--user", "mallory", "http://app.localhost/x"}, "forbid", "denied", "deny user mallory"},
		"admin":     {[]string{"--user", "ada", "--role", "admin", "http://app.localhost/admin/x"}, "pass", "session", "allow any"},
		"old":       {[]string{"--user", "ada", "--role", "admin", "--signed-in", "10m", "http://app.localhost/admin/pay/x"}, "step_up", "step_up", "step_up /admin/pay/* max_age 5m0s"},
		"endpoint":  {[]string{"http://app.localhost/api/auth/signin"}, "endpoint", "endpoint", ""},
		"preflight": {[]string{"--method", "OPTIONS", "--header", "Origin: https://www.example.com", "--header", "Access-Control-Request-Method: PUT", "http://app.localhost/v1/x"}, "preflight", "preflight", "api /v1/* cors https://www.example.com"},
		"bad path":  {[]string{"http://app.localhost/x%00"}, "bad_request", "bad_path", ""},
		"claims":    {[]string{"--claims", `{"sub":"1","caddyauth":{"sid":"s","provider":"dev","login":"mallory"}}`, "http://app.localhost/x"}, "forbid", "denied", "deny user mallory"},
		"stranger":  {[]string{"--claims", `{"sub":"1","caddyauth":{"sid":"s","provider":"github","login":"x"}}`, "http://app.localhost/x"}, "sign_in", "session_invalid", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got struct {
				Action, Reason string
				Lines          []struct {
					Line    string
					Decides bool
				}
			}
			out := caddyCommand{t, c.home}.ok(at(append([]string{"--json"}, tc.args...)...)...)
			if err := json.Unmarshal([]byte(out), &got); err != nil || got.Action != tc.action || got.Reason != tc.reason {
				t.Errorf("%v: %s", err, out)
			}
			mark := ""
			for _, l := range got.Lines {
				if l.Decides && mark == "" {
					mark = l.Line
				}
			}
			if mark != tc.mark {
				t.Errorf("%q decides: %s", mark, out)
			}
		})
	}
	for want, args := range map[string][]string{
		"those that there are answer app.localhost": {"http://other.example/x"},
		"is no URL of http or https":                {"ftp://app.localhost/x"},
		"that is no JSON object":                    {"--claims", "{nothing", "http://app.localhost/x"},
		"describes somebody that --user names":      {"--role", "x", "http://app.localhost/x"},
		"write 'Name: value'":                       {"--header", "x", "http://app.localhost/x"},
		"no such line in the log":                   {"--log", file, "ABCDEFGH"},
	} {
		if code, _, stderr := c.run(at(args...)...); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%q: status %d, %s", args, code, stderr)
		}
	}
}

// TestExplainLog replays a refusal from the log of a running Caddy by the reference
// that the answer had.
func TestExplainLog(t *testing.T) {
	s := startWith(t, "", `http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		allow any
		allow /admin/* role admin
	}
	respond hello
}
`)
	a := bodyAt(t, s.Base+"/admin/x?code=hidden", signedIn(t, person("eve", map[string]any{"roles": []string{"staff"}})))
	var body struct{ Error, Reference string }
	if err := json.Unmarshal([]byte(a), &body); err != nil || body.Error != "AccessDenied" || len(body.Reference) != 8 {
		t.Fatalf("%v: %s", err, a)
	}
	log := s.logText()
	c := caddyCommand{t, t.TempDir()}
	config, text := filepath.Join(c.home, "Caddyfile"), filepath.Join(c.home, "log")
	for name, content := range map[string]string{config: strings.ReplaceAll(explainedSite, "app.localhost:1234", "localhost:"+s.Port), text: log} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := c.ok("auth", "explain", "--config", config, "--log", text, body.Reference)
	for _, want := range []string{
		"GET http://localhost:" + s.Port + "/admin/x\n", "reference       " + body.Reference, "reason          not_allowed",
		"* allow /admin/* role admin                 this request; not this person",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "the log says") || strings.Contains(got, "hidden") {
		t.Errorf("it differs from the log, or has the query:\n%s", got)
	}
}

// bodyAt is the body of the answer for somebody's script.
func bodyAt(t *testing.T, address, cookie string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cookie", cookie)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
