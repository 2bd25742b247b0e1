package provider

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Revoker is a provider that can be told that a refresh token is of no further use.
type Revoker interface {
	Provider

	// Revoke has a refresh token revoked (OAuth 2.0 Token Revocation, RFC 7009), and
	// with it what was granted along with it. It reports whether the provider was
	// asked: not if it has no place for that, nor if it would take back the person's
	// consent, which other sessions rest on. Failures are of type *Error.
	Revoke(ctx context.Context, refreshToken string) (asked bool, err error)
}

// consentIssuers take whatever token is revoked for the person's consent to the
// application: their other sessions could not be renewed, and the next sign-in would
// ask for everything again. RFC 7009, section 2.1, leaves that to them.
var consentIssuers = map[string]bool{googleIssuer: true, "https://appleid.apple.com": true}

// Revoke implements [Revoker].
func (p *oauthProvider) Revoke(ctx context.Context, refreshToken string) (asked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil || m.revocation == "" || refreshToken == "" || consentIssuers[m.issuer] {
		return false, err
	}
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return false, &Error{Reason: ReasonDiscovery, Err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, client, _ := p.tokenClient(m)
	resp, err := client.Do(req)
	if err != nil {
		return true, failure(ctx, ReasonToken, fmt.Errorf("revocation: %w", err))
	}
	defer resp.Body.Close()
	// A token that the provider does not know is a 200 as well (section 2.2).
	if resp.StatusCode == http.StatusOK {
		return true, nil
	}
	refused := &oauth2.RetrieveError{Response: resp}
	if body, err := io.ReadAll(resp.Body); err == nil {
		refused.ErrorCode, refused.ErrorDescription = errorCode(body)
	}
	return true, p.endpointError(ctx, m.revocation, ReasonToken, refused, refreshToken)
}
