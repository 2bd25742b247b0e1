package caddyauth_test

import (
	"strings"
	"testing"
)

// mistakesInGate has the mistakes of the words that say who may pass, and how.
var mistakesInGate = []mistake{
	{"claim without a value", "allow claim plan",
		"'allow claim' takes a path such as resource_access.app.roles and one or more values, at Caddyfile:3"},
	{"claim without anything", "deny /x claim",
		"'deny claim' needs a value, at Caddyfile:3"},
	{"claim with an equals sign", "allow claim plan = pro",
		"'allow claim' compares by itself: write 'allow claim plan <value>', at Caddyfile:3"},
	{"claim with an empty value", `allow claim plan ""`,
		"'allow claim' has an empty value, at Caddyfile:3"},
	{"claim misspelled", "allow clain plan pro",
		"'allow' does not know 'clain', did you mean 'claim'?, at Caddyfile:3"},
	{"org without a value", "allow org",
		"'allow org' needs a value, at Caddyfile:3"},
	{"expr without an expression", "allow expr",
		"'allow expr' needs an expression in backticks, at Caddyfile:3"},
	{"expr with an empty one", "allow /x expr ``",
		"'allow expr' needs an expression in backticks, at Caddyfile:3"},
	{"expr without backticks", `deny expr user.login == "mallory"`,
		"'deny expr' takes one expression, got 3 words: put the whole expression in backticks, at Caddyfile:3"},
	{"expr without the word", "allow `user.verified`",
		"'allow user.verified': to name an account write 'allow user user.verified', at Caddyfile:3"},
	{"expr that is a string", "allow expr `\"yes\"`",
		"allow expr: `\"yes\"`, column 1: must be a bool, not string, at Caddyfile:3"},
	{"expr that does not parse", "allow /x expr `user.login ==`",
		"allow expr: `user.login ==`, column 14: unexpected end, at Caddyfile:3"},
	{"expr as in JavaScript", "deny expr `user.login === \"x\"`",
		"deny expr: `user.login === \"x\"`, column 12: CEL compares with ==, at Caddyfile:3"},
	{"variable misspelled", "allow expr `usr.verified`",
		"allow expr: `usr.verified`, column 1: unrecognized name 'usr', did you mean 'user'?, at Caddyfile:3"},
	{"variable of the callbacks", "allow expr `profile.hd == \"example.com\"`",
		"allow expr: `profile.hd == \"example.com\"`, column 1: unrecognized name 'profile', what the provider said is in 'user' and, as far as the token has it, in 'session.claims', at Caddyfile:3"},
	{"token", "allow expr `token.plan == \"pro\"`",
		"allow expr: `token.plan == \"pro\"`, column 1: unrecognized name 'token', did you mean 'session.claims'?, at Caddyfile:3"},
	{"member of user misspelled", "allow expr `\"admin\" in user.rolse`",
		"allow expr: `\"admin\" in user.rolse`, column 16: user has no 'rolse', did you mean 'roles'?, at Caddyfile:3"},
	{"member of request by another name", "allow expr `request.ip == \"::1\"`",
		"allow expr: `request.ip == \"::1\"`, column 8: request has no 'ip', did you mean 'request.remote_ip'?, at Caddyfile:3"},
	{"member of session misspelled", "allow expr `session.plan == \"pro\"`",
		"allow expr: `session.plan == \"pro\"`, column 8: session has no 'plan', at Caddyfile:3"},
	{"expression of several lines", "allow expr `user.verified\n&& user.nope`",
		"allow expr: `&& user.nope`, line 2, column 8: user has no 'nope', at Caddyfile:3"},
	{"expr with a block", "allow expr `true` {\nx\n}",
		"'allow' takes no block, at Caddyfile:3"},

	{"api with two matchers", "api /a/* /b/*",
		"'api' takes one matcher: a path that begins with a slash, or @name; not '/b/*', at Caddyfile:3"},
	{"api with a word", "api cors https://a.example",
		"'api' takes one matcher: a path that begins with a slash, or @name; not 'cors', at Caddyfile:3"},
	{"api setting misspelled", "api {\ncros https://a.example\n}",
		"unrecognized api setting 'cros', did you mean 'cors'?, at Caddyfile:4"},
	{"cors without an origin", "api {\ncors\n}",
		"'cors' needs a value, at Caddyfile:4"},
	{"cors twice", "api {\ncors https://a.example\ncors https://b.example\n}",
		"'cors' is set twice in 'api': keep one, at Caddyfile:5"},
	{"cors with a wildcard", "api {\ncors *\n}",
		"cors: '*' has a wildcard, and answers with credentials are for named origins only: write a whole origin such as https://www.example.com, at Caddyfile:4"},
	{"cors with a wildcard host", "api {\ncors https://*.example.com\n}",
		"cors: 'https://*.example.com' has a wildcard, and answers with credentials are for named origins only: write a whole origin such as https://www.example.com, at Caddyfile:4"},
	{"cors null", "api {\ncors null\n}",
		"cors: 'null' is the origin of anybody's sandboxed pages: write a whole origin such as https://www.example.com, at Caddyfile:4"},
	{"cors with a host only", "api {\ncors www.example.com\n}",
		"cors: 'www.example.com' is no origin: write a whole origin such as https://www.example.com, at Caddyfile:4"},
	{"cors with a path", "api {\ncors https://www.example.com/\n}",
		"cors: 'https://www.example.com/' has more than scheme, host and port: write a whole origin such as https://www.example.com, at Caddyfile:4"},

	{"step_up alone", "step_up",
		"'step_up' needs to know what: max_age or acr, at Caddyfile:3"},
	{"step_up with a matcher alone", "step_up /admin/*",
		"'step_up' needs to know what: max_age or acr, at Caddyfile:3"},
	{"step_up misspelled", "step_up maxage 5m",
		"'step_up' takes 'max_age <time span>' or 'acr <value>...', not 'maxage', did you mean 'max_age'?, at Caddyfile:3"},
	{"step_up with a time alone", "step_up 5m",
		"'step_up' takes 'max_age <time span>' or 'acr <value>...', not '5m', at Caddyfile:3"},
	{"step_up without a time", "step_up max_age",
		"'max_age' takes one value, got 0, at Caddyfile:3"},
	{"step_up with no time", "step_up max_age soon",
		"'max_age' takes a time span such as 30d or 12h, not 'soon', at Caddyfile:3"},
	{"step_up with both", "step_up max_age 5m acr gold",
		"'max_age' takes one value, got 3, at Caddyfile:3"},
	{"step_up without a class", "step_up acr",
		"'acr' needs a value, at Caddyfile:3"},

	{"bearer alone", "bearer",
		"'bearer' needs an audience: without one, tokens that are meant for others would be accepted, at Caddyfile:3"},
	{"bearer misspelled", "bearer audiense x",
		"'bearer' takes 'session', 'audience <audience>...' or a block, not 'audiense', did you mean 'audience'?, at Caddyfile:3"},
	{"bearer session twice", "bearer session\nbearer session",
		"'bearer session' is set twice: keep one, at Caddyfile:4"},
	{"bearer session with a value", "bearer session x",
		"'bearer session' takes no value, at Caddyfile:3"},
	{"bearer setting misspelled", "bearer {\nisuer https://a.example\n}",
		"unrecognized bearer setting 'isuer', did you mean 'issuer'?, at Caddyfile:4"},
	{"assertion with a value", "assertion X-Identity",
		"'assertion' takes a block, not 'X-Identity', at Caddyfile:3"},
	{"assertion setting misspelled", "assertion {\nheadr X\n}",
		"unrecognized assertion setting 'headr', did you mean 'header'?, at Caddyfile:4"},
	{"assertion with no time", "assertion {\nttl 0\n}",
		"'ttl' takes a time span such as 30d or 12h, not '0', at Caddyfile:4"},
	{"assertion twice", "assertion\nassertion",
		"'assertion' is set twice in this block: keep one, at Caddyfile:4"},
	{"access_token with two fields", "access_token A B",
		"'access_token' takes one header field at most, at Caddyfile:3"},
	{"access_token with a block", "access_token {\nx\n}",
		"'access_token' takes no block, at Caddyfile:3"},
	{"forward_auth with a value", "forward_auth nginx",
		"'forward_auth' takes 'on', 'off' or nothing, at Caddyfile:3"},
	{"portal without a host", "portal",
		"'portal' takes one value, got 0, at Caddyfile:3"},
	{"portal twice", "portal a.example\nportal b.example",
		"'portal' is set twice in this block: keep one, at Caddyfile:4"},
	{"callback_origin without an origin", "callback_origin",
		"'callback_origin' needs a value, at Caddyfile:3"},
	{"callback_origin with a wildcard", "callback_origin https://*.example.com",
		"'callback_origin' takes whole origins such as https://www.example.com, not 'https://*.example.com', at Caddyfile:3"},
}

// TestMistakesInGate wants the exact words.
func TestMistakesInGate(t *testing.T) {
	for _, m := range mistakesInGate {
		t.Run(m.name, func(t *testing.T) {
			if got := adaptError(t, inBlock(m.text)).Error(); got != m.want {
				t.Errorf("%s\n got %s\nwant %s", m.text, got, m.want)
			}
		})
	}
}

// TestMistakesOfMatchers has those of the matchers for use anywhere.
func TestMistakesOfMatchers(t *testing.T) {
	for text, want := range map[string]string{
		"@a auth_role":       "'auth_role' needs a role",
		"@a auth_claim plan": "'auth_claim' takes a path such as",
		"@a auth_claim":      "'auth_claim' takes a path such as",
		"@a {\nauth_claim a 1\nauth_claim b 2\n}": "'auth_claim' looks at one claim, and 'b' is another",
		"@a {\nauth_user\nauth_user x\n}":         "'auth_user' without names means everybody",
		"@a {\nauth_user x\nauth_user\n}":         "'auth_user' without names means everybody",
		"@a {\nauth_user x {\ny\n}\n}":            "'auth_user' takes no block",
	} {
		_, _, err := adapt(t, "app.example.com {\n"+text+"\nrespond @a ok\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}
