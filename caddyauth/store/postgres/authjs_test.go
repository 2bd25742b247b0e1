package postgres

import (
	"os"
	"sync"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

// flavors are the databases that applications of Auth.js have, with the names of
// their schemas. The files in testdata make their tables.
var flavors = map[string]string{"pg-adapter": "pg-adapter", "prisma-v4": "prisma", "prisma-v5": "prisma"}

// theirs makes the tables of a flavor in a schema of their own, and returns the
// address.
func theirs(t testing.TB, server *testdb.PostgresServer, flavor string) string {
	t.Helper()
	tables, err := os.ReadFile("testdata/" + flavor + ".sql")
	fatal(t, err)
	dsn := owned(server)
	execute(t, raw(t, dsn), string(tables))
	// Times must not depend on where the server thinks that it is.
	return dsn + "&timezone=Asia/Kolkata"
}

func openedTheirs(t testing.TB, dsn, schemaName string) *AuthJS {
	t.Helper()
	s, err := OpenAuthJS(t.Context(), dsn, schemaName)
	fatal(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// One database after the other: the contract has limits of time.
func TestAuthJS(t *testing.T) {
	server := testdb.Postgres(t, testdb.PostgresOptions{Settings: []string{"max_connections=400"}})
	for name, test := range map[string]func(*testing.T, *testdb.PostgresServer){
		"Made by Auth.js": testMadeByAuthJS, "Layouts": testLayouts, "Refused layouts": testRefusedLayouts,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, server)
		})
	}
	for flavor, schemaName := range flavors {
		t.Run(flavor, func(t *testing.T) {
			var where sync.Map // store to address
			storetest.Run(t, func(t *testing.T) store.Driver {
				dsn := theirs(t, server, flavor)
				s := openedTheirs(t, dsn, schemaName)
				where.Store(s, dsn)
				return s
			}, storetest.Options{
				AuthJS: true,
				Shared: func(t *testing.T) (a, b store.Driver) {
					dsn := theirs(t, server, flavor)
					return openedTheirs(t, dsn, schemaName), openedTheirs(t, dsn, schemaName)
				},
				Reopen: func(t *testing.T, d store.Driver) store.Driver {
					fatal(t, d.Close())
					dsn, _ := where.Load(d)
					return openedTheirs(t, dsn.(string), schemaName)
				},
			})
		})
	}
}
