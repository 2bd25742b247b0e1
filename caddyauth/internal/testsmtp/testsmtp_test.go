package testsmtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const letter = "From: <a@example.com>\r\nTo: <b@example.com>\r\nSubject: =?UTF-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Content-Type: multipart/alternative; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"Hello\r\nhttps://example.com/?a=3Db=\r\nc\r\n\r\n" +
	"--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello\r\n--x--\r\n"

// dial connects as another client than the one that the server is for.
func dial(t *testing.T, s *Server) *smtp.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA)
	config := &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
	connect := func() (*smtp.Client, error) {
		switch {
		case strings.HasPrefix(s.URL, "smtps:"):
			return smtp.DialTLS(s.Addr, config)
		case s.CA != nil:
			return smtp.DialStartTLS(s.Addr, config)
		}
		return smtp.Dial(s.Addr)
	}
	c, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestServer(t *testing.T) {
	for _, mode := range []TLS{Plain, StartTLS, Implicit} {
		s := Start(t, Options{TLS: mode, Username: "user", Password: "word"})
		c := dial(t, s)
		if err := c.SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader(letter)); err == nil {
			t.Fatal("mail was taken from somebody unknown")
		}
		if err := c.Auth(sasl.NewPlainClient("", "user", "wrong")); err == nil {
			t.Fatal("a wrong password was taken")
		}
		if err := c.Auth(sasl.NewPlainClient("", "user", "word")); err != nil {
			t.Fatal(err)
		}
		if err := c.SendMail("a@example.com", []string{"b@example.com", "c@example.com"}, strings.NewReader(letter)); err != nil {
			t.Fatal(err)
		}
		m := s.Wait(t, "c@example.com")
		if m.From != "a@example.com" || !slices.Equal(m.To, []string{"b@example.com", "c@example.com"}) || m.Subject != "Grüße" ||
			m.Text != "Hello\nhttps://example.com/?a=bc\n" || m.HTML != "<p>Hello" || m.Username != "user" || m.TLS != (mode != Plain) {
			t.Errorf("got %+v", m)
		}
		if link := s.Link(t, "b@example.com"); link != "https://example.com/?a=bc" {
			t.Errorf("link is %q", link)
		}
		if got := s.Messages("nobody@example.com"); got != nil {
			t.Errorf("got %+v", got)
		}
		if got := s.Recipients(); !slices.Equal(got, []string{"b@example.com", "c@example.com"}) {
			t.Errorf("recipients are %q", got)
		}
		if s.Clear(); s.Messages("") != nil {
			t.Error("messages are left")
		}
	}
}

func TestReject(t *testing.T) {
	s := Start(t, Options{Reject: func(step, arg string) error {
		if step == StepRcpt && arg == "nobody@example.com" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody here"}
		}
		return nil
	}})
	err := dial(t, s).SendMail("a@example.com", []string{"nobody@example.com"}, strings.NewReader(letter))
	if refusal, ok := errors.AsType[*smtp.SMTPError](err); !ok || refusal.Code != 550 {
		t.Errorf("got %v", err)
	}
	if err := dial(t, s).SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader("no mail")); err == nil {
		t.Error("what is no mail was taken")
	}
	if got := s.Messages(""); got != nil {
		t.Errorf("got %+v", got)
	}
	if total, most := s.Sessions(); total != 2 || most != 1 {
		t.Errorf("%d sessions, %d at a time", total, most)
	}
}

func TestListen(t *testing.T) {
	if _, err := Listen("0.0.0.0:0", Options{}); err == nil {
		t.Error("it listens to everybody")
	}
	s := Start(t, Options{})
	if _, err := Listen(s.Addr, Options{}); err == nil {
		t.Error("two servers have one address")
	}
	s.Close()
	if _, err := net.Dial("tcp", s.Addr); err == nil {
		t.Error("it listens after Close")
	}
}
