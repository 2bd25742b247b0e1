package jwt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"sort"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

var b64 = base64.RawURLEncoding.EncodeToString

func TestSealOpen(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		if !f.seals {
			return
		}
		r := f.ring(t)
		for _, claims := range []string{"{}", testClaims, typical, `{"x":"` + strings.Repeat("x", 40_000) + `"}`} {
			for pad := range 17 { // every length of the last base64 group and of the last block
				claims := claims + strings.Repeat(" ", pad)
				token := r.Seal([]byte(claims))
				if n := r.tokenLen(len(claims)); n != len(token) {
					t.Fatalf("tokenLen(%d) = %d; the token has %d", len(claims), n, len(token))
				}
				got, err := r.Open([]byte("prefix"), token)
				if err != nil || string(got) != "prefix"+claims {
					t.Fatalf("Open(Seal(%.40q...)) = %.40q..., %v", claims, got, err)
				}
				wantOpens(t, r, token, claims)
			}
		}
		if a, b := r.Seal(nil), r.Seal(nil); a == b {
			t.Error("two tokens are the same; want fresh nonces")
		}
	})
}

// TestSealedForm: the header of what is sealed has the members, the order and
// the spelling that NextAuth gives them.
func TestSealedForm(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		if !f.seals {
			return
		}
		parts := strings.Split(f.ring(t, testSecret, "an older one").Seal([]byte(testClaims)), ".")
		if len(parts) != 5 || parts[1] != "" {
			t.Fatalf("parts %q", parts)
		}
		if want := b64([]byte("{" + f.members(t, testSecret) + "}")); parts[0] != want {
			t.Errorf("header %s; want %s", parts[0], want)
		}
		for i, size := range map[int]int{2: f.nonceSize, 4: f.tagSize} {
			if n := base64.RawURLEncoding.DecodedLen(len(parts[i])); n != size {
				t.Errorf("part %d has %d bytes; want %d", i, n, size)
			}
		}
	})
}

// TestGoJose holds the codec against an implementation that shares nothing with
// it, both ways.
func TestGoJose(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		for pad := range 17 {
			claims := typical + strings.Repeat(" ", pad)
			wantOpens(t, r, f.foreign(t, testSecret, nil, []byte(claims)), claims)
			if !f.seals {
				continue
			}
			if got, err := joseOpen(t, r.Seal([]byte(claims)), f.rawKey(t, testSecret)); err != nil || string(got) != claims {
				t.Errorf("go-jose reads %q, %v", got, err)
			}
		}
	})
}

// TestOpenLeavesPrefix holds that failing with the first key cannot spoil what
// the second one works on, nor what dst held before.
func TestOpenLeavesPrefix(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		both := f.ring(t, "old", "new")
		dst := append(make([]byte, 0, 8<<10), "kept"...)
		if f.named || f.dialect == dialect.V4 {
			got, err := both.Open(dst, f.token(t, "new", typical))
			if err != nil || string(got) != "kept"+typical {
				t.Fatalf("Open = %q, %v", got, err)
			}
		}
		if _, err := both.Open(dst, f.token(t, "other", typical)); err == nil || string(dst) != "kept" {
			t.Errorf("after a failure dst is %q, err %v", dst, err)
		}
	})
}

func TestCOOK01BitFlip(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r, token := f.ring(t), f.token(t, testSecret, testClaims)
		wantOpens(t, r, token, testClaims)
		for i := range len(token) {
			for _, flip := range []byte{1, 2, 0x20, 0x80} {
				b := []byte(token)
				b[i] ^= flip
				wantInvalid(t, r, string(b))
			}
		}
	})
}

func TestCOOK02Truncation(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r, token := f.ring(t), f.token(t, testSecret, testClaims)
		for i := range len(token) {
			wantInvalid(t, r, token[:i])
			if i > 0 {
				wantInvalid(t, r, token[i:])
			}
		}
	})
}

func TestJWE01NotAJWE(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		none := b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(testClaims)) + "."
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: f.rawKey(t, testSecret)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(testClaims))
		if err != nil {
			t.Fatal(err)
		}
		hs256, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		good := f.token(t, testSecret, testClaims)
		for _, token := range []string{
			"", ".", "..", "...", "....", ".....", none, hs256,
			good + ".", "." + good, good + ".AAAA", strings.Replace(good, "..", ".AAAA.", 1),
			strings.Replace(good, "..", ".", 1), strings.Replace(good, "..", "...", 1),
			testClaims, "null", strings.Repeat("A", 335),
		} {
			wantInvalid(t, r, token)
		}
	})
}

func TestJWE02AlgorithmConfusion(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r, raw := f.ring(t), f.rawKey(t, testSecret)
		for _, alg := range []jose.KeyAlgorithm{jose.A256KW, jose.A256GCMKW, jose.PBES2_HS512_A256KW} {
			enc, err := jose.NewEncrypter(jose.ContentEncryption(f.enc), jose.Recipient{Algorithm: alg, Key: raw[:32], PBES2Count: 1000}, nil)
			if err != nil {
				t.Fatal(err)
			}
			obj, err := enc.Encrypt([]byte(testClaims))
			if err != nil {
				t.Fatal(err)
			}
			token, err := obj.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			wantInvalid(t, r, token)
		}
		for _, alg := range []string{"none", "A256KW", "RSA-OAEP", "RSA1_5", "ECDH-ES", "A256GCMKW", "PBES2-HS512+A256KW", "DIR", "Dir", "dir ", ""} {
			members := strings.Replace(f.members(t, testSecret), `"dir"`, fmt.Sprintf("%q", alg), 1)
			wantInvalid(t, r, f.mint(t, testSecret, "{"+members+"}", testClaims))
		}
		slow := strings.Replace(f.members(t, testSecret), `"dir"`, `"PBES2-HS512+A256KW","p2c":1000000000,"p2s":"AAAA"`, 1)
		token := f.mint(t, testSecret, "{"+slow+"}", testClaims)
		wantFast(t, func() { wantInvalid(t, r, token) })
	})
}

func TestJWE03EncryptionNotAllowed(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		for _, enc := range []string{
			"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "a256gcm", "A256CBC-HS512 ", "XC20P", "",
		} {
			// The other encryption of v5 is among them: a key of one is none of
			// the other.
			if enc != f.enc {
				members := strings.Replace(f.members(t, testSecret), `"`+f.enc+`"`, fmt.Sprintf("%q", enc), 1)
				wantInvalid(t, r, f.mint(t, testSecret, "{"+members+"}", testClaims))
			}
		}
	})
}

func TestJWE05Compression(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		bomb := f.foreign(t, testSecret, &jose.EncrypterOptions{Compression: jose.DEFLATE}, bytes.Repeat([]byte(" "), 2<<20))
		if len(bomb) > MaxToken {
			t.Fatalf("the bomb is %d bytes long, so that its length alone refuses it", len(bomb))
		}
		wantInvalid(t, r, bomb)
		for _, zip := range []string{`"DEF"`, `"GZ"`, `""`, `null`, `0`} {
			wantInvalid(t, r, f.mint(t, testSecret, "{"+f.members(t, testSecret)+`,"zip":`+zip+"}", testClaims))
		}
	})
}

func TestJWE06DotsFlood(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		header, _, _ := strings.Cut(f.token(t, testSecret, testClaims), ".")
		flood := strings.Repeat(".", 1_000_000)
		for _, token := range []string{flood, flood[:MaxToken], header + flood, header + flood[:1000]} {
			wantInvalid(t, r, token)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = r.Open(nil, flood) }); n != 0 {
			t.Errorf("a flood of dots costs %v allocations; want 0", n)
		}
	})
}

func TestJWE14HugeToken(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		huge := f.token(t, testSecret, `{"x":"`+strings.Repeat("x", 4<<20)+`"}`)
		wantInvalid(t, r, huge)
		if n := testing.AllocsPerRun(10, func() { _, _ = r.Open(nil, huge) }); n != 0 {
			t.Errorf("refusing a huge token costs %v allocations; want 0", n)
		}

		// The longest token that is accepted, and the next one.
		fits := sort.Search(MaxToken, func(n int) bool {
			return len(f.token(t, testSecret, strings.Repeat(" ", n+1))) > MaxToken
		})
		wantOpens(t, r, f.token(t, testSecret, strings.Repeat(" ", fits)), strings.Repeat(" ", fits))
		wantInvalid(t, r, f.token(t, testSecret, strings.Repeat(" ", fits+1)))
	})
}

func TestJWE15Base64Laxity(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r, token := f.ring(t), f.token(t, testSecret, testClaims)
		parts := strings.Split(token, ".")
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

		t.Run("padding", func(t *testing.T) {
			for i, part := range parts {
				for _, pad := range []string{"=", "==", "%3D"} {
					p := append([]string(nil), parts...)
					p[i] = part + pad
					wantInvalid(t, r, strings.Join(p, "."))
				}
			}
		})
		t.Run("white space", func(t *testing.T) {
			for i := range len(token) + 1 {
				for _, ws := range []string{"\n", "\r", "\r\n", " ", "\t", "\x00"} {
					wantInvalid(t, r, token[:i]+ws+token[i:])
				}
			}
		})
		t.Run("standard alphabet", func(t *testing.T) {
			// A ciphertext with both special characters turns up soon.
			for range 1000 {
				token := f.token(t, testSecret, testClaims)
				head, tail, _ := strings.Cut(token, "..")
				std := head + ".." + strings.NewReplacer("-", "+", "_", "/").Replace(tail)
				if std != token {
					wantInvalid(t, r, std)
					return
				}
			}
			t.Fatal("no token with - or _")
		})
		t.Run("trailing bits", func(t *testing.T) {
			// The last characters of initialization vector and tag stand for
			// more bits than are left: two or four of six count.
			for _, i := range []int{2, 4} {
				part := parts[i]
				spare := len(part)*6 - base64.RawURLEncoding.DecodedLen(len(part))*8
				last := strings.IndexByte(alphabet, part[len(part)-1])
				tried := 0
				for v := range len(alphabet) {
					if v != last && v>>spare == last>>spare {
						p := append([]string(nil), parts...)
						p[i] = part[:len(part)-1] + alphabet[v:v+1]
						wantInvalid(t, r, strings.Join(p, "."))
						tried++
					}
				}
				if tried != 1<<spare-1 {
					t.Errorf("part %d: %d variants; want %d", i, tried, 1<<spare-1)
				}
			}
		})
	})
}

func TestJWE16Lengths(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r := f.ring(t)
		header := b64([]byte("{" + f.members(t, testSecret) + "}"))
		aead, err := f.encryption().newAEAD(f.rawKey(t, testSecret))
		if err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, f.nonceSize)
		sealed := aead.Seal(nil, nonce, []byte(testClaims), []byte(header))
		tag := len(sealed) - f.tagSize
		for n := range f.tagSize {
			wantInvalid(t, r, header+".."+b64(nonce)+"."+b64(sealed[:tag])+"."+b64(sealed[tag:tag+n]))
		}
		wantInvalid(t, r, header+".."+b64(nonce)+"."+b64(sealed[:tag])+"."+b64(sealed[tag:])+"AAAA")
		for _, n := range []int{0, 1, f.nonceSize - 1, f.nonceSize + 1, 12, 16, 32} {
			if n != f.nonceSize {
				wantInvalid(t, r, header+".."+b64(make([]byte, n))+"."+b64(sealed[:tag])+"."+b64(sealed[tag:]))
			}
		}
		// The same bytes, cut elsewhere.
		wantInvalid(t, r, header+".."+b64(nonce)+"."+b64(sealed[:tag-3])+"."+b64(sealed[tag-3:]))
		wantInvalid(t, r, header+".."+b64(nonce)+".."+b64(sealed))
		wantInvalid(t, r, header+".."+b64(append(nonce, sealed[:3]...))+"."+b64(sealed[3:tag])+"."+b64(sealed[tag:]))
	})

	// GCM itself would take any nonce.
	f := forms[0]
	r, header := f.ring(t), b64([]byte("{"+f.members(t, testSecret)+"}"))
	block, err := aes.NewCipher(f.rawKey(t, testSecret))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 8, 11, 13, 16, 32} {
		aead, err := cipher.NewGCMWithNonceSize(block, size)
		if err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, size)
		sealed := aead.Seal(nil, nonce, []byte(testClaims), []byte(header))
		tag := len(sealed) - f.tagSize
		wantInvalid(t, r, header+".."+b64(nonce)+"."+b64(sealed[:tag])+"."+b64(sealed[tag:]))
	}
}

func TestJWE09CaseVariantClaims(t *testing.T) {
	var sub string
	err := Members(`{"Sub":"admin","SUB":"admin","ſub":"admin","sub ":"admin"}`, func(name string, v Value) bool {
		if name == "sub" {
			sub = v.String()
		}
		return true
	})
	if err != nil || sub != "" {
		t.Errorf("sub = %q, %v; want none", sub, err)
	}
}

func TestBase64MatchesStandard(t *testing.T) {
	for n := range 70 {
		in := bytes.Repeat([]byte{0xA5, 0x00, 0xFF, 0x17}, 20)[:n]
		got, ok := appendDecoded([]byte("x"), b64(in))
		if !ok || !bytes.Equal(got[1:], in) {
			t.Errorf("%d bytes: %x, %v", n, got, ok)
		}
		if m := base64.RawURLEncoding.EncodedLen(n); encodedLen(n) != m || decodedLen(m) != n {
			t.Errorf("%d bytes: encodedLen %d, decodedLen of %d %d", n, encodedLen(n), m, decodedLen(m))
		}
	}
	// Every pair and every triple at the end, against the strict decoder.
	for a := range 256 {
		for _, s := range []string{"A" + string([]byte{byte(a)}), "AA" + string([]byte{byte(a)}), string([]byte{byte(a)}), "AAA" + string([]byte{byte(a)})} {
			want, err := base64.RawURLEncoding.Strict().DecodeString(s)
			wantOK := err == nil && !strings.ContainsAny(s, "\r\n")
			if got, ok := appendDecoded(nil, s); ok != wantOK || ok && !bytes.Equal(got, want) {
				t.Errorf("%q: %x, %v; want %x, %v", s, got, ok, want, wantOK)
			}
		}
	}
}

func TestOpenAllocations(t *testing.T) {
	for _, f := range forms {
		if !f.seals {
			continue // an unusual header is copied
		}
		r := f.ring(t, testSecret, "an older one")
		token, dst := r.Seal([]byte(typical)), make([]byte, 0, 4<<10)
		if n := testing.AllocsPerRun(200, func() { _, _ = r.Open(dst, token) }); n != 0 && !raceEnabled {
			t.Errorf("%s: Open into a buffer: %v allocations; want 0", f.name, n)
		}
		if n := testing.AllocsPerRun(200, func() { _, _ = r.Open(nil, token) }); n > 2 && !raceEnabled { // one, but the race detector undoes an optimization
			t.Errorf("%s: Open: %v allocations; want 2 at most", f.name, n)
		}
	}
}
