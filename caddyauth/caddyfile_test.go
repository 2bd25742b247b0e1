package caddyauth_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "rewrite the JSON of the golden Caddyfile tests")

// dashes separate a Caddyfile from the JSON that it becomes, as in Caddy's own
// tests.
const dashes = "----------\n"

// TestCaddyfile adapts the golden Caddyfiles.
func TestCaddyfile(t *testing.T) {
	names, err := filepath.Glob("../testdata/caddyfile/*.caddyfiletest")
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".caddyfiletest"), func(t *testing.T) {
			golden, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text, want, ok := strings.Cut(string(golden), dashes)
			if !ok {
				t.Fatalf("no line %q", dashes)
			}
			raw, warnings, err := adapt(t, text)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				t.Errorf("line %d: %s", w.Line, w.Message)
			}
			if formatted := caddyfile.Format([]byte(text)); !bytes.Equal(formatted, []byte(text)) {
				t.Errorf("caddy fmt would write\n%s", formatted)
			}
			got := pretty(t, raw) + "\n"
			if *update {
				if err := os.WriteFile(name, []byte(text+dashes+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("adapted to\n%s\nwant\n%s", got, want)
			}
		})
	}
}
