package guard

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// arrows are the packages of ours that each package may import, besides
// caddyauth/internal/*, which everybody may.
var arrows = map[string][]string{
	"caddyauth": {
		"caddyauth/authapi", "caddyauth/gate", "caddyauth/session", "caddyauth/jwt",
		"caddyauth/cookie", "caddyauth/provider", "caddyauth/provider/email", "caddyauth/page",
		"caddyauth/callbacks", "caddyauth/dialect", "caddyauth/store", "caddyauth/store/memory", "caddyauth/store/bolt",
		"caddyauth/grant", "caddyauth/bearer", "caddyauth/assertion",
	},
	"caddyauth/authapi": {
		"caddyauth/session", "caddyauth/jwt", "caddyauth/cookie", "caddyauth/provider", "caddyauth/page",
		"caddyauth/callbacks", "caddyauth/dialect", "caddyauth/store",
	},
	"caddyauth/callbacks": {"caddyauth/session", "caddyauth/jwt"},
	"caddyauth/gate":      {"caddyauth/session", "caddyauth/jwt", "caddyauth/cookie"},
	"caddyauth/session":   {"caddyauth/jwt", "caddyauth/cookie", "caddyauth/dialect", "caddyauth/store"},
	"caddyauth/grant": {
		"caddyauth/session", "caddyauth/jwt", "caddyauth/cookie", "caddyauth/provider", "caddyauth/dialect", "caddyauth/store",
	},
	"caddyauth/bearer":         {"caddyauth/session", "caddyauth/jwt", "caddyauth/provider"},
	"caddyauth/assertion":      {"caddyauth/session", "caddyauth/jwt"},
	"caddyauth/provider":       {},
	"caddyauth/provider/email": {"caddyauth/provider"},
	"caddyauth/page":           {},
	"caddyauth/jwt":            {"caddyauth/dialect"},
	"caddyauth/cookie":         {"caddyauth/dialect"},
	"caddyauth/dialect":        {},

	"caddyauth/store":                   {},
	"caddyauth/store/internal/local":    {"caddyauth/store"},
	"caddyauth/store/internal/sqlstore": {"caddyauth/store"},
	"caddyauth/store/memory":            {"caddyauth/store", "caddyauth/store/internal/local"},
	"caddyauth/store/bolt":              {"caddyauth/store", "caddyauth/store/internal/local"},
	"caddyauth/store/storetest":         {"caddyauth/store"},
}

// leaves are linked by cmd/caddy alone. Each may import what it is a guest of.
var leaves = map[string][]string{
	"caddyauth/provider/devidp":   {"caddyauth/provider"},
	"caddyauth/provider/webauthn": {"caddyauth/provider"},
	"caddyauth/store/sqlite":      {"caddyauth/store", "caddyauth/store/internal/sqlstore"},
	"caddyauth/store/postgres":    {"caddyauth/store", "caddyauth/store/internal/sqlstore"},
	"caddyauth/store/redis":       {"caddyauth/store"},
}

// forTests are the packages that only tests may import, and what lies below them.
var forTests = []string{
	"caddyauth/internal/testop", "caddyauth/internal/testreq", "caddyauth/internal/testdb",
	"caddyauth/internal/testsmtp", "caddyauth/internal/testkey", "caddyauth/internal/testissuer", "caddyauth/internal/lyingop",
	"caddyauth/store/storetest",
}

// isForTests reports whether a package is one of those.
func isForTests(name string) bool {
	return slices.ContainsFunc(forTests, func(dir string) bool { return isUnder(name, dir) })
}

func TestArrows(t *testing.T) {
	for _, p := range list(t, "./...") {
		allowed, known := arrows[p.short()]
		leaf, isLeaf := leaves[p.short()]
		for _, imported := range p.Imports {
			to := short(imported)
			switch {
			case to == "": // not ours
			case isForTests(to):
				if !isForTests(p.short()) {
					t.Errorf("%s imports %s outside of tests", p.short(), to)
				}
			case isUnder(p.short(), "cmd"):
			case leaves[to] != nil:
				t.Errorf("%s imports the leaf %s", p.short(), to)
			case isUnder(to, "caddyauth/internal"):
			case isUnder(p.short(), "caddyauth/internal"):
				t.Errorf("%s is for everybody and cannot import %s", p.short(), to)
			case isLeaf && !slices.Contains(leaf, to), !isLeaf && !slices.Contains(allowed, to):
				t.Errorf("%s must not import %s", p.short(), to)
			}
		}
		if !known && !isLeaf && !isUnder(p.short(), "cmd") && !isUnder(p.short(), "caddyauth/internal") {
			t.Errorf("package %s has no place in the order of packages", p.short())
		}
	}
}

// The pure packages are a library of their own: net/http in, no Caddy, not
// even to test them.
func TestPurePackages(t *testing.T) {
	for _, p := range list(t, "./caddyauth/...") {
		if p.short() == "caddyauth" || leaves[p.short()] != nil {
			continue
		}
		for _, imported := range slices.Concat(p.Deps, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(imported, "github.com/caddyserver/") {
				t.Errorf("%s depends on %s", p.short(), imported)
			}
		}
	}
}

// What stands in the tables above must exist, or they guard nothing.
func TestArrowsAreOfPackages(t *testing.T) {
	var have []string
	for _, p := range list(t, "./...") {
		have = append(have, p.short())
	}
	for from, to := range arrows {
		for _, name := range append(to, from) {
			if !slices.Contains(have, name) {
				t.Errorf("there is no package %s", name)
			}
		}
	}
	for leaf, to := range leaves {
		for _, name := range append(to, leaf) {
			if !slices.Contains(have, name) {
				t.Errorf("there is no package %s, of the leaf %s", name, leaf)
			}
		}
	}
	for _, name := range forTests {
		if !slices.Contains(have, name) {
			t.Errorf("there is no package %s", name)
		}
	}
}

// isUnder reports whether a package is dir or lies below it.
func isUnder(name, dir string) bool {
	return name == dir || strings.HasPrefix(path.Clean(name), dir+"/")
}
