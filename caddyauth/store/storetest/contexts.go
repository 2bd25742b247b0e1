package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) contexts(t *testing.T) {
	t.Run("canceled before", func(t *testing.T) {
		calls := s.calls(t)
		refused(t, calls, time.Second, func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		})
		// None was done, and nothing is left locked.
		answered(t, calls)
	})
	t.Run("a deadline that is over", func(t *testing.T) {
		calls := s.calls(t)
		refused(t, calls, time.Second, func() (context.Context, context.CancelFunc) {
			return context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
		})
		answered(t, calls)
	})
	t.Run("WatchRevocations", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := s.WatchRevocations(ctx, base, func(store.Revocation) {}, func() {})
		is(t, err, context.Canceled)
	})
	t.Run("canceled meanwhile", s.canceledMeanwhile)
}

// canceledMeanwhile ends contexts at any moment. What was acknowledged is there,
// anything else is there as a whole or not at all.
func (s *suite) canceledMeanwhile(t *testing.T) {
	const each = 8
	type outcome struct {
		email   string
		account store.Account
		session store.Session
		err     error
	}
	outcomes, _ := race(contenders, func(i int) (all [each]outcome, _ error) {
		for k := range all {
			o := &all[k]
			o.email, o.account = unique("hasty")+"@example.com", s.account("")
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.Int64N(int64(4*time.Millisecond))))
			var u store.User
			if u, o.err = s.CreateUserAndAccount(ctx, store.User{Email: o.email}, o.account); o.err == nil {
				o.session = s.session(u.ID)
				o.err = s.CreateSession(ctx, o.session)
			}
			cancel()
		}
		return all, nil
	})
	for _, all := range outcomes {
		for _, o := range all {
			var byEmail, byAccount store.User
			// What nobody waited for may still be under way.
			within(t, 3*time.Second, "a whole user or none", func() bool {
				var err, err2 error
				byEmail, err = s.UserByEmail(t.Context(), o.email)
				byAccount, err2 = s.UserByAccount(t.Context(), o.account.Provider, o.account.ProviderAccountID)
				return err == nil && err2 == nil || errors.Is(err, store.ErrNotFound) && errors.Is(err2, store.ErrNotFound)
			})
			same(t, byEmail, byAccount)
			var byID, byToken store.SessionAndUser
			within(t, 3*time.Second, "a whole session or none", func() bool {
				var err, err2 error
				byID, err = s.SessionByID(t.Context(), o.session.ID)
				byToken, err2 = s.SessionByToken(t.Context(), o.session.Token)
				return err == nil && err2 == nil || errors.Is(err, store.ErrNotFound) && errors.Is(err2, store.ErrNotFound)
			})
			same(t, byID, byToken)
			switch {
			case byID.Session.ID != "":
				same(t, byID, store.SessionAndUser{Session: o.session, User: byEmail})
			case o.err == nil:
				t.Fatal("what was acknowledged is gone")
			}
		}
	}
}

// close wants errors from a store that is closed, but never answers.
func (s *suite) close(t *testing.T) {
	calls, more := s.calls(t), s.calls(t)
	w, _ := s.watch(t, base)
	w.caughtUp(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, c := range more {
			if err := c.do(t.Context()); errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Errorf("%s while it was closed: %v", c.name, err)
			}
		}
	}()
	ok(t, s.Close())
	<-done
	refused(t, calls, 3*time.Second, func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 2*time.Second)
	})
	select {
	case err := <-w.ended:
		if err == nil {
			t.Error("WatchRevocations ended without an error")
		}
	case <-time.After(3 * time.Second):
		t.Error("WatchRevocations goes on in a store that is closed")
	}
	// Whatever it says, it must not panic.
	_ = s.Close()
}
