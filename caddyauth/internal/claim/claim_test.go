package claim

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

func decode(t testing.TB, s string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLookup(t *testing.T) {
	m := decode(t, `{
		"sub": "1", "SUB": "evil", "nothing": null, "": "empty name",
		"realm_access": {"roles": ["a", "b"]},
		"resource_access": {"my.app": {"roles": ["dotted"]}, "my": {"app": {"roles": ["nested"]}, "other": 1}},
		"https://example.com/roles": ["url"],
		"a.b": {"c": "longest"}, "a": {"b.c": "short", "b": {"c": "shortest", "d": "back"}},
		"list": [{"x": 1}]
	}`)
	for path, want := range map[string]any{
		"sub":                          "1",
		"SUB":                          "evil",
		"Sub":                          nil,
		"nothing":                      nil,
		"realm_access.roles":           []any{"a", "b"},
		"realm_access.Roles":           nil,
		"resource_access.my.app.roles": []any{"dotted"},
		"resource_access.my.other":     json.Number("1"),
		"https://example.com/roles":    []any{"url"},
		"a.b.c":                        "longest",
		"a.b.d":                        "back", // the longer key leads nowhere
		"list.0.x":                     nil,
		"list.x":                       nil,
		"":                             nil,
		".":                            nil,
		"sub.":                         nil,
		".sub":                         nil,
		"sub.x":                        nil,
	} {
		got, ok := Lookup(m, path)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("Lookup(%q) = %#v, want %#v", path, got, want)
		}
		if wantOK := want != nil || path == "nothing"; ok != wantOK {
			t.Errorf("Lookup(%q) exists: %v", path, ok)
		}
	}
	if _, ok := Lookup(nil, "sub"); ok {
		t.Error("found something in nothing")
	}
}

func TestLookupIsBounded(t *testing.T) {
	// Each level offers every split of the rest, the worst case for the search.
	key := "a"
	m := map[string]any{}
	for range 40 {
		m = map[string]any{"a": m, "a.a": m, "a.a.a": m}
		key += ".a"
	}
	if _, ok := Lookup(m, key+".missing"); ok {
		t.Error("found what is not there")
	}
	m[key] = "here"
	if _, ok := Lookup(m, key); !ok {
		t.Error("a plain name with many dots is not found")
	}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want string
		ok   bool
	}{
		{"x", "x", true},
		{"", "", true},
		{json.Number("583231"), "583231", true},
		{json.Number("12345678901234567890123"), "12345678901234567890123", true},
		{json.Number("1e6"), "1000000", true},
		{json.Number("1.50"), "1.5", true},
		{json.Number("-7"), "-7", true},
		{json.Number("1e300"), "", false},
		{json.Number("1e999"), "", false},
		{json.Number(""), "", false},
		{float64(1000000), "1000000", true},
		{float64(583231), "583231", true},
		{math.NaN(), "", false},
		{math.Inf(1), "", false},
		{7, "7", true},
		{int64(1) << 60, "1152921504606846976", true},
		{nil, "", false},
		{true, "", false},
		{[]any{"a"}, "", false},
		{map[string]any{}, "", false},
	} {
		if got, ok := Text(tc.v); got != tc.want || ok != tc.ok {
			t.Errorf("Text(%#v) = %q, %v", tc.v, got, ok)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, tc := range []struct {
		v    any
		want []string
	}{
		{nil, nil},
		{"one", []string{"one"}},
		{"a,admin", []string{"a,admin"}}, // a comma in a name is no separator
		{"", nil},
		{json.Number("5"), []string{"5"}},
		{[]any{"a", "", json.Number("7"), nil, true, []any{"x"}, map[string]any{}}, []string{"a", "7"}},
		{[]string{"a", "", "b"}, []string{"a", "b"}},
		{map[string]any{"a": 1}, nil},
		{true, nil},
	} {
		if got := Strings(tc.v); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("Strings(%#v) = %#v, want %#v", tc.v, got, tc.want)
		}
	}
}

func TestTrue(t *testing.T) {
	for _, v := range []any{true, "true"} {
		if !True(v) {
			t.Errorf("%#v is not true", v)
		}
	}
	for _, v := range []any{nil, false, "false", "TRUE", "1", json.Number("1"), 1, []any{true}} {
		if True(v) {
			t.Errorf("%#v is true", v)
		}
	}
}

func FuzzLookup(f *testing.F) {
	f.Add(`{"a":{"b.c":1}}`, "a.b.c")
	f.Add(`{"resource_access":{"my.app":{"roles":["x"]}}}`, "resource_access.my.app.roles")
	f.Add(`{"":{"":{"":0}}}`, "..")
	f.Fuzz(func(t *testing.T, doc, path string) {
		var m map[string]any
		if json.Unmarshal([]byte(doc), &m) != nil {
			return
		}
		v, ok := Lookup(m, path)
		if !ok && v != nil {
			t.Fatal("a value that does not exist")
		}
		if direct, has := m[path]; has && path != "" && (!ok || !reflect.DeepEqual(v, direct)) {
			t.Fatal("the whole path as a name must win")
		}
		_, _ = Text(v)
		for _, s := range Strings(v) {
			if s == "" {
				t.Fatal("an empty member")
			}
		}
	})
}

func ExampleLookup() {
	claims := map[string]any{
		"resource_access": map[string]any{
			"my.app": map[string]any{"roles": []any{"admin"}},
		},
	}
	v, _ := Lookup(claims, "resource_access.my.app.roles")
	fmt.Println(Strings(v))
	// Output: [admin]
}
