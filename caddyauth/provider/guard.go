package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errPrivate = errors.New("a private address")

// guard keeps an identity provider from leading us into the network behind us.
// Hosts that the operator wrote down may be anywhere. A host that only the
// discovery document names may be at a private address if the operator's own
// hosts are too: then both are inside.
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

// inside reports whether one of the operator's hosts is at a private address.
func (g *guard) inside(ctx context.Context) bool {
	for _, h := range g.hosts {
		addrs, err := g.resolve(ctx, h)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if private(a) {
				return true
			}
		}
	}
	return false
}

// carrierNAT is shared address space (RFC 6598), where cloud metadata and
// overlay networks live too.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// private reports whether an address is not on the public internet.
func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() ||
		a.IsMulticast() || a.IsInterfaceLocalMulticast() || carrierNAT.Contains(a)
}
