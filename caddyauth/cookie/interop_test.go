package cookie

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// readJSON reads a file of the interop tests.
func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/interop/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// TestChunkInterop replays how NextAuth cut up a long token.
func TestChunkInterop(t *testing.T) {
	type chunking struct {
		ChunkSize, TokenLength int
		Chunks                 []int
	}
	var f struct{ Chunking struct{ V4, V5 chunking } }
	readJSON(t, "vectors.json", &f)
	v := f.Chunking.V4
	v4, v5 := NewNames(dialect.V4, "", true), NewNames(dialect.V5, "", true)
	if v.ChunkSize != v4.ChunkSize || f.Chunking.V5.ChunkSize != v5.ChunkSize || v5.ChunkSize == 0 || len(v.Chunks) == 0 {
		t.Fatalf("chunk sizes %d and %d; want %+v", v4.ChunkSize, v5.ChunkSize, f.Chunking)
	}
	var sizes []int
	for _, c := range Chunk(Cookie{Name: v4.Session, Value: strings.Repeat("x", v.TokenLength)}, v4.ChunkSize, nil) {
		sizes = append(sizes, len(c.Value))
	}
	if !reflect.DeepEqual(sizes, v.Chunks) {
		t.Errorf("chunks of %d; want %d", sizes, v.Chunks)
	}
	// Under the names of the default prefix, browsers take every piece.
	for _, names := range []Names{v4, v5} {
		c := Cookie{Name: names.Session, Value: strings.Repeat("x", 30*names.ChunkSize), HttpOnly: true, Secure: true, SameSite: "Lax", Expires: time.Now()}
		for _, piece := range Chunk(c, names.ChunkSize, nil) {
			if line := piece.String(); len(line) > 4096 {
				t.Errorf("Set-Cookie of %s: %d bytes", piece.Name, len(line))
			}
		}
	}
}

// TestMintedCookies builds the Set-Cookie lines that the real NextAuth and
// Auth.js wrote, and reads them as requests bring them back.
func TestMintedCookies(t *testing.T) {
	var f struct {
		Sessions []struct {
			Name, Dialect string
			Secure        bool
			SetCookie     []string
		}
	}
	readJSON(t, "tokens.json", &f)
	pieces := map[string]int{}
	for _, s := range f.Sessions {
		t.Run(s.Dialect+"/"+s.Name, func(t *testing.T) {
			d, err := dialect.Parse(s.Dialect)
			if err != nil {
				t.Fatal(err)
			}
			names := NewNames(d, "", s.Secure)
			var want, sent []string
			c := Cookie{Name: names.Session, HttpOnly: true, Secure: s.Secure, SameSite: "lax"}
			for _, line := range s.SetCookie {
				if !strings.HasPrefix(line, names.Session) {
					continue
				}
				want = append(want, line)
				pair, attributes, _ := strings.Cut(line, "; ")
				sent = append(sent, pair)
				c.Value += pair[strings.IndexByte(pair, '=')+1:]
				_, expires, _ := strings.Cut(attributes, "Expires=")
				expires, _, _ = strings.Cut(expires, ";")
				if c.Expires, err = time.Parse(time.RFC1123, expires); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, piece := range Chunk(c, names.ChunkSize, nil) {
				got = append(got, piece.String())
			}
			if len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%d lines of %d expected ones:\n%.200q", len(got), len(want), got)
			}
			pieces[s.Dialect] = max(pieces[s.Dialect], len(want))

			slices.Reverse(sent) // whichever order a browser sends them in
			found := 0
			SessionTokens(header("theme=dark; "+strings.Join(sent, "; ")), names.Session, func(token string) bool {
				found++
				if token != c.Value {
					t.Errorf("token of %d bytes; want %d", len(token), len(c.Value))
				}
				return true
			})
			if found != 1 {
				t.Errorf("%d tokens in the request", found)
			}
		})
	}
	if pieces["v4"] < 2 || pieces["v5"] < 3 {
		t.Errorf("sessions of %v cookies; want chunked ones", pieces)
	}
}

// TestMintedCSRF does the same with the cookie of the double submit.
func TestMintedCSRF(t *testing.T) {
	var f struct {
		CSRF []struct{ Dialect, Cookie, SetCookie, CSRFToken string }
	}
	readJSON(t, "tokens.json", &f)
	seen := map[string]bool{}
	for _, c := range f.CSRF {
		if c.SetCookie == "" {
			continue // made without a site
		}
		d, err := dialect.Parse(c.Dialect)
		if err != nil {
			t.Fatal(err)
		}
		names := NewNames(d, "", strings.HasPrefix(c.Cookie, "__Host-"))
		if c.Cookie != names.CSRF {
			t.Errorf("%s; want %s", names.CSRF, c.Cookie)
		}
		pair, _, _ := strings.Cut(c.SetCookie, "; ")
		value, ok := Get(header(pair), names.CSRF)
		if !ok || !strings.HasPrefix(value, c.CSRFToken+"|") {
			t.Errorf("%s holds %q; want the token %s", pair, value, c.CSRFToken)
		}
		if got := (Cookie{Name: names.CSRF, Value: value, HttpOnly: true, Secure: names.Secure, SameSite: "lax"}).String(); got != c.SetCookie {
			t.Errorf("got  %s\nwant %s", got, c.SetCookie)
		}
		seen[c.Cookie] = true
	}
	if len(seen) != 4 {
		t.Errorf("cookies %v; want those of both dialects and both schemes", seen)
	}
}
