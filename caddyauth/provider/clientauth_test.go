package provider

import (
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
)

const longSecret = "a secret of 32 bytes and more, +%/é"

// tokenForms makes an issuer keep the forms that it gets at some paths.
func tokenForms(op *evilOP, paths ...string) func() []url.Values {
	var (
		mu    sync.Mutex
		forms []url.Values
	)
	op.Tap = func(path string, r *http.Request) {
		for _, p := range paths {
			if p == path {
				_ = r.ParseForm()
				mu.Lock()
				forms = append(forms, r.PostForm)
				mu.Unlock()
			}
		}
	}
	return func() []url.Values {
		mu.Lock()
		defer mu.Unlock()
		return forms
	}
}

// assertionClaims verifies a client assertion and returns its claims and header.
func assertionClaims(t *testing.T, form url.Values, alg jose.SignatureAlgorithm, key any) (map[string]any, jose.Header) {
	t.Helper()
	if form.Get("client_assertion_type") != assertionType || form.Has("client_secret") || form.Get("client_id") != evilClient {
		t.Fatalf("form %v", form)
	}
	jws, err := jose.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := decodeObject(payload)
	if err != nil {
		t.Fatal(err)
	}
	return claims, jws.Signatures[0].Header
}

func TestClientAssertions(t *testing.T) {
	rsa2048, p256, ed := lyingop.RSA().Signer, ecOn(elliptic.P256()), edKey()
	const tokenURL = "the token endpoint"
	for _, tc := range []struct {
		name   string
		change func(*Config)
		known  []string // of discovery
		alg    jose.SignatureAlgorithm
		key    any
		aud    string
	}{
		{"private_key_jwt RS256", func(c *Config) { c.ClientAuth, c.ClientKey = "private_key_jwt", pkcs8(rsa2048) }, nil, jose.RS256, rsa2048.Public(), ""},
		{"private_key_jwt PS256", func(c *Config) { c.ClientAuth, c.ClientKey = "private_key_jwt", pkcs8(rsa2048) }, []string{"PS256", "ES256"}, jose.PS256, rsa2048.Public(), ""},
		{"private_key_jwt ES256", func(c *Config) { c.ClientAuth, c.ClientKey = "private_key_jwt", pkcs8(p256) }, nil, jose.ES256, p256.Public(), ""},
		{"private_key_jwt EdDSA", func(c *Config) { c.ClientAuth, c.ClientKey = "private_key_jwt", pkcs8(ed) }, nil, jose.EdDSA, ed.Public(), ""},
		{"a key and nothing else", func(c *Config) { c.ClientKey, c.ClientSecret = pkcs8(ed), "" }, nil, jose.EdDSA, ed.Public(), ""},
		{"client_secret_jwt", func(c *Config) { c.ClientAuth = "client_secret_jwt" }, nil, jose.HS256, []byte(longSecret), ""},
		{"another audience", func(c *Config) { c.ClientKey, c.ClientAssertionAudience = pkcs8(ed), tokenURL }, nil, jose.EdDSA, ed.Public(), tokenURL},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Metadata = lyingop.Set("token_endpoint_auth_signing_alg_values_supported", tc.known)
			op.Response = func(m map[string]any) { m["refresh_token"] = "r" }
			forms := tokenForms(op, "/token")
			p := op.provider(func(c *Config) {
				c.ClientSecret, c.ClientKeyID = longSecret, "the kid"
				tc.change(c)
				if c.ClientKey == "" {
					c.ClientKeyID = ""
				}
				c.ClientAssertionAudience = strings.ReplaceAll(c.ClientAssertionAudience, tokenURL, op.URL+"/token")
			})
			if _, err := op.exchange(p); err != nil {
				t.Fatal(err)
			}
			if _, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: "r", Said: Said{Subject: "subject", Nonce: evilNonce}}); err != nil {
				t.Fatal(err)
			}
			seen := map[any]bool{}
			for i, form := range forms() {
				claims, header := assertionClaims(t, form, tc.alg, tc.key)
				aud := op.URL
				if tc.aud != "" {
					aud = op.URL + "/token"
				}
				iat, _ := numericDate(claims["iat"])
				exp, _ := numericDate(claims["exp"])
				if claims["iss"] != evilClient || claims["sub"] != evilClient || claims["aud"] != aud {
					t.Errorf("claims %v", claims)
				}
				if !iat.Equal(theTime) || exp.Sub(iat) > time.Minute || !exp.After(iat) {
					t.Errorf("from %v to %v", iat, exp)
				}
				if jti, _ := claims["jti"].(string); len(jti) < 20 || seen[jti] {
					t.Errorf("request %d: jti %q", i, jti)
				}
				seen[claims["jti"]] = true
				if want := map[bool]string{true: "", false: "the kid"}[tc.alg == jose.HS256]; header.KeyID != want {
					t.Errorf("kid %q", header.KeyID)
				}
				if form.Get("code") == "" && form.Get("refresh_token") == "" {
					t.Errorf("the grant is gone: %v", form)
				}
			}
			if n := len(forms()); n != 2 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestClientAuthByDiscovery(t *testing.T) {
	op := newEvil(t)
	op.Metadata = lyingop.Set("token_endpoint_auth_methods_supported", []string{"private_key_jwt", "client_secret_jwt"})
	forms := tokenForms(op, "/token")
	if _, err := op.exchange(op.provider(func(c *Config) { c.ClientSecret = longSecret })); err != nil {
		t.Fatal(err)
	}
	assertionClaims(t, forms()[0], jose.HS256, []byte(longSecret))
}

func TestShortSecretIsNoKey(t *testing.T) {
	op := newEvil(t)
	op.Metadata = lyingop.Set("token_endpoint_auth_methods_supported", []string{"client_secret_jwt"})
	_, err := op.exchange(op.provider(func(c *Config) { c.ClientSecret = "short" }))
	if err == nil || strings.Contains(err.Error(), "short secret") || op.Count("/token") != 0 {
		t.Errorf("%d requests, %v", op.Count("/token"), err)
	}
}

func TestPrivateKeyJWTWithRealProviders(t *testing.T) {
	for name, key := range map[string]crypto.Signer{
		"RS256": lyingop.RSA().Signer, "ES256": ecOn(elliptic.P256()), "EdDSA": edKey(),
	} {
		public := jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: name}
		test := func(t *testing.T, op *testop.OP) {
			cfg := configFor(op)
			cfg.ClientSecret, cfg.ClientAuth, cfg.ClientKey, cfg.ClientKeyID = "", "private_key_jwt", pkcs8(key), "k1"
			p := mustNew(t, cfg, Options{})
			if _, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice")); err != nil {
				t.Fatal(err)
			}
			cfg.ClientKey, cfg.PushedAuthorization = pkcs8(ecOn(elliptic.P256())), "off"
			p = mustNew(t, cfg, Options{})
			if _, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice")); err == nil {
				t.Error("another key does")
			}
		}
		if name != "EdDSA" { // zitadel does not verify that
			t.Run("zitadel "+name, func(t *testing.T) {
				op := testop.Start(t, testRedirect)
				op.UseKey(public)
				test(t, op)
			})
		}
		t.Run("oidc-provider "+name, func(t *testing.T) {
			test(t, testop.StartNode(t, testop.NodeOptions{Client: map[string]any{
				"token_endpoint_auth_method": "private_key_jwt", "jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}},
			}}, testRedirect))
		})
	}
}

func TestBasicIsFormEncoded(t *testing.T) {
	op := newEvil(t)
	var header string
	op.Tap = func(path string, r *http.Request) {
		if path == "/token" {
			header = r.Header.Get("Authorization")
		}
	}
	if _, err := op.exchange(op.provider(func(c *Config) { c.ClientSecret = "a b+%:é" })); err != nil {
		t.Fatal(err)
	}
	// RFC 6749, appendix B.
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("client:a+b%2B%25%3A%C3%A9")); header != want {
		t.Errorf("%q, want %q", header, want)
	}
}
