package provider

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/caddyauth/gateway/caddyauth/internal/testop"
)

const testRedirect = "https://app.example.com/api/auth/callback/op"

// flow is one sign-in with a real provider.
type flow struct {
	p        OAuth
	verifier string
	request  AuthorizationRequest
}

func newFlow(p OAuth) *flow {
	verifier := oauth2.GenerateVerifier()
	return &flow{p: p, verifier: verifier, request: AuthorizationRequest{
		RedirectURI: testRedirect, State: "the state", Nonce: "the nonce",
		CodeChallenge: oauth2.S256ChallengeFromVerifier(verifier),
	}}
}

// callback goes to the provider and back.
func (f *flow) callback(t *testing.T, op *testop.OP, username string) CallbackRequest {
	t.Helper()
	u, err := f.p.AuthorizationURL(t.Context(), f.request)
	if err != nil {
		t.Fatal(err)
	}
	back := op.SignIn(t, u, username)
	if got := back.Query().Get("state"); got != f.request.State {
		t.Fatalf("state came back as %q", got)
	}
	return CallbackRequest{Params: back.Query(), RedirectURI: testRedirect, CodeVerifier: f.verifier, Nonce: f.request.Nonce}
}

func configFor(op *testop.OP) Config {
	return Config{Preset: "oidc", ID: "op", Issuer: op.URL, ClientID: op.ClientID, ClientSecret: op.ClientSecret}
}

func mustNew(t testing.TB, cfg Config, opt Options) OAuth {
	t.Helper()
	p, err := New(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRealProviders(t *testing.T) {
	test := func(t *testing.T, op *testop.OP) {
		t.Run("sign-in", func(t *testing.T) { testSignIn(t, op) })
		t.Run("mixed flows", func(t *testing.T) { testMixedFlows(t, op) })
		t.Run("wrong secret", func(t *testing.T) { testWrongSecret(t, op) })
	}
	t.Run("zitadel", func(t *testing.T) { test(t, testop.Start(t, testRedirect)) })
	t.Run("oidc-provider", func(t *testing.T) { test(t, testop.StartNode(t, testop.NodeOptions{}, testRedirect)) })
}

func testSignIn(t *testing.T, op *testop.OP) {
	p := mustNew(t, configFor(op), Options{})
	f := newFlow(p)
	cb := f.callback(t, op, "alice")
	id, err := p.Exchange(t.Context(), cb)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimPrefix(id.User.ID, "id-"); got != "alice" || id.Account.ProviderAccountID != id.User.ID {
		t.Errorf("id %q, account %q", id.User.ID, id.Account.ProviderAccountID)
	}
	if id.User.Name.String() != "Alice Example" || id.User.Email.String() != "alice@example.com" {
		t.Errorf("name %q, email %q", id.User.Name, id.User.Email)
	}
	if !id.User.Image.IsZero() {
		t.Errorf("an image that nobody has: %q", id.User.Image)
	}
	if !id.Verified || id.Domain != "example.com" || id.Login != "alice" {
		t.Errorf("verified %v, domain %q, login %q", id.Verified, id.Domain, id.Login)
	}
	a := id.Account
	if a.Type != TypeOIDC || a.AccessToken == "" || a.IDToken == "" || !strings.EqualFold(a.TokenType, "bearer") || a.ExpiresAt == 0 {
		t.Errorf("account %+v", a)
	}

	t.Run("TOKEN-06 a code works once", func(t *testing.T) {
		if _, err := p.Exchange(t.Context(), cb); ReasonOf(err) != ReasonCodeUsed {
			t.Errorf("second use: %v", err)
		}
		// Another process does not know, and the provider does.
		_, err := mustNew(t, configFor(op), Options{}).Exchange(t.Context(), cb)
		if ReasonOf(err) != ReasonToken || !strings.Contains(err.Error(), "invalid_grant") && !strings.Contains(err.Error(), "invalid") {
			t.Errorf("second use: %v", err)
		}
		if strings.Contains(err.Error(), cb.Params.Get("code")) {
			t.Error("the code is in the error")
		}
	})
	t.Run("unverified address", func(t *testing.T) {
		id, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "bob"))
		if err != nil {
			t.Fatal(err)
		}
		if id.Verified || id.Domain != "" || id.User.Email.String() != "bob@example.org" {
			t.Errorf("%+v", id)
		}
	})
}

// What comes from one flow must not work in another.
func testMixedFlows(t *testing.T, op *testop.OP) {
	p := mustNew(t, configFor(op), Options{})
	for _, tc := range []struct {
		name   string
		change func(*CallbackRequest)
		reason Reason
	}{
		{"TOKEN-05 code injection, another verifier", func(r *CallbackRequest) { r.CodeVerifier = oauth2.GenerateVerifier() }, ReasonToken},
		{"PKCE-01 verifier missing", func(r *CallbackRequest) { r.CodeVerifier = "" }, ReasonPKCE},
		{"NONCE-04 ID token of another flow", func(r *CallbackRequest) { r.Nonce = "another" }, ReasonNonce},
		{"NONCE-03 nonce though none was sent", func(r *CallbackRequest) { r.Nonce = "" }, ReasonNonce},
		{"TOKEN-04 another redirect URI", func(r *CallbackRequest) { r.RedirectURI += "2" }, ReasonToken},
		{"made-up code", func(r *CallbackRequest) { r.Params.Set("code", "made-up") }, ReasonToken},
		{"TOKEN-02 iss wrong", func(r *CallbackRequest) { r.Params.Set("iss", "https://evil.example") }, ReasonIss},
		{"no code", func(r *CallbackRequest) { r.Params.Del("code") }, ReasonCode},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cb := newFlow(p).callback(t, op, "alice")
			tc.change(&cb)
			if _, err := p.Exchange(t.Context(), cb); ReasonOf(err) != tc.reason {
				t.Errorf("%v, want %s", err, tc.reason)
			}
		})
	}
}

func testWrongSecret(t *testing.T, op *testop.OP) {
	cfg := configFor(op)
	cfg.ClientSecret, cfg.PushedAuthorization = "not the secret", "off"
	p := mustNew(t, cfg, Options{})
	cb := newFlow(p).callback(t, op, "alice")
	_, err := p.Exchange(t.Context(), cb)
	if ReasonOf(err) != ReasonClientRejected {
		t.Fatal(err)
	}
	for _, secret := range []string{cfg.ClientSecret, cb.Params.Get("code"), cb.CodeVerifier} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("a secret is in %q", err)
		}
	}
}

func TestClientAuthPost(t *testing.T) {
	t.Run("zitadel", func(t *testing.T) {
		op := testop.Start(t, testRedirect)
		cfg := configFor(op)
		cfg.ClientAuth = "post"
		p := mustNew(t, cfg, Options{})
		if _, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice")); err != nil {
			t.Fatal(err)
		}
		if n := op.Requests("/oauth/token"); n != 1 {
			t.Errorf("TOKEN-06: %d token requests for one code", n)
		}
	})
	t.Run("oidc-provider", func(t *testing.T) {
		op := testop.StartNode(t, testop.NodeOptions{Client: map[string]any{"token_endpoint_auth_method": "client_secret_post"}}, testRedirect)
		cfg := configFor(op)
		cfg.ClientAuth = "post"
		p := mustNew(t, cfg, Options{})
		if _, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUserinfoWithRealProvider(t *testing.T) {
	for _, tc := range []struct {
		name string
		opt  testop.NodeOptions
	}{
		{"JSON", testop.NodeOptions{ConformIDToken: true}},
		{"UINFO-04 oidcc-client-test-userinfo-signed", testop.NodeOptions{ConformIDToken: true, Client: map[string]any{"userinfo_signed_response_alg": "RS256"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := testop.StartNode(t, tc.opt, testRedirect)
			cfg := configFor(op)
			cfg.Scope = []string{"openid", "profile", "email", "groups"}
			off := mustNew(t, cfg, Options{})
			id, err := off.Exchange(t.Context(), newFlow(off).callback(t, op, "alice"))
			if err != nil {
				t.Fatal(err)
			}
			if !id.User.Email.IsZero() || id.Verified || id.Login != "" {
				t.Errorf("userinfo off, and yet %+v", id)
			}
			cfg.Userinfo = "on"
			on := mustNew(t, cfg, Options{})
			if id, err = on.Exchange(t.Context(), newFlow(on).callback(t, op, "alice")); err != nil {
				t.Fatal(err)
			}
			if id.User.Email.String() != "alice@example.com" || !id.Verified || id.User.ID != "alice" {
				t.Errorf("%+v", id)
			}
			if groups, _ := id.Profile["groups"].([]any); len(groups) != 2 {
				t.Errorf("groups %v", id.Profile["groups"])
			}
			if id.Profile["nonce"] == nil {
				t.Error("userinfo displaced the claims about the sign-in")
			}
		})
	}
}

func TestGroupsWithZitadel(t *testing.T) {
	op := testop.Start(t, testRedirect)
	p := mustNew(t, configFor(op), Options{})
	id, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if groups, _ := id.Profile["groups"].([]any); len(groups) != 2 {
		t.Errorf("groups %v", id.Profile["groups"])
	}
	if id.AuthTime.IsZero() {
		t.Error("no auth_time")
	}
}

// oidc-provider advertises the iss parameter, so its absence is an attack.
func TestIssParameterPromised(t *testing.T) {
	op := testop.StartNode(t, testop.NodeOptions{}, testRedirect)
	p := mustNew(t, configFor(op), Options{})
	cb := newFlow(p).callback(t, op, "alice")
	if got := cb.Params.Get("iss"); got != op.URL {
		t.Fatalf("iss is %q", got)
	}
	without := cb
	without.Params = url.Values{"code": cb.Params["code"]}
	if _, err := p.Exchange(t.Context(), without); ReasonOf(err) != ReasonIss {
		t.Errorf("without iss: %v", err)
	}
	// An error response is one from the provider only with it, too.
	for iss, want := range map[string]Reason{"": ReasonIss, op.URL: "", "https://evil.example": ReasonIss} {
		params := url.Values{"error": {"access_denied"}}
		if iss != "" {
			params.Set("iss", iss)
		}
		if err := p.CheckIssuer(t.Context(), CallbackRequest{Params: params}); ReasonOf(err) != want {
			t.Errorf("error with iss %q: %v", iss, err)
		}
	}
	// The code is still good: it was not sent anywhere.
	if _, err := p.Exchange(t.Context(), cb); err != nil {
		t.Errorf("with iss: %v", err)
	}
}
