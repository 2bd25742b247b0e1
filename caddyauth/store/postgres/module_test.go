package postgres

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// parse gives a module the tokens as the directive does, at the word.
func parse(text string) (*Module, error) {
	m := new(Module)
	return m, m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
}

func TestCaddyfile(t *testing.T) {
	const dsn = "postgres://u:{env.PW}@h/db"
	for text, want := range map[string]Module{
		"postgres " + dsn:                                      {DSN: dsn},
		"postgres " + dsn + " {\n}":                            {DSN: dsn},
		"postgres " + dsn + " {\n\tschema caddyauth\n}":        {DSN: dsn, Schema: "caddyauth"},
		`postgres "postgres://u:a b@h/db"`:                     {DSN: "postgres://u:a b@h/db"},
		"postgres {env.DATABASE_URL} {\n\tschema caddyauth\n}": {DSN: "{env.DATABASE_URL}", Schema: "caddyauth"},
	} {
		m, err := parse(text)
		if err != nil || *m != want {
			t.Errorf("%s: %+v, %v", text, *m, err)
		}
	}
	const secret = "hunter2"
	for text, want := range map[string]string{
		"postgres": "'postgres' takes one address, got 0 values",
		"postgres postgres://u:a " + secret + "@h/db":                     "'postgres' takes one address, got 2 values",
		"postgres " + dsn + " {\n schema\n}":                              "'schema' takes one name: caddyauth",
		"postgres " + dsn + " {\n schema caddyauth x\n}":                  "'schema' takes one name: caddyauth",
		"postgres " + dsn + " {\n schema none\n}":                         "unknown schema 'none': it is one of caddyauth",
		"postgres " + dsn + " {\n schema caddyauth\n schema caddyauth\n}": "schema: given twice",
		"postgres " + dsn + " {\n scheme caddyauth\n}":                    "unrecognized word 'scheme' for store postgres: it has schema",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// load makes a module of JSON, as Caddy does.
func load(t *testing.T, text string) (*Module, error) {
	t.Helper()
	info, err := caddy.GetModule("caddyauth.stores.postgres")
	fatal(t, err)
	m := info.New().(*Module)
	fatal(t, json.Unmarshal([]byte(text), m))
	return m, m.Provision(caddy.Context{})
}

func TestProvision(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pass@word:1")
	fatal(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	t.Setenv("PG_TEST_PW", password)
	t.Setenv("PG_TEST_URL", "postgres://u:"+escape(password, "")+"@h/db")
	want := "caddyauth postgres://u:" + escape(password, "") + "@h/db"
	for _, dsn := range []string{
		"postgres://u:{env.PG_TEST_PW}@h/db", "{env.PG_TEST_URL}", "postgres://u:{file." + file + "}@h/db",
		"postgres://u:" + strings.NewReplacer("{", `\{`, "}", `\}`, `\`, `\`, "%41", "%2541").Replace(password) + "@h/db",
	} {
		text, err := json.Marshal(map[string]string{"dsn": dsn})
		fatal(t, err)
		m, err := load(t, string(text))
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if target, err := m.Target(); err != nil || target != want {
			t.Errorf("%s: target %s, %v; want %s", dsn, target, err, want)
		}
		if m.Plain() {
			t.Errorf("%s: it is plain", dsn)
		}
	}
}

func TestProvisionMistakes(t *testing.T) {
	const secret = "hunter2"
	t.Setenv("PG_TEST_EMPTY", "")
	for dsn, want := range map[string]string{
		"":                                        "no address",
		"{env.PG_TEST_EMPTY}":                     "the placeholder {env.PG_TEST_EMPTY} is unknown or empty",
		"postgres://u:{env.PG_TEST_EMPTY}@h":      "password: a placeholder in it is unknown or empty",
		"postgres://u:" + secret + "@{no.such}":   "the placeholder {no.such} is unknown or empty",
		"postgres://u:{file./no/such}@h":          "its file cannot be read",
		"postgres://u:" + secret + "@h:port":      "invalid port",
		"host=h password=" + secret + " dbname=d": "the address is not a URL",
	} {
		text, err := json.Marshal(map[string]string{"dsn": dsn})
		fatal(t, err)
		if _, err := load(t, string(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want %s", dsn, err, want)
		}
	}
	if _, err := load(t, `{"dsn": "postgres://h/db", "schema": "none"}`); err == nil || !strings.Contains(err.Error(), "unknown schema 'none'") {
		t.Errorf("a schema that is none: %v", err)
	}
	m := new(Module)
	if _, err := m.Target(); err == nil {
		t.Error("a target without an address")
	}
	if s, err := m.Open(t.Context()); err == nil || s != nil {
		t.Errorf("%v is open without an address", s)
	}
}

func testModule(t *testing.T, server *testdb.PostgresServer) {
	file := filepath.Join(t.TempDir(), "password")
	fatal(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	dsn := strings.Replace(owned(server), escape(password, ""), "{file."+file+"}", 1)
	m, err := load(t, `{"dsn": "`+dsn+`", "schema": "caddyauth"}`)
	fatal(t, err)
	s, err := m.Open(t.Context())
	fatal(t, err)
	defer s.Close()
	if _, err := s.CreateUser(t.Context(), store.User{Name: "Ada"}); err != nil {
		t.Error(err)
	}

	m, err = load(t, `{"dsn": "postgres://u:hunter2@127.0.0.1:1/db"}`)
	fatal(t, err)
	s, err = m.Open(t.Context())
	wantError(t, err, "connection refused")
	if s != nil || err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("opened %v, %v", s, err)
	}
}
