package provider

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

const (
	// microsoftTemplate is what discovery has in place of a tenant where the
	// issuer stands for many.
	microsoftTemplate = "{tenantid}"
	// microsoftConsumers is the tenant of all private accounts.
	microsoftConsumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

	microsoftCommon        = "common"
	microsoftOrganizations = "organizations"
	microsoftConsumersName = "consumers"
)

var (
	tenantPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	// microsoftPath is that of an issuer: the tenant, and v2.0.
	microsoftPath = regexp.MustCompile(`^/([^/]+)/v2\.0/?$`)
)

// splitTenant returns the origin and the tenant of an issuer of Microsoft's.
func splitTenant(issuer string) (origin, tenant string, ok bool) {
	u, err := url.Parse(issuer)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", "", false
	}
	m := microsoftPath.FindStringSubmatch(u.Path)
	if m == nil {
		return "", "", false
	}
	return u.Scheme + "://" + u.Host, m[1], true
}

// microsoftIssuer reports whether an issuer is what the configured one may call
// itself: a tenant's is itself, that of a tenant configured by a domain has its
// GUID, and those that stand for many tenants have a template, or the GUID of
// one of them.
func microsoftIssuer(configured, stated string) bool {
	origin, asked, ok := splitTenant(configured)
	if !ok {
		return stated == configured
	}
	host, tenant, ok := splitTenant(stated)
	if !ok || host != origin {
		return false
	}
	isTenant := tenantPattern.MatchString(tenant)
	switch asked {
	case microsoftCommon, microsoftOrganizations:
		return tenant == microsoftTemplate || isTenant && allowedTenant(asked, tenant)
	case microsoftConsumersName:
		return tenant == microsoftConsumers
	}
	if tenantPattern.MatchString(asked) {
		return tenant == asked
	}
	return isTenant
}

func allowedTenant(asked, tenant string) bool {
	return asked != microsoftOrganizations || tenant != microsoftConsumers
}

// microsoftTokenIssuer puts the tenant of a verified token into the template.
// Only a GUID can be one: whatever else tid says leads nowhere, and nothing is
// fetched for it.
func microsoftTokenIssuer(configured, stated string, claims map[string]any) (string, error) {
	origin, tenant, ok := splitTenant(stated)
	if !ok || tenantPattern.MatchString(tenant) {
		return stated, nil
	}
	_, asked, _ := splitTenant(configured)
	tid, _ := claims["tid"].(string)
	switch {
	case !tenantPattern.MatchString(tid):
		return "", errors.New("tid is missing or no tenant")
	case !allowedTenant(asked, tid):
		return "", fmt.Errorf("tid is that of private accounts, and %q has none", asked)
	}
	return origin + "/" + tid + "/v2.0", nil
}

// microsoftLogin is the name that a tenant gives its people. Among the tenants of
// the world it says nothing: whoever has one chooses the names in it.
func microsoftLogin(s *signIn) string {
	if s.p.info.Public {
		return ""
	}
	login, _ := claim.Text(s.profile["preferred_username"])
	if len(login) > maxID {
		return ""
	}
	return login
}

// b2cIssuer lets a document of Azure AD B2C call itself by the tenant, without
// the user flow that it is found by, as it does by default.
func b2cIssuer(configured, stated string) bool {
	if stated == configured {
		return true
	}
	asked, err := url.Parse(configured)
	if err != nil {
		return false
	}
	origin, tenant, ok := splitTenant(stated)
	return ok && strings.HasSuffix(stated, "/v2.0/") && tenantPattern.MatchString(tenant) && origin == asked.Scheme+"://"+asked.Host
}
