package provider

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The presets that stand for a protocol instead of a service.
const (
	presetOIDC   = "oidc"
	presetOAuth2 = "oauth2"
)

// preset is what is known about a service: its entry in the catalogue, and what
// an entry cannot say. Everything in the entry can be overridden by the
// configuration.
type preset struct {
	service
	quirks
	oidc bool // discovery and ID token; otherwise endpoints and userinfo
}

// service is an entry of the catalogue.
//
// Endpoints may contain {issuer}, the issuer without a slash at its end, and
// {settings.x}; userinfo and its headers also {client_id}, {access_token} and
// {tokens.x}, a member of the token response. The language of the other values
// is that of signIn.field.
type service struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Type is TypeOIDC or TypeOAuth.
	Type string `json:"type"`
	// Docs says where to register a client.
	Docs string `json:"docs,omitempty"`
	// Note says why something is as it is, or what else is to be known.
	Note string `json:"note,omitempty"`

	// Issuer is the one of a service that has but one, or the default.
	Issuer string `json:"issuer,omitempty"`
	// IssuerSuffix is what an issuer ends with, added where it is left out.
	IssuerSuffix string `json:"issuer_suffix,omitempty"`
	// Instead is what to use in place of an issuer that the service does not take.
	Instead string `json:"instead,omitempty"`

	Authorization string `json:"authorization,omitempty"`
	Token         string `json:"token,omitempty"`
	Userinfo      string `json:"userinfo,omitempty"`
	JWKS          string `json:"jwks,omitempty"`

	Scope []string `json:"scope,omitempty"`
	// Checks, ClientAuth, ResponseMode and IDTokenAlg are the defaults of the
	// settings of those names, where the service needs others than those of its
	// kind.
	Checks       []string `json:"checks,omitempty"`
	ClientAuth   string   `json:"client_auth,omitempty"`
	ResponseMode string   `json:"response_mode,omitempty"`
	IDTokenAlg   []string `json:"id_token_alg,omitempty"`
	// Params are further parameters of the authorization request.
	Params map[string]string `json:"params,omitempty"`
	// Rename are other names of parameters, in both requests.
	Rename map[string]string `json:"rename,omitempty"`
	// TokenRequest is the form of the token request: "json" is an object in the
	// body, "get" a query. Default: a form in the body.
	TokenRequest string `json:"token_request,omitempty"`

	// AskUserinfo makes userinfo on the default of an OpenID Provider.
	AskUserinfo     bool              `json:"ask_userinfo,omitempty"`
	UserinfoMethod  string            `json:"userinfo_method,omitempty"` // default: GET
	UserinfoHeaders map[string]string `json:"userinfo_headers,omitempty"`
	// Source is where the profile is in the userinfo response, or in the token
	// response ($tokens.), which makes userinfo unnecessary. Default: all of it.
	Source string `json:"source,omitempty"`

	// Profile maps the fields of NextAuth's user.
	Profile map[string][]string `json:"profile"`
	// Login lists where the account's name at the service is: one that is unique
	// there and no display name.
	Login []string `json:"login,omitempty"`
	// Orgs lists the claims of which the first that is there has organizations.
	Orgs []string `json:"orgs,omitempty"`
	// Vouched is the address that the service vouches for. Default: with OpenID
	// Connect, email if email_verified is true; otherwise none.
	Vouched *vouched `json:"vouched,omitempty"`

	// Public is true where anybody can get an account; with PublicIssuers, only
	// at those.
	Public        bool     `json:"public,omitempty"`
	PublicIssuers []string `json:"public_issuers,omitempty"`

	// TakesUserinfo is true where the operator has to say which endpoint to ask.
	TakesUserinfo bool `json:"takes_userinfo,omitempty"`
	// Settings are what a client needs besides id and secret, with what that is.
	// Those with a question mark at the end of their name may be left out.
	Settings map[string]string `json:"settings,omitempty"`
}

// vouched is an address and the claims that must all be true for it to count.
type vouched struct {
	Address string   `json:"address"`
	If      []string `json:"if,omitempty"`
}

// quirks are what a service does its own way and an entry cannot say. All may be
// nil.
type quirks struct {
	// validate checks the configuration beyond what all have in common.
	validate func(c *Config, p *problems)
	// authorize has the last word about the address of an authorization request.
	authorize func(endpoint *url.URL, q query)
	// tokenForm changes a request to the token endpoint, client authentication
	// included, before parameters are renamed.
	tokenForm func(p *oauthProvider, form url.Values) error
	// tokenAnswer tidies the token response.
	tokenAnswer func(answer map[string]any)
	// askUserinfo changes the userinfo request.
	askUserinfo func(s *signIn, req *http.Request)
	// enrich adds to the profile what the userinfo endpoint leaves out.
	enrich func(ctx context.Context, s *signIn) error
	// login is the account's name, in place of Login.
	login func(s *signIn) string
	// orgs finds the organizations of a person in place of Orgs, asked only if a
	// rule wants to know; orgScope is the scope that it takes besides.
	orgs     func(ctx context.Context, s *signIn) ([]string, error)
	orgScope string
	// domain returns the domain the service vouches for. It is asked only about
	// verified addresses and gets the domain of that.
	domain func(profile map[string]any, address string) string
	// issuer reports whether what is configured may call itself so. Default: it
	// must be the same.
	issuer func(configured, stated string) bool
	// tokenIssuer returns the issuer that an ID token must have, given what
	// discovery states. Default: that.
	tokenIssuer func(configured, stated string, claims map[string]any) (string, error)
}

// catalogue is the table of services. What stands in it is about them; how it is
// read is in this package.
//
//go:embed presets.json
var catalogue []byte

var presets = mustPresets(catalogue)

// mustPresets panics over a table that no build can have: a test reads it.
func mustPresets(table []byte) map[string]*preset {
	known, err := readPresets(table, serviceQuirks())
	if err != nil {
		panic("provider: presets.json: " + err.Error())
	}
	return known
}

// readPresets decodes the table and binds the quirks to it.
func readPresets(table []byte, bound map[string]quirks) (map[string]*preset, error) {
	d := json.NewDecoder(bytes.NewReader(table))
	d.DisallowUnknownFields()
	var entries []service
	if err := d.Decode(&entries); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	known := make(map[string]*preset, len(entries))
	for i, e := range entries {
		switch {
		case !ValidID(e.ID):
			return nil, fmt.Errorf("%q is no id", e.ID)
		case i > 0 && entries[i-1].ID >= e.ID:
			return nil, fmt.Errorf("%s is out of order, or twice there", e.ID)
		case e.Name == "" || len(e.Profile["id"]) == 0 && e.ID != presetOAuth2:
			return nil, fmt.Errorf("%s has no name or no id", e.ID)
		case e.Type != TypeOIDC && e.Type != TypeOAuth:
			return nil, fmt.Errorf("%s is of type %q", e.ID, e.Type)
		}
		known[e.ID] = &preset{service: e, oidc: e.Type == TypeOIDC, quirks: bound[e.ID]}
	}
	for id := range bound {
		if known[id] == nil {
			return nil, fmt.Errorf("a quirk of %s, which is not in the table", id)
		}
	}
	return known, nil
}

// standardProfile maps the claims of OpenID Connect Core 5.1.
var standardProfile = map[string][]string{
	"id":    {"sub"},
	"name":  {"name", "nickname", "preferred_username"},
	"email": {"email"},
	"image": {"picture"},
}

// Presets returns the ids of all presets in alphabetical order, those that
// stand for a service and the generic oidc and oauth2.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// ownIssuer reports whether the issuer is the operator's to configure, as it is
// what the endpoints are found by.
func (p *preset) ownIssuer() bool {
	return p.oidc || p.ID == presetOAuth2 || strings.Contains(p.Authorization, "{issuer}")
}

// fullIssuer is an issuer with what all issuers of the service end with.
func (p *preset) fullIssuer(issuer string) string {
	if p.IssuerSuffix == "" || issuer == "" || strings.HasSuffix(strings.TrimRight(issuer, "/"), strings.TrimRight(p.IssuerSuffix, "/")) {
		return issuer
	}
	return strings.TrimRight(issuer, "/") + p.IssuerSuffix
}

// openIssuers are the issuers at which anybody can get an account.
func (p *preset) openIssuers() []string {
	switch {
	case !p.Public:
		return nil
	case len(p.PublicIssuers) > 0:
		return p.PublicIssuers
	case p.Issuer != "":
		return []string{p.Issuer}
	}
	return nil
}

// sameIssuer compares issuers as people write them, to find out whether they
// mean a public one.
func sameIssuer(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

// needsOpenID reports whether the scope openid is what makes the service issue
// an ID token. Apple does so anyway.
func (p *preset) needsOpenID() bool {
	return p.oidc && (len(p.Scope) == 0 || slices.Contains(p.Scope, "openid"))
}

// required are the names of the settings that a client cannot do without.
func (p *preset) required() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		if !strings.HasSuffix(name, "?") {
			names = append(names, name)
		}
	}
	return names
}

// settingNames are the names of all settings.
func (p *preset) settingNames() []string {
	names := slices.Sorted(maps.Keys(p.Settings))
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, "?")
	}
	return names
}
