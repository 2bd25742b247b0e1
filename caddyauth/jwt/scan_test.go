package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// tree turns a value into what encoding/json makes of it with UseNumber.
func tree(v Value) any {
	switch v.Kind() {
	case Bool:
		return v.Bool()
	case Number:
		return json.Number(v.Raw())
	case String:
		return v.String()
	case Array:
		list := []any{}
		v.Elements(func(e Value) bool { list = append(list, tree(e)); return true })
		return list
	case Object:
		m := map[string]any{}
		v.Members(func(name string, e Value) bool { m[name] = tree(e); return true })
		return m
	}
	return nil
}

func members(claims string) (map[string]any, error) {
	m := map[string]any{}
	err := Members(claims, func(name string, v Value) bool { m[name] = tree(v); return true })
	return m, err
}

func standard(claims string) (map[string]any, error) {
	m := map[string]any(nil)
	dec := json.NewDecoder(strings.NewReader(claims))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	if m == nil || !json.Valid([]byte(claims)) {
		return nil, errors.New("not one object")
	}
	return m, nil
}

var accepted = []string{
	`{}`, ` { } `, "\t{\r\n}\n", `{"":""}`, testClaims, typical,
	`{"a":null,"b":true,"c":false,"d":[],"e":{},"f":[[]],"g":[{}],"h":{"i":{}}}`,
	`{"a":[1,"x",null,true,{"b":[2,[3]]},[]],"c":{"d":{"e":[{}]},"f":1}}`,
	`{ "a" : [ 1 , { "b" : 2 } , [ ] , { } ] , "c" : { "d" : [ ] , "e" : 1 } }`,
	`{"n":[0,-0,1,-1,10,0.5,-0.5,1e5,1E5,1e+5,1e-5,1.25e10,123456789012345678901234567890]}`,
	`{"s":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\udd11"}`,
	`{"s":"é€🔑\u007f","\u0061":1}`,
	`{"lone":"\ud800","low":"\udc00","twice":"\ud800\ud800\udc00","tail":"\ud800x","half":"\ud83d\u0041"}`,
	`{"a":1,"a":2}`, `{"a":{"b":1},"a":{"c":2}}`, `{"a":1,"\u0061":2}`,
	"{\"a\":\"\u2028\u2029\ufeff\"}", `{"__proto__":{"x":1},"constructor":1}`,
}

var refused = []string{
	``, ` `, `null`, `true`, `1`, `"x"`, `[]`, `[{}]`, `{`, `}`, `{{}}`, `{}{}`, `{} x`, `{},`, "{}\x00", "\ufeff{}", `{"a"}`, `{"a":}`, `{"a" 1}`, `{"a":1,}`, `{,"a":1}`,
	`{"a":1 "b":2}`, `{"a":1,,"b":2}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`, `{"a":1`, `{"a":`, `{"a`, `{"a":"`, `{"a":"\`, `{"a":"\u`, `{"a":"\u00`,
	`{"a":[}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[1}}`, `{"a":{]}`, `{"a":{"b":1]}`, `{"a":[1]]}`, `{"a":{"b"}}`, `{"a":{"b":}}`, `{"a":{"b":1,}}`, `{"a":{,}}`, `{"a":[`, `{"a":{`, `{"a":[[]`, `{"a":{"b":{}`,
	`{"a":[{"b" 1}]}`, `{"a":[{b:1}]}`, `{"a":[{]}`, `{"a":{"b":[}]}`, `{"a":[1,`, `{"a":{"b":1,`, `{"a":{"b":1,"c"`, `{"a":[1:2]}`,
	`{"a":01}`, `{"a":-}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1.e5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":--1}`, `{"a":0x10}`, `{"a":1_000}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":-Infinity}`, `{"a":00}`, `{"a":-01}`, `{"a":1 .5}`,
	`{"a":nul}`, `{"a":nulll}`, `{"a":True}`, `{"a":tru}`, `{"a":falsee}`, `{"a":undefined}`, `{"a":[nul]}`,
	`{"a":"\x41"}`, `{"a":"\'"}`, `{"a":"\u004"}`, `{"a":"\u00g1"}`, `{"a":"\U0041"}`, `{"a":"\a"}`, `{"a":"\0"}`, "{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\x1f\"}",
	"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xae\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xe2\x82\"}", "{\"a\":\"\xf5\x80\x80\x80\"}", "{\"\xff\":1}", "{\"a\":{\"\xff\":1}}",
	`{"a":1/**/}`, "{\"a\":1}//", "{\"a\"\v:1}", "{\u00a0}", `{"a":"b""c":1}`,
}

func TestMembersAccepts(t *testing.T) {
	for _, claims := range accepted {
		got, err := members(claims)
		if err != nil {
			t.Errorf("%s: %v", claims, err)
			continue
		}
		want, err := standard(claims)
		if err != nil {
			t.Fatalf("encoding/json refuses %s: %v", claims, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", claims, got, want)
		}
	}
}

func TestMembersRefuses(t *testing.T) {
	for _, claims := range refused {
		if got, err := members(claims); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v; want ErrSyntax", claims, got, err)
		}
	}
	// Every beginning of a text is refused as well.
	for i := range len(typical) {
		if _, err := members(typical[:i]); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v; want ErrSyntax", typical[:i], err)
		}
	}
}

func TestMembersStops(t *testing.T) {
	var names []string
	err := Members(`{"a":1,"b":2,"c":]`, func(name string, _ Value) bool {
		names = append(names, name)
		return name != "b"
	})
	if err != nil || !reflect.DeepEqual(names, []string{"a", "b"}) {
		t.Errorf("names %q, %v", names, err)
	}
}

func TestJWE14DeepAndWide(t *testing.T) {
	nest := func(n int) string { // n levels, the outermost included
		return `{"a":` + strings.Repeat(`[`, n-1) + strings.Repeat(`]`, n-1) + `}`
	}
	mixed := func(n int) string {
		return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n)
	}
	for _, deep := range []func(int) string{nest, mixed} {
		if m, err := members(deep(MaxDepth)); err != nil {
			t.Errorf("%d levels: %v, %v", MaxDepth, m, err)
		}
		for _, n := range []int{MaxDepth + 1, MaxDepth + 2, 2 * MaxDepth, 10_000} {
			if _, err := members(deep(n)); !errors.Is(err, ErrSyntax) {
				t.Errorf("%d levels: %v; want ErrSyntax", n, err)
			}
		}
	}
	wide := `{"a":0` + strings.Repeat(`,"a":0`, 1_000_000) + `}`
	long := `{"a":"` + strings.Repeat("x", 4<<20) + `"}`
	for _, claims := range []string{wide, long, strings.Repeat("[", 4<<20), `{"a":` + strings.Repeat("[", 4<<20)} {
		wantFast(t, func() { _ = Members(claims, func(string, Value) bool { return true }) })
	}
}

// wantFast runs fn until it is done within half a second, as it is at the first
// time on a machine that has nothing else to do.
func wantFast(t *testing.T, fn func()) {
	t.Helper()
	var took time.Duration
	for range 5 {
		start := time.Now()
		fn()
		if took = time.Since(start); took < 500*time.Millisecond {
			return
		}
	}
	t.Errorf("took %v", took)
}

func TestValue(t *testing.T) {
	values := map[string]Value{}
	if err := Members(`{"null":null,"yes":true,"no":false,"int":-12,"frac":1.5,"big":9223372036854775808,"text":"x","esc":"\u0078","list":["a",1,"b",null,["c"]],"obj":{"k":"v"},"none":[]}`,
		func(name string, v Value) bool { values[name] = v; return true }); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]Kind{"null": Null, "yes": Bool, "no": Bool, "int": Number, "frac": Number, "big": Number, "text": String, "esc": String, "list": Array, "obj": Object, "none": Array, "absent": 0}
	for name, want := range kinds {
		v := values[name]
		if v.Kind() != want {
			t.Errorf("%s: kind %d; want %d", name, v.Kind(), want)
		}
		if got := v.Bool(); got != (name == "yes") {
			t.Errorf("%s: Bool %v", name, got)
		}
		if n, ok := v.Int(); ok != (name == "int") || ok && n != -12 {
			t.Errorf("%s: Int %d, %v", name, n, ok)
		}
		if s, want := v.String(), map[bool]string{true: "x"}[want == String]; s != want {
			t.Errorf("%s: String %q", name, s)
		}
		if want != Array && want != String && v.Strings() != nil {
			t.Errorf("%s: Strings %q", name, v.Strings())
		}
		if want != Object {
			v.Members(func(string, Value) bool { t.Errorf("%s has members", name); return true })
		}
		if want != Array {
			v.Elements(func(Value) bool { t.Errorf("%s has elements", name); return true })
		}
	}
	if got := values["list"].Strings(); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("Strings = %q", got)
	}
	if got := values["text"].Strings(); !reflect.DeepEqual(got, []string{"x"}) {
		t.Errorf("Strings of a string = %q", got)
	}
	if got := values["none"].Strings(); got != nil {
		t.Errorf("Strings of an empty list = %q", got)
	}
	n := 0
	values["list"].Elements(func(Value) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("Elements went on to %d", n)
	}
	if raw := values["obj"].Raw(); raw != `{"k":"v"}` {
		t.Errorf("Raw = %q", raw)
	}
}

func TestMembersAllocations(t *testing.T) {
	claims := typical + " "
	var sub, email string
	roles := 0
	if n := testing.AllocsPerRun(200, func() {
		var std Standard
		_ = Members(claims, func(name string, v Value) bool {
			switch {
			case std.Take(name, v):
			case name == "sub":
				sub = v.String()
			case name == "email":
				email = v.String()
			case name == "caddyauth":
				v.Members(func(name string, v Value) bool {
					if name == "roles" {
						v.Elements(func(Value) bool { roles++; return true })
					}
					return true
				})
			}
			return true
		})
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
	if sub == "" || email == "" || roles == 0 {
		t.Error("claims were not found")
	}
}

func FuzzMembers(f *testing.F) {
	for _, list := range [][]string{accepted, refused} {
		for _, claims := range list {
			f.Add(claims)
		}
	}
	f.Fuzz(func(t *testing.T, claims string) {
		got, err := members(claims)
		want, stdErr := standard(claims)
		if err == nil {
			if stdErr != nil {
				t.Fatalf("accepted %q, which encoding/json refuses: %v", claims, stdErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q:\n got %v\nwant %v", claims, got, want)
			}
			return
		}
		// The other way round there are two reasons to refuse more.
		if stdErr == nil && utf8.ValidString(claims) && depth(claims) <= MaxDepth {
			t.Fatalf("refused %q, which encoding/json reads", claims)
		}
	})
}

// depth is the nesting of a valid JSON text.
func depth(s string) int {
	deepest, level := 0, 0
	dec := json.NewDecoder(bytes.NewReader([]byte(s)))
	for {
		tok, err := dec.Token()
		if err != nil {
			return deepest
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			level++
			deepest = max(deepest, level)
		case json.Delim('}'), json.Delim(']'):
			level--
		}
	}
}

func BenchmarkMembers(b *testing.B) {
	claims := typical + " "
	b.ReportAllocs()
	b.SetBytes(int64(len(claims)))
	for b.Loop() {
		var std Standard
		n := 0
		if err := Members(claims, func(name string, v Value) bool {
			if !std.Take(name, v) && v.Kind() == String {
				n += len(v.String())
			}
			return true
		}); err != nil || n == 0 {
			b.Fatal(err)
		}
	}
}
