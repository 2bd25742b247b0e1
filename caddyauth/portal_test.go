package caddyauth_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// portalWorld is a portal with members of two root domains.
type portalWorld struct {
	*server
	t  *testing.T
	op *testop.OP
	// The origins.
	auth, wiki, shop, own string
}

// newPortal starts them. The lines stand in the global option, members in each
// member.
func newPortal(t *testing.T, lines, members string) *portalWorld {
	t.Helper()
	w := &portalWorld{t: t, server: &server{t: t, Port: testport.Free(t), Log: filepath.Join(t.TempDir(), "caddy.log")}}
	w.auth, w.wiki = "https://auth.example.com:"+w.Port, "https://wiki.example.com:"+w.Port
	w.shop, w.own = "https://shop.example.net:"+w.Port, "https://own.example.net:"+w.Port
	w.op = testop.Start(t, w.auth+"/api/auth/callback/op")
	if err := w.load(w.global(t, lines), portalSites(t, members)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopCaddy(t) })
	w.awaitCertificates()
	return w
}

// awaitCertificates waits until there is one for each host.
func (w *portalWorld) awaitCertificates() {
	w.t.Helper()
	for _, origin := range []string{w.auth, w.wiki, w.shop, w.own} {
		host, port, _ := strings.Cut(strings.TrimPrefix(origin, "https://"), ":")
		deadline := time.Now().Add(20 * time.Second)
		for {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, ServerName: host})
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(deadline) {
				w.t.Fatalf("no certificate for %s: %v", host, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func (w *portalWorld) global(t *testing.T, lines string) string {
	return `caddyauth {
		secret ` + secret + `
		provider oidc ` + w.op.URL + ` as op {
			client_id ` + w.op.ClientID + `
			client_secret "` + w.op.ClientSecret + `"
		}
		users ` + usersFile(t) + `
		store memory
		portal auth.example.com
		allow user op:id-alice op:alice credentials:bob
		limit off
		` + lines + `
	}`
}

func portalSites(t *testing.T, members string) string {
	cert := certificate(t, "auth.example.com", "wiki.example.com", "shop.example.net", "own.example.net")
	site := func(host, auth, rest string) string {
		return "https://" + host + ":{PORT} {\n\tlog\n\ttls " + cert + "\n\tcaddyauth {\n" + auth + "\n\t}\n\t" + rest + "\n}\n"
	}
	return site("auth.example.com", "", "") +
		site("wiki.example.com", members, `respond "wiki {http.auth.user.email}"`) +
		site("shop.example.net", members, `respond "shop {http.auth.user.email}"`) +
		site("own.example.net", "allow user credentials:alice", `respond "own {http.auth.user.login}"`)
}

// browser reaches every host at the one address.
func (w *portalWorld) browser() *browser {
	b := w.server.browser()
	b.base = w.auth
	b.Transport = &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // made a moment ago, by nobody that is known
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+w.Port)
		},
	}
	return b
}

// at makes paths those of an origin.
func (b *browser) at(origin string) *browser {
	b.base = origin
	return b
}

// begin posts the sign-in form of the site and returns where that leads.
func (b *browser) begin(id, callbackURL string, header ...string) *url.URL {
	b.t.Helper()
	a := b.do(http.MethodPost, "/api/auth/signin/"+id, url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {callbackURL}}, header...)
	to, err := a.Location()
	if a.StatusCode != http.StatusFound || err != nil {
		b.t.Fatalf("signing in with %s: %s %s", id, a.Status, a.body)
	}
	return to
}

// signInAt signs in at a member through the portal, at the provider if it asks, and
// returns the last address before the member's page.
func (w *portalWorld) signInAt(b *browser, origin, user, path string) answer {
	w.t.Helper()
	b.at(origin)
	return w.carryOn(b, b.begin("op", origin+path).String(), user)
}

// carryOn follows redirects, through the provider's pages as well.
func (w *portalWorld) carryOn(b *browser, to, user string) answer {
	w.t.Helper()
	for range 12 {
		if strings.HasPrefix(to, w.op.URL) {
			if user == "" {
				w.t.Fatalf("the provider is asked: %s", to)
			}
			to = w.op.SignIn(w.t, to, user).String()
		}
		a := b.get(to)
		next, err := a.Location()
		if err != nil {
			return a
		}
		to = next.String()
	}
	w.t.Fatalf("redirected too often, last to %s", to)
	return answer{}
}

// toCode goes on until there is a code for a member, and returns that address.
func (w *portalWorld) toCode(b *browser, to, user string) string {
	w.t.Helper()
	for range 12 {
		if strings.Contains(to, "/handoff?code=") {
			return to
		}
		if strings.HasPrefix(to, w.op.URL) {
			to = w.op.SignIn(w.t, to, user).String()
		}
		a := b.get(to)
		next, err := a.Location()
		if err != nil {
			w.t.Fatalf("no code: %s at %s\n%s", a.Status, to, a.body)
		}
		to = next.String()
	}
	w.t.Fatalf("redirected too often, last to %s", to)
	return ""
}

// session is who an origin takes the browser for.
func (b *browser) session(origin string) string {
	b.t.Helper()
	var got struct{ User struct{ Email string } }
	if err := json.Unmarshal([]byte(b.get(origin+"/api/auth/session").body), &got); err != nil {
		b.t.Fatal(err)
	}
	return got.User.Email
}

func (w *portalWorld) wantSession(b *browser, origin, email string) {
	w.t.Helper()
	if got := b.session(origin); got != email {
		w.t.Errorf("session at %s is %q, want %q", origin, got, email)
	}
}

const aliceMail = "alice@example.com"

func (w *portalWorld) wantNobody(b *browser) {
	w.t.Helper()
	for _, origin := range []string{w.auth, w.wiki, w.shop} {
		w.wantSession(b, origin, "")
	}
}

// TestPortal signs in once for two root domains, and out of both.
func TestPortal(t *testing.T) {
	for _, strategy := range []string{"jwt", "database"} {
		for _, compat := range []string{"v4", "v5"} {
			t.Run(strategy+" "+compat, func(t *testing.T) {
				w := newPortal(t, "session {\nstrategy "+strategy+"\n}\ncompat "+compat, "headers")
				b := w.browser()
				deep := "/a%2Fb?x=1&y=%2F%26"

				a := b.get(w.wiki + deep)
				to, _ := a.Location()
				if a.StatusCode != http.StatusFound || to.Host != strings.TrimPrefix(w.wiki, "https://") || to.Query().Get("callbackUrl") != w.wiki+deep {
					t.Fatalf("REDIR-19 without a session: %s %s", a.Status, to)
				}
				if page := b.get(to.String()).body; !strings.Contains(page, w.wiki+"/api/auth/signin/op") || strings.Contains(page, `type="password"`) {
					t.Errorf("the member's page\n%s", page)
				}
				a = w.signInAt(b, w.wiki, "alice", deep)
				if a.body != "wiki "+aliceMail || a.Request.URL.String() != w.wiki+deep {
					t.Fatalf("after signing in: %s %s %s", a.Status, a.Request.URL, a.body)
				}
				w.wantSession(b, w.auth, aliceMail)
				w.wantSession(b, w.shop, "")

				asked := w.op.Requests("/authorize")
				if a := w.signInAt(b, w.shop, "", "/"); a.body != "shop "+aliceMail {
					t.Fatalf("the second site: %s %s %s", a.Status, a.Request.URL, a.body)
				}
				if w.op.Requests("/authorize") != asked {
					t.Error("the provider was asked again")
				}
				if page := b.get(w.auth + "/").body; !strings.Contains(page, "You are signed in as "+aliceMail) {
					t.Errorf("the portal's page\n%s", page)
				}

				// Signing out at one ends all of them, also for whoever holds copies.
				stolen := w.browser()
				for _, origin := range []string{w.auth, w.wiki, w.shop} {
					u, _ := url.Parse(origin)
					for _, c := range b.Jar.Cookies(u) {
						c.Secure, c.Path = true, "/"
						stolen.Jar.SetCookies(u, []*http.Cookie{c})
					}
				}
				w.wantSession(stolen, w.shop, aliceMail)
				b.at(w.wiki)
				out := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {"/bye"}})
				if out.Header.Get("Location") != w.wiki+"/bye" {
					t.Errorf("signing out leads to %s", out.Header.Get("Location"))
				}
				w.wantNobody(b)
				w.wantNobody(stolen)
				if page := b.get(w.auth + "/").body; !strings.Contains(page, "You are not signed in") {
					t.Errorf("the portal's page\n%s", page)
				}

				// And the portal as well.
				w.signInAt(b, w.wiki, "alice", "/")
				w.signInAt(b, w.shop, "", "/")
				b.at(w.auth)
				b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
				w.wantNobody(b)
				w.wantCleanLog()
			})
		}
	}
}

// wantCleanLog fails if a code or a start stands in the log.
func (w *portalWorld) wantCleanLog() {
	w.t.Helper()
	text := w.logText()
	for _, word := range []string{"code=", "start=", "continue=", "eyJ"} {
		if i := strings.Index(text, word); i >= 0 {
			w.t.Errorf("LEAK-02 the log has %q", text[max(0, i-200):min(len(text), i+200)])
		}
	}
	if !strings.Contains(text, "/api/auth/handoff") {
		w.t.Error("no handoff is in the access log")
	}
}

// reasons are why handoffs were refused, as the log tells.
func (w *portalWorld) reasons() []string {
	var all []string
	for _, line := range w.logged() {
		if line["msg"] == "handoff refused" {
			all = append(all, fmt.Sprint(line["reason"]))
		}
	}
	return all
}

func (w *portalWorld) wantRefused(reason string, before int) {
	w.t.Helper()
	got := w.reasons()
	if len(got) != before+1 || got[len(got)-1] != reason {
		w.t.Errorf("handoffs refused: %v, want one more than %d, because of %q", got, before, reason)
	}
}

// wantRestart fails unless an answer leads to the member's sign-in page, which
// starts nothing by itself and shows no error.
func (w *portalWorld) wantRestart(b *browser, a answer, origin string) {
	w.t.Helper()
	to, err := a.Location()
	if a.StatusCode != http.StatusFound || err != nil || !strings.HasPrefix(to.String(), origin+"/api/auth/signin?callbackUrl=") {
		w.t.Fatalf("not sent to sign in: %s %v", a.Status, to)
	}
	if page := b.get(to.String(), "Sec-Fetch-Dest", "document"); page.StatusCode != http.StatusOK || strings.Contains(page.body, `role="alert"`) {
		w.t.Errorf("the sign-in page: %s\n%s", page.Status, page.body)
	}
	w.wantSession(b, origin, "")
}

// TestPortalAbuse are codes and starts where they do not belong.
func TestPortalAbuse(t *testing.T) {
	w := newPortal(t, "auto_redirect", "")
	alice := w.browser()
	w.signInAt(alice, w.wiki, "alice", "/")
	// fresh is a code for the shop that alice has set out for and not taken there.
	fresh := func(t *testing.T) string {
		t.Helper()
		return w.toCode(alice, alice.at(w.shop).begin("op", w.shop+"/").String(), "alice")
	}
	start := func(b *browser) *url.URL { return b.at(w.shop).begin("op", w.shop+"/") }

	t.Run("start tampered", func(t *testing.T) {
		before := len(w.reasons())
		u := start(w.browser())
		token := u.Query().Get("start")
		for i, bad := range []string{token[:len(token)-2] + "AA", token + "A", "", "x", strings.Repeat("A", 9000), token[:40] + "B" + token[41:]} {
			victim := w.browser()
			a := victim.get(w.auth + "/api/auth/handoff?start=" + url.QueryEscape(bad))
			if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" || len(a.Header["Set-Cookie"]) != 0 {
				t.Errorf("%d: %s to %q, cookies %v", i, a.Status, a.Header.Get("Location"), a.Header["Set-Cookie"])
			}
			w.wantRefused("invalid", before+i)
		}
	})
	t.Run("code as a start, start as a code", func(t *testing.T) {
		before := len(w.reasons())
		code := strings.SplitN(fresh(t), "code=", 2)[1]
		if a := w.browser().get(w.auth + "/api/auth/handoff?start=" + code); a.StatusCode != http.StatusBadRequest {
			t.Error(a.Status)
		}
		w.wantRefused("invalid", before)
		b := w.browser()
		w.wantRestart(b, b.get(w.shop+"/api/auth/handoff?code="+start(w.browser()).Query().Get("start")), w.shop)
		w.wantRefused("invalid", before+1)
	})
	t.Run("login CSRF: the code of somebody else", func(t *testing.T) {
		before := len(w.reasons())
		code, victim := fresh(t), w.browser()
		victim.get(w.shop+"/", "Sec-Fetch-Dest", "document") // has cookies of its own
		victim.at(w.shop).begin("op", w.shop+"/")            // and is on its own way
		w.wantRestart(victim, victim.get(code), w.shop)
		w.wantRefused("browser", before)
		// It has been used up by that.
		w.wantRestart(alice, alice.get(code), w.shop)
		w.wantRefused("used", before+1)
	})
	t.Run("login CSRF: the start of somebody else", func(t *testing.T) {
		before := len(w.reasons())
		attacker := w.browser()
		// Alice, who is signed in at the portal, opens what the attacker began: the
		// attacker gets nothing, and she no session that she has not asked for.
		code := w.toCode(alice, start(attacker).String(), "")
		w.wantRestart(attacker, attacker.get(w.shop+"/api/auth/handoff?code=guess"), w.shop)
		w.wantRefused("invalid", before)
		fresh := w.browser() // without alice's attempts of the tests before
		w.wantRestart(fresh, fresh.get(code), w.shop)
		w.wantRefused("browser", before+1)
	})
	t.Run("code for another host", func(t *testing.T) {
		before := len(w.reasons())
		code := strings.Replace(fresh(t), w.shop, w.own, 1)
		b := w.browser()
		w.wantRestart(b, b.get(code), w.own)
		w.wantRefused("host", before)
	})
	t.Run("code for another path", func(t *testing.T) {
		code := fresh(t)
		for _, path := range []string{"/api/auth/handoff/x", "/api/auth/handoff/", "/api/auth//handoff", "/api/auth/callback/op", "/api/auth/session"} {
			b := w.browser()
			b.get(strings.Replace(code, "/api/auth/handoff", path, 1))
			w.wantSession(b, w.shop, "")
		}
	})
	t.Run("missing cookie", func(t *testing.T) {
		before := len(w.reasons())
		b := w.browser()
		w.wantRestart(b, b.get(fresh(t)), w.shop)
		w.wantRefused("browser", before)
	})
	t.Run("replay", func(t *testing.T) {
		before := len(w.reasons())
		b := w.browser()
		code := w.toCode(b, start(b).String(), "alice")
		copied := w.browser()
		for _, origin := range []string{w.shop} {
			u, _ := url.Parse(origin)
			for _, c := range b.Jar.Cookies(u) {
				c.Secure, c.Path = true, "/"
				copied.Jar.SetCookies(u, []*http.Cookie{c})
			}
		}
		if a := b.get(code); a.Header.Get("Location") != w.shop+"/" {
			t.Fatalf("first: %s %s", a.Status, a.Header.Get("Location"))
		}
		w.wantSession(b, w.shop, aliceMail)
		// Whoever goes back in the history stays where they are.
		if a := b.get(code); a.Header.Get("Location") != w.shop+"/" {
			t.Errorf("again: %s %s", a.Status, a.Header.Get("Location"))
		}
		w.wantRefused("used", before)
		// A thief of the binding cookie, even, is too late.
		w.wantRestart(copied, copied.get(code), w.shop)
	})
	t.Run("of many, one wins", func(t *testing.T) {
		b := w.browser()
		code := w.toCode(b, start(b).String(), "alice")
		u, _ := url.Parse(w.shop)
		cookies := b.Jar.Cookies(u)
		won := make(chan bool)
		for range 8 {
			go func() {
				r, _ := http.NewRequest(http.MethodGet, code, nil)
				for _, c := range cookies {
					r.AddCookie(c)
				}
				client := http.Client{Transport: b.Transport, Timeout: 10 * time.Second, CheckRedirect: b.CheckRedirect}
				resp, err := client.Do(r)
				if err != nil {
					won <- false
					return
				}
				resp.Body.Close()
				won <- strings.Contains(strings.Join(resp.Header["Set-Cookie"], "\n"), "session-token=ey")
			}()
		}
		n := 0
		for range 8 {
			if <-won {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d sessions of one code", n)
		}
	})
	t.Run("no cookies at all go round in no circle", func(t *testing.T) {
		// The member would start by itself if it could, as it has one provider: it
		// has two here, so that the parameter alone is asked about.
		b := w.browser()
		a := b.get(w.shop + "/api/auth/signin?callbackUrl=%2F&restart=true")
		if a.StatusCode != http.StatusOK {
			t.Error(a.Status)
		}
	})
	t.Run("REDIR-01 REDIR-07 open redirects", func(t *testing.T) {
		for _, to := range []string{"//evil.example", "https://evil.example/", w.wiki + "/", w.auth + "/", `/\evil.example`, "https://shop.example.net@evil.example/", "javascript:alert(1)"} {
			b := w.browser()
			a := w.carryOn(b, b.at(w.shop).begin("op", to).String(), "alice")
			if got := a.Request.URL; got.Host != strings.TrimPrefix(w.shop, "https://") || got.Path != "/" && got.Path != "" {
				t.Errorf("callbackUrl %q leads to %s", to, got)
			}
		}
		b := w.browser()
		code := w.toCode(b, start(b).String(), "alice")
		if a := b.get(code + "&callbackUrl=https%3A%2F%2Fevil.example%2F"); a.Header.Get("Location") != w.shop+"/" {
			t.Errorf("REDIR-14 beside a code: %s", a.Header.Get("Location"))
		}
	})
	t.Run("HOST X-Forwarded-Host", func(t *testing.T) {
		for _, header := range []string{"X-Forwarded-Host", "Forwarded", "X-Original-Host"} {
			u := w.browser().at(w.shop).begin("op", "/", header, "evil.example")
			b := w.browser()
			to := w.toCode(b, u.String(), "alice")
			if !strings.HasPrefix(to, w.shop+"/") {
				t.Errorf("%s: %s", header, to)
			}
			a := w.browser().get(u.String(), header, "evil.example")
			if l := a.Header.Get("Location"); !strings.HasPrefix(l, w.op.URL) || strings.Contains(l, "evil.example") {
				t.Errorf("%s at the portal: %s", header, l)
			}
		}
	})
	t.Run("session fixation", func(t *testing.T) {
		b := w.browser()
		u, _ := url.Parse(w.shop)
		planted := "__Secure-next-auth.session-token"
		b.Jar.SetCookies(u, []*http.Cookie{{Name: planted, Value: "planted", Path: "/", Secure: true}})
		w.signInAt(b, w.shop, "alice", "/")
		for _, c := range b.Jar.Cookies(u) {
			if c.Name == planted && c.Value == "planted" {
				t.Error("the planted session stays")
			}
		}
		tokens := map[string]bool{}
		for _, origin := range []string{w.shop, w.auth} {
			u, _ := url.Parse(origin)
			for _, c := range b.Jar.Cookies(u) {
				if c.Name == planted {
					tokens[c.Value] = true
				}
			}
		}
		if len(tokens) != 2 {
			t.Errorf("%d tokens at two hosts", len(tokens))
		}
	})
	t.Run("HEAD uses nothing up", func(t *testing.T) {
		b := w.browser()
		code := w.toCode(b, start(b).String(), "alice")
		b.do(http.MethodHead, code, nil)
		if a := b.get(code); a.Header.Get("Location") != w.shop+"/" {
			t.Errorf("after HEAD: %s %s", a.Status, a.Header.Get("Location"))
		}
	})
	t.Run("a member has no callbacks", func(t *testing.T) {
		b := w.browser()
		a := b.get(w.shop + "/api/auth/callback/op?code=x&state=y")
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("callback: %s", a.Status)
		}
		a = b.at(w.shop).password("bob", "bob", "/")
		if to := a.Header.Get("Location"); !strings.HasPrefix(to, w.auth+"/api/auth/handoff?start=") {
			t.Errorf("a password at the member leads to %s", to)
		}
		w.wantSession(b, w.shop, "")
	})
	w.wantCleanLog()
}

// TestPortalRules: the destination's rules decide, and the portal's as well where the
// destination has none of its own.
func TestPortalRules(t *testing.T) {
	w := newPortal(t, "", "")
	b := w.browser()
	if a := w.signInAt(b, w.wiki, "bob", "/"); !strings.Contains(a.Request.URL.String(), "error=AccessDenied") {
		t.Errorf("bob at the wiki: %s", a.Request.URL)
	}
	w.wantNobody(b)

	// Alice may use the wiki, but own.example.net wants another account of hers.
	w.signInAt(b, w.wiki, "alice", "/")
	to := b.at(w.own).begin("credentials", w.own+"/x")
	page := b.follow(b.get(to.String()))
	if !strings.HasPrefix(page.Request.URL.String(), w.auth+"/api/auth/signin") || !strings.Contains(page.body, `type="password"`) || !strings.Contains(page.body, "own.example.net") {
		t.Fatalf("the portal's page: %s\n%s", page.Request.URL, page.body)
	}
	callback := page.Request.URL.Query().Get("callbackUrl")
	b.at(w.auth)
	a := b.password("alice", "alice", callback)
	if got := b.follow(a); got.body != "own alice" || got.Request.URL.String() != w.own+"/x" {
		t.Errorf("with the account that may: %s %s", got.Request.URL, got.body)
	}
	if a := b.get(w.auth + "/"); !strings.Contains(a.body, "signed in as") {
		t.Error("the portal's page is not the portal's")
	}
	if a := b.get(w.auth + "/other"); a.StatusCode != http.StatusForbidden {
		t.Errorf("the portal's own rules: %s", a.Status)
	}
}

// TestPortalAPI: clients of NextAuth's get what they expect.
func TestPortalAPI(t *testing.T) {
	for _, compat := range []string{"v4", "v5"} {
		t.Run(compat, func(t *testing.T) {
			w := newPortal(t, "compat "+compat, "")
			b := w.browser().at(w.shop)
			var list map[string]map[string]string
			if err := json.Unmarshal([]byte(b.get("/api/auth/providers").body), &list); err != nil || list["op"]["signinUrl"] != w.shop+"/api/auth/signin/op" || list["credentials"]["type"] != "credentials" {
				t.Errorf("providers %v, %v", list, err)
			}
			form := url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {w.shop + "/"}}
			header := []string{"Sec-Fetch-Mode", "cors"}
			if compat == "v4" {
				form.Set("json", "true")
			} else {
				header = append(header, "X-Auth-Return-Redirect", "1")
			}
			for _, path := range []string{"/signin/op", "/signin/op?prompt=login&redirect_uri=https://evil.example", "/callback/credentials"} {
				a := b.do(http.MethodPost, "/api/auth"+path, form, header...)
				var got struct{ URL string }
				if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK || !strings.HasPrefix(got.URL, w.auth+"/api/auth/handoff?start=") {
					t.Fatalf("%s: %s %s", path, a.Status, a.body)
				}
				next := b.get(got.URL).Header.Get("Location")
				if strings.Contains(path, "prompt") && (!strings.Contains(next, "prompt=login") || strings.Contains(next, "evil")) {
					t.Errorf("%s leads to %s", path, next)
				}
			}
			form.Set("csrfToken", "wrong")
			if a := b.do(http.MethodPost, "/api/auth/signin/op", form); strings.Contains(a.Header.Get("Location")+a.body, "handoff") {
				t.Errorf("CSRF-01 without the token: %s %s", a.Header.Get("Location"), a.body)
			}
		})
	}
}

// TestPortalLocalhost: over http, on names of loopback, with one provider that is
// started at once.
func TestPortalLocalhost(t *testing.T) {
	s := startWith(t, "caddyauth {\nprovider dev\nportal auth.localhost\nstore memory\nauto_redirect\nlimit off\n}", `
http://auth.localhost:{PORT} {
	caddyauth
}
http://a.localhost:{PORT}, http://b.localhost:{PORT} {
	caddyauth
	respond "{http.request.host} {http.auth.user.login}"
}
`)
	w := &portalWorld{server: s, t: t}
	b := w.browser()
	follow := func(target string) answer {
		return b.followWith(b.get(target, "Sec-Fetch-Dest", "document"), "Sec-Fetch-Dest", "document")
	}
	a := follow("http://a.localhost:" + s.Port + "/x")
	id := hiddenID.FindStringSubmatch(a.body)
	if id == nil || a.Request.URL.Hostname() != "auth.localhost" {
		t.Fatalf("not at the provider: %s\n%s", a.Request.URL, a.body)
	}
	a = b.follow(b.do(http.MethodPost, "http://auth.localhost:"+s.Port+"/api/auth/dev/login", url.Values{"id": {id[1]}, "sub": {"alice"}}))
	if a.body != "a.localhost alice" || a.Request.URL.Path != "/x" {
		t.Fatalf("%s %s", a.Request.URL, a.body)
	}
	if a := follow("http://b.localhost:" + s.Port + "/"); a.body != "b.localhost alice" {
		t.Fatalf("the second: %s %s", a.Request.URL, a.body)
	}
	if a := b.get("http://a.localhost:" + s.Port + "/api/auth/dev/.well-known/openid-configuration"); a.StatusCode == http.StatusOK {
		t.Error("the member has an identity provider")
	}
	// A browser that keeps no cookies of the second is shown the page, and not sent
	// around although it is signed in at the portal.
	picky := w.browser()
	picky.Jar = without{b.Jar, "b.localhost"}
	for _, path := range []string{"/", "/api/auth/signin"} {
		a = picky.followWith(picky.get("http://b.localhost:"+s.Port+path, "Sec-Fetch-Dest", "document"), "Sec-Fetch-Dest", "document")
		if a.StatusCode != http.StatusOK || a.Request.URL.Path != "/api/auth/signin" || !strings.Contains(a.body, "/api/auth/signin/dev") {
			t.Errorf("without cookies: %s %s", a.Request.URL, a.body)
		}
	}
}

// without is a jar that keeps no cookies of one host.
type without struct {
	http.CookieJar
	host string
}

func (j without) SetCookies(u *url.URL, cookies []*http.Cookie) {
	if u.Hostname() != j.host {
		j.CookieJar.SetCookies(u, cookies)
	}
}

func (j without) Cookies(u *url.URL) []*http.Cookie {
	if u.Hostname() == j.host {
		return nil
	}
	return j.CookieJar.Cookies(u)
}

// followWith is follow, with the headers of a page load.
func (b *browser) followWith(a answer, header ...string) answer {
	b.t.Helper()
	for range 10 {
		next, err := a.Location()
		if err != nil {
			return a
		}
		a = b.get(next.String(), header...)
	}
	b.t.Fatal("redirected too often")
	return a
}

// TestPortalInOneSite: portal and members can be one site.
func TestPortalInOneSite(t *testing.T) {
	s := start(t, `
http://auth.localhost:{PORT}, http://a.localhost:{PORT}, http://b.localhost:{PORT} {
	caddyauth {
		provider dev
		portal auth.localhost
		store memory
		limit off
	}
	respond "{http.request.host} {http.auth.user.login}"
}
`)
	w := &portalWorld{server: s, t: t}
	b := w.browser()
	origin := func(host string) string { return "http://" + host + ".localhost:" + s.Port }
	a := b.follow(b.get(b.at(origin("a")).begin("dev", "/x").String()))
	id := hiddenID.FindStringSubmatch(a.body)
	if id == nil {
		t.Fatalf("not at the provider: %s\n%s", a.Request.URL, a.body)
	}
	a = b.follow(b.do(http.MethodPost, origin("auth")+"/api/auth/dev/login", url.Values{"id": {id[1]}, "sub": {"alice"}}))
	if a.body != "a.localhost alice" {
		t.Fatalf("%s %s", a.Request.URL, a.body)
	}
	if a := b.follow(b.get(b.at(origin("b")).begin("dev", "/").String())); a.body != "b.localhost alice" {
		t.Errorf("the second: %s %s", a.Request.URL, a.body)
	}
	if a := b.get(origin("auth") + "/"); a.body != "auth.localhost alice" {
		t.Errorf("the portal has something to show: %s", a.body)
	}
	// Who begins with a host that is none of the site's gets nowhere.
	for _, host := range []string{"evil.example", "evil.localhost"} {
		r := "GET /api/auth/csrf HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
		if _, header, body := s.raw(r); strings.Contains(body, "csrfToken") || len(header["Set-Cookie"]) != 0 {
			t.Errorf("%s: %v %s", host, header, body)
		}
	}
}
