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
		"caddyauth/cookie", "caddyauth/provider", "caddyauth/page", "caddyauth/callbacks", "caddyauth/dialect",
	},
	"caddyauth/authapi": {
		"caddyauth/session", "caddyauth/jwt", "caddyauth/cookie", "caddyauth/provider", "caddyauth/page",
		"caddyauth/callbacks", "caddyauth/dialect",
	},
	"caddyauth/callbacks": {"caddyauth/jwt"},
	"caddyauth/gate":      {"caddyauth/session", "caddyauth/jwt", "caddyauth/cookie"},
	"caddyauth/session":   {"caddyauth/jwt", "caddyauth/cookie", "caddyauth/dialect"},
	"caddyauth/provider":  {},
	"caddyauth/page":      {},
	"caddyauth/jwt":       {"caddyauth/dialect"},
	"caddyauth/cookie":    {"caddyauth/dialect"},
	"caddyauth/dialect":   {},
}

// leaves are linked by cmd/caddy alone. Each may import what it is a guest of.
var leaves = map[string][]string{
	"caddyauth/provider/devidp": {"caddyauth/provider"},
}

// forTests are the packages that only tests may import.
var forTests = []string{"caddyauth/internal/testop", "caddyauth/internal/testreq"}

func TestArrows(t *testing.T) {
	for _, p := range list(t, "./...") {
		allowed, known := arrows[p.short()]
		leaf, isLeaf := leaves[p.short()]
		for _, imported := range p.Imports {
			to := short(imported)
			switch {
			case to == "": // not ours
			case slices.Contains(forTests, to):
				if !slices.Contains(forTests, p.short()) {
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
	for leaf := range leaves {
		if !slices.Contains(have, leaf) {
			t.Errorf("there is no leaf %s", leaf)
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
