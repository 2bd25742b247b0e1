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

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

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
		op.Key, op.JWKS = lyingop.OtherRSA(), lyingop.KeysOf(lyingop.OtherRSA())
		if _, err := op.exchange(p); err != nil {
			t.Error(err)
		}
		if n := op.Count("/jwks"); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
	t.Run("IDP-01 right after the keys were fetched, and again", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.Key, op.JWKS = lyingop.OtherRSA(), lyingop.KeysOf(lyingop.OtherRSA())
		if _, err := op.exchange(p); err != nil {
			t.Error(err)
		}
		third := lyingop.OtherRSA().Named("third")
		op.Key, op.JWKS = third, lyingop.KeysOf(third)
		if _, err := op.exchange(p); ReasonOf(err) != ReasonIDToken {
			t.Errorf("no floor: %v", err)
		}
		op.wait(refetchFloor)
		if _, err := op.exchange(p); err != nil {
			t.Error(err)
		}
	})
	t.Run("IDP-02 the old key is gone", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.wait(refetchFloor)
		op.Key, op.JWKS = lyingop.OtherRSA(), lyingop.KeysOf(lyingop.OtherRSA())
		if _, err := op.exchange(p); err != nil {
			t.Fatal(err)
		}
		op.Key = lyingop.RSA()
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
		op.Key = lyingop.OtherRSA().Named("rsa")
		op.JWKS = lyingop.KeysOf(op.Key)
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
		op.JWKS = lyingop.KeysOf(lyingop.OtherRSA())
		op.wait(freshFor)
		op.Claims = func(m map[string]any) { m["iat"], m["exp"] = op.clock().Unix(), op.clock().Unix()+60 }
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
		op.Replace("/moved", func(w http.ResponseWriter, _ *http.Request) {
			lyingop.WriteJSON(w, lyingop.KeysOf(lyingop.OtherRSA())())
		})
		op.Metadata, op.Key = lyingop.Set("jwks_uri", op.URL+"/moved"), lyingop.OtherRSA()
		op.Replace("/jwks", fail(http.StatusNotFound))
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
			token := lyingop.OtherRSA().Named(fmt.Sprint("made-up-", i)).Sign("{}", nil)
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
	storm()
	if n := op.Count("/jwks"); n != 2 {
		t.Errorf("%d fetches before the floor, want 2", n)
	}
	op.wait(refetchFloor)
	storm()
	storm()
	if n := op.Count("/jwks"); n != 3 {
		t.Errorf("%d fetches after the floor, want 3", n)
	}
}

func TestKeyWithoutID(t *testing.T) {
	unnamed := func(k lyingop.Key) lyingop.Key { return k.Named("") }
	for _, tc := range []struct {
		name string
		keys func() any
		sign lyingop.Key
		ok   bool
	}{
		{"IDP-03 oidcc-client-test-kid-absent-single-jwks", lyingop.KeysOf(lyingop.RSA()), unnamed(lyingop.RSA()), true},
		{"IDP-03 oidcc-client-test-kid-absent-multiple-jwks", lyingop.KeysOf(lyingop.EC(), lyingop.OtherRSA(), lyingop.RSA()), unnamed(lyingop.RSA()), true},
		{"IDP-03 keys without an id, token with one", lyingop.KeysOf(unnamed(lyingop.RSA())), lyingop.RSA(), false},
		{"IDP-03 tries are bounded", func() any {
			set := lyingop.KeysOf(unnamed(lyingop.OtherRSA()))().(jose.JSONWebKeySet)
			for len(set.Keys) < maxTries {
				set.Keys = append(set.Keys, set.Keys[0])
			}
			set.Keys = append(set.Keys, lyingop.RSA().Public())
			return set
		}, unnamed(lyingop.RSA()), false},
		{"IDP-04 duplicate kid, the second is right", lyingop.KeysOf(lyingop.OtherRSA().Named("rsa"), lyingop.RSA()), lyingop.RSA(), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.JWKS, op.Key = tc.keys, tc.sign
			if _, err := op.exchange(op.provider(nil)); (err == nil) != tc.ok {
				t.Error(err)
			}
		})
	}
}

func TestUnusableKeys(t *testing.T) {
	good, _ := json.Marshal(lyingop.RSA().Public())
	private, _ := json.Marshal(jose.JSONWebKey{KeyID: "rsa", Key: lyingop.RSA().Signer})
	change := func(name string, v any) json.RawMessage {
		var m map[string]any
		_ = json.Unmarshal(good, &m)
		m[name] = v
		b, _ := json.Marshal(m)
		return b
	}
	weak, _ := json.Marshal(lyingop.WeakRSA().Public())
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
		op.JWKS = func() any { return map[string]any{"keys": []any{change("alg", "PS256")}} }
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
	op.Claims = func(m map[string]any) { m["iat"], m["exp"] = op.clock().Unix(), op.clock().Unix()+60 }
	op.Replace("/jwks", fail(http.StatusInternalServerError))
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
		op.Replace("/jwks", fail(http.StatusBadGateway))
		op.wait(refetchFloor)
		op.Key = lyingop.OtherRSA()
		if _, err := op.exchange(p); ReasonOf(err) != ReasonIDToken {
			t.Errorf("unknown key: %v", err)
		}
		op.Key = lyingop.RSA()
		if _, err := op.exchange(p); err != nil {
			t.Errorf("known key: %v", err)
		}
	})
}
