package lyingop

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
	"strings"
	"sync"

	jose "github.com/go-jose/go-jose/v4"
)

// Key is a signing key.
type Key struct {
	// ID is its kid, empty for none.
	ID     string
	Alg    jose.SignatureAlgorithm
	Signer crypto.Signer
}

// The keys are made once, as RSA is slow.
var (
	rsaKey   = sync.OnceValue(func() Key { return newRSA("rsa", 2048) })
	otherRSA = sync.OnceValue(func() Key { return newRSA("other", 2048) })
	weakRSA  = sync.OnceValue(func() Key { return newRSA("weak", 1024) })
	ecKey    = sync.OnceValue(func() Key { return NewEC("ec") })
	edKey    = sync.OnceValue(func() Key {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		must(err)
		return Key{ID: "ed", Alg: jose.EdDSA, Signer: k}
	})
)

// RSA is the key that an OP signs with unless told otherwise.
func RSA() Key { return rsaKey() }

// OtherRSA is another one.
func OtherRSA() Key { return otherRSA() }

// WeakRSA is one of 1024 bits.
func WeakRSA() Key { return weakRSA() }

// EC is a key for ES256.
func EC() Key { return ecKey() }

// Ed is a key for EdDSA.
func Ed() Key { return edKey() }

// NewEC makes a key for ES256.
func NewEC(id string) Key {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return Key{ID: id, Alg: jose.ES256, Signer: k}
}

func newRSA(id string, bits int) Key {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	must(err)
	return Key{ID: id, Alg: jose.RS256, Signer: k}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	must(err)
	return b
}

// Named is the key under another id, or under none.
func (k Key) Named(id string) Key {
	k.ID = id
	return k
}

// Public is what an OP publishes of it.
func (k Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: k.ID, Key: k.Signer.Public(), Use: "sig", Algorithm: string(k.Alg)}
}

// KeysOf is a set of the public keys, as OP.JWKS wants it.
func KeysOf(keys ...Key) func() any {
	return func() any {
		var set jose.JSONWebKeySet
		for _, k := range keys {
			set.Keys = append(set.Keys, k.Public())
		}
		return set
	}
}

// Sign makes a compact JWS. Header members override, or remove if they are nil.
func (k Key) Sign(payload string, header map[string]any) string {
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if k.ID != "" {
		opts.WithHeader("kid", k.ID)
	}
	for name, v := range header {
		opts.WithHeader(jose.HeaderKey(name), v)
		if v == nil {
			delete(opts.ExtraHeaders, jose.HeaderKey(name))
		}
	}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: k.Signer}, opts)
	must(err)
	jws, err := js.Sign([]byte(payload))
	must(err)
	raw, err := jws.CompactSerialize()
	must(err)
	return raw
}

// Base64 encodes as JSON Web Tokens do.
func Base64[T string | []byte](s T) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// Segments replaces the parts of a compact JWS that are not empty here.
func Segments(header, payload, signature string) func(string) string {
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

// Flip changes one character of a signature.
func Flip(raw string) string {
	i := strings.LastIndexByte(raw, '.') + 10
	flipped := byte('A')
	if raw[i] == flipped {
		flipped = 'B'
	}
	return raw[:i] + string(flipped) + raw[i+1:]
}

// Unsigned makes a token of alg none of another.
func Unsigned(raw string) string {
	return Base64(`{"alg":"none"}`) + "." + strings.Split(raw, ".")[1] + "."
}

// HS256 signs a token anew, with a symmetric key.
func HS256(key []byte) func(string) string {
	return func(raw string) string {
		signed := Base64(`{"alg":"HS256","typ":"JWT","kid":"rsa"}`) + "." + strings.Split(raw, ".")[1]
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(signed))
		return signed + "." + Base64(mac.Sum(nil))
	}
}

// AtHash is the at_hash of an access token, for algorithms with SHA-256 (OpenID
// Connect Core, section 3.1.3.6).
func AtHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return Base64(sum[:16])
}
