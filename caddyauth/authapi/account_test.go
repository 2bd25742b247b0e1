package authapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

const accountPath = testOrigin + testBase + "/account"

// keys is a provider of passkeys that the page only asks for its name.
type keys struct{ provider.Passkeys }

func (keys) Info() provider.Info {
	return provider.Info{ID: "passkey", Name: "Passkey", Type: provider.TypeWebAuthn}
}

// withAccount gives the site the page, with everything on it.
func withAccount(o *Options) {
	o.Account = &AccountOptions{Tokens: true}
	o.Providers = append(o.Providers, keys{})
}

var (
	aliceOP   = somebody("alice", "alice@example.com", true)
	aliceHub  = somebody("octo-alice", "alice@example.com", true)
	malloryOP = somebody("mallory", "mallory@example.com", true)
)

// members are two people, alice with two browsers.
type members struct {
	*library
	alice, laptop, mallory *browser
	user                   store.User // alice
}

func newMembers(t testing.TB, l *library) *members {
	t.Helper()
	m := &members{library: l, alice: l.browser(t), laptop: l.browser(t), mallory: l.browser(t)}
	m.mallory.in(m.mallory.as(l.op, malloryOP))
	m.laptop.in(m.laptop.as(l.op, aliceOP))
	m.alice.in(m.alice.as(l.op, aliceOP))
	// Nobody has vouched for her address, so that it is no way to sign in.
	m.user = l.userOf(t, "op", "alice")
	m.user.EmailVerified = time.Time{}
	if err := l.shelf.Driver.UpdateUser(bg, m.user); err != nil {
		t.Fatal(err)
	}
	l.told()
	return m
}

// account sends a form of the page.
func (b *browser) account(action string, more ...string) reply {
	b.t.Helper()
	return b.post("/account", append([]string{"action", action}, more...)...)
}

// document parses a page.
func (r reply) document() *html.Node {
	r.t.Helper()
	root, err := html.Parse(strings.NewReader(r.body))
	if err != nil {
		r.t.Fatal(err)
	}
	return root
}

// says returns the notice on the page.
func (r reply) says() string {
	r.t.Helper()
	for n := range r.document().Descendants() {
		if n.Type == html.ElementNode && attribute(n, "id") == "notice" {
			return words(n)
		}
	}
	return ""
}

// items returns the headings of a section's list.
func (r reply) items(section string) []string {
	r.t.Helper()
	items := []string{}
	for n := range r.document().Descendants() {
		if n.Type != html.ElementNode || n.Data != "section" || attribute(n, "aria-labelledby") != section {
			continue
		}
		for li := range n.Descendants() {
			if li.Type == html.ElementNode && li.Data == "h3" && li.Parent.Data == "div" {
				items = append(items, words(li))
			}
		}
	}
	return items
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// wantDone makes sure that a change was made and is told, once.
func (b *browser) wantDone(r reply, notice string) {
	b.t.Helper()
	if r.status != http.StatusSeeOther || r.location() != accountPath {
		b.t.Fatalf("got %d %q %q, want to be sent back to the page", r.status, r.location(), r.says())
	}
	if strings.ContainsAny(r.location(), "?#") {
		b.t.Errorf("the address tells: %s", r.location())
	}
	if got := b.get("/account").says(); got != notice {
		b.t.Errorf("notice %q, want %q", got, notice)
	}
	if got := b.get("/account").says(); got != "" {
		b.t.Errorf("it is told again: %q", got)
	}
}

// wantRefused makes sure that a change was refused on the page itself.
func wantRefused(t testing.TB, r reply, status int, notice string) {
	t.Helper()
	if r.status != status || !strings.HasPrefix(r.says(), notice) {
		t.Errorf("got %d %q, want %d %q", r.status, r.says(), status, notice)
	}
}

func TestAccountNeedsStore(t *testing.T) {
	w := newWorld(t)
	o := w.api.opts
	o.Account = &AccountOptions{}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "store") {
		t.Errorf("error is %v", err)
	}
}

func TestAccountRoute(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		off := newLibrary(t, false, d)
		want := off.browser(t).get("/unknown")
		for _, method := range []string{"GET", "POST"} {
			if r := off.browser(t).do(method, "/account", ""); r.status != 400 || len(r.cookies) != 0 || method == "GET" && r.body != want.body {
				t.Errorf("%s without the option: %d %q", method, r.status, r.body)
			}
		}
		on := newLibrary(t, false, d, withAccount)
		for _, method := range []string{"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
			want := on.browser(t).do(method, "/unknown", "")
			if r := on.browser(t).do(method, "/account", ""); r.status != 400 || r.body != want.body || len(r.cookies) != 0 {
				t.Errorf("%s: %d %q", method, r.status, r.body)
			}
		}
	})
}

func TestAccountSignedOut(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for path, back := range map[string]string{"": accountPath, "/me": testOrigin + "/me", "/a b?": testOrigin + "/a b?"} {
			l := newLibrary(withAccount, func(o *Options) { o.Account.Path = path })
			to := testOrigin + testBase + "/signin?callbackUrl=" + url.QueryEscape(back)
			r := l.browser(t).get("/account")
			equal(t, "GET status", r.status, 302)
			equal(t, "GET location", r.location(), to)
			r = l.browser(t).account("end_all")
			equal(t, "POST status", r.status, 303)
			equal(t, "POST location", r.location(), to)
			r = l.browser(t).do("HEAD", "/account", "")
			equal(t, "HEAD status", r.status, 302)
		}
	})
}

// Whoever is signed in, but is nobody that is stored, gets the sign-in page, and
// is not sent round in a circle.
func TestAccountOfNobodyStored(t *testing.T) {
	l := newLibrary(t, false, withAccount, func(o *Options) {
		o.Providers = o.Providers[1:2]
		o.AutoRedirect = true
	})
	b := l.browser(t)
	b.in(b.as(l.gh, aliceHub))
	if err := l.shelf.Driver.DeleteUser(context.Background(), l.userOf(t, "github", "octo-alice").ID); err != nil {
		t.Fatal(err)
	}
	r := b.get("/account")
	equal(t, "location", r.location(), testOrigin+testBase+"/signin?callbackUrl="+url.QueryEscape(accountPath)+"&error=SessionRequired")
	_, query, _ := strings.Cut(r.location(), "?")
	r = b.get("/signin?"+query, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	if r.status != 200 || !strings.Contains(r.body, "Please sign in") {
		t.Errorf("got %d %q", r.status, r.location())
	}
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

func TestAccountPage(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		phone := l.browser(t)
		l.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return aliceOP, nil }
		state := phone.start("op")
		phone.do("GET", "/callback/op?code=c&state="+state, "", "User-Agent", safari)
		l.clock.add(time.Minute)
		r := m.alice.do("GET", "/account", "", "User-Agent", firefox)
		equal(t, "status", r.status, 200)
		if got, want := r.items("sessions"), []string{"Unknown browser This browser", "Safari on iPhone", "Unknown browser"}; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) || !strings.HasSuffix(got[0], "This browser") {
			t.Errorf("sessions %q, want %q", got, want)
		}
		if got, want := r.items("accounts"), []string{"The <OP> & Co"}; !slices.Equal(got, want) {
			t.Errorf("accounts %q, want %q", got, want)
		}
		for _, want := range []string{"192.0.2.7", "1 minute ago", "alice@example.com", "Connect GitHub", "only way to sign in", "You have no tokens", "You have no passkeys"} {
			if !strings.Contains(words(r.document()), want) {
				t.Errorf("%q is missing", want)
			}
		}
		for _, never := range []string{"mallory", "Connect The", "Connect Email", "Connect Credentials", "access-token"} {
			if strings.Contains(r.body, never) {
				t.Errorf("it says %q", never)
			}
		}
		if got := r.header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'none'") {
			t.Errorf("policy %q", got)
		}
	})
}

// A site without passkeys and tokens shows none of them.
func TestAccountSections(t *testing.T) {
	l := newLibrary(t, false, func(o *Options) { o.Account = &AccountOptions{} })
	b := l.browser(t)
	b.in(b.as(l.op, aliceOP))
	if r := b.get("/account"); strings.Contains(r.body, "Passkeys") || strings.Contains(r.body, "tokens") {
		t.Error("there are sections that the site has not")
	}
	wantRefused(t, b.account("create_token", "name", "x", "days", "7"), 400, "This request could not be understood.")
	wantRefused(t, b.account("end_token", "id", "x"), 400, "This request could not be understood.")
}

func TestAccountPathIsItsOwn(t *testing.T) {
	l := newLibrary(t, false, withAccount, func(o *Options) { o.Account.Path = "/me" })
	b := l.browser(t)
	b.in(b.as(l.op, aliceOP))
	r := b.get("/account")
	if strings.Contains(r.body, `"`+accountPath+`"`) || !strings.Contains(r.body, `action="`+testOrigin+`/me"`) {
		t.Error("the page does not know where it is")
	}
	equal(t, "location", b.account("end_others").location(), testOrigin+"/me")
}

// A session that NextAuth made is not listed, says nothing about its age, and has
// its page all the same.
func TestAccountOfNextAuthsSession(t *testing.T) {
	l := newLibrary(t, false, withAccount)
	m := newMembers(t, l)
	token, err := jwt.SealClaims(ring(t), map[string]any{"sub": m.user.ID, "name": "Alice"}, l.clock.now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	b := l.browser(t)
	b.keep(setCookie{name: b.name("session-token"), value: token})
	r := b.get("/account")
	equal(t, "status", r.status, 200)
	equal(t, "sessions", strings.Join(r.items("sessions"), ", "), "Unknown browser This browser, Unknown browser, Unknown browser")
	if !strings.Contains(r.body, `class="again"`) {
		t.Error("it passes for recent")
	}
	wantRefused(t, b.account("end_all"), 403, "Nothing was changed")
	b.wantDone(b.account("end_others"), "All other sessions have ended.")
	if m.alice.session() != nil || m.laptop.session() != nil || b.session() == nil {
		t.Error("not the others, and only they, have ended")
	}
	equal(t, "own session", b.account("end_session", "id", b.session().Key()).location(), testOrigin+testBase+"/signin")
	if b.session() != nil {
		t.Error("still signed in")
	}
}

func TestAccountEndSession(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		laptop := m.laptop.session().Key()
		m.alice.wantDone(m.alice.account("end_session", "id", laptop), "The session has ended.")
		if m.laptop.session() != nil || m.alice.session() == nil {
			t.Error("not that session, and only that, has ended")
		}
		l.wantTold(t, "signOut")
		wantRefused(t, m.alice.account("end_session", "id", laptop), 404, "That was not there anymore.")
		wantRefused(t, m.alice.account("end_session"), 404, "That was not there anymore.")
		wantRefused(t, m.alice.account("end_session", "id", strings.Repeat("x", 1000)), 404, "That was not there anymore.")
		t.Run("another's", func(t *testing.T) {
			wantRefused(t, m.mallory.account("end_session", "id", m.alice.session().Key()), 404, "That was not there anymore.")
			if m.alice.session() == nil {
				t.Error("a session of another's has ended")
			}
		})
		t.Run("one's own", func(t *testing.T) {
			key, copied := m.alice.session().Key(), *m.alice
			copied.jar = slices.Clone(m.alice.jar)
			r := m.alice.account("end_session", "id", key)
			if r.status != 303 || r.location() != testOrigin+testBase+"/signin" || m.alice.has(m.alice.name("session-token")) {
				t.Errorf("got %d %q", r.status, r.location())
			}
			if copied.session() != nil {
				t.Error("a copy of the cookie still works")
			}
			if page := m.alice.get("/signin"); !strings.Contains(page.body, "You have signed out.") {
				t.Error("nobody is told")
			}
		})
	})
}

func TestAccountEndOthers(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		m.alice.wantDone(m.alice.account("end_others"), "All other sessions have ended.")
		if m.laptop.session() != nil || m.alice.session() == nil || m.mallory.session() == nil {
			t.Error("not the person's other sessions, and only they, have ended")
		}
		if got := m.alice.get("/account").items("sessions"); len(got) != 1 {
			t.Errorf("sessions %q", got)
		}
	})
}

// Sessions are ended page by page, however many there are.
func TestAccountEndOthersOfMany(t *testing.T) {
	l := newLibrary(t, false, withAccount)
	m := newMembers(t, l)
	for range maxListed + 5 {
		row := store.Session{ID: session.NewID(), UserID: m.user.ID, Provider: "op", Account: "alice", Created: l.clock.now(), Expires: l.clock.now().Add(time.Hour)}
		if err := l.shelf.Driver.CreateSession(context.Background(), row); err != nil {
			t.Fatal(err)
		}
	}
	r := m.alice.get("/account")
	if got := len(r.items("sessions")); got != maxShown || !strings.Contains(words(r.document()), "are not shown.") {
		t.Errorf("%d sessions are shown", got)
	}
	if !strings.HasSuffix(r.items("sessions")[0], "This browser") {
		t.Error("the session at hand is not the first")
	}
	m.alice.wantDone(m.alice.account("end_others"), "All other sessions have ended.")
	left := l.sessions(t)
	if len(left) != 2 { // and mallory's
		t.Errorf("%d sessions are left", len(left))
	}
}

func TestAccountEndAll(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		copied := *m.alice
		copied.jar = slices.Clone(m.alice.jar)
		r := m.alice.account("end_all")
		if r.status != 303 || r.location() != testOrigin+testBase+"/signin" {
			t.Errorf("got %d %q", r.status, r.location())
		}
		if m.alice.has(m.alice.name("session-token")) {
			t.Error("the cookie stays")
		}
		for name, b := range map[string]*browser{"this": m.alice, "a copy": &copied, "the laptop": m.laptop} {
			if b.session() != nil {
				t.Errorf("%s is still signed in", name)
			}
		}
		if m.mallory.session() == nil {
			t.Error("another's session has ended")
		}
		l.wantTold(t, "signOut")
		l.clock.add(time.Second)
		m.alice.in(m.alice.as(l.op, aliceOP))
	})
}

func TestAccountUnlink(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		wantRefused(t, m.alice.account("unlink", "provider", "op", "account", "alice"), 409, "This is your only way to sign in.")
		if r := m.alice.as(l.gh, aliceHub); r.status != 302 || strings.Contains(r.location(), "error") {
			t.Fatalf("not connected: %s", r.location())
		}
		if got, want := m.alice.get("/account").items("accounts"), []string{"GitHub", "The <OP> & Co"}; !slices.Equal(got, want) {
			t.Errorf("accounts %q, want %q", got, want)
		}
		for name, form := range map[string][]string{
			"another's":     {"provider", "op", "account", "mallory"},
			"another id":    {"provider", "op", "account", "octo-alice"},
			"no id":         {"provider", "op"},
			"no provider":   {"account", "alice"},
			"other letters": {"provider", "OP", "account", "Alice"},
		} {
			wantRefused(t, m.alice.account("unlink", form...), 404, "That was not there anymore.")
			if got := l.accountsOf(t, m.user.ID); len(got) != 2 {
				t.Errorf("%s: accounts %q", name, got)
			}
		}
		wantRefused(t, m.mallory.account("unlink", "provider", "github", "account", "octo-alice"), 404, "That was not there anymore.")
		l.told()
		m.alice.wantDone(m.alice.account("unlink", "provider", "op", "account", "alice"), "The account is disconnected. Other sessions and tokens that began with it have ended.")
		if got, want := l.accountsOf(t, m.user.ID), []string{"github:octo-alice"}; !slices.Equal(got, want) {
			t.Errorf("accounts %q, want %q", got, want)
		}
		if m.laptop.session() != nil || m.alice.session() == nil || m.mallory.session() == nil {
			t.Error("not the sessions that began with the account, and only they, have ended")
		}
		wantRefused(t, m.alice.account("unlink", "provider", "github", "account", "octo-alice"), 409, "This is your only way to sign in.")
	})
}

// What remains must be a way to sign in here.
func TestAccountWays(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		prepare func(*members) error
		remains bool
	}{
		"nothing": {func(*members) error { return nil }, false},
		"an account at a provider of this site": {func(m *members) error {
			return m.shelf.LinkAccount(ctx, store.Account{UserID: m.user.ID, Type: "oauth", Provider: "github", ProviderAccountID: "1"})
		}, true},
		"an account of the users file": {func(m *members) error {
			return m.shelf.LinkAccount(ctx, store.Account{UserID: m.user.ID, Type: "credentials", Provider: "credentials", ProviderAccountID: "alice"})
		}, true},
		"an account at another provider": {func(m *members) error {
			return m.shelf.LinkAccount(ctx, store.Account{UserID: m.user.ID, Type: "oauth", Provider: "gone", ProviderAccountID: "1"})
		}, false},
		"an account of a passkey that is gone": {func(m *members) error {
			return m.shelf.LinkAccount(ctx, store.Account{UserID: m.user.ID, Type: "webauthn", Provider: "passkey", ProviderAccountID: "1"})
		}, false},
		"a passkey": {func(m *members) error {
			return m.shelf.CreateAuthenticator(ctx, store.Authenticator{UserID: m.user.ID, CredentialID: "a2V5"})
		}, true},
		"another's passkey": {func(m *members) error {
			return m.shelf.CreateAuthenticator(ctx, store.Authenticator{UserID: m.userOf(m.T, "op", "mallory").ID, CredentialID: "a2V5"})
		}, false},
		"a proved address": {func(m *members) error {
			m.user.EmailVerified = m.clock.now()
			return m.shelf.UpdateUser(ctx, m.user)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMembers(t, newLibrary(t, false, withAccount))
			if err := c.prepare(m); err != nil {
				t.Fatal(err)
			}
			r := m.alice.get("/account")
			if got := strings.Contains(r.body, `<input type="hidden" name="provider" value="op">`); got != c.remains {
				t.Errorf("the page offers to disconnect: %t", got)
			}
			r = m.alice.account("unlink", "provider", "op", "account", "alice")
			if !c.remains {
				wantRefused(t, r, 409, "This is your only way to sign in.")
			} else if r.status != 303 {
				t.Errorf("refused: %d %s", r.status, r.says())
			}
			if got := slices.Contains(m.accountsOf(t, m.user.ID), "op:alice"); got == c.remains {
				t.Errorf("the account is there: %t", got)
			}
		})
	}
	t.Run("a proved address on a site without mail", func(t *testing.T) {
		m := newMembers(t, newLibrary(t, false, withAccount, func(o *Options) {
			o.Providers = slices.DeleteFunc(o.Providers, func(p provider.Provider) bool { return p.Info().ID == "email" })
		}))
		m.user.EmailVerified = m.clock.now()
		if err := m.shelf.UpdateUser(ctx, m.user); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, m.alice.account("unlink", "provider", "op", "account", "alice"), 409, "This is your only way to sign in.")
	})
}

// Two windows, each of which leaves what the other one takes.
func TestAccountUnlinkAtOnce(t *testing.T) {
	for range 20 {
		m := newMembers(t, newLibrary(t, false, withAccount))
		if r := m.alice.as(m.gh, aliceHub); strings.Contains(r.location(), "error") {
			t.Fatal(r.location())
		}
		token := m.alice.csrf()
		var wg sync.WaitGroup
		for _, form := range []string{"provider=op&account=alice", "provider=github&account=octo-alice"} {
			window := *m.alice
			window.jar = slices.Clone(m.alice.jar)
			wg.Go(func() { window.do("POST", "/account", "csrfToken="+token+"&action=unlink&"+form) })
		}
		wg.Wait()
		if got := m.accountsOf(t, m.user.ID); len(got) != 1 {
			t.Fatalf("accounts %q", got)
		}
	}
}

func TestAccountPasskeys(t *testing.T) {
	ctx := context.Background()
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		for _, id := range []string{"b25l", "dHdv"} {
			k := store.Authenticator{UserID: m.user.ID, CredentialID: id, ProviderAccountID: "account-" + id, Name: "Key " + id, Counter: 7, BackedUp: true, Created: l.clock.now()}
			a := store.Account{UserID: m.user.ID, Type: provider.TypeWebAuthn, Provider: "passkey", ProviderAccountID: k.ProviderAccountID}
			if err := errors.Join(l.shelf.CreateAuthenticator(ctx, k), l.shelf.LinkAccount(ctx, a)); err != nil {
				t.Fatal(err)
			}
		}
		if got := m.alice.get("/account"); !slices.Equal(got.items("passkeys"), []string{"Key b25l", "Key dHdv"}) || !slices.Equal(got.items("accounts"), []string{"The <OP> & Co"}) {
			t.Errorf("passkeys %q, accounts %q", got.items("passkeys"), got.items("accounts"))
		}
		t.Run("another's", func(t *testing.T) {
			wantRefused(t, m.mallory.account("rename_passkey", "id", "b25l", "name", "Mine"), 404, "That was not there anymore.")
			wantRefused(t, m.mallory.account("delete_passkey", "id", "b25l"), 404, "That was not there anymore.")
		})
		t.Run("rename", func(t *testing.T) {
			for _, name := range []string{"", " ", strings.Repeat("x", 65), "a\x1b[2Jb", "a\nb"} {
				wantRefused(t, m.alice.account("rename_passkey", "id", "b25l", "name", name), 400, "Please give the passkey a name")
			}
			wantRefused(t, m.alice.account("rename_passkey", "name", "x"), 404, "That was not there anymore.")
			m.alice.wantDone(m.alice.account("rename_passkey", "id", "b25l", "name", " "+strings.Repeat("界", 64)+" "), "The passkey has another name.")
			k, err := l.shelf.Authenticator(ctx, "b25l")
			if err != nil || k.Name != strings.Repeat("界", 64) || k.Counter != 7 || !k.BackedUp {
				t.Errorf("%+v, %v", k, err)
			}
		})
		t.Run("remove", func(t *testing.T) {
			m.alice.wantDone(m.alice.account("delete_passkey", "id", "b25l"), "The passkey is removed. Other sessions and tokens that began with it have ended. Delete it on your device as well.")
			wantRefused(t, m.alice.account("delete_passkey", "id", "b25l"), 404, "That was not there anymore.")
			if got, want := l.accountsOf(t, m.user.ID), []string{"op:alice", "passkey:account-dHdv"}; !slices.Equal(got, want) {
				t.Errorf("accounts %q, want %q", got, want)
			}
			m.alice.wantDone(m.alice.account("unlink", "provider", "op", "account", "alice"), "The account is disconnected. Other sessions and tokens that began with it have ended.")
			wantRefused(t, m.alice.account("delete_passkey", "id", "dHdv"), 409, "This is your only way to sign in.")
			if _, err := l.shelf.Authenticator(ctx, "dHdv"); err != nil {
				t.Error(err)
			}
		})
	})
}

// The changes that matter take a sign-in of the last hour, the others do not.
func TestAccountRecent(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		if r := m.alice.as(l.gh, aliceHub); strings.Contains(r.location(), "error") {
			t.Fatal(r.location())
		}
		k := store.Authenticator{UserID: m.user.ID, CredentialID: "a2V5", Name: "Key"}
		if err := l.shelf.CreateAuthenticator(context.Background(), k); err != nil {
			t.Fatal(err)
		}
		l.clock.add(time.Hour - time.Second)
		if r := m.alice.get("/account"); strings.Contains(r.body, `class="again"`) || !strings.Contains(r.body, "Sign out everywhere") {
			t.Error("not recent after 59 minutes")
		}
		l.clock.add(time.Second)
		r := m.alice.get("/account")
		for _, never := range []string{"end_all", "unlink", "delete_passkey", "create_token"} {
			if strings.Contains(r.body, `value="`+never+`"`) {
				t.Errorf("the page offers %s", never)
			}
		}
		for action, form := range map[string][]string{
			"end_all": nil, "unlink": {"provider", "op", "account", "alice"}, "delete_passkey": {"id", "a2V5"}, "create_token": {"name", "x", "days", "7"},
		} {
			r := m.alice.account(action, form...)
			wantRefused(t, r, 403, "Nothing was changed: this needs a fresh sign-in")
			if !strings.Contains(r.body, testBase+"/signin?callbackUrl="+strings.ReplaceAll(url.QueryEscape(accountPath), "%", "%")+"&amp;error=SessionRequired") {
				t.Errorf("%s: no way to sign in again", action)
			}
		}
		if m.alice.session() == nil || m.laptop.session() == nil || len(l.accountsOf(t, m.user.ID)) != 2 {
			t.Error("something was changed")
		}
		m.alice.wantDone(m.alice.account("rename_passkey", "id", "a2V5", "name", "Mine"), "The passkey has another name.")
		m.alice.wantDone(m.alice.account("end_others"), "All other sessions have ended.")
		// A renewal is no sign-in.
		m.alice.get("/session")
		wantRefused(t, m.alice.account("end_all"), 403, "Nothing was changed")
		m.alice.in(m.alice.as(l.op, aliceOP))
		equal(t, "after signing in again", m.alice.account("end_all").status, 303)
	})
}

// An identity provider may know the person from long ago; what counts is when
// they came here.
func TestAccountRecentSingleSignOn(t *testing.T) {
	l := newLibrary(t, false, withAccount)
	b := l.browser(t)
	old := *aliceOP
	old.AuthTime = l.clock.now().Add(-72 * time.Hour)
	b.in(b.as(l.op, &old))
	equal(t, "status", b.account("end_all").status, 303)
}

func TestAccountCSRF(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withAccount)
		m := newMembers(t, l)
		own := m.alice.csrf()
		for name, c := range map[string]struct {
			token  string
			header []string
		}{
			"CSRF-01 none":             {"", nil},
			"CSRF-02 another's":        {m.mallory.csrf(), nil},
			"CSRF-03 made up":          {strings.Repeat("0", 64), nil},
			"CSRF-05 another site":     {own, []string{"Sec-Fetch-Site", "cross-site"}},
			"CSRF-05 a sibling":        {own, []string{"Sec-Fetch-Site", "same-site"}},
			"CSRF-05 another origin":   {own, []string{"Origin", "https://evil.example"}},
			"CSRF-05 no origin at all": {own, []string{"Origin", "null"}},
		} {
			t.Run(name, func(t *testing.T) {
				for action := range accountActions {
					form := url.Values{"action": {action}, "id": {m.laptop.session().Key()}, "provider": {"op"}, "account": {"alice"}, "name": {"x"}, "days": {"7"}}
					if c.token != "" {
						form.Set("csrfToken", c.token)
					}
					r := m.alice.do("POST", "/account", form.Encode(), c.header...)
					wantRefused(t, r, 403, "This page was open for too long")
					if strings.Contains(r.body, session.TokenPrefix) {
						t.Error("a token was made")
					}
				}
				if tokens, err := l.shelf.Tokens(context.Background(), ""); m.alice.session() == nil || m.laptop.session() == nil || len(tokens) != 0 || err != nil {
					t.Errorf("something was changed: %v %v", tokens, err)
				}
			})
			l.clock.add(time.Minute) // for the limit
		}
		t.Run("METH-03 a GET changes nothing", func(t *testing.T) {
			m.alice.get("/account?action=end_all&csrfToken=" + own)
			if m.alice.session() == nil {
				t.Error("signed out")
			}
		})
	})
}

func TestAccountUnknownAction(t *testing.T) {
	m := newMembers(t, newLibrary(t, false, withAccount))
	for _, action := range []string{"", "END_ALL", "end_all ", "constructor", strings.Repeat("x", 1000)} {
		wantRefused(t, m.alice.account(action), 400, "This request could not be understood.")
	}
	r := m.alice.do("POST", "/account", "csrfToken="+m.alice.csrf()+"&action=end_all&action=end_all")
	wantRefused(t, r, 400, "This request could not be understood.")
	if m.alice.session() == nil {
		t.Error("signed out")
	}
}

func TestAccountLimit(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		l := newLibrary(t, false, d, withAccount)
		m := newMembers(t, l)
		token := m.alice.csrf()
		for i := range 60 {
			if r := m.alice.get("/account"); r.status != 200 {
				t.Fatalf("%d: %d", i, r.status)
			}
		}
		asked := l.shelf.count("DeleteSession", "Revoke")
		r := m.alice.get("/account")
		wantRefused(t, r, 429, "Too many attempts.")
		equal(t, "Retry-After", r.header.Get("Retry-After"), "60")
		if strings.Contains(r.body, "192.0.2.7") || strings.Contains(r.body, "<form") {
			t.Error("there is more than the notice")
		}
		wantRefused(t, m.alice.do("POST", "/account", "action=end_session&id="+m.laptop.session().Key()+"&csrfToken="+token), 429, "Too many attempts.")
		if m.laptop.session() == nil || l.shelf.count("DeleteSession", "Revoke") != asked {
			t.Error("it was done")
		}
		equal(t, "somebody else", m.mallory.get("/account").status, 200)
		l.clock.add(time.Minute)
		equal(t, "later", m.alice.get("/account").status, 200)
	})
}

// faulty is a store of which one method fails.
type faulty struct {
	store.Driver
	method string
}

var errFault = errors.New("disk on fire")

func (f *faulty) fails(method string) error {
	if f.method == method {
		return errFault
	}
	return nil
}

func (f *faulty) ListSessions(ctx context.Context, s store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	if err := f.fails("ListSessions"); err != nil {
		return nil, err
	}
	return f.Driver.ListSessions(ctx, s, now)
}

func (f *faulty) Accounts(ctx context.Context, userID string) ([]store.Account, error) {
	if err := f.fails("Accounts"); err != nil {
		return nil, err
	}
	return f.Driver.Accounts(ctx, userID)
}

func (f *faulty) UnlinkAccount(ctx context.Context, p, id string) error {
	return errors.Join(f.fails("UnlinkAccount"), f.Driver.UnlinkAccount(ctx, p, id))
}

func (f *faulty) Authenticators(ctx context.Context, userID string) ([]store.Authenticator, error) {
	if err := f.fails("Authenticators"); err != nil {
		return nil, err
	}
	return f.Driver.Authenticators(ctx, userID)
}

func (f *faulty) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return errors.Join(f.fails("UpdateAuthenticator"), f.Driver.UpdateAuthenticator(ctx, a))
}

func (f *faulty) DeleteAuthenticator(ctx context.Context, userID, id string) error {
	return errors.Join(f.fails("DeleteAuthenticator"), f.Driver.DeleteAuthenticator(ctx, userID, id))
}

func (f *faulty) Tokens(ctx context.Context, userID string) ([]store.Token, error) {
	if err := f.fails("Tokens"); err != nil {
		return nil, err
	}
	return f.Driver.Tokens(ctx, userID)
}

func (f *faulty) CreateToken(ctx context.Context, v store.Token) error {
	return errors.Join(f.fails("CreateToken"), f.Driver.CreateToken(ctx, v))
}

func (f *faulty) DeleteToken(ctx context.Context, userID, id string) error {
	return errors.Join(f.fails("DeleteToken"), f.Driver.DeleteToken(ctx, userID, id))
}

func (f *faulty) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	if err := f.fails("DeleteUserSessions"); err != nil {
		return nil, err
	}
	return f.Driver.DeleteUserSessions(ctx, userID, except)
}

func (f *faulty) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	if err := f.fails("Lock"); err != nil {
		return false, err
	}
	if f.method == "locked" {
		return false, nil
	}
	return f.Driver.Lock(ctx, name, owner, ttl)
}

// STORE-05: where the store fails, the answer is 503, and the browser keeps what it
// has.
func TestAccountStoreFails(t *testing.T) {
	ctx := context.Background()
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for method, actions := range map[string][]string{
			"ListSessions": {"", "end_others", "create_token", "unlink"},
			"Accounts":     {"", "unlink", "delete_passkey", "rename_passkey"}, "Authenticators": {"", "delete_passkey"},
			"Tokens": {"", "end_token", "create_token", "unlink"}, "CreateToken": {"create_token"}, "DeleteToken": {"end_token"},
			"UnlinkAccount": {"unlink", "delete_passkey"}, "UpdateAuthenticator": {"rename_passkey"}, "DeleteAuthenticator": {"delete_passkey"},
			"DeleteUserSessions": {"end_all"}, "Lock": {"unlink", "delete_passkey"},
			"User": {""}, "SessionByID": {"end_session"}, "Revoke": {"end_all", "end_session"}, "DeleteSession": {"end_session"},
		} {
			for _, action := range actions {
				t.Run("STORE-05 "+method+" "+action, func(t *testing.T) {
					l := newLibrary(withAccount)
					f := &faulty{Driver: l.shelf.Driver}
					l.shelf.Driver = f
					m := newMembers(t, l)
					if r := m.alice.as(l.gh, aliceHub); strings.Contains(r.location(), "error") {
						t.Fatal(r.location())
					}
					err := errors.Join(
						f.CreateAuthenticator(ctx, store.Authenticator{UserID: m.user.ID, CredentialID: "a2V5", ProviderAccountID: "k"}),
						f.LinkAccount(ctx, store.Account{UserID: m.user.ID, Type: provider.TypeWebAuthn, Provider: "passkey", ProviderAccountID: "k"}),
						f.CreateToken(ctx, store.Token{ID: "t1", UserID: m.user.ID, Hash: "h", Name: "t"}))
					if err != nil {
						t.Fatal(err)
					}
					id := map[string]string{"end_session": m.laptop.session().Key(), "end_token": "t1"}[action]
					if id == "" {
						id = "a2V5"
					}
					form := url.Values{"csrfToken": {m.alice.csrf()}, "action": {action}, "id": {id}, "provider": {"op"}, "account": {"alice"}, "name": {"x"}, "days": {"7"}}
					f.method = method
					l.shelf.down(method)
					var r reply
					if action == "" {
						r = m.alice.get("/account")
					} else {
						r = m.alice.do("POST", "/account", form.Encode())
					}
					if r.status != 503 || len(r.cookies) != 0 || r.header.Get("Retry-After") == "" || !strings.Contains(r.body, "Temporarily unavailable") {
						t.Errorf("got %d, cookies %q, %s", r.status, r.names(), r.says())
					}
					if strings.Contains(r.body, "fire") || strings.Contains(r.body, session.TokenPrefix) {
						t.Errorf("it says %s", r.body)
					}
					f.method = ""
					l.shelf.down("")
					if action == "" {
						equal(t, "afterwards", m.alice.get("/account").status, 200)
					}
				})
			}
		}
	})
}

func TestAccountBusy(t *testing.T) {
	l := newLibrary(t, false, withAccount)
	l.shelf.Driver = &faulty{Driver: l.shelf.Driver, method: "locked"}
	m := newMembers(t, l)
	for _, action := range []string{"unlink", "delete_passkey"} {
		wantRefused(t, m.alice.account(action), 409, "Another change was under way.")
	}
}

// The page of one person never shows what is another's.
func TestAccountShowsOnesOwn(t *testing.T) {
	l := newLibrary(t, true, withAccount)
	m := newMembers(t, l)
	made := m.alice.account("create_token", "name", "alices-token", "days", "7")
	equal(t, "status", made.status, 200)
	r := m.mallory.get("/account")
	for _, never := range []string{"alice", m.alice.session().Key(), m.user.ID} {
		if strings.Contains(r.body, never) {
			t.Errorf("mallory reads %q", never)
		}
	}
}

// Nothing that opens doors is logged, and no session token is on the page.
func TestAccountLeaks(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(withAccount)
		m := newMembers(t, l)
		secret := regexp.MustCompile(session.TokenPrefix + `[\w-]+`).FindString(m.alice.account("create_token", "name", "x", "days", "7").body)
		page := m.alice.get("/account").body
		for _, c := range m.alice.jar {
			if strings.HasSuffix(c.name, "session-token") && strings.Contains(page, c.value) {
				t.Error("the page has the session token")
			}
		}
		m.alice.account("end_others")
		m.alice.account("end_all")
		for _, e := range l.logs.All() {
			for _, f := range e.ContextMap() {
				if s, ok := f.(string); ok && secret != "" && strings.Contains(s, secret) {
					t.Errorf("LEAK-02: %s has the token", e.Message)
				}
			}
		}
		for _, message := range []string{"token created", "session ended by its owner", "signed out everywhere"} {
			if l.logs.FilterMessage(message).Len() != 1 {
				t.Errorf("%q was logged %d times", message, l.logs.FilterMessage(message).Len())
			}
		}
	})
}

// The address of a request without one, and others that are none, are not shown.
func TestAccountAddresses(t *testing.T) {
	l := newLibrary(t, false, withAccount)
	l.site.ClientIP = netip.Addr{}
	m := newMembers(t, l)
	if r := m.alice.get("/account"); strings.Contains(r.body, "invalid IP") || strings.Contains(r.body, "Address") {
		t.Error("there is an address")
	}
	l.site.ClientIP = netip.MustParseAddr("::ffff:192.0.2.9")
	b := l.browser(t)
	b.in(b.as(l.op, aliceOP))
	if r := b.get("/account"); !strings.Contains(words(r.document()), "192.0.2.9") || strings.Contains(r.body, "::ffff") {
		t.Error("the address is not the short one")
	}
}
