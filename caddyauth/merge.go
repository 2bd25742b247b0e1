package caddyauth

import (
	"encoding/json"
	"strings"
)

// merge returns the configuration of a site: its own, over the global one.
func merge(global, site *Config) (*Config, error) {
	merged := *site
	providers, err := mergeProviders(global.Providers, site.Providers)
	if err != nil {
		return nil, err
	}
	merged.Providers = providers
	merged.Public = append(clip(global.Public), site.Public...)
	merged.Private = append(clip(global.Private), site.Private...)
	merged.Deny = append(clip(global.Deny), site.Deny...)
	merged.Allow = mergeAllow(global.Allow, site.Allow)

	merged.API = append(clip(global.API), site.API...)
	merged.StepUp = append(clip(global.StepUp), site.StepUp...)
	merged.CallbackOrigins = append(clip(global.CallbackOrigins), site.CallbackOrigins...)

	setDefault(&merged.Bearer, global.Bearer)
	setDefault(&merged.ForwardAuth, global.ForwardAuth)
	setDefault(&merged.Portal, global.Portal)
	setDefault(&merged.Assertion, global.Assertion)
	setDefault(&merged.AccessToken, global.AccessToken)
	setDefault(&merged.URL, global.URL)
	setDefault(&merged.BasePath, global.BasePath)
	setDefault(&merged.Session, global.Session)
	setDefault(&merged.Headers, global.Headers)
	setDefault(&merged.Limit, global.Limit)
	setDefault(&merged.Pages, global.Pages)
	setDefault(&merged.AutoRedirect, global.AutoRedirect)
	setDefault(&merged.Compat, global.Compat)
	setDefault(&merged.Callbacks, global.Callbacks)
	setDefault(&merged.Client, global.Client)
	setDefault(&merged.Account, global.Account)
	setDefault(&merged.Tokens, global.Tokens)
	setDefault(&merged.Logout, global.Logout)
	setDefault(&merged.InitiateLogin, global.InitiateLogin)
	if merged.StoreRaw == nil {
		merged.StoreRaw = global.StoreRaw
	}
	for _, list := range []struct{ to, from *[]string }{
		{&merged.Secret, &global.Secret}, {&merged.Roles, &global.Roles}, {&merged.Groups, &global.Groups},
	} {
		if *list.to == nil {
			*list.to = *list.from
		}
	}
	return &merged, nil
}

// clip returns s without room to grow, so that appending copies: the global
// configuration is shared by all sites.
func clip[T any](s []T) []T { return s[:len(s):len(s)] }

func setDefault[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

// mergeAllow drops the global rules of every scope for which the site has its
// own.
func mergeAllow(global, site []*Rule) []*Rule {
	own := make(map[string]bool, len(site))
	for _, r := range site {
		own[r.scope()] = true
	}
	var merged []*Rule
	for _, r := range global {
		if !own[r.scope()] {
			merged = append(merged, r)
		}
	}
	return append(merged, site...)
}

// scope is what rules with this matcher have in common: its text, or nothing
// for all requests. A rule of JSON may leave the text out where it has paths.
func (m *Match) scope() string {
	switch {
	case len(m.Path) == 0 && len(m.MatcherSetsRaw) == 0:
		return ""
	case m.Scope == "":
		return strings.Join(m.Path, " ")
	}
	return m.Scope
}

// mergeProviders merges by id; the global ones come first.
func mergeProviders(global, site []*Provider) ([]*Provider, error) {
	merged := clip(global)
	index := make(map[string]int, len(global))
	for i, p := range global {
		index[p.id()] = i
	}
	for _, p := range site {
		i, known := index[p.id()]
		if !known {
			merged = append(merged, p)
			continue
		}
		both, err := overlay(merged[i], p)
		if err != nil {
			return nil, err
		}
		merged = append(clip(merged[:i]), append([]*Provider{both}, merged[i+1:]...)...)
	}
	return merged, nil
}

// overlay returns base with every field that top sets.
func overlay(base, top *Provider) (*Provider, error) {
	both := new(Provider)
	for _, p := range []*Provider{base, top} {
		// Absent members leave a field alone, which is what omitempty writes.
		b, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, both); err != nil {
			return nil, err
		}
	}
	var err error
	both.Module, err = overlayModule(base.Module, top.Module)
	return both, err
}

// overlayModule does the same for the configurations of guest modules.
func overlayModule(base, top json.RawMessage) (json.RawMessage, error) {
	if base == nil || top == nil {
		return append(clip(base), top...), nil
	}
	members := make(map[string]json.RawMessage)
	for _, raw := range []json.RawMessage{base, top} {
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members)
}
