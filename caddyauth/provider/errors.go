package provider

import (
	"errors"
	"time"
)

// Reason is why a sign-in failed: one word for the log, the page and the
// metric, from a closed set.
type Reason string

// The reasons of this package.
const (
	// ReasonUnavailable: the identity provider did not answer, or answered with
	// a 5xx status. Trying again later may help.
	ReasonUnavailable Reason = "provider_unavailable"
	// ReasonDiscovery: the discovery document is missing or unusable.
	ReasonDiscovery Reason = "discovery_failed"
	// ReasonIssuer: the discovery document is that of another issuer.
	ReasonIssuer Reason = "issuer_mismatch"
	// ReasonIss: the iss parameter of the callback is wrong or, though
	// advertised, missing (RFC 9207).
	ReasonIss Reason = "iss_mismatch"
	// ReasonCode: the callback has no authorization code.
	ReasonCode Reason = "code_missing"
	// ReasonCodeUsed: the code of the callback was sent to the token endpoint
	// before, in the same flow.
	ReasonCodeUsed Reason = "code_used"
	// ReasonPKCE: the callback comes without the verifier that the flow needs.
	ReasonPKCE Reason = "pkce_missing"
	// ReasonPushed: the provider did not take a pushed authorization request, or
	// answered with something else than a response to one.
	ReasonPushed Reason = "pushed_request_failed"
	// ReasonToken: the token endpoint refused the code.
	ReasonToken Reason = "token_endpoint_error"
	// ReasonClientRejected: the token endpoint does not accept our client id and
	// secret, or not for this.
	ReasonClientRejected Reason = "client_rejected"
	// ReasonTokenResponse: the token endpoint answered with something that is
	// not a token response.
	ReasonTokenResponse Reason = "token_response_invalid"
	// ReasonIDToken: the ID token is missing or fails a check.
	ReasonIDToken Reason = "id_token_invalid"
	// ReasonClock: the ID token is expired or from the future, which mostly
	// means that a clock is wrong.
	ReasonClock Reason = "clock_skew"
	// ReasonNonce: the nonce of the ID token is missing, wrong or unexpected.
	ReasonNonce Reason = "nonce_mismatch"
	// ReasonKeys: the provider's signing keys could not be fetched.
	ReasonKeys Reason = "keys_unavailable"
	// ReasonUserinfo: the userinfo request failed or its answer is unusable.
	ReasonUserinfo Reason = "userinfo_failed"
	// ReasonProfile: the profile has no usable account id.
	ReasonProfile Reason = "profile_invalid"
	// ReasonCredentials: no such user, disabled, or wrong password.
	ReasonCredentials Reason = "credentials_invalid"
	// ReasonMail: the mail with the link could not be sent.
	ReasonMail Reason = "mail_failed"
	// ReasonPasskey: the answer of the browser or the authenticator fails a check.
	ReasonPasskey Reason = "passkey_invalid"
	// ReasonClientGone: the browser went away before the answer was there.
	ReasonClientGone Reason = "client_gone"
)

// Reasons returns the closed set, in a fixed order.
func Reasons() []Reason {
	return []Reason{
		ReasonUnavailable, ReasonDiscovery, ReasonIssuer, ReasonIss, ReasonCode, ReasonCodeUsed,
		ReasonPKCE, ReasonPushed, ReasonToken, ReasonClientRejected, ReasonTokenResponse, ReasonIDToken, ReasonClock,
		ReasonNonce, ReasonKeys, ReasonUserinfo, ReasonProfile, ReasonCredentials, ReasonMail, ReasonPasskey,
		ReasonClientGone,
	}
}

// Error is a failed sign-in. Its text is for the log: it names hosts and claims
// but never a token, code or secret, and is not fit for a page.
type Error struct {
	Reason Reason
	// Code is the OAuth error code of the token endpoint, such as
	// "invalid_client", if there was one.
	Code string
	// RetryAfter is how long the failure will be remembered, zero if it is not.
	RetryAfter time.Duration
	Err        error
}

// Error returns the reason and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason an error carries, "" if it carries none.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// ErrRecipient says that a mail may have failed because of whom it is for: such a
// failure tells something about an address, others only about the mail server.
var ErrRecipient = errors.New("the recipient, or the mail to it, was refused")

// ErrLogoutToken says that a logout token fails a check.
var ErrLogoutToken = errors.New("the logout token is no good")

// ErrCredentials is the one answer of a credentials form that did not match.
var ErrCredentials error = &Error{Reason: ReasonCredentials, Err: errors.New("no such user or wrong password")}
