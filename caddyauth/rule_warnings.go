package caddyauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// warnRules logs lines that have no effect, or that contradict each other. None
// of them opens anything, so they are no errors: the site is closed where somebody
// may have meant it to be open.
func (s *site) warnRules(scope *Match) {
	own := ""
	if s.canonical != nil {
		own = s.canonical.origin
	}
	for _, w := range ruleWarnings(s.config, scope, own) {
		s.log.Warn("a rule has no effect, or contradicts another", zap.String("line", w.line), zap.String("why", w.why), zap.String("site", s.source))
	}
	if !slices.ContainsFunc(s.config.StepUp, func(l *StepUp) bool { return l.MaxAge > 0 }) {
		return
	}
	for _, p := range s.providers {
		if p.Info().Type == provider.TypeOAuth {
			s.log.Warn("step_up max_age is taken on trust: plain OAuth 2.0 does not tell when somebody signed in, nor has it a way to demand it",
				zap.String("provider", p.Info().ID), zap.String("site", s.source))
		}
	}
}

// ruleWarning is a line as it is written, and what is wrong with it.
type ruleWarning struct{ line, why string }

// ruleWarnings finds what can be told from the lines alone, which is what is said
// about paths. scope is the directive's own matcher, own the site's origin if it is
// known.
func ruleWarnings(c *Config, scope *Match, own string) []ruleWarning {
	w := new(ruleWarner)
	w.repeated(c)
	w.outside(c, scope)
	w.denied(c)
	w.closedAgain(c)
	w.opensAnyway(c)
	w.anyBeside(c.Allow)
	w.fewerBeside("allow", c.Allow)
	w.fewerBeside("deny", c.Deny)
	w.neverDecided(c)
	w.ownOrigin(c.API, own)
	return w.list
}

type ruleWarner struct{ list []ruleWarning }

func (w *ruleWarner) add(line, why string, args ...any) {
	w.list = append(w.list, ruleWarning{line, fmt.Sprintf(why, args...)})
}

// line is a line with a matcher.
type line struct {
	text string
	*Match
}

func linesOf(c *Config) []line {
	var all []line
	add := func(m *Match, word string, rest ...string) { all = append(all, line{lineOf(word, m, rest...), m}) }
	for _, m := range c.Public {
		add(m, "public")
	}
	for _, m := range c.Private {
		add(m, "private")
	}
	for _, r := range c.Allow {
		add(&r.Match, "allow", ruleWords(r)...)
	}
	for _, r := range c.Deny {
		add(&r.Match, "deny", ruleWords(r)...)
	}
	for _, a := range c.API {
		all = append(all, line{apiLine(a), &a.Match})
	}
	for _, u := range c.StepUp {
		all = append(all, line{stepUpLine(u), &u.Match})
	}
	return all
}

func apiLine(a *API) string {
	if len(a.CORS) == 0 {
		return lineOf("api", &a.Match)
	}
	return lineOf("api", &a.Match, append([]string{"cors"}, a.CORS...)...)
}

func stepUpLine(u *StepUp) string {
	var rest []string
	if u.MaxAge > 0 {
		rest = append(rest, "max_age", time.Duration(u.MaxAge).String())
	}
	if len(u.ACR) > 0 {
		rest = append(append(rest, "acr"), u.ACR...)
	}
	return lineOf("step_up", &u.Match, rest...)
}

func ruleWords(r *Rule) []string { return append([]string{r.Subject}, r.Values...) }

func ruleLine(word string, r *Rule) string { return lineOf(word, &r.Match, ruleWords(r)...) }

// repeated finds lines that are there twice.
func (w *ruleWarner) repeated(c *Config) {
	count := make(map[string]int)
	for _, l := range linesOf(c) {
		if count[l.text]++; count[l.text] == 2 {
			w.add(l.text, "the line is there twice, perhaps once in the global option")
		}
	}
}

// outside finds lines for requests that the directive's matcher leaves out.
func (w *ruleWarner) outside(c *Config, scope *Match) {
	if scope == nil || !scope.isPaths() {
		return
	}
	for _, l := range linesOf(c) {
		if l.isPaths() && !overlaps(scope.Path, l.Path) {
			w.add(l.text, "it never matches: the gate is for '%s' only, as the matcher behind caddyauth says", scope.scope())
		}
	}
}

// denied finds what a deny line for everybody closes altogether.
func (w *ruleWarner) denied(c *Config) {
	for _, d := range c.Deny {
		if d.Subject != "any" {
			continue
		}
		for _, a := range c.Allow {
			if d.covers(&a.Match) {
				w.add(ruleLine("allow", a), "it admits nobody: '%s' closes all that it is about", ruleLine("deny", d))
			}
		}
		for _, p := range c.Public {
			if d.covers(p) {
				w.add(lineOf("public", p), "it opens nothing: '%s' closes all that it is about", ruleLine("deny", d))
			}
		}
	}
}

// closedAgain finds public lines that a private line undoes. It wins.
func (w *ruleWarner) closedAgain(c *Config) {
	for _, p := range c.Public {
		for _, q := range c.Private {
			if q.covers(p) {
				w.add(lineOf("public", p), "it opens nothing: '%s' is as wide or wider, and wins", lineOf("private", q))
				break
			}
		}
	}
}

// opensAnyway finds private and step_up lines that have nothing to do, as nothing is
// public there or everything is.
func (w *ruleWarner) opensAnyway(c *Config) {
	for _, q := range c.Private {
		if !slices.ContainsFunc(c.Public, func(p *Match) bool { return mayMeet(p, q) }) && !c.hasOwnPages() {
			w.add(lineOf("private", q), "it closes nothing: no 'public' line opens any of that")
		}
	}
	for _, u := range c.StepUp {
		i := slices.IndexFunc(c.Public, func(p *Match) bool { return p.covers(&u.Match) })
		if i < 0 || slices.ContainsFunc(c.Private, func(q *Match) bool { return mayMeet(q, &u.Match) }) {
			continue
		}
		w.add(stepUpLine(u), "it never asks anybody to sign in again: '%s' opens all that it is about, where an old sign-in counts as none", lineOf("public", c.Public[i]))
	}
}

// hasOwnPages reports whether pages of the site's own may be public.
func (c *Config) hasOwnPages() bool { return c.Pages != nil && *c.Pages != (Pages{}) }

// fewerBeside finds lines of one scope and subject of which another has all values.
func (w *ruleWarner) fewerBeside(word string, rules []*Rule) {
	for _, r := range rules {
		if r.Subject == "any" || r.Subject == subjectClaim || r.Subject == subjectExpr {
			continue
		}
		for _, other := range rules {
			if other.Subject != r.Subject || other.scope() != r.scope() || len(other.Values) <= len(r.Values) {
				continue
			}
			if !slices.ContainsFunc(r.Values, func(v string) bool { return !slices.Contains(other.Values, v) }) {
				w.add(ruleLine(word, r), "it changes nothing: '%s' names the same, and more", ruleLine(word, other))
				break
			}
		}
	}
}

// neverDecided finds lines whose matcher wants a method that is refused always.
func (w *ruleWarner) neverDecided(c *Config) {
	for _, l := range linesOf(c) {
		if method := l.refusedMethod(); method != "" {
			w.add(l.text, "it never matches: requests with the method %s are always refused", method)
		}
	}
}

// refusedMethod is a method that no request which is decided about has, if every
// alternative of the matcher wants such ones only.
func (m *Match) refusedMethod() (method string) {
	for _, raw := range m.MatcherSetsRaw {
		var methods []string
		if json.Unmarshal(raw["method"], &methods) != nil || len(methods) == 0 {
			return ""
		}
		for _, name := range methods {
			switch name {
			case http.MethodConnect, http.MethodTrace, "TRACK":
				method = name
			default:
				return ""
			}
		}
	}
	return method
}

// mayMeet reports whether some request might be meant by both.
func mayMeet(a, b *Match) bool {
	return !a.isPaths() || !b.isPaths() || overlaps(a.Path, b.Path)
}

// anyBeside finds alternatives of which one admits everybody.
func (w *ruleWarner) anyBeside(allow []*Rule) {
	for _, a := range allow {
		if a.Subject != "any" {
			continue
		}
		for _, other := range allow {
			if other.Subject != "any" && other.scope() == a.scope() {
				w.add(ruleLine("allow", other), "it restricts nobody: lines of one scope are alternatives, and '%s' admits everybody who signs in", ruleLine("allow", a))
			}
		}
	}
}

// ownOrigin finds a site that lists itself. Its own pages need no CORS.
func (w *ruleWarner) ownOrigin(apis []*API, own string) {
	for _, a := range apis {
		if origins, err := gate.CleanOrigins(a.CORS); err == nil && own != "" && slices.Contains(origins, own) {
			w.add(lineOf("api", &a.Match, "cors", own), "that is the site itself, whose pages need no permission")
		}
	}
}

// isPaths reports whether the matcher consists of paths.
func (m *Match) isPaths() bool { return len(m.Path) > 0 && len(m.MatcherSetsRaw) == 0 }

func (m *Match) isAll() bool { return len(m.Path) == 0 && len(m.MatcherSetsRaw) == 0 }

// covers reports whether the matcher surely matches all that another one does.
func (m *Match) covers(other *Match) bool {
	switch {
	case m.isAll():
		return true
	case other.isAll():
		return m.isPaths() && slices.Contains(m.Path, "/*")
	case !m.isPaths() || !other.isPaths():
		return m.Scope != "" && m.Scope == other.Scope // one named matcher
	}
	return !slices.ContainsFunc(other.Path, func(p string) bool {
		return !slices.ContainsFunc(m.Path, func(by string) bool { return coversPath(by, p) })
	})
}

// coversPath compares as closing words do: without regard to case, and with /x
// below /x/*.
func coversPath(by, p string) bool {
	by, p = strings.ToLower(by), strings.ToLower(p)
	begin, open := strings.CutSuffix(by, "*")
	if strings.ContainsAny(begin, `*?[\%{`) || !open && by != p {
		return false
	}
	return by == p || strings.HasPrefix(p, begin) || p+"/" == begin
}

// overlaps reports whether some request might match both.
func overlaps(a, b []string) bool {
	for _, p := range a {
		for _, q := range b {
			if overlap(p, q) {
				return true
			}
		}
	}
	return false
}

func overlap(p, q string) bool {
	p, q = strings.ToLower(p), strings.ToLower(q)
	if strings.ContainsAny(p+q, `?[\%{`) {
		return true // who knows
	}
	before, _, wild := strings.Cut(p, "*")
	otherBefore, _, otherWild := strings.Cut(q, "*")
	switch {
	case wild && otherWild:
		return strings.HasPrefix(before, otherBefore) || strings.HasPrefix(otherBefore, before)
	case wild:
		return strings.HasPrefix(q, before) || q+"/" == before
	case otherWild:
		return strings.HasPrefix(p, otherBefore) || p+"/" == otherBefore
	}
	return strings.TrimSuffix(p, "/") == strings.TrimSuffix(q, "/")
}
