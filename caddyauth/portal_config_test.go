package caddyauth_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestPortalMistakes: what cannot work is refused when the configuration loads.
func TestPortalMistakes(t *testing.T) {
	users := usersFile(t)
	t.Setenv("PORTAL_HOSTS", "*.localhost")
	site := func(address, lines string) string {
		return "http://" + address + ":{PORT} {\n\tcaddyauth {\n\t\tusers " + users + "\n\t\t" + lines + "\n\t}\n\trespond in\n}\n"
	}
	for _, c := range []struct{ name, global, sites, want string }{
		{"catch-all", "", site("", "portal auth.localhost"),
			"'portal' on a site that answers every host needs 'url': people would be sent back to whatever host a request names"},
		{"below a star", "caddyauth {\nportal auth.localhost\nstore memory\n}", site("*.localhost", "") + site("auth.localhost", ""),
			"'portal' on the site *.localhost, which answers every host below the star: people would be sent back to whichever of them a request names, so name the hosts in the site's address, such as a.example.com, b.example.com, or set 'url'"},
		{"the portal below a star", "", site("*.localhost", "portal auth.localhost\nstore memory"),
			"'portal' on the site *.localhost, which answers every host below the star"},
		{"one star among hosts", "caddyauth {\nportal auth.localhost\nstore memory\n}", strings.Replace(site("a.localhost", ""), " {", ", http://*.b.localhost:{PORT} {", 1) + site("auth.localhost", ""),
			"'portal' on the site *.b.localhost, which answers every host below the star"},
		{"a star out of the environment", "caddyauth {\nportal auth.localhost\nstore memory\n}", site("{env.PORTAL_HOSTS}", "") + site("auth.localhost", ""),
			"which answers every host below the star"},
		{"a star for a portal elsewhere", "", site("*.localhost", "portal auth.localhost\nstore redis redis://127.0.0.1:1"),
			"'portal' on the site *.localhost, which answers every host below the star"},
		{"elsewhere, with a file", "", site("a.localhost", "portal auth.localhost"),
			"portal auth.localhost: no site of this Caddy is the one of that host, and a portal elsewhere cannot have the store 'bolt' of this one: add the site 'auth.localhost { caddyauth }', or set 'store postgres' or 'store redis' in both"},
		{"elsewhere, in memory", "", site("a.localhost", "portal auth.localhost\nstore memory"),
			"a portal elsewhere cannot have the store 'memory' of this one"},
		{"does not know", "", site("a.localhost", "portal auth.localhost") + site("auth.localhost", ""),
			"does not have the line 'portal auth.localhost' itself: put it into the global option, or into both sites"},
		{"another store", "caddyauth {\nportal auth.localhost\n}", site("a.localhost", "store memory") + site("auth.localhost", ""),
			"has another store: put 'store' into the global option, or the same one into both sites"},
		{"another secret", "caddyauth {\nportal auth.localhost\nstore memory\n}", site("a.localhost", "secret "+secret) + site("auth.localhost", ""),
			"has another secret: put 'secret' into the global option, or the same one into both sites"},
		{"another provider", "caddyauth {\nportal auth.localhost\nstore memory\n}", site("a.localhost", "provider dev") + site("auth.localhost", ""),
			"provider 'dev' is none of those of the site at Caddyfile:22, where people sign in: put it into the global option"},
		{"another users file", "caddyauth {\nportal auth.localhost\nstore memory\n}", site("a.localhost", "") + strings.Replace(site("auth.localhost", ""), users, usersFile(t), 1),
			"provider 'credentials' is another one than that of the site at"},
		{"http", "", site("a.localhost", "portal http://auth.example.com\nstore memory"),
			`portal "http://auth.example.com": over http, anybody on the way could take sessions along: only names such as auth.localhost may`},
		{"http at the member", "", site("a.localhost", "portal auth.localhost\nurl http://a.example.com\nstore memory"),
			"'portal' on the site http://a.example.com: over http, anybody on the way could take sessions along: only names such as app.localhost may"},
		{"no host", "", site("a.localhost", "portal \"auth example\"\nstore memory"), `portal: "https://auth example"`},
		{"a placeholder of requests", "", site("a.localhost", "portal {http.request.host}\nstore memory"), "portal: {http.request.host}: placeholders of requests have no value"},
		{"origin with a path", "", site("a.localhost", "callback_origin https://www.example.com/x"), `callback_origin: "https://www.example.com/x": an origin has no path, and all of its paths are allowed`},
		{"origin without a scheme", "", site("a.localhost", "callback_origin www.example.com"), `callback_origin: "www.example.com": write the whole origin, such as https://www.example.com`},
		{"origin of another scheme", "", site("a.localhost", "callback_origin ftp://www.example.com"), `callback_origin: "ftp://www.example.com": the scheme must be http or https`},
		{"origin with a password", "", site("a.localhost", "callback_origin https://a:b@www.example.com"), `callback_origin: "https://xxxxx@www.example.com": only scheme, host and path belong here`},
		{"origin of http", "", site("a.localhost", "url https://a.example.com\ncallback_origin http://www.example.com http://localhost:3000"), "callback_origin http://www.example.com: a site of https leads to http on loopback only"},
		{"public suffix", "", site("a.example.co.uk", "session {\ncookie_domain co.uk\n}"), `session cookie_domain "co.uk" is a public suffix`},
		{"no parent", "", site("a.example.com", "session {\ncookie_domain example.net\n}"), `session cookie_domain "example.net" is not a parent of a.example.com`},
		{"no parent of one of them", "", "http://a.example.com:{PORT}, http://b.example.net:{PORT} {\ncaddyauth {\nusers " + users + "\nsession {\ncookie_domain example.com\n}\n}\n}", `session cookie_domain "example.com" is not a parent of b.example.net`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := loadError(t, c.global, c.sites)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	for name, sites := range map[string]string{
		"one site":      "http://auth.localhost:{PORT}, http://a.localhost:{PORT} {\ncaddyauth {\nusers " + users + "\nportal auth.localhost\nstore memory\n}\n}\n",
		"a star, off":   site("*.localhost", "portal off"),
		"star with url": site("*.localhost", "portal auth.localhost\nurl http://a.localhost:{PORT}\nstore memory") + site("auth.localhost", "portal auth.localhost\nstore memory"),
		"off":           site("a.localhost", "portal off"),
		"with url":      site("", "portal auth.localhost\nurl http://a.localhost:{PORT}\nstore memory") + site("auth.localhost", "portal auth.localhost\nstore memory"),
		"its own URL":   site("a.localhost", "portal http://auth.localhost:{PORT}\nstore memory") + site("auth.localhost", "portal http://auth.localhost:{PORT}\nstore memory"),
		"http loopback": site("a.localhost", "callback_origin http://localhost:3000 https://www.example.com"),
	} {
		t.Run(name, func(t *testing.T) {
			if err := loadError(t, "", sites); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestREDIR06REDIR14REDIR17CallbackOrigins: callbackUrl leads to the listed origins, and to no other.
func TestREDIR06REDIR14REDIR17CallbackOrigins(t *testing.T) {
	t.Setenv("FURTHER", "https://www.example.com")
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		users `+usersFile(t)+`
		limit off
		callback_origin {env.FURTHER} http://localhost:3000
		callback_origin https://shop.example.net:8443
	}
	respond in
}
`)
	good := []string{
		"https://www.example.com/", "https://www.example.com/a%2Fb?x=1&y=%2F#z", "https://WWW.example.com:443/", "http://localhost:3000/x",
		"https://shop.example.net:8443/",
	}
	bad := []string{
		"//www.example.com/", `https:\\www.example.com/`, "https:/www.example.com/", "http://www.example.com/", "https://www.example.com:8443/",
		"https://www.example.com.evil.example/", "https://evilwww.example.com/", "https://www.example.com@evil.example/", "https://a:b@www.example.com/",
		"https://example.com/", "https://a.www.example.com/", "https://shop.example.net/", "http://localhost:3001/", "javascript://www.example.com/%0aalert(1)",
		"https://www.example.com\t.evil.example/", "https://www.example.com%2eevil.example/", "https://www.example.com:443.evil.example/",
	}
	want := func(where, raw, got string) {
		t.Helper()
		leads := s.Base
		if slices.Contains(good, raw) {
			leads = strings.Replace(strings.Replace(raw, "WWW", "www", 1), ":443", "", 1)
		}
		if got != leads {
			t.Errorf("REDIR-06 REDIR-07 REDIR-10 %s: %q leads to %q, want %q", where, raw, got, leads)
		}
	}
	for _, raw := range append(good, bad...) {
		b := s.browser()
		want("sign-in", raw, b.password("alice", "alice", raw).Header.Get("Location"))
		a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {raw}})
		want("REDIR-17 sign-out", raw, a.Header.Get("Location"))
		// The cookie that an earlier request has left is asked as well, whoever set it.
		b = s.browser()
		u, _ := url.Parse(s.Base)
		b.Jar.SetCookies(u, []*http.Cookie{{Name: "next-auth.callback-url", Value: url.QueryEscape(raw), Path: "/"}})
		a = b.do(http.MethodPost, "/api/auth/callback/credentials", url.Values{"csrfToken": {b.csrf()}, "username": {"alice"}, "password": {"alice"}})
		want("REDIR-14 cookie", raw, a.Header.Get("Location"))
		// The page's links have nothing else.
		if page := s.browser().get("/api/auth/signin?callbackUrl=" + url.QueryEscape(raw)).body; strings.Contains(page, "evil") {
			t.Errorf("the page for %q\n%s", raw, page)
		}
	}
}

// TestCookieDomain shares one session among subdomains.
func TestCookieDomain(t *testing.T) {
	for _, strategy := range []string{"jwt", "database"} {
		t.Run(strategy, func(t *testing.T) {
			site := func(host string) string {
				return "https://" + host + `:{PORT} {
	tls ` + certificate(t, "a.example.test", "b.example.test") + `
	caddyauth {
		users ` + usersFile(t) + `
		secret ` + secret + `
		store memory
		session {
			cookie_domain {env.SHARED}
			strategy ` + strategy + `
		}
	}
	respond "{http.request.host} {http.auth.user.login}"
}
`
			}
			t.Setenv("SHARED", "example.test")
			both := strings.Replace(site("a.example.test"), "https://a.example.test:{PORT}", "https://a.example.test:{PORT}, https://b.example.test:{PORT}", 1)
			w := &portalWorld{t: t, server: start(t, both)}
			w.auth, w.wiki = "https://a.example.test:"+w.Port, "https://b.example.test:"+w.Port
			w.shop, w.own = w.auth, w.auth
			w.awaitCertificates()
			b := w.browser()
			a := b.password("alice", "alice", "/x")
			if a.Header.Get("Location") != w.auth+"/x" {
				t.Fatalf("%s %s", a.Status, a.Header.Get("Location"))
			}
			for _, line := range a.Header["Set-Cookie"] {
				name, _, _ := strings.Cut(line, "=")
				if got, want := strings.Contains(line, "Domain=example.test"), strings.HasSuffix(name, "session-token"); got != want || strings.HasPrefix(name, "__Host-") && got {
					t.Errorf("COOK the cookie %s has the domain: %v", name, got)
				}
			}
			for _, origin := range []string{w.auth, w.wiki} {
				w.wantSession(b, origin, aliceMail)
				if a := b.get(origin + "/"); !strings.HasSuffix(a.body, " alice") {
					t.Errorf("%s: %s %s", origin, a.Status, a.body)
				}
			}
			if b.at(w.auth).csrf() == b.at(w.wiki).csrf() {
				t.Error("CSRF-13 the token is the other host's")
			}
			b.at(w.wiki)
			if a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {w.auth + "/"}}); a.Header.Get("Location") != w.wiki {
				t.Errorf("REDIR-07 signing out leads to %s", a.Header.Get("Location"))
			}
			for _, origin := range []string{w.auth, w.wiki} {
				w.wantSession(b, origin, "")
			}
		})
	}
}
