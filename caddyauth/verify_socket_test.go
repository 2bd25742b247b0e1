package caddyauth_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestForwardAuthSockets opens WebSockets over HTTP/2 and HTTP/3 at another Caddy,
// which asks about them with the method CONNECT.
func TestForwardAuthSockets(t *testing.T) {
	app := newUpstream(t, echoFrames)
	asked := testport.Free(t)
	plain := testport.Free(t)
	front := strings.NewReplacer("http://localhost:{FRONT} {", "https://localhost:{PORT} {\n\ttls "+certificate(t), "{CADDY}", asked, "{APP}", app.addr()).Replace(caddyConfig) +
		strings.NewReplacer("{FRONT}", plain, "{CADDY}", asked, "{APP}", app.addr()).Replace(caddyConfig)
	s := startExtended(t, front+`
http://localhost:`+asked+` {
	caddyauth {
		secret `+secret+`
		provider dev
		forward_auth
		public /open/*
		allow /admin/* role admin
		headers
	}
}
`, "default_bind 127.0.0.1\n"+trustLoopback)
	awaitPort(t, asked)
	eve := sessionCookie(secureName, seal(t, person("eve"), 0))
	own := s.Base
	for _, tc := range []struct{ name, path, cookies, origin, status string }{
		{"nobody", "/app/socket", "", own, "401"},
		{"nobody, at what is open", "/open/socket", "", own, "200"},
		{"somebody", "/app/socket", eve, own, "200"},
		{"somebody else", "/admin/socket", eve, own, "403"},
		{"another site's page", "/app/socket", eve, "https://evil.com", "403"},
		{"another site's page, at what is open", "/open/socket", eve, "https://evil.com", "200"},
	} {
		for version, connect := range map[string]func() string{
			"HTTP/2": func() string {
				o := s.connect(tc.path, tc.cookies, [2]string{"origin", tc.origin})
				if o.status == "200" {
					o.echo("hello")
				}
				return o.status
			},
			"HTTP/3": func() string {
				header := http.Header{"Origin": {tc.origin}, "Sec-Websocket-Version": {"13"}}
				if tc.cookies != "" {
					header.Set("Cookie", tc.cookies)
				}
				return strconv.Itoa(s.connect3(s.Port, tc.path, header).status)
			},
		} {
			t.Run(version+" "+tc.name, func(t *testing.T) {
				app.take()
				if got := connect(); got != tc.status {
					t.Errorf("%s, want %s", got, tc.status)
				}
				got := app.take()
				if (len(got) == 1) != (tc.status == "200") {
					t.Fatalf("the application got %d requests", len(got))
				}
				user := map[bool]string{true: "eve"}[tc.cookies != "" && tc.origin == own]
				if len(got) == 1 && (got[0].Method != http.MethodGet || got[0].Header.Get("Upgrade") != "websocket" || got[0].Header.Get("Remote-User") != user) {
					t.Errorf("the application got %s %v", got[0].Method, got[0].Header)
				}
			})
		}
	}
	t.Run("HTTP/1", func(t *testing.T) {
		one := &server{t: t, Port: plain}
		// A CONNECT that looks like one of those, and would reach the application as it is.
		for _, header := range [][]string{upgrade, append([]string{"Via: 2.0 Caddy"}, upgrade...), append([]string{"Via: 3.0 Caddy", "X-Forwarded-Method: GET"}, upgrade...), nil} {
			header = append(header, "Cookie: "+signedIn(t, person("eve")))
			if a := one.ask("CONNECT /open/socket", header...); a.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%q: %s", header, a.Status)
			}
		}
		app.none(t)
	})
}
