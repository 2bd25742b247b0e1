package authapi

import (
	"testing"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// Every reason for a failure has a text for people.
func TestReasonsHaveTexts(t *testing.T) {
	for _, r := range append(Reasons(), provider.Reasons()...) {
		if !page.KnownReason(string(r)) {
			t.Errorf("page does not explain %q", r)
		}
	}
	for _, gone := range []string{"pkce_invalid", "nonce_invalid", "redirect_uri_mismatch", "credentials"} {
		if page.KnownReason(gone) {
			t.Errorf("page explains %q, which nobody says", gone)
		}
	}
}
