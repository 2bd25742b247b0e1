package caddyauth_test

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// This is the gate's contract once more, from the words of its documentation
// and for clarity alone, for TestGateProperty to hold the gate against.

// meanings is every way in which the path of a request may be read.
type meanings struct {
	paths []string
	// unclear says that decoding again yields what is not UTF-8.
	unclear bool
	// tooMany says that there are more than anyone can mean.
	tooMany bool
	// bad says that the request has to be refused as malformed.
	bad bool
}

// The bounds that the gate documents.
const (
	mostMeanings     = 64
	mostMeaningBytes = 64 << 10
)

// someStep is one habit of a server.
type someStep func(string) string

var habits = []someStep{
	beforeNumberSign, withSlashes, withoutEndings, withoutLateDots, withoutParameters, withoutDoubleSlashes, withoutDots, withoutDotsAtEnd, withoutAuthority,
}

// meaningsOf finds what the path of a request target may mean to servers of
// these habits, any of which they may have before they decode it, and after.
// Wires are the path as it came and as it goes on. With most at 0 there is no
// bound but that of patience.
func meaningsOf(wires []string, habits []someStep, most int) meanings {
	var m meanings
	patience := most
	if most == 0 {
		patience = 400
	}
	size := 0
	add := func(list []string, s string) []string {
		if slices.Contains(list, s) {
			return list
		}
		return append(list, s)
	}
	for i := 0; i < len(wires); i++ {
		if i >= patience {
			m.tooMany = true
			break
		}
		for _, step := range habits {
			wires = add(wires, step(wires[i]))
		}
	}
	for _, wire := range wires {
		for _, some := range []bool{false, true} {
			s, whole := unescape(wire, some)
			if !whole || !utf8.ValidString(s) || hasControl(s) || hasControl(wire) {
				m.bad = true
				return m
			}
			m.paths = add(m.paths, s)
		}
	}
	for i := 0; i < len(m.paths); i++ {
		size += len(m.paths[i])
		if i >= patience || most > 0 && size > mostMeaningBytes {
			m.tooMany = true
			return m
		}
		for _, step := range habits {
			m.paths = add(m.paths, step(m.paths[i]))
		}
		again, _ := unescape(m.paths[i], false)
		if hasControl(again) {
			m.bad = true
			return m
		}
		m.unclear = m.unclear || !utf8.ValidString(again)
		m.paths = add(m.paths, again)
	}
	return m
}

// unescape decodes once. With some, an escaped slash and what nobody needs to
// escape stay as they are. The result says whether every % began an escape.
func unescape(p string, some bool) (string, bool) {
	first, rest, found := strings.Cut(p, "%")
	if !found {
		return p, true
	}
	var b strings.Builder
	b.WriteString(first)
	whole := true
	for part := range strings.SplitSeq(rest, "%") {
		code, err := uint64(0), error(nil)
		if len(part) < 2 {
			err = strconv.ErrSyntax
		} else {
			code, err = strconv.ParseUint(strings.ToLower(part[:2]), 16, 8)
		}
		switch {
		case err != nil:
			whole = false
			b.WriteString("%" + part)
			continue
		case some && strings.ContainsRune(needless, rune(code)):
			b.WriteString("%" + strings.ToUpper(part[:2]))
		default:
			b.WriteByte(byte(code))
		}
		b.WriteString(part[2:])
	}
	return b.String(), whole
}

const needless = "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func eachSegment(p string, change func(string) string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i] = change(s)
	}
	return strings.Join(segments, "/")
}

func withoutParameters(p string) string {
	return eachSegment(p, func(s string) string { s, _, _ = strings.Cut(s, ";"); return s })
}

func withoutDoubleSlashes(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// withoutDots is RFC 3986 section 5.2.4.
func withoutDots(p string) string {
	segments := strings.Split(p[1:], "/")
	if !slices.Contains(segments, ".") && !slices.Contains(segments, "..") {
		return p
	}
	var out []string
	for i, s := range segments {
		if s != "." && s != ".." {
			out = append(out, s)
			continue
		}
		if s == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if i == len(segments)-1 {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// withoutDotsAtEnd is what path.Clean makes of a directory.
func withoutDotsAtEnd(p string) string {
	if last := path.Base(p); strings.HasSuffix(p, "/") || last != "." && last != ".." {
		return p
	}
	if p = withoutDots(p); p != "/" {
		p = strings.TrimSuffix(p, "/")
	}
	return p
}

func withoutAuthority(p string) string {
	if !strings.HasPrefix(p, "//") {
		return p
	}
	_, rest, _ := strings.Cut(strings.TrimLeft(p, "/"), "/")
	return "/" + rest
}

func withSlashes(p string) string { return strings.ReplaceAll(p, `\`, "/") }

func beforeNumberSign(p string) string {
	p, _, _ = strings.Cut(p, "#")
	p, _, _ = strings.Cut(p, "?")
	return p
}

// withoutEndings is what Windows makes of names.
func withoutEndings(p string) string {
	return eachSegment(p, func(s string) string {
		if s = strings.TrimRight(s, " "); s == "." || s == ".." {
			return s
		}
		return strings.TrimRight(s, " .")
	})
}

// withoutLateDots is what trimming dots makes of names of dots and spaces.
func withoutLateDots(p string) string {
	return eachSegment(p, func(s string) string {
		if s == "." || s == ".." || !strings.Contains(s, " .") || strings.Trim(s, " .") != "" {
			return s
		}
		return strings.TrimRight(s, ".")
	})
}

// cleaned is a path as Caddy's own matchers compare it.
func cleaned(p string) string {
	if c := path.Clean(p); c == "/" || !strings.HasSuffix(p, "/") {
		return c
	}
	return path.Clean(p) + "/"
}

// plainCase makes one spelling of all that differ in case or in how an accent
// is written.
func plainCase(s string) string { return strings.ToLower(strings.ToUpper(norm.NFD.String(s))) }

// likePattern says whether a path is one that Caddy's path matcher would mean
// by a pattern, whose case counts.
func likePattern(pattern, p string) bool {
	inner := strings.Trim(pattern, "*")
	switch stars := strings.Count(pattern, "*"); {
	case stars == 1 && strings.HasSuffix(pattern, "*"):
		return strings.HasPrefix(p, inner) // even if there is a ? in it
	case stars == 1 && strings.HasPrefix(pattern, "*"):
		return strings.HasSuffix(p, inner)
	case stars == 2 && strings.HasPrefix(pattern, "*") && strings.HasSuffix(pattern, "*"):
		return strings.Contains(p, inner)
	}
	ok, _ := path.Match(pattern, p)
	return ok
}

// condition is a matcher of the gate's.
type condition struct {
	// text stands behind the word in the Caddyfile, and define is the matcher
	// that it names, if it names one.
	text, define string
	// opens and closes say whether it means a request with a path as an opening
	// and as a closing word.
	opens, closes func(method, path string) bool
}

// always is the condition of a word without a matcher.
func always() condition {
	yes := func(string, string) bool { return true }
	return condition{opens: yes, closes: yes}
}

// onPaths is the condition of path patterns.
func onPaths(patterns ...string) condition {
	return condition{
		opens: func(_, p string) bool {
			return slices.ContainsFunc(patterns, func(pattern string) bool {
				pattern, _ = unescape(pattern, true)
				return likePattern(pattern, p)
			})
		},
		closes: func(_, p string) bool {
			return slices.ContainsFunc(patterns, func(pattern string) bool { return closesPattern(pattern, p) })
		},
	}
}

// closesPattern ignores the case and a slash at the end.
func closesPattern(pattern, p string) bool {
	for _, some := range []bool{true, false} {
		text, _ := unescape(pattern, some)
		for _, fold := range []func(string) string{plainCase, func(s string) string { return s }} {
			for _, form := range []string{p, p + "/", strings.TrimSuffix(p, "/")} {
				// /x/* means /x, and /x means /x/. Nothing means less than a root.
				if form == "" || strings.HasSuffix(p, "/") && form == p+"/" {
					continue
				}
				if form == p+"/" && !strings.ContainsAny(text, "*?[") {
					continue
				}
				if likePattern(fold(text), fold(form)) {
					return true
				}
			}
		}
	}
	return false
}

// onRegexp is the condition of a regular expression over the cleaned path. What
// closes is asked about the lower-case form, and the one with a slash, too.
func onRegexp(expression string) condition {
	re, folded := regexp.MustCompile(expression), regexp.MustCompile("(?i)"+expression)
	opens := func(_, p string) bool { return re.MatchString(cleaned(p)) }
	return condition{opens: opens, closes: func(_, p string) bool {
		for _, form := range []string{p, strings.ToLower(p)} {
			if folded.MatchString(cleaned(form)) || !strings.HasSuffix(form, "/") && folded.MatchString(cleaned(form+"/")) {
				return true
			}
		}
		return false
	}}
}

// exactly is the condition of a matcher that is asked about readings as they are.
func exactly(holds func(method, path string) bool) condition {
	return condition{opens: holds, closes: holds}
}

// caddyPath is Caddy's own path matcher.
func caddyPath(pattern, p string) bool {
	return likePattern(strings.ToLower(pattern), cleaned(strings.ToLower(p)))
}

// both is the condition of a set of matchers.
func both(a, b condition) condition {
	return condition{
		opens:  func(m, p string) bool { return a.opens(m, p) && b.opens(m, p) },
		closes: func(m, p string) bool { return a.closes(m, p) && b.closes(m, p) },
	}
}

// verdict is what is to become of a request without a session.
type verdict string

const (
	passes  verdict = "passes"
	asks    verdict = "has to sign in"
	denies  verdict = "is denied"
	refuses verdict = "is malformed"
)

// ruleSet is the rules of one site.
type ruleSet struct {
	host            string
	scope           *condition
	public, private []condition
	deny            []condition
	// others are lines that have no say without a session.
	others []string
}

func (rs *ruleSet) closedBy(list []condition, method string, m meanings) bool {
	return slices.ContainsFunc(list, func(c condition) bool {
		if m.tooMany || c.text == "" {
			return true
		}
		return slices.ContainsFunc(m.paths, func(p string) bool { return c.closes(method, p) })
	})
}

// decide says what becomes of a request with these meanings.
func (rs *ruleSet) decide(method string, m meanings) verdict {
	if m.bad {
		return refuses
	}
	if rs.scope != nil && !rs.closedBy([]condition{*rs.scope}, method, m) {
		return passes
	}
	if rs.closedBy(rs.deny, method, m) {
		return denies
	}
	everything := slices.ContainsFunc(rs.public, func(c condition) bool { return c.text == "" })
	open := everything || len(rs.public) > 0 && !m.tooMany && !m.unclear && !slices.ContainsFunc(m.paths, func(p string) bool {
		return !slices.ContainsFunc(rs.public, func(c condition) bool { return c.opens(method, p) })
	})
	if open && !rs.closedBy(rs.private, method, m) {
		return passes
	}
	return asks
}

// pathOf is the path of a request target, as it came.
func pathOf(target string) string {
	if _, rest, absolute := strings.Cut(target, "://"); absolute && !strings.HasPrefix(target, "/") {
		i := strings.IndexAny(rest, "/?")
		if i < 0 {
			return "/"
		}
		target = rest[i:]
	}
	target, _, _ = strings.Cut(target, "?")
	if target == "" {
		return "/"
	}
	return target
}

// expects is what the rules say to a request.
func (rs *ruleSet) expects(method, target string) (verdict, meanings) {
	p := pathOf(target)
	if below := strings.HasPrefix(p, "/api/auth/") || p == "/api/auth"; below {
		return "", meanings{}
	}
	wires := []string{p}
	if u, err := url.ParseRequestURI(p); err == nil {
		wires = append(wires, u.EscapedPath())
	}
	m := meaningsOf(wires, habits, mostMeanings)
	return rs.decide(method, m), m
}

// admits says whether the rules open all that servers may make of a request
// line that an upstream received, and which meaning they do not.
func (rs *ruleSet) admits(line string) (string, bool) {
	method, target, _ := strings.Cut(line, " ")
	target, _, _ = strings.Cut(target, " ")
	m := meaningsOf([]string{pathOf(target)}, habits, 0)
	if m.bad {
		return "malformed", false
	}
	for _, p := range m.paths {
		if one := (meanings{paths: []string{p}}); rs.decide(method, one) != passes {
			return p, false
		}
	}
	return "", true
}
