// Package webauthn signs people in with passkeys (Web Authentication Level 3):
//
//	passkeys {
//	    rp_id             example.com
//	    name              "Example"
//	    user_verification required
//	}
//
// It implements [provider.Passkeys] and keeps nothing: challenges and passkeys
// are handed in and out. What it asks browsers for is what the provider Passkey
// of Auth.js asks for: discoverable credentials, no attestation, and a person
// whom the authenticator has verified. A passkey that Auth.js registered works
// here, and the other way round.
//
// The package is a guest of caddyauth's namespace caddyauth.providers, where its
// name is "passkey".
package webauthn

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/go-webauthn/webauthn/protocol"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module signs people in with passkeys. A passkey is registered by somebody who
// is signed in already, and later signs them in by itself: nobody types a name.
type Module struct {
	// The domain that passkeys are bound to: the site's host or a parent domain
	// of it, which lets other sites below that domain use the same passkeys. A
	// passkey never works for another one, so a change locks out whoever has
	// registered before. Placeholders are expanded. Default: the host that the
	// browser asked for.
	RPID string `json:"rp_id,omitempty"`

	// What authenticators and password managers call the site. Placeholders are
	// expanded. Default: the host and port that the browser asked for.
	Name string `json:"name,omitempty"`

	// Whether the authenticator has to verify the person by PIN, finger or face:
	// `required`, or `preferred` for as well as it can. With preferred, whoever
	// finds a security key without a PIN can sign in with it. Default: required.
	UserVerification string `json:"user_verification,omitempty"`
}

// CaddyModule returns the module's information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddyauth.providers.passkey",
		New: func() caddy.Module { return new(Module) },
	}
}

// Provision expands placeholders.
func (m *Module) Provision(caddy.Context) error {
	replacer := caddy.NewReplacer()
	for _, f := range []struct {
		word  string
		value *string
	}{{"rp_id", &m.RPID}, {"name", &m.Name}} {
		value, err := replacer.ReplaceOrErr(*f.value, true, true)
		if err != nil {
			return fmt.Errorf("passkeys: %s: %w", f.word, err)
		}
		*f.value = value
	}
	return nil
}

// Validate checks the settings.
func (m *Module) Validate() error {
	if m.RPID != "" {
		if err := protocol.ValidateRPID(m.RPID); err != nil {
			return fmt.Errorf("passkeys: rp_id '%s': it is a domain such as example.com, without scheme and port: %w", m.RPID, err)
		}
	}
	return checkVerification(m.UserVerification)
}

func checkVerification(word string) error {
	switch protocol.UserVerificationRequirement(word) {
	case "", protocol.VerificationRequired, protocol.VerificationPreferred:
		return nil
	}
	return fmt.Errorf("passkeys: user_verification is required or preferred, not '%s'", word)
}

// NewProvider makes the provider of a site.
func (m *Module) NewProvider(id string, _ provider.Options) (provider.Provider, error) {
	if id == "" {
		return nil, errors.New("passkeys: no id")
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	verification := protocol.VerificationRequired
	if m.UserVerification != "" {
		verification = protocol.UserVerificationRequirement(m.UserVerification)
	}
	return &passkeys{id: id, rpID: m.RPID, rpName: m.Name, verification: verification}, nil
}

// UnmarshalCaddyfile reads the block of `passkeys`. Syntax:
//
//	passkeys {
//	    rp_id             <domain>
//	    name              <text>
//	    user_verification required|preferred
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var to *string
		word := d.Val()
		switch word {
		case "rp_id":
			to = &m.RPID
		case "name":
			to = &m.Name
		case "user_verification":
			to = &m.UserVerification
		default:
			return d.Errf("unrecognized word '%s' for passkeys: it has rp_id, name and user_verification", word)
		}
		if *to != "" {
			return d.Errf("%s: given twice", word)
		}
		if !d.AllArgs(to) {
			return d.ArgErr()
		}
		if *to == "" {
			return d.Errf("%s: empty", word)
		}
	}
	if err := checkVerification(m.UserVerification); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Module          = (*Module)(nil)
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddy.Validator       = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
)
