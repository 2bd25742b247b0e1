package caddyauth

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// settle finishes a site once it is known which hosts it answers: what only
// loopback may have, what cookies can have, and the environment's URL for the
// site that it names.
func (s *site) settle() error {
	if len(s.places) == 0 {
		return s.problems(errors.New("caddyauth stands where no request arrives: put it in a site itself, not in handle_errors, handle_response or intercept, nor in a named route that no site invokes"))
	}
	var reach []error
	if s.canonical == nil {
		for _, host := range s.hosts {
			if err := s.cookieReaches(strings.TrimPrefix(host, "*.")); err != nil {
				reach = append(reach, err)
			}
		}
		// Before the hosts are looked at: the variable may name one.
		reach = append(reach, s.adoptEnv())
	}
	reach = append(reach, s.checkMail(), s.checkCallbackOrigins(), s.settlePortal())
	if err := errors.Join(append(append(s.checkLoopback(), s.checkFormPost()...), reach...)...); err != nil {
		return s.problems(err)
	}
	return nil
}

// checkLoopback refuses providers for development on hosts that others reach.
func (s *site) checkLoopback() []error {
	var errs []error
	for _, id := range s.loopback {
		for _, host := range s.reachable() {
			if !loopback.Is(host) {
				errs = append(errs, fmt.Errorf("provider '%s' is for development and signs anybody in; it works on loopback sites only, and this one answers %s", id, host))
			}
		}
	}
	return errs
}

// checkFormPost refuses providers that answer with a form where their flows could
// not end: browsers keep no SameSite=None cookie of plain http, except on
// loopback. Where nothing but requests tell the scheme, the flow is refused.
func (s *site) checkFormPost() []error {
	if s.canonical == nil || !strings.HasPrefix(s.canonical.origin, "http:") || loopback.Is(s.canonical.host) {
		return nil
	}
	var errs []error
	for _, p := range s.providers {
		if id := p.Info().ID; p.Info().FormPost {
			errs = append(errs, fmt.Errorf("provider '%s': response_mode form_post needs https, and this site is %s", id, s.canonical.origin))
		}
	}
	return errs
}

// adoptEnv takes over NEXTAUTH_URL or AUTH_URL if it names a host of this site,
// or if the site answers every host.
func (s *site) adoptEnv() error {
	env, name, err := canonicalFromEnv(s.dialect)
	if env == nil || err != nil {
		return err
	}
	if !s.everyHost && len(s.hosts) > 0 && !slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, env.host) }) {
		s.log.Warn("an environment variable names another host and is ignored on this site",
			zap.String("variable", name), zap.String("site", s.name()), zap.String("url", env.origin))
		return nil
	}
	s.canonical = env
	if s.config.BasePath == "" && env.path != "" {
		if !plainPath(env.path) {
			return fmt.Errorf("environment variable %s: %q cannot be a base path", name, env.path)
		}
		s.basePath = env.path
	}
	if s.everyHost {
		return s.cookieReaches(env.host)
	}
	return nil
}

// reachable returns the hosts that the site answers: those of its address, or
// the addresses that its server listens on where it answers every host; and the
// host of its URL, which is what people see behind a proxy.
func (s *site) reachable() []string {
	hosts := slices.Clip(s.hosts)
	if s.canonical != nil && !slices.Contains(hosts, s.canonical.host) {
		hosts = append(hosts, s.canonical.host)
	}
	if !s.everyHost || s.server == nil {
		return hosts
	}
	for _, l := range s.server.Listen {
		addr, err := caddy.ParseNetworkAddress(l)
		if err != nil || addr.Host == "" {
			hosts = append(hosts, "every host")
			continue
		}
		hosts = append(hosts, addr.Host)
	}
	return hosts
}

// announce logs the callback URLs to register with the identity providers.
func (s *site) announce() {
	if s.isMember() {
		return // the portal's are the ones that count
	}
	origin := s.usualOrigin()
	for _, p := range s.providers {
		if _, ok := p.(provider.OAuth); !ok {
			continue
		}
		s.log.Info("callback URL to register with the provider",
			zap.String("provider", p.Info().ID),
			zap.String("callback_url", origin+s.basePath+"/callback/"+p.Info().ID))
	}
}

// guessOrigin is the origin of a site whose requests have not told it yet.
func guessOrigin(server *caddyhttp.Server, host string) string {
	scheme, port := "http", ""
	if len(server.TLSConnPolicies) > 0 {
		scheme = "https"
	}
	for _, l := range server.Listen {
		if addr, err := caddy.ParseNetworkAddress(l); err == nil && addr.StartPort != 0 {
			port = strconv.FormatUint(uint64(addr.StartPort), 10)
		}
	}
	return scheme + "://" + joinPort(host, port, scheme)
}
