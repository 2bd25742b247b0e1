package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var caddyfileBlock = regexp.MustCompile("(?s)```caddyfile\n(.*?)```")

// adapt turns a Caddyfile into JSON.
func adapt(text string) ([]byte, []caddyconfig.Warning, error) {
	return caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
}

// Every Caddyfile of the README adapts, is formatted, and is refused if the
// directive's name is not.
func TestREADMECaddyfiles(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := caddyfileBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 5 {
		t.Fatalf("only %d Caddyfiles", len(blocks))
	}
	for i, block := range blocks {
		raw, warnings, err := adapt(block[1])
		if err != nil {
			t.Errorf("Caddyfile %d: %v\n%s", i+1, err, block[1])
			continue
		}
		// One of them is for another Caddy, which asks this one.
		if !strings.Contains(string(raw), `"handler":"caddyauth"`) && !strings.Contains(block[1], "uri /api/auth/verify") {
			t.Errorf("Caddyfile %d has no handler", i+1)
		}
		for _, w := range warnings {
			t.Errorf("Caddyfile %d: %s", i+1, w)
		}
		if formatted := string(caddyfile.Format([]byte(block[1]))); formatted != block[1] {
			t.Errorf("Caddyfile %d is not formatted:\n%s", i+1, formatted)
		}
	}
}

// The example that `make run` serves is formatted and adapts.
func TestExampleCaddyfile(t *testing.T) {
	text, err := os.ReadFile("../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := adapt(string(text)); err != nil || len(warnings) > 0 {
		t.Errorf("%v %v", warnings, err)
	}
}
