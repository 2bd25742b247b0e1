package authapi

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// hostile are return addresses that lead elsewhere, or could.
var hostile = []struct{ id, raw string }{
	{"REDIR-01", "//evil.com"},
	{"REDIR-01", "///evil.com"},
	{"REDIR-01", "//evil.com/%2f.."},
	{"REDIR-02", `/\evil.com`},
	{"REDIR-02", `/\\evil.com`},
	{"REDIR-02", `\\evil.com`},
	{"REDIR-02", `/./\evil.com`},
	{"REDIR-05", "/\r\nSet-Cookie: a=b"},
	{"REDIR-05", "\thttps://evil.com"},
	{"REDIR-05", "/\t/evil.com"},
	{"REDIR-06", "https://app.example.com@evil.com"},
	{"REDIR-06", "https://app.example.com%40evil.com"},
	{"REDIR-07", "https://app.example.com.evil.com"},
	{"REDIR-07", "https://evilapp.example.com"},
	{"REDIR-07", "https://app.example.com:443.evil.com"},
	{"REDIR-08", "javascript:alert(1)"},
	{"REDIR-08", "data:text/html,x"},
	{"REDIR-08", "https:evil.com"},
	{"REDIR-08", "https:/evil.com"},
	{"REDIR-08", "https:///evil.com"},
	{"REDIR-08", "dashboard"},
	{"REDIR-10", "https://app.example.com:8443/"},
	{"REDIR-10", "http://app.example.com/"},
	{"REDIR-12", "http://[::1"},
	{"REDIR-20", "https://user:pass@app.example.com/"},
}

func TestHostileCallbackURLs(t *testing.T) {
	routes := map[string]func(b *browser, raw string) string{
		"POST signin, body": func(b *browser, raw string) string {
			state := b.start("op", "callbackUrl", raw)
			return b.get("/callback/op?code=x&state=" + state).location()
		},
		"POST signin, query": func(b *browser, raw string) string {
			state := b.start("op?callbackUrl=" + url.QueryEscape(raw))
			return b.get("/callback/op?code=x&state=" + state).location()
		},
		"GET signin": func(b *browser, raw string) string {
			b.get("/signin?callbackUrl=" + url.QueryEscape(raw))
			return b.signIn("op").location()
		},
		"callback": func(b *browser, raw string) string {
			state := b.start("op")
			return b.get("/callback/op?code=x&state=" + state + "&callbackUrl=" + url.QueryEscape(raw)).location()
		},
		"password": func(b *browser, raw string) string {
			return b.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2", "callbackUrl", raw).location()
		},
		"REDIR-17 signout": func(b *browser, raw string) string {
			b.signIn("op")
			return b.post("/signout", "callbackUrl", raw).location()
		},
		"REDIR-14 cookie": func(b *browser, raw string) string {
			b.keep(setCookie{name: secure("callback-url"), value: cookie.Encode(raw)})
			return b.signIn("op").location()
		},
		"JSON body": func(b *browser, raw string) string {
			body := `{"csrfToken":"` + b.csrf() + `","callbackUrl":` + string(jwt.AppendString(nil, raw)) + `}`
			return b.do("POST", "/signout", body, "Content-Type", "application/json").location()
		},
	}
	for name, route := range routes {
		t.Run(name, func(t *testing.T) {
			for _, h := range hostile {
				b := newWorld(t).browser(t)
				if got := route(b, h.raw); got != testOrigin {
					t.Errorf("%s %q: got %q", h.id, h.raw, got)
				}
				for _, c := range b.jar {
					if c.name == secure("callback-url") && cookie.Decode(c.value) != testOrigin {
						t.Errorf("%s %q: stored %q", h.id, h.raw, c.value)
					}
				}
			}
		})
	}
}

func TestCallbackURLOrder(t *testing.T) {
	signOut := func(query, body, kept string) string {
		b := newWorld(t).browser(t)
		token := b.csrf()
		b.drop(secure("callback-url"))
		if kept != "" {
			b.keep(setCookie{name: secure("callback-url"), value: kept})
		}
		return strings.TrimPrefix(b.do("POST", "/signout?"+query, "csrfToken="+token+"&"+body).location(), testOrigin)
	}
	const kept = "https%3A%2F%2Fapp.example.com%2Fcookie"
	for _, c := range []struct{ name, query, body, cookie, want string }{
		{"body first", "callbackUrl=/query", "callbackUrl=/body", kept, "/body"},
		{"query next", "callbackUrl=/query", "", kept, "/query"},
		{"cookie next", "", "", kept, "/cookie"},
		{"origin last", "", "", "", ""},
		{"an empty body field hides the query", "callbackUrl=/query", "callbackUrl=", kept, "/cookie"},
		{"an empty query field is none", "callbackUrl=", "", kept, "/cookie"},
		{"garbage does not fall back to the cookie", "", "callbackUrl=garbage", kept, ""},
		{"REDIR-13 repeated in the body", "callbackUrl=/query", "callbackUrl=/ok&callbackUrl=//evil.com", kept, ""},
		{"REDIR-13 repeated in the query", "callbackUrl=/ok&callbackUrl=/ok", "", kept, ""},
		{"REDIR-16 an action is a page", "", "callbackUrl=/api/auth/signout", "", "/api/auth/signout"},
		{"REDIR-10 default port", "", "callbackUrl=https://app.example.com:443/x", "", "/x"},
		{"REDIR-19 query as it was", "", "callbackUrl=" + url.QueryEscape("/a?x=1&y=%2F%26+z"), "", "/a?x=1&y=%2F%26+z"},
	} {
		if got := signOut(c.query, c.body, c.cookie); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	t.Run("REDIR-13 JSON list", func(t *testing.T) {
		b := newWorld(t).browser(t)
		for _, v := range []string{`["/ok"]`, `5`, `true`, `{"a":1}`} {
			body := `{"csrfToken":"` + b.csrf() + `","callbackUrl":` + v + `}`
			if r := b.do("POST", "/signout", body, "Content-Type", "application/json"); r.location() != testOrigin {
				t.Errorf("%s: %d %q", v, r.status, r.location())
			}
		}
		body := `{"csrfToken":"` + b.csrf() + `","callbackUrl":null}`
		r := b.do("POST", "/signout?callbackUrl=/query", body, "Content-Type", "application/json")
		equal(t, "null", r.location(), testOrigin+"/query")
	})
}

func TestCallbackCookieOnlyIfChanged(t *testing.T) {
	b := newWorld(t).browser(t)
	first := b.get("/csrf")
	if len(first.cookies) != 2 {
		t.Errorf("cookies %q", first.names())
	}
	for _, target := range []string{"/csrf", "/signin", "/session", "/signin?callbackUrl=" + url.QueryEscape(testOrigin)} {
		if r := b.get(target); len(r.cookies) != 0 {
			t.Errorf("%s: cookies %q", target, r.names())
		}
	}
	if r := b.get("/signin?callbackUrl=/x"); len(r.cookies) != 1 || r.cookies[0].value != "https%3A%2F%2Fapp.example.com%2Fx" {
		t.Errorf("cookies %v", r.cookies)
	}
}

func TestLongCallbackURL(t *testing.T) {
	big := setCookie{name: "other-app", value: strings.Repeat("v", 7000)}
	for _, c := range []struct {
		name, path string
		crowded    bool
		want       string
	}{
		{"fits", "/a?" + strings.Repeat("q", 1500), false, "/a?" + strings.Repeat("q", 1500)},
		{"query goes", "/a?" + strings.Repeat("&", 1500), false, "/a"},
		{"path goes", "/" + strings.Repeat("é", 700), false, ""},
		{"less room", "/a?" + strings.Repeat("&", 700), true, "/a"},
	} {
		b := newWorld(t).browser(t)
		if c.crowded {
			b.keep(big)
		}
		r := b.get("/signin?callbackUrl=" + url.QueryEscape(c.path))
		got, _ := r.cookie(secure("callback-url"))
		if cookie.Decode(got.value) != testOrigin+c.want {
			t.Errorf("%s: got %.80q", c.name, got.value)
		}
		if len(got.value) > 3500 {
			t.Errorf("%s: %d bytes", c.name, len(got.value))
		}
	}
}

// TestCrowdedBrowser holds the budget of 12 KiB for all own cookies.
func TestCrowdedBrowser(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	for _, n := range []string{".0", ".1"} {
		b.keep(setCookie{name: secure("session-token") + n, value: strings.Repeat("v", 3933)})
	}
	b.get("/signin?callbackUrl=/a%3F" + strings.Repeat("q", 1700))
	for range 6 {
		b.start("op")
	}
	size, checks := 0, 0
	for _, c := range b.jar {
		size += len(c.name) + len(c.value) + 3
		if strings.HasSuffix(c.name, ".state") || strings.HasSuffix(c.name, ".nonce") || strings.HasSuffix(c.name, "verifier") {
			checks += len(c.name) + len(c.value) + 3
		}
	}
	if checks > 1300 {
		t.Errorf("the check cookies take %d bytes", checks)
	}
	if size > 12<<10 {
		t.Errorf("COOK-10: the browser sends %d bytes of our cookies", size)
	}
}

func TestHostHeaders(t *testing.T) {
	headers := []string{
		"Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http",
		"X-Forwarded-Prefix", "/evil", "X-Forwarded-Port", "1", "X-Forwarded-Uri", "/api/auth/signout",
		"X-Original-URL", "/api/auth/signout", "X-Rewrite-URL", "/api/auth/signout", "Forwarded", "host=evil.example;proto=http",
		"X-Forwarded-Method", "POST", "X-Forwarded-Server", "evil.example", "X-Forwarded-For", "203.0.113.1",
		"Referer", "https://evil.example/", "X-Auth-Return-Redirect", "1",
	}
	w := newWorld(t)
	w.op.info.Name = "OP"
	b := w.browser(t)
	token := b.csrf()
	check := func(id string, r reply) {
		t.Helper()
		for name, values := range r.header {
			for _, v := range values {
				if strings.Contains(v, "evil") || strings.Contains(v, "http%3A") {
					t.Errorf("%s: %s: %s", id, name, v)
				}
			}
		}
		if strings.Contains(r.body, "evil") {
			t.Errorf("%s: body %s", id, r.body)
		}
		for _, c := range r.cookies {
			if !strings.HasPrefix(c.name, "__") || !strings.Contains(c.attributes, "Secure") {
				t.Errorf("HOST-02: %s is not secure", c.name)
			}
		}
	}
	for _, target := range []string{"/providers", "/signin", "/signout", "/error", "/error?error=Callback", "/verify-request", "/session"} {
		check("HOST-01 HOST-04 GET "+target, b.get(target, headers...))
	}
	start := b.do("POST", "/signin/op", "csrfToken="+token, headers...)
	check("HOST-01 POST signin", start)
	equal(t, "redirect_uri", w.op.started[0].RedirectURI, testOrigin+testBase+"/callback/op")
	done := b.get("/callback/op?code=x&state="+start.param("state"), headers...)
	check("HOST-01 callback", done)
	equal(t, "Location", done.location(), testOrigin)
	out := b.do("POST", "/signout", "csrfToken="+token, headers...)
	check("HOST-01 POST signout", out)
	equal(t, "Location", out.location(), testOrigin)
	for _, proto := range []string{"evil_protocol", "https,http", "HTTPS", "http"} {
		check("HOST-02", w.browser(t).get("/csrf", "X-Forwarded-Proto", proto))
	}
	for _, line := range w.logs.All() {
		if ip, ok := line.ContextMap()["client_ip"]; ok && ip != "192.0.2.7" {
			t.Errorf("HOST-03: client_ip %v", ip)
		}
	}
}

func TestSecureOption(t *testing.T) {
	on, off := true, false
	for _, c := range []struct {
		secure *bool
		origin string
		want   string
	}{
		{nil, "https://a.example", "__Secure-next-auth.session-token"},
		{nil, "http://a.example", "next-auth.session-token"},
		{&on, "http://a.example", "__Secure-next-auth.session-token"},
		{&off, "https://a.example", "next-auth.session-token"},
	} {
		w := newWorld(t, func(o *Options) { o.Secure = c.secure })
		equal(t, c.origin, w.api.Names(c.origin).Session, c.want)
	}
	w := newWorld(t, func(o *Options) { o.CookiePrefix = "mine" })
	equal(t, "prefix", w.api.Names(testOrigin).CSRF, "__Host-mine.csrf-token")
}

func TestMETH06NoCORS(t *testing.T) {
	for _, target := range []string{"/session", "/csrf", "/providers"} {
		r := newWorld(t).browser(t).get(target, "Origin", "https://evil.example")
		equal(t, "status", r.status, 200)
		for name := range r.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", target, name)
			}
		}
	}
}
