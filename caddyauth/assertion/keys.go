package assertion

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"time"
)

// Rotation is how long a key signs. The next one is published as long before it
// begins, and the last one as long after it has ended.
const Rotation = 24 * time.Hour

// keyInfo begins the HKDF info string; the number of the period follows.
const keyInfo = "caddyauth assertion ES256 "

// scalarSize is that of the group's order and 128 bits more, so that what
// remains after division is as good as uniform (FIPS 186-5, A.2.1, wants 64).
const scalarSize = 32 + 16

// key is one signing key.
type key struct {
	private *ecdsa.PrivateKey
	id      string // RFC 7638 thumbprint
	jwk     jwk
}

// jwk is a public key (RFC 7518 section 6.2.1).
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

// derive returns the key of a secret for a period.
func derive(secret string, period int64) (*key, error) {
	raw, err := hkdf.Key(sha256.New, []byte(secret), nil, keyInfo+strconv.FormatInt(period, 10), scalarSize)
	if err != nil {
		return nil, fmt.Errorf("assertion: deriving a key: %w", err)
	}
	curve := elliptic.P256()
	one := big.NewInt(1)
	d := new(big.Int).SetBytes(raw)
	// Into [1, n-1].
	d.Mod(d, new(big.Int).Sub(curve.Params().N, one)).Add(d, one)
	private, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, 32)))
	if err != nil {
		return nil, fmt.Errorf("assertion: deriving a key: %w", err)
	}
	point, err := private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, fmt.Errorf("assertion: deriving a key: %w", err)
	}
	k := &key{private: private, jwk: jwk{
		Kty: "EC", Crv: "P-256", Alg: "ES256", Use: "sig",
		X: base64.RawURLEncoding.EncodeToString(point[1:33]), Y: base64.RawURLEncoding.EncodeToString(point[33:]),
	}}
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + k.jwk.X + `","y":"` + k.jwk.Y + `"}`))
	k.id = base64.RawURLEncoding.EncodeToString(sum[:])
	k.jwk.Kid = k.id
	return k, nil
}

// day is everything that stays the same for one period.
type day struct {
	period int64
	// signing is the key of the first secret.
	signing *key
	// header is the protected header, encoded, with the dot behind it.
	header string
	jwks   []byte
	etag   string
}

// newDay derives the keys of all secrets: those of the period, of the one before,
// whose tokens are still on their way, and of the next, so that whoever keeps the
// set for some time has them when they are used.
func newDay(secrets []string, period int64) (*day, error) {
	d := &day{period: period}
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: []jwk{}}
	for i, secret := range secrets {
		for _, n := range []int64{period, period - 1, period + 1} {
			k, err := derive(secret, n)
			if err != nil {
				return nil, err
			}
			if i == 0 && n == period {
				d.signing = k
			}
			set.Keys = append(set.Keys, k.jwk)
		}
	}
	var err error
	if d.jwks, err = json.Marshal(set); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(d.jwks)
	d.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	d.header = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"`+d.signing.id+`","typ":"JWT"}`)) + "."
	return d, nil
}
