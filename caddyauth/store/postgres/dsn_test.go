package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// with expands placeholders by a table.
func with(values map[string]string) expand {
	return func(text string, escape func(string) string) (string, error) {
		var b strings.Builder
		for {
			before, rest, found := strings.Cut(text, "{")
			b.WriteString(before)
			if !found {
				return b.String(), nil
			}
			name, after, _ := strings.Cut(rest, "}")
			value, ok := values[name]
			if !ok {
				return "", fmt.Errorf("unknown {%s}", name)
			}
			b.WriteString(escape(value))
			text = after
		}
	}
}

func TestResolve(t *testing.T) {
	values := map[string]string{
		"env.USER": "ada@example.com", "env.PW": password, "env.HOST": "db.example.com", "env.PORT": "5433", "env.DB": "my db/x?y",
		"file./run/s@crets/pw:1?": password, "env.CA": "/etc/ssl/a&b=c.pem", "env.SOCKET": "/run/postgresql",
		"env.URL": "postgres://u:100%@h/db?application_name=a", "env.BRACES": "postgres://u:{env.PW}@h/db",
	}
	for _, tt := range []struct{ address, want, password string }{
		{"postgres://u:p@h/db", "postgres://u:p@h/db", "p"},
		{"postgresql://u:p@h:5433/db?sslmode=disable", "postgres://u:p@h:5433/db?sslmode=disable", "p"},
		{"postgres://h", "postgres://h", ""},
		{"postgres:///db", "postgres:///db", ""},
		{"postgres://u@h/db", "postgres://u@h/db", ""},
		// A password as it is, or escaped.
		{"postgres://u:p@ss/w:o?r#d@h/db", "postgres://u:p%40ss%2Fw%3Ao%3Fr%23d@h/db", "p@ss/w:o?r#d"},
		{"postgres://u:p%40ss%2Fw%3Ao%3Fr%23d@h/db", "postgres://u:p%40ss%2Fw%3Ao%3Fr%23d@h/db", "p@ss/w:o?r#d"},
		{"postgres://u:100%@h/db", "postgres://u:100%25@h/db", "100%"},
		{"postgres://u:%zz%4@h/db", "postgres://u:%25zz%254@h/db", "%zz%4"},
		{"postgres://u:a+b c@h/db", "postgres://u:a%2Bb%20c@h/db", "a+b c"},
		// Placeholders in each part.
		{"postgres://{env.USER}:{env.PW}@{env.HOST}:{env.PORT}/{env.DB}?sslrootcert={env.CA}&sslmode=disable",
			"postgres://ada%40example.com:" + escape(password, "") + "@db.example.com:5433/my%20db%2Fx%3Fy?sslrootcert=%2Fetc%2Fssl%2Fa%26b%3Dc.pem&sslmode=disable", password},
		{"postgres://u:{file./run/s@crets/pw:1?}@h/db", "postgres://u:" + escape(password, "") + "@h/db", password},
		{"postgres://u:a{env.PW}%40@h/db", "postgres://u:a" + escape(password, "") + "%40@h/db", "a" + password + "@"},
		{"postgres://u@%2Frun%2Fpostgresql/db", "postgres://u@%2Frun%2Fpostgresql/db", ""},
		{"postgres://u@/db?host={env.SOCKET}", "postgres://u@/db?host=%2Frun%2Fpostgresql", ""},
		// All of it is one.
		{"{env.URL}", "postgres://u:100%25@h/db?application_name=a", "100%"},
		{"{env.BRACES}", "postgres://u:%7Benv.PW%7D@h/db", "{env.PW}"},
		// Several hosts.
		{"postgres://u:p@[::1]:1,h2/db", "postgres://u:p@[::1]:1,h2/db?target_session_attrs=read-write", "p"},
		{"postgres://u:p@h1,h2/db?sslmode=disable", "postgres://u:p@h1,h2/db?sslmode=disable&target_session_attrs=read-write", "p"},
		{"postgres://u:p@h1,h2/db?target_session_attrs=any", "postgres://u:p@h1,h2/db?target_session_attrs=any", "p"},
		{"postgres://u:p@h/db?&a=b&&c=d&", "postgres://u:p@h/db?a=b&c=d", "p"},
	} {
		got, err := resolve(tt.address, with(values))
		if err != nil || got != tt.want {
			t.Errorf("%s:\ngot  %s, %v\nwant %s", tt.address, got, err, tt.want)
			continue
		}
		if again, err := resolve(got, literally); err != nil || again != got {
			t.Errorf("%s:\ngot  %s, %v, the second time", got, again, err)
		}
		if strings.Contains(got, "sslrootcert") {
			continue // pgx reads the file
		}
		if config, err := pgx.ParseConfig(got); err != nil || config.Password != tt.password {
			t.Errorf("%s: the password is %q, want %q; %v", got, config.Password, tt.password, err)
		}
	}
}

func TestResolveMistakes(t *testing.T) {
	const secret = "hunter2"
	for address, want := range map[string]string{
		"":                                          "the address is not a URL",
		"host=h user=u password=" + secret:          "the address is not a URL",
		"mysql://u:" + secret + "@h/db":             "the address is not a URL",
		"u:" + secret + "@h/db":                     "the address is not a URL",
		"{env.NONE}":                                "unknown {env.NONE}",
		"postgres://{env.NONE}:" + secret + "@h":    "user: unknown {env.NONE}",
		"postgres://u:{" + secret + "}@h":           "password: a placeholder in it is unknown or empty",
		"postgres://u:" + secret + "@{env.NONE}":    "host: unknown {env.NONE}",
		"postgres://u:" + secret + "@h/{env.NONE}":  "database: unknown {env.NONE}",
		"postgres://h/db?password={" + secret + "}": "password: a placeholder in it is unknown or empty",
		"postgres://h/db?a={env.NONE}":              "parameter: unknown {env.NONE}",
	} {
		got, err := resolve(address, with(nil))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %s, %v; want %s", address, got, err, want)
		}
	}
}

// Errors about the address say what is wrong with it, but not the password.
func TestConfigureMistakes(t *testing.T) {
	const secret = "hunter2"
	for address, want := range map[string]string{
		"postgres://u:" + secret + "@h:x/db":                                             "invalid port",
		"postgres://u:" + secret + "@h:99999/db":                                         "invalid port",
		"postgres://u:" + secret + "@h/db?sslmode=never":                                 "failed to configure TLS",
		"postgres://u:" + secret + "@h/db?sslmode=verify-full&sslrootcert=/no/such/file": "failed to configure TLS",
		"postgres://u:" + secret + "@h/db?target_session_attrs=best":                     "unknown target_session_attrs",
		"postgres://u:" + secret + "@h1,h2,h3:1,h4:2/db?port=1,2":                        "could not match",
		"postgres://u:" + secret + "@h/db?connect_timeout=" + "soon":                     "invalid connect_timeout",
		"postgres://u:" + secret + "@h/db?pool_max_conns=many":                           "cannot parse pool_max_conns",
		"postgres://u:" + secret + "@h/db?pool_max_conns=0":                              "pool_max_conns too small",
		"postgres://u:" + secret + "@[::1/db":                                            "IPv6",
		"postgres://u:" + secret + "\x00@h/db":                                           "forbidden value %00",
		"postgres://u:" + secret + "@h/db?password=" + secret + "&port=x":                "invalid port",
		"postgres://u:se:" + secret + "/x?y=" + secret + "@h:x/db":                       "invalid port",
	} {
		_, err := configure(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v; want %s", address, err, want)
		}
	}
}

func TestConfigure(t *testing.T) {
	config, err := configure("postgres://u:p@h/db")
	fatal(t, err)
	if config.MaxConns != connections || config.ConnConfig.ConnectTimeout != callTimeout {
		t.Errorf("%d connections, %v to connect", config.MaxConns, config.ConnConfig.ConnectTimeout)
	}
	for name, want := range map[string]string{
		"application_name": "caddyauth", "statement_timeout": statementTimeout, "lock_timeout": lockTimeout,
		"idle_in_transaction_session_timeout": idleTimeout,
	} {
		if got := config.ConnConfig.RuntimeParams[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	config, err = configure("postgres://u:p@h1,h2/db?pool_max_conns=25&application_name=mine&lock_timeout=9s&connect_timeout=7&search_path=auth")
	fatal(t, err)
	if p := config.ConnConfig.RuntimeParams; config.MaxConns != 25 || p["application_name"] != "mine" || p["lock_timeout"] != "9s" || p["search_path"] != "auth" {
		t.Errorf("%d connections, parameters %v", config.MaxConns, p)
	}
	if c := config.ConnConfig; c.ConnectTimeout != 7*time.Second || c.ValidateConnect == nil {
		t.Errorf("%v to connect, any host: %v", c.ConnectTimeout, c.ValidateConnect == nil)
	}
}

// Whatever the values of placeholders are, they come out at the other end.
func FuzzResolve(f *testing.F) {
	f.Add("ada", password, "db.example.com", "app")
	f.Add("a:b", "@", "[::1]:5432", "x?y")
	f.Add("%41", "{env.X}", "/run/postgresql", "a/b")
	f.Add("\\{", "\\", "h1,h2", "#")
	f.Fuzz(func(t *testing.T, user, password, host, database string) {
		values := map[string]string{"u": user, "p": password, "h": host, "d": database}
		got, err := resolve("postgres://{u}:{p}@localhost/{d}?sslmode=disable&application_name={h}", with(values))
		if err != nil {
			t.Fatal(err)
		}
		all := user + password + host + database
		config, err := pgx.ParseConfig(got)
		if strings.Contains(all, "\x00") {
			if err == nil {
				t.Fatal("a NUL passes")
			}
			return
		}
		if !utf8.ValidString(all) || strings.TrimSpace(all) != all {
			return // nobody has such names
		}
		if err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if password != "" && config.Password != password || user != "" && config.User != user ||
			database != "" && config.Database != database || config.Host != "localhost" ||
			host != "" && config.RuntimeParams["application_name"] != host {
			t.Errorf("%s: %q %q %q %q", got, config.User, config.Password, config.Database, config.RuntimeParams)
		}

		// Anything at all as an address is read or refused, without a panic, and what
		// was read stays the same.
		if first, err := resolve("postgres://"+all, literally); err == nil {
			if again, err := resolve(first, literally); err != nil || again != first {
				t.Errorf("%q: %s, then %s, %v", all, first, again, err)
			}
		} else if errors.Is(err, errAddress) {
			t.Errorf("%q: %v", all, err)
		}
	})
}
