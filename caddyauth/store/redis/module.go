package redis

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func init() {
	caddy.RegisterModule(Module{})
	redis.SetLogger(quiet{})
}

// Module is the guest that lets a site keep users and sessions in Redis or
// Valkey.
type Module struct {
	// URL is where the server is: redis://, rediss://, unix://,
	// redis+sentinel://, rediss+sentinel://, redis+cluster:// or
	// rediss+cluster://. Placeholders are replaced in each of its parts, so what
	// they stand for may contain any characters, or all of it is one placeholder.
	// Required.
	URL string `json:"url,omitempty"`

	target target
	log    *zap.Logger
}

// CaddyModule implements caddy.Module.
func (Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddyauth.stores.redis", New: func() caddy.Module { return new(Module) }}
}

// UnmarshalCaddyfile reads
//
//	redis <url>
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the word itself
	if m.URL != "" {
		return d.Err("store redis stands here a second time")
	}
	if !d.AllArgs(&m.URL) {
		// Not the arguments: they may be parts of a password with a space.
		return d.Err("store redis takes one URL, in quotes if it has spaces")
	}
	for d.NextBlock(d.Nesting()) {
		return d.Err("store redis has no block: options stand in the URL, after a question mark")
	}
	return nil
}

// Provision reads the URL. It connects to nothing.
func (m *Module) Provision(ctx caddy.Context) error {
	m.log = ctx.Logger()
	if m.URL == "" {
		return errors.New("store redis: no URL")
	}
	repl := caddy.NewReplacer()
	t, err := parseURL(m.URL, func(s string) (string, error) { return repl.ReplaceFunc(s, placeholder) })
	if err != nil {
		return fmt.Errorf("store %w", err)
	}
	m.target = t
	return nil
}

// placeholder makes what a placeholder stands for part of a URL.
func placeholder(name string, value any) (any, error) {
	if value == nil {
		return nil, fmt.Errorf("redis: the placeholder {%s} in the URL is unknown, or its file cannot be read (a brace that is meant literally has a backslash before it)", name)
	}
	s := caddy.ToString(value)
	if s == "" {
		return nil, fmt.Errorf("redis: the placeholder {%s} in the URL is empty", name)
	}
	return escape(s), nil
}

// fingerprintKey keeps guesses at a password from being checked with what is
// logged.
var fingerprintKey = func() (key [32]byte) {
	_, _ = rand.Read(key[:]) // never fails
	return key
}()

// Target tells one store from another as long as this process runs: the URL
// without passwords, and a fingerprint of them, because a new password is a
// reason to connect anew.
func (m *Module) Target() (key string, err error) {
	if m.target.network == "" {
		return "", errors.New("store redis: not provisioned")
	}
	mac := hmac.New(sha256.New, fingerprintKey[:])
	fmt.Fprintf(mac, "%#v", m.target)
	return m.target.String() + "#" + hex.EncodeToString(mac.Sum(nil)[:8]), nil
}

// Open connects to the server.
func (m *Module) Open(ctx context.Context) (store.Driver, error) {
	s, err := open(ctx, m.target, Options{Log: m.log})
	if err != nil {
		return nil, err // not s, which is nil but would be no nil interface
	}
	return s, nil
}

// Plain is false: the tokens of sessions and providers are kept hashed and
// encrypted.
func (*Module) Plain() bool { return false }

// quiet is the logger of all clients in this process. They would write to
// standard error what is returned as an error as well, again and again while a
// server is down.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(_ context.Context, format string, v ...any) {
	if line := caddy.Log().Named("redis").Check(zap.DebugLevel, "go-redis"); line != nil {
		line.Write(zap.String("message", fmt.Sprintf(format, v...)))
	}
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
)
