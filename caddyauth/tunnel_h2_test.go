package caddyauth_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestWIRE04ExtendedConnect opens WebSockets over HTTP/2 (RFC 8441).
func TestWIRE04ExtendedConnect(t *testing.T) {
	up := newUpstream(t, echoFrames)
	s := startExtended(t, `
https://localhost:{PORT} {
	tls `+certificate(t)+`
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		limit off
		headers
		public /open/*
	}
	reverse_proxy `+up.addr()+`
}
`, "")
	sign := func(name string) *browser {
		b := s.browser()
		b.Transport = h2client(t)
		b.password(name, name, "/")
		return b
	}
	alice, bob := sign("alice"), sign("bob")
	up.take()

	if o := s.connect("/app/socket", ""); o.status != "401" {
		t.Errorf("without a session: %s", o.status)
	}
	if got := up.take(); len(got) != 0 {
		t.Errorf("the upstream got %v", got)
	}
	hers, his := s.connect("/app/socket", alice.cookieHeader()), s.connect("/app/socket", bob.cookieHeader())
	for name, o := range map[string]*h2tunnel{"alice": hers, "bob": his} {
		if o.status != "200" {
			t.Fatalf("%s: %s", name, o.status)
		}
		o.echo("hello")
	}
	for _, r := range up.take() {
		if user := r.Header.Get("Remote-User"); r.Method != http.MethodGet || user != "alice" && user != "bob" || r.Header.Get("Cookie") != "" {
			t.Errorf("the upstream got %s %v", r.Method, r.Header)
		}
	}
	time.Sleep(2500 * time.Millisecond)
	hers.echo("again")
	alice.signOut()
	select {
	case <-hers.over:
	case <-time.After(soon):
		t.Error("WIRE-03: the tunnel goes on")
	}
	his.echo("still here")
}

// startExtended runs sites in a process of their own that knows WebSockets over
// HTTP/2, which Go's server offers only to programs that are started so. The first
// site is at https and the server's port.
func startExtended(t *testing.T, sites, global string) *server {
	t.Helper()
	s := &server{t: t, Port: testport.Free(t), Log: filepath.Join(t.TempDir(), "caddy.log")}
	s.Base = "https://localhost:" + s.Port
	config := filepath.Join(t.TempDir(), "Caddyfile")
	text := strings.NewReplacer("{PORT}", s.Port, "{LOG}", s.Log, "{GLOBAL}", global).Replace(globals + sites)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", "--config", config, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), asCaddy+"=1", "GODEBUG=http2xconnect=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	awaitPort(t, s.Port)
	return s
}

// h2tunnel is one stream on a connection of its own.
type h2tunnel struct {
	t      testing.TB
	framer *http2.Framer
	status string
	data   chan []byte
	over   chan struct{}
}

// connect sends an extended CONNECT.
func (s *server) connect(path, cookies string, more ...[2]string) *h2tunnel {
	s.t.Helper()
	conn, err := tls.Dial("tcp", "127.0.0.1:"+s.Port, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"h2"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		s.t.Fatal(err)
	}
	o := &h2tunnel{t: s.t, framer: http2.NewFramer(conn, conn), data: make(chan []byte, 100), over: make(chan struct{})}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", path}, {":authority", "localhost:" + s.Port}, {"sec-websocket-version", "13"}}
	fields = append(fields, more...)
	if cookies != "" {
		fields = append(fields, [2]string{"cookie", cookies})
	}
	for _, f := range fields {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = o.framer.WriteSettings()
	_ = o.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	o.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	known := make(chan struct{})
	go func() {
		defer close(o.over)
		for {
			f, err := o.framer.ReadFrame()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.SettingsFrame:
				if !f.IsAck() {
					_ = o.framer.WriteSettingsAck()
				}
			case *http2.MetaHeadersFrame:
				o.status = f.PseudoValue("status")
				close(known)
				if f.StreamEnded() {
					return
				}
			case *http2.DataFrame:
				o.data <- bytes.Clone(f.Data())
				if f.StreamEnded() {
					return
				}
			case *http2.RSTStreamFrame:
				return
			}
		}
	}()
	select {
	case <-known:
	case <-o.over: // perhaps with the headers
	case <-time.After(10 * time.Second):
	}
	select {
	case <-known:
	default:
		s.t.Fatal("no answer")
	}
	return o
}

// echo sends a frame and waits for it to come back.
func (o *h2tunnel) echo(text string) {
	o.t.Helper()
	if err := o.framer.WriteData(1, false, []byte(frame(text))); err != nil {
		o.t.Fatal(err)
	}
	var got []byte
	for !bytes.HasSuffix(got, []byte(text)) {
		select {
		case b := <-o.data:
			got = append(got, b...)
		case <-o.over:
			o.t.Fatalf("%q: the tunnel has ended", text)
		case <-time.After(10 * time.Second):
			o.t.Fatalf("%q: no echo, %q", text, got)
		}
	}
}
