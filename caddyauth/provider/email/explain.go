package email

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// maxReply bounds what of a server's words is repeated, in bytes.
	maxReply = 200
	// maxWord bounds each of the words: longer ones are encoded something.
	maxWord = 40
)

// failure is what the caller gets to know of a failure, nil stays nil.
func (m *mailer) failure(ctx context.Context, err error, order provider.Mail) error {
	if err == nil {
		return nil
	}
	explained := m.explain(ctx, err, order)
	if m.mayBeRecipient(err) {
		explained = &recipientError{explained}
	}
	return &provider.Error{Reason: provider.ReasonMail, Err: explained}
}

// recipientError is provider.ErrRecipient with the words of another error.
type recipientError struct{ error }

func (e *recipientError) Unwrap() []error { return []error{e.error, provider.ErrRecipient} }

// mayBeRecipient reports whether another recipient might have got the mail: the
// server knew this one, or there was no mail for it.
func (m *mailer) mayBeRecipient(err error) bool {
	step, ok := errors.AsType[*stepError](err)
	if !ok {
		return true
	}
	switch step.step {
	case stepRcpt, stepData, stepContent:
		return true
	}
	return errors.Is(err, errNoUTF8) && !m.utf8()
}

// explain makes a text for the log of a failure: which server, which step, and
// what was wrong. Neither the recipient nor the link nor the password is in it.
func (m *mailer) explain(ctx context.Context, err error, order provider.Mail) error {
	step, ok := errors.AsType[*stepError](err)
	if !ok {
		return err // before there was a server in it
	}
	return fmt.Errorf("mail server %s: %s: %w", m.server.addr(), step.step, m.cause(ctx, step.err, order))
}

// cause replaces an error whose text is not fit for the log, or says too little.
func (m *mailer) cause(ctx context.Context, err error, order provider.Mail) error {
	var (
		reply    *textproto.Error
		protocol textproto.ProtocolError
		record   tls.RecordHeaderError
		cert     *tls.CertificateVerificationError
		network  net.Error
	)
	switch {
	case isOwn(err):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", m.timeout)
	case errors.As(err, &reply):
		return fmt.Errorf("%d %s", reply.Code, m.presentable(reply.Msg, order))
	case errors.As(err, &record):
		return errors.New("it does not speak TLS there. If it begins without TLS, the URL starts with smtp://")
	case errors.As(err, &cert):
		return cert // has names of certificates only
	case errors.As(err, &protocol):
		return errors.New("what it said is not SMTP: " + m.presentable(string(protocol), order))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it closed the connection")
	case errors.As(err, &network):
		return err
	}
	// The library's own words may repeat the server's.
	return errors.New(m.presentable(err.Error(), order))
}

// isOwn reports whether an error is one of this package.
func isOwn(err error) bool {
	for _, own := range []error{errTurn, errTalk, errNoSTARTTLS, errNoAuth, errNoUTF8} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// presentable repeats a server's words without those that may be, or hold,
// something secret or personal: servers like to quote what they refuse.
func (m *mailer) presentable(text string, order provider.Mail) string {
	secrets := m.secrets(order)
	var b strings.Builder
	for word := range strings.FieldsSeq(text) {
		if !harmless(word, secrets) {
			word = "…"
		}
		if b.Len()+len(word) >= maxReply {
			b.WriteString(" …")
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}

// secrets returns what no text may have in it, in lower case.
func (m *mailer) secrets(order provider.Mail) []string {
	local, domain, _ := strings.Cut(order.To, "@")
	user, password := m.server.username, m.server.password
	all := []string{local, domain, user, password}
	for _, sent := range []string{user, password, "\x00" + user + "\x00" + password} {
		all = append(all, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(sent)), "="))
	}
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	return all
}

// harmless reports whether a word is one of a sentence, a number or a host name.
// An address has an @, a link and what is percent- or base64-encoded has one of
// the other characters that are not allowed, or is long.
func harmless(word string, secrets []string) bool {
	if len(word) > maxWord || strings.Contains(word, "//") {
		return false
	}
	for i := range len(word) {
		c := word[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte(`.,:;!?'"()[]-_/`, c) >= 0:
		default:
			return false
		}
	}
	word = strings.ToLower(word)
	bare := strings.Trim(word, `.,:;!?'"()[]-`)
	for _, s := range secrets {
		// Short ones are parts of many words.
		if s != "" && (bare == s || len(s) > 3 && strings.Contains(word, s)) {
			return false
		}
	}
	return true
}
