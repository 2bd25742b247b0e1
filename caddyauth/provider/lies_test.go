package provider

import (
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func publicPEM() []byte {
	der, _ := x509.MarshalPKIXPublicKey(lyingop.RSA().Signer.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// TestLies tells the client every lie a token can hold. Near misses have one
// character added, as in the OpenID Foundation's suite, whose module names the
// cases bear next to the ids of our own catalog.
func TestLies(t *testing.T) {
	now := theTime.Unix()
	for _, tc := range []struct {
		name   string
		lie    func(op *evilOP)
		reason Reason // empty: no lie, sign-in succeeds
	}{
		{"oidcc-client-test honest", func(op *evilOP) {}, ""},
		{"oidcc-client-test-invalid-iss", func(op *evilOP) { op.Claims = lyingop.Set("iss", op.URL+"1") }, ReasonIDToken},
		{"iss with a slash more", func(op *evilOP) { op.Claims = lyingop.Set("iss", op.URL+"/") }, ReasonIDToken},
		{"iss missing", func(op *evilOP) { op.Claims = lyingop.Set("iss", nil) }, ReasonIDToken},
		{"iss under another name", func(op *evilOP) {
			op.Claims = func(m map[string]any) { m["ISS"], m["iss"] = m["iss"], nil }
		}, ReasonIDToken},
		{"TOKEN-11 oidcc-client-test-invalid-aud", func(op *evilOP) { op.Claims = lyingop.Set("aud", evilClient+"1") }, ReasonIDToken},
		{"TOKEN-11 oidcc-client-test-missing-aud", func(op *evilOP) { op.Claims = lyingop.Set("aud", nil) }, ReasonIDToken},
		{"TOKEN-11 aud null", func(op *evilOP) { op.Claims = lyingop.Set("aud", json.RawMessage("null")) }, ReasonIDToken},
		{"TOKEN-11 aud empty", func(op *evilOP) { op.Claims = lyingop.Set("aud", "") }, ReasonIDToken},
		{"TOKEN-11 aud with a number", func(op *evilOP) { op.Claims = lyingop.Set("aud", []any{evilClient, 1}) }, ReasonIDToken},
		{"aud as a list of one", func(op *evilOP) { op.Claims = lyingop.Set("aud", []any{evilClient}) }, ""},
		{"TOKEN-09 aud array without azp", func(op *evilOP) { op.Claims = lyingop.Set("aud", []any{evilClient, "other"}) }, ReasonIDToken},
		{"TOKEN-09 aud array with azp", func(op *evilOP) {
			op.Claims = func(m map[string]any) { m["aud"], m["azp"] = []any{evilClient, "other"}, evilClient }
		}, ""},
		{"TOKEN-10 azp wrong", func(op *evilOP) { op.Claims = lyingop.Set("azp", "other") }, ReasonIDToken},
		{"TOKEN-10 azp of another type", func(op *evilOP) { op.Claims = lyingop.Set("azp", []any{evilClient}) }, ReasonIDToken},
		{"TOKEN-13 oidcc-client-test-missing-sub", func(op *evilOP) { op.Claims = lyingop.Set("sub", nil) }, ReasonIDToken},
		{"TOKEN-13 sub empty", func(op *evilOP) { op.Claims = lyingop.Set("sub", "") }, ReasonIDToken},
		{"TOKEN-13 sub of 255 bytes", func(op *evilOP) {
			op.Claims = lyingop.Set("sub", strings.Repeat("s", 255))
			op.Person["sub"] = strings.Repeat("s", 255)
		}, ""},
		{"TOKEN-13 sub too long", func(op *evilOP) { op.Claims = lyingop.Set("sub", strings.Repeat("s", 256)) }, ReasonIDToken},
		{"JWE-09 sub under another name", func(op *evilOP) {
			op.Claims = func(m map[string]any) { m["SUB"], m["sub"] = "admin", nil }
		}, ReasonIDToken},
		{"oidcc-client-test-missing-iat", func(op *evilOP) { op.Claims = lyingop.Set("iat", nil) }, ReasonIDToken},
		{"iat as a string", func(op *evilOP) { op.Claims = lyingop.Set("iat", fmt.Sprint(now)) }, ReasonIDToken},
		{"iat as a fraction", func(op *evilOP) { op.Claims = lyingop.Set("iat", float64(now)+0.5) }, ""},
		{"iat absurd", func(op *evilOP) { op.Claims = lyingop.Set("iat", 1e300) }, ReasonIDToken},
		{"TIME-01 iat 60 s ahead", func(op *evilOP) { op.Claims = lyingop.Set("iat", now+60) }, ""},
		{"TIME-01 iat 90 s ahead", func(op *evilOP) { op.Claims = lyingop.Set("iat", now+90) }, ReasonClock},
		{"exp missing", func(op *evilOP) { op.Claims = lyingop.Set("exp", nil) }, ReasonIDToken},
		{"exp negative", func(op *evilOP) { op.Claims = lyingop.Set("exp", -1) }, ReasonIDToken},
		{"TIME-01 expired 59 s ago", func(op *evilOP) { op.Claims = lyingop.Set("exp", now-59) }, ""},
		{"TIME-01 expired 60 s ago", func(op *evilOP) { op.Claims = lyingop.Set("exp", now-60) }, ReasonClock},
		{"TIME-02 exp after 2038", func(op *evilOP) { op.Claims = lyingop.Set("exp", int64(1)<<33) }, ""},
		{"nbf 50 s ahead", func(op *evilOP) { op.Claims = lyingop.Set("nbf", now+50) }, ""},
		{"nbf 90 s ahead", func(op *evilOP) { op.Claims = lyingop.Set("nbf", now+90) }, ReasonClock},
		{"nbf no number", func(op *evilOP) { op.Claims = lyingop.Set("nbf", true) }, ReasonIDToken},

		{"NONCE-01 oidcc-client-test-nonce-invalid", func(op *evilOP) { op.Claims = lyingop.Set("nonce", evilNonce+"1") }, ReasonNonce},
		{"NONCE-02 nonce missing", func(op *evilOP) { op.Claims = lyingop.Set("nonce", nil) }, ReasonNonce},
		{"NONCE-02 nonce null", func(op *evilOP) { op.Claims = lyingop.Set("nonce", json.RawMessage("null")) }, ReasonNonce},
		{"NONCE-02 nonce under another name", func(op *evilOP) {
			op.Claims = func(m map[string]any) { m["Nonce"], m["nonce"] = evilNonce, nil }
		}, ReasonNonce},
		{"nonce twice, the last wins", func(op *evilOP) {
			op.Payload = fmt.Sprintf(`{"iss":%q,"sub":"s","aud":"client","iat":%d,"exp":%d,"nonce":%q,"nonce":"x"}`, op.URL, now, now+9, evilNonce)
		}, ReasonNonce},

		{"TOKEN-15 oidcc-client-test-invalid-sig-rs256", func(op *evilOP) {
			op.RawToken = lyingop.Flip
		}, ReasonIDToken},
		{"TOKEN-15 another key under a known id", func(op *evilOP) {
			op.Key = lyingop.OtherRSA().Named("rsa")
		}, ReasonIDToken},
		{"TOKEN-15 payload replaced", func(op *evilOP) {
			op.RawToken = lyingop.Segments("", lyingop.Base64(`{"sub":"admin"}`), "")
		}, ReasonIDToken},
		{"TOKEN-16 oidcc-client-test-idtoken-sig-none", func(op *evilOP) {
			op.RawToken = lyingop.Unsigned
		}, ReasonIDToken},
		{"TOKEN-18 HS256 with the RSA public key", func(op *evilOP) { op.RawToken = lyingop.HS256(publicPEM()) }, ReasonIDToken},
		{"TOKEN-18 HS256 with the client secret", func(op *evilOP) { op.RawToken = lyingop.HS256([]byte("the secret")) }, ReasonIDToken},
		{"another algorithm that is advertised", func(op *evilOP) {
			op.Key = lyingop.EC()
			op.JWKS = func() any {
				return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.RSA().Public(), lyingop.EC().Public()}}
			}
		}, ReasonIDToken},
		{"TOKEN-19 encrypted", func(op *evilOP) {
			op.RawToken = func(string) string { return lyingop.Base64(`{"alg":"dir","enc":"A256GCM"}`) + "..a.b.c" }
		}, ReasonIDToken},
		{"TOKEN-19 not a token", func(op *evilOP) { op.RawToken = func(string) string { return "garbage" } }, ReasonIDToken},
		{"TOKEN-19 header null", func(op *evilOP) { op.RawToken = lyingop.Segments(lyingop.Base64("null"), "", "") }, ReasonIDToken},
		{"JSON serialization", func(op *evilOP) { op.RawToken = func(string) string { return `{"payload":"e30","signatures":[]}` } }, ReasonIDToken},
		{"white space in it", func(op *evilOP) { op.RawToken = func(raw string) string { return " " + raw } }, ReasonIDToken},
		{"critical extension", func(op *evilOP) { op.Header = map[string]any{"crit": []string{"x"}, "x": 1} }, ReasonIDToken},
		{"JWE-11 own key in the header", func(op *evilOP) {
			op.Key = lyingop.OtherRSA().Named("")
			op.Header = map[string]any{"jwk": lyingop.OtherRSA().Public(), "jku": op.URL + "/evil-keys"}
		}, ReasonIDToken},
		{"payload is no object", func(op *evilOP) { op.Payload = `[]` }, ReasonIDToken},
		{"payload is null", func(op *evilOP) { op.Payload = `null` }, ReasonIDToken},

		{"logout token by its type", func(op *evilOP) { op.Header = map[string]any{"typ": "logout+jwt"} }, ReasonIDToken},
		{"logout token by its event", func(op *evilOP) {
			op.Claims = lyingop.Set("events", map[string]any{logoutEvent: map[string]any{}})
		}, ReasonIDToken},
		{"access token by its type", func(op *evilOP) { op.Header = map[string]any{"typ": "application/AT+JWT"} }, ReasonIDToken},
		{"type in lower case", func(op *evilOP) { op.Header = map[string]any{"typ": "jwt"} }, ""},
		{"no type", func(op *evilOP) { op.Header = map[string]any{"typ": nil} }, ""},

		{"at_hash right", func(op *evilOP) { op.Claims = lyingop.Set("at_hash", lyingop.AtHash(evilAccess)) }, ""},
		{"TOKEN-20 CVE-2026-28498 oidcc-client-test-invalid-athash", func(op *evilOP) { op.Claims = lyingop.Set("at_hash", lyingop.AtHash("another")) }, ReasonIDToken},
		{"TOKEN-20 at_hash no string", func(op *evilOP) { op.Claims = lyingop.Set("at_hash", true) }, ReasonIDToken},
		{"TOKEN-20 at_hash empty", func(op *evilOP) { op.Claims = lyingop.Set("at_hash", "") }, ReasonIDToken},

		{"no id_token", func(op *evilOP) { op.Response = lyingop.Set("id_token", nil) }, ReasonIDToken},
		{"id_token no string", func(op *evilOP) { op.Response = lyingop.Set("id_token", map[string]any{}) }, ReasonIDToken},

		{"distributed claims are not fetched", func(op *evilOP) {
			op.Claims = func(m map[string]any) {
				m["_claim_names"] = map[string]any{"groups": "src"}
				m["_claim_sources"] = map[string]any{"src": map[string]any{"endpoint": op.URL + "/claims"}}
			}
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			tc.lie(op)
			id, err := op.exchange(op.provider(func(c *Config) { c.Userinfo = "on" }))
			if got := ReasonOf(err); got != tc.reason || (err == nil) != (tc.reason == "") {
				t.Fatalf("%v, want %q", err, tc.reason)
			}
			if n := op.Count("/token"); n != 1 {
				t.Errorf("%d token requests", n)
			}
			for _, path := range []string{"/claims", "/evil-keys"} {
				if op.Count(path) != 0 {
					t.Errorf("%s was asked", path)
				}
			}
			if tc.reason == "" {
				if id == nil || id.User.ID == "" {
					t.Errorf("identity %+v", id)
				}
				return
			}
			// The suite's way to see a rejection: no userinfo request follows.
			if op.Count("/userinfo") != 0 {
				t.Error("userinfo was asked with a bad ID token")
			}
			for _, secret := range []string{evilAccess, "the code", "the secret", evilNonce} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in the error %q", secret, err)
				}
			}
		})
	}
}

func TestNonceThatWasNotSent(t *testing.T) {
	without := func(c *Config) { c.Checks = []string{"pkce", "state"} }
	cb := evilCallback()
	cb.Nonce = ""
	t.Run("NONCE-03 present though none sent", func(t *testing.T) {
		op := newEvil(t)
		if _, err := op.provider(without).Exchange(t.Context(), cb); ReasonOf(err) != ReasonNonce {
			t.Error(err)
		}
	})
	t.Run("absent and none sent", func(t *testing.T) {
		op := newEvil(t)
		op.Claims = lyingop.Set("nonce", nil)
		if _, err := op.provider(without).Exchange(t.Context(), cb); err != nil {
			t.Error(err)
		}
	})
}

func TestMaxAge(t *testing.T) {
	for _, tc := range []struct {
		name string
		auth any
		ok   bool
	}{
		{"fresh", theTime.Unix() - 100, true},
		{"within the tolerance", theTime.Unix() - 650, true},
		{"too old", theTime.Unix() - 700, false},
		{"missing", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Claims = lyingop.Set("auth_time", tc.auth)
			id, err := op.exchange(op.provider(func(c *Config) { c.Params = map[string]string{"max_age": "600"} }))
			if (err == nil) != tc.ok {
				t.Fatal(err)
			}
			if tc.ok && id.AuthTime.Unix() != tc.auth {
				t.Errorf("auth time %v", id.AuthTime)
			}
		})
	}
}

// A clock error is the operator's to fix, so its text says which clock.
func TestClockMessages(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		local      time.Duration // how far our clock is off
		claims     func(map[string]any)
	}{
		{"ours is behind", "id_token was issued 312 s in the future: this host's clock is behind HOST by about 5m12s (its Date header agrees); check NTP", -312 * time.Second, nil},
		{"ours is ahead", "id_token expired 300 s ago: this host's clock is ahead of HOST by about 5m0s (its Date header does not agree: that may be a fault of the provider); check NTP", 600 * time.Second, nil},
		{"the token is wrong", "id_token was issued 1000 s in the future: this host's clock is behind HOST by about 16m40s (its Date header does not agree: that may be a fault of the provider); check NTP", 0, lyingop.Set("iat", theTime.Unix()+1000)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.wait(tc.local)
			op.Claims = tc.claims
			_, err := op.exchange(op.provider(nil))
			want := "clock_skew: " + strings.ReplaceAll(tc.want, "HOST", hostOf(op.URL))
			if err == nil || err.Error() != want {
				t.Errorf("\ngot  %v\nwant %s", err, want)
			}
		})
	}
}

func TestSigningAlgs(t *testing.T) {
	useEC := func(op *evilOP) {
		op.Key = lyingop.EC()
		op.JWKS = func() any { return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.EC().Public()}} }
	}
	t.Run("ES256 where the provider cannot do RS256", func(t *testing.T) {
		op := newEvil(t)
		useEC(op)
		op.Metadata = lyingop.Set("id_token_signing_alg_values_supported", []string{"none", "HS256", "ES256"})
		if _, err := op.exchange(op.provider(nil)); err != nil {
			t.Error(err)
		}
	})
	t.Run("ES256 where it is configured", func(t *testing.T) {
		op := newEvil(t)
		useEC(op)
		if _, err := op.exchange(op.provider(func(c *Config) { c.IDTokenAlg = []string{"ES256"} })); err != nil {
			t.Error(err)
		}
	})
	t.Run("ES256 where it is neither, with a hint", func(t *testing.T) {
		op := newEvil(t)
		useEC(op)
		if _, err := op.exchange(op.provider(nil)); err == nil || !strings.Contains(err.Error(), "write: id_token_alg ES256") {
			t.Error(err)
		}
	})
	t.Run("RS256 where ES256 is configured", func(t *testing.T) {
		op := newEvil(t)
		if _, err := op.exchange(op.provider(func(c *Config) { c.IDTokenAlg = []string{"ES256"} })); ReasonOf(err) != ReasonIDToken {
			t.Error(err)
		}
	})
	t.Run("TOKEN-16 only none and HS256 advertised", func(t *testing.T) {
		op := newEvil(t)
		op.Metadata = lyingop.Set("id_token_signing_alg_values_supported", []string{"none", "HS256"})
		if _, err := op.exchange(op.provider(nil)); ReasonOf(err) != ReasonDiscovery {
			t.Error(err)
		}
	})
	t.Run("nothing advertised means RS256", func(t *testing.T) {
		op := newEvil(t)
		op.Metadata = func(m map[string]any) { delete(m, "id_token_signing_alg_values_supported") }
		if _, err := op.exchange(op.provider(nil)); err != nil {
			t.Error(err)
		}
	})
}

// TOKEN-20: the hash is of the signature's algorithm, and there is one for each
// that is accepted.
func TestAccessTokenHashOfEdDSA(t *testing.T) {
	long := sha512.Sum512([]byte(evilAccess))
	for hash, ok := range map[string]bool{lyingop.Base64(long[:32]): true, lyingop.AtHash(evilAccess): false, "x": false} {
		op := newEvil(t)
		op.Key, op.JWKS = lyingop.Ed(), lyingop.KeysOf(lyingop.Ed())
		op.Claims = lyingop.Set("at_hash", hash)
		_, err := op.exchange(op.provider(func(c *Config) { c.IDTokenAlg = []string{"EdDSA"} }))
		if (err == nil) != ok {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

// Google may leave out the scheme, nobody else.
func TestGoogleIssuerWithoutScheme(t *testing.T) {
	c := idTokenCheck{issuer: "https://accounts.google.com", clientID: evilClient}
	claims := map[string]any{"iss": "accounts.google.com", "sub": "s", "aud": evilClient}
	if err := c.parties(claims); err != nil {
		t.Error(err)
	}
	c.issuer = "https://sso.example.com"
	claims["iss"] = "sso.example.com"
	if err := c.parties(claims); err == nil {
		t.Error("another provider may leave out the scheme")
	}
}
