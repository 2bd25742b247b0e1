package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// oidcLines configure an OP as an OpenID Provider.
func oidcLines(t testing.TB, op *lyingop.OP, id string) string {
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", lyingop.ClientSecret)
	return `provider oidc ` + op.URL + ` as ` + id + ` {
			client_id ` + lyingop.ClientID + `
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
			userinfo on
		}
		`
}

// back sends the browser to a provider and returns what that sends it back with,
// without going there.
func (b *browser) back(id string) *url.URL {
	b.t.Helper()
	a := b.do(http.MethodPost, "/api/auth/signin/"+id, url.Values{"csrfToken": {b.csrf()}})
	to, err := a.Location()
	if err != nil {
		b.t.Fatal(a.Status)
	}
	back, err := b.get(to.String()).Location()
	if err != nil {
		b.t.Fatal(err)
	}
	return back
}

// nobody fails if the browser has a session, or if the last failure in the log is
// for another reason.
func (s *server) nobody(t *testing.T, b *browser, reason string) {
	t.Helper()
	if body := b.get("/api/auth/session").body; body != "{}" {
		t.Errorf("session %s", body)
	}
	lines := s.failures()
	if len(lines) == 0 || lines[len(lines)-1]["reason"] != reason {
		t.Errorf("log %v, want the reason %s", lines, reason)
	}
}

// Two providers, of which one is the attacker's.
func TestMixUp(t *testing.T) {
	a, b := lyingop.New(t), lyingop.New(t)
	s := start(t, siteWith("secret "+secret+"\n"+oidcLines(t, a, "a")+oidcLines(t, b, "b")+"allow any"))
	tokens := func(want int) {
		t.Helper()
		if n := a.Count(lyingop.Token) + b.Count(lyingop.Token); n != want {
			t.Errorf("%d token requests, want %d", n, want)
		}
	}
	t.Run("TOKEN-04 code of one at the callback of the other", func(t *testing.T) {
		for _, both := range []bool{false, true} {
			br := s.browser()
			if both {
				br.back("b") // another flow, under way at the other one
			}
			back := br.back("a")
			back.Path = strings.TrimSuffix(back.Path, "a") + "b"
			br.get(back.String())
			s.nobody(t, br, "state_invalid")
		}
		tokens(0)
		for _, op := range []*lyingop.OP{a, b} {
			for _, seen := range op.Seen(lyingop.Authorization) {
				if uri, id := seen.Query.Get("redirect_uri"), map[*lyingop.OP]string{a: "a", b: "b"}[op]; uri != s.Base+"/api/auth/callback/"+id {
					t.Errorf("redirect_uri %q at %s", uri, id)
				}
			}
		}
	})
	t.Run("TOKEN-02 iss of the other", func(t *testing.T) {
		br := s.browser()
		back := br.back("a")
		back.RawQuery += "&iss=" + url.QueryEscape(b.URL)
		br.get(back.String())
		s.nobody(t, br, "iss_mismatch")
		tokens(0)
	})
	t.Run("TOKEN-05 code of the attacker's own sign-in", func(t *testing.T) {
		theirs := s.browser().back("a").Query().Get("code")
		br := s.browser()
		back := br.back("a")
		q := back.Query()
		q.Set("code", theirs)
		back.RawQuery = q.Encode()
		br.get(back.String())
		s.nobody(t, br, "token_endpoint_error")
		tokens(1)
	})
	t.Run("TOKEN-08 tokens in place of a code", func(t *testing.T) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			br := s.browser()
			back := br.back("a")
			q := url.Values{
				"state": {back.Query().Get("state")}, "access_token": {"leak-access-1"}, "token_type": {"bearer"},
				"id_token": {a.Key.Sign(`{"sub":"subject"}`, nil)},
			}
			if method == http.MethodGet {
				br.get("/api/auth/callback/a?" + q.Encode())
			} else {
				br.do(method, "/api/auth/callback/a", q)
			}
			s.nobody(t, br, "code_missing")
		}
		tokens(1)
		if n := a.Count(lyingop.Userinfo) + b.Count(lyingop.Userinfo); n != 0 {
			t.Errorf("%d userinfo requests", n)
		}
	})
	t.Run("NONCE-04 ID token of an earlier sign-in", func(t *testing.T) {
		var first string
		a.RawToken = func(raw string) string {
			if first == "" {
				first = raw
			}
			return first
		}
		defer func() { a.RawToken = nil }()
		if got := s.browser().oauth("a", "/api/auth/session").body; !strings.Contains(got, lyingop.Email) {
			t.Fatalf("session %s", got)
		}
		br := s.browser()
		br.oauth("a", "/")
		s.nobody(t, br, "nonce_mismatch")
	})
}

// TestIDP06DownAtTheStart has a provider that is away when Caddy starts.
func TestIDP06DownAtTheStart(t *testing.T) {
	op := lyingop.New(t)
	op.Replace(lyingop.Discovery, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) })
	site := siteWith("secret " + secret + "\nusers " + usersFile(t) + "\n" + oidcLines(t, op, "op") + "allow any\nlimit off")
	s := start(t, site)
	alice := s.browser()
	alice.password("alice", "alice", "/")
	inside := func(when string) {
		t.Helper()
		if a := alice.get("/private"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", when, a.Status)
		}
	}
	inside("at first")
	b := s.browser()
	a := b.do(http.MethodPost, "/api/auth/signin/op", url.Values{"csrfToken": {b.csrf()}})
	if !strings.Contains(a.Header.Get("Location"), "error=OAuthSignin") {
		t.Errorf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	s.nobody(t, b, "provider_unavailable")
	if page := b.follow(a); page.StatusCode != http.StatusOK || !strings.Contains(page.body, "did not answer") {
		t.Errorf("%s\n%s", page.Status, page.body)
	}
	if err := s.load("", site); err != nil {
		t.Fatalf("a reload: %v", err)
	}
	inside("after a reload")

	op.Replace(lyingop.Discovery, nil)
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if a := s.browser().oauth("op", "/api/auth/session"); strings.Contains(a.body, lyingop.Email) {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("nobody can sign in after the outage\n%v", s.failures())
		}
	}
}
