package jwt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"sync"
)

// a256cbcHS512 is A256CBC-HS512 (RFC 7518 section 5.2.5): what v5 seals.
var a256cbcHS512 = &encryption{
	name:           "A256CBC-HS512",
	keySize:        64,
	nonceSize:      aes.BlockSize,
	tagSize:        cbcTagSize,
	sealedSize:     func(plain int) int { return plain - plain%aes.BlockSize + aes.BlockSize },
	newAEAD:        newCBC,
	thumbprintHash: sha512.New,
}

// cbcTagSize is half of what HMAC-SHA-512 yields (RFC 7518 section 5.2.5).
const cbcTagSize = sha512.Size / 2

// errOpen is all that the caller learns, whatever was wrong.
var errOpen = errors.New("jwt: message authentication failed")

// paddings are those of PKCS #7, by their length (RFC 5652 section 6.3).
var paddings = func() (list [aes.BlockSize + 1][]byte) {
	for n := range list {
		list[n] = bytes.Repeat([]byte{byte(n)}, n)
	}
	return list
}()

// cbc is AES-256 in CBC mode with PKCS #7 padding, and HMAC-SHA-512 over the
// outcome, as a [cipher.AEAD] whose nonce is the initialization vector.
type cbc struct {
	block  cipher.Block
	states sync.Pool // *cbcState
}

// cbcState is what sealing or opening needs for itself. It is kept, because
// keying HMAC and copying the key schedule cost as much as a short token does.
type cbcState struct {
	mac     hash.Hash
	decrypt cipher.BlockMode

	// What is passed to a hash or a mode escapes to the heap; these are there.
	sum    [sha512.Size]byte
	length [8]byte
	before [aes.BlockSize]byte
}

// newCBC splits the key: its first half authenticates, its second half
// encrypts (RFC 7518 section 5.2.2.1).
func newCBC(key []byte) (cipher.AEAD, error) {
	half := len(key) / 2
	block, err := aes.NewCipher(key[half:])
	if err != nil {
		return nil, err
	}
	c := &cbc{block: block}
	c.states.New = func() any {
		return &cbcState{
			mac:     hmac.New(sha512.New, key[:half]),
			decrypt: cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)),
		}
	}
	return c, nil
}

func (c *cbc) NonceSize() int { return aes.BlockSize }

// Overhead counts the longest padding.
func (c *cbc) Overhead() int { return aes.BlockSize + cbcTagSize }

// Seal appends ciphertext and tag (RFC 7518 section 5.2.2.1). The nonce must
// be unpredictable.
func (c *cbc) Seal(dst, nonce, plain, aad []byte) []byte {
	start := len(dst)
	dst = slices.Grow(dst, len(plain)+c.Overhead())
	dst = append(dst, plain...)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	dst = append(dst, paddings[pad]...)
	sealed := dst[start:]
	cipher.NewCBCEncrypter(c.block, nonce).CryptBlocks(sealed, sealed)

	s := c.states.Get().(*cbcState)
	defer c.states.Put(s)
	return append(dst, s.tag(nonce, sealed, aad)...)
}

// Open appends the plaintext (RFC 7518 section 5.2.2.2). Nothing is decrypted
// before the tag has been found right, in constant time; so nobody who cannot
// make tags learns anything about the padding.
func (c *cbc) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	n := len(sealed) - cbcTagSize
	if n <= 0 || n%aes.BlockSize != 0 || len(nonce) != aes.BlockSize {
		return nil, errOpen
	}
	sealed, tag := sealed[:n], sealed[n:]
	s := c.states.Get().(*cbcState)
	defer c.states.Put(s)
	if !hmac.Equal(s.tag(nonce, sealed, aad), tag) {
		return nil, errOpen
	}
	start := len(dst)
	dst = slices.Grow(dst, n)[:start+n]
	plain := dst[start:]
	// To CBC the initialization vector is the block before the first one. To
	// decrypt it leaves the mode as one made for it would be.
	s.decrypt.CryptBlocks(s.before[:], nonce)
	s.decrypt.CryptBlocks(plain, sealed)

	pad := int(plain[n-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.Equal(plain[n-pad:], paddings[pad]) {
		return nil, errOpen
	}
	return dst[:start+n-pad], nil
}

// tag authenticates the additional data, the initialization vector, the
// ciphertext, and the length in bits of the first (RFC 7518 section 5.2.2.1,
// steps 4 to 6). The result is good until the next call.
func (s *cbcState) tag(nonce, sealed, aad []byte) []byte {
	binary.BigEndian.PutUint64(s.length[:], uint64(len(aad))*8)
	s.mac.Reset()
	for _, part := range [...][]byte{aad, nonce, sealed, s.length[:]} {
		_, _ = s.mac.Write(part) // hashes never fail to write
	}
	return s.mac.Sum(s.sum[:0])[:cbcTagSize]
}
