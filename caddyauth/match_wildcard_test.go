package caddyauth_test

import (
	"strings"
	"testing"
)

// Caddy takes these patterns for literal text: a rule with one would hold for
// nothing that anybody asks for.
func TestPATHWildcardsThatAreNone(t *testing.T) {
	load := func(define, words string) error {
		return loadError(t, "", "http://localhost:{PORT} {\n"+define+"\ncaddyauth {\nsecret "+secret+"\nprovider dev\n"+words+"\n}\nrespond ok\n}\n")
	}
	for _, pattern := range []string{"/p?b/*", "/[a-b]/*", "/p?b*", "/[a-b]*", `/a\b/*`} {
		for _, word := range []string{"public %", "private %", "deny % any", "allow % role x", "api %", "step_up % max_age 5m"} {
			if err := load("", strings.Replace(word, "%", pattern, 1)); err == nil || !strings.Contains(err.Error(), "path_regexp") || !strings.Contains(err.Error(), "stand for themselves") {
				t.Errorf("%s with %s: %v", word, pattern, err)
			}
		}
	}
	for _, pattern := range []string{"*.cs?", "*[ab]*", "/p?b/*"} {
		if err := load("@m path "+pattern, "private @m"); err == nil || !strings.Contains(err.Error(), "path_regexp") {
			t.Errorf("@m path %s: %v", pattern, err)
		}
	}
	for _, pattern := range []string{"/p?b", "/p?b/*/*", "/[a-b]/x", "/*/[ab]/*"} {
		if err := load("", "private "+pattern); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
