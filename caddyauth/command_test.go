package caddyauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// caddyCommand is the command caddy with its homes in a folder of its own.
type caddyCommand struct {
	t    testing.TB
	home string
}

func (c caddyCommand) command(args ...string) *exec.Cmd {
	c.t.Helper()
	program, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), program, args...)
	cmd.Dir = c.home
	cmd.Env = append(os.Environ(), asCaddy+"=1", "XDG_DATA_HOME="+c.home, "XDG_CONFIG_HOME="+c.home, "TZ=UTC")
	return cmd
}

// run runs it to its end.
func (c caddyCommand) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	cmd := c.command(args...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), problems.String()
}

// ok is run for what must work.
func (c caddyCommand) ok(args ...string) string {
	c.t.Helper()
	code, stdout, stderr := c.run(args...)
	if code != 0 {
		c.t.Fatalf("caddy %s: status %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// serve runs Caddy with a Caddyfile until the test ends.
func (c caddyCommand) serve(config, address string) {
	c.t.Helper()
	file := filepath.Join(c.home, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		c.t.Fatal(err)
	}
	cmd := c.command("run", "--config", file)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if c.t.Failed() {
			c.t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/api/auth/providers"); err == nil {
			resp.Body.Close()
			return
		}
	}
	c.t.Fatal("Caddy does not come up")
}

// TestCommand runs a Caddy in a process of its own and administers it with the
// command.
func TestCommand(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	port, address := testport.Free(t), "127.0.0.1:"+testport.Free(t)
	config := "{\nadmin " + address + "\nskip_install_trust\npersist_config off\n}\n" +
		strings.Replace(keeping(t, port, "store bolt "+filepath.Join(c.home, "store.db")+"\ntokens"), "secret "+secret, "", 1)
	c.serve(config, "localhost:"+port)
	s := &server{t: t, Port: port, Base: "http://localhost:" + port}
	at := []string{"--address", address}
	with := func(args ...string) []string { return append(append([]string{"auth"}, args...), at...) }

	if got := c.ok(with("sessions", "list", "--json")...); !strings.Contains(got, `"sessions": []`) {
		t.Errorf("nobody is signed in: %s", got)
	}
	alice, admin := s.signedIn("alice"), s.signedIn("admin")

	// For people, and by the address that the configuration has.
	table := strings.Split(strings.TrimSpace(c.ok("auth", "sessions", "list", "--config", filepath.Join(c.home, "Caddyfile"))), "\n")
	if len(table) != 3 || !strings.HasPrefix(table[0], "ID ") || !strings.Contains(table[1]+table[2], "alice@example.com") {
		t.Errorf("the table: %q", table)
	}
	if a, b := strings.Index(table[0], "PROVIDER"), strings.Index(table[1], "dev "); a != b || a != strings.Index(table[2], "dev ") {
		t.Errorf("the columns are not aligned: %q", table)
	}
	// For programs.
	var page struct {
		Sessions []struct {
			ID   string
			User struct{ ID, Email string }
		}
	}
	if err := json.Unmarshal([]byte(c.ok(with("sessions", "list", "--json", "--all", "--email", "alice@example.com", "--provider", "dev")...)), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Sessions) != 1 || page.Sessions[0].User.Email != "alice@example.com" {
		t.Fatalf("alice has %v", page.Sessions)
	}

	// One is ended, and what could not be is said.
	code, stdout, stderr := c.run(with("sessions", "revoke", "0123456789abcdef", page.Sessions[0].ID)...)
	if code != 1 || stdout != "ended "+page.Sessions[0].ID+"\n" || !strings.Contains(stderr, "no store knows the session 0123456789abcdef") {
		t.Errorf("revoke: %d %s %s", code, stdout, stderr)
	}
	if alice.in() || !admin.in() {
		t.Error("after revoke")
	}
	if got := c.ok(with("sessions", "revoke", "--user", page.Sessions[0].User.ID)...); got != "ended 0 sessions\n" {
		t.Errorf("revoke --user: %s", got)
	}

	// A token, which is all that standard output has.
	stdout = c.ok(with("tokens", "create", "--email", "admin@example.com", "--name", "backup", "--path", "/dav/*", "--path", "/x", "--method", "get", "--expires", "90d")...)
	token := strings.TrimSpace(stdout)
	if !regexp.MustCompile(`^caddyauth_pat_[\w-]{43}$`).MatchString(token) {
		t.Errorf("token %q", stdout)
	}
	if in, out := s.bearer("/x", token), s.bearer("/y", token); in != http.StatusOK || out != http.StatusForbidden {
		t.Errorf("with the token: in its scope %d, outside %d", in, out)
	}
	table = strings.Split(strings.TrimSpace(c.ok(with("tokens", "list")...)), "\n")
	if len(table) != 2 || !strings.Contains(table[1], "backup") || !strings.Contains(table[1], "/dav/* /x") || !strings.Contains(table[1], time.Now().UTC().AddDate(0, 0, 90).Format("2006-01-02")) {
		t.Errorf("the tokens: %q", table)
	}
	id, _, _ := strings.Cut(table[1], " ")
	if got := c.ok(with("tokens", "revoke", id)...); got != "ended "+id+"\n" || s.bearer("/x", token) != http.StatusUnauthorized {
		t.Errorf("tokens revoke: %s", got)
	}

	// The secret.
	rotated := regexp.MustCompile(`^seals from (\S+), the old one can go after (\S+) \(done by itself\)\n$`).FindStringSubmatch(c.ok(with("rotate")...))
	if rotated == nil {
		t.Fatal("rotate does not say when")
	}
	seals, err1 := time.Parse(time.RFC3339, rotated[1])
	retires, err2 := time.Parse(time.RFC3339, rotated[2])
	if err1 != nil || err2 != nil || time.Until(seals) > 121*time.Second || time.Until(seals) < 100*time.Second || retires.Sub(seals) != 30*24*time.Hour+time.Hour {
		t.Errorf("rotate: %q", rotated)
	}
	if code, _, stderr := c.run(with("rotate")...); code != 1 || !strings.Contains(stderr, "a rotation is under way") {
		t.Errorf("a second rotation: %d %s", code, stderr)
	}
	if !admin.in() || len(storedSecrets(t, filepath.Join(c.home, "caddy"))) != 2 {
		t.Error("after the rotation")
	}
}

// TestCommandMistakes has what the command refuses, and what it says then.
func TestCommandMistakes(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	nobody := "127.0.0.1:" + testport.Free(t)
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"sessions", "list", "--address", nobody}, "no Caddy answers at " + nobody + ": is it running"},
		{[]string{"rotate", "--address", nobody}, "no Caddy answers"},
		{[]string{"sessions", "list", "--config", "/nowhere/Caddyfile"}, "where the admin API listens cannot be told"},
		{[]string{"sessions", "revoke", "--address", nobody}, "their ids, or --user"},
		{[]string{"tokens", "revoke", "--user", "x", "y", "--address", nobody}, "exclude each other"},
		{[]string{"tokens", "create", "--user", "x", "--expires", "soon", "--address", nobody}, "a time span such as 90d"},
		{[]string{"tokens", "create", "--user", "x", "--expires", "-1h", "--address", nobody}, "over already"},
		{[]string{"sessions", "frobnicate"}, `unknown command "frobnicate" for "caddy auth sessions"`},
		{[]string{"frobnicate"}, `unknown command "frobnicate" for "caddy auth"`},
		{[]string{"rotate", "now"}, "unknown command"},
	} {
		code, stdout, stderr := c.run(append([]string{"auth"}, tc.args...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, tc.says) {
			t.Errorf("%v: %d %q %q, want %q", tc.args, code, stdout, stderr, tc.says)
		}
	}
	if got := c.ok("auth", "secret"); len(strings.TrimSpace(got)) != 44 || got == c.ok("auth", "secret") {
		t.Errorf("secret %q", got)
	}
	if got := c.ok("auth"); !strings.Contains(got, "sessions") || !strings.Contains(got, "rotate") {
		t.Errorf("help: %s", got)
	}
}

// TestProvidersCommand lists the catalogue, for which no Caddy has to run.
func TestProvidersCommand(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	table := strings.Split(strings.TrimSpace(c.ok("auth", "providers")), "\n")
	if len(table) != 95 || !strings.HasPrefix(table[0], "ID ") {
		t.Fatalf("%d lines: %q", len(table), table[0])
	}
	for _, line := range table {
		if strings.HasPrefix(line, "gitlab ") && !regexp.MustCompile(`^gitlab +GitLab +oauth +anybody\* +AUTH_GITLAB_ID, _SECRET$`).MatchString(line) ||
			strings.HasPrefix(line, "okta ") && !regexp.MustCompile(`^okta +Okta +oidc +your users +AUTH_OKTA_ID, _SECRET, _ISSUER$`).MatchString(line) {
			t.Errorf("%q", line)
		}
	}
	var list []struct {
		ID, Type, Public, Docs string
		Environment            []string
	}
	if err := json.Unmarshal([]byte(c.ok("auth", "providers", "--json")), &list); err != nil || len(list) != 94 {
		t.Fatalf("%d services, %v", len(list), err)
	}
	if got := list[0]; got.ID != "42-school" || got.Type != "oauth" || got.Docs == "" || len(got.Environment) != 2 || got.Environment[0] != "AUTH_42_SCHOOL_ID" {
		t.Errorf("%+v", got)
	}
	if got := c.ok("auth", "providers", "apple", "bungie"); !strings.Contains(got, "optional     AUTH_APPLE_KEY_ID AUTH_APPLE_TEAM_ID\n") ||
		!strings.Contains(got, "\n\nid           bungie\n") || !strings.Contains(got, "environment  AUTH_BUNGIE_ID AUTH_BUNGIE_SECRET AUTH_BUNGIE_API_KEY\n") {
		t.Error(got)
	}
	for _, args := range [][]string{{"gihub"}, {"--json", "--markdown"}} {
		code, stdout, stderr := c.run(append([]string{"auth", "providers"}, args...)...)
		if code != 1 || stdout != "" || args[0] == "gihub" && !strings.Contains(stderr, "did you mean 'github'?") {
			t.Errorf("%v: %d %s %s", args, code, stdout, stderr)
		}
	}
}
