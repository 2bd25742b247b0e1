package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// sealing encrypts a token.
type sealing struct {
	alg  jose.KeyAlgorithm
	enc  jose.ContentEncryption
	key  any
	kid  string
	cty  jose.ContentType
	zip  jose.CompressionAlgorithm
	flip bool // changes the last character
}

func (s sealing) seal(t testing.TB, plain string) string {
	t.Helper()
	opts := &jose.EncrypterOptions{Compression: s.zip}
	if s.cty != "" {
		opts = opts.WithContentType(s.cty)
	}
	e, err := jose.NewEncrypter(s.enc, jose.Recipient{Algorithm: s.alg, Key: s.key, KeyID: s.kid}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := e.Encrypt([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if s.flip {
		last := "A"
		if strings.HasSuffix(raw, last) {
			last = "Q"
		}
		raw = raw[:len(raw)-1] + last
	}
	return raw
}

// to is how the tests encrypt for a key unless they want it otherwise.
func to(key crypto.Signer) sealing {
	s := sealing{alg: jose.RSA_OAEP_256, enc: jose.A256GCM, key: key.Public(), cty: "JWT"}
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		s.alg = jose.ECDH_ES
	}
	return s
}

func TestEncryptedIDToken(t *testing.T) {
	rsa2048, p256, p384, p521 := lyingop.RSA().Signer, ecOn(elliptic.P256()), ecOn(elliptic.P384()), ecOn(elliptic.P521())
	for _, tc := range []struct {
		name string
		key  crypto.Signer
		alg  jose.KeyAlgorithm
		enc  jose.ContentEncryption
	}{
		{"RSA-OAEP-256", rsa2048, jose.RSA_OAEP_256, jose.A128GCM},
		{"RSA-OAEP", rsa2048, jose.RSA_OAEP, jose.A256GCM},
		{"ECDH-ES", p256, jose.ECDH_ES, jose.A128CBC_HS256},
		{"ECDH-ES P-384", p384, jose.ECDH_ES, jose.A256CBC_HS512},
		{"ECDH-ES+A128KW", p256, jose.ECDH_ES_A128KW, jose.A128GCM},
		{"ECDH-ES+A192KW", p256, jose.ECDH_ES_A192KW, jose.A256GCM},
		{"ECDH-ES+A256KW", p521, jose.ECDH_ES_A256KW, jose.A256GCM},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Response = func(m map[string]any) { m["refresh_token"] = "r" }
			op.RawToken = func(raw string) string {
				return sealing{alg: tc.alg, enc: tc.enc, key: tc.key.Public(), kid: "any", cty: "JWT"}.seal(t, raw)
			}
			p := op.provider(func(c *Config) { c.IDTokenKey = pkcs8(tc.key) })
			id, err := op.exchange(p)
			if err != nil {
				t.Fatal(err)
			}
			if id.User.ID != "subject" || strings.Count(id.Account.IDToken, ".") != 2 || SaidBy(id.Account.IDToken).Subject != "subject" {
				t.Errorf("%+v", id)
			}
			op.Claims = lyingop.Set("nonce", nil)
			account, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: "r", Said: SaidBy(id.Account.IDToken)})
			if err != nil || strings.Count(account.IDToken, ".") != 2 {
				t.Errorf("refreshed: %+v, %v", account, err)
			}
		})
	}
}

// Logout tokens are encrypted where ID tokens are, and opened by the same key.
func TestEncryptedLogoutToken(t *testing.T) {
	rsa2048, p256 := lyingop.RSA().Signer, ecOn(elliptic.P256())
	for name, key := range map[string]crypto.Signer{"RSA": rsa2048, "EC": p256} {
		t.Run(name, func(t *testing.T) {
			op := newEvil(t)
			p := op.leaving(func(c *Config) { c.IDTokenKey = pkcs8(key) })
			plain := op.logoutToken(lyingop.RSA(), nil)
			got, err := p.LogoutToken(t.Context(), to(key).seal(t, plain))
			if err != nil || got.Subject != "subject" || got.SessionID != "the session" || got.ID != "the id" {
				t.Errorf("%+v, %v", got, err)
			}
			signedIn, err := op.exchange(op.provider(nil))
			if err != nil {
				t.Fatal(err)
			}
			other := ecOn(elliptic.P384())
			for name, raw := range map[string]string{
				"not encrypted":           plain,
				"for another key":         to(other).seal(t, plain),
				"not signed":              to(key).seal(t, `{"sid":"the session"}`),
				"signed by somebody else": to(key).seal(t, op.logoutToken(lyingop.OtherRSA(), nil)),
				"an ID token":             to(key).seal(t, signedIn.Account.IDToken),
				"with a nonce":            to(key).seal(t, op.logoutToken(lyingop.RSA(), nil, with("nonce", evilNonce))),
				"twice":                   to(key).seal(t, to(key).seal(t, plain)),
				"damaged":                 sealing{alg: to(key).alg, enc: jose.A256GCM, key: key.Public(), cty: "JWT", flip: true}.seal(t, plain),
			} {
				if got, err := p.LogoutToken(t.Context(), raw); !errors.Is(err, ErrLogoutToken) || got != (LogoutToken{}) {
					t.Errorf("%s: %+v, %v", name, got, err)
				}
			}
		})
	}
	t.Run("without a key", func(t *testing.T) {
		op := newEvil(t)
		_, err := op.leaving(nil).LogoutToken(t.Context(), to(rsa2048).seal(t, op.logoutToken(lyingop.RSA(), nil)))
		if !errors.Is(err, ErrLogoutToken) || !strings.Contains(err.Error(), "there is no id_token_key") {
			t.Error(err)
		}
	})
	// The key of private_key_jwt decrypts as well, where the provider encrypts.
	t.Run("with the client's key", func(t *testing.T) {
		op := newEvil(t)
		p := op.leaving(func(c *Config) { c.ClientKey = pkcs8(rsa2048) })
		plain := op.logoutToken(lyingop.RSA(), nil)
		for _, raw := range []string{plain, to(rsa2048).seal(t, plain)} {
			if _, err := p.LogoutToken(t.Context(), raw); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestEncryptedIDTokenRefused(t *testing.T) {
	rsa2048, p256 := lyingop.RSA().Signer, ecOn(elliptic.P256())
	with := func(change func(*sealing)) func(string) string {
		return func(raw string) string {
			s := to(rsa2048)
			change(&s)
			return s.seal(t, raw)
		}
	}
	for _, tc := range []struct {
		name   string
		config func(*Config)
		token  func(raw string) string
		want   string
	}{
		{"TOKEN-19 without a key", func(c *Config) {}, with(func(*sealing) {}), "there is no id_token_key"},
		{"TOKEN-19 with a key that only signs", func(c *Config) { c.ClientKey = pkcs8(edKey()) }, with(func(*sealing) {}), "there is no id_token_key"},
		{"not encrypted", nil, func(raw string) string { return raw }, "not encrypted"},
		{"RSA1_5", nil, with(func(s *sealing) { s.alg = jose.RSA1_5 }), `encrypted with "RSA1_5" and "A256GCM" instead of RSA-OAEP-256, RSA-OAEP and`},
		{"dir with the client secret", nil, with(func(s *sealing) { s.alg, s.key = jose.DIRECT, []byte("0123456789abcdef0123456789abcdef") }), `"dir"`},
		{"A128KW", nil, with(func(s *sealing) { s.alg, s.key = jose.A128KW, []byte("0123456789abcdef") }), `"A128KW"`},
		{"password", nil, with(func(s *sealing) { s.alg, s.key = jose.PBES2_HS256_A128KW, []byte("the secret of the client") }), `"PBES2-HS256+A128KW"`},
		{"ECDH-ES for an RSA key", nil, with(func(s *sealing) { s.alg, s.key = jose.ECDH_ES, p256.Public() }), `"ECDH-ES"`},
		{"A192GCM", nil, with(func(s *sealing) { s.enc = jose.A192GCM }), `"A192GCM"`},
		{"compressed", nil, with(func(s *sealing) { s.zip = jose.DEFLATE }), "compressed"},
		{"a bomb", nil, func(raw string) string {
			s := to(rsa2048)
			s.zip = jose.DEFLATE
			return s.seal(t, raw+strings.Repeat(" ", 200<<10))
		}, "compressed"},
		{"no cty", nil, with(func(s *sealing) { s.cty = "" }), "(cty)"},
		{"another cty", nil, with(func(s *sealing) { s.cty = "json" }), "(cty)"},
		{"another key", nil, with(func(s *sealing) { s.key, s.kid = lyingop.OtherRSA().Signer.Public(), "old" }), `encrypted for the key "old"`},
		{"another key without an id", nil, with(func(s *sealing) { s.key = lyingop.OtherRSA().Signer.Public() }), "does not decrypt"},
		{"changed", nil, with(func(s *sealing) { s.flip = true }), "does not decrypt"},
		{"not signed", nil, func(string) string { return to(rsa2048).seal(t, `{"sub":"subject"}`) }, "not signed"},
		{"encrypted twice", nil, func(raw string) string { return to(rsa2048).seal(t, to(rsa2048).seal(t, raw)) }, "not signed"},
		{"alg none inside", nil, func(raw string) string {
			return to(rsa2048).seal(t, lyingop.Base64(`{"alg":"none"}`)+"."+strings.Split(raw, ".")[1]+".")
		}, `signed with "none"`},
		{"signed by somebody else", nil, func(raw string) string {
			return to(rsa2048).seal(t, lyingop.OtherRSA().Named("rsa").Sign(string(mustDecode(strings.Split(raw, ".")[1])), nil))
		}, "no key of the issuer"},
		{"the JWK's alg is another", func(c *Config) {
			c.IDTokenKey = jwkOf(jose.JSONWebKey{Key: rsa2048, Algorithm: "RSA-OAEP-256"})
		}, with(func(s *sealing) { s.alg = jose.RSA_OAEP }), `"RSA-OAEP"`},
		{"garbage", nil, func(string) string { return "a.b.c.d.e" }, "not a JWE"},
		{"four dots", nil, func(string) string { return "...." }, "not a JWE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.RawToken = tc.token
			config := tc.config
			if config == nil {
				config = func(c *Config) { c.IDTokenKey = pkcs8(rsa2048) }
			}
			id, err := op.exchange(op.provider(config))
			if id != nil || ReasonOf(err) != ReasonIDToken || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%+v, %v; want %q", id, err, tc.want)
			}
		})
	}
	t.Run("invalid curve", func(t *testing.T) {
		// RFC 7516's ephemeral key must be on our curve, or each answer tells some of
		// the private key.
		header := lyingop.Base64(`{"alg":"ECDH-ES","enc":"A128GCM","cty":"JWT","epk":{"kty":"EC","crv":"P-256","x":"` +
			lyingop.Base64(strings.Repeat("\x01", 32)) + `","y":"` + lyingop.Base64(strings.Repeat("\x02", 32)) + `"}}`)
		op := newEvil(t)
		op.RawToken = func(string) string {
			return header + ".." + lyingop.Base64("123456789012") + "." + lyingop.Base64("x") + "." + lyingop.Base64("1234567890123456")
		}
		if _, err := op.exchange(op.provider(func(c *Config) { c.IDTokenKey = pkcs8(p256) })); ReasonOf(err) != ReasonIDToken {
			t.Error(err)
		}
	})
}

func mustDecode(segment string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		panic(err)
	}
	return b
}

func TestClientKeyDecrypts(t *testing.T) {
	op := newEvil(t)
	p := op.provider(func(c *Config) { c.ClientKey = pkcs8(lyingop.RSA().Signer) })
	if _, err := op.exchange(p); err != nil {
		t.Fatalf("an ID token that is not encrypted: %v", err)
	}
	op.RawToken = func(raw string) string { return to(lyingop.RSA().Signer).seal(t, raw) }
	if _, err := op.exchange(p); err != nil {
		t.Error(err)
	}
}

// A key of ours that has changed is no reason to log people out.
func TestRefreshWithAnotherKeyOfOurs(t *testing.T) {
	op := newEvil(t)
	op.Response = func(m map[string]any) { m["refresh_token"] = "r2" }
	op.RawToken = func(raw string) string { return to(lyingop.OtherRSA().Signer).seal(t, raw) }
	p := op.provider(func(c *Config) { c.IDTokenKey = pkcs8(lyingop.RSA().Signer) })
	account, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: "r", Said: Said{Subject: "subject"}})
	if Refused(err) || ReasonOf(err) != ReasonKeys || account == nil || account.RefreshToken != "r2" {
		t.Errorf("%+v, %v", account, err)
	}
}

func TestEncryptedUserinfo(t *testing.T) {
	p256 := ecOn(elliptic.P256())
	for _, tc := range []struct {
		name string
		body func(signed string) string
		ok   bool
	}{
		{"signed", func(s string) string { return s }, true},
		{"signed and encrypted", func(s string) string { return to(p256).seal(t, s) }, true},
		{"encrypted only", func(string) string { return to(p256).seal(t, `{"sub":"subject"}`) }, false},
		{"for another key", func(s string) string { return to(lyingop.RSA().Signer).seal(t, s) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.RawToken = func(raw string) string { return to(p256).seal(t, raw) }
			signed := lyingop.RSA().Sign(strings.ReplaceAll(`{"iss":"ISS","aud":"client","sub":"subject","nickname":"Al"}`, "ISS", op.URL), nil)
			op.Replace("/userinfo", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/jwt")
				_, _ = w.Write([]byte(tc.body(signed)))
			})
			id, err := op.exchange(op.provider(func(c *Config) { c.IDTokenKey, c.Userinfo = pkcs8(p256), "on" }))
			if tc.ok != (err == nil) || tc.ok && id.Profile["nickname"] != "Al" || !tc.ok && ReasonOf(err) != ReasonUserinfo {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
}

func TestPublicKeys(t *testing.T) {
	op := newEvil(t)
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   []string // use, kid and alg of each
	}{
		{"no keys", func(c *Config) {}, nil},
		{"a key that signs", func(c *Config) { c.ClientKey, c.ClientKeyID = pkcs8(edKey()), "s" }, []string{"sig s EdDSA"}},
		{"RSA", func(c *Config) { c.ClientKey, c.ClientKeyID = pkcs8(lyingop.RSA().Signer), "s" }, []string{"sig s "}},
		{"a key that authenticates nobody", func(c *Config) { c.ClientAuth, c.ClientKey = "basic", pkcs8(edKey()) }, nil},
		{"a key that decrypts", func(c *Config) { c.IDTokenKey, c.IDTokenKeyID = pkcs8(lyingop.RSA().Signer), "e" }, []string{"enc e "}},
		{"both", func(c *Config) {
			c.ClientKey, c.ClientKeyID, c.IDTokenKey, c.IDTokenKeyID = pkcs8(ecOn(elliptic.P256())), "s", pkcs8(ecOn(elliptic.P384())), "e"
		}, []string{"sig s ES256", "enc e "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := op.provider(tc.change).(KeyHolder).PublicKeys()
			if tc.want == nil {
				if text != nil {
					t.Errorf("%s", text)
				}
				return
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != len(tc.want) {
				t.Fatalf("%s: %v", text, err)
			}
			for i, k := range set.Keys {
				if got := k.Use + " " + k.KeyID + " " + k.Algorithm; got != tc.want[i] || !k.IsPublic() {
					t.Errorf("key %d is %q", i, got)
				}
			}
			for _, private := range []string{`"d":`, `"p":`, `"q":`, `"dp":`, `"k":`} {
				if strings.Contains(string(text), private) {
					t.Errorf("a private part: %s", text)
				}
			}
		})
	}
}

func FuzzDecrypt(f *testing.F) {
	rsa2048, p256 := lyingop.RSA().Signer, ecOn(elliptic.P256())
	nested := lyingop.RSA().Sign(`{"sub":"x"}`, nil)
	zipped := to(p256)
	zipped.zip = jose.DEFLATE
	for _, raw := range []string{
		to(rsa2048).seal(f, nested), to(p256).seal(f, nested), zipped.seal(f, nested), to(p256).seal(f, "{}"), "....", nested,
	} {
		f.Add(raw)
	}
	keys := []*clientKey{{private: rsa2048.(*rsa.PrivateKey), kid: "r"}, {private: p256, kid: "e"}}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, k := range keys {
			got, err := k.decrypt(raw)
			if err == nil && strings.Count(got, ".") != 2 {
				t.Fatalf("%q", got)
			}
			if err != nil && (len(err.Error()) > 1000 || got != "") {
				t.Fatalf("%q, %v", got, err)
			}
		}
	})
}
