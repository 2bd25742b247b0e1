package caddyauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(recorder{}) }

// recorder is an event handler that remembers the events. It vetoes a sign-in of
// bob, and fails at everything else that has to do with him.
type recorder struct{}

var recorded struct {
	sync.Mutex
	events []string
}

// CaddyModule returns the Caddy module information.
func (recorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_recorder", New: func() caddy.Module { return new(recorder) }}
}

func (*recorder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

func (*recorder) Handle(_ context.Context, e caddy.Event) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	recorded.Lock()
	defer recorded.Unlock()
	recorded.events = append(recorded.events, fmt.Sprintf("%s %s %s", e.Name(), e.Origin().CaddyModule().ID, data))
	if !strings.Contains(string(data), "bob") {
		return nil
	}
	if e.Name() == "signin" {
		return fmt.Errorf("no bobs: %w", caddy.ErrEventAborted)
	}
	return errors.New("failing")
}

// takeEvents returns what was recorded since the last call.
func takeEvents() []string {
	recorded.Lock()
	defer recorded.Unlock()
	events := recorded.events
	recorded.events = nil
	return events
}

// TestEvents checks that Caddy's event handlers hear of sign-ins, sessions and
// sign-outs, that one of them may refuse a sign-in, and that none hears a secret.
func TestEvents(t *testing.T) {
	for _, compat := range []string{"v4", "v5"} {
		t.Run(compat, func(t *testing.T) {
			s := startWith(t, `events {
		on signIn test_recorder
		on signOut test_recorder
		on session test_recorder
	}`, siteWith("compat "+compat+"\nsecret "+secret+"\nprovider dev\nusers "+usersFile(t)))
			takeEvents()

			b := s.browser()
			b.persona("admin", s.Base+"/x")
			events := takeEvents()
			if len(events) != 1 || !strings.HasPrefix(events[0], "signin http.handlers.caddyauth {") ||
				!strings.Contains(events[0], `"email":"admin@example.com"`) || !strings.Contains(events[0], `"provider":"dev"`) {
				t.Fatalf("sign-in: %q", events)
			}
			for _, secretive := range []string{"access_token", "id_token", "refresh_token", "eyJ"} {
				if strings.Contains(events[0], secretive) {
					t.Errorf("the event has %s: %s", secretive, events[0])
				}
			}
			b.get("/api/auth/session")
			if events := takeEvents(); len(events) != 1 || !strings.HasPrefix(events[0], "session ") || !strings.Contains(events[0], "admin@example.com") {
				t.Errorf("session: %q", events)
			}
			b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
			if events := takeEvents(); len(events) != 1 || !strings.HasPrefix(events[0], "signout ") {
				t.Errorf("sign-out: %q", events)
			}

			bob := s.browser()
			a := bob.password("bob", "bob", "/x")
			if to := a.Header.Get("Location"); a.StatusCode != http.StatusFound || !strings.HasSuffix(to, "/api/auth/error?error=AccessDenied") {
				t.Errorf("veto: %s to %s", a.Status, to)
			}
			if sent := bob.cookieHeader(); strings.Contains(sent, "session-token") {
				t.Errorf("after the veto: %s", sent)
			}
			if events := takeEvents(); len(events) != 1 || !strings.Contains(events[0], "bob") {
				t.Errorf("veto: %q", events)
			}
		})
	}
}
