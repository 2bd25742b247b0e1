package caddyauth_test

import (
	"net"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() { caddy.RegisterModule(afterStart{}) }

// everyHTTP are global options for a site over every version of HTTP.
const everyHTTP = "default_bind 127.0.0.1\n\tservers {\n\t\tprotocols h1 h2 h2c h3\n\t\tpacket_conn_wrappers {\n\t\t\tafter_start\n\t\t}\n\t}"

// started is held by whoever has started Caddy, and then by whoever reads a packet.
var started sync.Mutex

func afterLoad() {
	started.Lock()
	defer started.Unlock()
}

// afterStart tells the race detector that packets which tests send come after
// Caddy's start. Caddy may listen before all of its apps have started, in no
// particular order, and what a connection over UDP reads of them looks unordered.
type afterStart struct{}

// CaddyModule returns the Caddy module information.
func (afterStart) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.packetconns.after_start", New: func() caddy.Module { return new(afterStart) }}
}

// UnmarshalCaddyfile takes no arguments.
func (*afterStart) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return nil
}

// WrapPacketConn implements caddy.PacketConnWrapper.
func (*afterStart) WrapPacketConn(c net.PacketConn) net.PacketConn { return orderedPackets{c} }

type orderedPackets struct{ net.PacketConn }

func (c orderedPackets) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(p)
	started.Lock()
	defer started.Unlock()
	return n, from, err
}
