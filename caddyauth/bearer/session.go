package bearer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// session is what a verified token stands for. Its claims are the token's, with
// the person's as a session has them, scopes as a list, and the evidence.
func (v *Verifier) session(i *Issuer, t *token) (*session.Session, error) {
	identity, err := i.Accounts.TokenIdentity(t.claims)
	if err != nil {
		return nil, err
	}
	account, login := identity.Account.ProviderAccountID, identity.Login
	if i.Standalone {
		// Two issuers may have people of one name. What is unique is the subject.
		account, login = StandaloneAccount(i.Accounts.Info().Issuer, account), ""
	}
	claims := maps.Clone(t.claims)
	claims["sub"] = account
	for name, text := range map[string]provider.Text{"name": identity.User.Name, "email": identity.User.Email, "picture": identity.User.Image} {
		delete(claims, name)
		if !text.IsZero() {
			claims[name] = text.Any()
		}
	}
	claims["scopes"] = scopes(t.claims)
	// Under the names of session.Evidence, so that it is read as any other.
	evidence := map[string]any{
		"sid":      tokenID(t.raw),
		"provider": i.providerOf(), "realm": i.Accounts.Info().Realm,
		"account": account, "login": login,
		"verified": identity.Verified, "domain": identity.Domain,
		"roles": v.lists(t.claims, i.rolePaths(v.opts.Roles)), "groups": v.lists(t.claims, v.groupPaths()),
	}
	if at, ok := numericDate(t.claims["auth_time"]); ok {
		evidence["auth_time"] = at.Unix()
	}
	if at, ok := numericDate(t.claims["iat"]); ok {
		evidence["since"] = at.UnixMilli()
	}
	if acr, ok := t.claims["acr"].(string); ok {
		evidence["acr"] = acr
	}
	claims[session.EvidenceClaim] = evidence
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	return session.FromBearer(string(payload))
}

// tokenID names a token, for whoever has to tell one from another.
func tokenID(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return "bearer-" + hex.EncodeToString(sum[:16])
}

// rolePaths are where roles are found. Those of the client that got the token are
// not read: they say what it may do elsewhere.
func (i *Issuer) rolePaths(configured []string) []string {
	if configured != nil {
		return configured
	}
	paths := []string{"roles", "realm_access.roles"}
	for _, name := range append(slices.Clip(i.Audience), i.Accounts.ClientID()) {
		if name != "" {
			paths = append(paths, "resource_access."+name+".roles")
		}
	}
	return paths
}

func (v *Verifier) groupPaths() []string {
	if v.opts.Groups != nil {
		return v.opts.Groups
	}
	return []string{"groups"}
}

// lists joins the values at several claim paths, each value once.
func (v *Verifier) lists(claims map[string]any, paths []string) []string {
	var all []string
	for _, path := range paths {
		value, _ := claim.Lookup(claims, path)
		for _, s := range claim.Strings(value) {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// Issuers returns the names of the issuers in order, each once.
func (v *Verifier) Issuers() []string {
	var names []string
	for _, i := range v.opts.Issuers {
		if name := i.Accounts.Info().Issuer; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
