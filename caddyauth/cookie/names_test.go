package cookie

import (
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

func TestNewNames(t *testing.T) {
	for _, tt := range []struct {
		dialect dialect.Dialect
		prefix  string
		secure  bool
		want    Names
	}{
		{dialect.V4, "", false, Names{
			Session: "next-auth.session-token", CSRF: "next-auth.csrf-token", CallbackURL: "next-auth.callback-url",
			State: "next-auth.state", PKCE: "next-auth.pkce.code_verifier", Nonce: "next-auth.nonce", Challenge: "next-auth.challenge", Notice: "next-auth.notice", Tokens: "next-auth.tokens", Handoff: "next-auth.handoff", Rounds: "next-auth.rounds", Leaving: "next-auth.leaving", Prompt: "next-auth.prompt",
			ChunkSize: 3933, owned: "next-auth.",
		}},
		{dialect.V4, "next-auth", true, Names{
			Session: "__Secure-next-auth.session-token", CSRF: "__Host-next-auth.csrf-token", CallbackURL: "__Secure-next-auth.callback-url",
			State: "__Secure-next-auth.state", PKCE: "__Secure-next-auth.pkce.code_verifier", Nonce: "__Secure-next-auth.nonce", Challenge: "__Secure-next-auth.challenge", Notice: "__Secure-next-auth.notice", Tokens: "__Secure-next-auth.tokens", Handoff: "__Host-next-auth.handoff", Rounds: "__Secure-next-auth.rounds", Leaving: "__Secure-next-auth.leaving", Prompt: "__Secure-next-auth.prompt",
			Secure: true, ChunkSize: 3933, owned: "next-auth.",
		}},
		{dialect.V4, "gate", true, Names{
			Session: "__Secure-gate.session-token", CSRF: "__Host-gate.csrf-token", CallbackURL: "__Secure-gate.callback-url",
			State: "__Secure-gate.state", PKCE: "__Secure-gate.pkce.code_verifier", Nonce: "__Secure-gate.nonce", Challenge: "__Secure-gate.challenge", Notice: "__Secure-gate.notice", Tokens: "__Secure-gate.tokens", Handoff: "__Host-gate.handoff", Rounds: "__Secure-gate.rounds", Leaving: "__Secure-gate.leaving", Prompt: "__Secure-gate.prompt",
			Secure: true, ChunkSize: 3933, owned: "gate.",
		}},
		{dialect.V5, "", false, Names{
			Session: "authjs.session-token", CSRF: "authjs.csrf-token", CallbackURL: "authjs.callback-url",
			State: "authjs.state", PKCE: "authjs.pkce.code_verifier", Nonce: "authjs.nonce", Challenge: "authjs.challenge", Notice: "authjs.notice", Tokens: "authjs.tokens", Handoff: "authjs.handoff", Rounds: "authjs.rounds", Leaving: "authjs.leaving", Prompt: "authjs.prompt",
			ChunkSize: 3936, owned: "authjs.",
		}},
		{dialect.V5, "", true, Names{
			Session: "__Secure-authjs.session-token", CSRF: "__Host-authjs.csrf-token", CallbackURL: "__Secure-authjs.callback-url",
			State: "__Secure-authjs.state", PKCE: "__Secure-authjs.pkce.code_verifier", Nonce: "__Secure-authjs.nonce", Challenge: "__Secure-authjs.challenge", Notice: "__Secure-authjs.notice", Tokens: "__Secure-authjs.tokens", Handoff: "__Host-authjs.handoff", Rounds: "__Secure-authjs.rounds", Leaving: "__Secure-authjs.leaving", Prompt: "__Secure-authjs.prompt",
			Secure: true, ChunkSize: 3936, owned: "authjs.",
		}},
		{dialect.V5, "gate", false, Names{
			Session: "gate.session-token", CSRF: "gate.csrf-token", CallbackURL: "gate.callback-url",
			State: "gate.state", PKCE: "gate.pkce.code_verifier", Nonce: "gate.nonce", Challenge: "gate.challenge", Notice: "gate.notice", Tokens: "gate.tokens", Handoff: "gate.handoff", Rounds: "gate.rounds", Leaving: "gate.leaving", Prompt: "gate.prompt",
			ChunkSize: 3936, owned: "gate.",
		}},
	} {
		got := NewNames(tt.dialect, tt.prefix, tt.secure)
		if got != tt.want {
			t.Errorf("NewNames(%s, %q, %v) = %+v", tt.dialect, tt.prefix, tt.secure, got)
		}
		for _, name := range []string{got.Session, got.CSRF, got.CallbackURL, got.State, got.PKCE, got.Nonce, got.Challenge, got.Notice, got.Tokens, got.Handoff, got.Rounds, got.Leaving, got.Prompt} {
			if !got.Owned(name) {
				t.Errorf("%s is not owned", name)
			}
		}
	}
}

// TestDialectsOwnTheirCookies: beside each other on one site, each leaves the
// other's cookies alone.
func TestDialectsOwnTheirCookies(t *testing.T) {
	for _, secure := range []bool{false, true} {
		v4, v5 := NewNames(dialect.V4, "", secure), NewNames(dialect.V5, "", secure)
		for _, name := range []string{v4.Session, v4.Session + ".0", v4.CSRF, v4.CallbackURL, v4.State, v4.PKCE, v4.Nonce, v4.Challenge, v4.Notice} {
			if !v4.Owned(name) || v5.Owned(name) {
				t.Errorf("%s: v4 %v, v5 %v", name, v4.Owned(name), v5.Owned(name))
			}
		}
		for _, name := range []string{v5.Session, v5.Session + ".0", v5.CSRF, v5.CallbackURL, v5.State, v5.PKCE, v5.Nonce, v5.Challenge, v5.Notice} {
			if v4.Owned(name) || !v5.Owned(name) {
				t.Errorf("%s: v4 %v, v5 %v", name, v4.Owned(name), v5.Owned(name))
			}
		}
	}
}

func TestOwned(t *testing.T) {
	n := NewNames(dialect.V4, "", true)
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
