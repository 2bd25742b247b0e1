package caddyauth

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

var updateReadme = flag.Bool("update-readme", false, "write the README's table of providers anew")

const (
	tableBegin = "<!-- providers: caddy auth providers --markdown -->\n"
	tableEnd   = "<!-- /providers -->\n"
)

// The README's table is what the command prints.
func TestReadmeListsTheProviders(t *testing.T) {
	const name = "../README.md"
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(raw), tableBegin)
	got, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no table between %q and %q", name, tableBegin, tableEnd)
	}
	want := providersMarkdown(provider.Catalogue())
	if got == want {
		return
	}
	if !*updateReadme {
		t.Fatalf("the table of providers in %s is not that of the catalogue; write it anew with:\n\tgo test ./caddyauth -run %s -update-readme", name, t.Name())
	}
	if err := os.WriteFile(name, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
