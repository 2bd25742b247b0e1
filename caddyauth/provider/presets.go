package provider

import (
	"context"
	"slices"
)

// The presets that stand for a protocol instead of a service.
const (
	presetOIDC   = "oidc"
	presetOAuth2 = "oauth2"
)

// preset is what is known about a service. Everything in it can be overridden
// by the configuration.
type preset struct {
	name   string
	oidc   bool // discovery and ID token; otherwise endpoints and userinfo
	issuer string
	// public is true where anybody can get an account.
	public bool

	authorization string
	token         string
	userinfo      string
	scope         []string
	// checks, clientAuth and responseMode are the defaults of the settings of those
	// names, where the service needs others than those of its kind.
	checks       []string
	clientAuth   string
	responseMode string
	// params are further parameters of the authorization request.
	params map[string]string

	// profile maps the fields of NextAuth's user to claims.
	profile map[string][]string
	// login lists the claims that hold the account's name at the service.
	login []string

	// enrich adds to the profile what the userinfo endpoint leaves out.
	enrich func(ctx context.Context, s *signIn) error
	// orgs finds the organizations of a person, asked only if a rule wants to
	// know; orgScope is the scope that it takes besides. Nil where there are none.
	orgs     func(ctx context.Context, s *signIn) ([]string, error)
	orgScope string
	// domain returns the domain the service vouches for. It is asked only about
	// verified addresses and gets the domain of that.
	domain func(profile map[string]any, address string) string
}

// standardProfile maps the claims of OpenID Connect Core 5.1.
var standardProfile = map[string][]string{
	"id":    {"sub"},
	"name":  {"name", "nickname", "preferred_username"},
	"email": {"email"},
	"image": {"picture"},
}

var presets = map[string]*preset{
	presetOIDC: {
		name:    "OpenID Connect",
		oidc:    true,
		scope:   []string{"openid", "profile", "email"},
		profile: standardProfile,
		login:   []string{"preferred_username"},
		orgs:    orgsIn("groups_direct", "groups"),
	},
	presetOAuth2: {
		name:    "OAuth 2.0",
		profile: map[string][]string{"id": {"sub", "id"}, "name": {"name"}, "email": {"email"}, "image": {"picture"}},
	},
	"github": {
		name: "GitHub",
		// Not discovered, only compared with the iss parameter of RFC 9207.
		issuer:        "https://github.com/login/oauth",
		public:        true,
		authorization: "https://github.com/login/oauth/authorize",
		token:         "https://github.com/login/oauth/access_token",
		userinfo:      "https://api.github.com/user",
		scope:         []string{"read:user", "user:email"},
		profile:       map[string][]string{"id": {"id"}, "name": {"name", "login"}, "email": {"email"}, "image": {"avatar_url"}},
		login:         []string{"login"},
		enrich:        githubEmails,
		orgs:          githubOrgs,
		orgScope:      "read:org",
	},
	"google": {
		name:    "Google",
		oidc:    true,
		issuer:  "https://accounts.google.com",
		public:  true,
		scope:   []string{"openid", "email", "profile"},
		profile: map[string][]string{"id": {"sub"}, "name": {"name"}, "email": {"email"}, "image": {"picture"}},
		domain:  googleDomain,
		orgs:    orgsIn("groups"),
	},
	"keycloak": {
		name:    "Keycloak",
		oidc:    true,
		scope:   []string{"openid", "email", "profile"},
		profile: map[string][]string{"id": {"sub"}, "name": {"name", "preferred_username"}, "email": {"email"}, "image": {"picture"}},
		login:   []string{"preferred_username"},
		orgs:    orgsIn("organization"),
	},
}

// Presets returns the ids of all presets in alphabetical order, those that
// stand for a service and the generic oidc and oauth2.
func Presets() []string {
	ids := make([]string, 0, len(presets))
	for id := range presets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// googleDomain follows Google's own rule for when an address is authoritative:
// an account at Workspace says so with hd, and gmail.com is Google's. A private
// Google account may be registered with any address of any company, verified
// once and never again.
func googleDomain(profile map[string]any, address string) string {
	if hd, ok := profile["hd"].(string); ok {
		return hostname(hd)
	}
	if address == "gmail.com" {
		return address
	}
	return ""
}
