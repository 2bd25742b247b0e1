package grant

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

func TestTIME03ThousandRequestsRefreshOnce(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(s.tokens(-time.Second), nil)
		s.op.delay = 50 * time.Millisecond
		for i, o := range crowd(1000, func(int) Outcome { return s.forward(made, h) }) {
			if o.Token != "access-1" || o.Ended {
				t.Fatalf("request %d: %+v", i, o)
			}
			if s.opts.Store == nil && s.forward(made, apply(h, o.Cookies)).Token != "access-1" {
				t.Fatalf("request %d set no usable cookie", i)
			}
		}
		if n := s.op.count(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		if err := s.readable(h); err != nil {
			t.Errorf("the session: %v", err)
		}
		s.noLeaks()
	})
}

// Each node has a memory of its own; what they share is the store.
func TestTIME04TwoNodesRefreshOnce(t *testing.T) {
	d := memory.New()
	a := newSite(t, d, nil)
	b := newSite(t, d, a)
	made, h := a.signIn(a.tokens(30*time.Second), nil)
	a.op.delay = 200 * time.Millisecond
	for i, o := range crowd(200, func(i int) Outcome {
		if i%2 == 0 {
			return a.forward(made, h)
		}
		return b.forward(made, h)
	}) {
		if o.Token != "access-1" || o.Ended {
			t.Fatalf("request %d: %+v", i, o)
		}
	}
	if n := a.op.count(); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestTIME04LockOfACrashedNode(t *testing.T) {
	s := newSite(t, memory.New(), nil)
	made, h := s.signIn(s.tokens(-time.Second), nil)
	if ok, err := s.opts.Store.Lock(t.Context(), lockName(accountOf(made)), "a node that fell down", 300*time.Millisecond); !ok || err != nil {
		t.Fatal(ok, err)
	}
	begun := time.Now()
	if o := s.forward(made, h); o.Token != "access-1" {
		t.Errorf("%+v", o)
	}
	if took := time.Since(begun); took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestTIME06FailuresThatPass(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(s.tokens(30*time.Second), nil)
		s.op.set(func() { s.op.err = outage })
		want := func(token string, calls int) {
			t.Helper()
			if o := s.forward(made, h); o.Token != token || o.Ended {
				t.Errorf("%+v, want %q", o, token)
			}
			if n := s.op.count(); n != calls {
				t.Errorf("%d calls, want %d", n, calls)
			}
		}
		want("access-0", 1)
		want("access-0", 1)
		s.clock.wait(9 * time.Second)
		want("access-0", 1) // back-off
		s.clock.wait(2 * time.Second)
		want("access-0", 2)
		s.clock.wait(15 * time.Second)
		want("access-0", 2) // it doubles
		s.clock.wait(10 * time.Second)
		want("", 3) // expired, and nothing to send
		if err := s.readable(h); err != nil {
			t.Errorf("somebody was logged out: %v", err)
		}
		s.op.set(func() { s.op.err = nil })
		s.clock.wait(time.Minute)
		want("access-4", 4)
		s.noLeaks()
	})
}

// What hangs keeps nobody waiting who has a good token or another provider, and
// others not more than once.
func TestTIME06ProviderHangs(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		s.pace.deadline, s.pace.patience = 600*time.Millisecond, 100*time.Millisecond
		s.op.block = make(chan struct{})
		defer close(s.op.block)
		account := func(id string, good time.Duration) provider.Account {
			a := s.tokens(good)
			a.ProviderAccountID, a.RefreshToken = id, "refresh-of-"+id
			return a
		}
		fine, fineHeader := s.signIn(account("fine", time.Hour), nil)
		soon, soonHeader := s.signIn(account("soon", 30*time.Second), nil)
		late, lateHeader := s.signIn(account("late", -time.Second), nil)

		took := func(f func() Outcome, token string, least, most time.Duration) {
			t.Helper()
			begun := time.Now()
			o := f()
			if d := time.Since(begun); d < least || d > most || o.Token != token || o.Ended {
				t.Errorf("%+v after %v", o, d)
			}
		}
		took(func() Outcome { return s.forward(soon, soonHeader) }, "access-0", 90*time.Millisecond, 400*time.Millisecond)
		took(func() Outcome { return s.forward(fine, fineHeader) }, "access-0", 0, 80*time.Millisecond)
		took(func() Outcome { return s.forward(late, lateHeader) }, "", 400*time.Millisecond, 3*time.Second)
		// It is known by then that nobody answers.
		took(func() Outcome { return s.forward(late, lateHeader) }, "", 0, 80*time.Millisecond)
		took(func() Outcome { return s.forward(soon, soonHeader) }, "access-0", 0, 80*time.Millisecond)
		another, anotherHeader := s.signIn(account("another", -time.Second), nil)
		took(func() Outcome { return s.forward(another, anotherHeader) }, "", 0, 80*time.Millisecond)
		if n := s.op.count(); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// The request that was first may end before the answer is there.
func TestRefreshOutlivesItsRequest(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(s.tokens(-time.Second), nil)
		s.op.delay = 100 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if o := s.Forward(ctx, h, s.names, made); o.Token != "" || o.Ended {
			t.Errorf("%+v", o)
		}
		if o := s.forward(made, h); o.Token != "access-1" {
			t.Errorf("%+v", o)
		}
	})
}

func TestTIME07Refused(t *testing.T) {
	for name, err := range map[string]error{
		"invalid_grant":    refusal,
		"TIME-07 id_token": &provider.Error{Reason: provider.ReasonIDToken, Err: errors.New("sub is another")},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, s *site) {
				made, h := s.signIn(s.tokens(30*time.Second), nil)
				s.op.set(func() { s.op.err = err })
				for _, o := range crowd(50, func(int) Outcome { return s.forward(made, h) }) {
					if !o.Ended || o.Token != "" || len(o.Cookies) == 0 {
						t.Fatalf("%+v", o)
					}
					if left := apply(h, o.Cookies); left.Get("Cookie") != "" {
						t.Fatalf("left in the browser: %q", left.Get("Cookie"))
					}
				}
				if n := s.op.count(); n != 1 {
					t.Errorf("%d calls", n)
				}
				if err := s.readable(h); !errors.Is(err, session.ErrEnded) {
					t.Errorf("the session: %v", err)
				}
				lines := s.logs.FilterMessageSnippet("session ended").All()
				if len(lines) != 1 || lines[0].ContextMap()["ended"] != ReasonRefused {
					t.Errorf("log: %+v", lines)
				}
				s.noLeaks()
			})
		})
	}
}

// Signing in again must help: what was refused is one refresh token, not the
// account.
func TestSignInAfterRefusal(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(s.tokens(-time.Second), nil)
		s.op.set(func() { s.op.err = refusal })
		if !s.forward(made, h).Ended {
			t.Fatal("not ended")
		}
		s.op.set(func() { s.op.err, s.op.current = nil, "refresh-new" })
		a := s.tokens(time.Hour)
		a.AccessToken, a.RefreshToken = "access-new", "refresh-new"
		made, h = s.signIn(a, nil)
		if o := s.forward(made, h); o.Token != "access-new" || o.Ended {
			t.Errorf("%+v", o)
		}
	})
}

// Somebody who signs in with a passkey would be shut out for good.
func TestRefusalLeavesPasskeysAlone(t *testing.T) {
	s := newSite(t, memory.New(), nil)
	made, h := s.signIn(s.tokens(-time.Second), func(e *session.Evidence) { e.Method = session.MethodPasskey })
	s.op.set(func() { s.op.err = refusal })
	if o := s.forward(made, h); o.Ended || o.Token != "" {
		t.Errorf("%+v", o)
	}
	if err := s.readable(h); err != nil {
		t.Error(err)
	}
}

func TestTIME08RefreshTokenStays(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		s.op.fixed, s.op.noRenew = true, true
		made, h := s.signIn(s.tokens(-time.Second), nil)
		for _, want := range []string{"access-1", "access-2", "access-3"} {
			o := s.forward(made, h)
			if o.Token != want {
				t.Fatalf("%+v, want %s", o, want)
			}
			h = apply(h, o.Cookies)
			s.clock.wait(time.Hour)
		}
	})
}

// The answer with the replaced token may never arrive, and others are on their way
// with the old one.
func TestRotationWithOldCookies(t *testing.T) {
	s := newSite(t, nil, nil)
	made, old := s.signIn(s.tokens(-time.Second), nil)
	o := s.forward(made, old)
	s.clock.wait(30 * time.Second)
	again := s.forward(made, old)
	if again.Token != o.Token || len(again.Cookies) == 0 {
		t.Errorf("%+v", again)
	}
	h := apply(old, again.Cookies)
	if o := s.forward(made, h); o.Token != "access-1" || len(o.Cookies) != 0 {
		t.Errorf("with the new cookie: %+v", o)
	}
	if n := s.op.count(); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	s.clock.wait(time.Hour)
	if o := s.forward(made, h); o.Token != "access-2" {
		t.Errorf("the next one: %+v", o)
	}
}

// Tokens that live for less than a minute are due all the time.
func TestShortLivedTokens(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		s.op.lifetime = 30 * time.Second
		made, h := s.signIn(s.tokens(-time.Second), nil)
		for range 10 {
			o := s.forward(made, h)
			if o.Token != "access-1" {
				t.Fatalf("%+v", o)
			}
			h = apply(h, o.Cookies)
		}
		s.clock.wait(11 * time.Second)
		if o := s.forward(made, h); o.Token != "access-2" {
			t.Errorf("%+v", o)
		}
	})
}

// The refresh token was replaced, and then something went wrong.
func TestPartialRefresh(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(s.tokens(30*time.Second), nil)
		s.op.err, s.op.partial = &provider.Error{Reason: provider.ReasonKeys, Err: errors.New("no keys")}, true
		o := s.forward(made, h)
		if o.Token != "access-0" || o.Ended {
			t.Fatalf("%+v", o)
		}
		h = apply(h, o.Cookies)
		s.op.set(func() { s.op.err, s.op.partial = nil, false })
		s.clock.wait(20 * time.Second)
		if o := s.forward(made, h); o.Token != "access-2" {
			t.Errorf("the refresh token that took the place of the other is lost: %+v", o)
		}
	})
}

// flaky is a store that cannot be written.
type flaky struct {
	store.Driver
	fails bool
}

func (f *flaky) UpdateAccount(ctx context.Context, a store.Account) error {
	if f.fails {
		return errors.New("disk full")
	}
	return f.Driver.UpdateAccount(ctx, a)
}

func TestRenewedTokensThatCannotBeWritten(t *testing.T) {
	d := &flaky{Driver: memory.New()}
	s := newSite(t, d, nil)
	s.pace.poll = time.Millisecond
	made, h := s.signIn(s.tokens(-time.Second), nil)
	d.fails = true
	for range 3 {
		if o := s.forward(made, h); o.Token != "access-1" {
			t.Fatalf("%+v", o)
		}
		s.clock.wait(3 * time.Second) // the row is read again
	}
	if s.logs.FilterMessageSnippet("could not be kept").Len() != 1 {
		t.Errorf("log: %+v", s.logs.All())
	}
	d.fails = false
	s.clock.wait(3 * time.Second)
	s.forward(made, h)
	kept, err := s.opts.Store.Account(t.Context(), "op", "alice")
	if err != nil || kept.AccessToken != "access-1" || kept.RefreshToken != "refresh-1" {
		t.Errorf("%+v, %v", kept, err)
	}
	s.noLeaks()
}

func TestStoreOutage(t *testing.T) {
	d := memory.New()
	conn := store.NewConn(store.Options{Open: func(context.Context) (store.Driver, error) { return d, nil }})
	s := newSite(t, conn, nil)
	made, h := s.signIn(s.tokens(10*time.Minute), nil)
	if o := s.forward(made, h); o.Token != "access-0" {
		t.Fatalf("%+v", o)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s.clock.wait(time.Minute)
	if o := s.forward(made, h); o.Token != "access-0" || o.Ended {
		t.Errorf("a token that is good: %+v", o)
	}
	s.clock.wait(10 * time.Minute)
	if o := s.forward(made, h); o.Token != "" || o.Ended {
		t.Errorf("one that is not: %+v", o)
	}
}
