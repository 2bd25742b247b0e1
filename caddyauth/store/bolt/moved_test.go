package bolt_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
)

// recovers waits until a store works, and has a user of that address.
func recovers(t *testing.T, s *bolt.Store, email string) {
	t.Helper()
	var err error
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = s.Ping(t.Context()); err == nil {
			break
		}
	}
	fatal(t, err)
	u, err := s.UserByEmail(t.Context(), email)
	fatal(t, err)
	u.Name = "again"
	fatal(t, s.UpdateUser(t.Context(), u))
}

// fails wants neither Ping nor writing to work.
func fails(t *testing.T, s *bolt.Store, want error) {
	t.Helper()
	if err := s.Ping(t.Context()); err == nil {
		t.Error("it says that all is well")
	}
	if _, err := s.CreateUser(t.Context(), store.User{Name: "x"}); !errors.Is(err, want) {
		t.Errorf("writing: got error %v, want %v", err, want)
	}
}

// What is written to a file that has no name any more would be lost.
func TestMissingWhileOpen(t *testing.T) {
	path := made(t, 1)
	s := open(t, path)
	fatal(t, os.Rename(path, path+".old"))
	fails(t, s, bolt.ErrMoved)
	fails(t, s, bolt.ErrMoved)
	if _, err := os.Stat(path); err == nil {
		t.Error("another was made")
	}
	fatal(t, os.Rename(path+".old", path))
	recovers(t, s, "0@example.com")
}

func TestReplacedWhileOpen(t *testing.T) {
	path, backup := made(t, 1), made(t, 5)
	s := open(t, path)
	ended := make(chan error, 1)
	synced := make(chan struct{}, 100)
	go func() {
		ended <- s.WatchRevocations(t.Context(), time.Now(), func(store.Revocation) {}, func() { synced <- struct{}{} })
	}()
	<-synced

	fatal(t, os.Rename(path, path+".old"))
	fatal(t, os.WriteFile(path, make([]byte, 1<<16), 0o600))
	fails(t, s, bolt.ErrDamaged)
	fatal(t, os.Rename(backup, path))
	recovers(t, s, "4@example.com")
	// Who watches must look again.
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(time.Second):
		t.Error("WatchRevocations goes on")
	}
	// The one that was there is free, the one that is there is not.
	old := open(t, path+".old")
	fatal(t, old.Ping(t.Context()))
	fatal(t, s.Close())
	recovers(t, open(t, path), "4@example.com")
}

// Copying over a file leaves it where it is.
func TestOverwrittenWhileOpen(t *testing.T) {
	path := made(t, 300)
	whole, err := os.ReadFile(path)
	fatal(t, err)
	t.Run("by an older one", func(t *testing.T) {
		s := open(t, path)
		for i := range 20 {
			_, err := s.CreateUser(t.Context(), store.User{Email: fmt.Sprintf("new%d@example.com", i)})
			fatal(t, err)
		}
		fatal(t, os.WriteFile(path, whole, 0o600))
		if _, err := s.CreateUser(t.Context(), store.User{Name: "x"}); !errors.Is(err, bolt.ErrMoved) {
			t.Errorf("writing: got error %v", err)
		}
		recovers(t, s, "299@example.com")
		if _, err := s.UserByEmail(t.Context(), "new0@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got error %v", err)
		}
		fatal(t, s.Close())
		recovers(t, open(t, path), "299@example.com")
	})
	t.Run("after it was cut short", func(t *testing.T) {
		s := open(t, path)
		for _, size := range []int64{8192, 0} {
			fatal(t, os.Truncate(path, size))
			if _, err := s.UserByEmail(t.Context(), "150@example.com"); err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("got error %v", err)
			}
		}
		fatal(t, os.WriteFile(path, whole, 0o600))
		recovers(t, s, "299@example.com")
	})
}
