package caddyauth_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// soon is how long the end of a session may take to reach what it began, with
// what a busy machine needs.
const soon = 2*time.Second + 300*time.Millisecond

// lasting answers with what does not end by itself: /app/socket with a WebSocket,
// /app/events with events, /app/slow with a long body.
func lasting(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/app/socket":
		echoFrames(w, r)
		return
	case "/app/events":
		w.Header().Set("Content-Type", "text/event-stream")
	case "/app/slow":
		w.Header().Set("Content-Length", "100000000")
	default:
		fmt.Fprint(w, "short")
		return
	}
	// The proxy waits for so much before it passes on what says how long it is.
	text := "data: " + strings.Repeat("tick", 2<<10) + "\n\n"
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tunnels is a site with what lasts behind it, and a file that takes long.
func tunnels(t *testing.T, words, before string) (*server, *upstream, string) {
	t.Helper()
	up := newUpstream(t, lasting)
	users := usersFile(t)
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "large"), make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, tunnelSite(users, files, words, before, up.addr())), up, users
}

func tunnelSite(users, files, words, before, upstream string) string {
	return `
http://localhost:{PORT} {
	` + before + `
	caddyauth {
		secret ` + secret + `
		users ` + users + `
		limit off
		public /app/open/*
		` + words + `
	}
	handle /files/* {
		uri strip_prefix /files
		root ` + files + `
		file_server
	}
	reverse_proxy ` + upstream + `
}
`
}

// stream is a response that goes on.
type stream struct {
	t    testing.TB
	name string
	w    *wire
	over chan struct{} // closed when it has ended
}

// open asks for something that lasts, and reads it until it ends.
func (s *server) open(path string, header ...string) *stream {
	s.t.Helper()
	w := s.dial()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	o := &stream{s.t, path, w, make(chan struct{})}
	want := http.StatusOK
	if path == "/app/socket" {
		want = http.StatusSwitchingProtocols
		header = append(header, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	}
	w.send(s.request("GET "+path, header...))
	resp, err := http.ReadResponse(w.r, &http.Request{Method: http.MethodGet})
	if err != nil || resp.StatusCode != want {
		s.t.Fatalf("%s: %v %v", path, resp, err)
	}
	go func() {
		defer close(o.over)
		if path != "/app/socket" {
			_, _ = io.Copy(io.Discard, resp.Body)
			return
		}
		for {
			_ = w.conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(w.conn, frame("ping")); err != nil {
				return
			}
			if _, err := readFrame(w.r); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return o
}

// ends checks that all have ended in time, and says how long it took.
func ends(t *testing.T, since time.Time, all ...*stream) {
	t.Helper()
	limit := time.NewTimer(time.Until(since.Add(soon)))
	defer limit.Stop()
	for _, o := range all {
		select {
		case <-o.over:
		case <-limit.C:
			t.Fatalf("%s goes on after %v", o.name, time.Since(since))
		}
	}
	t.Logf("ended after %v", time.Since(since).Round(time.Millisecond))
}

// goOn checks that none has ended.
func goOn(t *testing.T, all ...*stream) {
	t.Helper()
	for _, o := range all {
		select {
		case <-o.over:
			t.Errorf("%s has ended", o.name)
		default:
		}
	}
}

// signInAs returns a browser that has, and the Cookie line that it sends.
func (s *server) signInAs(name string) (*browser, string) {
	s.t.Helper()
	b := s.browser()
	b.password(name, name, "/")
	if !strings.Contains(b.cookieHeader(), "session-token") {
		s.t.Fatal("not signed in")
	}
	return b, "Cookie: " + b.cookieHeader()
}

func (b *browser) signOut() {
	b.t.Helper()
	if a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}}); a.StatusCode >= 400 {
		b.t.Fatal(a.Status)
	}
}

var lastingPaths = []string{"/app/socket", "/app/events", "/app/slow"}

func TestWIRE03SignOut(t *testing.T) {
	for name, words := range map[string]string{
		"jwt": "", "jwt with a store": "store memory", "database": "store memory\nsession {\nstrategy database\n}",
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _ := tunnels(t, words, "")
			alice, cookies := s.signInAs("alice")
			_, bobs := s.signInAs("bob")
			var hers, his []*stream
			for _, path := range lastingPaths {
				hers, his = append(hers, s.open(path, cookies)), append(his, s.open(path, bobs))
			}
			// The same person's other browser.
			_, elsewhere := s.signInAs("alice")
			his = append(his, s.open("/app/socket", elsewhere))
			download := s.download(cookies)
			time.Sleep(2500 * time.Millisecond)
			goOn(t, hers...)
			goOn(t, his...)
			alice.signOut()
			ends(t, time.Now(), hers...)
			time.Sleep(time.Second)
			goOn(t, his...)
			download()
			if log := s.logText(); strings.Count(log, "a connection was ended with its session") != len(hers) || !strings.Contains(log, `"error":"session: ended"`) {
				t.Errorf("%d lines in the log", strings.Count(log, "a connection was ended with its session"))
			}
			if strings.Contains(s.logText(), "panic") {
				t.Error("a panic")
			}
		})
	}
	t.Run("at once", func(t *testing.T) {
		// Before the first look.
		s, _, _ := tunnels(t, "", "")
		alice, cookies := s.signInAs("alice")
		o := s.open("/app/socket", cookies)
		alice.signOut()
		ends(t, time.Now(), o)
	})
}

// download begins to read a file and returns what reads the rest of it.
func (s *server) download(header ...string) func() {
	s.t.Helper()
	w := s.dial()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	w.send(s.request("GET /files/large", header...))
	resp, err := http.ReadResponse(w.r, &http.Request{Method: http.MethodGet})
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatal(resp, err)
	}
	return func() {
		s.t.Helper()
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || n != 64<<20 {
			s.t.Errorf("a static download was cut off after %d bytes: %v", n, err)
		}
	}
}

func TestWIRE03OtherEnds(t *testing.T) {
	s, _, users := tunnels(t, "tokens\nstore memory\naccount /me\nsession {\nmax_age 6s\n}", "")
	open := func(header string) (all []*stream) {
		for _, path := range lastingPaths {
			all = append(all, s.open(path, header))
		}
		return all
	}
	t.Run("expiry", func(t *testing.T) {
		_, cookies := s.signInAs("alice")
		at := time.Now().Add(6 * time.Second)
		all := open(cookies)
		time.Sleep(time.Until(at.Add(-time.Second - 200*time.Millisecond))) // exp has whole seconds
		goOn(t, all...)
		ends(t, at, all...)
	})
	t.Run("users file", func(t *testing.T) {
		_, cookies := s.signInAs("bob")
		_, hers := s.signInAs("alice")
		all, others := open(cookies), open(hers)
		only, _, _ := strings.Cut(usersYAML, "  bob:")
		if err := os.WriteFile(users, []byte(only), 0o600); err != nil {
			t.Fatal(err)
		}
		ends(t, time.Now(), all...)
		goOn(t, others...)
	})
	t.Run("personal access token", func(t *testing.T) {
		alice, _ := s.signInAs("alice")
		token := alice.token("", "")
		all := open("Authorization: Bearer " + token)
		time.Sleep(500 * time.Millisecond)
		id := tokenID.FindStringSubmatch(alice.get("/me").body)
		if id == nil {
			t.Fatal("no token is listed")
		}
		alice.do(http.MethodPost, "/me", url.Values{"csrfToken": {alice.csrf()}, "action": {"end_token"}, "id": {id[1]}})
		ends(t, time.Now(), all...)
	})
	t.Run("nobody's", func(t *testing.T) {
		// Who is not signed in has no session that could end.
		if a := s.ask("GET /app/open/x"); a.StatusCode != http.StatusOK {
			t.Error(a.Status)
		}
	})
}

var tokenID = regexp.MustCompile(`value="end_token"[\s\S]*?name="id" value="([^"]+)"`)

// A reload neither cuts off streams whose session is good nor forgets to end them
// afterwards. Caddy itself closes WebSockets, unless stream_close_delay is set.
func TestWIRE03Reload(t *testing.T) {
	up := newUpstream(t, lasting)
	users, files := usersFile(t), t.TempDir()
	words := "store memory"
	s := start(t, tunnelSite(users, files, words, "", up.addr()+" {\nstream_close_delay 1m\n}"))
	alice, cookies := s.signInAs("alice")
	_, bobs := s.signInAs("bob")
	hers := []*stream{s.open("/app/socket", cookies), s.open("/app/events", cookies)}
	his := []*stream{s.open("/app/socket", bobs), s.open("/app/events", bobs)}
	time.Sleep(2 * time.Second)
	if err := s.load("grace_period 30s", tunnelSite(users, files, words, "header X-Anew yes", up.addr()+" {\nstream_close_delay 1m\n}")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(4 * time.Second) // longer than news may be missing
	goOn(t, hers...)
	goOn(t, his...)
	alice.signOut()
	ends(t, time.Now(), hers...)
	goOn(t, his...)
}

// What has ended leaves nothing in memory.
func TestWIRE03Goroutines(t *testing.T) {
	s, _, _ := tunnels(t, "", "")
	alice, cookies := s.signInAs("alice")
	for range 3 {
		s.open("/app/socket", cookies).w.conn.Close()
	}
	time.Sleep(200 * time.Millisecond)
	before := runtime.NumGoroutine()
	var all []*stream
	for range 20 {
		all = append(all, s.open("/app/socket", cookies), s.open("/app/events", cookies))
	}
	time.Sleep(2 * time.Second)
	alice.signOut()
	ends(t, time.Now(), all...)
	alice.CloseIdleConnections()
	if n := settle(runtime.NumGoroutine, before+3); n > before+3 {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

// Streaming is not held back by what watches it: each event arrives before the
// next one is sent.
func TestWIRE03NotBuffered(t *testing.T) {
	more := make(chan string)
	s, _ := headerSite(t, "", "", func(w http.ResponseWriter, r *http.Request) {
		for text := range more {
			_, _ = io.WriteString(w, text+"\n")
			_ = http.NewResponseController(w).Flush()
		}
	})
	w := s.dial()
	w.send(s.request("GET /app/lines", "Cookie: "+signedIn(t, person("eve"))))
	more <- "0"
	resp, err := http.ReadResponse(w.r, &http.Request{Method: http.MethodGet})
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(resp.Body)
	for i := range 5 {
		if i > 0 {
			more <- fmt.Sprint(i)
		}
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprint(i)+"\n" {
			t.Fatal(line, err)
		}
		time.Sleep(600 * time.Millisecond)
	}
	close(more)
}
