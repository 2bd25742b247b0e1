package cookie

import (
	"net/http"
	"slices"
	"strings"
)

// Bounds on what a client can make us do for a session cookie.
const (
	maxCandidates = 4         // tokens tried per request
	maxChunks     = 32        // cookies that make up one token
	maxJoined     = 128 << 10 // bytes of one token
	maxPresent    = 64        // names told to clear
)

// cut splits the first pair off a Cookie header line. The separator is a
// semicolon and one space (RFC 6265 section 4.2.1). More space than that
// belongs to the name, as does any before the equals sign: a browser sends
// neither, and trimming would let a cookie such as "\u2000__Host-x" pass for
// one whose prefix the browser guards. A pair without equals sign has no name.
func cut(line string) (name, value, rest string) {
	pair := line
	if i := strings.IndexByte(line, ';'); i >= 0 {
		pair, rest = line[:i], line[i+1:]
		if rest != "" && rest[0] == ' ' {
			rest = rest[1:]
		}
	}
	if i := strings.IndexByte(pair, '='); i >= 0 {
		return pair[:i], pair[i+1:], rest
	}
	return "", pair, rest
}

// text returns a value as JavaScript's cookie parser would: without quotes
// around it, percent-decoded once.
func text(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	return Decode(value)
}

// Get returns the value of the first cookie called exactly name in the Cookie
// lines of h, percent-decoded once. A value that cannot be decoded is returned
// as it is. Several lines count as one, in order: HTTP/2 clients split the
// header (RFC 9113 section 8.2.3).
func Get(h http.Header, name string) (string, bool) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var n, v string
			if n, v, line = cut(line); n == name && name != "" {
				return text(v), true
			}
		}
	}
	return "", false
}

// SessionTokens calls fn with each token that the session cookie called name
// may stand for, until fn returns false. A browser that holds leftovers, of a
// longer token, another path or a parent domain, offers several; one good token
// among them must be found, or the leftovers lock somebody out.
//
// Chunks name.0, name.1, ... come first, joined up to the first gap or the
// first one that is shorter than those before it. Where names repeat, the first
// of each and the last of each are tried. Then come the cookies called name
// itself. There are at most four candidates, of at most 32 chunks and 128 KiB.
// Only joining chunks and percent-decoding allocate.
func SessionTokens(h http.Header, name string, fn func(token string) bool) {
	var single [maxCandidates]string
	singles, chunked := 0, false
	for _, line := range h["Cookie"] {
		for line != "" {
			var n, v string
			n, v, line = cut(line)
			suffix, ok := strings.CutPrefix(n, name)
			switch {
			case !ok:
			case suffix != "":
				chunked = chunked || chunkIndex(suffix) >= 0
			case singles < maxCandidates && v != "":
				single[singles] = v
				singles++
			}
		}
	}
	tried := 0
	if chunked {
		for _, token := range joined(h, name) {
			if tried++; !fn(token) {
				return
			}
		}
	}
	for _, v := range single[:min(singles, maxCandidates-tried)] {
		if token := text(v); token != "" && !fn(token) {
			return
		}
	}
}

// joined returns the tokens, two at most, that the chunks of name make up.
func joined(h http.Header, name string) []string {
	var first, last [maxChunks]string
	repeated := false
	for _, line := range h["Cookie"] {
		for line != "" {
			var n, v string
			n, v, line = cut(line)
			suffix, ok := strings.CutPrefix(n, name)
			if !ok {
				continue
			}
			i := chunkIndex(suffix)
			if i < 0 || i >= maxChunks || v == "" {
				continue
			}
			v = text(v)
			if first[i] == "" {
				first[i] = v
			} else {
				repeated = true
			}
			last[i] = v
		}
	}
	tokens := make([]string, 0, 2)
	for _, chunks := range []*[maxChunks]string{&first, &last} {
		if token := join(chunks[:]); token != "" && !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
		if !repeated {
			break
		}
	}
	return tokens
}

// join concatenates the chunks of one token. All of them have the length of the
// first, except the last, which may be shorter; what follows it, or a gap, is
// left over from a longer token.
func join(chunks []string) string {
	n, size := 0, 0
	for n < len(chunks) && chunks[n] != "" && len(chunks[n]) <= len(chunks[0]) {
		size += len(chunks[n])
		n++
		if len(chunks[n-1]) < len(chunks[0]) {
			break
		}
	}
	if size > maxJoined {
		return ""
	}
	return strings.Join(chunks[:n], "")
}

// chunkIndex returns the number in ".0", ".1", ... written without leading
// zeros and in five digits at most, or -1.
func chunkIndex(suffix string) int {
	if len(suffix) < 2 || len(suffix) > 6 || suffix[0] != '.' || suffix[1] == '0' && len(suffix) > 2 {
		return -1
	}
	n := 0
	for _, c := range []byte(suffix[1:]) {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// Present returns which of name, name.0, name.1, ... a request brought with a
// value, each once, in order of appearance and at most 64 of them. These are the
// names to clear, or to overwrite with [Chunk].
func Present(h http.Header, name string) []string {
	var names []string
	for _, line := range h["Cookie"] {
		for line != "" && len(names) < maxPresent {
			var n, v string
			n, v, line = cut(line)
			suffix, ok := strings.CutPrefix(n, name)
			if ok && v != "" && (suffix == "" || chunkIndex(suffix) >= 0) && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}
