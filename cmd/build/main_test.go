package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/xcaddy"
)

// needGit skips the test where there is no git.
func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("this test needs the program git")
	}
}

// write puts a configuration into a folder of its own.
func write(t *testing.T, text string) (config string) {
	t.Helper()
	config = filepath.Join(t.TempDir(), "xcaddy.json")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

func TestLoad(t *testing.T) {
	config := write(t, `{
		"caddy_version": "v2.11.9",
		"plugins": [{"module_path": "example.com/plugin/sub", "version": "v1.2.3"}],
		"replacements": [
			{"old": "example.com/a", "new": "."},
			{"old": "example.com/b", "new": "./b"},
			{"old": "example.com/c", "new": "../c"},
			{"old": "example.com/d", "new": "example.com/fork@v1.0.0"},
			{"old": "example.com/e", "new": "/e"}
		]
	}`)
	dir := filepath.Dir(config)
	b, err := load(config)
	if err != nil {
		t.Fatal(err)
	}
	if b.CaddyVersion != "v2.11.9" || len(b.Plugins) != 1 || b.Plugins[0] != (xcaddy.Dependency{PackagePath: "example.com/plugin/sub", Version: "v1.2.3"}) {
		t.Errorf("got %+v", b)
	}
	for i, want := range []string{dir, filepath.Join(dir, "b"), filepath.Join(filepath.Dir(dir), "c"), "example.com/fork@v1.0.0", "/e"} {
		if got := string(b.Replacements[i].New); got != want {
			t.Errorf("%s is replaced by %s, want %s", b.Replacements[i].Old, got, want)
		}
	}
}

// Relative paths start from the file, wherever the program runs.
func TestLoadRelativeToFile(t *testing.T) {
	config := write(t, `{"replacements": [{"old": "example.com/a", "new": "."}]}`)
	t.Chdir(filepath.Dir(filepath.Dir(config)))
	b, err := load(filepath.Join(filepath.Base(filepath.Dir(config)), "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := filepath.EvalSymlinks(string(b.Replacements[0].New))
	want, _ := filepath.EvalSymlinks(filepath.Dir(config))
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"unknown member", `{"plugin": []}`, `unknown field "plugin"`},
		{"unknown member of a plugin", `{"plugins": [{"module": "x"}]}`, `unknown field "module"`},
		{"wrong type", `{"plugins": "x"}`, "plugins"},
		{"no JSON", `caddy_version: v2`, "invalid character"},
		{"more than one value", `{} {}`, "after the end of"},
		{"empty", ``, "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := write(t, test.text)
			_, err := load(config)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), config) {
				t.Errorf("got error %v, want the file's name and %q", err, test.want)
			}
		})
	}
	if _, err := load(filepath.Join(t.TempDir(), "absent.json")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// clearGit takes back what standIn sets.
func clearGit(t *testing.T) {
	for _, name := range []string{"GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0", "GOPRIVATE"} {
		t.Setenv(name, "")
	}
}

func TestStandIn(t *testing.T) {
	needGit(t)
	clearGit(t)
	t.Setenv("GOPRIVATE", "example.com/else")
	cleanup, err := standIn(t.Context(), &xcaddy.Builder{
		Plugins: []xcaddy.Dependency{
			{PackagePath: "example.com/gateway/plugin"},
			{PackagePath: "example.com/published", Version: "v1.0.0"},
			{PackagePath: "example.com/gatewayx/plugin"}, // another module, which is not replaced
		},
		Replacements: []xcaddy.Replace{
			xcaddy.NewReplace("example.com/gateway", t.TempDir()),
			xcaddy.NewReplace("example.com/published", t.TempDir()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cleanup()
	if n, private := os.Getenv("GIT_CONFIG_COUNT"), os.Getenv("GOPRIVATE"); n != "1" || private != "example.com/else,example.com/gateway" {
		t.Errorf("%s git settings, GOPRIVATE=%s", n, private)
	}

	clone := filepath.Join(t.TempDir(), "clone")
	out, err := exec.Command("git", "clone", "--quiet", "https://example.com/gateway", clone).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(clone, "go.mod")); err != nil || string(b) != "module example.com/gateway\n" {
		t.Errorf("go.mod is %q: %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(clone, "plugin", "standin.go")); err != nil {
		t.Error(err)
	}
	cleanup()
	if out, err := exec.Command("git", "ls-remote", "https://example.com/gateway").CombinedOutput(); err == nil {
		t.Errorf("the repository is still there: %s", out)
	}
}

// The whole way, which takes minutes where nothing is compiled yet.
func TestBuild(t *testing.T) {
	if os.Getenv("CADDYAUTH_FULL") != "1" {
		t.Skip("this test builds a Caddy, which it does with CADDYAUTH_FULL=1")
	}
	needGit(t)
	clearGit(t)
	ctx, cancel := context.WithTimeout(t.Context(), 14*time.Minute)
	defer cancel()
	caddy := filepath.Join(t.TempDir(), "caddy")
	if err := build(ctx, filepath.Join("..", "..", "xcaddy.json"), caddy); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, caddy, "list-modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	for _, name := range []string{"caddyauth", "http.handlers.caddyauth", "http.handlers.reverse_proxy"} {
		if !slices.Contains(modules, name) {
			t.Errorf("module %s is missing", name)
		}
	}
	if slices.Contains(modules, "caddyauth.providers.dev") {
		t.Error("the development provider is in a build for a real site")
	}
}
