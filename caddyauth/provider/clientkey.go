package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// maxKeyText bounds the text of a private key, in bytes. An RSA key of 8192 bits
// has about 6,400 of them.
const maxKeyText = 64 << 10

// clientKey is a private key of this client: it signs what proves who the client
// is (RFC 7523), or opens what is encrypted for it. Its errors never quote it.
type clientKey struct {
	private crypto.Signer // *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey
	kid     string
	alg     string // what the JWK is limited to, empty if nothing
	use     string // "sig", "enc" or empty: either
}

// parseClientKey reads a private key: RSA of 2048 to 8192 bits, EC on P-256, P-384
// or P-521, or Ed25519, as PEM (PKCS#8, PKCS#1, SEC 1), as a JWK or as a JWK Set
// of one key. The key id is the one given, else the JWK's, else the RFC 7638
// thumbprint.
func parseClientKey(text, kid string) (*clientKey, error) {
	text = strings.TrimSpace(text)
	var (
		k   *clientKey
		err error
	)
	switch {
	case text == "":
		return nil, errors.New("the key is empty")
	case len(text) > maxKeyText:
		return nil, fmt.Errorf("the key has more than %d bytes", maxKeyText)
	case strings.HasPrefix(text, "{"):
		k, err = parseJWK([]byte(text))
	case strings.HasPrefix(text, "-----BEGIN "):
		k, err = parsePEM(text)
	default:
		return nil, errors.New("the key is neither PEM nor a JWK: for a file write {file./path/to/key.pem}")
	}
	if err != nil {
		return nil, err
	}
	if err := k.check(); err != nil {
		return nil, err
	}
	if kid != "" {
		k.kid = kid
	}
	if k.kid == "" {
		sum, err := (&jose.JSONWebKey{Key: k.private.Public()}).Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, errors.New("the key has no thumbprint")
		}
		k.kid = base64.RawURLEncoding.EncodeToString(sum)
	}
	return k, nil
}

// parsePEM reads exactly one private key. What openssl writes in front of an EC
// key, its parameters, may be there.
func parsePEM(text string) (*clientKey, error) {
	// In an environment file a line break is often written as \n. PEM has no
	// backslash of its own (RFC 7468, section 3).
	rest := []byte(strings.ReplaceAll(text, `\n`, "\n"))
	var k *clientKey
	for len(strings.TrimSpace(string(rest))) > 0 {
		if !strings.HasPrefix(strings.TrimSpace(string(rest)), "-----BEGIN ") {
			return nil, errors.New("the PEM has something besides the key in it")
		}
		block, after := pem.Decode(rest)
		// Decode looks further than a block that it cannot read.
		if block == nil || !strings.HasPrefix(strings.TrimSpace(string(rest)), "-----BEGIN "+block.Type+"-----") {
			return nil, errors.New("the PEM is damaged")
		}
		rest = after
		if block.Type == "EC PARAMETERS" && k == nil {
			continue
		}
		if k != nil {
			return nil, errors.New("the PEM has more than the one private key: keep only that")
		}
		private, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k = &clientKey{private: private}
	}
	if k == nil {
		return nil, errors.New("the PEM has no private key")
	}
	return k, nil
}

func parseBlock(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["Proc-Type"] != "" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the private key is encrypted: decrypt it first, with openssl pkey -in key.pem -out plain.pem")
	}
	var (
		key any
		err error
	)
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE":
		return nil, fmt.Errorf("the PEM is a %s; the private key is needed", strings.ToLower(block.Type))
	default:
		return nil, fmt.Errorf("the PEM is a %q instead of a private key", clip(block.Type))
	}
	if err != nil {
		// The cause may describe the key.
		return nil, fmt.Errorf("the %s cannot be read", strings.ToLower(block.Type))
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key is neither RSA, nor EC, nor Ed25519")
	}
	return signer, nil
}

// parseJWK reads a private JWK (RFC 7517), or a set of exactly one.
func parseJWK(text []byte) (*clientKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if decodeStrict(text, &set) != nil {
		return nil, errors.New("the key looks like a JWK, but is no JSON object")
	}
	if set.Keys != nil {
		if len(set.Keys) != 1 {
			return nil, fmt.Errorf("the JWK Set has %d keys instead of one", len(set.Keys))
		}
		text = set.Keys[0]
	}
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(text) != nil {
		return nil, errors.New("the JWK cannot be read")
	}
	if _, symmetric := jwk.Key.([]byte); symmetric {
		return nil, errors.New("the JWK is a symmetric key; a private key is needed")
	}
	if !jwk.Valid() {
		return nil, errors.New("the JWK cannot be read")
	}
	private, ok := jwk.Key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the JWK is a public key; the private key is needed")
	}
	return &clientKey{private: private, kid: jwk.KeyID, alg: jwk.Algorithm, use: jwk.Use}, nil
}

// check refuses keys that are too weak, too slow or of no use here (RFC 7518,
// sections 3.3 and 3.4).
func (k *clientKey) check() error {
	switch key := k.private.(type) {
	case *rsa.PrivateKey:
		bits := key.N.BitLen()
		switch {
		case bits < minRSABits:
			return fmt.Errorf("the RSA key has %d bits, at least %d are needed", bits, minRSABits)
		case bits > maxRSABits:
			return fmt.Errorf("the RSA key has %d bits, more than %d", bits, maxRSABits)
		case key.Validate() != nil:
			return errors.New("the parts of the RSA key do not fit together")
		}
	case *ecdsa.PrivateKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			return errors.New("the EC key is on none of the curves P-256, P-384 and P-521")
		}
		if !k.matches(key) {
			return errors.New("the parts of the EC key do not fit together")
		}
	case ed25519.PrivateKey:
		if !key.Equal(ed25519.NewKeyFromSeed(key.Seed())) {
			return errors.New("the parts of the Ed25519 key do not fit together")
		}
	default:
		return errors.New("the private key is neither RSA, nor EC, nor Ed25519")
	}
	return nil
}

// matches reports whether the public half of a key, which a JWK gives beside the
// private one, is its own: signatures would be made that nobody can verify.
func (k *clientKey) matches(key *ecdsa.PrivateKey) bool {
	raw, err := key.Bytes()
	if err != nil {
		return false
	}
	same, err := ecdsa.ParseRawPrivateKey(key.Curve, raw)
	return err == nil && same.PublicKey.Equal(&key.PublicKey)
}

// signingAlg is the algorithm that the key signs with, given those that the
// other side says it knows (nil if it does not say): that of the JWK, or the
// usual one of its type. RSA keys sign with PS256 only where RS256 is not known.
func (k *clientKey) signingAlg(known []string) (string, error) {
	if k.use == "enc" {
		return "", errors.New("the JWK says that the key is for encryption (use enc)")
	}
	public := jose.JSONWebKey{Key: k.private.Public()}
	if k.alg != "" {
		if !slices.Contains(signingAlgs, k.alg) || !fits(public, k.alg) {
			return "", fmt.Errorf("the JWK's alg %q is no signature algorithm for its key", clip(k.alg))
		}
		return k.alg, nil
	}
	for _, alg := range []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		if fits(public, alg) {
			if alg == "RS256" && !slices.Contains(known, alg) && slices.Contains(known, "PS256") {
				return "PS256", nil
			}
			return alg, nil
		}
	}
	return "", errors.New("the key cannot sign")
}

// sign makes a JWT of the claims, in JWS compact serialization, with the key's
// id in its header.
func (k *clientKey) sign(alg string, claims map[string]any) (string, error) {
	return signJWT(jose.SignatureAlgorithm(alg), jose.JSONWebKey{Key: k.private, KeyID: k.kid}, claims)
}

// signJWT makes a JWT of the claims.
func signJWT(alg jose.SignatureAlgorithm, key any, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", alg, err)
	}
	return jws.CompactSerialize()
}

// public is the half to be published (RFC 7517), for one use: "sig" or "enc".
func (k *clientKey) public(use, alg string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: use, Algorithm: alg}
}

// KeyHolder is a provider that this client has keys for.
type KeyHolder interface {
	Provider

	// PublicKeys is a JWK Set (RFC 7517, section 5) of what the identity provider
	// needs: the public half of the key that signs client assertions and that of
	// the one that ID tokens are encrypted for. It is nil if there is neither.
	PublicKeys() []byte
}
