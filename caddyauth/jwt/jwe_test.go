package jwt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	testSecret = "a secret that only tests know, 0123456789"
	testClaims = `{"name":"J Smith","email":"jsmith@example.com","sub":"1","exp":3372225082}`
)

// typical is as long as the claims of a signed-in user usually are.
const typical = `{"name":"Jane Q. Smith","email":"jane.smith@example.com","picture":"https://avatars.example.com/u/1234567?v=4&s=96",` +
	`"sub":"0f8fad5b-d9cb-469f-a165-70867728950e","caddyauth":{"sid":"c2Vzc2lvbmlk","provider":"oidc","login":"jsmith","domain":"example.com",` +
	`"verified":true,"roles":["reader","writer"],"groups":["staff"]},"iat":1795425082,"exp":3372225082,"jti":"fd183dc3-5761-4d5d-9b54-758c5abc46db"}`

func mustRing(t testing.TB, salt string, secrets ...string) *Ring {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{testSecret}
	}
	r, err := NewRing(secrets, salt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testKey(t testing.TB, salt string) []byte {
	t.Helper()
	key, err := deriveKey(testSecret, salt)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// mint seals claims under any header, correctly in all other respects, so that
// only the header can be why a token is refused.
func mint(t testing.TB, header, claims string) string {
	t.Helper()
	block, err := aes.NewCipher(testKey(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	nonce, aad := make([]byte, nonceSize), b64([]byte(header))
	sealed := aead.Seal(nil, nonce, []byte(claims), []byte(aad))
	tag := len(sealed) - tagSize
	return aad + ".." + b64(nonce) + "." + b64(sealed[:tag]) + "." + b64(sealed[tag:])
}

func wantInvalid(t *testing.T, r *Ring, token string) {
	t.Helper()
	got, err := r.Open(nil, token)
	if got != nil || !errors.Is(err, ErrInvalid) {
		t.Errorf("Open(%.80q) = %.80q, %v; want ErrInvalid", token, got, err)
	}
	if s, err := r.OpenString(token); s != "" || !errors.Is(err, ErrInvalid) {
		t.Errorf("OpenString(%.80q) = %.80q, %v; want ErrInvalid", token, s, err)
	}
}

func TestSealOpen(t *testing.T) {
	r := mustRing(t, "")
	for _, claims := range []string{"{}", testClaims, typical, `{"x":"` + strings.Repeat("x", 40_000) + `"}`} {
		for pad := range 3 { // every length of the last base64 group
			claims := claims + strings.Repeat(" ", pad)
			token := r.Seal([]byte(claims))
			got, err := r.Open([]byte("prefix"), token)
			if err != nil || string(got) != "prefix"+claims {
				t.Fatalf("Open(Seal(%.40q...)) = %.40q..., %v", claims, got, err)
			}
			if s, err := r.OpenString(token); err != nil || s != claims {
				t.Fatalf("OpenString(Seal(%.40q...)) = %.40q..., %v", claims, s, err)
			}
		}
	}
	if a, b := r.Seal(nil), r.Seal(nil); a == b {
		t.Error("two tokens are the same; want fresh nonces")
	}
}

func TestNewRingErrors(t *testing.T) {
	for _, secrets := range [][]string{nil, {}, {""}, {"good", ""}} {
		if r, err := NewRing(secrets, ""); err == nil || r != nil {
			t.Errorf("NewRing(%q) = %v, %v; want an error", secrets, r, err)
		}
	}
}

func TestRotation(t *testing.T) {
	oldRing, newRing := mustRing(t, "", "old"), mustRing(t, "", "new")
	both := mustRing(t, "", "new", "older", "old")
	for name, r := range map[string]*Ring{"old": oldRing, "new": newRing} {
		if got, err := both.Open(nil, r.Seal([]byte(testClaims))); err != nil || string(got) != testClaims {
			t.Errorf("token of the %s secret: %q, %v", name, got, err)
		}
	}
	token := both.Seal([]byte(testClaims))
	if _, err := newRing.Open(nil, token); err != nil {
		t.Error("the first secret does not seal")
	}
	wantInvalid(t, oldRing, token)
}

// TestOpenLeavesPrefix holds that failing with the first key cannot spoil what
// the second one works on, nor what dst held before.
func TestOpenLeavesPrefix(t *testing.T) {
	both := mustRing(t, "", "new", "old")
	dst := append(make([]byte, 0, 8<<10), "kept"...)
	got, err := both.Open(dst, mustRing(t, "", "old").Seal([]byte(typical)))
	if err != nil || string(got) != "kept"+typical {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if _, err := both.Open(dst, mustRing(t, "", "other").Seal([]byte(typical))); err == nil || string(dst) != "kept" {
		t.Errorf("after a failure dst is %q, err %v", dst, err)
	}
}

func TestCOOK01BitFlip(t *testing.T) {
	r := mustRing(t, "")
	token := r.Seal([]byte(testClaims))
	for i := range len(token) {
		for _, flip := range []byte{1, 2, 0x20, 0x80} {
			b := []byte(token)
			b[i] ^= flip
			wantInvalid(t, r, string(b))
		}
	}
}

func TestCOOK02Truncation(t *testing.T) {
	r := mustRing(t, "")
	token := r.Seal([]byte(testClaims))
	for i := range len(token) {
		wantInvalid(t, r, token[:i])
		if i > 0 {
			wantInvalid(t, r, token[i:])
		}
	}
}

func TestJWE01NotAJWE(t *testing.T) {
	r := mustRing(t, "")
	b64 := base64.RawURLEncoding.EncodeToString
	none := b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(testClaims)) + "."
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: testKey(t, "")}, nil)
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
	good := r.Seal([]byte(testClaims))
	withKey := strings.Replace(good, "..", ".AAAA.", 1)
	for _, token := range []string{
		"", ".", "..", "...", "....", ".....", none, hs256,
		good + ".", "." + good, good + ".AAAA", withKey, strings.Replace(good, "..", ".", 1), strings.Replace(good, "..", "...", 1),
		testClaims, "null", strings.Repeat("A", 335),
	} {
		wantInvalid(t, r, token)
	}
}

func TestJWE02AlgorithmConfusion(t *testing.T) {
	r, key := mustRing(t, ""), testKey(t, "")
	for _, alg := range []jose.KeyAlgorithm{jose.A256KW, jose.A256GCMKW, jose.PBES2_HS512_A256KW} {
		enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: alg, Key: key, PBES2Count: 1000}, nil)
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
		wantInvalid(t, r, mint(t, fmt.Sprintf(`{"alg":%q,"enc":"A256GCM"}`, alg), testClaims))
	}
	start := time.Now()
	wantInvalid(t, r, mint(t, `{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":1000000000,"p2s":"AAAA"}`, testClaims))
	if took := time.Since(start); took > time.Second {
		t.Errorf("p2c=10^9 took %v", took)
	}
}

func TestJWE03EncryptionNotAllowed(t *testing.T) {
	r := mustRing(t, "")
	for _, enc := range []string{"A128GCM", "A192GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "a256gcm", "XC20P", ""} {
		wantInvalid(t, r, mint(t, fmt.Sprintf(`{"alg":"dir","enc":%q}`, enc), testClaims))
	}
}

func TestJWE05Compression(t *testing.T) {
	r := mustRing(t, "")
	rcpt := jose.Recipient{Algorithm: jose.DIRECT, Key: testKey(t, "")}
	enc, err := jose.NewEncrypter(jose.A256GCM, rcpt, &jose.EncrypterOptions{Compression: jose.DEFLATE})
	if err != nil {
		t.Fatal(err)
	}
	obj, err := enc.Encrypt(bytes.Repeat([]byte(" "), 10<<20))
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if len(bomb) > MaxToken {
		t.Fatalf("the bomb is %d bytes long, so that its length alone refuses it", len(bomb))
	}
	wantInvalid(t, r, bomb)
	wantInvalid(t, r, mint(t, `{"alg":"dir","enc":"A256GCM","zip":"DEF"}`, testClaims))
	wantInvalid(t, r, mint(t, `{"alg":"dir","enc":"A256GCM","zip":null}`, testClaims))
}

func TestJWE06DotsFlood(t *testing.T) {
	r := mustRing(t, "")
	flood := strings.Repeat(".", 1_000_000)
	for _, token := range []string{flood, flood[:MaxToken], sealHeader + flood, sealHeader + flood[:1000]} {
		wantInvalid(t, r, token)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Open(nil, flood) }); n != 0 {
		t.Errorf("a flood of dots costs %v allocations; want 0", n)
	}
}

func TestJWE11HeaderBringsKey(t *testing.T) {
	r := mustRing(t, "")
	for _, member := range []string{
		`"jwk":{"kty":"oct","k":"AAAA"}`, `"jku":"https://evil.example/keys"`, `"x5u":"https://evil.example/cert"`,
		`"x5c":["AAAA"]`, `"x5t":"AAAA"`, `"crit":["exp"]`, `"crit":[]`, `"p2c":1`, `"epk":{}`, `"apu":"AAAA"`, `"b64":false`,
		`"iv":"AAAA"`, `"tag":"AAAA"`, `"unknown":1`, `"":""`, `"KID":"x"`, `"typ":1`, `"kid":null`, `"cty":["JWT"]`,
		`"alg":"dir"`, `"enc":"A256GCM"`, `"alg":"none"`, `"Alg":"dir"`,
	} {
		wantInvalid(t, r, mint(t, `{"alg":"dir","enc":"A256GCM",`+member+`}`, testClaims))
		wantInvalid(t, r, mint(t, `{`+member+`,"alg":"dir","enc":"A256GCM"}`, testClaims))
	}
	for _, header := range []string{
		`{}`, `{"alg":"dir"}`, `{"enc":"A256GCM"}`, `[]`, `null`, `"dir"`, ``, ` `, `{"alg":"dir","enc":"A256GCM"`, `{"alg":"dir","enc":"A256GCM"}x`,
		`{"ALG":"dir","enc":"A256GCM"}`, `{"alg":["dir"],"enc":"A256GCM"}`,
		`{"alg":"dir","enc":"A256GCM","kid":"` + strings.Repeat("x", maxHeader) + `"}`,
	} {
		wantInvalid(t, r, mint(t, header, testClaims))
	}
}

// TestHeaderSpellings: what means the same is accepted, however it is written.
func TestHeaderSpellings(t *testing.T) {
	r := mustRing(t, "")
	for _, header := range []string{
		`{"alg":"dir","enc":"A256GCM"}`, `{"enc":"A256GCM","alg":"dir"}`, `{ "alg": "dir", "enc": "A256GCM" }`,
		`{"alg":"dir","enc":"A256GCM","typ":"JWT"}`, `{"typ":"JWT","cty":"json","kid":"1","enc":"A256GCM","alg":"dir"}`,
		`{"\u0061lg":"d\u0069r","enc":"A256GCM"}`,
	} {
		if got, err := r.Open(nil, mint(t, header, testClaims)); err != nil || string(got) != testClaims {
			t.Errorf("header %s: %q, %v", header, got, err)
		}
	}
	// The tag covers the header as received, not as understood.
	a := mint(t, `{"enc":"A256GCM","alg":"dir"}`, testClaims)
	_, rest, _ := strings.Cut(a, "..")
	wantInvalid(t, r, sealHeader+".."+rest)
}

func TestJWE14HugeToken(t *testing.T) {
	r := mustRing(t, "")
	huge := r.Seal([]byte(`{"x":"` + strings.Repeat("x", 4<<20) + `"}`))
	wantInvalid(t, r, huge)
	if n := testing.AllocsPerRun(10, func() { _, _ = r.Open(nil, huge) }); n != 0 {
		t.Errorf("refusing a huge token costs %v allocations; want 0", n)
	}

	// The longest token that is accepted, and one byte more.
	fits := decodedLen(MaxToken - len(sealHeader) - nonceChars - tagChars - 4)
	if token := r.Seal(bytes.Repeat([]byte(" "), fits)); len(token) > MaxToken {
		t.Errorf("token of %d bytes; want at most MaxToken", len(token))
	} else if _, err := r.Open(nil, token); err != nil {
		t.Errorf("token of %d bytes: %v", len(token), err)
	}
	wantInvalid(t, r, r.Seal(bytes.Repeat([]byte(" "), fits+1)))
}

func TestJWE15Base64Laxity(t *testing.T) {
	r := mustRing(t, "")
	token := r.Seal([]byte(testClaims))
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
		// A claim whose ciphertext has both special characters turns up soon.
		for range 1000 {
			token := r.Seal([]byte(testClaims))
			std := strings.NewReplacer("-", "+", "_", "/").Replace(token)
			if std != token {
				wantInvalid(t, r, std)
				return
			}
		}
		t.Fatal("no token with - or _")
	})
	t.Run("trailing bits", func(t *testing.T) {
		// 16 bytes of tag end in a character of which two bits count.
		last := strings.IndexByte(alphabet, token[len(token)-1])
		for v := range len(alphabet) {
			if v != last && v>>4 == last>>4 {
				wantInvalid(t, r, token[:len(token)-1]+alphabet[v:v+1])
			}
		}
	})
}

func TestJWE16Lengths(t *testing.T) {
	r := mustRing(t, "")
	block, err := aes.NewCipher(testKey(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for _, size := range []int{1, 8, 11, 13, 16, 32} {
		aead, err := cipher.NewGCMWithNonceSize(block, size)
		if err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, size)
		sealed := aead.Seal(nil, nonce, []byte(testClaims), sealAAD)
		tag := len(sealed) - tagSize
		wantInvalid(t, r, sealHeader+".."+b64(nonce)+"."+b64(sealed[:tag])+"."+b64(sealed[tag:]))
	}
	nonce := make([]byte, nonceSize)
	sealed := r.keys[0].Seal(nil, nonce, []byte(testClaims), sealAAD)
	tag := len(sealed) - tagSize
	for n := range tagSize {
		wantInvalid(t, r, sealHeader+".."+b64(nonce)+"."+b64(sealed[:tag])+"."+b64(sealed[tag:tag+n]))
	}
	// The same bytes, cut elsewhere.
	wantInvalid(t, r, sealHeader+".."+b64(nonce)+"."+b64(sealed[:tag-3])+"."+b64(sealed[tag-3:]))
	wantInvalid(t, r, sealHeader+".."+b64(nonce)+".."+b64(sealed))
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

func TestSTATE08PurposesAreSeparate(t *testing.T) {
	salts := []string{"", "next-auth.state", "__Secure-next-auth.state", "next-auth.pkce.code_verifier", "next-auth.nonce", "next-auth.notice"}
	for _, from := range salts {
		token := mustRing(t, from).Seal([]byte(testClaims))
		for _, to := range salts {
			r := mustRing(t, to)
			if from != to {
				wantInvalid(t, r, token)
			} else if _, err := r.Open(nil, token); err != nil {
				t.Errorf("salt %q does not open its own token: %v", to, err)
			}
		}
	}
}

func TestSealIsPlainJOSE(t *testing.T) {
	r := mustRing(t, "")
	obj, err := jose.ParseEncrypted(r.Seal([]byte(typical)), []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	got, err := obj.Decrypt(testKey(t, ""))
	if err != nil || string(got) != typical {
		t.Errorf("go-jose reads %q, %v", got, err)
	}
}

func TestBase64MatchesStandard(t *testing.T) {
	for n := range 70 {
		in := bytes.Repeat([]byte{0xA5, 0x00, 0xFF, 0x17}, 20)[:n]
		got, ok := appendDecoded([]byte("x"), base64.RawURLEncoding.EncodeToString(in))
		if !ok || !bytes.Equal(got[1:], in) || decodedLen(base64.RawURLEncoding.EncodedLen(n)) != n {
			t.Errorf("%d bytes: %x, %v", n, got, ok)
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
	r := mustRing(t, "", testSecret, "an older one")
	token, dst := r.Seal([]byte(typical)), make([]byte, 0, 4<<10)
	if n := testing.AllocsPerRun(200, func() { _, _ = r.Open(dst, token) }); n != 0 {
		t.Errorf("Open into a buffer: %v allocations; want 0", n)
	}
	if n := testing.AllocsPerRun(200, func() { _, _ = r.Open(nil, token) }); n > 2 { // one, but the race detector undoes an optimization
		t.Errorf("Open: %v allocations; want 2 at most", n)
	}
}

func FuzzOpen(f *testing.F) {
	r := mustRing(f, "", testSecret, "an older one")
	f.Add(mint(f, `{"alg":"dir","enc":"A256GCM"}`, testClaims))
	f.Add(mint(f, `{"enc":"A256GCM","alg":"dir"}`, testClaims))
	f.Add(mint(f, `{"alg":"dir","enc":"A256GCM","zip":"DEF"}`, testClaims))
	f.Fuzz(func(t *testing.T, token string) {
		got, err := r.Open(nil, token)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || got != nil {
				t.Fatalf("Open = %q, %v", got, err)
			}
			return
		}
		// What opens is what go-jose opens as well, to the same claims.
		obj, err := jose.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
		if err != nil {
			t.Fatalf("go-jose does not parse %q: %v", token, err)
		}
		want, err := obj.Decrypt(testKey(t, ""))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Open = %q, go-jose %q, %v", got, want, err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := mustRing(b, "")
	token := r.Seal([]byte(typical))
	b.Run("append", func(b *testing.B) {
		dst := make([]byte, 0, 4<<10)
		b.ReportAllocs()
		b.SetBytes(int64(len(token)))
		for b.Loop() {
			if _, err := r.Open(dst, token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("string", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(token)))
		for b.Loop() {
			if _, err := r.OpenString(token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("refused", func(b *testing.B) {
		other := mustRing(b, "other")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := other.OpenString(token); err == nil {
				b.Fatal("opened")
			}
		}
	})
}

func BenchmarkSealClaims(b *testing.B) {
	r := mustRing(b, "")
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
}
