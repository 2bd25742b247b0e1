package authapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/store"
)

const (
	// maxAnswer bounds the answer of an authenticator, and maxClientData what the
	// browser says in it about the ceremony, in bytes.
	maxAnswer     = 64 << 10
	maxClientData = 8 << 10
)

// callbackPasskeys answers the POST of what an authenticator has answered. As in
// Auth.js, its fields are action and, as JSON text, data; other than there, the form
// has to prove where it comes from. Nothing in the answer tells a passkey that is
// unknown from one that was lied about.
func (q *request) callbackPasskeys(p provider.Passkeys) {
	id := p.Info().ID
	if !q.csrf.verified {
		q.failCSRF(kindCSRF)
		return
	}
	if !q.mayAnswer() {
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindPasskey, reason: ReasonTooManyAttempts, provider: id})
		return
	}
	data := q.body.text("data")
	a, why := q.findChallenge(id, q.body.text("action"), data)
	if why != "" {
		q.fail(failure{kind: kindPasskey, reason: why, provider: id})
		return
	}
	q.finishChallenge(a)
	if a.user != "" {
		q.register(p, a, data)
		return
	}
	q.authenticate(p, a, data)
}

// findChallenge returns the attempt that an answer belongs to: the one with its
// challenge. Otherwise it says what is wrong.
func (q *request) findChallenge(id, action, data string) (attempt, reason) {
	c := q.jar.challengeCheck()
	challenge := challengeIn(data)
	if challenge == "" || action != actionRegister && action != actionAuthenticate {
		return attempt{}, provider.ReasonPasskey
	}
	if !q.sent(c.name) {
		return attempt{}, ReasonStateCookieMissing
	}
	attempts := q.attempts(c)
	if len(attempts) == 0 {
		return attempt{}, ReasonStateExpired
	}
	for _, a := range attempts {
		same := subtle.ConstantTimeCompare([]byte(a.value), []byte(challenge)) == 1
		if same && a.provider == id && (a.user != "") == (action == actionRegister) {
			return a, ""
		}
	}
	return attempt{}, provider.ReasonPasskey
}

// challengeIn is the challenge that an answer is to, "" if there is none to be
// found. It says which of the challenges given out is meant; the provider checks
// what the answer makes of it.
func challengeIn(data string) string {
	var answer struct {
		Response struct {
			ClientDataJSON string `json:"clientDataJSON"`
		} `json:"response"`
	}
	var client struct {
		Challenge string `json:"challenge"`
	}
	if len(data) > maxAnswer || json.Unmarshal([]byte(data), &answer) != nil || len(answer.Response.ClientDataJSON) > maxClientData {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(answer.Response.ClientDataJSON)
	if errors.Join(err, json.Unmarshal(raw, &client)) != nil {
		return ""
	}
	return client.Challenge
}

// finishChallenge takes an attempt out of its cookie, whatever becomes of it.
func (q *request) finishChallenge(a attempt) {
	c := q.jar.challengeCheck()
	var rest []attempt
	for _, other := range q.attempts(c) {
		if other.value != a.value {
			rest = append(rest, other)
		}
	}
	q.set(q.checkCookie(c, rest))
}

var (
	errAnswered  = &provider.Error{Reason: provider.ReasonPasskey, Err: errors.New("the challenge was answered before")}
	errNoPasskey = &provider.Error{Reason: provider.ReasonPasskey, Err: errors.New("no such passkey")}
)

// once makes sure that a good answer to a challenge is the first one. Passkeys that
// are synced do not count their uses, so an answer that somebody has got hold of
// looks as good the second time, and the cookie is the browser's to send again.
func (q *request) once(a attempt) error {
	sum := sha256.Sum256([]byte(a.value))
	name := "passkey:" + hex.EncodeToString(sum[:16])
	left := max(time.Unix(a.expires, 0).Sub(q.now), 0) + time.Minute // for clocks that differ
	first, err := q.api.opts.Store.Lock(q.r.Context(), name, store.NewID(), left)
	if err == nil && !first {
		err = errAnswered
	}
	return err
}

// failPasskey ends a ceremony.
func (q *request) failPasskey(s *signIn, err error) {
	q.fail(*q.passkeyFailure(s, err))
}

// passkeyFailure tells what is wrong with an answer from a store that has none.
func (q *request) passkeyFailure(s *signIn, err error) *failure {
	if errors.Is(err, store.ErrNotFound) {
		err = errNoPasskey
	}
	if provider.ReasonOf(err) == "" {
		return q.storeFailure(s, err)
	}
	f := s.refusal(kindPasskey, reasonOf(err))
	f.err = err
	return f
}
