package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

// opened opens a store that the end of the test closes.
func opened(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn)
	fatal(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// raw is a connection to a database without the store.
func raw(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	fatal(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// execute runs statements without the store.
func execute(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// number runs a query that has one number for an answer.
func number(t testing.TB, conn *pgx.Conn, query string) (n int) {
	t.Helper()
	fatal(t, conn.QueryRow(t.Context(), query).Scan(&n))
	return n
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// password has everything that means something in a URL, and to Caddy.
const password = `p@ss/w:o?r#d%41&a=b +{x}'"\é`

var schemasMade atomic.Int64

// owned makes a schema whose owner can do nothing else, and returns the address
// that leads there.
func owned(server *testdb.PostgresServer) string {
	name := fmt.Sprint("owner", schemasMade.Add(1))
	server.Exec(
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, strings.ReplaceAll(password, "'", "''")),
		fmt.Sprintf("CREATE SCHEMA AUTHORIZATION %s", name), // by the same name, which is first in the search path
	)
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres?sslmode=disable", name, escape(password, ""), server.Port)
}

// What needs a server, but no other one than that, shares one.
func TestServer(t *testing.T) {
	t.Parallel()
	server := testdb.Postgres(t, testdb.PostgresOptions{Settings: []string{"max_connections=400"}})
	for name, test := range map[string]func(*testing.T, *testdb.PostgresServer){
		"Contract": testContract, "Schema": testSchema, "Processes": testProcesses,
		"Bounds": testBounds, "Refusals": testRefusals, "Watch": testWatch, "Module": testModule,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server)
		})
	}
}

func testContract(t *testing.T, server *testdb.PostgresServer) {
	alone := func(stop, start func(*testdb.PostgresServer), opts ...testdb.PostgresOptions) func(*testing.T) (store.Driver, func(), func()) {
		return func(t *testing.T) (store.Driver, func(), func()) {
			server := testdb.Postgres(t, opts...)
			return opened(t, server.DSN), func() { stop(server) }, func() { start(server) }
		}
	}
	var where sync.Map // store to address
	storetest.Run(t, func(t *testing.T) store.Driver {
		dsn := owned(server)
		s := opened(t, dsn)
		where.Store(s, dsn)
		return s
	}, storetest.Options{
		Shared: func(t *testing.T) (a, b store.Driver) {
			dsn := owned(server)
			return opened(t, dsn), opened(t, dsn)
		},
		Reopen: func(t *testing.T, d store.Driver) store.Driver {
			fatal(t, d.Close())
			dsn, _ := where.Load(d)
			return opened(t, dsn.(string))
		},
		Outages: map[string]func(t *testing.T) (d store.Driver, stop, start func()){
			"stopped": alone((*testdb.PostgresServer).Stop, (*testdb.PostgresServer).Start),
			"killed":  alone((*testdb.PostgresServer).Kill, (*testdb.PostgresServer).Start, testdb.PostgresOptions{Fsync: true}),
			"hanging": alone((*testdb.PostgresServer).Pause, (*testdb.PostgresServer).Resume),
		},
	})
}
