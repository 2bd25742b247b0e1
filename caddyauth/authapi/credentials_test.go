package authapi

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func (b *browser) password(user, password string, more ...string) reply {
	b.t.Helper()
	return b.post("/callback/credentials", append([]string{"username", user, "password", password}, more...)...)
}

const wrongPassword = testOrigin + testBase + "/error?error=CredentialsSignin&provider=credentials"

func TestPassword(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.csrf()
	r := b.password("bob", "hunter2-hunter2")
	equal(t, "Location", r.location(), testOrigin)
	if !slices.Equal(r.names(), []string{secure("session-token"), secure("rounds")}) {
		t.Errorf("cookies %q", r.names())
	}
	equal(t, "session", b.get("/session").body, `{"user":{"name":"Bob"},"expires":"2026-12-23T12:00:00.000Z"}`)

	sid := b.session().Evidence.SID
	r = b.password("bob", "wrong")
	if r.status != 302 || r.location() != wrongPassword {
		t.Errorf("got %d %q", r.status, r.location())
	}
	equal(t, "session after", b.session().Evidence.SID, sid)

	// The error page sends to the sign-in page, which keeps what was typed.
	r = b.get("/error?error=CredentialsSignin&provider=credentials")
	equal(t, "Location", r.location(), testOrigin+testBase+"/signin?error=CredentialsSignin")
	if page := b.get("/signin?error=CredentialsSignin"); !strings.Contains(page.body, `value="bob"`) {
		t.Errorf("the user name is gone: %s", page.body)
	}
}

func TestPasswordAsJSON(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	body := `{"csrfToken":"` + b.csrf() + `","username":"bob","password":"hunter2-hunter2","json":"true"}`
	r := b.do("POST", "/callback/credentials", body, "Content-Type", "application/json")
	equal(t, "status", r.status, 200)
	equal(t, "body", r.body, `{"url":"https://app.example.com"}`)
}

func TestBRUTE01SameAnswer(t *testing.T) {
	w := newWorld(t)
	one := w.browser(t).password("bob", "wrong", "json", "true")
	two := w.browser(t).password("nobody", "wrong", "json", "true")
	if one.status != 401 || one.status != two.status || one.body != two.body || !slices.Equal(one.names(), two.names()) {
		t.Errorf("%d %s and %d %s", one.status, one.body, two.status, two.body)
	}
	w.pw.err = errors.New("users file: line 3: bcrypt: hash of bob is broken")
	r := w.browser(t).password("bob", "wrong")
	if r.location() != wrongPassword {
		t.Errorf("an error's text is in %q", r.location())
	}
}

func TestBruteForce(t *testing.T) {
	w := newWorld(t)
	try := func(from, user string) reply {
		w.site.ClientIP = netip.MustParseAddr(from)
		return w.browser(t).password(user, "wrong")
	}
	for range 10 {
		try("192.0.2.1", "bob")
	}
	equal(t, "asked", w.pw.asked, 10)
	r := try("192.0.2.1", "bob")
	equal(t, "Location", r.location(), wrongPassword)
	equal(t, "Retry-After", r.header.Get("Retry-After"), "60")
	if got := w.logs.FilterMessage("sign-in failed").All(); got[10].ContextMap()["reason"] != "too_many_attempts" {
		t.Errorf("reason %v", got[10].ContextMap()["reason"])
	}
	w.site.ClientIP = netip.MustParseAddr("192.0.2.1")
	if r := w.browser(t).password("bob", "hunter2-hunter2", "json", "true"); r.status != 401 {
		t.Errorf("the right password beyond the limit: status %d", r.status)
	}

	t.Run("BRUTE-04 spellings", func(t *testing.T) {
		before := w.pw.asked
		for _, name := range []string{"Bob", "BOB", "ｂｏｂ", " bob "} {
			try("192.0.2.1", name)
		}
		equal(t, "asked", w.pw.asked, before)
	})
	t.Run("BRUTE-03 one client", func(t *testing.T) {
		before := w.pw.asked
		try("::ffff:192.0.2.1", "bob")
		equal(t, "asked", w.pw.asked, before)
		for range 10 {
			try("2001:db8::1", "carol")
		}
		before = w.pw.asked
		try("2001:db8::ffff:2", "carol")
		equal(t, "asked", w.pw.asked, before)
	})
	t.Run("BRUTE-05 the victim elsewhere", func(t *testing.T) {
		w.site.ClientIP = netip.MustParseAddr("198.51.100.9")
		if r := w.browser(t).password("bob", "hunter2-hunter2"); r.location() != testOrigin {
			t.Errorf("locked out: %q", r.location())
		}
	})
	t.Run("many accounts from one client", func(t *testing.T) {
		before := w.pw.asked
		for i := range 80 {
			try("203.0.113.5", fmt.Sprint("user", i))
		}
		equal(t, "asked", w.pw.asked-before, 60)
	})
	t.Run("one account from many clients", func(t *testing.T) {
		before := w.pw.asked
		for i := range 120 {
			try(fmt.Sprintf("10.0.%d.1", i), "dave")
		}
		equal(t, "asked", w.pw.asked-before, 100)
	})
	t.Run("time heals", func(t *testing.T) {
		w.clock.add(2 * time.Minute)
		w.site.ClientIP = netip.MustParseAddr("192.0.2.1")
		if r := w.browser(t).password("bob", "hunter2-hunter2"); r.location() != testOrigin {
			t.Errorf("got %q", r.location())
		}
	})
}

func TestManyFlows(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	token := b.csrf()
	for range 60 {
		b.do("POST", "/signin/op", "csrfToken="+token)
	}
	r := b.do("POST", "/signin/op", "csrfToken="+token)
	wantError(t, r, codeOAuthSignin)
	equal(t, "Retry-After", r.header.Get("Retry-After"), "60")
	equal(t, "flows", len(w.op.started), 60)
}

// email is a credentials provider with other fields.
type email struct{ passwords }

func (*email) Fields() []provider.Field {
	return []provider.Field{{Name: "pin", Type: "password"}, {Name: "card", Type: "text"}, {Name: "other", Type: "text"}}
}

func TestAccountOf(t *testing.T) {
	form := parseForm("username=u&card=c&pin=p")
	equal(t, "username", accountOf(&passwords{}, form), "u")
	equal(t, "first text", accountOf(&email{}, form), "c")
}
