package gate

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// APIScope is one api line: requests of programs.
type APIScope struct {
	// Matcher is the line's matcher; nil means every request.
	Matcher Matcher
	// Origins are those whose pages may read the answers, with credentials.
	Origins []string
}

// apiScope is a compiled APIScope.
type apiScope struct {
	term    term
	origins []string
}

func newAPIScopes(scopes []APIScope) ([]apiScope, error) {
	var compiled []apiScope
	for _, s := range scopes {
		origins, err := CleanOrigins(s.Origins)
		if err != nil {
			return nil, fmt.Errorf("api: cors: %w", err)
		}
		compiled = append(compiled, apiScope{newTerm(s.Matcher), origins})
	}
	return compiled, nil
}

// api is what the api lines say of a request.
type api struct {
	// matched says that a program sent it.
	matched bool
	// varies says that the answer depends on who asks (Origin).
	varies bool
	// origin is the one that asks, if the lines list it.
	origin string
}

func (p *Policy) apiOf(e *evaluation) api {
	var a api
	origin := ""
	// Browsers send one. Of two, nobody can tell which one counts.
	if values := e.r.Header["Origin"]; len(values) == 1 {
		origin = values[0]
	}
	for i := range p.apis {
		s := &p.apis[i]
		if !e.closes(s.term) {
			continue
		}
		a.matched = true
		a.varies = a.varies || len(s.origins) > 0
		// Exactly: browsers spell an origin in one way (RFC 6454 section 6.2). To
		// be read by other origins opens something, so every reading has to match.
		if origin != "" && contains(s.origins, origin) && (s.term.always() || e.opens(s.term)) {
			a.origin = origin
		}
	}
	return a
}

// isPreflight reports whether a browser asks if a page may send a request (Fetch
// standard, section 4.8). An OPTIONS request that lacks the field is not one.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header["Access-Control-Request-Method"]) == 1 &&
		isToken(r.Header["Access-Control-Request-Method"][0])
}

func isToken(s string) bool { return s != "" && len(s) <= 64 && strings.Trim(s, tokenChars) == "" }

// preflightAge is how long a browser may remember the answer, in seconds.
const preflightAge = 600

// maxRequestHeaders bounds what a preflight makes us send back.
const maxRequestHeaders = 4 << 10

// preflight answers for the listed origin: whatever its page wants to send, it may.
// Whether that passes is decided when it comes, with the session.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", r.Header["Access-Control-Request-Method"][0])
	if names := r.Header["Access-Control-Request-Headers"]; len(names) == 1 && areTokens(names[0]) {
		h.Set("Access-Control-Allow-Headers", names[0])
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(preflightAge))
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
}

func areTokens(list string) bool {
	if len(list) > maxRequestHeaders {
		return false
	}
	for name := range strings.SplitSeq(list, ",") {
		if !isToken(strings.Trim(name, " \t")) {
			return false
		}
	}
	return true
}

// CrossOrigin lets the page that asked read a refusal, and the fields that say
// what to do about it, if its origin is one of those listed.
func (d Decision) CrossOrigin(h http.Header) {
	if d.CORS != "" {
		allowOrigin(h, d.CORS)
		h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	}
	if d.VaryOrigin {
		h.Add("Vary", "Origin")
	}
}

// allowOrigin lets the pages of an origin read a response.
func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// CleanOrigins returns origins as browsers write them: in lower case, and without
// the port that is the scheme's own. What is no whole origin is an error: a
// wildcard and "null" stand for pages of anybody.
func CleanOrigins(origins []string) ([]string, error) {
	var cleaned []string
	for _, o := range origins {
		c, err := cleanOrigin(o)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(cleaned, c) {
			cleaned = append(cleaned, c)
		}
	}
	return cleaned, nil
}

func cleanOrigin(origin string) (string, error) {
	const example = "write a whole origin such as https://www.example.com"
	switch {
	case origin == "null":
		return "", fmt.Errorf("'null' is the origin of anybody's sandboxed pages: %s", example)
	case strings.Contains(origin, "*"):
		return "", fmt.Errorf("'%s' has a wildcard, and answers with credentials are for named origins only: %s", origin, example)
	}
	u, err := url.Parse(origin)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return "", fmt.Errorf("'%s' is no origin: %s", origin, example)
	case u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(origin, "#"):
		return "", fmt.Errorf("'%s' has more than scheme, host and port: %s", origin, example)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	for i := range len(host) {
		if host[i] <= ' ' || host[i] >= 0x7f || strings.IndexByte(`"\%<>^`+"`{|}", host[i]) >= 0 {
			return "", fmt.Errorf("'%s' has a host that browsers write differently: %s, letters beyond ASCII as xn--", origin, example)
		}
	}
	if n, err := strconv.Atoi(port); strings.HasSuffix(u.Host, ":") || port != "" && (err != nil || n < 1 || n > 65535) {
		return "", fmt.Errorf("'%s' has no valid port: %s", origin, example)
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}
