package provider

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// protocolClaims are those of an ID token that a userinfo response cannot
// change: they are about the sign-in, not about the person.
var protocolClaims = []string{"iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "auth_time", "acr", "amr", "azp", "at_hash", "c_hash", "sid", "jti", "events"}

// signIn is a sign-in under way.
type signIn struct {
	p        *oauthProvider
	metadata *metadata
	tokens   *tokens
	subject  string // of the ID token, empty without OpenID Connect
	session  string // the claim sid of the same, empty if there is none
	profile  map[string]any
	verified *bool      // set where the service tells about addresses elsewhere
	params   url.Values // of the callback
}

// userinfo adds the claims of the userinfo endpoint, if it is to be asked.
func (s *signIn) userinfo(ctx context.Context) error {
	endpoint := s.metadata.userinfo
	if s.p.preset.oidc && (s.p.cfg.Userinfo == "" || s.p.cfg.Userinfo == userinfoOff) {
		return nil
	}
	if strings.HasPrefix(s.p.preset.Source, tokensPrefix) && s.p.cfg.userinfoURL() == "" {
		var err error
		if s.profile, err = s.sourced(s.tokens.raw); err != nil {
			return &Error{Reason: ReasonUserinfo, Err: err}
		}
		return nil
	}
	if endpoint == "" {
		return &Error{Reason: ReasonUserinfo, Err: errors.New("the provider has no userinfo endpoint")}
	}
	claims, err := s.fetchUserinfo(ctx, endpoint)
	if err != nil {
		return failure(ctx, ReasonUserinfo, fmt.Errorf("userinfo: %w", err))
	}
	if s.p.preset.oidc {
		// Without this check an access token swapped for another's would bring
		// that person's claims along (Core 5.3.2).
		if sub, ok := claims["sub"].(string); !ok || subtle.ConstantTimeCompare([]byte(sub), []byte(s.subject)) != 1 {
			return &Error{Reason: ReasonUserinfo, Err: errors.New("userinfo: sub is missing or another than that of the id_token")}
		}
		maps.DeleteFunc(claims, func(name string, _ any) bool { return slices.Contains(protocolClaims, name) })
		maps.Copy(s.profile, claims)
		return nil
	}
	if s.profile, err = s.sourced(claims); err != nil {
		return &Error{Reason: ReasonUserinfo, Err: err}
	}
	return nil
}

func (s *signIn) fetchUserinfo(ctx context.Context, endpoint string) (map[string]any, error) {
	req, err := s.userinfoRequest(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	body, mediaType, err := send(s.p.client, req)
	if err != nil {
		return nil, redacted(err)
	}
	switch {
	case mediaType == "application/jwt":
		return s.verifyUserinfo(ctx, strings.TrimSpace(string(body)))
	case mediaType == "text/html":
		return nil, errors.New("a page instead of JSON")
	}
	return decodeObject(body)
}

// verifyUserinfo reads a signed response (Core 5.3.2), encrypted or not: signature, iss and aud
// as in an ID token. It has no expiry, and needs none so fresh from the source.
func (s *signIn) verifyUserinfo(ctx context.Context, raw string) (map[string]any, error) {
	if !s.p.preset.oidc {
		return nil, errors.New("a signed response, and no keys to verify it with")
	}
	raw, err := s.p.signed(raw, false)
	if err != nil {
		return nil, err
	}
	algs := s.metadata.signingAlgs(s.p.cfg.IDTokenAlg)
	keys := &keySet{cache: s.p.cache.forJWKS(s.metadata.jwks), fetch: s.p.signingKeys(s.metadata.jwks), algs: algs}
	token, err := oidc.NewVerifier(s.p.cfg.Issuer, keys, &oidc.Config{
		ClientID: s.p.cfg.ClientID, SupportedSigningAlgs: algs, SkipExpiryCheck: true,
	}).Verify(ctx, raw)
	if keys.unavailable != nil {
		return nil, failure(ctx, ReasonKeys, keys.unavailable)
	}
	if err != nil {
		return nil, err
	}
	return claimsOf(token)
}
