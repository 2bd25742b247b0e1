package devidp

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestModule(t *testing.T) {
	info, err := caddy.GetModule("caddyauth.providers.dev")
	if err != nil {
		t.Fatal(err)
	}
	m, ok := info.New().(*Module)
	if !ok {
		t.Fatalf("module is a %T", info.New())
	}
	if err := m.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	if m.Name != "Development" || len(m.Personas) != 3 || m.Personas[0].Email != "admin@example.com" {
		t.Errorf("defaults %+v", m)
	}
	if !m.LoopbackOnly() {
		t.Error("not for loopback only")
	}
	p, err := m.NewProvider("dev", provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, ok := p.(provider.Embedded)
	if !ok {
		t.Fatalf("provider is a %T", p)
	}
	if got := e.Info(); got.ID != "dev" || got.Name != "Development" || got.Type != provider.TypeOIDC || got.Public {
		t.Errorf("info %+v", got)
	}
	if got := e.Checks(); !got.PKCE || !got.State || !got.Nonce {
		t.Errorf("checks %+v", got)
	}
	if got := e.Mount(); got != "dev" {
		t.Errorf("mount %q", got)
	}
	other, err := m.NewProvider("staging", provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := other.(provider.Embedded).Mount(); got != "dev-staging" {
		t.Errorf("mount %q", got)
	}
	if _, err := m.NewProvider("", provider.Options{}); err == nil {
		t.Error("a provider without an id")
	}
}

// What a reload makes anew signs with the same keys and knows the same people.
func TestStateOutlivesTheModule(t *testing.T) {
	first, err := new(Module).NewProvider("dev", provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := new(Module).NewProvider("dev", provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if first.(*embedded).idp != second.(*embedded).idp {
		t.Error("two providers in one process")
	}
}

func TestUnmarshalCaddyfile(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":       {`dev`, `{}`},
		"with an id":    {`dev as staging`, `{}`},
		"empty block":   {`dev as staging { }`, `{}`},
		"name":          {"dev {\n name \"Local people\"\n}", `{"name":"Local people"}`},
		"short persona": {"dev {\n persona bob\n}", `{"personas":[{"sub":"bob"}]}`},
		"personas": {
			`dev {
				persona bob {
					name   "Bob Builder"
					email  bob@example.com
					groups a b
					groups c
					roles  "x y"
				}
				persona eve {
					email eve@example.com unverified
				}
			}`,
			`{"personas":[{"sub":"bob","name":"Bob Builder","email":"bob@example.com","groups":["a","b","c"],"roles":["x y"]},` +
				`{"sub":"eve","email":"eve@example.com","email_unverified":true}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m Module
			d := caddyfile.NewTestDispenser(c.in)
			if err := m.UnmarshalCaddyfile(d); err != nil {
				t.Fatal(err)
			}
			if d.Next() {
				t.Errorf("left %q", d.Val())
			}
			got, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestUnmarshalCaddyfileErrors(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"unknown word":            {"dev {\n client_id x\n}", "unrecognized word 'client_id' for provider dev"},
		"name without value":      {"dev {\n name\n}", "wrong argument count"},
		"name twice":              {"dev {\n name a\n name b\n}", "given twice"},
		"persona without subject": {"dev {\n persona\n}", "wrong argument count"},
		"persona with two":        {"dev {\n persona a b\n}", "wrong argument count"},
		"bad subject":             {"dev {\n persona a:b\n}", "the subject must be"},
		"unknown word inside":     {"dev {\n persona a {\n password x\n }\n}", "unrecognized word 'password' for persona"},
		"groups without value":    {"dev {\n persona a {\n groups\n }\n}", "wrong argument count"},
		"two names":               {"dev {\n persona a {\n name a b\n }\n}", "wrong argument count"},
		"two addresses":           {"dev {\n persona a {\n email a@example.com b@example.com\n }\n}", "wrong argument count"},
		"only unverified":         {"dev {\n persona a {\n email\n }\n}", "wrong argument count"},
		"no address":              {"dev {\n persona a {\n email alice\n }\n}", "is no e-mail address"},
	} {
		t.Run(name, func(t *testing.T) {
			err := new(Module).UnmarshalCaddyfile(caddyfile.NewTestDispenser(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Testfile:") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestValidatePersonas(t *testing.T) {
	many := make([]Persona, maxPersonas+1)
	for i := range many {
		many[i].Sub = strings.Repeat("x", i+1)
	}
	for name, c := range map[string]struct {
		personas []Persona
		want     string
	}{
		"defaults":    {defaultPersonas(), ""},
		"twice":       {[]Persona{{Sub: "a"}, {Sub: "a"}}, `"a": more than once`},
		"no subject":  {[]Persona{{Name: "A"}}, "the subject must be"},
		"colon":       {[]Persona{{Sub: "a:b"}}, "the subject must be"},
		"space":       {[]Persona{{Sub: "a b"}}, "the subject must be"},
		"not ASCII":   {[]Persona{{Sub: "é"}}, "the subject must be"},
		"too long":    {[]Persona{{Sub: strings.Repeat("a", 65)}}, "the subject must be"},
		"address":     {[]Persona{{Sub: "a", Email: "A <a@example.com>"}}, "is no e-mail address"},
		"line break":  {[]Persona{{Sub: "a", Email: "a@example.com\r\nb"}}, "is no e-mail address"},
		"too many":    {many, "at most 50"},
		"two at once": {[]Persona{{Sub: "a", Email: "x"}, {Sub: ""}}, `"": the subject`},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&Module{Personas: c.personas}).Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// The embedded provider signs in through the generic client, by function call.
func TestEmbeddedFlow(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost", "app.localhost"} {
		t.Run(host, func(t *testing.T) {
			s := newSite(t)
			port := mustParse(t, s.server.URL).Port()
			// Nothing listens at the name; the client's calls do not need it.
			issuer := "http://" + host + ":" + port + base + "/dev"
			redirect := "http://" + host + ":" + port + base + "/callback/dev"
			address, err := s.provider.AuthorizationURL(context.Background(), provider.AuthorizationRequest{
				RedirectURI: redirect, State: "st", Nonce: "no", Issuer: issuer,
				CodeChallenge: mustParse(t, s.authorizeURL(nil)).Query().Get("code_challenge"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(address, issuer+authorizePath+"?") {
				t.Fatalf("authorization URL %s", address)
			}
			code := s.frontChannel(issuer, mustParse(t, address).RawQuery, "admin")
			call := provider.CallbackRequest{
				Params: code, RedirectURI: redirect, CodeVerifier: testVerifier, Nonce: "no", Issuer: issuer,
			}
			id, err := s.provider.Exchange(context.Background(), call)
			if err != nil {
				t.Fatal(err)
			}
			if id.User.ID != "admin" || id.User.Name.String() != "Ada Admin" || id.User.Email.String() != "admin@example.com" {
				t.Errorf("user %+v", id.User)
			}
			if id.Login != "admin" || !id.Verified || id.Domain != "example.com" {
				t.Errorf("login %q, verified %v, domain %q", id.Login, id.Verified, id.Domain)
			}
			if _, err := s.provider.Exchange(context.Background(), call); provider.ReasonOf(err) != provider.ReasonCodeUsed {
				t.Errorf("second time: %v", err)
			}
		})
	}
}

// frontChannel is the browser's part, at an issuer whose name may not resolve.
func (s *site) frontChannel(issuer, query, sub string) url.Values {
	s.t.Helper()
	tn, ok := newTenant(issuer, "dev", "dev", s.provider.personas)
	if !ok {
		s.t.Fatal("no tenant")
	}
	c := &transport{s.idp, tn}
	first := roundTrip(s.t, c, "GET", issuer+authorizePath+"?"+query, nil)
	login := mustParse(s.t, first.Header.Get("Location"))
	if login.Query().Get("id") == "" {
		s.t.Fatalf("sent to %s", login)
	}
	second := roundTrip(s.t, c, "POST", issuer+loginPath, url.Values{"id": login.Query()["id"], "sub": {sub}})
	return mustParse(s.t, second.Header.Get("Location")).Query()
}

func TestEmbeddedRefusesOtherOrigins(t *testing.T) {
	s := newSite(t)
	for _, issuer := range []string{"", "https://app.example.com/api/auth/dev", "http://localhost/api/auth/other"} {
		_, err := s.provider.AuthorizationURL(context.Background(), provider.AuthorizationRequest{Issuer: issuer})
		if provider.ReasonOf(err) != provider.ReasonUnavailable {
			t.Errorf("%q: %v", issuer, err)
		}
		_, err = s.provider.Exchange(context.Background(), provider.CallbackRequest{Issuer: issuer})
		if provider.ReasonOf(err) != provider.ReasonUnavailable {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

func TestClientsAreBounded(t *testing.T) {
	s := newSite(t)
	for i := range 3 * maxIssuers {
		issuer := "http://" + strings.Repeat("x", i+1) + ".localhost" + base + "/dev"
		first, err := s.provider.client(issuer)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.provider.client(issuer); err != nil || again != first {
			t.Fatalf("made again: %v", err)
		}
	}
	if len(s.provider.clients) != maxIssuers || len(s.provider.order) != maxIssuers {
		t.Errorf("%d clients, %d in order", len(s.provider.clients), len(s.provider.order))
	}
}
