package webauthn

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	host   = "app.example.com"
	origin = "https://app.example.com"
)

var (
	site = provider.RelyingParty{ID: host, Name: "Example", Origin: origin}
	zoe  = provider.PasskeyUser{Handle: []byte("0123456789abcdef0123456789abcdef"), Name: "zoe@example.com", DisplayName: "Zoë"}
)

func newPasskeys(t testing.TB, m Module) provider.Passkeys {
	t.Helper()
	p, err := m.NewProvider("passkey", provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p.(provider.Passkeys)
}

// begin returns a challenge of a registration or an authentication.
func begin(t testing.TB, p provider.Passkeys, register bool) string {
	t.Helper()
	var challenge string
	var err error
	if register {
		_, challenge, err = p.BeginRegistration(site, zoe, nil)
	} else {
		_, challenge, err = p.BeginAuthentication(site, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return challenge
}

// registered returns a passkey of a device.
func registered(t testing.TB, p provider.Passkeys, d *device) provider.Passkey {
	t.Helper()
	challenge := begin(t, p, true)
	k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// holding is a store with one passkey.
func holding(k provider.Passkey) func(string) (provider.Passkey, error) {
	return func(id string) (provider.Passkey, error) {
		if id != k.ID {
			return provider.Passkey{}, errUnknown
		}
		return k, nil
	}
}

var errUnknown = errors.New("no such passkey")

// refused makes sure that an error is one of the provider's, for the reason
// wanted, and tells nobody the challenge.
func refused(t *testing.T, err error, challenge, want string) {
	t.Helper()
	if provider.ReasonOf(err) != provider.ReasonPasskey {
		t.Fatalf("error %v, reason %q", err, provider.ReasonOf(err))
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want %q", err, want)
	}
	if challenge != "" && strings.Contains(err.Error(), challenge) || len(err.Error()) > maxDetail+50 {
		t.Errorf("error %q says too much", err)
	}
}

func TestCeremonies(t *testing.T) {
	for _, verification := range []string{"", "required", "preferred"} {
		for name, alg := range map[string]int{"ES256": es256, "EdDSA": eddsa, "RS256": rs256} {
			t.Run(name+" "+verification, func(t *testing.T) {
				p := newPasskeys(t, Module{UserVerification: verification})
				d := newDevice(t, alg)
				k := registered(t, p, d)
				if id := base64.StdEncoding.EncodeToString(d.ID); k.ID != id || k.Counter != 1 || k.MultiDevice || k.BackedUp {
					t.Errorf("passkey %+v, want the id %s", k, id)
				}
				if !bytes.Equal(k.Handle, zoe.Handle) || k.Flags != up|uv|at || len(k.AAGUID) != 16 {
					t.Errorf("handle %q, flags %x, AAGUID %x", k.Handle, k.Flags, k.AAGUID)
				}
				if fmt.Sprint(k.Transports) != "[internal hybrid]" {
					t.Errorf("transports %v", k.Transports)
				}
				d.Handle = b64(zoe.Handle)
				for i := range 3 {
					challenge := begin(t, p, false)
					after, err := p.FinishAuthentication(site, challenge, d.Get(challenge), holding(k))
					if err != nil {
						t.Fatal(err)
					}
					if after.Counter != uint32(i+2) || after.Flags != up|uv || after.ID != k.ID || !bytes.Equal(after.PublicKey, k.PublicKey) {
						t.Errorf("passkey afterwards %+v", after)
					}
					k = after
				}
			})
		}
	}
}

// A synced passkey has no counter, and may come to be backed up later.
func TestSyncedPasskey(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256).Synced()
	d.Flags &^= bs
	k := registered(t, p, d)
	if !k.MultiDevice || k.BackedUp || k.Counter != 0 {
		t.Fatalf("passkey %+v", k)
	}
	for _, state := range []byte{bs, 0} {
		d.Flags = up | uv | be | state
		challenge := begin(t, p, false)
		after, err := p.FinishAuthentication(site, challenge, d.Get(challenge), holding(k))
		if err != nil {
			t.Fatal(err)
		}
		if after.BackedUp != (state != 0) || !after.MultiDevice || after.Counter != 0 || after.Flags != d.Flags {
			t.Errorf("passkey afterwards %+v", after)
		}
	}
}

// With preferred, a security key without a PIN is enough; with required, it is
// not.
func TestUserVerification(t *testing.T) {
	d := newDevice(t, es256)
	d.Flags = up
	for verification, ok := range map[string]bool{"": false, "required": false, "preferred": true} {
		p := newPasskeys(t, Module{UserVerification: verification})
		challenge := begin(t, p, true)
		_, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge))
		if (err == nil) != ok {
			t.Errorf("%q: registration: %v", verification, err)
		}
		k := registered(t, newPasskeys(t, Module{UserVerification: "preferred"}), d)
		challenge = begin(t, p, false)
		_, err = p.FinishAuthentication(site, challenge, d.Get(challenge), holding(k))
		if (err == nil) != ok {
			t.Errorf("%q: authentication: %v", verification, err)
		}
		if err != nil {
			refused(t, err, challenge, "User verification required")
		}
	}
}

// Sites below one domain share passkeys if they are told to.
func TestParentDomain(t *testing.T) {
	p := newPasskeys(t, Module{RPID: "example.com"})
	atDomain := func(c *ceremony) { c.RPID = "example.com" }
	d := newDevice(t, es256)
	challenge := begin(t, p, true)
	k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge, atDomain))
	if err != nil {
		t.Fatal(err)
	}
	other := provider.RelyingParty{ID: "www.example.com", Origin: "https://www.example.com:8443"}
	_, challenge, err = p.BeginAuthentication(other, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := d.Get(challenge, atDomain, func(c *ceremony) { c.Client["origin"] = other.Origin })
	if _, err := p.FinishAuthentication(other, challenge, answer, holding(k)); err != nil {
		t.Error(err)
	}
	// The answer is for the one origin that it was given at.
	_, err = p.FinishAuthentication(site, challenge, answer, holding(k))
	refused(t, err, challenge, "origin")
}

// A browser library may hand over the handle in either of two encodings, and get
// it back in the other. A passkey that Auth.js registered has no handle that
// anybody knows.
func TestUserHandle(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	k := registered(t, p, d)
	encoded := b64(zoe.Handle)
	unknown := k
	unknown.Handle = nil
	for _, c := range []struct {
		name, sent string
		k          provider.Passkey
		ok         bool
	}{
		{"base64url", encoded, k, true},
		{"text", string(zoe.Handle), k, true},
		{"base64url twice", b64([]byte(encoded)), k, true},
		{"none", "", k, true},
		{"another user", b64([]byte("ffffffffffffffffffffffffffffffff")), k, false},
		{"another user as text", "ffffffffffffffffffffffffffffffff", k, false},
		{"part of it", encoded[:len(encoded)-1], k, false},
		{"no text", "\ufffd\x00\n", k, false},
		{"registered by Auth.js", "220dd38885aa690d336d0d96e89f5d02096937d2680f20efd330ab0341c1d6e6", unknown, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.Handle = c.sent
			challenge := begin(t, p, false)
			_, err := p.FinishAuthentication(site, challenge, d.Get(challenge), holding(c.k))
			if c.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			refused(t, err, challenge, "another user")
		})
	}
}

func TestFindDecides(t *testing.T) {
	p := newPasskeys(t, Module{})
	d, other := newDevice(t, es256), newDevice(t, es256)
	k, others := registered(t, p, d), registered(t, p, other)
	challenge := begin(t, p, false)

	_, err := p.FinishAuthentication(site, challenge, d.Get(challenge), holding(others))
	if err != errUnknown {
		t.Errorf("an unknown passkey: %v", err)
	}
	_, err = p.FinishAuthentication(site, challenge, d.Get(challenge), func(string) (provider.Passkey, error) { return others, nil })
	refused(t, err, challenge, "another passkey")

	// An answer that names somebody else's passkey is signed with the wrong key.
	d.ID = other.ID
	_, err = p.FinishAuthentication(site, challenge, d.Get(challenge), holding(others))
	refused(t, err, challenge, "signature")

	// What can be told without the store does not ask it.
	_, err = p.FinishAuthentication(site, challenge, d.Get(b64(make([]byte, 32))), func(string) (provider.Passkey, error) {
		t.Error("asked for a passkey")
		return k, nil
	})
	refused(t, err, challenge, "challenge")
}

// An authenticator that counts cannot answer twice with one signature.
func TestReplay(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, eddsa)
	k := registered(t, p, d)
	challenge := begin(t, p, false)
	answer := d.Get(challenge)
	after, err := p.FinishAuthentication(site, challenge, answer, holding(k))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.FinishAuthentication(site, challenge, answer, holding(after))
	refused(t, err, challenge, "signature counter is 2 after 2")
	_, err = p.FinishAuthentication(site, begin(t, p, false), answer, holding(k))
	refused(t, err, "", "challenge")
}

func TestConcurrentUse(t *testing.T) {
	p := newPasskeys(t, Module{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			d := newDevice(t, es256)
			challenge := begin(t, p, true)
			k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge))
			if err != nil {
				t.Error(err)
				return
			}
			challenge = begin(t, p, false)
			if _, err := p.FinishAuthentication(site, challenge, d.Get(challenge), holding(k)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func BenchmarkFinishAuthentication(b *testing.B) {
	for name, alg := range map[string]int{"ES256": es256, "EdDSA": eddsa, "RS256": rs256} {
		b.Run(name, func(b *testing.B) {
			p := newPasskeys(b, Module{})
			d := newDevice(b, alg)
			k := registered(b, p, d)
			challenge := begin(b, p, false)
			answer := d.Get(challenge)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.FinishAuthentication(site, challenge, answer, holding(k)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
