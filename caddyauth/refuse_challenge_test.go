package caddyauth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testissuer"
)

// Where Caddy writes the refusals, programs still learn how to do better.
func TestRefuseCaddyChallenges(t *testing.T) {
	op := testissuer.New(t)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		store memory
		tokens
		bearer session
		bearer {
			issuer `+op.URL+`
			audience orders
		}
		allow any
		allow /staff/* role staff
		step_up /vault/* max_age 5m
		pages {
			refuse caddy
		}
	}
	respond here
	handle_errors {
		respond "mine" {err.status_code}
	}
}
`)
	hour := time.Now().Add(-time.Hour)
	old := "Cookie: " + signedIn(t, person("eve", map[string]any{"auth_time": hour.Unix(), "since": hour.UnixMilli()}))
	for _, c := range []struct {
		name, line, field string
		status            int
		want              []string
	}{
		{"nothing", "GET /x", "X-None: x", 401, []string{`Bearer realm="`, `Session realm="`, `Basic realm="`}},
		{"a bad access token", "GET /x", bearerField(op.Token(t, op.Claims("payments"))), 401, []string{`error="invalid_token"`}},
		{"a bad session token", "GET /x", bearerField("a.b.c.d.e"), 401, []string{`error="invalid_token"`}},
		{"a token without the role", "GET /staff/x", bearerField(op.Token(t, op.Claims("orders"))), 403, []string{`error="insufficient_scope"`}},
		{"an old sign-in", "POST /vault/x", old, 401, []string{`error="insufficient_user_authentication"`, `max_age="300"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.ask(c.line, c.field)
			challenge := strings.Join(a.Header.Values("Www-Authenticate"), "\n")
			if a.StatusCode != c.status || a.body != "mine" {
				t.Errorf("%s %s", a.Status, a.body)
			}
			for _, want := range c.want {
				if !strings.Contains(challenge, want) {
					t.Errorf("challenge %q lacks %s", challenge, want)
				}
			}
		})
	}
	if a := s.browser().get("/x"); a.StatusCode != http.StatusFound || a.Header.Get("Www-Authenticate") != "" {
		t.Errorf("a page load: %s %v", a.Status, a.Header)
	}
}

// TestReferencePlaceholder: a page that handle_errors writes can show the reference of
// the log's line.
func TestReferencePlaceholder(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		allow any
		allow /staff/* role staff
		public /broken
		pages {
			refuse caddy
		}
	}
	error /broken 500
	respond here
	handle_errors {
		respond "reference [{http.auth.reference}]" {err.status_code}
	}
}
`)
	eve := "Cookie: " + signedIn(t, person("eve"))
	seen := make(map[string]bool)
	for _, c := range []struct {
		line, field string
		status      int
		message     string
	}{
		{"GET /x", "X-None: x", 401, "sign-in required"},
		{"GET /staff/x", eve, 403, "access denied"},
		{"GET /staff/x", eve, 403, "access denied"},
		{"GET /x%00", eve, 400, "request refused"},
		{"TRACE /x", eve, 405, "request refused"},
	} {
		a := s.ask(c.line, c.field, "X-Auth-Reference: SPOOFED")
		_, rest, _ := strings.Cut(a.body, "reference [")
		reference, _, closed := strings.Cut(rest, "]")
		if a.StatusCode != c.status || !closed || len(reference) != 8 || seen[reference] {
			t.Errorf("%s: %s %s", c.line, a.Status, a.body)
			continue
		}
		seen[reference] = true
		found := 0
		for _, l := range s.logged() {
			if l["reference"] == reference {
				found++
				if l["msg"] != c.message {
					t.Errorf("%s: the log says %v", c.line, l)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d lines of the log have %s", c.line, found, reference)
		}
	}
	// What else fails has none.
	if a := s.ask("GET /broken"); a.StatusCode != 500 || a.body != "reference []" {
		t.Errorf("%s %s", a.Status, a.body)
	}
}
