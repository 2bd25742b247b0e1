package caddyauth

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/provider/email"
)

// email parses:
//
//	email <from> <smtp url> {
//	    name     <name>
//	    username <user>
//	    password <password>
//	    tls      required|opportunistic|off
//	    tls_ca   <file>
//	    reply_to <address>
//	    subject  <text>
//	    max_age  <duration>
//	}
func (p *parser) email() error {
	args := p.RemainingArgs()
	if len(args) != 2 {
		return p.Errf("'email' takes the sender's address and the mail server, as in 'email login@example.com smtp://smtp.example.com:587'; got %d values", len(args))
	}
	if !strings.Contains(args[1], "://") && !strings.HasPrefix(args[1], "{") {
		return p.Errf("'email': the mail server '%s' is a URL: smtp://host for STARTTLS, or smtps://host", args[1])
	}
	mail := &email.Config{From: args[0], Server: args[1]}
	added := &Provider{Mail: mail}
	added.Preset = presetEmail
	if err := p.add(added); err != nil {
		return err
	}
	return p.block("email", func(name string) error {
		if name == "max_age" {
			var d caddy.Duration
			err := p.duration(&d)
			mail.MaxAge = provider.Duration(d)
			return err
		}
		if name == "tls" {
			return p.oneOf(&mail.TLS, []string{"required", "opportunistic", "off"}, nil)
		}
		to, ok := map[string]*string{
			"name": &mail.Name, "username": &mail.Username, "password": &mail.Password,
			"tls_ca": &mail.TLSCA, "reply_to": &mail.ReplyTo, "subject": &mail.Subject,
		}[name]
		if !ok {
			return p.unknown("email setting", []string{"name", "username", "password", "tls", "tls_ca", "reply_to", "subject", "max_age"}, nil)
		}
		return p.argument(to)
	})
}

// passkeys parses:
//
//	passkeys { ... }
//
// The block is that of the guest module.
func (p *parser) passkeys() error {
	if !isGuest(presetPasskey) {
		return p.Errf("'passkeys' are not in this caddy: build it with the module github.com/caddyauth/gateway/caddyauth/provider/webauthn")
	}
	if p.NextArg() {
		return p.Errf("'passkeys' takes a block, not '%s'", p.Val())
	}
	unm, err := caddyfile.UnmarshalModule(p.Dispenser, modulePrefix+presetPasskey)
	if err != nil {
		return err
	}
	added := &Provider{Module: caddyconfig.JSON(unm, nil)}
	added.Preset = presetPasskey
	return p.add(added)
}

// account parses:
//
//	account [<path>|on|off]
func (p *parser) account() error {
	args := p.RemainingArgs()
	switch {
	case len(args) == 0:
		p.config.Account = accountOn
	case len(args) == 1 && (args[0] == accountOn || args[0] == accountOff || strings.HasPrefix(args[0], "/")):
		p.config.Account = args[0]
	default:
		return p.Errf("'account' takes one path that begins with a slash, 'on', 'off' or nothing")
	}
	return p.noBlock("account")
}

// logout parses:
//
//	logout [on|off] {
//	    provider     [on|off]
//	    backchannel  [on|off]
//	    frontchannel [on|off]
//	}
func (p *parser) logout() error {
	l, off := new(Logout), false
	switch args := p.RemainingArgs(); {
	case len(args) == 0, len(args) == 1 && args[0] == "on":
	case len(args) == 1 && args[0] == "off":
		no := false
		l.Provider, off = &no, true
	default:
		return p.Errf("'logout' takes 'on', 'off' or nothing, and a block")
	}
	p.config.Logout = l
	return p.block("logout", func(name string) error {
		to, ok := map[string]**bool{"provider": &l.Provider, "backchannel": &l.Backchannel, "frontchannel": &l.Frontchannel}[name]
		switch {
		case !ok:
			return p.unknown("logout setting", []string{"provider", "backchannel", "frontchannel"}, nil)
		case off:
			return p.Errf("'%s' behind 'logout off': write one or the other", name)
		}
		return p.toggle(to)
	})
}
