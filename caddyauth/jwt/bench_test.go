package jwt

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// BenchmarkOpen measures a good token of each form.
func BenchmarkOpen(b *testing.B) {
	for _, f := range forms[:2] {
		r := f.ring(b)
		token := r.Seal([]byte(typical))
		b.Run(f.name+"/append", func(b *testing.B) {
			dst := make([]byte, 0, 4<<10)
			b.ReportAllocs()
			b.SetBytes(int64(len(token)))
			for b.Loop() {
				if _, err := r.Open(dst, token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(f.name+"/string", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(token)))
			for b.Loop() {
				if _, err := r.OpenString(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, f := range forms[2:] {
		r := f.ring(b)
		token := f.token(b, testSecret, typical)
		b.Run(f.name+"/string", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(token)))
			for b.Loop() {
				if _, err := r.OpenString(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse measures what the tokens of an attacker cost; none should
// cost more than a good one does.
func BenchmarkRefuse(b *testing.B) {
	for _, f := range forms[:2] {
		r := f.ring(b, testSecret, "an older one")
		good := r.Seal([]byte(typical))
		head, tail, _ := strings.Cut(good, "..")
		other := forms[1]
		if f.name == other.name {
			other = forms[0]
		}
		purpose := f
		purpose.salt = f.dialect.CookiePrefix() + ".state"
		tokens := []struct{ name, token string }{
			{"good", good},
			{"forged", flip(good, len(good)/2)},
			{"other secret", f.token(b, "another secret", typical)},
			{"other purpose", purpose.token(b, testSecret, typical)},
			{"other dialect", other.token(b, testSecret, typical)},
			{"truncated", good[:len(good)-7]},
			{"half", good[:len(good)/2]},
			{"oversized", strings.Repeat(good, 200)},
			{"zip", f.foreign(b, testSecret, &jose.EncrypterOptions{Compression: jose.DEFLATE}, bytes.Repeat([]byte(" "), 10<<20))},
			{"crit", f.mint(b, testSecret, "{"+f.members(b, testSecret)+`,"crit":["exp"]}`, typical)},
			{"not base64", head + ".." + strings.Replace(tail, "A", "*", 1)},
			{"long header", b64([]byte(`{"typ":"`+strings.Repeat("x", 30_000)+`"}`)) + ".." + tail},
			{"one long part", strings.Repeat("A", MaxToken)},
			{"dots", strings.Repeat(".", MaxToken)},
		}
		for _, tt := range tokens {
			b.Run(f.name+"/"+tt.name, func(b *testing.B) {
				dst := make([]byte, 0, MaxToken)
				_, err := r.Open(dst, tt.token)
				b.ReportAllocs()
				for b.Loop() {
					if _, e := r.Open(dst, tt.token); e != err {
						b.Fatal(e)
					}
				}
				if (err == nil) != (tt.name == "good") {
					b.Fatal(err)
				}
			})
		}
	}
}

// flip replaces a character by another one of the alphabet.
func flip(s string, i int) string {
	c := "A"
	if s[i] == 'A' {
		c = "B"
	}
	return s[:i] + c + s[i+1:]
}

func BenchmarkSealClaims(b *testing.B) {
	for _, f := range forms[:2] {
		b.Run(f.name, func(b *testing.B) {
			r := f.ring(b)
			var claims map[string]any
			if err := json.Unmarshal([]byte(typical), &claims); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := SealClaims(r, claims, time.Now(), time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewRing(b *testing.B) {
	for _, f := range forms[:2] {
		b.Run(f.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.ring(b)
			}
		})
	}
}
