package caddyauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/gate"
)

// matcher returns what the gate asks about requests; nil for all of them.
func (m *Match) matcher(ctx caddy.Context) (gate.Matcher, error) {
	switch {
	case m == nil || len(m.Path) == 0 && len(m.MatcherSetsRaw) == 0:
		return nil, nil
	case len(m.Path) > 0 && len(m.MatcherSetsRaw) > 0:
		return nil, fmt.Errorf("matcher %s: path and match exclude each other", m.Scope)
	case len(m.Path) > 0:
		return pathMatcher(m.Path)
	}
	var sets []gate.Matcher
	for _, raw := range m.MatcherSetsRaw {
		set, err := newSet(ctx, raw)
		if err != nil {
			return nil, fmt.Errorf("matcher %s: %w", m.Scope, err)
		}
		sets = append(sets, set)
	}
	if len(sets) == 1 {
		return sets[0], nil
	}
	return gate.AnyOf(sets...), nil
}

// pathMatcher returns an untyped nil with an error: a typed one would be a
// matcher.
func pathMatcher(patterns []string) (gate.Matcher, error) {
	m, err := newPaths(patterns)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// newPaths refuses patterns that match nothing: a rule for them would hold for
// nobody.
func newPaths(patterns []string) (*gate.PathMatcher, error) {
	for _, p := range patterns {
		if !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "*") {
			return nil, fmt.Errorf("path %q matches nothing: it must begin with a slash", p)
		}
	}
	return gate.NewPathMatcher(patterns...)
}

// newSet loads one set of matchers, all of which must hold. The gate compares
// paths itself, as what opens must mind their case and Caddy's path matcher
// does not; the others are asked about every reading of the path.
func newSet(ctx caddy.Context, raw caddy.ModuleMap) (gate.Matcher, error) {
	if len(raw) == 0 {
		return nil, errors.New("is empty")
	}
	if name := asksSession(raw); name != "" {
		return nil, fmt.Errorf("%s asks who has signed in, which the gate finds out later: write a rule such as 'allow role <role>', or use the matcher behind caddyauth", name)
	}
	rest := make(caddy.ModuleMap, len(raw))
	var paths []string
	for name, config := range raw {
		var patterns []string
		if name == "path" && json.Unmarshal(config, &patterns) == nil && !strings.Contains(strings.Join(patterns, ""), "{") {
			paths = patterns
			continue
		}
		rest[name] = config
	}
	if len(rest) == 0 {
		return pathMatcher(paths)
	}
	others, err := loadSet(ctx, rest)
	if err != nil || paths == nil {
		return others, err
	}
	own, err := newPaths(paths)
	if err != nil {
		return nil, err
	}
	return gate.Both(own, others), nil
}

// loadSet provisions Caddy's matchers. Regular expressions ignore the case of what
// they close, as patterns do.
func loadSet(ctx caddy.Context, raw caddy.ModuleMap) (gate.Matcher, error) {
	folded, err := foldRegexp(raw)
	if err != nil {
		return nil, err
	}
	m, err := loadMatchers(ctx, raw)
	if err != nil {
		return nil, err
	}
	if folded != nil {
		closing, err := loadMatchers(ctx, folded)
		if err != nil {
			return nil, err
		}
		m = gate.Closing(m, closing)
	}
	for name := range raw {
		if name == "not" || name == "expression" {
			// These may hold because a path differs, and so would about forms of
			// it that nobody has asked for.
			m = gate.Exact(m)
			break
		}
	}
	return m, nil
}

// foldRegexp returns a set with its path_regexp in any case, nil if it has none.
func foldRegexp(raw caddy.ModuleMap) (caddy.ModuleMap, error) {
	config, has := raw["path_regexp"]
	if !has {
		return nil, nil
	}
	var m caddyhttp.MatchPathRE
	if err := json.Unmarshal(config, &m); err != nil || m.Pattern == "" {
		return nil, nil // which the matcher itself complains about
	}
	m.Pattern = "(?i)" + m.Pattern
	config, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	folded := maps.Clone(raw)
	folded["path_regexp"] = config
	return folded, nil
}

func loadMatchers(ctx caddy.Context, raw caddy.ModuleMap) (gate.Matcher, error) {
	// Loading empties the field that the matchers come from. A match without
	// matchers would mean every request, so it is one of their own.
	holder := struct {
		SetsRaw caddyhttp.RawMatcherSets `caddy:"namespace=http.matchers"`
	}{caddyhttp.RawMatcherSets{raw}}
	loaded, err := ctx.LoadModule(&holder, "SetsRaw")
	if err != nil {
		return nil, err
	}
	var sets caddyhttp.MatcherSets
	if err := sets.FromInterface(loaded); err != nil {
		return nil, err
	}
	return anyOf(sets), nil
}

// anyOf holds if any of the sets does.
type anyOf caddyhttp.MatcherSets

// MatchWithError implements gate.Matcher.
func (a anyOf) MatchWithError(r *http.Request) (bool, error) {
	return caddyhttp.MatcherSets(a).AnyMatchWithError(r)
}
