package authapi

import "github.com/caddyauth/gateway/caddyauth/provider"

// reason is why a sign-in failed: one word for the log, the page and the
// metric. Those of package provider and these are the closed set.
type reason = provider.Reason

// The reasons of this package.
const (
	// ReasonAccessDenied: no rule admits the account, or the callback sign_in does
	// not.
	ReasonAccessDenied provider.Reason = "access_denied"
	// ReasonVetoed: an event handler refused the sign-in.
	ReasonVetoed provider.Reason = "vetoed"
	// ReasonCallbackFailed: the callback sign_in came to no result.
	ReasonCallbackFailed provider.Reason = "callback_failed"
	// ReasonDeclined: the person declined at the identity provider.
	ReasonDeclined provider.Reason = "declined"
	// ReasonProviderError: the identity provider sent an error back.
	ReasonProviderError provider.Reason = "provider_error"
	// ReasonCSRF: the form does not come from our page, or the page is older
	// than the browser's cookie.
	ReasonCSRF provider.Reason = "csrf"
	// ReasonTooManyAttempts: a limit was reached.
	ReasonTooManyAttempts provider.Reason = "too_many_attempts"
	// ReasonUnknownProvider: the path names no provider that could do this.
	ReasonUnknownProvider provider.Reason = "unknown_provider"
	// ReasonUnsupported: there is no such action, or not with that method.
	ReasonUnsupported provider.Reason = "unsupported"
	// ReasonSessionTooLarge: what the provider says about the person does not
	// fit into cookies.
	ReasonSessionTooLarge provider.Reason = "session_too_large"
	// ReasonSessionFailed: the session could not be made.
	ReasonSessionFailed provider.Reason = "session_failed"

	// ReasonStore: the store did not answer.
	ReasonStore provider.Reason = "store_unavailable"
	// ReasonAccountTaken: the account belongs to another user than the one who is
	// signed in.
	ReasonAccountTaken provider.Reason = "account_taken"
	// ReasonEmailTaken: another user has the e-mail address, and has not signed in
	// to show that both are one person.
	ReasonEmailTaken provider.Reason = "email_taken"

	// ReasonSignInAgain: an account is to be linked, and the sign-in that it would
	// be linked to was too long ago.
	ReasonSignInAgain provider.Reason = "sign_in_again"
	// ReasonAddress: what was typed is no e-mail address.
	ReasonAddress provider.Reason = "address_invalid"
	// ReasonLink: the mailed link is not whole, or used already.
	ReasonLink provider.Reason = "link_invalid"
	// ReasonLinkExpired: the mailed link is too old.
	ReasonLinkExpired provider.Reason = "link_expired"

	// ReasonStateMissing: the callback has no state, or several.
	ReasonStateMissing provider.Reason = "state_missing"
	// ReasonStateCookieMissing: the browser sent no state cookie, most likely
	// because the flow began at another origin or cookies are off.
	ReasonStateCookieMissing provider.Reason = "state_cookie_missing"
	// ReasonStateExpired: the state cookie is older than 15 minutes, or not
	// ours.
	ReasonStateExpired provider.Reason = "state_expired"
	// ReasonStateInvalid: the state belongs to a flow of another provider.
	ReasonStateInvalid provider.Reason = "state_invalid"
	// ReasonStateMismatch: no flow under way has this state.
	ReasonStateMismatch provider.Reason = "state_mismatch"
	// ReasonNonceMissing: the browser sent no nonce cookie for the flow.
	ReasonNonceMissing provider.Reason = "nonce_missing"

	// ReasonInsecure: the provider answers with a form, and the site is of plain
	// http, where browsers keep no cookie that would come with it.
	ReasonInsecure provider.Reason = "https_needed"

	// ReasonStepUp is no failure: what the person asked for needs a fresh sign-in.
	ReasonStepUp provider.Reason = "step_up"

	// ReasonRefreshRefused is no failure: the provider has withdrawn what it granted,
	// which has ended the session.
	ReasonRefreshRefused provider.Reason = "refresh_refused"

	// ReasonSignedOut is no failure: the person has just signed out, so the
	// sign-in page must not start a flow by itself.
	ReasonSignedOut provider.Reason = "signed_out"
)

// Reasons returns the closed set, those of package provider first.
func Reasons() []provider.Reason {
	return append(provider.Reasons(),
		ReasonAccessDenied, ReasonVetoed, ReasonCallbackFailed, ReasonDeclined, ReasonProviderError, ReasonCSRF,
		ReasonTooManyAttempts, ReasonUnknownProvider, ReasonUnsupported, ReasonSessionTooLarge,
		ReasonSessionFailed, ReasonStore, ReasonAccountTaken, ReasonEmailTaken,
		ReasonSignInAgain, ReasonAddress, ReasonLink, ReasonLinkExpired, ReasonStateMissing, ReasonStateCookieMissing,
		ReasonStateExpired, ReasonStateInvalid, ReasonStateMismatch,
		ReasonNonceMissing, ReasonInsecure, ReasonSignedOut, ReasonStepUp, ReasonRefreshRefused)
}
