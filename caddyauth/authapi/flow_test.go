package authapi

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

func TestWholeFlow(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.get("/signin?callbackUrl=%2Fmembers%2F%3Fx%3D1%26y%3D%252F")
	r := b.post("/signin/op")
	if !slices.Equal(r.names(), []string{secure("state"), secure("pkce.code_verifier"), secure("nonce")}) {
		t.Errorf("cookies at the start: %q", r.names())
	}
	sent := w.op.started[0]
	equal(t, "redirect_uri", sent.RedirectURI, testOrigin+testBase+"/callback/op")
	r = b.get("/callback/op?code=the-code&iss=https%3A%2F%2Fidp&state=" + sent.State)
	equal(t, "status", r.status, 302)
	equal(t, "Location", r.location(), testOrigin+"/members/?x=1&y=%2F")
	equal(t, "LEAK-01 Referrer-Policy", r.header.Get("Referrer-Policy"), "no-referrer")
	equal(t, "LEAK-01 body", r.body, "")
	if !slices.Equal(r.names(), []string{secure("state"), secure("pkce.code_verifier"), secure("nonce"), secure("session-token"), secure("rounds")}) {
		t.Errorf("cookies at the end: %q", r.names())
	}
	got := w.op.exchanged[0]
	equal(t, "code", got.Params.Get("code"), "the-code")
	equal(t, "iss", got.Params.Get("iss"), "https://idp")
	equal(t, "challenge", challenge(got.CodeVerifier), sent.CodeChallenge)
	equal(t, "nonce", got.Nonce, sent.Nonce)
	equal(t, "redirect_uri", got.RedirectURI, sent.RedirectURI)

	r = b.get("/session")
	equal(t, "LEAK-03 session", r.body, `{"user":{"name":"Alice","email":"alice@example.com","image":null},"expires":"2026-12-23T12:00:00.000Z"}`)
	if _, renewed := r.cookie(secure("session-token")); !renewed {
		t.Error("GET /session does not renew")
	}
	r = b.post("/signout", "callbackUrl", "/bye")
	equal(t, "Location", r.location(), testOrigin+"/bye")
	if !slices.Equal(r.names(), []string{secure("callback-url"), secure("session-token"), secure("rounds")}) {
		t.Errorf("cookies at sign-out: %q", r.names())
	}
	equal(t, "session after", b.get("/session").body, "{}")
}

func TestJSONMode(t *testing.T) {
	const B = testOrigin + testBase
	w := newWorld(t)
	for _, c := range []struct {
		name, target string
		fields       []string
		status       int
		url          string // prefix
	}{
		{"OAuth start", "/signin/op", nil, 200, idpURL + "?"},
		{"credentials start", "/signin/credentials", nil, 200, B + "/signin"},
		{"unknown provider", "/signin/unknown", nil, 200, B + "/signin?csrf=true"},
		{"right password", "/callback/credentials", []string{"username", "bob", "password", "hunter2-hunter2", "callbackUrl", testOrigin + "/a?b=c&d"}, 200, testOrigin + "/a?b=c&d"},
		{"wrong password", "/callback/credentials", []string{"username", "bob", "password", "x"}, 401, B + "/error?error=CredentialsSignin&provider=credentials"},
		{"sign-out", "/signout", nil, 200, testOrigin},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := w.browser(t)
			r := b.post(c.target, append(c.fields, "json", "true")...)
			equal(t, "status", r.status, c.status)
			equal(t, "Location", r.location(), "")
			equal(t, "Content-Type", r.header.Get("Content-Type"), "application/json; charset=utf-8")
			var body struct{ URL string }
			if err := json.Unmarshal([]byte(r.body), &body); err != nil || !strings.HasPrefix(body.URL, c.url) {
				t.Errorf("body %q", r.body)
			}
			if strings.Contains(r.body, `\u0026`) || strings.HasSuffix(r.body, "\n") {
				t.Errorf("not as JSON.stringify has it: %q", r.body)
			}
			if form := w.browser(t).post(c.target, c.fields...); form.status != 302 || !strings.HasPrefix(form.location(), c.url) {
				t.Errorf("form mode: %d %q", form.status, form.location())
			}
		})
	}
	b := w.browser(t)
	token := b.csrf()
	for _, body := range []string{`{"csrfToken":"` + token + `","json":true}`, `{"csrfToken":"` + token + `","json":"TRUE"}`} {
		if r := b.do("POST", "/signout", body, "Content-Type", "application/json"); r.status != 302 {
			t.Errorf("%s: status %d", body, r.status)
		}
	}
	if r := b.do("POST", "/signout", `{"csrfToken":"`+token+`","json":"true"}`, "Content-Type", "application/json"); r.status != 200 {
		t.Errorf("json as a string: status %d", r.status)
	}
	if r := b.do("POST", "/signin/op", "json=true"); r.status != 200 || r.body != `{"url":"`+B+`/signin?csrf=true"}` {
		t.Errorf("no token: %d %s", r.status, r.body)
	}
}

// broken is a callback that must not sign anybody in.
type broken struct {
	id     string
	with   func(b *browser, state string) reply
	reason reason
}

func TestBrokenCallbacks(t *testing.T) {
	op := func(query string) func(*browser, string) reply {
		return func(b *browser, state string) reply {
			return b.get("/callback/op?" + strings.ReplaceAll(query, "STATE", state))
		}
	}
	for _, c := range []broken{
		{"STATE-01 no state", op("code=x"), ReasonStateMissing},
		{"STATE-01 empty state", op("code=x&state="), ReasonStateMissing},
		{"STATE-01 repeated state", op("code=x&state=STATE&state=STATE"), ReasonStateMissing},
		{"state of somebody else", op("code=x&state=" + vectorToken), ReasonStateMismatch},
		{"state with a tail", op("code=x&state=STATE1"), ReasonStateMismatch},
		{"no cookies", func(b *browser, state string) reply {
			b.jar = nil
			return b.get("/callback/op?code=x&state=" + state)
		}, ReasonStateCookieMissing},
		{"garbage cookie", func(b *browser, state string) reply {
			b.keep(setCookie{name: secure("state"), value: "garbage"})
			return b.get("/callback/op?code=x&state=" + state)
		}, ReasonStateExpired},
		{"STATE-07 other provider's state", func(b *browser, state string) reply {
			return b.get("/callback/github?code=x&state=" + state)
		}, ReasonStateInvalid},
		{"STATE-10 expired", func(b *browser, state string) reply {
			b.clock.add(16 * time.Minute)
			return b.get("/callback/op?code=x&state=" + state)
		}, ReasonStateExpired},
		{"STATE-12 error and code", op("error=access_denied&code=x&state=STATE"), ReasonDeclined},
		{"STATE-13 error without state", op("error=login_required&error_description=%3Cscript%3E"), ReasonProviderError},
		{"error twice", op("error=a&error=b&code=x&state=STATE"), ReasonProviderError},
		{"STATE-14 body does not count for GET", func(b *browser, state string) reply {
			return b.do("GET", "/callback/op?code=x", "state="+state)
		}, ReasonStateMissing},
		{"STATE-14 query does not count for POST", func(b *browser, state string) reply {
			return b.do("POST", "/callback/op?state="+state, "code=x")
		}, ReasonStateMissing},
		{"STATE-14 POST across sites brings no cookies", func(b *browser, state string) reply {
			b.jar = nil
			return b.do("POST", "/callback/op", "code=x&state="+state, "Origin", "https://idp.example.net", "Sec-Fetch-Site", "cross-site")
		}, ReasonStateCookieMissing},
		{"PKCE-01 no verifier", func(b *browser, state string) reply {
			b.drop(secure("pkce.code_verifier"))
			return b.get("/callback/op?code=x&state=" + state)
		}, provider.ReasonPKCE},
		{"PKCE-06 verifier of another provider", func(b *browser, state string) reply {
			b.keep(b.seal(b.t, secure("pkce.code_verifier"), vectorToken, "github", checkAge))
			return b.get("/callback/op?code=x&state=" + state)
		}, provider.ReasonPKCE},
		{"PKCE verifier of another flow", func(b *browser, state string) reply {
			b.keep(b.seal(b.t, secure("pkce.code_verifier"), vectorToken, "op", checkAge))
			return b.get("/callback/op?code=x&state=" + state)
		}, provider.ReasonPKCE},
		{"NONCE-02 no nonce cookie", func(b *browser, state string) reply {
			b.drop(secure("nonce"))
			return b.get("/callback/op?code=x&state=" + state)
		}, ReasonNonceMissing},
		{"STATE-08 state as nonce", func(b *browser, state string) reply {
			for _, c := range b.jar {
				if c.name == secure("state") {
					b.keep(setCookie{name: secure("nonce"), value: c.value})
				}
			}
			return b.get("/callback/op?code=x&state=" + state)
		}, ReasonNonceMissing},
	} {
		t.Run(c.id, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser(t)
			state := b.start("op")
			kept := slices.Clone(b.jar)
			r := c.with(b, state)
			code := codeOAuthCallback
			if c.reason == ReasonDeclined || c.reason == ReasonProviderError {
				code = codeCallback
			}
			wantError(t, r, code)
			if n := len(w.op.exchanged) + len(w.gh.exchanged); n != 0 {
				t.Errorf("%d codes were redeemed", n)
			}
			for _, set := range r.cookies {
				if strings.HasSuffix(set.name, ".state") || strings.HasSuffix(set.name, "verifier") || strings.HasSuffix(set.name, ".nonce") || strings.HasSuffix(set.name, "session-token") {
					t.Errorf("touches %s", set.name)
				}
			}
			line := w.logs.FilterMessage("sign-in failed").All()
			if len(line) != 1 || line[0].ContextMap()["reason"] != string(c.reason) || line[0].ContextMap()["error_code"] != code {
				t.Errorf("log: %v", line)
			}
			// The flow itself is as alive as before.
			if c.id[:5] != "STATE" || strings.Contains(c.id, "expired") {
				return
			}
			b.jar = kept
			if r := b.get("/callback/op?code=x&state=" + state); r.location() != testOrigin {
				t.Errorf("the flow is dead: %q", r.location())
			}
		})
	}
}

func TestPostCallback(t *testing.T) {
	b := newWorld(t).browser(t)
	state := b.start("op")
	r := b.do("POST", "/callback/op", "code=x&state="+state)
	equal(t, "Location", r.location(), testOrigin)
	if b.session() == nil {
		t.Error("STATE-14: not signed in by a POST with its cookies")
	}
}

func TestExchangeFails(t *testing.T) {
	for _, c := range []struct {
		id   string
		err  error
		code string
	}{
		{"code_missing", &provider.Error{Reason: provider.ReasonCode}, codeOAuthCallback},
		{"NONCE-01 nonce_mismatch", &provider.Error{Reason: provider.ReasonNonce}, codeOAuthCallback},
		{"TOKEN-02 iss_mismatch", &provider.Error{Reason: provider.ReasonIss}, codeOAuthCallback},
		{"provider_unavailable", &provider.Error{Reason: provider.ReasonUnavailable}, codeOAuthCallback},
		{"provider_error", errors.New("something else"), codeOAuthCallback},
		{"profile_invalid", &provider.Error{Reason: provider.ReasonProfile}, ""},
	} {
		t.Run(c.id, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser(t)
			b.signIn("github")
			before := b.session()
			state := b.start("op")
			w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return nil, c.err }
			r := b.get("/callback/op?code=x&state=" + state)
			if c.code == "" {
				equal(t, "Location", r.location(), testOrigin+testBase+"/signin")
			} else {
				wantError(t, r, c.code)
			}
			if after := b.session(); after == nil || after.Evidence.SID != before.Evidence.SID {
				t.Error("the session did not survive")
			}
			if c.code == "" {
				// The code was redeemed with this flow's verifier.
				equal(t, "cookies", strings.Join(r.names(), " "), strings.Join([]string{
					secure("state"), secure("pkce.code_verifier"), secure("nonce"), secure("notice")}, " "))
			} else if !slices.Equal(r.names(), []string{secure("notice")}) {
				t.Errorf("cookies %q", r.names())
			}
			_, name, ok := strings.Cut(c.id, " ")
			if !ok {
				name = c.id
			}
			if got := w.logs.FilterMessage("sign-in failed").All()[0].ContextMap()["reason"]; got != name {
				t.Errorf("reason %q", got)
			}
			w.op.exchange = nil
			if r := b.get("/callback/op?code=y&state=" + state); r.location() != testOrigin {
				t.Errorf("the check cookies did not stay: %q", r.location())
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	w := newWorld(t)
	w.op.startErr = &provider.Error{Reason: provider.ReasonUnavailable, Err: errors.New("dial tcp: refused")}
	b := w.browser(t)
	r := b.post("/signin/op")
	wantError(t, r, codeOAuthSignin)
	if !slices.Equal(r.names(), []string{secure("notice")}) {
		t.Errorf("cookies %q", r.names())
	}
	// The error page hands over to the sign-in page, which shows the reason once.
	r = b.get("/error?error=OAuthSignin")
	equal(t, "Location", r.location(), testOrigin+testBase+"/signin?error=OAuthSignin")
	line := w.logs.FilterMessage("sign-in failed").All()[0].ContextMap()
	page := b.get("/signin?error=OAuthSignin")
	if !strings.Contains(page.body, "did not answer") || !strings.Contains(page.body, line["reference"].(string)) {
		t.Errorf("the page does not say what happened: %s", page.body)
	}
	if b.has(secure("notice")) {
		t.Error("the notice was not cleared")
	}
	if strings.Contains(b.get("/signin?error=OAuthSignin").body, "did not answer") {
		t.Error("the notice is shown twice")
	}
}

func TestTwoTabs(t *testing.T) {
	for _, firstEndsFirst := range []bool{true, false} {
		w := newWorld(t)
		b := w.browser(t)
		one, two := b.start("op"), b.start("op")
		if !firstEndsFirst {
			one, two = two, one
		}
		for _, state := range []string{one, two} {
			if r := b.get("/callback/op?code=x&state=" + state); r.location() != testOrigin {
				t.Errorf("got %q", r.location())
			}
		}
		equal(t, "redeemed", len(w.op.exchanged), 2)
		for i, ex := range w.op.exchanged {
			j := i
			if !firstEndsFirst {
				j = 1 - i
			}
			if challenge(ex.CodeVerifier) != w.op.started[j].CodeChallenge || ex.Nonce != w.op.started[j].Nonce {
				t.Errorf("callback %d got the values of another flow", i)
			}
		}
		for _, name := range []string{"state", "pkce.code_verifier", "nonce"} {
			if b.has(secure(name)) {
				t.Errorf("%s was not cleared", name)
			}
		}
	}
}

func TestTabsOfSeveralProviders(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	atOP := b.start("op")
	atGitHub := b.start("github") // has no nonce
	if r := b.get("/callback/op?code=x&state=" + atOP); r.location() != testOrigin {
		t.Errorf("op: %q", r.location())
	}
	if r := b.get("/callback/github?code=x&state=" + atGitHub); r.location() != testOrigin {
		t.Errorf("github: %q", r.location())
	}
	equal(t, "nonce for github", w.gh.exchanged[0].Nonce, "")
}

func TestManyTabs(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	var states []string
	for range 8 {
		states = append(states, b.start("op"))
	}
	size := 0
	for _, c := range b.jar {
		if strings.HasSuffix(c.name, ".state") || strings.HasSuffix(c.name, "verifier") || strings.HasSuffix(c.name, ".nonce") {
			size += len(c.name) + len(c.value) + 3
		}
	}
	if size > 3500 {
		t.Errorf("STATE-11: the check cookies take %d bytes", size)
	}
	b.jar = slices.Clone(b.jar)
	for i, state := range states {
		r := b.get("/callback/op?code=x&state=" + state)
		if ok := r.location() == testOrigin; ok != (i >= 3) {
			t.Errorf("flow %d of 8: got %q", i, r.location())
		}
	}
	t.Run("earlier flows keep their own time", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser(t)
		old := b.start("op")
		w.clock.add(10 * time.Minute)
		recent := b.start("op")
		w.clock.add(6 * time.Minute)
		wantError(t, b.get("/callback/op?code=x&state="+old), codeOAuthCallback)
		if r := b.get("/callback/op?code=x&state=" + recent); r.location() != testOrigin {
			t.Errorf("got %q", r.location())
		}
	})
	t.Run("what is left keeps its time", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser(t)
		old := b.start("op")
		w.clock.add(10 * time.Minute)
		recent := b.start("op")
		r := b.get("/callback/op?code=x&state=" + recent)
		c, _ := r.cookie(secure("state"))
		if !strings.HasPrefix(c.attributes, "Max-Age=300; Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT;") {
			t.Errorf("attributes %q", c.attributes)
		}
		w.clock.add(6 * time.Minute)
		b.jar = slices.DeleteFunc(b.jar, func(c setCookie) bool { return strings.HasSuffix(c.name, "session-token") })
		wantError(t, b.get("/callback/op?code=x&state="+old), codeOAuthCallback)
	})
	t.Run("long provider ids", func(t *testing.T) {
		long := strings.Repeat("x", 200)
		w := newWorld(t)
		w.op.info.ID = long
		w.api.providers[long] = w.op
		b := w.browser(t)
		for range 6 {
			b.start(long)
		}
		for _, c := range b.jar {
			if strings.HasSuffix(c.name, ".state") && len(c.value) > maxCheckCookie {
				t.Errorf("%d bytes", len(c.value))
			}
		}
	})
}

func TestSTATE04Replay(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	state := b.start("op", "callbackUrl", "/deep?x=1")
	first := b.get("/callback/op?code=x&state=" + state)
	sid := b.session().Evidence.SID
	again := b.get("/callback/op?code=x&state=" + state)
	equal(t, "status", again.status, 302)
	equal(t, "Location", again.location(), first.location())
	equal(t, "token requests", len(w.op.exchanged), 1)
	equal(t, "sid", b.session().Evidence.SID, sid)
	equal(t, "cookies", len(again.cookies), 0)

	// Another flow under way makes no difference,
	b.start("op")
	equal(t, "Location", b.get("/callback/op?code=x&state="+state).location(), first.location())
	// nor does it make the replay of a state that is under way elsewhere good.
	other := b.start("github")
	wantError(t, b.get("/callback/op?code=x&state="+other), codeOAuthCallback)
	// Without state there is nothing to recognize.
	wantError(t, b.get("/callback/op?code=x"), codeOAuthCallback)
	equal(t, "token requests", len(w.op.exchanged), 1)

	// Signed out, it is an error.
	b.post("/signout")
	wantError(t, b.get("/callback/op?code=x&state="+state), codeOAuthCallback)
	equal(t, "token requests", len(w.op.exchanged), 1)
}

// STATE-06: oauth2-proxy #2606 went round in circles.
func TestSTATE06DuplicateCookies(t *testing.T) {
	for _, order := range []string{"bad first", "good first"} {
		w := newWorld(t)
		b := w.browser(t)
		state := b.start("op")
		evil := setCookie{name: secure("state"), value: "garbage"}
		stale := w.seal(t, secure("state"), vectorToken, "op", checkAge)
		if order == "bad first" {
			b.jar = append([]setCookie{evil, stale}, b.jar...)
		} else {
			b.jar = append(b.jar, evil, stale)
		}
		if r := b.get("/callback/op?code=x&state=" + state); r.location() != testOrigin {
			t.Errorf("%s: got %q", order, r.location())
		}
	}
}

func TestSTATE08CheckCookieIsNoSession(t *testing.T) {
	for _, name := range []string{"state", "pkce.code_verifier", "nonce"} {
		b := newWorld(t).browser(t)
		b.start("op")
		i := slices.IndexFunc(b.jar, func(c setCookie) bool { return c.name == secure(name) })
		b.keep(setCookie{name: secure("session-token"), value: b.jar[i].value})
		r := b.get("/session")
		equal(t, name, r.body, "{}")
		if c, ok := r.cookie(secure("session-token")); !ok || c.value != "" {
			t.Errorf("%s: not cleared", name)
		}
	}
}

// TestNextAuthCookies runs a flow that a NextAuth application with the same
// secret has begun.
func TestNextAuthCookies(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.keep(w.seal(t, secure("state"), "their-state", "op", checkAge))
	b.keep(w.seal(t, secure("pkce.code_verifier"), "their-verifier", "op", checkAge))
	b.keep(w.seal(t, secure("nonce"), "their-nonce", "op", checkAge))
	mine := b.start("op") // and one of ours on top
	if r := b.get("/callback/op?code=x&state=their-state"); r.location() != testOrigin {
		t.Fatalf("got %q", r.location())
	}
	equal(t, "verifier", w.op.exchanged[0].CodeVerifier, "their-verifier")
	equal(t, "nonce", w.op.exchanged[0].Nonce, "their-nonce")
	if r := b.get("/callback/op?code=x&state=" + mine); r.location() != testOrigin {
		t.Fatalf("got %q", r.location())
	}
	equal(t, "nonce", w.op.exchanged[1].Nonce, w.op.started[0].Nonce)
}

// TestCheckCookieAsNextAuthReadsIt opens what we seal the way NextAuth does.
func TestCheckCookieAsNextAuthReadsIt(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.start("github")
	state := b.start("op")
	i := slices.IndexFunc(b.jar, func(c setCookie) bool { return c.name == secure("state") })
	ring, _ := jwt.NewRing(dialect.V4, []string{testSecret}, secure("state"))
	plain, err := ring.Open(nil, b.jar[i].value)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Value, Provider, JTI string
		Iat, Exp             int64
	}
	if err := json.Unmarshal(plain, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Value != state || claims.Provider != "op" || claims.Exp-claims.Iat != 900 || len(claims.JTI) != 36 {
		t.Errorf("got %s", plain)
	}
}

func TestPKCE04Values(t *testing.T) {
	w := newWorld(t)
	seen := make(map[string]bool)
	for range 100_000 {
		v := w.api.randomToken()
		if len(v) != 43 || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || seen[v] {
			t.Fatalf("value %q", v)
		}
		seen[v] = true
	}
	// Those of flows are such values, and what is sent of them has all their bits.
	for range 50 {
		b := w.browser(t)
		b.get("/callback/op?code=x&state=" + b.start("op"))
		sent, got := w.op.started[len(w.op.started)-1], w.op.exchanged[len(w.op.exchanged)-1]
		for _, v := range []string{sent.State, sent.Nonce, got.CodeVerifier} {
			if len(v) != 43 || seen[v] {
				t.Fatalf("value %q", v)
			}
			seen[v] = true
		}
		equal(t, "code_challenge", sent.CodeChallenge, challenge(got.CodeVerifier))
	}
}

func TestRandIsUsed(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Rand = strings.NewReader(strings.Repeat("r", 32)) })
	b := w.browser(t)
	equal(t, "token", b.csrf(), strings.Repeat("72", 32))
	// The reader is at its end; values must be random all the same.
	if s1, s2 := b.start("op"), b.start("op"); s1 == s2 || strings.Contains(s1, "AAAAAAAA") {
		t.Errorf("states %q and %q", s1, s2)
	}
}

func TestChecksOfTheProvider(t *testing.T) {
	for _, c := range []struct {
		checks provider.Checks
		names  []string
	}{
		{provider.Checks{}, nil},
		{provider.Checks{PKCE: true}, []string{secure("pkce.code_verifier")}},
		{provider.Checks{Nonce: true}, []string{secure("nonce")}},
		{provider.Checks{PKCE: true, Nonce: true}, []string{secure("pkce.code_verifier"), secure("nonce")}},
		{provider.Checks{State: true}, []string{secure("state")}},
	} {
		w := newWorld(t)
		w.op.checks = c.checks
		b := w.browser(t)
		b.csrf()
		r := b.post("/signin/op")
		if !slices.Equal(r.names(), append([]string{}, c.names...)) {
			t.Errorf("%+v: %q", c.checks, r.names())
		}
		sent := w.op.started[0]
		query := "?code=x"
		if c.checks.State {
			query += "&state=" + sent.State
		}
		if r := b.get("/callback/op" + query); r.location() != testOrigin {
			t.Fatalf("%+v: %q", c.checks, r.location())
		}
		got := w.op.exchanged[0]
		if challenge(got.CodeVerifier) != sent.CodeChallenge || got.Nonce != sent.Nonce {
			t.Errorf("%+v: %+v for %+v", c.checks, got, sent)
		}
		if c.checks.PKCE {
			// Opened again: the verifier is gone, the session is there.
			equal(t, "replay", b.get("/callback/op"+query).location(), testOrigin)
			equal(t, "redeemed", len(w.op.exchanged), 1)
		}
	}
}

func TestExtraParameters(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	token := b.csrf()
	b.do("POST", "/signin/op?scope=a%20b&prompt=login&login_hint=x%40y&twice=1&twice=2"+
		"&client_id=evil&redirect_uri=https%3A%2F%2Fevil.example&response_type=token&response_mode=fragment"+
		"&state=evil&nonce=evil&code_challenge=evil&code_challenge_method=plain&request=evil&request_uri=evil"+
		"&client_secret=evil&callbackUrl=%2Fhere", "csrfToken="+token)
	extra := w.op.started[0].Extra
	want := map[string]string{"scope": "a b", "prompt": "login", "login_hint": "x@y"}
	if len(extra) != len(want) {
		t.Errorf("got %v", extra)
	}
	for name, value := range want {
		equal(t, name, extra.Get(name), value)
	}
}
