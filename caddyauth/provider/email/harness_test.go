package email

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	alice    = "alice@example.org"
	testLink = "https://app.example.com/api/auth/callback/email?callbackUrl=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3D1%26c%3D2" +
		"&token=" + testToken + "&email=alice%40example.org"
	testToken = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	// testSecret could stand in a sentence, so that only knowing it removes it.
	testSecret = "hunter2hunter2"
)

// noon is the injected time.
var noon = time.Date(2031, 5, 17, 12, 0, 0, 0, time.FixedZone("", 2*60*60))

func order(change ...func(*provider.Mail)) provider.Mail {
	o := provider.Mail{To: alice, URL: testLink, Host: "app.example.com"}
	for _, c := range change {
		c(&o)
	}
	return o
}

// mailerFor makes a mailer for a server, with a short time limit.
func mailerFor(t testing.TB, cfg Config) *mailer {
	t.Helper()
	if cfg.From == "" {
		cfg.From = "Example <login@mail.example.com>"
	}
	p, err := New(cfg, provider.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	m := p.(*mailer)
	m.timeout = 5 * time.Second
	return m
}

// send fails the test unless the mail arrives.
func send(t testing.TB, s *testsmtp.Server, cfg Config, o provider.Mail) testsmtp.Message {
	t.Helper()
	cfg.Server = s.URL
	if s.CA != nil {
		cfg.TLSCA = s.CAFile(t)
	}
	if err := mailerFor(t, cfg).Send(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	all := s.Messages("")
	if len(all) == 0 {
		t.Fatal("Send returned nil before the server had the mail")
	}
	return all[len(all)-1]
}

// sendError fails the test unless sending fails as it should: with an error of
// the right kind, in time, and without anything secret in its text.
func sendError(t testing.TB, m *mailer, o provider.Mail) string {
	t.Helper()
	begin := time.Now()
	err := m.Send(t.Context(), o)
	if err == nil {
		t.Fatal("the mail was sent")
	}
	if provider.ReasonOf(err) != provider.ReasonMail {
		t.Errorf("the reason is %q", provider.ReasonOf(err))
	}
	if took := time.Since(begin); took > m.timeout+2*time.Second {
		t.Errorf("it took %v", took)
	}
	assertSilent(t, err.Error())
	return err.Error()
}

func assertSilent(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{"alice", "example.org", testToken, "app.example.com/", testSecret, "aHVudGVyMmh1bnRlcjI"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q has %q in it", text, secret)
		}
	}
	if len(text) > 512 || strings.ContainsAny(text, "\r\n\x00") {
		t.Errorf("%q does not fit a line of a log", text)
	}
}

// script runs a server that does whatever talk does with each connection.
func script(t testing.TB, talk func(conn net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				talk(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		cancel()
		ln.Close()
		<-done
	})
	return "smtp://" + ln.Addr().String()
}

// replies is a server that says one thing after the other, the first at once,
// each of the others after a line from the client, and then hangs up.
func replies(lines ...string) func(net.Conn) {
	return func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for i, line := range lines {
			if i > 0 {
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
			}
			if _, err := conn.Write([]byte(line + "\r\n")); err != nil {
				return
			}
		}
	}
}

// parseHTML returns the elements of a page by their tags.
func parseHTML(t testing.TB, text string) map[string][]*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]*html.Node)
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			found[n.Data] = append(found[n.Data], n)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text returns what is to be read on a page.
func text(t testing.TB, page string) string {
	t.Helper()
	var b strings.Builder
	for n := range parseHTML(t, page)["body"][0].Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
