package cookie

import (
	"net/http"
	"strings"
)

// StripRequest removes the cookies whose name is owned from the Cookie lines
// of h and leaves all other bytes as they are. It removes rather too much than
// too little: whatever some server behind us might trim off a name does not
// count. It allocates only if a line holds cookies of both kinds, or lines of
// both kinds meet, and never writes to the slice that h holds.
func StripRequest(h http.Header, owned func(name string) bool) {
	lines := h["Cookie"]
	for i, line := range lines {
		kept, changed := stripLine(line, owned)
		if !changed {
			continue
		}
		var out []string
		if i > 0 || kept != "" || i+1 < len(lines) {
			out = stripRest(lines, i, kept, owned)
		}
		if len(out) == 0 {
			delete(h, "Cookie")
		} else {
			h["Cookie"] = out
		}
		return
	}
}

// stripRest returns lines with kept in place of the one at index i and those
// after it stripped.
func stripRest(lines []string, i int, kept string, owned func(string) bool) []string {
	var out []string
	if i > 0 {
		out = append(make([]string, 0, len(lines)), lines[:i]...)
	}
	for {
		if kept != "" {
			out = append(out, kept)
		}
		if i++; i == len(lines) {
			return out
		}
		kept, _ = stripLine(lines[i], owned)
	}
}

// stripLine returns a Cookie line without owned cookies, and whether there
// were any.
func stripLine(line string, owned func(string) bool) (kept string, changed bool) {
	var b strings.Builder
	first := true
	for rest, more := line, true; more; {
		start := len(line) - len(rest)
		var pair string
		pair, rest, more = strings.Cut(rest, ";")
		if owned(looseName(pair)) {
			if !changed {
				// Everything so far stays, without the semicolon before pair.
				kept, changed = line[:max(start-1, 0)], true
				first = start == 0
			}
			continue
		}
		if !changed {
			continue
		}
		if b.Len() == 0 {
			b.Grow(len(line))
			b.WriteString(kept)
		}
		if first {
			pair = strings.TrimPrefix(pair, " ")
		} else {
			b.WriteByte(';')
		}
		b.WriteString(pair)
		first = false
	}
	switch {
	case !changed:
		return line, false
	case b.Len() > 0:
		return b.String(), true
	default:
		return kept, true
	}
}

// StripResponse drops the Set-Cookie lines of owned cookies, so that nothing
// behind us can replace them. It never writes to the slice that h holds.
func StripResponse(h http.Header, owned func(name string) bool) {
	lines := h["Set-Cookie"]
	var out []string
	for i, line := range lines {
		pair, _, _ := strings.Cut(line, ";")
		mine := owned(looseName(pair))
		if mine && out == nil {
			out = append(make([]string, 0, len(lines)), lines[:i]...)
		} else if !mine && out != nil {
			out = append(out, line)
		}
	}
	switch {
	case out == nil:
	case len(out) == 0:
		delete(h, "Set-Cookie")
	default:
		h["Set-Cookie"] = out
	}
}

// looseName returns the name in a pair as the most lenient of parsers would
// see it: without space, control and non-ASCII bytes around it, among which are
// the white space of JavaScript and Python. Equals signs in front go too,
// because a browser sends the value "n=v" of a cookie without name as n=v. A
// pair without equals sign is all name.
func looseName(pair string) string {
	for pair != "" && (isLoose(pair[0]) || pair[0] == '=') {
		pair = pair[1:]
	}
	name, _, _ := strings.Cut(pair, "=")
	for name != "" && isLoose(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	return name
}

func isLoose(c byte) bool { return c <= ' ' || c >= 0x7F }
