package authapi

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// callback answers GET and POST {base}/callback/:provider.
func (q *request) callback() {
	switch p := q.api.providers[q.providerID].(type) {
	case provider.OAuth:
		q.init()
		q.callbackOAuth(p)
	case provider.Credentials:
		q.init()
		if q.r.Method == http.MethodPost {
			q.callbackCredentials(p)
			return
		}
		// NextAuth sends this with status 500.
		q.text(http.StatusBadRequest, "Error: Callback for provider type "+p.Info().Type+" not supported")
	default:
		q.unsupported()
	}
}

// callbackOAuth takes the browser back from an identity provider. It reads the
// query of a GET or the body of a POST, never both: a value from one must not
// complete those of the other.
func (q *request) callbackOAuth(p provider.OAuth) {
	id := p.Info().ID
	params := q.query
	if q.r.Method == http.MethodPost {
		params = q.body
	}
	// Like NextAuth, an error is believed before any cookie is looked at. It
	// ends nothing: the cookies of the flow stay.
	if params["error"].truthy() {
		q.fail(providerFailure(id, params))
		return
	}
	if why := repeated(params); why != "" {
		q.fail(failure{code: codeOAuthCallback, reason: why, provider: id})
		return
	}
	f, why := q.find(p, params.text("state"))
	if why != "" {
		if q.replayed(why, params) {
			q.redirect(http.StatusOK, q.callbackURL)
			return
		}
		q.fail(failure{code: codeOAuthCallback, reason: why, provider: id})
		return
	}
	if !q.mayExchange() {
		q.setRetryAfter()
		q.fail(failure{code: codeOAuthCallback, reason: ReasonTooManyAttempts, provider: id})
		return
	}
	identity, err := p.Exchange(q.r.Context(), provider.CallbackRequest{
		Params:       params.values(),
		RedirectURI:  q.callbackURLOf(id),
		CodeVerifier: f.verifier,
		Nonce:        f.nonce,
		Issuer:       q.issuer(p),
	})
	if err != nil {
		// The cookies stay: a link from elsewhere, with a code of somebody
		// else's, must not end the flow that is under way.
		q.fail(q.exchangeFailure(id, err))
		return
	}
	q.finish(p, f)
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
	f := failure{code: codeCallback, reason: ReasonProviderError, provider: id}
	if code == "access_denied" {
		f.reason = ReasonDeclined
	}
	f.fields = []zap.Field{zap.String("provider_error", cut(code, 64))}
	return f
}

func (q *request) exchangeFailure(id string, err error) failure {
	f := failure{code: codeOAuthCallback, reason: reasonOf(err), provider: id, err: err}
	if f.reason == provider.ReasonProfile {
		// NextAuth takes a profile without an id for a person who changed
		// their mind, and starts over.
		f.code, f.to = "", q.base+"/signin"
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
