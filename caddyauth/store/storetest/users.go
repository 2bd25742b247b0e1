package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) users(t *testing.T) {
	t.Run("CreateUser", s.createUser)
	t.Run("UpdateUser", s.updateUser)

	t.Run("UserByEmail", func(t *testing.T) {
		u := s.user(t)
		same(t, must(s.UserByEmail(t.Context(), u.Email))(t), u)
		for _, email := range []string{unique("nobody") + "@example.com", u.Email + " ", u.Email + "%", "%", "*", "' OR 1=1 --"} {
			notFound(s.UserByEmail(t.Context(), email))(t)
		}
	})
	t.Run("an empty address is nobody's", func(t *testing.T) {
		a := must(s.CreateUser(t.Context(), store.User{Name: "a"}))(t)
		b := must(s.CreateUser(t.Context(), store.User{Name: "b"}))(t)
		notFound(s.UserByEmail(t.Context(), ""))(t)
		same(t, must(s.User(t.Context(), a.ID))(t), store.User{ID: a.ID, Name: "a"})
		ok(t, s.UpdateUser(t.Context(), store.User{ID: b.ID, Name: "c"}))
	})
	t.Run("ids that are none", func(t *testing.T) {
		u := s.user(t)
		for _, id := range []string{
			"", "0", "-1", "1e3", "99999999999999999999999999", "' OR 1=1", "00000000-0000-0000-0000-000000000000",
			u.ID + "x", " " + u.ID, u.ID + " ", "0" + u.ID, "+" + u.ID, u.ID + "'", "%", "*", large(),
		} {
			notFound(s.User(t.Context(), id))(t)
			is(t, s.UpdateUser(t.Context(), store.User{ID: id, Name: "nobody"}), store.ErrNotFound)
			ok(t, s.DeleteUser(t.Context(), id))
		}
		same(t, must(s.User(t.Context(), u.ID))(t), u)
	})
	t.Run("UserByAccount", func(t *testing.T) {
		u, other := s.user(t), s.user(t)
		a, b := s.account(u.ID), s.account(other.ID)
		ok(t, s.LinkAccount(t.Context(), a))
		ok(t, s.LinkAccount(t.Context(), b))
		same(t, must(s.UserByAccount(t.Context(), a.Provider, a.ProviderAccountID))(t), u)
		same(t, must(s.UserByAccount(t.Context(), b.Provider, b.ProviderAccountID))(t), other)
		notFound(s.UserByAccount(t.Context(), "github", a.ProviderAccountID))(t)
		notFound(s.UserByAccount(t.Context(), a.Provider, unique("nobody")))(t)
		notFound(s.UserByAccount(t.Context(), "", ""))(t)
	})
	t.Run("Ping", func(t *testing.T) { ok(t, s.Ping(t.Context())) })
}

func (s *suite) createUser(t *testing.T) {
	t.Run("the store makes the id", func(t *testing.T) {
		first := s.user(t)
		if first.ID == "" {
			t.Fatal("no id")
		}
		second := must(s.CreateUser(t.Context(), store.User{ID: first.ID, Name: "second"}))(t)
		if second.ID == first.ID || second.ID == "" {
			t.Fatalf("the second user has the id %q", second.ID)
		}
		same(t, must(s.User(t.Context(), first.ID))(t), first)
		same(t, must(s.User(t.Context(), second.ID))(t), second)
	})
	t.Run("all fields", func(t *testing.T) {
		want := store.User{
			Name: "Ada", Email: unique("ada") + "@example.com", Image: "https://example.com/ada.png",
			EmailVerified: base.Add(-time.Hour),
		}
		got := must(s.CreateUser(t.Context(), want))(t)
		want.ID = got.ID
		same(t, got, want)
		same(t, must(s.User(t.Context(), got.ID))(t), want)
	})
	t.Run("an address that is taken", func(t *testing.T) {
		u := s.user(t)
		conflict(s.CreateUser(t.Context(), store.User{Name: "thief", Email: u.Email}))(t)
		same(t, must(s.UserByEmail(t.Context(), u.Email))(t), u)
	})
	t.Run("one winner", func(t *testing.T) {
		email := unique("race") + "@example.com"
		var made [contenders]store.User
		i := oneWins(t, store.ErrConflict, func(i int) (err error) {
			made[i], err = s.CreateUser(t.Context(), store.User{Name: unique("racer"), Email: email})
			return err
		})
		same(t, must(s.UserByEmail(t.Context(), email))(t), made[i])
	})
}

func (s *suite) updateUser(t *testing.T) {
	t.Run("replaces everything", func(t *testing.T) {
		u := s.user(t)
		old := u.Email
		u.Name, u.Email, u.Image, u.EmailVerified = "Grace", unique("grace")+"@example.com", "data:,x", base
		ok(t, s.UpdateUser(t.Context(), u))
		same(t, must(s.User(t.Context(), u.ID))(t), u)
		same(t, must(s.UserByEmail(t.Context(), u.Email))(t), u)

		// The old address is free again.
		notFound(s.UserByEmail(t.Context(), old))(t)
		heir := must(s.CreateUser(t.Context(), store.User{Email: old}))(t)
		same(t, must(s.UserByEmail(t.Context(), old))(t), heir)

		empty := store.User{ID: u.ID}
		ok(t, s.UpdateUser(t.Context(), empty))
		same(t, must(s.User(t.Context(), u.ID))(t), empty)
		notFound(s.UserByEmail(t.Context(), u.Email))(t)
	})
	t.Run("the same again", func(t *testing.T) {
		u := s.user(t)
		ok(t, s.UpdateUser(t.Context(), u))
		same(t, must(s.UserByEmail(t.Context(), u.Email))(t), u)
	})
	t.Run("nobody", func(t *testing.T) {
		u := s.user(t)
		ok(t, s.DeleteUser(t.Context(), u.ID))
		is(t, s.UpdateUser(t.Context(), u), store.ErrNotFound)
		notFound(s.User(t.Context(), u.ID))(t)
		notFound(s.UserByEmail(t.Context(), u.Email))(t)
	})
	t.Run("an address that is taken", func(t *testing.T) {
		u, other := s.user(t), s.user(t)
		thief := u
		thief.Name, thief.Email = "thief", other.Email
		is(t, s.UpdateUser(t.Context(), thief), store.ErrConflict)
		same(t, must(s.User(t.Context(), u.ID))(t), u)
		same(t, must(s.UserByEmail(t.Context(), u.Email))(t), u)
		same(t, must(s.UserByEmail(t.Context(), other.Email))(t), other)
	})
	t.Run("one winner of an address", func(t *testing.T) {
		email := unique("wanted") + "@example.com"
		var racers [contenders]store.User
		for i := range racers {
			racers[i] = s.user(t)
			racers[i].Email = email
		}
		i := oneWins(t, store.ErrConflict, func(i int) error { return s.UpdateUser(t.Context(), racers[i]) })
		same(t, must(s.UserByEmail(t.Context(), email))(t), racers[i])
	})
	t.Run("concurrent updates leave one of them whole", func(t *testing.T) {
		u := s.user(t)
		var versions [contenders]store.User
		_, errs := race(contenders, func(i int) (any, error) {
			name := unique("version")
			versions[i] = store.User{ID: u.ID, Name: name, Email: name + "@example.com", Image: name}
			return nil, s.UpdateUser(t.Context(), versions[i])
		})
		ok(t, errors.Join(errs...))
		now := must(s.User(t.Context(), u.ID))(t)
		for _, v := range versions {
			if v.Name == now.Name {
				same(t, now, v)
				same(t, must(s.UserByEmail(t.Context(), v.Email))(t), v)
				continue
			}
			notFound(s.UserByEmail(t.Context(), v.Email))(t)
		}
	})
}
