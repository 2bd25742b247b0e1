package webauthn

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func readJSON(t testing.TB, name string, to any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
}

// sameOptions compares options but for their challenge, which has to be the one
// that is told. Lists that are empty may be missing.
func sameOptions(t *testing.T, got json.RawMessage, challenge string, want map[string]any) {
	t.Helper()
	var have map[string]any
	if err := json.Unmarshal(got, &have); err != nil {
		t.Fatal(err)
	}
	if b, err := base64.RawURLEncoding.DecodeString(challenge); err != nil || len(b) != 32 || have["challenge"] != challenge {
		t.Errorf("challenge %v, told %q", have["challenge"], challenge)
	}
	delete(have, "challenge")
	delete(want, "challenge")
	if !reflect.DeepEqual(have, want) {
		t.Errorf("options\n%v, want\n%v", have, want)
	}
}

// The options are those that @simplewebauthn/server 9.0.3 makes of the settings
// of Auth.js's provider Passkey, which wrote testdata/simplewebauthn.json.
func TestOptionsOfAuthJS(t *testing.T) {
	var theirs struct{ Create, Get, GetKnown map[string]any }
	readJSON(t, "simplewebauthn.json", &theirs)
	p := newPasskeys(t, Module{})
	have := []provider.Passkey{
		{ID: base64.StdEncoding.EncodeToString([]byte("credential one")), Transports: []string{"internal", "hybrid"}},
		{ID: base64.StdEncoding.EncodeToString([]byte("two"))},
	}
	rp := provider.RelyingParty{Origin: "https://app.example.com:8443"}

	got, challenge, err := p.BeginRegistration(rp, zoe2, have)
	if err != nil {
		t.Fatal(err)
	}
	sameOptions(t, got, challenge, theirs.Create)
	if got, challenge, err = p.BeginAuthentication(rp, nil); err != nil {
		t.Fatal(err)
	}
	sameOptions(t, got, challenge, theirs.Get)
	if got, challenge, err = p.BeginAuthentication(rp, have); err != nil {
		t.Fatal(err)
	}
	sameOptions(t, got, challenge, theirs.GetKnown)
}

// zoe2 is zoe with a name that is not ASCII.
var zoe2 = provider.PasskeyUser{Handle: zoe.Handle, Name: "zoë@example.com", DisplayName: "Zoë"}

func TestPreferredVerification(t *testing.T) {
	p := newPasskeys(t, Module{UserVerification: "preferred", RPID: "example.com", Name: "Our site"})
	var create struct {
		RP                     struct{ ID, Name string }
		User                   struct{ DisplayName string }
		AuthenticatorSelection struct{ UserVerification, ResidentKey string }
	}
	options, _, err := p.BeginRegistration(site, provider.PasskeyUser{Handle: []byte{1}, Name: "zoe"}, nil)
	if err := errorOr(err, json.Unmarshal(options, &create)); err != nil {
		t.Fatal(err)
	}
	if create.RP.ID != "example.com" || create.RP.Name != "Our site" || create.User.DisplayName != "zoe" {
		t.Errorf("options %s", options)
	}
	if s := create.AuthenticatorSelection; s.UserVerification != "preferred" || s.ResidentKey != "required" {
		t.Errorf("options %s", options)
	}
	var get struct{ RPID, UserVerification string }
	options, _, err = p.BeginAuthentication(site, nil)
	if err := errorOr(err, json.Unmarshal(options, &get)); err != nil {
		t.Fatal(err)
	}
	if get.RPID != "example.com" || get.UserVerification != "preferred" {
		t.Errorf("options %s", options)
	}
}

func errorOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func TestChallengesDiffer(t *testing.T) {
	p := newPasskeys(t, Module{})
	seen := make(map[string]bool)
	for i := range 100 {
		challenge := begin(t, p, i%2 == 0)
		if seen[challenge] {
			t.Fatalf("%s twice", challenge)
		}
		seen[challenge] = true
	}
}

// Chromium refuses more than 64 credentials. The newest are the likeliest.
func TestManyPasskeys(t *testing.T) {
	p := newPasskeys(t, Module{})
	var have []provider.Passkey
	for i := range 100 {
		have = append(have, provider.Passkey{ID: base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%02d", i))})
	}
	have = append(have, provider.Passkey{ID: "damaged"}, provider.Passkey{})
	var options struct{ AllowCredentials []struct{ ID string } }
	raw, _, err := p.BeginAuthentication(site, have)
	if err := errorOr(err, json.Unmarshal(raw, &options)); err != nil {
		t.Fatal(err)
	}
	list := options.AllowCredentials
	if len(list) != maxListed-2 || list[0].ID != b64([]byte("38")) || list[len(list)-1].ID != b64([]byte("99")) {
		t.Errorf("%d credentials: %v", len(list), list)
	}
}

func TestUserHandleLength(t *testing.T) {
	p := newPasskeys(t, Module{})
	for n, ok := range map[int]bool{0: false, 1: true, 36: true, maxHandle: true, maxHandle + 1: false, 1 << 20: false} {
		user := provider.PasskeyUser{Handle: make([]byte, n), Name: "zoe"}
		_, challenge, err := p.BeginRegistration(site, user, nil)
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err != nil {
			refused(t, err, challenge, "user handle")
			_, err = p.FinishRegistration(site, b64(make([]byte, 32)), user, nil)
			refused(t, err, "", "user handle")
		}
	}
}

func TestRelyingParty(t *testing.T) {
	for _, c := range []struct {
		name, rpID, id, origin string
		wantID, wantOrigin     string // of the party
		want                   string // error
	}{
		{"host", "", host, origin, host, origin, ""},
		{"nothing but an origin", "", "", origin, host, origin, ""},
		{"port", "", host, origin + ":8443", host, origin + ":8443", ""},
		{"default port", "", host, origin + ":443", host, origin, ""},
		{"default port of http", "", "localhost", "http://localhost:80", "localhost", "http://localhost", ""},
		{"other default port", "", host, origin + ":80", host, origin + ":80", ""},
		{"capitals", "", "App.Example.com", "https://App.Example.com", host, origin, ""},
		{"loopback", "", "localhost", "http://localhost:3000", "localhost", "http://localhost:3000", ""},
		{"parent", "", "example.com", origin, "example.com", origin, ""},
		{"configured", "example.com", host, origin, "example.com", origin, ""},
		{"punycode", "", "", "https://xn--bcher-kva.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example", ""},
		{"unicode", "", "", "https://bücher.example", "", "", "is none"},
		{"address", "", "192.0.2.1", "https://192.0.2.1", "", "", "bound to a domain"},
		{"IPv6 address", "", "", "https://[2001:db8::1]:8443", "", "", "bound to a domain"},
		{"one word", "", "intranet", "https://intranet", "", "", "bound to a domain"},
		{"top-level domain", "", "com", origin, "", "", "bound to a domain"},
		{"another site", "", "evil.example", origin, "", "", "is not in the domain"},
		{"below", "", "www.app.example.com", origin, "", "", "is not in the domain"},
		{"ends alike", "", "ple.com", origin, "", "", "is not in the domain"},
		{"configured for another", "other.example", host, origin, "", "", "is not in the domain"},
		{"no origin", "", host, "", "", "", "is no origin"},
		{"no scheme", "", host, host, "", "", "is no origin"},
		{"other scheme", "", host, "ftp://" + host, "", "", "is no origin"},
		{"garbage", "", host, "https://%zz", "", "", "is no origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPasskeys(t, Module{RPID: c.rpID}).(*passkeys)
			rp := provider.RelyingParty{ID: c.id, Origin: c.origin}
			got, err := p.party(rp)
			if c.want == "" {
				if err != nil || got.ID != c.wantID || got.Origin != c.wantOrigin {
					t.Errorf("%+v, error %v", got, err)
				}
				if got.Name != strings.TrimPrefix(strings.TrimPrefix(got.Origin, "https://"), "http://") {
					t.Errorf("name %q", got.Name)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v", err)
			}
			// It is the same for all methods.
			_, _, err = p.BeginRegistration(rp, zoe, nil)
			refused(t, err, "", c.want)
			_, _, err = p.BeginAuthentication(rp, nil)
			refused(t, err, "", c.want)
			_, err = p.FinishRegistration(rp, "", zoe, nil)
			refused(t, err, "", c.want)
			_, err = p.FinishAuthentication(rp, "", nil, nil)
			refused(t, err, "", c.want)
		})
	}
}
