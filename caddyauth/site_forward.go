package caddyauth

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/grant"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

const authorization = "Authorization"

// provisionForward checks the field that access tokens are forwarded in.
func (s *site) provisionForward() error {
	name := s.config.AccessToken
	if name == "" || strings.EqualFold(name, accountOff) {
		return nil
	}
	// What can carry an identity can carry a token.
	field := gate.Field{Name: name, Value: func(*session.Session) string { return "" }}
	if _, err := gate.NewHeaders(gate.HeaderOptions{Fields: []gate.Field{field}}); err != nil {
		return fmt.Errorf("access_token: %s", strings.TrimPrefix(err.Error(), "headers: "))
	}
	s.tokenField = textproto.CanonicalMIMEHeaderKey(name)
	if slices.Contains(s.headers.Names(), s.tokenField) {
		return fmt.Errorf("access_token: %s is among the headers that name the person: take another", s.tokenField)
	}
	return nil
}

// tokenFields are the fields that no client may send. Authorization is not
// among them: where nobody is signed in, it is the upstream's affair.
func (s *site) tokenFields() []string {
	if s.tokenField == "" || s.tokenField == authorization {
		return nil
	}
	return []string{s.tokenField}
}

// newGrants returns what keeps and renews the tokens of providers, nil where none of
// them are of any use.
func (s *site) newGrants(secrets []string, sessions *session.Manager, driver store.Driver) (*grant.Keeper, error) {
	if s.tokenField == "" && !s.config.leaves() {
		return nil, nil
	}
	opts := grant.Options{
		Providers: s.providers, Sessions: sessions, Store: driver, Dialect: s.dialect, Secrets: secrets, Names: s.names,
		Memory: s.app.shared.grants, Log: s.log,
		IDTokens: s.config.leaves(), IDTokensOnly: s.tokenField == "", Shared: s.portal != nil,
	}
	if s.store != nil {
		opts.Space = s.store.id
	}
	return grant.New(opts)
}

// keeper is a Keeper as the API knows it: nil must stay nil.
func keeper(k *grant.Keeper) authapi.Grants {
	if k == nil {
		return nil
	}
	return k
}

// forwards reports whether a request that passes may get an access token: a
// session cookie says who sends it. A token that does so stands for its owner here
// and nowhere else.
func (s *site) forwards(r *http.Request, d gate.Decision) bool {
	return s.tokenField != "" && d.Session != nil && d.Session.PAT == nil && !d.Session.Bearer &&
		len(cookie.Present(r.Header, s.cookieNames(r).Session)) > 0
}

// whyEnded are the cookies that tell the person why there is no session any more.
func (s *site) whyEnded(r *http.Request, original *url.URL, ended *session.Session) []cookie.Cookie {
	origin, err := s.origin(r)
	if err != nil {
		return nil // nor will there be a page
	}
	return s.engine.Load().api.Refused(r, s.apiSite(r, origin, original), ended)
}

// putToken sets the field, or removes it where there is no token: what a client
// sends there must not pass for one.
func (s *site) putToken(h http.Header, token string) {
	switch {
	case token == "":
		h.Del(s.tokenField)
	case s.tokenField == authorization:
		h.Set(authorization, "Bearer "+token)
	default:
		h.Set(s.tokenField, token)
	}
}
