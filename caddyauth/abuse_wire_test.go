package caddyauth_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// upgrade are the fields of a WebSocket handshake.
var upgrade = []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}

// TestWIRE02CrossSiteWebSocket: a page of another site cannot open a socket with
// the session of whoever looks at it.
func TestWIRE02CrossSiteWebSocket(t *testing.T) {
	up := newUpstream(t, echoFrames)
	site := func(session string) string {
		return `
http://app.localhost:{PORT} {
	caddyauth {
		secret ` + secret + `
		provider dev
		public /open/*
		callback_origin https://partner.example
		api /api/* {
			cors https://spa.example http://localhost:3000
		}
		session {
			` + session + `
		}
		headers
		tokens
		allow any
	}
	reverse_proxy ` + up.addr() + `
}
`
	}
	s := start(t, site("same_site lax"))
	own := "http://app.localhost:" + s.Port
	eve := "Cookie: " + signedIn(t, person("eve"))
	ask := func(target string, header ...string) answer {
		return s.ask("GET "+target, append(append([]string{"Host: app.localhost:" + s.Port}, upgrade...), header...)...)
	}
	const open, refused = http.StatusSwitchingProtocols, http.StatusForbidden
	for _, tc := range []struct {
		name   string
		header []string
		want   int
	}{
		{"same origin", []string{eve, "Origin: " + own}, open},
		{"no browser", []string{eve}, open},
		{"the browser says so", []string{eve, "Origin: https://behind.another.name", "Sec-Fetch-Site: same-origin"}, open},
		{"callback_origin", []string{eve, "Origin: https://partner.example"}, open},
		{"api cors", []string{eve, "Origin: https://spa.example", "Sec-Fetch-Site: cross-site"}, open},
		{"api cors with a port", []string{eve, "Origin: http://localhost:3000"}, open},
		{"another api's cors", []string{eve, "Origin: https://spa.example"}, refused},
		{"another site", []string{eve, "Origin: https://evil.com"}, refused},
		{"another site, says the browser", []string{eve, "Origin: https://evil.com", "Sec-Fetch-Site: cross-site"}, refused},
		{"no Origin, but the browser says so", []string{eve, "Sec-Fetch-Site: cross-site"}, refused},
		{"sandboxed page", []string{eve, "Origin: null"}, refused},
		{"no value", []string{eve, "Origin: "}, refused},
		{"twice", []string{eve, "Origin: " + own, "Origin: https://evil.com"}, refused},
		{"another port", []string{eve, "Origin: http://app.localhost:1"}, refused},
		{"another scheme", []string{eve, "Origin: https://app.localhost:" + s.Port}, refused},
		{"prefix", []string{eve, "Origin: " + own + ".evil.com"}, refused},
		{"prefix of a listed one", []string{eve, "Origin: https://partner.example.evil.com"}, refused},
		{"a host beside it", []string{eve, "Origin: http://evil.localhost:" + s.Port}, refused},
		{"a session that is none", []string{"Cookie: " + plainName + "=x", "Origin: https://evil.com"}, http.StatusUnauthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := "/socket"
			if strings.HasPrefix(tc.name, "api cors") {
				path = "/api/socket"
			}
			a := ask(path, tc.header...)
			if a.StatusCode != tc.want || a.Header.Get("Location") != "" {
				t.Errorf("%s %v", a.Status, a.Header)
			}
			if got := up.take(); (len(got) == 1) != (tc.want == open) {
				t.Errorf("the upstream got %d requests", len(got))
			}
		})
	}
	t.Run("what is no socket", func(t *testing.T) {
		if a := s.ask("GET /page", "Host: app.localhost:"+s.Port, eve, "Origin: https://evil.com"); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s", a.Status) // the upstream's own answer: SameSite and CORS see to these
		}
		up.one(t)
	})
	t.Run("public path", func(t *testing.T) {
		if a := ask("/open/socket", eve, "Origin: https://evil.com"); a.StatusCode != open {
			t.Fatal(a.Status)
		}
		if h := up.one(t).Header; h.Get("Remote-User") != "" || h.Get("Cookie") != "" {
			t.Errorf("the upstream got %v", h)
		}
	})
	t.Run("log", func(t *testing.T) {
		if !strings.Contains(s.logText(), `"reason":"cross_site_websocket"`) {
			t.Error("no reason in the log")
		}
	})
	t.Run("pass_cookie on a public path", func(t *testing.T) {
		if err := s.load("", site("pass_cookie")); err != nil {
			t.Fatal(err)
		}
		if a := ask("/open/socket", eve+"; app=1", "Origin: https://evil.com"); a.StatusCode != open {
			t.Fatal(a.Status)
		}
		if c := up.one(t).Header.Get("Cookie"); c != "app=1" {
			t.Errorf("the upstream got %q", c)
		}
		if a := ask("/open/socket", eve+"; app=1", "Origin: "+own); a.StatusCode != open || !strings.Contains(up.one(t).Header.Get("Cookie"), plainName) {
			t.Errorf("%s", a.Status)
		}
	})
	t.Run("shared cookie", func(t *testing.T) {
		text := strings.ReplaceAll(site("cookie_domain example.test"), "app.localhost:{PORT}", "app.example.test:{PORT}")
		if err := s.load("", strings.Replace(text, "provider dev", "users "+usersFile(t), 1)); err != nil {
			t.Fatal(err)
		}
		mine := "Cookie: " + signedIn(t, map[string]any{"sub": "7", "email": "eve@example.com"})
		for origin, want := range map[string]int{
			"http://www.example.test": open, "http://example.test:81": open, "http://evilexample.test": refused, "https://www.example.test": refused,
			"http://example.test.evil.com": refused, "http://www.example.test@evil.com": refused, "http://evil.com/.example.test": refused, "http://evil.com#.example.test": refused,
		} {
			a := s.ask("GET /socket", append([]string{"Host: app.example.test:" + s.Port, mine, "Origin: " + origin}, upgrade...)...)
			if a.StatusCode != want {
				t.Errorf("%s: %s, want %d", origin, a.Status, want)
			}
		}
	})
}

// wireSite is a site over every version of HTTP.
func wireSite(t *testing.T, handle http.HandlerFunc) (s *server, up *upstream, secure string) {
	t.Helper()
	up = newUpstream(t, handle)
	secure = testport.Free(t)
	site := ` {
	caddyauth {
		secret ` + secret + `
		provider dev
		public
		private /app/*
		headers
	}
	reverse_proxy ` + up.addr() + `
}
`
	s = startWith(t, everyHTTP,
		"http://localhost:{PORT}"+site+"https://localhost:"+secure+strings.Replace(site, "{", "{\n\ttls "+certificate(t), 1))
	return s, up, secure
}

// TestWIRE02ExtendedConnect is the same over HTTP/3 (RFC 9220), and over HTTP/2
// (RFC 8441), where the server may know none.
func TestWIRE02ExtendedConnect(t *testing.T) {
	s, up, port := wireSite(t, nil)
	cookies := sessionCookie(secureName, seal(t, person("eve"), 0))
	connect := func(header http.Header) int {
		t.Helper()
		return s.connect3(port, "/app/socket", header).status
	}
	if got := connect(http.Header{"Cookie": {cookies}, "Origin": {"https://evil.com"}}); got != http.StatusForbidden {
		t.Errorf("HTTP/3, another site: %d", got)
	}
	if got := connect(http.Header{"Origin": {"https://evil.com"}}); got != http.StatusUnauthorized {
		t.Errorf("HTTP/3, without a session: %d", got)
	}
	up.none(t)
	if got := connect(http.Header{"Cookie": {cookies}, "Origin": {"https://localhost:" + port}}); got == http.StatusForbidden || got == http.StatusUnauthorized {
		t.Errorf("HTTP/3, same origin: %d", got)
	}
	if r := up.one(t); r.Method != http.MethodGet || r.Header.Get("Remote-User") != "eve" {
		t.Errorf("the upstream got %s %v", r.Method, r.Header)
	}

	two := &sender2{address: "127.0.0.1:" + s.Port}
	defer two.close()
	status, _, err := two.request([][2]string{
		{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/app/socket"}, {":authority", "localhost:" + s.Port},
		{"cookie", signedIn(t, person("eve"))}, {"origin", "https://evil.com"},
	})
	if status != http.StatusForbidden && status != http.StatusBadRequest {
		t.Errorf("HTTP/2: %d, %v", status, err)
	}
	up.none(t)
}

func TestWIRE06Authority(t *testing.T) {
	s, up, _ := wireSite(t, nil)
	mine := "localhost:" + s.Port
	for _, tc := range []struct{ authority, host, path string }{
		{mine, "evil.com", "/app/x"}, {"evil.com", mine, "/app/x"}, {mine, "evil.com", "/x"}, {mine, mine, "/x"}, {"", mine, "/app/x"}, {mine + "@evil.com", mine, "/app/x"},
	} {
		two := &sender2{address: "127.0.0.1:" + s.Port}
		fields := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", tc.path}, {":authority", tc.authority}, {"host", tc.host}, {"sec-fetch-mode", "navigate"}}
		if tc.authority == "" {
			fields = append(fields[:3], fields[4:]...)
		}
		status, _, err := two.request(fields)
		two.close()
		if err != nil {
			t.Errorf("%+v: %v", tc, err)
		}
		got := up.take()
		switch {
		case tc.path == "/app/x" && len(got) != 0:
			t.Errorf("%+v: passed with %d", tc, status)
		case len(got) == 1 && (got[0].Host != mine || got[0].Header.Get("Host") != ""):
			t.Errorf("%+v: the upstream got %s %v", tc, got[0].Host, got[0].Header)
		}
	}
	// HTTP/1 has one Host; of two, neither counts.
	if a := s.ask("GET /x", "Host: "+mine, "Host: evil.com"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("two hosts: %s", a.Status)
	}
	up.none(t)
}

func TestWIRE07MalformedFields(t *testing.T) {
	s, up, _ := wireSite(t, nil)
	base := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "localhost:" + s.Port}}
	for _, f := range [][2]string{
		{"Remote-User", "admin"}, {"REMOTE-USER", "admin"}, {"remote-user\r\nx", "admin"}, {"x", "a\r\nremote-user: admin"}, {"x", "a\nremote-user: admin"}, {"x", "a\x00"},
		{"remote user", "admin"}, {"remote-user:", "admin"}, {"", "admin"}, {":remote-user", "admin"}, {":path", "/app/"}, {"connection", "remote-user"}, {"transfer-encoding", "chunked"}, {"\xef\xbb\xbfremote-user", "admin"},
	} {
		two := &sender2{address: "127.0.0.1:" + s.Port}
		status, _, err := two.request(append(base[:4:4], f))
		two.close()
		got := up.take()
		if status != http.StatusBadRequest && (err == nil || status != 0) || len(got) != 0 {
			t.Errorf("%q: %d %v, the upstream got %d requests", f, status, err, len(got))
		}
	}
	two := &sender2{address: "127.0.0.1:" + s.Port}
	defer two.close()
	if status, _, err := two.request(append(base[:4:4], [2]string{"remote-user", "admin"})); status != http.StatusOK || err != nil || up.one(t).Header.Get("Remote-User") != "" {
		t.Errorf("a well-formed one: %d %v", status, err)
	}
}

func TestWIRE09EarlyCallback(t *testing.T) {
	s, up := members(t, "", nil)
	for line, want := range map[string]int{
		"GET /api/auth/callback/dev?code=x&state=y": http.StatusTooEarly, "POST /api/auth/signout": http.StatusTooEarly, "POST /api/auth/callback/credentials": http.StatusTooEarly,
		"GET /api/auth/session": http.StatusOK, "GET /api/auth/signin": http.StatusOK,
	} {
		a := s.ask(line, "Early-Data: 1", "Content-Length: 0")
		if a.StatusCode != want || want == http.StatusTooEarly && (len(a.Header["Set-Cookie"]) != 0 || !strings.Contains(a.Header.Get("Cache-Control"), "no-store")) {
			t.Errorf("%s: %s %v", line, a.Status, a.Header)
		}
	}
	up.none(t)
}

// TestWIRE10RapidReset: streams that are reset at once, and bodies that never
// end, keep nobody else waiting, and leave nothing behind.
func TestWIRE10RapidReset(t *testing.T) {
	s, _, _ := wireSite(t, nil)
	ask := func() {
		t.Helper()
		began := time.Now()
		if a := s.ask("GET /api/auth/csrf"); a.StatusCode != http.StatusOK || time.Since(began) > 5*time.Second {
			t.Fatalf("%s after %v", a.Status, time.Since(began))
		}
	}
	ask()
	before := runtime.NumGoroutine()
	two := &sender2{address: "127.0.0.1:" + s.Port}
	if err := two.open(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, two.conn)
	var block bytes.Buffer
	block.Write([]byte{0x83, 0x86}) // POST, http
	for _, f := range [][2]string{{":path", "/api/auth/signin/dev"}, {":authority", "localhost:" + s.Port}} {
		block.Write([]byte{0, byte(len(f[0]))})
		block.WriteString(f[0])
		block.WriteByte(byte(len(f[1])))
		block.WriteString(f[1])
	}
	reset := 0
	for ; reset < 20_000; reset++ {
		id := uint32(2*reset + 1)
		if two.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}) != nil || two.framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break // the server has had enough, as it may
		}
	}
	ask()
	two.close()

	var slow []net.Conn
	for range 50 {
		w := s.dial()
		w.send(s.request("POST /api/auth/signin/dev", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 1000", "", "c"))
		slow = append(slow, w.conn)
	}
	ask()
	for _, conn := range slow {
		conn.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
	}
	ask()
	t.Log(fmt.Sprint(reset, " streams were reset"))
}
