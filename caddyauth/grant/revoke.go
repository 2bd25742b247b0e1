package grant

import (
	"context"
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// Revoke has the provider revoke the refresh token of a session that has ended, the
// latest that is known, and reports whether it was asked. Only a token in a cookie is
// the session's own: one in a store is the account's, which other sessions renew
// with, and applications that share the store. It stays.
func (k *Keeper) Revoke(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) (asked bool, err error) {
	if !bound(s) {
		return false, nil
	}
	p, ok := k.refreshers[s.Evidence.Provider].(provider.Revoker)
	if !ok {
		return false, nil
	}
	b, ok := k.open(h, names, s)
	if !ok || b.Refresh == "" {
		return false, nil
	}
	g := k.opts.Memory.latest(spaceOf(s), b.Grant, k.opts.Now())
	return p.Revoke(ctx, g.Refresh)
}

// spaceOf tells the tokens of a session from those of others.
func spaceOf(s *session.Session) string { return "sid\x00" + s.Evidence.SID }
