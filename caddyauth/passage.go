package caddyauth

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// passage is what a request with a session is passed on with: one allocation for
// both.
type passage struct {
	writer gate.Writer
	lease  session.Lease
}

// serve lets the handlers behind us answer. If the request names somebody, its
// context ends with the session: Caddy's reverse_proxy then closes WebSockets, over
// any version of HTTP, and ends event streams and other responses that last.
// Handlers that do not ask for the context's end are not disturbed, file_server
// among them.
func (s *site) serve(w http.ResponseWriter, r *http.Request, rules gate.ResponseRules, current *session.Session, next caddyhttp.Handler) error {
	e := s.engine.Load()
	if current == nil || e == nil {
		wrapped := gate.NewWriter(w, rules)
		err := next.ServeHTTP(wrapped, r)
		wrapped.Finish()
		return err
	}
	p := new(passage)
	p.writer.Wrap(w, rules)
	p.lease.Begin(r.Context(), e.sessions, current)
	defer p.lease.Release()
	// In place, as the placeholders of this request read from it what other
	// handlers change.
	*r = *r.WithContext(&p.lease)
	err := next.ServeHTTP(&p.writer, r)
	p.writer.Finish()
	return err
}
