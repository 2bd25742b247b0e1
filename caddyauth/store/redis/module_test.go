package redis

import (
	"context"
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

// storeModule is what package caddyauth wants of a guest.
type storeModule interface {
	caddy.Module
	caddyfile.Unmarshaler
	Target() (key string, err error)
	Open(ctx context.Context) (store.Driver, error)
	Plain() bool
}

// provisioned loads the module as Caddy does.
func provisioned(t *testing.T, url string) (*Module, error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	config, err := json.Marshal(Module{URL: url})
	fatal(t, err)
	m, err := ctx.LoadModuleByID("caddyauth.stores.redis", config)
	if err != nil {
		return nil, err
	}
	if m.(storeModule).Plain() {
		t.Error("the store is said to keep tokens as they are")
	}
	return m.(*Module), nil
}

func TestUnmarshalCaddyfile(t *testing.T) {
	const secret = "hunter2"
	for input, want := range map[string]string{
		`redis redis://h`:                           "redis://h",
		`redis "redis://:a b@h"`:                    "redis://:a b@h",
		`redis {env.REDIS_URL}`:                     "{env.REDIS_URL}",
		`redis redis://:{file./run/pw}@h/0?x#y`:     "redis://:{file./run/pw}@h/0?x#y",
		`redis`:                                     "",
		`redis redis://:hunter2 x@h`:                "",
		"redis redis://:hunter2@h {\n}":             "redis://:hunter2@h",
		"redis redis://:hunter2@h {\n\tprefix x\n}": "",
	} {
		var m Module
		err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(input))
		switch {
		case (err == nil) != (want != ""), err == nil && m.URL != want:
			t.Errorf("%s: %q, %v", input, m.URL, err)
		case err != nil && strings.Contains(err.Error(), secret):
			t.Errorf("%s: the error tells a secret: %v", input, err)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	const password = `p@ss:w/o?r#d&=%41%{x}\ "'`
	file := filepath.Join(t.TempDir(), "password@file")
	fatal(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	t.Setenv("REDIS_PASSWORD", password)
	t.Setenv("REDIS_USER", "us:er@")
	t.Setenv("REDIS_HOSTS", "a:1,b")
	t.Setenv("REDIS_SCHEME", "redis+cluster")
	t.Setenv("REDIS_PREFIX", "a&b=c:")
	t.Setenv("REDIS_EMPTY", "")
	t.Setenv("REDIS_URL", "redis+cluster://us%3Aer%40:p%40ss:w/o?r#d&=%2541%{x}\\ \"'@a:1,b?prefix=a%26b=c:")
	for _, url := range []string{
		"redis+cluster://{env.REDIS_USER}:{env.REDIS_PASSWORD}@{env.REDIS_HOSTS}?prefix={env.REDIS_PREFIX}",
		"{env.REDIS_SCHEME}://{env.REDIS_USER}:{file." + file + "}@a:1,b?prefix={env.REDIS_PREFIX}",
		"redis+cluster://us%3Aer%40:p@ss:w/o?r#d&=%2541%\\{x\\}\\ \"'@a:1,b?prefix=a%26b=c:",
		"{env.REDIS_URL}",
	} {
		m, err := provisioned(t, url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		got := m.target
		if got.password != password || got.user != "us:er@" || got.prefix != "a&b=c:" || strings.Join(got.addresses, " ") != "a:1 b:6379" || got.kind != cluster {
			t.Errorf("%s: %+v", url, got)
		}
		key, err := m.Target()
		if err != nil || strings.Contains(key, password) || !strings.Contains(key, "a:1,b:6379") {
			t.Errorf("%s: key %q, %v", url, key, err)
		}
	}
	for _, url := range []string{
		"", "{env.REDIS_EMPTY}", "{env.REDIS_PASSWORD}", "redis://:{env.REDIS_EMPTY}@h", "redis://:{env.REDIS_NONE}@h",
		"redis://:{file./nonexistent}@h", "redis://:{nonsense}@h", "redis://:{env.REDIS_PASSWORD}@h:{env.REDIS_PASSWORD}",
		"{env.REDIS_PASSWORD}://h", "redis://h?{env.REDIS_PASSWORD}",
	} {
		_, err := provisioned(t, url)
		switch {
		case err == nil:
			t.Errorf("%s: no error", url)
		case strings.Contains(err.Error(), "p@ss"):
			t.Errorf("%s: the error tells a secret: %v", url, err)
		case !strings.Contains(err.Error(), "redis"):
			t.Errorf("%s: the error does not say what it is about: %v", url, err)
		}
	}
}

func TestTarget(t *testing.T) {
	keyOf := func(url string) string {
		t.Helper()
		m, err := provisioned(t, url)
		fatal(t, err)
		key, err := m.Target()
		fatal(t, err)
		return key
	}
	t.Setenv("REDIS_HOST", "h")
	seen := map[string]string{}
	for _, url := range []string{
		"redis://h", "rediss://h", "redis://h/1", "redis://h:1", "redis://h?prefix=x", "redis://:p@h", "redis://:q@h", "redis://u:p@h",
		"unix:///h", "redis+sentinel://h/a", "redis+sentinel://h/b", "redis+cluster://h", "redis+cluster://h,i",
		"redis://h?pool_size=3", "redis+sentinel://h/a?sentinel_password=x",
	} {
		key := keyOf(url)
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s are one store", url, other)
		}
		seen[key] = url
	}
	for _, url := range []string{"redis://h:6379", "redis://h/0", "redis://{env.REDIS_HOST}?prefix=caddyauth:"} {
		if keyOf(url) != keyOf("redis://h") {
			t.Errorf("%s is another store", url)
		}
	}
	if _, err := new(Module).Target(); err == nil {
		t.Error("a module that was not provisioned has a target")
	}
}

// TestModuleOpens signs in at a server with a password that has to survive the
// way there.
func TestModuleOpens(t *testing.T) {
	const password = `p@ss:w/o?r#d&=%41%{x}"'`
	server := testdb.Redis(t, "requirepass", password)
	t.Setenv("REDIS_PASSWORD", password)
	m, err := provisioned(t, strings.Replace(server.URL, "://", "://:{env.REDIS_PASSWORD}@", 1))
	fatal(t, err)
	d, err := m.Open(t.Context())
	fatal(t, err)
	defer d.Close()
	fatal(t, d.Ping(t.Context()))

	t.Setenv("REDIS_PASSWORD", "another p@ss")
	m, err = provisioned(t, strings.Replace(server.URL, "://", "://:{env.REDIS_PASSWORD}@", 1))
	fatal(t, err)
	d, err = m.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "does not accept the user or the password") || strings.Contains(err.Error(), "p@ss") {
		t.Errorf("a wrong password: %v", err)
	}
	if d != nil {
		t.Error("there is a store nevertheless")
	}
}
