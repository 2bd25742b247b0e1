package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// signer is a key of the evil provider. Keys are made once, as RSA is slow.
type signer struct {
	kid string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

var (
	rsaKey   = sync.OnceValue(func() signer { return newRSA("rsa", 2048) })
	otherRSA = sync.OnceValue(func() signer { return newRSA("other", 2048) })
	weakRSA  = sync.OnceValue(func() signer { return newRSA("weak", 1024) })
	ecKey    = sync.OnceValue(func() signer {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return signer{"ec", jose.ES256, k}
	})
)

func newRSA(kid string, bits int) signer {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return signer{kid, jose.RS256, k}
}

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: s.kid, Key: s.key.Public(), Use: "sig", Algorithm: string(s.alg)}
}

// sign makes a compact JWS. Header members override or, if nil, remove.
func (s signer) sign(t testing.TB, payload string, header map[string]any) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if s.kid != "" {
		opts.WithHeader("kid", s.kid)
	}
	for name, v := range header {
		opts.WithHeader(jose.HeaderKey(name), v)
		if v == nil {
			delete(opts.ExtraHeaders, jose.HeaderKey(name))
		}
	}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := js.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// evilOP is an issuer that can be told to lie, one lie at a time.
type evilOP struct {
	*httptest.Server
	t   testing.TB
	mux *http.ServeMux

	mu     sync.Mutex
	counts map[string]int
	now    time.Time

	sign     signer
	header   map[string]any              // of the ID token
	claims   func(map[string]any)        // changes the ID token's claims
	payload  string                      // replaces them
	rawToken func(string) string         // changes the signed ID token
	response func(map[string]any)        // changes the token response
	metadata func(map[string]any)        // changes the discovery document
	userinfo map[string]any              // what userinfo answers
	jwks     func() any                  // what the key endpoint answers
	before   map[string]http.HandlerFunc // replaces an endpoint
	tap      func(path string, r *http.Request)
}

const (
	evilClient = "client"
	evilNonce  = "the nonce"
	evilAccess = "the access token"
)

// theTime is the clock of these tests: fixed, and a long time ago, so that
// nothing here works by looking at the real one.
var theTime = time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)

func newEvil(t testing.TB) *evilOP {
	t.Helper()
	op := &evilOP{t: t, mux: http.NewServeMux(), counts: map[string]int{}, now: theTime, sign: rsaKey(), before: map[string]http.HandlerFunc{}}
	op.jwks = func() any { return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{rsaKey().public()}} }
	op.userinfo = map[string]any{"sub": "subject", "email": "user@example.com", "email_verified": true}
	op.mux.HandleFunc("/.well-known/openid-configuration", op.serveMetadata)
	op.mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { op.json(w, op.jwks()) })
	op.mux.HandleFunc("/token", op.serveToken)
	op.mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) { op.json(w, op.userinfo) })
	op.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op.mu.Lock()
		op.counts[r.URL.Path]++
		handler := op.before[r.URL.Path]
		op.mu.Unlock()
		if op.tap != nil {
			op.tap(r.URL.Path, r)
		}
		if handler != nil {
			handler(w, r)
			return
		}
		op.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(op.Close)
	return op
}

func (op *evilOP) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (op *evilOP) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{
		"issuer": op.URL, "authorization_endpoint": op.URL + "/authorize", "token_endpoint": op.URL + "/token",
		"userinfo_endpoint": op.URL + "/userinfo", "jwks_uri": op.URL + "/jwks",
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "none", "HS256"},
	}
	if op.metadata != nil {
		op.metadata(m)
	}
	op.json(w, m)
}

func (op *evilOP) idToken() string {
	payload := op.payload
	if payload == "" {
		c := map[string]any{
			"iss": op.URL, "sub": "subject", "aud": evilClient, "nonce": evilNonce,
			"iat": theTime.Unix(), "exp": theTime.Unix() + 300,
			"name": "A User", "email": "user@example.com", "email_verified": true,
		}
		if op.claims != nil {
			op.claims(c)
		}
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
		b, _ := json.Marshal(c)
		payload = string(b)
	}
	raw := op.sign.sign(op.t, payload, op.header)
	if op.rawToken != nil {
		raw = op.rawToken(raw)
	}
	return raw
}

func (op *evilOP) serveToken(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Date", theTime.Format(http.TimeFormat))
	m := map[string]any{"access_token": evilAccess, "token_type": "Bearer", "expires_in": 300, "id_token": op.idToken()}
	if op.response != nil {
		op.response(m)
	}
	op.json(w, m)
}

func (op *evilOP) count(path string) int {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.counts[path]
}

// replace puts another handler in the place of an endpoint, nil restores it.
func (op *evilOP) replace(path string, h http.HandlerFunc) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.before[path] = h
}

func (op *evilOP) config() Config {
	return Config{Preset: "oidc", ID: "evil", Issuer: op.URL, ClientID: evilClient, ClientSecret: "the secret"}
}

// clock returns a settable clock that begins at theTime.
func (op *evilOP) clock() time.Time {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.now
}

func (op *evilOP) wait(d time.Duration) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.now = op.now.Add(d)
}

func (op *evilOP) provider(change func(*Config)) OAuth {
	op.t.Helper()
	cfg := op.config()
	if change != nil {
		change(&cfg)
	}
	return mustNew(op.t, cfg, Options{Now: op.clock})
}

func evilCallback() CallbackRequest {
	return CallbackRequest{
		Params: url.Values{"code": {"the code"}, "state": {"the state"}}, RedirectURI: testRedirect,
		CodeVerifier: strings.Repeat("v", 43), Nonce: evilNonce,
	}
}

func (op *evilOP) exchange(p OAuth) (*Identity, error) {
	op.t.Helper()
	return p.Exchange(op.t.Context(), evilCallback())
}

func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// segments replaces the parts of a compact JWS.
func segments(header, payload, signature string) func(string) string {
	return func(raw string) string {
		parts := strings.Split(raw, ".")
		for i, s := range []string{header, payload, signature} {
			if s != "" {
				parts[i] = s
			}
		}
		return strings.Join(parts, ".")
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
