// Package devidp is an OpenID Provider for development. It is served by the
// very site that it signs people in to, and has personas to choose from where
// others have passwords:
//
//	provider dev
//
// Nobody else can use it: it answers only sites whose host is loopback, and
// only connections whose both ends are loopback addresses.
//
// The package is a guest of caddyauth's namespace caddyauth.providers. A guest
// is a Caddy module with the method
//
//	NewProvider(id string, opts provider.Options) (provider.Provider, error)
//
// which makes the provider of a site. It may also have LoopbackOnly() bool; if
// that is true, the module must be refused for a site whose host is not
// loopback when the configuration is loaded.
package devidp

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module is a development OpenID Provider, with people to choose from instead
// of passwords. It works only on sites whose host is loopback (`localhost`,
// `*.localhost`, `127.0.0.0/8`, `::1`), and only for connections whose both
// ends are on this computer and that no proxy forwards. Nothing is registered
// and nothing is kept: its state is in memory, its keys live as long as the
// process.
//
// The people appear with the claims `sub`, `preferred_username`, `name`,
// `email`, `email_verified`, `groups` and `roles`.
type Module struct {
	// Name is what the sign-in button shows. Default: `Development`.
	Name string `json:"name,omitempty"`

	// Personas are the people to choose from. Default: an administrator
	// (`admin`, admin@example.com, groups and roles `admin` and `staff`), a
	// plain user (`alice`, alice@example.com, group `users`, role `user`), and
	// one with an unusual name, an unverified address and no groups (`zoe`).
	Personas []Persona `json:"personas,omitempty"`
}

// CaddyModule returns the module's information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddyauth.providers.dev",
		New: func() caddy.Module { return new(Module) },
	}
}

// Provision fills in the defaults.
func (m *Module) Provision(caddy.Context) error {
	m.setDefaults()
	return nil
}

func (m *Module) setDefaults() {
	if m.Name == "" {
		m.Name = "Development"
	}
	if len(m.Personas) == 0 {
		m.Personas = defaultPersonas()
	}
}

// Validate checks the personas.
func (m *Module) Validate() error { return validate(m.Personas) }

// LoopbackOnly is true: the module must not be used on a site whose host is
// not loopback.
func (m *Module) LoopbackOnly() bool { return true }

// NewProvider makes the provider of a site. The id is part of its callback
// address.
func (m *Module) NewProvider(id string, opts provider.Options) (provider.Provider, error) {
	if id == "" {
		return nil, errors.New("development provider: no id")
	}
	m.setDefaults()
	if err := m.Validate(); err != nil {
		return nil, err
	}
	idp, err := shared()
	if err != nil {
		return nil, err
	}
	return newProvider(idp, id, m.Name, m.Personas, opts), nil
}

// UnmarshalCaddyfile reads the block of `provider dev`. What stands before the
// block is skipped. Syntax:
//
//	provider dev [as <id>] {
//	    name    <name>
//	    persona <sub> {
//	        name   <name>
//	        email  <address> [unverified]
//	        groups <group>...
//	        roles  <role>...
//	    }
//	}
//
// Configured personas replace the built-in ones.
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	d.RemainingArgs()
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch word := d.Val(); word {
		case "name":
			if m.Name != "" {
				return d.Err("name: given twice")
			}
			if !d.AllArgs(&m.Name) {
				return d.ArgErr()
			}
		case "persona":
			p, err := unmarshalPersona(d)
			if err != nil {
				return err
			}
			m.Personas = append(m.Personas, p)
		default:
			return d.Errf("unrecognized word '%s' for provider dev: it has name and persona", word)
		}
	}
	return nil
}

// unmarshalPersona reads a persona and its block, standing on the word.
func unmarshalPersona(d *caddyfile.Dispenser) (Persona, error) {
	var p Persona
	if !d.AllArgs(&p.Sub) {
		return p, d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		ok := true
		switch word := d.Val(); word {
		case "name":
			ok = d.AllArgs(&p.Name)
		case "email":
			args := d.RemainingArgs()
			if len(args) == 2 && args[1] == "unverified" {
				p.EmailUnverified, args = true, args[:1]
			}
			if ok = len(args) == 1; ok {
				p.Email = args[0]
			}
		case "groups":
			ok = appendArgs(d, &p.Groups)
		case "roles":
			ok = appendArgs(d, &p.Roles)
		default:
			return p, d.Errf("unrecognized word '%s' for persona: it has name, email, groups and roles", word)
		}
		if !ok {
			return p, d.ArgErr()
		}
	}
	if err := p.validate(); err != nil {
		return p, d.Errf("persona %s: %v", p.Sub, err)
	}
	return p, nil
}

func appendArgs(d *caddyfile.Dispenser, to *[]string) bool {
	args := d.RemainingArgs()
	*to = append(*to, args...)
	return len(args) > 0
}

// Interface guards
var (
	_ caddy.Module          = (*Module)(nil)
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddy.Validator       = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
)
