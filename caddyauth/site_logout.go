package caddyauth

import (
	"fmt"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// provisionLogout refuses endpoints that a site asks for and no provider of it could
// use. What the global option asks for is for other sites, then.
func (s *site) provisionLogout(own *Config) error {
	if len(s.providers) < len(s.config.Providers) || len(s.oidcProviders()) > 0 {
		return nil // or something else is to be mended first
	}
	for _, w := range []struct {
		name string
		on   bool
	}{
		{"logout: backchannel", own.hasBackchannel()},
		{"logout: frontchannel", own.hasFrontchannel()},
		{"initiate_login", own.initiatesLogin()},
	} {
		if w.on {
			return fmt.Errorf("%s: it takes a provider of OpenID Connect, and the site has none", w.name)
		}
	}
	return nil
}

// oidcProviders are the ids of the providers that can say who has signed out, and
// where people come from to sign in.
func (s *site) oidcProviders() (ids []string) {
	for _, p := range s.providers {
		if _, ok := p.(provider.Leaver); ok && p.Info().Type == provider.TypeOIDC {
			ids = append(ids, p.Info().ID)
		}
	}
	return ids
}

// logoutOptions are what signing out has to do with the site's providers.
func (s *site) logoutOptions() authapi.LogoutOptions {
	return authapi.LogoutOptions{
		Provider: s.config.leaves(), Backchannel: s.config.hasBackchannel(), Frontchannel: s.config.hasFrontchannel(),
	}
}

// logoutURLs are the addresses that a provider is to be told of, empty where there is
// nothing to tell.
func (s *site) logoutURLs(p provider.Provider, origin string) (signedOut, back, front, login string) {
	base, info := origin+s.basePath, p.Info()
	if _, ok := p.(provider.Leaver); ok && info.Type == provider.TypeOIDC {
		if s.config.leaves() {
			signedOut = base + "/signed-out"
			if s.isMember() {
				signedOut = s.portalURL() + "/signed-out"
			}
		}
		if s.config.hasBackchannel() {
			back = base + "/backchannel-logout/" + info.ID
		}
		if s.config.hasFrontchannel() {
			front = base + "/frontchannel-logout/" + info.ID
		}
		if s.config.initiatesLogin() {
			login = base + "/login/" + info.ID
		}
	}
	return signedOut, back, front, login
}
