package authapi

import (
	"net/http"
	"net/url"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// callbackCredentials answers the form of a credentials provider.
func (q *request) callbackCredentials(p provider.Credentials) {
	if !q.csrf.verified {
		q.failCSRF()
		return
	}
	id, account := p.Info().ID, accountOf(p, q.body)
	if !q.mayTry(id, account) {
		q.setRetryAfter()
		q.fail(q.wrong(id, account, ReasonTooManyAttempts, nil))
		return
	}
	identity, err := p.Authorize(q.r.Context(), q.body.values())
	if err != nil {
		q.fail(q.wrong(id, account, reasonOf(err), err))
		return
	}
	q.admit(p, identity)
}

// wrong is the failure of a password. Nothing in it tells an unknown account
// from a wrong password, and a reached limit differs only in words: that an
// account is being attacked is no secret to the attacker.
func (q *request) wrong(id, account string, why reason, err error) failure {
	return failure{
		status:   http.StatusUnauthorized,
		code:     codeCredentialsSignin,
		to:       q.base + "/error?error=" + codeCredentialsSignin + "&provider=" + url.QueryEscape(id),
		reason:   why,
		provider: id,
		account:  account,
		err:      err,
	}
}
