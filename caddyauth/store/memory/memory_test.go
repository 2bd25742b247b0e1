package memory_test

import (
	"testing"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver {
		s := memory.New()
		t.Cleanup(func() { s.Close() })
		return s
	}, storetest.Options{})
}
