package authapi

import (
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// startAge is how long a start may take to arrive at the portal.
	startAge = time.Minute
	// codeAge is how long a code may take to arrive at the member.
	codeAge = 10 * time.Second
)

// handoff is one sign-in for a member on its way through the portal.
type handoff struct {
	// portal is the portal's {origin}{base path}, which the start is for.
	portal string
	// origin and base are the member's.
	origin, base string
	provider     string
	callbackURL  string
	// binding is the hash of what the member's browser keeps in a cookie.
	binding string
	// params go to the identity provider, as a query.
	params string
	// user is the stored user who is signed in at the member: an account that this
	// person signs in with may be linked.
	user string
	// fresh asks for a sign-in, whoever is signed in at the portal.
	fresh bool
	// stepUp is what the member asks for beyond a sign-in, nil if nothing. The member
	// judges by its session whether it got that.
	stepUp *provider.StepUp
	// own: see PortalOptions.
	own bool

	// The portal's own notes: what it calls the handoff, when it began, in Unix
	// milliseconds, and when it is given up, in Unix seconds.
	id      string
	since   int64
	expires int64
}

// member is the member's {origin}{base path}.
func (h *handoff) member() string { return h.origin + h.base }

// claims are those that differ from the zero value.
func (h *handoff) claims() map[string]any {
	claims := make(map[string]any)
	for _, f := range h.texts() {
		if *f.value != "" {
			claims[f.name] = *f.value
		}
	}
	for name, on := range map[string]bool{"fresh": h.fresh, "own": h.own} {
		if on {
			claims[name] = true
		}
	}
	if h.stepUp != nil {
		claims["maxAge"], claims["acr"] = int64(h.stepUp.MaxAge/time.Second), strings.Join(h.stepUp.ACR, " ")
	}
	if h.id != "" {
		claims["since"], claims["until"] = h.since, h.expires
	}
	return claims
}

// textClaim is a member that is text.
type textClaim struct {
	name  string
	value *string
}

func (h *handoff) texts() []textClaim {
	return []textClaim{
		{"portal", &h.portal}, {"origin", &h.origin}, {"base", &h.base}, {"provider", &h.provider},
		{"callbackUrl", &h.callbackURL}, {"binding", &h.binding}, {"params", &h.params}, {"user", &h.user}, {"id", &h.id},
	}
}

// take reads one member, and reports whether it is one.
func (h *handoff) take(name string, v jwt.Value) bool {
	switch name {
	case "fresh":
		h.fresh = v.Bool()
	case "own":
		h.own = v.Bool()
	case "maxAge":
		seconds, _ := v.Int()
		h.improve().MaxAge = time.Duration(seconds) * time.Second
	case "acr":
		h.improve().ACR = strings.Fields(v.String())
	case "since":
		h.since, _ = v.Int()
	case "until":
		h.expires, _ = v.Int()
	default:
		for _, f := range h.texts() {
			if f.name == name {
				*f.value = v.String()
				return true
			}
		}
		return false
	}
	return true
}

// improve makes it one that asks for more than a sign-in.
func (h *handoff) improve() *provider.StepUp {
	if h.stepUp == nil {
		h.stepUp = new(provider.StepUp)
	}
	return h.stepUp
}

// open unseals claims that live for a limited time. It returns why they are no
// good: handoffInvalid or, if everything else about them is right, handoffExpired.
func open(ring *jwt.Ring, token string, now time.Time, take func(name string, v jwt.Value) bool) string {
	claims, err := ring.OpenString(token)
	if err != nil {
		return handoffInvalid
	}
	var times jwt.Standard
	if err := jwt.Members(claims, func(name string, v jwt.Value) bool {
		if !take(name, v) {
			times.Take(name, v)
		}
		return true
	}); err != nil || !times.HasExp {
		return handoffInvalid
	}
	if now.Unix() >= times.Exp { // what clocks may differ by is within the time itself
		return handoffExpired
	}
	if jwt.Times(now, times) != nil {
		return handoffInvalid
	}
	return ""
}

// openStart unseals a start, which is of use even if it has expired: it says whose
// it was.
func (q *request) openStart(token string) (h handoff, why string) {
	why = open(q.api.starts, token, q.now, h.take)
	if why == "" && (h.origin == "" || h.provider == "" || h.binding == "") {
		why = handoffInvalid
	}
	return h, why
}

// maxPendingCookie is how long the cookie may be that keeps the portal's handoffs
// under way. Browsers drop what is longer than 4096 bytes, name and attributes
// included.
const maxPendingCookie = 3600

// keep notes a handoff in the browser that has to sign in for it first, beside
// those of other tabs. The oldest are given up if there is no room.
func (q *request) keep(h handoff) {
	list := append([]handoff{h}, q.pendingAll()...)
	if q.crowded() {
		list = list[:1]
	}
	q.setPending(list[:min(len(list), maxEarlier+1)])
}

// setPending seals handoffs, the newest first. Without any, the cookie is cleared.
func (q *request) setPending(list []handoff) {
	c := q.newCookie(q.jar.names.Handoff, "")
	for len(list) > 0 {
		var all []any
		for i := range list {
			all = append(all, list[i].claims())
		}
		sealed, err := jwt.SealClaims(q.jar.pending, map[string]any{"handoffs": all}, q.now, checkAge)
		if err == nil && (len(sealed) <= maxPendingCookie || len(list) == 1) {
			c.Value, c.Expires, c.MaxAge, c.HasMaxAge = sealed, q.now.Add(checkAge), int(checkAge/time.Second), true
			q.set(c)
			return
		}
		list = list[:len(list)-1]
	}
	q.set(cookie.Clear(c))
}

// pendingAll returns the portal's handoffs under way, the newest first.
func (q *request) pendingAll() []handoff {
	var list []handoff
	value, ok := cookie.Get(q.r.Header, q.jar.names.Handoff)
	if !ok {
		return nil
	}
	why := open(q.jar.pending, value, q.now, func(name string, v jwt.Value) bool {
		if name != "handoffs" {
			return false
		}
		v.Elements(func(e jwt.Value) bool {
			var h handoff
			e.Members(func(name string, v jwt.Value) bool { h.take(name, v); return true })
			if h.id != "" && h.expires > q.now.Unix() {
				list = append(list, h)
			}
			return len(list) <= maxEarlier
		})
		return true
	})
	if why != "" {
		return nil
	}
	return list
}

// pendingByID is the handoff under way with that name, nil if there is none.
func (q *request) pendingByID(id string) *handoff {
	for _, h := range q.pendingAll() {
		if h.id == id && id != "" {
			return &h
		}
	}
	return nil
}
