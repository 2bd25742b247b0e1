package authapi

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/limit"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

func TestPasskeysNeedAStore(t *testing.T) {
	w := newWorld(t)
	_, err := New(Options{Sessions: w.sess, Secrets: []string{testSecret}, Providers: []provider.Provider{&locksmith{id: "keys"}}})
	if err == nil || err.Error() != `authapi: provider "keys" needs a store` {
		t.Errorf("error %v", err)
	}
}

// What is answered depends on the action and on who asks, and on no address.
func TestPasskeyOptions(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		grace := l.browser(t)
		grace.in(grace.as(l.gh, somebody("1", "grace@example.com", true)))
		l.forget()
		nobody := l.browser(t)
		const authenticate, register = `{"action":"authenticate","options":`, `{"action":"register","options":`
		invalid := `{"error":"Invalid request"}`
		for _, c := range []struct {
			b     *browser
			query string
			want  string
		}{
			{nobody, "", authenticate},
			{nobody, "?action=authenticate", authenticate},
			{nobody, "?action=register", invalid},
			{nobody, "?action=register&email=mallory@example.com", invalid},
			{nobody, "?email=grace@example.com", authenticate},
			{nobody, "?email=mallory@example.com", authenticate},
			{nobody, "?action=authenticate&email=grace@example.com", authenticate},
			{grace, "", invalid},
			{grace, "?email=mallory@example.com", invalid},
			{grace, "?action=authenticate", authenticate},
			{grace, "?action=register", register},
			{grace, "?action=register&email=mallory@example.com", register},
			{nobody, "?action=", `{"error":"Invalid action"}`},
			{nobody, "?action=undefined", `{"error":"Invalid action"}`},
			{grace, "?action=Register", `{"error":"Invalid action"}`},
			{grace, "?action=register+", `{"error":"Invalid action"}`},
		} {
			status, cookies := 400, []string{}
			if strings.HasPrefix(c.want, `{"action"`) {
				status, cookies = 200, []string{"challenge"}
			}
			c.b.csrf()
			r := c.b.get("/webauthn-options/passkey" + c.query)
			if r.status != status || !strings.HasPrefix(r.body, c.want) {
				t.Errorf("%q: %d %s, want %s", c.query, r.status, r.body, c.want)
			}
			if got := r.header.Get("Content-Type"); got != l.api.contract.jsonType {
				t.Errorf("%q: Content-Type %q", c.query, got)
			}
			if !slices.Equal(r.names(), l.cookieNames(cookies...)) {
				t.Errorf("%q: cookies %q", c.query, r.names())
			}
			if c.b == nobody && len(l.locksmith().have) > 0 {
				t.Errorf("%q: a stranger learns of passkeys", c.query)
			}
		}
		if n := l.shelf.count("UserByEmail", "CreateUser"); n != 0 {
			t.Errorf("%d calls about an address", n)
		}
	})
}

func TestPasskeyChallengeCookie(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		r := b.get("/webauthn-options/passkey")
		if want := l.cookieNames("csrf-token", "callback-url", "challenge"); !slices.Equal(r.names(), want) {
			t.Errorf("cookies %q, want %q", r.names(), want)
		}
		c, _ := r.cookie(l.name("challenge"))
		if want := "Max-Age=900; Path=/; Expires=Mon, 23 Nov 2026 12:15:00 GMT; HttpOnly; Secure; SameSite=Lax"; c.attributes != want {
			t.Errorf("attributes %q, want %q", c.attributes, want)
		}
		// Its claims are those of Auth.js, as far as they go.
		claims, err := l.api.jar(testOrigin).challenge.OpenString(c.value)
		if err != nil || !strings.Contains(claims, `"provider":"passkey"`) || strings.Contains(r.body, claims) {
			t.Errorf("claims %s, %v", claims, err)
		}
		if rp, want := l.locksmith().party, (provider.RelyingParty{ID: "app.example.com", Name: "app.example.com", Origin: testOrigin}); rp != want {
			t.Errorf("relying party %+v", rp)
		}
		b.site.Origin = "https://app.example.com:8443"
		b.get("/webauthn-options/passkey")
		if rp := l.locksmith().party; rp.ID != "app.example.com" || rp.Name != "app.example.com:8443" || rp.Origin != b.site.Origin {
			t.Errorf("relying party %+v", rp)
		}
	})
}

func TestPasskeyRoutes(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		v5 := false
		with := newLibrary(t, false, d, withPasskeys)
		without := newLibrary(t, false, d)
		v5 = with.api.opts.Dialect == dialect.V5
		for _, c := range []struct {
			l              *library
			method, target string
		}{
			{with, "GET", "/webauthn-options"}, {with, "GET", "/webauthn-options/github"}, {with, "GET", "/webauthn-options/unknown"},
			{with, "POST", "/webauthn-options/passkey"}, {without, "GET", "/webauthn-options"}, {without, "GET", "/webauthn-options/github"},
			{with, "GET", "/callback/passkey"},
		} {
			r := c.l.browser(t).do(c.method, c.target, "")
			switch {
			case v5 && (r.status != 302 || r.location() != baseURL+"/error?error=Configuration"):
				t.Errorf("%s %s: %d %q", c.method, c.target, r.status, r.location())
			case !v5 && (r.status != 400 || !strings.HasPrefix(r.body, "Error: ")):
				t.Errorf("%s %s: %d %q", c.method, c.target, r.status, r.body)
			}
			if _, set := r.cookie(c.l.name("challenge")); set {
				t.Errorf("%s %s: a challenge", c.method, c.target)
			}
		}
		for _, target := range []string{"/webauthn-options/passkey", "/callback/passkey"} {
			if r := with.browser(t).do("HEAD", target, ""); r.status != 400 || len(r.cookies) > 0 {
				t.Errorf("HEAD %s: %d, cookies %q", target, r.status, r.names())
			}
		}
		// There is no more to begin than that.
		b := with.browser(t)
		if r := b.post("/signin/passkey"); r.status != 302 || r.location() != baseURL+"/signin" {
			t.Errorf("POST /signin/passkey: %d %q", r.status, r.location())
		}
		want := `"passkey":{"id":"passkey","name":"Passkey","type":"webauthn","signinUrl":"` + baseURL + `/signin/passkey","callbackUrl":"` + baseURL + `/callback/passkey"}`
		if r := b.get("/providers"); !strings.Contains(r.body, want) {
			t.Errorf("providers %s", r.body)
		}
		page := b.get("/signin").body
		for _, want := range []string{`action="` + baseURL + `/callback/passkey"`, `data-passkey="` + baseURL + `/webauthn-options/passkey"`, "<script>"} {
			if !strings.Contains(page, want) {
				t.Errorf("the sign-in page has no %s", want)
			}
		}
	})
}

// No other site's page begins anything, and what is under way stays.
func TestPasskeyOptionsAcrossSites(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		b := l.browser(t)
		b.options("authenticate")
		before := slices.Clone(b.jar)
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "x"}, {"Origin", "https://evil.example"},
		} {
			r := b.get("/webauthn-options/passkey", headers...)
			if r.status != 400 || r.body != `{"error":"Invalid request"}` || len(r.cookies) > 0 || !slices.Equal(b.jar, before) {
				t.Errorf("%q: %d %s, cookies %q", headers, r.status, r.body, r.names())
			}
		}
		for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", testOrigin}, nil} {
			if r := b.get("/webauthn-options/passkey", headers...); r.status != 200 {
				t.Errorf("%q: %d %s", headers, r.status, r.body)
			}
		}
	})
}

// Registering takes somebody who is stored, and signed in here a short time ago.
func TestPasskeyRegistrationIsForRecentSignIns(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, somebody("1", "grace@example.com", true)))
		l.clock.add(time.Hour - time.Second)
		b.options("register")
		b.get("/session") // renewed, which is no sign-in
		l.clock.add(2 * time.Second)
		refused := func(what string) {
			t.Helper()
			if r := b.get("/webauthn-options/passkey?action=register"); r.status != 400 || r.body != `{"error":"Invalid request"}` {
				t.Errorf("%s: %d %s", what, r.status, r.body)
			}
		}
		refused("an hour later")
		b.options("authenticate")
		b.in(b.as(l.gh, somebody("1", "grace@example.com", true)))
		b.options("register")

		// NextAuth does not say when a session of its own began.
		u := l.userOf(t, "github", "1")
		b.jar = nil
		b.keep(l.nextAuthSession(t, u))
		if s := b.session(); s == nil || s.HasEvidence {
			t.Fatalf("session %+v", s)
		}
		refused("NextAuth's own session")
		b.options("authenticate")

		// Nobody, whatever the session says.
		if err := l.shelf.DeleteUser(bg, u.ID); err != nil {
			t.Fatal(err)
		}
		refused("a deleted user")
	})
}

// nextAuthSession is a session as NextAuth makes it.
func (l *library) nextAuthSession(t testing.TB, u store.User) setCookie {
	t.Helper()
	value := fmt.Sprint("token-of-nextauth-", u.ID)
	if l.api.opts.Sessions.Database() {
		row := store.Session{ID: "id of " + u.ID, Token: value, UserID: u.ID, Expires: l.clock.now().Add(time.Hour)}
		if err := l.shelf.Driver.CreateSession(bg, row); err != nil {
			t.Fatal(err)
		}
	} else {
		cookies, _, err := l.sess.Issue(bg, nil, l.api.Names(l.site.Origin), map[string]any{"sub": u.ID, "email": u.Email}, session.Client{})
		if err != nil {
			t.Fatal(err)
		}
		value = cookies[0].Value
	}
	return setCookie{name: l.name("session-token"), value: value}
}

// Browsers are told of the person's own passkeys, and authenticators who it is.
func TestPasskeysOfThePerson(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		smith := l.locksmith()
		b, other := l.browser(t), l.browser(t)
		s := b.in(b.as(l.gh, somebody("1", "grace@example.com", true)))
		other.in(other.as(l.gh, somebody("2", "", false)))
		devices := []string{}
		for range 2 {
			d := newDevice(t)
			b.adds(d)
			devices = append(devices, credentialID(d))
			l.clock.add(time.Second)
		}
		other.adds(newDevice(t))
		for _, action := range []string{"register", "authenticate"} {
			b.options(action)
			var ids []string
			for _, k := range smith.have {
				ids = append(ids, k.ID)
				if fmt.Sprint(k.Transports) != "[internal hybrid]" || !k.MultiDevice || !k.BackedUp || !bytes.Equal(k.Handle, passkeyHandle(s.Owner())) {
					t.Errorf("%s: passkey %+v", action, k)
				}
			}
			if !slices.Equal(ids, devices) {
				t.Errorf("%s: passkeys %q, want %q", action, ids, devices)
			}
		}
		if u := smith.user; u.Name != "grace@example.com" || u.DisplayName != "Name of 1" || len(u.Handle) != 32 || strings.Contains(string(u.Handle), s.Owner()) {
			t.Errorf("user %+v", u)
		}
		// Without an address, it is the name at the provider.
		other.options("register")
		if u := smith.user; u.Name != "2" || bytes.Equal(u.Handle, passkeyHandle(s.Owner())) {
			t.Errorf("user %+v", u)
		}
		for i := len(devices); i < maxPasskeys; i++ {
			if err := l.shelf.CreateAuthenticator(bg, store.Authenticator{CredentialID: fmt.Sprint(i), UserID: s.Owner()}); err != nil {
				t.Fatal(err)
			}
		}
		if r := b.get("/webauthn-options/passkey?action=register"); r.status != 400 {
			t.Errorf("one more than there can be: %d %s", r.status, r.body)
		}
		b.options("authenticate")
	})
}

func TestPasskeyUserNames(t *testing.T) {
	for _, c := range []struct {
		login string
		user  store.User
		want  string
	}{
		{"octocat", store.User{Email: "a@example.com", Name: "Ada"}, "a@example.com"},
		{"octocat", store.User{Name: "Ada"}, "octocat"},
		{"", store.User{Name: "Ada"}, "Ada"},
		{"", store.User{}, "user"},
		{strings.Repeat("é", 300), store.User{}, strings.Repeat("é", maxPasskeyUser/2)},
	} {
		if got := passkeyUser(&session.Session{Evidence: session.Evidence{Login: c.login}}, c.user); got.Name != c.want || got.DisplayName != c.user.Name {
			t.Errorf("%+v: %+v", c.user, got)
		}
	}
}

// A passkey that Auth.js registered has a handle that nobody knows.
func TestForeignPasskeyHasNoHandle(t *testing.T) {
	if k := passkeyOf(store.Authenticator{UserID: "1"}); k.Handle != nil {
		t.Errorf("handle %q", k.Handle)
	}
	if k := passkeyOf(store.Authenticator{UserID: "1", Created: time.Unix(1, 0)}); !bytes.Equal(k.Handle, passkeyHandle("1")) {
		t.Errorf("handle %q", k.Handle)
	}
}

// Nobody begins without an end.
func TestPasskeyLimits(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys, func(o *Options) {
			o.Limits.Client = limit.New(limit.Rate{N: 3, Per: time.Minute}, 64, o.Now)
		})
		b := l.browser(t)
		var challenges []string
		for range 3 {
			challenges = append(challenges, b.options("authenticate"))
		}
		r := b.get("/webauthn-options/passkey")
		if r.status != 429 || r.header.Get("Retry-After") != "60" || r.body != `{"error":"Too many requests"}` {
			t.Errorf("options: %d %s", r.status, r.body)
		}
		device := newDevice(t)
		for i := range 4 {
			r := b.answer("authenticate", device.Get(challenges[i%3]))
			if i < 3 {
				l.wantNoPasskey(t, r, provider.ReasonPasskey)
				continue
			}
			l.wantNoPasskey(t, r, ReasonTooManyAttempts)
			if r.header.Get("Retry-After") != "60" {
				t.Error("no Retry-After")
			}
		}
		if n := l.shelf.count("Authenticator"); n != 3 {
			t.Errorf("%d passkeys looked for", n)
		}
	})
}

// Where the site is visited at an address that no passkey can be bound to, the
// operator is told, but not as often as anybody likes.
func TestPasskeysCannotBeBound(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withPasskeys)
		l.locksmith().broken = &provider.Error{Reason: provider.ReasonPasskey, Err: errors.New("no domain")}
		b := l.browser(t)
		for range 20 {
			if r := b.get("/webauthn-options/passkey"); r.status != 400 || r.body != `{"error":"Invalid request"}` || b.has(l.name("challenge")) {
				t.Fatalf("%d %s", r.status, r.body)
			}
		}
		if n := l.logs.FilterMessage("passkeys cannot be used at this address").Len(); n != 10 {
			t.Errorf("%d lines", n)
		}
	})
}

// STORE-01: a store that is down is no reason to begin anything.
func TestSTORE01PasskeyOptions(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withPasskeys)
		b := l.browser(t)
		b.in(b.as(l.gh, somebody("1", "grace@example.com", true)))
		for method, actions := range map[string][]string{"User": {"register", "authenticate"}, "Authenticators": {"register", "authenticate"}} {
			for _, action := range actions {
				l.shelf.down(method)
				r := b.get("/webauthn-options/passkey?action=" + action)
				l.shelf.down("")
				if r.status != 503 || r.header.Get("Retry-After") == "" || len(r.cookies) > 0 || r.body != `{"error":"Temporarily unavailable"}` {
					t.Errorf("%s %s: %d %s, cookies %q", method, action, r.status, r.body, r.names())
				}
			}
		}
		// A stranger needs no store.
		l.shelf.down("*")
		l.browser(t).options("authenticate")
	})
}

func FuzzChallengeIn(f *testing.F) {
	device := newDevice(f)
	challenge := strings.Repeat("A", 43)
	f.Add(string(device.Get(challenge)))
	f.Add(string(device.Create(challenge)))
	f.Add(`{"response":{"clientDataJSON":"eyJjaGFsbGVuZ2UiOiJ4In0"}}`)
	f.Add(`{"response":{"clientDataJSON":1}}`)
	f.Add(`{"response":[]}`)
	f.Fuzz(func(t *testing.T, data string) {
		got := challengeIn(data)
		if len(got) > len(data) || len(data) > maxAnswer && got != "" {
			t.Errorf("challenge %q", got)
		}
	})
}
