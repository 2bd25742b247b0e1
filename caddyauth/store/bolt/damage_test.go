package bolt_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
)

// A file that is cut short while it is open must not end the process: what lies
// behind its end cannot even be read.
func TestCutShortWhileOpen(t *testing.T) {
	path := made(t, 200)
	s := open(t, path)
	u, err := s.UserByEmail(t.Context(), "150@example.com")
	fatal(t, err)
	fatal(t, os.Truncate(path, 8192))
	for i := range 200 {
		_, err := s.UserByEmail(t.Context(), fmt.Sprintf("%d@example.com", i))
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Fatalf("user %d: got error %v", i, err)
		}
	}
	if _, err := s.User(t.Context(), u.ID); !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("got error %v", err)
	}
	for range 2 {
		if _, err := s.CreateUser(t.Context(), store.User{Name: "x"}); !errors.Is(err, bolt.ErrDamaged) {
			t.Errorf("writing: got error %v", err)
		}
	}
}

// Whatever is in the pages with rows, there is an answer or an error.
func TestDamagedPages(t *testing.T) {
	whole, err := os.ReadFile(made(t, 200))
	fatal(t, err)
	damaged := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		data := append([]byte(nil), whole...)
		const page = 4096
		for range 1 + r.IntN(8) {
			// The first two pages have checksums; no header of a page is touched,
			// as a tree that leads back to itself has no end.
			p := 2 + r.IntN(len(data)/page-2)
			for range 1 + r.IntN(200) {
				data[p*page+512+r.IntN(page-512)] = byte(r.Uint32())
			}
		}
		path := t.TempDir() + "/store"
		fatal(t, os.WriteFile(path, data, 0o600))
		s, err := bolt.Open(t.Context(), path)
		if err != nil {
			damaged++
			continue
		}
		for i := range 200 {
			u, err := s.UserByEmail(t.Context(), fmt.Sprintf("%d@example.com", i))
			if errors.Is(err, bolt.ErrDamaged) {
				damaged++
			} else if err == nil && i%20 == 0 {
				_ = s.UpdateUser(t.Context(), u)
			}
		}
		_ = s.Sweep(t.Context(), time.Now())
		_, _ = s.Tokens(t.Context(), "")
		_ = s.Close()
	}
	if damaged == 0 {
		t.Error("nothing was damaged")
	}
}

func TestDamagedRows(t *testing.T) {
	path := made(t, 1)
	s := open(t, path)
	u, err := s.UserByEmail(t.Context(), "0@example.com")
	fatal(t, err)
	fatal(t, s.CreateSession(t.Context(), store.Session{ID: "a", Token: "t", UserID: u.ID}))
	fatal(t, s.CreateToken(t.Context(), store.Token{ID: "a", Hash: "t", UserID: u.ID}))
	fatal(t, s.LinkAccount(t.Context(), store.Account{Provider: "p", ProviderAccountID: "a", UserID: u.ID}))
	fatal(t, s.CreateAuthenticator(t.Context(), store.Authenticator{CredentialID: "a", UserID: u.ID}))
	fatal(t, s.Revoke(t.Context(), store.Revocation{Kind: store.ByUser, Key: "a", Until: time.Now().Add(time.Hour)}))
	fatal(t, s.Close())
	whole, err := os.ReadFile(path)
	fatal(t, err)
	// damage returns a store with something wrong in it.
	damage := func(t *testing.T, f func(tx *bbolt.Tx) error) *bolt.Store {
		path := t.TempDir() + "/store"
		fatal(t, os.WriteFile(path, whole, 0o600))
		alter(t, path, f)
		return open(t, path)
	}

	calls := func(s *bolt.Store) map[string]error {
		ctx := t.Context()
		errs := make(map[string]error)
		_, errs["User"] = s.User(ctx, u.ID)
		_, errs["UserByEmail"] = s.UserByEmail(ctx, u.Email)
		_, errs["UserByAccount"] = s.UserByAccount(ctx, "p", "a")
		_, errs["SessionByToken"] = s.SessionByToken(ctx, "t")
		_, errs["SessionByID"] = s.SessionByID(ctx, "a")
		_, errs["ListSessions"] = s.ListSessions(ctx, store.SessionFilter{}, time.Time{}.Add(-1))
		_, _, errs["TokenByHash"] = s.TokenByHash(ctx, "t")
		errs["UpdateUser"] = s.UpdateUser(ctx, u)
		errs["DeleteUser"] = s.DeleteUser(ctx, u.ID)
		return errs
	}
	for name, value := range map[string]string{
		"missing": "", "empty object": "{}", "null": "null", "array": "[]", "cut short": `{"id":"a`, "another type": `{"id":7}`, "bytes": "\x00\xff",
	} {
		t.Run(name, func(t *testing.T) {
			s := damage(t, func(tx *bbolt.Tx) error {
				if value == "" {
					return tx.Bucket([]byte("users")).Delete([]byte(u.ID))
				}
				return tx.Bucket([]byte("users")).Put([]byte(u.ID), []byte(value))
			})
			for method, err := range calls(s) {
				if err != nil && !errors.Is(err, bolt.ErrDamaged) && (value != "" || !errors.Is(err, store.ErrNotFound)) {
					t.Errorf("%s: got error %v", method, err)
				}
				if value != "{}" && err == nil && method != "ListSessions" && method != "DeleteUser" {
					t.Errorf("%s: no error", method)
				}
			}
		})
	}
	for _, bucket := range []string{"sessions", "tokens", "accounts", "authenticators", "revocations"} {
		t.Run(bucket, func(t *testing.T) {
			s := damage(t, func(tx *bbolt.Tx) error {
				b := tx.Bucket([]byte(bucket))
				k, _ := b.Cursor().First()
				return b.Put(k, []byte("{"))
			})
			var err error
			switch bucket {
			case "sessions":
				_, err = s.SessionByToken(t.Context(), "t")
			case "tokens":
				_, err = s.Tokens(t.Context(), "")
			case "accounts":
				_, err = s.Accounts(t.Context(), u.ID)
			case "authenticators":
				_, err = s.Authenticators(t.Context(), u.ID)
			case "revocations":
				err = s.WatchRevocations(t.Context(), time.Now(), func(store.Revocation) {}, func() { t.Error("synced") })
			}
			if !errors.Is(err, bolt.ErrDamaged) {
				t.Errorf("got error %v", err)
			}
		})
	}
}
