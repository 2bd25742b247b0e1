package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

// TokenIssuer is an authorization server whose access tokens can be verified:
// JWTs that it signs (RFC 9068).
type TokenIssuer interface {
	Provider

	// ClientID is that of the site itself, empty if it is no client of the issuer.
	ClientID() string

	// VerifyToken returns the payload of a token if it is signed with one of the
	// issuer's keys and one of the algorithms, and looks at nothing in it. A
	// failure to get the keys is of type *Error; all others are about the token.
	VerifyToken(ctx context.Context, raw string, algs []string) (payload []byte, err error)

	// TokenIdentity is whom the claims of an access token are about, read as
	// those of a sign-in are, so that both mean the same account.
	TokenIdentity(claims map[string]any) (*Identity, error)
}

// SigningAlgs returns the algorithms that tokens may be signed with, all of them
// asymmetric: with any other, whoever can verify a token can make one.
func SigningAlgs() []string { return slices.Clone(signingAlgs) }

// TokenIssuerConfig describes an issuer that nobody signs in with.
type TokenIssuerConfig struct {
	// Issuer is compared exactly. Required.
	Issuer string
	// JWKS is where the keys are. Default: discovery tells.
	JWKS string
	// Timeout is how long a fetch may take. Default: DefaultTimeout.
	Timeout time.Duration
}

// NewTokenIssuer makes an issuer of its configuration, without touching the
// network.
func NewTokenIssuer(c TokenIssuerConfig, opt Options) (TokenIssuer, error) {
	for _, s := range []setting{{"issuer", c.Issuer}, {"jwks", c.JWKS}} {
		if s.value == "" && s.name == "jwks" {
			continue
		}
		u, err := endpointURL(s.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if s.name == "issuer" && (u.RawQuery != "" || u.ForceQuery) {
			return nil, fmt.Errorf("issuer: %q has a query", c.Issuer)
		}
	}
	p := &oauthProvider{
		cfg: Config{
			Preset: presetOIDC, ID: "bearer", Issuer: c.Issuer, Profile: standardProfile,
			Timeout: Duration(cmp.Or(c.Timeout, DefaultTimeout)),
		},
		preset: presets[presetOIDC],
		static: metadata{issuer: c.Issuer, jwks: c.JWKS},
		info:   Info{ID: "bearer", Name: hostOf(c.Issuer), Type: TypeOIDC, Issuer: c.Issuer, Realm: realm(c.Issuer)},
		now:    opt.Now, log: opt.Log, cache: opt.Cache,
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	if p.cache == nil {
		p.cache = NewCache()
	}
	p.client = newClient(opt.HTTP, p.hosts(), time.Duration(p.cfg.Timeout))
	return p, nil
}

// ClientID implements [TokenIssuer].
func (p *oauthProvider) ClientID() string { return p.cfg.ClientID }

// VerifyToken implements [TokenIssuer].
func (p *oauthProvider) VerifyToken(ctx context.Context, raw string, algs []string) ([]byte, error) {
	if !p.preset.oidc {
		return nil, errors.New("the issuer has no keys")
	}
	url, err := p.jwksURL(ctx)
	if err != nil {
		return nil, failure(ctx, ReasonDiscovery, err)
	}
	keys := &keySet{cache: p.cache.forJWKS(url), fetch: p.signingKeys(url), algs: algs}
	payload, err := keys.VerifySignature(ctx, raw)
	if keys.unavailable != nil {
		return nil, failure(ctx, ReasonKeys, keys.unavailable)
	}
	return payload, err
}

// jwksURL needs nothing else of the metadata: an issuer of access tokens alone
// may have no authorization endpoint.
func (p *oauthProvider) jwksURL(ctx context.Context) (string, error) {
	if p.static.jwks != "" {
		return p.static.jwks, nil
	}
	m, err := p.discovered().get(ctx, p.discovery())
	if err != nil {
		return "", err
	}
	if m.jwks == "" {
		return "", fmt.Errorf("discovery at %s: no jwks endpoint", p.cfg.Issuer)
	}
	return m.jwks, nil
}

// TokenIdentity implements [TokenIssuer].
func (p *oauthProvider) TokenIdentity(claims map[string]any) (*Identity, error) {
	return (&signIn{p: p, metadata: &p.static, tokens: new(tokens), profile: claims}).identity()
}
