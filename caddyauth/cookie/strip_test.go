package cookie

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

func TestStripRequest(t *testing.T) {
	names := NewNames(dialect.V4, "own", true)
	for _, tt := range []struct {
		name        string
		lines, want []string
	}{
		{"none", nil, nil},
		{"nothing of ours", []string{"a=1; b=2"}, []string{"a=1; b=2"}},
		{"only ours", []string{"own.a=1"}, nil},
		{"only ours, many", []string{"own.a=1; __Secure-own.b=2; __Host-own.c=3"}, nil},
		{"only ours, many lines", []string{"own.a=1", "__Secure-own.b=2; own.c=3", "own.d"}, nil},
		{"first", []string{"own.a=1; b=2; c=3"}, []string{"b=2; c=3"}},
		{"middle", []string{"a=1; own.b=2; c=3"}, []string{"a=1; c=3"}},
		{"last", []string{"a=1; b=2; own.c=3"}, []string{"a=1; b=2"}},
		{"several", []string{"own.a=1; b=2; own.c=3; own.d=4; e=5; own.f=6"}, []string{"b=2; e=5"}},
		{"odd bytes stay", []string{`a="x y"; own.b=2;c=é\,  d ;;e`}, []string{`a="x y";c=é\,  d ;;e`}},
		{"lines", []string{"a=1", "own.b=2", "c=3; own.d=4", "e=5"}, []string{"a=1", "c=3", "e=5"}},
		{"first line", []string{"own.b=2", "c=3"}, []string{"c=3"}},
		{"last line", []string{"c=3", "own.b=2"}, []string{"c=3"}},
		{"chunks", []string{"__Secure-own.session-token.0=x; a=1; __Secure-own.session-token.1=y"}, []string{"a=1"}},
		{"trailing semicolon", []string{"a=1; own.b=2;"}, []string{"a=1;"}},
		{"value that looks like ours", []string{"a=own.b=2; c=3"}, []string{"a=own.b=2; c=3"}},
		{"names that look like ours", []string{"owner=1; xown.b=2; Own.c=3"}, []string{"owner=1; xown.b=2; Own.c=3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{"X": {"y"}}
			if tt.lines != nil {
				h["Cookie"] = slices.Clone(tt.lines)
			}
			before := h["Cookie"]
			StripRequest(h, names.Owned)
			if got := h["Cookie"]; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q; want %q", got, tt.want)
			}
			if _, there := h["Cookie"]; there != (tt.want != nil) {
				t.Errorf("the field is there: %v", there)
			}
			if !slices.Equal(before, tt.lines) {
				t.Errorf("the caller's slice was changed to %q", before)
			}
			if h.Get("X") != "y" {
				t.Error("another field was lost")
			}
		})
	}
}

// TestStripIsLenient: what a server behind us may trim does not hide a name.
func TestStripIsLenient(t *testing.T) {
	names := NewNames(dialect.V4, "own", false)
	for _, name := range []string{
		" own.a", "  own.a", "\town.a", "own.a ", "own.a\t", "\xa0own.a", "\u00a0own.a", "\u2000own.a", "\ufeffown.a", "own.a\u3000", "\x85own.a", "\x0bown.a",
		"=own.a", " = own.a", "== own.a", " __Secure-own.a ",
	} {
		h := header("x=1;" + name + "=secret; y=2")
		StripRequest(h, names.Owned)
		if got := h.Get("Cookie"); got != "x=1; y=2" {
			t.Errorf("%q: left %q", name, got)
		}
		res := http.Header{"Set-Cookie": {"x=1", name + "=evil; Path=/", "y=2"}}
		StripResponse(res, names.Owned)
		if got := res["Set-Cookie"]; !reflect.DeepEqual(got, []string{"x=1", "y=2"}) {
			t.Errorf("%q: left %q", name, got)
		}
	}
}

func TestStripResponse(t *testing.T) {
	names := NewNames(dialect.V4, "own", true)
	for _, tt := range []struct{ lines, want []string }{
		{nil, nil},
		{[]string{"a=1; Path=/"}, []string{"a=1; Path=/"}},
		{[]string{"own.a=1"}, nil},
		{[]string{"own.a=1; Path=/", "__Host-own.b=; Max-Age=0", "__Secure-own.c"}, nil},
		{[]string{"a=1", "own.a=1", "b=own.x=2; HttpOnly", "own.c", ""}, []string{"a=1", "b=own.x=2; HttpOnly", ""}},
		{[]string{"own.a=1", "b=2"}, []string{"b=2"}},
		{[]string{"a=1; own.b=2"}, []string{"a=1; own.b=2"}},
	} {
		h := http.Header{}
		if tt.lines != nil {
			h["Set-Cookie"] = slices.Clone(tt.lines)
		}
		before := h["Set-Cookie"]
		StripResponse(h, names.Owned)
		if got := h["Set-Cookie"]; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: got %q; want %q", tt.lines, got, tt.want)
		}
		if !slices.Equal(before, tt.lines) {
			t.Errorf("the caller's slice was changed to %q", before)
		}
	}
}

func TestStripAllocations(t *testing.T) {
	names := NewNames(dialect.V4, "own", true)
	const none = "a=1; b=2; theme=dark"
	const ours = "__Secure-own.session-token=x; __Host-own.csrf-token=y"
	h := http.Header{}
	lines := map[string][]string{none: {none, none}, ours: {ours, ours}}
	for line := range lines {
		if n := testing.AllocsPerRun(100, func() {
			h["Cookie"] = lines[line]
			StripRequest(h, names.Owned)
		}); n != 0 {
			t.Errorf("%s: %v allocations; want 0", line, n)
		}
	}
}

func FuzzStripRequest(f *testing.F) {
	f.Add("a=1; own.b=2; c=3", "own.d")
	f.Add("own.a;; ;own.b=;x", " own.c=1")
	f.Fuzz(func(t *testing.T, a, b string) {
		names := NewNames(dialect.V4, "own", false)
		h := header(a, b)
		StripRequest(h, names.Owned)
		var kept, want []string
		for _, line := range h["Cookie"] {
			kept = append(kept, strings.Split(line, ";")...)
		}
		for _, line := range []string{a, b} {
			for _, pair := range strings.Split(line, ";") {
				if !names.Owned(looseName(pair)) {
					want = append(want, pair)
				}
			}
		}
		trim := func(list []string) (out []string) {
			for _, s := range list {
				if s = strings.TrimLeft(s, " "); s != "" {
					out = append(out, s)
				}
			}
			return out
		}
		if !slices.Equal(trim(kept), trim(want)) {
			t.Fatalf("%q, %q: kept %q; want %q", a, b, kept, want)
		}
	})
}

func BenchmarkStripRequest(b *testing.B) {
	names := NewNames(dialect.V4, "", true)
	for name, line := range map[string]string{
		"none": "a=1; b=2; theme=dark",
		"ours": "__Secure-next-auth.session-token=x; __Host-next-auth.csrf-token=y",
		"both": "a=1; __Secure-next-auth.session-token=x; theme=dark",
	} {
		b.Run(name, func(b *testing.B) {
			h, lines := http.Header{}, []string{line}
			b.ReportAllocs()
			for b.Loop() {
				h["Cookie"] = lines
				StripRequest(h, names.Owned)
			}
		})
	}
}
