package provider

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// rsaEncryption and ecEncryption are how a content key may be encrypted for us.
// RSA1_5 is in neither: whoever can ask whether it decrypts can decrypt (RFC 8725,
// section 3.2). So is dir: the client secret would be a key.
var (
	rsaEncryption = []jose.KeyAlgorithm{jose.RSA_OAEP_256, jose.RSA_OAEP}
	ecEncryption  = []jose.KeyAlgorithm{jose.ECDH_ES, jose.ECDH_ES_A128KW, jose.ECDH_ES_A192KW, jose.ECDH_ES_A256KW}
)

// contentEncryption are the ways to encrypt the token itself, all authenticated.
var contentEncryption = []jose.ContentEncryption{jose.A128GCM, jose.A256GCM, jose.A128CBC_HS256, jose.A256CBC_HS512}

// decryptionAlgs are the algorithms by which the key decrypts, none if it is for
// signing: by its use or alg, or because it is Ed25519.
func (k *clientKey) decryptionAlgs() []jose.KeyAlgorithm {
	if k.use == "sig" {
		return nil
	}
	var algs []jose.KeyAlgorithm
	switch k.private.(type) {
	case *rsa.PrivateKey:
		algs = rsaEncryption
	case *ecdsa.PrivateKey:
		algs = ecEncryption
	}
	if k.alg == "" {
		return algs
	}
	if one := jose.KeyAlgorithm(k.alg); slices.Contains(algs, one) {
		return []jose.KeyAlgorithm{one}
	}
	return nil
}

// errUnasked is about a JWE that no key is configured for.
var errUnasked = errors.New("encrypted, which was not asked for: there is no id_token_key")

// encrypted reports whether a compact serialization is that of a JWE (RFC 7516,
// section 9).
func encrypted(raw string) bool { return strings.Count(raw, ".") == 4 }

// decrypt opens a JWT that is signed and then encrypted (OpenID Connect Core,
// section 16.14) and returns the signed one. What is in it is checked by nobody
// yet: anybody can encrypt for us.
func (k *clientKey) decrypt(raw string) (string, error) {
	header, err := jweHeader(raw)
	if err != nil {
		return "", err
	}
	// Decompression could make much of little, and no provider is asked for it.
	if _, zipped := header["zip"]; zipped {
		return "", errors.New("compressed, which was not asked for")
	}
	if cty, _ := header["cty"].(string); !strings.EqualFold(cty, "JWT") {
		return "", errors.New("what is encrypted is not said to be a JWT (cty)")
	}
	jwe, err := jose.ParseEncryptedCompact(raw, k.decryptionAlgs(), contentEncryption)
	if err != nil {
		return "", fmt.Errorf("encrypted with %q and %q instead of %s", text(header["alg"]), text(header["enc"]), k.offers())
	}
	// A key id that we have no key for is mentioned in the error only: whether it
	// decrypts is what counts.
	plain, err := jwe.Decrypt(k.private)
	if err != nil {
		if kid := text(header["kid"]); kid != "" && kid != k.kid {
			return "", fmt.Errorf("encrypted for the key %q, and ours is %q", kid, k.kid)
		}
		return "", errors.New("our key does not decrypt it")
	}
	if nested := string(plain); strings.Count(nested, ".") == 2 {
		return nested, nil
	}
	return "", errors.New("what is encrypted is not signed")
}

// offers lists what a JWE for the key may use, for messages.
func (k *clientKey) offers() string {
	var words []string
	for _, alg := range k.decryptionAlgs() {
		words = append(words, string(alg))
	}
	var contents []string
	for _, enc := range contentEncryption {
		contents = append(contents, string(enc))
	}
	return strings.Join(words, ", ") + " and " + strings.Join(contents, ", ")
}

// jweHeader is the protected header, the only one that a compact JWE has.
func jweHeader(raw string) (map[string]any, error) {
	first, _, _ := strings.Cut(raw, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return nil, errors.New("not a JWE")
	}
	header, err := decodeObject(decoded)
	if err != nil {
		return nil, errors.New("not a JWE")
	}
	return header, nil
}

// text is a member that is a string, shortened for messages.
func text(v any) string {
	s, _ := v.(string)
	return clip(s)
}

// signed returns the signed JWT in what a provider sent: what it is already, or
// what is encrypted in it. strict refuses what is not encrypted.
func (p *oauthProvider) signed(raw string, strict bool) (string, error) {
	switch {
	case !encrypted(raw):
		if strict {
			return "", errors.New("not encrypted, although an id_token_key is configured")
		}
		return raw, nil
	case p.decryption == nil:
		return "", errUnasked
	}
	return p.decryption.decrypt(raw)
}

// PublicKeys implements [KeyHolder].
func (p *oauthProvider) PublicKeys() []byte {
	var set jose.JSONWebKeySet
	if p.key != nil && p.cfg.clientAuth() == clientAuthKeyJWT {
		// The algorithm may follow the provider's metadata, so RSA keys go without.
		alg, _ := p.key.signingAlg(nil)
		if _, ok := p.key.private.(*rsa.PrivateKey); ok && p.key.alg == "" {
			alg = ""
		}
		set.Keys = append(set.Keys, p.key.public("sig", alg))
	}
	if p.cfg.IDTokenKey != "" && p.decryption != nil {
		// A key that names an algorithm is for no other one (RFC 7517, section 4.4), and
		// which of ours the provider takes is a matter of the client's registration.
		set.Keys = append(set.Keys, p.decryption.public("enc", p.decryption.alg))
	}
	if set.Keys == nil {
		return nil
	}
	encoded, err := json.Marshal(set)
	if err != nil {
		return nil // public keys of known types always encode
	}
	return encoded
}
