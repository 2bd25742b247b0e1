package authapi

import (
	"context"
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// Grants keeps the tokens of providers beside sessions.
type Grants interface {
	// Keep keeps those of the account that the session was just made for, and
	// returns the cookies to set. Beside are the session's own.
	Keep(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session, a provider.Account, beside []cookie.Cookie) []cookie.Cookie

	// IDToken returns the ID token of a session, empty if none was kept.
	IDToken(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) string

	// Revoke has a provider revoke what it granted for a session that has ended, and
	// reports whether there was anything to ask it for.
	Revoke(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) (asked bool, err error)
}

// keepGrant keeps what the provider granted, or clears what another session's
// did: a sign-in without a provider brings no tokens.
func (q *request) keepGrant(s *signIn) {
	if q.api.opts.Grants == nil {
		return
	}
	q.set(q.api.opts.Grants.Keep(q.r.Context(), q.r.Header, &q.jar.names, s.session, s.identity.Account, s.cookies)...)
}
