package email

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/caddyauth/gateway/caddyauth/internal/mailaddr"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// letter is a mail, ready to be handed over.
type letter struct {
	from, to string // for the envelope, in angle brackets; to is empty for none at all
	utf8     bool   // needs SMTPUTF8
	content  []byte
}

var (
	errAddress = errors.New("the address is none that mail can be sent to")
	errLink    = errors.New("the link is not an http or https address")
)

// maxHost bounds the site's name, in bytes: a host and a port.
const maxHost = 253 + len(":65535")

// write makes a mail of an order. Nothing but the envelope and the field To has
// the recipient's address in it: whoever typed it chose what it looks like.
func (m *mailer) write(order provider.Mail) (*letter, error) {
	to, ok := mailaddr.Parse(order.To)
	if !ok {
		return nil, errAddress
	}
	if !isLink(order.URL) {
		return nil, errLink
	}
	host := siteName(order.Host)
	words := m.words.pick(order.Languages)
	subject := words.subject(host)

	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from.address())
	msg.ToMailAddress(to.Address(""))
	if m.replyTo.Local != "" {
		msg.ReplyToMailAddress(m.replyTo.address())
	}
	msg.Subject(subject)
	if m.subject != "" {
		msg.Subject(m.subject)
	}
	msg.SetDateWithValue(m.now())
	// Under the sender's domain, as some filters want it, and without the name of
	// this machine.
	msg.SetMessageIDWithValue(strings.ToLower(rand.Text()) + "@" + m.from.Domain)
	// RFC 3834, section 5, and what Exchange knows instead.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	msg.SetGenHeader("Content-Language", words.Lang)

	// NextAuth's text, letter by letter.
	msg.SetBodyString(gomail.TypeTextPlain, subject+"\n"+order.URL+"\n\n")
	html, err := words.page(host, order.URL, order.Color, m.maxAge)
	if err != nil {
		return nil, err
	}
	msg.AddAlternativeString(gomail.TypeTextHTML, html)

	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return nil, err
	}
	return &letter{
		from:    m.from.Address("").String(),
		to:      to.Address("").String(),
		utf8:    to.UTF8() || m.utf8(),
		content: content.Bytes(),
	}, nil
}

// isLink reports whether a link can stand on a line of its own and be clicked.
func isLink(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		!strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// siteName keeps of what a mail calls the site what a host and a port are made
// of.
func siteName(host string) string {
	host = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.L, unicode.M, unicode.N) || strings.ContainsRune(".-_:[]", r) {
			return r
		}
		return -1
	}, host)
	if len(host) > maxHost {
		host = strings.ToValidUTF8(host[:maxHost], "")
	}
	return host
}

// lifetime splits how long a link is good for into a number and a unit, rounded
// down: a mail must not promise more than is kept.
func lifetime(d time.Duration) (n int, unit string) {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && (d%day == 0 || d > 3*day):
		return int(d / day), "day"
	case d >= time.Hour && (d%time.Hour == 0 || d > 3*time.Hour):
		return int(d / time.Hour), "hour"
	}
	return max(1, int(d/time.Minute)), "minute"
}
