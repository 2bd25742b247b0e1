package testkey

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// coseKey is a public key as RFC 9052, section 7, and RFC 8230, section 4, have
// it.
func coseKey(alg int, public any) []byte {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 0x04, x and y
		if err != nil {
			panic(err)
		}
		return ECKey(alg, 1, point[1:33], point[33:])
	case ed25519.PublicKey:
		return Map(Number(1), Number(1), Number(3), Number(alg), Number(-1), Number(6), Number(-2), Bytes(k))
	case *rsa.PublicKey:
		return RSAKey(alg, k.N.Bytes(), big.NewInt(int64(k.E)).Bytes())
	}
	panic("no such key")
}

// ECKey is the COSE form of a point on a curve.
func ECKey(alg, curve int, x, y []byte) []byte {
	return Map(Number(1), Number(2), Number(3), Number(alg), Number(-1), Number(curve),
		Number(-2), Bytes(x), Number(-3), Bytes(y))
}

// RSAKey is the COSE form of an RSA key.
func RSAKey(alg int, n, e []byte) []byte {
	return Map(Number(1), Number(3), Number(3), Number(alg), Number(-1), Bytes(n), Number(-2), Bytes(e))
}

// cborHead begins an item (RFC 8949, section 3).
func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	default:
		return []byte{major<<5 | 25, byte(n >> 8), byte(n)}
	}
}

// Number is an integer in CBOR.
func Number(n int) []byte {
	if n < 0 {
		return cborHead(1, -1-n)
	}
	return cborHead(0, n)
}

// Bytes is a byte string in CBOR.
func Bytes(b []byte) []byte { return append(cborHead(2, len(b)), b...) }

// Text is a text string in CBOR.
func Text(s string) []byte { return append(cborHead(3, len(s)), s...) }

// Array is an array in CBOR, of items in CBOR.
func Array(items ...[]byte) []byte {
	return append(cborHead(4, len(items)), bytes.Join(items, nil)...)
}

// Map is a map in CBOR, of names and values in turns.
func Map(pairs ...[]byte) []byte {
	return append(cborHead(5, len(pairs)/2), bytes.Join(pairs, nil)...)
}

// Base64 is base64url without padding.
func Base64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
