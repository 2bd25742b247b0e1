package caddyauth_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// crowd makes n requests at once, each to the next one of some sites, with the
// cookies of one session, and returns how long each took. All have to be answered
// with 200.
func crowd(t testing.TB, n int, cookies string, sites ...string) []time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	took := make([]time.Duration, n)
	var begin, done sync.WaitGroup
	begin.Add(1)
	for i := range n {
		done.Go(func() {
			req, _ := http.NewRequest(http.MethodGet, sites[i%len(sites)]+"/private", nil)
			req.Header.Set("Cookie", cookies)
			begin.Wait()
			began := time.Now()
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if took[i] = time.Since(began); resp.StatusCode != http.StatusOK {
				t.Errorf("request %d: %s", i, resp.Status)
			}
		})
	}
	begin.Done()
	done.Wait()
	return took
}

// forwarded fails unless the upstream got n requests, all with the token.
func (u *upstream) forwarded(t testing.TB, n int, token string) {
	t.Helper()
	got := u.take()
	if len(got) != n {
		t.Errorf("%d requests, want %d", len(got), n)
	}
	for _, r := range got {
		if r.Header.Get(forwardedToken) != token {
			t.Fatalf("token %q, want %q", r.Header.Get(forwardedToken), token)
		}
	}
}

// TestTIME03AccessTokenIsRenewedOnce has a provider that takes a refresh token that
// comes twice for a theft.
func TestTIME03AccessTokenIsRenewedOnce(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			s, up, op := forwarding(t, "", more)
			op.Lifetime = time.Second
			b := s.browser()
			b.oauth("op", "/api/auth/csrf")
			time.Sleep(1100 * time.Millisecond) // it has just expired
			op.Change(func() { op.Lifetime = time.Hour })
			up.take()
			crowd(t, 1000, b.cookieHeader(), s.Base)
			up.forwarded(t, 1000, "leak-access-2")
			if n := op.Grants("refresh_token"); n != 1 {
				t.Errorf("%d refreshes", n)
			}
			s.noTokensLogged()
		})
	}
}

// TestTIME04TwoProcessesRenewOnce has a second Caddy on the same store, in a
// process of its own.
func TestTIME04TwoProcessesRenewOnce(t *testing.T) {
	for _, kind := range []struct{ store, strategy string }{
		{"redis", "jwt"}, {"redis", "database"}, {"postgres", "jwt"}, {"postgres", "database"},
	} {
		t.Run(kind.store+" "+kind.strategy, func(t *testing.T) {
			up, op, kept := newUpstream(t, nil), lyingop.New(t), "redis "
			if kind.store == "redis" {
				kept += testdb.Redis(t).URL
			} else {
				kept = "postgres " + testdb.Postgres(t).DSN
			}
			site := `
http://localhost:{PORT} {
	log
	caddyauth {
		secret ` + secret + `
		` + oauth2Lines(t, op) + `
		store ` + kept + `
		session {
			strategy ` + kind.strategy + `
		}
		allow any
		access_token
	}
	reverse_proxy ` + up.addr() + `
}
`
			s, there := start(t, site), testport.Free(t)
			startElsewhere(t, there, "", site, func() error {
				conn, err := net.Dial("tcp", "127.0.0.1:"+there)
				if err == nil {
					conn.Close()
				}
				return err
			})
			other := "http://localhost:" + there
			op.Lifetime = time.Second
			b := s.browser()
			b.oauth("op", "/api/auth/csrf")
			crowd(t, 2, b.cookieHeader(), s.Base, other) // both have read what is there
			time.Sleep(1100 * time.Millisecond)
			refreshes := op.Grants("refresh_token")
			op.Change(func() { op.Lifetime = time.Hour })
			// It takes so long that whoever does not wait for the other one asks as well.
			op.Replace(lyingop.Token, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(300 * time.Millisecond)
				op.Answer(w, r)
			})
			up.take()
			crowd(t, 400, b.cookieHeader(), s.Base, other)
			last := op.Grants("refresh_token")
			if last != refreshes+1 {
				t.Errorf("%d refreshes", last-refreshes)
			}
			for _, r := range up.take() {
				if got := r.Header.Get(forwardedToken); got != fmt.Sprint("leak-access-", last+1) {
					t.Fatalf("token %q after %d refreshes", got, last)
				}
			}
			if body := b.get(other + "/api/auth/session").body; !strings.Contains(body, lyingop.Email) {
				t.Errorf("session %s", body)
			}
		})
	}
}

// A provider that fails for a moment logs nobody out, and is asked again.
func TestTIME06ProviderFailsForAMoment(t *testing.T) {
	for name, more := range tokenStrategies {
		t.Run(name, func(t *testing.T) {
			s, up, op := forwarding(t, "", more)
			op.Lifetime = 2 * time.Second
			b := s.browser()
			b.oauth("op", "/api/auth/csrf")
			up.take()
			op.Replace(lyingop.Token, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) })
			crowd(t, 50, b.cookieHeader(), s.Base)
			up.forwarded(t, 50, "leak-access-1") // which is good for now
			time.Sleep(2100 * time.Millisecond)
			crowd(t, 50, b.cookieHeader(), s.Base)
			up.forwarded(t, 50, "")
			if n := op.Grants("refresh_token"); n < 1 || n > 2 {
				t.Errorf("%d attempts", n)
			}
			if body := b.get("/api/auth/session").body; !strings.Contains(body, lyingop.Email) {
				t.Errorf("session %s", body)
			}
			if text := s.logText(); !strings.Contains(text, "could not be renewed for now") || strings.Contains(text, "refresh_refused") {
				t.Error("the log does not say so")
			}
		})
	}
}

// TestHangingProvider: what waits for a provider that does not answer is who needs
// it. Other providers, and sessions that need nothing of it, keep their latency.
func TestHangingProvider(t *testing.T) {
	up, good, bad := newUpstream(t, nil), lyingop.New(t), lyingop.New(t)
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", lyingop.ClientSecret)
	provider := func(op *lyingop.OP, id string) string {
		return `provider oidc ` + op.URL + ` as ` + id + ` {
			client_id ` + lyingop.ClientID + `
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
		}
`
	}
	s := start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		`+provider(good, "good")+provider(bad, "bad")+`
		allow any
		access_token
		limit off
	}
	reverse_proxy `+up.addr()+`
}
`)
	fine, due, late := s.browser(), s.browser(), s.browser()
	fine.oauth("bad", "/api/auth/csrf")
	bad.Change(func() { bad.Lifetime = 30 * time.Second })
	due.oauth("bad", "/api/auth/csrf")
	bad.Change(func() { bad.Lifetime = time.Second })
	late.oauth("bad", "/api/auth/csrf")
	other := s.browser()
	other.oauth("good", "/api/auth/csrf")
	time.Sleep(1100 * time.Millisecond)

	release := make(chan struct{})
	for _, path := range []string{lyingop.Token, lyingop.JWKS, lyingop.Discovery, lyingop.Userinfo} {
		bad.Replace(path, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
	}
	defer close(release)
	up.take()

	// Who has to wait for it waits, in large numbers.
	var waiting sync.WaitGroup
	for _, b := range []*browser{due, late} {
		waiting.Go(func() {
			for _, d := range crowd(t, 100, b.cookieHeader(), s.Base) {
				if d > 15*time.Second {
					t.Errorf("waited for %v", d)
				}
			}
		})
	}
	waiting.Go(func() {
		b := s.browser()
		a := b.do(http.MethodPost, "/api/auth/signin/bad", url.Values{"csrfToken": {b.csrf()}})
		to, err := a.Location()
		if err != nil {
			t.Error(a.Status)
			return
		}
		began := time.Now()
		back := b.get(to.String())
		a = b.submit(back)
		if d := time.Since(began); d > 15*time.Second || !strings.Contains(a.Header.Get("Location"), "error=OAuthCallback") {
			t.Errorf("a sign-in: %s to %s after %v", a.Status, a.Header.Get("Location"), d)
		}
	})
	for until := time.Now().Add(5 * time.Second); bad.Grants("refresh_token") == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("nobody asks the provider")
		}
	}

	// The others do not.
	quick := func(what string, f func()) {
		t.Helper()
		took := make([]time.Duration, 20)
		for i := range took {
			began := time.Now()
			f()
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		t.Logf("%s: %v, %v at most", what, took[len(took)/2], took[len(took)-1])
		if took[len(took)/2] > 250*time.Millisecond {
			t.Errorf("%s: %v", what, took)
		}
	}
	for what, b := range map[string]*browser{"a session of the same provider": fine, "one of another": other} {
		quick(what, func() {
			if a := b.get("/private"); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", what, a.Status)
			}
		})
	}
	quick("a sign-in at another", func() {
		if a := s.browser().oauth("good", "/api/auth/session"); !strings.Contains(a.body, lyingop.Email) {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	quick("the sign-in page", func() {
		if a := s.browser().get("/api/auth/signin"); a.StatusCode != http.StatusOK {
			t.Error(a.Status)
		}
	})
	waiting.Wait()
	if n := bad.Grants("refresh_token"); n != 2 {
		t.Errorf("%d refreshes for two sessions", n)
	}
}
