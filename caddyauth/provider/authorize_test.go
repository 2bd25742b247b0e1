package provider

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func authorizationURL(t *testing.T, p OAuth, extra url.Values) *url.URL {
	t.Helper()
	raw, err := p.AuthorizationURL(t.Context(), AuthorizationRequest{
		RedirectURI: testRedirect, State: "the state", Nonce: "n", CodeChallenge: "challenge", Extra: extra,
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAuthorizationURL(t *testing.T) {
	p := mustNew(t, Config{Preset: "github", ClientID: "the client", ClientSecret: "s"}, Options{})
	raw, err := p.AuthorizationURL(t.Context(), AuthorizationRequest{RedirectURI: testRedirect, State: "st", CodeChallenge: "ch",
		Extra: url.Values{"login": {"octo cat"}, "allow_signup": {"false"}}})
	want := "https://github.com/login/oauth/authorize?client_id=the%20client&scope=read%3Auser%20user%3Aemail&response_type=code" +
		"&redirect_uri=https%3A%2F%2Fapp.example.com%2Fapi%2Fauth%2Fcallback%2Fop" +
		"&allow_signup=false&login=octo%20cat&state=st&code_challenge=ch&code_challenge_method=S256"
	if err != nil || raw != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, raw, want)
	}
}

func TestAuthorizationParameters(t *testing.T) {
	p := mustNew(t, Config{
		Preset: "oauth2", ID: "custom", ClientID: "c", ClientSecret: "s", Token: "https://idp.example/t", Userinfo: "https://idp.example/u",
		Authorization: &Authorization{URL: "https://idp.example/a?tenant=x&scope=own&state=own&response_type=token", Params: map[string]string{"prompt": "login", "audience": "api"}},
		Params:        map[string]string{"prompt": "consent"},
	}, Options{})
	t.Run("configured", func(t *testing.T) {
		q := authorizationURL(t, p, nil).Query()
		for name, want := range map[string]string{"tenant": "x", "audience": "api", "prompt": "consent", "scope": "own", "state": "the state", "response_type": "code"} {
			if got := q[name]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
	t.Run("of the request", func(t *testing.T) {
		q := authorizationURL(t, p, url.Values{"prompt": {"none", "login"}, "scope": {"more"}, "login_hint": {"a&b=c #"}}).Query()
		if q.Get("prompt") != "none" || q.Get("scope") != "more" || q.Get("login_hint") != "a&b=c #" {
			t.Errorf("%v", q)
		}
	})
	t.Run("of OpenID Connect", func(t *testing.T) {
		asked := url.Values{
			"claims": {`{"id_token":{"acr":{"essential":true}}}`}, "max_age": {"300"}, "acr_values": {"gold silver"},
			"ui_locales": {"de-CH fr"}, "login_hint": {"alice@example.com"},
		}
		configured := make(map[string]string)
		for name := range asked {
			configured[name] = asked.Get(name)
		}
		for name, q := range map[string]url.Values{
			"of the request": authorizationURL(t, newEvil(t).provider(nil), asked).Query(),
			"configured":     authorizationURL(t, newEvil(t).provider(func(c *Config) { c.Params = configured }), nil).Query(),
		} {
			for param, want := range configured {
				if got := q[param]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: %s is %q", name, param, got)
				}
			}
		}
		q := authorizationURL(t, newEvil(t).provider(nil), nil).Query()
		for _, param := range []string{"claims", "max_age", "acr_values", "ui_locales", "login_hint", "response_mode", "prompt"} {
			if q.Has(param) {
				t.Errorf("nobody asked for %s, and it is %q", param, q[param])
			}
		}
	})
	t.Run("response mode", func(t *testing.T) {
		q := authorizationURL(t, newEvil(t).provider(func(c *Config) { c.ResponseMode = "form_post" }), nil).Query()
		if got := q["response_mode"]; len(got) != 1 || got[0] != "form_post" {
			t.Errorf("%q", got)
		}
	})
	t.Run("demands are not relaxed", func(t *testing.T) {
		for name, cfg := range map[string]func(*Config){
			"params":        func(c *Config) { c.Params = demanded() },
			"authorization": func(c *Config) { c.Authorization = &Authorization{Params: demanded()} },
		} {
			p := newEvil(t).provider(cfg)
			extra := url.Values{"prompt": {"asked"}}
			for name := range demanded() {
				extra[name] = []string{"asked"}
			}
			q := authorizationURL(t, p, extra).Query()
			for param, want := range demanded() {
				if param == "prompt" {
					want = "asked"
				}
				if got := q.Get(param); got != want {
					t.Errorf("%s: %s is %q, want %q", name, param, got, want)
				}
			}
		}
		q := authorizationURL(t, newEvil(t).provider(nil), url.Values{"acr_values": {"asked"}, "max_age": {"0"}}).Query()
		if q.Get("acr_values") != "asked" || q.Get("max_age") != "0" {
			t.Errorf("where nothing is demanded, a request may: %v", q)
		}
	})
	t.Run("reserved ones cannot be overridden", func(t *testing.T) {
		extra := url.Values{}
		for _, name := range flowParams {
			extra[name] = []string{"evil"}
		}
		u := authorizationURL(t, p, extra)
		if strings.Contains(u.String(), "evil") {
			t.Error(u)
		}
		for _, name := range []string{"client_id", "redirect_uri", "state", "callbackUrl", "response_mode"} {
			if !Reserved(name) {
				t.Errorf("%s is not reserved", name)
			}
		}
		if Reserved("scope") || Reserved("prompt") {
			t.Error("too much is reserved")
		}
	})
}

// demanded are configured parameters, of which prompt is no demand.
func demanded() map[string]string {
	return map[string]string{"acr_values": "gold", "hd": "example.com", "claims": "{}", "max_age": "600", "prompt": "login"}
}

func TestChallengeMethod(t *testing.T) {
	t.Run("PKCE-03 plain method never used", func(t *testing.T) {
		op := newEvil(t)
		op.Metadata = lyingop.Set("code_challenge_methods_supported", []string{"plain"})
		q := authorizationURL(t, op.provider(nil), nil).Query()
		if q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") != "challenge" || q.Get("nonce") != "n" {
			t.Errorf("%v", q)
		}
	})
	t.Run("no challenge, no method", func(t *testing.T) {
		op := newEvil(t)
		raw, err := op.provider(nil).AuthorizationURL(t.Context(), AuthorizationRequest{RedirectURI: testRedirect})
		if err != nil || strings.Contains(raw, "challenge") || strings.Contains(raw, "state=") || strings.Contains(raw, "nonce") {
			t.Errorf("%s, %v", raw, err)
		}
	})
}
