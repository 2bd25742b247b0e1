package jwt

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

const (
	testSecret = "a secret that only tests know, 0123456789"
	testClaims = `{"name":"J Smith","email":"jsmith@example.com","sub":"1","exp":3372225082}`
)

// typical is as long as the claims of a signed-in user usually are.
const typical = `{"name":"Jane Q. Smith","email":"jane.smith@example.com","picture":"https://avatars.example.com/u/1234567?v=4&s=96",` +
	`"sub":"0f8fad5b-d9cb-469f-a165-70867728950e","caddyauth":{"sid":"c2Vzc2lvbmlk","provider":"oidc","login":"jsmith","domain":"example.com",` +
	`"verified":true,"roles":["reader","writer"],"groups":["staff"]},"iat":1795425082,"exp":3372225082,"jti":"fd183dc3-5761-4d5d-9b54-758c5abc46db"}`

// A form is one of the compact forms that a dialect opens. What has to hold for
// every token is tested on all of them. The sizes are spelled out here, so that
// the code cannot change them unnoticed.
type form struct {
	name    string
	dialect dialect.Dialect
	enc     string
	salt    string // that of the session cookie

	keySize, nonceSize, tagSize int

	named bool // by a kid
	seals bool // Ring.Seal writes this form
}

var forms = []form{
	{"v4", dialect.V4, "A256GCM", "", 32, 12, 16, false, true},
	{"v5", dialect.V5, "A256CBC-HS512", "authjs.session-token", 64, 16, 32, true, true},
	{"v5 without kid", dialect.V5, "A256CBC-HS512", "authjs.session-token", 64, 16, 32, false, false},
	{"v5 A256GCM", dialect.V5, "A256GCM", "authjs.session-token", 32, 12, 16, true, false},
	{"v5 A256GCM without kid", dialect.V5, "A256GCM", "authjs.session-token", 32, 12, 16, false, false},
}

// each runs a test on every form.
func each(t *testing.T, test func(t *testing.T, f form)) {
	t.Helper()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

// eachSealed runs a test with a ring for every form that is sealed.
func eachSealed(t *testing.T, test func(t *testing.T, r *Ring)) {
	t.Helper()
	each(t, func(t *testing.T, f form) {
		if f.seals {
			test(t, f.ring(t))
		}
	})
}

func newRing(t testing.TB, d dialect.Dialect, salt string, secrets ...string) *Ring {
	t.Helper()
	r, err := NewRing(d, secrets, salt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ring returns a ring of testSecret, unless told otherwise.
func (f form) ring(t testing.TB, secrets ...string) *Ring {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{testSecret}
	}
	return newRing(t, f.dialect, f.salt, secrets...)
}

// rawKey is the key of a secret.
func (f form) rawKey(t testing.TB, secret string) []byte {
	t.Helper()
	key, err := deriveKey(f.dialect, secret, f.salt, f.keySize)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (f form) encryption() *encryption {
	if f.enc == "A256GCM" {
		return a256gcm
	}
	return a256cbcHS512
}

// members are those of the usual header for a secret's key.
func (f form) members(t testing.TB, secret string) string {
	t.Helper()
	m := `"alg":"dir","enc":"` + f.enc + `"`
	if f.named {
		m += `,"kid":"` + thumbprint(f.encryption().thumbprintHash(), f.rawKey(t, secret)) + `"`
	}
	return m
}

// token seals claims with a secret under the usual header.
func (f form) token(t testing.TB, secret, claims string) string {
	t.Helper()
	return f.mint(t, secret, "{"+f.members(t, secret)+"}", claims)
}

// mint seals claims under any header, correctly in all other respects, so that
// only the header can be why a token is refused.
func (f form) mint(t testing.TB, secret, header, claims string) string {
	t.Helper()
	nonce := make([]byte, f.nonceSize)
	_, _ = rand.Read(nonce)
	aead, err := f.encryption().newAEAD(f.rawKey(t, secret))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	aad := b64([]byte(header))
	sealed := aead.Seal(nil, nonce, []byte(claims), []byte(aad))
	tag := len(sealed) - f.tagSize
	return aad + ".." + b64(nonce) + "." + b64(sealed[:tag]) + "." + b64(sealed[tag:])
}

// foreign seals claims with go-jose.
func (f form) foreign(t testing.TB, secret string, opts *jose.EncrypterOptions, claims []byte) string {
	t.Helper()
	raw := f.rawKey(t, secret)
	rcpt := jose.Recipient{Algorithm: jose.DIRECT, Key: raw}
	if f.named {
		rcpt.KeyID = thumbprint(f.encryption().thumbprintHash(), raw)
	}
	enc, err := jose.NewEncrypter(jose.ContentEncryption(f.enc), rcpt, opts)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := enc.Encrypt(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := obj.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// joseOpen opens a token with go-jose, told nothing but the key.
func joseOpen(t testing.TB, token string, key []byte) ([]byte, error) {
	t.Helper()
	obj, err := jose.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM, jose.A256CBC_HS512})
	if err != nil {
		return nil, err
	}
	return obj.Decrypt(key)
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

func wantOpens(t *testing.T, r *Ring, token, claims string) {
	t.Helper()
	if got, err := r.Open(nil, token); err != nil || string(got) != claims {
		t.Errorf("Open(%.80q) = %.80q, %v; want %.80q", token, got, err, claims)
	}
	if s, err := r.OpenString(token); err != nil || s != claims {
		t.Errorf("OpenString(%.80q) = %.80q, %v; want %.80q", token, s, err, claims)
	}
}
