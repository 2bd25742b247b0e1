package jwt

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
)

// ErrInvalid says that a token is not one of ours: malformed, too long, sealed
// under another key or for another purpose, or with claims that make no sense.
// Which of these it was is not told, so that nobody learns from the answer.
var ErrInvalid = errors.New("jwt: invalid token")

// MaxToken is the length in bytes of the longest token that [Ring.Open] looks
// at. Browsers and servers stop far below it.
const MaxToken = 64 << 10

const (
	// sealHeader is the base64url form of {"alg":"dir","enc":"A256GCM"}.
	sealHeader = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0"

	// maxHeader bounds the protected header of a foreign spelling.
	maxHeader = 512

	nonceSize = 12 // 96 bits, RFC 7518 section 5.3
	tagSize   = 16 // 128 bits, RFC 7518 section 5.3

	nonceChars = 16 // nonceSize in base64url
	tagChars   = 22 // tagSize in base64url
)

// sealAAD is what the authentication tag covers besides the ciphertext: the
// ASCII of the encoded header (RFC 7516 section 5.1, step 14).
var sealAAD = []byte(sealHeader)

// Seal encrypts claims, a JSON object, with the first key of the ring.
//
// The nonce is random, which is sound for 2^32 tokens a key (NIST SP 800-38D
// section 8.3). Seal does not look at the claims and does not bound them;
// [SealClaims] does.
func (r *Ring) Seal(claims []byte) string {
	raw := make([]byte, nonceSize, nonceSize+len(claims)+tagSize)
	_, _ = rand.Read(raw) // never fails: crypto/rand aborts the program instead
	raw = r.keys[0].Seal(raw, raw, claims, sealAAD)

	enc := base64.RawURLEncoding
	tag := len(raw) - tagSize
	out := make([]byte, 0, len(sealHeader)+4+enc.EncodedLen(len(raw))+2)
	out = append(out, sealHeader...)
	out = append(out, '.', '.') // direct encryption has no encrypted key
	out = enc.AppendEncode(out, raw[:nonceSize])
	out = append(out, '.')
	out = enc.AppendEncode(out, raw[nonceSize:tag])
	out = append(out, '.')
	out = enc.AppendEncode(out, raw[tag:])
	return string(out)
}

// Open decrypts token and appends its claims to dst. It accepts nothing but
// the compact serialization of direct encryption with A256GCM, in the one
// canonical base64url spelling. It allocates only to grow dst, which it needs
// len(token) bytes of at most. On failure it returns nil and [ErrInvalid], and
// may have written to the spare capacity of dst.
//
// The claims come without any check of times; see [Times].
func (r *Ring) Open(dst []byte, token string) ([]byte, error) {
	p, ok := split(token)
	if !ok {
		return nil, ErrInvalid
	}
	start := len(dst)
	dst = slices.Grow(dst, decodedLen(len(p.ciphertext))+tagSize+nonceSize)
	for _, key := range r.keys {
		// Decode again for each key: a failed attempt in place may destroy
		// the ciphertext. The nonce sits behind what is decrypted, where it
		// costs no allocation of its own.
		buf, ok := p.decode(dst)
		if !ok {
			return nil, ErrInvalid
		}
		sealed, nonce := buf[start:len(buf)-nonceSize], buf[len(buf)-nonceSize:]
		if plain, err := key.Open(sealed[:0], nonce, sealed, p.aad); err == nil {
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

// parts are the fields of a token that direct encryption uses.
type parts struct {
	nonce, ciphertext, tag string
	aad                    []byte
}

// split finds the parts of a compact JWE by their fixed lengths, so that a
// token of a million dots is refused as fast as any other.
func split(token string) (p parts, ok bool) {
	if len(token) > MaxToken {
		return p, false
	}
	rest, usual := strings.CutPrefix(token, sealHeader+"..")
	if usual {
		p.aad = sealAAD
	} else {
		header, tail, found := strings.Cut(token, "..")
		if !found || !allowedHeader(header) {
			return p, false
		}
		p.aad, rest = []byte(header), tail
	}
	dot := len(rest) - tagChars - 1
	if dot <= nonceChars || rest[nonceChars] != '.' || rest[dot] != '.' {
		return p, false
	}
	p.nonce, p.ciphertext, p.tag = rest[:nonceChars], rest[nonceChars+1:dot], rest[dot+1:]
	return p, true
}

// decode appends ciphertext, tag and nonce, in this order, to dst.
func (p parts) decode(dst []byte) ([]byte, bool) {
	dst, ok1 := appendDecoded(dst, p.ciphertext)
	dst, ok2 := appendDecoded(dst, p.tag)
	dst, ok3 := appendDecoded(dst, p.nonce)
	return dst, ok1 && ok2 && ok3
}

// allowedHeader reports whether an encoded protected header, spelled in
// another way than ours, still means what ours means. Members that change how
// a token is processed (zip, crit, p2c and their kind), bring keys along (jwk,
// jku, x5u, x5c) or are unknown are refused, and so are repeated ones
// (RFC 7516 section 4).
func allowedHeader(encoded string) bool {
	if len(encoded) > maxHeader {
		return false
	}
	header, ok := appendDecoded(nil, encoded)
	if !ok {
		return false
	}
	const alg, enc, typ, cty, kid = 1, 2, 4, 8, 16
	seen := 0
	err := Members(string(header), func(name string, v Value) bool {
		bit := 0
		switch {
		case v.Kind() != String:
		case name == "alg" && v.String() == "dir":
			bit = alg
		case name == "enc" && v.String() == "A256GCM":
			bit = enc
		case name == "typ":
			bit = typ
		case name == "cty":
			bit = cty
		case name == "kid":
			bit = kid
		}
		if ok = bit != 0 && seen&bit == 0; ok {
			seen |= bit
		}
		return ok
	})
	return err == nil && ok && seen&(alg|enc) == alg|enc
}
