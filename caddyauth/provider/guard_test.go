package provider

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestPrivate(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "172.16.0.1": true, "192.168.1.1": true,
		"169.254.169.254": true, "fe80::1": true, "fd00::1": true, "0.0.0.0": true, "::": true,
		"100.64.0.1": true, "::ffff:10.0.0.1": true, "224.0.0.1": true,
		"0.1.2.3": true, "240.0.0.1": true, "255.255.255.255": true, "fe80::1%eth0": true,
		"64:ff9b::a00:1": true, "64:ff9b::7f00:1": true, "64:ff9b::a9fe:a9fe": true, // 10.0.0.1 and others, translated
		"64:ff9b::808:808": false, "239.255.255.255": true, "223.255.255.255": false, "1.0.0.0": false,
		"8.8.8.8": false, "2001:4860:4860::8888": false, "172.32.0.1": false, "100.128.0.1": false,
	} {
		if got := private(netip.MustParseAddr(addr)); got != want {
			t.Errorf("private(%s) = %v", addr, got)
		}
	}
}

func TestGuard(t *testing.T) {
	ctx := t.Context()
	resolve := func(addr string) func(context.Context, string) ([]netip.Addr, error) {
		return func(context.Context, string) ([]netip.Addr, error) {
			if addr == "" {
				return nil, errors.New("no such host")
			}
			var list []netip.Addr
			for a := range strings.FieldsSeq(addr) {
				list = append(list, netip.MustParseAddr(a))
			}
			return list, nil
		}
	}
	for _, tc := range []struct {
		name, own, dialed string
		ok                bool
	}{
		{"public to public", "203.0.113.1", "198.51.100.1:443", true},
		{"public to private", "203.0.113.1", "10.0.0.1:443", false},
		{"public to cloud metadata", "203.0.113.1", "169.254.169.254:80", false},
		{"public to mapped private", "203.0.113.1", "[::ffff:10.0.0.1]:443", false},
		{"private to private", "10.0.0.1", "10.0.0.2:443", true},
		{"unknown to private", "", "10.0.0.2:443", false},
		{"half public to private", "203.0.113.1 10.0.0.1", "10.0.0.2:443", false},
		{"half private to private", "10.0.0.1 203.0.113.1", "10.0.0.2:443", false},
		{"private twice to private", "10.0.0.1 fd00::1", "10.0.0.2:443", true},
		{"loopback to loopback", "127.0.0.1 ::1", "127.0.0.1:443", true},
		{"public to translated private", "203.0.113.1", "[64:ff9b::a00:1]:443", false},
		{"nowhere to private", " ", "10.0.0.2:443", false},
		{"nonsense", "10.0.0.1", "nonsense", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGuard([]string{"SSO.example.com"})
			g.resolve = resolve(tc.own)
			if err := g.check(ctx, "evil.example", tc.dialed); (err == nil) != tc.ok {
				t.Error(err)
			}
			if !g.trusted("sso.example.com") || g.trusted("evil.example") {
				t.Error("trust is misplaced")
			}
		})
	}
}

// One of two hosts being inside says nothing about the other.
func TestGuardAllHosts(t *testing.T) {
	addrs := map[string]string{"sso.example.com": "203.0.113.1", "keys.internal": "10.0.0.1", "sso.internal": "10.0.0.2"}
	for _, tc := range []struct {
		hosts []string
		ok    bool
	}{
		{[]string{"sso.internal", "keys.internal"}, true},
		{[]string{"keys.internal", "sso.example.com"}, false},
		{[]string{"sso.example.com", "keys.internal"}, false},
		{[]string{"sso.internal", "unknown.example"}, false},
		{nil, false},
	} {
		g := newGuard(tc.hosts)
		g.resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
			if addrs[host] == "" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr(addrs[host])}, nil
		}
		if err := g.check(t.Context(), "token.internal", "10.0.0.3:443"); (err == nil) != tc.ok {
			t.Errorf("%v: %v", tc.hosts, err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	if n := newTransport(nil).MaxConnsPerHost; n <= 0 || n > 64 {
		t.Errorf("%d connections to a provider", n)
	}
}

// The whole way: a discovery document that names a host on this machine.
func TestGuardDials(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached the inside") }))
	defer inner.Close()
	c := newClient(nil, []string{"192.0.2.1"}, DefaultTimeout)
	u, _ := url.Parse(inner.URL)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		_, _, err := get(t.Context(), c, "http://"+host+":"+u.Port()+"/keys", "")
		if !errors.Is(err, errPrivate) {
			t.Errorf("%s: %v", host, err)
		}
		if e := failure(t.Context(), ReasonKeys, err); e.Reason != ReasonKeys {
			t.Errorf("a refusal counts as an outage: %v", e)
		}
	}
	ok := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }))
	defer ok.Close()
	c = newClient(nil, []string{"127.0.0.1"}, DefaultTimeout)
	if _, _, err := get(t.Context(), c, ok.URL, ""); err != nil {
		t.Errorf("the operator's own host: %v", err)
	}
}

func TestBoundedBody(t *testing.T) {
	for _, tc := range []struct {
		size int
		ok   bool
	}{{maxBody - 1, true}, {maxBody, true}, {maxBody + 1, false}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(strings.Repeat("x", tc.size)))
		}))
		body, _, err := get(t.Context(), newClient(http.DefaultClient, nil, DefaultTimeout), s.URL, "")
		if s.Close(); (err == nil) != tc.ok || tc.ok && len(body) != tc.size {
			t.Errorf("%d bytes: got %d, %v", tc.size, len(body), err)
		}
	}
}
