package webauthn

import (
	"crypto"
	"crypto/ed25519"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testkey"
)

const (
	es256 = testkey.ES256
	eddsa = testkey.EdDSA
	rs256 = testkey.RS256

	up = testkey.UP
	uv = testkey.UV
	be = testkey.BE
	bs = testkey.BS
	at = testkey.AT
	ed = testkey.ED
)

type (
	device   = testkey.Device
	ceremony = testkey.Ceremony
)

var (
	b64        = testkey.Base64
	number     = testkey.Number
	byteString = testkey.Bytes
	text       = testkey.Text
	array      = testkey.Array
	cborMap    = testkey.Map
	ecKey      = testkey.ECKey
	rsaCOSE    = testkey.RSAKey
)

func newDevice(t testing.TB, alg int) *device {
	t.Helper()
	return testkey.New(t, alg, host, origin)
}

// fixedKey is the same in every run.
func fixedKey() crypto.Signer { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }
