package provider

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// hang answers nothing until the caller gives up.
func hang(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(10 * time.Second):
	}
}

func TestHealth(t *testing.T) {
	const discovery = "/.well-known/openid-configuration"
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, tc := range []struct {
		name    string
		path    string
		handler http.HandlerFunc
		want    Status
		reason  Reason
		note    bool // at the button
	}{
		{"everything answers", "", nil, StatusUp, "", false},
		{"discovery fails", discovery, fail(503), StatusDown, ReasonUnavailable, true},
		{"discovery is another's", discovery, status(200, `{"issuer":"https://other.example"}`), StatusDown, ReasonIssuer, true},
		{"discovery is garbage", discovery, status(200, `nothing`), StatusDown, ReasonDiscovery, true},
		{"the token endpoint fails", "/token", fail(500), StatusDown, ReasonUnavailable, true},
		{"the token endpoint is busy", "/token", fail(429), StatusDown, ReasonUnavailable, true},
		{"the token endpoint hangs", "/token", hang, StatusDown, ReasonUnavailable, true},
		{"the code is refused", "/token", status(400, `{"error":"invalid_grant"}`), StatusUp, "", false},
		{"the client is refused", "/token", status(401, `{"error":"invalid_client"}`), StatusUp, "", false},
		{"the keys are gone", "/jwks", status(200, `nothing`), StatusDown, ReasonKeys, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			core, logs := observer.New(zap.InfoLevel)
			cfg := op.config()
			cfg.Timeout = Duration(300 * time.Millisecond)
			cache := NewCache()
			p := mustNew(t, cfg, Options{Now: op.clock, Log: zap.New(core), Cache: cache})
			if s := p.(Health).State(); s.Status != StatusUnknown || !s.Since.IsZero() {
				t.Errorf("before the first call: %+v", s)
			}
			if tc.path != "" {
				op.Replace(tc.path, tc.handler)
			}
			for range 3 {
				_, _ = op.exchange(p)
			}
			twin := mustNew(t, cfg, Options{Now: op.clock, Cache: cache}).(Health) // at another site
			s := twin.State()
			if s.Status != tc.want || s.Reason != tc.reason || !s.Since.Equal(theTime) || s.Host != strings.TrimPrefix(op.URL, "http://") {
				t.Errorf("%+v", s)
			}
			if _, note := twin.Down(); note != tc.note {
				t.Errorf("note at the button: %v", note)
			}
			warnings := 0
			if tc.want == StatusDown {
				warnings = 1
			}
			if n := logs.FilterMessage("an identity provider does not answer as it should").Len(); n != warnings || logs.FilterLevelExact(zap.WarnLevel).Len() != warnings {
				t.Errorf("%d lines: %v", n, logs.All())
			}
			if tc.path == "" {
				if s.Discovered.IsZero() || s.Keys.IsZero() || !s.Retry.IsZero() {
					t.Errorf("%+v", s)
				}
				return
			}
			op.Replace(tc.path, nil)
			op.wait(backoffMax)
			if _, note := twin.Down(); note {
				t.Error("the note stays")
			}
			op.Claims = func(m map[string]any) { m["iat"], m["exp"] = op.clock().Unix(), op.clock().Unix()+60 }
			if _, err := op.exchange(p); err != nil {
				t.Fatal(err)
			}
			if s := p.(Health).State(); s.Status != StatusUp || s.Reason != "" || tc.want == StatusDown && s.Since.Equal(theTime) {
				t.Errorf("once it is back: %+v", s)
			}
			if n := logs.FilterMessage("an identity provider answers again").Len(); n != warnings {
				t.Errorf("%d lines say that it is back", n)
			}
		})
	}
}

// Whoever goes away, or sends what is not even passed on, says nothing of the
// identity provider.
func TestHealthIsNotForClients(t *testing.T) {
	op := newEvil(t)
	p := op.provider(nil)
	if _, err := p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"iss": {"https://other.example"}}}); ReasonOf(err) != ReasonIss {
		t.Fatal(err)
	}
	if s := p.(Health).State(); s.Status != StatusUnknown {
		t.Errorf("after a callback that was refused: %+v", s)
	}
	if err := authorize(p, t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	op.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		hang(w, r)
	})
	if _, err := p.Exchange(ctx, evilCallback()); ReasonOf(err) != ReasonClientGone {
		t.Fatal(err)
	}
	if s := p.(Health).State(); s.Status != StatusUp {
		t.Errorf("after a visitor went away: %+v", s)
	}
}

// proxied names the environment variable by which TestProxyEnvironment knows that it
// runs in a process of its own: Go reads the environment's proxies once.
const proxied = "CADDYAUTH_TEST_PROXIED"

// TestProxyEnvironment asks a provider through the proxy that the environment names.
// The provider's host is one of documentation's, so that nothing else would reach it.
func TestProxyEnvironment(t *testing.T) {
	if os.Getenv(proxied) != "" {
		askThroughProxy(t)
		return
	}
	op := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		lyingop.WriteJSON(w, map[string]any{
			"issuer": "https://example.com", "authorization_endpoint": "https://example.com/authorize",
			"token_endpoint": "https://example.com/token", "jwks_uri": "https://example.com/jwks",
		})
	}))
	defer op.Close()
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "example.com:443" {
			http.Error(w, "not for this", http.StatusForbidden)
			return
		}
		asked.Add(1)
		tunnel(w, op.Listener.Addr().String())
	}))
	defer proxy.Close()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyEnvironment$", "-test.v")
	cmd.Env = append(os.Environ(), proxied+"=1", "SSL_CERT_FILE="+roots, "HTTPS_PROXY="+proxy.URL, "HTTP_PROXY=", "NO_PROXY=inside.example", "https_proxy=", "http_proxy=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "asked through the proxy") || asked.Load() != 1 {
		t.Errorf("%d tunnels\n%s", asked.Load(), out)
	}
}

func askThroughProxy(t *testing.T) {
	p := mustNew(t, Config{Preset: "oidc", Issuer: "https://example.com", ClientID: "c", ClientSecret: "s"}, Options{})
	if err := authorize(p, t.Context()); err != nil {
		t.Fatal(err)
	}
	g := newGuard(nil)
	for target, want := range map[string]bool{"https://example.com/": true, "https://inside.example/": false, "https://127.0.0.1/": false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := g.proxy(r); err != nil || (u != nil) != want {
			t.Errorf("%s: %v, %v", target, u, err)
		}
	}
	fmt.Println("asked through the proxy")
}

// tunnel connects a CONNECT request with an address.
func tunnel(w http.ResponseWriter, address string) {
	there, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(there, buffered) }()
	_, _ = io.Copy(here, there)
}

func TestHealthTellsOfLogout(t *testing.T) {
	op := newEvil(t)
	op.Metadata = func(m map[string]any) {
		m["end_session_endpoint"] = op.URL + "/end"
		m["backchannel_logout_supported"], m["backchannel_logout_session_supported"] = true, true
		m["frontchannel_logout_supported"] = false
	}
	p := op.provider(nil)
	if s := p.(Health).State(); s.Logout != nil {
		t.Errorf("before discovery: %q", s.Logout)
	}
	if err := authorize(p, t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.(Health).State(); !slices.Equal(s.Logout, []string{"end_session", "backchannel", "backchannel_session"}) {
		t.Errorf("%q", s.Logout)
	}
}
