package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func opened(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// hold keeps the writer busy until the function is called that it returns.
func hold(t testing.TB, s *Store) (release func()) {
	t.Helper()
	started, end := make(chan struct{}), make(chan struct{})
	go s.update(context.Background(), func(*bbolt.Tx) error {
		close(started)
		<-end
		return nil
	})
	<-started
	release = sync.OnceFunc(func() { close(end) })
	t.Cleanup(release)
	return release
}

// commits counts transactions that wrote.
func commits(t testing.TB, s *Store) (n int) {
	t.Helper()
	err := s.view(t.Context(), func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReadingDoesNotWait(t *testing.T) {
	s := opened(t)
	u, err := s.CreateUser(t.Context(), store.User{Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	hold(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.CreateUser(ctx, store.User{Name: "Grace"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the writer is not busy: %v", err)
	}
	if got, err := s.User(t.Context(), u.ID); err != nil || got != u {
		t.Errorf("got %v, %v", got, err)
	}
}

// While the disk is busy, writes gather, and one transaction takes them all. One
// that is wrong spoils nothing for the others.
func TestBatch(t *testing.T) {
	s := opened(t)
	if _, err := s.CreateUser(t.Context(), store.User{Email: "taken@example.com"}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		wrong   func(*bbolt.Tx) error
		commits int
	}{
		"none":     {nil, 1},
		"conflict": {func(*bbolt.Tx) error { return store.ErrConflict }, 1},
		"unknown":  {func(*bbolt.Tx) error { return fmt.Errorf("it: %w", store.ErrNotFound) }, 1},
		"error": {func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(users).Put([]byte("half"), []byte("{}")), errors.New("wrong"))
		}, 1},
		"panic":   {func(tx *bbolt.Tx) error { panic("wrong") }, 1},
		"too big": {func(tx *bbolt.Tx) error { return tx.Bucket(users).Put(make([]byte, 40000), nil) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			release := hold(t, s)
			before := commits(t, s) + 1 // what holds it is one
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var mu sync.Mutex
			errs := make(map[string]error)
			start := func(what string, f func() error) {
				wg.Go(func() {
					err := f()
					mu.Lock()
					defer mu.Unlock()
					errs[what] = err
				})
			}
			for i := range 20 {
				start(fmt.Sprint(i), func() error {
					_, err := s.CreateUser(t.Context(), store.User{Email: fmt.Sprintf("%s%d@example.com", name, i)})
					return err
				})
			}
			if c.wrong != nil {
				start("wrong", func() error { return s.update(t.Context(), c.wrong) })
			}
			start("canceled", func() error {
				_, err := s.CreateUser(ctx, store.User{Email: name + "-canceled@example.com"})
				return err
			})
			for len(s.jobs) < 21 {
				time.Sleep(time.Millisecond)
			}
			cancel()
			release()
			wg.Wait()

			if !errors.Is(errs["canceled"], context.Canceled) {
				t.Errorf("the canceled one got %v", errs["canceled"])
			}
			if (errs["wrong"] == nil) != (c.wrong == nil) {
				t.Errorf("the wrong one got %v", errs["wrong"])
			}
			for i := range 20 {
				if err := errs[fmt.Sprint(i)]; err != nil {
					t.Errorf("%d got %v", i, err)
				}
				if _, err := s.UserByEmail(t.Context(), fmt.Sprintf("%s%d@example.com", name, i)); err != nil {
					t.Error(err)
				}
			}
			if _, err := s.UserByEmail(t.Context(), name+"-canceled@example.com"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the canceled one is there: %v", err)
			}
			if _, err := s.User(t.Context(), "half"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("what the wrong one wrote is there: %v", err)
			}
			// One that arrives a little later may need a second.
			if n := commits(t, s) - before; n > c.commits+1 {
				t.Errorf("%d transactions, want %d", n, c.commits)
			}
		})
	}
}

// Whoever waits while the store is closed is told, and never twice.
func TestCloseWhileBusy(t *testing.T) {
	s := opened(t)
	release := hold(t, s)
	errs := make(chan error)
	for i := range 20 {
		go func() {
			_, err := s.CreateUser(context.Background(), store.User{Email: fmt.Sprintf("%d@example.com", i)})
			errs <- err
		}()
	}
	for len(s.jobs) < 20 {
		time.Sleep(time.Millisecond)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	<-s.closing
	release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	kept := 0
	for range 20 {
		if err := <-errs; err == nil {
			kept++
		} else if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			t.Errorf("got error %v", err)
		}
	}
	again, err := Open(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	found := 0
	for i := range 20 {
		if _, err := again.UserByEmail(t.Context(), fmt.Sprintf("%d@example.com", i)); err == nil {
			found++
		}
	}
	if found != kept {
		t.Errorf("%d are there, %d were acknowledged", found, kept)
	}
}
