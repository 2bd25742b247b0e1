package provider

import (
	"maps"
	"slices"
	"strings"
)

// Service describes an entry of the catalogue to whoever is to choose one.
type Service struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Type is TypeOIDC or TypeOAuth.
	Type string `json:"type"`
	// Issuer is the one that is used if none is configured, empty if one must be.
	Issuer string `json:"issuer,omitempty"`
	// Public says who can get an account: "anybody", "anybody, unless the issuer is
	// your own", or empty.
	Public string `json:"public,omitempty"`
	// Environment are the variables that a client must have, in order.
	Environment []string `json:"environment"`
	// Optional are the variables that it may have.
	Optional []string `json:"optional,omitempty"`
	Docs     string   `json:"docs"`
	Note     string   `json:"note,omitempty"`
}

// Values of Service.Public.
const (
	PublicAnybody   = "anybody"
	PublicByDefault = "anybody, unless the issuer is your own"
)

// Catalogue returns all services in the order of their ids, without the generic
// oidc and oauth2.
func Catalogue() []Service {
	var list []Service
	for _, id := range Presets() {
		if id != presetOIDC && id != presetOAuth2 {
			list = append(list, presets[id].describe())
		}
	}
	return list
}

func (p *preset) describe() Service {
	s := Service{ID: p.ID, Name: p.Name, Type: p.Type, Docs: p.Docs, Note: p.Note}
	env := EnvNames(p.ID)
	s.Environment = []string{env.ID, env.Secret}
	switch {
	case !p.ownIssuer():
	case p.Issuer == "":
		s.Environment = append(s.Environment, env.Issuer)
	default:
		s.Issuer = p.Issuer
		if !p.oidc || len(p.PublicIssuers) > 0 {
			s.Optional = []string{env.Issuer}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		variable := EnvSetting(p.ID, strings.TrimSuffix(name, "?"))
		if strings.HasSuffix(name, "?") {
			s.Optional = append(s.Optional, variable)
		} else {
			s.Environment = append(s.Environment, variable)
		}
	}
	switch {
	case p.Public && len(p.PublicIssuers) > 0:
		s.Public = PublicByDefault
	case p.Public:
		s.Public = PublicAnybody
	}
	return s
}
