package cookie

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

func TestCookieString(t *testing.T) {
	expires := time.Date(2026, 11, 23, 11, 31, 22, 5, time.FixedZone("", 3600))
	for _, tt := range []struct {
		c    Cookie
		want string
	}{
		{Cookie{Name: "a"}, "a=; Path=/"},
		{Cookie{Name: "a", Value: "b", Path: "/x"}, "a=b; Path=/x"},
		{Cookie{Name: "a", HasMaxAge: true}, "a=; Max-Age=0; Path=/"},
		{Cookie{Name: "a", MaxAge: 5}, "a=; Path=/"},
		{
			Cookie{Name: "next-auth.csrf-token", Value: "token|hash", HttpOnly: true, SameSite: "lax"},
			"next-auth.csrf-token=token%7Chash; Path=/; HttpOnly; SameSite=Lax",
		},
		{
			Cookie{Name: "a", Value: "https://x.example/?q=1&r=é", Domain: "example.com", MaxAge: 900, HasMaxAge: true, Expires: expires, HttpOnly: true, Secure: true, SameSite: "none"},
			"a=https%3A%2F%2Fx.example%2F%3Fq%3D1%26r%3D%C3%A9; Max-Age=900; Domain=example.com; Path=/; Expires=Mon, 23 Nov 2026 10:31:22 GMT; HttpOnly; Secure; SameSite=None",
		},
		{Cookie{Name: "a", SameSite: "STRICT"}, "a=; Path=/; SameSite=Strict"},
		{Cookie{Name: "a", SameSite: "Lax; Domain=evil"}, "a=; Path=/"},
		{Cookie{Name: "a", Domain: "x; Secure", Path: "/\r\nSet-Cookie: b=c"}, "a="},
	} {
		if got := tt.c.String(); got != tt.want {
			t.Errorf("%+v:\n got %s\nwant %s", tt.c, got, tt.want)
		}
	}
}

// TestCOOK18InvalidBytes: any text survives the way to the browser and back,
// and net/http, which drops or quotes bytes it dislikes, finds none to dislike.
func TestCOOK18InvalidBytes(t *testing.T) {
	for _, value := range []string{
		`{"a":"b, c; d"}`, "a b", `"quoted"`, `back\slash`, "é名🔑", "100%", "%7C", "a=b&c", "tab\tnl\r\nnul\x00", ";", ",", "'()*!~._-",
	} {
		line := Cookie{Name: "c", Value: value, HttpOnly: true}.String()
		parsed, err := http.ParseSetCookie(line)
		if err != nil || !parsed.HttpOnly || parsed.Path != "/" || len(parsed.Unparsed) != 0 {
			t.Errorf("%q: %s: %+v, %v", value, line, parsed, err)
			continue
		}
		if got, ok := Get(header("a=1; c="+parsed.Value+"; b=2"), "c"); !ok || got != value {
			t.Errorf("%q came back as %q", value, got)
		}
	}
}

func TestClear(t *testing.T) {
	c := Cookie{Name: "a", Value: "b", Domain: "example.com", Path: "/x", MaxAge: 900, HasMaxAge: true, Expires: time.Now(), HttpOnly: true, Secure: true, SameSite: "Lax"}
	if got, want := Clear(c).String(), "a=; Max-Age=0; Domain=example.com; Path=/x; HttpOnly; Secure; SameSite=Lax"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestChunk(t *testing.T) {
	for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
		names := NewNames(d, "", true)
		t.Run(d.String(), func(t *testing.T) { testChunk(t, names.ChunkSize) })
	}
}

func testChunk(t *testing.T, size int) {
	expires := time.Unix(1_800_000_000, 0)
	long := strings.Repeat("a", size) + strings.Repeat("b", size) + "c"
	type piece struct {
		name, value string
		cleared     bool
	}
	for _, tt := range []struct {
		name    string
		value   string
		present []string
		want    []piece
	}{
		{"short", "v", nil, []piece{{"s", "v", false}}},
		{"exactly one chunk", long[:size], nil, []piece{{"s", long[:size], false}}},
		{"one byte more", long[:size+1], nil, []piece{{"s.0", long[:size], false}, {"s.1", "b", false}}},
		{"exactly two chunks", long[:2*size], nil, []piece{{"s.0", long[:size], false}, {"s.1", long[size : 2*size], false}}},
		{"renewed", "v", []string{"s"}, []piece{{"s", "v", false}}},
		{"becomes chunked", long, []string{"s"}, []piece{{"s", "", true}, {"s.0", long[:size], false}, {"s.1", long[size : 2*size], false}, {"s.2", "c", false}}},
		{"becomes single", "v", []string{"s.1", "s.0"}, []piece{{"s.1", "", true}, {"s.0", "", true}, {"s", "v", false}}},
		{"shrinks, stays in order", long[:size+1], []string{"s.2", "s.0", "s.9"}, []piece{{"s.2", "", true}, {"s.0", long[:size], false}, {"s.9", "", true}, {"s.1", "b", false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Cookie{Name: "s", Value: tt.value, Expires: expires, Domain: "example.com", HttpOnly: true, Secure: true, SameSite: "Lax"}
			var got []piece
			for _, p := range Chunk(c, size, tt.present) {
				got = append(got, piece{p.Name, p.Value, p.HasMaxAge})
				if p.Domain != c.Domain || !p.HttpOnly || !p.Secure || p.SameSite != c.SameSite {
					t.Errorf("%s lost attributes", p.Name)
				}
				if cleared := p.HasMaxAge; cleared != p.Expires.IsZero() || cleared && p.MaxAge != 0 {
					t.Errorf("%s: Expires %v, Max-Age %d", p.Name, p.Expires, p.MaxAge)
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %.300v", got)
			}
		})
	}
}

func TestEncodeDecode(t *testing.T) {
	for plain, want := range map[string]string{
		"": "", "abcXYZ019-_.!~*'()": "abcXYZ019-_.!~*'()", "a|b": "a%7Cb", " ": "%20", "+": "%2B", "/?#[]@$&,;=:": "%2F%3F%23%5B%5D%40%24%26%2C%3B%3D%3A",
		"é": "%C3%A9", "名": "%E5%90%8D", "🔑": "%F0%9F%94%91", "%": "%25", "\x00\r\n": "%00%0D%0A", "\"<>\\^`{}": "%22%3C%3E%5C%5E%60%7B%7D",
	} {
		if got := Encode(plain); got != want {
			t.Errorf("Encode(%q) = %q; want %q", plain, got, want)
		}
		if got := Decode(want); got != plain {
			t.Errorf("Decode(%q) = %q; want %q", want, got, plain)
		}
	}
	if got := Encode("a\xffb"); got != "a%EF%BF%BDb" {
		t.Errorf("Encode of no UTF-8 = %q", got)
	}
	// What decodeURIComponent throws on stays as it is.
	for _, s := range []string{"%", "%4", "%zz", "a%", "%C3", "%C3%28", "%ff", "%C0%AE", "%ED%A0%80", "%F5%80%80%80", "%E2%82", "%C3x%A9", "%C3\xA9", "ok%20%", "%u0041"} {
		if got := Decode(s); got != s {
			t.Errorf("Decode(%q) = %q; want it unchanged", s, got)
		}
	}
	for s, want := range map[string]string{"%41%62": "Ab", "%c3%a9": "é", "a%20b%20c": "a b c", "+": "+", "é%20": "é ", "\xff%20": "\xff "} {
		if got := Decode(s); got != want {
			t.Errorf("Decode(%q) = %q; want %q", s, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("a%7Cb")
	f.Add("%C3%A9%")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Decode(Encode(s)); got != strings.ToValidUTF8(s, "\uFFFD") {
			t.Fatalf("Decode(Encode(%q)) = %q", s, got)
		}
		if got := Decode(s); len(got) > len(s) {
			t.Fatalf("Decode(%q) = %q", s, got)
		}
	})
}
