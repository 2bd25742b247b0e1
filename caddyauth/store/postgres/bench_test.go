package postgres

import (
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(t testing.TB) store.Driver {
		return opened(t, testdb.Postgres(t, testdb.PostgresOptions{Fsync: true}).DSN)
	})
}
