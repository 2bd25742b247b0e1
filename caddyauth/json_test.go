package caddyauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// handlerJSON is a whole configuration with one site and this handler.
func handlerJSON(port, handler string) string {
	return `{
		"admin": {"disabled": true},
		"apps": {"http": {"servers": {"a": {
			"listen": ["127.0.0.1:` + port + `"],
			"automatic_https": {"disable": true},
			"routes": [{"handle": [{"handler": "caddyauth", ` + handler + `}, {"handler": "static_response", "body": "{http.request.header.X-Mail}"}]}]
		}}}}
	}`
}

// TestJSON runs a configuration that no Caddyfile made: without a global
// option, without the text of scopes, without a source.
func TestJSON(t *testing.T) {
	s := newServer(t)
	users, err := json.Marshal(usersFile(t))
	if err != nil {
		t.Fatal(err)
	}
	s.loadJSON(handlerJSON(s.Port, `
		"providers": [{"preset": "credentials", "file": `+string(users)+`}, {"preset": "dev", "module": {"name": "People"}}],
		"secret": ["`+secret+`"],
		"base_path": "/auth",
		"match": {"match": [{"not": [{"path": ["/outside/*"]}]}]},
		"public": [{"path": ["/a/*", "/b/*"]}],
		"allow": [{"subject": "any"}, {"path": ["/staff/*"], "subject": "group", "values": ["staff"]}],
		"deny": [{"scope": "deletes", "match": [{"method": ["DELETE"]}], "subject": "any"}],
		"session": {"max_age": "1h", "cookie_prefix": "acme"},
		"headers": {"set": [{"name": "X-Mail", "value": "{http.auth.user.email}"}]},
		"limit": {"sign_in": "3/1m"}`))
	b := s.browser()
	if got, want := b.statuses("/a/x", "/b/x", "/c/x", "/outside/x", "/auth/providers"), "/a/x OK, /b/x OK, /c/x Found, /outside/x OK, /auth/providers OK"; got != want {
		t.Errorf("signed out: %s, want %s", got, want)
	}
	if a := b.do(http.MethodDelete, "/a/x", nil); a.StatusCode != http.StatusForbidden {
		t.Errorf("DELETE: %s", a.Status)
	}
	b.signInBelowAuth(t, "bob")
	if got, want := b.statuses("/c/x", "/staff/x"), "/c/x OK, /staff/x Forbidden"; got != want {
		t.Errorf("bob: %s, want %s", got, want)
	}
	if a := b.get("/c/x"); a.body != "bob@example.org" {
		t.Errorf("header: %q", a.body)
	}
}

// signInBelowAuth signs in at the base path of TestJSON.
func (b *browser) signInBelowAuth(t *testing.T, user string) {
	t.Helper()
	var got struct{ CSRFToken string }
	if err := json.Unmarshal([]byte(b.get("/auth/csrf").body), &got); err != nil {
		t.Fatal(err)
	}
	b.do(http.MethodPost, "/auth/callback/credentials", map[string][]string{
		"csrfToken": {got.CSRFToken}, "username": {user}, "password": {user},
	})
}

// TestJSONMistakes has what a Caddyfile cannot say, or its adapter would have
// refused. Caddy itself refuses unknown names.
func TestJSONMistakes(t *testing.T) {
	const ok = `"providers": [{"preset": "dev"}]`
	for _, c := range []struct{ handler, want string }{
		{ok + `, "alow": []`, `json: unknown field "alow"`},
		{`"providers": [{"preset": "dev", "secret": "x"}]`, `json: unknown field "secret"`},
		{ok + `, "session": {"idel": "1h"}`, `json: unknown field "idel"`},
		{ok + `, "allow": [{"subject": "any", "paths": ["/x"]}]`, `json: unknown field "paths"`},
		{ok + `, "public": [{"paths": ["/x"]}]`, `json: unknown field "paths"`},
		{ok + `, "headers": {"X-Y": "name"}`, `json: unknown field "X-Y"`},
		{ok + `, "limit": {"off": true, "email": "1/1m"}`, `json: unknown field "email"`},
		{ok + `, "pages": {"signin": "/x"}`, `json: unknown field "signin"`},
		{`"providers": [{"preset": "dev", "module": {"persona": []}}]`, `json: unknown field "persona"`},
		{`"providers": [{"preset": "gihub"}]`, `caddyauth: unknown provider 'gihub', did you mean 'github'?`},
		{`"providers": [{"preset": "sendgrid"}]`, `caddyauth: provider 'sendgrid' mails links`},
		{`"providers": [{}]`, `caddyauth: unknown provider ''`},
		{`"providers": [{"preset": "dev"}, {"preset": "dev"}]`, `caddyauth: provider id 'dev' is used twice`},
		{ok + `, "session": {"strategy": "cookie"}`, `caddyauth: session strategy "cookie": it is jwt or database`},
		{ok + `, "session": {"secure": "maybe"}`, `caddyauth: session secure "maybe": it is on, off or auto`},
		{ok + `, "session": {"same_site": "Lax"}`, `caddyauth: session same_site "Lax": it is lax, strict or none`},
		{ok + `, "session": {"max_age": -1}`, `caddyauth: session max_age -1ns: it must not be negative`},
		{ok + `, "session": {"update_age": "-1h"}`, `caddyauth: session update_age -1h0m0s: it must not be negative`},
		{ok + `, "allow": [{}]`, `caddyauth: 'allow': `},
		{ok + `, "allow": [{"subject": "nobody"}]`, `caddyauth: 'allow nobody': `},
		{ok + `, "allow": [{"subject": "any", "values": ["x"]}]`, `caddyauth: 'allow any x': any takes no value`},
		{ok + `, "allow": [{"match": [{"method": ["GET"]}], "subject": "any"}]`, `caddyauth: 'allow any': a rule with a matcher needs a scope`},
		{ok + `, "public": [{"path": ["/x"], "match": [{"method": ["GET"]}]}]`, `path and match exclude each other`},
		{ok + `, "public": [{"scope": "@x", "match": [{"frobnicate": {}}]}]`, `matcher @x: `},
		{ok + `, "public": [{"path": ["x"]}]`, `caddyauth: path "x" matches nothing: it must begin with a slash`},
		{ok + `, "headers": {"preset": "all"}`, `caddyauth: unrecognized headers preset 'all': use remote, oauth2_proxy or none`},
		{ok + `, "limit": {"client": "many"}`, `caddyauth: limit client: 'many' is no rate`},
		{`"providers": [{"preset": "dev", "id": "Work!"}]`, `caddyauth: provider Work!: an id has lower-case letters, digits, - and _ only`},
		{`"providers": [{"preset": "keycloak", "id": "Work!", "client_id": "a", "client_secret": "b", "issuer": "https://a.example"}]`,
			`caddyauth: provider Work!: an id has lower-case letters, digits, - and _ only`},
		{`"providers": [{"preset": "keycloak", "client_id": "a", "client_secret": "b", "issuer": "https://a.example", "checks": ["pkce", "statte"]}]`,
			`caddyauth: provider keycloak: checks: unknown check 'statte', known are pkce, state, nonce, none`},
		{`"providers": [{"preset": "keycloak", "client_id": "a", "client_secret": "b", "issuer": "https://a.example", "params": {"redirect_uri": "x"}}]`,
			`caddyauth: provider keycloak: the parameter redirect_uri is set by the sign-in itself`},
		{`"providers": [{"preset": "github", "client_id": "a", "client_secret": "b", "issuer": "https://ghe.example.com"}], "allow": [{"subject": "any"}]`,
			`caddyauth: provider github: it takes no issuer; for GitHub Enterprise use provider oauth2`},
		{ok + `, "allow": [{"scope": "@s", "match": [{"path": ["/a/*"]}], "subject": "any"}, {"scope": "@s", "match": [{"path": ["/b/*"]}], "subject": "role", "values": ["x"]}]`,
			`caddyauth: 'allow @s': rules of this scope have different matchers: give each matcher a scope of its own`},
		{ok + `, "deny": [{"scope": "/x", "path": ["/x"], "subject": "any"}, {"scope": "/x", "path": ["/y"], "subject": "any"}]`,
			`caddyauth: 'deny /x': rules of this scope have different matchers: give each matcher a scope of its own`},
		{ok + `, "allow": [{"subject": "claim", "values": ["plan"]}]`, `caddyauth: 'allow claim plan': claim: the path "plan" needs a value behind it`},
		{ok + `, "allow": [{"subject": "expr", "values": ["user.nope"]}]`, "caddyauth: 'allow expr user.nope': expr: `user.nope`, column 5: user has no 'nope'"},
		{ok + `, "deny": [{"subject": "expr", "values": ["true", "false"]}]`, `caddyauth: 'deny expr true false': expr takes one expression, got 2`},
		{ok + `, "api": [{"path": ["/v1/*"], "cors": ["null"]}]`, `caddyauth: 'api /v1/*': cors: 'null' is the origin of anybody's sandboxed pages`},
		{ok + `, "step_up": [{"path": ["/x"]}]`, `caddyauth: step_up: needs max_age or acr`},
		{ok + `, "step_up": [{"max_age": "1ms"}]`, `caddyauth: step_up: max_age is one second at least`},
		{ok + `, "step_up": [{"acr": ["a b"]}]`, `caddyauth: step_up: the acr value "a b" has characters that no such value has`},
		{ok + `, "pages": {"refuse": "nginx"}`, `caddyauth: pages refuse "nginx": it takes only 'caddy'`},
	} {
		err := validate(handlerJSON(testport.Free(t), c.handler))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.handler, err, c.want)
		}
	}
	err := validate(`{"apps": {"caddyauth": {"provider": []}}}`)
	if err == nil || !strings.Contains(err.Error(), `json: unknown field "provider"`) {
		t.Errorf("global option: %v", err)
	}
}

// TestJSONPlaces has routes that no Caddyfile makes.
func TestJSONPlaces(t *testing.T) {
	const handler = `"handle": [{"handler": "caddyauth", "providers": [{"preset": "dev"}], "source": "here"}]`
	const refuses = "provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers "
	for _, c := range []struct{ name, listen, routes, want string }{
		{"a host", "", `[{"match": [{"host": ["localhost"]}], ` + handler + `}]`, ""},
		{"a host or a path", "", `[{"match": [{"host": ["localhost"]}, {"path": ["/x/*"]}], ` + handler + `}]`, "here: " + refuses + "every host"},
		{"a host inside a host", "", `[{"match": [{"host": ["app.example.com", "localhost"]}], "handle": [{"handler": "subroute",
			"routes": [{"match": [{"host": ["localhost"]}], ` + handler + `}]}]}]`, ""},
		{"an address", "127.0.0.1", `[{` + handler + `}]`, ""},
		{"all addresses", "0.0.0.0", `[{` + handler + `}]`, "here: " + refuses + "0.0.0.0"},
		{"a path or a method", "127.0.0.1", `[{"match": [{"path": ["/x/*"]}, {"method": ["GET"]}], ` + handler + `}]`, ""},
		{"a path and a method", "127.0.0.1", `[{"match": [{"path": ["/x/*"], "method": ["GET"]}], ` + handler + `}]`,
			"here: caddyauth stands where only /x/* arrives, so its endpoints under /api/auth cannot be reached: move it to the top of the site"},
		{"paths at two levels", "127.0.0.1", `[{"match": [{"path": ["/api/*"]}], "handle": [{"handler": "subroute",
			"routes": [{"match": [{"path": ["/x/*"]}], ` + handler + `}]}]}]`,
			"here: caddyauth stands where only /x/* arrives, so its endpoints under /api/auth cannot be reached: move it to the top of the site"},
		{"an earlier handler of the route", "127.0.0.1", `[{"handle": [{"handler": "static_response"}, {"handler": "caddyauth", "providers": [{"preset": "dev"}]}]}]`,
			"caddyauth: respond or redir answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"a named route", "127.0.0.1", `[{"handle": [{"handler": "invoke", "name": "auth"}]}], "named_routes": {"auth": {"match": [{"path": ["/x/*"]}], ` + handler + `}}`,
			"here: caddyauth stands where only /x/* arrives, so its endpoints under /api/auth cannot be reached: move it to the top of the site"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := `{"admin": {"disabled": true}, "apps": {"http": {"servers": {"a": {"listen": ["` + c.listen + ":" + testport.Free(t) + `"],
				"automatic_https": {"disable": true}, "routes": ` + c.routes + `}}}}}`
			err := caddy.Load(unkept(t, []byte(config)), true)
			if err == nil {
				_ = caddy.Stop()
			}
			if got := whereCaddyFailed.ReplaceAllString(fmt.Sprint(err), ""); c.want == "" && err != nil || c.want != "" && got != c.want {
				t.Errorf("\n got %v\nwant %s", got, c.want)
			}
		})
	}
}

// validate is `caddy validate`.
func validate(text string) error {
	var config caddy.Config
	if err := caddy.StrictUnmarshalJSON([]byte(text), &config); err != nil {
		return err
	}
	return caddy.Validate(&config)
}
