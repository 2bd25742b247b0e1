package caddyauth

import (
	"encoding/json"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// decode reads a Config as Caddy would.
func decode(t *testing.T, text string) *Config {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	c := new(Config)
	if err := dec.Decode(c); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// TestMergeWords has every word, in the global option and in a site.
func TestMergeWords(t *testing.T) {
	const (
		lists = `"public":[{"path":["/g"]}],"private":[{"path":["/g"]}],"deny":[{"subject":"any"}]`
		rest  = `"secret":["g"],"url":"https://g","base_path":"/g","session":{"max_age":1},"roles":["g"],"groups":["g"],
			"headers":{"preset":"none"},"limit":{"off":true},"pages":{"error":"/g"},"auto_redirect":true`
		own = `"secret":["s"],"url":"https://s","base_path":"/s","session":{"same_site":"none"},"roles":["s"],"groups":["s"],
			"headers":{},"limit":{"sign_in":"1/1m"},"pages":{"sign_in":"/s"},"auto_redirect":false`
	)
	for _, c := range []struct{ name, global, site, want string }{
		{"nothing", ``, ``, ``},
		{"all from the global option", lists + "," + rest, ``, lists + "," + rest},
		{"all from the site", ``, lists + "," + rest, lists + "," + rest},
		{"the site's replace", rest, own, own},
		{"lists add, the global ones first", lists, `"public":[{}],"private":[{}],"deny":[{"subject":"user","values":["x"]}]`,
			`"public":[{"path":["/g"]},{}],"private":[{"path":["/g"]},{}],"deny":[{"subject":"any"},{"subject":"user","values":["x"]}]`},
		{"allow of other scopes adds",
			`"allow":[{"subject":"any"},{"scope":"/a","path":["/a"],"subject":"any"}]`,
			`"allow":[{"scope":"/b","path":["/b"],"subject":"any"}]`,
			`"allow":[{"subject":"any"},{"scope":"/a","path":["/a"],"subject":"any"},{"scope":"/b","path":["/b"],"subject":"any"}]`},
		{"allow of one scope replaces all its rules",
			`"allow":[{"subject":"role","values":["a"]},{"scope":"/a","path":["/a"],"subject":"any"},{"subject":"role","values":["b"]}]`,
			`"allow":[{"subject":"any"}]`,
			`"allow":[{"scope":"/a","path":["/a"],"subject":"any"},{"subject":"any"}]`},
		{"a path without the scope's text is no rule for all requests",
			`"allow":[{"subject":"user","values":["a"]},{"path":["/a"],"subject":"user","values":["b"]}]`,
			`"allow":[{"path":["/a"],"subject":"any"}]`,
			`"allow":[{"subject":"user","values":["a"]},{"path":["/a"],"subject":"any"}]`},
		{"a provider's settings lie over the global ones of its id",
			`"providers":[{"preset":"github","name":"G","client_id":"g","scope":["a","b"],"params":{"x":"g","y":"g"},"profile":{"id":["g"]}},{"preset":"google"}]`,
			`"providers":[{"preset":"google","id":"work"},{"preset":"github","client_id":"s","scope":["c"],"params":{"y":"s"},"profile":{"name":["s"]},"timeout":"2s"}]`,
			`"providers":[{"preset":"github","name":"G","client_id":"s","scope":["c"],"params":{"x":"g","y":"s"},"profile":{"id":["g"],"name":["s"]},"timeout":"2s"},{"preset":"google"},{"preset":"google","id":"work"}]`},
		{"the last of several providers",
			`"providers":[{"preset":"a"},{"preset":"b"},{"preset":"c"}]`,
			`"providers":[{"preset":"c","name":"C"},{"preset":"b","name":"B"},{"preset":"d"}]`,
			`"providers":[{"preset":"a"},{"preset":"b","name":"B"},{"preset":"c","name":"C"},{"preset":"d"}]`},
		{"users of the site", `"providers":[{"preset":"credentials","file":"/g"}]`, `"providers":[{"preset":"credentials","file":"/s"}]`,
			`"providers":[{"preset":"credentials","file":"/s"}]`},
		{"a guest's module", `"providers":[{"preset":"dev","module":{"name":"g","personas":[{"sub":"a"}]}}]`,
			`"providers":[{"preset":"dev","module":{"name":"s"}}]`, `"providers":[{"preset":"dev","module":{"name":"s","personas":[{"sub":"a"}]}}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			global, site := decode(t, "{"+c.global+"}"), decode(t, "{"+c.site+"}")
			before, _ := json.Marshal(global)
			merged, err := merge(global, site)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := json.Marshal(merged)
			if want, _ := json.Marshal(decode(t, "{"+c.want+"}")); string(got) != string(want) {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
			if after, _ := json.Marshal(global); string(after) != string(before) {
				t.Errorf("the global option became %s", after)
			}
		})
	}
}

// TestMergeTwice merges two sites with one global option: what one appends must
// not show up in the other.
func TestMergeTwice(t *testing.T) {
	global := decode(t, `{"providers":[{"preset":"a"}],"public":[{"path":["/g"]}],"deny":[{"subject":"any"}]}`)
	global.Public = append(make([]*Match, 0, 10), global.Public...)
	one, err := merge(global, decode(t, `{"public":[{"path":["/1"]}],"providers":[{"preset":"one"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := merge(global, decode(t, `{"public":[{"path":["/2"]}],"providers":[{"preset":"two"}]}`)); err != nil {
		t.Fatal(err)
	}
	if one.Public[1].Path[0] != "/1" || one.Providers[1].Preset != "one" {
		t.Errorf("the first site has %v and %v of the second", one.Public[1].Path, one.Providers[1].Preset)
	}
}

// TestConfigDocs checks that every setting is documented: Caddy's documentation
// is made from these comments.
func TestConfigDocs(t *testing.T) {
	for _, name := range []string{"config.go", "handler.go", "provider/config.go"} {
		file, err := goparser.ParseFile(token.NewFileSet(), name, nil, goparser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		fields := 0
		ast.Inspect(file, func(n ast.Node) bool {
			decl, ok := n.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				return true
			}
			for _, spec := range decl.Specs {
				typ := spec.(*ast.TypeSpec)
				structure, ok := typ.Type.(*ast.StructType)
				if !ok || !typ.Name.IsExported() {
					continue
				}
				if decl.Doc == nil {
					t.Errorf("%s: type %s has no comment", name, typ.Name)
				}
				for _, f := range structure.Fields.List {
					if f.Tag == nil || !strings.Contains(f.Tag.Value, "json:") {
						continue
					}
					fields++
					if f.Doc == nil {
						t.Errorf("%s: %s.%s has no comment", name, typ.Name, f.Names[0])
					}
				}
			}
			return true
		})
		if fields == 0 {
			t.Errorf("%s has no settings", name)
		}
	}
}

// TestConfigNames checks that settings are written in JSON as elsewhere in
// Caddy, and that what is not set is not written.
func TestConfigNames(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			if first, _ := utf8.DecodeRuneInString(f.Name); unicode.IsLower(first) {
				continue
			}
			check(f.Type)
			if f.Anonymous {
				continue
			}
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name != strings.ToLower(name) {
				t.Errorf("%s.%s is %q in JSON", typ, f.Name, name)
			}
			required := typ == reflect.TypeFor[HeaderValue]() || typ == reflect.TypeFor[Rule]() && f.Name == "Subject"
			if option != "omitempty" && !required {
				t.Errorf("%s.%s is written even if it is not set", typ, f.Name)
			}
		}
	}
	check(reflect.TypeFor[Handler]())
	if len(seen) < 9 {
		t.Errorf("saw only %v", seen)
	}
}
