package caddyauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// locked reports whether even the right password is refused.
func (b *browser) locked() bool {
	return strings.Contains(b.password("alice", "alice", "/").Header.Get("Location"), "error=")
}

// tryInVain uses up a limit of three.
func (b *browser) tryInVain() {
	b.t.Helper()
	for range 3 {
		if a := b.password("alice", "wrong", "/"); a.StatusCode != http.StatusFound {
			b.t.Fatalf("%s", a.Status)
		}
	}
}

// browserAt is a browser that visits the server under another name.
func (s *server) browserAt(host string) *browser {
	b := s.browser()
	b.base = "http://" + host + ":" + s.Port
	return b
}

// TestLimitsOfJSONSites: sites without a source have limits of their own.
func TestLimitsOfJSONSites(t *testing.T) {
	s := newServer(t)
	users, err := json.Marshal(usersFile(t))
	if err != nil {
		t.Fatal(err)
	}
	site := func(host string) string {
		return `{"match": [{"host": ["` + host + `"]}], "handle": [{"handler": "caddyauth", "secret": ["` + secret + `"],
			"providers": [{"preset": "credentials", "file": ` + string(users) + `}], "limit": {"sign_in": "3/1m"}}]}`
	}
	s.loadJSON(`{"admin": {"disabled": true}, "apps": {"http": {"servers": {"a": {"listen": ["127.0.0.1:` + s.Port + `"],
		"automatic_https": {"disable": true}, "routes": [` + site("localhost") + `, ` + site("127.0.0.1") + `]}}}}}`)
	s.browserAt("localhost").tryInVain()
	if !s.browserAt("localhost").locked() || s.browserAt("127.0.0.1").locked() {
		t.Error("the two sites share a limit, or have none")
	}
}

// TestLimitsOfFiles: two files of one name are two sites, and a directive that
// moves to another line is still the same site's.
func TestLimitsOfFiles(t *testing.T) {
	root := t.TempDir()
	users := usersFile(t)
	s := newServer(t)
	s.Log = filepath.Join(root, "caddy.log")
	load := func(before string) {
		t.Helper()
		for _, host := range []string{"localhost", "127.0.0.1"} {
			text := before + "http://" + host + ":" + s.Port + " {\n\tcaddyauth {\n\t\tsecret " + secret +
				"\n\t\tusers " + users + "\n\t\tlimit {\n\t\t\tsign_in 3/1m\n\t\t}\n\t}\n}\n"
			name := filepath.Join(root, host, "site.caddy")
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		// Imported from one line: nothing tells the places apart.
		if err := s.load("", "\nimport "+root+"/*/site.caddy\n"); err != nil {
			t.Fatal(err)
		}
	}
	load("")
	t.Cleanup(func() { _ = caddy.Stop() })
	s.browserAt("localhost").tryInVain()
	if !s.browserAt("localhost").locked() || s.browserAt("127.0.0.1").locked() {
		t.Error("the two sites share a limit, or have none")
	}
	load("# another line\n")
	if !s.browserAt("localhost").locked() || s.browserAt("127.0.0.1").locked() {
		t.Error("the limits did not outlive a reload")
	}
}
