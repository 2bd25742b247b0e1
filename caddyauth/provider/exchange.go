package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Exchange turns a callback's parameters into an identity.
func (p *oauthProvider) Exchange(ctx context.Context, r CallbackRequest) (*Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	if err := p.checkCallback(r); err != nil {
		return nil, err
	}
	m, err := p.checkIssuer(ctx, r.Params)
	if err != nil {
		return nil, err
	}
	if !p.cache.codes.spend(m.token, r, p.now()) {
		return nil, &Error{Reason: ReasonCodeUsed, Err: errors.New("the code was redeemed before")}
	}
	identity, err := p.exchange(ctx, m, r)
	p.observe(err)
	return identity, err
}

// exchange makes the calls of [oauthProvider.Exchange].
func (p *oauthProvider) exchange(ctx context.Context, m *metadata, r CallbackRequest) (*Identity, error) {
	t, err := p.redeem(ctx, m, r)
	if err != nil {
		return nil, err
	}
	s := &signIn{p: p, metadata: m, tokens: t, params: r.Params}
	if p.preset.oidc {
		if s.profile, err = p.idTokenClaims(ctx, m, t, r.Nonce); err != nil {
			return nil, err
		}
		s.subject, _ = s.profile["sub"].(string)
		if sid, _ := s.profile["sid"].(string); len(sid) <= maxSubject {
			s.session = sid
		}
	}
	if err := s.userinfo(ctx); err != nil {
		return nil, err
	}
	if enrich := p.preset.enrich; enrich != nil {
		if err := enrich(ctx, s); err != nil {
			return nil, failure(ctx, ReasonUserinfo, err)
		}
	}
	identity, err := s.identity()
	if err != nil {
		return nil, err
	}
	identity.Subject, identity.Session = s.subject, s.session
	identity.Orgs, err = s.organizations(ctx)
	if err != nil {
		return nil, err
	}
	return identity, nil
}

// CheckIssuer implements [OAuth].
func (p *oauthProvider) CheckIssuer(ctx context.Context, r CallbackRequest) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	if err := p.checkIss(r.Params["iss"]); err != nil {
		return err
	}
	_, err := p.checkIssuer(ctx, r.Params)
	return err
}

// checkIssuer demands an iss of providers that promise one (RFC 9207 2.4).
func (p *oauthProvider) checkIssuer(ctx context.Context, params url.Values) (*metadata, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if m.issParam && len(params["iss"]) == 0 {
		return nil, &Error{Reason: ReasonIss, Err: errors.New("the callback has no iss though the provider promises one")}
	}
	return m, nil
}

// checkIss compares the iss of a callback, if it has one, with the issuer asked.
func (p *oauthProvider) checkIss(iss []string) error {
	switch {
	case len(iss) == 0:
	case p.cfg.Issuer == "":
		return &Error{Reason: ReasonIss, Err: errors.New("the callback has an iss parameter, but no issuer is configured to compare it with; write: issuer <iss>")}
	case len(iss) != 1 || !p.issuerIs(iss[0]):
		return &Error{Reason: ReasonIss, Err: fmt.Errorf("the callback is from %q instead of %q", clip(iss[0]), p.cfg.Issuer)}
	}
	return nil
}

// issuerIs reports whether what calls itself so is the issuer asked.
func (p *oauthProvider) issuerIs(iss string) bool {
	if same := p.preset.issuer; same != nil {
		return same(p.cfg.Issuer, iss)
	}
	return iss == p.cfg.Issuer
}

// checkCallback is what can be checked before anything is sent: that the answer
// is that of the issuer asked, and that nothing is missing.
func (p *oauthProvider) checkCallback(r CallbackRequest) error {
	if err := p.checkIss(r.Params["iss"]); err != nil {
		return err
	}
	switch code := r.Params["code"]; {
	case len(code) != 1 || code[0] == "":
		return &Error{Reason: ReasonCode, Err: errors.New("the callback has no code, or several")}
	case p.checks.PKCE && r.CodeVerifier == "":
		return &Error{Reason: ReasonPKCE, Err: errors.New("the PKCE verifier is missing")}
	case p.checks.Nonce && r.Nonce == "":
		return &Error{Reason: ReasonNonce, Err: errors.New("the nonce that was sent is missing")}
	}
	return nil
}

func (p *oauthProvider) idTokenClaims(ctx context.Context, m *metadata, t *tokens, nonce string) (map[string]any, error) {
	if t.id == "" {
		return nil, &Error{Reason: ReasonIDToken, Err: errors.New("the token response has no id_token; is openid among the scopes?")}
	}
	raw, err := p.signed(t.id, p.cfg.IDTokenKey != "")
	if err != nil {
		return nil, invalid(err)
	}
	// What was encrypted stays open: as an id_token_hint it is of use only so
	// (OpenID Connect Core, section 3.1.2.1).
	t.id = raw
	check, err := p.idTokenCheck(m, t, nonce)
	if err != nil {
		return nil, err
	}
	return check.verify(ctx, t.id)
}

// idTokenCheck is what an ID token of the provider must agree with.
func (p *oauthProvider) idTokenCheck(m *metadata, t *tokens, nonce string) (*idTokenCheck, error) {
	algs := m.signingAlgs(p.cfg.IDTokenAlg)
	if len(algs) == 0 {
		return nil, &Error{Reason: ReasonDiscovery, Err: errors.New("the provider offers no asymmetric signature algorithm")}
	}
	maxAge, _ := strconv.Atoi(cmp.Or(p.cfg.Params["max_age"], p.cfg.authorizationParams()["max_age"]))
	keys := &keySet{cache: p.cache.forJWKS(m.jwks), fetch: p.signingKeys(m.jwks), algs: algs}
	if slices.Contains(algs, hmacAlg) {
		keys = &keySet{algs: algs, secret: []byte(p.cfg.ClientSecret)}
	}
	return &idTokenCheck{
		issuer: m.issuer, configured: p.cfg.Issuer, issuerFor: p.preset.tokenIssuer, clientID: p.cfg.ClientID, algs: algs,
		keys:        keys,
		nonce:       nonce,
		accessToken: t.access,
		maxAge:      time.Duration(max(maxAge, 0)) * time.Second,
		now:         p.now(), date: t.date,
	}, nil
}
