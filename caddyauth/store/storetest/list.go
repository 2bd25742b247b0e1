package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) endSessions(t *testing.T) {
	u, other := s.user(t), s.user(t)
	bystander := s.kept(t, s.session(other.ID))
	of := func(t *testing.T, n int) (ids []string) {
		for i := range n {
			a := s.session(u.ID)
			if i == 0 {
				a.Token = ""
			}
			if i == 1 {
				a.Expires = base.Add(-time.Hour)
			}
			ids = append(ids, s.kept(t, a).ID)
		}
		return ids
	}
	end := func(t *testing.T, userID, except string, want []string) {
		t.Helper()
		got := must(s.DeleteUserSessions(t.Context(), userID, except))(t)
		slices.Sort(got)
		same(t, got, want)
		for _, id := range want {
			notFound(s.SessionByID(t.Context(), id))(t)
		}
		must(s.SessionByToken(t.Context(), bystander.Token))(t)
	}
	t.Run("all", func(t *testing.T) {
		end(t, u.ID, "", of(t, 3))
		end(t, u.ID, "", nil)
	})
	t.Run("all but one", func(t *testing.T) {
		ids := of(t, 3)
		end(t, u.ID, ids[2], ids[:2])
		must(s.SessionByID(t.Context(), ids[2]))(t)
		end(t, u.ID, "", ids[2:])
	})
	t.Run("all but somebody else's", func(t *testing.T) {
		ids := of(t, 2)
		end(t, u.ID, bystander.ID, ids)
	})
	t.Run("tokens are free again", func(t *testing.T) {
		a := s.kept(t, s.session(u.ID))
		end(t, u.ID, "", []string{a.ID})
		notFound(s.SessionByToken(t.Context(), a.Token))(t)
		s.kept(t, a)
	})
	t.Run("of nobody", func(t *testing.T) {
		for _, id := range []string{"", "' OR 1=1", "%", "*", unique("nobody")} {
			end(t, id, "", nil)
		}
	})
	t.Run("each is told once", func(t *testing.T) {
		must(s.DeleteUserSessions(t.Context(), u.ID, ""))(t)
		ids := of(t, 20)
		got, errs := race(contenders, func(int) ([]string, error) { return s.DeleteUserSessions(t.Context(), u.ID, "") })
		ok(t, errors.Join(errs...))
		all := slices.Concat(got...)
		slices.Sort(all)
		same(t, all, ids)
	})
}

func (s *suite) list(t *testing.T) {
	u, other := s.user(t), s.user(t)
	var want []store.SessionAndUser
	for i := range 6 {
		a := s.session(u.ID)
		a.Provider = []string{"github", "keycloak"}[i%2]
		if i > 3 {
			a.Token = ""
		}
		want = append(want, store.SessionAndUser{Session: a, User: u})
	}
	for _, i := range []int{3, 1, 5, 0, 4, 2} {
		s.kept(t, want[i].Session)
	}
	s.kept(t, s.session(other.ID))
	expired := s.session(u.ID)
	expired.Expires = base.Add(-time.Millisecond)
	s.kept(t, expired)

	for _, c := range []struct {
		name string
		f    store.SessionFilter
		want []store.SessionAndUser
	}{
		{"of a user", store.SessionFilter{UserID: u.ID}, want},
		{"of an address", store.SessionFilter{Email: u.Email}, want},
		{"of both", store.SessionFilter{Email: u.Email, UserID: u.ID}, want},
		{"of an address that is another's", store.SessionFilter{Email: other.Email, UserID: u.ID}, nil},
		{"of a provider", store.SessionFilter{UserID: u.ID, Provider: "github"}, []store.SessionAndUser{want[0], want[2], want[4]}},
		{"of an address and provider", store.SessionFilter{Email: u.Email, Provider: "keycloak"}, []store.SessionAndUser{want[1], want[3], want[5]}},
		{"limited", store.SessionFilter{UserID: u.ID, Limit: 2}, want[:2]},
		{"after", store.SessionFilter{UserID: u.ID, After: want[1].Session.ID}, want[2:]},
		{"after, limited", store.SessionFilter{UserID: u.ID, After: want[1].Session.ID, Limit: 3}, want[2:5]},
		{"after one that is gone", store.SessionFilter{UserID: u.ID, After: want[1].Session.ID + "!"}, want[2:]},
		{"after the last", store.SessionFilter{UserID: u.ID, After: want[5].Session.ID}, nil},
		{"the limit is of those that match", store.SessionFilter{Email: u.Email, Provider: "keycloak", Limit: 2}, []store.SessionAndUser{want[1], want[3]}},
		{"no such provider", store.SessionFilter{Provider: unique("none")}, nil},
		{"no such user", store.SessionFilter{UserID: unique("none")}, nil},
		{"no such address", store.SessionFilter{Email: unique("none")}, nil},
		{"SQL", store.SessionFilter{Provider: "' OR 1=1 --"}, nil},
		{"wildcards", store.SessionFilter{Provider: "%"}, nil},
		{"wildcards of an address", store.SessionFilter{Email: "%"}, nil},
		{"patterns", store.SessionFilter{Provider: "*", Email: "*"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, must(s.ListSessions(t.Context(), c.f, base))(t), c.want)
		})
	}
	t.Run("later", func(t *testing.T) {
		f := store.SessionFilter{UserID: u.ID}
		same(t, must(s.ListSessions(t.Context(), f, base.Add(59*time.Minute)))(t), want)
		same(t, must(s.ListSessions(t.Context(), f, base.Add(61*time.Minute)))(t), []store.SessionAndUser(nil))
	})
	t.Run("by the address that a user has now", func(t *testing.T) {
		old := u.Email
		u.Email = unique("moved") + "@example.com"
		ok(t, s.UpdateUser(t.Context(), u))
		if list := must(s.ListSessions(t.Context(), store.SessionFilter{Email: old}, base))(t); len(list) != 0 {
			t.Fatalf("the old address has %d", len(list))
		}
		list := must(s.ListSessions(t.Context(), store.SessionFilter{Email: u.Email}, base))(t)
		if len(list) != len(want) {
			t.Fatalf("the new address has %d", len(list))
		}
		same(t, list[0].User, u)
	})
	t.Run("pages", s.pages)
}

// pages goes through more sessions than one page may have.
func (s *suite) pages(t *testing.T) {
	const n = 1012
	users := []store.User{s.user(t), s.user(t), s.user(t)}
	provider := unique("provider")
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%05d", provider, i))
	}
	_, errs := race(contenders, func(k int) (any, error) {
		for i := k; i < n; i += contenders {
			a := s.session(users[i%len(users)].ID)
			a.ID, a.Token, a.Provider, a.Evidence = ids[i], "token of "+ids[i], provider, nil
			if err := s.CreateSession(t.Context(), a); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	ok(t, errors.Join(errs...))

	for limit, page := range map[int]int{0: 100, -1: 100, 7: 7, 1000: 1000, 5000: 1000} {
		t.Run(fmt.Sprintf("limit %d", limit), func(t *testing.T) {
			got := must(s.ListSessions(t.Context(), store.SessionFilter{Provider: provider, Limit: limit}, base))(t)
			if len(got) != page {
				t.Fatalf("got %d, want %d", len(got), page)
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		var got []string
		for f := (store.SessionFilter{Provider: provider, Limit: 97}); ; {
			list := must(s.ListSessions(t.Context(), f, base))(t)
			for _, a := range list {
				got = append(got, a.Session.ID)
			}
			if len(list) < f.Limit || len(got) > n {
				break
			}
			f.After = list[len(list)-1].Session.ID
		}
		if !slices.Equal(got, ids) {
			t.Fatalf("got %d sessions, or another order, want %d", len(got), n)
		}
	})
	t.Run("of one user", func(t *testing.T) {
		f := store.SessionFilter{UserID: users[2].ID, After: ids[n-10], Limit: 2}
		list := must(s.ListSessions(t.Context(), f, base))(t)
		if len(list) != 2 || list[0].Session.ID != ids[n-9+(2-(n-9)%3+3)%3] || list[0].User.ID != users[2].ID {
			t.Fatalf("got %v", list)
		}
	})
	t.Run("swept", func(t *testing.T) {
		ok(t, s.Sweep(t.Context(), base.Add(2*time.Hour)))
		for _, id := range []string{ids[0], ids[n/2], ids[n-1]} {
			notFound(s.SessionByID(t.Context(), id))(t)
		}
	})
}
