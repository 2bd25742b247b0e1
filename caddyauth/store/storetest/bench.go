package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Bench measures what requests and sign-ins ask of a store: one session among a
// thousand is read, by one goroutine and by several, and sessions are made. Open is
// that of [Run].
func Bench(b *testing.B, open func(testing.TB) store.Driver) {
	b.Run("SessionByToken", func(b *testing.B) {
		const n = 1000
		d := open(b)
		var tokens [n]string
		for i := range n {
			tokens[i] = store.Hash(fmt.Sprint("token", i))
			benchSession(b, d, benchUser(b, d, fmt.Sprintf("u%d@example.com", i)), i)
		}
		get := func(i int) {
			if _, err := d.SessionByToken(b.Context(), tokens[i%n]); err != nil {
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
	})
	b.Run("CreateSession", func(b *testing.B) {
		d := open(b)
		user := benchUser(b, d, "")
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			benchSession(b, d, user, i)
		}
	})
}

func benchUser(b *testing.B, d store.Driver, email string) string {
	b.Helper()
	u, err := d.CreateUser(b.Context(), store.User{Name: "Ada", Email: email})
	if err != nil {
		b.Fatal(err)
	}
	return u.ID
}

func benchSession(b *testing.B, d store.Driver, userID string, i int) {
	b.Helper()
	if err := d.CreateSession(b.Context(), store.Session{
		ID: fmt.Sprintf("session-%06d", i), Token: store.Hash(fmt.Sprint("token", i)), UserID: userID,
		Provider: "github", Account: "12345", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", IP: "2001:db8::1",
		Expires: time.Now().Add(time.Hour), Created: time.Now(), Seen: time.Now(),
		Evidence: json.RawMessage(`{"sid":"0123456789abcdef","provider":"github","login":"ada","groups":["staff","admin"]}`),
	}); err != nil {
		b.Fatal(err)
	}
}
