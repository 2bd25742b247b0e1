package email

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/caddyauth/gateway/caddyauth/internal/mailaddr"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// Config describes a provider that mails sign-in links.
//
// Anybody has an address, so a site with this provider needs rules that say
// whose may sign in.
type Config struct {
	// The id in the provider's URLs. Default: `email`.
	ID string `json:"id,omitempty"`

	// What people call this way to sign in. Default: `Email`, with which the
	// sign-in page has a button of its own.
	Name string `json:"name,omitempty"`

	// The sender of the mails: an address, or a name and an address as in
	// `Example <login@example.com>`. Required.
	From string `json:"from,omitempty"`

	// The mail server: `smtp://host` with port 587 and STARTTLS by default, or
	// `smtps://host` with port 465 and TLS from the first byte. A user name and a
	// password may stand before the host as in any URL, percent-encoded.
	// Required.
	Server string `json:"server,omitempty"`

	// The user name and the password for the mail server. Default: the mail
	// server is used without.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`

	// What an `smtp://` server must do: `required` refuses a server without
	// STARTTLS, `opportunistic` takes STARTTLS where it is offered, `off` does
	// without. The certificate is checked in any case. The last two are refused
	// with a password unless the host is loopback. Default: `required`, and `off`
	// where the host is loopback.
	TLS string `json:"tls,omitempty"`

	// A file with certificates, in PEM, to trust instead of the system's when
	// the mail server shows its own.
	TLSCA string `json:"tls_ca,omitempty"`

	// Where answers to the mails go. Default: to the sender.
	ReplyTo string `json:"reply_to,omitempty"`

	// The subject of the mails, the same in every language. Default: "Sign in to"
	// the site's host, in the reader's language.
	Subject string `json:"subject,omitempty"`

	// How long a link is good for, between one minute and 30 days. Default: 24h.
	MaxAge provider.Duration `json:"max_age,omitempty"`
}

// DefaultMaxAge is how long a link is good for unless the configuration says
// otherwise.
const DefaultMaxAge = 24 * time.Hour

const (
	minMaxAge = time.Minute
	maxMaxAge = 30 * 24 * time.Hour
	// maxSubject bounds the subject, in bytes.
	maxSubject = 200
)

// The words of Config.TLS.
const (
	tlsRequired      = "required"
	tlsOpportunistic = "opportunistic"
	tlsOff           = "off"
)

// ProviderID returns the id that New will use.
func (c *Config) ProviderID() string { return cmp.Or(c.ID, provider.TypeEmail) }

// problems collects what is wrong with a configuration.
type problems struct {
	id   string
	list []error
}

func (p *problems) add(format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("provider %s: %w", p.id, fmt.Errorf(format, args...)))
}

// build makes a mailer of the configuration. The error lists everything that is
// wrong.
func (c *Config) build() (*mailer, error) {
	p := &problems{id: c.ProviderID()}
	m := &mailer{
		info:    provider.Info{ID: p.id, Name: cmp.Or(c.Name, "Email"), Type: provider.TypeEmail, Public: true},
		subject: c.Subject,
		maxAge:  cmp.Or(time.Duration(c.MaxAge), DefaultMaxAge),
	}
	if !provider.ValidID(p.id) {
		p.add("an id has lower-case letters, digits, - and _ only")
	}
	m.from = c.sender(p, "from", c.From, "Example <login@example.com>")
	if c.ReplyTo != "" {
		m.replyTo = c.sender(p, "reply_to", c.ReplyTo, "help@example.com")
	}
	m.server = c.parseServer(p)
	m.roots = c.loadRoots(p)
	if len(c.Subject) > maxSubject || strings.ContainsFunc(c.Subject, unicode.IsControl) {
		p.add("subject: it must be one line of at most %d bytes", maxSubject)
	}
	if m.maxAge < minMaxAge || m.maxAge > maxMaxAge {
		p.add("max_age: %v is not between 1m and 30 days", m.maxAge)
	}
	return m, errors.Join(p.list...)
}

// sender parses an address of the operator's, which may have a name.
func (c *Config) sender(p *problems, setting, value, example string) sender {
	if value == "" {
		p.add("the sender of the mails is missing. Write: %s %s", setting, example)
		return sender{}
	}
	a, err := mail.ParseAddress(value)
	if err != nil || strings.ContainsFunc(value, unicode.IsControl) {
		p.add("%s: %q is not an address such as %s", setting, value, example)
		return sender{}
	}
	box, ok := mailaddr.Parse(a.Address)
	if !ok {
		p.add("%s: mail cannot be sent from, or to, %q", setting, a.Address)
	}
	return sender{Mailbox: box, name: a.Name}
}

// sender is an address of the operator's.
type sender struct {
	mailaddr.Mailbox
	name string
}

func (s sender) address() *mail.Address { return s.Address(s.name) }

// loadRoots reads the certificates of tls_ca. Nil stands for the system's.
func (c *Config) loadRoots(p *problems) *x509.CertPool {
	if c.TLSCA == "" {
		return nil
	}
	pem, err := os.ReadFile(c.TLSCA)
	if err != nil {
		p.add("tls_ca: %w", err)
		return nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		p.add("tls_ca: there is no certificate in %s", c.TLSCA)
	}
	return roots
}
