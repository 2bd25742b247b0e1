package caddyauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// provisionGate compiles the rules and the identity headers.
func (s *site) provisionGate(ctx caddy.Context, scope *Match) error {
	policy := new(gate.Policy)
	var errs []error
	add := func(err error) { errs = append(errs, err) }

	m, err := scope.matcher(ctx)
	add(err)
	policy.Scope = m
	if scope != nil {
		s.scope = scope.scope()
	}
	for _, list := range []struct {
		from []*Match
		to   *[]gate.Matcher
	}{{s.config.Public, &policy.Public}, {s.config.Private, &policy.Private}} {
		for _, match := range list.from {
			m, err := match.matcher(ctx)
			add(err)
			*list.to = append(*list.to, m)
		}
	}
	if len(s.pagePaths) > 0 {
		policy.Public = append(policy.Public, gate.PagePaths(s.pagePaths...))
	}
	policy.Allow, err = s.rules(ctx, "allow", s.config.Allow)
	add(err)
	policy.Deny, err = s.rules(ctx, "deny", s.config.Deny)
	add(err)
	policy.API, err = s.apis(ctx)
	add(err)
	policy.Programs = s.onlyBearer()
	policy.StepUp, err = s.stepUps(ctx)
	add(err)
	add(s.demandAllow())
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := policy.Compile(); err != nil {
		return err
	}
	s.policy = policy
	s.match = scope
	s.warnRules(scope)
	s.responder = &gate.Responder{Pages: gatePages{s.page}, Basic: s.config.hasTokens()}
	if !s.config.Session.PassCookie {
		s.ownedCookie = s.names[0].Owned
	}
	if err := s.provisionHeaders(); err != nil {
		return err
	}
	return s.provisionForward()
}

// rules compiles allow or deny lines.
func (s *site) rules(ctx caddy.Context, word string, rules []*Rule) ([]gate.Rule, error) {
	options := gate.SubjectOptions{FoldLogin: s.foldsLogin}
	options.Providers, options.OrgProviders = s.accountProviders(), s.orgProviders()
	options.Also = s.bearerIDs()
	var compiled []gate.Rule
	errs := []error{ambiguous(word, rules)}
	for _, r := range rules {
		line := r.line(word)
		m, err := r.matcher(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("'%s': %w", line, err))
			continue
		}
		subject, err := s.subject(word, line, r, options)
		if err != nil {
			errs = append(errs, fmt.Errorf("'%s': %w", line, err))
			continue
		}
		scope := r.scope()
		if m != nil && scope == "" {
			errs = append(errs, fmt.Errorf("'%s': a rule with a matcher needs a scope", line))
			continue
		}
		compiled = append(compiled, gate.Rule{Scope: scope, Matcher: m, Subject: subject, Line: line})
	}
	return compiled, errors.Join(errs...)
}

// line is a rule as it stands in a Caddyfile.
func (r *Rule) line(word string) string {
	line := strings.Join(append([]string{word, r.Scope, r.Subject}, r.Values...), " ")
	return strings.Join(strings.Fields(line), " ")
}

// accountProviders are the ids of the providers whose accounts people have.
// Passkeys stand for accounts of the others.
func (s *site) accountProviders() []string {
	var ids []string
	for _, p := range s.config.Providers {
		if p.Preset != presetPasskey {
			ids = append(ids, p.id())
		}
	}
	return ids
}

// ambiguous refuses rules of one scope that mean different requests. They are
// alternatives, and only one matcher is asked for all of them.
func ambiguous(word string, rules []*Rule) error {
	matchers := make(map[string]string)
	for _, r := range rules {
		scope := r.scope()
		matcher, err := json.Marshal(Match{Path: r.Path, MatcherSetsRaw: r.MatcherSetsRaw})
		if err != nil {
			return fmt.Errorf("'%s %s': %w", word, scope, err)
		}
		if first, seen := matchers[scope]; seen && first != string(matcher) {
			return fmt.Errorf("'%s %s': rules of this scope have different matchers: give each matcher a scope of its own", word, scope)
		}
		matchers[scope] = string(matcher)
	}
	return nil
}

func resolveAll(values []string) ([]string, error) {
	var resolved []string
	for _, v := range values {
		r, err := resolve(v)
		if err != nil {
			return nil, err
		}
		resolved = append(resolved, r)
	}
	return resolved, nil
}

// foldsLogin reports whether the logins of a provider are the same in any
// case.
func (s *site) foldsLogin(id string) bool {
	for _, p := range s.config.Providers {
		if p.id() == id {
			return p.Preset == "github" || p.Preset == "google"
		}
	}
	return false
}

// needed reports whether a rule reads a value of the list "roles", "groups" or
// "orgs". When a session is too large for cookies, the rest is dropped from it.
func (s *site) needed(list, value string) bool {
	if list == "orgs" {
		value = strings.ToLower(value)
	}
	return s.ruled[everyValue] || s.ruled[ruledValue{strings.TrimSuffix(list, "s"), value}]
}

// ruledValue is a value that a rule names.
type ruledValue struct{ subject, value string }

// provisionHeaders compiles the identity headers.
func (s *site) provisionHeaders() error {
	c := s.config.Headers
	if c == nil {
		c = &Headers{Preset: "none"}
	}
	preset := c.Preset
	if preset == "" {
		preset = "remote"
		if len(c.Set) > 0 {
			preset = "none"
		}
	}
	options := gate.HeaderOptions{Preset: preset}
	if ids := s.accountProviders(); len(ids) == 1 {
		options.Provider = ids[0]
	} else {
		options.MultiProvider = len(ids) > 1
	}
	for _, h := range c.Set {
		f, err := headerField(h)
		if err != nil {
			return err
		}
		options.Fields = append(options.Fields, f)
	}
	var err error
	s.headers, err = gate.NewHeaders(options)
	return err
}

// headerField reads the value of a mapped header: a claim path, or one
// placeholder of the person. Placeholders are not expanded in anything that
// comes from a client or a provider, so those of other kinds have no place
// here.
func headerField(h HeaderValue) (gate.Field, error) {
	f := gate.Field{Name: h.Name, Claim: h.Value}
	if !strings.ContainsAny(h.Value, "{}") {
		return f, nil
	}
	name, ok := strings.CutPrefix(h.Value, "{"+userPlaceholder)
	if name, closed := strings.CutSuffix(name, "}"); ok && closed && !strings.ContainsAny(name, "{}") {
		switch path, isClaim := strings.CutPrefix(name, "claims."); {
		case isClaim:
			f.Claim = path
			return f, nil
		case name == "roles" || name == "groups":
			// As a list, so that a group with a comma in its name stays one.
			f.Claim = session.EvidenceClaim + "." + name
			return f, nil
		}
		if _, known := placeholder(new(session.Session), name); known {
			f.Claim = ""
			f.Value = func(s *session.Session) string {
				v, _ := placeholder(s, name)
				text, _ := v.(string)
				return text
			}
			return f, nil
		}
	}
	return f, fmt.Errorf("headers: '%s %s': the value is one placeholder such as {http.auth.user.email}, or a claim path", h.Name, h.Value)
}

// opens reports whether somebody without a session may have a URL.
func (s *site) opens(u *url.URL) bool {
	// Matchers look for a replacer, and the gate puts its readings into the URL.
	target := *u
	r := (&http.Request{Method: http.MethodGet, URL: &target, Header: http.Header{}}).WithContext(
		context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	d := s.policy.Decide(r, nil, func() (*session.Session, error) { return nil, session.ErrNone })
	return d.Action == gate.Pass
}
