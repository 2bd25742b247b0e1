package provider

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"go.uber.org/zap"
)

// The words of Config.Checks, Config.ResponseMode and Config.Userinfo.
const (
	checkPKCE  = "pkce"
	checkState = "state"
	checkNonce = "nonce"
	checkNone  = "none"

	responseModeQuery    = "query"
	responseModeFormPost = "form_post"

	userinfoOn  = "on"
	userinfoOff = "off"
)

var responseModes = []string{responseModeQuery, responseModeFormPost}

// ResponseModes returns the words of Config.ResponseMode.
func ResponseModes() []string { return slices.Clone(responseModes) }

var checkNames = []string{checkPKCE, checkState, checkNonce, checkNone}

// oauthProvider signs in with OpenID Connect or OAuth 2.0.
type oauthProvider struct {
	cfg    Config // completed from the preset
	preset *preset
	info   Info
	checks Checks
	static metadata // what is written down
	client *http.Client
	orgs   bool // Options.Orgs
	// key signs client assertions; decryption opens ID tokens. Nil if there is none.
	key, decryption *clientKey
	cache           *Cache
	// expects says which logouts the site waits to be told of.
	expects logoutExpected
	now     func() time.Time
	log     *zap.Logger
}

// New makes a provider of its configuration, without touching the network. The
// error lists everything that is wrong.
func New(cfg Config, opt Options) (OAuth, error) {
	known := presets[cfg.Preset]
	if known == nil {
		return nil, UnknownPreset(cfg.Preset)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &oauthProvider{cfg: cfg, preset: known, now: opt.Now, log: opt.Log, cache: opt.Cache, orgs: opt.Orgs}
	p.expects.backchannel, p.expects.frontchannel = opt.Backchannel, opt.Frontchannel
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	if p.cache == nil {
		p.cache = NewCache()
	}
	p.complete()
	p.readKeys()
	p.client = newClient(opt.HTTP, p.hosts(), time.Duration(p.cfg.Timeout))
	if !p.checks.PKCE && !p.checks.State && !p.checks.Nonce {
		p.log.Warn("a provider without checks: anybody can plant their own account in a visitor's browser",
			zap.String("provider", p.info.ID))
	}
	return p, nil
}

// complete fills in what the preset knows.
func (p *oauthProvider) complete() {
	c, known := &p.cfg, p.preset
	c.ID = c.ProviderID()
	c.Issuer = known.fullIssuer(cmp.Or(c.Issuer, known.Issuer))
	c.Timeout = cmp.Or(c.Timeout, Duration(DefaultTimeout))
	if len(c.Scope) == 0 {
		c.Scope = known.Scope
	}
	if len(c.Checks) == 0 {
		c.Checks = known.Checks
	}
	if len(c.IDTokenAlg) == 0 {
		c.IDTokenAlg = known.IDTokenAlg
	}
	if c.Userinfo == "" && known.AskUserinfo {
		c.Userinfo = userinfoOn
	}
	c.ClientAuth = c.clientAuth()
	c.ResponseMode = cmp.Or(c.ResponseMode, known.ResponseMode, responseModeQuery)
	c.Profile = overlaid(known.Profile, c.Profile)
	c.Params = overlaid(known.Params, c.Params)

	p.checks = Checks{PKCE: true, State: true, Nonce: known.oidc}
	if len(c.Checks) > 0 {
		p.checks = Checks{
			PKCE:  slices.Contains(c.Checks, checkPKCE),
			State: slices.Contains(c.Checks, checkState),
			Nonce: slices.Contains(c.Checks, checkNonce),
		}
	}
	p.static = metadata{
		issuer:        c.Issuer,
		authorization: cmp.Or(c.authorizationURL(), p.endpoint(known.Authorization)),
		token:         cmp.Or(c.Token, p.endpoint(known.Token)),
		userinfo:      cmp.Or(c.userinfoURL(), p.endpoint(known.Userinfo)),
		jwks:          cmp.Or(c.JWKS, p.endpoint(known.JWKS)),
	}
	_, public := c.Public()
	p.info = Info{
		ID: c.ID, Name: p.name(), Type: p.kind(), Public: public,
		FormPost: c.ResponseMode == responseModeFormPost, FormAction: c.FormAction, Issuer: c.Issuer, LinkByEmail: c.AllowEmailLinking,
		// Subjects may differ from client to client (OpenID Connect Core 8.1).
		Realm: realm(c.Issuer, p.static.token, p.static.userinfo, c.ClientID),
	}
	if c.Preset != presetOIDC && c.Preset != presetOAuth2 {
		p.info.Logo = c.Preset
	}
}

// overlaid is a copy of a map with the entries of another over its own.
func overlaid[V any](m, over map[string]V) map[string]V {
	out := make(map[string]V, len(m)+len(over))
	maps.Copy(out, m)
	maps.Copy(out, over)
	return out
}

func (p *oauthProvider) kind() string {
	if p.preset.oidc {
		return TypeOIDC
	}
	return TypeOAuth
}

// name is what the button shows: an issuer's host says more than "OpenID
// Connect".
func (p *oauthProvider) name() string {
	switch {
	case p.cfg.Name != "":
		return p.cfg.Name
	case p.cfg.Preset == presetOIDC:
		return cmp.Or(hostOf(p.cfg.Issuer), p.preset.Name)
	case p.cfg.Preset == presetOAuth2:
		return cmp.Or(hostOf(p.cfg.authorizationURL()), p.preset.Name)
	}
	return p.preset.Name
}

// userinfoURL is the URL in Config.Userinfo, if it is one.
func (c *Config) userinfoURL() string {
	if c.Userinfo == userinfoOn || c.Userinfo == userinfoOff {
		return ""
	}
	return c.Userinfo
}

// hosts are those that the operator, or a preset, wrote down.
func (p *oauthProvider) hosts() []string {
	var hosts []string
	for _, raw := range []string{p.cfg.Issuer, p.static.authorization, p.static.token, p.static.userinfo, p.static.jwks} {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// Info describes the provider.
func (p *oauthProvider) Info() Info { return p.info }

// Checks tells which one-time values a flow carries.
func (p *oauthProvider) Checks() Checks { return p.checks }
