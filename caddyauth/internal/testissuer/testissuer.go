// Package testissuer is an authorization server for tests, which signs whatever
// it is told to.
package testissuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Issuer is a running authorization server on loopback. Its keys are called rsa,
// ec and ed.
type Issuer struct {
	// URL is its name.
	URL string

	mu     sync.Mutex
	down   bool
	counts map[string]int
	rsa    *rsa.PrivateKey
	ec     *ecdsa.PrivateKey
	ed     ed25519.PrivateKey
}

// rsaKey is made once, as it takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// New starts one that runs until the test ends.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{counts: make(map[string]int), rsa: rsaKey()}
	i.NewKeys(t)
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// NewKeys replaces the keys ec and ed, under the same names.
func (i *Issuer) NewKeys(t testing.TB) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	var err error
	if i.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, i.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
}

// SetDown makes it answer 503 to everything, or puts an end to that.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// Requests returns how many requests there were for a path.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.counts[path]
}

// ServeHTTP serves metadata and keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.counts[r.URL.Path]++
	if i.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
		}
	case "/keys":
		answer = i.keys()
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (i *Issuer) keys() any {
	point, err := i.ec.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return map[string]any{"keys": []map[string]any{
		{"kty": "RSA", "kid": "rsa", "use": "sig", "n": b64(i.rsa.N.Bytes()), "e": b64(big.NewInt(int64(i.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "ec", "use": "sig", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
		{"kty": "OKP", "kid": "ed", "use": "sig", "crv": "Ed25519", "x": b64(i.ed.Public().(ed25519.PublicKey))},
	}}
}

// Claims are those of a good token for an audience, with others over them; nil
// removes one.
func (i *Issuer) Claims(audience any, more ...map[string]any) map[string]any {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": i.URL, "sub": "ada", "aud": audience, "exp": now + 300, "iat": now, "jti": rand.Text(), "client_id": "cli", "scope": "orders:read orders:write",
	}
	for _, m := range more {
		for name, v := range m {
			claims[name] = v
			if v == nil {
				delete(claims, name)
			}
		}
	}
	return claims
}

// Token signs claims, or a text, with the key ec as RFC 9068 has it. Members of
// header replace those that it would have; alg chooses the key, and nil removes
// one.
func (i *Issuer) Token(t testing.TB, claims any, header ...map[string]any) string {
	t.Helper()
	h := map[string]any{"alg": "ES256", "typ": "at+jwt"}
	for _, more := range header {
		maps.Copy(h, more)
	}
	alg, _ := h["alg"].(string)
	if _, has := h["kid"]; !has {
		h["kid"] = map[string]string{"RS256": "rsa", "PS256": "rsa", "ES256": "ec", "EdDSA": "ed", "HS256": "rsa"}[alg]
	}
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	payload, ok := claims.(string)
	if !ok {
		payload = string(marshal(t, claims))
	}
	input := b64(marshal(t, h)) + "." + b64([]byte(payload))
	return input + "." + b64(i.sign(t, alg, input))
}

func (i *Issuer) sign(t testing.TB, alg, input string) []byte {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	sum := sha256.Sum256([]byte(input))
	var (
		signature []byte
		err       error
	)
	switch alg {
	case "RS256":
		signature, err = rsa.SignPKCS1v15(nil, i.rsa, crypto.SHA256, sum[:])
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, i.rsa, crypto.SHA256, sum[:], nil)
	case "EdDSA":
		signature = ed25519.Sign(i.ed, []byte(input))
	case "HS256":
		mac := hmac.New(sha256.New, i.rsa.N.Bytes())
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	case "ES256":
		r, s, e := ecdsa.Sign(rand.Reader, i.ec, sum[:])
		if e != nil {
			t.Fatal(e)
		}
		signature = make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
