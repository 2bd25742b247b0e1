package authapi

import "github.com/caddyauth/gateway/caddyauth/provider"

// callbackCredentials answers the form of a credentials provider. Nothing in the
// answer tells an unknown account from a wrong password, and a reached limit
// differs only in words: that an account is being attacked is no secret to the
// attacker.
func (q *request) callbackCredentials(p provider.Credentials) {
	if !q.csrf.verified {
		q.failCSRF(kindCSRF)
		return
	}
	id, account := p.Info().ID, accountOf(p, q.body)
	wrong := failure{kind: kindCredentials, provider: id, account: account}
	if !q.mayTry(id, account) {
		q.setRetryAfter(retryAfter)
		wrong.reason = ReasonTooManyAttempts
		q.fail(wrong)
		return
	}
	identity, err := p.Authorize(q.r.Context(), q.body.values())
	if err != nil {
		if wrong.reason, wrong.err = reasonOf(err), err; wrong.reason != provider.ReasonCredentials {
			wrong.kind = kindAuthorize
		}
		q.fail(wrong)
		return
	}
	q.admit(p, identity)
}
