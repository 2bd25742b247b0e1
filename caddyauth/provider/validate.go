package provider

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

// DefaultTimeout is how long all calls of one sign-in may take together.
const DefaultTimeout = 10 * time.Second

// Environment names the environment variables that complete a provider's
// configuration.
type Environment struct {
	ID, Secret, SecretFile, Issuer string
}

// EnvNames returns the names for a provider id: upper case, with _ for -.
func EnvNames(id string) Environment {
	stem := EnvSetting(id, "")
	return Environment{ID: stem + "ID", Secret: stem + "SECRET", SecretFile: stem + "SECRET_FILE", Issuer: stem + "ISSUER"}
}

// EnvSetting is the environment variable of a setting of a service: for api_key,
// the one that ends with API_KEY.
func EnvSetting(id, setting string) string {
	return "AUTH_" + strings.ToUpper(strings.ReplaceAll(id, "-", "_")+"_"+setting)
}

// ProviderID returns the id that New will use.
func (c *Config) ProviderID() string {
	if c.ID != "" {
		return c.ID
	}
	return c.Preset
}

// settingPrefix is what Missing writes in front of the name of a setting.
const settingPrefix = "setting "

// SettingNames returns the names of the settings of a service, beside those that
// all have.
func (c *Config) SettingNames() []string {
	p := presets[c.Preset]
	if p == nil {
		return nil
	}
	return p.settingNames()
}

// Missing returns the settings among client_id, client_secret, issuer and those
// of the service ("setting x") that are needed but not set, which are those to
// look for in the environment.
func (c *Config) Missing() []string {
	p := presets[c.Preset]
	if p == nil {
		return nil
	}
	var names []string
	if c.ClientID == "" {
		names = append(names, "client_id")
	}
	if c.ClientSecret == "" && c.needsSecret() {
		names = append(names, "client_secret")
	}
	if c.Issuer == "" && p.Issuer == "" && p.ownIssuer() && p.ID != presetOAuth2 {
		names = append(names, "issuer")
	}
	for _, name := range p.required() {
		if c.Settings[name] == "" {
			names = append(names, settingPrefix+name)
		}
	}
	return names
}

// needsSecret reports whether the client authenticates with a secret.
func (c *Config) needsSecret() bool {
	switch c.clientAuth() {
	case clientAuthNone, clientAuthKeyJWT:
		return false
	}
	// With a key instead of a secret, a preset makes the secret itself.
	return c.ClientKey == "" || c.ClientAuth != ""
}

// Public reports whether anybody can get an account at the provider, and what
// people call it. It is Info.Public for a configuration that may yet lack
// something; placeholders and what the environment has must be filled in. A
// public preset stays public whatever its issuer is set to, and a public
// service is one under any preset that discovers it.
func (c *Config) Public() (name string, public bool) {
	p := presets[c.Preset]
	switch {
	case p == nil:
		return "", false
	case p.Public && (c.Issuer == "" || len(p.PublicIssuers) == 0):
		return p.Name, true
	case p.Public && slices.ContainsFunc(p.PublicIssuers, c.hasIssuer):
		return p.Name, true
	case !p.oidc:
		return "", false
	}
	for _, id := range Presets() {
		if known := presets[id]; slices.ContainsFunc(known.openIssuers(), c.hasIssuer) {
			return known.Name, true
		}
	}
	return "", false
}

// FixedIssuer reports whether the preset is a service without discovery: an
// issuer of one's own would be ignored, as the endpoints stay the service's.
func (c *Config) FixedIssuer() bool {
	p := presets[c.Preset]
	return p != nil && !p.ownIssuer()
}

// NoIssuer is what to tell whoever gives an issuer to a provider of FixedIssuer.
func (c *Config) NoIssuer() string {
	return "takes no issuer; for " + cmp.Or(presets[c.Preset].Instead, "another server use provider oauth2")
}

func (c *Config) hasIssuer(issuer string) bool { return sameIssuer(c.Issuer, issuer) }

// signingAlgs are the algorithms an ID token may be signed with. None is in no
// list, and HS256 and its kin would make the client secret a signing key.
var signingAlgs = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// hmacAlg makes the client secret the key of ID tokens (Core 3.1.3.7, rule 8). Only
// the catalogue can ask for it, where a service has nothing else for web
// applications; it then stands alone, so that no public key is taken for a secret.
const hmacAlg = "HS256"

// flowParams are the request parameters that the flow itself rests on, so that
// neither a configuration nor a client may set them.
var flowParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce",
	"code_challenge", "code_challenge_method", "request", "request_uri", "client_secret", "callbackUrl",
}

// ValidID reports whether an id can be a segment of the provider's URLs.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// CheckNames returns the words of Config.Checks.
func CheckNames() []string { return slices.Clone(checkNames) }

// Reserved reports whether an authorization request parameter is set by the
// flow alone.
func Reserved(param string) bool { return slices.Contains(flowParams, param) }

var (
	idPattern    = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	scopePattern = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`) // RFC 6749 3.3
)

// UnknownPreset is the error for a preset that does not exist, with the nearest
// that does.
func UnknownPreset(id string) error {
	hint := ""
	if near := nearest.Word(id, Presets()); near != "" {
		hint = fmt.Sprintf(", did you mean '%s'?", near)
	} else {
		hint = ": 'caddy auth providers' lists those that are known."
	}
	return fmt.Errorf("unknown provider '%s'%s For any OIDC issuer use: provider oidc https://...", id, hint)
}

type setting struct{ name, value string }

// problems collects what is wrong with one provider.
type problems struct {
	id   string
	list []error
}

func (p *problems) add(format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("provider %s: %w", p.id, fmt.Errorf(format, args...)))
}

// validate reports everything that is wrong with c, whose preset exists.
func (c *Config) validate() error {
	p := &problems{id: c.ProviderID()}
	if !ValidID(p.id) {
		p.add("an id has lower-case letters, digits, - and _ only")
	}
	c.validateMissing(p)
	c.validateURLs(p)
	c.validateWords(p)
	c.validateClientAuth(p)
	for _, params := range []map[string]string{c.Params, c.authorizationParams()} {
		for _, name := range slices.Sorted(maps.Keys(params)) {
			if Reserved(name) {
				p.add("the parameter %s is set by the sign-in itself", name)
			}
		}
	}
	c.validateSettings(p)
	if v := presets[c.Preset].validate; v != nil {
		v(c, p)
	}
	if c.Timeout < 0 || time.Duration(c.Timeout) > time.Minute {
		p.add("timeout: %v is not between 0 and 1m", time.Duration(c.Timeout))
	}
	return errors.Join(p.list...)
}

func (c *Config) authorizationParams() map[string]string {
	if c.Authorization == nil {
		return nil
	}
	return c.Authorization.Params
}

func (c *Config) authorizationURL() string {
	if c.Authorization == nil {
		return ""
	}
	return c.Authorization.URL
}

func (c *Config) validateMissing(p *problems) {
	env := EnvNames(p.id)
	for _, name := range c.Missing() {
		variable := map[string]string{"client_id": env.ID, "client_secret": env.Secret, "issuer": env.Issuer}[name]
		if setting, ok := strings.CutPrefix(name, settingPrefix); ok {
			variable = EnvSetting(p.id, setting)
		}
		instead := "{env.MY_NAME}"
		if name == "issuer" {
			instead = "https://..."
		}
		p.add("%s is not set in Caddy's environment (systemd: EnvironmentFile=, docker: --env-file). Or write: %s %s", variable, name, instead)
	}
	for _, s := range []setting{{"client_id", c.ClientID}, {"client_secret", c.ClientSecret}} {
		// A line break at the end of a secret is the commonest paste error, and
		// the identity provider's "invalid_client" would not tell.
		if strings.TrimSpace(s.value) != s.value {
			p.add("%s begins or ends with white space", s.name)
		}
	}
	known := presets[c.Preset]
	if known.TakesUserinfo && c.Userinfo == "" {
		p.add("it needs: userinfo https://..., as the service has none that fits all")
	}
	if c.Preset != presetOAuth2 {
		return
	}
	for _, s := range []setting{{"authorization", c.authorizationURL()}, {"token", c.Token}, {"userinfo", c.Userinfo}} {
		if s.value == "" {
			p.add("an oauth2 provider needs: %s https://...", s.name)
		}
	}
}

// settingPattern is what a setting may be: it goes into host names and headers.
var settingPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$`)

func (c *Config) validateSettings(p *problems) {
	known := c.SettingNames()
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		switch {
		case len(known) == 0:
			p.add("setting %s: it takes none", name)
		case !slices.Contains(known, name):
			p.add("setting %s: unknown, known are %s", name, strings.Join(known, ", "))
		case c.Settings[name] != "" && !settingPattern.MatchString(c.Settings[name]):
			p.add("setting %s: it has letters, digits, '.', '_' and '-' only", name)
		}
	}
}

func (c *Config) validateURLs(p *problems) {
	if c.Issuer != "" && c.FixedIssuer() {
		p.add("it %s", c.NoIssuer())
	} else if c.Issuer != "" {
		u, err := endpointURL(c.Issuer)
		switch {
		case err != nil:
			p.add("issuer: %v", err)
		case u.RawQuery != "" || u.ForceQuery:
			p.add("issuer: %q has a query", c.Issuer)
		}
	}
	for _, s := range []setting{
		{"authorization", c.authorizationURL()}, {"token", c.Token}, {"jwks", c.JWKS}, {"userinfo", c.userinfoURL()},
	} {
		if s.value == "" {
			continue
		}
		if _, err := endpointURL(s.value); err != nil {
			p.add("%s: %v", s.name, err)
		}
	}
	for _, origin := range c.FormAction {
		u, err := endpointURL(origin)
		if err != nil || u.Path != "" || u.RawQuery != "" {
			p.add("form_action: %q is not an origin such as https://login.example.com", origin)
		}
	}
	if !presets[c.Preset].oidc && (c.Userinfo == userinfoOff || c.Userinfo == userinfoOn && presets[c.Preset].Userinfo == "") {
		p.add("userinfo: without OpenID Connect the profile comes from a userinfo URL")
	}
}

func (c *Config) validateWords(p *problems) {
	for _, check := range c.Checks {
		switch {
		case check == checkNone && len(c.Checks) > 1:
			p.add("checks: none stands alone")
		case check == checkNonce && !presets[c.Preset].oidc:
			p.add("checks: a nonce needs OpenID Connect")
		case !slices.Contains(checkNames, check):
			p.add("checks: unknown check '%s', known are %s", check, strings.Join(checkNames, ", "))
		}
	}
	if c.ResponseMode != "" && !slices.Contains(responseModes, c.ResponseMode) {
		p.add("response_mode: '%s' is not one of %s", c.ResponseMode, strings.Join(responseModes, ", "))
	}
	if c.PushedAuthorization != "" && !slices.Contains(pushWords, c.PushedAuthorization) {
		p.add("pushed_authorization: '%s' is not one of %s", c.PushedAuthorization, strings.Join(pushWords, ", "))
	}
	if c.PushedAuthorization == pushRequired && !presets[c.Preset].oidc {
		p.add("pushed_authorization: without OpenID Connect nothing tells where to push requests to")
	}
	for _, alg := range c.IDTokenAlg {
		if !slices.Contains(signingAlgs, alg) {
			p.add("id_token_alg: '%s' is not one of %s", alg, strings.Join(signingAlgs, ", "))
		}
	}
	for _, scope := range c.Scope {
		if !scopePattern.MatchString(scope) {
			p.add("scope: %q is not a scope", scope)
		}
	}
	if presets[c.Preset].needsOpenID() && len(c.Scope) > 0 && !slices.Contains(c.Scope, "openid") {
		p.add("scope: OpenID Connect needs the scope openid")
	}
	for _, field := range slices.Sorted(maps.Keys(c.Profile)) {
		if !slices.Contains(profileFields, field) {
			p.add("profile: unknown field '%s', known are %s", field, strings.Join(profileFields, ", "))
		} else if len(c.Profile[field]) == 0 || slices.Contains(c.Profile[field], "") {
			p.add("profile: %s needs at least one claim", field)
		}
	}
}

// endpointURL parses an absolute URL that may be called: https, or http on a
// loopback host, where there is no wire to listen on.
func endpointURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil && strings.Contains(raw, "@"):
		return nil, errors.New("it is not a URL") // there may be a password in it
	case err != nil:
		return nil, fmt.Errorf("%q is not a URL", raw)
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("%q is not an absolute URL", raw)
	case u.User != nil:
		return nil, fmt.Errorf("the URL for host %q has a user name in it", u.Host)
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return nil, fmt.Errorf("%q has a fragment", raw)
	case u.Scheme == "https", u.Scheme == "http" && loopback.Is(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%q must be an https URL", raw)
}
