package caddyauth_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// TestWIRE04ExtendedConnectHTTP3 opens WebSockets over HTTP/3 (RFC 9220): they end
// with the session, and nobody else's does.
func TestWIRE04ExtendedConnectHTTP3(t *testing.T) {
	ended := make(chan string, 10)
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		echoFrames(w, r)
		ended <- r.Header.Get("Remote-User")
	})
	s := startWith(t, everyHTTP, `
https://localhost:{PORT} {
	tls `+certificate(t)+`
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		limit off
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
	s.Base = "https://localhost:" + s.Port
	sign := func(name string) *browser {
		b := s.browser()
		b.Transport = h2client(t)
		b.password(name, name, "/")
		return b
	}
	open := func(b *browser) *h3tunnel {
		t.Helper()
		o := s.connect3(s.Port, "/app/socket", http.Header{"Cookie": {b.cookieHeader()}})
		if o.status != http.StatusOK {
			t.Fatalf("status %d", o.status)
		}
		return o
	}
	alice, bob := sign("alice"), sign("bob")
	up.take()
	for len(ended) > 0 {
		<-ended // pages
	}

	if o := s.connect3(s.Port, "/app/socket", http.Header{}); o.status != http.StatusUnauthorized {
		t.Errorf("without a session: %d", o.status)
	}
	up.none(t)
	hers, his := open(alice), open(bob)
	hers.echo("hello")
	his.echo("hello")
	for _, r := range up.take() {
		if user := r.Header.Get("Remote-User"); r.Method != http.MethodGet || user != "alice" && user != "bob" || r.Header.Get("Cookie") != "" {
			t.Errorf("the upstream got %s %v", r.Method, r.Header)
		}
	}
	alice.signOut()
	since := time.Now()
	hers.ends(since.Add(soon))
	select {
	case user := <-ended:
		if user != "alice" {
			t.Errorf("the upstream lost %s", user)
		}
	case <-time.After(time.Until(since.Add(soon))):
		t.Error("WIRE-03: the upstream's connection goes on")
	}
	t.Logf("ended after %v", time.Since(since).Round(time.Millisecond))
	his.echo("still here")
}

// h3tunnel is one stream on a connection of its own.
type h3tunnel struct {
	t      testing.TB
	stream *http3.RequestStream
	status int
}

// connect3 sends an extended CONNECT for a WebSocket over HTTP/3.
func (s *server) connect3(port, path string, header http.Header) *h3tunnel {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{http3.NextProtoH3}}
	conn, err := quic.DialAddr(ctx, "127.0.0.1:"+port, config, &quic.Config{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	stream, err := new(http3.Transport).NewClientConn(conn).OpenRequestStream(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = stream.SetDeadline(time.Now().Add(30 * time.Second))
	err = stream.SendRequestHeader(&http.Request{
		Method: http.MethodConnect, Proto: "websocket", Host: "localhost:" + port, Header: header,
		URL: &url.URL{Scheme: "https", Host: "localhost:" + port, Path: path},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := stream.ReadResponse()
	if err != nil {
		s.t.Fatal(err)
	}
	return &h3tunnel{s.t, stream, resp.StatusCode}
}

// echo sends a frame and waits for it to come back.
func (o *h3tunnel) echo(text string) {
	o.t.Helper()
	if _, err := io.WriteString(o.stream, frame(text)); err != nil {
		o.t.Fatal(err)
	}
	got := make([]byte, 2+len(text))
	if _, err := io.ReadFull(o.stream, got); err != nil || string(got[2:]) != text {
		o.t.Fatalf("%q: %q, %v", text, got, err)
	}
}

// ends checks that the server ends the stream in time.
func (o *h3tunnel) ends(limit time.Time) {
	o.t.Helper()
	_ = o.stream.SetReadDeadline(limit)
	n, err := o.stream.Read(make([]byte, 100))
	if time.Now().After(limit) || n > 0 || err == nil {
		o.t.Errorf("WIRE-03: the tunnel goes on: %d bytes, %v", n, err)
	}
}
