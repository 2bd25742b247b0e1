package caddyauth

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
)

// provisionCallbacks compiles the expressions. The Caddyfile adapter has done so
// before, but a configuration need not come from there.
func (s *site) provisionCallbacks(caddy.Context) (err error) {
	if s.config.Callbacks == nil {
		return nil
	}
	if s.callbacks, err = callbacks.Compile(*s.config.Callbacks); err != nil {
		return fmt.Errorf("callbacks: %w", err)
	}
	if len(s.config.Callbacks.JWT) > 0 && s.config.Session.Strategy == strategyDatabase {
		return errors.New("callbacks jwt shapes tokens, and with session strategy database there are none: use 'callbacks { session ... }', or strategy jwt")
	}
	return nil
}
