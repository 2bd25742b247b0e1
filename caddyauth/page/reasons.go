package page

import (
	"net/http"
	"strings"
)

// StatusOf returns the status of the error page for a code. Codes are compared
// without regard to case. Unknown ones are 200, as in NextAuth.js: the page
// tells people something, the status is for those that asked for it.
func StatusOf(code string) int {
	switch strings.ToLower(code) {
	case "configuration":
		return http.StatusInternalServerError
	case "accessdenied", "verification":
		return http.StatusForbidden
	}
	return http.StatusOK
}

// reasons tells which text explains a reason. Several share one: people need
// to know what to do, the difference is for the log.
var reasons = map[string]string{
	"access_denied":     "reason.access_denied",
	"callback_failed":   "reason.access_denied",
	"declined":          "reason.declined",
	"csrf":              "reason.csrf",
	"refresh_refused":   "reason.refresh_refused",
	"session_expired":   "reason.session_expired",
	"signed_out":        "reason.signed_out",
	"step_up":           "reason.step_up",
	"too_many_attempts": "reason.too_many_attempts",
	"unknown_provider":  "reason.unknown_provider",
	"unsupported":       "reason.unsupported",
	"vetoed":            "reason.access_denied",

	"cookie_blocked":   "reason.cookies",
	"secure_over_http": "loop.secure_over_http",

	"session_failed":    "reason.session",
	"session_too_large": "reason.session",

	"credentials_invalid": "reason.credentials",
	"address_invalid":     "reason.address",
	"link_expired":        "reason.link_expired",
	"link_invalid":        "reason.link",
	"mail_failed":         "reason.mail",
	"passkey_invalid":     "reason.passkey",

	"account_taken":     "reason.account_taken",
	"email_taken":       "reason.email_taken",
	"sign_in_again":     "reason.sign_in_again",
	"store_unavailable": "reason.store",

	"code_used":            "reason.expired",
	"state_missing":        "reason.expired",
	"state_cookie_missing": "reason.cookies",
	"state_expired":        "reason.expired",
	"state_mismatch":       "reason.expired",
	"state_invalid":        "reason.expired",
	"pkce_missing":         "reason.expired",
	"nonce_missing":        "reason.expired",

	"client_gone":          "reason.provider_unavailable",
	"discovery_failed":     "reason.provider_unavailable",
	"keys_unavailable":     "reason.provider_unavailable",
	"provider_unavailable": "reason.provider_unavailable",

	"client_rejected": "reason.misconfigured",
	"https_needed":    "reason.misconfigured",

	"clock_skew":             "reason.provider_error",
	"code_missing":           "reason.provider_error",
	"id_token_invalid":       "reason.provider_error",
	"iss_mismatch":           "reason.provider_error",
	"issuer_mismatch":        "reason.provider_error",
	"nonce_mismatch":         "reason.provider_error",
	"profile_invalid":        "reason.provider_error",
	"provider_error":         "reason.provider_error",
	"pushed_request_failed":  "reason.provider_error",
	"token_endpoint_error":   "reason.provider_error",
	"token_response_invalid": "reason.provider_error",
	"userinfo_failed":        "reason.provider_error",
}

// KnownReason reports whether a reason has a text of its own.
func KnownReason(reason string) bool {
	_, ok := reasons[reason]
	return ok
}

// informs tells which texts are no failures: nothing needs to be put right.
var informs = map[string]bool{
	"code.sessionrequired":   true,
	"reason.declined":        true,
	"reason.refresh_refused": true,
	"reason.signed_out":      true,
	"reason.step_up":         true,
}

// signInText returns the key of the text for a failed sign-in, or "" if there
// was none.
func (c *catalog) signInText(code, reason string) string {
	if key, ok := reasons[reason]; ok {
		return key
	}
	if code == "" {
		return ""
	}
	// The code is the visitor's word: long ones are not worth folding.
	if key := "code." + strings.ToLower(code); len(key) < 64 && c.has(key) {
		return key
	}
	return "code.default"
}
