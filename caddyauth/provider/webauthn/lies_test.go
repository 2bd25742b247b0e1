package webauthn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// A lie is one change to an answer that is good otherwise.
type lie struct {
	name string
	tell func(*ceremony)
	want string // what the error says
}

func say(member string, value any) func(*ceremony) {
	return func(c *ceremony) { c.Client[member] = value }
}

func drop(member string) func(*ceremony) {
	return func(c *ceremony) { delete(c.Client, member) }
}

func unset(flags byte) func(*ceremony) { return func(c *ceremony) { c.Flags &^= flags } }

// outside changes the JSON around what is signed.
func outside(member string, value any) func(*ceremony) {
	return func(c *ceremony) { c.Sent = func(answer, _ map[string]any) { answer[member] = value } }
}

// inside changes a member of the response.
func inside(member string, value any) func(*ceremony) {
	return func(c *ceremony) { c.Sent = func(_, response map[string]any) { response[member] = value } }
}

// respell changes how the bytes of a member are written.
func respell(member string, change func([]byte) string) func(*ceremony) {
	return func(c *ceremony) {
		c.Sent = func(_, response map[string]any) {
			b, err := base64.RawURLEncoding.DecodeString(response[member].(string))
			if err != nil {
				panic(err)
			}
			response[member] = change(b)
		}
	}
}

// clientLies are those about where an answer was given. The browser tells them
// to both ceremonies.
var clientLies = []lie{
	{"challenge of another ceremony", say("challenge", b64(bytes.Repeat([]byte{7}, 32))), "challenge"},
	{"challenge in other base64", respell("clientDataJSON", func(b []byte) string {
		return b64(bytes.Replace(b, []byte(`","crossOrigin`), []byte(`=","crossOrigin`), 1))
	}), "challenge"},
	{"challenge empty", say("challenge", ""), "challenge"},
	{"challenge missing", drop("challenge"), "challenge"},
	{"type missing", drop("type"), "type"},
	{"type of a payment", say("type", "payment.get"), "type"},
	{"type in capitals", say("type", "WEBAUTHN.GET"), "type"},
	{"origin of another site", say("origin", "https://evil.example"), `for the origin "https://evil.example"`},
	{"origin of another port", say("origin", origin+":8443"), "origin"},
	{"origin of another scheme", say("origin", "http://"+host), "origin"},
	{"origin with a path", say("origin", origin+"/evil"), "origin"},
	{"origin with a user", say("origin", "https://evil@"+host), "origin"},
	{"origin below", say("origin", "https://evil."+host), "origin"},
	{"origin above", say("origin", "https://example.com"), "origin"},
	{"origin that begins like it", say("origin", origin+".evil.example"), "origin"},
	{"origin in capitals", say("origin", "https://APP.example.com"), "origin"},
	{"origin with a default port", say("origin", origin+":443"), "origin"},
	{"origin of an app", say("origin", "android:apk-key-hash:pNiP5iKyQ8JwgGOaKA1zGPUPJIS-0H1xKCQcfIoGLck"), "origin"},
	{"origin null", say("origin", nil), "origin"},
	{"origin missing", drop("origin"), "origin"},
	{"origin long", say("origin", "https://"+strings.Repeat("x", 2000)), "origin"},
	{"in a frame", say("crossOrigin", true), "cross origin"},
	{"in a frame of a named site", func(c *ceremony) {
		c.Client["crossOrigin"], c.Client["topOrigin"] = true, "https://evil.example"
	}, "cross origin"},
	{"in a frame of a site that hides it", say("topOrigin", "https://evil.example"), "topOrigin"},
	{"token binding of no known kind", say("tokenBinding", map[string]any{"status": "x"}), "token binding"},
	{"client data that is no object", inside("clientDataJSON", b64([]byte("[]"))), ""},
	{"client data that is no JSON", inside("clientDataJSON", b64([]byte("{"))), ""},
	{"client data missing", inside("clientDataJSON", nil), "clientDataJSON is missing"},
	{"client data too long", say("x", strings.Repeat("x", maxClientData)), "clientDataJSON is too long"},
	{"client data padded", respell("clientDataJSON", func(b []byte) string {
		return base64.URLEncoding.EncodeToString(append(b, bytes.Repeat([]byte{' '}, 4-len(b)%3)...))
	}), "not base64url"},
	{"client data with a line break", respell("clientDataJSON", func(b []byte) string {
		s := b64(append(b, bytes.Repeat([]byte{' '}, 3-len(b)%3)...))
		return s[:4] + "\r\n" + s[4:]
	}), "not base64url"},
	{"client data with bits to spare", respell("clientDataJSON", func(b []byte) string {
		s := b64(append(b, bytes.Repeat([]byte{' '}, (4-len(b)%3)%3)...)) // one byte more than threes
		return s[:len(s)-1] + "h"
	}), "not base64url"},

	{"rpIdHash of another site", func(c *ceremony) { c.RPID = "evil.example" }, "RP Hash mismatch"},
	{"rpIdHash of the parent domain", func(c *ceremony) { c.RPID = "example.com" }, "RP Hash mismatch"},
	{"rpIdHash of the origin", func(c *ceremony) { c.RPID = origin }, "RP Hash mismatch"},
	{"nobody present", unset(up), "User presence required"},
	{"nobody verified", unset(uv), "User verification required"},
	{"backed up, but not eligible", func(c *ceremony) { c.Flags |= bs }, "not eligible"},
	{"extensions announced, but missing", func(c *ceremony) { c.Flags |= ed }, ""},
	{"extensions that are no map", func(c *ceremony) { c.Flags |= ed; c.Tail = array() }, ""},
	{"extensions not announced", func(c *ceremony) { c.Tail = cborMap() }, ""},
	{"bytes behind the extensions", func(c *ceremony) { c.Flags |= ed; c.Tail = append(cborMap(), 0) }, ""},

	{"ids that differ", outside("rawId", b64([]byte("another"))), "two different credential ids"},
	{"id empty", func(c *ceremony) {
		c.Sent = func(answer, _ map[string]any) { answer["id"], answer["rawId"] = "", "" }
	}, "id is missing"},
	{"id missing", func(c *ceremony) {
		c.Sent = func(answer, _ map[string]any) { delete(answer, "id"); delete(answer, "rawId") }
	}, "id is missing"},
	{"id too long", func(c *ceremony) {
		id := b64(make([]byte, 1024))
		c.Sent = func(answer, _ map[string]any) { answer["id"], answer["rawId"] = id, id }
	}, "id is too long"},
	{"id in other base64", func(c *ceremony) {
		c.Sent = func(answer, _ map[string]any) { answer["id"], answer["rawId"] = "++//", "++//" }
	}, "id is not base64url"},
	{"id a number", outside("id", 7), "expected form"},
	{"no credential of that type", outside("type", "password"), ""},
	{"type of the credential missing", outside("type", ""), ""},
	{"response missing", outside("response", nil), "missing"},
	{"response a list", outside("response", []int{1}), "expected form"},
	{"too long", outside("x", strings.Repeat("x", maxResponse)), "too long"},
}

var registrationLies = []lie{
	{"answer of a sign-in", say("type", "webauthn.get"), "type"},
	{"no attested credential", unset(at), "attestation"},
	{"another credential inside", func(c *ceremony) { c.ID = []byte("another one altogether") }, "credential id"},
	{"credential id with no bytes", func(c *ceremony) { c.ID = nil }, ""},
	{"credential id longer than there are bytes", func(c *ceremony) { c.Key = nil; c.Tail = nil }, ""},
	{"attestation object missing", inside("attestationObject", ""), "attestationObject is missing"},
	{"attestation object too long", inside("attestationObject", b64(make([]byte, maxAttestation+1))), "attestationObject is too long"},
	{"attestation object no CBOR", inside("attestationObject", b64([]byte("hello"))), ""},
	{"attestation object with more behind it", respell("attestationObject", func(b []byte) string { return b64(append(b, 0)) }), ""},
	{"attestation object of endless length", inside("attestationObject", b64([]byte{0xBF, 0xFF})), ""},
	{"attestation object deeply nested", inside("attestationObject", b64(bytes.Repeat([]byte{0x81}, 10000))), ""},
	{"attestation object with tags", inside("attestationObject", b64([]byte{0xC0, 0xA0})), ""},
	{"attestation object that promises gigabytes", inside("attestationObject", b64([]byte{0x5B, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})), ""},
	{"attestation none, with a statement", func(c *ceremony) {
		c.Statement = func(_, _ []byte) []byte { return cborMap(text("sig"), byteString([]byte{1})) }
	}, "attestation"},
	{"self attestation with a bad signature", func(c *ceremony) {
		c.Format = "packed"
		c.Statement = func(_, _ []byte) []byte {
			return cborMap(text("alg"), number(es256), text("sig"), byteString([]byte{1}))
		}
	}, "signature"},
	{"self attestation without a signature", func(c *ceremony) {
		c.Format = "packed"
		c.Statement = func(_, _ []byte) []byte { return cborMap(text("alg"), number(es256)) }
	}, "sig"},
	{"transports that are no list", inside("transports", "usb"), "expected form"},

	{"key that is no key", key([]byte{0xA0}), "key"},
	{"key that is no CBOR", key([]byte("hello")), ""},
	{"key off the curve", key(ecKey(es256, 1, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))), "curve"},
	{"key at zero", key(ecKey(es256, 1, make([]byte, 32), make([]byte, 32))), "curve"},
	{"key of another curve", key(ecKey(es256, 2, bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))), "curve"},
	{"key with short coordinates", key(ecKey(es256, 1, []byte{1}, []byte{2})), "length"},
	{"key for ES384", func(c *ceremony) {
		k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			panic(err)
		}
		point, _ := k.PublicKey.Bytes()
		c.Key = ecKey(-35, 2, point[1:49], point[49:])
	}, "algorithm -35"},
	{"key for RSA with SHA-1", key(rsaCOSE(-65535, modulus(256), []byte{1, 0, 1})), "algorithm -65535"},
	{"key for RSA-PSS", key(rsaCOSE(-37, modulus(256), []byte{1, 0, 1})), "algorithm -37"},
	{"key of RSA that says ES256", key(rsaCOSE(es256, modulus(128), []byte{1, 0, 1})), "1024 bits"},
	{"key of RSA, short", key(rsaCOSE(rs256, modulus(128), []byte{1, 0, 1})), "1024 bits"},
	{"key of RSA, long", key(rsaCOSE(rs256, modulus(768), []byte{1, 0, 1})), "6144 bits"},
	{"key of RSA, longer than may be", key(rsaCOSE(rs256, modulus(8192), []byte{1, 0, 1})), "public key has"},
	{"key of RSA without an exponent", key(rsaCOSE(rs256, modulus(256), nil)), "exponent"},
	{"key of EdDSA, short", key(cborMap(number(1), number(1), number(3), number(eddsa), number(-1), number(6), number(-2), byteString([]byte{1}))), "length"},
	{"key with baggage", func(c *ceremony) {
		c.Key = cborMap(number(1), number(1), number(3), number(eddsa), number(-1), number(6),
			number(-2), byteString(make([]byte, 32)), number(-70), byteString(make([]byte, maxKey)))
	}, "public key has"},
	{"key with a member twice", key(cborMap(number(1), number(1), number(1), number(1), number(3), number(eddsa))), ""},
	{"key of a kind that nobody has", key(cborMap(number(1), number(99), number(3), number(es256))), "Key"},
}

var authenticationLies = []lie{
	{"answer of a registration", say("type", "webauthn.create"), "type"},
	{"signature missing", inside("signature", ""), "signature is missing"},
	{"signature of nothing", inside("signature", b64([]byte{0})), "signature"},
	{"signature too long", inside("signature", b64(make([]byte, maxSignature+1))), "signature is too long"},
	{"signature with one bit wrong", func(c *ceremony) {
		c.Signed = func(sig []byte) []byte { sig[len(sig)-1] ^= 1; return sig }
	}, "signature"},
	{"signature cut off", func(c *ceremony) { c.Signed = func(sig []byte) []byte { return sig[:len(sig)-1] } }, "signature"},
	{"signature with more behind it", func(c *ceremony) { c.Signed = func(sig []byte) []byte { return append(sig, 0) } }, "signature"},
	{"signature of other client data", respell("clientDataJSON", func(b []byte) string { return b64(append(b, ' ')) }), "signature"},
	{"authenticator data not signed", respell("authenticatorData", func(b []byte) string {
		b[36]++ // the counter
		return b64(b)
	}), "signature"},
	{"authenticator data missing", inside("authenticatorData", nil), "authenticatorData is missing"},
	{"authenticator data too long", inside("authenticatorData", b64(make([]byte, maxAuthData+1))), "authenticatorData is too long"},
	{"counter that stands", func(c *ceremony) { c.Counter = 1 }, "counter is 1 after 1"},
	{"counter at zero again", func(c *ceremony) { c.Counter = 0 }, "counter is 0 after 1"},
	{"eligible for backup, but was not", func(c *ceremony) { c.Flags |= be }, "backed up"},
	{"user handle a number", inside("userHandle", 1), "expected form"},
}

func key(cose []byte) func(*ceremony) { return func(c *ceremony) { c.Key = cose } }

// modulus has the form of an RSA modulus of n bytes.
func modulus(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	b[0] |= 0x80
	b[n-1] |= 1
	return b
}

func TestRegistrationLies(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	for _, l := range append(clientLies, registrationLies...) {
		t.Run(l.name, func(t *testing.T) {
			challenge := begin(t, p, true)
			k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge, l.tell))
			refused(t, err, challenge, l.want)
			if k.ID != "" || k.PublicKey != nil {
				t.Errorf("a passkey: %+v", k)
			}
		})
	}
}

func TestAuthenticationLies(t *testing.T) {
	p := newPasskeys(t, Module{})
	for _, alg := range []int{es256, eddsa, rs256} {
		d := newDevice(t, alg)
		k := registered(t, p, d)
		for _, l := range append(clientLies, authenticationLies...) {
			t.Run(l.name, func(t *testing.T) {
				challenge := begin(t, p, false)
				after, err := p.FinishAuthentication(site, challenge, d.Get(challenge, l.tell), holding(k))
				refused(t, err, challenge, l.want)
				if after.ID != "" || after.PublicKey != nil {
					t.Errorf("a passkey: %+v", after)
				}
			})
		}
	}
}

// A counter that goes back from far ahead is refused as well.
func TestCounter(t *testing.T) {
	for _, c := range []struct {
		kept, sent uint32
		ok         bool
	}{
		{0, 0, true}, {0, 1, true}, {1, 2, true}, {7, 1 << 31, true}, {1<<32 - 2, 1<<32 - 1, true},
		{1, 0, false}, {1, 1, false}, {9, 8, false}, {1<<32 - 1, 1<<32 - 1, false}, {1<<32 - 1, 0, false},
	} {
		if err := checkCounter(c.kept, c.sent); (err == nil) != c.ok {
			t.Errorf("%d after %d: %v", c.sent, c.kept, err)
		}
	}
}

// No part of an answer is an answer.
func TestTruncated(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	k := registered(t, p, d)
	create, get := begin(t, p, true), begin(t, p, false)
	cut := func(n int) func([]byte) string { return func(b []byte) string { return b64(b[:n]) } }
	for n := 1; n < 36+1; n++ {
		_, err := p.FinishAuthentication(site, get, d.Get(get, respell("authenticatorData", cut(n))), holding(k))
		refused(t, err, get, "")
	}
	var whole []byte
	d.Create(create, respell("attestationObject", func(b []byte) string { whole = b; return "" }))
	for n := 1; n < len(whole); n++ {
		_, err := p.FinishRegistration(site, create, zoe, d.Create(create, respell("attestationObject", cut(n))))
		refused(t, err, create, "")
	}
	for _, answer := range [][]byte{d.Create(create), d.Get(get)} {
		for n := range answer {
			_, err := p.FinishRegistration(site, create, zoe, answer[:n])
			refused(t, err, create, "")
			_, err = p.FinishAuthentication(site, get, answer[:n], holding(k))
			refused(t, err, get, "")
		}
	}
}

func TestNoAnswer(t *testing.T) {
	p := newPasskeys(t, Module{})
	k := registered(t, p, newDevice(t, es256))
	challenge := begin(t, p, false)
	for _, answer := range []string{"", "null", "0", `""`, "[]", "{}", "{}{}", `{"response":{}}`, "{\"id\":\"\xff\"}", strings.Repeat("[", maxResponse)} {
		_, err := p.FinishRegistration(site, challenge, zoe, []byte(answer))
		refused(t, err, challenge, "")
		_, err = p.FinishAuthentication(site, challenge, []byte(answer), holding(k))
		refused(t, err, challenge, "")
	}
}

// An answer to no challenge matches none.
func TestNoChallenge(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	k := registered(t, p, d)
	for _, challenge := range []string{"", "AA", "!", b64(make([]byte, 16))} {
		_, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge))
		refused(t, err, "", "no challenge")
		_, err = p.FinishAuthentication(site, challenge, d.Get(challenge), holding(k))
		refused(t, err, "", "no challenge")
	}
}

// A statement that nobody asked for is not looked at, but one that the
// credential signed itself is.
func TestAttestation(t *testing.T) {
	p := newPasskeys(t, Module{})
	for _, alg := range []int{es256, eddsa, rs256} {
		d := newDevice(t, alg)
		self := func(data, hash []byte) []byte {
			return cborMap(text("alg"), number(alg), text("sig"), byteString(d.Sign(data, hash)))
		}
		for _, c := range []struct {
			name, format string
			statement    func(data, hash []byte) []byte
		}{
			{"self", "packed", self},
			{"certificates", "packed", func(_, _ []byte) []byte {
				return cborMap(text("alg"), number(alg), text("sig"), byteString([]byte{1}), text("x5c"), array(byteString([]byte("junk"))))
			}},
			{"tpm", "tpm", func(_, _ []byte) []byte { return cborMap(text("ver"), text("2.0")) }},
			{"unheard of", "made-up", func(_, _ []byte) []byte { return cborMap() }},
			{"compound", "compound", func(data, hash []byte) []byte {
				return array(cborMap(text("fmt"), text("packed"), text("attStmt"), self(data, hash)))
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				challenge := begin(t, p, true)
				_, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge, func(m *ceremony) { m.Format, m.Statement = c.format, c.statement }))
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Authenticators say more than they were asked, and browsers too.
func TestUnasked(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	talk := func(c *ceremony) {
		c.Client["other_keys_can_be_added_here"] = "do not compare clientDataJSON against a template"
		c.Flags |= ed
		c.Tail = cborMap(text("credProtect"), number(2), text("x"), array(number(1)))
		c.Sent = func(answer, response map[string]any) {
			answer["clientExtensionResults"] = map[string]any{"credProps": map[string]any{"rk": "?"}, "appid": true, "x": 1}
			answer["authenticatorAttachment"] = "embedded"
			response["publicKeyAlgorithm"] = "?"
			response["authenticatorData2"] = nil
		}
	}
	challenge := begin(t, p, true)
	k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge, talk))
	if err != nil {
		t.Fatal(err)
	}
	challenge = begin(t, p, false)
	if _, err := p.FinishAuthentication(site, challenge, d.Get(challenge, talk), holding(k)); err != nil {
		t.Error(err)
	}
}

func TestTransports(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	for _, c := range []struct{ sent, want []string }{
		{nil, nil},
		{[]string{"usb", "nfc", "usb", "smart-card", "carrier-pigeon"}, []string{"usb", "nfc", "smart-card", "carrier-pigeon"}},
		{[]string{"", "usb,nfc", "USB", "u b", "é", "<script>", strings.Repeat("x", 33)}, nil},
		{strings.Fields("a b c d e f g h i j"), strings.Fields("a b c d e f g h")},
	} {
		challenge := begin(t, p, true)
		k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge, inside("transports", c.sent)))
		if err != nil || strings.Join(k.Transports, " ") != strings.Join(c.want, " ") {
			t.Errorf("%q became %q, error %v", c.sent, k.Transports, err)
		}
	}
}

// The kept key may come from elsewhere, and is not trusted either.
func TestKeptKey(t *testing.T) {
	p := newPasskeys(t, Module{})
	d := newDevice(t, es256)
	k := registered(t, p, d)
	for _, bad := range [][]byte{nil, []byte("junk"), rsaCOSE(-65535, modulus(256), []byte{1, 0, 1}), make([]byte, maxKey+1)} {
		k.PublicKey = bad
		challenge := begin(t, p, false)
		_, err := p.FinishAuthentication(site, challenge, d.Get(challenge), holding(k))
		refused(t, err, challenge, "")
	}
}

func FuzzFinishRegistration(f *testing.F) {
	p, challenge, d := fixed(f)
	f.Add(d.Create(challenge), false)
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`), false)
	var object []byte
	d.Create(challenge, respell("attestationObject", func(b []byte) string { object = b; return "" }))
	f.Add(object, true)
	// With raw, data is the attestation object of an answer that is good
	// otherwise.
	f.Fuzz(func(t *testing.T, data []byte, raw bool) {
		if raw {
			data = d.Create(challenge, inside("attestationObject", b64(data)))
		}
		k, err := p.FinishRegistration(site, challenge, zoe, data)
		if err != nil {
			refused(t, err, "", "")
			return
		}
		id, err := base64.StdEncoding.DecodeString(k.ID)
		if err != nil || len(id) == 0 || len(id) > maxCredentialID || len(data) > maxResponse {
			t.Errorf("passkey %+v", k)
		}
		if checkKey(k.PublicKey) != nil || k.Flags&(up|uv) != up|uv || k.BackedUp && !k.MultiDevice || len(k.AAGUID) != 16 {
			t.Errorf("passkey %+v", k)
		}
	})
}

func FuzzFinishAuthentication(f *testing.F) {
	p, challenge, d := fixed(f)
	k, err := p.FinishRegistration(site, challenge, zoe, d.Create(challenge))
	if err != nil {
		f.Fatal(err)
	}
	good := d.Get(challenge)
	var parts response
	if err := json.Unmarshal(good, &parts); err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add(d.Create(challenge), false)
	f.Add(make([]byte, 37), true)
	// With raw, data is authenticator data that nobody signed.
	f.Fuzz(func(t *testing.T, data []byte, raw bool) {
		if raw {
			data = d.Get(challenge, inside("authenticatorData", b64(data)))
		}
		after, err := p.FinishAuthentication(site, challenge, data, holding(k))
		if err == errUnknown {
			return
		}
		if err != nil {
			refused(t, err, "", "")
			return
		}
		var got response
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		// Only the device signs, and the signatures of EdDSA have one spelling.
		if !raw && got.Response.Signature != parts.Response.Signature || after.Counter == 0 {
			t.Errorf("passkey %+v", after)
		}
	})
}

// fixed are ceremonies that are the same in every run, so that inputs found by
// fuzzing stay good.
func fixed(f *testing.F) (provider.Passkeys, string, *device) {
	d := newDevice(f, eddsa)
	d.ID = []byte("credential")
	d.Signer = fixedKey()
	return newPasskeys(f, Module{}), b64(bytes.Repeat([]byte{'c'}, 32)), d
}
