package caddyauth

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// provisionProviders builds the ways to sign in. Nothing is asked of them yet:
// an identity provider that is down stops neither start nor reload.
func (s *site) provisionProviders(ctx caddy.Context) error {
	if s.onlyBearer() {
		return nil
	}
	if len(s.config.Providers) == 0 {
		return errors.New("no provider: name one, as in 'caddyauth github', or a users file with 'users <file>'")
	}
	if len(s.accountProviders()) == 0 {
		return errors.New("passkeys alone let nobody in: people add them when they have signed in another way, so name another provider, such as 'users <file>'")
	}
	var errs []error
	for _, c := range s.config.Providers {
		if _, taken := s.realms[c.id()]; taken {
			errs = append(errs, fmt.Errorf("provider id '%s' is used twice: give one of them another with 'as <id>'", c.id()))
			continue
		}
		p, err := s.newProvider(ctx, c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.realms[c.id()] = p.Info().Realm
		s.providers = append(s.providers, p)
		s.publish(p)
		if l, ok := p.(provider.Live); ok {
			s.live[c.id()] = l
		}
	}
	return errors.Join(errs...)
}

// newProvider builds one provider.
func (s *site) newProvider(ctx caddy.Context, c *Provider) (provider.Provider, error) {
	opts := provider.Options{
		Log: s.log, Cache: s.app.shared.cache, Orgs: s.asksOrgs(),
		Backchannel: s.config.hasBackchannel(), Frontchannel: s.config.hasFrontchannel(),
	}
	switch {
	case c.Preset == presetCredentials:
		file, err := resolve(c.File)
		if err != nil {
			return nil, fmt.Errorf("users: %w", err)
		}
		return provider.NewUsers(c.ID, file, opts)
	case c.Preset == presetEmail:
		return s.newEmail(c, opts)
	case isGuest(c.Preset):
		if !provider.ValidID(c.id()) {
			return nil, fmt.Errorf("provider %s: an id has lower-case letters, digits, - and _ only", c.id())
		}
		guest, err := loadGuest(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", c.id(), err)
		}
		if l, ok := guest.(loopbackOnly); ok && l.LoopbackOnly() {
			s.loopback = append(s.loopback, c.id())
		}
		return guest.NewProvider(c.id(), opts)
	}
	if err := checkPreset(c.Preset); err != nil {
		return nil, err
	}
	resolved, err := completeProvider(&c.Config)
	p, invalid := provider.New(*resolved, opts)
	if err := errors.Join(err, invalid); err != nil {
		return nil, err
	}
	return p, nil
}

// unresolved takes the place of a value that could not be expanded: it passes
// every check, so that one setting is complained about once.
const unresolved = "https://unresolved.invalid"

// completeProvider expands the placeholders of a provider's configuration and
// fills in what the environment has. The result is complete enough to look for
// further mistakes in it even if there is an error.
func completeProvider(c *provider.Config) (*provider.Config, error) {
	done := *c
	if c.Authorization != nil {
		copied := *c.Authorization
		done.Authorization = &copied
	} else {
		done.Authorization = new(provider.Authorization)
	}
	var errs []error
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"client_id", &done.ClientID}, {"client_secret", &done.ClientSecret}, {"issuer", &done.Issuer},
		{"authorization", &done.Authorization.URL}, {"token", &done.Token}, {"userinfo", &done.Userinfo}, {"jwks", &done.JWKS},
	} {
		value, err := resolve(*f.value)
		if err != nil {
			errs = append(errs, fmt.Errorf("provider %s: %s: %w", c.ProviderID(), f.name, err))
			value = unresolved
		}
		*f.value = value
	}
	settings, err := completeSettings(c)
	if err != nil {
		errs = append(errs, err)
	}
	done.Settings = settings
	for _, f := range []struct {
		name  string
		value *string
	}{{"client_key", &done.ClientKey}, {"id_token_key", &done.IDTokenKey}} {
		value, err := resolveKey(*f.value)
		if err != nil {
			errs = append(errs, fmt.Errorf("provider %s: %s: %w", c.ProviderID(), f.name, err))
			withoutKeys(&done)
			break
		}
		*f.value = value
	}
	env := provider.EnvNames(c.ProviderID())
	if done.ClientID == "" {
		done.ClientID = os.Getenv(env.ID)
	}
	if done.Issuer == "" {
		done.Issuer = os.Getenv(env.Issuer)
	}
	if done.ClientSecret == "" {
		secret, _, _, err := lookupEnvOrFile(env.Secret)
		if err != nil {
			errs = append(errs, fmt.Errorf("provider %s: %w", c.ProviderID(), err))
			secret = unresolved
		}
		done.ClientSecret = secret
	}
	return &done, errors.Join(errs...)
}

// completeSettings does the same for the settings that the service has of its own.
func completeSettings(c *provider.Config) (map[string]string, error) {
	done := maps.Clone(c.Settings)
	var errs []error
	for _, name := range c.SettingNames() {
		value, err := resolve(done[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("provider %s: setting %s: %w", c.ProviderID(), name, err))
			value = "unresolved"
		}
		if value == "" {
			value = os.Getenv(provider.EnvSetting(c.ProviderID(), name))
		}
		if value == "" {
			continue
		}
		if done == nil {
			done = make(map[string]string)
		}
		done[name] = value
	}
	return done, errors.Join(errs...)
}

// withoutKeys takes the keys out of a configuration that one of them could not be
// had for, so that nothing else is said to be wrong with it.
func withoutKeys(c *provider.Config) {
	c.ClientKey, c.ClientKeyID, c.IDTokenKey, c.IDTokenKeyID = "", "", "", ""
	if c.ClientAuth == "private_key_jwt" {
		c.ClientAuth = "none"
	}
	c.ClientSecret = cmp.Or(c.ClientSecret, unresolved)
}

// demandAllow refuses a site that everybody could sign in to by accident.
func (s *site) demandAllow() error {
	for _, r := range s.config.Allow {
		if r.scope() == "" {
			return nil
		}
	}
	for _, p := range s.config.Providers {
		if p.Preset == presetEmail {
			return errors.New("anyone with a mail address could sign in: add 'allow domain ...', 'allow email ...' or 'allow any'")
		}
		if name, public := p.anybody(); public {
			return fmt.Errorf("anyone with %s account could sign in: add 'allow user ...', 'allow email ...' or 'allow any'", withArticle(name))
		}
	}
	return nil
}

// withArticle is a name behind "a" or "an".
func withArticle(name string) string {
	if strings.ContainsAny(name[:1], "AEIOUaeiou") {
		return "an " + name
	}
	return "a " + name
}

// anybody reports whether anybody can get an account at the provider, and what
// people call it. The configuration is asked, because the provider itself may be
// lacking something else; the completed one, because placeholders and the
// environment may lead to a public service as well.
func (p *Provider) anybody() (name string, public bool) {
	if p.Preset == presetEmail {
		return "e-mail", true
	}
	resolved, _ := completeProvider(&p.Config)
	return resolved.Public()
}

// alive asks the users file about a session's account: whether it is there, is
// the same one, and what its groups are by now. Other providers do not say.
func (s *site) alive(current *session.Session) (groups, roles []string, alive bool) {
	e := &current.Evidence
	l, ok := s.live[e.Provider]
	if !ok {
		return e.Groups, e.Roles, true
	}
	// A name that was given to somebody else since is another account, and what
	// the rules know about an address ends with the address.
	person, ok := l.Live(e.Login)
	if !ok || person.ID != e.Account {
		return nil, nil, false
	}
	// A stored user may go without the file's address, which may be another's.
	stored := e.User != "" && (person.Email == "" || current.User.Email == "")
	if !stored && !strings.EqualFold(person.Email, current.User.Email) {
		return nil, nil, false
	}
	if slices.Contains(s.config.Roles, "groups") {
		roles = person.Groups
	}
	return person.Groups, roles, true
}
