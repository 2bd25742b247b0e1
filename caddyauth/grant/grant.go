// Package grant keeps what identity providers grant at a sign-in, access tokens
// and refresh tokens, for as long as the session lasts, and renews them: with a
// store in the account's row, without one sealed in a cookie beside the session's.
//
// However many requests find a token due, one of them asks the provider. Without
// a store that holds within one process: several processes that share sessions,
// and a provider that replaces refresh tokens, need a store.
package grant

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// early is how long before its end a token is renewed: the upstream's call must
// arrive with it.
const early = 60 * time.Second

// Options configures a Keeper. Sessions, Secrets and Names are required.
type Options struct {
	// Providers are those of the site. Only a [provider.Refresher] is asked to
	// renew.
	Providers []provider.Provider

	// Sessions ends the session whose grant is over.
	Sessions *session.Manager

	// Store keeps the tokens with the accounts. Default: cookies keep them.
	Store store.Driver

	// IDTokens keeps ID tokens, for signing out at the provider.
	IDTokens bool

	// IDTokensOnly keeps nothing else: access tokens are not forwarded.
	IDTokensOnly bool

	// Shared says that sessions of other hosts begin from the same sign-in. They find
	// the ID token in the store.
	Shared bool

	// Space tells stores apart where their sites share a Memory.
	Space string

	// Dialect, Secrets and Names are those of the session.
	Dialect dialect.Dialect
	Secrets []string
	Names   [2]cookie.Names // for http and https

	// Memory outlives the Keeper. Default: one of this Keeper's own.
	Memory *Memory

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log gets no tokens. Default: nothing is logged.
	Log *zap.Logger
}

// Keeper keeps the tokens of one site. It is safe for concurrent use.
type Keeper struct {
	opts       Options
	rings      [2]*jwt.Ring
	refreshers map[string]provider.Refresher
	pace       pace
}

// New returns a Keeper.
func New(opts Options) (*Keeper, error) {
	if opts.Sessions == nil {
		return nil, errors.New("grant: no session manager")
	}
	if opts.Memory == nil {
		opts.Memory = NewMemory()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	k := &Keeper{opts: opts, refreshers: make(map[string]provider.Refresher), pace: usual}
	for _, p := range opts.Providers {
		if r, ok := p.(provider.Refresher); ok {
			k.refreshers[p.Info().ID] = r
		}
	}
	for i := range k.rings {
		var err error
		if k.rings[i], err = jwt.NewRing(opts.Dialect, opts.Secrets, opts.Names[i].Tokens); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Outcome is what a request is to get.
type Outcome struct {
	// Token is the access token, empty if there is none that would be accepted.
	Token string
	// Cookies are to be set on the response.
	Cookies []cookie.Cookie
	// Ended says that the provider has withdrawn what it granted, so that the
	// session is over.
	Ended bool
}

// Forward returns the access token of a session for a request with the header h.
// One that is due is renewed first, which takes ten seconds at most, and one while
// the old one is still good. A failure that may pass leaves the session alone.
func (k *Keeper) Forward(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) Outcome {
	switch {
	case !bound(s):
		return Outcome{}
	case k.opts.Store != nil:
		return k.forwardKept(ctx, h, names, s)
	}
	return k.forwardCookie(ctx, h, names, s)
}

// Keep keeps what the provider granted at the sign-in that the session is of. It
// returns the cookies to set; beside are those of the session, which both have to
// fit into a request's header with. That something cannot be kept is logged, and
// does no harm to the sign-in.
func (k *Keeper) Keep(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session, a provider.Account, beside []cookie.Cookie) []cookie.Cookie {
	g := k.worth(grantOf(a))
	switch {
	case !bound(s) || g.Access == "" && g.ID == "":
		return k.clear(h, names)
	case g.Access != "" && !sendable(g.Access):
		k.opts.Log.Warn("an access token has characters that no header field can carry: it is not kept", about(s)...)
		return k.clear(h, names)
	case k.opts.Store != nil:
		if !k.opts.IDTokensOnly || k.opts.Shared {
			k.keepRow(ctx, s, grantOf(a))
		}
		if g = (Grant{ID: g.ID}); g.ID == "" {
			return k.clear(h, names)
		}
	}
	return k.seal(h, names, s, g, beside)
}

// worth is what of a grant is worth keeping beside a session.
func (k *Keeper) worth(g Grant) Grant {
	if !k.opts.IDTokens {
		g.ID = ""
	}
	if k.opts.IDTokensOnly {
		g = Grant{ID: g.ID}
	}
	return g
}

// bound reports whether tokens can belong to a session: it is a browser's, and has
// a name that nobody else's has.
func bound(s *session.Session) bool {
	return s != nil && s.PAT == nil && !s.Bearer && s.HasEvidence && s.Evidence.SID != ""
}

func about(s *session.Session) []zap.Field {
	return []zap.Field{zap.String("provider", s.Evidence.Provider), zap.String("account", s.Evidence.Account), zap.String("sid", s.Evidence.SID)}
}

// Grant is what a provider granted.
type Grant struct {
	Access  string `json:"at"`
	Refresh string `json:"rt,omitempty"`
	ID      string `json:"it,omitempty"`
	// Expires is when the access token does, in seconds since the epoch; 0 if
	// nobody said.
	Expires int64 `json:"exp,omitempty"`
	// Said is what the ID token says, which may be left out where there is no
	// room for it.
	Said provider.Said `json:"said,omitzero"`

	kind, scope string // for the account's row only
}

func grantOf(a provider.Account) Grant {
	return Grant{
		Access: a.AccessToken, Refresh: a.RefreshToken, ID: a.IDToken, Expires: a.ExpiresAt,
		Said: provider.SaidBy(a.IDToken), kind: a.TokenType, scope: a.Scope,
	}
}

// with is the grant after a refresh: what the answer leaves out stays as it was
// (RFC 6749, section 6).
func (g Grant) with(a *provider.Account) Grant {
	g.Access, g.Expires = a.AccessToken, a.ExpiresAt
	for _, f := range []struct {
		to    *string
		value string
	}{{&g.Refresh, a.RefreshToken}, {&g.ID, a.IDToken}, {&g.kind, a.TokenType}, {&g.scope, a.Scope}} {
		if f.value != "" {
			*f.to = f.value
		}
	}
	return g
}

// same reports whether two grants have the same tokens. The rest may be left out
// where it was kept.
func (g *Grant) same(o *Grant) bool {
	return g.Access == o.Access && g.Refresh == o.Refresh && g.Expires == o.Expires
}

// good reports whether the access token would be accepted now.
func (g *Grant) good(now time.Time) bool {
	return g.Access != "" && (g.Expires == 0 || now.Unix() < g.Expires)
}

// due reports whether it is time to renew.
func (g *Grant) due(now time.Time) bool {
	return g.Expires != 0 && now.Add(early).Unix() >= g.Expires
}

// token is the access token if it can be sent now.
func (g *Grant) token(now time.Time) string {
	if !g.good(now) || !sendable(g.Access) {
		return ""
	}
	return g.Access
}

// sendable reports whether a token can be the value of a header field, or part of
// one: visible ASCII, as all tokens are (RFC 6750, section 2.1).
func sendable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7F {
			return false
		}
	}
	return token != ""
}
