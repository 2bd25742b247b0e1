package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

var nop = zap.NewNop()

// Ended by user: all that had begun, and nothing that begins afterwards.
func TestEndOwner(t *testing.T) {
	for name, database := range strategies {
		t.Run(name, func(t *testing.T) {
			s := newStored(t, session.Options{Database: database})
			before := s.signIn("s1")
			s.clock.add(time.Millisecond)
			same := s.signIn("s2")
			for range 3 {
				s.want("before", before, nil)
				s.want("in the same millisecond", same, nil)
			}
			somebody, err := s.store.CreateUser(ctx, store.User{})
			if err != nil {
				t.Fatal(err)
			}
			ada := s.user
			s.user = somebody
			other := s.signIn("s3")
			s.user = ada
			if err := s.EndOwner(ctx, ada.ID); err != nil {
				t.Fatal(err)
			}
			s.want("before", before, session.ErrEnded)
			s.want("in the same millisecond", same, session.ErrEnded)
			s.want("somebody else's", other, nil)
			s.clock.add(time.Millisecond)
			again := s.signIn("s4")
			for range 3 {
				s.want("signed in again", again, nil)
			}
			if rows, err := s.store.ListSessions(ctx, store.SessionFilter{UserID: ada.ID}, s.clock.Now()); err != nil || len(rows) != 1 || rows[0].Session.ID != "s4" {
				t.Errorf("listed: %+v, %v", rows, err)
			}
			if err := s.EndOwner(ctx, ada.ID); err != nil {
				t.Fatal(err)
			}
			s.want("signed in again, ended again", again, session.ErrEnded)
			if database {
				return
			}
			// A renewal does not make a session younger.
			s.clock.add(time.Hour)
			h, first := issue(t, s.Manager, s.claims("s5"))
			s.clock.add(time.Hour)
			cookies, _, err := s.Refresh(ctx, h, names, first, first.Claims)
			if err != nil {
				t.Fatal(err)
			}
			ended := s.clock.Now()
			s.clock.add(time.Hour)
			renewed, _, err := s.Refresh(ctx, h, names, first, first.Claims)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.store.Revoke(ctx, store.Revocation{Kind: store.ByUser, Key: ada.ID, At: ended, Until: ended.Add(time.Hour * 1000)}); err != nil {
				t.Fatal(err)
			}
			e := session.NewEnded()
			e.AddUser(ada.ID, ended, s.clock.Now(), ended.Add(time.Hour*1000))
			m := newManager(t, session.Options{Now: s.clock.Now, Ended: e})
			for _, late := range []http.Header{h, jar(h, cookies), jar(h, renewed)} {
				if _, err := m.Read(ctx, late, names); !errors.Is(err, session.ErrEnded) {
					t.Errorf("a renewal of a session that was ended: %v", err)
				}
			}
		})
	}
}

// Where nobody is stored, sessions are ended by the account at its provider;
// tokens of NextAuth's own by subject and by when they were sealed.
func TestEndOwnerWithoutAStore(t *testing.T) {
	clock := newClock()
	m := newManager(t, session.Options{Now: clock.Now})
	h, s := issue(t, m, claims("s1"))
	foreign, fs := issue(t, m, map[string]any{"sub": "1"})
	if s.Owner() != "op:1" || fs.Owner() != "1" {
		t.Errorf("owners %q and %q", s.Owner(), fs.Owner())
	}
	read := func(h http.Header) error { _, err := m.Read(ctx, h, names); return err }
	if err := m.EndOwner(ctx, "op:1"); err != nil {
		t.Fatal(err)
	}
	if err := read(h); !errors.Is(err, session.ErrEnded) {
		t.Error(err)
	}
	if err := read(foreign); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	if err := m.EndOwner(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	if err := read(foreign); !errors.Is(err, session.ErrEnded) {
		t.Error(err)
	}
	clock.add(time.Second)
	again, _ := issue(t, m, map[string]any{"sub": "1"})
	if err := read(again); err != nil {
		t.Errorf("signed in again: %v", err)
	}
	if err := m.EndOwner(ctx, ""); err != nil || read(again) != nil {
		t.Errorf("nobody's sessions: %v, %v", err, read(again))
	}
}

func TestSince(t *testing.T) {
	sealed := time.Unix(1_900_000_100, 0)
	for want, e := range map[int64]session.Evidence{
		1_900_000_000_123: {SID: "s", Provider: "op", Since: 1_900_000_000_123, AuthTime: 1_800_000_000},
		1_800_000_000_000: {SID: "s", Provider: "op", AuthTime: 1_800_000_000},
		1_900_000_100_000: {},
	} {
		s := session.Session{Evidence: e, IssuedAt: sealed}
		if got := s.Since().UnixMilli(); got != want {
			t.Errorf("%+v: %d", e, got)
		}
	}
}

// News that come late or twice weaken nothing.
func TestEndedOrder(t *testing.T) {
	now := time.Unix(1_900_000_000, 0)
	e := session.NewEnded()
	m := newManager(t, session.Options{Now: func() time.Time { return now }, Ended: e})
	c := claims("s1")
	evidence := c["caddyauth"].(session.Evidence)
	evidence.User, evidence.Since = "u1", now.UnixMilli()
	c["caddyauth"] = evidence
	h, _ := issue(t, m, c)
	for _, at := range []time.Duration{-time.Hour, -time.Millisecond} {
		e.AddUser("u1", now.Add(at), now, now.Add(time.Hour))
		if _, err := m.Read(ctx, h, names); err != nil {
			t.Fatalf("ended %v before it began: %v", -at, err)
		}
	}
	e.AddUser("u1", now, now, now.Add(time.Hour))
	changes := e.Changes()
	e.AddUser("u1", now.Add(-time.Hour), now, now.Add(time.Hour))
	e.AddUser("u1", now, now, now.Add(time.Hour))
	if _, err := m.Read(ctx, h, names); !errors.Is(err, session.ErrEnded) {
		t.Error(err)
	}
	if e.Changes() != changes {
		t.Error("old news make every session be looked up again")
	}
}

func TestEndedUsersAreBounded(t *testing.T) {
	e := session.NewEnded()
	now := time.Unix(1_900_000_000, 0)
	m := newManager(t, session.Options{Now: func() time.Time { return now }, Ended: e})
	ended := func(user string) bool {
		c := claims("s" + user)
		evidence := c["caddyauth"].(session.Evidence)
		evidence.User, evidence.Since = user, now.UnixMilli()
		c["caddyauth"] = evidence
		h, _ := issue(t, m, c)
		_, err := m.Read(ctx, h, names)
		return errors.Is(err, session.ErrEnded)
	}
	for i := range 1_250_000 {
		e.AddUser(fmt.Sprint(i), now, now, now.Add(time.Hour))
	}
	if !ended("1249999") || !ended("750001") || ended("0") {
		t.Error("the latest count, and no more than may be kept")
	}
}

// scriptedWatch is a store whose news a test sends.
type scriptedWatch struct {
	store.Driver
	watch func(ctx context.Context, heard func(store.Revocation), synced func()) error
}

func (s *scriptedWatch) WatchRevocations(ctx context.Context, _ time.Time, heard func(store.Revocation), synced func()) error {
	return s.watch(ctx, heard, synced)
}

// watched is a manager of strategy jwt with somebody signed in, whose memory is
// watched.
func watched(t *testing.T, clock *clock, watch func(ctx context.Context, heard func(store.Revocation), synced func()) error) (*session.Ended, func(context.Context) error) {
	t.Helper()
	live, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	ended := session.NewEnded()
	m := newManager(t, session.Options{Now: clock.Now, Ended: ended})
	h, _ := issue(t, m, claims("s1"))
	ended.Watch(live, &scriptedWatch{watch: watch}, clock.Now, nop)
	return ended, func(ctx context.Context) error { _, err := m.Read(ctx, h, names); return err }
}

// news is a store that says that nothing is missing when the test wants it to.
type news chan chan struct{}

func (n news) watch(ctx context.Context, _ func(store.Revocation), synced func()) error {
	for {
		select {
		case done := <-n:
			synced()
			close(done)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n news) come() {
	done := make(chan struct{})
	n <- done
	<-done
}

// took is how long something takes.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// STORE-01: a store that is silent for more than a second may have news that
// matter. Requests wait a second for them, and not at all when they have been
// missing for three. When it is back, everything is as before.
func TestSTORE01WatchGoesStale(t *testing.T) {
	t.Parallel()
	clock, n := newClock(), make(news)
	_, read := watched(t, clock, n.watch)
	n.come()
	clock.add(time.Second)
	if err := read(ctx); err != nil {
		t.Errorf("a second later: %v", err)
	}

	clock.add(time.Millisecond)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := read(ctx); err != nil {
				t.Errorf("who waits for the news that come: %v", err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	n.come()
	wg.Wait()

	clock.add(time.Second + time.Millisecond)
	gone, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := read(gone); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("who goes away: %v", err)
	}
	var err error
	if waited := took(func() { err = read(ctx) }); !errors.Is(err, session.ErrUnavailable) || waited < 500*time.Millisecond || waited > 3*time.Second {
		t.Errorf("who waits in vain: %v after %v", err, waited)
	}
	clock.add(2 * time.Second)
	if waited := took(func() { err = read(ctx) }); !errors.Is(err, session.ErrUnavailable) || waited > 500*time.Millisecond {
		t.Errorf("three seconds later: %v after %v", err, waited)
	}
	n.come()
	if err := read(ctx); err != nil {
		t.Errorf("STORE-07: %v", err)
	}
}

// Before the first news nobody is let in; a request waits for them a while.
func TestSTORE01WatchWaitsForTheFirstNews(t *testing.T) {
	t.Parallel()
	clock := newClock()
	release := make(chan struct{})
	_, read := watched(t, clock, func(ctx context.Context, heard func(store.Revocation), synced func()) error {
		select {
		case <-release:
			heard(store.Revocation{Kind: store.BySession, Key: "s1", At: clock.Now(), Until: clock.Now().Add(time.Hour)})
			synced()
		case <-ctx.Done():
		}
		<-ctx.Done()
		return ctx.Err()
	})
	var err error
	if waited := took(func() { err = read(ctx) }); !errors.Is(err, session.ErrUnavailable) || waited < 500*time.Millisecond || waited > 3*time.Second {
		t.Errorf("no news: %v after %v", err, waited)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := read(ctx); !errors.Is(err, session.ErrEnded) {
				t.Errorf("who waits for the news that the session ended: %v", err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	close(release)
	wg.Wait()
}

// A store that has never said anything is not waited for by every request there
// is.
func TestSTORE01WatchWithoutNews(t *testing.T) {
	t.Parallel()
	clock := newClock()
	_, read := watched(t, clock, make(news).watch)
	clock.add(3 * time.Second)
	var err error
	if waited := took(func() { err = read(ctx) }); !errors.Is(err, session.ErrUnavailable) || waited > 500*time.Millisecond {
		t.Errorf("%v after %v", err, waited)
	}
}

// STORE-07: a watch that breaks off is begun again, and what it repeats changes
// nothing.
func TestSTORE07WatchBeginsAgain(t *testing.T) {
	clock := newClock()
	now := clock.Now()
	news := []store.Revocation{
		{Kind: store.BySession, Key: "s2", At: now, Until: now.Add(time.Hour)},
		{Kind: store.ByUser, Key: "u1", At: now, Until: now.Add(time.Hour)},
		{Kind: store.ByToken, Key: "p1", At: now, Until: now.Add(time.Hour)},
		{Kind: store.ByProvider, Key: session.LogoutKey("r1", session.LogoutSID, "x"), At: now, Until: now.Add(time.Hour)},
		{Kind: "of the future", Key: "x", At: now, Until: now.Add(time.Hour)},
	}
	var mu sync.Mutex
	times := 0
	ended, read := watched(t, clock, func(ctx context.Context, heard func(store.Revocation), synced func()) error {
		mu.Lock()
		times++
		mu.Unlock()
		for _, r := range news {
			heard(r)
		}
		synced()
		return errors.New("connection reset")
	})
	within(t, 5*time.Second, func() bool { mu.Lock(); defer mu.Unlock(); return times >= 4 })
	if n := ended.Changes(); n != 4 {
		t.Errorf("%d changes, want 4", n)
	}
	if !ended.Has("s2") || ended.Has("p1") || ended.Has("u1") || ended.Has("x") {
		t.Error("news of one kind were taken for another's")
	}
	if err := read(ctx); err != nil {
		t.Error(err)
	}
}

// The watch ends with its context, and what it kept up is not believed for long.
func TestWatchEnds(t *testing.T) {
	clock := newClock()
	live, cancel := context.WithCancel(ctx)
	ended := session.NewEnded()
	m := newManager(t, session.Options{Now: clock.Now, Ended: ended})
	h, _ := issue(t, m, claims("s1"))
	done := make(chan struct{})
	ended.Watch(live, &scriptedWatch{watch: func(ctx context.Context, _ func(store.Revocation), synced func()) error {
		synced()
		<-ctx.Done()
		close(done) // twice would be too often
		return ctx.Err()
	}}, clock.Now, nop)
	if _, err := m.Read(ctx, h, names); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Fatal("goes on")
	}
	clock.add(11 * time.Second)
	if _, err := m.Read(ctx, h, names); !errors.Is(err, session.ErrUnavailable) {
		t.Error(err)
	}
}
