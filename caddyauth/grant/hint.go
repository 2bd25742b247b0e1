package grant

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// IDToken returns the ID token of a session, by which its provider knows what to end
// (OpenID Connect RP-Initiated Logout 1.0, section 2); empty if none was kept. The
// browser that signed in has it in a cookie. A session of another host that began
// from the same sign-in finds it with the account, unless there was another sign-in
// since: that is about another session at the provider.
func (k *Keeper) IDToken(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) string {
	if !k.opts.IDTokens || !bound(s) {
		return ""
	}
	if b, ok := k.open(h, names, s); ok && b.ID != "" {
		return b.ID
	}
	if k.opts.Store == nil || !k.opts.Shared || s.Evidence.Account == "" {
		return ""
	}
	a := accountOf(s)
	kept, err := k.opts.Store.Account(ctx, a.provider, a.id)
	if err != nil {
		k.opts.Log.Debug("an account's ID token could not be read", zap.String("provider", a.provider), zap.Error(err))
		return ""
	}
	if kept.UserID != s.Evidence.User || session.IdPMark(provider.SessionOf(kept.IDToken)) != s.Evidence.IdPSession {
		return ""
	}
	return kept.IDToken
}
