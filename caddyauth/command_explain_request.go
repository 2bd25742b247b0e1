package caddyauth

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// question is a request that somebody asks about.
type question struct {
	method, remote string
	// origin and target are the two parts of the URL.
	origin, target string
	fields         []string
	// given says of the flags claims, header and query whether there is one. A URL has
	// its query.
	given  map[string]bool
	logged *loggedRefusal // nil: it is not from a log
}

// parseURL takes a URL apart and leaves the path as it is: any spelling may be what
// somebody wonders about.
func (q *question) parseURL(raw string) error {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	scheme, rest, _ := strings.Cut(raw, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	q.origin, q.target = scheme+"://"+rest[:end], rest[end:]
	if !strings.HasPrefix(q.target, "/") {
		q.target = "/" + q.target
	}
	if scheme != "http" && scheme != "https" || end == 0 {
		return fmt.Errorf("%q is no URL of http or https", raw)
	}
	return nil
}

func (q *question) host() string { _, host, _ := strings.Cut(q.origin, "://"); return host }

// siteOf finds the site that a request is for.
func (a *App) siteOf(q question) (*site, error) {
	host, _, err := splitHost(q.host())
	if err != nil {
		return nil, fmt.Errorf("%q: %w", q.host(), err)
	}
	var found *site
	var best int
	var hosts []string
	for _, s := range a.sites {
		rank := 0
		for _, pattern := range s.hosts {
			hosts = append(hosts, pattern)
			switch {
			case strings.EqualFold(pattern, host):
				rank = max(rank, 6)
			case matchesHost(pattern, host):
				rank = max(rank, 4)
			}
		}
		if s.everyHost {
			rank, hosts = max(rank, 2), append(hosts, "every host")
		}
		if rank > 0 && s.server != nil && guessOrigin(s.server, host) == q.origin {
			rank++ // one host may be on several ports
		}
		if rank > best {
			found, best = s, rank
		}
	}
	if found == nil {
		slices.Sort(hosts)
		return nil, fmt.Errorf("no site with caddyauth answers %s; those that there are answer %s", host, strings.Join(slices.Compact(hosts), ", "))
	}
	return found, nil
}

// request makes the request as the site's server would.
func (q *question) request(s *site) (*http.Request, error) {
	u, err := url.ParseRequestURI(q.target)
	if err != nil {
		return nil, fmt.Errorf("%q: no server takes this: %w", q.target, err)
	}
	r := &http.Request{
		Method: q.method, URL: u, RequestURI: q.target, Host: q.host(), Header: make(http.Header), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: net.JoinHostPort(cmp.Or(q.remote, "127.0.0.1"), "1"),
	}
	if strings.HasPrefix(q.origin, "https:") {
		r.TLS = new(tls.ConnectionState)
	}
	for _, field := range q.fields {
		name, value, ok := strings.Cut(field, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q: write 'Name: value'", field)
		}
		r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	server := s.server
	if server == nil {
		server = new(caddyhttp.Server)
	}
	r = caddyhttp.PrepareRequest(r.WithContext(context.Background()), caddy.NewReplacer(), httptest.NewRecorder(), server)
	return r, nil
}

// person is who is signed in, nil for nobody.
func (a action) person(s *site, logged *loggedRefusal) (*session.Session, error) {
	raw := []byte(nil)
	switch claims, user := a.text("claims"), a.text("user"); {
	case claims != "":
		var err error
		if raw, err = readArgument(a, claims); err != nil {
			return nil, fmt.Errorf("--claims: %w", err)
		}
	case logged != nil:
		return logged.person(s)
	case user != "":
		return a.described(s, user)
	default:
		for _, flag := range []string{"email", "role", "group", "org", "signed-in", "acr"} {
			if a.Flags().Changed(flag) {
				return nil, fmt.Errorf("--%s describes somebody that --user names", flag)
			}
		}
		return nil, nil
	}
	who, err := session.FromClaims(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, fmt.Errorf("--claims: that is no JSON object: it takes the payload of a session token")
	}
	if who.Evidence.Realm == "" {
		who.Evidence.Realm = s.realms[who.Evidence.Provider] // who writes claims by hand need not know it
	}
	return who, nil
}

// described is somebody whom the flags describe.
func (a action) described(s *site, user string) (*session.Session, error) {
	l := loggedRefusal{Login: user, Email: a.text("email"), ACR: a.text("acr")}
	if id, name, ok := strings.Cut(user, ":"); ok && slices.Contains(s.accountProviders(), id) {
		l.Provider, l.Login = id, name
	} else if ids := s.accountProviders(); len(ids) == 1 {
		l.Provider = ids[0]
	} else {
		return nil, fmt.Errorf("--user %q: write <provider>:<login> with one of %s", user, strings.Join(ids, ", "))
	}
	l.UserID = l.Login
	_, l.Domain, l.Verified = strings.Cut(strings.ToLower(l.Email), "@")
	l.Roles, _ = a.Flags().GetStringArray("role")
	l.Groups, _ = a.Flags().GetStringArray("group")
	l.Orgs, _ = a.Flags().GetStringArray("org")
	ago, _ := a.Flags().GetDuration("signed-in")
	l.AuthTime = time.Now().Add(-ago).Unix()
	return l.person(s)
}

// loggedRefusal is a line that logRefusal has written.
type loggedRefusal struct {
	Time      any    `json:"ts"`
	Message   string `json:"msg"`
	Reason    string `json:"reason"`
	Reference string `json:"reference"`
	ClientIP  string `json:"client_ip"`
	Method    string `json:"method"`
	Host      string `json:"host"`
	Path      string `json:"path"`
	TLS       bool   `json:"tls"`
	Rule      string `json:"rule"`

	UserID   string   `json:"user_id"`
	Provider string   `json:"provider"`
	Login    string   `json:"login"`
	Email    string   `json:"email"`
	Name     string   `json:"name"`
	Image    string   `json:"image"`
	Domain   string   `json:"domain"`
	Verified bool     `json:"verified"`
	Roles    []string `json:"roles"`
	Groups   []string `json:"groups"`
	Orgs     []string `json:"orgs"`
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr"`

	Token        string   `json:"token_id"`
	TokenPaths   []string `json:"token_paths"`
	TokenMethods []string `json:"token_methods"`
}

// when is the time of the line, in Caddy's own format; zero in others.
func (l *loggedRefusal) when() time.Time {
	seconds, _ := l.Time.(float64)
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9))
}

// recall finds the request of a reference.
func (q *question) recall(a action, file, reference string) error {
	in := a.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	l, err := findRefusal(in, reference)
	if err != nil {
		return err
	}
	q.logged, q.target, q.origin = l, l.Path, "http://"+l.Host
	if query := a.text("query"); query != "" {
		q.target += "?" + strings.TrimPrefix(query, "?")
	}
	if l.TLS {
		q.origin = "https://" + l.Host
	}
	if !a.Flags().Changed("method") {
		q.method = l.Method
	}
	q.remote = cmp.Or(q.remote, l.ClientIP)
	return nil
}

// maxLogLine bounds a line that is looked at.
const maxLogLine = 1 << 20

func findRefusal(in io.Reader, reference string) (*loggedRefusal, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(reference)) {
			continue
		}
		var l loggedRefusal
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Reference != reference {
			continue
		}
		if l.Host == "" || l.Path == "" {
			return nil, fmt.Errorf("reference %s: '%s' (%s) is no refusal of the gate's, so there is no rule to ask", reference, l.Message, l.Reason)
		}
		return &l, nil
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("reference %s: no such line in the log; it must be in JSON, and that somebody has to sign in is logged at level DEBUG only", reference)
}

// person makes a session of what the line says of somebody, nil if that is nothing.
// It is made of claims, so that lines which read claims see them.
func (l *loggedRefusal) person(s *site) (*session.Session, error) {
	if l.UserID == "" {
		return nil, nil
	}
	email := l.Email
	if email == "" && l.Domain != "" {
		email = "somebody@" + l.Domain
	}
	claims := map[string]any{"sub": l.UserID}
	for name, value := range map[string]string{"email": email, "name": l.Name, "picture": l.Image} {
		if value != "" {
			claims[name] = value
		}
	}
	if l.Provider != "" {
		claims[session.EvidenceClaim] = session.Evidence{
			SID: "explain", Provider: l.Provider, Realm: s.realms[l.Provider], Account: l.UserID, Login: l.Login, Domain: l.Domain, Verified: l.Verified,
			Roles: l.Roles, Groups: l.Groups, Orgs: l.Orgs, AuthTime: l.AuthTime, ACR: l.ACR,
		}
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	who, err := session.FromClaims(string(raw))
	if err != nil {
		return nil, err
	}
	if l.Token != "" {
		who.PAT = &session.PAT{ID: l.Token, Paths: l.TokenPaths, Methods: l.TokenMethods}
	}
	// Those of issuers that nobody signs in with are none of the site's.
	_, ours := s.realms[l.Provider]
	who.Bearer = l.Provider != "" && !ours && slices.Contains(s.bearerIDs(), l.Provider)
	return who, nil
}

// shown replaces what could steer a terminal.
func shown(r rune) rune {
	if !unicode.IsPrint(r) {
		return '?'
	}
	return r
}
