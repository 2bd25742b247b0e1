package caddyauth

import (
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
	return nil
}
