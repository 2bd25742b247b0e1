// Package testport finds ports for servers of tests that are told where to listen.
package testport

import (
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
)

// The ports lie below those that Linux (32768) and others (49152) take for outgoing
// connections: what a test asked for and let go of would sometimes be taken by one of
// those before the server listens.
const (
	lowest  = 20000
	highest = 32000
)

// next is where to go on. No process gives a port twice until it has given all, and
// tests of several packages run at the same time, so each begins somewhere else.
var (
	mu   sync.Mutex
	next = lowest + os.Getpid()*101%(highest-lowest)
)

// Free returns a port of the loopback addresses that nobody listens on.
func Free(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range highest - lowest {
		port := strconv.Itoa(next)
		if next++; next == highest {
			next = lowest
		}
		if free("127.0.0.1", port) && (free("::1", port) || !free("::1", "0")) {
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func free(host, port string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
