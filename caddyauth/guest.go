package caddyauth

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// providerNamespace is where guest modules add providers.
	providerNamespace = "caddyauth.providers"
	modulePrefix      = providerNamespace + "."

	presetCredentials = "credentials"
	presetEmail       = "email"
	presetPasskey     = "passkey"
	guestDev          = "dev"
)

// ProviderModule is what a guest module in the namespace caddyauth.providers
// implements. Its name there is the preset that a site writes.
type ProviderModule interface {
	caddy.Module

	// NewProvider returns the provider with that id for one site. It must not
	// touch the network.
	NewProvider(id string, opts provider.Options) (provider.Provider, error)
}

// loopbackOnly is a guest that must not be used on a site which others could
// reach.
type loopbackOnly interface{ LoopbackOnly() bool }

func isGuest(preset string) bool {
	if preset == "" || strings.Contains(preset, ".") {
		return false
	}
	_, err := caddy.GetModule(modulePrefix + preset)
	return err == nil
}

// guests returns the presets that guest modules add.
func guests() []string {
	var names []string
	for _, m := range caddy.GetModules(providerNamespace) {
		names = append(names, m.ID.Name())
	}
	return names
}

// loadGuest provisions the guest module of a provider.
func loadGuest(ctx caddy.Context, p *Provider) (ProviderModule, error) {
	raw := p.Module
	if raw == nil {
		raw = []byte("{}")
	}
	mod, err := ctx.LoadModuleByID(modulePrefix+p.Preset, raw)
	if err != nil {
		return nil, err
	}
	guest, ok := mod.(ProviderModule)
	if !ok {
		return nil, fmt.Errorf("module %s%s is no provider", modulePrefix, p.Preset)
	}
	return guest, nil
}
