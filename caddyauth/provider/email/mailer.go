package email

import (
	"context"
	"crypto/x509"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// sendTimeout is how long a mail may take, whatever the mail server does.
	sendTimeout = 10 * time.Second
	// maxConns bounds the connections to the mail server. Mails beyond it wait
	// their turn.
	maxConns = 8
)

// mailer is the provider.
type mailer struct {
	info    provider.Info
	from    sender
	replyTo sender // zero: none
	server  server
	roots   *x509.CertPool
	subject string
	maxAge  time.Duration
	words   *library

	timeout time.Duration
	slots   chan struct{}
	now     func() time.Time
}

// New makes a provider of its configuration, without touching the network. The
// error lists everything that is wrong. Of the options Now and Log are used.
func New(cfg Config, opt provider.Options) (provider.Email, error) {
	m, err := cfg.build()
	if err != nil {
		return nil, err
	}
	if m.words, err = loadLibrary(); err != nil {
		return nil, err
	}
	m.timeout, m.slots, m.now = sendTimeout, make(chan struct{}, maxConns), opt.Now
	if m.now == nil {
		m.now = time.Now
	}
	if m.server.tls != tlsRequired && !m.server.loopback() && opt.Log != nil {
		opt.Log.Warn("sign-in links may travel to the mail server without TLS",
			zap.String("provider", m.info.ID), zap.String("host", m.server.host), zap.String("tls", m.server.tls))
	}
	return m, nil
}

// Info describes the provider. An address is the same person's whoever mails to
// it, so there is one realm.
func (m *mailer) Info() provider.Info { return m.info }

// MaxAge is how long a link is good for.
func (m *mailer) MaxAge() time.Duration { return m.maxAge }

// Send writes the mail and hands it to the mail server. When it returns nil the
// server has taken the mail.
func (m *mailer) Send(ctx context.Context, order provider.Mail) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	l, err := m.write(order)
	if err == nil {
		err = m.deliver(ctx, l)
	}
	return m.failure(ctx, err, order)
}

// Check talks to the mail server until it has taken the sender.
func (m *mailer) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	err := m.deliver(ctx, &letter{from: m.from.Address("").String(), utf8: m.utf8()})
	return m.failure(ctx, err, provider.Mail{})
}

// utf8 reports whether every mail needs SMTPUTF8.
func (m *mailer) utf8() bool { return m.from.UTF8() || m.replyTo.UTF8() }

var _ provider.Email = (*mailer)(nil)
