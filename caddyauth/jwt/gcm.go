package jwt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
)

// a256gcm is A256GCM (RFC 7518 section 5.3): what v4 seals, and what v5 opens
// beside its own.
var a256gcm = &encryption{
	name:           "A256GCM",
	keySize:        32,
	nonceSize:      12,
	tagSize:        16,
	sealedSize:     func(plain int) int { return plain },
	newAEAD:        newGCM,
	thumbprintHash: sha256.New,
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
