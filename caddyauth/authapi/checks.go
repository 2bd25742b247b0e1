package authapi

import (
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// checkAge is how long a flow may take.
	checkAge = 15 * time.Minute
	// maxEarlier is how many flows a browser can have under way besides the
	// newest one. More would not fit: a cookie of one check is at most
	// maxCheckCookie bytes long.
	maxEarlier     = 4
	maxCheckCookie = 1150
)

// attempt is one flow under way, as far as one check goes.
//
// NextAuth keeps state, verifier and nonce in a sealed cookie each, with room
// for one flow: a second tab breaks the first. Here the sealed claims are the
// same for the newest flow, and those before it follow in a claim of their own,
// "earlier". The three values of a flow find each other by its id. NextAuth
// reads the newest flow of our cookies; in a cookie of NextAuth's making the
// flow has no id, which is then what the three have in common.
type attempt struct {
	value, provider, id string
	expires             int64 // Unix seconds
	// user is the stored user whom a new passkey is to be for. Such attempts, and
	// those to sign in with one, are in a cookie of their own, and need no id.
	user string
}

// check is one of the three cookies, or the one of passkeys.
type check struct {
	name string
	ring *jwt.Ring
	// maxAge says whether the cookie has a Max-Age besides Expires: NextAuth
	// gives the nonce none.
	maxAge bool
}

// checks returns the cookies that a provider's flows use, in NextAuth's order.
func (j *jar) checks(c provider.Checks) []check {
	var list []check
	if c.State {
		list = append(list, j.stateCheck())
	}
	if c.PKCE {
		list = append(list, j.pkceCheck())
	}
	if c.Nonce {
		list = append(list, j.nonceCheck())
	}
	return list
}

func (j *jar) stateCheck() check { return check{j.names.State, j.state, true} }
func (j *jar) pkceCheck() check  { return check{j.names.PKCE, j.pkce, true} }
func (j *jar) nonceCheck() check { return check{j.names.Nonce, j.nonce, false} }

func (j *jar) challengeCheck() check { return check{j.names.Challenge, j.challenge, true} }

// begin draws the values of a new flow and sets its cookies. Checks that the
// provider does not use yield "".
func (q *request) begin(p provider.OAuth) (state, verifier, nonce string) {
	id := base64.RawURLEncoding.EncodeToString(q.api.randomBytes(8))
	if q.stepUp != nil {
		id = stepUpMark + markOf(*q.stepUp) + "." + id
	} else if q.initiated {
		id = initiatedMark + id
	} else if to, ok := q.continues(); ok {
		id = handoffMark + to + "." + id
	}
	for _, c := range q.jar.checks(p.Checks()) {
		a := attempt{
			value:    q.api.randomToken(),
			provider: p.Info().ID,
			id:       id,
			expires:  q.now.Add(checkAge).Unix(),
		}
		switch c.name {
		case q.jar.names.State:
			state = a.value
		case q.jar.names.PKCE:
			verifier = a.value
		case q.jar.names.Nonce:
			nonce = a.value
		}
		q.set(q.checkCookie(c, append([]attempt{a}, q.attempts(c)...)))
	}
	return state, verifier, nonce
}

// flow is what was kept for a callback.
type flow struct {
	id, verifier, nonce string
}

// find returns the flow that a callback belongs to: the one with its state or,
// for a provider without that check, the newest. Otherwise it says what is
// wrong.
func (q *request) find(p provider.OAuth, state string) (f flow, r reason) {
	checks, known := p.Checks(), false
	if checks.State {
		a, r := q.findState(p.Info().ID, state)
		if r != "" {
			return f, r
		}
		f.id, known = a.id, true
	}
	if checks.PKCE {
		a, ok := q.pick(q.jar.pkceCheck(), p, f.id, known)
		if !ok {
			return f, reason(provider.ReasonPKCE)
		}
		f.id, f.verifier, known = a.id, a.value, true
	}
	if checks.Nonce {
		a, ok := q.pick(q.jar.nonceCheck(), p, f.id, known)
		if !ok {
			return f, ReasonNonceMissing
		}
		f.id, f.nonce = a.id, a.value
	}
	return f, ""
}

// findState looks for a state among the flows under way. Every cookie of the
// name is looked at: one of a parent domain must not hide ours.
func (q *request) findState(id, state string) (attempt, reason) {
	c := q.jar.stateCheck()
	if state == "" {
		return attempt{}, ReasonStateMissing
	}
	if !q.sent(c.name) {
		return attempt{}, ReasonStateCookieMissing
	}
	attempts := q.attempts(c)
	if len(attempts) == 0 {
		return attempt{}, ReasonStateExpired
	}
	for _, a := range attempts {
		if subtle.ConstantTimeCompare([]byte(a.value), []byte(state)) != 1 {
			continue
		}
		if a.provider != id {
			return attempt{}, ReasonStateInvalid
		}
		return a, ""
	}
	return attempt{}, ReasonStateMismatch
}

// pick returns a provider's flow with the given id or, if that is not known,
// its newest.
func (q *request) pick(c check, p provider.OAuth, id string, known bool) (attempt, bool) {
	for _, a := range q.attempts(c) {
		if a.provider == p.Info().ID && (!known || a.id == id) {
			return a, true
		}
	}
	return attempt{}, false
}

// finish takes a flow that has succeeded out of its cookies. Flows of other
// tabs stay; without any, the cookie is cleared.
func (q *request) finish(p provider.OAuth, f flow) {
	for _, c := range q.jar.checks(p.Checks()) {
		var rest []attempt
		for _, a := range q.attempts(c) {
			if a.id != f.id || a.provider != p.Info().ID {
				rest = append(rest, a)
			}
		}
		q.set(q.checkCookie(c, rest))
	}
}

// checkCookie seals attempts, the newest first. As long as the cookie would be
// too long, the oldest is given up.
func (q *request) checkCookie(c check, attempts []attempt) cookie.Cookie {
	out := q.newCookie(c.name, "")
	if len(attempts) == 0 {
		q.crossSite(&out, q.formPost(q.providerID))
		return cookie.Clear(out)
	}
	keep := maxEarlier + 1
	if q.crowded() {
		keep = 1
	}
	attempts = attempts[:min(len(attempts), keep)]
	// In whole seconds, as the cookie is. The flow begins within a second.
	age := time.Duration(attempts[0].expires-q.now.Unix()) * time.Second
	for {
		sealed, err := jwt.SealClaims(c.ring, checkClaims(attempts), q.now, age)
		if err != nil {
			// Strings always encode, and few of them fit.
			return cookie.Clear(out)
		}
		out.Value = sealed
		if len(sealed) <= maxCheckCookie || len(attempts) == 1 {
			break
		}
		attempts = attempts[:len(attempts)-1]
	}
	q.crossSite(&out, slices.ContainsFunc(attempts, func(a attempt) bool { return q.formPost(a.provider) }))
	out.Expires = q.now.Add(age)
	if c.maxAge {
		out.MaxAge, out.HasMaxAge = int(age/time.Second), true
	}
	return out
}

// crossSite lets a cookie come with a form of another site, if on is true.
func (q *request) crossSite(c *cookie.Cookie, on bool) {
	if on {
		c.SameSite, c.Secure = "None", true
	}
}

// checkClaims are the claims to seal.
func checkClaims(attempts []attempt) map[string]any {
	claims := map[string]any{"value": attempts[0].value, "provider": attempts[0].provider}
	if attempts[0].id != "" {
		claims["attempt"] = attempts[0].id
	}
	if attempts[0].user != "" {
		claims["user"] = attempts[0].user
	}
	var earlier []any
	for _, a := range attempts[1:] {
		parts := []any{a.value, a.provider, a.expires, a.id}
		if a.user != "" {
			parts = append(parts, a.user)
		}
		earlier = append(earlier, parts)
	}
	if earlier != nil {
		claims["earlier"] = earlier
	}
	return claims
}

// attempts returns the flows under way that have not expired, the newest first.
func (q *request) attempts(c check) []attempt {
	var all []attempt
	cookie.SessionTokens(q.r.Header, c.name, func(token string) bool {
		all = append(all, openAttempts(c.ring, token, q.now)...)
		return true
	})
	return all
}

// openAttempts reads a check cookie. The time limit is inside the seal: what a
// browser does with Max-Age is up to it.
func openAttempts(ring *jwt.Ring, token string, now time.Time) []attempt {
	claims, err := ring.OpenString(token)
	if err != nil {
		return nil
	}
	var (
		newest  attempt
		earlier []attempt
		times   jwt.Standard
	)
	err = jwt.Members(claims, func(name string, v jwt.Value) bool {
		switch name {
		case "value":
			newest.value = v.String()
		case "provider":
			newest.provider = v.String()
		case "attempt":
			newest.id = v.String()
		case "user":
			newest.user = v.String()
		case "earlier":
			earlier = parseEarlier(v)
		default:
			times.Take(name, v)
		}
		return true
	})
	if err != nil || jwt.Times(now, times) != nil || newest.value == "" {
		return nil
	}
	newest.expires = times.Exp
	valid := []attempt{newest}
	for _, a := range earlier {
		if a.value != "" && a.expires > now.Unix() {
			valid = append(valid, a)
		}
	}
	return valid
}

// parseEarlier reads arrays of value, provider, expiry, id and perhaps user.
func parseEarlier(v jwt.Value) []attempt {
	var list []attempt
	v.Elements(func(e jwt.Value) bool {
		var a attempt
		i := 0
		e.Elements(func(part jwt.Value) bool {
			switch i {
			case 0:
				a.value = part.String()
			case 1:
				a.provider = part.String()
			case 2:
				a.expires, _ = part.Int()
			case 3:
				a.id = part.String()
			case 4:
				a.user = part.String()
			}
			i++
			return true
		})
		list = append(list, a)
		return len(list) < maxEarlier
	})
	return list
}

// live reports whether the browser is signed in.
func (q *request) live() bool {
	s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	return err == nil && s.Identified()
}
