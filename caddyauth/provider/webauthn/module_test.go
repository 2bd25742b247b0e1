package webauthn

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func TestCaddyfile(t *testing.T) {
	for _, c := range []struct{ name, input, json, want string }{
		{"bare", `passkeys`, `{}`, ""},
		{"empty block", "passkeys {\n}", `{}`, ""},
		{"all", "passkeys {\nrp_id example.com\nname \"Our site\"\nuser_verification preferred\n}",
			`{"rp_id":"example.com","name":"Our site","user_verification":"preferred"}`, ""},
		{"placeholder", "passkeys {\nrp_id {env.RP}\n}", `{"rp_id":"{env.RP}"}`, ""},
		{"argument", "passkeys example.com", "", "wrong argument count"},
		{"unknown word", "passkeys {\nattestation direct\n}", "", "unrecognized word 'attestation' for passkeys: it has rp_id, name and user_verification"},
		{"twice", "passkeys {\nrp_id a.example\nrp_id b.example\n}", "", "rp_id: given twice"},
		{"no argument", "passkeys {\nname\n}", "", "wrong argument count"},
		{"two arguments", "passkeys {\nrp_id a.example b.example\n}", "", "wrong argument count"},
		{"empty", "passkeys {\nname \"\"\n}", "", "name: empty"},
		{"discouraged", "passkeys {\nuser_verification discouraged\n}", "", "required or preferred, not 'discouraged'"},
		{"block below", "passkeys {\nname x {\n}\n}", "", "unrecognized word '{'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(Module)
			err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(c.input))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
				return
			}
			if b := string(mustJSON(m)); err != nil || b != c.json {
				t.Errorf("%s, error %v", b, err)
			}
		})
	}
}

func TestProvision(t *testing.T) {
	t.Setenv("PASSKEY_TEST_DOMAIN", "example.com")
	for _, c := range []struct{ name, config, rpID, want string }{
		{"nothing", `{}`, "", ""},
		{"plain", `{"rp_id":"example.com"}`, "example.com", ""},
		{"placeholder", `{"rp_id":"{env.PASSKEY_TEST_DOMAIN}"}`, "example.com", ""},
		{"localhost", `{"rp_id":"localhost"}`, "localhost", ""},
		{"unset placeholder", `{"rp_id":"{env.PASSKEY_TEST_NOTHING}"}`, "", "rp_id: "},
		{"unknown placeholder", `{"name":"{nothing.of.the.kind}"}`, "", "name: "},
		{"origin", `{"rp_id":"https://example.com"}`, "", "without scheme and port"},
		{"port", `{"rp_id":"example.com:8443"}`, "", "without scheme and port"},
		{"address", `{"rp_id":"127.0.0.1"}`, "", "without scheme and port"},
		{"top-level domain", `{"rp_id":"com"}`, "", "without scheme and port"},
		{"verification", `{"user_verification":"discouraged"}`, "", "required or preferred, not 'discouraged'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
			defer cancel()
			loaded, err := ctx.LoadModuleByID("caddyauth.providers.passkey", json.RawMessage(c.config))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
				return
			}
			if err != nil || loaded.(*Module).RPID != c.rpID {
				t.Errorf("%+v, error %v", loaded, err)
			}
		})
	}
}

// guest is what caddyauth expects of its guests.
type guest interface {
	caddy.Module
	NewProvider(id string, opts provider.Options) (provider.Provider, error)
}

func TestNewProvider(t *testing.T) {
	var g guest = new(Module)
	p, err := g.NewProvider("keys", provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	info := p.Info()
	if info.ID != "keys" || info.Name != "Passkey" || info.Type != "webauthn" || info.Public {
		t.Errorf("%+v", info)
	}
	for _, bad := range []*Module{{RPID: "a b"}, {UserVerification: "x"}} {
		if p, err := bad.NewProvider("passkey", provider.Options{}); err == nil {
			t.Errorf("%+v made %v", bad, p)
		}
	}
	if _, err := g.NewProvider("", provider.Options{}); err == nil {
		t.Error("a provider without an id")
	}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
