package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	mailsmtp "github.com/wneessen/go-mail/smtp"

	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

func TestTransport(t *testing.T) {
	login := testsmtp.Options{Username: "caddy", Password: testSecret}
	with := func(tls testsmtp.TLS, mechanisms ...string) testsmtp.Options {
		o := login
		o.TLS, o.Mechanisms = tls, mechanisms
		return o
	}
	open := testsmtp.Options{}
	openTLS := testsmtp.Options{TLS: testsmtp.StartTLS}
	for _, tc := range []struct {
		name      string
		server    testsmtp.Options
		tls       string
		encrypted bool
	}{
		{"loopback", open, "", false},
		{"loopback, STARTTLS is not used by default", openTLS, "", false},
		{"STARTTLS required", openTLS, "required", true},
		{"STARTTLS offered", openTLS, "opportunistic", true},
		{"STARTTLS not offered", open, "opportunistic", false},
		{"TLS", testsmtp.Options{TLS: testsmtp.Implicit}, "", true},
		{"PLAIN, loopback", login, "", false},
		{"PLAIN, STARTTLS", with(testsmtp.StartTLS, "PLAIN"), "required", true},
		{"PLAIN, TLS", with(testsmtp.Implicit, "PLAIN"), "", true},
		{"LOGIN, STARTTLS", with(testsmtp.StartTLS, "LOGIN"), "required", true},
		{"LOGIN, TLS", with(testsmtp.Implicit, "LOGIN"), "", true},
		{"CRAM-MD5, TLS", with(testsmtp.Implicit, "CRAM-MD5"), "required", true},
		{"several mechanisms", with(testsmtp.Implicit, "SCRAM-SHA-256", "LOGIN", "PLAIN"), "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testsmtp.Start(t, tc.server)
			got := send(t, s, Config{TLS: tc.tls, Username: tc.server.Username, Password: tc.server.Password}, order())
			if got.TLS != tc.encrypted {
				t.Errorf("encrypted: %v", got.TLS)
			}
			if got.Username != tc.server.Username {
				t.Errorf("authenticated as %q", got.Username)
			}
			if got.Helo == "" || got.Helo == "localhost" || !strings.ContainsAny(got.Helo, ".:") {
				t.Errorf("the server was greeted as %q", got.Helo)
			}
			if total, _ := s.Sessions(); total > 2 {
				t.Errorf("%d sessions", total)
			}
		})
	}
}

// A password in the URL is as good as one in a setting of its own.
func TestCredentialsInURL(t *testing.T) {
	const password = "p@ss:/#%w "
	s := testsmtp.Start(t, testsmtp.Options{Username: "caddy@example.com", Password: password})
	m := mailerFor(t, Config{Server: "smtp://caddy%40example.com:p%40ss%3A%2F%23%25w%20@" + s.Addr})
	if err := m.Send(t.Context(), order()); err != nil {
		t.Fatal(err)
	}
}

func TestRefusals(t *testing.T) {
	starttls := testsmtp.Start(t, testsmtp.Options{TLS: testsmtp.StartTLS})
	implicit := testsmtp.Start(t, testsmtp.Options{TLS: testsmtp.Implicit})
	plain := testsmtp.Start(t, testsmtp.Options{})
	login := testsmtp.Start(t, testsmtp.Options{Username: "caddy", Password: "another"})
	odd := testsmtp.Start(t, testsmtp.Options{Username: "caddy", Password: testSecret, Mechanisms: []string{"GSSAPI"}})
	other := starttls.CAFile(t)

	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"certificate of nobody known, STARTTLS", Config{Server: starttls.URL, TLS: "required"}, "STARTTLS: tls: failed to verify certificate: x509: "},
		{"certificate of nobody known, offered", Config{Server: starttls.URL, TLS: "opportunistic"}, "STARTTLS: tls: failed to verify certificate: x509: "},
		{"certificate of another authority, TLS", Config{Server: implicit.URL, TLSCA: other}, "TLS handshake: tls: failed to verify certificate: x509: "},
		{"certificate for another name", Config{Server: strings.Replace(implicit.URL, "127.0.0.1", "another.localhost", 1), TLSCA: implicit.CAFile(t)}, ""},
		{"no STARTTLS", Config{Server: plain.URL, TLS: "required"}, "STARTTLS: it does not offer STARTTLS"},
		{"TLS where there is none", Config{Server: strings.Replace(plain.URL, "smtp:", "smtps:", 1)}, "it does not speak TLS there"},
		{"wrong password", Config{Server: login.URL, Username: "caddy", Password: testSecret}, "AUTH: 535 5.7.8 Authentication failed"},
		{"no password", Config{Server: login.URL}, "MAIL FROM: 502 5.7.0 Please authenticate first"},
		{"password not asked for", Config{Server: plain.URL, Username: "caddy", Password: testSecret}, "AUTH: it takes no password here"},
		{"no mechanism", Config{Server: odd.URL, Username: "caddy", Password: testSecret}, "AUTH: it takes no password here"},
		{"nobody listens", Config{Server: "smtp://127.0.0.1:1"}, "mail server 127.0.0.1:1: connecting: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"no such host", Config{Server: "smtp://mail.invalid:2525"}, "mail server mail.invalid:2525: connecting: dial tcp: lookup mail.invalid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := mailerFor(t, tc.cfg)
			got := sendError(t, m, order())
			if !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if err := m.Send(t.Context(), order()); errors.Is(err, provider.ErrRecipient) {
				t.Error("the recipient is blamed")
			}
			err := m.Check(t.Context())
			if err == nil || err.Error() != m.Send(t.Context(), order()).Error() || provider.ReasonOf(err) != provider.ReasonMail {
				t.Errorf("asked without a mail: %v", err)
			}
		})
	}
	for _, s := range []*testsmtp.Server{starttls, implicit, plain, login, odd} {
		if n := len(s.Recipients()); n != 0 {
			t.Errorf("%s was asked to deliver %d mails", s.URL, n)
		}
	}
}

// Servers quote what they refuse.
func TestRejections(t *testing.T) {
	reject := func(at string, code int, message string) testsmtp.Options {
		return testsmtp.Options{Reject: func(step, _ string) error {
			if step != at {
				return nil
			}
			return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 7, 1}, Message: message}
		}}
	}
	for _, tc := range []struct {
		name   string
		server testsmtp.Options
		want   string
	}{
		{"sender", reject(testsmtp.StepMail, 553, "Sender address rejected: not owned by user"), "MAIL FROM: 553 5.7.1 Sender address rejected: not owned by user"},
		{"recipient", reject(testsmtp.StepRcpt, 550, "<"+alice+">: Recipient address rejected"), "RCPT TO: 550 5.7.1 … Recipient address rejected"},
		{"greylisting", reject(testsmtp.StepRcpt, 451, "try again later"), "RCPT TO: 451 4.7.1 try again later"},
		{"local part", reject(testsmtp.StepRcpt, 550, "no such user 'alice' at example.org."), "550 5.7.1 no such user … at …"},
		{"content", reject(testsmtp.StepData, 554, "spam: "+testLink), "message: 554 5.7.1 spam: …"},
		{"token", reject(testsmtp.StepData, 554, "spam: "+testToken), "message: 554 5.7.1 spam: …"},
		{"several lines", reject(testsmtp.StepData, 554, "one\ntwo\n"+strings.Repeat("three ", 200)), "message: 554 one two "},
		{"no word", reject(testsmtp.StepRcpt, 550, ""), "RCPT TO: 550 5.7.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testsmtp.Start(t, tc.server)
			m := mailerFor(t, Config{Server: s.URL})
			begin := time.Now()
			if got := sendError(t, m, order()); !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if took := time.Since(begin); took > m.timeout/2 {
				t.Errorf("it took %v", took)
			}
			// BRUTE-02: whether the server was told whom the mail is for.
			late := tc.name != "sender"
			if err := m.Send(t.Context(), order()); errors.Is(err, provider.ErrRecipient) != late {
				t.Errorf("%v: may be due to the recipient: %t", err, !late)
			}
			if err := m.Check(t.Context()); (err == nil) != late {
				t.Errorf("asked without a mail: %v", err)
			}
		})
	}
	t.Run("what is no address", func(t *testing.T) {
		m := mailerFor(t, Config{Server: "smtp://127.0.0.1:1"})
		if err := m.Send(t.Context(), provider.Mail{To: "alice", URL: testLink}); !errors.Is(err, provider.ErrRecipient) {
			t.Error(err)
		}
	})
	t.Run("password", func(t *testing.T) {
		for _, echo := range []string{"wrong: " + testSecret, "bad hunter2hunter2.", "aHVudGVyMmh1bnRlcjI= is wrong", "AGNhZGR5AGh1bnRlcjJodW50ZXIy", "AUTH PLAIN aHVudGVyMmh1bnRlcjI"} {
			url := script(t, replies("220 hi", "250-hi\r\n250 AUTH PLAIN", "535 5.7.8 "+echo, "221 bye", "221 bye"))
			got := sendError(t, mailerFor(t, Config{Server: url, Username: "caddy", Password: testSecret}), order())
			if !strings.Contains(got, "AUTH: 535 5.7.8") || strings.Contains(got, "AGNhZGR5AGh1") {
				t.Errorf("got %q", got)
			}
		}
	})
}

// Whatever the server does, it takes no longer than it may, and ends with an
// error that says where.
func TestBadServers(t *testing.T) {
	forever := func(what string) func(net.Conn) {
		return func(conn net.Conn) {
			for range 1 << 20 {
				if _, err := io.WriteString(conn, what); err != nil {
					return
				}
			}
		}
	}
	silent := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	slowly := func(conn net.Conn) {
		for _, c := range strings.Repeat("220-welcome\r\n", 100) {
			time.Sleep(20 * time.Millisecond)
			if _, err := conn.Write([]byte(string(c))); err != nil {
				return
			}
		}
	}
	hello := []string{"220 hi", "250-hi\r\n250 8BITMIME"}
	for _, tc := range []struct {
		name string
		talk func(net.Conn)
		want string
	}{
		{"no answer", silent, "greeting: no answer within 500ms"},
		{"a banner that never ends", slowly, "greeting: no answer within 500ms"},
		{"endless lines", forever("220-welcome\r\n"), "greeting: it said more than 262144 bytes"},
		{"one endless line", forever(strings.Repeat("2", 1<<12)), "greeting: it said more than 262144 bytes"},
		{"binary", forever("\x00\xff\n"), "greeting: what it said is not SMTP"},
		{"a web server", replies("HTTP/1.1 400 Bad Request"), "greeting: what it said is not SMTP"},
		{"closed at once", func(net.Conn) {}, "greeting: "},
		{"not today", replies("554 no service " + alice), "greeting: 554 no service …"},
		{"too busy", replies("421 too many connections"), "greeting: 421 too many connections"},
		{"no EHLO", replies("220 hi", "502 what?", "502 what?"), "EHLO: 502 what?"},
		{"closed after EHLO", replies("220 hi", "250 hi"), "MAIL FROM: "},
		{"no answer to MAIL", func(c net.Conn) { replies(hello...)(c); silent(c) }, "MAIL FROM: no answer within 500ms"},
		{"no answer to RCPT", func(c net.Conn) { replies(append(hello, "250 ok")...)(c); silent(c) }, "RCPT TO: no answer within 500ms"},
		{"no answer to DATA", func(c net.Conn) { replies(append(hello, "250 ok", "250 ok")...)(c); silent(c) }, "DATA: no answer within 500ms"},
		{"no answer to the mail", func(c net.Conn) { replies(append(hello, "250 ok", "250 ok", "354 go on")...)(c); silent(c) }, "message: no answer within 500ms"},
		{"closed during the mail", replies(append(hello, "250 ok", "250 ok", "354 go on")...), "message: "},
		{"an odd answer to RCPT", replies(append(hello, "250 ok", "354 ok")...), "RCPT TO: 354 ok"},
		{"a refusal without a word", replies(append(hello, "250 ok", "550")...), `RCPT TO: what it said is not SMTP: short response: "550"`},
		{"a refusal without a number", replies(append(hello, "250 ok", "no "+alice)...), "RCPT TO: what it said is not SMTP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := mailerFor(t, Config{Server: script(t, tc.talk)})
			m.timeout = 500 * time.Millisecond
			if got := sendError(t, m, order()); !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// What a server says after it has the mail changes nothing.
func TestBadFarewells(t *testing.T) {
	talk := []string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go on"}
	for name, end := range map[string]func(net.Conn){
		"closed": func(net.Conn) {},
		"silent": func(c net.Conn) { io.Copy(io.Discard, c) },
		"angry":  func(c net.Conn) { io.WriteString(c, "500 no\r\n"); io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := script(t, func(conn net.Conn) {
				replies(talk...)(conn)
				var got strings.Builder
				buf := make([]byte, 4096)
				for !strings.HasSuffix(got.String(), "\r\n.\r\n") {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					got.Write(buf[:n])
				}
				io.WriteString(conn, "250 queued\r\n")
				end(conn)
			})
			begin := time.Now()
			if err := mailerFor(t, Config{Server: url}).Send(t.Context(), order()); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > 3*farewell {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// What stands before the handshake could have been put there by anybody (RFC
// 3207, section 6).
func TestNothingOfPlaintextCounts(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{TLS: testsmtp.StartTLS})
	ca := s.CAFile(t)
	url := script(t, func(conn net.Conn) {
		replies("220 hi", "250-hi\r\n250-AUTH PLAIN\r\n250 STARTTLS", "220 go\r\n250-injected\r\n250 SMTPUTF8")(conn)
		// From here on the real server talks, with the certificate that is expected.
		back, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return
		}
		defer back.Close()
		for _, line := range []string{"", "EHLO x\r\n", "STARTTLS\r\n"} {
			io.WriteString(back, line)
			if err := skipReply(back); err != nil {
				return
			}
		}
		go func() { io.Copy(back, conn); back.Close() }()
		io.Copy(conn, back)
	})
	m := mailerFor(t, Config{Server: url, TLS: "required", TLSCA: ca})
	o := order(func(o *provider.Mail) { o.To = "jürgen@example.org" })
	err := m.Send(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), errNoUTF8.Error()) && !strings.Contains(err.Error(), "STARTTLS: ") {
		t.Errorf("got %v", err)
	}
	if n := len(s.Messages("")); n != 0 {
		t.Errorf("%d mails arrived", n)
	}
}

// skipReply reads a reply byte by byte, to leave what follows in the connection.
func skipReply(conn net.Conn) error {
	var line []byte
	b := make([]byte, 1)
	for {
		if _, err := conn.Read(b); err != nil {
			return err
		}
		line = append(line, b[0])
		if b[0] == '\n' {
			if len(line) > 3 && line[3] == ' ' {
				return nil
			}
			line = line[:0]
		}
	}
}

// The password is not said to a server that has not shown who it is, whatever
// the configuration.
func TestNoPasswordWithoutTLS(t *testing.T) {
	for _, host := range []string{"mail.example.com", "192.0.2.1", "127.evil.example"} {
		a := &auth{server: &server{host: host, username: "caddy", password: testSecret}}
		info := &mailsmtp.ServerInfo{Name: host, Auth: []string{"PLAIN", "LOGIN", "CRAM-MD5"}}
		if _, response, err := a.Start(info); !errors.Is(err, mailsmtp.ErrUnencrypted) || response != nil {
			t.Errorf("%s: got %q, %v", host, response, err)
		}
		info.TLS = true
		if mechanism, response, err := a.Start(info); err != nil || mechanism != "PLAIN" || string(response) != "\x00caddy\x00"+testSecret {
			t.Errorf("%s, TLS: got %s %q, %v", host, mechanism, response, err)
		}
	}
	// Nor is it, on loopback, to one that should have spoken TLS.
	var got strings.Builder
	var mu sync.Mutex
	url := script(t, func(conn net.Conn) {
		io.WriteString(conn, "220 hi\r\n")
		buf := make([]byte, 1024)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			mu.Lock()
			got.Write(buf[:n])
			mu.Unlock()
			io.WriteString(conn, "250-hi\r\n250 AUTH PLAIN LOGIN\r\n")
		}
	})
	sendError(t, mailerFor(t, Config{Server: url, TLS: "required", Username: "caddy", Password: testSecret}), order())
	mu.Lock()
	defer mu.Unlock()
	if !strings.HasPrefix(got.String(), "EHLO ") || strings.Contains(got.String(), "AUTH") {
		t.Errorf("the server was told %q", got.String())
	}
}

func TestOldTLS(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{TLS: testsmtp.Implicit})
	cert, err := selfSigned(t)
	if err != nil {
		t.Fatal(err)
	}
	url := script(t, func(conn net.Conn) {
		_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS11}).Handshake()
	})
	got := sendError(t, mailerFor(t, Config{Server: strings.Replace(url, "smtp:", "smtps:", 1), TLSCA: s.CAFile(t)}), order())
	if !strings.Contains(got, "TLS handshake: remote error: tls: protocol version not supported") {
		t.Errorf("got %q", got)
	}
}

func TestTimeLimits(t *testing.T) {
	t.Run("ten seconds", func(t *testing.T) {
		p, err := New(Config{From: "a@b.example", Server: "smtp://localhost"}, provider.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.(*mailer).timeout; got != 10*time.Second {
			t.Errorf("the limit is %v", got)
		}
	})
	t.Run("slow server", func(t *testing.T) {
		s := testsmtp.Start(t, testsmtp.Options{Delay: 2 * time.Second})
		m := mailerFor(t, Config{Server: s.URL})
		m.timeout = 200 * time.Millisecond
		if got := sendError(t, m, order()); !strings.Contains(got, "MAIL FROM: no answer within 200ms") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("caller gone", func(t *testing.T) {
		m := mailerFor(t, Config{Server: script(t, func(c net.Conn) { io.Copy(io.Discard, c) })})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		err := m.Send(ctx, order())
		if !errors.Is(err, context.Canceled) || provider.ReasonOf(err) != provider.ReasonMail {
			t.Errorf("got %v", err)
		}
	})
	t.Run("caller in a hurry", func(t *testing.T) {
		m := mailerFor(t, Config{Server: script(t, func(c net.Conn) { io.Copy(io.Discard, c) })})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := m.Send(ctx, order()); provider.ReasonOf(err) != provider.ReasonMail {
			t.Errorf("got %v", err)
		}
	})
}

// However many people ask at once, the server sees a few at a time, and those
// who wait do so no longer than others.
func TestConcurrency(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{Delay: 20 * time.Millisecond})
	m := mailerFor(t, Config{Server: s.URL})
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 5 * maxConns {
		wg.Go(func() {
			o := order(func(o *provider.Mail) { o.To = fmt.Sprintf("u%d@example.org", i) })
			if err := m.Send(t.Context(), o); err != nil {
				failed.Add(1)
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.Messages("")); n != 5*maxConns {
		t.Errorf("%d mails arrived", n)
	}
	if _, most := s.Sessions(); most > maxConns || most < 2 {
		t.Errorf("%d sessions at a time", most)
	}

	t.Run("full", func(t *testing.T) {
		m := mailerFor(t, Config{Server: script(t, func(c net.Conn) { io.Copy(io.Discard, c) })})
		m.timeout = 300 * time.Millisecond
		var wg sync.WaitGroup
		for range maxConns {
			wg.Go(func() { _ = m.Send(t.Context(), order()) })
		}
		for len(m.slots) < maxConns {
			time.Sleep(time.Millisecond)
		}
		if got := sendError(t, m, order()); !strings.Contains(got, "too many mails at once") && !strings.Contains(got, "no answer") {
			t.Errorf("got %q", got)
		}
		wg.Wait()
		if len(m.slots) != 0 {
			t.Errorf("%d connections are left", len(m.slots))
		}
	})
}

// Failures leave neither connections nor goroutines behind.
func TestNothingIsLeft(t *testing.T) {
	var open atomic.Int64
	url := script(t, func(conn net.Conn) {
		open.Add(1)
		defer open.Add(-1)
		replies("220 hi", "250-hi\r\n250 AUTH PLAIN")(conn)
		io.Copy(io.Discard, conn)
	})
	m := mailerFor(t, Config{Server: url, TLS: "required"})
	before := runtime.NumGoroutine()
	for range 20 {
		sendError(t, m, order())
	}
	for range 500 {
		if open.Load() == 0 && runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d connections, %d goroutines more", open.Load(), runtime.NumGoroutine()-before)
}

// Asking a server leaves nothing there, whatever it wants to have first.
func TestCheck(t *testing.T) {
	for name, o := range map[string]testsmtp.Options{
		"plain": {}, "TLS": {TLS: testsmtp.Implicit}, "STARTTLS, password": {TLS: testsmtp.StartTLS, Username: "caddy", Password: testSecret},
	} {
		s := testsmtp.Start(t, o)
		cfg := Config{Server: s.URL, Username: o.Username, Password: o.Password}
		if s.CA != nil {
			cfg.TLSCA = s.CAFile(t)
		}
		if err := mailerFor(t, cfg).Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.Recipients()) != 0 || len(s.Messages("")) != 0 {
			t.Errorf("%s: %q, %d mails", name, s.Recipients(), len(s.Messages("")))
		}
	}
}

func TestHeloName(t *testing.T) {
	for addr, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}:           "[192.0.2.1]",
		&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}:       "[IPv6:2001:db8::1]",
		&net.UnixAddr{Name: "/run/mail.sock", Net: "unix"}: "[127.0.0.1]",
	} {
		if got := heloName(addr); got != want && !strings.Contains(got, ".") {
			t.Errorf("%v: got %q, want %q", addr, got, want)
		}
	}
}
