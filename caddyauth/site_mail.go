package caddyauth

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/provider/email"
)

// newEmail builds the provider of magic links.
func (s *site) newEmail(c *Provider, opts provider.Options) (provider.Provider, error) {
	mail, err := completeMail(c)
	if err != nil {
		return nil, err
	}
	return email.New(*mail, opts)
}

// completeMail expands the placeholders of a mail provider's configuration.
func completeMail(c *Provider) (*email.Config, error) {
	mail := new(email.Config)
	if c.Mail != nil {
		*mail = *c.Mail
	}
	mail.ID = c.id()
	if c.Name != "" && mail.Name == "" {
		mail.Name = c.Name
	}
	if mail.From == "" {
		mail.From = os.Getenv("EMAIL_FROM")
	}
	if mail.Server == "" {
		mail.Server = os.Getenv("EMAIL_SERVER")
	}
	var errs []error
	expand := func(word string, value *string) {
		expanded, err := resolve(*value)
		if err != nil {
			errs = append(errs, fmt.Errorf("email: %s: %w", word, err))
		}
		*value = expanded
	}
	server, err := splitServer(mail.Server)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name  string
		value *string
	}{
		{"from", &mail.From}, {"username", &mail.Username}, {"password", &mail.Password},
		{"reply_to", &mail.ReplyTo}, {"subject", &mail.Subject}, {"tls_ca", &mail.TLSCA},
		{"server", &server.rest}, {"server", &server.user}, {"server", &server.password},
	} {
		expand(f.name, f.value)
	}
	mail.Server = server.join()
	return mail, errors.Join(errs...)
}

// server is the URL of a mail server in parts, each of which may be a
// placeholder whose value has characters that mean something in a URL.
type server struct{ scheme, user, password, rest string }

// splitServer splits the text before anything is expanded: the user name and the
// password end at the last @ of the authority.
func splitServer(raw string) (s server, err error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		s.rest = raw
		return s, nil
	}
	s.scheme, s.rest = scheme, rest
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return s, nil
	}
	user, password, _ := strings.Cut(rest[:at], ":")
	s.rest = rest[at+1:]
	for _, part := range []struct {
		raw string
		to  *string
	}{{user, &s.user}, {password, &s.password}} {
		*part.to = part.raw
		if strings.Contains(part.raw, "{") {
			continue // taken as it is once it is expanded
		}
		if *part.to, err = url.PathUnescape(part.raw); err != nil {
			return s, errors.New("email: the user name and the password in the mail server's URL must be percent-encoded")
		}
	}
	return s, nil
}

func (s server) join() string {
	if s.scheme == "" {
		return s.rest
	}
	text := s.scheme + "://"
	switch {
	case s.password != "":
		text += url.UserPassword(s.user, s.password).String() + "@"
	case s.user != "":
		text += url.User(s.user).String() + "@"
	}
	return text + s.rest
}

// mails reports whether the site mails links, which name a host: where any host
// is answered, a stranger could have our mails lead to one of theirs.
func (s *site) mails() bool {
	for _, p := range s.providers {
		if _, ok := p.(provider.Email); ok {
			return true
		}
	}
	return false
}

// checkMail refuses links with whatever host a request names.
func (s *site) checkMail() error {
	if !s.mails() || s.canonical != nil {
		return nil
	}
	if s.everyHost || slices.ContainsFunc(s.hosts, func(h string) bool { return strings.Contains(h, "*") }) {
		return errors.New("'email' on a site that answers more hosts than it names needs 'url': the links in its mails would lead wherever a request says")
	}
	return nil
}
