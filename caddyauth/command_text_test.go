package caddyauth

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "-",
		"Alice Example":          "Alice Example",
		"\x1b[2Jgone\r\n":        "?[2Jgone??",
		"a\tb":                   "a?b",
		"\u202eevil":             "?evil",
		"日本語":                    "日本語",
		"\xff":                   "\ufffd",
		strings.Repeat("ä", 60):  strings.Repeat("ä", 47) + "…",
		strings.Repeat("ä", 48):  strings.Repeat("ä", 48),
		"\u009b31mC1 is as good": "?31mC1 is as good",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2031, 1, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"":                          {},
		"36h":                       now.Add(36 * time.Hour),
		"90d":                       now.Add(90 * 24 * time.Hour),
		"2031-02-01T00:00:00+01:00": time.Date(2031, 1, 31, 23, 0, 0, 0, time.UTC),
		"2031-01-31":                time.Date(2031, 2, 1, 0, 0, 0, 0, time.Local),
	} {
		if got, err := parseExpiry(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"soon", "0s", "-1d", "2031-02-30", "2031", "31.1.2031"} {
		if got, err := parseExpiry(in, now); err == nil {
			t.Errorf("%q became %v", in, got)
		}
	}
}

func TestExplainsAdminErrors(t *testing.T) {
	c := adminClient("localhost:2019")
	for in, want := range map[string]string{
		"performing request: dial tcp: connection refused":                            "no Caddy answers at localhost:2019",
		"caddy responded with error: HTTP 404: {\"error\":\"no store knows it\"}\n":   "no store knows it",
		"caddy responded with error: HTTP 404: 404 page not found\n":                  "runs without caddyauth",
		"caddy responded with error: HTTP 403: {\"error\":\"host not allowed: x\"}\n": "host not allowed: x",
		"caddy responded with error: HTTP 502: <html>\n<p>Bad Gateway</p>\n</html>":   "answers with status 502",
	} {
		if got := c.explain(errors.New(in)).Error(); !strings.Contains(got, want) || strings.Contains(got, "<html>") {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
