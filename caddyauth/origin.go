package caddyauth

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"golang.org/x/net/idna"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// errHost says that a request names no host that could be part of a URL.
var errHost = errors.New("invalid host")

// canonical is a URL that the configuration or the environment gives a site.
type canonical struct {
	origin string // scheme://host[:port]
	host   string // lower case, without port
	path   string // the base path; empty if the URL names none
}

// parseCanonical reads the setting url, or the variable. As NextAuth does, it
// takes a URL without a scheme for https.
func parseCanonical(raw string) (*canonical, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	shown := redacted(raw)
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no URL", shown)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q: the scheme must be http or https", shown)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q: only scheme, host and path belong here", shown)
	}
	host, err := cleanHost(u.Hostname())
	if err != nil || u.Port() != "" && !isPort(u.Port()) {
		return nil, fmt.Errorf("%q: %w", shown, errHost)
	}
	return &canonical{
		origin: u.Scheme + "://" + joinPort(host, u.Port(), u.Scheme),
		host:   host,
		path:   strings.TrimRight(u.EscapedPath(), "/"),
	}, nil
}

// redacted is a URL without user name and password, for messages. Unlike
// url.URL's method of the name it copes with what is no URL: everything up to
// the last @ may be a password with a slash in it.
func redacted(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return raw
	}
	scheme := ""
	if i := strings.Index(raw[:at], "//"); i >= 0 {
		scheme = raw[:i+2]
	}
	return scheme + "xxxxx" + raw[at:]
}

// canonicalFromEnv reads NEXTAUTH_URL or, in dialect v5, AUTH_URL before it.
// Neither need be there.
func canonicalFromEnv(d dialect.Dialect) (c *canonical, name string, err error) {
	name = "NEXTAUTH_URL"
	if d == dialect.V5 && os.Getenv("AUTH_URL") != "" {
		name = "AUTH_URL"
	}
	raw := os.Getenv(name)
	if raw == "" {
		return nil, name, nil
	}
	if c, err = parseCanonical(raw); err != nil {
		return nil, name, fmt.Errorf("environment variable %s: %w", name, err)
	}
	return c, name, nil
}

// cleanHost returns a host name in the one spelling that counts: lower case,
// without the root's dot, and ASCII. The error is errHost for what is neither
// a name nor an address.
func cleanHost(host string) (string, error) {
	host = strings.Trim(host, "[]")
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", errHost // a zone means nothing to the browser
		}
		return addr.String(), nil
	}
	if !utf8.ValidString(host) {
		return "", errHost
	}
	host = strings.TrimSuffix(host, ".")
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || ascii == "" {
		// Lookup refuses underscores, which host names in intranets have.
		ascii = strings.ToLower(host)
	}
	if len(ascii) > 253 || strings.Contains("."+ascii+".", "..") {
		return "", errHost
	}
	for _, c := range []byte(ascii) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return "", errHost
		}
	}
	return ascii, nil
}

// joinPort puts host and port together, leaving out the scheme's default port.
func joinPort(host, port, scheme string) string {
	if port == "" || port == "80" && scheme == "http" || port == "443" && scheme == "https" {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return net.JoinHostPort(host, port)
}

// forwarded returns what a trusted proxy says in a field. Of a list, nobody can
// tell which element to believe: proxies append, so that the first may be the
// client's own text, and the last is what the inner proxy was asked for.
func (s *site) forwarded(r *http.Request, name string) string {
	values := r.Header[name]
	if len(values) == 0 || !trusted(r) {
		return ""
	}
	if len(values) == 1 && !strings.Contains(values[0], ",") {
		return values[0]
	}
	s.lists.Do(func() {
		s.log.Warn("a trusted proxy sends a list, which is ignored: let the outermost proxy set the header anew, or name the site's URL with 'url'",
			zap.String("site", s.name()), zap.String("header", name))
	})
	return ""
}

// requestScheme is the scheme that the browser used: the connection's, unless
// a trusted proxy says exactly http or https.
func (s *site) requestScheme(r *http.Request) string {
	if proto := s.forwarded(r, "X-Forwarded-Proto"); proto == "http" || proto == "https" {
		return proto
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// requestOrigin is the origin that the browser sees. The host is the one that
// Caddy matched, or a trusted proxy's X-Forwarded-Host if that is one of the
// site's. A port that is neither the local one nor the scheme's default was
// made up by the client, and is dropped.
func (s *site) requestOrigin(r *http.Request) (string, error) {
	scheme := s.requestScheme(r)
	hostport, proxied := r.Host, false
	if forwarded := s.forwarded(r, "X-Forwarded-Host"); forwarded != "" && s.answersFor(forwarded) {
		hostport, proxied = forwarded, true
	}
	host, port, err := splitHost(hostport)
	if err != nil {
		return "", err
	}
	if !proxied && port != localPort(r) || !isPort(port) {
		port = ""
	}
	return scheme + "://" + joinPort(host, port, scheme), nil
}

// splitHost takes a Host field apart. The error is errHost.
func splitHost(hostport string) (host, port string, err error) {
	name, port, err := net.SplitHostPort(hostport)
	if err != nil {
		name, port = hostport, ""
	}
	if strings.Trim(port, "0123456789") != "" {
		return "", "", errHost
	}
	host, err = cleanHost(name)
	return host, port, err
}

// answersFor reports whether a host that a proxy names is one of the site's:
// many proxies pass on what the client wrote. A site that answers every host
// has to believe its proxies.
func (s *site) answersFor(hostport string) bool {
	if s.everyHost || len(s.hosts) == 0 {
		return true
	}
	host, _, err := splitHost(hostport)
	if err == nil && slices.ContainsFunc(s.hosts, func(pattern string) bool { return matchesHost(pattern, host) }) {
		return true
	}
	s.strangers.Do(func() {
		s.log.Warn("a trusted proxy names a host that is none of this site's, which is ignored: add it to the site's addresses, or name the site's URL with 'url'",
			zap.String("site", s.name()), zap.String("host", hostport))
	})
	return false
}

// matchesHost compares as Caddy's host matcher does: a star stands for one
// label.
func matchesHost(pattern, host string) bool {
	if strings.Contains(pattern, "{") {
		pattern = caddy.NewReplacer().ReplaceAll(pattern, "")
	}
	pattern = strings.ToLower(strings.Trim(pattern, "[]"))
	if !strings.Contains(pattern, "*") {
		return pattern == host
	}
	want, got := strings.Split(pattern, "."), strings.Split(host, ".")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == "*" || w == g })
}

func isPort(s string) bool {
	_, err := netip.ParseAddrPort("127.0.0.1:" + s)
	return err == nil
}

// trusted reports whether the request comes from one of Caddy's
// trusted_proxies.
func trusted(r *http.Request) bool {
	yes, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return yes
}

// localPort is the port that the request's connection was accepted on.
func localPort(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return ""
	}
	return port
}

// clientIP is the client as Caddy sees it, behind trusted proxies.
func clientIP(r *http.Request) netip.Addr {
	s, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(s)
	if err != nil {
		if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			addr = ap.Addr()
		}
	}
	return addr.Unmap()
}

// provisionOrigin reads url and base_path.
func (s *site) provisionOrigin(caddy.Context) error {
	s.basePath = defaultBasePath
	if s.config.URL != "" {
		raw, err := resolve(s.config.URL)
		if err != nil {
			return fmt.Errorf("url: %w", err)
		}
		if s.canonical, err = parseCanonical(raw); err != nil {
			return fmt.Errorf("url: %w", err)
		}
		setBase(&s.basePath, s.canonical.path)
	}
	if s.config.BasePath != "" {
		base, err := resolve(s.config.BasePath)
		if err != nil {
			return fmt.Errorf("base_path: %w", err)
		}
		s.basePath = strings.TrimRight(base, "/")
	}
	if !plainPath(s.basePath) {
		return fmt.Errorf("base_path %q: it must begin with a slash, and have letters, digits, - . _ ~ and single slashes only", s.basePath)
	}
	return nil
}

func setBase(to *string, path string) {
	if path != "" {
		*to = path
	}
}

// plainPath reports whether a path is one that every server reads alike.
func plainPath(p string) bool {
	if len(p) < 2 || p[0] != '/' {
		return false
	}
	for segment := range strings.SplitSeq(p[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		for _, c := range []byte(segment) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			default:
				return false
			}
		}
	}
	return true
}

// origin returns the origin that the browser should see on this request.
func (s *site) origin(r *http.Request) (string, error) {
	if s.canonical != nil {
		return s.canonical.origin, nil
	}
	return s.requestOrigin(r)
}
