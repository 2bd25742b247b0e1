package webauthn

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// chromium are ceremonies of Chromium with its virtual authenticator and with
// options of this package, in testdata/chromium.json. They went through the
// browser's own JSON methods, or through version 9 of @simplewebauthn/browser,
// which Auth.js uses. @simplewebauthn/server 9.0.3 accepted all of them; what it
// made of the registrations stands beside.
type chromium struct {
	Origin, RPID, Handle          string
	CreateChallenge, GetChallenge string
	Ceremonies                    []struct {
		RegisteredWith          string
		Algorithm               int
		MultiDevice             bool
		Registration            json.RawMessage
		PublicKey, CredentialID string
		Counter                 uint32
		Authentications         []struct {
			With     string
			Response json.RawMessage
		}
	}
}

func TestChromium(t *testing.T) {
	var v chromium
	readJSON(t, "chromium.json", &v)
	if len(v.Ceremonies) != 4 {
		t.Fatalf("%d ceremonies", len(v.Ceremonies))
	}
	p := newPasskeys(t, Module{})
	rp := provider.RelyingParty{ID: v.RPID, Origin: v.Origin}
	user := provider.PasskeyUser{Handle: []byte(v.Handle), Name: "zoe"}
	for _, c := range v.Ceremonies {
		k, err := p.FinishRegistration(rp, v.CreateChallenge, user, c.Registration)
		if err != nil {
			t.Errorf("registered with %s: %v", c.RegisteredWith, err)
			continue
		}
		key, err := base64.StdEncoding.DecodeString(c.PublicKey)
		if err != nil || k.ID != c.CredentialID || !bytes.Equal(k.PublicKey, key) {
			t.Errorf("registered with %s: id %s, key %x", c.RegisteredWith, k.ID, k.PublicKey)
		}
		if k.Counter != c.Counter || k.MultiDevice != c.MultiDevice || k.BackedUp != c.MultiDevice || len(k.Transports) == 0 {
			t.Errorf("registered with %s: %+v", c.RegisteredWith, k)
		}
		if len(c.Authentications) != 3 {
			t.Fatalf("%d authentications", len(c.Authentications))
		}
		for _, a := range c.Authentications {
			after, err := p.FinishAuthentication(rp, v.GetChallenge, a.Response, holding(k))
			if err != nil {
				t.Errorf("registered with %s, signed in with %s: %v", c.RegisteredWith, a.With, err)
				continue
			}
			if after.Counter <= k.Counter {
				t.Errorf("counter %d after %d", after.Counter, k.Counter)
			}
			// Somebody else's passkey it is not.
			stranger := k
			stranger.Handle = []byte("ffffffffffffffffffffffffffffffff")
			_, err = p.FinishAuthentication(rp, v.GetChallenge, a.Response, holding(stranger))
			refused(t, err, v.GetChallenge, "another user")
			k = after
		}
	}
}
