package gate

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// parse makes a URL as the server does of a request target.
func parse(t testing.TB, target string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return u
}

// readingsOf returns the readings of one path, in order.
func readingsOf(u *url.URL) ([]string, *readings, error) {
	rs := new(readings)
	err := rs.read(u, u)
	var list []string
	for i := range rs.len() {
		list = append(list, rs.at(i).path)
	}
	return list, rs, err
}

func TestReadings(t *testing.T) {
	for _, test := range []struct {
		name, target string
		want         []string // exactly these, in any order
	}{
		{"plain", "/a/b.c/", []string{"/a/b.c/"}},
		{"root", "/", []string{"/"}},
		{"sub-delimiters", "/@scope/pkg:1,2=3!$&'()*+~_-", []string{"/@scope/pkg:1,2=3!$&'()*+~_-"}},
		{"dot file", "/.well-known/x", []string{"/.well-known/x"}},
		{"space", "/a%20b", []string{"/a b"}},
		{"non-ASCII", "/caf%C3%A9", []string{"/café"}},
		{"percent sign", "/100%25", []string{"/100%"}},
		{"percent sign before text", "/100%25%20done", []string{"/100% done"}},
		{"escaped slash", "/a%2Fb", []string{"/a/b", "/a%2Fb"}},
		{"escaped letter", "/%61", []string{"/a", "/%61"}},
		{"twice", "/%2561", []string{"/%61", "/a"}},
		{"number sign", "/C%23/x", []string{"/C#/x", "/C"}},
		{"question mark", "/a%3Fb", []string{"/a?b", "/a"}},
		{"matrix parameter", "/a;v=1/b", []string{"/a;v=1/b", "/a/b"}},
		{"escaped semicolon", "/a%3Bv/b", []string{"/a;v/b", "/a/b"}},
		{"parameters on the wire only", "/a%3Bb;c", []string{"/a;b;c", "/a;b", "/a"}},
		{"double slash", "/a//b", []string{"/a//b", "/a/b"}},
		{"authority", "//host/a", []string{"//host/a", "/host/a", "/a"}},
		{"dots", "/a/./b/../c", []string{"/a/./b/../c", "/a/c"}},
		{"dots above the root", "/../a", []string{"/../a", "/a"}},
		{"dots over an empty segment", "/a//../b", []string{"/a//../b", "/a/../b", "/a/b", "/b"}},
		{"dots at the end", "/a/b/..", []string{"/a/b/..", "/a/", "/a"}},
		{"dots before decoding", "/a/%2e%2e/../b", []string{"/a/../../b", "/a/%2E%2E/../b", "/b", "/a/b"}},
		{"backslash", `/a%5Cb`, []string{`/a\b`, "/a/b"}},
		{"trailing dot", "/a./b", []string{"/a./b", "/a/b"}},
		{"trailing space", "/a%20/b", []string{"/a /b", "/a/b"}},
		{"dots and space", "/a/..%20/b", []string{"/a/.. /b", "/a/../b", "/b"}},
		{"escaped slash beside a character that Go escapes", "/a%2Fb|", []string{"/a/b|", "/a%2Fb|"}},
		{"no path", "http://host", []string{"/"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, rs, err := readingsOf(parse(t, test.target))
			if err != nil || rs.overflow || rs.murky {
				t.Fatalf("err %v, overflow %v, murky %v", err, rs.overflow, rs.murky)
			}
			first := parse(t, test.target).Path
			if first != "" && got[0] != first {
				t.Errorf("first reading is %q, but Caddy's matchers read %q", got[0], first)
			}
			slices.Sort(got)
			want := slices.Clone(test.want)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestReadingsOfTwoPaths(t *testing.T) {
	rs := new(readings)
	if err := rs.read(parse(t, "/app/x"), parse(t, "/x")); err != nil || rs.len() != 2 {
		t.Fatalf("%v, %d readings", err, rs.len())
	}
	if rs.at(0).path != "/x" || rs.at(1).path != "/app/x" {
		t.Errorf("got %q and %q", rs.at(0).path, rs.at(1).path)
	}
	rs = new(readings)
	if err := rs.read(parse(t, "/app/%78"), parse(t, "/x")); err != nil || rs.len() != 3 {
		t.Fatalf("%v, %d readings", err, rs.len())
	}
	if rs.at(0).path != "/x" || rs.at(1).path != "/app/x" || rs.at(2).path != "/app/%78" {
		t.Errorf("got %q, %q and %q", rs.at(0).path, rs.at(1).path, rs.at(2).path)
	}
}

func TestBadPaths(t *testing.T) {
	for _, test := range []struct {
		name   string
		target string
		want   error
	}{
		{"PATH-11 NUL", "/public/x%00", errPathControl},
		{"PATH-11 NUL before a suffix", "/admin%00.css", errPathControl},
		{"PATH-11 control byte", "/%01", errPathControl},
		{"PATH-11 DEL", "/%7F", errPathControl},
		{"PATH-11 tab and line feed", "/a%09b%0A", errPathControl},
		{"PATH-11 NUL decoded twice", "/%2500", errPathControl},
		{"PATH-11 NUL decoded five times", "/%2525252500", errPathControl},
		{"PATH-11 control byte in a parameter", "/a;%0d/b", errPathControl},
		{"PATH-12 NUL between dots", "/admin/..%00/", errPathControl},
		{"PATH-15 overlong dots", "/%c0%ae%c0%ae/admin", errPathUTF8},
		{"PATH-15 lone byte", "/%ff", errPathUTF8},
		{"PATH-15 surrogate", "/%ed%a0%80", errPathUTF8},
		{"no path at all", "http:admin", errPathOpaque},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := readingsOf(parse(t, test.target)); !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.URL = parse(t, test.target)
			if d := policy(t, "public").Decide(r, r.URL, anonymous); d.Action != BadRequest || d.Reason != ReasonPath || d.Err == nil {
				t.Errorf("got %+v", d)
			}
		})
	}
	t.Run("broken escapes", func(t *testing.T) {
		for _, wire := range []string{"/%", "/%2", "/%zz", "/a%2/b", "/%u002e"} {
			if _, err := decodeWire(wire, false); !errors.Is(err, errPathEscape) {
				t.Errorf("%s: %v", wire, err)
			}
		}
	})
	t.Run("raw control byte", func(t *testing.T) {
		u := &url.URL{Path: "/a\x00b"} // as a rewrite could make it
		if _, _, err := readingsOf(u); !errors.Is(err, errPathControl) {
			t.Errorf("got %v", err)
		}
	})
}

func TestMurkyPathsOpenNothing(t *testing.T) {
	u := parse(t, "/public/50%25ab")
	list, rs, err := readingsOf(u)
	if err != nil || !rs.murky {
		t.Fatalf("%q, murky %v, %v", list, rs.murky, err)
	}
	p := policy(t, "public /public/*")
	r := get(t, "/public/50%25ab")
	if d := p.Decide(r, r.URL, anonymous); d.Action != SignIn {
		t.Errorf("anonymous: %+v", d)
	}
	if d := p.Decide(r, r.URL, signedIn(alice())); d.Action != Pass {
		t.Errorf("signed in: %+v", d)
	}
}

func TestOverflowOpensNothingAndClosesEverything(t *testing.T) {
	for name, target := range map[string]string{
		"many readings": "/public/" + strings.Repeat("%252e%252e;x%5c%23//.%20", 6),
		"many bytes":    "/public/" + strings.Repeat("%2f%2e%2e;", 3000),
		"deep":          "/public/%" + strings.Repeat("25", 100) + "2e",
	} {
		t.Run(name, func(t *testing.T) {
			r := get(t, target)
			if _, rs, err := readingsOf(r.URL); err != nil || !rs.overflow || rs.len() > maxReadings {
				t.Fatalf("overflow %v, %d readings, %v", rs.overflow, rs.len(), err)
			}
			if d := policy(t, "public /public/*").Decide(r, r.URL, anonymous); d.Action != SignIn {
				t.Errorf("opened: %+v", d)
			}
			if d := policy(t, "public", "private /admin/*").Decide(r, r.URL, anonymous); d.Action != SignIn {
				t.Errorf("not closed: %+v", d)
			}
			if d := policy(t, "allow /admin/* role admin").Decide(r, r.URL, signedIn(alice())); d.Action != Forbid {
				t.Errorf("not scoped: %+v", d)
			}
			if d := policy(t, "deny /admin/* role staff").Decide(r, r.URL, signedIn(alice())); d.Action != Forbid {
				t.Errorf("not denied: %+v", d)
			}
			if d := policy(t, "scope /admin/*").Decide(r, r.URL, anonymous); d.Action != SignIn {
				t.Errorf("left out of the gate: %+v", d)
			}
			if d := policy(t, "allow any").Decide(r, r.URL, signedIn(alice())); d.Action != Pass {
				t.Errorf("refused without a rule: %+v", d)
			}
		})
	}
}

// The paths that people in need of a way around try, on a site that opens
// /public/* and one that closes /admin/*.
func TestHostilePaths(t *testing.T) {
	open := policy(t, "public /public/*")
	closed := policy(t, "public", "private /admin/*")
	role := policy(t, "allow /admin/* role admin")
	for _, test := range []struct{ id, target string }{
		{"PATH-01 dot segments", "/public/../admin"},
		{"PATH-01 dot segments in the middle", "/public/./../admin/x"},
		{"PATH-03 double-encoded dots", "/public/%252e%252e/admin"},
		{"PATH-03 triple-encoded dots", "/public/%25252e%25252e/admin"},
		{"PATH-03 encoded dots", "/public/%2e%2E/admin"},
		{"PATH-04 encoded slash", "/public%2f..%2fadmin"},
		{"PATH-04 encoded slash after dots", "/public/..%2fadmin"},
		{"PATH-04 double-encoded slash", "/public/..%252fadmin"},
		{"PATH-04 beside a character that Go escapes", "/public%2f..%2fadmin/|"},
		{"PATH-05 backslashes", `/public\..\admin`},
		{"PATH-05 encoded backslash", "/public/..%5cadmin"},
		{"PATH-05 double-encoded backslash", "/public/..%255Cadmin"},
		{"PATH-06 dots with a parameter", "/public/..;/admin"},
		{"PATH-06 dots with a named parameter", "/public/..;x=y/admin"},
		{"PATH-06 encoded semicolon", "/public/..%3b/admin"},
		{"PATH-06 parameter on the name", "/admin;x=y"},
		{"PATH-06 empty segment with a parameter", "/;/admin"},
		{"PATH-06 parameter on the first segment", "/public;/../admin"},
		{"PATH-10 question mark", "/admin%3f"},
		{"PATH-10 number sign", "/admin%23/../public/"},
		{"PATH-10 double-encoded number sign", "/admin%2523/../public/"},
		{"PATH-10 number sign in a segment", "/admin/secret%23/bar"},
		{"PATH-12 trailing dot", "/admin."},
		{"PATH-12 trailing space", "/admin%20"},
		{"PATH-12 dot segment", "/admin/."},
		{"PATH-12 dots with a space", "/public/..%20/admin"},
		{"PATH-12 trailing dot of a directory", "/admin./x"},
		{"PATH-13 suffix", "/admin/x.css"},
		{"PATH-13 suffix in a parameter", "/admin/users;.js"},
		{"PATH-13 suffix behind dots", "/admin/..%2f..%2fadmin/logo.png"},
		{"PATH-14 query", "/admin?x=/public/"},
		{"PATH-14 query like a callback", "/admin?/oauth2/callback"},
		{"double slash", "//admin/x"},
		{"double slash read as an authority", "//public/admin"},
		{"slash and backslash", `/%5Cpublic/admin`},
		{"case", "/ADMIN/x"},
		{"case, escaped", "/%41dmin/x"},
		{"directory itself", "/admin"},
		{"absolute form", "http://evil.example/admin"},
		{"dots before decoding", "/admin/%2e%2e/../x"},
		{"escaped letter", "/%61dmin"},
	} {
		t.Run(test.id, func(t *testing.T) {
			r := get(t, "/")
			r.URL = parse(t, test.target)
			before := *r.URL
			if d := open.Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("public /public/*: %+v", d)
			}
			if d := closed.Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("private /admin/*: %+v", d)
			}
			if d := role.Decide(r, nil, signedIn(alice())); d.Action != Forbid {
				t.Errorf("allow /admin/* role admin: %+v", d)
			}
			if *r.URL != before {
				t.Errorf("URL is %+v, was %+v", *r.URL, before)
			}
		})
	}
	t.Run("case of opening words", func(t *testing.T) {
		for _, target := range []string{"/PUBLIC/x", "/Public/x", "/%70ublic/x", "/public%2Fx", "/public", "/publicity"} {
			r := get(t, target)
			if d := open.Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("%s: %+v", target, d)
			}
		}
	})
	t.Run("PATH-19 rewrite before", func(t *testing.T) {
		p := policy(t, "public /public/*", "allow /admin/* role admin")
		for _, test := range []struct {
			original, current string
			anonymous, alice  Action
		}{
			{"/admin/x", "/public/x", SignIn, Forbid}, // handle_path, uri replace
			{"/public/x", "/admin/x", SignIn, Forbid}, // rewrite
			{"/public/x", "/x", SignIn, Pass},         // strip_prefix
			{"/public/x", "/public/y", Pass, Pass},
			{"/public/%2e%2e/x", "/public/x", SignIn, Pass},
		} {
			r := get(t, test.current)
			original := parse(t, test.original)
			if d := p.Decide(r, original, anonymous); d.Action != test.anonymous {
				t.Errorf("%s, now %s: anonymous: %+v", test.original, test.current, d)
			}
			if d := p.Decide(r, original, signedIn(alice())); d.Action != test.alice {
				t.Errorf("%s, now %s: alice: %+v", test.original, test.current, d)
			}
		}
	})
	t.Run("PATH-20 names beside the base path", func(t *testing.T) {
		// What is not below the base path is the gate's, however alike.
		for _, target := range []string{"/api/authsignin", "/API/AUTH/signin", "/api/auth%2Fsignin"} {
			r := get(t, target)
			if d := policy(t).Decide(r, nil, anonymous); d.Action != SignIn {
				t.Errorf("%s: %+v", target, d)
			}
		}
	})
}

// URLs that real applications serve pass where the rules open all readings.
func TestRealPathsPass(t *testing.T) {
	for _, test := range []struct{ name, public, target string }{
		{"Matrix room alias", "/_matrix/*", "/_matrix/client/v3/directory/room/%23caddy:example.org"},
		{"Matrix event", "/_matrix/*", "/_matrix/client/v3/rooms/%21abc%3Aexample.org/event/%24x%2Fy"},
		{"GitLab project", "/api/*", "/api/v4/projects/group%2Fsub%2Fname/repository/files/src%2Fmain.go"},
		{"npm scope", "/npm/*", "/npm/@types%2fnode/-/node-24.0.0.tgz"},
		{"RabbitMQ default host", "/api/*", "/api/queues/%2F/orders"},
		{"MediaWiki", "/wiki/*", "/wiki/C%23_(programming_language)"},
		{"MediaWiki question", "/wiki/*", "/wiki/Who%3F"},
		{"servlet session", "/app/*", "/app/page.jsp;jsessionid=8F2A.node1"},
		{"WebDAV percent sign", "/dav/*", "/dav/100%25%20sure.txt"},
		{"WebDAV percent sign at the end", "/dav/*", "/dav/100%25"},
		{"WebDAV spaces", "/dav/*", "/dav/My%20Files/Summer%202025/a%20b%20"},
		{"WebDAV number", "/dav/*", "/dav/%231%20hit.mp3"},
		{"WebDAV Japanese", "/dav/*", "/dav/%E5%86%99%E7%9C%9F/%EF%BC%91.jpg"},
		{"matrix URI", "/maps/*", "/maps/tile;v=1/10/20.png"},
		{"double slash in the middle", "/web/*", "/web/https://web.example/a"},
		{"Wayback", "/web/*", "/web/2025/https%3A%2F%2Fexample.com%2F%3Fq%3D1"},
		{"Next.js chunk", "/_next/*", "/_next/static/chunks/app/%5Bslug%5D/page-1a.js"},
		{"version file", "/go/*", "/go/github.com/!burnt!sushi/toml/@v/list"},
		{"CPAN", "/go/*", "/go/x../y..z"},
		{"OCI digest", "/v2/*", "/v2/library/caddy/blobs/sha256:abc"},
		{"Jupyter", "/api/*", "/api/contents/a%2Fb%20c.ipynb"},
		{"Kubernetes proxy", "/api/*", "/api/v1/namespaces/x/services/https:dash:/proxy/"},
		{"every path", "/*", "/a%2Fb//c;d=%23/e%20?x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := get(t, test.target)
			if d := policy(t, "public "+test.public).Decide(r, nil, anonymous); d.Action != Pass || !d.Public {
				list, _, _ := readingsOf(r.URL)
				t.Errorf("anonymous: %+v\nreadings %q", d, list)
			}
			// Signed in, no path is odd enough to be refused without a rule.
			if d := policy(t).Decide(r, nil, signedIn(alice())); d.Action != Pass {
				t.Errorf("signed in: %+v", d)
			}
		})
	}
}

func TestPlainPathAllocatesNothing(t *testing.T) {
	u, v := parse(t, "/app/@x/a-b_c.d~e/"), parse(t, "/x")
	if n := testing.AllocsPerRun(100, func() {
		var rs readings
		if rs.read(u, v) != nil || rs.len() != 2 {
			t.Fatal("not plain")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var (
	parameters = regexp.MustCompile(`;[^/]*`)
	queries    = regexp.MustCompile(`[?#].*$`)
	slashes    = regexp.MustCompile(`/{2,}`)
	authority  = regexp.MustCompile(`^//+[^/]*`)
	endings    = regexp.MustCompile(`([^/. ])[. ]+(/|$)`)
)

// What servers are known to make of a path, written without regard to the
// code under test.
var upstreams = []func(string) string{
	func(p string) string { // decodes once, strictly
		if s, err := url.PathUnescape(p); err == nil {
			return s
		}
		return p
	},
	func(p string) string { // decodes until nothing changes
		for range 20 {
			s, err := url.PathUnescape(p)
			if err != nil || s == p {
				break
			}
			p = s
		}
		return p
	},
	func(p string) string { return parameters.ReplaceAllString(p, "") },
	func(p string) string { return queries.ReplaceAllString(p, "") },
	func(p string) string { return slashes.ReplaceAllString(p, "/") },
	func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
	func(p string) string { // nginx, Go: merges slashes and resolves dots
		s := path.Clean("/" + strings.TrimLeft(p, "/"))
		if strings.HasSuffix(p, "/") && s != "/" {
			s += "/"
		}
		return s
	},
	func(p string) string { // RFC 3986 by way of net/url
		if strings.HasPrefix(p, "//") {
			return p
		}
		s := (&url.URL{Scheme: "http", Host: "h", Path: "/"}).ResolveReference(&url.URL{Path: p}).Path
		return s
	},
	func(p string) string { // a relative reference with an authority
		return authority.ReplaceAllString(p, "")
	},
	func(p string) string { // Windows
		return endings.ReplaceAllString(p, "$1$2")
	},
}

// Whatever an upstream reads, with up to four of its habits in any order: what
// passes without a session is inside what public opens and outside what
// private closes.
func TestPATH22NoUpstreamReadsMoreThanIsOpen(t *testing.T) {
	words := []string{
		"/", "/", "/", "public", "public", "admin", "ADMIN", "a", "..", ".", "%2e", "%252e", "%2f", "%252F", "//", ";x=1", ";",
		"%3b", `\`, "%5c", "%23", "%2523", "%3f", "%20", "%2520", "%25", "%61", "|", "%C3%A9",
	}
	open := policy(t, "public /public/*")
	closed := policy(t, "public", "private /admin/*")
	random := rand.New(rand.NewPCG(1, 2))
	opened, total := 0, 20_000
	if testing.Short() {
		total = 4_000
	}
	for range total {
		target := "/"
		if random.IntN(2) == 0 {
			target = "/public/"
		}
		for range 1 + random.IntN(6) {
			target += words[random.IntN(len(words))]
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			continue
		}
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
		isOpen := open.Decide(r, u, anonymous).Action == Pass
		isClosed := closed.Decide(r, u, anonymous).Action == SignIn
		if isOpen {
			opened++
		}
		for _, wire := range []string{u.EscapedPath(), target} {
			for range 12 {
				seen, habits := wire, []int(nil)
				for range random.IntN(5) {
					habit := random.IntN(len(upstreams))
					habits = append(habits, habit)
					seen = upstreams[habit](seen)
				}
				if !strings.HasPrefix(seen, "/") {
					seen = "/" + seen
				}
				if isOpen && !strings.HasPrefix(seen, "/public/") {
					t.Fatalf("public: %s passed, an upstream with habits %v reads %s", target, habits, seen)
				}
				lower := strings.ToLower(seen)
				if !isClosed && (lower == "/admin" || strings.HasPrefix(lower, "/admin/")) {
					t.Fatalf("private: %s passed, an upstream with habits %v reads %s", target, habits, seen)
				}
			}
		}
	}
	if opened < total/50 {
		t.Errorf("only %d of %d paths were open: the test says little", opened, total)
	}
}

func FuzzReadings(f *testing.F) {
	for _, seed := range []string{
		"/", "/a/b", "/public/..;/admin", "/public/%252e%252e/admin", "/admin%23/../public/", "//x//y", `/a\..\b`,
		"/%2F%2e./%20", "/100%25", "/50%25ab", "/%C3%A9;v=1", "/a/.. /b", "/a%2Fb|",
	} {
		f.Add(seed)
	}
	closing := paths(f, "/admin/*")
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
			return
		}
		before := *u
		list, rs, err := readingsOf(u)
		if *u != before {
			t.Fatalf("URL changed to %+v", *u)
		}
		if err != nil {
			if isPlain(u) {
				t.Fatalf("plain path refused: %v", err)
			}
			return
		}
		if len(list) == 0 || list[0] != u.Path {
			t.Fatalf("first of %q is not the path", list)
		}
		if isPlain(u) && len(list) != 1 {
			t.Fatalf("plain path has readings %q", list)
		}
		for _, s := range list {
			if s[0] != '/' || strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
				t.Fatalf("reading %q", s)
			}
			if !rs.murky && !utf8.ValidString(s) {
				t.Fatalf("reading %q is not UTF-8", s)
			}
		}
		if rs.overflow {
			return
		}
		// A reading that somebody passes on has no readings of its own.
		for i := range list {
			again, inner, err := readingsOf(&url.URL{Path: list[i]})
			if err != nil || inner.overflow {
				if rs.murky || inner.overflow {
					continue
				}
				t.Fatalf("reading %q of %q: %v", list[i], target, err)
			}
			for _, s := range again {
				if !slices.Contains(list, s) {
					t.Fatalf("%q has reading %q, which has reading %q, which is none of %q", target, list[i], s, list)
				}
			}
		}
		e := evaluation{r: &http.Request{Method: "GET", URL: u}, readings: *rs}
		if clean := path.Clean(u.Path); strings.EqualFold(clean, "/admin") || strings.HasPrefix(strings.ToLower(clean), "/admin/") {
			if !e.closes(term{{path: closing}}) {
				t.Fatalf("%q is not under /admin", target)
			}
		}
	})
}
