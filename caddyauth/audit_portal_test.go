package caddyauth_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// auditedGate has all that lets others in, or leads elsewhere.
const auditedGate = `{
	admin off
	servers {
		trusted_proxies static 10.0.0.2/32
	}
	caddyauth {
		secret ` + secret + `
		provider oidc https://sso.example.com/realm as sso {
			client_id gateway
			client_secret hidden-value
		}
		store memory
		portal auth.localhost
		allow any
	}
}

http://auth.localhost:1234 {
	caddyauth
}

http://app.localhost:1234 {
	caddyauth {
		portal off
		public /healthz
		allow /admin/* role admin
		step_up /admin/* max_age 5m
		step_up /vault/* acr gold
		api /v1/* {
			cors https://www.example.com https://spa.example.com
		}
		bearer audience orders
		bearer {
			issuer https://sso.example.com
			audience a b
		}
		bearer session
		tokens
		forward_auth
		headers oauth2_proxy {
			X-Mail {http.auth.user.email}
		}
		assertion {
			audience https://internal.example.com
		}
		access_token
		callback_origin https://www.example.org
	}
	respond hello
}

http://wiki.localhost:1234 {
	caddyauth {
		access_token Authorization
	}
	respond hello
}
`

const auditedGateText = `app.localhost (Caddyfile:23)
  origin          http://app.localhost:1234
  provider        sso  http://app.localhost:1234/api/auth/callback/sso
  gate            every request
  signed out      /api/auth/*, /.well-known/oauth-protected-resource, /api/auth/jwks, /api/auth/verify
  public          /healthz
  rule            allow any
  rule            allow /admin/* role admin
  rule            step_up /admin/* max_age 5m0s
  rule            step_up /vault/* acr gold
  rule            api /v1/* cors https://www.example.com https://spa.example.com
  bearer          personal access tokens
  bearer          session tokens
  bearer          issuer of each provider, audience orders
  bearer          issuer https://sso.example.com, audience a b
  headers         X-Forwarded-User, X-Forwarded-Email, X-Forwarded-Preferred-Username, X-Forwarded-Groups, X-Auth-Request-User, X-Auth-Request-Email, X-Auth-Request-Preferred-Username, X-Auth-Request-Groups, X-Mail
  assertion       X-Auth-Assertion, audience https://internal.example.com
  access token    X-Forwarded-Access-Token
  redirects       http://app.localhost:1234, https://www.example.org
  cookie          next-auth.session-token, SameSite=Lax

auth.localhost (Caddyfile:19)
  origin          http://auth.localhost:1234
  provider        sso  http://auth.localhost:1234/api/auth/callback/sso
  gate            every request
  signed out      /api/auth/*, /
  rule            allow any
  portal          auth.localhost (people sign in here for other sites)
  redirects       http://auth.localhost:1234, http://wiki.localhost:1234
  cookie          next-auth.session-token, SameSite=Lax

wiki.localhost (Caddyfile:53)
  origin          http://wiki.localhost:1234
  provider        sso
  gate            every request
  signed out      /api/auth/*
  rule            allow any
  portal          http://auth.localhost:1234/api/auth (people sign in there)
  access token    Authorization
  redirects       http://wiki.localhost:1234, http://auth.localhost:1234
  cookie          next-auth.session-token, SameSite=Lax

owned headers: remote-email, remote-groups, remote-name, remote-user, x-auth-assertion, x-auth-request-email, x-auth-request-groups, x-auth-request-preferred-username, x-auth-request-user, x-forwarded-access-token, x-forwarded-email, x-forwarded-groups, x-forwarded-preferred-username, x-forwarded-user, x-mail, x-auth-request-*
without caddyauth: no host
`

// TestAuditPortal checks the text about a portal, its members, and what stands in
// for a session.
func TestAuditPortal(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	file := filepath.Join(c.home, "Caddyfile")
	if err := os.WriteFile(file, []byte(auditedGate), 0o600); err != nil {
		t.Fatal(err)
	}
	got := c.ok("auth", "audit", "--config", file)
	if got != auditedGateText {
		t.Errorf("got\n%s\nwant\n%s", got, auditedGateText)
	}
	if strings.Contains(got, secret) || strings.Contains(got, "hidden-value") {
		t.Error("LEAK-04: a secret is printed")
	}

	// The order of servers, hosts and modules in a configuration of JSON means nothing.
	raw, _, err := adapt(t, auditedGate)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]bool)
	for range 4 {
		turned, err := json.Marshal(turned{config})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(c.home, "turned.json")
		if err := os.WriteFile(name, turned, 0o600); err != nil {
			t.Fatal(err)
		}
		texts[c.ok("auth", "audit", "--config", name)] = true
		texts[c.ok("auth", "audit", "--config", name, "--json")] = true
	}
	if len(texts) != 2 {
		t.Errorf("%d texts of one configuration:\n%s", len(texts), strings.Join(keys(texts), "\n"))
	}
	if !texts[got] {
		t.Errorf("from JSON it is another text:\n%s", strings.Join(keys(texts), "\n"))
	}
}

func keys(m map[string]bool) (names []string) {
	for name := range maps.Keys(m) {
		names = append(names, name)
	}
	return names
}

// turned is JSON whose objects have their members in the order of Go's maps, which is
// another one each time.
type turned struct{ value any }

// MarshalJSON implements json.Marshaler.
func (v turned) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	var write func(any) error
	write = func(value any) error {
		switch value := value.(type) {
		case map[string]any:
			sep := "{"
			for name, member := range value {
				key, err := json.Marshal(name)
				if err != nil {
					return err
				}
				b.WriteString(sep + string(key) + ":")
				if err := write(member); err != nil {
					return err
				}
				sep = ","
			}
			if sep == "{" {
				b.WriteString("{")
			}
			b.WriteString("}")
			return nil
		case []any:
			b.WriteString("[")
			for i, member := range value {
				if i > 0 {
					b.WriteString(",")
				}
				if err := write(member); err != nil {
					return err
				}
			}
			b.WriteString("]")
			return nil
		}
		text, err := json.Marshal(value)
		b.Write(text)
		return err
	}
	if err := write(v.value); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}
