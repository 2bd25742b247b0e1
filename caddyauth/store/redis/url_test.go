package redis

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// literally expands nothing.
func literally(s string) (string, error) { return s, nil }

func TestParseURL(t *testing.T) {
	base := target{network: "tcp", prefix: "caddyauth:"}
	with := func(change func(*target)) target {
		t := base
		change(&t)
		return t
	}
	for url, want := range map[string]target{
		"redis://localhost":    with(func(t *target) { t.addresses = []string{"localhost:6379"} }),
		"redis://localhost/":   with(func(t *target) { t.addresses = []string{"localhost:6379"} }),
		"redis://10.0.0.1:1/7": with(func(t *target) { t.addresses = []string{"10.0.0.1:1"}; t.database = 7 }),
		"redis://[::1]":        with(func(t *target) { t.addresses = []string{"[::1]:6379"} }),
		"redis://[::1]:6380":   with(func(t *target) { t.addresses = []string{"[::1]:6380"} }),
		"rediss://r.example.com?ca=/etc/ca.pem&cert=c&key=k": with(func(t *target) {
			t.addresses, t.encrypted, t.ca, t.cert, t.key = []string{"r.example.com:6379"}, true, "/etc/ca.pem", "c", "k"
		}),
		"redis://h?prefix=app&pool_size=5": with(func(t *target) { t.addresses, t.prefix, t.poolSize = []string{"h:6379"}, "app", 5 }),
		"unix:///run/redis.sock":           with(func(t *target) { t.network, t.addresses = "unix", []string{"/run/redis.sock"} }),
		"unix://:pw@/run/r?db=2": with(func(t *target) {
			t.network, t.addresses, t.password, t.database = "unix", []string{"/run/r"}, "pw", 2
		}),
		"redis+sentinel://a,b:1,[::1]/main": with(func(t *target) {
			t.kind, t.addresses, t.master = sentinel, []string{"a:26379", "b:1", "[::1]:26379"}, "main"
		}),
		"rediss+sentinel://u:p@a/main/3?sentinel_user=su&sentinel_password=sp": with(func(t *target) {
			t.kind, t.addresses, t.master, t.database, t.encrypted = sentinel, []string{"a:26379"}, "main", 3, true
			t.user, t.password, t.sentinelUser, t.sentinelPassword = "u", "p", "su", "sp"
		}),
		"redis+cluster://a, b:7000":  with(func(t *target) { t.kind, t.addresses = cluster, []string{"a:6379", "b:7000"} }),
		"rediss+cluster://:p@a:7000": with(func(t *target) { t.kind, t.addresses, t.password, t.encrypted = cluster, []string{"a:7000"}, "p", true }),
		// The last @ ends the password, whatever else is in it.
		"redis://u:p@s:w/o?r#d&x=%y%@h": with(func(t *target) { t.addresses, t.user, t.password = []string{"h:6379"}, "u", "p@s:w/o?r#d&x=%y%" }),
		"redis://u%3A:p%40%2541@h":      with(func(t *target) { t.addresses, t.user, t.password = []string{"h:6379"}, "u:", "p@%41" }),
		"redis://:a://b@h":              with(func(t *target) { t.addresses, t.password = []string{"h:6379"}, "a://b" }),
		"redis://:{a@b:c/d}@h":          with(func(t *target) { t.addresses, t.password = []string{"h:6379"}, "{a@b:c/d}" }),
		"redis://:{@h":                  with(func(t *target) { t.addresses, t.password = []string{"h:6379"}, "{" }),
	} {
		got, err := parseURL(url, literally)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", url, got, err, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	const secret = "hunter2"
	for url, want := range map[string]error{
		"":                                        errScheme,
		"hunter2":                                 errScheme,
		"localhost:6379":                          errScheme,
		"http://:hunter2@h":                       errScheme,
		"hunter2://h":                             errScheme,
		"redis+unix:///h":                         errScheme,
		"redis://":                                errHost,
		"redis://:hunter2@":                       errHost,
		"redis:///hunter2":                        errHost,
		"redis+cluster://a,,hunter2":              errHost,
		"redis://hunter2@h":                       errPassword,
		"redis://user:@h":                         errPassword,
		"redis://:@h":                             errPassword,
		"redis://:hunter2":                        errPort,
		"redis://h:0":                             errPort,
		"redis://h:65536":                         errPort,
		"redis://h:-1":                            errPort,
		"redis://[hunter2]":                       errPort,
		"redis://[::1":                            errPort,
		"redis://::1":                             errPort,
		"redis://a,b":                             errOneHost,
		"redis://h/hunter2":                       errDatabase,
		"redis://h/-1":                            errDatabase,
		"redis://h/1/hunter2":                     errDatabase,
		"unix:///s?db=hunter2":                    errDatabase,
		"redis+sentinel://h":                      errMaster,
		"redis+sentinel://h/":                     errMaster,
		"redis+sentinel://h/main/hunter2":         errDatabase,
		"redis+sentinel://h/main/0/x":             errDatabase,
		"redis+cluster://h/0":                     errPath,
		"redis://h?prefix=":                       errPrefix,
		"redis://h?prefix=:":                      errPrefix,
		"redis://h?prefix={hunter2}":              errPrefix,
		"redis://h?pool_size=0":                   errPoolSize,
		"redis://h?pool_size=hunter2":             errPoolSize,
		"redis://h?pool_size=9999":                errPoolSize,
		"rediss://h?cert=hunter2":                 errKeyPair,
		"redis://h?ca=hunter2":                    errFiles,
		"redis://h?sentinel_password=hunter2":     errSentinel,
		"redis+sentinel://h/m?sentinel_user=user": errSentinel,
		"unix://h/s":                              errHost,
		"unix://":                                 errHost,
		"redis://h?hunter2":                       nil,
		"redis://h?db=1":                          nil,
		"redis://h?passwort=hunter2":              nil,
	} {
		_, err := parseURL(url, literally)
		switch {
		case err == nil, want != nil && !errors.Is(err, want):
			t.Errorf("%s: got %v, want %v", url, err, want)
		case strings.Contains(err.Error(), secret):
			t.Errorf("%s: the error tells a secret: %v", url, err)
		case want == nil && !strings.Contains(err.Error(), "pool_size, prefix"):
			t.Errorf("%s: the error does not list what can stand there: %v", url, err)
		}
	}
}

func TestKeyPrefix(t *testing.T) {
	for url, want := range map[string]string{
		"redis://h":                    "caddyauth:",
		"redis+cluster://h":            "{caddyauth}:",
		"redis://h?prefix=app":         "app:",
		"redis://h?prefix=app:":        "app:",
		"redis+cluster://h?prefix=app": "{app}:",
		"redis+cluster://h?prefix=a:b": "{a:b}:",
		"redis+sentinel://h/m":         "caddyauth:",
	} {
		got, err := parseURL(url, literally)
		if err != nil || got.keyPrefix() != want {
			t.Errorf("%s: %q, %v; want %q", url, got.keyPrefix(), err, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis://user:password@localhost:6379/0?prefix=a&pool_size=3", "p@ss:w/o?r#d%20{x}")
	f.Add("redis+sentinel://a,b:1/main/1?sentinel_user=u&sentinel_password=p", "%")
	f.Add("unix://:p@/run/redis.sock?db=1", "\x00\xff{")
	f.Add("{env.REDIS_URL}", "{")
	f.Fuzz(func(t *testing.T, url, password string) {
		if _, err := parseURL(url, literally); err == nil && !strings.Contains(url, "://") {
			t.Errorf("%q has no scheme", url)
		}
		if password == "" {
			return
		}
		// What a placeholder stands for is taken as it is.
		expand := func(s string) (string, error) { return strings.ReplaceAll(s, "{password}", escape(password)), nil }
		got, err := parseURL("rediss+cluster://user:{password}@a,b:1?prefix=x", expand)
		if err != nil || got.password != password || got.user != "user" || got.prefix != "x" || len(got.addresses) != 2 {
			t.Errorf("%q: %+v, %v", password, got, err)
		}
		got, err = parseURL("redis+sentinel://h/m?sentinel_password={password}&pool_size=2", expand)
		if err != nil || got.sentinelPassword != password || got.poolSize != 2 {
			t.Errorf("%q: %+v, %v", password, got, err)
		}
	})
}
