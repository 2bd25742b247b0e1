package authapi

import (
	"slices"
	"strings"
	"testing"
)

func TestOUT01CopiesEnd(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("op")
	thief := w.browser(t)
	thief.jar = slices.Clone(b.jar)
	b.get("/session") // seals the session again, under the same sid
	other := w.browser(t)
	other.signIn("op")
	b.post("/signout")
	if thief.session() != nil {
		t.Error("the copy of the token is still good")
	}
	if other.session() == nil {
		t.Error("another browser of the same person was signed out")
	}
}

func TestSignOutClearsEveryPiece(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.csrf()
	name := secure("session-token")
	for _, n := range []string{name + ".1", name, name + ".0", name + ".7"} {
		b.keep(setCookie{name: n, value: "x"})
	}
	b.keep(setCookie{name: name + ".evil", value: "x"})
	b.keep(setCookie{name: name + "-other", value: "x"})
	r := b.post("/signout")
	if !slices.Equal(r.names(), []string{name + ".1", name, name + ".0", name + ".7"}) {
		t.Errorf("cookies %q", r.names())
	}
	for _, c := range r.cookies {
		if c.value != "" || c.attributes != "Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax" {
			t.Errorf("%s: %q %q", c.name, c.value, c.attributes)
		}
	}
}

func TestSignOutPage(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	if page := b.get("/signout"); strings.Contains(page.body, "alice") {
		t.Error("names somebody who is not signed in")
	}
	b.signIn("op")
	page := b.get("/signout?callbackUrl=%2Fbye")
	if !strings.Contains(page.body, "alice") || !strings.Contains(page.body, `value="https://app.example.com/bye"`) {
		t.Errorf("page %s", page.body)
	}
	if b.session() == nil {
		t.Error("CSRF-02: a GET has signed out")
	}
}

func TestSignOutWithoutSession(t *testing.T) {
	w := newWorld(t)
	r := w.browser(t).post("/signout", "callbackUrl", "/x")
	equal(t, "Location", r.location(), testOrigin+"/x")
	if !slices.Equal(r.names(), []string{secure("callback-url")}) {
		t.Errorf("cookies %q", r.names())
	}
	equal(t, "lines", w.logs.FilterMessage("signed out").Len(), 0)
}

func TestSessionClearsWhatIsNone(t *testing.T) {
	w := newWorld(t)
	name := secure("session-token")
	for id, pieces := range map[string][]string{
		"COOK-01 garbage":   {name},
		"COOK-02 no .0":     {name + ".1"},
		"COOK-04 gap":       {name + ".0", name + ".2"},
		"JWE-20 no bearers": nil,
	} {
		b := w.browser(t)
		b.csrf()
		for _, p := range pieces {
			b.keep(setCookie{name: p, value: "garbage"})
		}
		r := b.get("/session", "Authorization", "Bearer %E0%A4%A")
		equal(t, id, r.body, "{}")
		if !slices.Equal(r.names(), append([]string{}, pieces...)) {
			t.Errorf("%s: cookies %q", id, r.names())
		}
	}
	t.Run("COOK-13 unprefixed name", func(t *testing.T) {
		b := w.browser(t)
		b.signIn("op")
		i := slices.IndexFunc(b.jar, func(c setCookie) bool { return c.name == name })
		b.jar[i].name = "next-auth.session-token"
		equal(t, "session", b.get("/session").body, "{}")
	})
	t.Run("expired", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser(t)
		b.signIn("op")
		w.clock.add(31 * 24 * 3600 * 1e9)
		r := b.get("/session")
		equal(t, "body", r.body, "{}")
		if c, ok := r.cookie(name); !ok || c.value != "" {
			t.Error("not cleared")
		}
	})
}
