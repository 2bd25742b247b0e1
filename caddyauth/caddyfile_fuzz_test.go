package caddyauth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseTokens parses a directive as parseDirective does. Every named matcher
// exists.
func parseTokens(tokens []caddyfile.Token) (_ *Handler, err error) {
	d := caddyfile.NewDispenser(tokens)
	d.Next()
	h := &Handler{Source: source(d)}
	p := &parser{Dispenser: d, config: &h.Config, named: func() (*Match, error) {
		d.NextArg()
		return &Match{Scope: d.Val(), MatcherSetsRaw: caddyhttp.RawMatcherSets{{"method": json.RawMessage(`["GET"]`)}}}, nil
	}}
	if h.Match, err = p.matcher(); err != nil {
		return nil, err
	}
	return h, p.parse()
}

// FuzzCaddyfile checks that any text is either refused, by words that name the
// place, or becomes JSON that says the same.
func FuzzCaddyfile(f *testing.F) {
	golden, err := filepath.Glob("../testdata/caddyfile/*.caddyfiletest")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range golden {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		text, _, _ := strings.Cut(string(b), "----------")
		for i := strings.Index(text, "caddyauth"); i >= 0; i = strings.Index(text, "\tcaddyauth") {
			text = text[i:]
			f.Add(strings.TrimSpace(text))
			text = text[1:]
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return // long ones say nothing new
		}
		tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
		if err != nil || len(tokens) == 0 {
			return // Caddy's own business
		}
		h, err := parseTokens(tokens)
		if err != nil {
			if !strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("the error names no place: %v", err)
			}
			return
		}
		raw, err := json.Marshal(h)
		if err != nil {
			t.Fatalf("%v", err)
		}
		again := new(Handler)
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(again); err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		if second, err := json.Marshal(again); err != nil || string(second) != string(raw) {
			t.Fatalf("%s\nbecame\n%s, %v", raw, second, err)
		}
		for _, rules := range [][]*Rule{h.Allow, h.Deny} {
			for _, r := range rules {
				if (r.Subject == "any") != (len(r.Values) == 0) {
					t.Errorf("rule %+v", r)
				}
			}
		}
		if len(h.Providers) > 0 {
			merged, err := merge(&h.Config, new(Config))
			if err != nil || !reflect.DeepEqual(merged.Providers, h.Providers) {
				t.Errorf("merged with nothing: %v", err)
			}
		}
	})
}
