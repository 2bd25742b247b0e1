package authapi

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// v4 is the contract of next-auth 4.24 with its Pages Router.
func v4() *contract {
	routes := baseRoutes()
	routes["_log"] = &route{post: (*request).clientLog, rawBody: true}
	same := func(s string) string { return s }
	return &contract{
		routes:      routes,
		split:       split,
		accepts:     func(*request) bool { return true },
		unsupported: unsupportedV4,

		parseForm: parseForm,
		parseBody: parseBodyV4,
		refuse:    func(q *request, e *bodyError) { q.text(e.status, e.text) },

		callbackParams: callbackParamsV4,
		errorFirst:     true,

		errorCode: errorCodeV4,
		pageCode:  same, // any case will do
		bounced:   bouncedV4,

		jsonType: "application/json; charset=utf-8", // as Next.js writes it

		wantsURL: wantsURLV4,

		encode:      cookie.Encode, // encodeURIComponent
		verifyQuery: func(string) string { return "" },

		linkedIsNew:  true,
		dottedDomain: true,

		csrfKeys: func(secrets []string) []string { return secrets },
		excused:  func(*request) bool { return false },

		noSession:    "{}",
		refuseUpdate: func(q *request) { q.json(http.StatusBadRequest, []byte("{}")) },

		providerType: providerTypeV4,
		subject:      func(_ *request, i *provider.Identity) string { return i.User.ID },

		authorizationURL: same,
		signInNowhere:    func(q *request) { q.fail(failure{kind: kindProvider, reason: ReasonUnknownProvider}) },
		callbackByGet:    callbackByGetV4,

		endings: endingsV4,
		locate:  locateV4,
		keeps:   func(*request, string) bool { return true },
	}
}

// The error codes of next-auth that a sign-in ends with. An exception's text,
// which next-auth may put there too, never becomes one.
const (
	codeOAuthSignin       = "OAuthSignin"
	codeOAuthCallback     = "OAuthCallback"
	codeCallback          = "Callback"
	codeCredentialsSignin = "CredentialsSignin"
	codeAccessDenied      = "AccessDenied"
	codeVerification      = "Verification"
	codeNotLinked         = "OAuthAccountNotLinked"
	codePasskey           = "WebAuthnVerificationError"
)

var endingsV4 = [kinds]ending{
	kindCSRF:        {page: "signin", query: "csrf=true"},
	kindCSRFSignOut: {page: "signout", query: "csrf=true", quiet: true},
	kindUnsupported: {page: "error"}, // a text instead, see unsupportedV4
	kindProvider:    {page: "signin", query: "csrf=true"},
	kindStart:       {page: "error", code: codeOAuthSignin},
	kindDeclined:    {page: "error", code: codeCallback},
	kindCallback:    {page: "error", code: codeOAuthCallback},
	// A profile without an id is taken for a person who changed their mind.
	kindProfile:     {page: "signin"},
	kindCredentials: {page: "error", code: codeCredentialsSignin, named: true, status: http.StatusUnauthorized},
	kindAuthorize:   {page: "error", code: codeCredentialsSignin, named: true, status: http.StatusUnauthorized},
	kindSession:     {page: "error", code: codeCallback},
	kindDenied:      {page: "error", code: codeAccessDenied, status: http.StatusForbidden},
	kindNotLinked:   {page: "error", code: codeNotLinked},
	kindEmail:       {page: "error", code: "EmailSignin"},
	kindLink:        {page: "error", code: "configuration"},
	kindStore:       {page: "error", code: codeCallback},
	// next-auth has no passkeys. Its sign-in page is where one tries again.
	kindPasskey:      {page: "signin", code: codePasskey},
	kindPasskeyTaken: {page: "error", code: codeNotLinked},
	kindCreate:       {page: "error", code: "OAuthCreateAccount"},

	kindVerification:  {page: "error", code: codeVerification},
	kindCreateByEmail: {page: "error", code: "EmailCreateAccount"},
}

// locateV4 sends every failure to the API's own pages, which know about those of
// the site.
func locateV4(q *request, e ending, f failure) string {
	to := q.base + "/" + e.page
	if query := e.parameters(f); query != "" {
		to += "?" + query
	}
	return to
}

func wantsURLV4(q *request) bool { return q.body.text("json") == "true" }

// bouncedV4 are the codes that the sign-in page explains, case-sensitively.
var bouncedV4 = map[string]bool{
	"Signin":                true,
	"OAuthSignin":           true,
	"OAuthCallback":         true,
	"OAuthCreateAccount":    true,
	"EmailCreateAccount":    true,
	"Callback":              true,
	"OAuthAccountNotLinked": true,
	"EmailSignin":           true,
	"CredentialsSignin":     true,
	"SessionRequired":       true,
}

// split takes an escaped path apart. It is false for paths that are not below
// the base path, those that merely begin with its letters included. Segments
// are decoded once and compared case-sensitively; next-auth ignores all after
// the second. A slash at the end, or two in a row after the action, leave the
// provider id empty.
func split(base, path string) (segments, bool) {
	rest, ok := below(base, path)
	if !ok {
		return segments{}, false
	}
	action, rest, _ := strings.Cut(rest, "/")
	id, _, _ := strings.Cut(rest, "/")
	var err1, err2 error
	action, err1 = url.PathUnescape(action)
	id, err2 = url.PathUnescape(id)
	if err1 != nil || err2 != nil {
		return segments{}, false
	}
	return segments{action, id}, true
}

// unsupportedV4 sets no cookies.
func unsupportedV4(q *request) {
	q.text(http.StatusBadRequest, "Error: This action with HTTP "+q.r.Method+" is not supported by NextAuth.js")
}

// callbackParamsV4 reads the query of a GET or the body of a POST, never both: a
// value from one must not complete those of the other. Only an error, which
// completes nothing, may stand in the query of a POST as well.
func callbackParamsV4(q *request) fields {
	if q.r.Method != http.MethodPost {
		return q.query
	}
	if q.body["error"].present || !q.query["error"].present {
		return q.body
	}
	params := make(fields, len(q.body)+1)
	maps.Copy(params, q.body)
	params["error"] = q.query["error"]
	return params
}

// callbackByGetV4 departs from next-auth, which sends this with status 500.
func callbackByGetV4(q *request, p provider.Provider) {
	q.init()
	q.text(http.StatusBadRequest, "Error: Callback for provider type "+p.Info().Type+" not supported")
}

// errorCodeV4 takes the second path segment where the query has no code.
func errorCodeV4(q *request) (code string, given bool) {
	if q.query["error"].present {
		return q.query.text("error"), true
	}
	return q.providerID, q.providerID != ""
}

// providerTypeV4: next-auth makes no difference between OAuth 2.0 and OpenID
// Connect.
func providerTypeV4(t string) string {
	if t == provider.TypeOIDC {
		return provider.TypeOAuth
	}
	return t
}
