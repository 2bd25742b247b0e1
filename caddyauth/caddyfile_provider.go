package caddyauth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// preset adds a provider that needs no more than its name.
func (p *parser) preset(name string) error {
	switch name {
	case presetCredentials:
		return p.Errf("'%s' needs a file: write 'users <file>' in a block", name)
	case presetEmail:
		return p.Errf("'%s' needs a sender and a mail server: write 'email <from> <smtp url>' in a block", name)
	case presetPasskey:
		return p.Errf("'%s' is written 'passkeys', in a block", name)
	}
	if err := checkPreset(name); err != nil {
		return p.WrapErr(err)
	}
	if name == "oidc" || name == "oauth2" {
		return p.Errf("'%s' needs more than its name: write 'provider %s ...' in a block", name, name)
	}
	added := new(Provider)
	added.Preset = name
	return p.add(added)
}

// add appends a provider whose id is free in this block.
func (p *parser) add(added *Provider) error {
	id := added.id()
	if slices.ContainsFunc(p.config.Providers, func(o *Provider) bool { return o.id() == id }) {
		return p.Errf("provider id '%s' is used twice: give one of them another with 'as <id>'", id)
	}
	p.config.Providers = append(p.config.Providers, added)
	return nil
}

// checkPreset refuses a preset that is neither built in nor a guest module.
func checkPreset(name string) error {
	known := provider.Presets()
	switch {
	case slices.Contains(known, name), isGuest(name):
		return nil
	case name == guestDev:
		return fmt.Errorf("provider 'dev' is not in this caddy: it is for development, build caddy from cmd/caddy or add the module %s", modulePrefix+name)
	case slices.Contains(mailProviders, name):
		return fmt.Errorf("provider '%s' mails links, which any mail server can: write 'email <from> <smtp url>' in a block", name)
	}
	guess := didYouMean(name, append(guests(), known...))
	if guess == "" {
		guess = "."
	}
	return fmt.Errorf("unknown provider '%s'%s For any OpenID Connect issuer use: provider oidc https://...", name, guess)
}

// mailProviders are the ids of NextAuth's services that mail links. Here a mail
// server does so.
var mailProviders = []string{"forwardemail", "loops", "mailgun", "nodemailer", "postmark", "resend", "sendgrid"}

// provider parses:
//
//	provider <preset>|oidc|oauth2|dev [<issuer>] [as <id>] {
//	    name          <name>
//	    client_id     <id>
//	    client_secret <secret>
//	    issuer        <url>
//	    authorization <url> {
//	        <parameter> <value>
//	    }
//	    token         <url>
//	    userinfo      <url>|on|off
//	    jwks          <url>
//	    scope         <scope>...
//	    checks        pkce|state|nonce|none...
//	    client_auth   basic|post|none|private_key_jwt <pem> [<kid>]|client_secret_jwt
//	    client_assertion_audience <url>
//	    response_mode query|form_post
//	    pushed_authorization auto|required|off
//	    id_token_alg  <alg>...
//	    id_token_key  <pem> [<kid>]
//	    setting       <name> <value>
//	    profile       id|name|email|image <claim path>...
//	    param         <name> <value>
//	    form_action   <origin>...
//	    allow_email_linking [on|off]
//	    timeout       <duration>
//	}
func (p *parser) provider() error {
	args := p.RemainingArgs()
	if len(args) == 0 {
		return p.Errf("'provider' needs a preset, or oidc or oauth2")
	}
	added := new(Provider)
	added.Preset = args[0]
	switch added.Preset {
	case presetCredentials:
		return p.Errf("provider '%s' is written 'users <file>'", added.Preset)
	case presetEmail:
		return p.Errf("provider '%s' is written 'email <from> <smtp url>'", added.Preset)
	case presetPasskey:
		return p.Errf("provider '%s' is written 'passkeys'", added.Preset)
	}
	if err := checkPreset(added.Preset); err != nil {
		return p.WrapErr(err)
	}
	args = args[1:]
	if len(args) > 0 && args[0] != "as" {
		added.Issuer, args = args[0], args[1:]
	}
	switch {
	case len(args) == 2 && args[0] == "as":
		added.ID = args[1]
		if !provider.ValidID(added.ID) {
			return p.Errf("provider id '%s': an id has lower-case letters, digits, - and _ only", added.ID)
		}
	case len(args) > 0 && args[0] == "as":
		return p.Errf("'as' takes one id, got %d", len(args)-1)
	case len(args) > 0:
		return p.Errf("after the issuer 'provider' takes only 'as <id>', not '%s'", args[0])
	}
	if err := p.add(added); err != nil {
		return err
	}
	if isGuest(added.Preset) {
		return p.guest(added)
	}
	if err := p.noIssuer(added); err != nil {
		return err
	}
	return p.providerBlock(added)
}

// noIssuer refuses an issuer that would be ignored.
func (p *parser) noIssuer(added *Provider) error {
	if added.Issuer == "" || !added.FixedIssuer() {
		return nil
	}
	return p.Errf("provider '%s' %s", added.Preset, added.NoIssuer())
}

// guest hands the block to the guest module, from its opening brace on.
func (p *parser) guest(added *Provider) error {
	if added.Issuer != "" {
		return p.Errf("provider '%s' takes no issuer", added.Preset)
	}
	unm, err := caddyfile.UnmarshalModule(p.Dispenser, modulePrefix+added.Preset)
	if err != nil {
		return err
	}
	added.Module = caddyconfig.JSON(unm, nil)
	return nil
}

var providerWords = []string{
	"name", "client_id", "client_secret", "issuer", "authorization", "token", "userinfo", "jwks",
	"scope", "checks", "client_auth", "client_assertion_audience", "response_mode", "pushed_authorization",
	"id_token_alg", "id_token_key", "profile", "param", "form_action", "setting",
	"allow_email_linking", "timeout",
}

func (p *parser) providerBlock(to *Provider) error {
	seen := make(map[string]bool)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		name := p.Val()
		if seen[name] && name != "profile" && name != "param" && name != "setting" {
			return p.Errf("'%s' is set twice for provider '%s': keep one", name, to.id())
		}
		seen[name] = true
		if err := p.providerWord(name, to); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) providerWord(name string, to *Provider) error {
	switch name {
	case "name":
		return p.argument(&to.Name)
	case "client_id":
		return p.argument(&to.ClientID)
	case "client_secret":
		return p.argument(&to.ClientSecret)
	case "issuer":
		if err := p.argument(&to.Issuer); err != nil {
			return err
		}
		return p.noIssuer(to)
	case "authorization":
		return p.authorization(to)
	case "token":
		return p.argument(&to.Token)
	case "userinfo":
		return p.argument(&to.Userinfo)
	case "jwks":
		return p.argument(&to.JWKS)
	case "scope":
		return p.arguments(&to.Scope)
	case "checks":
		return p.checks(&to.Checks)
	case "client_auth":
		return p.clientAuth(to)
	case "client_assertion_audience":
		return p.argument(&to.ClientAssertionAudience)
	case "response_mode":
		return p.oneOf(&to.ResponseMode, provider.ResponseModes(), nil)
	case "pushed_authorization":
		return p.oneOf(&to.PushedAuthorization, provider.PushWords(), nil)
	case "id_token_key":
		return p.key(&to.IDTokenKey, &to.IDTokenKeyID)
	case "id_token_alg":
		return p.arguments(&to.IDTokenAlg)
	case "profile":
		return p.profile(to)
	case "param":
		return p.param(&to.Params)
	case "setting":
		return p.setting(to)
	case "form_action":
		return p.arguments(&to.FormAction)
	case "allow_email_linking":
		var on *bool
		err := p.toggle(&on)
		to.AllowEmailLinking = on != nil && *on
		return err
	case "timeout":
		var d caddy.Duration
		err := p.duration(&d)
		to.Timeout = provider.Duration(time.Duration(d))
		return err
	}
	return p.unknown("provider setting", slices.Clone(providerWords), nil)
}

// clientAuth parses:
//
//	client_auth basic|post|none|private_key_jwt <pem> [<kid>]|client_secret_jwt
func (p *parser) clientAuth(to *Provider) error {
	const byKey = "private_key_jwt"
	if p.NextArg() {
		if p.Val() == byKey {
			to.ClientAuth = byKey
			return p.key(&to.ClientKey, &to.ClientKeyID)
		}
		p.Prev()
	}
	return p.oneOf(&to.ClientAuth, provider.ClientAuthMethods(), nil)
}

// key parses a private key, which a placeholder keeps out of the file, and
// perhaps its id.
func (p *parser) key(to, id *string) error {
	name := p.Val()
	args := p.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return p.Errf("'%s' takes a key such as {file./path/to/key.pem}, and perhaps its id", name)
	}
	if slices.Contains(args, "") {
		return p.Errf("'%s' has an empty value", name)
	}
	if *to = args[0]; len(args) == 2 {
		*id = args[1]
	}
	return p.noBlock(name)
}

func (p *parser) authorization(to *Provider) error {
	args := p.RemainingArgs()
	if len(args) > 1 {
		return p.Errf("'authorization' takes one URL")
	}
	to.Authorization = new(provider.Authorization)
	if len(args) == 1 {
		to.Authorization.URL = args[0]
	}
	return p.block("authorization", func(name string) error {
		var value string
		if err := p.argument(&value); err != nil {
			return err
		}
		if provider.Reserved(name) {
			return p.Errf("the parameter '%s' is set by the sign-in itself", name)
		}
		if to.Authorization.Params == nil {
			to.Authorization.Params = make(map[string]string)
		}
		to.Authorization.Params[name] = value
		return nil
	})
}

func (p *parser) checks(to *[]string) error {
	if err := p.arguments(to); err != nil {
		return err
	}
	known := provider.CheckNames()
	for _, word := range *to {
		if !slices.Contains(known, word) {
			return p.Errf("'checks' takes any of %s, not '%s'", strings.Join(known, ", "), word)
		}
	}
	return nil
}

var profileFields = []string{"id", "name", "email", "image"}

func (p *parser) profile(to *Provider) error {
	args := p.RemainingArgs()
	if len(args) < 2 {
		return p.Errf("'profile' takes id, name, email or image, and the claim paths it may come from")
	}
	if !slices.Contains(profileFields, args[0]) {
		return p.Errf("unrecognized profile field '%s'%s", args[0], didYouMean(args[0], profileFields))
	}
	if to.Profile == nil {
		to.Profile = make(map[string][]string)
	}
	if to.Profile[args[0]] != nil {
		return p.Errf("'profile %s' is set twice: name all its claim paths in one line", args[0])
	}
	to.Profile[args[0]] = args[1:]
	return p.noBlock("profile")
}

// setting is what one service needs to know besides what all do.
func (p *parser) setting(to *Provider) error {
	args := p.RemainingArgs()
	if len(args) != 2 {
		return p.Errf("'setting' takes a name and a value")
	}
	known := to.SettingNames()
	switch {
	case len(known) == 0:
		return p.Errf("provider '%s' has no 'setting'", to.Preset)
	case !slices.Contains(known, args[0]):
		return p.Errf("unrecognized setting '%s'%s", args[0], didYouMean(args[0], known))
	case to.Settings[args[0]] != "":
		return p.Errf("'setting %s' is set twice: keep one", args[0])
	}
	if to.Settings == nil {
		to.Settings = make(map[string]string)
	}
	to.Settings[args[0]] = args[1]
	return p.noBlock("setting")
}

func (p *parser) param(to *map[string]string) error {
	args := p.RemainingArgs()
	if len(args) != 2 {
		return p.Errf("'param' takes a name and a value")
	}
	if provider.Reserved(args[0]) {
		return p.Errf("the parameter '%s' is set by the sign-in itself", args[0])
	}
	if *to == nil {
		*to = make(map[string]string)
	}
	if _, ok := (*to)[args[0]]; ok {
		return p.Errf("'param %s' is set twice: keep one", args[0])
	}
	(*to)[args[0]] = args[1]
	return p.noBlock("param")
}
