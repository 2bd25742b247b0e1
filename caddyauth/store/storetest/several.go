package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// reopen closes a store and wants everything to be there when it is opened again.
func reopen(t *testing.T, d store.Driver, opt Options) {
	s := &suite{Driver: d, opt: opt}
	b, gone := s.belongings(t), s.belongings(t)
	ok(t, s.DeleteUser(t.Context(), gone.user.ID))
	link, used, r := s.verification(), s.verification(), revocation(store.ByUser)
	ok(t, s.CreateVerificationToken(t.Context(), link))
	ok(t, s.CreateVerificationToken(t.Context(), used))
	must(s.UseVerificationToken(t.Context(), used.Identifier, used.Token))(t)
	ok(t, s.Revoke(t.Context(), r))
	lock := unique("lock")
	if !must(s.Lock(t.Context(), lock, "a", time.Hour))(t) {
		t.Fatal("not locked")
	}

	s = &suite{Driver: opt.Reopen(t, d), opt: opt}
	s.has(t, b)
	s.hasNot(t, gone)
	notFound(s.UseVerificationToken(t.Context(), used.Identifier, used.Token))(t)
	same(t, must(s.UseVerificationToken(t.Context(), link.Identifier, link.Token))(t), link)
	w, _ := s.watch(t, base)
	w.caughtUp(t)
	same(t, w.of(r), []store.Revocation{r})
	// Where one process has the store for itself, nobody is left who had it.
	if opt.Shared != nil && must(s.Lock(t.Context(), lock, "b", time.Hour))(t) {
		t.Fatal("two have the lock")
	}
	answered(t, s.calls(t))
}

// shared wants two openers of one store to see the same.
func shared(t *testing.T, a, b *suite) {
	t.Run("what one keeps, the other finds", func(t *testing.T) {
		here, there := a.belongings(t), b.belongings(t)
		b.has(t, here)
		a.has(t, there)
		ok(t, b.DeleteUser(t.Context(), here.user.ID))
		a.hasNot(t, here)
	})
	t.Run("what one revokes, the other hears", func(t *testing.T) {
		for range 3 {
			w, _ := b.watch(t, base)
			w.caughtUp(t)
			r := revocation(store.BySession)
			ok(t, a.Revoke(t.Context(), r))
			within(t, time.Second, "heard", func() bool { return w.last(r) })
			same(t, w.of(r)[0], r)
		}
	})
	both := func(i int) *suite { return []*suite{a, b}[i%2] }
	t.Run("one winner", func(t *testing.T) {
		u := a.user(t)
		for range 5 {
			link, account := a.verification(), a.account(u.ID)
			ok(t, a.CreateVerificationToken(t.Context(), link))
			oneWins(t, store.ErrNotFound, func(i int) error {
				_, err := both(i).UseVerificationToken(t.Context(), link.Identifier, link.Token)
				return err
			})
			oneWins(t, store.ErrConflict, func(i int) error { return both(i).LinkAccount(t.Context(), account) })
			email := unique("race") + "@example.com"
			oneWins(t, store.ErrConflict, func(i int) error {
				_, err := both(i).CreateUser(t.Context(), store.User{Email: email})
				return err
			})

			session, name := a.kept(t, a.session(u.ID)), unique("lock")
			extended, errs := race(contenders, func(i int) (bool, error) {
				return both(i).ExtendSession(t.Context(), session.ID, session.Expires, base.Add(48*time.Hour), base)
			})
			ok(t, errors.Join(errs...))
			locked, errs := race(contenders, func(i int) (bool, error) {
				return both(i).Lock(t.Context(), name, unique("owner"), time.Minute)
			})
			ok(t, errors.Join(errs...))
			for _, won := range [][]bool{extended, locked} {
				i := slices.Index(won, true)
				if i < 0 || slices.Contains(won[i+1:], true) {
					t.Fatalf("won: %v", won)
				}
			}
		}
	})
	t.Run("a lock is everybody's", func(t *testing.T) {
		name := unique("lock")
		for _, step := range []struct {
			s     *suite
			owner string
			want  bool
		}{{a, "a", true}, {b, "b", false}, {b, "a", true}} {
			if got := must(step.s.Lock(t.Context(), name, step.owner, time.Minute))(t); got != step.want {
				t.Fatalf("%s got %v", step.owner, got)
			}
		}
		ok(t, b.Unlock(t.Context(), name, "a"))
		if !must(a.Lock(t.Context(), name, "b", time.Minute))(t) {
			t.Fatal("not given back")
		}
	})
	t.Run("one closes, the other goes on", func(t *testing.T) {
		calls := b.calls(t)
		ok(t, a.Close())
		answered(t, calls)
	})
}

// outage takes a store's server away and brings it back.
func outage(t *testing.T, s *suite, stop, start func()) {
	b := s.belongings(t)
	before := revocation(store.BySession)
	ok(t, s.Revoke(t.Context(), before))
	calls, more := s.calls(t), s.calls(t)
	w, _ := s.watch(t, base)
	w.caughtUp(t)

	stop()
	stopped := time.Now()
	refused(t, calls, 3*time.Second, func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 2*time.Second)
	})
	select {
	case err := <-w.ended:
		if err == nil {
			t.Error("WatchRevocations ended without an error")
		}
	case <-time.After(time.Until(stopped.Add(6 * time.Second))):
		t.Error("WatchRevocations has not noticed after 6 s")
	}
	if late := w.lastSync().Sub(stopped); late > time.Second {
		t.Errorf("synced %v after the store was gone", late)
	}

	start()
	within(t, 10*time.Second, "works again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		return s.Ping(ctx) == nil
	})
	answered(t, more)
	s.has(t, b)
	again, _ := s.watch(t, base)
	again.caughtUp(t)
	same(t, again.of(before)[0], before)
	after := revocation(store.BySession)
	ok(t, s.Revoke(t.Context(), after))
	within(t, time.Second, "heard", func() bool { return again.last(after) })
}
