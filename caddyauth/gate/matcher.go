package gate

import (
	"fmt"
	"net/http"
	"strings"
)

// Matcher tells whether a request is meant. Caddy's request matchers satisfy
// it. A matcher must read the path from r.URL when it is asked, not from a
// copy made earlier: the gate puts each reading of the path there in turn.
//
// Caddy's own path matcher ignores case, so what it opens it opens in every
// case. A set of matchers with one among them is better given as Both.
type Matcher interface {
	MatchWithError(r *http.Request) (bool, error)
}

// Both returns a matcher for what p and rest match at one reading.
func Both(p *PathMatcher, rest Matcher) Matcher { return bothMatcher{p, rest} }

// AnyOf returns a matcher for what one of several matches. The gate asks each
// in its own way.
func AnyOf(ms ...Matcher) Matcher { return anyMatcher(ms) }

// Exact marks a matcher that closing words ask about the readings as they are
// only, not about their lower-case forms nor those with a slash appended. It
// is meant for matchers that negate (not, expression): there, a form that
// nobody asked for would match because it differs.
func Exact(m Matcher) Matcher { return exactMatcher{m} }

// Closing returns a matcher that opening words ask as m and closing words as
// closing: what tells upper case from lower case closes less than it seems to.
func Closing(m, closing Matcher) Matcher { return closingMatcher{m, closing} }

type (
	closingMatcher struct {
		Matcher
		closing Matcher
	}
	exactMatcher struct{ Matcher }
	anyMatcher   []Matcher
	bothMatcher  struct {
		path *PathMatcher
		rest Matcher
	}
)

// MatchWithError asks both about the request as it is.
func (b bothMatcher) MatchWithError(r *http.Request) (bool, error) {
	if ok, err := b.path.MatchWithError(r); !ok || err != nil {
		return false, err
	}
	return b.rest.MatchWithError(r)
}

// MatchWithError asks each about the request as it is.
func (a anyMatcher) MatchWithError(r *http.Request) (bool, error) {
	for _, m := range a {
		if ok, err := m.MatchWithError(r); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// term is a matcher as the gate asks it: alternatives of which one must hold.
// The nil term means every request.
type term []alternative

// alternative holds if all it has does.
type alternative struct {
	path  *PathMatcher
	named Matcher
	// closing takes the place of named where that closes. Nil leaves it there.
	closing Matcher
	exact   bool
}

func newTerm(m Matcher) term {
	switch m := m.(type) {
	case nil:
		return nil
	case *PathMatcher:
		return term{{path: m}}
	case exactMatcher:
		t := newTerm(m.Matcher)
		for i := range t {
			t[i].exact = true
		}
		return t
	case closingMatcher:
		return term{{named: m.Matcher, closing: m.closing}}
	case bothMatcher:
		t := newTerm(m.rest)
		if t == nil {
			return term{{path: m.path}}
		}
		for i := range t {
			if t[i].path != nil {
				return term{{named: m}} // two paths: asked like any other
			}
			t[i].path = m.path
		}
		return t
	case anyMatcher:
		t := term{}
		for _, one := range m {
			alternatives := newTerm(one)
			if alternatives == nil {
				return nil
			}
			t = append(t, alternatives...)
		}
		return t
	}
	return term{{named: m}}
}

func (t term) always() bool { return t == nil }

// isPaths says whether the term asks about nothing but paths.
func (t term) isPaths() bool {
	for i := range t {
		if t[i].named != nil {
			return false
		}
	}
	return t != nil
}

// heads are those of the paths that the term closes.
func (t term) heads() heads {
	if !t.isPaths() {
		return anyHead
	}
	var found heads
	for i := range t {
		for j := range t[i].path.patterns {
			found |= t[i].path.patterns[j].heads()
		}
	}
	return found
}

// evaluation asks matchers about every reading of one request.
type evaluation struct {
	r        *http.Request
	readings readings
	// err is the first complaint of a matcher.
	err error
}

// opens says whether every reading matches one of the alternatives.
func (e *evaluation) opens(t term) bool {
	if e.readings.murky || e.readings.overflow {
		return false
	}
	for i := range e.readings.len() {
		if !e.opensReading(t, e.readings.at(i)) {
			return false
		}
	}
	return true
}

func (e *evaluation) opensReading(t term, rd *reading) bool {
	for i := range t {
		a := &t[i]
		if (a.path == nil || a.path.opens(method(e.r), rd.path)) &&
			(a.named == nil || e.ask(a.named, rd.path, rd.rawPath, false)) {
			return true
		}
	}
	return false
}

// closes says whether any reading matches the term.
func (e *evaluation) closes(t term) bool {
	if t.always() || e.readings.overflow {
		return true
	}
	for i := range e.readings.len() {
		rd := e.readings.at(i)
		for j := range t {
			a := &t[j]
			if (a.path == nil || a.path.closes(method(e.r), rd)) && (a.named == nil || e.closesNamed(a, rd)) {
				return true
			}
		}
	}
	return false
}

// closesNamed asks a matcher that the gate knows nothing about. Whether it
// tells upper case from lower case, and whether it means /x/*, is its own
// affair, so it is asked about the forms that it might be meant for.
func (e *evaluation) closesNamed(a *alternative, rd *reading) bool {
	m := a.named
	if a.closing != nil {
		m = a.closing
	}
	if e.ask(m, rd.path, rd.rawPath, true) {
		return true
	}
	if a.exact {
		return false
	}
	slash := rd.path[len(rd.path)-1] != '/'
	if slash && e.ask(m, rd.path+"/", "", true) {
		return true
	}
	lower := strings.ToLower(rd.path)
	if lower == rd.path {
		return false
	}
	return e.ask(m, lower, "", true) || slash && e.ask(m, lower+"/", "", true)
}

// ask puts a path into the request, asks m, and puts back what was there,
// whatever m does. A matcher that fails is taken to have said fallback.
func (e *evaluation) ask(m Matcher, p, rawPath string, fallback bool) bool {
	u, verb := e.r.URL, e.r.Method
	was := [...]string{u.Path, u.RawPath}
	defer func() { u.Path, u.RawPath, e.r.Method = was[0], was[1], verb }()
	u.Path, u.RawPath, e.r.Method = p, rawPath, method(e.r)
	ok, err := m.MatchWithError(e.r)
	if err != nil {
		if e.err == nil {
			e.err = fmt.Errorf("gate: matcher: %w", err)
		}
		return fallback
	}
	return ok
}
