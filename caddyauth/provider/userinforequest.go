package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

// userinfoRequest is a request for the profile, in the manner of the service.
// The access token is in the header (RFC 6750 2.1, the only way that keeps it out
// of logs) unless the service wants it in the address.
func (s *signIn) userinfoRequest(ctx context.Context, address string) (*http.Request, error) {
	known := s.p.preset
	target, ok := s.userinfoAddress(address)
	if !ok {
		return nil, errors.New("the token response lacks what the address of the userinfo endpoint is made of")
	}
	req, err := http.NewRequestWithContext(ctx, known.userinfoMethod(), target, nil)
	if err != nil {
		return nil, errors.New("the userinfo endpoint is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	if target == address || !strings.Contains(address, "{access_token}") {
		req.Header.Set("Authorization", "Bearer "+s.tokens.access)
	}
	for name, template := range known.UserinfoHeaders {
		value, ok := expand(template, s.variable)
		if !ok {
			return nil, fmt.Errorf("the header %s of the userinfo request lacks a value", name)
		}
		req.Header.Set(name, value)
	}
	if known.askUserinfo != nil {
		known.askUserinfo(s, req)
	}
	return req, nil
}

// userinfoAddress fills in what only a sign-in knows. An address that discovery
// tells, or the configuration, is no template.
func (s *signIn) userinfoAddress(address string) (string, bool) {
	if address != s.p.endpoint(s.p.preset.Userinfo) {
		return address, true
	}
	return expand(address, func(name string) (string, bool) {
		v, ok := s.variable(name)
		return escape(v), ok
	})
}

func (p *preset) userinfoMethod() string {
	if p.UserinfoMethod == "" {
		return http.MethodGet
	}
	return p.UserinfoMethod
}

// variable is what a userinfo request may be made of.
func (s *signIn) variable(name string) (string, bool) {
	switch name {
	case "client_id":
		return s.p.cfg.ClientID, true
	case "access_token":
		return s.tokens.access, true
	}
	if member, ok := strings.CutPrefix(name, "tokens."); ok {
		v, _ := at(s.tokens.raw, member)
		text, ok := claim.Text(v)
		return text, ok && text != ""
	}
	return s.p.variable(name)
}

// variable is what an endpoint may be made of.
func (p *oauthProvider) variable(name string) (string, bool) {
	if name == "issuer" {
		return strings.TrimRight(p.cfg.Issuer, "/"), p.cfg.Issuer != ""
	}
	if setting, ok := strings.CutPrefix(name, "settings."); ok {
		v := p.cfg.Settings[setting]
		return v, v != ""
	}
	return "", false
}

// endpoint fills in what is known of an endpoint beforehand. Names that only a
// sign-in knows stay.
func (p *oauthProvider) endpoint(template string) string {
	full, _ := expand(template, func(name string) (string, bool) {
		if v, ok := p.variable(name); ok {
			return v, true
		}
		return "{" + name + "}", true
	})
	return full
}

// sourced is the part of a response that is the profile.
func (s *signIn) sourced(response map[string]any) (map[string]any, error) {
	path := s.p.preset.Source
	if path == "" || s.p.cfg.userinfoURL() != "" {
		return response, nil
	}
	v, _ := at(response, strings.TrimPrefix(path, tokensPrefix))
	profile, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the response has no object at %s", path)
	}
	return profile, nil
}

// redacted keeps a token that had to be in the address out of an error.
func redacted(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return err
	}
	return &url.Error{Op: u.Op, URL: hostOf(u.URL), Err: u.Err}
}
