package email

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/internal/mailaddr"
	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

// The ports that mail servers take mail from their own people at (RFC 8314,
// section 3.3).
const (
	portSTARTTLS = "587"
	portImplicit = "465"
)

// server is where mails are handed over.
type server struct {
	host, port         string
	implicit           bool // TLS from the first byte
	tls                string
	username, password string
}

func (s *server) addr() string { return net.JoinHostPort(s.host, s.port) }

func (s *server) loopback() bool { return loopback.Is(s.host) }

// parseServer reads the settings that say where and how to connect. No text
// repeats the URL: there may be a password in it.
func (c *Config) parseServer(p *problems) server {
	s := server{tls: c.TLS, username: c.Username, password: c.Password}
	if c.Server == "" {
		p.add("the mail server is missing. Write: smtp://smtp.example.com:587")
		return s
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Opaque != "" {
		p.add("server: it is not a URL such as smtp://smtp.example.com:587; in a user name or password before the host, @ : / and the like are percent-encoded")
		return s
	}
	switch u.Scheme {
	case "smtp":
		s.port = portSTARTTLS
	case "smtps":
		s.port, s.implicit = portImplicit, true
	default:
		p.add("server: the scheme '%s' is not one of smtp, smtps", u.Scheme)
		return s
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		p.add("server: the URL ends after host and port")
	}
	s.address(p, u)
	s.credentials(p, u.User)
	s.policy(p)
	return s
}

// address takes host and port from the URL.
func (s *server) address(p *problems, u *url.URL) {
	s.host = u.Hostname()
	if net.ParseIP(s.host) == nil {
		ascii, ok := mailaddr.Domain(strings.TrimSuffix(strings.ToLower(s.host), "."))
		if !ok {
			p.add("server: '%s' is not a host name", s.host)
			return
		}
		s.host = ascii
	}
	if u.Port() == "" {
		return
	}
	s.port = u.Port()
	n, err := strconv.ParseUint(s.port, 10, 16)
	switch {
	case err != nil || n == 0:
		p.add("server: %s is not a port", s.port)
	case !s.implicit && s.port == portImplicit:
		p.add("server: port 465 speaks TLS from the first byte. Write: smtps://%s", s.host)
	case s.implicit && s.port == portSTARTTLS:
		p.add("server: port 587 begins without TLS and switches to it. Write: smtp://%s", s.host)
	}
}

// credentials takes the user name and the password from the URL if there are
// any.
func (s *server) credentials(p *problems, user *url.Userinfo) {
	if user != nil {
		if s.username != "" || s.password != "" {
			p.add("the user name is both in the server's URL and in a setting of its own")
		}
		s.username = user.Username()
		s.password, _ = user.Password()
	}
	switch {
	case s.username == "" && s.password != "":
		p.add("there is a password, but no username")
	case s.username != "" && s.password == "":
		p.add("there is a username, but no password. Write: password {env.SMTP_PASSWORD}")
	case strings.ContainsAny(s.username+s.password, "\x00\r\n"):
		// The mechanism PLAIN separates its fields by NUL (RFC 4616); a line break
		// at the end is the commonest paste error.
		p.add("the username or password has a line break or NUL in it")
	}
}

// policy settles the word for TLS.
func (s *server) policy(p *problems) {
	words := []string{tlsRequired, tlsOpportunistic, tlsOff}
	switch {
	case s.tls == "" && !s.implicit && s.loopback():
		s.tls = tlsOff
	case s.tls == "":
		s.tls = tlsRequired
	case !slices.Contains(words, s.tls):
		hint := "it can be required, opportunistic or off"
		if near := nearest.Word(s.tls, words); near != "" {
			hint = "did you mean '" + near + "'?"
		}
		p.add("tls: unknown word '%s', %s", s.tls, hint)
		return
	case s.implicit && s.tls != tlsRequired:
		p.add("tls: smtps:// is TLS from the first byte. To do without, write: smtp://%s", s.host)
	}
	if s.tls != tlsRequired && s.password != "" && !s.loopback() {
		p.add("tls: with '%s' the password could be read on its way to %s. Remove the line, or the password", s.tls, s.host)
	}
}
