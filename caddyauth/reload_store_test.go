package caddyauth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store/bolt"
)

// storedSite is a site that keeps its sessions in a file; behind has further
// directives.
func storedSite(users, file, behind string) string {
	return `
http://localhost:{PORT} {
	caddyauth {
		provider dev
		users ` + users + `
		store bolt ` + file + `
		session {
			strategy database
		}
		limit off
		allow any
	}
	` + behind + `
	respond "in"
}
`
}

// unready is a directive whose module fails when it is provisioned, which is after
// caddyauth is.
const unready = "reverse_proxy 127.0.0.1:1 {\ntransport http {\ntls_client_auth /nowhere/cert.pem /nowhere/key.pem\n}\n}"

// TestRELOAD02WithStores loads two hundred configurations, many of which cannot
// be had: none of them leaves anything behind, and the last good one serves with
// the store that it opened.
//
// Caddy #7826 and #7067 left goroutines and modules behind.
func TestRELOAD02WithStores(t *testing.T) {
	users, file := usersFile(t), filepath.Join(t.TempDir(), "store.db")
	good := storedSite(users, file, "")
	s := start(t, good)
	alice := s.browser()
	alice.password("alice", "alice", "/")
	steps := []struct {
		name, config string
		fails        bool
	}{
		{"the same", good, false},
		{"another store beside it", good + "http://127.0.0.1:{PORT} {\ncaddyauth {\nprovider dev\nstore memory\n}\n}\n", false},
		// After the handler was provisioned, and its store was found.
		{"a later module fails", storedSite(users, file, unready), true},
		{"a later module fails beside a new store", storedSite(users, file+".new", unready), true},
		{"the site itself fails", storedSite("/nowhere/users.yml", file, ""), true},
		// When the apps start, and the store is open.
		{"the start fails", good + "http://127.0.0.1:{PORT} {\nroute {\nrespond early\ncaddyauth {\nprovider dev\nstore memory\n}\n}\n}\n", true},
		{"another session time", strings.Replace(good, "strategy database", "strategy database\nmax_age 9d", 1), false},
	}
	round := func(i int) {
		t.Helper()
		step := steps[i%len(steps)]
		// A comment changes nothing that Caddy would load.
		err := s.load("", step.config+fmt.Sprintf("http://127.0.0.2:{PORT} {\nrespond %d\n}\n", i))
		if (err != nil) != step.fails {
			t.Fatalf("%s: %v", step.name, err)
		}
		if a := alice.get("/"); a.StatusCode != http.StatusOK {
			t.Fatalf("RELOAD-01 %s: signed out: %s", step.name, a.Status)
		}
	}
	for i := range 2 * len(steps) {
		round(i)
	}
	alice.CloseIdleConnections()
	time.Sleep(200 * time.Millisecond)
	goroutines, files, heap := runtime.NumGoroutine(), openFiles(t), heapInUse()
	for i := range 200 {
		round(i)
	}
	alice.CloseIdleConnections()
	if n := settle(runtime.NumGoroutine, goroutines+5); n > goroutines+5 {
		buf := make([]byte, 1<<20)
		t.Errorf("RELOAD-02 %d goroutines, %d before\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	if n := settle(func() int { return openFiles(t) }, files+3); n > files+3 {
		t.Errorf("RELOAD-02 %d open files, %d before", n, files)
	}
	// A configuration takes some hundred kilobytes; two hundred of them that
	// somebody holds would show.
	if n := settle(heapInUse, heap+4<<20); n > heap+4<<20 {
		t.Errorf("RELOAD-02 %d KiB in use, %d before", n>>10, heap>>10)
	}
	t.Logf("RELOAD-02: goroutines %d to %d, files %d to %d, heap %d to %d KiB",
		goroutines, runtime.NumGoroutine(), files, openFiles(t), heap>>10, heapInUse()>>10)
}

// heapInUse is what is reachable, in bytes.
func heapInUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestRELOAD02StoreCloses: a store is open for as long as a site uses it, and no
// longer. Only one process can have the file open, which shows it.
func TestRELOAD02StoreCloses(t *testing.T) {
	users, file := usersFile(t), filepath.Join(t.TempDir(), "store.db")
	free := func() bool {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		d, err := bolt.Open(ctx, file)
		if err != nil {
			return false
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		return true
	}
	other := strings.Replace(storedSite(users, file, ""), "localhost:{PORT}", "127.0.0.1:{PORT}", 1)
	s := start(t, storedSite(users, file, "")+other)
	alice := s.browser()
	alice.password("alice", "alice", "/")
	if free() {
		t.Fatal("the store is not open, or not locked")
	}
	for _, step := range []struct {
		name, config string
		fails, free  bool
	}{
		{"one of two sites goes", storedSite(users, file, ""), false, false},
		{"a configuration without it fails", "http://localhost:{PORT} {\ncaddyauth {\nusers /nowhere\n}\n}\n", true, false},
		{"the last site goes", "http://localhost:{PORT} {\ncaddyauth {\nprovider dev\n}\n}\n", false, true},
		{"a configuration with it fails", storedSite(users, file, unready), true, true},
		{"it comes back", storedSite(users, file, "header X-Back yes"), false, false},
		{"it goes to another file", storedSite(users, file+".other", ""), false, true},
	} {
		if err := s.load("", step.config); (err != nil) != step.fails {
			t.Fatalf("%s: %v", step.name, err)
		}
		if step.name == "it comes back" && !alice.in() {
			t.Error("signed out while nobody used the store")
		}
		if got := free(); got != step.free {
			t.Errorf("%s: free %v, want %v", step.name, got, step.free)
		}
	}
	if alice.in() {
		t.Error("a session of one store is one of another")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file is %v, %v", info, err)
	}
}

// TestRELOAD03BrokenStore: a store that cannot be configured keeps the old
// configuration, and one that cannot be opened fails closed until it can.
func TestRELOAD03BrokenStore(t *testing.T) {
	users, dir := usersFile(t), t.TempDir()
	file := filepath.Join(dir, "store.db")
	s := start(t, storedSite(users, file, "header X-Version 7"))
	alice := s.browser()
	alice.password("alice", "alice", "/")
	for name, words := range map[string]string{
		"unknown kind":        "store boltt x",
		"unknown placeholder": "store bolt {env.NOT_SET}",
		"empty file":          "store bolt {file./nowhere}",
		"two paths":           "store bolt a b",
		"weak secret":         "store bolt " + file + "\nsecret changeme",
		"secret file gone":    "store bolt " + file + "\nsecret {file./nowhere/secret}",
		"strategy":            "store bolt " + file + "\nsession {\nstrategy databse\n}",
	} {
		err := s.load("", "http://localhost:{PORT} {\ncaddyauth {\nprovider dev\n"+words+"\n}\n}\n")
		if err == nil {
			t.Errorf("%s: loaded", name)
		}
		if a := alice.get("/"); a.StatusCode != http.StatusOK || a.Header.Get("X-Version") != "7" {
			t.Fatalf("after %s the old configuration does not serve: %s", name, a.Status)
		}
	}

	// A store that is down stops no reload: it may be back before the next request.
	broken := filepath.Join(dir, "broken.db")
	if err := os.WriteFile(broken, []byte(strings.Repeat("this is no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.load("", storedSite(users, broken, "header X-Version 8")); err != nil {
		t.Fatal(err)
	}
	a := alice.get("/")
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || len(a.Cookies()) != 0 {
		t.Errorf("with a broken store: %s, Retry-After %q, cookies %v", a.Status, a.Header.Get("Retry-After"), a.Cookies())
	}
	if n := strings.Count(s.logText(), "the store does not answer"); n > 1 {
		t.Errorf("said %d times", n)
	}
	if err := s.load("", storedSite(users, file, "header X-Version 9")); err != nil {
		t.Fatal(err)
	}
	if !alice.in() {
		t.Error("signed out by a broken store")
	}
}

// TestRELOAD05SecretReplaced: a session in a store needs no secret. What the
// secret alone protects begins anew.
func TestRELOAD05SecretReplaced(t *testing.T) {
	users, file := usersFile(t), filepath.Join(t.TempDir(), "store.db")
	site := func(secret string) string {
		return strings.Replace(storedSite(users, file, ""), "limit off", "secret "+secret, 1)
	}
	s := start(t, site(secret))
	alice, form := s.browser(), s.browser()
	alice.password("alice", "alice", "/")
	csrf := form.csrf()
	if err := s.load("", site("another-secret-0123456789abcdefghijkl")); err != nil {
		t.Fatal(err)
	}
	if !alice.in() {
		t.Error("a session of the store is gone with the secret")
	}
	form.do(http.MethodPost, "/api/auth/callback/credentials", url.Values{"csrfToken": {csrf}, "username": {"bob"}, "password": {"bob"}})
	if form.in() {
		t.Error("a CSRF token outlived its secret")
	}
	if form.password("bob", "bob", "/"); !form.in() {
		t.Error("signing in anew")
	}
}
