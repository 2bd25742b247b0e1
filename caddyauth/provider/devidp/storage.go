package devidp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// request is an authorization request on its way to becoming tokens. It is
// immutable: the copy that a persona answered has one.
type request struct {
	id       string
	tenant   string
	asked    oidc.AuthRequest
	persona  Persona
	authTime time.Time
	grant    *grant // set on the copy that a code was redeemed for
}

func (r *request) GetID() string                      { return r.id }
func (r *request) GetACR() string                     { return "" }
func (r *request) GetAMR() []string                   { return nil }
func (r *request) GetAudience() []string              { return []string{ClientID} }
func (r *request) GetAuthTime() time.Time             { return r.authTime }
func (r *request) GetClientID() string                { return ClientID }
func (r *request) GetNonce() string                   { return r.asked.Nonce }
func (r *request) GetRedirectURI() string             { return r.asked.RedirectURI }
func (r *request) GetResponseType() oidc.ResponseType { return oidc.ResponseTypeCode }
func (r *request) GetResponseMode() oidc.ResponseMode { return oidc.ResponseModeQuery }
func (r *request) GetScopes() []string                { return r.asked.Scopes }
func (r *request) GetState() string                   { return r.asked.State }
func (r *request) GetSubject() string                 { return r.persona.Sub }
func (r *request) Done() bool                         { return r.persona.Sub != "" }
func (r *request) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.asked.CodeChallenge, Method: oidc.CodeChallengeMethodS256}
}

// errUnsupported answers what the OP library's storage can do and this
// provider does not offer.
var errUnsupported = errors.New("not supported by the development provider")

// storage is the state as the OP library sees it. The tenant comes with the
// context of each call.
type storage struct {
	*state
	keys   *keyring
	secret string // of the client
}

var _ op.Storage = (*storage)(nil)

// AuthRequestByCode returns the request of a code, once.
func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, ok := s.redeem(tenantFrom(ctx).key(), code)
	if !ok {
		return nil, errors.New("unknown, expired or used code")
	}
	return r, nil
}

// CreateAccessToken is called with the request that AuthRequestByCode
// returned.
func (s *storage) CreateAccessToken(_ context.Context, tr op.TokenRequest) (string, time.Time, error) {
	r, ok := tr.(*request)
	if !ok {
		return "", time.Time{}, oidc.ErrUnsupportedGrantType()
	}
	id := random(16)
	expires, ok := s.addToken(id, r)
	if !ok {
		return "", time.Time{}, oidc.ErrInvalidGrant().WithDescription("the code came back")
	}
	return id, expires, nil
}

// GetClientByClientID knows the one client of the tenant.
func (s *storage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	if id != ClientID {
		return nil, oidc.ErrInvalidClient().WithDescription("unknown client")
	}
	return client{tenantFrom(ctx)}, nil
}

// AuthorizeClientIDSecret compares in equal time, whatever the lengths.
func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	given, want := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(s.secret))
	if id != ClientID || subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return errors.New("wrong client or secret")
	}
	return nil
}

// SetUserinfoFromRequest fills the ID token.
func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, req op.IDTokenRequest, scopes []string) error {
	if r, ok := req.(*request); ok {
		r.persona.claims(info, scopes)
	}
	return nil
}

// SetUserinfoFromScopes is the library's former way to fill the ID token.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

// SetUserinfoFromToken fills the answer of the userinfo endpoint.
func (s *storage) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, id, _, _ string) error {
	t, ok := s.token(tenantFrom(ctx).key(), id)
	if !ok {
		return oidc.ErrAccessDenied().WithDescription("unknown or expired access token")
	}
	t.persona.claims(info, t.scopes)
	return nil
}

// TerminateSession ends what a sign-in left behind. There is no session at
// the provider: it asks for a persona every time.
func (s *storage) TerminateSession(ctx context.Context, sub, _ string) error {
	s.endTokens(tenantFrom(ctx).key(), sub)
	return nil
}

// SigningKey makes the key at its first call.
func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	if err := s.keys.load(); err != nil {
		return nil, err
	}
	return signingKey{s.keys}, nil
}

// SignatureAlgorithms is what discovery says.
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet is what the keys endpoint says.
func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	if err := s.keys.load(); err != nil {
		return nil, err
	}
	return []op.Key{publicKey{s.keys}}, nil
}

// Health always is.
func (s *storage) Health(context.Context) error { return nil }

// The rest of the library's storage is for endpoints that are not served, and
// for steps that this provider takes itself.

func (s *storage) CreateAuthRequest(context.Context, *oidc.AuthRequest, string) (op.AuthRequest, error) {
	return nil, errUnsupported
}

func (s *storage) AuthRequestByID(context.Context, string) (op.AuthRequest, error) {
	return nil, errUnsupported
}

func (s *storage) SaveAuthCode(context.Context, string, string) error { return errUnsupported }

func (s *storage) DeleteAuthRequest(context.Context, string) error { return nil }

func (s *storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errUnsupported
}

func (s *storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, errUnsupported
}

func (s *storage) RevokeToken(context.Context, string, string, string) *oidc.Error {
	return oidc.ErrInvalidRequest()
}

func (s *storage) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}

func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errUnsupported
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}
