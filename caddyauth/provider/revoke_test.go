package provider

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
)

const evilRefresh = "leak-refresh"

// revoking makes an issuer offer revocation.
func (op *evilOP) revoking() *evilOP {
	op.Metadata = lyingop.Set("revocation_endpoint", op.URL+lyingop.Revocation)
	return op
}

// The client authenticates as it does at the token endpoint.
func TestRevoke(t *testing.T) {
	key := edKey()
	for name, tc := range map[string]struct {
		change func(*Config)
		header string
		form   url.Values
	}{
		"basic": {nil, "Basic " + b64std("client:the+secret"), url.Values{}},
		"post":  {func(c *Config) { c.ClientAuth = "post" }, "", url.Values{"client_id": {evilClient}, "client_secret": {"the secret"}}},
		"none":  {func(c *Config) { c.ClientAuth, c.ClientSecret = "none", "" }, "", url.Values{"client_id": {evilClient}}},
		"private_key_jwt": {func(c *Config) { c.ClientKey = pkcs8(key) }, "",
			url.Values{"client_id": {evilClient}, "client_assertion_type": {assertionType}}},
	} {
		t.Run(name, func(t *testing.T) {
			op := newEvil(t).revoking()
			asked, err := op.provider(tc.change).(Revoker).Revoke(t.Context(), evilRefresh)
			seen := op.Seen(lyingop.Revocation)
			if err != nil || !asked || len(seen) != 1 {
				t.Fatalf("%v, %v, %d requests", asked, err, len(seen))
			}
			got := seen[0]
			if name == "private_key_jwt" {
				assertionClaims(t, got.Form, jose.EdDSA, key.Public())
				got.Form.Del("client_assertion")
			}
			tc.form.Set("token", evilRefresh)
			tc.form.Set("token_type_hint", "refresh_token")
			if got.Method != http.MethodPost || got.Form.Encode() != tc.form.Encode() || len(got.Query) != 0 || got.Header.Get("Authorization") != tc.header {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRevokeFails(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		reason Reason
		code   string
	}{
		"refused":          {fail(400), ReasonToken, ""},
		"another type":     {answer(400, `{"error":"unsupported_token_type","error_description":"no leak-refresh here"}`), ReasonToken, "unsupported_token_type"},
		"client refused":   {answer(401, `{"error":"invalid_client"}`), ReasonClientRejected, "invalid_client"},
		"down":             {fail(503), ReasonUnavailable, ""},
		"redirected":       {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", 307) }, ReasonToken, ""},
		"an endless error": {answer(400, strings.Repeat("x", 2<<20)), ReasonToken, ""},
	} {
		t.Run(name, func(t *testing.T) {
			op := newEvil(t).revoking()
			op.Replace(lyingop.Revocation, tc.answer)
			asked, err := op.provider(nil).(Revoker).Revoke(t.Context(), evilRefresh)
			if !asked || ReasonOf(err) != tc.reason || err.(*Error).Code != tc.code {
				t.Fatalf("%v, %v", asked, err)
			}
			if strings.Contains(err.Error(), evilRefresh) || strings.Contains(err.Error(), "the secret") {
				t.Errorf("a secret is in the error: %v", err)
			}
			if op.Count("/other") != 0 {
				t.Error("the token went elsewhere")
			}
		})
	}
	t.Run("hanging", func(t *testing.T) {
		op := newEvil(t).revoking()
		done := make(chan struct{})
		defer close(done)
		op.Replace(lyingop.Revocation, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-done:
			case <-r.Context().Done():
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if asked, err := op.provider(nil).(Revoker).Revoke(ctx, evilRefresh); !asked || ReasonOf(err) != ReasonUnavailable {
			t.Errorf("%v, %v", asked, err)
		}
	})
}

func TestRevokeAsksNobody(t *testing.T) {
	t.Run("no place for it", func(t *testing.T) {
		op := newEvil(t)
		if asked, err := op.provider(nil).(Revoker).Revoke(t.Context(), evilRefresh); asked || err != nil || op.Count(lyingop.Revocation) != 0 {
			t.Errorf("%v, %v", asked, err)
		}
	})
	t.Run("nothing to revoke", func(t *testing.T) {
		op := newEvil(t).revoking()
		if asked, err := op.provider(nil).(Revoker).Revoke(t.Context(), ""); asked || err != nil || op.Count(lyingop.Revocation) != 0 {
			t.Errorf("%v, %v", asked, err)
		}
	})
	t.Run("not of OpenID Connect", func(t *testing.T) {
		p := mustNew(t, Config{Preset: "github", ClientID: "x", ClientSecret: "y"}, Options{}).(Revoker)
		if asked, err := p.Revoke(t.Context(), evilRefresh); asked || err != nil {
			t.Errorf("%v, %v", asked, err)
		}
	})
	t.Run("consent", func(t *testing.T) {
		op := newEvil(t).revoking()
		consentIssuers[op.URL] = true
		defer delete(consentIssuers, op.URL)
		if asked, err := op.provider(nil).(Revoker).Revoke(t.Context(), evilRefresh); asked || err != nil || op.Count(lyingop.Revocation) != 0 {
			t.Errorf("%v, %v", asked, err)
		}
	})
	for _, bad := range []string{"javascript:alert(1)", "http://example.com/revoke", "/revoke", "https://user@example.com/", "https://example.com/#x"} {
		op := newEvil(t)
		op.Metadata = with("revocation_endpoint", bad)
		if asked, err := op.provider(nil).(Revoker).Revoke(t.Context(), evilRefresh); asked || ReasonOf(err) != ReasonDiscovery {
			t.Errorf("%s: %v, %v", bad, asked, err)
		}
	}
}

// A site that waits to be told of logouts is told if it will not be.
func TestLogoutThatNobodyTells(t *testing.T) {
	const back, front = "back-channel logout", "front-channel logout"
	all := []string{"backchannel_logout_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported"}
	for name, tc := range map[string]struct {
		waits     Options
		says      []string
		want, not string
	}{
		"nobody waits":                     {Options{}, nil, "", back},
		"back, and it says nothing":        {Options{Backchannel: true}, nil, back, front},
		"back, and it tells in front":      {Options{Backchannel: true}, all[1:], back, front},
		"back, and it does":                {Options{Backchannel: true}, all[:1], "", back},
		"front, and it says nothing":       {Options{Frontchannel: true}, all[:1], front, back},
		"front, and it names no session":   {Options{Frontchannel: true}, all[:2], front, back},
		"front, and it does":               {Options{Frontchannel: true}, all[1:], "", front},
		"both, and it does both":           {Options{Backchannel: true, Frontchannel: true}, all, "", "logout"},
		"both, and it does one of the two": {Options{Backchannel: true, Frontchannel: true}, all[:1], front, back},
	} {
		t.Run(name, func(t *testing.T) {
			op := newEvil(t)
			op.Metadata = func(m map[string]any) {
				for _, member := range tc.says {
					m[member] = true
				}
			}
			core, logs := observer.New(zap.DebugLevel)
			opts := tc.waits
			opts.Now, opts.Log = op.clock, zap.New(core)
			p := mustNew(t, op.config(), opts)
			for range 3 {
				if _, err := p.AuthorizationURL(t.Context(), evilRequest); err != nil {
					t.Fatal(err)
				}
			}
			if n := logs.FilterMessageSnippet(tc.not).Len(); n != 0 {
				t.Errorf("%d lines of %s", n, tc.not)
			}
			if n := logs.FilterMessageSnippet(tc.want).FilterField(zap.String("provider", "evil")).Len(); tc.want != "" && n != 1 {
				t.Errorf("%d lines of %s", n, tc.want)
			}
		})
	}
}

// zitadel takes a refresh token back, and does not mind one that it does not know.
func TestRevokeWithRealProvider(t *testing.T) {
	op := testop.Start(t, testRedirect)
	cfg := configFor(op)
	cfg.Scope = []string{"openid", "offline_access"}
	p := mustNew(t, cfg, Options{})
	id, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	token := id.Account.RefreshToken
	for _, revoked := range []string{"another", token, token} {
		if asked, err := p.(Revoker).Revoke(t.Context(), revoked); !asked || err != nil {
			t.Errorf("%v, %v", asked, err)
		}
	}
	if _, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: token}); !Refused(err) {
		t.Errorf("a token that was revoked: %v", err)
	}
}
