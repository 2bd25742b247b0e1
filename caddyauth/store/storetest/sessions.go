package storetest

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) sessions(t *testing.T) {
	t.Run("CreateSession", s.createSession)

	t.Run("found with its user", func(t *testing.T) {
		u := s.user(t)
		want := store.SessionAndUser{Session: s.kept(t, s.session(u.ID)), User: u}
		same(t, must(s.SessionByToken(t.Context(), want.Session.Token))(t), want)
		same(t, must(s.SessionByID(t.Context(), want.Session.ID))(t), want)

		want.User.Name, want.User.Email, want.User.EmailVerified = "Grace", unique("grace")+"@example.com", base
		ok(t, s.UpdateUser(t.Context(), want.User))
		same(t, must(s.SessionByToken(t.Context(), want.Session.Token))(t), want)
		same(t, must(s.SessionByID(t.Context(), want.Session.ID))(t), want)
	})
	t.Run("ids and tokens are two things", func(t *testing.T) {
		a := s.kept(t, s.session(s.user(t).ID))
		notFound(s.SessionByToken(t.Context(), a.ID))(t)
		notFound(s.SessionByID(t.Context(), a.Token))(t)
	})
	t.Run("an empty token is nobody's", func(t *testing.T) {
		u := s.user(t)
		for range 2 {
			sealed := s.session(u.ID)
			sealed.Token = ""
			s.kept(t, sealed)
			same(t, must(s.SessionByID(t.Context(), sealed.ID))(t), store.SessionAndUser{Session: sealed, User: u})
		}
		notFound(s.SessionByToken(t.Context(), ""))(t)
		notFound(s.SessionByID(t.Context(), ""))(t)
	})
	t.Run("STORE-06 a guessed token", func(t *testing.T) {
		a := s.kept(t, s.session(s.user(t).ID))
		for _, guess := range []string{
			"' OR 1=1", "' OR '1'='1", `" OR ""="`, "'; DELETE FROM sessions; --", "%", "_", "*", "?", a.Token + "' --",
			a.Token + " ", " " + a.Token, a.Token[:len(a.Token)-1], a.Token + "\x00", "\x00", "\xff\xfe", large(),
		} {
			notFound(s.SessionByToken(t.Context(), guess))(t)
			notFound(s.SessionByID(t.Context(), guess))(t)
		}
		must(s.SessionByToken(t.Context(), a.Token))(t)
	})
	t.Run("expired ones are found", func(t *testing.T) {
		u := s.user(t)
		old := s.session(u.ID)
		old.Expires = base.Add(-24 * time.Hour)
		want := store.SessionAndUser{Session: s.kept(t, old), User: u}
		same(t, must(s.SessionByToken(t.Context(), old.Token))(t), want)
		same(t, must(s.SessionByID(t.Context(), old.ID))(t), want)
	})
	t.Run("DeleteSession", func(t *testing.T) {
		u := s.user(t)
		a, b := s.kept(t, s.session(u.ID)), s.kept(t, s.session(u.ID))
		for range 2 {
			ok(t, s.DeleteSession(t.Context(), a.ID))
			notFound(s.SessionByToken(t.Context(), a.Token))(t)
			notFound(s.SessionByID(t.Context(), a.ID))(t)
			same(t, must(s.SessionByID(t.Context(), b.ID))(t), store.SessionAndUser{Session: b, User: u})
		}
		for _, id := range []string{"", "' OR 1=1", "%", "*", a.Token, b.Token} {
			ok(t, s.DeleteSession(t.Context(), id))
		}
		must(s.SessionByToken(t.Context(), b.Token))(t)
		// Nothing is left that the same one could be in conflict with.
		s.kept(t, a)
		must(s.SessionByToken(t.Context(), a.Token))(t)
	})
}

func (s *suite) createSession(t *testing.T) {
	u, other := s.user(t), s.user(t)
	t.Run("id taken", func(t *testing.T) {
		a, b := s.kept(t, s.session(u.ID)), s.session(other.ID)
		b.ID = a.ID
		is(t, s.CreateSession(t.Context(), b), store.ErrConflict)
		notFound(s.SessionByToken(t.Context(), b.Token))(t)
		same(t, must(s.SessionByID(t.Context(), a.ID))(t), store.SessionAndUser{Session: a, User: u})
	})
	t.Run("token taken", func(t *testing.T) {
		a, b := s.kept(t, s.session(u.ID)), s.session(other.ID)
		b.Token = a.Token
		is(t, s.CreateSession(t.Context(), b), store.ErrConflict)
		notFound(s.SessionByID(t.Context(), b.ID))(t)
		same(t, must(s.SessionByToken(t.Context(), a.Token))(t), store.SessionAndUser{Session: a, User: u})
	})
	t.Run("expired ones still have theirs", func(t *testing.T) {
		a := s.session(u.ID)
		a.Expires = base.Add(-24 * time.Hour)
		s.kept(t, a)
		is(t, s.CreateSession(t.Context(), a), store.ErrConflict)
	})
	t.Run("one winner", func(t *testing.T) {
		a := s.session(u.ID)
		var racers [contenders]store.Session
		i := oneWins(t, store.ErrConflict, func(i int) error {
			racers[i] = a
			racers[i].ID = unique("racer")
			return s.CreateSession(t.Context(), racers[i])
		})
		same(t, must(s.SessionByToken(t.Context(), a.Token))(t).Session, racers[i])
	})
	t.Run("of nobody", func(t *testing.T) {
		gone := s.user(t)
		ok(t, s.DeleteUser(t.Context(), gone.ID))
		a := s.session(gone.ID)
		is(t, s.CreateSession(t.Context(), a), store.ErrNotFound)
		notFound(s.SessionByID(t.Context(), a.ID))(t)
	})
	t.Run("without evidence", func(t *testing.T) {
		a := s.session(u.ID)
		a.Evidence = nil
		s.kept(t, a)
		if got := must(s.SessionByID(t.Context(), a.ID))(t); got.Session.Evidence != nil {
			t.Fatalf("got evidence %q", got.Session.Evidence)
		}
	})
	t.Run("the bytes of the evidence", func(t *testing.T) {
		for _, evidence := range []string{
			`{}`, `{ "a" : [ 1 , 2 ] }`, `{"a":"<&>","b":"\u003c\u0000\ud800"}`, `{"n":1e400,"m":12345678901234567890.10}`,
			`{"b":1,"a":2,"a":3}`, `{"name":"` + large() + `"}`,
		} {
			a := s.session(u.ID)
			a.Evidence = json.RawMessage(evidence)
			s.kept(t, a)
			same(t, must(s.SessionByID(t.Context(), a.ID))(t).Session, a)
			same(t, must(s.SessionByToken(t.Context(), a.Token))(t).Session, a)
		}
	})
}

func (s *suite) extend(t *testing.T) {
	u := s.user(t)
	later, seen := base.Add(30*24*time.Hour), base.Add(time.Second)

	t.Run("moves the end", func(t *testing.T) {
		a, b := s.kept(t, s.session(u.ID)), s.kept(t, s.session(u.ID))
		elsewhere := a.Expires.In(time.FixedZone("", 5*3600))
		if !must(s.ExtendSession(t.Context(), a.ID, elsewhere, later, seen))(t) {
			t.Fatal("not extended")
		}
		a.Expires, a.Seen = later, seen
		same(t, must(s.SessionByToken(t.Context(), a.Token))(t).Session, a)
		same(t, must(s.SessionByID(t.Context(), b.ID))(t).Session, b)

		// An idle limit may bring the end nearer.
		if !must(s.ExtendSession(t.Context(), a.ID, later, base, seen))(t) {
			t.Fatal("not shortened")
		}
		a.Expires = base
		same(t, must(s.SessionByID(t.Context(), a.ID))(t).Session, a)
	})
	t.Run("as it was read", func(t *testing.T) {
		a := s.session(u.ID)
		a.Expires = a.Expires.Add(123_456 * time.Nanosecond)
		s.kept(t, a)
		read := must(s.SessionByToken(t.Context(), a.Token))(t).Session
		if !must(s.ExtendSession(t.Context(), a.ID, read.Expires, later, seen))(t) {
			t.Fatal("not extended")
		}
	})
	t.Run("from another time", func(t *testing.T) {
		a := s.kept(t, s.session(u.ID))
		for _, from := range []time.Time{a.Expires.Add(time.Millisecond), a.Expires.Add(-time.Millisecond), {}, later} {
			if must(s.ExtendSession(t.Context(), a.ID, from, later, seen))(t) {
				t.Fatalf("extended from %v", from)
			}
		}
		same(t, must(s.SessionByID(t.Context(), a.ID))(t).Session, a)
	})
	t.Run("one that never was", func(t *testing.T) {
		a := s.session(u.ID)
		for _, id := range []string{a.ID, "", "' OR 1=1", "%", "*", large()} {
			if must(s.ExtendSession(t.Context(), id, a.Expires, later, seen))(t) {
				t.Fatalf("extended %s", short(id))
			}
			notFound(s.SessionByID(t.Context(), id))(t)
		}
	})
	t.Run("one winner", func(t *testing.T) {
		a := s.kept(t, s.session(u.ID))
		won, errs := race(contenders, func(i int) (bool, error) {
			to := later.Add(time.Duration(i) * time.Second)
			return s.ExtendSession(t.Context(), a.ID, a.Expires, to, seen)
		})
		ok(t, errors.Join(errs...))
		i := slices.Index(won, true)
		if i < 0 || slices.Contains(won[i+1:], true) {
			t.Fatalf("won: %v", won)
		}
		a.Expires, a.Seen = later.Add(time.Duration(i)*time.Second), seen
		same(t, must(s.SessionByID(t.Context(), a.ID))(t).Session, a)
	})
	t.Run("STORE-08 deleted while it is extended", func(t *testing.T) {
		ends := map[string]func(store.Session) error{
			"DeleteSession": func(a store.Session) error { return s.DeleteSession(t.Context(), a.ID) },
			"DeleteUserSessions": func(a store.Session) error {
				_, err := s.DeleteUserSessions(t.Context(), a.UserID, "")
				return err
			},
			"DeleteUser": func(a store.Session) error { return s.DeleteUser(t.Context(), a.UserID) },
		}
		for name, end := range ends {
			t.Run(name, func(t *testing.T) { s.extendAndDelete(t, end) })
		}
	})
}

// extendAndDelete ends sessions while others extend them: they must stay ended.
func (s *suite) extendAndDelete(t *testing.T, end func(store.Session) error) {
	for range 10 {
		a := s.kept(t, s.session(s.user(t).ID))
		_, errs := race(contenders, func(i int) (any, error) {
			if i == contenders/2 {
				return nil, end(a)
			}
			_, err := s.ExtendSession(t.Context(), a.ID, a.Expires, a.Expires.Add(time.Hour), base)
			return nil, err
		})
		ok(t, errors.Join(errs...))
		for _, from := range []time.Time{a.Expires, a.Expires.Add(time.Hour)} {
			if must(s.ExtendSession(t.Context(), a.ID, from, from.Add(time.Hour), base))(t) {
				t.Fatal("a session that was ended was extended")
			}
		}
		notFound(s.SessionByID(t.Context(), a.ID))(t)
		notFound(s.SessionByToken(t.Context(), a.Token))(t)
	}
}
