package provider

import (
	"cmp"
	"context"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// metadata returns the provider's endpoints, discovered if need be. What is
// written down wins over what is discovered.
func (p *oauthProvider) metadata(ctx context.Context) (*metadata, error) {
	if !p.preset.oidc || p.selfContained() {
		return &p.static, nil
	}
	found, err := p.discovered().get(ctx, p.discovery())
	if err != nil {
		return nil, failure(ctx, ReasonDiscovery, err)
	}
	p.expects.compare(p, found)
	m := *found
	m.authorization = cmp.Or(p.static.authorization, m.authorization)
	m.token = cmp.Or(p.static.token, m.token)
	m.userinfo = cmp.Or(p.static.userinfo, m.userinfo)
	m.jwks = cmp.Or(p.static.jwks, m.jwks)
	if err := m.complete(); err != nil {
		return nil, &Error{Reason: ReasonDiscovery, Err: err}
	}
	return &m, nil
}

// selfContained reports whether everything that discovery could tell is written down.
func (p *oauthProvider) selfContained() bool {
	// Only discovery tells where to push requests to.
	return p.pushMode() != pushRequired &&
		p.static.authorization != "" && p.static.token != "" && p.static.jwks != "" &&
		(p.cfg.Userinfo != userinfoOn || p.static.userinfo != "")
}

func (p *oauthProvider) discovery() fetcher[*metadata] {
	return fetcher[*metadata]{now: p.now, timeout: time.Duration(p.cfg.Timeout), fetch: func(ctx context.Context) (*metadata, error) {
		m, err := discover(ctx, p.client, p.cfg.Issuer, p.preset.issuer)
		p.observeFetch(metadataPart, ReasonDiscovery, err)
		return m, err
	}}
}

// signingKeys fetches the keys. If that fails, discovery is repeated before
// long: the keys may have moved.
func (p *oauthProvider) signingKeys(url string) fetcher[[]jose.JSONWebKey] {
	return fetcher[[]jose.JSONWebKey]{now: p.now, timeout: time.Duration(p.cfg.Timeout), fetch: func(ctx context.Context) ([]jose.JSONWebKey, error) {
		keys, err := fetchKeys(ctx, p.client, url)
		if err != nil {
			p.discovered().expire()
		}
		p.observeFetch(keysPart, ReasonKeys, err)
		return keys, err
	}}
}

// discoveryKey is what metadata is cached under. What a preset takes for an
// issuer's own may be refused elsewhere.
func (p *oauthProvider) discoveryKey() string {
	if p.preset.issuer != nil {
		return p.preset.ID + " " + p.cfg.Issuer
	}
	return p.cfg.Issuer
}
