package bolt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
)

const evidence = `{"sid":"0123456789abcdef0123456789abcdef","user":"ABCDEFGHIJKLMNOPQRSTUVWXYZ","provider":"keycloak","realm":"0123456789abcdef","account":"3f1c0a1e-3a51-4a8e-9a39-2c1c4a0d7b11","login":"ada","verified":true,"domain":"example.com","groups":["admins","developers","staff"],"auth_time":1795449600}`

// session is one as there are many: i tells it apart.
func session(userID string, i int64) store.Session {
	return store.Session{
		ID: fmt.Sprintf("%032x", uint64(i)*0x9e3779b97f4a7c15), Token: fmt.Sprintf("%064x", uint64(i)*0xbf58476d1ce4e5b9), UserID: userID,
		Provider: "keycloak", Account: "3f1c0a1e-3a51-4a8e-9a39-2c1c4a0d7b11",
		Expires: time.Now().Add(720 * time.Hour), Created: time.Now(), Seen: time.Now(),
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", IP: "198.51.100.17",
		Evidence: json.RawMessage(evidence),
	}
}

// filled returns a store with users and n sessions.
func filled(b *testing.B, n int) (s *bolt.Store, path string, users []string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "store")
	s = open(b, path)
	for i := range max(1, n/10) {
		u, err := s.CreateUser(context.Background(), store.User{Name: "Ada Lovelace", Email: fmt.Sprintf("ada%d@example.com", i), Image: "https://example.com/ada.png"})
		fatal(b, err)
		users = append(users, u.ID)
		if n < 10 {
			break
		}
	}
	var next atomic.Int64
	errs := make(chan error)
	const workers = 64
	for range workers {
		go func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					errs <- nil
					return
				}
				if err := s.CreateSession(context.Background(), session(users[i%int64(len(users))], i)); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range workers {
		fatal(b, <-errs)
	}
	return s, path, users
}

func BenchmarkSessionByToken(b *testing.B) {
	s, _, users := filled(b, 10_000)
	token := session(users[0], 4711).Token
	read := func(b *testing.B) {
		if _, err := s.SessionByToken(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				read(b)
			}
		})
	})
	b.Run("while others write", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			for i := int64(1 << 40); s.CreateSession(ctx, session(users[0], i)) == nil; i++ {
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			read(b)
		}
	})
}

// What a sign-in of somebody known writes is one session.
func BenchmarkCreateSession(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, _, users := filled(b, 100)
			var next atomic.Int64
			next.Store(1 << 40)
			b.SetParallelism(writers) // times GOMAXPROCS
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.CreateSession(context.Background(), session(users[0], next.Add(1))); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkSweep(b *testing.B) {
	const n = 100_000
	s, path, _ := filled(b, n)
	info, err := os.Stat(path)
	fatal(b, err)
	for b.Loop() {
		fatal(b, s.Sweep(context.Background(), time.Now()))
	}
	b.ReportMetric(float64(info.Size())/n, "B/session")
}
