package devidp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// keyBits is the size of the signing key: the least that RS256 permits
// (RFC 7518, section 3.3), for keys that live as long as a process.
const keyBits = 2048

// keyring holds the signing key. Making one takes a noticeable moment, so it
// is made when first needed and not when a configuration is loaded.
type keyring struct {
	once sync.Once
	key  *rsa.PrivateKey
	id   string
	err  error
}

func (k *keyring) load() error {
	k.once.Do(func() {
		k.key, k.err = rsa.GenerateKey(rand.Reader, keyBits)
		if k.err != nil {
			k.err = fmt.Errorf("making the signing key: %w", k.err)
			return
		}
		sum := sha256.Sum256(k.key.N.Bytes())
		k.id = base64.RawURLEncoding.EncodeToString(sum[:12])
	})
	return k.err
}

// signingKey is the private half as the OP library wants it.
type signingKey struct{ ring *keyring }

func (s signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (s signingKey) Key() any                                    { return s.ring.key }
func (s signingKey) ID() string                                  { return s.ring.id }

// publicKey is the half that goes into the key set.
type publicKey struct{ ring *keyring }

func (p publicKey) ID() string                         { return p.ring.id }
func (p publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (p publicKey) Use() string                        { return "sig" }
func (p publicKey) Key() any                           { return &p.ring.key.PublicKey }

// random returns 128 bits from the system's source as text for identifiers,
// or 256 bits for secrets.
func random(bytes int) string {
	b := make([]byte, bytes)
	// rand.Read never fails: it ends the program rather than return less.
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
