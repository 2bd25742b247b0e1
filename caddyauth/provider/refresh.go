package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Refresher is a provider that renews access tokens.
type Refresher interface {
	Provider

	// Refresh redeems a refresh token (RFC 6749, section 6), once. The account
	// that it returns has tokens only; without a new refresh token it has the one
	// that was redeemed, which stays good. Failures are of type *Error, see
	// [Refused]. If there is an account in spite of an error, its refresh token
	// takes the place of the one that was redeemed, and nothing else of it counts.
	Refresh(ctx context.Context, r RefreshRequest) (*Account, error)
}

// RefreshRequest is what a refresh takes.
type RefreshRequest struct {
	// RefreshToken is the provider's.
	RefreshToken string
	// Said is what the ID token of the sign-in said, the zero value if there was
	// none.
	Said Said
}

// Said is what an ID token says that a refreshed one has to repeat (OpenID
// Connect Core, section 12.2).
type Said struct {
	Subject         string `json:"sub,omitempty"`
	AuthorizedParty string `json:"azp,omitempty"`
	Nonce           string `json:"nonce,omitempty"`
	// AuthTime is in seconds since the epoch, 0 if the token has none.
	AuthTime int64 `json:"auth_time,omitempty"`
}

// SaidBy reads an ID token that was verified before. The zero value stands for
// one that cannot be read, or for none.
func SaidBy(idToken string) (s Said) {
	claims, err := unverified(idToken)
	if err != nil {
		return s
	}
	s.Subject, _ = claims["sub"].(string)
	s.AuthorizedParty, _ = claims["azp"].(string)
	s.Nonce, _ = claims["nonce"].(string)
	if t, ok := numericDate(claims["auth_time"]); ok {
		s.AuthTime = t.Unix()
	}
	return s
}

// SessionOf is the claim sid of an ID token that was verified before, empty if there
// is none.
func SessionOf(idToken string) string {
	claims, err := unverified(idToken)
	if err != nil {
		return ""
	}
	sid, _ := claims["sid"].(string)
	return sid
}

// unverified are the claims of a token that anybody may have made.
func unverified(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("not a JWT")
	}
	return decodeObject(payload)
}

// refusals are the error codes that no later attempt changes: the grant is over,
// or the person has to be there. GitHub has a word of its own.
var refusals = []string{"invalid_grant", "bad_refresh_token", "interaction_required", "login_required", "consent_required"}

// Refused reports whether a failed refresh is the provider's last word about the
// session: the grant is over, or the ID token is about somebody else. Everything
// else may pass, an error of ours in the configuration included.
func Refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return false
	case e.Reason == ReasonIDToken, e.Reason == ReasonNonce:
		return true
	}
	return e.Reason == ReasonToken && slices.Contains(refusals, e.Code)
}

// Refresh implements [Refresher].
func (p *oauthProvider) Refresh(ctx context.Context, r RefreshRequest) (*Account, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	t, err := p.redeemRefresh(ctx, m, r.RefreshToken)
	p.observe(err)
	if err != nil {
		return nil, err
	}
	account := &Account{
		Type: p.info.Type, AccessToken: t.access, RefreshToken: t.refresh,
		TokenType: t.kind, Scope: t.scope, ExpiresAt: t.expiresAt,
	}
	if p.preset.oidc && t.id != "" {
		if err := p.checkRefreshed(ctx, m, t, r.Said); err != nil {
			return &Account{RefreshToken: t.refresh}, err
		}
		account.IDToken = t.id
	}
	return account, nil
}

func (p *oauthProvider) redeemRefresh(ctx context.Context, m *metadata, token string) (*tokens, error) {
	if token == "" {
		return nil, &Error{Reason: ReasonToken, Err: errors.New("no refresh token")}
	}
	cfg, client, transport := p.tokenClient(m)
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	t, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	if err != nil {
		return nil, p.tokenError(ctx, m, err, token)
	}
	return p.readTokens(t, transport)
}

// checkRefreshed checks an ID token that came with a refresh (Core 12.2): as that
// of a sign-in, and that it repeats what that one said. Its nonce, which it should
// not have, is the one of the sign-in; its auth_time as well, however old.
func (p *oauthProvider) checkRefreshed(ctx context.Context, m *metadata, t *tokens, said Said) error {
	if encrypted(t.id) && p.decryption == nil {
		return invalid(errUnasked)
	}
	raw, err := p.signed(t.id, p.cfg.IDTokenKey != "")
	if err != nil {
		// Most likely our key has changed, which is no reason to log anybody out.
		return &Error{Reason: ReasonKeys, Err: fmt.Errorf("id_token: %w", err)}
	}
	t.id = raw
	peeked, err := unverified(t.id)
	if err != nil {
		return invalid(err)
	}
	nonce, _ := peeked["nonce"].(string)
	if nonce != "" && said.Subject != "" {
		nonce = said.Nonce
	}
	check, err := p.idTokenCheck(m, t, nonce)
	if err != nil {
		return err
	}
	check.maxAge = 0
	claims, err := check.verify(ctx, t.id)
	switch {
	case err != nil && check.keys.unknown:
		// While an issuer changes its keys, nobody is to be logged out for it.
		return &Error{Reason: ReasonKeys, Err: err}
	case err != nil:
		return err
	}
	if said.Subject == "" {
		return nil // nothing is left to compare with
	}
	if claims["sub"] != said.Subject {
		return invalid(errors.New("sub of the refreshed token is another than at the sign-in"))
	}
	if azp, ok := claims["azp"]; ok && said.AuthorizedParty != "" && azp != said.AuthorizedParty {
		return invalid(errors.New("azp of the refreshed token is another than at the sign-in"))
	}
	if v, ok := claims["auth_time"]; ok && said.AuthTime != 0 {
		if at, ok := numericDate(v); !ok || at.Unix() != said.AuthTime {
			return invalid(fmt.Errorf("auth_time of the refreshed token is another than at the sign-in, by %d s", at.Unix()-said.AuthTime))
		}
	}
	return nil
}
