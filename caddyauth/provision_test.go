package caddyauth_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// refusal is a configuration that adapts but cannot run.
type refusal struct {
	name string
	// lines are those of the directive's block, or, if they begin with a line
	// break, all sites.
	lines string
	env   map[string]string
	// want are the problems.
	want []string
}

// directiveLine is where the directive stands in a Caddyfile of these tests.
const directiveLine = "Caddyfile:13"

// site puts the lines of a block into a site. Its provider is one that nothing
// is wrong with, unless the lines name one.
func siteWith(lines string) string {
	if strings.HasPrefix(lines, "\n") {
		return lines
	}
	return "\nhttp://localhost:{PORT} {\n\tcaddyauth {\n" + lines + "\n\t}\n}\n"
}

var whereCaddyFailed = regexp.MustCompile(`(?s)^.*(provision http\.handlers\.caddyauth|caddyauth app module: start): `)

// refused loads a configuration that must not run, and returns why, without
// the way that Caddy describes to the module.
func refused(t *testing.T, global, config string) error {
	t.Helper()
	err := loadError(t, global, config)
	if err == nil {
		t.Fatalf("it runs:\n%s", config)
	}
	return errors.New(whereCaddyFailed.ReplaceAllString(err.Error(), ""))
}

// problems is how several problems of one site are listed.
func problems(want []string) string {
	if len(want) == 1 {
		return directiveLine + ": " + want[0]
	}
	return fmt.Sprintf("%s: %d problems:\n  - %s", directiveLine, len(want), strings.Join(want, "\n  - "))
}

// fileIn writes a file for one test.
func fileIn(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// keycloak is a provider that lacks nothing and demands no rule.
const keycloak = "provider keycloak https://sso.example.com/realms/acme {\nclient_id a\nclient_secret b\n}\n"

// github is one that does.
const github = "provider github {\nclient_id a\nclient_secret b\n}\n"

const hint = "; leave it out and one is generated, or make one with: openssl rand -base64 33"

func TestRefusals(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			setenv(t, r.env)
			if got, want := refused(t, "", siteWith(r.lines)).Error(), problems(r.want); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

const prefixRule = ": it takes up to 64 letters, digits and any of !#$%&'*+-.^_`|~, and begins with neither __Secure- nor __Host-"

const environment = " is not set in Caddy's environment (systemd: EnvironmentFile=, docker: --env-file). Or write: "

var refusals = []refusal{
	{"no provider", "allow any", nil, []string{
		"no provider: name one, as in 'caddyauth github', or a users file with 'users <file>'"}},
	{"nothing at all", "\nhttp://localhost:{PORT} {\n\tcaddyauth\n}\n", nil, []string{
		"no provider: name one, as in 'caddyauth github', or a users file with 'users <file>'"}},
	{"client id and secret missing", "provider github\nallow any", nil, []string{
		"provider github: AUTH_GITHUB_ID" + environment + "client_id {env.MY_NAME}",
		"provider github: AUTH_GITHUB_SECRET" + environment + "client_secret {env.MY_NAME}"}},
	{"everything missing", "provider keycloak\nprovider google as work-google\nprovider oidc https://id.example.com {\nclient_id {env.NOT_SET}\n}\nsecret short\nurl ftp://x", nil, []string{
		"url: \"ftp://x\": the scheme must be http or https",
		"provider keycloak: AUTH_KEYCLOAK_ID" + environment + "client_id {env.MY_NAME}",
		"provider keycloak: AUTH_KEYCLOAK_SECRET" + environment + "client_secret {env.MY_NAME}",
		"provider keycloak: AUTH_KEYCLOAK_ISSUER" + environment + "issuer https://...",
		"provider work-google: AUTH_WORK_GOOGLE_ID" + environment + "client_id {env.MY_NAME}",
		"provider work-google: AUTH_WORK_GOOGLE_SECRET" + environment + "client_secret {env.MY_NAME}",
		"provider oidc: client_id: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)",
		"provider oidc: AUTH_OIDC_SECRET" + environment + "client_secret {env.MY_NAME}",
		"anyone with a Google account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'",
		"secret 1: has 5 characters, at least 32 are needed" + hint}},
	{"allow missing", github, nil, []string{
		"anyone with a GitHub account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow in a scope only", github + "allow /admin/* role admin", nil, []string{
		"anyone with a GitHub account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, Google under another issuer", "provider google https://id.example.com {\nclient_id a\nclient_secret b\n}", nil, []string{
		"anyone with a Google account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, Google's issuer in a variable", "provider google {env.ISSUER} {\nclient_id a\nclient_secret b\n}", map[string]string{"ISSUER": "https://accounts.google.com"}, []string{
		"anyone with a Google account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, Google by oidc", "provider oidc https://accounts.google.com {\nclient_id a\nclient_secret b\n}", nil, []string{
		"anyone with a Google account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, Google by oidc and a variable", "provider oidc {env.ISSUER} {\nclient_id a\nclient_secret b\n}", map[string]string{"ISSUER": "https://accounts.google.com/"}, []string{
		"anyone with a Google account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, Google by oidc and the environment", "provider oidc {\nclient_id a\nclient_secret b\n}", map[string]string{"AUTH_OIDC_ISSUER": "https://accounts.google.com"}, []string{
		"anyone with a Google account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"GitHub's issuer from the environment", github + "allow any", map[string]string{"AUTH_GITHUB_ISSUER": "https://ghe.example.com"}, []string{
		"provider github: it takes no issuer; for GitHub Enterprise use provider oauth2"}},
	{"allow missing, any tenant of Microsoft", "provider microsoft-entra-id {\nclient_id a\nclient_secret b\n}", nil, []string{
		"anyone with a Microsoft Entra ID account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, Microsoft's private accounts by oidc", "provider oidc https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0 {\nclient_id a\nclient_secret b\n}", nil, []string{
		"anyone with an Azure Active Directory account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"allow missing, gitlab.com", "provider gitlab https://GitLab.com/ {\nclient_id a\nclient_secret b\n}", nil, []string{
		"anyone with a GitLab account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},
	{"settings of services missing", "provider bungie {\nclient_id a\nclient_secret b\n}\nprovider netsuite {\nclient_id a\nclient_secret b\nsetting account_id {env.NOT_SET}\nuserinfo https://1.restlets.api.netsuite.com/me\n}\nallow any", nil, []string{
		"provider bungie: AUTH_BUNGIE_API_KEY" + environment + "setting api_key {env.MY_NAME}",
		"provider netsuite: setting account_id: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)"}},
	{"userinfo of NetSuite missing", "provider netsuite {\nclient_id a\nclient_secret b\n}\nallow any", map[string]string{"AUTH_NETSUITE_ACCOUNT_ID": "1234567"}, []string{
		"provider netsuite: it needs: userinfo https://..., as the service has none that fits all"}},
	{"issuer of Mattermost missing", "provider mattermost {\nclient_id a\nclient_secret b\n}\nallow any", nil, []string{
		"provider mattermost: AUTH_MATTERMOST_ISSUER" + environment + "issuer https://..."}},
	{"deny only", github + "deny user mallory", nil, []string{
		"anyone with a GitHub account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'"}},

	{"RELOAD-06 short", keycloak + "secret 0123456789012345678901234567890", nil, []string{
		"secret 1: has 31 characters, at least 32 are needed" + hint}},
	{"RELOAD-06 second one short", keycloak + "secret " + secret + " short", nil, []string{
		"secret 2: has 5 characters, at least 32 are needed" + hint}},
	{"RELOAD-06 placeholder", keycloak + "secret ChangeMe-0123456789-0123456789-0123456789", nil, []string{
		"secret 1: looks like a placeholder (it contains \"changeme\")" + hint}},
	{"RELOAD-06 one character", keycloak + "secret aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", nil, []string{
		"secret 1: repeats one character" + hint}},
	{"RELOAD-06 unset variable", keycloak + "secret {env.NOT_SET}", nil, []string{
		"secret 1: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)"}},
	{"RELOAD-06 empty variable", keycloak + "secret {env.EMPTY}", map[string]string{"EMPTY": ""}, []string{
		"secret 1: evaluated placeholder {env.EMPTY} is empty (is the variable set in Caddy's own environment?)"}},
	{"RELOAD-06 no such file", keycloak + "secret {file./nonexistent/secret}", nil, []string{
		"secret 1: evaluated placeholder {file./nonexistent/secret} is empty (is the variable set in Caddy's own environment?)"}},
	{"RELOAD-06 unknown placeholder", keycloak + "secret {secrets.session}", nil, []string{
		"secret 1: unrecognized placeholder {secrets.session} (is the variable set in Caddy's own environment?)"}},
	{"RELOAD-06 request placeholder", keycloak + "secret {http.request.host}", nil, []string{
		"secret 1: {http.request.host}: placeholders of requests have no value when the configuration loads"}},
	{"RELOAD-06 short in a variable", keycloak + "secret {env.SHORT}", map[string]string{"SHORT": "abc"}, []string{
		"secret 1: has 3 characters, at least 32 are needed" + hint}},
	{"RELOAD-06 NEXTAUTH_SECRET empty", keycloak, map[string]string{"NEXTAUTH_SECRET": ""}, []string{
		"environment variable NEXTAUTH_SECRET: is empty" + hint}},
	{"RELOAD-06 AUTH_SECRET short", keycloak, map[string]string{"AUTH_SECRET": "secret"}, []string{
		"environment variable AUTH_SECRET: has 6 characters, at least 32 are needed" + hint}},
	{"RELOAD-06 AUTH_SECRET_FILE missing", keycloak, map[string]string{"AUTH_SECRET_FILE": "/nonexistent/secret"}, []string{
		"environment variable AUTH_SECRET_FILE: open /nonexistent/secret: no such file or directory"}},
	{"client secret file missing", "provider keycloak https://sso.example.com", map[string]string{
		"AUTH_KEYCLOAK_ID": "a", "AUTH_KEYCLOAK_SECRET_FILE": "/nonexistent/secret"}, []string{
		"provider keycloak: environment variable AUTH_KEYCLOAK_SECRET_FILE: open /nonexistent/secret: no such file or directory"}},

	{"IDP-12 http issuer", "provider oidc http://id.example.com {\nclient_id a\nclient_secret b\n}", nil, []string{
		"provider oidc: issuer: \"http://id.example.com\" must be an https URL"}},
	{"IDP-12 http endpoints", "provider oauth2 {\nclient_id a\nclient_secret b\nauthorization http://a.example/x\ntoken http://a.example/y\nuserinfo http://a.example/z\n}", nil, []string{
		"provider oauth2: authorization: \"http://a.example/x\" must be an https URL",
		"provider oauth2: token: \"http://a.example/y\" must be an https URL",
		"provider oauth2: userinfo: \"http://a.example/z\" must be an https URL"}},
	{"endpoints missing", "provider oauth2 {\nclient_id a\nclient_secret b\n}", nil, []string{
		"provider oauth2: an oauth2 provider needs: authorization https://...",
		"provider oauth2: an oauth2 provider needs: token https://...",
		"provider oauth2: an oauth2 provider needs: userinfo https://..."}},
	{"endpoint from an unset variable", "provider oauth2 {\nclient_id a\nclient_secret b\nauthorization {env.NOT_SET}\ntoken https://a.example\nuserinfo {env.NOT_SET_EITHER}\n}", nil, []string{
		"provider oauth2: authorization: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)",
		"provider oauth2: userinfo: evaluated placeholder {env.NOT_SET_EITHER} is empty (is the variable set in Caddy's own environment?)"}},

	{"base_path of the root", keycloak + "base_path /", nil, []string{
		"base_path \"\": it must begin with a slash, and have letters, digits, - . _ ~ and single slashes only"}},
	{"base_path with a pattern", keycloak + "base_path /api/*", nil, []string{
		"base_path \"/api/*\": it must begin with a slash, and have letters, digits, - . _ ~ and single slashes only"}},
	{"base_path with dots", keycloak + "base_path /api/../auth", nil, []string{
		"base_path \"/api/../auth\": it must begin with a slash, and have letters, digits, - . _ ~ and single slashes only"}},
	{"base_path unresolved", keycloak + "base_path /{env.NOT_SET}", nil, []string{
		"base_path: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)"}},
	{"url with a query", keycloak + "url https://app.example.com/?x=1", nil, []string{
		"url: \"https://app.example.com/?x=1\": only scheme, host and path belong here"}},
	{"url with a user", keycloak + "url https://a:b@app.example.com", nil, []string{
		"url: \"https://xxxxx@app.example.com\": only scheme, host and path belong here"}},
	{"url without a host", keycloak + "url https:///x", nil, []string{
		"url: \"https:///x\": invalid host"}},
	{"url that is none", keycloak + `url "https://a b"`, nil, []string{
		"url: \"https://a b\" is no URL"}},
	{"url with a path that is none", keycloak + "url https://app.example.com/a//b", nil, []string{
		"base_path \"/a//b\": it must begin with a slash, and have letters, digits, - . _ ~ and single slashes only"}},

	{"COOK-14 prefix of browsers", keycloak + "session {\ncookie_prefix __Host-app\n}", nil, []string{
		"session cookie_prefix \"__Host-app\"" + prefixRule}},
	{"cookie_prefix that is no token", keycloak + "session {\ncookie_prefix a;b\n}", nil, []string{
		"session cookie_prefix \"a;b\"" + prefixRule}},
	{"cookie_domain without a dot", keycloak + "session {\ncookie_domain localhost\n}", nil, []string{
		"session cookie_domain \"localhost\" is no domain that cookies can have: write one such as example.com, or leave it out"}},
	{"cookie_domain of an address", keycloak + "session {\ncookie_domain 127.0.0.1\n}", nil, []string{
		"session cookie_domain \"127.0.0.1\" is no domain that cookies can have: write one such as example.com, or leave it out"}},
	{"cookie_domain that is none", keycloak + "session {\ncookie_domain \"a;b.example\"\n}", nil, []string{
		"session cookie_domain \"a;b.example\" is no domain that cookies can have: write one such as example.com, or leave it out"}},
	{"cookie_domain of everybody", keycloak + "url https://app.co.uk\nsession {\ncookie_domain co.uk\n}", nil, []string{
		"session cookie_domain \"co.uk\" is a public suffix, below which anybody can have a site: browsers would drop the cookie"}},
	{"cookie_domain of everybody, of a host for hire", keycloak + "session {\ncookie_domain .GitHub.io\n}", nil, []string{
		"session cookie_domain \"github.io\" is a public suffix, below which anybody can have a site: browsers would drop the cookie"}},
	{"cookie_domain of others", keycloak + "url https://app.example.com\nsession {\ncookie_domain example.org\n}", nil, []string{
		"session cookie_domain \"example.org\" is not a parent of app.example.com: browsers would drop the cookie"}},
	{"cookie_domain that only ends alike", keycloak + "url https://notexample.com\nsession {\ncookie_domain example.com\n}", nil, []string{
		"session cookie_domain \"example.com\" is not a parent of notexample.com: browsers would drop the cookie"}},
	{"cookie_domain of another site", keycloak + "session {\ncookie_domain example.org\n}", nil, []string{
		"session cookie_domain \"example.org\" is not a parent of localhost: browsers would drop the cookie"}},
	{"same_site none without Secure", keycloak + "session {\nsame_site none\nsecure off\n}", nil, []string{
		"session same_site none needs Secure cookies: browsers drop the cookie otherwise"}},
	{"pages that are none", keycloak + "pages {\nsign_in login\n}", nil, []string{
		"pages: \"login\" is neither a path that begins with a slash nor an http or https URL"}},
	{"page with a fragment", keycloak + "pages {\nsign_in \"/a#b\"\n}", nil, []string{
		"pages: \"/a#b\" has a fragment"}},
	{"page with an escaped slash", keycloak + "pages {\nsign_in /a%2fb\n}", nil, []string{
		"pages: \"/a%2fb\" has an escaped slash"}},
	{"page with a broken escape", keycloak + "pages {\nsign_in /a%zz\n}", nil, []string{
		"pages: \"/a%zz\" is neither a path that begins with a slash nor an http or https URL"}},
	{"page with a password", keycloak + "pages {\nsign_in https://u:topsecret@a.example/x\n}", nil, []string{
		"pages: \"https://xxxxx@a.example/x\" has a user name in it"}},
	{"page from an unset variable", keycloak + "pages {\nsign_in {env.NOT_SET}\n}", nil, []string{
		"pages: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)"}},
	{"page on a host without a scheme", keycloak + "pages {\nerror //evil.example/x\n}", nil, []string{
		"pages: \"//evil.example/x\" is neither a path that begins with a slash nor an http or https URL"}},

	{"user without the provider", keycloak + github + "allow user octocat", nil, []string{
		"'allow user octocat': user: with several providers, write 'keycloak:octocat'"}},
	{"email that is none", keycloak + "allow email octocat", nil, []string{
		"'allow email octocat': email: \"octocat\" is no address"}},
	{"rule with an unset variable", keycloak + "allow /x email {env.NOT_SET}", nil, []string{
		"'allow /x email {env.NOT_SET}': evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)"}},
	{"header that frames the request", keycloak + "headers {\nHost name\n}", nil, []string{
		"headers: Host cannot name a person"}},
	{"header name that is none", keycloak + "headers {\nX:Y name\n}", nil, []string{
		"headers: \"X:Y\" is no name of a header field"}},
	{"header from a request", keycloak + "headers {\nX-Y {http.request.header.X}\n}", nil, []string{
		"headers: 'X-Y {http.request.header.X}': the value is one placeholder such as {http.auth.user.email}, or a claim path"}},
	{"header with more than a placeholder", keycloak + "headers {\nX-Y \"a {http.auth.user.email}\"\n}", nil, []string{
		"headers: 'X-Y a {http.auth.user.email}': the value is one placeholder such as {http.auth.user.email}, or a claim path"}},

	{"users file missing", "users /nonexistent/users.yml", nil, []string{
		"users file /nonexistent/users.yml: no such file or directory"}},
	{"users file from an unset variable", "users {env.NOT_SET}", nil, []string{
		"users: evaluated placeholder {env.NOT_SET} is empty (is the variable set in Caddy's own environment?)"}},

	{"NEXTAUTH_URL that is none", keycloak, map[string]string{"NEXTAUTH_URL": "ftp://localhost"}, []string{
		"environment variable NEXTAUTH_URL: \"ftp://localhost\": the scheme must be http or https"}},
	{"NEXTAUTH_URL with a path that is none", keycloak, map[string]string{"NEXTAUTH_URL": "http://localhost/a//b"}, []string{
		"environment variable NEXTAUTH_URL: \"/a//b\" cannot be a base path"}},
}

// TestUsersFileErrors names file and line.
func TestUsersFileErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "the file is empty"},
		"neither format":    {"hello\n", "the file is neither YAML with a key users nor lines of the form name:hash"},
		"attribute unknown": {"users:\n  alice:\n    pasword: x\n", "line 2: user \"alice\": unknown attribute \"pasword\" in line 3, did you mean 'password'?"},
		"hash broken":       {"users:\n  alice:\n    password: $argon2id$v=19$m=47104,t=1,p=1$AAAA\n", "line 2: user \"alice\": "},
		"YAML broken":       {"users:\n  alice: [\n", "line 2: did not find expected node content"},
		"htpasswd broken":   {"alice:$2a$04$HMZyeLsYt8ktCtqjVcSVdeJS5t.PtMID0EBmOADa64qHvizufl/z2\nbob\n", "line 2: not of the form name:hash"},
	} {
		t.Run(name, func(t *testing.T) {
			file := fileIn(t, "users.yml", c.text)
			got := refused(t, "", siteWith("users "+file)).Error()
			if want := directiveLine + ": users file " + file + ": " + c.want; !strings.HasPrefix(got, want) {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// TestRefusedPlaces has the places where the directive cannot work.
func TestRefusedPlaces(t *testing.T) {
	const endpoints = "so its endpoints under /api/auth cannot be reached: move it to the top of the site"
	const nowhere = "caddyauth stands where no request arrives: put it in a site itself, not in handle_errors, handle_response or intercept, nor in a named route that no site invokes"
	for _, c := range []struct{ name, global, config, want string }{
		{"inside handle", "", `
http://localhost:{PORT} {
	handle /x/* {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:14: caddyauth stands where only /x/* arrives, " + endpoints},
		{"inside handle_path", "", `
http://localhost:{PORT} {
	handle_path /x/* {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:14: caddyauth stands where only /x/* arrives, " + endpoints},
		{"inside nested handles", "", `
http://localhost:{PORT} {
	handle /api/* {
		handle /api/v1/* {
			caddyauth {
				{KEYCLOAK}
			}
		}
	}
}
`, "Caddyfile:15: caddyauth stands where only /api/v1/* arrives, " + endpoints},
		{"site key with a path", "", `
http://localhost:{PORT}/shop* {
	caddyauth {
		{KEYCLOAK}
	}
}
`, "Caddyfile:13: caddyauth stands where only /shop* arrives, " + endpoints},
		{"an answer before it in a route", "", `
http://localhost:{PORT} {
	route {
		respond "hello"
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:15: respond or redir answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"an answer before it by order", "order caddyauth last", `
http://localhost:{PORT} {
	file_server
	caddyauth {
		{KEYCLOAK}
	}
}
`, "Caddyfile:14: file_server answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"a proxy before it by order", "order caddyauth after reverse_proxy", `
http://localhost:{PORT} {
	reverse_proxy 127.0.0.1:9
	caddyauth {
		{KEYCLOAK}
	}
}
`, "Caddyfile:14: reverse_proxy answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"an error before it", "", `
http://localhost:{PORT} {
	route {
		error 404
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:15: error answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"an answer in a block before it", "", `
http://localhost:{PORT} {
	route {
		handle {
			respond "hello"
		}
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:17: respond or redir answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"two in one site", "", `
http://localhost:{PORT} {
	caddyauth /a/* {
		{KEYCLOAK}
	}
	caddyauth /b/* {
		{KEYCLOAK}
	}
}
`, "Caddyfile:20: this site has a caddyauth with the base path /api/auth at Caddyfile:13 already: keep one"},
		{"two in one snippet", "", `
(auth) {
	caddyauth {
		{KEYCLOAK}
	}
}
http://localhost:{PORT} {
	import auth
	import auth
}
`, "Caddyfile:13 import chain ['Caddyfile:23 (import auth)']: this site has a caddyauth with the base path /api/auth at Caddyfile:13 import chain ['Caddyfile:22 (import auth)'] already: keep one"},
		{"two with one cookie_prefix", "", `
http://localhost:{PORT} {
	caddyauth /a/* {
		{KEYCLOAK}
	}
	caddyauth /b/* {
		base_path /b/auth
		{KEYCLOAK}
	}
}
`, "Caddyfile:20: this site has a caddyauth with the cookie_prefix next-auth at Caddyfile:13 already, and each would take the other's cookies: keep one, or give one another cookie_prefix"},
		{"an answer before it in a named route", "", `
&(app) {
	respond open
}
http://localhost:{PORT} {
	route {
		invoke app
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:18: respond or redir answers every request before caddyauth can: give it a matcher, or put it behind caddyauth (see the option 'order')"},
		{"named routes that invoke each other", "", `
&(app) {
	invoke app
	caddyauth {
		{KEYCLOAK}
	}
	respond open
}
http://localhost:{PORT} {
	handle_errors {
		invoke app
	}
}
`, "Caddyfile:14: " + nowhere},
		{"inside handle_errors", "", `
http://localhost:{PORT} {
	handle_errors {
		caddyauth dev
	}
}
`, "Caddyfile:14: " + nowhere},
		{"inside handle_response", "", `
http://localhost:{PORT} {
	reverse_proxy 127.0.0.1:9 {
		handle_response {
			route {
				caddyauth dev
			}
		}
	}
}
`, "Caddyfile:16: " + nowhere},
		{"inside intercept", "", `
http://app.example.com:{PORT} {
	intercept {
		handle_response {
			route {
				caddyauth dev
			}
		}
	}
	respond x
}
`, "Caddyfile:16: " + nowhere},
		{"behind not path", "", `
http://localhost:{PORT} {
	@x not path /api/*
	handle @x {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:15: caddyauth stands where only what a matcher of other requests selects arrives, " + endpoints},
		{"behind path_regexp", "", `
http://localhost:{PORT} {
	@x path_regexp ^/x/
	handle @x {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:15: caddyauth stands where only what a matcher of other requests selects arrives, " + endpoints},
		{"behind method", "", `
http://localhost:{PORT} {
	@x method POST
	handle @x {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:15: caddyauth stands where only what a matcher of other requests selects arrives, " + endpoints},
		{"behind an expression", "", `
http://localhost:{PORT} {
	@x ` + "`!path('/api/*') || {path}.startsWith('/x')`" + `
	handle @x {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:15: caddyauth stands where only what a matcher of other requests selects arrives, " + endpoints},
		{"behind a path and a header", "", `
http://localhost:{PORT} {
	@x {
		path /x/*
		header X-Y z
	}
	handle @x {
		caddyauth {
			{KEYCLOAK}
		}
	}
}
`, "Caddyfile:18: caddyauth stands where only /x/* arrives, " + endpoints},

		{"dev behind a public url", "", `
http://localhost:{PORT} {
	caddyauth {
		provider dev
		url https://public.example.com
	}
}
`, "Caddyfile:13: provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers public.example.com"},
		{"dev on a public site", "", `
http://app.example.com:{PORT} {
	bind 127.0.0.1
	caddyauth dev
}
`, "Caddyfile:14: provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers app.example.com"},
		{"dev on a catch-all", "", `
http://:{PORT} {
	caddyauth dev
}
`, "Caddyfile:13: provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers every host"},
		{"dev on one loopback host of two", "", `
http://localhost:{PORT}, http://app.example.com:{PORT} {
	caddyauth {
		provider dev
	}
}
`, "Caddyfile:13: provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers app.example.com"},
		{"dev from the global option", "caddyauth dev", `
http://localhost:{PORT} {
	caddyauth
}
http://app.example.com:{PORT} {
	caddyauth
}
`, "Caddyfile:16: provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers app.example.com"},
		{"dev and a cookie_domain of others", "", `
http://app.example.com:{PORT} {
	caddyauth dev {
		session {
			cookie_domain example.org
		}
	}
}
`, "Caddyfile:13: 2 problems:\n  - provider 'dev' is for development and signs anybody in; it works on loopback sites only, and this one answers app.example.com" +
			"\n  - session cookie_domain \"example.org\" is not a parent of app.example.com: browsers would drop the cookie"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := strings.ReplaceAll(c.config, "{KEYCLOAK}", keycloak)
			if got := refused(t, c.global, config).Error(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestAcceptedPlaces has places that look alike and work.
func TestAcceptedPlaces(t *testing.T) {
	for name, config := range map[string]string{
		"inside handle of the endpoints": "http://localhost:{PORT} {\nhandle /api/* {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"inside route":                   "http://localhost:{PORT} {\nroute {\ncaddyauth {\n{KEYCLOAK}\n}\nrespond x\n}\n}",
		"an answer with a matcher":       "http://localhost:{PORT} {\nroute {\nrespond /health x\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"redirect with a matcher":        "http://localhost:{PORT} {\nredir /from /to\ncaddyauth {\n{KEYCLOAK}\n}\n}",
		"file_server that passes on":     "http://localhost:{PORT} {\nroute {\nfile_server {\npass_thru\n}\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"another base path":              "http://localhost:{PORT} {\ncaddyauth /a/* {\n{KEYCLOAK}\n}\ncaddyauth /b/* {\nbase_path /b/auth\nsession {\ncookie_prefix b\n}\n{KEYCLOAK}\n}\n}",
		"forward_auth before it":         "http://localhost:{PORT} {\nroute {\nforward_auth 127.0.0.1:9 {\nuri /verify\n}\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"inside a named route":           "&(auth) {\ncaddyauth {\n{KEYCLOAK}\n}\n}\nhttp://localhost:{PORT} {\ninvoke auth\nrespond x\n}",
		"a named route that passes on":   "&(v) {\nvars a b\n}\nhttp://localhost:{PORT} {\nroute {\ninvoke v\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind a header":                "http://localhost:{PORT} {\n@x header X-Y z\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind not remote_ip":           "http://localhost:{PORT} {\n@x not remote_ip 10.0.0.0/8\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind not a path and a query":  "http://localhost:{PORT} {\n@x not {\npath /api/*\nquery a=b\n}\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind not another path":        "http://localhost:{PORT} {\n@x not path /x/*\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind an expression of hosts":  "http://localhost:{PORT} {\n@x `host('a.localhost') || {header.X} == 'path'`\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind an expression of paths":  "http://localhost:{PORT} {\n@x `!path('/x/*') && method('GET', 'POST')`\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"behind a path of a request":     "http://localhost:{PORT} {\n@x path {vars.x}\nhandle @x {\ncaddyauth {\n{KEYCLOAK}\n}\n}\n}",
		"dev with a loopback url":        "http://localhost:{PORT} {\nbind 127.0.0.1\ncaddyauth dev {\nurl http://app.localhost\n}\n}",
		"a snippet in two sites":         "(auth) {\ncaddyauth {\n{KEYCLOAK}\n}\n}\nhttp://localhost:{PORT} {\nimport auth\n}\nhttp://127.0.0.1:{PORT} {\nimport auth\n}",
		"dev on loopback hosts":          "http://localhost:{PORT}, http://app.localhost:{PORT}, http://127.0.0.1:{PORT}, http://[::1]:{PORT} {\nbind 127.0.0.1\ncaddyauth dev\n}",
		"dev on a catch-all on loopback": "http://:{PORT} {\nbind 127.0.0.1\ncaddyauth dev\n}",
		"cookie_domain of two sites":     "http://a.example.com:{PORT}, http://*.b.example.com:{PORT} {\nbind 127.0.0.1\ncaddyauth {\n{KEYCLOAK}\nsession {\ncookie_domain .Example.com\n}\n}\n}",
	} {
		t.Run(name, func(t *testing.T) {
			start(t, "\n"+strings.ReplaceAll(config, "{KEYCLOAK}", keycloak)+"\n")
		})
	}
}

// TestNEXTAUTHURLMovesEndpoints checks the place against the base path that the
// environment gives.
func TestNEXTAUTHURLMovesEndpoints(t *testing.T) {
	t.Setenv("NEXTAUTH_URL", "http://localhost/shop/api/auth")
	config := "\nhttp://localhost:{PORT} {\n\thandle /shop/* {\n\t\tcaddyauth {\n" + keycloak + "\n\t\t}\n\t}\n}\n"
	start(t, config)
	config = strings.Replace(config, "/shop/", "/api/", 1)
	if err := loadError(t, "", config); err == nil || !strings.Contains(err.Error(), "so its endpoints under /shop/api/auth cannot be reached") {
		t.Errorf("error %v", err)
	}
}

// TestNEXTAUTHURLOfDev checks that the environment does not open the provider
// for development either.
func TestNEXTAUTHURLOfDev(t *testing.T) {
	t.Setenv("NEXTAUTH_URL", "https://public.example.com")
	err := loadError(t, "", "\nhttp://:{PORT} {\nbind 127.0.0.1\ncaddyauth dev\n}\n")
	if err == nil || !strings.HasSuffix(err.Error(), "it works on loopback sites only, and this one answers public.example.com") {
		t.Errorf("error %v", err)
	}
}

// TestRELOAD03BadConfig checks that a broken configuration leaves the one that
// runs alone.
func TestRELOAD03BadConfig(t *testing.T) {
	s := start(t, siteWith("secret "+secret+"\n"+keycloak))
	for _, lines := range []string{keycloak + "secret short", "users /nonexistent", github} {
		if err := s.load("", siteWith(lines)); err == nil {
			t.Fatalf("it runs:\n%s", lines)
		}
		if a := s.browser().get("/api/auth/providers"); !strings.Contains(a.body, "keycloak") {
			t.Errorf("after a failed reload: %s\n%s", a.Status, a.body)
		}
	}
}

// TestValidateTouchesNothing provisions as `caddy validate` does, perhaps as
// another user than the service's: no secret is made.
func TestValidateTouchesNothing(t *testing.T) {
	data := t.TempDir()
	raw, _, err := adapt(t, "{\n\tadmin off\n\tstorage file_system "+data+"\n}\n"+
		strings.ReplaceAll(siteWith(keycloak), "{PORT}", testport.Free(t)))
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := caddy.StrictUnmarshalJSON(raw, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) > 0 {
		t.Errorf("the storage has %v, %v", entries, err)
	}
}

// TestProviderEnvironment completes providers from the environment.
func TestProviderEnvironment(t *testing.T) {
	setenv(t, map[string]string{
		"AUTH_KEYCLOAK_ID": "from-env", "AUTH_KEYCLOAK_ISSUER": "https://sso.example.com",
		"AUTH_KEYCLOAK_SECRET_FILE": fileIn(t, "secret", "from-file\n"),
		"AUTH_WORK_2_ID":            "a", "AUTH_WORK_2_SECRET": "b",
	})
	s := start(t, siteWith("provider keycloak\nprovider oidc https://id.example.com as work-2"))
	if got := s.browser().providerIDs(); got != "keycloak work-2" {
		t.Errorf("providers %s", got)
	}
	if text := s.logText(); !strings.Contains(text, `"callback_url":"`+s.Base+`/api/auth/callback/work-2"`) || strings.Contains(text, "from-file") {
		t.Errorf("log %s", text)
	}
}

// TestImportedFile names the file that a mistake is in, and where it was
// imported.
func TestImportedFile(t *testing.T) {
	file := fileIn(t, "auth.caddy", "caddyauth github {\n\talow any\n}\n")
	want := "unrecognized caddyauth subdirective 'alow', did you mean 'allow'?, at " + file + ":2 import chain ['Caddyfile:2 (import)']"
	if got := adaptError(t, "app.example.com {\n\timport "+file+"\n}\n").Error(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	file = fileIn(t, "auth.caddy", "caddyauth {\n"+github+"}\n")
	want = "auth.caddy:1 import chain ['Caddyfile:13 (import)']: anyone with a GitHub account could sign in"
	if got := refused(t, "", "\nhttp://localhost:{PORT} {\n\timport "+file+"\n}\n").Error(); !strings.HasPrefix(got, want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
