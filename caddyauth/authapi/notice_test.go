package authapi

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNotice(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	r := b.get("/callback/op?error=access_denied")
	c, ok := r.cookie(secure("notice"))
	if !ok || c.attributes != "Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("attributes %q", c.attributes)
	}
	left := slices.Clone(b.jar)
	reference := w.logs.FilterMessage("sign-in failed").All()[0].ContextMap()["reference"].(string)
	shows := func(target string) bool {
		t.Helper()
		b.jar = slices.Clone(left)
		page := b.get(target)
		if b.has(secure("notice")) != (page.status == 302) {
			t.Errorf("%s: the notice is cleared when shown, and only then", target)
		}
		return strings.Contains(page.body, reference)
	}
	if !shows("/signin?error=Callback") {
		t.Error("not shown")
	}
	if shows("/error?error=Callback") || !slices.Equal(r.names(), []string{secure("csrf-token"), secure("callback-url"), secure("notice")}) {
		t.Error("it does not survive the way to the sign-in page")
	}
	for _, target := range []string{"/signin", "/signin?error=OAuthCallback", "/error?error=AccessDenied"} {
		if shows(target) {
			t.Errorf("shown at %s", target)
		}
	}
	w.clock.add(80 * time.Second)
	if shows("/signin?error=Callback") {
		t.Error("shown after its time")
	}
}

func TestNoticeIsSealed(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.start("op")
	i := slices.IndexFunc(b.jar, func(c setCookie) bool { return c.name == secure("state") })
	for _, value := range []string{"garbage", b.jar[i].value, ""} {
		b.keep(setCookie{name: secure("notice"), value: value})
		r := b.get("/signin?error=Callback")
		if c, ok := r.cookie(secure("notice")); !ok || c.value != "" || r.status != 200 {
			t.Errorf("%.20q: not cleared", value)
		}
	}
}

func TestNoNoticeWithoutError(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("op")
	b.password("bob", "hunter2-hunter2")
	b.get("/signin?error=OAuthCallback")
	b.post("/signout")
	if b.has(secure("notice")) {
		t.Error("there is a notice")
	}
}

func TestNoticeIsBounded(t *testing.T) {
	w := newWorld(t)
	r := w.browser(t).password(strings.Repeat("ü", 100_000), "x")
	if c, _ := r.cookie(secure("notice")); len(c.value) > 1000 {
		t.Errorf("%d bytes", len(c.value))
	}
}
