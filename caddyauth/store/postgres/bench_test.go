package postgres

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

func session(userID string, i int) store.Session {
	return store.Session{
		ID: fmt.Sprintf("session-%06d", i), Token: store.Hash(fmt.Sprint("token", i)), UserID: userID,
		Provider: "github", Account: "12345", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", IP: "2001:db8::1",
		Expires: time.Now().Add(time.Hour), Created: time.Now(), Seen: time.Now(),
		Evidence: json.RawMessage(`{"sid":"0123456789abcdef","provider":"github","login":"ada","groups":["staff","admin"]}`),
	}
}

func BenchmarkSessionByToken(b *testing.B) {
	const n = 1000
	s := opened(b, testdb.Postgres(b, testdb.PostgresOptions{Fsync: true}).DSN)
	var tokens [n]string
	for i := range n {
		u, err := s.CreateUser(b.Context(), store.User{Name: "Ada", Email: fmt.Sprintf("u%d@example.com", i)})
		fatal(b, err)
		v := session(u.ID, i)
		fatal(b, s.CreateSession(b.Context(), v))
		tokens[i] = v.Token
	}
	get := func(i int) {
		if _, err := s.SessionByToken(b.Context(), tokens[i%n]); err != nil {
			b.Error(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			get(i)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				get(i)
			}
		})
	})
}

func BenchmarkCreateSession(b *testing.B) {
	s := opened(b, testdb.Postgres(b, testdb.PostgresOptions{Fsync: true}).DSN)
	u, err := s.CreateUser(b.Context(), store.User{Name: "Ada"})
	fatal(b, err)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		fatal(b, s.CreateSession(b.Context(), session(u.ID, i)))
	}
}
