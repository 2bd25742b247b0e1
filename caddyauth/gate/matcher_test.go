package gate

import (
	"net/http"
	"net/url"
	"testing"
)

func TestPathMatcher(t *testing.T) {
	for _, test := range []struct {
		pattern, path  string
		opens, matches bool // as an opening word, as a closing word
	}{
		{"/x", "/x", true, true},
		{"/x", "/X", false, true},
		{"/x", "/x/", false, true},
		{"/x", "/xy", false, false},
		{"/x/", "/x/", true, true},
		{"/x/", "/x", false, false},
		{"/x/*", "/x/y/z", true, true},
		{"/x/*", "/x/", true, true},
		{"/x/*", "/x", false, true},
		{"/x/*", "/X", false, true},
		{"/x/*", "/X/y", false, true},
		{"/x/*", "/xy", false, false},
		{"/X/*", "/X/y", true, true},
		{"/X/*", "/x/y", false, true},
		{"/x*", "/xy/z", true, true},
		{"/x*", "/", false, false},
		{"/*", "/", true, true},
		{"/*", "/a/b", true, true},
		{"*", "/a/b", true, true},
		{"**", "/a/b", true, true},
		{"*.css", "/a/b.css", true, true},
		{"*.css", "/a/b.CSS", false, true},
		{"*.css", "/a/b.css/", false, true},
		{"*.css", "/a/b.css/x", false, false},
		{"*/x/*", "/a/x/b", true, true},
		{"*/x/*", "/a/X/b", false, true},
		{"*/x/*", "/a/xy/b", false, false},
		{"/a/*/c", "/a/b/c", true, true},
		{"/a/*/c", "/A/b/C", false, true},
		{"/a/*/c", "/a/b/c/", false, true},
		{"/a/*/c", "/a/b/d/c", false, false},
		{"/a?c", "/abc", true, true},
		{"/a[bc]*/d", "/ab/d", true, true},
		{"/a/*/c/*", "/a/b/c", false, true},
		{"/a/*/c/*", "/a/b/c/d", true, true},
		{"/C%23/*", "/C#/x", true, true},
		{"/my%20files", "/my files", true, true},
		{"/a%2Fb", "/a%2Fb", true, true},
		{"/a%2fb", "/a%2Fb", true, true},
		{"/a%2Fb", "/a/b", false, true},
		{"/a%2Fb/*", "/a/b", false, true},
		{"/a%2Fb/*", "/anything", false, false},
		{"/a%*", "/a/b", true, true},
		{"/é", "/é", true, true},
		{"/é", "/É", false, true},
		{"/É/*", "/é/x", false, true},
		{"/cafe\u0301", "/café", false, true},
		{"/café", "/cafe\u0301", false, true},
		{"/k", "/\u212a", false, true}, // the Kelvin sign
		{"/straße", "/STRASSE", false, false},
		{"/caf?", "/café", true, true},
		{"/cafe*", "/cafe\u0301", true, true},
		{"/CAFE*", "/cafe\u0301", false, true},
		{"/Ä/*", "/a\u0308/x", false, true},
	} {
		m := paths(t, test.pattern)
		if got := m.opens("GET", test.path); got != test.opens {
			t.Errorf("%s opens %s: %v", test.pattern, test.path, got)
		}
		rd := newReading(test.path, "")
		if got := m.closes("GET", &rd); got != test.matches {
			t.Errorf("%s closes %s: %v", test.pattern, test.path, got)
		}
		if test.opens && !test.matches {
			t.Errorf("%s: opening is wider than closing", test.pattern)
		}
		r := &http.Request{Method: "GET", URL: parse(t, "/")}
		r.URL.Path = test.path
		if got, err := m.MatchWithError(r); err != nil || got != test.opens {
			t.Errorf("%s as a Matcher, %s: %v, %v", test.pattern, test.path, got, err)
		}
	}
}

func TestPathMatcherSeveralPatterns(t *testing.T) {
	m := paths(t, "/a", "/b/*", "*.css")
	for p, want := range map[string]bool{"/a": true, "/b/x": true, "/x.css": true, "/c": false, "/A": false} {
		if got := m.opens("GET", p); got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
}

func TestNewPathMatcherRefuses(t *testing.T) {
	for _, patterns := range [][]string{{}, {""}, {"/{env.X}"}, {"/x", "/[a"}, {"/a*[b"}, {"/100%"}, {"/%zz"}, {"/a%3Fb"}, {"/a%2a"}, {"/%00"}} {
		if m, err := NewPathMatcher(patterns...); err == nil {
			t.Errorf("%q: %+v", patterns, m)
		}
	}
}

func TestPagePaths(t *testing.T) {
	p := &Policy{Public: []Matcher{PagePaths("/login", "/bye*")}}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, target string
		want           Action
	}{
		{"GET", "/login", Pass},
		{"HEAD", "/login", Pass},
		{"GET", "/login?error=x", Pass},
		{"POST", "/login", SignIn},
		{"GET", "/login/", SignIn},
		{"GET", "/Login", SignIn},
		{"GET", "/login/..;/login", SignIn},
		{"GET", "/bye*", Pass},
		{"GET", "/byebye", SignIn},
	} {
		r := get(t, test.target)
		r.Method = test.method
		if d := p.Decide(r, nil, anonymous); d.Action != test.want {
			t.Errorf("%s %s: %+v", test.method, test.target, d)
		}
	}
}

func TestCompositeMatchers(t *testing.T) {
	isPost := matcherFunc(func(r *http.Request) (bool, error) { return r.Method == "POST", nil })
	lower := matcherFunc(func(r *http.Request) (bool, error) { return r.URL.Path == "/hook", nil })
	for _, test := range []struct {
		name           string
		m              Matcher
		method, target string
		opens, closes  bool
	}{
		{"both", Both(paths(t, "/a/*"), isPost), "POST", "/a/x", true, true},
		{"both, another method", Both(paths(t, "/a/*"), isPost), "GET", "/a/x", false, false},
		{"both, another path", Both(paths(t, "/a/*"), isPost), "POST", "/b/x", false, false},
		{"both, another case", Both(paths(t, "/a/*"), isPost), "POST", "/A/x", false, true},
		{"both, the directory", Both(paths(t, "/a/*"), isPost), "POST", "/a", false, true},
		{"both, one reading", Both(paths(t, "/a/*"), isPost), "POST", "/a/..;/b", false, true},
		{"both and nothing", Both(paths(t, "/a/*"), nil), "GET", "/a/x", true, true},
		{"both with another path", Both(paths(t, "/a/*"), paths(t, "*.css")), "GET", "/a/x.css", true, true},
		{"both with another path that differs", Both(paths(t, "/a/*"), paths(t, "*.css")), "GET", "/a/x.js", false, false},
		{"any of, first", AnyOf(paths(t, "/a"), lower), "GET", "/a", true, true},
		{"any of, second", AnyOf(paths(t, "/a"), lower), "GET", "/hook", true, true},
		{"any of, second in another case", AnyOf(paths(t, "/a"), lower), "GET", "/HOOK", false, true},
		{"any of, second exactly", AnyOf(paths(t, "/a"), Exact(lower)), "GET", "/HOOK", false, false},
		{"any of, exactly", Exact(AnyOf(lower, isPost)), "GET", "/HOOK", false, false},
		{"any of, neither", AnyOf(paths(t, "/a"), lower), "GET", "/b", false, false},
		{"any of with everything", AnyOf(paths(t, "/a"), nil), "GET", "/b", true, true},
		{"any of nothing", AnyOf(), "GET", "/b", false, false},
		{"any of both", AnyOf(lower, Both(paths(t, "/a/*"), isPost)), "POST", "/a/x", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := get(t, test.target)
			r.Method = test.method
			for _, p := range []*Policy{{Public: []Matcher{test.m}}, {Public: []Matcher{nil}, Private: []Matcher{test.m}}} {
				if err := p.Compile(); err != nil {
					t.Fatal(err)
				}
				want := test.opens
				if p.Private != nil {
					want = !test.closes
				}
				if d := p.Decide(r, nil, anonymous); (d.Action == Pass) != want {
					t.Errorf("private %v: %+v", p.Private != nil, d)
				}
			}
		})
	}
	t.Run("as matchers", func(t *testing.T) {
		r := get(t, "/a/x")
		for i, test := range []struct {
			m    Matcher
			want bool
		}{
			{Both(paths(t, "/a/*"), lower), false},
			{Both(paths(t, "/a/*"), paths(t, "*/x")), true},
			{Both(paths(t, "/b/*"), lower), false},
			{Exact(paths(t, "/a/x")), true},
		} {
			if got, err := test.m.MatchWithError(r); got != test.want || err != nil {
				t.Errorf("%d: %v, %v", i, got, err)
			}
		}
		if got, err := AnyOf(lower, paths(t, "/a/x")).MatchWithError(r); !got || err != nil {
			t.Errorf("any of: %v, %v", got, err)
		}
		if got, err := AnyOf(lower).MatchWithError(r); got || err != nil {
			t.Errorf("any of none: %v, %v", got, err)
		}
	})
}

// A rule that heads rule out must be one whose paths do not match.
func TestHeads(t *testing.T) {
	texts := []string{
		"/", "//", "/a", "/A", "/a/", "/ab", "/AB", "/aB/", "/abc", "/a1", "/aq", "/a!", "/é", "/É", "/e\u0301", "/k/", "/\u212a/", "/aı", "/aé", "/@b", "/`B", "/%b", "/a.",
	}
	matched, ruledOut := 0, 0
	for _, text := range texts {
		for _, pattern := range []string{text, text + "*", text + "/*", "*" + text, "*" + text + "*", text + "*x", "/[a]" + text + "*", "/?b"} {
			m, err := NewPathMatcher(pattern)
			if err != nil {
				continue
			}
			for _, path := range append(texts, text+"/x", text+"/", "/x"+text) {
				var rs readings
				if err := rs.expand(&url.URL{Path: path}); err != nil {
					t.Fatal(err)
				}
				e := evaluation{r: &http.Request{Method: "GET"}, readings: rs}
				possible := newTerm(m).heads()&rs.heads() != 0
				switch closes := e.closes(newTerm(m)); {
				case closes && !possible:
					t.Errorf("%s closes %s, which its heads rule out", pattern, path)
				case closes:
					matched++
				case !possible:
					ruledOut++
				}
			}
		}
	}
	if matched < 500 || ruledOut < 500 {
		t.Errorf("%d pairs match, %d are ruled out", matched, ruledOut)
	}
	if (&readings{overflow: true}).heads() != anyHead {
		t.Error("readings that nobody has counted out have heads")
	}
	if newTerm(Both(paths(t, "/a/b"), matcherFunc(nil))).heads() != anyHead {
		t.Error("a named matcher has heads")
	}
}

// What a pattern opens it also closes, and it closes no less in another case.
func FuzzPathMatcher(f *testing.F) {
	for _, seed := range [][2]string{
		{"/x/*", "/x"}, {"*.css", "/A.CSS"}, {"/a/*/c", "/a/b/c"}, {"/é", "/É"}, {"/a%2Fb", "/a/b"}, {"*x*", "/xx"}, {"/[a-c]?", "/bc"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		m, err := NewPathMatcher(pattern)
		if err != nil || path == "" || path[0] != '/' {
			return
		}
		if !m.opens("GET", path) {
			return
		}
		if rd := newReading(path, ""); !m.closes("GET", &rd) {
			t.Errorf("%q opens %q and does not close it", pattern, path)
		} else if rs := (readings{list: []reading{rd}}); newTerm(m).heads()&rs.heads() == 0 {
			t.Errorf("%q opens %q, which its heads rule out", pattern, path)
		}
	})
}
