// Package testkey is a browser and an authenticator in software, for tests.
//
// It follows the standard (Web Authentication Level 3), not the code under test:
// even its CBOR is its own. Tests lie by changing what goes into an answer.
package testkey

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"testing"
)

// The algorithms of COSE keys.
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// The flags of authenticator data (Web Authentication, section 6.1).
const (
	UP = 1 << 0 // the person is present
	UV = 1 << 2 // and verified
	BE = 1 << 3 // the passkey can be backed up
	BS = 1 << 4 // and is
	AT = 1 << 6 // there is attested credential data
	ED = 1 << 7 // there are extensions
)

// Device is a browser at a site, and an authenticator with one passkey.
type Device struct {
	RPID, Origin string

	Alg    int
	Signer crypto.Signer
	ID     []byte
	// Handle is the user's, as the browser passes it on. Empty leaves it out.
	Handle  string
	Counter uint32
	Flags   byte
	// Counts is false for passkeys that are synced.
	Counts bool
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// New returns a device with a new key, whose counter is at 1.
func New(t testing.TB, alg int, rpID, origin string) *Device {
	t.Helper()
	d := &Device{RPID: rpID, Origin: origin, Alg: alg, ID: make([]byte, 20), Flags: UP | UV, Counts: true, Counter: 1}
	_, err := rand.Read(d.ID)
	switch alg {
	case ES256:
		d.Signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, d.Signer, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		d.Signer = rsaKey()
	}
	if err != nil || d.Signer == nil {
		t.Fatalf("no key of algorithm %d: %v", alg, err)
	}
	return d
}

// Synced makes it a passkey of the kind that is on all devices of a person.
func (d *Device) Synced() *Device {
	d.Flags, d.Counts, d.Counter = UP|UV|BE|BS, false, 0
	return d
}

// Ceremony is what goes into one answer.
type Ceremony struct {
	Client  map[string]any // the client data
	RPID    string
	Flags   byte
	Counter uint32
	Tail    []byte // behind the authenticator data

	// Of a registration.
	ID, Key, AAGUID []byte
	Format          string
	Statement       func(authData, clientHash []byte) []byte // CBOR

	// Signed is what happens to a signature on its way.
	Signed func([]byte) []byte
	// Sent changes the JSON at last; response is its member of that name.
	Sent func(answer, response map[string]any)
}

func (d *Device) ceremony(typ, challenge string, lies []func(*Ceremony)) *Ceremony {
	c := &Ceremony{
		Client: map[string]any{"type": typ, "challenge": challenge, "origin": d.Origin, "crossOrigin": false},
		RPID:   d.RPID, Flags: d.Flags, Counter: d.Counter,
		ID: d.ID, Key: coseKey(d.Alg, d.Signer.Public()), AAGUID: make([]byte, 16),
		Format:    "none",
		Statement: func(_, _ []byte) []byte { return Map() },
		Signed:    func(sig []byte) []byte { return sig },
		Sent:      func(_, _ map[string]any) {},
	}
	for _, lie := range lies {
		lie(c)
	}
	return c
}

// Create answers navigator.credentials.create, in the JSON of the standard.
func (d *Device) Create(challenge string, lies ...func(*Ceremony)) []byte {
	c := d.ceremony("webauthn.create", challenge, append([]func(*Ceremony){func(c *Ceremony) { c.Flags |= AT }}, lies...))
	client := mustJSON(c.Client)
	data := c.authData()
	hash := sha256.Sum256(client)
	response := map[string]any{
		"clientDataJSON": Base64(client),
		"attestationObject": Base64(Map(
			Text("fmt"), Text(c.Format), Text("attStmt"), c.Statement(data, hash[:]), Text("authData"), Bytes(data))),
		"transports": []string{"internal", "hybrid"},
	}
	return d.send(c, response)
}

// Get answers navigator.credentials.get.
func (d *Device) Get(challenge string, lies ...func(*Ceremony)) []byte {
	if d.Counts {
		d.Counter++
	}
	c := d.ceremony("webauthn.get", challenge, lies)
	client := mustJSON(c.Client)
	data := c.authData()
	hash := sha256.Sum256(client)
	response := map[string]any{
		"clientDataJSON":    Base64(client),
		"authenticatorData": Base64(data),
		"signature":         Base64(c.Signed(d.Sign(data, hash[:]))),
	}
	if d.Handle != "" {
		response["userHandle"] = d.Handle
	}
	return d.send(c, response)
}

func (d *Device) send(c *Ceremony, response map[string]any) []byte {
	answer := map[string]any{
		"id": Base64(d.ID), "rawId": Base64(d.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	}
	c.Sent(answer, response)
	return mustJSON(answer)
}

// Sign signs authenticator data and the hash of the client data.
func (d *Device) Sign(authData, clientHash []byte) []byte {
	message := append(bytes.Clone(authData), clientHash...)
	digest, opts := message, crypto.SignerOpts(crypto.Hash(0))
	if d.Alg != EdDSA {
		sum := sha256.Sum256(message)
		digest, opts = sum[:], crypto.SHA256
	}
	sig, err := d.Signer.Sign(rand.Reader, digest, opts)
	if err != nil {
		panic(err)
	}
	return sig
}

// authData is laid out as section 6.1 has it, with attested credential data
// (section 6.5.1) if the flag says so.
func (c *Ceremony) authData() []byte {
	sum := sha256.Sum256([]byte(c.RPID))
	data := append(sum[:], c.Flags)
	data = binary.BigEndian.AppendUint32(data, c.Counter)
	if c.Flags&AT != 0 {
		data = append(data, c.AAGUID...)
		data = binary.BigEndian.AppendUint16(data, uint16(len(c.ID)))
		data = append(append(data, c.ID...), c.Key...)
	}
	return append(data, c.Tail...)
}
