package webauthn_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyauth/gateway/caddyauth/internal/testkey"
)

// newPortal is a portal with passkeys, which the site is, and a member.
func newPortal(t *testing.T) (s *site, member string) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	s = &site{t: t, origin: "http://auth.localhost:" + port, users: filepath.Join(t.TempDir(), "users.yml")}
	member = "http://app.localhost:" + port
	s.writeUsers("")
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`{
	admin off
	persist_config off
	auto_https off
	log {
		output discard
	}
	caddyauth {
		secret passkey-test-secret-0123456789abcdefghij
		store memory
		portal auth.localhost
		passkeys
		users `+s.users+`
		allow user carol
		limit off
	}
}
`+s.origin+` {
	bind 127.0.0.1
	caddyauth
}
`+member+` {
	bind 127.0.0.1
	caddyauth {
		step_up /vault/* max_age 2s
	}
	respond "{http.request.uri} {http.auth.user.login}"
}
`), nil)
	if err == nil {
		err = caddy.Load(raw, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s, member
}

// visitor is a browser that finds every host on loopback.
func (s *site) visitor() *browser {
	b := s.browser()
	b.Transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}}
	return b
}

// at is the browser at another origin.
func (b *browser) at(origin string) *browser {
	there := *b.site
	there.origin = origin
	return &browser{&there, b.Client}
}

// opened follows redirects and returns where they end, and what is there.
func (b *browser) opened(to string) (last *url.URL, status int, body string) {
	b.t.Helper()
	for range 10 {
		r, err := http.NewRequest(http.MethodGet, to, nil)
		if err == nil {
			r.Header.Set("Sec-Fetch-Mode", "navigate")
		}
		status, next, body := b.do(r, err)
		if next == "" {
			return r.URL, status, body
		}
		to = next
	}
	b.t.Fatalf("redirected too often, last to %s", to)
	return nil, 0, ""
}

// Passkeys are bound to the portal's host, and sign in at its members: at first, and
// when a page asks for it again.
func TestPortal(t *testing.T) {
	s, member := newPortal(t)
	host, _, _ := strings.Cut(strings.TrimPrefix(s.origin, "http://"), ":")
	device := testkey.New(t, testkey.ES256, host, s.origin)
	b := s.visitor()
	b.post("/callback/credentials", url.Values{"username": {"carol"}, "password": {"carols password"}})
	if to := b.passkey("register", device); to != s.origin+"/done" {
		t.Fatalf("registering led to %q", to)
	}

	b = s.visitor()
	app := b.at(member)
	if status, _, _ := app.get("/api/auth/webauthn-options/passkey?action=authenticate"); status == http.StatusOK {
		t.Error("the member hands out challenges")
	}
	sign := func(page *url.URL, body, want string) {
		t.Helper()
		callback := page.Query().Get("callbackUrl")
		if !strings.HasPrefix(page.String(), s.origin+"/api/auth/signin?") || !strings.HasPrefix(callback, s.origin+"/api/auth/handoff?continue=") || !strings.Contains(body, "app.localhost") {
			t.Fatalf("not on the portal's page: %s\n%s", page, body)
		}
		// A device at the member's host is none of the portal's.
		phished := *device
		phished.Origin = member
		if to := b.passkeyTo("authenticate", &phished, callback); !strings.Contains(to, "error=") {
			t.Errorf("an answer to another origin leads to %q", to)
		}
		last, status, body := b.opened(b.passkeyTo("authenticate", device, callback))
		if last.String() != member+want || status != http.StatusOK || body != want+" carol" {
			t.Errorf("signing in led to %s: %d %s", last, status, body)
		}
	}
	page, _, body := b.opened(app.post("/signin/passkey", url.Values{"callbackUrl": {member + "/x"}}))
	sign(page, body, "/x")
	app.within("an old sign-in", func() bool { status, _, _ := app.get("/vault/x"); return status == http.StatusFound })
	page, _, body = b.opened(member + "/vault/x")
	if page.Query().Get("error") != "SessionRequired" || !strings.Contains(body, "Sign in again to continue") {
		t.Errorf("%s\n%s", page, body)
	}
	sign(page, body, "/vault/x")
}
