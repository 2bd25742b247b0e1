package guard

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/deps.txt anew")

const depsHeader = `# What a build of Caddy gains by this plugin besides the plugin itself: the
# packages that caddyauth links and a plain Caddy does not. A test compares.
# After a change that is meant: go test ./caddyauth/internal/guard -update
`

func TestDependencies(t *testing.T) {
	plain := make(map[string]bool)
	for _, p := range list(t, "-deps", caddy+"/modules/standard") {
		plain[p.ImportPath] = true
	}
	var gained []string
	for _, p := range list(t, "-deps", "./caddyauth") {
		if !p.Standard && !plain[p.ImportPath] && short(p.ImportPath) == "" {
			gained = append(gained, p.ImportPath)
		}
	}
	slices.Sort(gained)

	const file = "testdata/deps.txt"
	if *update {
		text := depsHeader + strings.Join(append(gained, ""), "\n")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var allowed []string
	for line := range strings.Lines(read(t, file)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			allowed = append(allowed, line)
		}
	}
	for _, path := range gained {
		if !slices.Contains(allowed, path) {
			t.Errorf("caddyauth links %s, which %s does not allow", path, file)
		}
	}
	for _, path := range allowed {
		if !slices.Contains(gained, path) {
			t.Errorf("%s allows %s, which caddyauth does not link", file, path)
		}
	}
}

// A plugin must not force upgrades on its host: each module that Caddy pins is
// selected at Caddy's version.
func TestCaddysVersions(t *testing.T) {
	type version struct{ Path, Version string }
	selected := make(map[string]string)
	for line := range strings.Lines(goCommand(t, "list", "-m", "all")) {
		// path version [=> replacement]
		if f := strings.Fields(line); len(f) > 2 {
			t.Errorf("%s is replaced", f[0])
		} else if len(f) == 2 {
			selected[f[0]] = f[1]
		}
	}
	mod := strings.TrimSpace(goCommand(t, "list", "-m", "-f", "{{.GoMod}}", caddy))
	var pinned struct{ Require []version }
	if err := json.Unmarshal([]byte(goCommand(t, "mod", "edit", "-json", mod)), &pinned); err != nil {
		t.Fatal(err)
	}
	if len(pinned.Require) < 50 {
		t.Fatalf("%s requires only %d modules", mod, len(pinned.Require))
	}
	for _, want := range pinned.Require {
		if got := selected[want.Path]; got != want.Version {
			t.Errorf("%s: Caddy has %s, this module selects %q", want.Path, want.Version, got)
		}
	}
}

// The version of Caddy that sites are told to build is the one tested here.
func TestCaddyVersionOfBuild(t *testing.T) {
	var config struct {
		CaddyVersion string `json:"caddy_version"`
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(root(t), "xcaddy.json"))), &config); err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(goCommand(t, "list", "-m", "-f", "{{.Version}}", caddy))
	if config.CaddyVersion != version {
		t.Errorf("xcaddy.json has Caddy %s, go.mod %s", config.CaddyVersion, version)
	}
}
