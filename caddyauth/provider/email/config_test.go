package email

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// selfSigned makes a certificate nobody vouches for.
func selfSigned(t *testing.T) (tls.Certificate, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func TestDefaults(t *testing.T) {
	p, err := New(Config{From: "login@example.com", Server: "smtp://smtp.example.com"}, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Info(), (provider.Info{ID: "email", Name: "Email", Type: "email", Public: true}); got.ID != want.ID ||
		got.Name != want.Name || got.Type != want.Type || !got.Public || got.Realm != "" || got.FormAction != nil {
		t.Errorf("info is %+v", got)
	}
	if p.MaxAge() != 24*time.Hour {
		t.Errorf("a link is good for %v", p.MaxAge())
	}
}

func TestServers(t *testing.T) {
	for url, want := range map[string]server{
		"smtp://smtp.example.com":                {host: "smtp.example.com", port: "587", tls: "required"},
		"smtp://smtp.example.com/":               {host: "smtp.example.com", port: "587", tls: "required"},
		"smtp://SMTP.Example.com.:2525":          {host: "smtp.example.com", port: "2525", tls: "required"},
		"smtp://smtp.example.com:25":             {host: "smtp.example.com", port: "25", tls: "required"},
		"smtps://smtp.example.com":               {host: "smtp.example.com", port: "465", tls: "required", implicit: true},
		"smtps://smtp.example.com:8465":          {host: "smtp.example.com", port: "8465", tls: "required", implicit: true},
		"smtps://localhost":                      {host: "localhost", port: "465", tls: "required", implicit: true},
		"smtp://localhost":                       {host: "localhost", port: "587", tls: "off"},
		"smtp://127.0.0.1:1025":                  {host: "127.0.0.1", port: "1025", tls: "off"},
		"smtp://[::1]:1025":                      {host: "::1", port: "1025", tls: "off"},
		"smtp://[2001:db8::1]":                   {host: "2001:db8::1", port: "587", tls: "required"},
		"smtp://münchen.example":                 {host: "xn--mnchen-3ya.example", port: "587", tls: "required"},
		"smtp://a%40b:p%3A%2F@smtp.example.com":  {host: "smtp.example.com", port: "587", tls: "required", username: "a@b", password: "p:/"},
		"SMTP://caddy:secret@smtp.example.com:1": {host: "smtp.example.com", port: "1", tls: "required", username: "caddy", password: "secret"},
	} {
		cfg := Config{From: "login@example.com", Server: url}
		m, err := cfg.build()
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if m.server != want {
			t.Errorf("%s: got %+v, want %+v", url, m.server, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	good := Config{From: "login@example.com", Server: "smtp://smtp.example.com"}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no sender", func(c *Config) { c.From = "" }, "provider email: the sender of the mails is missing. Write: from Example <login@example.com>"},
		{"no server", func(c *Config) { c.Server = "" }, "provider email: the mail server is missing. Write: smtp://smtp.example.com:587"},
		{"id", func(c *Config) { c.ID = "a/b" }, "provider a/b: an id has lower-case letters"},
		{"sender", func(c *Config) { c.From = "nobody" }, `from: "nobody" is not an address such as Example <login@example.com>`},
		{"two senders", func(c *Config) { c.From = "a@b.c, d@e.f" }, "is not an address"},
		{"line break in the sender", func(c *Config) { c.From = "A\r\n B <a@b.c>" }, "is not an address"},
		{"sender's domain", func(c *Config) { c.From = "a@[192.0.2.1]" }, `mail cannot be sent from, or to, "a@[192.0.2.1]"`},
		{"reply_to", func(c *Config) { c.ReplyTo = "@" }, `reply_to: "@" is not an address such as help@example.com`},
		{"no URL", func(c *Config) { c.Server = "smtp.example.com:587" }, "server: it is not a URL such as smtp://smtp.example.com:587"},
		{"bare host", func(c *Config) { c.Server = "smtp.example.com" }, "server: it is not a URL"},
		{"scheme", func(c *Config) { c.Server = "https://smtp.example.com" }, "server: the scheme 'https' is not one of smtp, smtps"},
		{"path", func(c *Config) { c.Server += "/x" }, "server: the URL ends after host and port"},
		{"query", func(c *Config) { c.Server += "?pool=true" }, "server: the URL ends after host and port"},
		{"host", func(c *Config) { c.Server = "smtp://a_b" }, "server: 'a_b' is not a host name"},
		{"no host", func(c *Config) { c.Server = "smtp://:25" }, "server: '' is not a host name"},
		{"port", func(c *Config) { c.Server += ":0" }, "server: 0 is not a port"},
		{"large port", func(c *Config) { c.Server += ":65536" }, "server: 65536 is not a port"},
		{"465", func(c *Config) { c.Server += ":465" }, "Write: smtps://smtp.example.com"},
		{"587", func(c *Config) { c.Server = "smtps://smtp.example.com:587" }, "Write: smtp://smtp.example.com"},
		{"password alone", func(c *Config) { c.Password = testSecret }, "there is a password, but no username"},
		{"username alone", func(c *Config) { c.Username = "caddy" }, "there is a username, but no password. Write: password {env.SMTP_PASSWORD}"},
		{"username alone in the URL", func(c *Config) { c.Server = "smtp://caddy@smtp.example.com" }, "there is a username, but no password"},
		{"twice", func(c *Config) { c.Server, c.Username = "smtp://caddy:"+testSecret+"@smtp.example.com", "caddy" }, "both in the server's URL and in a setting of its own"},
		{"line break in the password", func(c *Config) { c.Username, c.Password = "caddy", testSecret+"\n" }, "the username or password has a line break"},
		{"password with off", func(c *Config) { c.Username, c.Password, c.TLS = "caddy", testSecret, "off" }, "tls: with 'off' the password could be read on its way to smtp.example.com"},
		{"password with opportunistic", func(c *Config) { c.Username, c.Password, c.TLS = "caddy", testSecret, "opportunistic" }, "tls: with 'opportunistic' the password could be read"},
		{"tls", func(c *Config) { c.TLS = "requird" }, "tls: unknown word 'requird', did you mean 'required'?"},
		{"tls, far off", func(c *Config) { c.TLS = "1.3" }, "tls: unknown word '1.3', it can be required, opportunistic or off"},
		{"smtps off", func(c *Config) { c.Server, c.TLS = "smtps://smtp.example.com", "off" }, "tls: smtps:// is TLS from the first byte"},
		{"tls_ca", func(c *Config) { c.TLSCA = filepath.Join(filepath.Dir(file), "none.pem") }, "tls_ca: open "},
		{"tls_ca, empty", func(c *Config) { c.TLSCA = file }, "tls_ca: there is no certificate in "},
		{"subject", func(c *Config) { c.Subject = "a\r\nBcc: b" }, "subject: it must be one line"},
		{"long subject", func(c *Config) { c.Subject = strings.Repeat("x", 201) }, "subject: it must be one line of at most 200 bytes"},
		{"short", func(c *Config) { c.MaxAge = provider.Duration(time.Second) }, "max_age: 1s is not between 1m and 30 days"},
		{"long", func(c *Config) { c.MaxAge = provider.Duration(31 * 24 * time.Hour) }, "max_age: 744h0m0s is not between"},
		{"negative", func(c *Config) { c.MaxAge = -1 }, "max_age: -1ns is not between"},
		{"secret in a broken URL", func(c *Config) { c.Server = "smtp://caddy:" + testSecret + "%zz@smtp.example.com" }, "server: it is not a URL"},
		{"secret in a broken port", func(c *Config) { c.Server = "smtp://caddy:" + testSecret + "/@smtp.example.com" }, "server: it is not a URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := good
			tc.change(&cfg)
			p, err := New(cfg, provider.Options{})
			if err == nil || p != nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Errorf("%q has the password in it", err)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, err := New(Config{ID: "E", TLS: "x", TLSCA: file, Server: "smtp://h:1", Subject: "\n", MaxAge: 1, Password: "x"}, provider.Options{})
		if err == nil {
			t.Fatal("it was accepted")
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != 7 {
			t.Errorf("%d mistakes:\n%v", n, err)
		}
	})
}

// Links on their way in the clear are worth a word, not to this machine though.
func TestWarning(t *testing.T) {
	for _, tc := range []struct {
		server, tls string
		want        int
	}{
		{"smtp://smtp.example.com", "", 0}, {"smtp://smtp.example.com", "off", 1}, {"smtp://smtp.example.com", "opportunistic", 1},
		{"smtps://smtp.example.com", "", 0}, {"smtp://localhost", "", 0}, {"smtp://127.0.0.1", "off", 0},
	} {
		core, logs := observer.New(zap.WarnLevel)
		if _, err := New(Config{From: "a@b.example", Server: tc.server, TLS: tc.tls}, provider.Options{Log: zap.New(core)}); err != nil {
			t.Fatal(err)
		}
		if logs.Len() != tc.want {
			t.Errorf("%s %s: %d lines in the log", tc.server, tc.tls, logs.Len())
		}
	}
}

func TestConfigJSON(t *testing.T) {
	const text = `{"id":"mail","name":"Link","from":"a@b.example","server":"smtp://h.example","username":"u","password":"p",` +
		`"tls":"required","tls_ca":"/ca.pem","reply_to":"c@d.example","subject":"s","max_age":"1h"}`
	var cfg Config
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	if want := (Config{"mail", "Link", "a@b.example", "smtp://h.example", "u", "p", "required", "/ca.pem", "c@d.example", "s", provider.Duration(time.Hour)}); cfg != want {
		t.Errorf("got %+v", cfg)
	}
}

func FuzzServer(f *testing.F) {
	for _, seed := range []string{"smtp://h", "smtps://u:" + testSecret + "@h:465", "smtp://u:" + testSecret + "@[::1]:1", "smtp://%", "smtp://u:" + testSecret + "/@h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		cfg := Config{From: "login@example.com", Server: url, Username: "caddy", Password: testSecret}
		m, err := cfg.build()
		if err != nil {
			if strings.Contains(err.Error(), testSecret) {
				t.Fatalf("%q has the password in it", err)
			}
			return
		}
		if s := m.server; s.tls != tlsRequired && !s.loopback() || s.host == "" || s.port == "" || strings.ContainsAny(s.addr(), "\r\n \x00") {
			t.Fatalf("%q: the password would be sent to %+v", url, s)
		}
	})
}

// Whatever a server says, its words do not bring secrets into the log.
func FuzzPresentable(f *testing.F) {
	f.Add("5.1.1 <alice@example.org>: user alice unknown at example.org", false)
	f.Add(testSecret+" aHVudGVyMmh1bnRlcjI= "+testLink, true)
	f.Add("\x00\xff\u2028…", true)
	m := mailerFor(f, Config{Server: "smtp://127.0.0.1:1", Username: "caddy-user", Password: testSecret})
	f.Fuzz(func(t *testing.T, said string, quote bool) {
		if quote {
			said = strings.ReplaceAll(said, "a", alice+testSecret)
		}
		got := m.presentable(said, order())
		assertSilent(t, got)
		if len(got) > maxReply+len(" …") {
			t.Fatalf("%d bytes", len(got))
		}
	})
}
