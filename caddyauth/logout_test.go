package caddyauth_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testissuer"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// leavingOP is an OpenID Provider with one session, which is alice's, and which ends
// it as it is told to.
type leavingOP struct {
	*testissuer.Issuer

	mu      sync.Mutex
	sid     string
	signOut func(q url.Values) string // what the browser's return has for a query; nil: the state
	noEnd   bool                      // there is no end_session_endpoint
	starts  []url.Values              // authorization requests
	ends    []url.Values              // logout requests
	nonces  map[string]string         // by code
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

func newLeavingOP(t testing.TB) *leavingOP {
	op := &leavingOP{Issuer: testissuer.New(t), sid: "idp-session-1", nonces: make(map[string]string)}
	keys := op.Issuer
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		m := map[string]any{
			"issuer": op.URL, "authorization_endpoint": op.URL + "/auth", "token_endpoint": op.URL + "/token", "jwks_uri": op.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
		}
		if !op.noEnd {
			m["end_session_endpoint"] = op.URL + "/end"
		}
		_ = json.NewEncoder(w).Encode(m)
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		op.mu.Lock()
		defer op.mu.Unlock()
		op.starts = append(op.starts, q)
		code := rand.Text()
		op.nonces[code] = q.Get("nonce")
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": q["state"]}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		op.mu.Lock()
		nonce, sid := op.nonces[r.FormValue("code")], op.sid
		op.mu.Unlock()
		id := op.Token(t, op.Claims("client", map[string]any{
			"sub": "alice", "nonce": nonce, "sid": sid, "email": "alice@example.com", "client_id": nil, "scope": nil,
		}), map[string]any{"alg": "RS256", "typ": "JWT"})
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "leak-access", "token_type": "Bearer", "id_token": id})
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		op.mu.Lock()
		defer op.mu.Unlock()
		op.ends = append(op.ends, q)
		back := url.Values{"state": q["state"]}.Encode()
		if op.signOut != nil {
			back = op.signOut(q)
		}
		http.Redirect(w, r, q.Get("post_logout_redirect_uri")+"?"+back, http.StatusFound)
	})
	mux.Handle("/", keys)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	op.URL = server.URL
	return op
}

func (op *leavingOP) set(change func()) {
	op.mu.Lock()
	defer op.mu.Unlock()
	change()
}

// last returns the latest authorization and logout requests.
func (op *leavingOP) last() (start, end url.Values) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if n := len(op.starts); n > 0 {
		start = op.starts[n-1]
	}
	if n := len(op.ends); n > 0 {
		end = op.ends[n-1]
	}
	return start, end
}

// logoutToken says that the session has ended.
func (op *leavingOP) logoutToken(t testing.TB, more ...map[string]any) string {
	t.Helper()
	claims := append([]map[string]any{{
		"sub": "alice", "sid": op.sid, "events": map[string]any{logoutEvent: map[string]any{}}, "client_id": nil, "scope": nil,
	}}, more...)
	return op.Token(t, op.Claims("client", claims...), map[string]any{"alg": "RS256", "typ": "logout+jwt"})
}

// logoutSite is a site whose provider op is that one.
func logoutSite(t testing.TB, words string) (*server, *leavingOP) {
	t.Helper()
	op, up := newLeavingOP(t), newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+op.URL+` as op {
			client_id client
			client_secret secret
		}
		public /open
		`+words+`
	}
	reverse_proxy `+up.addr()+`
}
http://localhost:`+testport.Free(t)+` {
	reverse_proxy `+up.addr()+`
}
`), op
}

// signedIn reports whether the browser has a session.
func (b *browser) signedIn() bool {
	b.t.Helper()
	return strings.Contains(b.get("/api/auth/session").body, "alice")
}

// enter signs in, and makes sure of it.
func (b *browser) enter() {
	b.t.Helper()
	if b.oauth("op", "/"); !b.signedIn() {
		b.t.Fatal("not signed in")
	}
}

func (b *browser) leave(callbackURL string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {callbackURL}})
}

// backchannel sends a logout token, as the provider does.
func (s *server) backchannel(token string, header ...string) answer {
	s.t.Helper()
	b := s.browser()
	return b.do(http.MethodPost, "/api/auth/backchannel-logout/op", url.Values{"logout_token": {token}}, append([]string{"Accept", "", "Sec-Fetch-Mode", "", "Sec-Fetch-Site", ""}, header...)...)
}

// logged reports how many lines have that message.
func (s *server) linesOf(message string) (lines []map[string]any) {
	for _, l := range s.logged() {
		if l["msg"] == message {
			lines = append(lines, l)
		}
	}
	return lines
}

var logoutStrategies = map[string]string{
	"jwt": "", "v5": "compat v5", "stored": "store memory", "database": "store memory\nsession {\nstrategy database\n}",
}

func TestOUT05RPInitiatedLogout(t *testing.T) {
	const module = "oidcc-client-test-rp-init-logout"
	for name, words := range logoutStrategies {
		t.Run(name, func(t *testing.T) {
			s, op := logoutSite(t, "logout\n"+words)
			for _, tc := range []struct {
				name    string
				signOut func(url.Values) string
				ends    string
			}{
				{module, nil, "/open"},
				{module + "-other-state", func(url.Values) string { return "state=another" }, "/"},
				{module + "-no-state", func(url.Values) string { return "" }, "/"},
				{"a state that comes twice", func(q url.Values) string { return "state=x&state=y" }, "/"},
			} {
				t.Run(tc.name, func(t *testing.T) {
					op.set(func() { op.signOut = tc.signOut })
					b := s.browser()
					b.enter()
					stolen := b.cookieHeader()
					a := b.leave("/open")
					if b.signedIn() {
						t.Fatal("still signed in")
					}
					if !strings.HasPrefix(a.Header.Get("Location"), op.URL+"/end?") {
						t.Fatalf("%s %s", a.Status, a.Header.Get("Location"))
					}
					back := b.get(a.Header.Get("Location"))
					done := b.get(back.Header.Get("Location"))
					if got := done.Header.Get("Location"); got != s.Base+strings.TrimSuffix(tc.ends, "/") {
						t.Errorf("ends at %q", got)
					}
					if done.Header.Get("Cache-Control") != "private, no-cache, no-store" {
						t.Errorf("%v", done.Header)
					}
					_, q := op.last()
					if q.Get("client_id") != "client" || q.Get("post_logout_redirect_uri") != s.Base+"/api/auth/signed-out" || len(q.Get("state")) < 32 {
						t.Errorf("%v", q)
					}
					if strings.Count(q.Get("id_token_hint"), ".") != 2 {
						t.Errorf("id_token_hint %q", q.Get("id_token_hint"))
					}
					if text := s.logText(); strings.Contains(text, q.Get("id_token_hint")) || strings.Contains(text, q.Get("state")) {
						t.Error("the ID token or the state is in the log")
					}
					if a := s.browser().get("/api/auth/session", "Cookie", stolen); strings.Contains(a.body, "alice") {
						t.Error("OUT-01: a copy is still good")
					}
				})
			}
			if n := len(s.linesOf("sent to the provider to sign out there")); n != 4 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// revokingSite is a site that forwards access tokens and signs people out at a
// provider that revokes tokens.
func revokingSite(t *testing.T, words string) (*server, *lyingop.OP) {
	t.Helper()
	op, up := lyingop.New(t), newUpstream(t, nil)
	op.Metadata = func(m map[string]any) {
		m["revocation_endpoint"], m["end_session_endpoint"] = op.URL+lyingop.Revocation, op.URL+lyingop.EndSession
	}
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", lyingop.ClientSecret)
	return start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+op.URL+` as op {
			client_id `+lyingop.ClientID+`
			client_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}
		}
		allow any
		access_token
		`+words+`
	}
	reverse_proxy `+up.addr()+`
}
`), op
}

// Who signs out leaves no refresh token behind that is good, where it was the
// session's alone.
func TestSignOutRevokes(t *testing.T) {
	for name, tc := range map[string]struct {
		words string
		asked int
	}{
		"v4": {"logout", 1}, "v5": {"logout\ncompat v5", 1},
		"off": {"", 0}, "only the other way": {"logout {\nprovider off\nbackchannel\n}", 0},
		"tokens of the account": {"logout\nstore memory", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, op := revokingSite(t, tc.words)
			b := s.browser()
			b.oauth("op", "/api/auth/csrf")
			b.leave("/")
			seen := op.Seen(lyingop.Revocation)
			if len(seen) != tc.asked {
				t.Fatalf("%d requests", len(seen))
			}
			s.noTokensLogged()
			if n := len(s.linesOf("the provider's refresh token was revoked")); n != tc.asked {
				t.Errorf("%d lines", n)
			}
			if tc.asked == 0 {
				return
			}
			if got := seen[0].Form.Get("token"); got != "leak-refresh-1" {
				t.Errorf("revoked %q", got)
			}
			b.leave("/") // nobody is left to sign out
			if n := op.Count(lyingop.Revocation); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A provider that hangs, or refuses, keeps nobody from leaving.
func TestSignOutDoesNotWaitForRevocation(t *testing.T) {
	s, op := revokingSite(t, "logout")
	release := make(chan struct{})
	defer close(release)
	for name, h := range map[string]http.HandlerFunc{
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"refuses": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, op.URL+"/other", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			op.Replace(lyingop.Revocation, h)
			b := s.browser()
			b.oauth("op", "/api/auth/csrf")
			before, began := len(s.linesOf(unrevoked)), time.Now()
			a := b.leave("/")
			if took := time.Since(began); took > 3*time.Second || !strings.HasPrefix(a.Header.Get("Location"), op.URL+lyingop.EndSession+"?") {
				t.Errorf("%s to %q after %v", a.Status, a.Header.Get("Location"), took)
			}
			if b.get("/private").StatusCode != http.StatusFound || strings.Contains(b.cookieHeader(), "tokens") {
				t.Error("still signed in")
			}
			if n := len(s.linesOf(unrevoked)) - before; n != 1 || op.Count("/other") != 0 {
				t.Errorf("%d lines, %d requests elsewhere", n, op.Count("/other"))
			}
		})
	}
	s.noTokensLogged()
}

const unrevoked = "signed out, but the provider's refresh token could not be revoked: it stays good for whoever has it"

// A site that waits to be told of logouts hears of a provider that tells nobody: at
// once when somebody goes there, and once.
func TestLogoutThatNobodyTells(t *testing.T) {
	for name, tc := range map[string]struct {
		words string
		lines int
	}{"waits": {"logout {\nbackchannel\n}", 1}, "does not": {"logout", 0}} {
		t.Run(name, func(t *testing.T) {
			s, _ := logoutSite(t, tc.words)
			for range 2 {
				s.browser().enter()
			}
			if n := strings.Count(s.logText(), "does not say that it supports back-channel logout"); n != tc.lines {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// next-auth's client follows an address in a body.
func TestRPInitiatedLogoutForScripts(t *testing.T) {
	s, op := logoutSite(t, "logout")
	b := s.browser()
	b.enter()
	a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {"/open"}, "json": {"true"}})
	var got struct{ URL string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || !strings.HasPrefix(got.URL, op.URL+"/end?") || a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
	if back := b.follow(b.get(got.URL)); back.Request.URL.Path != "/open" {
		t.Errorf("ends at %s", back.Request.URL)
	}
	// Nobody has signed out: there is nothing to end.
	if a := b.leave("/open"); a.Header.Get("Location") != s.Base+"/open" {
		t.Errorf("%s", a.Header.Get("Location"))
	}
}

// The return is this browser's, and leads where it was to lead.
func TestSignedOutIsNoRedirector(t *testing.T) {
	s, _ := logoutSite(t, "logout")
	mallory := s.browser()
	mallory.enter()
	theirs := mallory.get(mallory.leave("/open").Header.Get("Location")).Header.Get("Location")
	victim := s.browser()
	victim.enter()
	if a := victim.get(theirs); a.Header.Get("Location") != s.Base || !victim.signedIn() {
		t.Errorf("%q, signed in: %v", a.Header.Get("Location"), victim.signedIn())
	}
	for _, target := range []string{"?state=x&callbackUrl=https%3A%2F%2Fevil.example", "?callbackUrl=//evil.example", ""} {
		if a := victim.get("/api/auth/signed-out" + target); a.Header.Get("Location") != s.Base {
			t.Errorf("%s: %q", target, a.Header.Get("Location"))
		}
	}
	if a := victim.get("/api/auth/signed-out/op"); a.StatusCode != 400 {
		t.Errorf("below it: %s", a.Status)
	}
}

// A provider without a sign-out of its own, or that does not answer, is asked for a
// fresh sign-in: once, and no sooner than somebody has signed in is that forgotten.
func TestPromptLoginNextTime(t *testing.T) {
	for name, words := range map[string]string{"v4": "", "v5": "compat v5"} {
		t.Run(name, func(t *testing.T) {
			s, op := logoutSite(t, "logout\n"+words)
			op.set(func() { op.noEnd = true })
			b := s.browser()
			b.enter()
			if start, _ := op.last(); start.Has("prompt") {
				t.Errorf("%v", start)
			}
			if a := b.leave("/open"); a.Header.Get("Location") != s.Base+"/open" || b.signedIn() {
				t.Fatalf("%s", a.Header.Get("Location"))
			}
			form := url.Values{"csrfToken": {b.csrf()}}
			for range 2 { // begun, and not ended
				b.get(b.do(http.MethodPost, "/api/auth/signin/op", form).Header.Get("Location"))
				if start, _ := op.last(); start.Get("prompt") != "login" {
					t.Errorf("%v", start)
				}
			}
			b.enter()
			if start, _ := op.last(); start.Get("prompt") != "login" {
				t.Errorf("%v", start)
			}
			b.oauth("op", "/")
			if start, _ := op.last(); start.Has("prompt") {
				t.Errorf("afterwards: %v", start)
			}
			other := s.browser()
			other.enter()
			if start, _ := op.last(); start.Has("prompt") {
				t.Errorf("another browser: %v", start)
			}
			if n := len(s.linesOf("the provider has no sign-out of its own: it will be asked for a fresh sign-in")); n != 1 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// Without the word, nothing happens at the provider, and its ID token is not kept.
func TestLogoutStaysHere(t *testing.T) {
	for name, words := range map[string]string{"nothing": "", "off": "logout off", "only the other way": "logout {\nprovider off\nbackchannel\n}"} {
		t.Run(name, func(t *testing.T) {
			s, op := logoutSite(t, words)
			b := s.browser()
			b.enter()
			if strings.Contains(b.cookieHeader(), "next-auth.tokens") {
				t.Errorf("%q: tokens are kept", words)
			}
			if a := b.leave("/open"); a.Header.Get("Location") != s.Base+"/open" {
				t.Errorf("%q: %s", words, a.Header.Get("Location"))
			}
			b.enter()
			if start, _ := op.last(); start.Has("prompt") {
				t.Errorf("%q: %v", words, start)
			}
			if a := b.get("/api/auth/signed-out"); a.StatusCode != 400 {
				t.Errorf("%q: signed-out: %s", words, a.Status)
			}
		})
	}
}

func TestOIDFBackchannelLogout(t *testing.T) {
	const module = "oidcc-client-test-rp-backchannel-rpinitlogout"
	for name, words := range logoutStrategies {
		t.Run(name, func(t *testing.T) {
			s, op := logoutSite(t, "logout {\nbackchannel\n}\n"+words)
			b := s.browser()
			b.enter()
			unsigned := strings.SplitN(op.logoutToken(t), ".", 3)
			bad := map[string]string{
				"-alg-none":    "eyJhbGciOiJub25lIn0." + unsigned[1] + ".",
				"-no-event":    op.logoutToken(t, map[string]any{"events": nil}),
				"-with-nonce":  op.logoutToken(t, map[string]any{"nonce": "n"}),
				"-wrong-alg":   op.Token(t, op.Claims("client", map[string]any{"sid": "idp-session-1", "events": map[string]any{logoutEvent: map[string]any{}}}), map[string]any{"typ": "logout+jwt"}),
				"-wrong-aud":   op.logoutToken(t, map[string]any{"aud": "another"}),
				"-wrong-event": op.logoutToken(t, map[string]any{"events": map[string]any{"other": map[string]any{}}}),
				"-wrong-iss":   op.logoutToken(t, map[string]any{"iss": "https://other.example"}),
			}
			for name, token := range bad {
				a := s.backchannel(token)
				var got struct{ Error string }
				if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != 400 || got.Error != "invalid_request" ||
					!strings.Contains(a.Header.Get("Cache-Control"), "no-store") || a.Header.Get("Content-Type") != "application/json" || len(a.Cookies()) != 0 {
					t.Errorf("%s: %s %v %s", module+name, a.Status, a.Header, a.body)
				}
			}
			if !b.signedIn() {
				t.Fatal("signed out by a token that is no good")
			}

			op.sid = "idp-session-2"
			for name, change := range map[string]map[string]any{"sid": {"sub": nil}, "sub": {"sub": "eve", "sid": nil}} {
				a := s.backchannel(op.logoutToken(t, change))
				if a.StatusCode != 200 || a.body != "" || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") || len(a.Cookies()) != 0 {
					t.Errorf("OUT-07 unknown %s: %s %v %s", name, a.Status, a.Header, a.body)
				}
			}
			if !b.signedIn() {
				t.Fatal("OUT-07: signed out with somebody else")
			}

			op.sid = "idp-session-1"
			token := op.logoutToken(t)
			if a := s.backchannel(token); a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") || len(a.Cookies()) != 0 {
				t.Errorf("%s: %s %v %s", module, a.Status, a.Header, a.body)
			}
			if b.signedIn() {
				t.Error(module + ": still signed in")
			}
			if a := b.get("/"); a.StatusCode != 302 {
				t.Errorf("the gate: %s", a.Status)
			}
			time.Sleep(2 * time.Millisecond)
			b.enter()
			if a := s.backchannel(token); a.StatusCode != 400 || !b.signedIn() {
				t.Errorf("a token twice: %s, signed in: %v", a.Status, b.signedIn())
			}
			if a := s.backchannel(op.logoutToken(t, map[string]any{"sid": nil})); a.StatusCode != 200 || b.signedIn() {
				t.Errorf("by sub: %s, signed in: %v", a.Status, b.signedIn())
			}

			lines := s.linesOf("signed out by the provider")
			if len(lines) != 4 {
				t.Errorf("%d lines", len(lines))
			}
			for _, l := range lines[max(len(lines)-1, 0):] {
				want := float64(0)
				if strings.Contains(words, "store") {
					want = 1
				}
				if l["listed_sessions"] != want || l["by"] != "sub" || l["provider"] != "op" || l["user_id"] != "alice" {
					t.Errorf("%v", l)
				}
			}
			if strings.Contains(s.logText(), token) {
				t.Error("a logout token is in the log")
			}
		})
	}
}

func TestBackchannelRequests(t *testing.T) {
	s, op := logoutSite(t, "logout {\nbackchannel\n}")
	b := s.browser()
	b.enter()
	form := func(token string) url.Values { return url.Values{"logout_token": {token}} }
	for name, a := range map[string]answer{
		"GET":              b.get("/api/auth/backchannel-logout/op?logout_token=" + op.logoutToken(t)),
		"no token":         b.do("POST", "/api/auth/backchannel-logout/op", url.Values{}),
		"in the query":     b.do("POST", "/api/auth/backchannel-logout/op?logout_token="+op.logoutToken(t), url.Values{}),
		"JSON":             b.do("POST", "/api/auth/backchannel-logout/op", form(op.logoutToken(t)), "Content-Type", "application/json"),
		"no type":          b.do("POST", "/api/auth/backchannel-logout/op", form(op.logoutToken(t)), "Content-Type", ""),
		"twice":            b.do("POST", "/api/auth/backchannel-logout/op", url.Values{"logout_token": {op.logoutToken(t), op.logoutToken(t)}}),
		"no provider":      b.do("POST", "/api/auth/backchannel-logout", form(op.logoutToken(t))),
		"another provider": b.do("POST", "/api/auth/backchannel-logout/none", form(op.logoutToken(t))),
		"endless":          b.do("POST", "/api/auth/backchannel-logout/op", form(strings.Repeat("x", 1<<17))),
	} {
		if a.StatusCode != 400 {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if !b.signedIn() {
		t.Error("signed out")
	}
	for name, a := range map[string]answer{
		"front-channel": b.get("/api/auth/frontchannel-logout/op"),
		"login":         b.get("/api/auth/login/op?iss=" + url.QueryEscape(op.URL)),
	} {
		if a.StatusCode != 400 {
			t.Errorf("%s is there although nobody asked for it: %s", name, a.Status)
		}
	}
}

// Anybody can send logout tokens: they cost the provider few requests for its keys,
// and the log few lines, also while those keys cannot be had.
func TestOUT08BackchannelFlood(t *testing.T) {
	for name, tc := range map[string]struct {
		down    bool
		line    string
		fetches int // at most
	}{
		"no good":         {false, "logout request refused", 2},
		"nobody can tell": {true, "a logout at the provider could not be carried out", 4},
	} {
		t.Run(name, func(t *testing.T) {
			op := lyingop.New(t)
			if tc.down {
				op.Replace(lyingop.JWKS, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) })
			}
			s := start(t, siteWith("secret "+secret+"\n"+oidcLines(t, op, "op")+"allow any\nlimit off\nlogout {\nbackchannel\n}"))
			began := time.Now()
			for i := range 300 {
				raw := op.Key.Sign(`{"sub":"subject"}`, map[string]any{"typ": "logout+jwt", "kid": fmt.Sprint("key ", i)})
				if a := s.backchannel(raw); a.StatusCode != 400 {
					t.Fatalf("%s", a.Status)
				}
			}
			// A minute's floor, or a back-off that doubles from a second on.
			if n := op.Count(lyingop.JWKS); n == 0 || n > tc.fetches+int(time.Since(began)/time.Second) {
				t.Errorf("the keys were asked for %d times in %v", n, time.Since(began))
			}
			if n := len(s.linesOf(tc.line)); n == 0 || n > 12 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// The provider's keys cannot be had: nobody says that the token was no good.
func TestBackchannelWithoutKeys(t *testing.T) {
	s, op := logoutSite(t, "logout {\nbackchannel\n}")
	op.SetDown(true)
	a := s.backchannel(op.logoutToken(t))
	if a.StatusCode != 400 || !strings.Contains(a.body, "temporarily_unavailable") || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s", a.Status, a.body)
	}
	op.SetDown(false)
	time.Sleep(1100 * time.Millisecond) // the back-off
	if a := s.backchannel(op.logoutToken(t)); a.StatusCode != 200 {
		t.Errorf("%s %s", a.Status, a.body)
	}
}

func TestOUT09FrontchannelLogout(t *testing.T) {
	const (
		opInit = "oidcc-client-test-rp-frontchannel-opinitlogout"
		rpInit = "oidcc-client-test-rp-frontchannel-rpinitlogout"
	)
	s, op := logoutSite(t, "logout {\nfrontchannel\n}")
	frame := []string{"Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site"}
	target := func(iss, sid string) string {
		return "/api/auth/frontchannel-logout/op?" + url.Values{"iss": {iss}, "sid": {sid}}.Encode()
	}
	b := s.browser()
	b.enter()
	for name, to := range map[string]string{
		"another issuer": target("https://other.example", op.sid), "no issuer": "/api/auth/frontchannel-logout/op?sid=" + op.sid,
		"no sid": "/api/auth/frontchannel-logout/op?iss=" + url.QueryEscape(op.URL), "an empty sid": target(op.URL, ""),
		"a long sid": target(op.URL, op.sid+strings.Repeat("x", 255)),
		"two sids":   target(op.URL, op.sid) + "&sid=x", "another provider": strings.Replace(target(op.URL, op.sid), "/op?", "/x?", 1),
	} {
		a := b.get(to, frame...)
		if a.StatusCode != 400 || a.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'none'" || len(a.Cookies()) != 0 {
			t.Errorf("%s: %s %v", name, a.Status, a.Header)
		}
	}
	if a := b.get(target(op.URL, "another session"), frame...); a.StatusCode != 200 || len(a.Cookies()) != 0 {
		t.Errorf("another session: %s", a.Status)
	}
	if !b.signedIn() {
		t.Fatal("signed out")
	}
	// The frame of a browser that sends no cookies of ours.
	bare := s.browser()
	a := bare.get(target(op.URL, op.sid), frame...)
	if a.StatusCode != 200 || a.Header.Get("X-Frame-Options") != "" || a.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors "+op.URL {
		t.Errorf("%s: %s %v", opInit, a.Status, a.Header)
	}
	if b.signedIn() {
		t.Error(opInit + ": still signed in")
	}
	// The provider's page loads it while somebody signs out here; cookies come along.
	time.Sleep(2 * time.Millisecond)
	b.enter()
	a = b.get(target(op.URL, op.sid), frame...)
	cleared := slices.ContainsFunc(a.Cookies(), func(c *http.Cookie) bool {
		return strings.HasSuffix(c.Name, "session-token") && c.MaxAge < 0
	})
	if a.StatusCode != 200 || !cleared || b.signedIn() {
		t.Errorf("%s: %s %v", rpInit, a.Status, a.Cookies())
	}
	if a := b.leave("/open"); a.StatusCode != 302 {
		t.Errorf("%s: then signing out: %s", rpInit, a.Status)
	}
	var limited bool
	for range 80 {
		limited = limited || bare.get(target(op.URL, "x"), frame...).StatusCode == 429
	}
	if !limited {
		t.Error("no limit")
	}
}

func TestOIDFThirdPartyInitiatedLogin(t *testing.T) {
	const module = "oidcc-client-test-3rd-party-init-login"
	outside := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site"}
	for name, words := range map[string]string{"v4": "", "v5": "compat v5", "stored": "store memory"} {
		t.Run(name, func(t *testing.T) {
			s, op := logoutSite(t, "initiate_login\n"+words)
			link := func(more ...string) string {
				q := url.Values{"iss": {op.URL}}
				for i := 0; i < len(more); i += 2 {
					q.Add(more[i], more[i+1])
				}
				return "/api/auth/login/op?" + q.Encode()
			}
			for _, tc := range []struct{ name, target, ends string }{
				{module, link("target_link_uri", s.Base+"/deep?x=1"), "/deep?x=1"},
				{"a path", link("target_link_uri", "/deep", "login_hint", "alice@example.com"), "/deep"},
				{"no target", link(), "/"},
				{"REDIR-01 another site", link("target_link_uri", "https://evil.example/"), "/"},
				{"another site in disguise", link("target_link_uri", `//evil.example\@localhost`), "/"},
				{"itself", link("target_link_uri", link()), "/"},
				{"two targets", link("target_link_uri", "/a", "target_link_uri", "/b"), "/"},
			} {
				b := s.browser()
				a := b.get(tc.target, outside...)
				if !strings.HasPrefix(a.Header.Get("Location"), op.URL+"/auth?") || a.Header.Get("X-Frame-Options") != "DENY" {
					t.Errorf("%s: %s %v", tc.name, a.Status, a.Header)
					continue
				}
				end := b.follow(a)
				if got := end.Request.URL.RequestURI(); got != tc.ends || end.Request.URL.Host != "localhost:"+s.Port || !b.signedIn() {
					t.Errorf("%s: ends at %s", tc.name, end.Request.URL)
				}
				start, _ := op.last()
				if want := strings.Contains(tc.target, "login_hint"); want != (start.Get("login_hint") == "alice@example.com") || start.Get("state") == "" || start.Get("code_challenge") == "" {
					t.Errorf("%s: %v", tc.name, start)
				}
				// Again, signed in: the provider is asked all the same.
				n := len(op.starts)
				if b.follow(b.get(tc.target, outside...)); len(op.starts) != n+1 {
					t.Errorf("%s: signed in: %d flows", tc.name, len(op.starts)-n)
				}
			}

			t.Run("POST", func(t *testing.T) {
				b := s.browser()
				a := b.do("POST", "/api/auth/login/op", url.Values{"iss": {op.URL}, "target_link_uri": {"/deep"}}, outside...)
				if a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Location"), s.Base+"/api/auth/login/op?") {
					t.Fatalf("%s %s", a.Status, a.Header.Get("Location"))
				}
				if end := b.follow(a); end.Request.URL.Path != "/deep" {
					t.Errorf("ends at %s", end.Request.URL)
				}
			})
			n := len(op.starts)
			for name, target := range map[string]string{
				"another issuer": strings.Replace(link(), "iss=", "iss=x", 1), "no issuer": "/api/auth/login/op?target_link_uri=/",
				"two issuers": link("iss", "x"), "another provider": strings.Replace(link(), "/op?", "/x?", 1), "no provider": strings.Replace(link(), "/op?", "?", 1),
			} {
				if a := s.browser().get(target, outside...); a.StatusCode != 400 || a.Header.Get("Location") != "" {
					t.Errorf("%s: %s %s", name, a.Status, a.Header.Get("Location"))
				}
			}
			for name, header := range map[string][]string{
				"a frame": {"Sec-Fetch-Dest", "iframe"}, "a script": {"Sec-Fetch-Mode", "cors"}, "in advance": {"Sec-Purpose", "prefetch"},
			} {
				if a := s.browser().get(link("target_link_uri", "/deep"), header...); !strings.HasPrefix(a.Header.Get("Location"), s.Base+"/api/auth/signin?callbackUrl=") {
					t.Errorf("%s: %s %s", name, a.Status, a.Header.Get("Location"))
				}
			}
			if len(op.starts) != n {
				t.Errorf("%d flows began", len(op.starts)-n)
			}
		})
	}
}

// What another site begins makes no account one of whoever is signed in: that site
// may have signed the browser in at the provider.
func TestInitiatedLoginLinksNothing(t *testing.T) {
	s, op := logoutSite(t, "initiate_login\nusers "+usersFile(t)+"\nstore memory")
	b := s.browser()
	b.password("bob", "bob", "/")
	if !strings.Contains(b.get("/api/auth/session").body, "bob") {
		t.Fatal("not signed in")
	}
	b.follow(b.get("/api/auth/login/op?iss="+url.QueryEscape(op.URL), "Sec-Fetch-Site", "cross-site"))
	if !b.signedIn() {
		t.Fatal("alice is not signed in")
	}
	other := s.browser()
	other.enter()
	if body := other.get("/api/auth/session").body; strings.Contains(body, "bob") {
		t.Errorf("alice's account opens bob's: %s", body)
	}
}

// A real provider, which checks what it is sent.
func TestRPInitiatedLogoutAtZitadel(t *testing.T) {
	up, port := newUpstream(t, nil), testport.Free(t)
	base := "http://localhost:" + port
	op := testop.Start(t, base+"/api/auth/callback/op")
	s := start(t, `
http://localhost:`+port+` {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+op.URL+` as op {
			client_id "`+op.ClientID+`"
			client_secret "`+op.ClientSecret+`"
		}
		public /open
		logout
	}
	reverse_proxy `+up.addr()+`
}
http://localhost:{PORT} {
	reverse_proxy `+up.addr()+`
}
`)
	b := s.browser()
	b.base = base
	a := b.do(http.MethodPost, "/api/auth/signin/op", url.Values{"csrfToken": {b.csrf()}})
	b.follow(b.get(op.SignIn(t, a.Header.Get("Location"), "alice").String()))
	if !strings.Contains(b.get("/api/auth/session").body, "alice") {
		t.Fatal("not signed in")
	}
	a = b.leave("/open?x")
	if !strings.HasPrefix(a.Header.Get("Location"), op.URL+"/end_session?") {
		t.Fatalf("%s %s", a.Status, a.Header.Get("Location"))
	}
	hint := a.Header.Get("Location")
	if a = b.follow(a); a.Request.URL.String() != base+"/open?x" || a.StatusCode != 200 {
		t.Errorf("ends at %s: %s", a.Request.URL, a.Status)
	}
	if u, _ := url.Parse(hint); strings.Contains(s.logText(), u.Query().Get("id_token_hint")) {
		t.Error("the ID token is in the log")
	}
	if op.Requests("/end_session") != 1 {
		t.Errorf("%d requests", op.Requests("/end_session"))
	}
}

func TestLogoutMistakes(t *testing.T) {
	for words, want := range map[string]string{
		"logout {\nbackchannel\n}":  "logout: backchannel: it takes a provider of OpenID Connect, and the site has none",
		"logout {\nfrontchannel\n}": "logout: frontchannel: it takes a provider of OpenID Connect, and the site has none",
		"initiate_login":            "initiate_login: it takes a provider of OpenID Connect, and the site has none",
	} {
		err := loadError(t, "", "http://localhost:"+testport.Free(t)+" {\ncaddyauth {\nsecret "+secret+"\nusers "+usersFile(t)+"\n"+words+"\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

// Signing out at one site of a portal ends the others' sessions, and that at the
// provider, which knows the portal's address only.
func TestPortalLogoutAtTheProvider(t *testing.T) {
	w := newPortal(t, "logout", "")
	for _, origin := range []string{w.wiki, w.auth} {
		b := w.browser()
		w.signInAt(b, w.wiki, "alice", "/page")
		w.signInAt(b, w.shop, "", "/page")
		w.wantSession(b, w.shop, aliceMail)
		b.at(origin)
		a := b.leave(origin + "/bye")
		to := a.Header.Get("Location")
		u, err := url.Parse(to)
		if err != nil || !strings.HasPrefix(to, w.op.URL+"/end_session?") {
			t.Fatalf("%s: %s %s", origin, a.Status, to)
		}
		q := u.Query()
		if q.Get("post_logout_redirect_uri") != w.auth+"/api/auth/signed-out" || strings.Count(q.Get("id_token_hint"), ".") != 2 {
			t.Errorf("%s: %v", origin, q)
		}
		w.wantNobody(b)
		back := w.server.browser().get(to).Header.Get("Location") // which is no host of the portal
		if !strings.HasPrefix(back, w.auth+"/api/auth/signed-out?") {
			t.Fatalf("%s: back at %s", origin, back)
		}
		if got := b.get(back).Header.Get("Location"); got != origin+"/bye" {
			t.Errorf("%s: ends at %s", origin, got)
		}
		if got := b.get(w.auth + "/api/auth/signed-out?state=" + q.Get("state") + "x").Header.Get("Location"); got != w.auth {
			t.Errorf("%s: another state leads to %s", origin, got)
		}
	}
}

// What another site begins at a member makes no account one of whoever is signed in
// there either.
func TestInitiatedLoginAtAMember(t *testing.T) {
	w := newPortal(t, "initiate_login", "")
	b := w.browser().at(w.wiki)
	a := b.get(w.wiki + "/api/auth/login/op?" + url.Values{"iss": {w.op.URL}, "target_link_uri": {"/page"}}.Encode())
	if end := w.carryOn(b, a.Header.Get("Location"), "alice"); end.Request.URL.String() != w.wiki+"/page" {
		t.Errorf("ends at %s", end.Request.URL)
	}
	w.wantSession(b, w.wiki, aliceMail)

	bob := w.browser().at(w.auth)
	bob.password("bob", "bob", w.auth+"/page")
	w.signInAtMember(bob, "credentials")
	w.wantSession(bob, w.wiki, "bob@example.org")
	a = bob.get(w.wiki + "/api/auth/login/op?" + url.Values{"iss": {w.op.URL}, "target_link_uri": {"/page"}}.Encode())
	w.carryOn(bob, a.Header.Get("Location"), "alice")
	if got := bob.session(w.wiki); got == "bob@example.org" {
		// Somebody else's session, if any: never bob's with alice's account.
		other := w.browser()
		w.signInAt(other, w.wiki, "alice", "/page")
		w.wantSession(other, w.wiki, aliceMail)
	}
}

func (w *portalWorld) signInAtMember(b *browser, id string) {
	w.t.Helper()
	b.at(w.wiki)
	w.carryOn(b, b.do(http.MethodPost, "/api/auth/callback/"+id, url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {w.wiki + "/page"}}).Header.Get("Location"), "")
}

// A site's word takes the place of the global option's, and a global one that a site
// without OpenID Connect has no use for stops nothing.
func TestLogoutOfTheGlobalOption(t *testing.T) {
	op := newLeavingOP(t)
	site := func(words string) string {
		return "caddyauth {\nprovider oidc " + op.URL + " as op {\nclient_id client\nclient_secret secret\n}\n" + words + "\n}\nrespond ok\n"
	}
	s := startWith(t, "caddyauth {\nsecret "+secret+"\nlogout {\nbackchannel\n}\n}", `
http://localhost:{PORT} {
	`+site("")+`
}
http://127.0.0.1:{PORT} {
	`+site("logout off")+`
}
http://localhost:`+testport.Free(t)+` {
	caddyauth {
		users `+usersFile(t)+`
	}
}
`)
	for _, tc := range []struct {
		b    *browser
		on   bool
		back int
	}{{s.browser(), true, 200}, {s.other(), false, 400}} {
		tc.b.enter()
		if got := strings.HasPrefix(tc.b.leave("/open").Header.Get("Location"), op.URL); got != tc.on {
			t.Errorf("%s: to the provider: %v", tc.b.base, got)
		}
		a := tc.b.do("POST", "/api/auth/backchannel-logout/op", url.Values{"logout_token": {op.logoutToken(t)}})
		if a.StatusCode != tc.back {
			t.Errorf("%s: back-channel: %s", tc.b.base, a.Status)
		}
	}
}
