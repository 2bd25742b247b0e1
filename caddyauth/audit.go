package caddyauth

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// auditReport is what a configuration lets strangers do. It depends on nothing
// but the configuration and the environment, so that two of them can be compared.
type auditReport struct {
	Sites []auditSite `json:"sites"`

	// Open are the hosts that no caddyauth stands in front of.
	Open []string `json:"open"`

	// Owned are the header fields that no client can send, on any site, beside
	// all that begin with X-Auth-Request-.
	Owned []string `json:"owned_headers"`
}

// auditSite is one site of a report.
type auditSite struct {
	Source string   `json:"source"`
	Hosts  []string `json:"hosts"`
	Origin string   `json:"origin,omitempty"`

	Providers []auditProvider `json:"providers"`

	// Gate says for which requests the rules are asked.
	Gate string `json:"gate"`
	// Earlier names what answers some requests before caddyauth is asked.
	Earlier string `json:"answers_earlier,omitempty"`
	// Public and Private are the scopes that are open, and closed again.
	Public  []string `json:"public"`
	Private []string `json:"private"`
	// Endpoints answer without a session.
	Endpoints []string `json:"endpoints"`
	Rules     []string `json:"rules"`
	// API are the scopes of programs, with the origins whose pages may ask.
	API    []string `json:"api"`
	StepUp []string `json:"step_up"`
	// Bearer says which bearer tokens stand in for a session.
	Bearer []string `json:"bearer"`
	// Portal is where people sign in, and whether that is here.
	Portal string `json:"portal,omitempty"`

	// Headers are the identity headers that the upstream gets.
	Headers []string `json:"headers"`
	// Assertion and AccessToken are the fields with those.
	Assertion   string `json:"assertion,omitempty"`
	AccessToken string `json:"access_token,omitempty"`
	// Redirects are the origins that a callbackUrl may lead to.
	Redirects []string    `json:"redirects"`
	Cookie    auditCookie `json:"cookie"`
	// Warnings are lines without effect, and why.
	Warnings []string `json:"warnings"`
}

type auditProvider struct {
	ID string `json:"id"`
	// Callback is the URL to register; empty where there is nothing to register.
	Callback string `json:"callback_url,omitempty"`
	// SignedOut, Backchannel, Frontchannel and Login are further ones, for signing
	// out and for sign-ins that begin elsewhere.
	SignedOut    string `json:"post_logout_redirect_url,omitempty"`
	Backchannel  string `json:"backchannel_logout_url,omitempty"`
	Frontchannel string `json:"frontchannel_logout_url,omitempty"`
	Login        string `json:"initiate_login_url,omitempty"`
	// Anybody says that anybody can get an account there.
	Anybody bool `json:"anybody"`
}

type auditCookie struct {
	Name     string `json:"name"`
	Domain   string `json:"domain,omitempty"`
	SameSite string `json:"same_site"`
	Upstream bool   `json:"reaches_upstream"`
}

// audit reports on the sites of a provisioned configuration.
func (a *App) audit() (*auditReport, error) {
	if err := a.placeSites(); err != nil {
		return nil, err
	}
	report := &auditReport{Sites: []auditSite{}, Owned: a.owned.Names()}
	var guarded []string
	for _, s := range a.sites {
		report.Sites = append(report.Sites, s.audit())
		guarded = append(guarded, s.hosts...)
		if s.everyHost {
			guarded = append(guarded, "")
		}
	}
	// Caddy provisions its servers in no particular order.
	slices.SortStableFunc(report.Sites, func(a, b auditSite) int {
		return cmp.Or(slices.Compare(a.Hosts, b.Hosts), strings.Compare(a.Origin, b.Origin), strings.Compare(a.Source, b.Source))
	})
	app, err := a.ctx.App("http")
	if err != nil {
		return nil, err
	}
	report.Open = openHosts(app.(*caddyhttp.App).Servers, guarded)
	return report, nil
}

// openHosts are the hosts of routes that lead past every caddyauth.
func openHosts(servers map[string]*caddyhttp.Server, guarded []string) []string {
	open := []string{}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		for _, route := range servers[name].Routes {
			var at place
			at.enter(route)
			if answer, _ := firstAnswer(servers[name], route.Handlers, 0); answer == "" {
				continue // it answers nothing, or caddyauth comes first
			}
			if len(at.hosts) == 0 && !slices.Contains(guarded, "") {
				open = append(open, "every host of "+strings.Join(servers[name].Listen, " "))
			}
			for _, host := range at.hosts {
				if !slices.Contains(guarded, host) && !slices.Contains(guarded, "") {
					open = append(open, host)
				}
			}
		}
	}
	slices.Sort(open)
	return slices.Compact(open)
}

func (s *site) audit() auditSite {
	origin := s.usualOrigin()
	out := auditSite{
		Source: s.source, Hosts: slices.Compact(slices.Sorted(slices.Values(s.hosts))), Origin: origin,
		Providers: []auditProvider{}, Gate: cmp.Or(s.scope, "every request"), Earlier: s.earlier(),
		Public: scopes(s.config.Public), Private: scopes(s.config.Private),
		Endpoints: []string{s.basePath + "/*"}, Rules: []string{},
		Headers: s.headers.Names(), Redirects: append([]string{origin}, s.callbackOrigins...),
	}
	if out.Headers == nil {
		out.Headers = []string{}
	}
	for _, p := range s.providers {
		info := auditProvider{ID: p.Info().ID}
		if _, ok := p.(provider.OAuth); ok && !s.isMember() { // the portal has the provider come back
			info.Callback = origin + s.basePath + "/callback/" + info.ID
		}
		info.SignedOut, info.Backchannel, info.Frontchannel, info.Login = s.logoutURLs(p, origin)
		for _, c := range s.config.Providers {
			if c.id() == info.ID {
				_, info.Anybody = c.anybody()
			}
		}
		out.Providers = append(out.Providers, info)
	}
	out.Public = append(out.Public, s.pagePaths...)
	if s.accountPath != "" {
		out.Endpoints = append(out.Endpoints, s.accountPath)
	}
	for _, r := range s.config.Deny {
		out.Rules = append(out.Rules, r.line("deny"))
	}
	for _, r := range s.config.Allow {
		out.Rules = append(out.Rules, r.line("allow"))
	}
	s.auditGate(&out)
	if s.config.Session.PassCookie {
		out.Cookie.Upstream = true
	}
	names := &s.names[0]
	if strings.HasPrefix(origin, "https:") {
		names = &s.names[1]
	}
	if secure := s.forcedSecure(); secure != nil && *secure {
		names = &s.names[1]
	} else if secure != nil {
		names = &s.names[0]
	}
	out.Cookie.Name, out.Cookie.Domain = names.Session, s.config.Session.CookieDomain
	out.Cookie.SameSite = s.config.Session.SameSite
	return out
}

// usualOrigin is the origin that people see, as far as the configuration tells.
func (s *site) usualOrigin() string {
	switch {
	case s.canonical != nil:
		return s.canonical.origin
	case len(s.hosts) > 0 && s.server != nil:
		return guessOrigin(s.server, s.hosts[0])
	}
	return ""
}

// scopes are the texts of matchers; what has no text means every request.
func scopes(matches []*Match) []string {
	texts := []string{}
	for _, m := range matches {
		texts = append(texts, cmp.Or(m.scope(), "every request"))
	}
	return texts
}

// earlier names what answers some requests of the site before its gate.
func (s *site) earlier() string {
	for _, at := range s.places {
		for _, routes := range at.before {
			if name := answersSome(at, routes); name != "" {
				return name
			}
		}
	}
	return ""
}
