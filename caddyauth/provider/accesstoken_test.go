package provider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func TestNewTokenIssuer(t *testing.T) {
	for _, c := range []struct{ issuer, jwks, want string }{
		{"https://op.example", "", ""},
		{"http://localhost:1/x", "http://127.0.0.1:2/keys", ""},
		{"", "", "issuer"},
		{"op.example", "", "issuer"},
		{"http://op.example", "", "https"},
		{"https://op.example?x", "", "query"},
		{"https://op.example#x", "", "fragment"},
		{"https://op.example", "http://op.example/keys", "jwks"},
		{"https://op.example", "file:///etc/passwd", "jwks"},
	} {
		_, err := NewTokenIssuer(TokenIssuerConfig{Issuer: c.issuer, JWKS: c.jwks}, Options{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: %v", c.issuer, c.jwks, err)
		}
	}
}

// An issuer of access tokens need not sign people in, and must not lead to the
// keys of somebody else.
func TestTokenIssuerMetadata(t *testing.T) {
	verify := func(op *evilOP, c TokenIssuerConfig) error {
		c.Issuer = op.URL
		p, err := NewTokenIssuer(c, Options{Now: op.clock})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.VerifyToken(t.Context(), lyingop.RSA().Sign("{}", nil), SigningAlgs())
		return err
	}
	op := newEvil(t)
	op.Metadata = func(m map[string]any) { delete(m, "authorization_endpoint"); delete(m, "token_endpoint") }
	if err := verify(op, TokenIssuerConfig{}); err != nil {
		t.Errorf("without the endpoints of a sign-in: %v", err)
	}
	op = newEvil(t)
	op.Metadata = lyingop.Set("jwks_uri", nil)
	if err := verify(op, TokenIssuerConfig{}); ReasonOf(err) != ReasonDiscovery {
		t.Errorf("no keys: %v", err)
	}
	if err := verify(op, TokenIssuerConfig{JWKS: op.URL + "/jwks"}); err != nil {
		t.Errorf("keys that are written down: %v", err)
	}
	op = newEvil(t)
	op.Metadata = lyingop.Set("issuer", "https://other.example")
	if err := verify(op, TokenIssuerConfig{}); ReasonOf(err) != ReasonIssuer {
		t.Errorf("IDP-10 another issuer's metadata: %v", err)
	}
	op = newEvil(t)
	op.Replace("/jwks", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:1/keys", http.StatusFound)
	})
	if err := verify(op, TokenIssuerConfig{}); ReasonOf(err) != ReasonKeys {
		t.Errorf("IDP-09 the keys are elsewhere: %v", err)
	}
}
