package testsmtp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// TLS is how a server speaks TLS.
type TLS int

// The ways of speaking TLS.
const (
	Plain    TLS = iota // not at all
	StartTLS            // after STARTTLS
	Implicit            // from the first byte
)

// The steps that Options.Reject is asked about.
const (
	StepMail = "MAIL"
	StepRcpt = "RCPT"
	StepData = "DATA"
)

const (
	// maxMessages bounds what is kept; the oldest go first.
	maxMessages = 10_000
	// maxBytes bounds a message.
	maxBytes = 1 << 20
)

// Options describe a server. The zero value takes every mail, without TLS.
type Options struct {
	TLS TLS
	// Username and Password make the server take mail only after AUTH with them.
	Username, Password string
	// Mechanisms are the ones it offers, of PLAIN, LOGIN and CRAM-MD5. Default:
	// PLAIN if there is a Username, else none.
	Mechanisms []string
	// SMTPUTF8 makes it take addresses beyond ASCII (RFC 6531).
	SMTPUTF8 bool
	// Delay is how long it thinks before it answers MAIL.
	Delay time.Duration
	// Reject may refuse a step: StepMail and StepRcpt with the address, StepData
	// with the message. The error is best an *smtp.SMTPError.
	Reject func(step, arg string) error
}

// Server is a running mail server that delivers to memory.
type Server struct {
	// Addr is host and port.
	Addr string
	// URL has the scheme smtp, or smtps if TLS is Implicit.
	URL string
	// CA is the certificate, in PEM, that vouches for the server's own. It is nil
	// without TLS.
	CA []byte

	opts   Options
	server *smtp.Server
	ln     net.Listener
	served chan struct{}

	mu       sync.Mutex
	changed  chan struct{} // closed at the next message
	messages []Message
	asked    []string // recipients, refused ones as well
	total    int
	busy     int // how many wait for an answer to MAIL
	most     int
}

// Listen starts a server at a loopback address, such as "127.0.0.1:0".
func Listen(addr string, o Options) (*Server, error) {
	s := &Server{opts: o, served: make(chan struct{}), changed: make(chan struct{})}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		ln.Close()
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	s.Addr = ln.Addr().String()
	s.URL = "smtp://" + s.Addr
	s.server = smtp.NewServer(smtp.BackendFunc(s.session))
	s.server.Domain = "mail.test"
	s.server.AllowInsecureAuth = true
	s.server.EnableSMTPUTF8 = o.SMTPUTF8
	s.server.MaxMessageBytes = maxBytes
	s.server.ReadTimeout = time.Minute
	s.server.WriteTimeout = time.Minute
	// A client that hangs up is what half of the tests are about.
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	if o.TLS != Plain {
		config, ca, err := certificate()
		if err != nil {
			ln.Close()
			return nil, err
		}
		s.CA = ca
		if o.TLS == Implicit {
			s.URL = "smtps://" + s.Addr
			ln = tls.NewListener(ln, config)
		} else {
			s.server.TLSConfig = config
		}
	}
	s.ln = ln
	go func() {
		defer close(s.served)
		_ = s.server.Serve(ln)
	}()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() {
	_ = s.server.Close()
	s.ln.Close() // which Serve may not have told the server about yet
	<-s.served
}

// Messages returns the messages that were taken for an address, or all if it is
// empty, oldest first.
func (s *Server) Messages(to string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Message
	for _, m := range s.messages {
		if to == "" || slices.Contains(m.To, to) {
			found = append(found, m)
		}
	}
	return found
}

// Clear forgets the messages.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

// Recipients returns every address that a RCPT command named, in order.
func (s *Server) Recipients() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Sessions returns how many clients have introduced themselves, and the most
// that waited for an answer to MAIL at a time.
func (s *Server) Sessions() (total, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.most
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	_, encrypted := c.TLSConnectionState()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	return &session{server: s, tls: encrypted, helo: c.Hostname()}, nil
}

// session is one client's.
type session struct {
	server   *Server
	tls      bool
	helo     string
	username string // set by AUTH
	envelope Message
}

func (s *session) Reset() { s.envelope = Message{} }

func (s *session) Logout() error { return nil }

func (s *session) reject(step, arg string) error {
	if s.server.opts.Reject == nil {
		return nil
	}
	return s.server.opts.Reject(step, arg)
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.server.think()
	if s.server.opts.Username != "" && s.username == "" {
		return smtp.ErrAuthRequired
	}
	s.envelope = Message{From: from, TLS: s.tls, Username: s.username, Helo: s.helo, UTF8: o.UTF8}
	return s.reject(StepMail, from)
}

// think takes the time that an answer to MAIL takes.
func (s *Server) think() {
	s.mu.Lock()
	s.busy++
	s.most = max(s.most, s.busy)
	s.mu.Unlock()
	time.Sleep(s.opts.Delay)
	s.mu.Lock()
	s.busy--
	s.mu.Unlock()
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	s.server.asked = append(s.server.asked, to)
	s.server.mu.Unlock()
	if err := s.reject(StepRcpt, to); err != nil {
		return err
	}
	s.envelope.To = append(s.envelope.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return err
	}
	if err := s.reject(StepData, string(raw)); err != nil {
		return err
	}
	m := s.envelope
	if err := m.parse(bytes.Clone(raw)); err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "not a message: " + err.Error()}
	}
	s.server.deliver(m)
	return nil
}

func (s *Server) deliver(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) == maxMessages {
		s.messages = slices.Delete(s.messages, 0, 1)
	}
	s.messages = append(s.messages, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns what closes at the next message.
func (s *Server) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// AuthMechanisms are those of the server's options.
func (s *session) AuthMechanisms() []string {
	switch {
	case s.server.opts.Mechanisms != nil:
		return s.server.opts.Mechanisms
	case s.server.opts.Username != "":
		return []string{sasl.Plain}
	}
	return nil
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if !slices.Contains(s.AuthMechanisms(), mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, username, password string) error {
			return s.login(username, func(want string) bool { return password == want })
		}), nil
	case sasl.Login:
		return &loginServer{session: s}, nil
	case "CRAM-MD5":
		return &cramServer{session: s}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// login checks what a mechanism got.
func (s *session) login(username string, matches func(password string) bool) error {
	if username != s.server.opts.Username || !matches(s.server.opts.Password) {
		return smtp.ErrAuthFailed
	}
	s.username = username
	return nil
}

var errSASL = errors.New("unexpected SASL response")
