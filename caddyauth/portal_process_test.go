package caddyauth_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	_ "github.com/caddyauth/gateway/caddyauth/store/redis"
)

// farPortal is a portal in this process with its members in another one.
type farPortal struct {
	*portalWorld
	membersLog string
	// What the portal was started with.
	portalGlobal, portalSite string
}

// newFarPortal starts them, with the same store and the same secret. The lines stand
// in the block of the members.
func newFarPortal(t *testing.T, store, strategy, lines string) *farPortal {
	t.Helper()
	here, there := testport.Free(t), testport.Free(t)
	w := &portalWorld{t: t, auth: "https://auth.example.com:" + here, wiki: "https://wiki.example.com:" + there, shop: "https://shop.example.net:" + there}
	w.own = w.auth
	w.op = testop.Start(t, w.auth+"/api/auth/callback/op")
	global := func(allow string) string {
		return `caddyauth {
		secret ` + secret + `
		provider oidc ` + w.op.URL + ` as op {
			client_id ` + w.op.ClientID + `
			client_secret "` + w.op.ClientSecret + `"
		}
		store ` + store + `
		portal ` + w.auth + `
		session {
			strategy ` + strategy + `
		}
		` + allow + `
		limit off
	}`
	}
	w.server = &server{t: t, Port: here, Log: filepath.Join(t.TempDir(), "caddy.log")}
	f := &farPortal{portalWorld: w, portalGlobal: global("allow any")}
	f.portalSite = "https://auth.example.com:{PORT} {\n\ttls " + certificate(t, "auth.example.com") + "\n\tcaddyauth\n}\n"
	if err := w.load(f.portalGlobal, f.portalSite); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopCaddy(t) })
	// Nothing like it is in this process, so that the portal knows no member.
	members := `https://wiki.example.com:{PORT}, https://shop.example.net:{PORT} {
	log
	tls ` + certificate(t, "wiki.example.com", "shop.example.net") + `
	caddyauth {
		allow user id-alice
		` + lines + `
	}
	respond "{http.request.host} {http.auth.user.email}"
}
`
	f.membersLog = startMembers(t, there, global(""), members)
	w.awaitCertificates()
	return f
}

// farBrowser reaches every host at its own port.
func (w *farPortal) farBrowser() *browser {
	b := w.browser()
	b.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
	}
	return b
}

// TestPortalElsewhere has the portal in this process and its members in another one.
func TestPortalElsewhere(t *testing.T) {
	for _, c := range []struct{ name, strategy string }{
		{"redis", "jwt"}, {"redis", "database"}, {"postgres", "jwt"}, {"postgres", "database"},
	} {
		t.Run(c.name+" "+c.strategy, func(t *testing.T) {
			kept := ""
			if c.name == "redis" {
				kept = "redis " + testdb.Redis(t).URL
			} else {
				kept = "postgres " + testdb.Postgres(t).DSN
			}
			w := newFarPortal(t, kept, c.strategy, "")
			b := w.farBrowser()
			if a := w.signInAt(b, w.wiki, "alice", "/x"); a.body != "wiki.example.com "+aliceMail {
				t.Fatalf("the first: %s %s %s", a.Status, a.Request.URL, a.body)
			}
			if a := w.signInAt(b, w.shop, "", "/"); a.body != "shop.example.net "+aliceMail {
				t.Fatalf("the second: %s %s %s", a.Status, a.Request.URL, a.body)
			}
			code := w.toCode(b, b.at(w.wiki).begin("op", "/").String(), "alice")
			if a := b.get(strings.Replace(code, w.wiki, w.shop, 1)); !strings.HasPrefix(a.Header.Get("Location"), w.shop) {
				t.Errorf("another member's code: %s", a.Header.Get("Location"))
			}
			b.at(w.shop)
			b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
			time.Sleep(time.Second) // what news may take to the other process
			w.wantNobody(b)

			// The portal's rules admit bob, the member's do not.
			stranger := w.farBrowser()
			if a := w.signInAt(stranger, w.wiki, "bob", "/"); !strings.HasPrefix(a.Request.URL.String(), w.wiki) || !strings.Contains(a.Request.URL.RawQuery, "AccessDenied") {
				t.Errorf("bob at the wiki: %s", a.Request.URL)
			}
			w.wantSession(stranger, w.wiki, "")
			text, err := os.ReadFile(w.membersLog)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range []string{"code=", "start=", "eyJ"} {
				if strings.Contains(string(text), word) {
					t.Errorf("LEAK-02 the members' log has %q", word)
				}
			}
			if !strings.Contains(string(text), `"reason":"host"`) {
				t.Error("the other member's code was not refused for its host")
			}
		})
	}
}

// startMembers runs a Caddyfile in a process of its own and returns its log.
func startMembers(t *testing.T, port, global, sites string) string {
	t.Helper()
	return startElsewhere(t, port, global, sites, func() error {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, ServerName: "wiki.example.com"})
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// startElsewhere runs a Caddyfile in a process of its own, waits until it is ready,
// and returns its log.
func startElsewhere(t *testing.T, port, global, sites string, ready func() error) string {
	t.Helper()
	c := caddyCommand{t: t, home: t.TempDir()}
	log := filepath.Join(c.home, "caddy.log")
	text := strings.NewReplacer("{PORT}", port, "{LOG}", log, "{GLOBAL}", global).Replace(globals + sites)
	file := filepath.Join(c.home, "Caddyfile")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := c.command("run", "--config", file, "--adapter", "caddyfile")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := ready()
		if err == nil {
			return log
		}
		if time.Now().After(deadline) {
			t.Fatalf("the other Caddy does not start: %v\n%s", err, out.String())
		}
	}
}
