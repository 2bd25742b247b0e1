package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errPrivate = errors.New("a private address")

// guard keeps an identity provider from leading us into the network behind us.
// Hosts that the operator wrote down may be anywhere. A host that only the
// discovery document names may be at a private address if the operator's own
// hosts are at private addresses only: then both are inside. One public address
// among them is enough to be a provider of the outside.
//
// The check is made when dialing, on the address that is dialed, so that a name
// that changes its address between check and use gains nothing. Behind a proxy
// it is the proxy that resolves names, and the proxy's rules that hold.
type guard struct {
	hosts []string // the operator's, lower case

	mu      sync.Mutex
	proxies map[string]bool
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

func newGuard(hosts []string) *guard {
	g := &guard{
		proxies: make(map[string]bool),
		resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
	}
	for _, h := range hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	return g
}

// proxy is http.ProxyFromEnvironment, remembering the operator's proxies, which
// may well be at private addresses.
func (g *guard) proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if u != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.proxies[strings.ToLower(u.Hostname())] = true
	}
	return u, err
}

func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	if !g.trusted(host) {
		d.ControlContext = func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			return g.check(ctx, host, address)
		}
	}
	return d.DialContext(ctx, network, address)
}

func (g *guard) trusted(host string) bool {
	host = strings.ToLower(host)
	for _, h := range g.hosts {
		if h == host {
			return true
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.proxies[host]
}

// check runs between resolving and connecting.
func (g *guard) check(ctx context.Context, host, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !private(ap.Addr()) || g.inside(ctx) {
		return nil
	}
	return fmt.Errorf("%w: discovery leads to %s at %s", errPrivate, host, ap.Addr())
}

// inside reports whether all of the operator's hosts are at private addresses,
// and at no others. A host that cannot be resolved proves nothing: whoever can
// keep its name from resolving must not gain by it.
func (g *guard) inside(ctx context.Context) bool {
	for _, h := range g.hosts {
		addrs, err := g.resolve(ctx, h)
		if err != nil || len(addrs) == 0 {
			return false
		}
		for _, a := range addrs {
			if !private(a) {
				return false
			}
		}
	}
	return len(g.hosts) > 0
}

// privateNets are those that package netip has no word for.
var privateNets = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),     // this network (RFC 791): Linux takes some for its own
	netip.MustParsePrefix("100.64.0.0/10"), // carrier NAT (RFC 6598), cloud metadata and overlay networks
	netip.MustParsePrefix("240.0.0.0/4"),   // reserved (RFC 1112), and broadcast
}

// nat64 holds translated IPv4 addresses (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// private reports whether an address is not on the public internet. One that a
// gateway translates is as private as the IPv4 address in it: where there is
// IPv6 only, every public IPv4 host is reached that way.
func private(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() ||
		a.IsMulticast() || a.IsInterfaceLocalMulticast() ||
		slices.ContainsFunc(privateNets, func(p netip.Prefix) bool { return p.Contains(a) })
}
