package provider

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

func keysOf(signers ...signer) func() any {
	return func() any {
		var set jose.JSONWebKeySet
		for _, s := range signers {
			set.Keys = append(set.Keys, s.public())
		}
		return set
	}
}

func fail(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", status) }
}

func TestKeyRotation(t *testing.T) {
	t.Run("IDP-01 oidcc-client-test-signing-key-rotation-just-before-signing", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.wait(refetchFloor)
		op.sign, op.jwks = otherRSA(), keysOf(otherRSA())
		if _, err := op.exchange(p); err != nil {
			t.Error(err)
		}
		if n := op.count("/jwks"); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
	t.Run("IDP-02 the old key is gone", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.wait(refetchFloor)
		op.sign, op.jwks = otherRSA(), keysOf(otherRSA())
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.sign = rsaKey()
		if _, err := op.exchange(p); ReasonOf(err) != ReasonIDToken {
			t.Errorf("a removed key still counts: %v", err)
		}
	})
	t.Run("rotated under the same id", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.wait(refetchFloor)
		op.sign = signer{"rsa", jose.RS256, otherRSA().key}
		op.jwks = keysOf(op.sign)
		if _, err := op.exchange(p); err != nil {
			t.Error(err)
		}
	})
	t.Run("a key that was removed is forgotten after an hour", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.jwks = keysOf(otherRSA())
		op.wait(freshFor)
		op.claims = func(m map[string]any) { m["iat"], m["exp"] = op.clock().Unix(), op.clock().Unix()+60 }
		if _, err := op.exchange(p); ReasonOf(err) != ReasonIDToken {
			t.Errorf("got %v", err)
		}
	})
	t.Run("oidcc-client-test-discovery-jwks-uri-keys, the keys move", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.mux.HandleFunc("/moved", func(w http.ResponseWriter, _ *http.Request) { op.json(w, keysOf(otherRSA())()) })
		op.metadata, op.sign = set("jwks_uri", op.URL+"/moved"), otherRSA()
		op.replace("/jwks", fail(http.StatusNotFound))
		op.wait(refetchFloor)
		if _, err := op.exchange(p); err == nil {
			t.Fatal("the new keys cannot be known yet")
		}
		if _, err := op.exchange(p); err != nil {
			t.Errorf("discovery was not repeated: %v", err)
		}
	})
}

// A storm of made-up key ids costs the provider one request in refetchFloor.
func TestUnknownKeyStorm(t *testing.T) {
	op := newEvil(t)
	p := op.provider(nil)
	if _, err := op.exchange(p); err != nil {
		t.Fatal(err)
	}
	storm := func() {
		var wg sync.WaitGroup
		for i := range 50 {
			token := signer{fmt.Sprint("made-up-", i), jose.RS256, otherRSA().key}.sign(t, "{}", nil)
			wg.Go(func() {
				keys := p.(*oauthProvider)
				_, err := (&keySet{cache: keys.cache.forJWKS(op.URL + "/jwks"), fetch: keys.signingKeys(op.URL + "/jwks"), algs: []string{"RS256"}}).VerifySignature(t.Context(), token)
				if err == nil {
					t.Error("a made-up key verified")
				}
			})
		}
		wg.Wait()
	}
	storm()
	if n := op.count("/jwks"); n != 1 {
		t.Errorf("%d fetches right after the first", n)
	}
	op.wait(refetchFloor)
	storm()
	if n := op.count("/jwks"); n != 2 {
		t.Errorf("%d fetches after the floor, want 2", n)
	}
}

func TestKeyWithoutID(t *testing.T) {
	unnamed := func(s signer) signer { s.kid = ""; return s }
	for _, tc := range []struct {
		name string
		keys func() any
		sign signer
		ok   bool
	}{
		{"IDP-03 oidcc-client-test-kid-absent-single-jwks", keysOf(rsaKey()), unnamed(rsaKey()), true},
		{"IDP-03 oidcc-client-test-kid-absent-multiple-jwks", keysOf(ecKey(), otherRSA(), rsaKey()), unnamed(rsaKey()), true},
		{"IDP-03 keys without an id, token with one", keysOf(unnamed(rsaKey())), rsaKey(), false},
		{"IDP-03 tries are bounded", func() any {
			set := keysOf(unnamed(otherRSA()))().(jose.JSONWebKeySet)
			for len(set.Keys) < maxTries {
				set.Keys = append(set.Keys, set.Keys[0])
			}
			set.Keys = append(set.Keys, rsaKey().public())
			return set
		}, unnamed(rsaKey()), false},
		{"IDP-04 duplicate kid, the second is right", keysOf(signer{"rsa", jose.RS256, otherRSA().key}, rsaKey()), rsaKey(), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.jwks, op.sign = tc.keys, tc.sign
			if _, err := op.exchange(op.provider(nil)); (err == nil) != tc.ok {
				t.Error(err)
			}
		})
	}
}

func TestUnusableKeys(t *testing.T) {
	good, _ := json.Marshal(rsaKey().public())
	private, _ := json.Marshal(jose.JSONWebKey{KeyID: "rsa", Key: rsaKey().key})
	change := func(name string, v any) json.RawMessage {
		var m map[string]any
		_ = json.Unmarshal(good, &m)
		m[name] = v
		b, _ := json.Marshal(m)
		return b
	}
	weak, _ := json.Marshal(weakRSA().public())
	huge, _ := json.Marshal(jose.JSONWebKey{Key: &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(3), 16000), E: 65537}})
	for _, tc := range []struct {
		name string
		key  json.RawMessage
		ok   bool
	}{
		{"good", good, true},
		{"IDP-04 no use and no alg", change("use", ""), true},
		{"IDP-04 for encryption", change("use", "enc"), false},
		{"IDP-04 weak RSA", weak, false},
		{"IDP-04 enormous RSA", huge, false},
		{"IDP-04 symmetric", json.RawMessage(`{"kty":"oct","k":"c2VjcmV0","kid":"rsa"}`), false},
		{"IDP-04 private", private, false},
		{"IDP-04 of an unknown type", json.RawMessage(`{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`), false},
		{"IDP-04 damaged", json.RawMessage(`{"kty":"RSA","n":"!","e":"AQAB"}`), false},
		{"IDP-04 no object", json.RawMessage(`"key"`), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			keys, err := parseKeys([]byte(`{"keys":[` + string(tc.key) + `]}`))
			if (err == nil) != tc.ok || len(keys) > 1 {
				t.Errorf("%d keys, %v", len(keys), err)
			}
			// One bad key must not cost the good ones.
			if keys, err = parseKeys([]byte(`{"keys":[` + string(tc.key) + `,` + string(good) + `]}`)); err != nil {
				t.Errorf("the good key is lost: %d keys, %v", len(keys), err)
			}
		})
	}
	t.Run("IDP-04 alg of the key is another", func(t *testing.T) {
		op := newEvil(t)
		op.jwks = func() any { return map[string]any{"keys": []any{change("alg", "PS256")}} }
		if _, err := op.exchange(op.provider(nil)); ReasonOf(err) != ReasonIDToken {
			t.Error(err)
		}
	})
	for _, body := range []string{``, `{}`, `{"keys":[]}`, `{"keys":null}`, `[]`, `{"keys":{}}`, `{"keys":[]} x`} {
		if _, err := parseKeys([]byte(body)); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}

func TestKeyOutage(t *testing.T) {
	op := newEvil(t)
	p := op.provider(nil)
	if _, err := op.exchange(p); err != nil {
		t.Fatal(err)
	}
	op.claims = func(m map[string]any) { m["iat"], m["exp"] = op.clock().Unix(), op.clock().Unix()+60 }
	op.replace("/jwks", fail(http.StatusInternalServerError))
	for _, tc := range []struct {
		name   string
		wait   time.Duration
		reason Reason
	}{
		{"IDP-05 cached keys are fresh", time.Minute, ""},
		{"IDP-05 cached keys are stale", 2 * time.Hour, ""},
		{"IDP-05 cached keys are nearly a day old", 21 * time.Hour, ""},
		{"IDP-05 cached keys are too old", 2 * time.Hour, ReasonUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op.wait(tc.wait)
			if _, err := op.exchange(p); ReasonOf(err) != tc.reason {
				t.Errorf("%v, want %q", err, tc.reason)
			}
		})
	}
	t.Run("IDP-05 unknown kid during an outage", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.replace("/jwks", fail(http.StatusBadGateway))
		op.wait(refetchFloor)
		op.sign = otherRSA()
		if _, err := op.exchange(p); ReasonOf(err) != ReasonIDToken {
			t.Errorf("unknown key: %v", err)
		}
		op.sign = rsaKey()
		if _, err := op.exchange(p); err != nil {
			t.Errorf("known key: %v", err)
		}
	})
}
