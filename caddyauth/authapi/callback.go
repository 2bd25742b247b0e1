package authapi

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// callback answers GET and POST {base}/callback/:provider.
func (q *request) callback() {
	if q.member() {
		q.callbackAtMember()
		return
	}
	switch p := q.api.providers[q.providerID].(type) {
	case provider.OAuth:
		if q.bounces(p) {
			q.bounce(p)
			return
		}
		q.init()
		q.callbackOAuth(p)
	case provider.Email:
		q.init()
		q.callbackEmail(p)
	case provider.Passkeys:
		if q.r.Method != http.MethodPost {
			q.api.contract.callbackByGet(q, p)
			return
		}
		q.init()
		q.callbackPasskeys(p)
	case provider.Credentials:
		if q.r.Method != http.MethodPost {
			q.api.contract.callbackByGet(q, p)
			return
		}
		q.init()
		q.callbackCredentials(p)
	default:
		q.unsupported()
	}
}

// callbackOAuth takes the browser back from an identity provider.
func (q *request) callbackOAuth(p provider.OAuth) {
	id, c := p.Info().ID, q.api.contract
	params := c.callbackParams(q)
	if p.Info().FormPost {
		var why reason
		if params, why = q.posted(p); why != "" {
			q.fail(failure{kind: kindCallback, reason: why, provider: id})
			return
		}
	}
	denied := params["error"].truthy()
	if denied && c.errorFirst {
		q.fail(providerFailure(id, params))
		return
	}
	if why := repeated(params); why != "" {
		q.fail(failure{kind: kindCallback, reason: why, provider: id})
		return
	}
	f, why := q.find(p, params.text("state"))
	switch {
	case why != "" && !denied && q.replayed(why, params):
		q.redirect(q.callbackURL)
	case why == ReasonStateCookieMissing:
		q.fail(failure{kind: kindCallback, reason: why, provider: id, fields: []zap.Field{q.hint(q.jar.names.State)}})
	case why != "":
		q.fail(failure{kind: kindCallback, reason: why, provider: id})
	case !q.mayExchange():
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindCallback, reason: ReasonTooManyAttempts, provider: id})
	case denied:
		q.denied(p, params)
	default:
		q.exchange(p, f, params)
	}
}

// denied ends a flow with the error of the identity provider, if that is who
// sent it.
func (q *request) denied(p provider.OAuth, params fields) {
	id := p.Info().ID
	err := p.CheckIssuer(q.r.Context(), provider.CallbackRequest{Params: params.values(), Issuer: q.issuer(p)})
	if err != nil {
		q.fail(exchangeFailure(id, err))
		return
	}
	q.fail(providerFailure(id, params))
}

// exchange turns what came back, and what was kept for it, into a person.
func (q *request) exchange(p provider.OAuth, f flow, params fields) {
	id := p.Info().ID
	identity, err := p.Exchange(q.r.Context(), provider.CallbackRequest{
		Params:       params.values(),
		RedirectURI:  q.callbackURLOf(id),
		CodeVerifier: f.verifier,
		Nonce:        f.nonce,
		Issuer:       q.issuer(p),
	})
	if err != nil {
		failed := exchangeFailure(id, err)
		// Otherwise the cookies stay: a link from elsewhere, with a code of
		// somebody else's, must not end the flow that is under way.
		if failed.kind == kindProfile {
			q.finish(p, f)
		}
		q.fail(failed)
		return
	}
	q.finish(p, f)
	q.flow = &f
	q.improves = f.improves()
	q.admit(p, identity)
}

// repeated refuses parameters that come twice, as OAuth 2.1 demands (section
// 1.5 of its draft). Two values are no value to the code behind, so a second iss
// would otherwise pass for none, and RFC 9207's check would not be made.
func repeated(params fields) reason {
	switch {
	case params["iss"].invalid:
		return provider.ReasonIss
	case params["code"].invalid:
		return provider.ReasonCode
	case params["state"].invalid:
		return ReasonStateMissing
	}
	return ""
}

// providerFailure is what becomes of the error response of an identity provider
// (RFC 6749, section 4.1.2.1). Its description is for the log at most.
func providerFailure(id string, params fields) failure {
	code := params.text("error")
	f := failure{kind: kindDeclined, reason: ReasonProviderError, provider: id}
	if code == "access_denied" {
		f.reason = ReasonDeclined
	}
	f.fields = []zap.Field{zap.String("provider_error", cut(code, 64))}
	return f
}

func exchangeFailure(id string, err error) failure {
	f := failure{kind: kindCallback, reason: reasonOf(err), provider: id, err: err}
	if f.reason == provider.ReasonProfile {
		f.kind = kindProfile
	}
	return f
}

// replayed reports whether a callback is one that has already succeeded, opened
// again by a reload or the back button: no flow under way has its state, and the
// browser is signed in. Nothing is redeemed.
func (q *request) replayed(why reason, params fields) bool {
	switch why {
	case ReasonStateCookieMissing, ReasonStateExpired, ReasonStateMismatch:
		return q.live()
	case provider.ReasonPKCE:
		// Where no state is in use, the verifier stands in for it.
		return params.text("state") == "" && q.live()
	}
	return false
}
