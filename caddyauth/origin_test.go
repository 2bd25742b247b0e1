package caddyauth

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
)

func TestCleanHost(t *testing.T) {
	for host, want := range map[string]string{
		"example.com": "example.com", "EXAMPLE.com": "example.com", "example.com.": "example.com", "a": "a", "my_app.lan": "my_app.lan",
		"MY_APP.lan": "my_app.lan", "xn--bcher-kva.example": "xn--bcher-kva.example", "bücher.example": "xn--bcher-kva.example",
		"BÜCHER.example": "xn--bcher-kva.example", "127.0.0.1": "127.0.0.1", "127.0.0.1.": "127.0.0.1",
		"::1": "::1", "[::1]": "::1", "[2001:DB8:0:0::1]": "2001:db8::1", "１２７.0.0.1": "127.0.0.1",
		strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",

		"": "", ".": "", "..": "", "a..b": "", ".a": "", "a..": "", "a b": "", "a/b": "", "a\\b": "", "a@b": "", "a:b": "", "a?b": "", "a#b": "",
		"a,b": "", "a\tb": "", "a\r\nb": "", "a\x00b": "", "a%2fb": "", "<a>": "", "a\"b": "", "a;b": "", "*": "", "*.a": "", "\xff": "",
		"[fe80::1%eth0]": "", "fe80::1%eth0": "", "[::g]": "", strings.Repeat("a.", 127) + "a": "",
	} {
		got, err := cleanHost(host)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q became %q, %v, want %q", host, got, err, want)
		}
		if again, err := cleanHost(got); want != "" && (err != nil || again != got) {
			t.Errorf("%q is not clean: %q, %v", got, again, err)
		}
	}
}

func TestParseCanonical(t *testing.T) {
	for raw, want := range map[string]canonical{
		"https://app.example.com":             {"https://app.example.com", "app.example.com", ""},
		"https://app.example.com/":            {"https://app.example.com", "app.example.com", ""},
		"https://APP.Example.com:443/":        {"https://app.example.com", "app.example.com", ""},
		"https://app.example.com:8443":        {"https://app.example.com:8443", "app.example.com", ""},
		"http://app.example.com:80/x":         {"http://app.example.com", "app.example.com", "/x"},
		"http://app.example.com:443":          {"http://app.example.com:443", "app.example.com", ""},
		"https://example.com/myapp/api/auth/": {"https://example.com", "example.com", "/myapp/api/auth"},
		"app.example.com":                     {"https://app.example.com", "app.example.com", ""},
		"app.example.com/api/auth":            {"https://app.example.com", "app.example.com", "/api/auth"},
		"http://[::1]:8080":                   {"http://[::1]:8080", "::1", ""},
		"https://[::1]":                       {"https://[::1]", "::1", ""},
		"https://bücher.example":              {"https://xn--bcher-kva.example", "xn--bcher-kva.example", ""},
	} {
		got, err := parseCanonical(raw)
		if err != nil || *got != want {
			t.Errorf("%s: %v, %v, want %v", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "https://", "https:///x", "ftp://a", "javascript://a", "https://a:b@c", "https://a@c", "https://a?x", "https://a#x",
		"https://a b", "https://a:x", "https://a..b", "https://a/%zz", "https://\x00", "//a", "https://[::1", "https://a:99999",
	} {
		if got, err := parseCanonical(raw); err == nil {
			t.Errorf("%q: %v", raw, *got)
		}
	}
}

// arriving is a request as it comes from Caddy's server.
type arriving struct {
	host    string
	tls     bool
	port    int
	trusted bool
	header  []string
}

func (a arriving) request() *http.Request {
	r := &http.Request{Host: a.host, Header: make(http.Header)}
	if a.tls {
		r.TLS = new(tls.ConnectionState)
	}
	for i := 0; i+1 < len(a.header); i += 2 {
		r.Header.Add(a.header[i], a.header[i+1])
	}
	ctx := context.WithValue(context.Background(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.TrustedProxyVarKey: a.trusted})
	return r.WithContext(context.WithValue(ctx, http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: a.port}))
}

func TestRequestOrigin(t *testing.T) {
	const host, proto = "X-Forwarded-Host", "X-Forwarded-Proto"
	for _, c := range []struct {
		name string
		arriving
		want string // empty: refused
	}{
		{"plain", arriving{"app.example", true, 443, false, nil}, "https://app.example"},
		{"http", arriving{"app.example", false, 80, false, nil}, "http://app.example"},
		{"local port", arriving{"app.example:8443", true, 8443, false, nil}, "https://app.example:8443"},
		{"default port written", arriving{"app.example:443", true, 443, false, nil}, "https://app.example"},
		{"port of the other scheme", arriving{"app.example:443", false, 443, false, nil}, "http://app.example:443"},
		{"IPv6", arriving{"[::1]:8080", false, 8080, false, nil}, "http://[::1]:8080"},
		{"IPv6 without a port", arriving{"[::1]", false, 80, false, nil}, "http://[::1]"},

		{"HOST-01 untrusted", arriving{"app.example", true, 443, false, []string{host, "evil.example"}}, "https://app.example"},
		{"HOST-01 trusted", arriving{"10.0.0.1", false, 80, true, []string{host, "app.example", proto, "https"}}, "https://app.example"},
		{"HOST-01 trusted, with a port", arriving{"10.0.0.1", false, 80, true, []string{host, "app.example:8443", proto, "https"}}, "https://app.example:8443"},
		{"HOST-01 trusted, in capitals", arriving{"10.0.0.1", false, 80, true, []string{host, "App.Example."}}, "http://app.example"},
		{"HOST-01 trusted, empty", arriving{"app.example", false, 80, true, []string{host, ""}}, "http://app.example"},
		{"HOST-01 trusted, a list", arriving{"app.example", false, 80, true, []string{host, "a.example, b.example"}}, "http://app.example"},
		{"HOST-01 trusted, two fields", arriving{"app.example", false, 80, true, []string{host, "a.example", host, "b.example"}}, "http://app.example"},
		{"HOST-01 trusted, a URL", arriving{"app.example", false, 80, true, []string{host, "https://evil.example/"}}, ""},
		{"HOST-01 trusted, a path", arriving{"app.example", false, 80, true, []string{host, "a.example/x"}}, ""},
		{"HOST-01 trusted, a user", arriving{"app.example", false, 80, true, []string{host, "a@evil.example"}}, ""},
		{"HOST-01 trusted, junk for a port", arriving{"app.example", false, 80, true, []string{host, "a.example:x"}}, ""},
		{"HOST-01 trusted, too large a port", arriving{"app.example", false, 80, true, []string{host, "a.example:99999"}}, "http://a.example"},
		{"HOST-01 trusted, no port", arriving{"app.example", false, 80, true, []string{host, "a.example:"}}, "http://a.example"},

		{"HOST-02 untrusted", arriving{"app.example", true, 443, false, []string{proto, "http"}}, "https://app.example"},
		{"HOST-02 untrusted, upwards", arriving{"app.example", false, 80, false, []string{proto, "https"}}, "http://app.example"},
		{"HOST-02 evil", arriving{"app.example", true, 443, true, []string{proto, "evil_protocol"}}, "https://app.example"},
		{"HOST-02 list", arriving{"app.example", true, 443, true, []string{proto, "http,https"}}, "https://app.example"},
		{"HOST-02 capitals", arriving{"app.example", false, 80, true, []string{proto, "HTTPS"}}, "http://app.example"},
		{"HOST-02 javascript", arriving{"app.example", false, 80, true, []string{proto, "javascript"}}, "http://app.example"},
		{"HOST-02 space", arriving{"app.example", false, 80, true, []string{proto, "https "}}, "http://app.example"},
		{"HOST-02 two fields", arriving{"app.example", false, 80, true, []string{proto, "https", proto, "http"}}, "http://app.example"},

		{"HOST-05 made-up port", arriving{"app.example:1", true, 443, false, nil}, "https://app.example"},
		{"HOST-05 made-up port, not a number", arriving{"app.example:x", true, 443, false, nil}, ""},
		{"HOST-05 trailing dot", arriving{"app.example.", true, 443, false, nil}, "https://app.example"},
		{"HOST-05 trailing dot and port", arriving{"app.example.:8443", true, 8443, false, nil}, "https://app.example:8443"},
		{"HOST-05 capitals", arriving{"APP.Example", true, 443, false, nil}, "https://app.example"},
		{"HOST-05 none", arriving{"", true, 443, false, nil}, ""},
		{"HOST-05 a dot", arriving{".", true, 443, false, nil}, ""},
		{"HOST-05 a user", arriving{"app.example@evil.example", true, 443, false, nil}, ""},
		{"HOST-05 a path", arriving{"evil.example/app.example", true, 443, false, nil}, ""},
		{"HOST-05 a backslash", arriving{`evil.example\app.example`, true, 443, false, nil}, ""},
		{"HOST-05 a space", arriving{"app.example evil.example", true, 443, false, nil}, ""},
		{"HOST-05 a line break", arriving{"app.example\r\nX: y", true, 443, false, nil}, ""},
		{"HOST-05 two ports", arriving{"app.example:1:2", true, 443, false, nil}, ""},
		{"HOST-05 a zone", arriving{"[fe80::1%25eth0]", true, 443, false, nil}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := (&site{log: zap.NewNop()}).requestOrigin(c.request())
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

// TestHOST02Secure checks that no header of a stranger turns Secure cookies
// off, and that the configuration has the last word.
func TestHOST02Secure(t *testing.T) {
	downgrade := []string{"X-Forwarded-Proto", "http"}
	for _, c := range []struct {
		name string
		site *site
		arriving
		want bool
	}{
		{"https", &site{secure: "auto"}, arriving{"a", true, 443, false, downgrade}, true},
		{"http", &site{secure: "auto"}, arriving{"a", false, 80, false, []string{"X-Forwarded-Proto", "https"}}, false},
		{"trusted proxy", &site{secure: "auto"}, arriving{"a", false, 80, true, []string{"X-Forwarded-Proto", "https"}}, true},
		{"url", &site{secure: "auto", canonical: &canonical{origin: "https://a"}}, arriving{"a", false, 80, true, downgrade}, true},
		{"url of http", &site{secure: "auto", canonical: &canonical{origin: "http://a"}}, arriving{"a", true, 443, false, nil}, false},
		{"on", &site{secure: "on"}, arriving{"a", false, 80, true, downgrade}, true},
		{"off", &site{secure: "off"}, arriving{"a", true, 443, false, nil}, false},
	} {
		if got := c.site.isSecure(c.request()); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestHOST03ClientIP takes the client's address from Caddy, which knows whom to
// trust.
func TestHOST03ClientIP(t *testing.T) {
	r := arriving{host: "a", header: []string{"X-Forwarded-For", "1.3.3.4"}}.request()
	r.RemoteAddr = "192.0.2.1:1234"
	if got := clientIP(r).String(); got != "192.0.2.1" {
		t.Errorf("without Caddy's word: %s", got)
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "::ffff:192.0.2.7")
	if got := clientIP(r).String(); got != "192.0.2.7" {
		t.Errorf("with Caddy's word: %s", got)
	}
}

// TestHOST01OwnHosts believes a trusted proxy's word only about hosts that the
// site has.
func TestHOST01OwnHosts(t *testing.T) {
	own := []string{"app.example", "*.apps.example", "[::1]"}
	for _, c := range []struct {
		name, forwarded, want string
		everyHost             bool
	}{
		{"own", "app.example", "app.example", false},
		{"own, with a port", "APP.example.:8443", "app.example:8443", false},
		{"own, an address", "[::1]", "[::1]", false},
		{"below a wildcard", "a.apps.example", "a.apps.example", false},
		{"two labels below a wildcard", "a.b.apps.example", "10.0.0.1", false},
		{"a wildcard's parent", "apps.example", "10.0.0.1", false},
		{"another's", "evil.example", "10.0.0.1", false},
		{"one that ends alike", "evilapp.example", "10.0.0.1", false},
		{"none at all", "https://evil.example/", "10.0.0.1", false},
		{"a site of every host", "other.example", "other.example", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			logs, seen := observer.New(zap.WarnLevel)
			s := &site{log: zap.New(logs), hosts: own, everyHost: c.everyHost}
			for range 2 {
				r := arriving{"10.0.0.1", false, 80, true, []string{"X-Forwarded-Host", c.forwarded}}.request()
				if got, err := s.requestOrigin(r); err != nil || got != "http://"+c.want {
					t.Errorf("%q, %v", got, err)
				}
			}
			if ignored := c.want == "10.0.0.1"; ignored != (seen.Len() == 1) {
				t.Errorf("%d warnings", seen.Len())
			}
		})
	}
}

// TestHOST02ListsAreLogged says once that a list is ignored.
func TestHOST02ListsAreLogged(t *testing.T) {
	logs, seen := observer.New(zap.WarnLevel)
	s := &site{log: zap.New(logs), secure: "auto", source: "here"}
	list := []string{"X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "a.example, b.example"}
	s.isSecure(arriving{"app.example", false, 80, false, list}.request())
	if seen.Len() != 0 {
		t.Errorf("a stranger's list is logged: %v", seen.All())
	}
	for range 3 {
		r := arriving{"app.example", false, 80, true, list}.request()
		if got, err := s.requestOrigin(r); err != nil || got != "http://app.example" || s.isSecure(r) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if all := seen.All(); len(all) != 1 || !strings.Contains(all[0].Message, "'url'") || all[0].ContextMap()["header"] != "X-Forwarded-Proto" {
		t.Errorf("log %v", all)
	}
}

func TestRedacted(t *testing.T) {
	for raw, want := range map[string]string{
		"https://app.example/x": "https://app.example/x", "login": "login", "": "",
		"https://u:topsecret@app.example": "https://xxxxx@app.example", "https://u:top/sec@ret@a b": "https://xxxxx@a b",
		"u:topsecret@a": "xxxxx@a", "//u:topsecret@a/x": "//xxxxx@a/x", "https:u:topsecret@a": "xxxxx@a",
	} {
		if got := redacted(raw); got != want {
			t.Errorf("%q became %q", raw, got)
		}
	}
	for _, raw := range []string{"https://u:topsecret@a", "https://u:topsecret@a b", "ftp://u:topsecret@a", "u:topsecret@a", "https://u:topsecret@"} {
		if _, err := parseCanonical(raw); err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "app.localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "[::1]": true, "::ffff:127.0.0.1": true,
		"": false, "every host": false, "0.0.0.0": false, "::": false, "192.168.1.1": false, "localhost.example.com": false,
		"notlocalhost": false, "127.0.0.1.example.com": false, "*": false,
	} {
		if got := loopback.Is(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
