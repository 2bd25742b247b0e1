package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

// open opens the store in a file until the test ends.
func open(t testing.TB, path string) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	paths := make(chan map[store.Driver]string, 1)
	paths <- make(map[store.Driver]string)
	storetest.Run(t,
		func(t *testing.T) store.Driver {
			path := filepath.Join(t.TempDir(), "caddyauth.db")
			s := open(t, path)
			m := <-paths
			m[s] = path
			paths <- m
			return s
		},
		storetest.Options{
			Reopen: func(t *testing.T, d store.Driver) store.Driver {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				m := <-paths
				defer func() { paths <- m }()
				return open(t, m[d])
			},
		})
}
