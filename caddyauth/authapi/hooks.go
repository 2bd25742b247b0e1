package authapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// callbackRequest is the request as expressions see it.
func (a *API) callbackRequest(r *http.Request, site Site) callbacks.Request {
	path, err := url.PathUnescape(site.Path)
	if err != nil {
		path = site.Path
	}
	_, host, _ := strings.Cut(site.Origin, "://")
	return callbacks.Request{
		Method: r.Method, Host: host, Path: path, RawQuery: site.Query,
		Header: r.Header, IP: site.ClientIP, Time: a.opts.Now(),
	}
}

// signInInput are NextAuth's arguments of the callback signIn.
func (q *request) signInInput(s *signIn) callbacks.SignInInput {
	in := callbacks.SignInInput{
		User:    userObject(s.user),
		Account: q.accountObject(s),
		Request: q.api.callbackRequest(q.r, q.site),
	}
	if _, ok := s.provider.(provider.Credentials); ok {
		in.Credentials = q.credentials()
	} else {
		in.Profile = s.identity.Profile
	}
	return in
}

// userObject is NextAuth's user: what is undefined is left out, null stays.
func userObject(u provider.User) map[string]any {
	user := map[string]any{"id": u.ID}
	for name, v := range map[string]provider.Text{"name": u.Name, "email": u.Email, "image": u.Image} {
		if !v.IsZero() {
			user[name] = v.Any()
		}
	}
	return user
}

// accountObject is NextAuth's account, tokens included.
func (q *request) accountObject(s *signIn) map[string]any {
	a := s.identity.Account
	account := map[string]any{
		"provider":          s.provider.Info().ID,
		"type":              q.api.contract.providerType(s.provider.Info().Type),
		"providerAccountId": a.ProviderAccountID,
	}
	for name, value := range map[string]string{
		"access_token": a.AccessToken, "refresh_token": a.RefreshToken, "id_token": a.IDToken,
		"token_type": a.TokenType, "scope": a.Scope,
	} {
		if value != "" {
			account[name] = value
		}
	}
	if a.ExpiresAt != 0 {
		account["expires_at"] = a.ExpiresAt
	}
	return account
}

// credentials are the fields of a form. The token is left out: it proves where
// the form came from, and is nobody else's concern.
func (q *request) credentials() map[string]any {
	c := make(map[string]any, len(q.body))
	for name, f := range q.body {
		switch {
		case name == "csrfToken":
		case !f.invalid && f.present:
			c[name] = f.text
		case f.raw != "":
			var v any
			if json.Unmarshal([]byte(f.raw), &v) == nil {
				c[name] = v
			}
		}
	}
	return c
}

// logCallback logs that expressions failed. What they should have changed is as
// it was. Anybody can make some of them fail, as often as they like.
func (q *request) logCallback(providerID, userID string, err error) {
	if err == nil || !q.api.opts.Limits.ClientLog.Allow("callback\x00"+q.client()) {
		return
	}
	if entry := q.api.opts.Log.Check(zap.ErrorLevel, "callback failed"); entry != nil {
		entry.Write(append(q.about(providerID, userID), zap.String("error", q.describe(err)))...)
	}
}
