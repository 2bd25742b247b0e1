package provider

import (
	"crypto/elliptic"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

func TestConfigErrors(t *testing.T) {
	base := func() Config {
		return Config{Preset: "oidc", ID: "sso", Issuer: "https://sso.example.com", ClientID: "c", ClientSecret: "s"}
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   []string // all of them, in order; none means no error
	}{
		{"nothing wrong", func(c *Config) {}, nil},
		{"IDENT-07 everything missing", func(c *Config) { *c = Config{Preset: "keycloak"} }, []string{
			"provider keycloak: AUTH_KEYCLOAK_ID is not set in Caddy's environment (systemd: EnvironmentFile=, docker: --env-file). Or write: client_id {env.MY_NAME}",
			"provider keycloak: AUTH_KEYCLOAK_SECRET is not set in Caddy's environment (systemd: EnvironmentFile=, docker: --env-file). Or write: client_secret {env.MY_NAME}",
			"provider keycloak: AUTH_KEYCLOAK_ISSUER is not set in Caddy's environment (systemd: EnvironmentFile=, docker: --env-file). Or write: issuer https://...",
		}},
		{"a public client needs no secret", func(c *Config) { c.ClientSecret, c.ClientAuth = "", "none" }, nil},
		{"line break in the secret", func(c *Config) { c.ClientSecret = "s\n" }, []string{"provider sso: client_secret begins or ends with white space"}},
		{"IDP-12 http issuer", func(c *Config) { c.Issuer = "http://sso.example.com" }, []string{`provider sso: issuer: "http://sso.example.com" must be an https URL`}},
		{"IDP-12 http issuer on a name that only looks local", func(c *Config) { c.Issuer = "http://localhost.example.com" }, []string{`must be an https URL`}},
		{"http issuer on loopback", func(c *Config) { c.Issuer = "http://127.0.0.1:8080/dev" }, nil},
		{"http issuer on localhost", func(c *Config) { c.Issuer = "http://idp.localhost" }, nil},
		{"http issuer on IPv6 loopback", func(c *Config) { c.Issuer = "http://[::1]:80" }, nil},
		{"issuer without scheme", func(c *Config) { c.Issuer = "sso.example.com" }, []string{`issuer: "sso.example.com" is not an absolute URL`}},
		{"issuer with a user", func(c *Config) { c.Issuer = "https://u:topsecret@sso.example.com" }, []string{`issuer: the URL for host "sso.example.com" has a user name in it`}},
		{"issuer with query and fragment", func(c *Config) { c.Issuer = "https://sso.example.com/?x=1" }, []string{"has a query"}},
		{"issuer with fragment", func(c *Config) { c.Issuer = "https://sso.example.com/#x" }, []string{"has a fragment"}},
		{"bad id", func(c *Config) { c.ID = "../x%s" }, []string{"provider ../x%s: an id has"}},
		{"endpoints", func(c *Config) {
			c.Authorization, c.Token, c.JWKS, c.Userinfo = &Authorization{URL: "http://a.example"}, "/token", "ftp://x.example/", "yes"
		}, []string{"authorization:", "token:", "jwks:", `userinfo: "yes" is not an absolute URL`}},
		{"checks", func(c *Config) { c.Checks = []string{"pkce", "none", "sate"} }, []string{"none stands alone", "unknown check 'sate'"}},
		{"client_auth", func(c *Config) { c.ClientAuth = "tls_client_auth" }, []string{"client_auth: 'tls_client_auth' is not one of basic, post, none, private_key_jwt, client_secret_jwt"}},
		{"private_key_jwt without a key", func(c *Config) { c.ClientAuth = "private_key_jwt" }, []string{"client_auth private_key_jwt needs a key"}},
		{"private_key_jwt needs no secret", func(c *Config) { c.ClientAuth, c.ClientSecret, c.ClientKey = "private_key_jwt", "", pkcs8(edKey()) }, nil},
		{"nor does a key alone", func(c *Config) { c.ClientSecret, c.ClientKey = "", pkcs8(edKey()) }, nil},
		{"but basic does", func(c *Config) { c.ClientAuth, c.ClientSecret, c.ClientKey = "basic", "", pkcs8(edKey()) }, []string{"AUTH_SSO_SECRET is not set"}},
		{"a damaged key", func(c *Config) { c.ClientKey = "topsecret" }, []string{"client_key: the key is neither PEM nor a JWK"}},
		{"a key that cannot sign", func(c *Config) {
			c.ClientKey = jwkOf(jose.JSONWebKey{Key: ecOn(elliptic.P256()), Use: "enc"})
		}, []string{"client_key: the JWK says that the key is for encryption"}},
		{"key ids without keys", func(c *Config) { c.ClientKeyID, c.IDTokenKeyID = "a", "b" }, []string{"client_key_id is that of", "id_token_key_id is that of"}},
		{"a short secret of client_secret_jwt", func(c *Config) { c.ClientAuth = "client_secret_jwt" }, []string{"at least 32 bytes, this one has 1"}},
		{"id_token_key", func(c *Config) { c.IDTokenKey = pkcs8(ecOn(elliptic.P256())) }, nil},
		{"id_token_key that only signs", func(c *Config) { c.IDTokenKey = pkcs8(edKey()) }, []string{"id_token_key: with this key nothing can be decrypted"}},
		{"id_token_key for signatures", func(c *Config) {
			c.IDTokenKey = jwkOf(jose.JSONWebKey{Key: ecOn(elliptic.P256()), Use: "sig"})
		}, []string{"id_token_key: with this key nothing can be decrypted"}},
		{"client_assertion_audience", func(c *Config) { c.ClientAssertionAudience = "https://a.example https://b.example" }, []string{"is not one URL"}},
		{"response_mode", func(c *Config) { c.ResponseMode = "fragment" }, []string{"response_mode: 'fragment' is not one of query, form_post"}},
		{"pushed_authorization", func(c *Config) { c.PushedAuthorization = "on" }, []string{"pushed_authorization: 'on' is not one of auto, required, off"}},
		{"pushed_authorization and id_token_key without discovery", func(c *Config) {
			*c = Config{Preset: "github", ClientID: "c", ClientSecret: "s", PushedAuthorization: "required", IDTokenKey: pkcs8(ecOn(elliptic.P256()))}
		}, []string{"nothing tells where to push", "there are no ID tokens"}},
		{"TOKEN-18 symmetric algorithm", func(c *Config) { c.IDTokenAlg = []string{"HS256", "none"} }, []string{"'HS256' is not one of", "'none' is not one of"}},
		{"scope", func(c *Config) { c.Scope = []string{"open id", "\x00"} }, []string{`"open id" is not a scope`, `"\x00" is not a scope`, "needs the scope openid"}},
		{"profile", func(c *Config) { c.Profile = map[string][]string{"mail": {"x"}, "id": {}} }, []string{"id needs at least one", "unknown field 'mail'"}},
		{"parameters", func(c *Config) {
			c.Params = map[string]string{"state": "x", "prompt": "login"}
			c.Authorization = &Authorization{Params: map[string]string{"redirect_uri": "x"}}
		}, []string{"the parameter state is set", "the parameter redirect_uri is set"}},
		{"timeout", func(c *Config) { c.Timeout = Duration(time.Hour) }, []string{"timeout: 1h0m0s is not between"}},
		{"form_action", func(c *Config) { c.FormAction = []string{"https://a.example", "https://b.example/x", "*"} }, []string{"https://b.example/x", `"*"`}},
		{"oauth2 without endpoints", func(c *Config) { *c = Config{Preset: "oauth2", ClientID: "c", ClientSecret: "s"} }, []string{"needs: authorization", "needs: token", "needs: userinfo"}},
		{"oauth2 with nonce", func(c *Config) {
			*c = Config{Preset: "github", ClientID: "c", ClientSecret: "s", Checks: []string{"nonce"}}
		}, []string{"a nonce needs OpenID Connect"}},
		{"github with an issuer", func(c *Config) {
			*c = Config{Preset: "github", ClientID: "c", ClientSecret: "s", Issuer: "https://ghe.example.com"}
		}, []string{"provider github: it takes no issuer; for GitHub Enterprise use provider oauth2"}},
		{"issuer with a user, and no URL", func(c *Config) { c.Issuer = "https://u:topsecret@sso.exam ple.com" }, []string{"issuer: it is not a URL"}},
		{"github without userinfo", func(c *Config) { *c = Config{Preset: "github", ClientID: "c", ClientSecret: "s", Userinfo: "off"} }, []string{"the profile comes from a userinfo URL"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := base()
			tc.change(&cfg)
			_, err := New(cfg, Options{})
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatal(err)
			}
			if err == nil {
				return
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tc.want) {
				t.Fatalf("%d problems: %v", len(lines), err)
			}
			for i, want := range tc.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("problem %d: %s\nwant %s", i, lines[i], want)
				}
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Error("a password is in the error")
			}
		})
	}
}

func TestUnknownPreset(t *testing.T) {
	for id, want := range map[string]string{
		"gihub":   "unknown provider 'gihub', did you mean 'github'? For any OIDC issuer use: provider oidc https://...",
		"acme":    "unknown provider 'acme': 'caddy auth providers' lists those that are known. For any OIDC issuer use: provider oidc https://...",
		"linkdin": "unknown provider 'linkdin', did you mean 'linkedin'? For any OIDC issuer use: provider oidc https://...",
	} {
		if _, err := New(Config{Preset: id}, Options{}); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestMissingAndEnvironment(t *testing.T) {
	if got, want := EnvNames("azure-ad"), (Environment{"AUTH_AZURE_AD_ID", "AUTH_AZURE_AD_SECRET", "AUTH_AZURE_AD_SECRET_FILE", "AUTH_AZURE_AD_ISSUER"}); got != want {
		t.Errorf("%+v", got)
	}
	for _, tc := range []struct {
		cfg  Config
		want []string
	}{
		{Config{Preset: "github"}, []string{"client_id", "client_secret"}},
		{Config{Preset: "github", ClientID: "c", ClientSecret: "s"}, nil},
		{Config{Preset: "oidc", ClientAuth: "none"}, []string{"client_id", "issuer"}},
		{Config{Preset: "oidc", ClientAuth: "private_key_jwt"}, []string{"client_id", "issuer"}},
		{Config{Preset: "oidc", ClientAuth: "client_secret_jwt"}, []string{"client_id", "client_secret", "issuer"}},
		{Config{Preset: "google", ClientID: "c", ClientKey: "a key"}, nil},
		{Config{Preset: "google", ClientID: "c"}, []string{"client_secret"}},
		{Config{Preset: "unknown"}, nil},
	} {
		if got := tc.cfg.Missing(); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.cfg, got, tc.want)
		}
	}
}

func TestPublic(t *testing.T) {
	const google = "https://accounts.google.com"
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{Preset: "github"}, "GitHub"},
		{Config{Preset: "github", Issuer: "https://ghe.example.com"}, "GitHub"},
		{Config{Preset: "google"}, "Google"},
		{Config{Preset: "google", Issuer: google}, "Google"},
		{Config{Preset: "google", Issuer: "https://id.example.com"}, "Google"},
		{Config{Preset: "oidc", Issuer: google}, "Google"},
		{Config{Preset: "oidc", Issuer: "https://Accounts.Google.com/"}, "Google"},
		{Config{Preset: "keycloak", Issuer: google}, "Google"},
		{Config{Preset: "oidc", Issuer: "https://github.com/login/oauth"}, "GitHub"},
		{Config{Preset: "oidc", Issuer: google + ".example.com"}, ""},
		{Config{Preset: "oidc"}, ""},
		{Config{Preset: "gitlab"}, "GitLab"},
		{Config{Preset: "gitlab", Issuer: "https://GitLab.com/"}, "GitLab"},
		{Config{Preset: "gitlab", Issuer: "https://git.example.com"}, ""},
		{Config{Preset: "oidc", Issuer: "https://gitlab.com"}, "GitLab"},
		{Config{Preset: "microsoft-entra-id"}, "Microsoft Entra ID"},
		{Config{Preset: "microsoft-entra-id", Issuer: "https://login.microsoftonline.com/organizations/v2.0"}, "Microsoft Entra ID"},
		{Config{Preset: "azure-ad", Issuer: "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0"}, ""},
		{Config{Preset: "keycloak", Issuer: "https://login.microsoftonline.com/consumers/v2.0"}, "Azure Active Directory"},
		{Config{Preset: "salesforce", Issuer: "https://test.salesforce.com"}, "Salesforce"},
		{Config{Preset: "salesforce", Issuer: "https://acme.my.salesforce.com"}, ""},
		{Config{Preset: "zoho", Issuer: "https://accounts.zoho.eu"}, "Zoho"},
		{Config{Preset: "mastodon", Issuer: "https://mastodon.example"}, "Mastodon"},
		{Config{Preset: "mattermost", Issuer: "https://chat.example.com"}, ""},
		{Config{Preset: "oauth2"}, ""},
		{Config{Preset: "credentials"}, ""},
	} {
		if got, public := tc.cfg.Public(); got != tc.want || public != (tc.want != "") {
			t.Errorf("%+v: %q, %v", tc.cfg, got, public)
		}
	}
}

func TestConfigJSON(t *testing.T) {
	const text = `{"preset":"oidc","id":"sso","client_id":"c","client_secret":"s","issuer":"https://sso.example.com","authorization":{"url":"https://sso.example.com/a","params":{"audience":"x"}},` +
		`"userinfo":"on","scope":["openid"],"checks":["pkce"],"client_auth":"post","id_token_alg":["ES256"],"profile":{"id":["uid","sub"]},"params":{"prompt":"login"},"form_action":["https://sso.example.com"],"timeout":"3s"}`
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var c Config
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if time.Duration(c.Timeout) != 3*time.Second || c.Authorization.Params["audience"] != "x" {
		t.Errorf("%+v", c)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again Config
	if err := json.Unmarshal(b, &again); err != nil || again.Timeout != c.Timeout {
		t.Errorf("%s: %v", b, err)
	}
	for _, bad := range []string{`"soon"`, `true`, `"`} {
		if json.Unmarshal([]byte(bad), new(Duration)) == nil {
			t.Errorf("%s is a duration", bad)
		}
	}
}

func TestReasons(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if r == "" || seen[r] || strings.ToLower(string(r)) != string(r) || strings.ContainsAny(string(r), " -") {
			t.Errorf("%q is no label", r)
		}
		seen[r] = true
	}
	if ReasonOf(nil) != "" || ReasonOf(ErrCredentials) != ReasonCredentials {
		t.Error("ReasonOf is wrong")
	}
}
