package sqlite

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// filled is a store with users who have a session each.
func filled(b *testing.B, n int) *Store {
	b.Helper()
	s := empty(b)
	for i := range n {
		u, err := s.CreateUser(b.Context(), store.User{Name: "Ada", Email: fmt.Sprintf("u%d@example.com", i)})
		fatal(b, err)
		fatal(b, s.CreateSession(b.Context(), session(u.ID, i)))
	}
	return s
}

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
	s := filled(b, n)
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = store.Hash(fmt.Sprint("token", i))
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
	s := empty(b)
	u, err := s.CreateUser(b.Context(), store.User{Name: "Ada"})
	fatal(b, err)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		fatal(b, s.CreateSession(b.Context(), session(u.ID, i)))
	}
}
