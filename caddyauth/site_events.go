package caddyauth

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// provisionEvents finds the app that passes events on to whoever subscribed to
// them.
func (s *site) provisionEvents(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return err
	}
	s.events, s.ctx = app.(*caddyevents.App), ctx
	return nil
}

// emit tells Caddy's event handlers what happens, under NextAuth's names. An
// error says that a handler aborted the event. Handlers run although the client
// may be gone: whether somebody may sign in is not for a broken connection to
// decide.
func (s *site) emit(ctx context.Context, name string, data func() map[string]any) error {
	if !s.events.ShouldEmit(name) {
		return nil
	}
	origin := s.ctx // a copy, whose module is the handler
	origin.Context = context.WithoutCancel(ctx)
	if event := s.events.Emit(origin, name, data()); event.Aborted != nil {
		return fmt.Errorf("event %s: %w", name, event.Aborted)
	}
	return nil
}
