package caddyauth_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// other is a browser at the second site of a test, which has the same port on
// another loopback name.
func (s *server) other() *browser {
	b := s.browser()
	b.base = "http://127.0.0.1:" + s.Port
	return b
}

// providerIDs returns the ids that GET /providers lists, in its order.
func (b *browser) providerIDs() string {
	b.t.Helper()
	var ids []string
	dec := json.NewDecoder(strings.NewReader(b.get("/api/auth/providers").body))
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			return strings.Join(ids, " ")
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' {
				depth++
			} else {
				depth--
			}
		case string:
			if depth == 1 {
				ids = append(ids, v)
			}
		}
	}
}

// statuses asks for paths, signed in or not, and writes down the answers.
func (b *browser) statuses(paths ...string) string {
	b.t.Helper()
	var list []string
	for _, p := range paths {
		list = append(list, p+" "+http.StatusText(b.get(p).StatusCode))
	}
	return strings.Join(list, ", ")
}

// TestMerge has what a site makes of the global option.
func TestMerge(t *testing.T) {
	t.Setenv("AUTH_GITHUB_ID", "a")
	t.Setenv("AUTH_GITHUB_SECRET", "b")
	s := startWith(t, `caddyauth github {
		secret `+secret+`
		users `+usersFile(t)+`
		provider keycloak https://sso.example.com/realms/acme {
			client_id a
			client_secret b
			param prompt login
			name Acme
		}
		public /open/*
		private /open/closed/*
		deny /denied/* any
		allow any
		allow /staff/* group staff
		allow /bob/* user credentials:bob
		headers
	}`, `
http://localhost:{PORT} {
	caddyauth
	respond "{http.request.header.Remote-User}"
}
http://127.0.0.1:{PORT} {
	caddyauth {
		provider dev
		provider keycloak {
			name Site
		}
		public /site/*
		private /open/site/*
		deny /site/denied/* any
		allow user credentials:bob
		allow /staff/* any
		headers none
	}
	respond "{http.request.header.Remote-User}"
}
`)

	t.Run("providers: by id, the global ones first", func(t *testing.T) {
		if got, want := s.browser().providerIDs(), "github credentials keycloak"; got != want {
			t.Errorf("bare: %s, want %s", got, want)
		}
		if got, want := s.other().providerIDs(), "github credentials keycloak dev"; got != want {
			t.Errorf("site: %s, want %s", got, want)
		}
		if body := s.browser().get("/api/auth/providers").body; !strings.Contains(body, `"name":"Acme"`) {
			t.Errorf("bare: %s", body)
		}
		if body := s.other().get("/api/auth/providers").body; !strings.Contains(body, `"name":"Site"`) || strings.Contains(body, "Acme") {
			t.Errorf("site: %s", body)
		}
	})
	t.Run("public, private and deny add", func(t *testing.T) {
		paths := []string{"/open/x", "/open/closed/x", "/denied/x", "/site/x", "/open/site/x", "/site/denied/x"}
		if got, want := s.browser().statuses(paths...), "/open/x OK, /open/closed/x Found, /denied/x Forbidden, /site/x Found, /open/site/x OK, /site/denied/x Found"; got != want {
			t.Errorf("bare:\n got %s\nwant %s", got, want)
		}
		if got, want := s.other().statuses(paths...), "/open/x OK, /open/closed/x Found, /denied/x Forbidden, /site/x OK, /open/site/x Found, /site/denied/x Forbidden"; got != want {
			t.Errorf("site:\n got %s\nwant %s", got, want)
		}
	})
	t.Run("allow replaces its scope", func(t *testing.T) {
		// Global: anybody, staff at /staff, bob at /bob. Site: bob, anybody at
		// /staff, bob at /bob.
		paths := []string{"/", "/staff/x", "/bob/x"}
		for user, want := range map[string]string{
			"alice": "/ OK, /staff/x OK, /bob/x Forbidden",
			"bob":   "/ OK, /staff/x Forbidden, /bob/x OK",
		} {
			b := s.browser()
			b.password(user, user, "/")
			if got := b.statuses(paths...); got != want {
				t.Errorf("bare: %s: %s, want %s", user, got, want)
			}
		}
		b := s.other()
		b.password("bob", "bob", "/")
		if got, want := b.statuses(paths...), "/ OK, /staff/x OK, /bob/x OK"; got != want {
			t.Errorf("site: bob: %s, want %s", got, want)
		}
		if a := s.other().password("alice", "alice", "/"); !strings.Contains(a.Header.Get("Location"), "error=AccessDenied") {
			t.Errorf("site: alice: %s %s", a.Status, a.Header.Get("Location"))
		}
	})
	t.Run("other words replace", func(t *testing.T) {
		b := s.browser()
		b.password("bob", "bob", "/")
		if a := b.get("/"); a.body != "credentials:bob" {
			t.Errorf("bare: %q", a.body)
		}
		b = s.other()
		b.password("bob", "bob", "/")
		if a := b.get("/"); a.body != "" {
			t.Errorf("site: %q", a.body)
		}
	})
}

// TestMergeSharesNothing starts several sites on one global configuration. None
// may change it for the next.
func TestMergeSharesNothing(t *testing.T) {
	s := startWith(t, `caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		session {
			same_site strict
			cookie_prefix acme
			max_age 1h
		}
		pages {
			error /oops
		}
	}`, `
http://localhost:{PORT} {
	caddyauth
	respond ok
}
http://127.0.0.1:{PORT} {
	caddyauth {
		public /site/*
	}
	respond ok
}
`)
	for _, b := range []*browser{s.browser(), s.other()} {
		a := b.password("alice", "alice", "/")
		if got := strings.Join(a.Header.Values("Set-Cookie"), "\n"); !strings.Contains(got, "acme.session-token=") || !strings.Contains(got, "SameSite=Strict") {
			t.Errorf("%s: %s", b.base, got)
		}
		if a := b.get("/oops"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: own page: %s", b.base, a.Status)
		}
	}
	if a := s.browser().get("/site/x"); a.StatusCode != http.StatusFound {
		t.Errorf("what one site opens is open on the other: %s", a.Status)
	}
}

// TestMergeGlobalMatchers has matchers in the global option, which JSON can
// write and a Caddyfile cannot. Each site has its own of them; a matcher that
// got lost on the way would open everything.
func TestMergeGlobalMatchers(t *testing.T) {
	s := newServer(t)
	users, err := json.Marshal(usersFile(t))
	if err != nil {
		t.Fatal(err)
	}
	site := func(host string) string {
		return `{"match": [{"host": ["` + host + `"]}], "terminal": true, "handle": [{"handler": "caddyauth"}, {"handler": "static_response", "body": "ok"}]}`
	}
	s.loadJSON(`{
		"admin": {"disabled": true},
		"apps": {
			"caddyauth": {
				"providers": [{"preset": "credentials", "file": ` + string(users) + `}],
				"secret": ["` + secret + `"],
				"public": [{"scope": "@head", "match": [{"method": ["HEAD"], "path": ["/open/*"]}]}],
				"allow": [{"subject": "any"}, {"scope": "@post", "match": [{"method": ["POST"]}], "subject": "group", "values": ["staff"]}]
			},
			"http": {"servers": {"a": {
				"listen": ["127.0.0.1:` + s.Port + `"],
				"automatic_https": {"disable": true},
				"routes": [` + site("localhost") + `, ` + site("127.0.0.1") + `]
			}}}
		}
	}`)
	for _, b := range []*browser{s.browser(), s.other()} {
		for request, want := range map[string]int{
			"HEAD /open/x": http.StatusOK,
			"GET /open/x":  http.StatusFound,
			"HEAD /x":      http.StatusFound,
		} {
			method, path, _ := strings.Cut(request, " ")
			if a := b.do(method, path, nil); a.StatusCode != want {
				t.Errorf("%s: %s: %s, want %d", b.base, request, a.Status, want)
			}
		}
		b.password("bob", "bob", "/")
		if a := b.get("/x"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: GET: %s", b.base, a.Status)
		}
		if a := b.do(http.MethodPost, "/x", nil); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: POST: %s", b.base, a.Status)
		}
	}
}

// TestMergeModules checks that a site's `provider dev` without personas keeps
// those of the global option.
func TestMergeModules(t *testing.T) {
	s := startWith(t, `caddyauth {
		provider dev {
			name Everywhere
			persona grace {
				name "Grace Hopper"
			}
		}
	}`, `
http://localhost:{PORT} {
	caddyauth {
		provider dev {
			name Here
		}
	}
	respond "{http.auth.user.name}"
}
`)
	b := s.browser()
	if body := b.get("/api/auth/providers").body; !strings.Contains(body, `"name":"Here"`) {
		t.Errorf("providers: %s", body)
	}
	if a := b.persona("grace", "/x"); a.body != "Grace Hopper" {
		t.Errorf("%s %q", a.Status, a.body)
	}
}

// newServer is a server that runs nothing yet.
func newServer(t testing.TB) *server {
	s := &server{t: t, Port: testport.Free(t)}
	s.Base = "http://localhost:" + s.Port
	return s
}

// loadJSON runs a JSON configuration until the end of the test.
func (s *server) loadJSON(config string) {
	s.t.Helper()
	if err := caddy.Load(unkept(s.t, []byte(config)), true); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			s.t.Error(err)
		}
	})
}
