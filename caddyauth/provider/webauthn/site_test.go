package webauthn_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	"golang.org/x/crypto/bcrypt"

	_ "github.com/caddyauth/gateway/caddyauth"
	"github.com/caddyauth/gateway/caddyauth/internal/testkey"
	_ "github.com/caddyauth/gateway/caddyauth/provider/webauthn"
)

// site is a Caddy with passkeys and a users file, which tells people who they are.
type site struct {
	t             *testing.T
	origin, users string
	dialect       string
}

func newSite(t *testing.T, dialect string) *site {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	s := &site{t: t, origin: "http://localhost:" + port, users: filepath.Join(t.TempDir(), "users.yml"), dialect: dialect}
	s.writeUsers("")
	s.load()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// load loads the site.
func (s *site) load() {
	s.t.Helper()
	config := `{
	admin off
	persist_config off
	auto_https off
	log {
		output discard
	}
}
` + s.origin + ` {
	bind 127.0.0.1
	caddyauth {
		compat ` + s.dialect + `
		secret passkey-test-secret-0123456789abcdefghij
		store memory
		passkeys
		users ` + s.users + `
		allow user carol
		allow /math/* group math
		headers
	}
	respond "{http.request.header.Remote-User} of {http.request.header.Remote-Groups}"
}
`
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
	if err == nil {
		err = caddy.Load(raw, true)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	// Caddy stops the old servers in the background: they may take a connection for a
	// moment after Load has returned.
	time.Sleep(50 * time.Millisecond)
}

// writeUsers writes the users file: carol, with further lines about her.
func (s *site) writeUsers(more string) {
	s.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("carols password"), bcrypt.MinCost)
	if err != nil {
		s.t.Fatal(err)
	}
	text := fmt.Sprintf("users:\n  carol:\n    password: %s\n    email: carol@example.com\n%s", hash, more)
	// As editors do: never half a file.
	if err := os.WriteFile(s.users+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(s.users+".new", s.users); err != nil {
		s.t.Fatal(err)
	}
}

// browser has cookies.
type browser struct {
	*site
	http.Client
}

func (s *site) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do returns the status, the location and the body of an answer.
func (b *browser) do(r *http.Request, err error) (status int, location, body string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(text)
}

func (b *browser) get(path string) (status int, location, body string) {
	b.t.Helper()
	return b.do(http.NewRequest(http.MethodGet, b.origin+path, nil))
}

// post sends a form to the API and returns where that leads.
func (b *browser) post(path string, form url.Values) string {
	b.t.Helper()
	var csrf struct{ CSRFToken string }
	_, _, body := b.get("/api/auth/csrf")
	if err := json.Unmarshal([]byte(body), &csrf); err != nil {
		b.t.Fatal(err)
	}
	form.Set("csrfToken", csrf.CSRFToken)
	r, err := http.NewRequest(http.MethodPost, b.origin+"/api/auth"+path, strings.NewReader(form.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	_, location, _ := b.do(r, err)
	return location
}

// passkey goes through a ceremony with a device and returns where that leads.
func (b *browser) passkey(action string, d *testkey.Device) string {
	b.t.Helper()
	return b.passkeyTo(action, d, b.origin+"/done")
}

// passkeyTo is passkey for a page to go on to.
func (b *browser) passkeyTo(action string, d *testkey.Device, page string) string {
	b.t.Helper()
	var answer struct {
		Options struct {
			Challenge, RPID string
			RP              struct{ ID string }
			User            struct{ ID, Name string }
		}
	}
	status, _, body := b.get("/api/auth/webauthn-options/passkey?action=" + action)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		b.t.Fatalf("options: %d %s", status, body)
	}
	var data []byte
	if o := answer.Options; action == "register" {
		if o.RP.ID != d.RPID || o.User.Name != "carol@example.com" {
			b.t.Errorf("options %s", body)
		}
		d.Handle = o.User.ID
		data = d.Create(o.Challenge)
	} else {
		if o.RPID != d.RPID {
			b.t.Errorf("options %s", body)
		}
		data = d.Get(o.Challenge)
	}
	return b.post("/callback/passkey", url.Values{"action": {action}, "data": {string(data)}, "callbackUrl": {page}})
}

// wantIn makes sure that a page is shown to carol.
func (b *browser) wantIn(path, want string) {
	b.t.Helper()
	if status, location, body := b.get(path); status != http.StatusOK || body != want {
		b.t.Errorf("%s: %d %q %q, want %q", path, status, location, body, want)
	}
}

// wantRefused makes sure that a passkey did not help.
func (b *browser) wantRefused(location string) {
	b.t.Helper()
	if !strings.HasSuffix(location, "?error=WebAuthnVerificationError") {
		b.t.Errorf("led to %q", location)
	}
	if status, _, _ := b.get("/x"); status != http.StatusFound {
		b.t.Errorf("status %d: signed in", status)
	}
}

// within waits until the users file has been read again.
func (b *browser) within(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: not in time", what)
		}
	}
}

// A passkey stands for the account that it was registered with, as that is at the
// moment: its name, its groups, and whether it is there at all.
func TestSite(t *testing.T) {
	for _, dialect := range []string{"v4", "v5"} {
		t.Run(dialect, func(t *testing.T) {
			s := newSite(t, dialect)
			done := s.origin + "/done"
			device := testkey.New(t, testkey.ES256, "localhost", s.origin)
			b := s.browser()
			b.post("/callback/credentials", url.Values{"username": {"carol"}, "password": {"carols password"}})
			b.wantIn("/x", "carol of ")
			if to := b.passkey("register", device); to != done {
				t.Fatalf("registering led to %q", to)
			}

			b = s.browser()
			if to := b.passkey("authenticate", device); to != done {
				t.Fatalf("signing in led to %q", to)
			}
			b.wantIn("/x", "carol of ")
			if status, _, _ := b.get("/math/x"); status != http.StatusForbidden {
				t.Errorf("/math/: %d", status)
			}

			// Another device knows the id, but has no key for it.
			forger := testkey.New(t, testkey.ES256, "localhost", s.origin)
			forger.ID, forger.Counter = device.ID, 100
			thief := s.browser()
			thief.wantRefused(thief.passkey("authenticate", forger))

			s.writeUsers("    groups: [math]\n")
			b.within("groups", func() bool { status, _, _ := b.get("/math/x"); return status == http.StatusOK })
			b = s.browser()
			if to := b.passkey("authenticate", device); to != done {
				t.Errorf("signing in led to %q", to)
			}
			b.wantIn("/math/x", "carol of math")

			s.writeUsers("    disabled: true\n")
			b.within("disabled", func() bool { status, _, _ := b.get("/x"); return status == http.StatusFound })
			b = s.browser()
			b.wantRefused(b.passkey("authenticate", device))

			s.writeUsers("")
			b.within("enabled", func() bool { return b.passkey("authenticate", device) == done })
			b.wantIn("/x", "carol of ")

			// Another users file has another carol.
			file := s.users
			s.users = filepath.Join(t.TempDir(), "others.yml")
			s.writeUsers("")
			s.load()
			b = s.browser()
			// Caddy's old servers may answer a moment longer.
			b.within("another file", func() bool { return b.passkey("authenticate", device) != done })
			b = s.browser()
			b.wantRefused(b.passkey("authenticate", device))
			s.users = file
			s.load()
			b.within("the first file", func() bool { return b.passkey("authenticate", device) == done })
		})
	}
}
