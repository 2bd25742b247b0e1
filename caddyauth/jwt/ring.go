package jwt

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// The HKDF info strings. A salt is appended in parentheses as well as being
// used as HKDF salt; v5 appends the parentheses even to no salt.
const (
	keyInfoV4 = "NextAuth.js Generated Encryption Key"
	keyInfoV5 = "Auth.js Generated Encryption Key"
)

// A Ring holds the keys for one purpose, derived from one or more secrets.
// The first secret seals and every secret opens, so that a secret can be
// replaced without signing everybody out. A Ring is immutable and safe for
// concurrent use.
//
// In dialect v4 a token does not say which key it needs, and all are tried. In
// v5 it names its key by thumbprint; one that names none was sealed with the
// first secret, and one that names a stranger's opens nowhere.
type Ring struct {
	// named says that tokens name their key.
	named bool
	// usual are the protected headers that this ring and NextAuth.js write,
	// which are those of nearly all tokens. The first one is what Seal writes.
	usual []header
	// suites are what the ring opens, one for each encryption.
	suites []suite
}

// A suite is a content encryption and the keys for it, in the order of the
// secrets.
type suite struct {
	*encryption
	keys []key
}

// A key is what one secret becomes under one encryption. The cipher is made
// once, because its key schedule costs more than opening a token does.
type key struct {
	id string // RFC 7638 thumbprint
	cipher.AEAD
}

// encryption is a content encryption algorithm (RFC 7518 section 5.1). Sizes
// are in bytes.
type encryption struct {
	name string // the header parameter enc

	keySize, nonceSize, tagSize int

	// sealedSize is that of the ciphertext without the tag.
	sealedSize func(plain int) int
	newAEAD    func(key []byte) (cipher.AEAD, error)

	// thumbprintHash yields as many bits as the key has, as Auth.js wants it.
	thumbprintHash func() hash.Hash
}

// A header is a ready-made protected header with the keys that a token which
// bears it may have been sealed with.
type header struct {
	prefix string // in base64url, and the two dots after it
	aad    []byte // without them
	suite
}

// NewRing derives one key from each secret, as the dialect does.
//
// The salt separates purposes. In v4 it is empty for the session cookie and
// the full cookie name, prefix included, for every other sealed cookie. In v5
// it is the full cookie name for all of them, so that a session over HTTPS is
// none over HTTP. It is an error to pass no secret or an empty one; how good a
// secret is remains the caller's concern.
func NewRing(d dialect.Dialect, secrets []string, salt string) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("jwt: no secret")
	}
	for i, secret := range secrets {
		if secret == "" {
			return nil, fmt.Errorf("jwt: secret %d of %d is empty", i+1, len(secrets))
		}
	}
	r := &Ring{named: d == dialect.V5}
	for _, e := range encryptions(d) {
		s := suite{encryption: e}
		for _, secret := range secrets {
			k, err := newKey(d, e, secret, salt)
			if err != nil {
				return nil, err
			}
			s.keys = append(s.keys, k)
		}
		r.suites = append(r.suites, s)
	}
	r.usual = usualHeaders(r.suites[0], r.named)
	return r, nil
}

// encryptions are what a dialect opens; it seals with the first one.
func encryptions(d dialect.Dialect) []*encryption {
	if d == dialect.V5 {
		return []*encryption{a256cbcHS512, a256gcm}
	}
	return []*encryption{a256gcm}
}

// usualHeaders returns the headers of tokens sealed under a suite: one for each
// key if they are named, else one for all.
func usualHeaders(s suite, named bool) []header {
	if !named {
		return []header{newHeader(`{"alg":"dir","enc":"`+s.name+`"}`, s)}
	}
	var list []header
	for i, k := range s.keys {
		one := suite{s.encryption, s.keys[i : i+1]}
		list = append(list, newHeader(`{"alg":"dir","enc":"`+s.name+`","kid":"`+k.id+`"}`, one))
	}
	return list
}

func newHeader(json string, s suite) header {
	encoded := base64.RawURLEncoding.EncodeToString([]byte(json))
	return header{prefix: encoded + "..", aad: []byte(encoded), suite: s}
}

func newKey(d dialect.Dialect, e *encryption, secret, salt string) (key, error) {
	raw, err := deriveKey(d, secret, salt, e.keySize)
	if err != nil {
		return key{}, err
	}
	aead, err := e.newAEAD(raw)
	if err != nil {
		return key{}, fmt.Errorf("jwt: making the cipher: %w", err)
	}
	return key{id: thumbprint(e.thumbprintHash(), raw), AEAD: aead}, nil
}

// deriveKey is HKDF-SHA256 over the secret's UTF-8 bytes (RFC 5869 section 2).
//
// A shorter key of HKDF is the beginning of a longer one. So in v5 the key of
// A256GCM equals the MAC key of A256CBC-HS512, which is how Auth.js has it.
func deriveKey(d dialect.Dialect, secret, salt string, size int) ([]byte, error) {
	info := keyInfoV4
	if d == dialect.V5 {
		info = keyInfoV5
	}
	if salt != "" || d == dialect.V5 {
		info += " (" + salt + ")"
	}
	raw, err := hkdf.Key(sha256.New, []byte(secret), []byte(salt), info, size)
	if err != nil {
		return nil, fmt.Errorf("jwt: deriving the key: %w", err)
	}
	return raw, nil
}

// thumbprint names a symmetric key by a hash of its canonical JWK (RFC 7638
// section 3). It tells nothing about the key: whoever could search for the
// secret behind it can do so with any token.
func thumbprint(h hash.Hash, raw []byte) string {
	b64 := base64.RawURLEncoding
	// Hashes never fail to write.
	_, _ = h.Write([]byte(`{"k":"` + b64.EncodeToString(raw) + `","kty":"oct"}`))
	return b64.EncodeToString(h.Sum(nil))
}
