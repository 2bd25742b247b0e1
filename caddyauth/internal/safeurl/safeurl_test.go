package safeurl

import (
	"net/url"
	"strings"
	"testing"
)

const origin = "https://app.example.com"

var target = Target{Origin: origin}

// accept lists what resolves, and to what.
func accept(t *testing.T, target Target, table map[string]string) {
	t.Helper()
	for raw, want := range table {
		if got, ok := target.Resolve(raw); !ok || got != want {
			t.Errorf("Resolve(%q) = %q, %v; want %q", raw, got, ok, want)
		}
	}
}

// refuse lists what does not resolve.
func refuse(t *testing.T, target Target, list ...string) {
	t.Helper()
	for _, raw := range list {
		if got, ok := target.Resolve(raw); ok || got != "" {
			t.Errorf("Resolve(%q) = %q, %v; want it refused", raw, got, ok)
		}
	}
}

func TestResolve(t *testing.T) {
	accept(t, target, map[string]string{
		"/":                                 origin + "/",
		"/x":                                origin + "/x",
		"/a/b/../c/./d":                     origin + "/a/b/../c/./d",
		"/a//b":                             origin + "/a//b",
		"/..":                               origin + "/..",
		"/?":                                origin + "/?",
		"/?a=//evil.com":                    origin + "/?a=//evil.com",
		"/#//evil.com":                      origin + "/#//evil.com",
		"/a:b@c":                            origin + "/a:b@c",
		"/@evil.com":                        origin + "/@evil.com",
		"/a?b=c#d?e#f":                      origin + "/a?b=c#d?e#f",
		"/...//x":                           origin + "/...//x",
		"/.x//y":                            origin + "/.x//y",
		origin:                              origin,
		origin + "/":                        origin + "/",
		origin + "?a=b":                     origin + "?a=b",
		origin + "#f":                       origin + "#f",
		origin + "#@evil.com":               origin + "#@evil.com",
		origin + "?@evil.com":               origin + "?@evil.com",
		origin + "/@evil.com":               origin + "/@evil.com",
		origin + "//evil.com/x":             origin + "//evil.com/x",
		origin + "/a?b=https://evil.com/#c": origin + "/a?b=https://evil.com/#c",
		"HTTPS://APP.Example.COM/Path":      origin + "/Path",
		"https://app.example.com:443/x":     origin + "/x",
	})
	refuse(t, target,
		"", "x", "x/y", ".", "./x", "../x", "?x", "#x", "index.html", "app.example.com", "app.example.com/x", "://app.example.com", "https", "https:", "https:/", "https://", "https:///",
		"http://app.example.com/", "ftp://app.example.com/", "wss://app.example.com/", "https//app.example.com/", "https:app.example.com", "https:/app.example.com", "https:///app.example.com",
		"xhttps://app.example.com", "null", "about:blank", "*",
	)
	for _, broken := range []string{"", "app.example.com", "https://", "https://app.example.com/", "javascript://app.example.com"} {
		refuse(t, Target{Origin: broken}, "/x", "https://app.example.com/x", broken+"/x")
	}
}

// TestResolveKeepsCleanURLs: a URL that needs no repair comes back as it is.
func TestResolveKeepsCleanURLs(t *testing.T) {
	for _, rest := range []string{
		"/a%20b/%e4%bd%a0?x=1&y=%2F%26&z[]=3&w={1}|2^3`'#frag!$&'()*+,;=:@/?~", "/-._~!$&'()*+,;=:@", "/%", "/%zz", "/?a=100%",
	} {
		want := origin + strings.NewReplacer("%zz", "%25zz").Replace(rest)
		if strings.HasSuffix(want, "%") {
			want += "25"
		}
		accept(t, target, map[string]string{rest: want, origin + rest: want})
	}
}

func TestResolveEncodes(t *testing.T) {
	accept(t, target, map[string]string{
		"/a b":                  origin + "/a%20b",
		"/x ":                   origin + "/x%20",
		"/é?名=🔑":                origin + "/%C3%A9?%E5%90%8D=%F0%9F%94%91",
		"/\"<>":                 origin + "/%22%3C%3E",
		"/\u0085\u2028\ufeff":   origin + "/%C2%85%E2%80%A8%EF%BB%BF",
		"/\uff0f\uff0fevil.com": origin + "/%EF%BC%8F%EF%BC%8Fevil.com",
		"/a\xff":                origin + "/a%FF",
	})
}

func TestResolveAlso(t *testing.T) {
	many := Target{Origin: origin, Also: []string{"https://other.example.com:8443", "http://localhost:3000", "broken"}}
	accept(t, many, map[string]string{
		"/x":                               origin + "/x",
		"https://other.example.com:8443/x": "https://other.example.com:8443/x",
		"http://LOCALHOST:3000?x":          "http://localhost:3000?x",
	})
	refuse(t, many, "https://other.example.com/x", "http://other.example.com:8443/x", "http://localhost", "https://localhost:3000", "broken", "broken/x", "https://evil.com")
}

func TestResolveLength(t *testing.T) {
	room := MaxURL - len(origin) - 1
	accept(t, target, map[string]string{"/" + strings.Repeat("x", room): origin + "/" + strings.Repeat("x", room)})
	refuse(t, target, "/"+strings.Repeat("x", room+1), "/"+strings.Repeat(" ", room), origin+"/"+strings.Repeat("x", room+1), "/"+strings.Repeat("x", 1<<20))
}

func TestREDIR01ProtocolRelative(t *testing.T) {
	refuse(t, target, "//evil.com", "//evil.com/x", "//", "///", "///evil.com", "////evil.com", "//app.example.com", "//.", "//..", "//evil.com/..", "//evil.com/../..", "//x/../y",
		"/.//", "/.//evil.com", "/..//evil.com", "/../..//evil.com", "/a/..//evil.com", "/a/b/../..//evil.com", "/././/evil.com/..", "/%2e//evil.com", "/%2E%2e//evil.com", "/.%2e//evil.com",
		"/%2f/evil.com", "/%2Fevil.com", "/%2f%2fevil.com", "/%09/evil.com", "/%20/evil.com", "/%0a/evil.com", "/%0d/evil.com", "/ /evil.com", "/.%09//evil.com")
}

func TestREDIR02Backslash(t *testing.T) {
	refuse(t, target, `/\evil.com`, `/\\evil.com`, `\\evil.com`, `\/evil.com`, `\evil.com`, `/\/evil.com`, `/./\evil.com`, `https:\\evil.com`, `https:\evil.com`, `https:/\evil.com`,
		origin+`\@evil.com`, origin+`\.evil.com`, `/a\b`, `/a?b=\`, origin+`/\evil.com`, `/%5cevil.com`, `/%5C/evil.com`, `/./%5cevil.com`)
}

func TestREDIR05HeaderInjection(t *testing.T) {
	for c := range rune(0x20) {
		refuse(t, target, "/"+string(c), "/x"+string(c), "/x?"+string(c), origin+"/"+string(c), string(c)+"/x", string(c)+origin, "ht"+string(c)+"tps://app.example.com")
	}
	refuse(t, target, "/\x7f", "/x\r\nSet-Cookie: a=b", "/\r\nLocation: https://evil.com")
	accept(t, target, map[string]string{"/%0d%0aSet-Cookie:%20a=b": origin + "/%0d%0aSet-Cookie:%20a=b"}) // still encoded
}

func TestREDIR06And20UserInfo(t *testing.T) {
	refuse(t, target,
		"https://app.example.com@evil.com", "https://app.example.com%40evil.com", "https://app.example.com:x@evil.com", "https://evil.com@app.example.com", "https://user@app.example.com/",
		"https://user:pass@app.example.com/", "https://@app.example.com/", "https://:@app.example.com/", "https://app.example.com:443@evil.com", "https://app.example.com%2f@evil.com", "https://app.example.com;@evil.com",
		"https://app.example.com&@evil.com", "https://[app.example.com]@evil.com")
}

func TestREDIR07PrefixSuffix(t *testing.T) {
	refuse(t, target,
		"https://app.example.com.evil.com", "https://evilapp.example.com", "https://app.example.com:443.evil.com", "https://app.example.comevil", "https://app.example.com-evil.com", "https://example.com",
		"https://app-example.com", "https://appXexample.com", "https://x.app.example.com", "https://app.example.co", "https://app.example.com.", "https://app.example.com..", "https://.app.example.com", "https://app..example.com",
		"https://app.example.com%00.evil.com", "https://app.example.com%2eevil.com", "https://app.example.com,evil.com", "https://app.example.com evil.com", "https:// app.example.com", "https://app.example.com ",
		"https://app.ex\u00adample.com", "https://app\u3002example\u3002com", "https://\uff41pp.example.com", "https://app.example.c\u043em", "https://app.example.com\uff0eevil.com", "https://app.example.com\u2100evil.com", "https://app.example.com\uff0f.evil.com",
		"https://%61pp.example.com", "https://app.example.com%", "https://xn--app.example.com", "https://[::1]", "https://[::1%25eth0]", "https://127.0.0.1", "https://2130706433", "https://0x7f.1")
	refuse(t, Target{Origin: "http://k.example"}, "http://\u212a.example/") // the Kelvin sign folds to k in Unicode
}

func TestREDIR08Schemes(t *testing.T) {
	refuse(t, target,
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://app.example.com/%0aalert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "data:text/html,x", "data://app.example.com/,x", "vbscript:x", "file:///etc/passwd", "file://app.example.com/", "intent://app.example.com#Intent;end",
		"blob:https://app.example.com/x", "view-source:https://app.example.com/", "filesystem:https://app.example.com/", "https:evil.com", "https:/evil.com", "https:///evil.com", "https:////evil.com", "http:evil.com", "https:?evil.com", "https:#evil.com", "mailto:x@app.example.com", "feed:https://app.example.com", "app.example.com://x", "x-https://app.example.com", "https+x://app.example.com", "https%3a//app.example.com", "https:%2f%2fapp.example.com")
}

func TestREDIR10Ports(t *testing.T) {
	accept(t, target, map[string]string{"https://app.example.com:443": origin})
	refuse(t, target, "https://app.example.com:8443", "https://app.example.com:80", "http://app.example.com:443", "http://app.example.com:80", "https://app.example.com:", "https://app.example.com:0443", "https://app.example.com:+443", "https://app.example.com:443x",
		"https://app.example.com:443:443", "https://app.example.com::443", "https://app.example.com:65979", "https://app.example.com:0", "https://app.example.com:-1", "https://app.example.com:４４３", "https://app.example.com:4 43", "https://app.example.com:%34%34%33")
	accept(t, Target{Origin: "https://app.example.com:443"}, map[string]string{"https://app.example.com/x": origin + "/x", "/x": origin + "/x"})
	accept(t, Target{Origin: "http://localhost:8080"}, map[string]string{"http://localhost:8080/x": "http://localhost:8080/x", "/x": "http://localhost:8080/x"})
	accept(t, Target{Origin: "http://localhost"}, map[string]string{"http://localhost:80/x": "http://localhost/x"})
	refuse(t, Target{Origin: "http://localhost:8080"}, "http://localhost/x", "http://localhost:80/x", "https://localhost:8080/x")
}

func TestCanonicalOrigin(t *testing.T) {
	for s, want := range map[string]string{
		"https://example.com": "https://example.com", "HTTP://EXAMPLE.com:80": "http://example.com", "https://example.com:443": "https://example.com", "http://example.com:443": "http://example.com:443",
		"https://a_b.example:8443": "https://a_b.example:8443", "http://localhost": "http://localhost", "http://127.0.0.1:3000": "http://127.0.0.1:3000", "https://[::1]": "https://[::1]", "https://[2001:DB8::1]:8443": "https://[2001:db8::1]:8443",
		"https://xn--bcher-kva.example": "https://xn--bcher-kva.example", "http://nas.4home": "http://nas.4home", "https://1.2.3.example": "https://1.2.3.example", "http://1password": "http://1password",
	} {
		if got, ok := CanonicalOrigin(s); !ok || got != want {
			t.Errorf("CanonicalOrigin(%q) = %q, %v; want %q", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "https", "https://", "https:///", "https://example.com/", "https://example.com?x", "https://example.com#x", "//example.com", "example.com", "ftp://example.com", "https://u@example.com", "https://example.com.", "https://-a.example", "https://a-.example", "https://a..b",
		"https://" + strings.Repeat("a", 64), "https://" + strings.Repeat("a.", 130) + "a", "https://exa mple.com", "https://exämple.com", "https://[::1", "https://::1", "https://[::1]x", "https://[::1%eth0]", "https://[0:0:0:0:0:0:0:1]", "https://[1.2.3.4]", "https://[]", "https://1.2.3", "https://1.2.3.4.5", "https://01.2.3.4", "https://256.1.1.1", "https://127.1", "https://0x7f000001", "https://1.0x", "https://a.1", "https://:443", "https://*.example.com", "https://example.com:", "https://example.com:0443", "https://example.com:0", "https://example.com:65536", "https://example.com:x",
	} {
		if got, ok := CanonicalOrigin(s); ok {
			t.Errorf("CanonicalOrigin(%q) = %q; want it refused", s, got)
		}
	}
}

// requestURL is what net/http makes of a request target.
func requestURL(t *testing.T, target string) *url.URL {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestREDIR18RequestTarget(t *testing.T) {
	for target, want := range map[string]string{
		"//evil.com/x":        origin + "//evil.com/x",
		"///evil.com":         origin + "///evil.com",
		"http://evil.com/":    origin + "/",
		"http://evil.com/x?y": origin + "/x?y",
		"http://evil.com":     origin + "/",
		"https:evil":          origin + "/",
		"*":                   origin + "/",
		`/\evil.com`:          origin + `/%5Cevil.com`,
		"/.//evil.com":        origin + "/.//evil.com",
		"/@evil.com":          origin + "/@evil.com",
		"/x#y":                origin + "/x%23y",
		"/x?y#z":              origin + "/x?y%23z",
		`/x?y\z`:              origin + `/x?y%5Cz`,
	} {
		got := FromRequest(origin, requestURL(t, target))
		if got != want {
			t.Errorf("FromRequest(%q) = %q; want %q", target, got, want)
		}
		checkStays(t, got)
	}
	if got := FromRequest(origin, &url.URL{Opaque: "evil.com"}); got != origin+"/" {
		t.Errorf("opaque: %q", got)
	}
}

func TestREDIR19ByteExact(t *testing.T) {
	for _, target := range []string{
		"/", "/a?x=1&y=%2F%26", "/a?", "/a%2Fb", "/a%2fb/%7e/~?%7e=~", "/a%2Fb{c}|d^e`", "/%E4%BD%A0/%e4%bd%a0", "/a;b=c,d/e:f@g", "/a+b?c+d", "/a//b/./../c", "/a?b=[1]&c={2}|^`'", "/a?b?c=/d", "/%25%2541", "/%0d%0a?%0d%0a", "/a?&&=&",
	} {
		got := FromRequest(origin, requestURL(t, target))
		if got != origin+target {
			t.Errorf("FromRequest(%q) = %q", target, got)
		}
		if again, ok := (Target{Origin: origin}).Resolve(got); !ok || again != got {
			t.Errorf("Resolve(%q) = %q, %v", got, again, ok)
		}
	}
	// What no URL may hold is encoded, and nothing else.
	if got, want := FromRequest(origin, requestURL(t, "/a%2Fb\"é?\"é")), origin+"/a%2Fb%22%C3%A9?%22%C3%A9"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	// A path that was rewritten counts, not the spelling of another.
	if got, want := FromRequest(origin, &url.URL{Path: "/new path", RawPath: "/old%2Fpath"}), origin+"/new%20path"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestFromRequestLength(t *testing.T) {
	long := strings.Repeat("x", MaxURL)
	for target, want := range map[string]string{
		"/a?" + long:                        origin + "/a",
		"/" + long + "?a":                   origin,
		"/a?" + long[:MaxURL-len(origin)-3]: origin + "/a?" + long[:MaxURL-len(origin)-3],
		"/a?" + long[:MaxURL-len(origin)-2]: origin + "/a",
		"/" + long[:MaxURL-len(origin)-1]:   origin + "/" + long[:MaxURL-len(origin)-1],
		"/" + strings.Repeat("é", MaxURL/4): origin,
	} {
		if got := FromRequest(origin, requestURL(t, target)); got != want {
			t.Errorf("FromRequest(%.20q... of %d bytes) = %.60q...; want %.60q...", target, len(target), got, want)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	for name, raw := range map[string]string{"path": "/dashboard/reports?year=2026&page=2", "absolute": origin + "/dashboard/reports?year=2026&page=2"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := target.Resolve(raw); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}
