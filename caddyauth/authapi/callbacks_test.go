package authapi

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// with compiles callbacks into an option.
func with(t testing.TB, c callbacks.Config) func(*Options) {
	t.Helper()
	set, err := callbacks.Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *Options) { o.Callbacks = set }
}

// steps are name and expression in turns; the name "drop" ends the session.
func steps(pairs ...string) (list []callbacks.Step) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "drop" {
			list = append(list, callbacks.Step{Drop: true, Expr: pairs[i+1]})
			continue
		}
		list = append(list, callbacks.Step{Name: pairs[i], Expr: pairs[i+1]})
	}
	return list
}

// both runs a test in either dialect.
func both(t *testing.T, f func(t *testing.T, d func(*Options))) {
	t.Run("v4", func(t *testing.T) { f(t, func(*Options) {}) })
	t.Run("v5", func(t *testing.T) { f(t, inV5) })
}

// claims are those of the browser's session.
func (b *browser) claims() map[string]any {
	b.t.Helper()
	s := b.session()
	if s == nil {
		return nil
	}
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(s.Claims))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		b.t.Fatal(err)
	}
	return m
}

// finish comes back from the provider op.
func (b *browser) finish() reply {
	b.t.Helper()
	return b.get("/callback/op?code=x&state=" + b.start("op"))
}

// A sign-in ends with a session, or without one at the page of the refused, or
// elsewhere.
func TestSignInCallback(t *testing.T) {
	const in, denied = "in", baseURL + "/error?error=AccessDenied"
	both(t, func(t *testing.T, d func(*Options)) {
		for _, c := range []struct {
			name, expr      string
			oauth, password string // in, or the address
		}{
			{"everybody", "true", in, in},
			{"nobody", "false", denied, denied},
			{"an empty string", `""`, denied, denied},
			{"user", `user.?name.orValue("") == "Alice"`, in, denied},
			{"account", `account.provider == "op" && account.providerAccountId == "alice-id" && account.access_token == "access-token-of-alice"`, in, denied},
			{"profile", `"staff" in profile.?groups.orValue([])`, in, denied},
			{"credentials", `credentials.?username.orValue("") == "bob" && credentials.password == "hunter2-hunter2" && !has(credentials.csrfToken)`, denied, in},
			{"request", `request.method == "GET" && request.host == "app.example.com" && request.path == "/api/auth/callback/op" && request.query.code == "x" && request.ip == "192.0.2.7"`, in, denied},
			{"time", `now == timestamp("2026-11-23T12:00:00Z")`, in, in},
			{"an error denies", `user.nothing == "x"`, denied, denied},
			{"elsewhere on this site", `"/waiting-room?x=1"`, testOrigin + "/waiting-room?x=1", testOrigin + "/waiting-room?x=1"},
			{"in full", `"https://app.example.com/full"`, testOrigin + "/full", testOrigin + "/full"},
			{"REDIR-07 another site", `"https://evil.example/"`, testOrigin, testOrigin},
			{"REDIR-01 two slashes", `"//evil.example/"`, testOrigin, testOrigin},
			{"REDIR-05 line feed", `"/x\r\nSet-Cookie: a=b"`, testOrigin, testOrigin},
			{"REDIR-08 no address", `"javascript:alert(1)"`, testOrigin, testOrigin},
		} {
			w := newWorld(t, d, with(t, callbacks.Config{SignIn: c.expr}))
			for want, way := range map[*string]func(*browser) reply{
				&c.oauth:    (*browser).finish,
				&c.password: func(b *browser) reply { return b.password("bob", "hunter2-hunter2") },
			} {
				b := w.browser(t)
				r := way(b)
				equal(t, c.name+" signed in", b.session() != nil, *want == in)
				if *want == in {
					*want = testOrigin
				}
				equal(t, c.name, r.location(), *want)
			}
		}
	})
}

func TestSignInCallbackReasons(t *testing.T) {
	for expr, want := range map[string]struct{ reason, message, level string }{
		"false":              {"access_denied", "sign-in refused", "info"},
		`user.nothing == ""`: {"callback_failed", "sign-in failed", "error"},
	} {
		w := newWorld(t, with(t, callbacks.Config{SignIn: expr}))
		b := w.browser(t)
		wantError(t, b.finish(), codeAccessDenied)
		line := w.logs.FilterMessage(want.message).All()
		if len(line) != 1 || line[0].ContextMap()["reason"] != want.reason || line[0].Level.String() != want.level {
			t.Errorf("%s: %v", expr, line)
		}
		if page := b.get("/error?error=AccessDenied"); !strings.Contains(page.body, "alice@example.com") {
			t.Errorf("the page does not name the account: %s", page.body)
		}
	}
	t.Run("rules come first", func(t *testing.T) {
		w := newWorld(t, with(t, callbacks.Config{SignIn: `"/asked"`}), func(o *Options) {
			o.Authorize = func(*session.Session) bool { return false }
		})
		wantError(t, w.browser(t).finish(), codeAccessDenied)
	})
	t.Run("an earlier session survives", func(t *testing.T) {
		w := newWorld(t, with(t, callbacks.Config{SignIn: `account.provider == "github"`}))
		b := w.browser(t)
		b.signIn("github")
		sid := b.session().Evidence.SID
		wantError(t, b.finish(), codeAccessDenied)
		equal(t, "sid", b.session().Evidence.SID, sid)
	})
}

func TestJWTCallback(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, with(t, callbacks.Config{JWT: steps(
			"role", `trigger == "signIn" && "staff" in profile.?groups.orValue([]) ? optional.of("staff") : optional.none()`,
			"access", `account.?access_token`,
			"type", `account.?type`,
			"email", `token.?email.orValue("").upperAscii()`,
			"big", `trigger == "signIn" ? optional.of(9007199254740993) : optional.none()`,
			"picture", "null",
			"reads", `trigger == "" ? optional.of(int(token.?reads.orValue(0)) + 1) : optional.none()`,
			"broken", `token.nothing`,
		)}))
		b := w.browser(t)
		b.signIn("op")
		typ := "oauth"
		if w.api.opts.Dialect == dialect.V5 {
			typ = "oidc"
		}
		check := func(when string, reads any) {
			t.Helper()
			c := b.claims()
			for name, want := range map[string]any{
				"role": "staff", "access": "access-token-of-alice", "type": typ, "email": "ALICE@EXAMPLE.COM",
				"big": json.Number("9007199254740993"), "picture": nil, "broken": nil, "reads": reads,
			} {
				if c[name] != want {
					t.Errorf("%s: %s is %v, want %v", when, name, c[name], want)
				}
			}
			if e := b.session().Evidence; e.Provider != "op" || e.Account != "alice-id" || len(e.SID) != 32 {
				t.Errorf("%s: evidence %+v", when, e)
			}
		}
		check("at sign-in", nil)
		b.get("/session")
		b.get("/session")
		check("after reading", json.Number("2"))
		n := w.logs.FilterMessage("callback failed").Len()
		equal(t, "failures in the log", n, 3)
	})
}

// Nobody can fill the log with the failures of an expression.
func TestFailuresInTheLog(t *testing.T) {
	w := newWorld(t, with(t, callbacks.Config{Redirect: `url + string(1 / (size(url) - size(url)))`}))
	b := w.browser(t)
	for range 30 {
		equal(t, "to", b.get("/signin?callbackUrl=%2Fx").status, 200)
	}
	equal(t, "lines", w.logs.FilterMessage("callback failed").Len(), 10)
}

// The body shows what the callback jwt has made of the token at once, as it does
// in next-auth 4 where that callback changes the token in place.
func TestUserOfSession(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		b := newWorld(t, d, with(t, callbacks.Config{JWT: steps(
			"name", `trigger == "" ? optional.of(token.name + "1") : optional.none()`,
		)})).browser(t)
		b.signIn("op")
		if body := b.get("/session").body; !strings.Contains(body, `"name":"Alice1"`) {
			t.Errorf("got %s", body)
		}
		equal(t, "token", b.claims()["name"], any("Alice1"))
	})
}

func TestSessionCallback(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, with(t, callbacks.Config{
			JWT: steps("role", `trigger == "signIn" ? optional.of("admin") : optional.none()`),
			Session: steps(
				"user.id", "token.sub",
				"user.role", "token.?role",
				"user.image", "null",
				"site.host", "request.host",
				"broken", "token.nothing",
			),
		}))
		b := w.browser(t)
		b.password("bob", "hunter2-hunter2")
		equal(t, "body", b.get("/session").body,
			`{"user":{"name":"Bob","id":"bob","role":"admin"},"expires":"2026-12-23T12:00:00.000Z","site":{"host":"app.example.com"}}`)
		equal(t, "failures in the log", w.logs.FilterMessage("callback failed").Len(), 1)
		if b.claims()["site"] != nil {
			t.Error("the body got into the token")
		}
	})
}

func TestDrop(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		gone := false
		w := newWorld(t, d, with(t, callbacks.Config{JWT: steps("drop", `has(token.email) && now > timestamp("2026-11-23T13:00:00Z")`)}))
		b := w.browser(t)
		b.signIn("op")
		copied := slices.Clone(b.jar)
		b.get("/session")
		w.clock.add(2 * time.Hour)
		r := b.get("/session")
		equal(t, "body", r.body, w.api.contract.noSession)
		if c, ok := r.cookie(w.name("session-token")); !ok || c.value != "" {
			t.Error("the cookie was not cleared")
		}
		thief := w.browser(t)
		thief.jar = copied
		if gone = thief.session() == nil; !gone {
			t.Error("OUT-01 a copy of the token lives on")
		}
		equal(t, "lines", w.logs.FilterMessage("session dropped by a callback").Len(), 1)
		t.Run("at sign-in", func(t *testing.T) {
			b := w.browser(t)
			b.password("bob", "hunter2-hunter2") // has no address
			r := b.finish()
			equal(t, "Location", r.location(), testOrigin)
			if !slices.Equal(r.names(), w.cookieNames("state", "pkce.code_verifier", "nonce", "session-token")) || b.session() != nil {
				t.Errorf("cookies %q", r.names())
			}
		})
	})
	t.Run("without a loop", func(t *testing.T) {
		w := newWorld(t, with(t, callbacks.Config{JWT: steps("drop", "true")}), func(o *Options) {
			o.AutoRedirect = true
			o.Providers = o.Providers[:1]
		})
		b := w.browser(t)
		start := b.get("/signin", opened...)
		b.get("/callback/op?code=x&state=" + start.param("state"))
		equal(t, "the page after", b.get("/signin", opened...).status, 200)
	})
}

func TestSessionUpdate(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, with(t, callbacks.Config{
			JWT: steps(
				"theme", `trigger == "update" && session.?theme.orValue("") in ["dark", "light"] ? optional.of(session.theme) : optional.none()`,
				"seen", `trigger == "update" ? optional.of(type(session) == string ? session : "") : optional.none()`,
			),
			Session: steps("theme", "token.?theme", "trigger", "trigger", "sent", `type(newSession) == map ? newSession.?theme : optional.none()`),
		}))
		b := w.browser(t)
		b.signIn("op")
		update := func(contentType, body string) string {
			t.Helper()
			r := b.do("POST", "/session", strings.ReplaceAll(body, "TOKEN", b.csrf()), "Content-Type", contentType)
			equal(t, body, r.status, 200)
			return r.body
		}
		const form = "application/x-www-form-urlencoded"
		for _, c := range []struct{ contentType, body, want string }{
			{jsonType, `{"csrfToken":"TOKEN","data":{"theme":"dark","role":"admin"}}`, `,"theme":"dark","trigger":"update","sent":"dark"}`},
			{jsonType, `{"csrfToken":"TOKEN","data":{"theme":"pink"}}`, `,"theme":"dark","trigger":"update","sent":"pink"}`},
			{jsonType, `{"csrfToken":"TOKEN","data":null}`, `,"theme":"dark","trigger":"update"}`},
			{jsonType, `{"csrfToken":"TOKEN","data":[1]}`, `,"theme":"dark","trigger":"update"}`},
			{jsonType, `{"csrfToken":"TOKEN"}`, `,"theme":"dark","trigger":"update"}`},
			{form, `csrfToken=TOKEN&data=some%20text%22`, `,"theme":"dark","trigger":"update"}`},
		} {
			if body := update(c.contentType, c.body); !strings.HasSuffix(body, c.want) {
				t.Errorf("%s: got %s", c.body, body)
			}
		}
		equal(t, "a form's text", b.claims()["seen"], any(`some text"`))
		if b.claims()["role"] != nil {
			t.Error("data got into the token by itself")
		}
		if body := b.get("/session").body; !strings.HasSuffix(body, `,"theme":"dark","trigger":""}`) {
			t.Errorf("after: %s", body)
		}
	})
}

// A browser cannot blow its own cookies up until servers refuse its requests.
func TestUpdateTooLarge(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, with(t, callbacks.Config{JWT: steps("note", "session.?note")}))
		b := w.browser(t)
		b.signIn("op")
		for _, n := range []int{100, 7000, 50_000, 900_000} {
			body := `{"csrfToken":"` + b.csrf() + `","data":{"note":"` + strings.Repeat("x", n) + `"}}`
			r := b.do("POST", "/session", body, "Content-Type", jsonType)
			equal(t, "status", r.status, 200)
			note, _ := b.claims()["note"].(string)
			if want := min(n, 100); len(note) != want {
				t.Errorf("%d: the note has %d bytes", n, len(note))
			}
			if !strings.Contains(r.body, "Alice") {
				t.Errorf("%d: %s", n, r.body)
			}
		}
	})
	t.Run("what is longer than a session is not looked at", func(t *testing.T) {
		w := newWorld(t, with(t, callbacks.Config{
			JWT:     steps("seen", "session.?list.orValue([]).distinct().size()"),
			Session: steps("sent", "newSession.?list.orValue([]).distinct().size()"),
		}))
		b := w.browser(t)
		b.signIn("op")
		for n, want := range map[int]int{10: 10, 150_000: 0} {
			var list strings.Builder
			for i := range n {
				fmt.Fprintf(&list, ",%d", i)
			}
			body := `{"csrfToken":"` + b.csrf() + `","data":{"list":[` + list.String()[1:] + `]}}`
			r := b.do("POST", "/session", body, "Content-Type", jsonType)
			if !strings.HasSuffix(r.body, fmt.Sprintf(`,"sent":%d}`, want)) || b.claims()["seen"] != json.Number(fmt.Sprint(want)) {
				t.Errorf("%d elements: %v, %s", n, b.claims()["seen"], r.body)
			}
		}
	})
	t.Run("COOK-10 at sign-in", func(t *testing.T) {
		for n, ok := range map[int]bool{10: true, 20_000: false} {
			w := newWorld(t, with(t, callbacks.Config{JWT: steps("note", "profile.?note")}))
			w.identity(func(id *provider.Identity) { id.Profile["note"] = strings.Repeat("x", n) })
			r := w.browser(t).finish()
			if ok {
				equal(t, "Location", r.location(), testOrigin)
				continue
			}
			wantError(t, r, codeCallback)
			w.wantReason(t, "too large", ReasonSessionTooLarge, true)
		}
	})
	t.Run("COOK-10 reduced", func(t *testing.T) {
		w := newWorld(t, with(t, callbacks.Config{JWT: steps("note", "profile.?note")}))
		w.identity(func(id *provider.Identity) {
			id.Profile["note"] = strings.Repeat("x", 3000)
			var groups []any
			for i := range 60 {
				groups = append(groups, strings.Repeat("g", 50)+string(rune('a'+i%26))+strings.Repeat("h", i))
			}
			id.Profile["groups"] = groups
		})
		b := w.browser(t)
		b.signIn("op")
		if note, _ := b.claims()["note"].(string); len(note) != 3000 || len(b.session().Evidence.Groups) != 0 {
			t.Errorf("note of %d bytes, %d groups", len(note), len(b.session().Evidence.Groups))
		}
	})
}

func TestRedirectCallback(t *testing.T) {
	// As sites with several hosts write it.
	const several = `url.startsWith("/") ? baseUrl + url : url.startsWith("https://other.example/") || url == "https://other.example" ? url : url == baseUrl || url.startsWith(baseUrl + "/") ? url : baseUrl + "/home"`
	for _, c := range []struct{ id, expr, raw, want string }{
		{"path", several, "/a?b=c#d", testOrigin + "/a?b=c#d"},
		{"in full", several, testOrigin + "/a", testOrigin + "/a"},
		{"another host", several, "https://other.example/x?y", "https://other.example/x?y"},
		{"another host, folded", several, "HTTPS://Other.Example:443/x", "https://other.example/x"},
		{"a stranger", several, "https://evil.example/", testOrigin + "/home"},
		{"REDIR-07", several, "https://other.example.evil.example/", testOrigin + "/home"},
		{"the expression gets a path", "url", "/a", testOrigin + "/a"},
		{"REDIR-01 asked nothing", "url", "//evil.example", testOrigin},
		{"REDIR-02", "url", `/\evil.example`, testOrigin},
		{"REDIR-06 user", several, "https://other.example@evil.example/", testOrigin},
		{"REDIR-06 password", "url", "https://a:b@other.example/", testOrigin},
		{"REDIR-08", "url", "javascript:alert(1)", testOrigin},
		{"REDIR-05", "url", "https://other.example/\r\nx", testOrigin},
		{"REDIR-12", "url", "http://[::1", testOrigin},
		{"result: path", `"/fixed"`, "/a", testOrigin + "/fixed"},
		{"result: another site", `"https://other.example/fixed"`, "/a", "https://other.example/fixed"},
		{"result: two slashes", `"//evil.example"`, "/a", testOrigin},
		{"result: backslash", `"/\\evil.example"`, "/a", testOrigin},
		{"result: user", `"https://a@other.example/"`, "/a", testOrigin},
		{"result: scheme", `"javascript:alert(1)"`, "/a", testOrigin},
		{"result: data", `"data:text/html,x"`, "/a", testOrigin},
		{"result: header", `"/x\r\nSet-Cookie: a=b"`, "/a", testOrigin},
		{"result: empty", `""`, "/a", testOrigin},
		{"result: none", `request.query.nothing`, "/a", testOrigin},
		{"result: spaces", `"/a b"`, "/a", testOrigin + "/a%20b"},
	} {
		both(t, func(t *testing.T, d func(*Options)) {
			w := newWorld(t, d, with(t, callbacks.Config{Redirect: c.expr}))
			b := w.browser(t)
			r := b.post("/signout", "callbackUrl", c.raw)
			equal(t, c.id, r.location(), c.want)
			// What the cookie holds has been through the callback, and goes through
			// it again.
			b = w.browser(t)
			b.get("/signin?callbackUrl=" + url.QueryEscape(c.raw))
			kept := setCookie{name: w.name("callback-url"), value: cookie.Encode(c.raw)}
			b.keep(kept)
			equal(t, c.id+" from the cookie", b.signIn("op").location(), c.want)
		})
	}
	t.Run("REDIR-16 auto redirect", func(t *testing.T) {
		w := newWorld(t, with(t, callbacks.Config{Redirect: `baseUrl + "/api/auth/signin"`}), func(o *Options) {
			o.AutoRedirect = true
			o.Providers = o.Providers[:1]
		})
		b := w.browser(t)
		start := b.get("/signin?callbackUrl=/x", opened...)
		equal(t, "Location", b.get("/callback/op?code=x&state="+start.param("state")).location(), testOrigin)
	})
	t.Run("nobody asks", func(t *testing.T) {
		b := newWorld(t, with(t, callbacks.Config{Redirect: `"/never"`})).browser(t)
		equal(t, "Location", b.post("/signout").location(), testOrigin+"/never") // the cookie's
		b.drop(secure("callback-url"))
		equal(t, "without a cookie", b.do("POST", "/signout", "csrfToken="+b.csrf()).location(), testOrigin+"/never")
	})
}

func TestRenew(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, with(t, callbacks.Config{JWT: steps(
			"seen", `trigger == "" ? optional.of(request.method + " " + request.path + "?" + request.query.?q.orValue("")) : optional.none()`,
			"drop", `request.path == "/leave"`,
		)}))
		b := w.browser(t)
		b.signIn("op")
		renew := func(path string) ([]cookie.Cookie, error) {
			r := httptest.NewRequest("GET", "http://wrong.example/rewritten", nil)
			for _, c := range b.jar {
				r.Header.Add("Cookie", c.name+"="+c.value)
			}
			site := b.site
			site.Path, site.Query = path, "q=1"
			return w.api.Renew(r, site, b.session())
		}
		cookies, err := renew("/members/%C3%BC")
		if err != nil || len(cookies) != 1 || cookies[0].Name != w.name("session-token") {
			t.Fatalf("got %v %v", cookies, err)
		}
		before := b.session()
		w.clock.add(time.Minute)
		b.keep(setCookie{name: cookies[0].Name, value: cookies[0].Value})
		equal(t, "claim", b.claims()["seen"], any("GET /members/ü?1"))
		if after := b.session(); after.JTI == before.JTI || after.Evidence.SID != before.Evidence.SID {
			t.Error("not the same session, sealed again")
		}
		cookies, err = renew("/leave")
		if err != nil || len(cookies) != 1 || cookies[0].Value != "" || !cookies[0].HasMaxAge {
			t.Errorf("dropped: %v %v", cookies, err)
		}
		if b.session() != nil {
			t.Error("the session was not ended")
		}
	})
	t.Run("without callbacks", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser(t)
		b.signIn("op")
		cookies, err := w.api.Renew(httptest.NewRequest("GET", "/", nil), b.site, b.session())
		if err != nil || len(cookies) != 1 {
			t.Errorf("got %v %v", cookies, err)
		}
	})
}

// A token of NextAuth's own, without evidence, goes through the callbacks too.
func TestCallbacksOnForeignTokens(t *testing.T) {
	w := newWorld(t, with(t, callbacks.Config{
		JWT:     steps("role", `"guest"`),
		Session: steps("user.role", "token.role"),
	}))
	token, err := jwt.SealClaims(ring(t), map[string]any{"name": "J Smith", "sub": "1", "deep": map[string]any{"n": json.Number("12345678901234567890")}}, w.clock.now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser(t)
	b.keep(setCookie{name: secure("session-token"), value: token})
	equal(t, "body", b.get("/session").body[:44], `{"user":{"name":"J Smith","role":"guest"},"e`)
	if !strings.Contains(b.session().Claims, `"deep":{"n":12345678901234567890}`) || b.session().HasEvidence {
		t.Errorf("claims %s", b.session().Claims)
	}
}

// Nobody vouches for an address that a callback has made, whatever else happens
// to the session.
func TestEmailOfACallback(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		for name, c := range map[string]struct {
			note     int // length of a claim
			email    string
			verified bool
		}{
			"the same":           {0, "token.email", true},
			"another":            {0, `"admin@example.com"`, false},
			"none":               {0, "null", false},
			"no address":         {0, `["alice@example.com"]`, false},
			"another, too large": {3500, `"admin@example.com"`, false},
		} {
			w := newWorld(t, d, with(t, callbacks.Config{JWT: steps("email", c.email, "note", "profile.?note")}))
			w.identity(func(id *provider.Identity) {
				id.Profile["note"] = strings.Repeat("x", c.note)
				var groups []any
				for i := range 60 {
					groups = append(groups, strings.Repeat("g", 50)+strings.Repeat("h", i))
				}
				id.Profile["groups"] = groups
			})
			b := w.browser(t)
			b.signIn("op")
			s := b.session()
			if s.Evidence.Verified != c.verified || s.Evidence.Account != "alice-id" {
				t.Errorf("%s: address %q, evidence %+v", name, s.User.Email, s.Evidence)
			}
			equal(t, name+" reduced", len(s.Evidence.Groups) == 0, c.note > 0)
		}
		t.Run("at an update", func(t *testing.T) {
			w := newWorld(t, d, with(t, callbacks.Config{JWT: steps("email", "session.?email")}))
			b := w.browser(t)
			b.signIn("op")
			equal(t, "before", b.session().Evidence.Verified, true)
			for _, email := range []string{"admin@example.com", "alice@example.com"} {
				b.do("POST", "/session", `{"csrfToken":"`+b.csrf()+`","data":{"email":"`+email+`"}}`, "Content-Type", jsonType)
				equal(t, "address", b.session().User.Email, email)
				equal(t, "after "+email, b.session().Evidence.Verified, false)
			}
		})
	})
	t.Run("a token of NextAuth's own keeps its address", func(t *testing.T) {
		for claims, want := range map[string]string{
			`{"sub":"1","email":"guest@example.net"}`: "guest@example.net",
			`{"sub":"1","email":null}`:                "",
			`{"sub":"1"}`:                             "",
		} {
			w := newWorld(t, with(t, callbacks.Config{JWT: steps("email", "session.?email", "theme", "session.?theme")}))
			token, err := jwt.Renew(ring(t), claims, "", w.clock.now(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			b := w.browser(t)
			b.keep(setCookie{name: secure("session-token"), value: token})
			b.do("POST", "/session", `{"csrfToken":"`+b.csrf()+`","data":{"email":"admin@example.com","theme":"dark"}}`, "Content-Type", jsonType)
			equal(t, claims, b.session().User.Email, want)
			equal(t, "theme", b.claims()["theme"], any("dark"))
		}
	})
}
