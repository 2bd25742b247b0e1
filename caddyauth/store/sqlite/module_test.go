package sqlite

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// parse gives a module the tokens as the directive does, at the word.
func parse(t *testing.T, text string) (*Module, error) {
	t.Helper()
	m := new(Module)
	return m, m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
}

func TestCaddyfile(t *testing.T) {
	for text, want := range map[string]string{
		"sqlite /var/lib/store.db":             "/var/lib/store.db",
		`sqlite "/var/lib/a b {env.X}.db"`:     "/var/lib/a b {env.X}.db",
		"sqlite store.db\nsomething else here": "store.db",
	} {
		m, err := parse(t, text)
		if err != nil || m.Path != want {
			t.Errorf("%s: %q, %v", text, m.Path, err)
		}
	}
	for text, want := range map[string]string{
		"sqlite":                 "'sqlite' takes one path, got 0 values",
		"sqlite a b":             "'sqlite' takes one path, got 2 values",
		"sqlite a {\n path b\n}": "'sqlite' has no block",
	} {
		if _, err := parse(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// load makes a module of JSON, as Caddy does.
func load(t *testing.T, text string) (*Module, error) {
	t.Helper()
	info, err := caddy.GetModule("caddyauth.stores.sqlite")
	fatal(t, err)
	m := info.New().(*Module)
	fatal(t, json.Unmarshal([]byte(text), m))
	return m, m.Provision(caddy.Context{})
}

func TestModule(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SQLITE_TEST_DIR", dir)
	m, err := load(t, `{"path": "{env.SQLITE_TEST_DIR}/below/store.db"}`)
	fatal(t, err)
	path := filepath.Join(dir, "below", "store.db")
	if target, err := m.Target(); target != path || err != nil {
		t.Errorf("target %s, %v; want %s", target, err, path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("Provision has made something")
	}
	if m.Plain() {
		t.Error("it is plain")
	}
	s, err := m.Open(t.Context())
	fatal(t, err)
	defer s.Close()
	if _, err := s.CreateUser(t.Context(), store.User{Name: "Ada"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestTargets(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	fatal(t, err)
	for _, path := range []string{"store.db", "./x/../store.db", filepath.Join(dir, "store.db")} {
		m := &Module{Path: path}
		fatal(t, m.Provision(caddy.Context{}))
		if target, err := m.Target(); target != filepath.Join(dir, "store.db") || err != nil {
			t.Errorf("%s: target %s, %v", path, target, err)
		}
	}
}

func TestModuleMistakes(t *testing.T) {
	t.Setenv("SQLITE_TEST_EMPTY", "")
	for text, want := range map[string]string{
		`{}`:                                  "no path",
		`{"path": "{env.SQLITE_TEST_EMPTY}"}`: "{env.SQLITE_TEST_EMPTY} is empty",
		`{"path": "{no.such}/x"}`:             "unrecognized placeholder {no.such}",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	m := new(Module)
	if _, err := m.Target(); err == nil {
		t.Error("a target without a path")
	}
	if s, err := m.Open(t.Context()); err == nil || s != nil {
		t.Errorf("%v is open without a path", s)
	}
	m, err := load(t, `{"path": "/dev/null/store.db"}`)
	fatal(t, err)
	if s, err := m.Open(t.Context()); err == nil || s != nil {
		t.Errorf("opened %v, %v", s, err)
	}
}
