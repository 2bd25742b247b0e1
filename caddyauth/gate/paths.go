package gate

import "strings"

// steps are what a server may do to a path, before it decodes it or after. Each
// returns its argument if there is nothing to do, and a path that begins with a
// slash otherwise.
var steps = [...]func(string) string{
	cutQuery, dropMatrix, turnBackslashes, mergeSlashes, removeDots, cleanDots, trimSegments, peelDots, dropAuthority,
}

// cutQuery cuts at a decoded # or ?, as a server does that puts the path into
// a URL again and parses that.
func cutQuery(p string) string {
	if i := strings.IndexAny(p, "#?"); i >= 0 {
		return p[:i]
	}
	return p
}

// dropMatrix drops the parameters of each segment, as servlet containers do:
// to them /public/..;/admin is /public/../admin.
func dropMatrix(p string) string {
	if strings.IndexByte(p, ';') < 0 {
		return p
	}
	b := make([]byte, 0, len(p))
	skip := false
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '/':
			skip = false
		case ';':
			skip = true
		}
		if !skip {
			b = append(b, p[i])
		}
	}
	return string(b)
}

// turnBackslashes reads \ as /, as Windows and the WHATWG URL parser do.
func turnBackslashes(p string) string {
	return strings.ReplaceAll(p, `\`, "/")
}

// mergeSlashes makes one slash of many.
func mergeSlashes(p string) string {
	if !strings.Contains(p, "//") {
		return p
	}
	b := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '/' || i == 0 || p[i-1] != '/' {
			b = append(b, p[i])
		}
	}
	return string(b)
}

// removeDots resolves . and .. segments (RFC 3986 section 5.2.4). An empty
// segment is a segment here: /a//../b is /a/b. With mergeSlashes taken before,
// it is /b.
func removeDots(p string) string {
	if !strings.Contains(p, "/.") {
		return p
	}
	b := make([]byte, 0, len(p))
	dotted, last := false, false
	for rest := p[1:]; ; {
		segment, tail, more := strings.Cut(rest, "/")
		last = segment == "." || segment == ".."
		switch {
		case segment == "..":
			b = b[:max(strings.LastIndexByte(string(b), '/'), 0)]
		case segment != ".":
			b = append(append(b, '/'), segment...)
		}
		dotted = dotted || last
		if !more {
			break
		}
		rest = tail
	}
	if !dotted {
		return p
	}
	if last {
		b = append(b, '/')
	}
	return string(b)
}

// cleanDots does the same and, as path.Clean does, leaves no slash where a
// dot segment ends the path: /a/b/.. is /a and not /a/.
func cleanDots(p string) string {
	if !strings.HasSuffix(p, "/.") && !strings.HasSuffix(p, "/..") {
		return p
	}
	if p = removeDots(p); len(p) > 1 {
		p = p[:len(p)-1]
	}
	return p
}

// trimSegments drops the dots and spaces that end a segment, as Windows does:
// "admin." and "admin " are admin, and ".. " is "..".
func trimSegments(p string) string {
	if !strings.ContainsAny(p, ". ") {
		return p
	}
	segments := strings.Split(p, "/")
	for i, s := range segments {
		if s = strings.TrimRight(s, " "); s != "." && s != ".." {
			s = strings.TrimRight(s, ". ")
		}
		segments[i] = s
	}
	return strings.Join(segments, "/")
}

// peelDots takes the dots behind a space from segments that are nothing but
// dots and spaces. Where two servers trim one after the other, ".. ." ends as
// "..", although each on its own would leave less of it or more.
func peelDots(p string) string {
	if !strings.Contains(p, " .") {
		return p
	}
	segments := strings.Split(p, "/")
	for i, s := range segments {
		if strings.Contains(s, " .") && strings.Trim(s, ". ") == "" {
			segments[i] = strings.TrimRight(s, ".")
		}
	}
	return strings.Join(segments, "/")
}

// dropAuthority reads //host/path as /path, as URL parsers do that are given
// a request target for a relative reference (RFC 3986 section 4.2).
func dropAuthority(p string) string {
	if !strings.HasPrefix(p, "//") {
		return p
	}
	_, rest, _ := strings.Cut(strings.TrimLeft(p, "/"), "/")
	return "/" + rest
}
