package gate

import "github.com/caddyauth/gateway/caddyauth/session"

// Action is what is to be done with a request.
type Action uint8

// The zero Action is Unavailable, so that a Decision nobody made lets nobody
// pass.
const (
	// Unavailable means that nobody can tell whether there is a session: 503.
	Unavailable Action = iota
	// Pass hands the request on.
	Pass
	// SignIn asks for a session: a redirect, or 401 for what cannot follow one.
	SignIn
	// Forbid refuses the person that the session names: 403.
	Forbid
	// BadRequest refuses a path that no two servers read alike: 400.
	BadRequest
	// MethodNotAllowed refuses TRACE, CONNECT and asterisk-form: 405.
	MethodNotAllowed
	// Preflight answers a browser that asks whether a page of a listed origin may
	// send a request: 204.
	Preflight
	// StepUp asks for a sign-in that is more recent or stronger: a redirect, or
	// 401 for what cannot follow one.
	StepUp
)

var actionNames = [...]string{"unavailable", "pass", "sign_in", "forbid", "bad_request", "method_not_allowed", "preflight", "step_up"}

// String returns the action's name as logs and metrics spell it.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// Reason is one of a closed set of words for why a Decision is what it is.
type Reason string

// The reasons of a Decision.
const (
	ReasonOutside     Reason = "outside"             // the directive's matcher does not mean this request
	ReasonPublic      Reason = "public"              // opened by public, no session that counts
	ReasonSession     Reason = "session"             // a session that every rule lets pass
	ReasonNone        Reason = "session_required"    // no session cookie
	ReasonInvalid     Reason = "session_invalid"     // no token could be opened
	ReasonExpired     Reason = "session_expired"     // the session has lasted its time
	ReasonScope       Reason = "token_scope"         // not what the personal access token is for
	ReasonEnded       Reason = "session_ended"       // signed out, disabled, removed
	ReasonSubject     Reason = "session_no_subject"  // a token that names nobody
	ReasonDenied      Reason = "denied"              // a deny line holds
	ReasonNotAllowed  Reason = "not_allowed"         // no allow line of a scope holds
	ReasonPath        Reason = "bad_path"            // see BadRequest
	ReasonMethod      Reason = "method_not_allowed"  // see MethodNotAllowed
	ReasonPreflight   Reason = "preflight"           // see Preflight
	ReasonStepUp      Reason = "step_up"             // see StepUp
	ReasonUnavailable Reason = "session_unavailable" // see Unavailable

	ReasonCrossSite Reason = "cross_site_websocket" // another site's page opens a socket, see CrossSite
)

// Decision is the gate's answer for one request.
type Decision struct {
	Action Action
	// Public says that no session is needed for this request.
	Public bool
	// Outside says that the directive's own matcher leaves the request out of
	// the gate. No session was read then.
	Outside bool
	// Session is the person to name to the upstream. On a public path it is
	// nil unless every rule lets that person pass.
	Session *session.Session
	// Candidate is a session that was read but does not count: the one that
	// Forbid refuses, or one that a rule fails on a public path.
	Candidate *session.Session
	// API says that a program sent the request, not a person: it is never
	// redirected.
	API bool
	// CORS is the origin whose pages may read the answer, empty for none.
	// VaryOrigin says that it would be another answer for another origin.
	CORS       string
	VaryOrigin bool
	// Lacking is what the request asks of a sign-in, where that of the Candidate
	// does not meet it: see ReasonStepUp.
	Lacking *Requirement
	// Rule is the line of the rule that decided, empty if none did.
	Rule   string
	Reason Reason
	// Err is for the log: why the path was refused, why the session could not
	// be read, or what a matcher complained about. A matcher that fails counts
	// as matching where that closes and as not matching where it opens.
	Err error
}
