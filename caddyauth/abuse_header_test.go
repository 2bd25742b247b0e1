package caddyauth_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// headerSite names people to the upstream in X-Auth-User, X-Auth-Groups and the
// Remote family. /app is private.
func headerSite(t *testing.T, global, before string, answer http.HandlerFunc) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, answer)
	return startWith(t, global, `
http://localhost:{PORT} {
	`+before+`
	caddyauth {
		secret `+secret+`
		provider dev
		public
		private /app/*
		allow any
		headers remote {
			X-Auth-User {http.auth.user.email}
			X-Auth-Groups caddyauth.groups
		}
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

func TestHeaderSpoofing(t *testing.T) {
	s, up := headerSite(t, "", "", nil)
	eve := "Cookie: " + signedIn(t, person("eve"))
	// got sends a request and returns what the upstream got of it.
	got := func(t *testing.T, line string, header ...string) http.Header {
		t.Helper()
		if a := s.ask(line, header...); a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s\n%s", line, a.Status, a.body)
		}
		return up.one(t).Header
	}

	t.Run("HDR-01 identity header of a client", func(t *testing.T) {
		h := got(t, "GET /app/", eve, "X-Auth-User: admin@example.com", "x-auth-user: root", "Remote-User: admin", "REMOTE-USER: admin", "Remote-Name: Admin")
		for name, want := range map[string]string{"X-Auth-User": "eve@example.com", "Remote-User": "eve", "Remote-Name": "Name of eve", "Remote-Email": "eve@example.com"} {
			if v := h[name]; !slices.Equal(v, []string{want}) {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
	})
	t.Run("HDR-02 claim is absent", func(t *testing.T) {
		h := got(t, "GET /app/", eve, "X-Auth-Groups: admin", "Remote-Groups: admin")
		for _, name := range []string{"X-Auth-Groups", "Remote-Groups"} {
			if v, ok := h[name]; ok {
				t.Errorf("%s: %q", name, v)
			}
		}
	})
	t.Run("HDR-03 public path", func(t *testing.T) {
		for _, line := range []string{"GET /", "GET /static/x.css", "HEAD /", "POST /form", "OPTIONS /", "DELETE /x"} {
			h := got(t, line, "X-Auth-User: admin", "Remote-User: admin", "X-Auth-Request-User: admin", "X-Auth-Request-Access-Token: t", "X-Forwarded-User: admin", "X-Forwarded-Groups: admin")
			for name := range h {
				if strings.Contains(name, "User") && name != "User-Agent" || strings.HasPrefix(name, "X-Auth") || strings.HasPrefix(name, "Remote-") || name == "X-Forwarded-Groups" {
					t.Errorf("%s: upstream got %s: %q", line, name, h[name])
				}
			}
		}
	})
	t.Run("HDR-03 session that is garbage", func(t *testing.T) {
		h := got(t, "GET /", "Cookie: "+plainName+"=garbage", "X-Auth-User: admin")
		if v, ok := h["X-Auth-User"]; ok {
			t.Errorf("X-Auth-User: %q", v)
		}
	})
	for id, aliases := range map[string][]string{
		"HDR-04 underscore": {"X_Auth_User", "X-Auth_User", "x_auth-user", "Remote_User", "X_AUTH_REQUEST_EMAIL"},
		"HDR-05 dot":        {"X.Auth.User", "X-Auth.User", "Remote.User", "Remote.Groups"},
		"HDR-06 other folding characters": {
			"X~Auth~User", "X!Auth!User", "X#Auth-User", "X$Auth-User", "X%Auth-User", "X&Auth-User", "X'Auth-User", "X*Auth-User",
			"X+Auth-User", "X^Auth^User", "X`Auth`User", "X|Auth|User", "Remote|User", "Remote!Groups",
		},
	} {
		t.Run(id, func(t *testing.T) {
			for _, alias := range aliases {
				for _, cookie := range []string{"X-Nothing: 1", eve} {
					h := got(t, "GET /", cookie, alias+": admin")
					for name, values := range h {
						if slices.Contains(values, "admin") {
							t.Errorf("%s reached the upstream as %s", alias, name)
						}
					}
				}
			}
		})
	}
	t.Run("HDR-07 Connection names an identity header", func(t *testing.T) {
		for _, value := range []string{
			"X-Auth-User", "close, X-Auth-User, Remote-User", "x-auth-user", "keep-alive,X-AUTH-USER , remote-user", ",,X-Auth-User,",
			"X-Forwarded-For", "X-Auth-User\r\nConnection: Remote-User",
		} {
			h := got(t, "GET /app/", eve, "Connection: "+value)
			if h.Get("X-Auth-User") != "eve@example.com" || h.Get("Remote-User") != "eve" {
				t.Errorf("Connection: %s: identity %q, %q", value, h.Get("X-Auth-User"), h.Get("Remote-User"))
			}
			if h.Get("X-Forwarded-For") == "" || h.Get("X-Forwarded-Host") == "" {
				t.Errorf("Connection: %s: X-Forwarded-* is gone: %v", value, h)
			}
		}
	})
	t.Run("HDR-08 Connection names Cookie and Authorization", func(t *testing.T) {
		h := got(t, "GET /app/", eve+"; theme=dark", "Authorization: Basic eDp5", "Connection: Cookie, Authorization, Host, close")
		if h.Get("Cookie") != "theme=dark" || h.Get("Authorization") != "Basic eDp5" || h.Get("X-Auth-User") != "eve@example.com" {
			t.Errorf("upstream got %v", h)
		}
		h = got(t, "GET /app/", eve, "X-Hop: 1", "Connection: X-Hop")
		if h.Get("X-Hop") != "" || h.Get("X-Auth-User") != "eve@example.com" {
			t.Errorf("a hop-by-hop field of the client's own: %v", h)
		}
	})
	t.Run("HDR-10 duplicates", func(t *testing.T) {
		h := got(t, "GET /app/", eve, "X-Auth-User: a", "X-Auth-User: b", "X_Auth_User: c", "X.Auth.User: d")
		if v := h["X-Auth-User"]; !slices.Equal(v, []string{"eve@example.com"}) {
			t.Errorf("X-Auth-User: %q", v)
		}
	})
	t.Run("HDR-13 obs-fold and space before the colon", func(t *testing.T) {
		if a := s.ask("GET /app/", eve, "X-A: b\r\n X-Auth-User: z"); a.StatusCode == http.StatusOK {
			if h := up.one(t).Header; !slices.Equal(h["X-Auth-User"], []string{"eve@example.com"}) {
				t.Errorf("upstream got %v", h)
			}
		} else if a.StatusCode != http.StatusBadRequest {
			t.Error(a.Status)
		}
		for _, line := range []string{"X-Auth-User : z", "X-Auth-User\t: z", " X-Auth-User: z", "X-Auth\x00User: z", "X-Auth User: z"} {
			if a := s.ask("GET /app/", "Accept: */*", line, eve); a.StatusCode == http.StatusOK {
				if h := up.one(t).Header; !slices.Equal(h["X-Auth-User"], []string{"eve@example.com"}) {
					t.Errorf("%q: upstream got %v", line, h)
				}
			} else if a.StatusCode != http.StatusBadRequest {
				t.Errorf("%q: %s", line, a.Status)
			}
		}
		up.none(t)
	})
	t.Run("HDR-19 Authorization passes and is no session", func(t *testing.T) {
		token := seal(t, person("eve"), 0)
		for _, value := range []string{"Basic dXNlcjpwdw==", "Bearer abc.def", "Bearer " + token, "bearer " + token, "Bearer %E0%A4%A", "Bearer"} {
			if h := got(t, "GET /", "Authorization: "+value); h.Get("Authorization") != value || h.Get("X-Auth-User") != "" {
				t.Errorf("Authorization: %s: upstream got %v", value, h)
			}
			if a := s.ask("GET /app/", "Authorization: "+value); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("JWE-20 Authorization: %.20s without a cookie: %s", value, a.Status)
			}
		}
		up.none(t)
	})
	t.Run("HDR-20 control headers", func(t *testing.T) {
		for _, h := range []string{
			"X-Middleware-Subrequest: middleware:middleware:middleware", "X-Auth-Return-Redirect: 1", "X-Forwarded-Uri: /", "X-Original-URL: /",
			"X-Rewrite-URL: /", "X-Original-URI: /", "X-Forwarded-Method: OPTIONS", "X-Forwarded-Prefix: /", "X-HTTP-Method-Override: OPTIONS",
			"X-Forwarded-For: 127.0.0.1", "User-Agent: kube-probe/1.0", "X-Custom-IP-Authorization: 127.0.0.1", "Forwarded: for=127.0.0.1;host=localhost",
			"Purpose: prefetch", "Sec-Fetch-Mode: no-cors", "Upgrade-Insecure-Requests: 1", "X-Requested-With: XMLHttpRequest",
		} {
			if a := s.ask("GET /app/", h); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s", h, a.Status)
			}
		}
		up.none(t)
	})
}

// TestHDR04ExpectedAliases: Caddy can be told to let such names through. Ours
// are removed all the same.
func TestHDR04ExpectedAliases(t *testing.T) {
	s, up := headerSite(t, "servers {\nexpected_underscore_headers X_Auth_User Remote_User X_Own\nexpected_dot_headers X.Auth.User Remote.User\n}", "", nil)
	for _, cookie := range []string{"X-Nothing: 1", "Cookie: " + signedIn(t, person("eve"))} {
		s.ask("GET /", cookie, "X_Auth_User: admin", "X.Auth.User: admin", "Remote_User: admin", "Remote.User: admin", "X_Own: yes")
		h := up.one(t).Header
		for name, values := range h {
			if slices.Contains(values, "admin") {
				t.Errorf("%s reached the upstream", name)
			}
		}
		if h.Get("X_Own") != "yes" {
			t.Errorf("a header of the site's own is gone: %v", h)
		}
	}
}

func TestHDR11NonCanonicalKeys(t *testing.T) {
	for _, name := range []string{"x-auth-user", "X-AUTH-USER", "remote_user", "x.auth-groups"} {
		t.Run(name, func(t *testing.T) {
			s, up := headerSite(t, "", "test_inject "+name+" admin", nil)
			for _, cookie := range []string{"X-Nothing: 1", "Cookie: " + signedIn(t, person("eve"))} {
				if a := s.ask("GET /", cookie); a.StatusCode != http.StatusOK {
					t.Fatal(a.Status)
				}
				for name, values := range up.one(t).Header {
					if slices.Contains(values, "admin") {
						t.Errorf("reached the upstream as %s", name)
					}
				}
			}
		})
	}
}

func TestHDR12Trailer(t *testing.T) {
	trailers := make(chan http.Header, 8)
	s, _ := headerSite(t, "", "", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		trailers <- r.Trailer.Clone()
	})
	const body = "5\r\nhello\r\n0\r\nX-Auth-User: admin\r\nX_Auth_User: admin\r\nX-Sum: 5\r\n\r\n"
	for _, announce := range []string{"Trailer: X-Auth-User, X-Sum", "Trailer: X-Sum", "X-Nothing: 1", "Connection: Trailer\r\nTrailer: X-Auth-User"} {
		for _, target := range []string{"POST /", "POST /app/"} {
			a := s.ask(target, "Cookie: "+signedIn(t, person("eve")), "Transfer-Encoding: chunked", announce, "", body)
			if a.StatusCode != http.StatusOK {
				t.Fatal(a.Status)
			}
			for name, values := range <-trailers {
				if slices.Contains(values, "admin") {
					t.Errorf("%s: trailer %s reached the upstream", announce, name)
				}
			}
		}
	}
}

// TestHDR03OtherSites: names that a site could use are removed where it
// does not use them, and so are those that another site uses.
func TestHDR03OtherSites(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth /app/* {
		secret `+secret+`
		provider dev
	}
	reverse_proxy `+up.addr()+`
}
http://other.localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		headers {
			X-Special {http.auth.user.id}
		}
	}
	reverse_proxy `+up.addr()+`
}
`)
	for _, target := range []string{"GET /", "GET /app/"} {
		s.ask(target, "Cookie: "+signedIn(t, person("eve")), "Remote-User: admin", "X-Forwarded-User: admin", "X-Special: admin", "X_Special: admin", "X-Auth-Request-Anything: admin")
		for name, values := range up.one(t).Header {
			if slices.Contains(values, "admin") {
				t.Errorf("%s: %s reached the upstream", target, name)
			}
		}
	}
}

// oddNames are display names and what an upstream gets for them.
var oddNames = []struct{ id, name, want string }{
	{"HDR-14 CR and LF", "a\r\nX-Auth-User: admin", "a%0D%0AX-Auth-User: admin"},
	{"HDR-14 NUL", "a\x00b", "a%00b"},
	{"HDR-14 DEL and tab", "a\x7f\tb", "a%7F%09b"},
	{"HDR-15 accents", "é 名", "%C3%A9 %E5%90%8D"},
	{"HDR-15 spaces at the ends", "  padded  ", "%20 padded %20"},
	{"HDR-15 percent", "100%0d", "100%250d"},
	{"HDR-15 bidi", "a\u202eb", "a%E2%80%AEb"},
	{"HDR-17 environment", "{env.CADDYAUTH_TEST_CANARY}", "{env.CADDYAUTH_TEST_CANARY}"},
	{"HDR-17 file", "{file./etc/hostname}", "{file./etc/hostname}"},
	{"HDR-17 request", "{http.request.header.X-Probe}", "{http.request.header.X-Probe}"},
	{"HDR-17 itself", "{http.auth.user.name}", "{http.auth.user.name}"},
	{"HDR-17 unbalanced", "}{{\\{{env.CADDYAUTH_TEST_CANARY}", "}{{\\{{env.CADDYAUTH_TEST_CANARY}"},
}

// TestClaimsInHeaders: whatever a claim holds, the request reaches the
// upstream, and the value means what it says. Placeholders in it are text, in
// every directive that can carry one.
func TestClaimsInHeaders(t *testing.T) {
	t.Setenv("CADDYAUTH_TEST_CANARY", "canary-value")
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	route {
	caddyauth {
		secret `+secret+`
		provider dev
		headers remote {
			X-Name {http.auth.user.name}
		}
	}
	vars who "{http.auth.user.name}"
	request_header X-Directive "{http.auth.user.login}"
	handle /respond {
		respond "{http.auth.user.name}|{vars.who}"
	}
	handle {
		reverse_proxy `+up.addr()+` {
			header_up X-Up "{http.auth.user.login}"
		}
	}
	}
}
`)
	for _, tc := range oddNames {
		t.Run(tc.id, func(t *testing.T) {
			claims := person("eve", map[string]any{"login": "x{env.CADDYAUTH_TEST_CANARY}"})
			claims["name"] = tc.name
			cookie := "Cookie: " + signedIn(t, claims)
			if a := s.ask("GET /", cookie, "X-Probe: probe"); a.StatusCode != http.StatusOK {
				t.Fatal(a.Status)
			}
			h := up.one(t).Header
			for _, name := range []string{"X-Name", "Remote-Name"} {
				if got := h.Get(name); got != tc.want {
					t.Errorf("%s: %q, want %q", name, got, tc.want)
				}
			}
			for _, name := range []string{"X-Up", "X-Directive"} {
				if got := h.Get(name); got != "x{env.CADDYAUTH_TEST_CANARY}" {
					t.Errorf("%s: %q", name, got)
				}
			}
			if a := s.ask("GET /respond", cookie, "X-Probe: probe"); a.body != tc.name+"|"+tc.name {
				t.Errorf("respond: %q, want the name as it is, twice", a.body)
			}
		})
	}
	t.Run("HDR-15 separators in groups", func(t *testing.T) {
		cookie := "Cookie: " + signedIn(t, person("eve", map[string]any{"groups": []string{"a,admin", "b;c", " d", "é", "plain group"}}))
		s.ask("GET /", cookie)
		if got, want := up.one(t).Header.Get("Remote-Groups"), "a%2Cadmin,b%3Bc,%20d,%C3%A9,plain group"; got != want {
			t.Errorf("Remote-Groups: %q, want %q", got, want)
		}
	})
}

// TestHDR17WholeWay is the same for a name that came through sign-in: from the
// users file by way of the token into pages, headers and the session endpoint.
func TestHDR17WholeWay(t *testing.T) {
	t.Setenv("CADDYAUTH_TEST_CANARY", "canary-value")
	file := filepath.Join(t.TempDir(), "users.yml")
	const name = `{env.CADDYAUTH_TEST_CANARY}{file./etc/hostname}<b>`
	yaml := strings.Replace(usersYAML, "Alice Example", "'"+name+"'", 1)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	up := newUpstream(t, nil)
	s := start(t, fmt.Sprintf(`
http://localhost:{PORT} {
	caddyauth {
		secret %s
		users %s
		allow /admin/* group wheel
		headers
	}
	reverse_proxy %s
}
`, secret, file, up.addr()))
	b := s.browser()
	b.password("alice", "alice", "/")
	b.get("/")
	if got := up.one(t).Header.Get("Remote-Name"); got != name {
		t.Errorf("Remote-Name: %q", got)
	}
	for _, path := range []string{"/admin/", "/api/auth/session", "/api/auth/signout"} {
		a := b.get(path)
		if strings.Contains(a.body, "canary-value") || path != "/api/auth/session" && strings.Contains(a.body, "<b>") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}
