package callbacks

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

func TestToJSON(t *testing.T) {
	a := adapter{}
	for _, test := range []struct {
		value any
		want  string
	}{
		{nil, `null`},
		{true, `true`},
		{math.MaxInt64, `9223372036854775807`},
		{math.MinInt64, `-9223372036854775808`},
		{uint64(math.MaxUint64), `18446744073709551615`},
		{1.0, `1`},
		{math.Copysign(0, -1), `0`},
		{0.1, `0.1`},
		{-1.5, `-1.5`},
		{1e20, `100000000000000000000`},
		{1e21, `1e+21`},
		{1.5e300, `1.5e+300`},
		{1e-6, `0.000001`},
		{1e-7, `1e-7`},
		{5e-324, `5e-324`},
		{float32(0.5), `0.5`},
		{json.Number("9007199254740993"), `9007199254740993`},
		{json.Number("1e3"), `1000`},
		{json.Number("9223372036854775808"), `9223372036854776000`},
		{json.Number("1E400"), ``},
		{json.Number("x"), ``},
		{math.NaN(), ``},
		{math.Inf(1), ``},
		{math.Inf(-1), ``},
		{"", `""`},
		{"a\"\\/\b\f\n\r\t\x00\x1f\x7f<>&\u2028é😀", `"a\"\\/\b\f\n\r\t\u0000\u001f` + "\x7f<>&\u2028é😀" + `"`},
		{"\xff\xc0a\xed\xa0\x80", `"` + strings.Repeat("\uFFFD", 2) + "a" + strings.Repeat("\uFFFD", 3) + `"`},
		{[]byte{0xfb, 0xff}, `"+/8="`},
		{[]any{1.0, "a", nil, []string{"b"}}, `[1,"a",null,["b"]]`},
		{[]any{}, `[]`},
		{map[string]any{"b": 1, "a": map[string]string{"c": "d"}}, `{"a":{"c":"d"},"b":1}`},
		{map[string]any(nil), `{}`},
		{map[int]string{1: "a"}, ``},
		{time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, time.FixedZone("", 3600)), `"2026-01-02T02:04:05.006Z"`},
		{90 * time.Second, `90`},
		{1500 * time.Millisecond, `1.5`},
		{-time.Nanosecond, `-1e-9`},
		{struct{ A int }{1}, ``},
		{[]any{math.NaN()}, ``},
		{map[string]any{"a": math.Inf(1)}, ``},
		{types.OptionalOf(types.String("x")), ``},
		{[]ref.Val{types.OptionalNone}, ``},
		{types.IntType, ``},
		{[]any{strings.Repeat("x", maxValue)}, ``},
		{strings.Repeat("x", maxValue), ``},
		{strings.Repeat("x", maxValue-2), `"` + strings.Repeat("x", maxValue-2) + `"`},
	} {
		got, err := toJSON(a.NativeToValue(test.value))
		if got.Raw() != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%#.100v: %.100s, %v; want %.100s", test.value, got.Raw(), err, test.want)
		}
	}
}

func TestFromJSON(t *testing.T) {
	for text, want := range map[string]ref.Val{
		`null`:                   types.NullValue,
		`true`:                   types.True,
		`0`:                      types.Int(0),
		`-0`:                     types.Int(0),
		`1.0`:                    types.Int(1),
		`1e3`:                    types.Int(1000),
		`9007199254740993`:       types.Int(9007199254740993),
		`-9223372036854775808`:   types.Int(math.MinInt64),
		`9223372036854775808`:    types.Double(1 << 63),
		`-9223372036854775809`:   types.Double(-1 << 63),
		`0.5`:                    types.Double(0.5),
		`1e999`:                  types.Double(math.Inf(1)),
		`1e-999`:                 types.Int(0),
		`"\u00e4\ud83d\ude00"`:   types.String("ä😀"),
		`"\ud83d"`:               types.String("\uFFFD"),
		` [ 1 , [ "a" ] , {} ] `: adapter{}.NativeToValue([]any{1, []any{"a"}, map[string]any{}}),
	} {
		v, err := parseJSON(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fromJSON(v); got.Type() != want.Type() || got.Equal(want) != types.True {
			t.Errorf("%s: %v %v, want %v %v", text, got.Type(), got, want.Type(), want)
		}
	}
	for _, text := range []string{``, ` `, `1,2`, `1,"":2`, `1}`, `1}{`, `nul`, `01`, `"`, "\"\xff\"", strings.Repeat("[", 64) + strings.Repeat("]", 64)} {
		if v, err := parseJSON(text); err == nil {
			t.Errorf("%q is %q", text, v.Raw())
		}
	}
}

// An object is a map to CEL in all that CEL may ask of it.
func TestObjectIsMap(t *testing.T) {
	o, err := newObject(`{"a":1,"b":{"c":[true]}}`)
	if err != nil {
		t.Fatal(err)
	}
	var m traits.Mapper = o
	same := adapter{}.NativeToValue(map[string]any{"b": map[string]any{"c": []any{true}}, "a": 1})
	if m.Equal(same) != types.True || same.Equal(m) != types.True {
		t.Error("not equal to the same map")
	}
	for _, other := range []any{
		nil, "a", map[string]any{}, map[string]any{"a": 1, "x": 1},
		map[string]any{"a": 1, "b": map[string]any{"c": []any{false}}},
	} {
		if other := (adapter{}).NativeToValue(other); m.Equal(other) != types.False {
			t.Errorf("equal to %v", other)
		}
	}
	if m.Get(types.String("a")).Equal(types.Int(1)) != types.True || !types.IsError(m.Get(types.String("x"))) || !types.IsError(m.Get(types.Int(1))) {
		t.Error("Get")
	}
	if m.Contains(types.String("b")) != types.True || m.Contains(types.String("x")) != types.False || m.Contains(types.Int(0)) != types.False {
		t.Error("Contains")
	}
	if m.Type() != types.MapType || m.ConvertToType(types.MapType) != m || m.ConvertToType(types.TypeType) != types.MapType || !types.IsError(m.ConvertToType(types.StringType)) {
		t.Error("types")
	}
	if native, err := m.ConvertToNative(types.JSONStructType); err != nil {
		t.Errorf("native: %v", err)
	} else if text, _ := json.Marshal(native); string(text) != `{"a":1,"b":{"c":[true]}}` {
		t.Errorf("native: %s", text)
	}
	if o.IsZeroValue() || !new(object).IsZeroValue() {
		t.Error("IsZeroValue")
	}
}
