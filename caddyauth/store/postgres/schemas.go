package postgres

import (
	"context"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// ownSchema has the tables of Store.
const ownSchema = "caddyauth"

// schemas open a store by the name of its schema.
var schemas = map[string]func(ctx context.Context, dsn string) (store.Driver, error){
	ownSchema: func(ctx context.Context, dsn string) (store.Driver, error) { return asDriver(Open(ctx, dsn)) },
	"pg-adapter": func(ctx context.Context, dsn string) (store.Driver, error) {
		return asDriver(OpenAuthJS(ctx, dsn, "pg-adapter"))
	},
	"prisma": func(ctx context.Context, dsn string) (store.Driver, error) {
		return asDriver(OpenAuthJS(ctx, dsn, "prisma"))
	},
}

// asDriver keeps a nil pointer from becoming a driver that is not nil.
func asDriver[D store.Driver](d D, err error) (store.Driver, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}
