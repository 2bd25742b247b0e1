package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module is the guest that lets sites keep users and sessions in PostgreSQL.
type Module struct {
	// DSN is the address of the database, a URL such as
	// `postgres://user:password@host/database?sslmode=verify-full`. Placeholders
	// are replaced in each of its parts, so what they stand for may have any
	// characters, or all of it is one placeholder. Required.
	DSN string `json:"dsn,omitempty"`

	// Schema is whose tables hold users, accounts and sessions: `caddyauth` for
	// tables of ours, or one of those that an application of Auth.js has already.
	// Default: `caddyauth`.
	Schema string `json:"schema,omitempty"`

	dsn string // without placeholders
}

// CaddyModule returns the module's information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddyauth.stores.postgres", New: func() caddy.Module { return new(Module) }}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store postgres <dsn> {
//	    schema <name>
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the word itself
	if args := d.RemainingArgs(); len(args) != 1 {
		// They are not quoted: they may be parts of a password.
		return d.Errf("'postgres' takes one address, got %d values", len(args))
	} else {
		m.DSN = args[0]
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if word := d.Val(); word != "schema" {
			return d.Errf("unrecognized word '%s' for store postgres: it has schema", word)
		}
		if m.Schema != "" {
			return d.Err("schema: given twice")
		}
		if !d.AllArgs(&m.Schema) {
			return d.Errf("'schema' takes one name: %s", schemaNames())
		}
		if schemas[m.Schema] == nil {
			return d.Errf("unknown schema '%s': it is one of %s", m.Schema, schemaNames())
		}
	}
	return nil
}

// Provision reads the address. It connects to nothing.
func (m *Module) Provision(caddy.Context) error {
	if m.DSN == "" {
		return errors.New("postgres: no address")
	}
	if m.Schema == "" {
		m.Schema = ownSchema
	}
	if schemas[m.Schema] == nil {
		return fmt.Errorf("postgres: unknown schema '%s': it is one of %s", m.Schema, schemaNames())
	}
	var err error
	replacer := caddy.NewReplacer()
	m.dsn, err = resolve(m.DSN, func(text string, escape func(string) string) (string, error) {
		return replacer.ReplaceFunc(text, func(name string, value any) (any, error) {
			s := caddy.ToString(value)
			if s == "" {
				return nil, fmt.Errorf("the placeholder {%s} is unknown or empty, or its file cannot be read", name)
			}
			return escape(s), nil
		})
	})
	if err != nil {
		return err
	}
	_, err = configure(m.dsn)
	return err
}

// Target names the database. It has the password in it.
func (m *Module) Target() (string, error) {
	if m.dsn == "" {
		return "", errors.New("postgres: not provisioned")
	}
	return m.Schema + " " + m.dsn, nil
}

// Open opens the store.
func (m *Module) Open(ctx context.Context) (store.Driver, error) {
	if m.dsn == "" {
		return nil, errors.New("postgres: not provisioned")
	}
	return schemas[m.Schema](ctx, m.dsn)
}

// Plain is true for the schemas of Auth.js: its applications have to find their
// tokens there as they are.
func (m *Module) Plain() bool { return m.Schema != "" && m.Schema != ownSchema }

func schemaNames() string { return strings.Join(slices.Sorted(maps.Keys(schemas)), ", ") }

// Interface guards
var (
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
)
