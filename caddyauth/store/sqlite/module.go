package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module is the guest that lets sites keep users and sessions in an SQLite file.
// Several processes on one computer may share it.
type Module struct {
	// Path is that of the file, which is made if need be, with its folder.
	// Placeholders are replaced. Required.
	Path string `json:"path,omitempty"`

	path string // absolute, without placeholders
}

// CaddyModule returns the module's information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddyauth.stores.sqlite", New: func() caddy.Module { return new(Module) }}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store sqlite <path>
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the word itself
	if args := d.RemainingArgs(); len(args) != 1 {
		return d.Errf("'sqlite' takes one path, got %d values", len(args))
	} else {
		m.Path = args[0]
	}
	if d.NextBlock(d.Nesting()) {
		return d.Err("'sqlite' has no block")
	}
	return nil
}

// Provision finds out which file it is. Nothing is made or opened.
func (m *Module) Provision(caddy.Context) error {
	if m.Path == "" {
		return errors.New("sqlite: no path")
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(m.Path, true, true)
	if err != nil {
		return fmt.Errorf("sqlite: path: %w", err)
	}
	m.path, err = filepath.Abs(path)
	return err
}

// Target names the file.
func (m *Module) Target() (string, error) {
	if m.path == "" {
		return "", errors.New("sqlite: not provisioned")
	}
	return m.path, nil
}

// Open opens the store.
func (m *Module) Open(ctx context.Context) (store.Driver, error) {
	if m.path == "" {
		return nil, errors.New("sqlite: not provisioned")
	}
	s, err := Open(ctx, m.path)
	if err != nil {
		return nil, err // not s: a nil pointer is not a nil driver
	}
	return s, nil
}

// Plain is false: tokens are kept hashed and encrypted.
func (*Module) Plain() bool { return false }

// Interface guards
var (
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
)
