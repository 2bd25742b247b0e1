package gate

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// A value can be sent, comes back as it was, and cannot be told apart into
// other items than were put in.
func FuzzHeaderValue(f *testing.F) {
	for _, seed := range [][2]string{{"Ada Lovelace", "dev"}, {"é 名", "a,admin"}, {" ", ""}, {"a\r\nX: y", ";"}, {"100%", "%2C"}, {"\xff", "\x00"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		value := encodeValue(one, false)
		if !httpguts.ValidHeaderFieldValue(value) || strings.TrimSpace(value) != value {
			t.Fatalf("%q is sent as %q", one, value)
		}
		if back, err := url.PathUnescape(value); err != nil || back != one {
			t.Fatalf("%q is sent as %q, which is %q, %v", one, value, back, err)
		}
		list := joinItems([]string{one, two})
		if !httpguts.ValidHeaderFieldValue(list) || strings.Contains(list, ";") {
			t.Fatalf("%q, %q is sent as %q", one, two, list)
		}
		var items []string
		for item := range strings.SplitSeq(list, ",") {
			back, err := url.PathUnescape(item)
			if err != nil {
				t.Fatalf("item %q: %v", item, err)
			}
			if back != "" {
				items = append(items, back)
			}
		}
		want := slices.DeleteFunc([]string{one, two}, func(s string) bool { return s == "" })
		if !slices.Equal(items, want) {
			t.Fatalf("%q are sent as %q, which are %q", want, list, items)
		}
	})
}

// However Accept is written, it neither panics nor makes a page load of what
// says that it is none.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{chrome, "*/*", "text/html;q=0", ";;q=,", "text/html;q=1.0000", "text/html ; q=0.5 , */*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		r := &http.Request{Method: "GET", Header: http.Header{"Accept": {accept}}}
		navigates := Navigation(r) == Navigate
		lower := strings.ToLower(accept)
		if navigates && !strings.Contains(lower, "text/html") && !strings.Contains(lower, "application/xhtml+xml") {
			t.Errorf("%q", accept)
		}
		r.Header["Sec-Fetch-Mode"] = []string{"cors"}
		if Navigation(r) != Script {
			t.Errorf("%q with fetch", accept)
		}
		r.Method, r.Header = "PUT", http.Header{"Accept": {accept}}
		if Navigation(r) != Script {
			t.Errorf("%q with PUT", accept)
		}
	})
}

// Whatever Cache-Control an upstream sends, shared caches keep out.
func FuzzPrivateControl(f *testing.F) {
	for _, seed := range []string{"", "public, max-age=60", `private="x, public"`, `no-cache="a`, `"\",s-maxage=1`, "no-store", ",,="} {
		f.Add(seed, "public")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		got := privateControl([]string{one, two})
		private := false
		for rest := got; rest != ""; {
			var directive string
			directive, rest = cutDirective(rest)
			name, _, valued := strings.Cut(strings.ToLower(directive), "=")
			switch strings.TrimSpace(name) {
			case "public", "s-maxage", "proxy-revalidate":
				t.Errorf("%q, %q: %q", one, two, got)
			case "private", "no-store":
				private = private || !valued
			}
		}
		if !private {
			t.Errorf("%q, %q: %q", one, two, got)
		}
	})
}
