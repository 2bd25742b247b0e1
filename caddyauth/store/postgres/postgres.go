package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

//go:embed migrations
var migrations embed.FS

// schema is a set of tables by the name of the folder that its files are in.
func schema(name string) sqlstore.Schema {
	files, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		panic(err) // the name is not a path
	}
	return sqlstore.Schema{Name: name, Files: files}
}

// Store is a store with users, accounts and sessions in tables of ours.
type Store struct {
	*sqlstore.Store
	*revocations
	db *database
}

// Open opens the store in a database. It makes the tables, unless they are there.
func Open(ctx context.Context, dsn string) (*Store, error) {
	db, err := connect(dsn)
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, schema("side"), schema("own")); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{Store: sqlstore.NewStore(db.DB), revocations: &revocations{db}, db: db}, nil
}

// Close implements store.Driver. Whoever watches is told to go.
func (s *Store) Close() error { return s.db.Close() }

// Interface guards
var _ store.Driver = (*Store)(nil)
