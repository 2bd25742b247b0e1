package caddyauth

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/internal/limit"
)

// limits returns the limiters of the site, which outlive a reload.
func (s *site) limits() (authapi.Limits, error) {
	rates, err := s.rates()
	if err != nil {
		return authapi.Limits{}, err
	}
	identity := s.identity()
	limiter := func(use string) *limit.Limiter {
		return s.app.shared.limiter(limiterKey{site: identity, use: use, rate: rates[use]})
	}
	return authapi.Limits{
		SignIn: limiter("sign_in"), Account: limiter("account"), Client: limiter("client"),
		Mail: limiter("mail"), MailAccount: limiter("mail_account"), MailClient: limiter("mail_client"),
	}, nil
}

// rates returns the configured rates by their words.
func (s *site) rates() (map[string]limit.Rate, error) {
	c := s.config.Limit
	if c == nil {
		c = new(Limit)
	}
	rates := make(map[string]limit.Rate)
	for _, l := range []struct{ use, set, auto string }{
		{"sign_in", c.SignIn, "10/1m"}, {"account", c.Account, "100/1m"}, {"client", c.Client, "60/1m"},
		{"mail", c.Mail, "5/15m"}, {"mail_account", c.MailAccount, "20/15m"}, {"mail_client", c.MailClient, "20/15m"},
	} {
		rate, err := parseRate(cmp.Or(l.set, l.auto))
		if err != nil {
			return nil, fmt.Errorf("limit %s: %w", l.use, err)
		}
		if c.Off {
			rate = limit.Rate{}
		}
		rates[l.use] = rate
	}
	return rates, nil
}

// identity is what stays the same of a site when the configuration is loaded
// anew, and is no other site's: where it listens, which hosts it answers, and
// its base path. Neither file names nor lines will do: two files may have the
// same base name, JSON has neither, and both change with every edit. Until the
// routes were walked, there is nothing better than the source.
func (s *site) identity() string {
	if len(s.places) == 0 {
		return s.source
	}
	var listen []string
	hosts := slices.Clone(s.hosts)
	for _, at := range s.places {
		listen = append(listen, at.server.Listen...)
	}
	if s.everyHost {
		hosts = append(hosts, "*")
	}
	parts := []string{s.basePath}
	for _, list := range [][]string{listen, hosts} {
		slices.Sort(list)
		parts = append(parts, strings.Join(slices.Compact(list), " "))
	}
	return strings.Join(parts, "\n")
}

// parseRate reads a rate such as 10/1m.
func parseRate(text string) (limit.Rate, error) {
	count, span, ok := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 {
		return limit.Rate{}, fmt.Errorf("'%s' is no rate: write a number and a time span, such as 10/1m", text)
	}
	per, err := caddy.ParseDuration(span)
	if err != nil || per <= 0 {
		return limit.Rate{}, fmt.Errorf("'%s' is no rate: %q is no time span such as 1m", text, span)
	}
	return limit.Rate{N: n, Per: per}, nil
}
