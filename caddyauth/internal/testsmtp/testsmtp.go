// Package testsmtp runs real mail servers on loopback for tests, and reads what
// arrives there.
package testsmtp

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a mail may take to arrive.
const patience = 10 * time.Second

// Start runs a server until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// CAFile writes the server's CA to a file and returns its name.
func (s *Server) CAFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Wait returns the newest message for an address, and waits for one if there is
// none.
func (s *Server) Wait(t testing.TB, to string) Message {
	t.Helper()
	return s.WaitN(t, to, 1)
}

// WaitN waits until n messages for an address are there, and returns the newest.
func (s *Server) WaitN(t testing.TB, to string, n int) Message {
	t.Helper()
	timeout := time.After(patience)
	for {
		changed := s.wait()
		if found := s.Messages(to); len(found) >= n {
			return found[len(found)-1]
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("only %d of %d mails for %s arrived", len(s.Messages(to)), n, to)
		}
	}
}

// Link returns the link in the newest message for an address.
func (s *Server) Link(t testing.TB, to string) string {
	t.Helper()
	m := s.Wait(t, to)
	if m.Link == "" {
		t.Fatalf("the mail for %s has no link: %s", to, m.Text)
	}
	return m.Link
}
