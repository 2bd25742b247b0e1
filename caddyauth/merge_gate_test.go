package caddyauth

import (
	"encoding/json"
	"testing"
)

// TestMergeGate has what becomes of the words of the gate: a site's replace the
// global ones, but for those that are lists of lines.
func TestMergeGate(t *testing.T) {
	on, off := true, false
	global := &Config{
		API:             []*API{{Match: Match{Path: []string{"/api/*"}}, CORS: []string{"https://a.example"}}},
		StepUp:          []*StepUp{{Match: Match{Path: []string{"/admin/*"}}, MaxAge: 1}},
		CallbackOrigins: []string{"https://a.example"},
		Bearer:          &Bearer{Session: true},
		ForwardAuth:     &on,
		Portal:          "auth.example.com",
		Assertion:       &Assertion{Header: "X-Global"},
		AccessToken:     "X-Global",
		Allow: []*Rule{
			{Subject: "org", Values: []string{"acme"}},
			{Match: Match{Path: []string{"/x"}}, Subject: "claim", Values: []string{"plan", "pro"}},
		},
		Deny: []*Rule{{Subject: "expr", Values: []string{"user.login == 'mallory'"}}},
	}
	site := &Config{
		API:             []*API{{}},
		StepUp:          []*StepUp{{ACR: []string{"gold"}}},
		CallbackOrigins: []string{"https://b.example"},
		Bearer:          &Bearer{Issuers: []*BearerIssuer{{Audience: []string{"b"}}}},
		ForwardAuth:     &off,
		Portal:          "auth.example.net",
		Assertion:       &Assertion{Audience: "b"},
		AccessToken:     "off",
		Allow:           []*Rule{{Subject: "expr", Values: []string{"user.verified"}}},
		Deny:            []*Rule{{Subject: "claim", Values: []string{"suspended", "true"}}},
	}
	for _, tc := range []struct {
		name string
		site *Config
		want string
	}{
		{"a bare site has the global ones", new(Config), `{"allow":[{"subject":"org","values":["acme"]},{"path":["/x"],"subject":"claim","values":["plan","pro"]}],` +
			`"deny":[{"subject":"expr","values":["user.login == 'mallory'"]}],` +
			`"api":[{"path":["/api/*"],"cors":["https://a.example"]}],"bearer":{"session":true},"step_up":[{"path":["/admin/*"],"max_age":1}],"forward_auth":true,` +
			`"portal":"auth.example.com","callback_origins":["https://a.example"],"assertion":{"header":"X-Global"},"access_token":"X-Global"}`},
		{"api, step_up, callback_origin and deny add, the others replace", site, `{"allow":[{"path":["/x"],"subject":"claim","values":["plan","pro"]},{"subject":"expr","values":["user.verified"]}],` +
			`"deny":[{"subject":"expr","values":["user.login == 'mallory'"]},{"subject":"claim","values":["suspended","true"]}],` +
			`"api":[{"path":["/api/*"],"cors":["https://a.example"]},{}],"bearer":{"issuers":[{"audience":["b"]}]},"step_up":[{"path":["/admin/*"],"max_age":1},{"acr":["gold"]}],"forward_auth":false,` +
			`"portal":"auth.example.net","callback_origins":["https://a.example","https://b.example"],"assertion":{"audience":"b"},"access_token":"off"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			merged, err := merge(global, tc.site)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(merged)
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(t, string(got), tc.want) {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		})
	}
	if len(global.API) != 1 || len(global.StepUp) != 1 || len(global.CallbackOrigins) != 1 || len(global.Deny) != 1 {
		t.Errorf("the global configuration has changed: %+v", global)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var texts [2]string
	for i, raw := range []string{a, b} {
		var v any
		if err := json.Unmarshal([]byte(raw), &v); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(sorted)
	}
	return texts[0] == texts[1]
}
