package caddyauth

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/authapi"
)

// provisionAccount finds out where the person's own page is, if there is one.
func (s *site) provisionAccount(caddy.Context) error {
	path := s.config.Account
	switch {
	case path == "" || path == accountOn || path == accountOff:
		return nil
	case !strings.HasPrefix(path, "/") || path == "/" || !plainPath(path):
		return fmt.Errorf("account %q: it is on, off, or a path such as /account, without escapes", path)
	}
	s.accountPath = path
	return nil
}

// accountOptions are what the page has, nil if there is none.
func (s *site) accountOptions() *authapi.AccountOptions {
	if !s.config.hasAccount() {
		return nil
	}
	return &authapi.AccountOptions{
		Path: s.accountPath, Tokens: s.config.hasTokens(),
		CheckPaths: checkPaths,
	}
}

// checkPaths says what is wrong with the paths that a token is to be good for.
func checkPaths(patterns ...string) error {
	_, err := newPaths(patterns)
	return err
}

// isAccountPage reports whether a URL is that of the person's own page, where that
// is not below the base path.
func (s *site) isAccountPage(original *url.URL) bool {
	return s.accountPath != "" && original.Path == s.accountPath && original.RawPath == ""
}
