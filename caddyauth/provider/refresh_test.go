package provider

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
)

const oldRefresh = "the refresh token"

// refreshing is an evil provider that gives out refresh tokens, and what the ID
// token of its sign-in said.
func refreshing(t *testing.T, op *evilOP, p OAuth) Said {
	t.Helper()
	before := op.Claims
	op.Claims = func(c map[string]any) { c["auth_time"], c["azp"] = theTime.Unix()-60, evilClient }
	defer func() { op.Claims = before }()
	id, err := op.exchange(p)
	if err != nil {
		t.Fatal(err)
	}
	return SaidBy(id.Account.IDToken)
}

func TestRefresh(t *testing.T) {
	op := newEvil(t)
	var got url.Values
	var user, secret string
	op.Tap = func(path string, r *http.Request) {
		if path == "/token" {
			user, secret, _ = r.BasicAuth()
			_ = r.ParseForm()
			got = r.PostForm
		}
	}
	p := op.provider(nil)
	said := refreshing(t, op, p)
	if said != (Said{Subject: "subject", AuthorizedParty: evilClient, Nonce: evilNonce, AuthTime: theTime.Unix() - 60}) {
		t.Fatalf("said %+v", said)
	}
	op.Response = func(m map[string]any) { m["access_token"], m["refresh_token"] = "second", "rotated" }
	a, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: oldRefresh, Said: said})
	if err != nil {
		t.Fatal(err)
	}
	if a.AccessToken != "second" || a.RefreshToken != "rotated" || a.IDToken == "" || a.ExpiresAt != theTime.Unix()+300 {
		t.Errorf("%+v", a)
	}
	if got.Get("grant_type") != "refresh_token" || got.Get("refresh_token") != oldRefresh || got.Has("redirect_uri") || got.Has("client_secret") {
		t.Errorf("sent %v", got)
	}
	if user != evilClient || secret != "the+secret" {
		t.Errorf("authenticated as %q, %q", user, secret)
	}

	t.Run("TIME-08 without a new refresh token the old one stays", func(t *testing.T) {
		op.Response = func(m map[string]any) { delete(m, "id_token") }
		a, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: oldRefresh, Said: said})
		if err != nil || a.RefreshToken != oldRefresh || a.IDToken != "" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("client authentication in the body", func(t *testing.T) {
		op.Response = nil
		p := op.provider(func(c *Config) { c.ClientAuth = "post" })
		if _, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: oldRefresh}); err != nil {
			t.Fatal(err)
		}
		if got.Get("client_secret") != "the secret" || got.Get("client_id") != evilClient {
			t.Errorf("sent %v", got)
		}
	})
	if op.Count("/userinfo") != 0 {
		t.Error("a refresh asked for userinfo")
	}
}

func TestRefreshedIDToken(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(op *evilOP)
		refused bool
		reason  Reason
	}{
		{"as at the sign-in", func(op *evilOP) {}, false, ""},
		{"without a nonce", func(op *evilOP) { op.Claims = func(c map[string]any) { delete(c, "nonce") } }, false, ""},
		{"TIME-07 oidcc-client-test-refresh-token-invalid-issuer", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["iss"] = "https://evil.example" }
		}, true, ReasonIDToken},
		{"TIME-07 oidcc-client-test-refresh-token-invalid-sub", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["sub"] = "somebody else" }
		}, true, ReasonIDToken},
		{"TIME-07 another audience", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["aud"] = "another" }
		}, true, ReasonIDToken},
		{"TIME-07 another authorized party", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["azp"] = "another" }
		}, true, ReasonIDToken},
		{"TIME-07 another auth_time", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["auth_time"] = theTime.Unix() }
		}, true, ReasonIDToken},
		{"TIME-07 another nonce", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["nonce"] = "another" }
		}, true, ReasonNonce},
		{"TIME-06 a key that is not known yet", func(op *evilOP) { op.Key = lyingop.OtherRSA() }, false, ReasonKeys},
		{"TIME-07 not signed", func(op *evilOP) { op.RawToken = lyingop.Segments(lyingop.Base64(`{"alg":"none"}`), "", "") }, true, ReasonIDToken},
		{"TIME-07 at_hash of another token", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["at_hash"] = lyingop.AtHash("another") }
		}, true, ReasonIDToken},
		{"no JWT at all", func(op *evilOP) { op.RawToken = func(string) string { return "x" } }, true, ReasonIDToken},
		{"a clock that is wrong", func(op *evilOP) {
			op.Claims = func(c map[string]any) { c["iat"], c["exp"] = theTime.Unix()+3600, theTime.Unix()+7200 }
		}, false, ReasonClock},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			p := op.provider(nil)
			said := refreshing(t, op, p)
			op.Response = func(m map[string]any) { m["refresh_token"] = "rotated" }
			tc.change(op)
			a, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: oldRefresh, Said: said})
			if ReasonOf(err) != tc.reason || Refused(err) != tc.refused {
				t.Errorf("reason %q, refused %v: %v", ReasonOf(err), Refused(err), err)
			}
			if err != nil && (a == nil || a.AccessToken != "" || a.IDToken != "" || a.RefreshToken != "rotated") {
				t.Errorf("the refresh token that took the place of the old one is lost: %+v", a)
			}
		})
	}
}

func TestRefreshFailures(t *testing.T) {
	for _, tc := range []struct {
		name    string
		status  int
		body    string
		refused bool
		reason  Reason
	}{
		{"invalid_grant", 400, `{"error":"invalid_grant","error_description":"the refresh token is gone"}`, true, ReasonToken},
		{"GitHub's word for it", 200, `{"error":"bad_refresh_token"}`, true, ReasonToken},
		{"the person must be there", 400, `{"error":"interaction_required"}`, true, ReasonToken},
		{"TIME-06 503", 503, `<h1>down</h1>`, false, ReasonUnavailable},
		{"TIME-06 invalid_grant with 500", 500, `{"error":"invalid_grant"}`, false, ReasonUnavailable},
		{"TIME-06 429", 429, `{"error":"slow_down"}`, false, ReasonUnavailable},
		{"TIME-06 429 without words", 429, ``, false, ReasonUnavailable},
		{"TIME-06 temporarily_unavailable", 400, `{"error":"temporarily_unavailable"}`, false, ReasonUnavailable},
		{"our own secret is wrong", 401, `{"error":"invalid_client"}`, false, ReasonClientRejected},
		{"no tokens", 200, `{}`, false, ReasonTokenResponse},
		{"garbage", 200, `]`, false, ReasonTokenResponse},
		{"another kind of token", 200, `{"access_token":"a","token_type":"DPoP"}`, false, ReasonTokenResponse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			})
			_, err := op.provider(nil).(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: oldRefresh})
			if ReasonOf(err) != tc.reason || Refused(err) != tc.refused {
				t.Errorf("reason %q, refused %v: %v", ReasonOf(err), Refused(err), err)
			}
			if strings.Contains(err.Error(), oldRefresh) && tc.name != "invalid_grant" || strings.Contains(err.Error(), "the secret") {
				t.Errorf("a secret is in %q", err)
			}
			if n := op.Count("/token"); n != 1 {
				t.Errorf("%d requests for one refresh token", n)
			}
		})
	}
	t.Run("TIME-06 a provider that hangs", func(t *testing.T) {
		op := newEvil(t)
		block := make(chan struct{})
		defer close(block)
		op.Replace("/token", func(http.ResponseWriter, *http.Request) { <-block })
		p := op.provider(func(c *Config) { c.Timeout = Duration(100 * time.Millisecond) })
		begun := time.Now()
		_, err := p.(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: oldRefresh})
		if ReasonOf(err) != ReasonUnavailable || Refused(err) || time.Since(begun) > 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
	t.Run("a description with the token in it", func(t *testing.T) {
		op := newEvil(t)
		op.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"unknown: s3cret-refresh"}`))
		})
		_, err := op.provider(nil).(Refresher).Refresh(t.Context(), RefreshRequest{RefreshToken: "s3cret-refresh"})
		if !Refused(err) || strings.Contains(err.Error(), "s3cret-refresh") {
			t.Errorf("%v", err)
		}
	})
}

func TestSaidByGarbage(t *testing.T) {
	for _, raw := range []string{"", "a.b", "a.b.c", "..", "a.e30.c", "a.bnVsbA.c"} {
		if got := SaidBy(raw); got != (Said{}) {
			t.Errorf("%q says %+v", raw, got)
		}
	}
}

// zitadel replaces refresh tokens, and remembers which ones it has seen.
func TestRefreshWithRealProvider(t *testing.T) {
	op := testop.Start(t, testRedirect)
	cfg := configFor(op)
	cfg.Scope = []string{"openid", "profile", "email", "offline_access"}
	p := mustNew(t, cfg, Options{})
	id, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	first := id.Account.RefreshToken
	if first == "" {
		t.Fatal("no refresh token with offline_access")
	}
	r := RefreshRequest{RefreshToken: first, Said: SaidBy(id.Account.IDToken)}
	a, err := p.(Refresher).Refresh(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if a.AccessToken == "" || a.AccessToken == id.Account.AccessToken || a.RefreshToken == first || a.IDToken == "" {
		t.Errorf("%+v", a)
	}
	if _, err := p.(Refresher).Refresh(t.Context(), r); !Refused(err) {
		t.Errorf("a token that was replaced: %v", err)
	}
	r.RefreshToken = a.RefreshToken
	if _, err := p.(Refresher).Refresh(t.Context(), r); err != nil {
		t.Errorf("the second one: %v", err)
	}
}
