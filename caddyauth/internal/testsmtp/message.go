package testsmtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Message is a mail that the server took.
type Message struct {
	// From and To are those of the envelope.
	From string   `json:"from"`
	To   []string `json:"to"`
	// Subject, Text and HTML are decoded. Line breaks are line feeds.
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
	// Link is the first address in the text.
	Link string `json:"link"`
	// Header is what stands above the parts, as it was sent.
	Header mail.Header `json:"header"`
	// Raw is the whole message.
	Raw string `json:"raw"`

	// TLS says that the connection was encrypted, Username who was authenticated
	// on it, Helo what the client called itself, UTF8 that it asked for SMTPUTF8.
	TLS      bool   `json:"tls"`
	Username string `json:"username"`
	Helo     string `json:"helo"`
	UTF8     bool   `json:"utf8"`
}

// parse fills in what the message says.
func (m *Message) parse(raw []byte) error {
	m.Raw = string(raw)
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	m.Header = msg.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return err
	}
	if err := m.parseBody(msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body); err != nil {
		return err
	}
	for line := range strings.Lines(m.Text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "http://") || strings.HasPrefix(line, "https://") {
			m.Link = line
			break
		}
	}
	return nil
}

func (m *Message) parseBody(contentType, encoding string, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", contentType, err)
	}
	if kind != "multipart/alternative" {
		return m.parsePart(kind, params["charset"], encoding, body)
	}
	parts := multipart.NewReader(body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		if err := m.parsePart(kind, params["charset"], part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
			return err
		}
	}
}

func (m *Message) parsePart(kind, charset, encoding string, body io.Reader) error {
	if !strings.EqualFold(charset, "utf-8") {
		return fmt.Errorf("a part of type %s has the character set %q", kind, charset)
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(b), "\r\n", "\n")
	switch kind {
	case "text/plain":
		m.Text = text
	case "text/html":
		m.HTML = text
	default:
		return fmt.Errorf("a part is of type %s", kind)
	}
	return nil
}
