package caddyauth_test

import (
	"net/http"
	"testing"
)

// TestForwardAuthPassesNothingElse checks that only a decision to pass is answered
// with a status that proxies take for one, and that a WebSocket is known by what
// proxies leave of it.
func TestForwardAuthPassesNothingElse(t *testing.T) {
	s := verifier(t, trustLoopback, `
		callback_origin https://partner.example
		api /api/* {
			cors https://spa.example
		}
		step_up /fresh/* acr gold
	`)
	eve := "Cookie: " + sessionCookie(secureName, seal(t, person("eve"), 0))
	socket := []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}
	for _, tc := range []struct {
		name, method, uri string
		header            []string
		want, nginx       int
	}{
		{"a preflight", "OPTIONS", "/api/x", []string{"Origin: https://spa.example", "Access-Control-Request-Method: GET"}, 403, 403},
		{"a preflight of a closed path", "OPTIONS", "/closed/x", []string{"Origin: https://spa.example", "Access-Control-Request-Method: GET"}, 403, 403},
		{"TRACE", "TRACE", "/public/x", nil, 405, 403},
		{"a broken path", "GET", "/public/%00", nil, 400, 403},
		{"a fresh sign-in", "GET", "/fresh/x", []string{eve}, 401, 401},
		{"a socket of the site", "GET", "/socket", append([]string{eve, "Origin: https://app.localhost"}, socket...), 200, 200},
		{"a socket of a partner", "GET", "/socket", append([]string{eve, "Origin: https://partner.example"}, socket...), 200, 200},
		{"WIRE-02 a socket of another site", "GET", "/socket", append([]string{eve, "Origin: https://evil.example"}, socket...), 403, 403},
		{"WIRE-02 a socket of another site, says the browser", "GET", "/socket", []string{eve, "Origin: https://evil.example", "Sec-Fetch-Mode: websocket"}, 403, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proxies := map[string][]string{
				"traefik": {"X-Forwarded-Method: " + tc.method, "X-Forwarded-Uri: " + tc.uri},
				"nginx":   {"X-Original-Method: " + tc.method, "X-Original-URL: https://app.localhost" + tc.uri},
			}
			for proxy, how := range proxies {
				want := tc.want
				if proxy == "nginx" {
					want = tc.nginx
				}
				header := append([]string{"Host: app.localhost", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.localhost"}, how...)
				a := s.ask(verifyPath, append(header, tc.header...)...)
				if a.StatusCode != want {
					t.Errorf("%s: %s, want %d", proxy, a.Status, want)
				}
				if a.StatusCode != http.StatusOK && a.Header.Get("Remote-User") != "" {
					t.Errorf("%s: named %s", proxy, a.Header.Get("Remote-User"))
				}
			}
		})
	}
}
