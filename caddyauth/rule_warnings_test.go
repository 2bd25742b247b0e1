package caddyauth_test

import (
	"strings"
	"testing"
)

// TestRuleWarnings loads rules that contradict each other or match nothing. Each
// wants one line in the log, and the site loads.
func TestRuleWarnings(t *testing.T) {
	for _, tc := range []struct {
		name, matcher, lines string
		line, why            string // of the warning; none if empty
	}{
		{"nothing to say", "", "allow any\nallow /a/* role x\ndeny /b/* any\npublic /c/*\nprivate /c/d/*", "", ""},
		{"public below deny", "", "deny /x/* any\npublic /x/y", "public /x/y", "'deny /x/* any' closes all"},
		{"allow below deny", "", "deny /x/* any\nallow /x/y/* role a", "allow /x/y/* role a", "'deny /x/* any' closes all"},
		{"allow below deny, case and root", "", "deny /X/* any\nallow /x role a", "allow /x role a", "'deny /X/* any' closes all"},
		{"allow below a deny of all", "", "deny any\nallow role a", "allow role a", "'deny any' closes all"},
		{"allow beside deny", "", "deny /x any\nallow /x/* role a", "", ""},
		{"allow beside deny, alike", "", "deny /x/* any\nallow /xy/* role a", "", ""},
		{"deny of somebody", "", "deny /x/* user dev:bob\nallow /x/* role a", "", ""},
		{"named matchers", "", "@m method POST\ndeny @m any\nallow @m role a", "allow @m role a", "'deny @m any' closes all"},
		{"public below private", "", "public /a/b/*\nprivate /a/*", "public /a/b/*", "'private /a/*' is as wide or wider"},
		{"public below a private of all", "", "public /a\nprivate", "public /a", "'private' is as wide or wider"},
		{"public around private", "", "public /a/*\nprivate /a/b/*", "", ""},
		{"any beside others", "", "allow any\nallow role a", "allow role a", "'allow any' admits everybody"},
		{"any beside others of a scope", "", "allow /x any\nallow /x role a", "allow /x role a", "'allow /x any' admits everybody"},
		{"any of another scope", "", "allow any\nallow /x role a", "", ""},
		{"deny below a wider allow", "", "allow any\nallow /x/* role a\ndeny /x/y/* user dev:bob", "", ""},
		{"fewer beside more", "", "allow role a b\nallow role b", "allow role b", "'allow role a b' names the same, and more"},
		{"fewer beside more, denied", "", "deny /x user dev:a\ndeny /x user dev:b dev:a", "deny /x user dev:a", "'deny /x user dev:b dev:a' names the same, and more"},
		{"fewer of another scope", "", "allow role a b\nallow /x role b", "", ""},
		{"an impossible method", "", "@m method TRACE CONNECT\nallow @m role a", "allow @m role a", "it never matches: requests with the method CONNECT"},
		{"an impossible method beside others", "", "@m method TRACE GET\nallow @m role a", "", ""},
		{"an impossible method of public", "", "@m method TRACE\npublic @m", "public @m", "requests with the method TRACE"},
		{"private, and nothing is public", "", "private /x", "private /x", "no 'public' line opens any of that"},
		{"private beside public", "", "public /a/*\nprivate /x", "private /x", "no 'public' line opens any of that"},
		{"private below public", "", "public\nprivate /x", "", ""},
		{"private, and a page is public", "", "pages {\nsign_in /login\n}\nprivate /login/x", "", ""},
		{"step_up where all is public", "", "public /x/*\nstep_up /x/y max_age 5m", "step_up /x/y max_age 5m0s", "'public /x/*' opens all that it is about"},
		{"step_up where some is private", "", "public /x/*\nprivate /x/y\nstep_up /x/* max_age 5m", "", ""},
		{"step_up around public", "", "public /x/y\nstep_up /x/* max_age 5m", "", ""},
		{"api outside", "/in/*", "api /out/*", "api /out/*", "the gate is for '/in/*' only"},
		{"twice", "", "allow role a\nallow role a", "allow role a", "the line is there twice"},
		{"public twice", "", "public /x\npublic /x", "public /x", "the line is there twice"},
		{"outside", "/in/*", "allow /out/* role a", "allow /out/* role a", "the gate is for '/in/*' only"},
		{"public outside", "/in/*", "public /inn", "public /inn", "the gate is for '/in/*' only"},
		{"step_up outside", "/in/*", "step_up /out max_age 5m", "step_up /out max_age 5m0s", "the gate is for '/in/*' only"},
		{"inside", "/in/*", "allow /in/x role a\npublic /in\npublic /in/*.css\napi /i*", "", ""},
		{"the site's own origin", "", "url http://localhost:{PORT}\napi {\ncors HTTP://LOCALHOST:{PORT} https://a.example\n}", "api cors http://localhost:{PORT}", "the site itself"},
		{"another origin", "", "url http://localhost:{PORT}\napi {\ncors https://a.example\n}", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			matchers, lines := "", tc.lines
			if strings.HasPrefix(lines, "@") {
				matchers, lines, _ = strings.Cut(lines, "\n")
			}
			s := start(t, "http://localhost:{PORT} {\n"+matchers+"\ncaddyauth "+tc.matcher+" {\nsecret "+secret+"\nprovider dev\n"+lines+"\n}\nrespond ok\n}\n")
			var got []map[string]any
			for _, l := range s.logged() {
				if l["msg"] == "a rule has no effect, or contradicts another" {
					got = append(got, l)
				}
			}
			if tc.line == "" {
				if len(got) > 0 {
					t.Errorf("warned: %v", got)
				}
				return
			}
			want := strings.ReplaceAll(tc.line, "{PORT}", s.Port)
			if len(got) != 1 || got[0]["line"] != want || !strings.Contains(got[0]["why"].(string), tc.why) || got[0]["level"] != "warn" {
				t.Errorf("got %v, want %s: %s", got, want, tc.why)
			}
		})
	}
}
