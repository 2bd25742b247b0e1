package cookie

import (
	"strings"
	"testing"
)

func TestNewNames(t *testing.T) {
	for _, tt := range []struct {
		prefix string
		secure bool
		want   Names
	}{
		{"", false, Names{
			Session: "next-auth.session-token", CSRF: "next-auth.csrf-token", CallbackURL: "next-auth.callback-url",
			State: "next-auth.state", PKCE: "next-auth.pkce.code_verifier", Nonce: "next-auth.nonce", Notice: "next-auth.notice",
			owned: "next-auth.",
		}},
		{"next-auth", true, Names{
			Session: "__Secure-next-auth.session-token", CSRF: "__Host-next-auth.csrf-token", CallbackURL: "__Secure-next-auth.callback-url",
			State: "__Secure-next-auth.state", PKCE: "__Secure-next-auth.pkce.code_verifier", Nonce: "__Secure-next-auth.nonce", Notice: "__Secure-next-auth.notice",
			Secure: true, owned: "next-auth.",
		}},
		{"gate", true, Names{
			Session: "__Secure-gate.session-token", CSRF: "__Host-gate.csrf-token", CallbackURL: "__Secure-gate.callback-url",
			State: "__Secure-gate.state", PKCE: "__Secure-gate.pkce.code_verifier", Nonce: "__Secure-gate.nonce", Notice: "__Secure-gate.notice",
			Secure: true, owned: "gate.",
		}},
	} {
		got := NewNames(tt.prefix, tt.secure)
		if got != tt.want {
			t.Errorf("NewNames(%q, %v) = %+v", tt.prefix, tt.secure, got)
		}
		for _, name := range []string{got.Session, got.CSRF, got.CallbackURL, got.State, got.PKCE, got.Nonce, got.Notice} {
			if !got.Owned(name) {
				t.Errorf("%s is not owned", name)
			}
		}
	}
}

func TestOwned(t *testing.T) {
	n := NewNames("", true)
	for name, want := range map[string]bool{
		"next-auth.session-token":                   true,
		"next-auth.session-token.0":                 true,
		"__Secure-next-auth.session-token.12":       true,
		"__Host-next-auth.anything":                 true,
		"next-auth.":                                true,
		"__Host-next-auth.csrf-token":               true,
		"next-auth":                                 false,
		"next-authx.session-token":                  false,
		"xnext-auth.session-token":                  false,
		"Next-Auth.session-token":                   false,
		"__secure-next-auth.session-token":          false,
		"__Secure-__Host-next-auth.session-token":   false,
		"__Secure-__Secure-next-auth.session-token": false,
		"authjs.session-token":                      false,
		"":                                          false,
		"__Secure-":                                 false,
		"theme":                                     false,
	} {
		if got := n.Owned(name); got != want {
			t.Errorf("Owned(%q) = %v", name, got)
		}
	}
	if (&Names{}).Owned("theme") {
		t.Error("the zero Names owns a cookie")
	}
}

func TestValidPrefix(t *testing.T) {
	for prefix, want := range map[string]bool{
		"next-auth": true, "authjs": true, "a": true, "my_app.v2": true, strings.Repeat("x", 64): true,
		"": false, "a b": false, "a=b": false, "a;b": false, "a,b": false, "é": false, "a\n": false, `"a"`: false, "a/b": false,
		"__Secure-x": false, "__Host-x": false, "__host-x": false, "__SECURE-": false, strings.Repeat("x", 65): false,
	} {
		if got := ValidPrefix(prefix); got != want {
			t.Errorf("ValidPrefix(%q) = %v", prefix, got)
		}
	}
}
