package testport_test

import (
	"net"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

func TestFree(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		port := testport.Free(t)
		if seen[port] {
			t.Fatalf("port %s was given before", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}
