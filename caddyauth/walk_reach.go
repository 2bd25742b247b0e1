package caddyauth

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// probe is a request for a path as a place's server would get it.
func probe(at place, path string) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header), Body: http.NoBody, Host: "localhost",
	}
	if len(at.hosts) > 0 {
		r.Host = at.hosts[0]
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, at.server)
}

// passes reports whether a request gets through one of the sets of matchers, as
// far as that can be told from its path and method: clients may send what the
// other matchers ask for.
func passes(sets caddyhttp.MatcherSets, r *http.Request) bool {
	return len(sets) == 0 || slices.ContainsFunc(sets, func(set caddyhttp.MatcherSet) bool {
		return !slices.ContainsFunc(set, func(m any) bool { return tellable(m) && refuses(m, r) })
	})
}

// refuses reports whether a matcher does not match. What fails cannot be told.
func refuses(m any, r *http.Request) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	ok, err := caddyhttp.MatcherSet{m}.MatchWithError(r)
	return !ok && err == nil
}

// tellable reports whether a matcher looks at nothing but path and method.
func tellable(m any) bool {
	switch m := m.(type) {
	case *caddyhttp.MatchPath:
		// Placeholders of a request have no values yet.
		return !slices.ContainsFunc(*m, func(pattern string) bool { return strings.Contains(pattern, "{http.") })
	case *caddyhttp.MatchPathRE, *caddyhttp.MatchMethod:
		return true
	case *caddyhttp.MatchNot:
		return !slices.ContainsFunc(m.MatcherSets, func(set caddyhttp.MatcherSet) bool {
			return slices.ContainsFunc(set, func(m any) bool { return !tellable(m) })
		})
	case *caddyhttp.MatchExpression:
		return tellableExpression(m.Expr)
	}
	return false
}

var (
	celText = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")
	celName = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_.]*`)
	// pathNames are the functions and placeholders of expressions that depend on
	// path and method alone.
	pathNames = []string{
		"path", "path_regexp", "method", "true", "false", "in",
		"startsWith", "endsWith", "contains", "matches", "size",
		"http.request.uri.path", "http.request.orig_uri.path", "http.request.method", "http.request.orig_method",
	}
)

// tellableExpression is [tellable] for a CEL expression.
func tellableExpression(expr string) bool {
	for _, name := range celName.FindAllString(celText.ReplaceAllString(expr, ""), -1) {
		if !slices.Contains(pathNames, name) {
			return false
		}
	}
	return true
}

// pathsOf returns the path patterns of sets of matchers.
func pathsOf(sets caddyhttp.MatcherSets) []string {
	var paths []string
	for _, set := range sets {
		for _, m := range set {
			if m, ok := m.(*caddyhttp.MatchPath); ok {
				paths = append(paths, *m...)
			}
		}
	}
	return paths
}
