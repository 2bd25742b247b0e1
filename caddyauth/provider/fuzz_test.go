package provider

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func FuzzKeys(f *testing.F) {
	good, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.RSA().Public(), lyingop.EC().Public()}})
	f.Add(good)
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"},{"kty":"RSA","n":"AA","e":"AQAB"},null,1]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys(data)
		if err == nil && len(keys) == 0 || len(keys) > maxKeys {
			t.Fatalf("%d keys without an error", len(keys))
		}
		for _, k := range keys {
			if !usable(k) {
				t.Fatalf("an unusable key: %+v", k)
			}
		}
	})
}

func FuzzTokenHeader(f *testing.F) {
	f.Add(lyingop.Base64(`{"alg":"RS256","typ":"JWT"}`) + ".e30.c2ln")
	f.Add(lyingop.Base64(`{"alg":"none"}`) + ".e30.")
	f.Add(lyingop.Base64(`{"alg":"dir"}`) + "..a.b.c")
	f.Add("null.null.null")
	f.Fuzz(func(t *testing.T, raw string) {
		if checkTokenType(raw, []string{"RS256"}) != nil {
			return
		}
		first, _, _ := strings.Cut(raw, ".")
		decoded, err := base64.RawURLEncoding.DecodeString(first)
		if err != nil {
			t.Fatal(err)
		}
		var header map[string]any
		if err := json.Unmarshal(decoded, &header); err != nil || header["alg"] != "RS256" || strings.Count(raw, ".") == 4 {
			t.Fatalf("%s passes: %v", decoded, err)
		}
	})
}

func FuzzTokenResponse(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","token_type":"bearer","expires_in":"3600"}`), "application/json")
	f.Add([]byte(`access_token=a&token_type=bearer&expires_in=5`), "application/x-www-form-urlencoded; charset=utf-8")
	f.Add([]byte(`{"expires_in":1e400}`), "text/plain")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		m, ok := tokenObject(body, contentType)
		if !ok {
			return
		}
		tidyExpiry(m)
		if v, has := m["expires_in"]; has {
			if n, isInt := v.(int64); !isInt || n < 0 || n > 1<<31 {
				t.Fatalf("expires_in is %v", v)
			}
		}
		if _, err := json.Marshal(m); err != nil {
			t.Fatal(err)
		}
	})
}
