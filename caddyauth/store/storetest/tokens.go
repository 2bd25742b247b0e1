package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// tokenAndUser is what TokenByHash returns.
type tokenAndUser struct {
	Token store.Token
	User  store.User
}

func (s *suite) byHash(t testing.TB, hash string) (tokenAndUser, error) {
	token, u, err := s.TokenByHash(t.Context(), hash)
	return tokenAndUser{token, u}, err
}

func (s *suite) tokens(t *testing.T) {
	keep := func(t *testing.T, p store.Token) store.Token {
		t.Helper()
		ok(t, s.CreateToken(t.Context(), p))
		return p
	}
	u, other := s.user(t), s.user(t)

	t.Run("all fields", func(t *testing.T) {
		full, expired := s.token(u.ID), s.token(u.ID)
		expired.Expires = base.Add(-24 * time.Hour)
		bare := store.Token{ID: unique("bare"), UserID: u.ID, Hash: unique("hash"), Created: base, Evidence: json.RawMessage(`{}`)}
		for _, p := range []store.Token{full, expired, bare} {
			notFound(s.byHash(t, p.Hash))(t)
			keep(t, p)
			same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
			notFound(s.byHash(t, p.ID))(t)
		}
		u.Name = "Grace"
		ok(t, s.UpdateUser(t.Context(), u))
		same(t, must(s.byHash(t, full.Hash))(t), tokenAndUser{full, u})
	})
	t.Run("hostile scopes and evidence", func(t *testing.T) {
		p := s.token(u.ID)
		p.Paths, p.Methods = nil, nil
		for _, v := range hostile() {
			p.Paths, p.Methods = append(p.Paths, "/"+v.text), append(p.Methods, v.text)
		}
		p.Evidence = json.RawMessage(`{ "a":"<&>", "n":1e400 }`)
		keep(t, p)
		same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
	})
	t.Run("a guessed hash", func(t *testing.T) {
		p := keep(t, s.token(u.ID))
		for _, guess := range []string{"", "' OR 1=1", "%", "*", p.Hash + " ", p.Hash + "' --", p.Hash + "\x00", "\xff", large()} {
			notFound(s.byHash(t, guess))(t)
		}
	})
	t.Run("id or hash taken", func(t *testing.T) {
		p := keep(t, s.token(u.ID))
		a, b := s.token(other.ID), s.token(other.ID)
		a.ID, b.Hash = p.ID, p.Hash
		is(t, s.CreateToken(t.Context(), a), store.ErrConflict)
		is(t, s.CreateToken(t.Context(), b), store.ErrConflict)
		same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
		notFound(s.byHash(t, a.Hash))(t)
		if list := must(s.Tokens(t.Context(), other.ID))(t); len(list) != 0 {
			t.Fatalf("the other user has %v", list)
		}
	})
	t.Run("one winner", func(t *testing.T) {
		hash := unique("hash")
		var racers [contenders]store.Token
		i := oneWins(t, store.ErrConflict, func(i int) error {
			racers[i] = s.token(u.ID)
			racers[i].Hash = hash
			return s.CreateToken(t.Context(), racers[i])
		})
		same(t, must(s.byHash(t, hash))(t), tokenAndUser{racers[i], u})
	})
	t.Run("of nobody", func(t *testing.T) {
		gone := s.user(t)
		ok(t, s.DeleteUser(t.Context(), gone.ID))
		p := s.token(gone.ID)
		is(t, s.CreateToken(t.Context(), p), store.ErrNotFound)
		notFound(s.byHash(t, p.Hash))(t)
	})
	t.Run("the list", func(t *testing.T) {
		a, b := s.user(t), s.user(t)
		want := []store.Token{s.token(a.ID), s.token(b.ID), s.token(a.ID), s.token(b.ID)}
		for i := range want {
			want[i].Created = base.Add(time.Duration(i) * time.Second)
		}
		for _, i := range []int{3, 0, 2, 1} {
			keep(t, want[i])
		}
		same(t, must(s.Tokens(t.Context(), a.ID))(t), []store.Token{want[0], want[2]})
		all := slices.DeleteFunc(must(s.Tokens(t.Context(), ""))(t), func(p store.Token) bool {
			return p.UserID != a.ID && p.UserID != b.ID
		})
		same(t, all, want)
		for _, id := range []string{unique("nobody"), "' OR 1=1", "%", "*"} {
			if list := must(s.Tokens(t.Context(), id))(t); len(list) != 0 {
				t.Fatalf("%s has %v", id, list)
			}
		}
	})
	t.Run("TouchToken", func(t *testing.T) {
		p, neighbor := keep(t, s.token(u.ID)), keep(t, s.token(u.ID))
		p.Used = base.Add(time.Minute)
		ok(t, s.TouchToken(t.Context(), p.ID, p.Used))
		same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
		same(t, must(s.byHash(t, neighbor.Hash))(t), tokenAndUser{neighbor, u})

		ok(t, s.DeleteToken(t.Context(), u.ID, p.ID))
		// One that is gone stays so, whether or not that is told.
		if err := s.TouchToken(t.Context(), p.ID, p.Used); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		notFound(s.byHash(t, p.Hash))(t)
	})
	t.Run("DeleteToken", func(t *testing.T) {
		p, neighbor := keep(t, s.token(u.ID)), keep(t, s.token(u.ID))
		for _, userID := range []string{other.ID, "' OR 1=1", "%", "*"} {
			ok(t, s.DeleteToken(t.Context(), userID, p.ID))
		}
		for _, id := range []string{"", "' OR 1=1", "%", "*", p.Hash} {
			ok(t, s.DeleteToken(t.Context(), u.ID, id))
			ok(t, s.DeleteToken(t.Context(), "", id))
		}
		same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
		for range 2 {
			ok(t, s.DeleteToken(t.Context(), u.ID, p.ID))
			notFound(s.byHash(t, p.Hash))(t)
		}
		same(t, must(s.byHash(t, neighbor.Hash))(t), tokenAndUser{neighbor, u})
		ok(t, s.DeleteToken(t.Context(), "", neighbor.ID))
		notFound(s.byHash(t, neighbor.Hash))(t)
		keep(t, p)
	})
}
