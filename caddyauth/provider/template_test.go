package provider

import (
	"strings"
	"testing"
)

func TestAt(t *testing.T) {
	m := map[string]any{
		"a": "x", "n": nil, "list": []any{"zero", map[string]any{"b": "y", "deep": []any{[]any{"in"}}}}, "o": map[string]any{"l": []any{map[string]any{"p": map[string]any{"q": "z"}}}},
		"odd[0]": "exact",
	}
	for path, want := range map[string]any{
		"a": "x", "n": nil, "list[0]": "zero", "list[1].b": "y", "list[1].deep[0][0]": "in", "o.l[0].p.q": "z", "odd[0]": "exact",
	} {
		if got, ok := at(m, path); !ok || got != want {
			t.Errorf("%s: %v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"", "b", "list[2]", "list[-1]", "list[x]", "list[]", "list[0", "list[0].b", "list[1]b", "list[1]..b", "list[1].b[0]", "a[0]", "[0]", "list[99999999999999999999]", "list[1][0]"} {
		if got, ok := at(m, path); ok {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestExpand(t *testing.T) {
	known := func(name string) (string, bool) { return strings.ToUpper(name), name != "" && name != "no" }
	for template, want := range map[string]string{"": "", "x": "x", "{a}": "A", "{a}-{b}": "A-B", "x{a}}": "xA}"} {
		if got, ok := expand(template, known); !ok || got != want {
			t.Errorf("%s: %q, %v", template, got, ok)
		}
	}
	for _, template := range []string{"{", "{a", "{no}", "{}", "a{b}{"} {
		if got, ok := expand(template, known); ok {
			t.Errorf("%s: %q", template, got)
		}
	}
}

// A discovered or configured address is no template: whoever writes it must not
// get at the token by it.
func TestOnlyTheTableHasTemplates(t *testing.T) {
	op := newEvil(t)
	op.Metadata = func(m map[string]any) { m["userinfo_endpoint"] = op.URL + "/userinfo?{access_token}{tokens.x}" }
	if _, err := op.exchange(op.provider(func(c *Config) { c.Userinfo = "on" })); err != nil {
		t.Fatal(err)
	}
	if op.Count("/userinfo") != 1 {
		t.Error("userinfo was not asked")
	}
}

func FuzzAt(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"c"}]}`), "a[0].b")
	f.Add([]byte(`{"a":[[1],[2]]}`), "a[1][0]")
	f.Add([]byte(`{"a[0]":1,"a":{"b[0]":2}}`), "a.b[0]")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		m, err := decodeObject(data)
		if err != nil || len(path) > 256 || strings.ContainsAny(path, "{}") {
			return
		}
		at(m, path)
		s := &signIn{p: &oauthProvider{preset: presets[presetOAuth2]}, profile: m, tokens: &tokens{raw: m}}
		v, ok := s.text("https://x.example/{" + path + "}")
		if text, isText := v.(string); ok && (!isText || !strings.HasPrefix(text, "https://x.example/") || strings.ContainsAny(text, " \"<>\n")) {
			t.Fatalf("%q", v)
		}
	})
}
