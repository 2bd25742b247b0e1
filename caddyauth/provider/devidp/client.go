package devidp

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// ClientID is the one client that every site has, without being registered.
// Its secret is random and lives as long as the process.
const ClientID = "caddyauth-dev"

// tenant is a site as the provider sees it: the issuer is part of it, and the
// only redirect URI follows from it.
type tenant struct {
	issuer   string // {origin}{base}/{mount}
	base     string // {origin}{base}
	origin   string
	id       string // of the provider, the last segment of the redirect URI
	personas []Persona
}

// newTenant takes an issuer apart, which ends in "/" and the mount.
func newTenant(issuer, mount, id string, personas []Persona) (*tenant, bool) {
	base, ok := strings.CutSuffix(issuer, "/"+mount)
	if !ok || !loopbackIssuer(issuer) {
		return nil, false
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	return &tenant{issuer: issuer, base: base, origin: u.Scheme + "://" + u.Host, id: id, personas: personas}, true
}

// key tells the tenants of one process apart.
func (t *tenant) key() string { return t.issuer + " " + t.id }

func (t *tenant) redirectURI() string { return t.base + "/callback/" + url.PathEscape(t.id) }

func (t *tenant) persona(sub string) (Persona, bool) {
	for _, p := range t.personas {
		if p.Sub == sub {
			return p, true
		}
	}
	return Persona{}, false
}

// host is what people know the site by.
func (t *tenant) host() string {
	_, host, _ := strings.Cut(t.origin, "://")
	return host
}

// issuerPath is the path of the issuer, for forms of the same origin.
func (t *tenant) issuerPath() string { return strings.TrimPrefix(t.issuer, t.origin) }

type tenantKey struct{}

// withTenant puts the tenant where the OP library's callbacks find it, and its
// issuer where the library itself looks.
func withTenant(ctx context.Context, t *tenant) context.Context {
	return op.ContextWithIssuer(context.WithValue(ctx, tenantKey{}, t), t.issuer)
}

func tenantFrom(ctx context.Context) *tenant {
	t, _ := ctx.Value(tenantKey{}).(*tenant)
	return t
}

// client is the tenant as the OP library's client: confidential, code flow
// only.
type client struct{ tenant *tenant }

func (c client) GetID() string          { return ClientID }
func (c client) RedirectURIs() []string { return []string{c.tenant.redirectURI()} }
func (c client) PostLogoutRedirectURIs() []string {
	return []string{c.tenant.origin, c.tenant.origin + "/"}
}
func (c client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c client) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodBasic }
func (c client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c client) GrantTypes() []oidc.GrantType { return []oidc.GrantType{oidc.GrantTypeCode} }
func (c client) LoginURL(id string) string {
	return c.tenant.issuer + loginPath + "?id=" + url.QueryEscape(id)
}
func (c client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c client) IDTokenLifetime() time.Duration      { return tokenLifetime }
func (c client) ClockSkew() time.Duration            { return 0 }
func (c client) IsScopeAllowed(string) bool          { return false }
func (c client) DevMode() bool                       { return true }

// IDTokenUserinfoClaimsAssertion puts the claims into the ID token as well, so
// that a client that never asks the userinfo endpoint sees the same person.
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }

func (c client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return same }
func (c client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return same }

func same(scopes []string) []string { return scopes }
