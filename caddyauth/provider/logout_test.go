package provider

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// leaving is the provider of an OP as one at which people can sign out.
func (op *evilOP) leaving(change func(*Config)) Leaver {
	op.t.Helper()
	return op.provider(change).(Leaver)
}

// logoutToken makes a good logout token, changed by set and drop.
func (op *evilOP) logoutToken(s lyingop.Key, header map[string]any, changes ...func(map[string]any)) string {
	op.t.Helper()
	c := map[string]any{
		"iss": op.URL, "aud": evilClient, "iat": theTime.Unix(), "exp": theTime.Unix() + 120, "jti": "the id",
		"sub": "subject", "sid": "the session", "events": map[string]any{logoutEvent: map[string]any{}},
	}
	for _, change := range changes {
		change(c)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		op.t.Fatal(err)
	}
	h := map[string]any{"typ": "logout+jwt"}
	maps.Copy(h, header)
	return s.Sign(string(payload), h)
}

func with(name string, value any) func(map[string]any) {
	return func(c map[string]any) { c[name] = value }
}

func without(names ...string) func(map[string]any) {
	return func(c map[string]any) {
		for _, n := range names {
			delete(c, n)
		}
	}
}

func TestLogoutToken(t *testing.T) {
	op := newEvil(t)
	op.JWKS = func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.RSA().Public(), lyingop.EC().Public()}}
	}
	p := op.leaving(nil)
	alice := LogoutToken{Subject: "subject", SessionID: "the session", ID: "the id", Until: theTime.Add(3 * time.Minute)}
	for _, tc := range []struct {
		name, raw string
		want      LogoutToken
	}{
		{"oidcc-client-test-rp-backchannel-rpinitlogout", op.logoutToken(lyingop.RSA(), nil), alice},
		{"type JWT", op.logoutToken(lyingop.RSA(), map[string]any{"typ": "JWT"}), alice},
		{"no type", op.logoutToken(lyingop.RSA(), map[string]any{"typ": nil}), alice},
		{"type in full", op.logoutToken(lyingop.RSA(), map[string]any{"typ": "application/Logout+JWT"}), alice},
		{"several audiences", op.logoutToken(lyingop.RSA(), nil, with("aud", []string{evilClient, "other"}), with("azp", evilClient)), alice},
		{"a subject alone", op.logoutToken(lyingop.RSA(), nil, without("sid")),
			LogoutToken{Subject: "subject", ID: "the id", Until: alice.Until}},
		{"a session alone", op.logoutToken(lyingop.RSA(), nil, without("sub")),
			LogoutToken{SessionID: "the session", ID: "the id", Until: alice.Until}},
		{"something in the event", op.logoutToken(lyingop.RSA(), nil, with("events", map[string]any{logoutEvent: map[string]any{"x": 1}, "other": 1})), alice},
		{"good for years", op.logoutToken(lyingop.RSA(), nil, with("exp", theTime.AddDate(9, 0, 0).Unix())),
			LogoutToken{Subject: "subject", SessionID: "the session", ID: "the id", Until: theTime.Add(61 * time.Minute)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := p.LogoutToken(t.Context(), tc.raw)
			if err != nil || got.Subject != tc.want.Subject || got.SessionID != tc.want.SessionID || got.ID != tc.want.ID || !got.Until.Equal(tc.want.Until) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestLogoutTokenRefused(t *testing.T) {
	op := newEvil(t)
	op.JWKS = func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.RSA().Public(), lyingop.EC().Public()}}
	}
	p := op.leaving(nil)
	good := op.logoutToken(lyingop.RSA(), nil)
	signedIn, err := op.exchange(op.provider(nil))
	if err != nil {
		t.Fatal(err)
	}
	idToken := signedIn.Account.IDToken
	const module = "oidcc-client-test-rp-backchannel-rpinitlogout-"
	for name, raw := range map[string]string{
		module + "alg-none":    lyingop.Segments(lyingop.Base64(`{"alg":"none","typ":"logout+jwt"}`), "", "")(good[:strings.LastIndex(good, ".")+1]),
		module + "no-event":    op.logoutToken(lyingop.RSA(), nil, without("events")),
		module + "with-nonce":  op.logoutToken(lyingop.RSA(), nil, with("nonce", evilNonce)),
		module + "wrong-alg":   op.logoutToken(lyingop.EC(), nil),
		module + "wrong-aud":   op.logoutToken(lyingop.RSA(), nil, with("aud", "another")),
		module + "wrong-event": op.logoutToken(lyingop.RSA(), nil, with("events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}})),
		module + "wrong-iss":   op.logoutToken(lyingop.RSA(), nil, with("iss", "https://other.example")),

		"a nonce of null":        op.logoutToken(lyingop.RSA(), nil, with("nonce", nil)),
		"events is a list":       op.logoutToken(lyingop.RSA(), nil, with("events", []any{logoutEvent})),
		"the event is null":      op.logoutToken(lyingop.RSA(), nil, with("events", map[string]any{logoutEvent: nil})),
		"the event is true":      op.logoutToken(lyingop.RSA(), nil, with("events", map[string]any{logoutEvent: true})),
		"neither sub nor sid":    op.logoutToken(lyingop.RSA(), nil, without("sub", "sid")),
		"an empty sub":           op.logoutToken(lyingop.RSA(), nil, with("sub", "")),
		"a sid that is a number": op.logoutToken(lyingop.RSA(), nil, with("sid", 1)),
		"a long sid":             op.logoutToken(lyingop.RSA(), nil, with("sid", strings.Repeat("x", 256))),
		"no jti":                 op.logoutToken(lyingop.RSA(), nil, without("jti")),
		"jti is no string":       op.logoutToken(lyingop.RSA(), nil, with("jti", []any{"x"})),
		"no iat":                 op.logoutToken(lyingop.RSA(), nil, without("iat")),
		"no exp":                 op.logoutToken(lyingop.RSA(), nil, without("exp")),
		"expired":                op.logoutToken(lyingop.RSA(), nil, with("exp", theTime.Unix()-61)),
		"from the future":        op.logoutToken(lyingop.RSA(), nil, with("iat", theTime.Unix()+61)),
		"issued hours ago":       op.logoutToken(lyingop.RSA(), nil, with("iat", theTime.Unix()-7200)),
		"not yet":                op.logoutToken(lyingop.RSA(), nil, with("nbf", theTime.Unix()+61)),
		"no iss":                 op.logoutToken(lyingop.RSA(), nil, without("iss")),
		"no aud":                 op.logoutToken(lyingop.RSA(), nil, without("aud")),
		"for others as well":     op.logoutToken(lyingop.RSA(), nil, with("aud", []string{evilClient, "other"})),
		"another key":            op.logoutToken(lyingop.OtherRSA(), nil),
		"another type":           op.logoutToken(lyingop.RSA(), map[string]any{"typ": "at+jwt"}),
		"a type that is no text": op.logoutToken(lyingop.RSA(), map[string]any{"typ": 1}),
		"an ID token":            idToken,
		"ISS in capitals":        op.logoutToken(lyingop.RSA(), nil, without("iss"), with("ISS", op.URL)),
		"nothing":                "",
		"no token":               "x",
		"encrypted":              "e30.x.x.x.x",
		"endless":                good + strings.Repeat("x", maxLogoutToken),
		"a broken signature":     good[:len(good)-6] + "AAAAAA",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := p.LogoutToken(t.Context(), raw)
			if !errors.Is(err, ErrLogoutToken) || got != (LogoutToken{}) {
				t.Errorf("%+v, %v", got, err)
			}
			if err != nil && len(raw) > 20 && strings.Contains(err.Error(), raw[:20]) {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
	t.Run("ID token with that event", func(t *testing.T) {
		op.Claims = with("events", map[string]any{logoutEvent: map[string]any{}})
		if _, err := op.exchange(op.provider(nil)); ReasonOf(err) != ReasonIDToken {
			t.Error(err)
		}
	})
}

// Whoever cannot be asked has not said no.
func TestLogoutTokenWithoutKeys(t *testing.T) {
	for _, path := range []string{"/jwks", "/.well-known/openid-configuration"} {
		op := newEvil(t)
		op.Replace(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		if _, err := op.leaving(nil).LogoutToken(t.Context(), op.logoutToken(lyingop.RSA(), nil)); err == nil || errors.Is(err, ErrLogoutToken) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Anybody can send logout tokens with keys that nobody has.
func TestOUT08LogoutTokensFetchNoKeys(t *testing.T) {
	op := newEvil(t)
	p := op.leaving(nil)
	for i := range 10_000 {
		if i%100 == 0 {
			op.wait(time.Second) // all of them within 100 seconds
		}
		raw := lyingop.Base64(`{"alg":"RS256","typ":"logout+jwt","kid":"`+string(rune('a'+i%26))+time.Duration(i).String()+`"}`) + "." + lyingop.Base64("{}") + "." + lyingop.Base64("x")
		if _, err := p.LogoutToken(t.Context(), raw); !errors.Is(err, ErrLogoutToken) {
			t.Fatal(err)
		}
	}
	if n := op.Count("/jwks"); n > 3 { // to begin with, at once, and a minute later
		t.Errorf("the keys were fetched %d times", n)
	}
	// A key that is new is found all the same.
	op.JWKS = func() any { return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.OtherRSA().Public()}} }
	op.wait(logoutRefetchFloor)
	now := op.clock().Unix()
	if _, err := p.LogoutToken(t.Context(), op.logoutToken(lyingop.OtherRSA(), nil, with("iat", now), with("exp", now+60))); err != nil {
		t.Error(err)
	}
}

func TestEndSession(t *testing.T) {
	ask := EndSessionRequest{IDToken: "the.id.token", RedirectURI: "https://app.example.com/api/auth/signed-out", State: "the state"}
	for _, tc := range []struct {
		name     string
		endpoint any
		ask      EndSessionRequest
		want     map[string]string // nil: nowhere
	}{
		{"oidcc-client-test-rp-init-logout", "/logout", ask, map[string]string{
			"id_token_hint": "the.id.token", "client_id": evilClient, "post_logout_redirect_uri": ask.RedirectURI, "state": "the state"}},
		{"a query of its own", "/logout?tenant=a%20b&state=x", ask, map[string]string{
			"tenant": "a b", "id_token_hint": "the.id.token", "client_id": evilClient, "post_logout_redirect_uri": ask.RedirectURI, "state": "the state"}},
		{"without the ID token", "/logout", EndSessionRequest{RedirectURI: ask.RedirectURI, State: "s"}, map[string]string{
			"client_id": evilClient, "post_logout_redirect_uri": ask.RedirectURI, "state": "s"}},
		{"an ID token too long for an address", "/logout", EndSessionRequest{IDToken: strings.Repeat("x", maxHint+1), RedirectURI: ask.RedirectURI, State: "s"}, map[string]string{
			"client_id": evilClient, "post_logout_redirect_uri": ask.RedirectURI, "state": "s"}},
		{"none", nil, ask, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Metadata = func(m map[string]any) {
				if s, ok := tc.endpoint.(string); ok {
					m["end_session_endpoint"] = op.URL + s
				}
				m["backchannel_logout_supported"] = "no bool"
			}
			got, err := op.leaving(nil).EndSession(t.Context(), tc.ask)
			if err != nil || (got == "") != (tc.want == nil) {
				t.Fatalf("%q, %v", got, err)
			}
			if tc.want == nil {
				return
			}
			u, err := url.Parse(got)
			if err != nil || !strings.HasPrefix(got, op.URL+"/logout?") || len(u.Query()) != len(tc.want) {
				t.Fatalf("%q, %v", got, err)
			}
			for name, want := range tc.want {
				if v := u.Query()[name]; len(v) != 1 || v[0] != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
	for _, bad := range []string{"javascript:alert(1)", "http://example.com/logout", "/logout", "https://user@example.com/", "https://example.com/#x"} {
		op := newEvil(t)
		op.Metadata = with("end_session_endpoint", bad)
		if got, err := op.leaving(nil).EndSession(t.Context(), ask); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
	p := mustNew(t, Config{Preset: "github", ClientID: "x", ClientSecret: "y"}, Options{}).(Leaver)
	if got, err := p.EndSession(t.Context(), ask); got != "" || err != nil {
		t.Errorf("github: %q, %v", got, err)
	}
	if _, err := p.LogoutToken(t.Context(), "x.y.z"); !errors.Is(err, ErrLogoutToken) {
		t.Errorf("github: %v", err)
	}
}

// The names that the provider has for the session and the person come from the ID
// token alone.
func TestIdentityNamesItsSession(t *testing.T) {
	op := newEvil(t)
	op.Claims = with("sid", "the session")
	op.Person = map[string]any{"sub": "subject", "sid": "another", "email": "user@example.com"}
	got, err := op.exchange(op.provider(func(c *Config) {
		c.Userinfo = "on"
		c.Profile = map[string][]string{"id": {"email"}}
	}))
	if err != nil || got.Subject != "subject" || got.Session != "the session" || got.Account.ProviderAccountID != "user@example.com" {
		t.Errorf("%+v, %v", got, err)
	}
	op.Claims = with("sid", strings.Repeat("x", 256))
	if got, err := op.exchange(op.provider(nil)); err != nil || got.Session != "" {
		t.Errorf("%+v, %v", got, err)
	}
}
