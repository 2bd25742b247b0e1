package safeurl

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// browserHost re-reads a URL the way a browser does (WHATWG URL standard,
// section 4.4, as far as the host is concerned) relative to base, and returns
// the scheme and host it would go to.
func browserHost(raw, base string) string {
	raw = strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' })
	raw = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(raw)
	isSlash := func(i int) bool { return i < len(raw) && (raw[i] == '/' || raw[i] == '\\') }

	scheme, rest := "", raw
	if i := strings.IndexByte(raw, ':'); i > 0 && strings.IndexFunc(raw[:i], notScheme) < 0 {
		scheme, rest = strings.ToLower(raw[:i]), raw[i+1:]
	}
	baseScheme, baseHost, _ := strings.Cut(base, "://")
	switch scheme {
	case "":
		if !isSlash(0) || !isSlash(1) {
			return base // a path, a query or a fragment
		}
		scheme, rest = baseScheme, raw
	case "http", "https":
		if scheme == baseScheme && !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, `\`) {
			return base // "https:x" is relative to a base of the same scheme
		}
	default:
		return scheme + ":"
	}
	rest = strings.TrimLeft(rest, `/\`)
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if decoded, err := url.PathUnescape(rest); err == nil {
		rest = decoded
	}
	rest = strings.Map(foldHost, strings.ToLower(rest))
	if scheme == "https" {
		rest = strings.TrimSuffix(rest, ":443")
	}
	if rest == baseHost && scheme == baseScheme {
		return base
	}
	return scheme + "://" + rest
}

func notScheme(r rune) bool {
	return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("+-.", r))
}

// foldHost is the part of IDNA mapping that matters here: full-width forms,
// ideographic full stops and ignored characters.
func foldHost(r rune) rune {
	switch {
	case r == 0x3002 || r == 0xFF61:
		return '.'
	case r == 0xAD || r == 0x200B || r == 0x2060 || r == 0xFEFF:
		return -1
	case 0xFF01 <= r && r <= 0xFF5E:
		return r - 0xFEE0
	}
	return r
}

// checkStays fails if some reader of a resolved URL would leave the origin.
func checkStays(t *testing.T, got string) {
	t.Helper()
	rest, ok := strings.CutPrefix(got, origin)
	if !ok || rest != "" && !strings.ContainsRune("/?#", rune(rest[0])) {
		t.Fatalf("%q does not start with the origin", got)
	}
	for _, c := range []byte(got) {
		if c <= ' ' || c >= 0x7F || c == '\\' {
			t.Fatalf("%q contains %q", got, c)
		}
	}
	u, err := url.Parse(got)
	if err != nil || u.Scheme != "https" || u.Host != "app.example.com" || u.User != nil || u.Opaque != "" {
		t.Fatalf("net/url reads %q as %+v, %v", got, u, err)
	}
	for _, base := range []string{origin, "https://evil.com"} {
		if host := browserHost(got, base); host != origin {
			t.Fatalf("a browser on %s reads %q as %s", base, got, host)
		}
	}
}

// spellings generates ways to write a redirect to somewhere else.
func spellings() []string {
	prefixes := []string{
		"//", "///", "////", "/////", `/\`, `\/`, `\\`, `\\\`, `/\/`, `\/\`, `//\`, `/\\`, `\`, `///\`, `\\//`,
		"/\t/", "/\n/", "/\r/", "/ /", "/\x00/", "/\x0b/", "/\x0c/", "\t//", "\n//", " //", "\x00//", "\x01//", "\u00a0//", "\u2028//", "\ufeff//",
		"/%09/", "/%0a/", "/%0d/", "/%20/", "/%00/", "/%2f", "/%2F/", "%2f%2f", "/%5c", "/%5C/", "%5c%5c", "/%252f", "/%255c", "%09//", "/%e3%80%82/",
		"/./", "/.//", "/./\\", `/.\`, `/..\`, "/../", "/..//", "/../\\", "/%2e/", "/%2e//", "/%2e%2e//", "/.%2e//", "/a/..//", "/a/../\\", "/././/", "/;//", "/.;//", "/..;//", "/?//", "/#//", "/?/\\", "./", ".//", "../", "..//", ".\\",
		"https:", "https:/", "https://", "https:///", "https:////", `https:\`, `https:\\`, `https:/\`, `https:\/`, `https://\`, "https:\t//", "https:/\t/", "ht\ntps://", " https://", "\x01https://", "HTTPS://", "hTTps:/", "https:%2f%2f", "https%3a//", "https;//", "https//",
		"http:", "http:/", "http://", "http:///", `http:\\`, "ftp://", "ws://", "javascript:", "javascript://", "data:,", "blob:https://", "view-source:https://", "about:", "x:", "x://", "://", ":", "@", "/@", "//@", ";//", ",//", "?//", "#//", "~//", "*//",
		"https://app.example.com@", "https://app.example.com:443@", "https://app.example.com%40", "https://user:pw@", "https://app.example.com.", "https://app.example.com\\@", "https://app.example.com\\.", "https://app.example.com;", "https://app.example.com%00.", "https://app.example.com\t.", "https://app.example.com:80.", "https://app.example.com\u3002", "https://app.example.com\uff0f@", "https://app.example.com\uff20", "https://app.example.com#@", "https://app.example.com?@", "https://app.example.com/@", "https://app.example.com//", "https://app.example.com/\\", "https://app.example.com:@", "https://app.example.com:443:", "//app.example.com@", "//app.example.com.", "//app.example.com\\@",
		"/\uff0f", "\uff0f\uff0f", "/\uff3c", "/\u2044", "/\u2215", "/\u29f5", "//\u3002", "\u3002//", "/\u202e/", "/\u00ad/", "/\u200b/",
	}
	hosts := []string{
		"evil.com", "evil.com/x", "evil.com:443", "evil.com%2f..", "evil.com/..", "evil.com/%2f..", "evil.com\\x", "evil.com?x", "evil.com#x", "evil%2ecom", "\uff45vil.com", "evil\u3002com", "EVIL.COM", "evil.com.",
		"u@evil.com", "app.example.com@evil.com", "app.example.com.evil.com", "evil.com/app.example.com", "[::1]", "[::1%25lo]", "[::ffff:127.0.0.1]", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "", ".", "..",
	}
	var list []string
	for _, p := range prefixes {
		for _, h := range hosts {
			list = append(list, p+h)
		}
	}
	return list
}

// TestREDIR22OpenRedirects: whatever resolves stays on the origin for every
// reader, and what is a redirect elsewhere as it stands does not resolve at all.
func TestREDIR22OpenRedirects(t *testing.T) {
	list := spellings()
	if len(list) < 150 {
		t.Fatalf("only %d spellings", len(list))
	}
	resolved := 0
	for _, spelling := range list {
		variants := map[string]bool{spelling: true}
		if s, err := url.QueryUnescape(spelling); err == nil {
			variants[s] = true
		}
		if s, err := url.PathUnescape(spelling); err == nil {
			variants[s] = true
		}
		variants[url.QueryEscape(spelling)] = true
		for raw := range variants {
			got, ok := target.Resolve(raw)
			if !ok {
				if got != "" {
					t.Fatalf("Resolve(%q) = %q without ok", raw, got)
				}
				continue
			}
			resolved++
			checkStays(t, got)
			if elsewhere := browserHost(raw, origin); elsewhere != origin {
				t.Errorf("Resolve(%q) = %q, though a browser goes to %s", raw, got, elsewhere)
			}
		}
	}
	t.Logf("%d spellings, %d variants resolve to a place on the origin", len(list), resolved)
	// The re-reading itself must be able to tell.
	for raw, want := range map[string]string{
		"//evil.com": "https://evil.com", `/\evil.com`: "https://evil.com", "/\t/evil.com": "https://evil.com", "https:/evil.com": "https://evil.com", "http:evil.com": "http://evil.com",
		origin + "@evil.com": "https://evil.com", "\uff0f": origin, "https://\uff45vil\u3002com": "https://evil.com", "javascript:x": "javascript:", "/x": origin, "https:x": origin, origin + ":443/x": origin,
	} {
		if got := browserHost(raw, origin); got != want {
			t.Errorf("browserHost(%q) = %s; want %s", raw, got, want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for i, s := range spellings() {
		if i%37 == 0 {
			f.Add(s)
		}
	}
	f.Add("/a?b=c#d")
	f.Add(origin + "/é %zz")
	f.Fuzz(func(t *testing.T, raw string) {
		got, ok := target.Resolve(raw)
		if !ok {
			if got != "" {
				t.Fatalf("Resolve(%q) = %q without ok", raw, got)
			}
			return
		}
		if len(got) > MaxURL {
			t.Fatalf("%d bytes", len(got))
		}
		checkStays(t, got)
		if elsewhere := browserHost(raw, origin); elsewhere != origin {
			t.Fatalf("Resolve(%q) = %q, though a browser goes to %s", raw, got, elsewhere)
		}
		// What was resolved once is clean.
		if again, ok := target.Resolve(got); !ok || again != got {
			t.Fatalf("Resolve(%q) = %q, %v", got, again, ok)
		}
	})
}

func FuzzFromRequest(f *testing.F) {
	f.Add("//evil.com/x?y")
	f.Add(`/\a%2fb"?c#d`)
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			return
		}
		got := FromRequest(origin, u)
		checkStays(t, got)
		if again, ok := target.Resolve(got); !ok || again != got {
			t.Fatalf("Resolve(%q) = %q, %v", got, again, ok)
		}
	})
}

func ExampleTarget_Resolve() {
	t := Target{Origin: "https://app.example.com"}
	for _, raw := range []string{"/reports?year=2026", "https://app.example.com:443/x", "//evil.com", `/\evil.com`} {
		fmt.Println(t.Resolve(raw))
	}
	// Output:
	// https://app.example.com/reports?year=2026 true
	// https://app.example.com/x true
	//  false
	//  false
}
