package grant

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// maxCookies is how many bytes the cookies of a site may have together, names
// included. Servers refuse requests with 16 KiB of headers, and there are others'
// cookies besides.
const maxCookies = 12 << 10

// box is what a cookie has.
type box struct {
	// SID is the session's: the tokens of one are nothing to another.
	SID string `json:"sid"`
	// Sealed is when the cookie was made, in seconds since the epoch.
	Sealed int64 `json:"iat"`
	Grant
}

func (k *Keeper) ring(names *cookie.Names) *jwt.Ring {
	if names.Secure {
		return k.rings[1]
	}
	return k.rings[0]
}

// open returns what a request's cookies keep for the session.
func (k *Keeper) open(h http.Header, names *cookie.Names, s *session.Session) (b box, ok bool) {
	ring := k.ring(names)
	cookie.SessionTokens(h, names.Tokens, func(token string) bool {
		plain, err := ring.OpenString(token)
		if err != nil {
			return true
		}
		found, err := parse(plain)
		if err != nil || found.SID != s.Evidence.SID || found.Access == "" && found.ID == "" {
			return true
		}
		b, ok = found, true
		return false
	})
	return b, ok
}

// parse reads what seal wrote. Every request with a session does so, and tokens
// are long: they become parts of the text.
func parse(plain string) (b box, err error) {
	err = jwt.Members(plain, func(name string, v jwt.Value) bool {
		switch name {
		case "sid":
			b.SID = v.String()
		case "iat":
			b.Sealed, _ = v.Int()
		case "at":
			b.Access = v.String()
		case "rt":
			b.Refresh = v.String()
		case "it":
			b.ID = v.String()
		case "exp":
			b.Expires, _ = v.Int()
		case "said":
			err := json.Unmarshal([]byte(v.Raw()), &b.Said) // it is short
			return err == nil
		}
		return true
	})
	return b, err
}

func (k *Keeper) forwardCookie(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) Outcome {
	b, ok := k.open(h, names, s)
	if !ok {
		return Outcome{}
	}
	g, err := k.fresh(ctx, &job{
		provider: s.Evidence.Provider, space: spaceOf(s), about: about(s), renew: k.ask,
	}, b.Grant)
	if err != nil {
		return k.end(ctx, h, names, s)
	}
	now := k.opts.Now()
	o := Outcome{Token: g.token(now)}
	// Everybody who comes with the old one gets the new one: the answer to whoever
	// was first may never arrive. One that lasts is sealed again now and then, as
	// its cookie would go before the session's.
	if !g.same(&b.Grant) || now.Unix()-b.Sealed >= int64(session.DefaultUpdateAge/time.Second) {
		o.Cookies = k.seal(h, names, s, g, nil)
	}
	return o
}

// end ends the session of a grant that is over.
func (k *Keeper) end(ctx context.Context, h http.Header, names *cookie.Names, s *session.Session) Outcome {
	if !ends(s) {
		return Outcome{}
	}
	if err := k.opts.Sessions.End(ctx, s); err != nil {
		k.opts.Log.Error("a session could not be ended", append(about(s), zap.Error(err))...)
		return Outcome{}
	}
	return Outcome{Ended: true, Cookies: k.opts.Sessions.Clear(h, names)}
}

// ends reports whether a session rests on the grant. That of a passkey does not,
// and a person who signs in with one would be shut out for good.
func ends(s *session.Session) bool { return s.Evidence.Method != session.MethodPasskey }

// seal returns the cookies that keep a grant. One that does not fit loses the ID
// token, which is of use only to sign out at the provider, and is given up else.
func (k *Keeper) seal(h http.Header, names *cookie.Names, s *session.Session, g Grant, beside []cookie.Cookie) []cookie.Cookie {
	b := box{SID: s.Evidence.SID, Sealed: k.opts.Now().Unix(), Grant: g}
	room := roomFor(h, names, beside)
	for _, id := range []string{g.ID, ""} {
		if b.ID = id; b.ID == "" && b.Access == "" {
			k.opts.Log.Info("the ID token is too large for cookies beside the session: it is not kept, and the provider may ask whoever signs out",
				append(about(s), zap.Int("room", room), zap.Int("id_token", len(g.ID)))...)
			return k.clear(h, names)
		}
		plain, err := json.Marshal(b)
		if err != nil || len(plain) > room {
			continue
		}
		cookies := k.opts.Sessions.Beside(h, names, names.Tokens, k.ring(names).Seal(plain), k.opts.Sessions.Until(s))
		if size(cookies) <= room {
			return cookies
		}
	}
	k.opts.Log.Warn("the provider's tokens are too large for cookies beside the session: they are not kept, a store would keep them",
		append(about(s), zap.Int("room", room), zap.Int("access_token", len(g.Access)), zap.Int("refresh_token", len(g.Refresh)))...)
	return k.clear(h, names)
}

func (k *Keeper) clear(h http.Header, names *cookie.Names) []cookie.Cookie {
	return k.opts.Sessions.Beside(h, names, names.Tokens, "", time.Time{})
}

// roomFor is how many bytes are left for the tokens. Beside are the session's
// cookies if they are about to be set, else those of the request count. Cookies of
// a flow under way are left out: they are gone in a moment, and have their part of
// what is left of 16 KiB.
func roomFor(h http.Header, names *cookie.Names, beside []cookie.Cookie) int {
	left := maxCookies - size(beside)
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimPrefix(pair, " ")
			name, _, _ := strings.Cut(pair, "=")
			switch {
			case !names.Owned(name), belongs(name, names.Tokens), beside != nil && belongs(name, names.Session):
			case name == names.State, name == names.PKCE, name == names.Nonce, name == names.Challenge:
			default:
				left -= len(pair) + len("; ")
			}
		}
	}
	return max(left, 0)
}

// belongs reports whether a cookie is the one of a name, or a piece of it.
func belongs(found, name string) bool {
	rest, ok := strings.CutPrefix(found, name)
	return ok && (rest == "" || rest[0] == '.')
}

// size is what cookies take in a request.
func size(cookies []cookie.Cookie) (n int) {
	for _, c := range cookies {
		if c.Value != "" {
			n += len(c.Name) + len("=; ") + len(cookie.Encode(c.Value))
		}
	}
	return n
}
