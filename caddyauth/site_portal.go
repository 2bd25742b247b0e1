package caddyauth

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/internal/loopback"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// portalOff is the value of Config.Portal that undoes the global option's.
const portalOff = "off"

// portal is where people sign in who come to a site.
type portal struct {
	*canonical
	// port is whether the configuration names one, and scheme likewise.
	port, scheme bool
	// own says that the site has rules of its own for who may sign in.
	own bool
	// site is the portal, nil if it is another Caddy's.
	site *site
	// front says that nothing but the portal's own page is there.
	front bool
}

// provisionPortal reads portal.
func (s *site) provisionPortal(h *Handler) error {
	if s.config.Portal == "" || s.config.Portal == portalOff {
		return nil
	}
	raw, err := resolve(s.config.Portal)
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	c, err := parseCanonical(raw)
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	p := &portal{canonical: c, scheme: strings.Contains(raw, "://")}
	_, hostport, _ := strings.Cut(c.origin, "://")
	p.port = hostport != joinPort(c.host, "", "https")
	switch {
	case strings.HasPrefix(c.origin, "http:") && !loopback.Is(c.host):
		return fmt.Errorf("portal %q: over http, anybody on the way could take sessions along: only names such as auth.localhost may", raw)
	case c.path != "" && !plainPath(c.path):
		return fmt.Errorf("portal %q: %q cannot be a base path", raw, c.path)
	}
	p.own = slices.ContainsFunc(h.Config.Allow, func(r *Rule) bool { return r.scope() == "" })
	s.portal = p
	return nil
}

// is reports whether an origin is the portal's.
func (p *portal) is(origin string) bool {
	_, hostport, _ := strings.Cut(origin, "://")
	if p.port {
		_, own, _ := strings.Cut(p.origin, "://")
		return hostport == own
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host == p.host
}

// portalURL is the portal's {origin}{base path}. The scheme and port of a portal in this
// Caddy are known once its server is.
func (s *site) portalURL() string {
	p := s.portal
	if p.site == nil {
		base := s.basePath
		setBase(&base, p.path)
		return p.origin + base
	}
	at := p.site
	switch {
	case at.canonical != nil:
		return at.canonical.origin + at.basePath
	case p.scheme || at.server == nil:
		return p.origin + at.basePath
	}
	guess := guessOrigin(at.server, p.host)
	plain := strings.HasPrefix(guess, "http:")
	_, hostport, _ := strings.Cut(p.origin, "://")
	switch {
	case plain && !loopback.Is(p.host):
		guess = p.origin // something in front speaks TLS
	case plain && p.port:
		guess = "http://" + hostport
	case p.port:
		guess = "https://" + hostport
	}
	return guess + at.basePath
}

// portalOptions are what the API needs to know, nil if there is no portal.
func (s *site) portalOptions() *authapi.PortalOptions {
	if s.portal == nil {
		return nil
	}
	return &authapi.PortalOptions{Is: s.portal.is, URL: s.portalURL, Own: s.portal.own, Member: s.memberAt, Meets: meets}
}

// meets is the gate's word on whether a sign-in is recent and strong enough.
func meets(s *session.Session, need provider.StepUp, at time.Time) bool {
	return gate.Requirement{MaxAge: need.MaxAge, ACR: need.ACR}.Met(s, at)
}

// isMember reports whether sign-ins happen on another site of the portal's.
func (s *site) isMember() bool { return s.portal != nil && s.portal.site != s }

// memberAt is what this Caddy knows of the site at an origin.
func (s *site) memberAt(origin, basePath string) (m authapi.Member, known bool) {
	_, hostport, _ := strings.Cut(origin, "://")
	host, _, err := splitHost(hostport)
	if err != nil {
		return m, false
	}
	for _, o := range s.app.sites {
		if !o.isAt(origin, host) {
			continue
		}
		known = true
		if o.basePath == basePath && o.portal != nil && o.portal.site == s.portal.site && o.portal.host == s.portal.host {
			return authapi.Member{Listed: true, Admits: o.policy.SignIn}, true
		}
	}
	return m, known
}

// isAt reports whether a site is the one of an origin, as far as can be told: a
// site that answers every host says so with its URL.
func (s *site) isAt(origin, host string) bool {
	if s.canonical != nil {
		return s.canonical.origin == origin
	}
	return slices.ContainsFunc(s.hosts, func(pattern string) bool { return matchesHost(pattern, host) })
}

// settlePortal finds the portal and whether it and the site fit together.
func (s *site) settlePortal() error {
	p := s.portal
	if p == nil {
		return nil
	}
	if err := s.checkPortalHosts(); err != nil {
		return err
	}
	if s.canonical != nil && strings.HasPrefix(s.canonical.origin, "http:") && !loopback.Is(s.canonical.host) {
		return fmt.Errorf("'portal' on the site %s: over http, anybody on the way could take sessions along: only names such as app.localhost may", s.canonical.origin)
	}
	p.site = s.app.portalSite(p)
	switch p.site {
	case s:
		return nil
	case nil:
		return s.checkFarPortal()
	}
	return s.checkNearPortal()
}

// checkPortalHosts refuses sites that answer hosts they do not name. Codes go to the
// host that a request names, and below a star that may be anybody's who has a name
// of the domain.
func (s *site) checkPortalHosts() error {
	if s.canonical != nil {
		return nil
	}
	if s.everyHost {
		return errors.New("'portal' on a site that answers every host needs 'url': people would be sent back to whatever host a request names")
	}
	for _, pattern := range s.hosts {
		if strings.Contains(caddy.NewReplacer().ReplaceAll(pattern, ""), "*") {
			return fmt.Errorf("'portal' on the site %s, which answers every host below the star: people would be sent back to whichever of them a request names, so name the hosts in the site's address, such as a.example.com, b.example.com, or set 'url'", pattern)
		}
	}
	return nil
}

// portalSite is the site of the portal's host, nil if there is none here. One that
// names the host comes before one with a star, which cannot be the portal.
func (a *App) portalSite(p *portal) *site {
	var found *site
	for _, s := range a.sites {
		switch {
		case s.canonical != nil:
			if s.canonical.origin == p.origin || !p.port && !p.scheme && s.canonical.host == p.host {
				return s
			}
		case !p.listens(s):
		case slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, p.host) }):
			return s
		case s.isAt("", p.host):
			found = s
		}
	}
	return found
}

// listens reports whether a site is on the portal's port, where one is named.
func (p *portal) listens(s *site) bool {
	return !p.port || s.server == nil || p.is(guessOrigin(s.server, p.host))
}

// checkNearPortal refuses a portal in this Caddy that could not sign anybody in for
// the site.
func (s *site) checkNearPortal() error {
	p, at := s.portal, s.portal.site
	if at.portal == nil || at.portal.host != p.host {
		return fmt.Errorf("portal %s: the site at %s is the one of that host, and does not have the line 'portal %s' itself: put it into the global option, or into both sites", p.host, at.source, s.config.Portal)
	}
	var errs []error
	if at.store != s.store {
		errs = append(errs, fmt.Errorf("portal %s: the site at %s has another store: put 'store' into the global option, or the same one into both sites", p.host, at.source))
	}
	if !sameSecrets(s.secrets, at.secrets) {
		errs = append(errs, fmt.Errorf("portal %s: the site at %s has another secret: put 'secret' into the global option, or the same one into both sites", p.host, at.source))
	}
	for _, mine := range s.providers {
		info := mine.Info()
		if realm, ok := at.realms[info.ID]; !ok {
			errs = append(errs, fmt.Errorf("portal %s: provider '%s' is none of those of the site at %s, where people sign in: put it into the global option", p.host, info.ID, at.source))
		} else if realm != info.Realm {
			errs = append(errs, fmt.Errorf("portal %s: provider '%s' is another one than that of the site at %s, where people sign in: put it into the global option", p.host, info.ID, at.source))
		}
	}
	return errors.Join(errs...)
}

// sameSecrets reports whether each of two opens what the other seals. Without any,
// the generated secret is what both have.
func sameSecrets(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return slices.Contains(a, b[0]) && slices.Contains(b, a[0])
}

// checkFarPortal refuses a portal elsewhere whose store cannot be this site's.
func (s *site) checkFarPortal() error {
	if s.store == nil {
		return nil
	}
	kind := s.store.kind
	if kind != "memory" && kind != "bolt" {
		return nil
	}
	return fmt.Errorf("portal %s: no site of this Caddy is the one of that host, and a portal elsewhere cannot have the store '%s' of this one: add the site '%s { caddyauth }', or set 'store postgres' or 'store redis' in both", s.portal.host, kind, s.portal.host)
}

// isPortalFront reports whether a request is for the portal's own page.
func (s *site) isPortalFront(r *http.Request, original *url.URL) bool {
	if s.portal == nil || !s.portal.front || original.Path != "/" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	origin, err := s.origin(r)
	return err == nil && s.portal.is(origin)
}
