package bolt_test

import (
	"context"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

func TestCrash(t *testing.T) {
	storetest.Crash(t,
		func(path string) (store.Driver, error) { return bolt.Open(context.Background(), path) },
		func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			err = db.View(func(tx *bbolt.Tx) error {
				for err := range tx.Check() {
					t.Error(err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
}
