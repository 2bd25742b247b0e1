package redis

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
)

// The messages repeat nothing of the URL: what a mistake makes of it may be part
// of a password.
var (
	errScheme   = errors.New("redis: the URL must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://")
	errPassword = errors.New("redis: what comes before the @ must be user:password or :password")
	errHost     = errors.New("redis: the URL names no host")
	errPort     = errors.New("redis: a host is not host or host:port with a port from 1 to 65535")
	errOneHost  = errors.New("redis: several hosts are for redis+sentinel:// and redis+cluster://")
	errDatabase = errors.New("redis: the database must be a number from 0 on")
	errMaster   = errors.New("redis: after the sentinels comes /, the name of the master, and maybe / and the number of the database")
	errPath     = errors.New("redis: a cluster has no databases, so nothing can come after the hosts but a question mark")
	errPrefix   = errors.New("redis: prefix must be 1 to 64 characters without braces")
	errPoolSize = errors.New("redis: pool_size must be a number from 1 to 1000")
	errKeyPair  = errors.New("redis: cert and key go together")
	errFiles    = errors.New("redis: ca, cert and key are for rediss")
	errSentinel = errors.New("redis: sentinel_user and sentinel_password are for redis+sentinel, and a user needs a password")
)

// parseURL reads a URL. Each of its parts is given to expand, which replaces
// placeholders by percent-encoded values, after the URL was taken apart: so a
// value may contain what separates parts. A URL that does not show its scheme is
// expanded first.
func parseURL(url string, expand func(string) (string, error)) (target, error) {
	scheme, rest, ok := newText(url).cut("://")
	if !ok {
		whole, err := expand(url)
		if err != nil {
			return target{}, err
		}
		expand = func(s string) (string, error) { return s, nil }
		if scheme, rest, ok = newText(unescape(whole)).cut("://"); !ok {
			return target{}, errScheme
		}
	}
	p := parser{expand: expand}
	t, ok := schemes[p.text(scheme)]
	if !ok {
		return target{}, cmp.Or(p.err, errScheme)
	}
	login, rest, ok := rest.cutLast("@")
	if ok {
		p.login(&t, login)
	} else {
		rest = login
	}
	place, query, _ := rest.cut("?")
	p.place(&t, place)
	p.query(&t, query)
	p.check(t.consistent())
	return t, p.err
}

// parser reads the parts of a URL and keeps the first error.
type parser struct {
	expand func(string) (string, error)
	err    error
}

func (p *parser) check(err error) {
	if p.err == nil {
		p.err = err
	}
}

// text is a part with its placeholders replaced and percent signs decoded.
func (p *parser) text(part text) string {
	s, err := p.expand(part.raw)
	p.check(err)
	return unescape(s)
}

func (p *parser) login(t *target, login text) {
	user, password, _ := login.cut(":")
	t.user, t.password = p.text(user), p.text(password)
	if t.password == "" {
		p.check(errPassword)
	}
}

// place reads hosts and path.
func (p *parser) place(t *target, place text) {
	hosts, path, _ := place.cut("/")
	if t.network == "unix" {
		t.addresses = []string{"/" + p.text(path)}
		if hosts.raw != "" || path.raw == "" {
			p.check(errHost)
		}
		return
	}
	t.addresses = p.hosts(p.text(hosts), t.kind)
	first, second, more := path.cut("/")
	switch {
	case t.kind == sentinel:
		if t.master = p.text(first); t.master == "" {
			p.check(errMaster)
		}
		t.database = p.database(p.text(second))
	case t.kind == cluster && path.raw != "":
		p.check(errPath)
	case more && second.raw != "":
		p.check(errDatabase)
	default:
		t.database = p.database(p.text(first))
	}
}

func (p *parser) hosts(list string, k kind) (addresses []string) {
	port := "6379"
	if k == sentinel {
		port = "26379"
	}
	for host := range strings.SplitSeq(list, ",") {
		a, err := address(strings.TrimSpace(host), port)
		p.check(err)
		addresses = append(addresses, a)
	}
	if k == single && len(addresses) > 1 {
		p.check(errOneHost)
	}
	return addresses
}

// address is host:port of a host that may lack the port.
func address(host, port string) (string, error) {
	if host == "" {
		return "", errHost
	}
	if !strings.ContainsAny(host, ":[]") {
		return net.JoinHostPort(host, port), nil
	}
	if strings.HasSuffix(host, "]") {
		host += ":" + port
	}
	name, port, err := net.SplitHostPort(host)
	n, e := strconv.ParseUint(port, 10, 16)
	if err != nil || e != nil || n == 0 || name == "" || host[0] == '[' && net.ParseIP(name) == nil {
		return "", errPort
	}
	return host, nil
}

func (p *parser) database(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		p.check(errDatabase)
	}
	return int(n)
}

func (p *parser) query(t *target, query text) {
	t.prefix = DefaultPrefix
	known := map[string]*string{
		"prefix": &t.prefix, "ca": &t.ca, "cert": &t.cert, "key": &t.key,
		"sentinel_user": &t.sentinelUser, "sentinel_password": &t.sentinelPassword,
	}
	var size, database string
	known["pool_size"] = &size
	if t.network == "unix" {
		known["db"] = &database
	}
	for query.raw != "" {
		var option text
		option, query, _ = query.cut("&")
		name, value, _ := option.cut("=")
		v, ok := known[name.raw]
		if !ok {
			p.check(errors.New("redis: after the question mark can stand " + strings.Join(sorted(known), ", ")))
			return
		}
		*v = p.text(value)
	}
	if database != "" {
		t.database = p.database(database)
	}
	if size != "" {
		n, err := strconv.ParseUint(size, 10, 16)
		if err != nil || n == 0 {
			p.check(errPoolSize)
		}
		t.poolSize = int(n)
	}
}

func sorted(m map[string]*string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
