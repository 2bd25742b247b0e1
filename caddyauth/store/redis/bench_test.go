package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

var benchSessions atomic.Int64

// typical is a session as sign-ins make them, with the token as it is kept.
func typical(userID string) store.Session {
	now, id := time.Now(), fmt.Sprintf("%032x", benchSessions.Add(1))
	return store.Session{
		ID: id, Token: id + id, UserID: userID, Provider: "keycloak", Account: "f3b1c9de-7a5e-4c0e-9d4f-2b8f0c1a7e55",
		Created: now, Seen: now, Expires: now.Add(30 * 24 * time.Hour),
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", IP: "203.0.113.77",
		Evidence: json.RawMessage(`{"sid":"` + id + `","provider":"keycloak","login":"ada","verified":true,` +
			`"domain":"example.com","roles":["admin"],"groups":["/staff","/staff/eng"],"auth_time":1764000000}`),
	}
}

func bench(b *testing.B, settings ...string) (*testdb.RedisServer, *Store, store.User) {
	server := testdb.Redis(b, settings...)
	s := opened(b, server.URL)
	u, err := s.CreateUser(context.Background(), store.User{Name: "Ada Lovelace", Email: "ada@example.com"})
	fatal(b, err)
	b.ReportAllocs()
	return server, s, u
}

func BenchmarkSessionByToken(b *testing.B) {
	_, s, u := bench(b)
	v := typical(u.ID)
	fatal(b, s.CreateSession(b.Context(), v))
	ask := func(b *testing.B) {
		if _, err := s.SessionByToken(b.Context(), v.Token); err != nil {
			b.Error(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b)
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				ask(b)
			}
		})
	})
}

func BenchmarkCreateSession(b *testing.B) {
	for _, fsync := range []string{"everysec", "always"} {
		b.Run(fsync, func(b *testing.B) {
			server, s, u := bench(b, "appendfsync", fsync)
			before := memory(b, server)
			n := 0
			for b.Loop() {
				fatal(b, s.CreateSession(b.Context(), typical(u.ID)))
				n++
			}
			b.ReportMetric(float64(memory(b, server)-before)/float64(n), "redis-B/session")
		})
		b.Run(fsync+", many", func(b *testing.B) {
			_, s, u := bench(b, "appendfsync", fsync)
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.CreateSession(b.Context(), typical(u.ID)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkExtendSession(b *testing.B) {
	_, s, u := bench(b)
	v := typical(u.ID)
	fatal(b, s.CreateSession(b.Context(), v))
	at := v.Expires
	for b.Loop() {
		next := at.Add(time.Second)
		if ok, err := s.ExtendSession(b.Context(), v.ID, at, next, v.Seen); !ok || err != nil {
			b.Fatal(ok, err)
		}
		at = next
	}
}

// memory is how many bytes the data of a server take.
func memory(b *testing.B, server *testdb.RedisServer) int {
	for line := range strings.Lines(server.Do("INFO", "memory")) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory_dataset:"); ok {
			n, err := strconv.Atoi(text)
			fatal(b, err)
			return n
		}
	}
	b.Fatal("the server does not tell")
	return 0
}
