package caddyauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
)

// keyFile writes a private key and returns the file and what is in it.
func keyFile(t testing.TB, key any) (path, text string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	path = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, text
}

func signingKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestClientKeysArePublished(t *testing.T) {
	sign := signingKey(t)
	enc, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signFile, _ := keyFile(t, sign)
	jwk, err := json.Marshal(jose.JSONWebKey{Key: enc, KeyID: "enc-1"})
	if err != nil {
		t.Fatal(err)
	}
	encFile := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(encFile, append(jwk, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider oidc https://id.example.com as keyed {
			client_id abc
			client_auth private_key_jwt {file.`+signFile+`} sign-1
			id_token_key {file.`+encFile+`}
		}
		provider oidc https://id.example.net as plain {
			client_id abc
			client_secret def
		}
		allow any
	}
}
`)
	b := s.browser()
	r := b.get("/api/auth/jwks/keyed")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(r.body), &set); err != nil || r.StatusCode != 200 || len(set.Keys) != 2 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	if got := r.Header.Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("Content-Type %q", got)
	}
	for i, want := range []string{"sig sign-1 EdDSA", "enc enc-1 "} {
		k := set.Keys[i]
		if got := k.Use + " " + k.KeyID + " " + k.Algorithm; got != want || !k.IsPublic() {
			t.Errorf("key %d is %q, want %q", i, got, want)
		}
	}
	if strings.Contains(r.body, `"d"`) {
		t.Errorf("a private key: %s", r.body)
	}
	for _, elsewhere := range []string{"/api/auth/jwks/plain", "/api/auth/jwks/", "/api/auth/jwks/keyed/x", "/api/auth/jwks/%6beyed"} {
		if r := b.get(elsewhere); r.StatusCode == 200 {
			t.Errorf("%s: %d %s", elsewhere, r.StatusCode, r.body)
		}
	}
	if r := b.do("POST", "/api/auth/jwks/keyed", nil); r.StatusCode != 405 {
		t.Errorf("POST: %d", r.StatusCode)
	}
}

func TestClientKeyMistakes(t *testing.T) {
	_, text := keyFile(t, signingKey(t))
	body := strings.Split(text, "\n")[1]
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte(strings.Replace(text, "-----END", body+"-----END", 1)+"more"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLIENT_KEY_TEST", "no key at all")
	for _, c := range []struct{ name, lines, want string }{
		{"unset", "client_auth private_key_jwt {env.CLIENT_KEY_UNSET}", "provider sso: client_key: "},
		{"no key", "client_auth private_key_jwt {env.CLIENT_KEY_TEST}", "provider sso: client_key: the key is neither PEM nor a JWK"},
		{"a path", "client_auth private_key_jwt /etc/key.pem", "for a file write {file./path/to/key.pem}"},
		{"broken", "client_auth private_key_jwt {file." + broken + "}", "provider sso: client_key: "},
		{"a JWK written out, cut", "client_auth private_key_jwt `{\"kty\":\"OKP\",\"d\":\"" + body + "\"`", "no JSON object"},
		{"a JWK in brackets", "client_auth private_key_jwt `[{\"kty\":\"OKP\",\"d\":\"" + body + "\"}]`", "neither PEM nor a JWK"},
		{"id_token_key that signs only", "client_secret x\nid_token_key `" + text + "`", "nothing can be decrypted"},
		{"short secret", "client_auth client_secret_jwt\nclient_secret short", "at least 32 bytes, this one has 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := loadError(t, "", `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider oidc https://id.example.com as sso {
			client_id abc
			`+c.lines+`
		}
		allow any
	}
}
`)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), body[:12]) || strings.Count(err.Error(), "provider sso:") != 1 {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestFormPostNeedsHTTPS(t *testing.T) {
	for url, want := range map[string]string{
		"http://app.example.com":  "provider 'sso': response_mode form_post needs https, and this site is http://app.example.com",
		"https://app.example.com": "",
		"http://localhost:8080":   "",
	} {
		t.Run(url, func(t *testing.T) {
			err := loadError(t, "", `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		url `+url+`
		provider oidc https://id.example.com as sso {
			client_id abc
			client_secret def
			response_mode form_post
		}
		allow any
	}
}
`)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}
