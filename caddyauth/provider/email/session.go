package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/caddyauth/gateway/caddyauth/internal/mailaddr"
)

const (
	// maxTalk bounds what a mail server may say in a session, in bytes. Some
	// hundred lines would be a lot.
	maxTalk = 256 << 10
	// farewell is how long a server may take to say goodbye once it has taken the
	// mail.
	farewell = time.Second
)

var (
	errTurn       = errors.New("too many mails at once")
	errTalk       = fmt.Errorf("it said more than %d bytes", maxTalk)
	errNoSTARTTLS = errors.New("it does not offer STARTTLS. If that is meant to be so, write: tls off")
	errNoAuth     = errors.New("it takes no password here: it offers none of AUTH PLAIN, LOGIN, CRAM-MD5")
	errNoUTF8     = errors.New("it cannot take addresses with letters beyond ASCII before the @ (SMTPUTF8)")
)

// The steps of a session, for messages.
const (
	stepWait     = "waiting for a connection"
	stepDial     = "connecting"
	stepTLS      = "TLS handshake"
	stepGreeting = "greeting"
	stepEHLO     = "EHLO"
	stepSTARTTLS = "STARTTLS"
	stepAuth     = "AUTH"
	stepMail     = "MAIL FROM"
	stepRcpt     = "RCPT TO"
	stepData     = "DATA"
	stepContent  = "message"
)

// stepError tells at which step a session ended.
type stepError struct {
	step string
	err  error
}

func (e *stepError) Error() string { return e.step + ": " + e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }

// at wraps a failure, nil stays nil.
func at(step string, err error) error {
	if err == nil {
		return nil
	}
	return &stepError{step, err}
}

// deliver hands a letter to the mail server, on a connection of its own.
func (m *mailer) deliver(ctx context.Context, l *letter) error {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return at(stepWait, errTurn)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.server.addr())
	if err != nil {
		return at(stepDial, err)
	}
	defer conn.Close()
	// What the library does with a connection knows no context. Closing it ends
	// every wait.
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	c, err := m.open(ctx, &quietConn{Conn: conn, left: maxTalk})
	if err != nil {
		return err
	}
	err = m.transfer(c, l)
	// After a broken message there is nothing to be said: QUIT would first end it
	// as if it were whole.
	if _, refused := errors.AsType[*textproto.Error](err); err == nil || refused {
		// The server has decided. What happens from here on does not matter.
		_ = conn.SetDeadline(time.Now().Add(farewell))
		_ = c.Quit()
	}
	return err
}

// open brings a session to the point where mail can be handed over.
func (m *mailer) open(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	config := &tls.Config{ServerName: m.server.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	local := conn.LocalAddr()
	if m.server.implicit {
		encrypted := tls.Client(conn, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, at(stepTLS, err)
		}
		conn = encrypted
	}
	c, err := smtp.NewClient(conn, m.server.host)
	if err != nil {
		return nil, at(stepGreeting, err)
	}
	if err := c.Hello(heloName(local)); err != nil {
		return nil, at(stepEHLO, err)
	}
	if err := m.startTLS(c, config); err != nil {
		return nil, err
	}
	if m.server.password == "" {
		return c, nil
	}
	return c, at(stepAuth, c.Auth(&auth{server: &m.server}))
}

// startTLS follows the policy for servers that begin without TLS. What such a
// server said before is forgotten with the handshake (RFC 3207, section 4.2).
func (m *mailer) startTLS(c *smtp.Client, config *tls.Config) error {
	if m.server.implicit || m.server.tls == tlsOff {
		return nil
	}
	offered, _ := c.Extension("STARTTLS")
	switch {
	case offered:
		return at(stepSTARTTLS, c.StartTLS(config))
	case m.server.tls == tlsRequired:
		return at(stepSTARTTLS, errNoSTARTTLS)
	}
	return nil
}

// transfer is one mail transaction, with one recipient. Without one, it ends where
// the server has taken the sender.
func (m *mailer) transfer(c *smtp.Client, l *letter) error {
	if offered, _ := c.Extension("SMTPUTF8"); l.utf8 && !offered {
		return at(stepMail, errNoUTF8)
	}
	// Asked for without need, a later server on the way would return the mail.
	c.SkipSMTPUTF8(!l.utf8)
	if err := c.Mail(l.from); err != nil {
		return at(stepMail, err)
	}
	if l.to == "" {
		return nil
	}
	if err := c.Rcpt(l.to); err != nil {
		return at(stepRcpt, err)
	}
	w, err := c.Data()
	if err != nil {
		return at(stepData, err)
	}
	if _, err := w.Write(l.content); err != nil {
		return at(stepContent, err)
	}
	return at(stepContent, w.Close())
}

// auth logs in with whichever mechanism the server offers, simplest first: the
// connection is encrypted, or does not leave this machine. SCRAM is left out,
// as the server names the amount of work in it.
type auth struct {
	server *server
	smtp.Auth
}

// Start begins with the mechanism it picks.
func (a *auth) Start(info *smtp.ServerInfo) (mechanism string, response []byte, err error) {
	s := a.server
	if !info.TLS && !s.loopback() {
		return "", nil, smtp.ErrUnencrypted
	}
	switch {
	case slices.Contains(info.Auth, "PLAIN"):
		a.Auth = smtp.PlainAuth("", s.username, s.password, info.Name, true)
	case slices.Contains(info.Auth, "LOGIN"):
		a.Auth = smtp.LoginAuth(s.username, s.password, info.Name, true)
	case slices.Contains(info.Auth, "CRAM-MD5"):
		a.Auth = smtp.CRAMMD5Auth(s.username, s.password)
	default:
		return "", nil, errNoAuth
	}
	return a.Auth.Start(info)
}

// heloName is what this machine calls itself: its name if that is a full one,
// else the address it connects from (RFC 5321, section 4.1.4).
func heloName(local net.Addr) string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") {
		if ascii, ok := mailaddr.Domain(strings.ToLower(name)); ok {
			return ascii
		}
	}
	tcp, ok := local.(*net.TCPAddr)
	switch {
	case !ok:
		return "[127.0.0.1]"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}

// quietConn ends a session in which the other side says too much. Library code
// keeps whole replies in memory.
type quietConn struct {
	net.Conn
	left int
}

func (c *quietConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTalk
	}
	if len(p) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= n
	return n, err
}
