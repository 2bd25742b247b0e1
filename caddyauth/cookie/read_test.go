package cookie

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

const session = "next-auth.session-token"

func header(lines ...string) http.Header { return http.Header{"Cookie": lines} }

func tokens(h http.Header, name string) []string {
	var list []string
	SessionTokens(h, name, func(token string) bool {
		list = append(list, token)
		return true
	})
	return list
}

func TestGet(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
		ok    bool
	}{
		{"none", nil, "", false},
		{"empty line", []string{""}, "", false},
		{"alone", []string{"c=1"}, "1", true},
		{"first", []string{"c=1; d=2"}, "1", true},
		{"last", []string{"b=0; c=1"}, "1", true},
		{"no space", []string{"b=0;c=1;d=2"}, "1", true},
		{"own line, as in HTTP/2", []string{"b=0", "c=1", "d=2"}, "1", true},
		{"later line", []string{"b=0; bb=0", "d=2; c=1"}, "1", true},
		{"empty value", []string{"c="}, "", true},
		{"equals sign in value", []string{"c=a=b=="}, "a=b==", true},
		{"first of several", []string{"c=1; c=2", "c=3"}, "1", true},
		{"prefix of a name", []string{"cc=1; c.0=2; xc=3"}, "", false},
		{"case", []string{"C=1"}, "", false},
		{"without equals sign", []string{"c; b=1"}, "", false},
		{"nameless", []string{"=c=1"}, "", false},
		{"semicolons only", []string{";;; ;"}, "", false},
		{"trailing semicolon", []string{"c=1;"}, "1", true},
		{"quoted", []string{`c="a b"`}, "a b", true},
		{"half quoted", []string{`c="a`}, `"a`, true},
		{"one quote", []string{`c="`}, `"`, true},
		{"decoded", []string{"c=a%7Cb%20%C3%A9"}, "a|b é", true},
		{"malformed", []string{"c=100%"}, "100%", true},
		{"malformed after good", []string{"c=%7C%zz"}, "%7C%zz", true},
		{"comma does not separate", []string{"b=0,c=1"}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Get(header(tt.lines...), "c")
			if got != tt.want || ok != tt.ok {
				t.Errorf("Get(%q) = %q, %v; want %q, %v", tt.lines, got, ok, tt.want, tt.ok)
			}
		})
	}
	if _, ok := Get(header("=x; y"), ""); ok {
		t.Error("a cookie without name was found")
	}
}

func TestCSRF07DecodesOnce(t *testing.T) {
	if v, _ := Get(header("c=token%7Chash"), "c"); v != "token|hash" {
		t.Errorf("got %q", v)
	}
}

func TestCSRF08DecodesNotTwice(t *testing.T) {
	if v, _ := Get(header("c=token%257Chash"), "c"); v != "token%7Chash" {
		t.Errorf("got %q", v)
	}
}

// TestCOOK15Spoof: what is not byte for byte the name is another cookie, in
// particular one that a browser does not guard by its prefix.
func TestCOOK15Spoof(t *testing.T) {
	const name = "__Host-next-auth.csrf-token"
	for _, line := range []string{
		" " + name + "=x", "a=1;  " + name + "=x", "a=1;\t" + name + "=x", name + " =x", name + "\t=x",
		"\u2000" + name + "=x", "a=1; \u2000" + name + "=x", "\u00a0" + name + "=x", "\xa0" + name + "=x", "\ufeff" + name + "=x",
		strings.ToLower(name) + "=x", strings.ToUpper(name) + "=x", "__host-next-auth.csrf-token=x",
		`$Version=1, ` + name + `="x"`, `$Version=1; $` + name + `="x"`, `a="; ` + name + `x=`, `a=1,` + name + `=x`,
		"%5F%5FHost-next-auth.csrf-token=x", `"` + name + `"=x`, "=" + name + "=x", name, name + ";=x",
	} {
		if v, ok := Get(header(line), name); ok {
			t.Errorf("%q was read as %s = %q", line, name, v)
		}
		if got := tokens(header(line), name); got != nil {
			t.Errorf("%q offers the tokens %q", line, got)
		}
		if got := Present(header(line), name); got != nil {
			t.Errorf("%q has %q present", line, got)
		}
	}
	if v, ok := Get(header(`$Version=1; `+name+`="x"`), name); !ok || v != "x" {
		t.Errorf("a proper pair beside $Version: %q, %v", v, ok)
	}
}

func TestCOOK13WrongPrefix(t *testing.T) {
	secure, plain := NewNames(dialect.V4, "", true), NewNames(dialect.V4, "", false)
	h := header(plain.Session + "=unprefixed; " + plain.CSRF + "=x; " + plain.Session + ".0=y; __Secure-" + plain.CSRF + "=z; __Host-" + plain.Session + "=w")
	if got := tokens(h, secure.Session); got != nil {
		t.Errorf("a secure site reads %q", got)
	}
	if v, ok := Get(h, secure.CSRF); ok {
		t.Errorf("a secure site reads the csrf cookie %q", v)
	}
}

func TestSessionTokens(t *testing.T) {
	full := strings.Repeat("a", 10)
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"none", []string{"a=1; b=2"}, nil},
		{"single", []string{"a=1; s=T; b=2"}, []string{"T"}},
		{"single, split lines", []string{"a=1", "s=T"}, []string{"T"}},
		{"empty", []string{"s="}, nil},
		{"empty ones do not count", []string{"s=; s=; s=; s=; s=\"\"; s=T"}, []string{"T"}},
		{"empty chunks do not count", []string{"s.0=a; s.0=b; s.0="}, []string{"a", "b"}},
		{"encoded", []string{"s=a%2Eb"}, []string{"a.b"}},
		{"chunks", []string{"s.0=" + full + "; s.1=" + full + "; s.2=b"}, []string{full + full + "b"}},
		{"chunks out of order", []string{"s.2=b; s.0=" + full, "s.1=" + full}, []string{full + full + "b"}},
		{"one chunk", []string{"s.0=b"}, []string{"b"}},
		{"only chunk 1", []string{"s.1=b"}, nil},
		{"longer last chunk is a leftover", []string{"s.0=ab; s.1=abc"}, []string{"ab"}},
		{"empty chunk is a gap", []string{"s.0=" + full + "; s.1=; s.2=b"}, []string{full}},
		{"no numbers", []string{"s.x=1; s.=2; s.00=3; s.01=4; s.+1=5; s.1x=6; s..0=7; s.-1=8; s. 0=9; s.0.0=1"}, nil},
		{"ten before nine", func() []string {
			line := "s.10=z"
			for i := range 10 {
				line += fmt.Sprintf("; s.%d=%d%d", i, i, i)
			}
			return []string{line}
		}(), []string{"00112233445566778899z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tokens(header(tt.lines...), "s"); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("tokens of %q:\n got %q\nwant %q", tt.lines, got, tt.want)
			}
		})
	}
	t.Run("stops", func(t *testing.T) {
		for _, h := range []http.Header{header("s.0=a; s=b; s=c"), header("s=b; s=c")} {
			n := 0
			SessionTokens(h, "s", func(string) bool { n++; return false })
			if n != 1 {
				t.Errorf("called %d times after fn returned false", n)
			}
		}
	})
}

func TestCOOK02MissingChunks(t *testing.T) {
	ring, token := sealed(t, 9000)
	for _, line := range []string{
		session + ".1=" + token[DefaultChunkSize:2*DefaultChunkSize],                                                     // only .1
		session + ".0=" + token[:DefaultChunkSize] + "; " + session + ".1=" + token[DefaultChunkSize:2*DefaultChunkSize], // last one dropped
		session + ".0=" + token[:DefaultChunkSize] + "; " + session + ".2=" + token[2*DefaultChunkSize:],                 // middle one dropped
		chunkedLine(token[:len(token)-1]),                                                                                                    // last byte dropped
		session + "=" + token[:DefaultChunkSize], session + "=", session + ".0=", session + ".0=" + token[1:DefaultChunkSize], session + ".", // odds and ends
	} {
		if got := opened(ring, header(line)); got != 0 {
			t.Errorf("%.60q...: %d tokens open", line, got)
		}
	}
}

func TestCOOK04ChunkGap(t *testing.T) {
	ring, token := sealed(t, 4000)
	h := header(session + ".0=" + token[:DefaultChunkSize] + "; " + session + ".2=" + token[DefaultChunkSize:])
	if slices.Contains(tokens(h, session), token) || opened(ring, h) != 0 {
		t.Error("chunks were joined across a gap")
	}
	if got, want := Present(h, session), []string{session + ".0", session + ".2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("to clear: %q; want %q", got, want)
	}
}

func TestCOOK05StaleBesideGood(t *testing.T) {
	ring, long := sealed(t, 4000)
	_, short := sealed(t, 50)
	chunks := chunkedLine(long)
	for name, h := range map[string]http.Header{
		"good chunks, stale single":       header(session+"=stale", chunks),
		"good single, stale chunks":       header(session+".0=stale; "+session+".1=x", session+"="+short),
		"good single, broken chunks":      header(chunkedLine(long[:5000]), session+"="+short),
		"leftover of a longer token":      header(chunks + "; " + session + ".2=" + long[:DefaultChunkSize]),
		"leftover far off":                header(chunks + "; " + session + ".9=x"),
		"stale set first":                 header(session+".0="+strings.Repeat("x", DefaultChunkSize)+"; "+session+".1=y", chunks),
		"stale set last":                  header(chunks, session+".0="+strings.Repeat("x", DefaultChunkSize)+"; "+session+".1=y"),
		"stale longer set of another age": header(chunks, session+".0=x; "+session+".1=y; "+session+".2=z"),
	} {
		if opened(ring, h) == 0 {
			t.Errorf("%s: the good token was not found", name)
		}
	}
	// The chunks go first, and the loser is cleared by the next write.
	h := header(session+"=stale", chunks)
	if got := tokens(h, session); got[0] != long {
		t.Error("the chunks were not offered first")
	}
	got := Chunk(Cookie{Name: session, Value: long}, DefaultChunkSize, Present(h, session))
	if got[0].Name != session || got[0].Value != "" || !got[0].HasMaxAge || len(got) != 3 {
		t.Errorf("the stale single cookie is not cleared: %+v", got[0])
	}
}

func TestCOOK06MixedChunks(t *testing.T) {
	ring, alice := sealed(t, 4000)
	bob := ring.Seal([]byte(`{"sub":"bob","x":"` + strings.Repeat("y", 4000) + `"}`))
	h := header(session + ".0=" + alice[:DefaultChunkSize] + "; " + session + ".1=" + bob[DefaultChunkSize:])
	if opened(ring, h) != 0 {
		t.Error("chunks of two tokens opened")
	}
}

func TestCOOK07PrefixCollision(t *testing.T) {
	ring, token := sealed(t, 50)
	for _, other := range []string{"-foo", ".evil", "X", ".0x", ".99999999999999999999", "._", ".session-token", ". 0"} {
		for _, line := range []string{session + other + "=x; " + session + "=" + token, session + "=" + token + "; " + session + other + "=x"} {
			h := header(line)
			if got := tokens(h, session); !reflect.DeepEqual(got, []string{token}) || opened(ring, h) != 1 {
				t.Errorf("%s%s disturbs: %d tokens", session, other, len(got))
			}
			if got := Present(h, session); !reflect.DeepEqual(got, []string{session}) {
				t.Errorf("%s%s would be cleared: %q", session, other, got)
			}
		}
	}
}

func TestCOOK09TooManyChunks(t *testing.T) {
	var parts []string
	for i := range 501 {
		parts = append(parts, fmt.Sprintf("%s.%d=%s", session, i, strings.Repeat("x", 100)))
	}
	h := header(strings.Join(parts, "; "))
	for _, token := range tokens(h, session) {
		if len(token) > maxChunks*100 {
			t.Errorf("a token of %d bytes was joined", len(token))
		}
	}
	if n := len(Present(h, session)); n != maxPresent {
		t.Errorf("%d names present; want %d", n, maxPresent)
	}

	// Fewer chunks, but too long together.
	parts = nil
	for i := range 32 {
		parts = append(parts, fmt.Sprintf("%s.%d=%s", session, i, strings.Repeat("x", maxJoined/32+1)))
	}
	if got := tokens(header(parts...), session); got != nil {
		t.Errorf("a token of %d bytes was joined", len(got[0]))
	}

	// Thousands of cookies: net/http would find none at all.
	many := strings.Repeat("a=1; ", 20_000) + session + "=good"
	start := time.Now()
	if got := tokens(header(many), session); !reflect.DeepEqual(got, []string{"good"}) {
		t.Errorf("among many cookies: %q", got)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("20000 cookies took %v", took)
	}
}

func TestCOOK12DuplicateNames(t *testing.T) {
	ring, good := sealed(t, 50)
	for _, h := range []http.Header{
		header(session + "=bad; " + session + "=" + good),
		header(session + "=" + good + "; " + session + "=bad"),
		header(session+"=bad", session+"=bad2; "+session+"=bad3", session+"="+good),
	} {
		if opened(ring, h) != 1 {
			t.Errorf("%.60q: the good token was not found", h["Cookie"])
		}
	}
	// Bounded all the same.
	flood := header(strings.Repeat(session+"=bad; ", 1000) + session + ".0=x; " + session + ".0=y")
	if got := tokens(flood, session); len(got) != maxCandidates {
		t.Errorf("%d candidates; want %d", len(got), maxCandidates)
	}
}

func TestPresent(t *testing.T) {
	h := header("a=1; s.2=x; s=y", "s.0=z; s.2=again; s.x=1; s.01=2; s.100000=3; sx=4", "s.40=w")
	if got, want := Present(h, "s"), []string{"s.2", "s", "s.0", "s.40"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Present = %q; want %q", got, want)
	}
	if got := Present(header("a=1"), "s"); got != nil {
		t.Errorf("Present = %q; want none", got)
	}
}

func TestReadAllocations(t *testing.T) {
	h := header("a=1; b=2; "+session+"="+strings.Repeat("x", 500)+"; c=3", "d=4")
	for name, fn := range map[string]func(){
		"Get":           func() { _, _ = Get(h, "d") },
		"SessionTokens": func() { SessionTokens(h, session, func(token string) bool { return token == "" }) },
		"StripRequest":  func() { StripRequest(h, func(name string) bool { return name == "e" }) },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations; want 0", name, n)
		}
	}
}

// sealed returns a token around a payload of n bytes, and the ring it opens
// with.
func sealed(t *testing.T, n int) (*jwt.Ring, string) {
	t.Helper()
	ring, err := jwt.NewRing(dialect.V4, []string{"a secret of the tests"}, "")
	if err != nil {
		t.Fatal(err)
	}
	return ring, ring.Seal([]byte(`{"sub":"alice","x":"` + strings.Repeat("x", n) + `"}`))
}

// opened counts the candidates in h that open.
func opened(ring *jwt.Ring, h http.Header) int {
	n := 0
	SessionTokens(h, session, func(token string) bool {
		if _, err := ring.Open(nil, token); err == nil {
			n++
		}
		return true
	})
	return n
}

// chunkedLine is the Cookie header a browser sends after Chunk.
func chunkedLine(token string) string {
	var pairs []string
	for _, c := range Chunk(Cookie{Name: session, Value: token}, DefaultChunkSize, nil) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

func FuzzGet(f *testing.F) {
	f.Add("a=1; c=2", "c")
	f.Add("c=%7C; c=%C3%28", "c")
	f.Add(`c="x"; =c=y;; c`, "c")
	f.Fuzz(func(t *testing.T, line, name string) {
		got, ok := Get(header(line), name)
		want, wantOK := slowGet(line, name)
		if got != want || ok != wantOK {
			t.Fatalf("Get(%q, %q) = %q, %v; want %q, %v", line, name, got, ok, want, wantOK)
		}
		if i := strings.Index(line, "; "); i >= 0 { // HTTP/2 splits the header anywhere between pairs
			if got2, ok2 := Get(header(line[:i], line[i+2:]), name); got2 != got || ok2 != ok {
				t.Fatalf("split in two lines: %q, %v; want %q, %v", got2, ok2, got, ok)
			}
		}
	})
}

// slowGet does the same by way of strings.Split.
func slowGet(line, name string) (string, bool) {
	for i, pair := range strings.Split(line, ";") {
		if i > 0 {
			pair = strings.TrimPrefix(pair, " ")
		}
		if n, v, ok := strings.Cut(pair, "="); ok && n == name && name != "" {
			if len(v) > 1 && strings.HasPrefix(v, `"`) && strings.HasSuffix(v, `"`) {
				v = v[1 : len(v)-1]
			}
			return Decode(v), true
		}
	}
	return "", false
}

func FuzzSessionTokens(f *testing.F) {
	f.Add("s=a; s.0=bb; s.1=c", "s=d")
	f.Add("s.0=a; s.0=b; s.1=c; s.1=d", "s=e; s=f; s=g; s=h; s=i")
	f.Add("s.31=a; s.32=b; s.00=c", "s.0=%41")
	f.Fuzz(func(t *testing.T, a, b string) {
		h := header(a, b)
		got := tokens(h, "s")
		if len(got) > maxCandidates {
			t.Fatalf("%d candidates", len(got))
		}
		for _, token := range got {
			if token == "" || len(token) > maxJoined {
				t.Fatalf("token of %d bytes", len(token))
			}
			if len(token) > len(a)+len(b) {
				t.Fatalf("token %q is not made of %q and %q", token, a, b)
			}
		}
		present := Present(h, "s")
		if len(got) > 0 && len(present) == 0 {
			t.Fatalf("tokens %q, but nothing to clear", got)
		}
		// Once everything of ours is stripped, nothing is left to read.
		owned := func(name string) bool { return name == "s" || strings.HasPrefix(name, "s.") }
		StripRequest(h, owned)
		if left := tokens(h, "s"); left != nil || Present(h, "s") != nil {
			t.Fatalf("after stripping %q, %q: %q", a, b, h["Cookie"])
		}
	})
}

func BenchmarkGet(b *testing.B) {
	h := header("_ga=GA1.2.1234567890.1234567890; theme=dark; lang=en; " + session + "=" + strings.Repeat("x", 500) + "; next-auth.csrf-token=token%7Chash; z=1")
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := Get(h, session); !ok {
				b.Fatal("not found")
			}
		}
	})
	b.Run("encoded", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := Get(h, "next-auth.csrf-token"); !ok {
				b.Fatal("not found")
			}
		}
	})
}

func BenchmarkSessionTokens(b *testing.B) {
	rest := "_ga=GA1.2.1234567890.1234567890; theme=dark; lang=en; z=1; "
	for name, h := range map[string]http.Header{
		"single":  header(rest + session + "=" + strings.Repeat("x", 500)),
		"chunked": header(rest + chunkedLine(strings.Repeat("x", 6000))),
		"none":    header(rest),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				SessionTokens(h, session, func(string) bool { return false })
			}
		})
	}
}
