package callbacks

import (
	"strings"
	"unicode/utf8"
)

// Config holds NextAuth's callbacks as CEL expressions.
//
// Each of them sees the variables `user`, `account`, `profile`, `email`,
// `credentials`, `token`, `session`, `newSession`, `trigger`, `isNewUser`, `url`,
// `baseUrl`, `request` (`method`, `host`, `path`, `query`, `headers`, `ip`) and
// `now`. What does not apply is an empty map, an empty string or false, so what
// may be absent is written `user.?role`, or `user.?role.orValue("guest")`.
type Config struct {
	// Whether a person may sign in, once the rules have admitted them: a bool,
	// or a string that says where to send them instead. An error denies.
	SignIn string `json:"sign_in,omitempty"`

	// Where to go after signing in or out: a string made of `url`, which was
	// asked for, and `baseUrl`. An error, and what is not an http or https URL,
	// leads to the site's own origin. Default: `url` if it is of the site.
	Redirect string `json:"redirect,omitempty"`

	// Claims to set in the token whenever it is sealed, in order: at sign-in, at
	// an update, when a client asks for the session, and when somebody opens a
	// page with a token older than `update_age`. Other requests do not run them.
	// An error keeps what the claim was.
	JWT []Step `json:"jwt,omitempty"`

	// Members to set in the session that clients get, in order. An error keeps
	// what the member was.
	Session []Step `json:"session,omitempty"`
}

// Step is one expression of the callbacks `jwt` and `session`.
type Step struct {
	// The claim, as it is written in the token, or the member of the session,
	// with dots between the names of nested ones: `user.role`. The claims
	// `iat`, `exp`, `jti` and `caddyauth` cannot be set.
	Name string `json:"name,omitempty"`

	// End the session if the expression is true, instead of setting a claim.
	// Only in `jwt`.
	Drop bool `json:"drop,omitempty"`

	// The value. An optional without a value leaves things as they are, null
	// removes. Bytes become base64, timestamps RFC 3339 in UTC with
	// milliseconds, durations seconds. Required.
	Expr string `json:"expr,omitempty"`
}

// Kind is one of the callbacks.
type Kind string

// The callbacks, as they are called in a configuration.
const (
	SignIn   Kind = "sign_in"
	Redirect Kind = "redirect"
	JWT      Kind = "jwt"
	Session  Kind = "session"
)

// maxNames bounds how deep a path may lead into the session.
const maxNames = 16

// reserved are the claims that make a token one, or that rules rely on.
var reserved = map[string]string{
	"iat":       "is set whenever the token is sealed",
	"exp":       "is set whenever the token is sealed",
	"jti":       "is set whenever the token is sealed",
	"caddyauth": "holds what the rules of the gate decide on",
}

// label is what messages call the expression.
func label(kind Kind, step Step) string {
	switch {
	case step.Drop:
		return string(kind) + " drop"
	case step.Name != "":
		return string(kind) + " " + step.Name
	}
	return string(kind)
}

// checkStep says what is wrong with a step besides its expression, "" if
// nothing is.
func checkStep(kind Kind, step Step) string {
	if step.Expr == "" {
		return "the expression is missing"
	}
	switch kind {
	case SignIn, Redirect:
		if step != (Step{Expr: step.Expr}) {
			return "takes nothing but an expression"
		}
	case JWT:
		return checkClaim(step)
	case ruleKind:
		return ""
	case Session:
		if step.Drop {
			return "only jwt can end a session"
		}
		return checkPath(step.Name)
	default:
		return "there is no such callback"
	}
	return ""
}

func checkClaim(step Step) string {
	if step.Drop {
		if step.Name != "" {
			return "drop ends the session and sets no claim"
		}
		return ""
	}
	if why, ok := reserved[step.Name]; ok {
		return "the claim " + why + " and cannot be set"
	}
	return checkName(step.Name)
}

// checkPath looks at each name of a path.
func checkPath(path string) string {
	names := strings.Split(path, ".")
	if len(names) > maxNames {
		return "the path has too many names"
	}
	for _, name := range names {
		if why := checkName(name); why != "" {
			return why
		}
	}
	return ""
}

func checkName(name string) string {
	switch {
	case name == "":
		return "a name is missing"
	case name == "__proto__":
		// It would be an object's prototype in a client that copies members.
		return "nothing can be named __proto__"
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8"
	}
	return ""
}
