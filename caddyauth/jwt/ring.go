package jwt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// keyInfo is the HKDF info string of NextAuth.js v4. A salt, where there is
// one, is appended to it in parentheses as well as being used as HKDF salt.
const keyInfo = "NextAuth.js Generated Encryption Key"

// keySize is the key length of A256GCM in bytes (RFC 7518 section 5.3).
const keySize = 32

// A Ring holds the keys for one purpose, derived from one or more secrets.
// The first key seals; every key opens, so that a secret can be replaced
// without signing everybody out. A Ring is immutable and safe for concurrent
// use.
type Ring struct {
	keys []cipher.AEAD
}

// NewRing derives one key from each secret. The salt separates purposes: it
// is empty for the session cookie and the full cookie name, prefix included,
// for every other sealed cookie. It is an error to pass no secret or an empty
// one; how good a secret is remains the caller's concern.
func NewRing(secrets []string, salt string) (*Ring, error) {
	if len(secrets) == 0 {
		return nil, errors.New("jwt: no secret")
	}
	r := &Ring{keys: make([]cipher.AEAD, 0, len(secrets))}
	for i, secret := range secrets {
		if secret == "" {
			return nil, fmt.Errorf("jwt: secret %d of %d is empty", i+1, len(secrets))
		}
		aead, err := newAEAD(secret, salt)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, aead)
	}
	return r, nil
}

// newAEAD makes the cipher once, because the AES key schedule and the GHASH
// tables cost more than opening a token does.
func newAEAD(secret, salt string) (cipher.AEAD, error) {
	key, err := deriveKey(secret, salt)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("jwt: making the cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("jwt: making the cipher: %w", err)
	}
	return aead, nil
}

// deriveKey is HKDF-SHA256 over the secret's UTF-8 bytes (RFC 5869 section 2).
func deriveKey(secret, salt string) ([]byte, error) {
	info := keyInfo
	if salt != "" {
		info += " (" + salt + ")"
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), []byte(salt), info, keySize)
	if err != nil {
		return nil, fmt.Errorf("jwt: deriving the key: %w", err)
	}
	return key, nil
}
