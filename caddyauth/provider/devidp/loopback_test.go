package devidp

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// fixedAddr is a net.Addr with any text.
type fixedAddr string

func (fixedAddr) Network() string  { return "tcp" }
func (a fixedAddr) String() string { return string(a) }

func TestOnlyLocalConnections(t *testing.T) {
	idp, err := newServer(newSite(t).clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	p := newProvider(idp, "dev", "Development", defaultPersonas(), provider.Options{})
	const lo4, lo6 = "127.0.0.1:8080", "[::1]:8080"
	for name, c := range map[string]struct {
		remote, local string
		header        http.Header
		want          bool
	}{
		"IPv4":                         {"127.0.0.1:50000", lo4, nil, true},
		"all of 127/8":                 {"127.9.8.7:50000", "127.0.0.2:80", nil, true},
		"IPv6":                         {"[::1]:50000", lo6, nil, true},
		"IPv6 with a zone":             {"[::1%lo]:50000", lo6, nil, true},
		"IPv4 in IPv6":                 {"[::ffff:127.0.0.1]:50000", "[::ffff:127.0.0.1]:80", nil, true},
		"IPv4 in IPv6, hex":            {"[::ffff:7f00:1]:50000", lo6, nil, true},
		"remote peer":                  {"192.0.2.1:50000", lo4, nil, false},
		"private peer":                 {"10.0.0.5:50000", lo4, nil, false},
		"remote IPv6 peer":             {"[2001:db8::1]:50000", lo6, nil, false},
		"remote peer, IPv4 in IPv6":    {"[::ffff:192.0.2.1]:50000", "[::ffff:127.0.0.1]:80", nil, false},
		"link local":                   {"[fe80::1%eth0]:50000", lo6, nil, false},
		"unspecified":                  {"0.0.0.0:50000", lo4, nil, false},
		"unspecified IPv6":             {"[::]:50000", lo6, nil, false},
		"deprecated IPv4-compatible":   {"[::127.0.0.1]:50000", lo6, nil, false},
		"NAT64 of loopback":            {"[64:ff9b::127.0.0.1]:50000", lo6, nil, false},
		"public local address":         {"127.0.0.1:50000", "192.0.2.1:80", nil, false},
		"public local, IPv4 in IPv6":   {"127.0.0.1:50000", "[::ffff:192.0.2.1]:80", nil, false},
		"own public address as a peer": {"192.0.2.1:50000", "192.0.2.1:80", nil, false},
		"wildcard local address":       {"127.0.0.1:50000", "[::]:443", nil, false},
		"no local address":             {"127.0.0.1:50000", "", nil, false},
		"no peer":                      {"", lo4, nil, false},
		"Unix socket":                  {"@", "/run/caddy.sock", nil, false},
		"a name":                       {"localhost:50000", lo4, nil, false},
		"octal":                        {"0177.0.0.1:50000", lo4, nil, false},
		"short form":                   {"127.1:50000", lo4, nil, false},
		"forwarded from elsewhere":     {"127.0.0.1:50000", lo4, http.Header{"X-Forwarded-For": {"192.0.2.1"}}, false},
		"forwarded, one of two":        {"127.0.0.1:50000", lo4, http.Header{"X-Forwarded-For": {"127.0.0.1, 192.0.2.1"}}, false},
		"forwarded, second line":       {"127.0.0.1:50000", lo4, http.Header{"X-Forwarded-For": {"::1", "192.0.2.1"}}, false},
		"forwarded, unreadable":        {"127.0.0.1:50000", lo4, http.Header{"X-Forwarded-For": {"unknown"}}, false},
		"forwarded locally":            {"127.0.0.1:50000", lo4, http.Header{"X-Forwarded-For": {"127.0.0.1, ::1"}}, true},
		"Forwarded":                    {"127.0.0.1:50000", lo4, http.Header{"Forwarded": {"for=192.0.2.1"}}, false},
		"X-Real-Ip":                    {"127.0.0.1:50000", lo4, http.Header{"X-Real-Ip": {"192.0.2.1"}}, false},
		"HOST-03 spoofed X-Forwarded":  {"192.0.2.1:50000", lo4, http.Header{"X-Forwarded-For": {"127.0.0.1"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := localRequest(c.remote, c.local)
			for name, values := range c.header {
				r.Header[name] = values
			}
			w := httptest.NewRecorder()
			p.ServeIdP(w, r, "http://localhost:8080/api/auth/dev")
			want := http.StatusForbidden
			if c.want {
				want = http.StatusOK
			}
			if w.Code != want {
				t.Errorf("status %d, want %d", w.Code, want)
			}
			if !c.want && !strings.Contains(w.Body.String(), "only on this computer") {
				t.Errorf("text %q", w.Body)
			}
		})
	}
}

// localRequest asks for the discovery document over a made-up connection.
func localRequest(remote, local string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:8080/api/auth/dev/.well-known/openid-configuration", nil)
	r.RemoteAddr = remote
	if local == "" {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(fixedAddr(local))))
}

// A handler in front that takes the client's word for its address changes
// nothing: Caddy keeps the request as it came.
func TestOriginalPeerCounts(t *testing.T) {
	s := newSite(t)
	r := localRequest("127.0.0.1:1", "127.0.0.1:8080")
	original := http.Request{RemoteAddr: "192.0.2.1:1", URL: r.URL}
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, original))
	w := httptest.NewRecorder()
	s.provider.ServeIdP(w, r, "http://localhost:8080/api/auth/dev")
	if w.Code != http.StatusForbidden {
		t.Errorf("status %d", w.Code)
	}
}

// The Host header tells whether the browser knows that it talks to this
// computer: DNS rebinding shows in it.
func TestOnlyLoopbackHosts(t *testing.T) {
	s := newSite(t)
	for host, want := range map[string]int{
		"localhost": http.StatusOK, "LOCALHOST:8080": http.StatusOK, "app.localhost:1": http.StatusOK, "localhost.": http.StatusOK,
		"127.0.0.1:8080": http.StatusOK, "[::1]:8080": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example": http.StatusForbidden, "evil.example:8080": http.StatusForbidden, "localhost.evil.example": http.StatusForbidden,
		"127.0.0.1.nip.io:8080": http.StatusForbidden, "192.0.2.1": http.StatusForbidden, "": http.StatusForbidden,
	} {
		t.Run(host, func(t *testing.T) {
			r := localRequest("127.0.0.1:1", "127.0.0.1:8080")
			r.Host = host
			w := httptest.NewRecorder()
			s.provider.ServeIdP(w, r, "http://localhost:8080/api/auth/dev")
			if w.Code != want {
				t.Errorf("status %d, want %d", w.Code, want)
			}
		})
	}
}

// A rewrite in front does not move the endpoints.
func TestOriginalURLCounts(t *testing.T) {
	s := newSite(t)
	r := localRequest("127.0.0.1:1", "127.0.0.1:8080")
	original := http.Request{RemoteAddr: r.RemoteAddr, URL: r.URL}
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, original))
	rewritten := *r.URL
	rewritten.Path = "/index.php"
	r.URL = &rewritten
	w := httptest.NewRecorder()
	s.provider.ServeIdP(w, r, "http://localhost:8080/api/auth/dev")
	if w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
}

func TestAccessLogSkipped(t *testing.T) {
	s := newSite(t)
	vars := make(map[string]any)
	r := localRequest("127.0.0.1:1", "127.0.0.1:8080")
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
	s.provider.ServeIdP(httptest.NewRecorder(), r, "http://localhost:8080/api/auth/dev")
	if vars[caddyhttp.LogSkipVar] != true {
		t.Error("the access log would show state and nonce")
	}
}

func TestOnlyLoopbackIssuers(t *testing.T) {
	s := newSite(t)
	for issuer, want := range map[string]int{
		"http://localhost/api/auth/dev":               http.StatusOK,
		"http://LOCALHOST:8080/api/auth/dev":          http.StatusOK,
		"https://app.localhost:8443/api/auth/dev":     http.StatusOK,
		"http://127.0.0.1:8080/api/auth/dev":          http.StatusOK,
		"http://127.1.2.3/api/auth/dev":               http.StatusOK,
		"http://[::1]:8080/api/auth/dev":              http.StatusOK,
		"http://[::ffff:127.0.0.1]:8080/api/auth/dev": http.StatusOK,
		"https://app.example.com/api/auth/dev":        http.StatusForbidden,
		"http://localhost.example.com/api/auth/dev":   http.StatusForbidden,
		"http://notlocalhost/api/auth/dev":            http.StatusForbidden,
		"http://localhost./api/auth/dev":              http.StatusOK,
		"http://127.0.0.1.nip.io/api/auth/dev":        http.StatusForbidden,
		"http://128.0.0.1/api/auth/dev":               http.StatusForbidden,
		"http://0.0.0.0/api/auth/dev":                 http.StatusForbidden,
		"http://[::]/api/auth/dev":                    http.StatusForbidden,
		"http://localhost@evil.example/api/auth/dev":  http.StatusForbidden,
		"http://u@localhost/api/auth/dev":             http.StatusForbidden,
		"ftp://localhost/api/auth/dev":                http.StatusForbidden,
		"http://localhost/api/auth/other":             http.StatusForbidden,
		"/api/auth/dev":                               http.StatusForbidden,
		"":                                            http.StatusForbidden,
	} {
		t.Run(issuer, func(t *testing.T) {
			w := httptest.NewRecorder()
			s.provider.ServeIdP(w, localRequest("127.0.0.1:1", "127.0.0.1:2"), issuer)
			if w.Code != want {
				t.Errorf("status %d, want %d", w.Code, want)
			}
		})
	}
}

func FuzzLoopbackAddr(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "::1", "[::ffff:192.0.2.1]:1", "@", "localhost:1", "[::1%lo]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !loopbackAddr(s) {
			return
		}
		// Whatever passes is an address that the net package calls loopback.
		host := s
		if h, _, err := net.SplitHostPort(s); err == nil {
			host = h
		}
		addr, err := netip.ParseAddr(host)
		if err != nil || !net.IP(addr.Unmap().AsSlice()).IsLoopback() {
			t.Errorf("%q passes", s)
		}
	})
}
