package authapi

import (
	"slices"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// userClaims are NextAuth's own: what is undefined is left out, null stays.
func userClaims(u provider.User) map[string]any {
	claims := map[string]any{"sub": u.ID}
	for name, v := range map[string]provider.Text{"name": u.Name, "email": u.Email, "picture": u.Image} {
		if !v.IsZero() {
			claims[name] = v.Any()
		}
	}
	return claims
}

// evidence is what the rules will decide on for as long as the session lives.
// The sid is new at each sign-in, so nobody can prepare one for somebody else.
func (q *request) evidence(p provider.Provider, identity *provider.Identity) session.Evidence {
	info := p.Info()
	e := session.Evidence{
		SID:      session.NewID(),
		Provider: info.ID,
		Realm:    info.Realm,
		Account:  identity.Account.ProviderAccountID,
		Login:    identity.Login,
		Verified: identity.Verified,
		Domain:   identity.Domain,
		Roles:    lists(identity, q.rolePaths(identity.Profile)),
		Groups:   lists(identity, q.groupPaths()),
		Orgs:     identity.Orgs,
		AuthTime: q.now.Unix(),
		Since:    q.now.UnixMilli(),
		StepUp:   q.improves,
	}
	e.IdPSession = session.IdPMark(identity.Session)
	if identity.Subject != e.Account {
		e.IdPSubject = session.IdPMark(identity.Subject)
	}
	for _, g := range identity.Groups {
		if !slices.Contains(e.Groups, g) {
			e.Groups = append(e.Groups, g)
		}
	}
	if q.improves != "" && identity.AuthTime.IsZero() && identity.Account.IDToken != "" {
		// A provider that was asked for max_age must say (OpenID Connect Core,
		// section 2). Whoever took the question out of the address gains nothing.
		e.AuthTime = 0
	}
	// A time to come would keep the sign-in fresh until then.
	if t := identity.AuthTime; !t.IsZero() && t.Before(q.now) {
		e.AuthTime = max(t.Unix(), 0)
	}
	if acr, ok := identity.Profile["acr"].(string); ok && len(acr) <= maxACR {
		e.ACR = acr
	}
	return e
}

// maxACR bounds the name of an authentication context class.
const maxACR = 255

// rolePaths are where roles are found: by default in every place where
// Keycloak, and most others, put them.
func (q *request) rolePaths(profile map[string]any) []string {
	if q.api.opts.Roles != nil {
		return q.api.opts.Roles
	}
	paths := []string{"roles", "realm_access.roles"}
	if client := clientOf(profile); client != "" {
		paths = append(paths, "resource_access."+client+".roles")
	}
	return paths
}

// clientOf is our id at the provider as its ID token has it: the authorized
// party or, where there is only one, the audience. With OpenID Connect both were
// verified. The profile of an OAuth 2.0 service may claim anything here, but all
// that it chooses is which of its own claims are read.
func clientOf(profile map[string]any) string {
	if azp, ok := profile["azp"].(string); ok && azp != "" {
		return azp
	}
	if aud := claim.Strings(profile["aud"]); len(aud) == 1 {
		return aud[0]
	}
	return ""
}

func (q *request) groupPaths() []string {
	if q.api.opts.Groups != nil {
		return q.api.opts.Groups
	}
	return []string{"groups"}
}

// lists joins the values at several claim paths, each value once. The groups of
// a users file count as its claim "groups".
func lists(identity *provider.Identity, paths []string) []string {
	var all []string
	for _, path := range paths {
		v, ok := claim.Lookup(identity.Profile, path)
		if !ok && path == "groups" {
			v = identity.Groups
		}
		for _, s := range claim.Strings(v) {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// dropUnread leaves only the values that a rule reads. Identity headers become
// shorter by it, which an operator has to know.
func (q *request) dropUnread(e *session.Evidence) {
	before := len(e.Roles) + len(e.Groups) + len(e.Orgs)
	keep := func(list string, values []string) []string {
		return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			return q.api.opts.Needed == nil || !q.api.opts.Needed(list, v)
		})
	}
	e.Roles, e.Groups, e.Orgs = keep("roles", e.Roles), keep("groups", e.Groups), keep("orgs", e.Orgs)
	dropped := before - len(e.Roles) - len(e.Groups) - len(e.Orgs)
	if dropped == 0 {
		return
	}
	q.api.opts.Log.Warn("a session is too large for cookies: roles and groups that no rule names were left out",
		zap.String("provider", e.Provider), zap.String("account", e.Account), zap.Int("dropped", dropped))
}
