package caddyauth_test

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// accept is the answer to a WebSocket key (RFC 6455 section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// openTunnels is how many WebSockets are open at the upstreams of tests.
var openTunnels atomic.Int32

// echoFrames answers a WebSocket handshake and sends every text frame back.
func echoFrames(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "no upgrade", http.StatusBadRequest)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	openTunnels.Add(1)
	defer openTunnels.Add(-1)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSet-Cookie: next-auth.session-token=evil\r\n\r\n", accept(r.Header.Get("Sec-WebSocket-Key")))
	_ = rw.Flush()
	for {
		text, err := readFrame(rw.Reader)
		if err != nil {
			return
		}
		_, _ = rw.Write(append([]byte{0x81, byte(len(text))}, text...))
		_ = rw.Flush()
	}
}

// readFrame reads a short text frame (RFC 6455 section 5.2).
func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[0] != 0x81 || head[1]&0x7f > 125 {
		return nil, fmt.Errorf("frame %x", head)
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return nil, err
		}
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return text, nil
}

// frame is a masked text frame, as clients send them.
func frame(text string) string {
	var mask [4]byte
	rand.Read(mask[:])
	b := append([]byte{0x81, 0x80 | byte(len(text))}, mask[:]...)
	for i := range len(text) {
		b = append(b, text[i]^mask[i%4])
	}
	return string(b)
}

func TestWebSocket(t *testing.T) {
	s, up := headerSite(t, "", "", echoFrames)
	eve := "Cookie: " + signedIn(t, person("eve"))
	handshake := func(connection string, header ...string) (*wire, answer) {
		w := s.dial()
		w.send(s.request("GET /app/socket", append([]string{"Upgrade: websocket", "Connection: " + connection, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, header...)...))
		a := w.receive("GET")
		return w, a
	}
	for _, connection := range []string{
		"Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade, X-Auth-User, Remote-User", "X-Auth-User, upgrade, close", "Upgrade\r\nConnection: X-Auth-User",
		"Cookie, Upgrade, HTTP2-Settings", "Upgrade, Sec-WebSocket-Extra",
	} {
		t.Run("HDR-09 "+strings.ReplaceAll(connection, "\r\n", " | "), func(t *testing.T) {
			w, a := handshake(connection, eve, "X-Auth-User: admin")
			if a.StatusCode != http.StatusSwitchingProtocols || a.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Fatalf("%s %v", a.Status, a.Header)
			}
			if len(a.Header["Set-Cookie"]) != 0 {
				t.Errorf("the handshake sets %q", a.Header["Set-Cookie"])
			}
			for _, text := range []string{"one", "two", strings.Repeat("x", 125)} {
				w.send(frame(text))
				if got, err := readFrame(w.r); err != nil || string(got) != text {
					t.Fatalf("%q, %v", got, err)
				}
			}
			w.conn.Close()
			h := up.one(t).Header
			if !slices.Equal(h["X-Auth-User"], []string{"eve@example.com"}) || h.Get("Remote-User") != "eve" || h.Get("Cookie") != "" {
				t.Errorf("the upstream got %v", h)
			}
		})
	}
	t.Run("without a session", func(t *testing.T) {
		for _, header := range [][]string{nil, {"Accept: text/html"}, {"Sec-Fetch-Mode: navigate"}, {"Sec-Fetch-Mode: websocket"}, {"Cookie: " + plainName + "=x"}} {
			if _, a := handshake("Upgrade", header...); a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" {
				t.Errorf("%v: %s %v", header, a.Status, a.Header)
			}
		}
		up.none(t)
	})
}

func TestEventStream(t *testing.T) {
	more := make(chan string)
	s, _ := headerSite(t, "", "", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for event := range more {
			fmt.Fprintf(w, "data: %s\n\n", event)
			_ = http.NewResponseController(w).Flush()
		}
	})
	old := sessionCookie(plainName, seal(t, person("eve"), 48*time.Hour))
	w := s.dial()
	// A navigation with a session that is due for renewal: the wrapped writer
	// has most to do then.
	w.send(s.request("GET /app/events", "Cookie: "+old, "Sec-Fetch-Mode: navigate"))
	more <- "first"
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(resp.Body)
	next := func() string {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, _ = events.ReadString('\n')
		return strings.TrimSpace(line)
	}
	if got := next(); got != "data: first" {
		t.Fatal(got)
	}
	for _, event := range []string{"second", "third"} { // sent only now
		more <- event
		if got := next(); got != "data: "+event {
			t.Fatal(got)
		}
	}
	close(more)
	if !slices.Contains(setCookies(resp.Header), plainName) || resp.Header.Get("Cache-Control") != "private, no-cache, no-store" {
		t.Errorf("%v", resp.Header)
	}
}

// sums answers with the length and the hash of the body.
func sums(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	fmt.Fprint(w, n, " ", hex.EncodeToString(hash.Sum(nil)), " ", err)
}

func TestBodies(t *testing.T) {
	s, _ := headerSite(t, "", "", sums)
	eve := "Cookie: " + signedIn(t, person("eve"))
	big := make([]byte, 8<<20)
	rand.Read(big)
	sum := sha256.Sum256(big)
	want := fmt.Sprint(len(big), " ", hex.EncodeToString(sum[:]), " <nil>")
	t.Run("large", func(t *testing.T) {
		if a := s.ask("POST /app/", eve, fmt.Sprint("Content-Length: ", len(big)), "", string(big)); a.body != want {
			t.Errorf("%s %.100s, want %s", a.Status, a.body, want)
		}
	})
	t.Run("chunked", func(t *testing.T) {
		var body bytes.Buffer
		for rest := big; len(rest) > 0; {
			n := min(len(rest), 60_001)
			fmt.Fprintf(&body, "%x\r\n", n)
			body.Write(rest[:n])
			body.WriteString("\r\n")
			rest = rest[n:]
		}
		body.WriteString("0\r\n\r\n")
		if a := s.ask("PUT /app/", eve, "Transfer-Encoding: chunked", "", body.String()); a.body != want {
			t.Errorf("%s %.100s", a.Status, a.body)
		}
	})
	t.Run("expect", func(t *testing.T) {
		w := s.dial()
		w.send(s.request("POST /app/", eve, "Expect: 100-continue", "Content-Length: 5"))
		if a := w.receive("POST"); a.StatusCode != http.StatusContinue {
			t.Fatal(a.Status, a.Header)
		}
		w.send("hello")
		a := w.receive("POST")
		for a.StatusCode == http.StatusContinue { // the upstream's own
			a = w.receive("POST")
		}
		if !strings.HasPrefix(a.body, "5 ") {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
	t.Run("RES-06 endpoints bound theirs", func(t *testing.T) {
		text := strings.Repeat("a", 1200<<10)
		for _, path := range []string{"signin/dev", "callback/dev", "signout", "session"} {
			for _, request := range []string{
				s.request("POST /api/auth/"+path, "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(text)), "", text),
				s.request("POST /api/auth/"+path, "Content-Type: application/json", "Transfer-Encoding: chunked", "", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text)),
			} {
				w := s.dial()
				go io.WriteString(w.conn, request) // which fails when the server hangs up
				if a := w.receive("POST"); a.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("%s: %s", path, a.Status)
				}
			}
		}
	})
	t.Run("RES-07 many fields", func(t *testing.T) {
		body := strings.Repeat("a=b&", 100_000)
		if a := s.ask("POST /api/auth/signout", "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(body)), "", body); a.StatusCode >= 500 {
			t.Error(a.Status)
		}
	})
}

func TestConnections(t *testing.T) {
	s, up := headerSite(t, "", "", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	eve := "Cookie: " + signedIn(t, person("eve"))
	t.Run("HTTP/1.0", func(t *testing.T) {
		for _, tc := range []struct {
			header string
			want   int
		}{{eve, 200}, {"X-Nothing: 1", 401}} {
			w := s.dial()
			w.send("GET /app/old HTTP/1.0\r\nHost: localhost:" + s.Port + "\r\n" + tc.header + "\r\nX-Auth-User: admin\r\n\r\n")
			a := w.receive("GET")
			if a.StatusCode != tc.want || tc.want == 200 && a.body != "/app/old" {
				t.Errorf("%s %s", a.Status, a.body)
			}
		}
		if h := up.one(t).Header; h.Get("X-Auth-User") != "eve@example.com" {
			t.Error(h)
		}
	})
	t.Run("no Host", func(t *testing.T) {
		w := s.dial()
		w.send("GET /api/auth/signin HTTP/1.0\r\n\r\n")
		if a, err := w.read("GET"); err == nil && a.StatusCode >= 500 {
			t.Error(a.Status)
		}
		up.none(t)
	})
	t.Run("pipelining", func(t *testing.T) {
		// Sessions must not leak from one request to the next.
		w := s.dial()
		w.send(s.request("GET /app/1", eve) + s.request("GET /app/2") + s.request("GET /3", "X-Auth-User: admin") + s.request("POST /app/4", "Content-Length: 3", "", "abc") +
			s.request("GET /app/5", eve) + s.request("GET /api/auth/session") + s.request("GET /app/6", "Cookie: "+plainName+"=x"))
		for i, want := range []struct {
			status int
			body   string
		}{{200, "/app/1"}, {401, "SessionRequired"}, {200, "/3"}, {401, "SessionRequired"}, {200, "/app/5"}, {200, "{}"}, {401, "SessionRequired"}} {
			a := w.receive("GET")
			if a.StatusCode != want.status || !strings.Contains(a.body, want.body) {
				t.Errorf("response %d: %s %s", i+1, a.Status, a.body)
			}
		}
		for _, r := range up.take() {
			if got, want := r.Header.Get("X-Auth-User"), map[string]string{"/app/1": "eve@example.com", "/app/5": "eve@example.com"}[r.URL.Path]; got != want {
				t.Errorf("%s: X-Auth-User %q", r.URL.Path, got)
			}
		}
	})
	t.Run("WIRE-05 smuggling", func(t *testing.T) {
		for _, header := range [][]string{
			{"Content-Length: 5", "Transfer-Encoding: chunked", "", "0\r\n\r\nGET /app/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"},
			{"Content-Length: 5", "Content-Length: 6", "", "hello!"},
			{"Transfer-Encoding : chunked", "", "0\r\n\r\n"},
			{"Content-Length: +5", "", "hello"},
		} {
			w := s.dial()
			w.send(s.request("POST /", append([]string{"Connection: close"}, header...)...))
			for range 3 {
				a, err := w.read("POST")
				if err != nil {
					break
				}
				if a.StatusCode >= 500 {
					t.Errorf("%q: %s", header, a.Status)
				}
			}
		}
		for _, r := range up.take() {
			if strings.Contains(r.URL.Path, "smuggled") {
				t.Error("smuggled")
			}
		}
	})
}

// h2client is a client for HTTP/2 that believes every certificate.
func h2client(t *testing.T) *http.Transport {
	tr := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func TestHTTP2(t *testing.T) {
	up := newUpstream(t, sums)
	s := start(t, `
https://localhost:{PORT} {
	tls `+certificate(t)+`
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		public
		private /app/*
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
	s.Base = "https://localhost:" + s.Port
	b := s.browser()
	tr := h2client(t)
	b.Transport = tr
	// The certificate is made in the background.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+s.Port, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}

	a := b.get("/app/x?y=1")
	if a.ProtoMajor != 2 || a.StatusCode != http.StatusFound || !strings.HasPrefix(a.Header.Get("Location"), s.Base+"/api/auth/signin?callbackUrl=https%3A%2F%2Flocalhost") {
		t.Fatalf("%s %s %s", a.Proto, a.Status, a.Header.Get("Location"))
	}
	if a := b.persona("admin", "/app/x?y=1"); a.StatusCode != http.StatusOK || a.Request.URL.RequestURI() != "/app/x?y=1" {
		t.Fatalf("signing in: %s %s", a.Status, a.Request.URL)
	}
	if r := up.one(t); r.Header.Get("Remote-User") != "dev:admin" || r.Header.Get("Cookie") != "" {
		t.Errorf("upstream got %v", r.Header)
	}
	for pair := range strings.SplitSeq(b.cookieHeader(), "; ") {
		name, _, _ := strings.Cut(pair, "=")
		want := "__Secure-"
		if strings.Contains(name, "csrf") {
			want = "__Host-"
		}
		if !strings.HasPrefix(name, want+"next-auth.") {
			t.Errorf("cookie %s", name)
		}
	}
	for _, c := range b.get("/api/auth/session").Cookies() {
		if !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %v", c)
		}
	}
	t.Run("WIRE-08 cookie crumbs", func(t *testing.T) {
		token := seal(t, person("eve", map[string]any{"groups": slices.Repeat([]string{"a-group-with-quite-a-long-name"}, 120)}), 0)
		r, _ := http.NewRequest(http.MethodGet, s.Base+"/app/", nil)
		for pair := range strings.SplitSeq("a=1; "+sessionCookie(secureName, token)+"; b=2", "; ") {
			r.Header.Add("Cookie", pair)
		}
		r.Header.Set("X-Forwarded-Proto", "http")
		resp, err := b.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		if h := up.one(t).Header; h.Get("Remote-User") != "dev:eve" || strings.Join(h["Cookie"], "; ") != "a=1; b=2" {
			t.Errorf("upstream got %v", h)
		}
	})
	t.Run("identity headers and trailers of a client", func(t *testing.T) {
		r, _ := http.NewRequest(http.MethodPost, s.Base+"/", io.NopCloser(strings.NewReader("body")))
		r.ContentLength = -1
		r.Trailer = http.Header{"Remote-User": {"admin"}}
		r.Header.Set("Remote-User", "admin")
		r.Header["remote_user"] = []string{"admin"}
		resp, err := b.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got := up.one(t)
		for name, values := range got.Header {
			if slices.Contains(values, "admin") {
				t.Errorf("%s reached the upstream", name)
			}
		}
		if got.Trailer.Get("Remote-User") != "" || got.Trailer != nil && len(got.Trailer["Remote-User"]) > 0 {
			t.Error("HDR-12 the trailer reached the upstream")
		}
	})
	t.Run("WIRE-04 extended CONNECT without a session", func(t *testing.T) {
		// Written by hand: Go's client sends none. The server may know no extended
		// CONNECT (RFC 8441) and refuse it; it must not pass.
		conn, err := tls.Dial("tcp", "127.0.0.1:"+s.Port, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		field := func(name, value string) []byte { // a literal without indexing (RFC 7541 section 6.2.2)
			return append(append([]byte{0, byte(len(name))}, name...), append([]byte{byte(len(value))}, value...)...)
		}
		var block []byte
		for _, f := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/app/socket"}, {":authority", "localhost:" + s.Port}, {"sec-websocket-version", "13"}} {
			block = append(block, field(f[0], f[1])...)
		}
		out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		out = append(out, 0, 0, 0, 4, 0, 0, 0, 0, 0)                // SETTINGS
		out = append(out, 0, 0, byte(len(block)), 1, 4, 0, 0, 0, 1) // HEADERS, END_HEADERS, stream 1
		out = append(out, block...)
		if _, err := conn.Write(out); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		for range 20 {
			var head [9]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				break // the connection was ended
			}
			length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
			payload := make([]byte, length)
			if _, err := io.ReadFull(r, payload); err != nil {
				break
			}
			if stream := binary.BigEndian.Uint32(head[5:]); stream == 1 {
				// RST_STREAM, or the headers of a response: 401 is a literal.
				if head[3] != 3 && !bytes.Contains(payload, []byte("401")) && payload[0] != 0x48 {
					t.Errorf("frame %d: %x", head[3], payload)
				}
				break
			}
		}
		up.none(t)
	})
}

// certificate makes a certificate for localhost and other names, and returns the names of its
// files and of its key's. Caddy's internal authority would do as well, but the
// race detector finds one in how Caddy starts it.
func certificate(t *testing.T, names ...string) string {
	t.Helper()
	names = append(names, "localhost")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for kind, bytes := range map[string][]byte{"CERTIFICATE": cert, "PRIVATE KEY": private} {
		name := filepath.Join(t.TempDir(), kind[:4]+".pem")
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
	return strings.Join(files, " ")
}
