package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys bounds how many keys of a set are looked at, and maxTries how many
	// signatures are checked for a token that names no key.
	maxKeys  = 100
	maxTries = 16
	// RSA keys below 2048 bits can be broken (RFC 7518 3.3 forbids them); keys
	// above 8192 make each check expensive.
	minRSABits = 2048
	maxRSABits = 8192
)

// keySet verifies one token against an issuer's keys. It satisfies
// oidc.KeySet. Unlike go-oidc's own it asks for unknown keys at most once in
// refetchFloor, keeps known keys through an outage, and ignores keys that must
// not verify anything.
type keySet struct {
	cache *cached[[]jose.JSONWebKey]
	fetch fetcher[[]jose.JSONWebKey]
	algs  []string
	// floor is the least time between two fetches of the keys for the sake of such
	// tokens, if it is longer than refetchFloor.
	floor time.Duration
	// secret is the one key if it is set, and algs are those of a MAC.
	secret []byte

	// unavailable is set if verification failed for want of keys. go-oidc
	// renders the error of VerifySignature as text, so it is kept here.
	unavailable error
	// unknown is set if no key verifies the signature, maybe one that is newer than
	// ours: they are not asked for at any time.
	unknown bool
}

// VerifySignature returns the payload if one of the issuer's keys verifies it.
func (s *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	algs := make([]jose.SignatureAlgorithm, len(s.algs))
	for i, a := range s.algs {
		algs[i] = jose.SignatureAlgorithm(a)
	}
	jws, err := jose.ParseSigned(raw, algs)
	if err != nil {
		return nil, err
	}
	if len(jws.Signatures) != 1 {
		return nil, errors.New("not exactly one signature")
	}
	if s.secret != nil {
		return jws.Verify(s.secret)
	}
	keys, err := s.cache.get(ctx, s.fetch)
	if err != nil {
		s.unavailable = err
		return nil, err
	}
	if payload, ok := verify(jws, keys); ok {
		return payload, nil
	}
	// The issuer may have rotated its keys since (Core 10.1.1).
	keys, err = s.cache.refetch(ctx, s.fetch, max(s.floor, refetchFloor))
	if err != nil {
		s.unavailable = err
		return nil, err
	}
	if payload, ok := verify(jws, keys); ok {
		return payload, nil
	}
	s.unknown = true
	return nil, errors.New("no key of the issuer verifies the signature")
}

// verify tries the keys that the header's key id names, several if the id is
// ambiguous, all that fit if there is none.
func verify(jws *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	header := jws.Signatures[0].Header
	tries := 0
	for _, k := range keys {
		if header.KeyID != "" && k.KeyID != header.KeyID || !fits(k, header.Algorithm) {
			continue
		}
		if payload, err := jws.Verify(k.Key); err == nil {
			return payload, true
		}
		if tries++; tries == maxTries {
			break
		}
	}
	return nil, false
}

// fits reports whether a key is meant for an algorithm: by its own alg, and by
// its type and curve (RFC 7518 3.1).
func fits(k jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		switch alg {
		case "ES256":
			return key.Curve.Params().BitSize == 256
		case "ES384":
			return key.Curve.Params().BitSize == 384
		case "ES512":
			return key.Curve.Params().BitSize == 521
		}
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// fetchKeys fetches a key set (RFC 7517 5).
func fetchKeys(ctx context.Context, client *http.Client, url string) ([]jose.JSONWebKey, error) {
	body, _, err := get(ctx, client, url, "")
	if err != nil {
		return nil, fmt.Errorf("fetching the signing keys: %w", err)
	}
	return parseKeys(body)
}

// parseKeys keeps the usable keys. Each is parsed by itself: one of a type that
// is not known yet must not cost the others.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := decodeStrict(body, &set); err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && usable(k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("signing keys: none is usable")
	}
	return keys, nil
}

// usable refuses symmetric and private keys, which have no business in a public
// set, keys for encryption, and RSA keys of bad size.
func usable(k jose.JSONWebKey) bool {
	if !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
		return false
	}
	if key, ok := k.Key.(*rsa.PublicKey); ok {
		bits := key.N.BitLen()
		return bits >= minRSABits && bits <= maxRSABits
	}
	return true
}
