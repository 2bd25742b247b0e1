package caddyauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
)

// provisionCallbackOrigins reads callback_origin.
func (s *site) provisionCallbackOrigins(caddy.Context) error {
	var errs []error
	for _, raw := range s.config.CallbackOrigins {
		origin, err := parseOrigin(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("callback_origin: %w", err))
			continue
		}
		if !slices.Contains(s.callbackOrigins, origin) {
			s.callbackOrigins = append(s.callbackOrigins, origin)
		}
	}
	return errors.Join(errs...)
}

// parseOrigin reads an origin in full: what is left out of one is easily guessed
// wrong.
func parseOrigin(raw string) (string, error) {
	value, err := resolve(raw)
	if err != nil {
		return "", err
	}
	if !strings.Contains(value, "://") {
		return "", fmt.Errorf("%q: write the whole origin, such as https://%s", redacted(value), redacted(value))
	}
	c, err := parseCanonical(value)
	if err != nil {
		return "", err
	}
	if c.path != "" || strings.HasSuffix(value, "/") && strings.Count(value, "/") > 3 {
		return "", fmt.Errorf("%q: an origin has no path, and all of its paths are allowed", value)
	}
	return c.origin, nil
}

// checkCallbackOrigins refuses origins that a site of https must not lead to: what
// the address says could be read, and what answers could be anybody.
func (s *site) checkCallbackOrigins() error {
	if !s.speaksTLS() {
		return nil
	}
	var errs []error
	for _, origin := range s.callbackOrigins {
		host, ok := strings.CutPrefix(origin, "http://")
		if !ok {
			continue
		}
		if name, _, err := splitHost(host); err != nil || !loopback.Is(name) {
			errs = append(errs, fmt.Errorf("callback_origin %s: a site of https leads to http on loopback only", origin))
		}
	}
	return errors.Join(errs...)
}

// speaksTLS reports whether the site is one of https, as far as the configuration
// tells.
func (s *site) speaksTLS() bool {
	if s.canonical != nil {
		return strings.HasPrefix(s.canonical.origin, "https:")
	}
	return s.server != nil && len(s.server.TLSConnPolicies) > 0
}
