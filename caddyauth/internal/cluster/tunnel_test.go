package cluster

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"
)

// cutAfter is how long the end of a session may take to end what any node does
// for it, with what a busy machine needs.
const cutAfter = 2*time.Second + 300*time.Millisecond

// TestWIRE03Cluster signs somebody out at one node: event streams and upgraded
// connections at every node end, and those of others go on. When no node can hear
// what others end, all of them end.
func TestWIRE03Cluster(t *testing.T) {
	line, stop, _ := startRedis(t)
	binary := build(t)
	for _, strategy := range []string{"jwt", "database"} {
		c := newCluster(t, binary, line, strategy)
		ada, bob := c.newPerson("crowd1"), c.newPerson("crowd2")
		var hers, his []*stream
		for _, port := range c.ports {
			for _, path := range []string{"/events", "/socket"} {
				hers, his = append(hers, ada.open(port, path)), append(his, bob.open(port, path))
			}
		}
		time.Sleep(2500 * time.Millisecond)
		running(t, hers)
		running(t, his)
		// At one node; which one, the load balancer decides.
		if !ada.signOut() {
			t.Fatal("cannot sign out")
		}
		over(t, strategy+", after sign-out", cutAfter, hers)
		time.Sleep(time.Second)
		running(t, his)
		if strategy == "database" {
			stop()
			// Three seconds without news are too many.
			over(t, "after the store went away", 3*time.Second+cutAfter, his)
		}
	}
}

func (c *cluster) newPerson(name string) *person {
	c.Helper()
	jar, _ := cookiejar.New(nil)
	p := &person{c, name, &http.Client{Jar: jar, Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if !p.signIn() {
		c.Fatal(name + " cannot sign in")
	}
	return p
}

// stream is a response that goes on.
type stream struct {
	name string
	over chan struct{}
}

// open asks a node for something that lasts.
func (p *person) open(port, path string) *stream {
	p.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n", path, strings.TrimPrefix(p.origin, "http://"), p.cookies())
	if path == "/socket" {
		io.WriteString(conn, "Connection: Upgrade\r\nUpgrade: websocket\r\n")
	}
	io.WriteString(conn, "\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusSwitchingProtocols {
		p.Fatal(resp, err)
	}
	s := &stream{p.name + " at " + port + path, make(chan struct{})}
	go func() {
		defer close(s.over)
		if path == "/socket" {
			_, _ = io.Copy(io.Discard, r)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return s
}

func running(t *testing.T, all []*stream) {
	t.Helper()
	for _, s := range all {
		select {
		case <-s.over:
			t.Errorf("%s has ended", s.name)
		default:
		}
	}
}

func over(t *testing.T, when string, within time.Duration, all []*stream) {
	t.Helper()
	start, limit := time.Now(), time.NewTimer(within)
	defer limit.Stop()
	for _, s := range all {
		select {
		case <-s.over:
		case <-limit.C:
			t.Fatalf("%s: %s goes on", when, s.name)
		}
	}
	t.Logf("%s: ended after %v", when, time.Since(start).Round(time.Millisecond))
}

// events sends some until nobody listens.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, "data: tick\n\n"); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond)
	}
}

// socket sends bytes over an upgraded connection. What they mean is the client's
// and the server's affair; no node reads them.
func socket(w http.ResponseWriter) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	for rw.Flush() == nil {
		time.Sleep(50 * time.Millisecond)
		_, _ = rw.WriteString("tick")
	}
}
