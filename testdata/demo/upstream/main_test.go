package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHeaders(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	get := func(accept string) string {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, server.URL+"/a%2Fb?x=1&y=%26", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		req.Header.Set("Remote-User", "<b>alice</b>")
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if page := get("text/html"); !strings.Contains(page, "&lt;b&gt;alice&lt;/b&gt;") || strings.Contains(page, "<b>") {
		t.Errorf("page %s", page)
	}
	var seen request
	if err := json.Unmarshal([]byte(get("application/json")), &seen); err != nil {
		t.Fatal(err)
	}
	if seen.URI != "/a%2Fb?x=1&y=%26" || seen.Headers.Get("Remote-User") != "<b>alice</b>" {
		t.Errorf("seen %+v", seen)
	}
}

func TestEvents(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/events?n=2&every=1ms", nil)
	r.Header.Set("Remote-User", `a"b`)
	serve(w, r)
	want := "id: 0\ndata: {\"n\":0,\"user\":\"a\\\"b\"}\n\nid: 1\ndata: {\"n\":1,\"user\":\"a\\\"b\"}\n\n"
	if got := w.Body.String(); got != want || !w.Flushed {
		t.Errorf("flushed %v: %q", w.Flushed, got)
	}
}

func TestWebSocketWantsAHandshake(t *testing.T) {
	w := httptest.NewRecorder()
	serve(w, httptest.NewRequest(http.MethodGet, "/ws", nil))
	if w.Code != http.StatusUpgradeRequired {
		t.Errorf("status %d", w.Code)
	}
}

// The example of RFC 6455, section 1.3.
func TestAccept(t *testing.T) {
	if got := accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("accept %s", got)
	}
}

func TestWebSocketEcho(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nRemote-User: alice\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("status %d", resp.StatusCode)
	}
	expect(t, r, opText, []byte("hello alice"))
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		message := bytes.Repeat([]byte("x"), size)
		send(t, conn, opText, message)
		expect(t, r, opText, message)
	}
	send(t, conn, opPing, []byte("p"))
	expect(t, r, opPong, []byte("p"))
	send(t, conn, opClose, []byte{3, 232})
	expect(t, r, opClose, []byte{3, 232})
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after closing: %v", err)
	}
}

func send(t *testing.T, w io.Writer, op byte, payload []byte) {
	t.Helper()
	var b bytes.Buffer
	buffered := bufio.NewWriter(&b)
	if err := writeFrame(buffered, op, payload); err != nil {
		t.Fatal(err)
	}
	frame := b.Bytes()
	frame[1] |= 0x80
	head := len(frame) - len(payload)
	mask := []byte{1, 2, 3, 4}
	out := append(bytes.Clone(frame[:head]), mask...)
	for i, c := range payload {
		out = append(out, c^mask[i%4])
	}
	if _, err := w.Write(out); err != nil {
		t.Fatal(err)
	}
}

// expect reads a server's frame, which is not masked.
func expect(t *testing.T, r *bufio.Reader, op byte, payload []byte) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatal(err)
	}
	if head[0] != 0x80|op {
		t.Fatalf("frame %x", head)
	}
	n, err := readLength(r, head[1])
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(r, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, payload) {
		t.Fatalf("got %d bytes, want %d", len(got), len(payload))
	}
}

func TestReadFrameRefusals(t *testing.T) {
	for name, frame := range map[string]string{
		"not masked":     "\x81\x01a",
		"fragment":       "\x01\x81\x00\x00\x00\x00a",
		"reserved bit":   "\xc1\x81\x00\x00\x00\x00a",
		"unknown opcode": "\x83\x80\x00\x00\x00\x00",
		"too long":       "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := readFrame(bufio.NewReader(strings.NewReader(frame))); !errors.Is(err, errFrame) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOnlyLoopback(t *testing.T) {
	if err := run("0.0.0.0:0"); err == nil {
		t.Error("listened on all interfaces")
	}
}
