package session

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

// leaseTest is a Manager with a clock that stands still.
type leaseTest struct {
	*Manager
	t     *testing.T
	names cookie.Names
	store *away

	mu   sync.Mutex
	now  time.Time
	gone map[string]bool
	// groups are those that the account has now.
	groups []string
}

// away is a store that can be away.
type away struct {
	store.Driver
	mu   sync.Mutex
	gone bool
}

func (a *away) set(gone bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = gone
}

func (a *away) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return store.SessionAndUser{}, errors.New("connection refused")
	}
	return a.Driver.SessionByToken(ctx, token)
}

func newLeaseTest(t *testing.T, opts Options) *leaseTest {
	t.Helper()
	l := &leaseTest{t: t, now: time.Now(), gone: map[string]bool{}, store: &away{Driver: memory.New()}, names: cookie.NewNames(dialect.V4, "next-auth", false)}
	var err error
	if opts.Ring, err = jwt.NewRing(dialect.V4, []string{"lease-test-secret-0123456789abcdefgh"}, ""); err != nil {
		t.Fatal(err)
	}
	opts.Store, opts.Now = l.store, l.clock
	opts.Live = func(s *Session) (groups, roles []string, alive bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.groups, nil, !l.gone[s.Evidence.Login]
	}
	if l.Manager, err = New(opts); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *leaseTest) clock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *leaseTest) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// signIn returns somebody's session.
func (l *leaseTest) signIn(login string) *Session {
	l.t.Helper()
	user, err := l.store.CreateUser(l.t.Context(), store.User{Name: login})
	if err != nil {
		l.t.Fatal(err)
	}
	_, s, err := l.Issue(l.t.Context(), http.Header{}, &l.names, map[string]any{
		"sub": user.ID, "name": login, "email": nil, "picture": nil,
		EvidenceClaim: Evidence{SID: NewID(), Provider: "op", Login: login, User: user.ID, Account: login, AuthTime: l.clock().Unix(), Since: l.clock().UnixMilli()},
	}, Client{})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// open is a request with a session that lasts.
func (l *leaseTest) open(s *Session) *Lease {
	lease := new(Lease)
	lease.Begin(l.t.Context(), l.Manager, s)
	l.t.Cleanup(lease.Release)
	lease.Done()
	return lease
}

// ticks lets so many ticks pass, and what they started come to its end.
func ticks(n int) {
	for range n {
		lasting.sweep()
		for lasting.asking.Load() {
			time.Sleep(time.Millisecond)
		}
	}
}

var leaseStrategies = map[string]bool{"jwt": false, "database": true}

func TestLeaseEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		opts Options
		end  func(l *leaseTest, s *Session) error
		want error
		// all says that this ends the others' sessions, too.
		all bool
	}{
		{name: "nothing", end: func(*leaseTest, *Session) error { return nil }},
		{name: "sign-out", end: func(l *leaseTest, s *Session) error { return l.End(ctx, s) }, want: ErrEnded},
		{name: "all of a user's", end: func(l *leaseTest, s *Session) error { return l.EndOwner(ctx, s.Owner()) }, want: ErrEnded},
		{name: "sign-out at the provider", end: func(l *leaseTest, s *Session) error {
			_, err := l.EndAtProvider(ctx, IdPLogout{Provider: "op", Subject: s.Evidence.Account})
			return err
		}, want: ErrEnded},
		{name: "account removed", end: func(l *leaseTest, s *Session) error { l.gone[s.Evidence.Login] = true; return nil }, want: ErrEnded},
		{name: "expiry", end: func(l *leaseTest, s *Session) error { l.add(s.Expires.Sub(l.clock())); return nil }, want: ErrExpired, all: true},
		{name: "idle", opts: Options{Idle: 5 * time.Minute}, end: func(l *leaseTest, _ *Session) error { l.add(5*time.Minute + time.Second); return nil }, want: ErrExpired, all: true},
		{
			name: "rules", opts: Options{Admits: func(s *Session) bool { return s.Evidence.Groups == nil }},
			end: func(l *leaseTest, _ *Session) error { l.groups = []string{"fired"}; return nil }, want: errRules, all: true,
		},
		{
			name: "news are missing", opts: Options{Ended: staleEnded()},
			end: func(l *leaseTest, _ *Session) error { l.add(lostAfter); return nil }, want: ErrUnavailable, all: true,
		},
	} {
		for name, database := range leaseStrategies {
			t.Run("WIRE-03 "+c.name+", "+name, func(t *testing.T) {
				c.opts.Database = database
				l := newLeaseTest(t, c.opts)
				if c.opts.Ended != nil {
					c.opts.Ended.watch.sync(l.clock())
				}
				s, other := l.signIn("ada"), l.signIn("bob")
				lease, others := l.open(s), l.open(other)
				ticks(ticksToLast + ticksPerRow)
				if lease.Err() != nil || others.Err() != nil {
					t.Fatal("ended before anything did:", context.Cause(lease), context.Cause(others))
				}
				if err := c.end(l, s); err != nil {
					t.Fatal(err)
				}
				ticks(2) // one finds that a row must be asked for, the other has the answer
				if got := context.Cause(lease); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
					t.Errorf("%v, want %v", got, c.want)
				}
				if (others.Err() != nil) != c.all {
					t.Errorf("the other's: %v", context.Cause(others))
				}
			})
		}
	}
}

// staleEnded is a memory that listens to a store which says nothing.
func staleEnded() *Ended {
	e := NewEnded()
	e.watch.on.Store(true)
	return e
}

var ctx = context.Background()

// A request that has not lasted is none of the watch's business.
func TestLeaseYoung(t *testing.T) {
	l := newLeaseTest(t, Options{})
	s := l.signIn("ada")
	if err := l.End(ctx, s); err != nil {
		t.Fatal(err)
	}
	lease := l.open(s)
	born := lease.listener.Load().born
	for {
		lasting.mu.Lock()
		age := lasting.tick - born
		early := age < ticksToLast && lease.listener.Load().Context.Err() != nil
		lasting.mu.Unlock()
		if early {
			t.Fatalf("ended after %d ticks", age)
		}
		if age >= ticksToLast {
			break
		}
		lasting.sweep()
	}
	ticks(1)
	if !errors.Is(context.Cause(lease), ErrEnded) {
		t.Error(context.Cause(lease))
	}
}

func TestLeaseLateToken(t *testing.T) {
	// A token that the clock's tolerance lets in: what it opens lasts as long as
	// requests with it pass, so that nobody is cut off as soon as they come.
	l := newLeaseTest(t, Options{})
	s := l.signIn("ada")
	l.add(s.Expires.Sub(l.clock()) + 5*time.Second)
	lease := l.open(s)
	ticks(ticksToLast + 1)
	if lease.Err() != nil {
		t.Fatal(context.Cause(lease))
	}
	l.add(15 * time.Second)
	ticks(1)
	if !errors.Is(context.Cause(lease), ErrExpired) {
		t.Error(context.Cause(lease))
	}
}

func TestLeaseRows(t *testing.T) {
	t.Run("extended by another request", func(t *testing.T) {
		l := newLeaseTest(t, Options{Database: true, MaxAge: time.Hour, UpdateAge: time.Minute})
		s := l.signIn("ada")
		lease := l.open(s)
		l.add(30 * time.Minute)
		if _, _, err := l.Refresh(ctx, http.Header{}, &l.names, s, s.Claims); err != nil {
			t.Fatal(err)
		}
		l.add(30 * time.Minute)
		ticks(ticksToLast + 2)
		if lease.Err() != nil {
			t.Fatal(context.Cause(lease))
		}
		l.add(30 * time.Minute)
		ticks(ticksPerRow + 2)
		if !errors.Is(context.Cause(lease), ErrExpired) {
			t.Error(context.Cause(lease))
		}
	})
	t.Run("deleted by an application", func(t *testing.T) {
		l := newLeaseTest(t, Options{Database: true})
		s, other := l.signIn("ada"), l.signIn("bob")
		lease, others := l.open(s), l.open(other)
		ticks(ticksToLast)
		if err := l.store.DeleteSession(ctx, s.Key()); err != nil {
			t.Fatal(err)
		}
		ticks(ticksPerRow + 1)
		if !errors.Is(context.Cause(lease), ErrInvalid) || others.Err() != nil {
			t.Error(context.Cause(lease), context.Cause(others))
		}
	})
	t.Run("the store is away", func(t *testing.T) {
		// How long, the news tell; here they are not listened to.
		l := newLeaseTest(t, Options{Database: true, MaxAge: time.Hour})
		lease := l.open(l.signIn("ada"))
		l.store.set(true)
		l.add(time.Hour + time.Second)
		ticks(3 * ticksToLast)
		if lease.Err() != nil {
			t.Fatal(context.Cause(lease))
		}
		l.add(time.Minute)
		ticks(1)
		if !errors.Is(context.Cause(lease), ErrExpired) {
			t.Error(context.Cause(lease))
		}
	})
	t.Run("more than can be asked for at once", func(t *testing.T) {
		l := newLeaseTest(t, Options{Database: true})
		var open []*Lease
		for i := range 3 * rowsPerTick {
			open = append(open, l.open(l.signIn("p"+strconv.Itoa(i))))
		}
		ticks(ticksToLast)
		for _, lease := range open {
			if err := l.store.DeleteSession(ctx, lease.session.Key()); err != nil {
				t.Fatal(err)
			}
		}
		ticks(2 * 3 * ticksPerRow)
		for i, lease := range open {
			if lease.Err() == nil {
				t.Fatalf("number %d is not ended", i)
			}
		}
	})
}

func TestLeasePAT(t *testing.T) {
	l := newLeaseTest(t, Options{})
	owner := l.signIn("ada")
	var open []*Lease
	var ids []string
	for _, expires := range []time.Time{{}, {}, l.clock().Add(time.Hour)} {
		token := NewToken()
		evidence, err := TokenEvidence(owner)
		if err != nil {
			t.Fatal(err)
		}
		row := store.Token{ID: NewID(), UserID: owner.Evidence.User, Name: "t", Hash: store.Hash(token), Created: l.clock(), Expires: expires, Evidence: evidence}
		if err := l.store.CreateToken(ctx, row); err != nil {
			t.Fatal(err)
		}
		s, err := l.ReadToken(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		open, ids = append(open, l.open(s)), append(ids, row.ID)
	}
	check := func(want ...error) {
		t.Helper()
		ticks(ticksToLast + 1)
		for i := range want {
			if got := context.Cause(open[i]); !errors.Is(got, want[i]) {
				t.Errorf("token %d: %v, want %v", i, got, want[i])
			}
		}
	}
	check(nil, nil, nil)
	if err := l.EndToken(ctx, owner.Evidence.User, ids[0]); err != nil {
		t.Fatal(err)
	}
	check(ErrEnded, nil, nil)
	l.add(time.Hour)
	check(ErrEnded, nil, ErrExpired)
}

func TestLeaseContext(t *testing.T) {
	type key struct{}
	l := newLeaseTest(t, Options{})
	s := l.signIn("ada")
	parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	defer cancel(nil)
	lease := new(Lease)
	lease.Begin(parent, l.Manager, s)
	defer lease.Release()
	if lease.Value(key{}) != "value" || lease.listener.Load() != nil {
		t.Error("a value costs something")
	}
	goroutines := runtime.NumGoroutine()
	child, cancelChild := context.WithTimeout(lease, time.Hour)
	defer cancelChild()
	if n := runtime.NumGoroutine(); n > goroutines+1 { // the watch
		t.Errorf("a child costs %d goroutines", n-goroutines)
	}
	if child.Value(key{}) != "value" {
		t.Error("the value is lost")
	}
	if err := l.End(ctx, s); err != nil {
		t.Fatal(err)
	}
	ticks(ticksToLast)
	if !errors.Is(context.Cause(child), ErrEnded) || parent.Err() != nil || !errors.Is(lease.Err(), context.Canceled) {
		t.Error(context.Cause(child), parent.Err(), lease.Err())
	}
	other := new(Lease)
	other.Begin(parent, l.Manager, l.signIn("bob"))
	defer other.Release()
	<-func() <-chan struct{} { done := other.Done(); cancel(errors.New("gone")); return done }()
	if got := context.Cause(other); got == nil || got.Error() != "gone" {
		t.Error(got)
	}
}

// Who asks after the request was served is told nothing, and leaves nothing.
func TestLeaseReleased(t *testing.T) {
	l := newLeaseTest(t, Options{})
	s := l.signIn("ada")
	lease := new(Lease)
	lease.Begin(t.Context(), l.Manager, s)
	lease.Release()
	lease.Done()
	if lease.listener.Load().listed {
		t.Error("listed")
	}
	if err := l.End(ctx, s); err != nil {
		t.Fatal(err)
	}
	ticks(ticksToLast + 1)
	if lease.Err() != nil {
		t.Error(lease.Err())
	}
}

// Requests come and go, and listen late, while sessions end: nothing stays behind,
// not even the watch.
func TestWIRE03NoLeak(t *testing.T) {
	l := newLeaseTest(t, Options{Log: zap.NewNop()})
	sessions := make([]*Session, 20)
	for i := range sessions {
		sessions[i] = l.signIn("p" + strconv.Itoa(i))
	}
	var crowd sync.WaitGroup
	stop := make(chan struct{})
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				lasting.sweep()
			}
		}
	})
	for i := range 8 {
		crowd.Go(func() {
			for j := range 2000 {
				lease := new(Lease)
				lease.Begin(t.Context(), l.Manager, sessions[(i+j)%len(sessions)])
				var late sync.WaitGroup
				late.Go(func() { lease.Done() })
				if j%3 == 0 {
					lease.Done()
				}
				lease.Release()
				late.Wait()
				if j == 1000 {
					_ = l.End(ctx, sessions[i])
				}
			}
		})
	}
	crowd.Wait()
	close(stop)
	sweeper.Wait()
	if !lasting.empty() {
		t.Error("something is listed")
	}
	for deadline := time.Now().Add((ticksAlone + 4) * leaseTick); lasting.watched.Load(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the watch goes on")
		}
	}
}

// BenchmarkLease is what a request costs that is passed on to somebody who does
// not listen for its end, and to somebody who does, as proxies do.
func BenchmarkLease(b *testing.B) {
	m := &Manager{opts: Options{Now: time.Now, Ended: NewEnded()}}
	s := new(Session)
	b.Run("silent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			lease := new(Lease)
			lease.Begin(ctx, m, s)
			lease.Release()
		}
	})
	b.Run("listening", func(b *testing.B) {
		parent, cancel := context.WithCancel(ctx)
		defer cancel()
		b.ReportAllocs()
		for b.Loop() {
			lease := new(Lease)
			lease.Begin(parent, m, s)
			lease.Done()
			lease.Release()
			lease.listener.Load().cancel(nil) // as the end of the request does
		}
	})
}
