package jwt

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
)

// ErrInvalid says that a token is not one of ours: malformed, too long, sealed
// under another key or for another purpose, or with claims that make no sense.
// Which of these it was is not told, so that nobody learns from the answer.
var ErrInvalid = errors.New("jwt: invalid token")

// MaxToken is the length in bytes of the longest token that [Ring.Open] looks
// at. Browsers and servers stop far below it.
const MaxToken = 64 << 10

// Seal encrypts claims, a JSON object, with the ring's first secret.
//
// The nonce is random, which for A256GCM is sound for 2^32 tokens a key (NIST
// SP 800-38D section 8.3). Seal does not look at the claims and does not bound
// them; [SealClaims] does.
func (r *Ring) Seal(claims []byte) string {
	h := &r.usual[0]
	raw := make([]byte, h.nonceSize, h.nonceSize+h.sealedSize(len(claims))+h.tagSize)
	_, _ = rand.Read(raw) // never fails: crypto/rand aborts the program instead
	raw = h.keys[0].Seal(raw, raw, claims, h.aad)

	enc := base64.RawURLEncoding
	tag := len(raw) - h.tagSize
	out := make([]byte, 0, r.tokenLen(len(claims)))
	out = append(out, h.prefix...) // direct encryption has no encrypted key
	out = enc.AppendEncode(out, raw[:h.nonceSize])
	out = append(out, '.')
	out = enc.AppendEncode(out, raw[h.nonceSize:tag])
	out = append(out, '.')
	out = enc.AppendEncode(out, raw[tag:])
	return string(out)
}

// tokenLen is the length of the token that Seal makes of that many bytes.
func (r *Ring) tokenLen(claims int) int {
	h := &r.usual[0]
	return len(h.prefix) + encodedLen(h.nonceSize) + 1 + encodedLen(h.sealedSize(claims)) + 1 + encodedLen(h.tagSize)
}

// Open decrypts token and appends its claims to dst. It accepts nothing but
// the compact serialization of direct encryption with what the dialect allows,
// in the one canonical base64url spelling. It allocates only to grow dst, which
// it needs len(token) bytes of at most, and to read a header that NextAuth.js
// would spell in another way. On failure it returns nil and [ErrInvalid], and
// may have written to the spare capacity of dst.
//
// The claims come without any check of times; see [Times].
func (r *Ring) Open(dst []byte, token string) ([]byte, error) {
	var p parts
	if !r.split(&p, token) {
		return nil, ErrInvalid
	}
	start := len(dst)
	dst = slices.Grow(dst, decodedLen(len(p.ciphertext))+p.tagSize+p.nonceSize)
	for i := range p.keys {
		// Decode again for each key: a failed attempt in place may destroy
		// the ciphertext. The nonce sits behind what is decrypted, where it
		// costs no allocation of its own.
		buf, ok := p.decode(dst)
		if !ok {
			return nil, ErrInvalid
		}
		end := len(buf) - p.nonceSize
		sealed, nonce := buf[start:end], buf[end:]
		if plain, err := p.keys[i].Open(sealed[:0], nonce, sealed, p.aad); err == nil {
			return dst[:start+len(plain)], nil
		}
	}
	return nil, ErrInvalid
}

// buffers holds scratch space for OpenString.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// OpenString is [Ring.Open] for callers that keep the claims: it returns them
// as a string, which is the only allocation it makes.
func (r *Ring) OpenString(token string) (string, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	plain, err := r.Open((*buf)[:0], token)
	if err != nil {
		return "", err
	}
	*buf = plain // keep the larger one; MaxToken bounds it
	return string(plain), nil
}

// parts are the fields of a token that direct encryption uses, and what may
// have sealed it.
type parts struct {
	suite
	aad                    []byte
	nonce, ciphertext, tag string
}

// split finds the parts of a compact JWE by their fixed lengths, so that a
// token of a million dots is refused as fast as any other.
func (r *Ring) split(p *parts, token string) bool {
	if len(token) > MaxToken {
		return false
	}
	rest, ok := r.takeHeader(p, token)
	if !ok {
		return false
	}
	nonce, tag := encodedLen(p.nonceSize), encodedLen(p.tagSize)
	dot := len(rest) - tag - 1
	if dot <= nonce || rest[nonce] != '.' || rest[dot] != '.' {
		return false
	}
	p.nonce, p.ciphertext, p.tag = rest[:nonce], rest[nonce+1:dot], rest[dot+1:]
	return true
}

// decode appends ciphertext, tag and nonce, in this order, to dst.
func (p *parts) decode(dst []byte) ([]byte, bool) {
	dst, ok1 := appendDecoded(dst, p.ciphertext)
	dst, ok2 := appendDecoded(dst, p.tag)
	dst, ok3 := appendDecoded(dst, p.nonce)
	return dst, ok1 && ok2 && ok3
}
