package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The least of RFC 6455 that a test needs: a server that greets with the user
// it was told of and sends back every message, short and unfragmented.

// handshakeGUID is the constant of section 1.3.
const handshakeGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// maxMessage bounds a message; longer ones end the connection.
const maxMessage = 64 << 10

// idle is how long the connection may stay silent.
const idle = time.Minute

// Opcodes of section 5.2.
const (
	opText  = 1
	opBin   = 2
	opClose = 8
	opPing  = 9
	opPong  = 10
)

func serveWebSocket(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("Sec-WebSocket-Version") != "13" || key == "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "a WebSocket, please", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	user := r.Header.Get("Remote-User")
	if _, err := rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + accept(key) + "\r\n\r\n"); err != nil {
		return
	}
	if err := writeFrame(rw.Writer, opText, []byte("hello "+user)); err != nil {
		return
	}
	_ = echo(conn, rw)
}

// accept proves that the handshake was understood (section 4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + handshakeGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// echo answers frames until the other side closes.
func echo(conn net.Conn, rw *bufio.ReadWriter) error {
	for {
		if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
		op, payload, err := readFrame(rw.Reader)
		if err != nil {
			return err
		}
		switch op {
		case opPing:
			op = opPong
		case opPong:
			continue
		}
		if err := writeFrame(rw.Writer, op, payload); err != nil || op == opClose {
			return err
		}
	}
}

var errFrame = errors.New("a frame this server does not take")

// readFrame reads one unfragmented, masked frame (section 5.2).
func readFrame(r *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	const final, masked = 0x80, 0x80
	if head[0]&0xf0 != final || head[1]&masked == 0 {
		return 0, nil, errFrame
	}
	n, err := readLength(r, head[1]&0x7f)
	if err != nil {
		return 0, nil, err
	}
	var mask [4]byte
	if _, err := io.ReadFull(r, mask[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	switch op = head[0] & 0x0f; op {
	case opText, opBin, opClose, opPing, opPong:
		return op, payload, nil
	}
	return 0, nil, errFrame
}

func readLength(r *bufio.Reader, short byte) (uint64, error) {
	n := uint64(short)
	switch short {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, err
		}
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, err
		}
		n = binary.BigEndian.Uint64(b[:])
	}
	if n > maxMessage {
		return 0, errFrame
	}
	return n, nil
}

// writeFrame writes one unmasked frame, as servers do.
func writeFrame(w *bufio.Writer, op byte, payload []byte) error {
	head := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	case n <= 0xffff:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(n))
	}
	if _, err := w.Write(append(head, payload...)); err != nil {
		return err
	}
	return w.Flush()
}
