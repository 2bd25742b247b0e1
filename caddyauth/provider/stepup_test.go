package provider

import (
	"testing"
	"time"
)

func TestStepUpParameters(t *testing.T) {
	for _, test := range []struct {
		name, preset string
		params       map[string]string
		ask          StepUp
		want         map[string]string // "" for none
	}{
		{"max_age", "keycloak", nil, StepUp{MaxAge: 5 * time.Minute}, map[string]string{"prompt": "login", "max_age": "300", "acr_values": ""}},
		{"acr", "keycloak", nil, StepUp{ACR: []string{"gold", "urn:x"}}, map[string]string{"prompt": "login", "max_age": "", "acr_values": "gold urn:x"}},
		{"over what is configured", "keycloak", map[string]string{"prompt": "none", "max_age": "3600", "acr_values": "silver"},
			StepUp{MaxAge: time.Minute, ACR: []string{"gold"}}, map[string]string{"prompt": "login", "max_age": "60", "acr_values": "gold"}},
		{"a stricter max_age stays", "keycloak", map[string]string{"max_age": "30"}, StepUp{MaxAge: time.Minute}, map[string]string{"max_age": "30"}},
		{"no max_age asked for", "keycloak", map[string]string{"max_age": "30", "acr_values": "silver"}, StepUp{}, map[string]string{"max_age": "30", "acr_values": "silver", "prompt": "login"}},
		{"what is no number", "keycloak", map[string]string{"max_age": "soon"}, StepUp{MaxAge: time.Minute}, map[string]string{"max_age": "60"}},
		{"plain OAuth 2.0", "github", nil, StepUp{MaxAge: time.Minute, ACR: []string{"gold"}}, map[string]string{"prompt": "login", "max_age": "", "acr_values": ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := Config{Preset: test.preset, ClientID: "c", ClientSecret: "s", Params: test.params}
			if test.preset == "keycloak" {
				cfg.Issuer = "https://idp.example/realms/acme"
			}
			p := mustNew(t, cfg, Options{}).(*oauthProvider)
			q := p.authorizationQuery(nil, AuthorizationRequest{RedirectURI: testRedirect, State: "s", StepUp: &test.ask})
			for name, want := range test.want {
				if q[name] != want {
					t.Errorf("%s: %q, want %q", name, q[name], want)
				}
			}
		})
	}
}
