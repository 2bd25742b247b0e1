package authapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// v5 is the contract of @auth/core 0.41 with the URLs of next-auth 5.
func v5() *contract {
	routes := baseRoutes()
	routes[actionOptions] = &route{noHead: true}
	return &contract{
		routes:      routes,
		split:       splitV5,
		accepts:     acceptsV5,
		unsupported: unsupportedV5,

		parseForm: parseFormV5,
		parseBody: parseBodyV5,
		refuse:    func(q *request, e *bodyError) { q.json(e.status, badRequest) },

		// Auth.js looks at the body of a POST only where the provider was asked
		// for response_mode=form_post, which formpost.go does.
		callbackParams: func(q *request) fields { return q.query },

		errorCode: errorCodeV5,
		pageCode:  pageCodeV5,

		jsonType:      "application/json",
		wantsURL:      wantsURLV5,
		keepsLocation: true,
		vary:          returnRedirect,

		encode:      formEncode,
		verifyQuery: searchOf,

		csrfKeys: csrfKeysV5,
		excused:  excusedV5,

		noSession:    "null",
		refuseUpdate: refuseUpdateV5,

		providerType: func(t string) string { return t },
		subject:      subjectV5,

		authorizationURL: authorizationURLV5,
		signInNowhere:    func(q *request) { q.redirect(q.base + "/signin") },
		callbackByGet:    func(q *request, _ provider.Provider) { unsupportedV5(q) },

		endings: endingsV5,
		locate:  locateV5,
		keeps:   keepsV5,
	}
}

// badRequest is the body of every answer to a request that Auth.js cannot read.
var badRequest = []byte(`"Bad request."`)

// codeConfiguration is what Auth.js calls everything that a client should not
// know more about.
const codeConfiguration = "Configuration"

var endingsV5 = [kinds]ending{
	kindCSRF:        {page: "signin", code: "MissingCSRF"},
	kindCSRFSignOut: {page: "signin", code: "MissingCSRF"},
	kindUnsupported: {page: "error", code: codeConfiguration},
	kindProvider:    {page: "error", code: codeConfiguration},
	kindStart:       {page: "error", code: codeConfiguration},
	kindDeclined:    {page: "signin", code: "OAuthCallbackError"},
	kindCallback:    {page: "error", code: codeConfiguration},
	// Auth.js means to go to the sign-in page here, but appends /signin to the
	// address of the callback, code and state included.
	kindProfile:     {page: "signin"},
	kindCredentials: {page: "signin", code: codeCredentialsSignin, query: "error=" + codeCredentialsSignin + "&code=credentials"},
	kindAuthorize:   {page: "error", code: codeConfiguration},
	kindSession:     {page: "error", code: codeConfiguration},
	kindDenied:      {page: "error", code: codeAccessDenied},
	kindNotLinked:   {page: "signin", code: codeNotLinked},
	kindEmail:       {page: "error", code: codeConfiguration},
	kindLink:        {page: "error", code: codeConfiguration},
	kindStore:       {page: "error", code: codeConfiguration},
	// Auth.js calls it a matter of configuration if the passkey is unknown, or the
	// challenge is not there.
	kindPasskey:      {page: "error", code: codePasskey},
	kindPasskeyTaken: {page: "signin", code: "AccountNotLinked"},
	kindCreate:       {page: "error", code: codeConfiguration},

	kindVerification:  {page: "error", code: codeVerification},
	kindCreateByEmail: {page: "error", code: codeConfiguration},
}

// locateV5 sends a failure straight to the site's own page, if it has one.
func locateV5(q *request, e ending, f failure) string {
	to := q.base + "/" + e.page
	query := e.parameters(f)
	if query == "" {
		return to
	}
	own := q.api.opts.Pages.Error
	if e.page == "signin" {
		own = q.api.opts.Pages.SignIn
	}
	if own != "" {
		to = own
		if strings.HasPrefix(own, "/") {
			to = q.site.Origin + own
		}
	}
	return to + separator(to) + query
}

// keepsV5: Auth.js drops all cookies with an error. The CSRF token and the
// address to return to stay here, as the pages would only make new ones. The
// cookies of a flow are left as the browser has them, so that a request of
// another site's making cannot end it.
func keepsV5(q *request, name string) bool {
	switch name {
	case q.jar.names.CSRF, q.jar.names.CallbackURL:
		return true
	case q.jar.names.Handoff:
		// Only a code that was good changes it, see redeem.
		return true
	case q.jar.names.Challenge:
		// It is set where the token was good, and each challenge is for one answer.
		return true
	}
	return false
}

// withProvider are the actions whose path may go on with a provider's id.
var withProvider = []string{"signin", "callback", "webauthn-options", actionBackchannel, actionFrontchannel, actionLogin}

// splitV5 takes a path of one or two segments apart, not counting empty ones.
// Auth.js compares them as they are escaped, and takes the word "undefined" for
// no provider: its clients write that.
func splitV5(base, path string) (segments, bool) {
	rest, ok := below(base, path)
	if !ok {
		return segments{}, false
	}
	var s segments
	n := 0
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			continue
		}
		switch n++; n {
		case 1:
			s.action = part
		case 2:
			s.providerID = part
		default:
			return segments{}, false
		}
	}
	if n == 0 || n == 2 && !slices.Contains(withProvider, s.action) {
		return segments{}, false
	}
	if s.providerID == "undefined" {
		s.providerID = ""
	}
	return s, true
}

// acceptsV5 refuses a provider that there is not, whatever the action, and the
// GET of a provider's sign-in.
func acceptsV5(q *request) bool {
	if q.providerID == "" || q.api.contract.routes[q.action].ownID {
		return true
	}
	if _, known := q.api.providers[q.providerID]; !known {
		q.init()
		q.fail(failure{kind: kindProvider, reason: ReasonUnknownProvider})
		return false
	}
	if q.action == "signin" && q.r.Method != http.MethodPost {
		q.unsupported()
		return false
	}
	return true
}

// unsupportedV5 tells requests that Auth.js cannot read from those that it can
// and does not answer.
func unsupportedV5(q *request) {
	rt := q.api.contract.routes[q.action]
	head := q.r.Method == http.MethodHead && rt != nil && !rt.noHead
	if rt == nil || rt.extra || !head && q.r.Method != http.MethodGet && q.r.Method != http.MethodPost {
		q.json(http.StatusBadRequest, badRequest)
		return
	}
	if q.parse() {
		q.init()
		q.fail(failure{kind: kindUnsupported, reason: ReasonUnsupported, provider: q.known()})
	}
}

// errorCodeV5 is the first of repeated ones, although elsewhere the last counts.
func errorCodeV5(q *request) (code string, given bool) {
	for pair := range strings.SplitSeq(q.site.Query, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" && unescape(name) == "error" {
			return unescape(value), true
		}
	}
	return "", false
}

// pageCodeV5 compares exactly, where the page would not.
func pageCodeV5(code string) string {
	switch code {
	case codeConfiguration, codeAccessDenied, codeVerification, codePasskey:
		return code
	}
	return ""
}

// returnRedirect is the header of clients that want the address in a body. It
// counts even if it is empty.
const returnRedirect = "X-Auth-Return-Redirect"

func wantsURLV5(q *request) bool {
	_, sent := q.r.Header[returnRedirect]
	return sent
}

// csrfKeysV5: a list of secrets becomes text with commas where Auth.js appends
// it to the token. Each secret alone is accepted as well, so that one can be
// added or taken away while pages are open.
func csrfKeysV5(secrets []string) []string {
	if len(secrets) == 1 {
		return secrets
	}
	return append([]string{strings.Join(secrets, ",")}, secrets...)
}

// excusedV5 accepts the forms of frameworks whose Auth.js leaves the check to
// them (SvelteKit, SolidStart): they carry no token. Another site's page cannot
// send the header without asking first (Fetch standard, section 3.2.2), nor an
// Origin of ours.
func excusedV5(q *request) bool {
	site, origin := q.r.Header["Sec-Fetch-Site"], q.r.Header["Origin"]
	return wantsURLV5(q) && !q.body["csrfToken"].present &&
		len(origin) == 1 && strings.EqualFold(origin[0], q.site.Origin) &&
		(len(site) == 0 || len(site) == 1 && site[0] == "same-origin")
}

// refuseUpdateV5 sets no cookies.
func refuseUpdateV5(q *request) {
	q.cookies = nil
	q.json(http.StatusBadRequest, []byte("null"))
}

// subjectV5: the account at the provider is not the user, who has an id of their
// own. Without a store there is nobody to remember it.
func subjectV5(q *request, _ *provider.Identity) string {
	return string(jwt.AppendUUID(nil, [16]byte(q.api.randomBytes(16))))
}

// authorizationURLV5 spells the query as URLSearchParams does.
func authorizationURLV5(to string) string {
	path, query, found := strings.Cut(to, "?")
	if !found {
		return to
	}
	return path + "?" + formSpelling.Replace(query)
}

// formEncode is the serializer of application/x-www-form-urlencoded (WHATWG URL
// standard, section 5.2).
func formEncode(s string) string { return formSpelling.Replace(url.QueryEscape(s)) }

// formSpelling turns Go's spelling of a query into that one.
var formSpelling = strings.NewReplacer("%20", "+", "~", "%7E", "%2A", "*")

// searchOf is a query as a URL object has it (WHATWG URL standard, section 4.4,
// query state): what must not stand in one is escaped.
func searchOf(raw string) string {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(raw))
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7F || strings.IndexByte(`"#'<>`, c) >= 0 {
			out = append(out, '%', hex[c>>4], hex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}
