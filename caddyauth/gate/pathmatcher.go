package gate

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// PathMatcher is a set of path patterns as Caddy's path matcher has them:
// /x exactly, /x/* and everything that begins so, *.css, *x*, and globs
// (path.Match) where a star stands elsewhere.
//
// It differs from Caddy's where the gate must: asked by an opening word it
// keeps to the case as written; asked by a closing word it ignores the case,
// /x/* also means /x, and /x also means /x/, since most servers route both
// alike. A reading is compared as it is: the readings include the cleaned one.
type PathMatcher struct {
	patterns []pattern
	// get restricts the matcher to GET and HEAD.
	get bool
}

type patternKind uint8

const (
	exact patternKind = iota
	prefix
	suffix
	substring
	glob
)

type pattern struct {
	kind patternKind
	// text is what opening words compare with; the stars are cut off.
	text string
	// fold is the same for closing words.
	fold string
	// closing says that opening words do not compare with this one.
	closing bool
	// asWritten says that closing words compare with text, too: folding may
	// make a class of characters or an accented letter match less.
	asWritten bool
}

// NewPathMatcher compiles patterns, of which one must match. An escape in a
// pattern stands for its character, except that %2F is kept: to open, it means
// an escaped slash only; to close, any slash. Placeholders are refused, since
// their values are not known here.
func NewPathMatcher(patterns ...string) (*PathMatcher, error) {
	if len(patterns) == 0 {
		return nil, fmt.Errorf("no path")
	}
	m := new(PathMatcher)
	for _, text := range patterns {
		if strings.ContainsAny(text, "{}") {
			return nil, fmt.Errorf("path %q: placeholders need a named matcher", text)
		}
		ps, err := newPatterns(text)
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", text, err)
		}
		m.patterns = append(m.patterns, ps...)
	}
	return m, nil
}

// PagePaths returns a matcher for GET and HEAD of exactly these paths, such as
// those of the pages that a site draws itself. They have no escapes: a percent
// sign is one.
func PagePaths(paths ...string) *PathMatcher {
	m := &PathMatcher{get: true}
	for _, p := range paths {
		m.patterns = append(m.patterns, newPattern(exact, p))
	}
	return m
}

func newPatterns(text string) ([]pattern, error) {
	if text == "" {
		return nil, fmt.Errorf("is empty")
	}
	for _, special := range [...]string{"%2a", "%3f", "%5b", "%5c"} {
		if strings.Contains(strings.ToLower(text), special) {
			return nil, fmt.Errorf("an escaped wildcard needs a named matcher")
		}
	}
	// Caddy's %* is a star that spans escapes; all of ours do.
	kept, err := decodeWire(strings.ReplaceAll(text, "%*", "*"), true)
	if err != nil {
		return nil, err
	}
	p, err := classify(kept)
	if err != nil {
		return nil, err
	}
	ps := []pattern{p}
	if decoded, _ := decodeAgain(kept); decoded != kept {
		// The decoded form must not open what is written with plain slashes.
		if p, err = classify(decoded); err != nil {
			return nil, err
		}
		p.closing = true
		ps = append(ps, p)
	}
	return ps, nil
}

// classify finds the cheapest comparison for a pattern.
func classify(text string) (pattern, error) {
	stars := strings.Count(text, "*")
	switch {
	case stars == 0 && !strings.ContainsAny(text, `?[\`):
		return newPattern(exact, text), nil
	case stars > 0 && strings.ContainsAny(text, `?[\`) && (stars == 1 && (text[0] == '*' || text[len(text)-1] == '*') ||
		stars == 2 && text[0] == '*' && text[len(text)-1] == '*'):
		// Caddy compares these as they are written, so that they mean nothing that
		// anybody asks for, and a rule with one closes nothing.
		return pattern{}, errors.New("?, [ and \\ stand for themselves beside a star at the beginning or at the end: use a named matcher with path_regexp")
	case stars == 2 && text[0] == '*' && text[len(text)-1] == '*':
		return newPattern(substring, text[1:len(text)-1]), nil
	case stars == 1 && text[len(text)-1] == '*':
		return newPattern(prefix, text[:len(text)-1]), nil
	case stars == 1 && text[0] == '*':
		return newPattern(suffix, text[1:]), nil
	}
	if _, err := path.Match(text, ""); err != nil {
		return pattern{}, err
	}
	return newPattern(glob, text), nil
}

func newPattern(kind patternKind, text string) pattern {
	fold := foldText(text)
	return pattern{kind: kind, text: text, fold: lowerASCII(fold), asWritten: kind == glob || fold != text}
}

// MatchWithError matches as an opening word does, on r.URL.Path alone. It
// makes *PathMatcher a Matcher; the gate itself asks in other ways.
func (m *PathMatcher) MatchWithError(r *http.Request) (bool, error) {
	return m.opens(r.Method, r.URL.Path), nil
}

// heads is a set of what paths begin with: a bit for each two characters behind the
// first slash. Letters of ASCII have one bit whatever their case, and other
// characters share the bits, so that a set can tell only what is not in it.
type heads uint64

const anyHead = ^heads(0)

// headOf is the head of a path, which is any where it is too short to have one.
func headOf(p string) heads {
	if len(p) < 3 {
		return anyHead
	}
	return 1 << (p[1]&0x1f ^ p[2]&0x1f<<1)
}

// heads are those of the paths that the pattern closes.
func (pt *pattern) heads() heads {
	if pt.kind != exact && pt.kind != prefix || pt.asWritten {
		return anyHead
	}
	return headOf(pt.fold)
}

func (m *PathMatcher) opens(method, p string) bool {
	if m.get && method != http.MethodGet && method != http.MethodHead {
		return false
	}
	for i := range m.patterns {
		if !m.patterns[i].closing && m.patterns[i].opens(p) {
			return true
		}
	}
	return false
}

func (m *PathMatcher) closes(method string, rd *reading) bool {
	if m.get && method != http.MethodGet && method != http.MethodHead {
		return false
	}
	for i := range m.patterns {
		pt := &m.patterns[i]
		if pt.closes(rd.fold) || (pt.asWritten || rd.folded) && pt.opens(rd.path) {
			return true
		}
	}
	return false
}

// opens compares with the case as written. p is a reading's path.
func (pt *pattern) opens(p string) bool {
	switch pt.kind {
	case exact:
		return p == pt.text
	case prefix:
		return strings.HasPrefix(p, pt.text)
	case suffix:
		return strings.HasSuffix(p, pt.text)
	case substring:
		return strings.Contains(p, pt.text)
	}
	ok, _ := path.Match(pt.text, p) // the pattern is well-formed
	return ok
}

// closes compares with the case ignored. p is a reading's fold.
func (pt *pattern) closes(p string) bool {
	switch pt.kind {
	case exact:
		return equalFold(p, pt.fold) || equalFold(trimSlash(p), pt.fold)
	case prefix:
		if hasPrefixFold(p, pt.fold) {
			return true
		}
		n := len(pt.fold) - 1
		return n > 0 && pt.fold[n] == '/' && len(p) == n && hasPrefixFold(p, pt.fold[:n])
	case suffix:
		p2 := trimSlash(p)
		return hasSuffixFold(p, pt.fold) || hasSuffixFold(p2, pt.fold)
	case substring:
		if strings.Contains(lowerASCII(p), pt.fold) {
			return true
		}
		n := len(pt.fold) - 1 // */x/* means /y/x as well
		return n > 0 && pt.fold[n] == '/' && hasSuffixFold(p, pt.fold[:n])
	}
	p = lowerASCII(p)
	if ok, _ := path.Match(pt.fold, p); ok {
		return true
	}
	if ok, _ := path.Match(pt.fold, trimSlash(p)); ok {
		return true
	}
	if p[len(p)-1] == '/' {
		return false
	}
	ok, _ := path.Match(pt.fold, p+"/")
	return ok
}

func trimSlash(p string) string {
	if len(p) > 1 && p[len(p)-1] == '/' {
		return p[:len(p)-1]
	}
	return p
}

// equalFold compares s, whatever the case of its ASCII letters, with lower.
func equalFold(s, lower string) bool {
	return len(s) == len(lower) && hasPrefixFold(s, lower)
}

func hasPrefixFold(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := 0; i < len(lower); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func hasSuffixFold(s, lower string) bool {
	return len(s) >= len(lower) && hasPrefixFold(s[len(s)-len(lower):], lower)
}

// lowerASCII returns s itself if it has no upper-case ASCII letter.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
