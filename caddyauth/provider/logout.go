package provider

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.uber.org/zap"
)

// Leaver is a provider at which people can be signed out, and which says when they
// have been.
type Leaver interface {
	OAuth

	// EndSession returns where to send the browser of somebody who has signed out
	// (OpenID Connect RP-Initiated Logout 1.0), empty if the provider has no such
	// place. It may wait for discovery. Failures are of type *Error.
	EndSession(ctx context.Context, r EndSessionRequest) (string, error)

	// LogoutToken verifies a logout token (OpenID Connect Back-Channel Logout 1.0,
	// section 2.6), encrypted or not, but not that it comes for the first time. The error is
	// ErrLogoutToken if it is no good; others, of type *Error, mean that nobody can
	// tell.
	LogoutToken(ctx context.Context, raw string) (LogoutToken, error)
}

// EndSessionRequest is what a logout request differs in from one sign-out to the
// next.
type EndSessionRequest struct {
	// IDToken is the one of the session, empty if it was not kept.
	IDToken string
	// RedirectURI is where the browser comes back, with State.
	RedirectURI string
	State       string
}

// LogoutToken is what a provider says has ended.
type LogoutToken struct {
	// Subject and SessionID are the claims sub and sid. One may be empty.
	Subject, SessionID string
	// ID is the claim jti.
	ID string
	// Until is when the token is refused for its age.
	Until time.Time
}

const (
	// maxLogoutToken bounds a logout token, in bytes.
	maxLogoutToken = 16 << 10
	// maxLogoutAge is how old a logout token may be, however long it says that it is
	// good: that it has come before is remembered for so long.
	maxLogoutAge = time.Hour
	// maxTokenID bounds the claim jti.
	maxTokenID = 1024
	// logoutRefetchFloor is the least time between two fetches of the keys because of
	// logout tokens, which anybody can send.
	logoutRefetchFloor = time.Minute
	// maxHint bounds the ID token in the address of a logout: servers take 8 KiB and
	// more, but not always.
	maxHint = 6 << 10
)

// logoutExpected is what a site waits for.
type logoutExpected struct {
	backchannel, frontchannel bool
	once                      sync.Once
}

// compare warns, once, of a provider that does not say that it tells of logouts: a
// site that waits to be told would wait for ever. That goes by what discovery says,
// where leaving it out means no (Back-Channel Logout and Front-Channel Logout 1.0,
// section 2.1 and 3).
func (e *logoutExpected) compare(p *oauthProvider, m *metadata) {
	if !e.backchannel && !e.frontchannel {
		return
	}
	e.once.Do(func() {
		about := zap.String("provider", p.info.ID)
		if e.backchannel && !m.leaving.Backchannel {
			p.log.Warn("the provider's metadata does not say that it supports back-channel logout: sessions may not end here when they do there; "+
				"turn it on there, or leave out 'logout { backchannel }'", about)
		}
		if e.frontchannel && (!m.leaving.Frontchannel || !m.leaving.FrontchannelSession) {
			p.log.Warn("the provider's metadata does not say that it supports front-channel logout and names the session: sessions may not end here when they do there; "+
				"turn that on there (frontchannel_logout_session_required of the client), or leave out 'logout { frontchannel }'", about)
		}
	})
}

// EndSession implements [Leaver].
func (p *oauthProvider) EndSession(ctx context.Context, r EndSessionRequest) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil || m.endSession == "" {
		return "", err
	}
	endpoint, err := url.Parse(m.endSession)
	if err != nil {
		return "", &Error{Reason: ReasonDiscovery, Err: err}
	}
	q := endpoint.Query()
	for _, s := range []setting{
		{"id_token_hint", r.IDToken}, {"client_id", p.cfg.ClientID},
		{"post_logout_redirect_uri", r.RedirectURI}, {"state", r.State},
	} {
		q.Del(s.name)
		if s.value != "" && (s.name != "id_token_hint" || len(s.value) <= maxHint) {
			q.Set(s.name, s.value)
		}
	}
	endpoint.RawQuery = q.Encode()
	return endpoint.String(), nil
}

// LogoutToken implements [Leaver].
func (p *oauthProvider) LogoutToken(ctx context.Context, raw string) (LogoutToken, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	switch {
	case !p.preset.oidc:
		return LogoutToken{}, logoutInvalid(errors.New("the provider is not one of OpenID Connect"))
	case len(raw) > maxLogoutToken:
		return LogoutToken{}, logoutInvalid(errors.New("too long"))
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return LogoutToken{}, err
	}
	// It is encrypted where ID tokens are, and only there (2.6, rule 1).
	raw, err = p.signed(raw, p.cfg.IDTokenKey != "")
	if err != nil {
		return LogoutToken{}, logoutInvalid(fmt.Errorf("logout_token: %w", err))
	}
	check, err := p.idTokenCheck(m, new(tokens), "")
	if err != nil {
		return LogoutToken{}, err
	}
	check.keys.floor, check.what = logoutRefetchFloor, "logout_token"
	return check.verifyLogout(ctx, raw)
}

// verifyLogout checks a logout token. Signature, issuer, audience and times are
// those of an ID token; the rest is the reverse of what one must have.
func (c *idTokenCheck) verifyLogout(ctx context.Context, raw string) (t LogoutToken, err error) {
	if err := checkLogoutType(raw, c.algs); err != nil {
		return t, logoutInvalid(err)
	}
	token, err := c.signed(ctx, raw)
	if c.keys.unavailable != nil {
		return t, failure(ctx, ReasonKeys, c.keys.unavailable)
	}
	if err != nil {
		return t, logoutInvalid(err)
	}
	claims, err := claimsOf(token)
	if err != nil {
		return t, logoutInvalid(err)
	}
	for _, check := range []func(map[string]any) error{c.issuedFor, c.times, c.recent, logoutClaims, t.take} {
		if err := check(claims); err != nil {
			return LogoutToken{}, logoutInvalid(err)
		}
	}
	iat, _ := numericDate(claims["iat"])
	exp, _ := numericDate(claims["exp"])
	t.Until = iat.Add(maxLogoutAge)
	if exp.Before(t.Until) {
		t.Until = exp
	}
	t.Until = t.Until.Add(clockTolerance)
	return t, nil
}

// recent refuses a token that was issued long ago.
func (c *idTokenCheck) recent(claims map[string]any) error {
	iat, ok := numericDate(claims["iat"])
	if !ok || c.now.Sub(iat) >= maxLogoutAge+clockTolerance {
		return fmt.Errorf("issued more than %v ago", maxLogoutAge)
	}
	return nil
}

// logoutClaims checks what tells a logout token from an ID token (2.4, 2.6).
func logoutClaims(claims map[string]any) error {
	events, ok := claims["events"].(map[string]any)
	if !ok {
		return errors.New("events is missing or no object")
	}
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		return errors.New("events does not have the member of a back-channel logout, or it is no object")
	}
	if _, has := claims["nonce"]; has {
		return errors.New("it has a nonce, as an ID token may")
	}
	return nil
}

// take reads whom the token is about, and its id.
func (t *LogoutToken) take(claims map[string]any) error {
	for _, s := range []struct {
		name string
		to   *string
		most int
	}{{"sub", &t.Subject, maxSubject}, {"sid", &t.SessionID, maxSubject}, {"jti", &t.ID, maxTokenID}} {
		v, has := claims[s.name]
		if !has {
			continue
		}
		text, ok := v.(string)
		if !ok || text == "" || len(text) > s.most {
			return fmt.Errorf("%s is empty, too long or no string", s.name)
		}
		*s.to = text
	}
	switch {
	case t.Subject == "" && t.SessionID == "":
		return errors.New("neither sub nor sid")
	case t.ID == "":
		return errors.New("jti is missing")
	}
	return nil
}

// checkLogoutType is checkTokenType for logout tokens: those that say so are of type
// logout+jwt, others of none in particular (2.4).
func checkLogoutType(raw string, algs []string) error {
	header, err := tokenHeader(raw)
	if err != nil {
		return err
	}
	if typ, has := header["typ"]; has {
		text, _ := typ.(string)
		if t := strings.TrimPrefix(strings.ToLower(text), "application/"); t != "logout+jwt" && t != "jwt" {
			return fmt.Errorf("a token of type %q instead of a logout token", clip(text))
		}
	}
	if alg, _ := header["alg"].(string); !slices.Contains(algs, alg) {
		return fmt.Errorf("signed with %q instead of %s", clip(alg), strings.Join(algs, " or "))
	}
	return nil
}

// signed verifies the signature, the issuer and the audience as far as go-oidc does.
func (c *idTokenCheck) signed(ctx context.Context, raw string) (*oidc.IDToken, error) {
	issuer, err := c.expectedIssuer(func() (map[string]any, error) { return unverified(raw) })
	if err != nil {
		return nil, err
	}
	return oidc.NewVerifier(issuer, c.keys, &oidc.Config{
		ClientID:             c.clientID,
		SupportedSigningAlgs: c.algs,
		SkipExpiryCheck:      true, // times knows about tolerance and says more
	}).Verify(ctx, raw)
}

// logoutInvalid is an error about a logout token.
func logoutInvalid(err error) error { return fmt.Errorf("%w: %w", ErrLogoutToken, err) }
