package provider

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func jwkOf(key jose.JSONWebKey) string {
	text, err := json.Marshal(key)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func ecOn(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func edKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func sec1(key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pemOf("EC PRIVATE KEY", der)
}

func TestClientKeys(t *testing.T) {
	rsa2048 := lyingop.RSA().Signer.(*rsa.PrivateKey)
	p256, ed := ecOn(elliptic.P256()), edKey()
	params := pemOf("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, c := range map[string]struct {
		text, kid, wantKid, alg string
		known                   []string
	}{
		"PKCS#8 RSA":                     {text: pkcs8(rsa2048), alg: "RS256"},
		"PKCS#1":                         {text: pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048)), alg: "RS256"},
		"PKCS#8 EC":                      {text: pkcs8(p256), alg: "ES256"},
		"SEC 1":                          {text: sec1(p256), alg: "ES256"},
		"SEC 1 with parameters":          {text: params + sec1(p256), alg: "ES256"},
		"P-384":                          {text: pkcs8(ecOn(elliptic.P384())), alg: "ES384"},
		"P-521":                          {text: pkcs8(ecOn(elliptic.P521())), alg: "ES512"},
		"Ed25519":                        {text: pkcs8(ed), alg: "EdDSA"},
		"written in one line":            {text: strings.ReplaceAll(pkcs8(p256), "\n", `\n`), alg: "ES256"},
		"CRLF and white space":           {text: "\n " + strings.ReplaceAll(pkcs8(p256), "\n", "\r\n") + "\n\n", alg: "ES256"},
		"kid given":                      {text: pkcs8(ed), kid: "mine", wantKid: "mine", alg: "EdDSA"},
		"JWK EC":                         {text: jwkOf(jose.JSONWebKey{Key: p256, KeyID: "k1"}), wantKid: "k1", alg: "ES256"},
		"JWK RSA with PS256":             {text: jwkOf(jose.JSONWebKey{Key: rsa2048, KeyID: "k2", Algorithm: "PS256"}), wantKid: "k2", alg: "PS256"},
		"JWK OKP":                        {text: jwkOf(jose.JSONWebKey{Key: ed, Use: "sig"}), alg: "EdDSA"},
		"given kid over the JWK":         {text: jwkOf(jose.JSONWebKey{Key: ed, KeyID: "k1"}), kid: "k2", wantKid: "k2", alg: "EdDSA"},
		"JWK Set of one":                 {text: `{"keys":[` + jwkOf(jose.JSONWebKey{Key: p256, KeyID: "in-set"}) + `]}`, wantKid: "in-set", alg: "ES256"},
		"PS256 where RS256 is not known": {text: pkcs8(rsa2048), known: []string{"PS256", "ES256"}, alg: "PS256"},
		"RS256 where both are known":     {text: pkcs8(rsa2048), known: []string{"PS256", "RS256"}, alg: "RS256"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := parseClientKey(c.text, c.kid)
			if err != nil {
				t.Fatal(err)
			}
			if c.wantKid == "" {
				sum, _ := (&jose.JSONWebKey{Key: k.private.Public()}).Thumbprint(crypto.SHA256)
				c.wantKid = lyingop.Base64(string(sum))
			}
			alg, err := k.signingAlg(c.known)
			if err != nil || alg != c.alg || k.kid != c.wantKid {
				t.Fatalf("alg %q, kid %q, %v; want %q, %q", alg, k.kid, err, c.alg, c.wantKid)
			}
			raw, err := k.sign(alg, map[string]any{"sub": "me"})
			if err != nil {
				t.Fatal(err)
			}
			jws, err := jose.ParseSigned(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.alg)})
			if err != nil || jws.Signatures[0].Header.KeyID != c.wantKid {
				t.Fatalf("%v: %v", err, jws)
			}
			if payload, err := jws.Verify(k.private.Public()); err != nil || string(payload) != `{"sub":"me"}` {
				t.Errorf("%s: %v", payload, err)
			}
			if public := k.public("sig", alg); !public.IsPublic() {
				t.Error("the public half is private")
			}
		})
	}
}

func TestClientKeyThumbprint(t *testing.T) {
	// The example of RFC 8037, appendix A.
	k, err := parseClientKey(`{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "")
	if err != nil || k.kid != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestClientKeysRefused(t *testing.T) {
	rsa2048 := lyingop.RSA().Signer.(*rsa.PrivateKey)
	p256, other := ecOn(elliptic.P256()), ecOn(elliptic.P256())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, _ := x509.MarshalPKIXPublicKey(p256.Public())
	x25519, _ := ecdh.X25519().GenerateKey(rand.Reader)
	good := pkcs8(p256)
	mixed := *p256
	mixed.PublicKey = other.PublicKey
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {" \n", "is empty"},
		"a path":             {"/etc/caddy/key.pem", "{file./path/to/key.pem}"},
		"too long":           {strings.Repeat("x", maxKeyText+1), "more than"},
		"weak RSA":           {pkcs8(small), "1024 bits, at least 2048"},
		"weak RSA JWK":       {jwkOf(jose.JSONWebKey{Key: small}), "1024 bits, at least 2048"},
		"public PEM":         {pemOf("PUBLIC KEY", publicDER), "the private key is needed"},
		"certificate":        {pemOf("CERTIFICATE", publicDER), "the private key is needed"},
		"public JWK":         {jwkOf(jose.JSONWebKey{Key: p256.Public()}), "the private key is needed"},
		"symmetric JWK":      {jwkOf(jose.JSONWebKey{Key: []byte("0123456789abcdef0123456789abcdef")}), "symmetric"},
		"encrypted PKCS#8":   {pemOf("ENCRYPTED PRIVATE KEY", publicDER), "openssl pkey"},
		"encrypted PKCS#1":   {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "openssl pkey"},
		"OpenSSH":            {pemOf("OPENSSH PRIVATE KEY", publicDER), "instead of a private key"},
		"trailing garbage":   {good + "garbage", "something besides the key"},
		"garbage between":    {good + "x\n" + good, "something besides the key"},
		"two keys":           {good + good, "more than the one"},
		"key and chain":      {good + pemOf("CERTIFICATE", publicDER), "more than the one"},
		"only parameters":    {pemOf("EC PARAMETERS", []byte{5, 0}), "no private key"},
		"cut":                {good[:len(good)-30], "damaged"},
		"damaged, then good": {"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n" + sec1(p256), "damaged"},
		"wrong label":        {pemOf("RSA PRIVATE KEY", publicDER), "cannot be read"},
		"X25519":             {pkcs8(x25519), "neither RSA, nor EC, nor Ed25519"},
		"P-224":              {pkcs8(ecOn(elliptic.P224())), "none of the curves"},
		"no JSON":            {"{nonsense", "no JSON object"},
		"two JSON values":    {jwkOf(jose.JSONWebKey{Key: p256}) + "{}", "no JSON object"},
		"empty object":       {"{}", "cannot be read"},
		"set of none":        {`{"keys":[]}`, "0 keys instead of one"},
		"set of two":         {`{"keys":[{},{}]}`, "2 keys instead of one"},
		"mixed JWK":          {jwkOf(jose.JSONWebKey{Key: &mixed}), "do not fit together"},
		"RSA without primes": {`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}`, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseClientKey(c.text, "")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if len(err.Error()) > 200 {
				t.Errorf("a long error: %v", err)
			}
		})
	}
	for name, jwk := range map[string]jose.JSONWebKey{
		"for encryption":         {Key: p256, Use: "enc"},
		"alg of another type":    {Key: p256, Algorithm: "RS256"},
		"alg of another curve":   {Key: p256, Algorithm: "ES384"},
		"alg of encryption":      {Key: rsa2048, Algorithm: "RSA-OAEP-256"},
		"alg of the symmetric":   {Key: rsa2048, Algorithm: "HS256"},
		"alg that does not sign": {Key: rsa2048, Algorithm: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := parseClientKey(jwkOf(jwk), "")
			if err != nil {
				t.Fatal(err)
			}
			if alg, err := k.signingAlg(nil); err == nil {
				t.Errorf("signs with %s", alg)
			}
		})
	}
}

// secretRuns reports whether a text repeats ten characters in a row of a key.
func secretRuns(text, key string) bool {
	for i := 0; i+10 <= len(key); i++ {
		if run := key[i : i+10]; !strings.ContainsAny(run, "-\n ") && strings.Contains(text, run) {
			return true
		}
	}
	return false
}

func FuzzClientKey(f *testing.F) {
	p256 := ecOn(elliptic.P256())
	good := pkcs8(p256)
	f.Add(good)
	f.Add(sec1(p256))
	f.Add(good + good)
	f.Add(jwkOf(jose.JSONWebKey{Key: p256, KeyID: "k"}))
	f.Add(`{"keys":[` + jwkOf(jose.JSONWebKey{Key: edKey()}) + `]}`)
	f.Add(`{"kty":"oct","k":"AAAA"}`)
	f.Add("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseClientKey(text, "")
		if err != nil {
			if strings.Contains(text, "PRIVATE KEY-----") && !strings.Contains(err.Error(), "instead of") && secretRuns(err.Error(), text) {
				t.Fatalf("the error quotes the key: %v", err)
			}
			return
		}
		if k.kid == "" || k.check() != nil {
			t.Fatalf("%+v", k)
		}
		alg, err := k.signingAlg(nil)
		if err != nil {
			return
		}
		if _, err := k.sign(alg, map[string]any{}); err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
	})
}
