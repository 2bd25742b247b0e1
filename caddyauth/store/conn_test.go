package store_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

var errBroken = errors.New("broken pipe")

// clock is a clock that tests move.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(1_900_000_000_000 + c.ms.Load()) }
func (c *clock) add(d time.Duration)     { c.ms.Add(d.Milliseconds()) }
func (c *clock) elapsed() time.Duration  { return time.Duration(c.ms.Load()) * time.Millisecond }
func ask(c *store.Conn) error            { return c.Ping(context.Background()) }
func never(context.Context) error        { panic("asked a driver that was not to be asked") }
func fails(context.Context) error        { return errBroken }
func works(context.Context) error        { return nil }
func hangs(ctx context.Context) error    { <-ctx.Done(); return ctx.Err() }
func unknown(ctx context.Context) error  { return store.ErrNotFound }
func conflict(ctx context.Context) error { return store.ErrConflict }

// pinged is a driver with one method, which counts its calls.
type pinged struct {
	store.Driver
	ping   func(context.Context) error
	asked  atomic.Int32
	closed atomic.Int32
}

func (p *pinged) Ping(ctx context.Context) error {
	p.asked.Add(1)
	return p.ping(ctx)
}

func (p *pinged) Close() error {
	p.closed.Add(1)
	return nil
}

// setup is a Conn and what it told.
type setup struct {
	*store.Conn
	clock  clock
	driver pinged
	opened atomic.Int32
	failed atomic.Int32
	mu     sync.Mutex
	health []bool
	logs   *observer.ObservedLogs
}

func newSetup(t *testing.T, ping func(context.Context) error, change ...func(*store.Options)) *setup {
	t.Helper()
	s := &setup{}
	s.driver.ping = ping
	core, logs := observer.New(zapcore.DebugLevel)
	s.logs = logs
	opts := store.Options{
		Open: func(context.Context) (store.Driver, error) {
			s.opened.Add(1)
			return &s.driver, nil
		},
		Timeout: 50 * time.Millisecond,
		Failed:  func() { s.failed.Add(1) },
		Health: func(up bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.health = append(s.health, up)
		},
		Now: s.clock.now,
		Log: zap.New(core),
	}
	for _, c := range change {
		c(&opts)
	}
	s.Conn = store.NewConn(opts)
	t.Cleanup(func() { s.Close() })
	return s
}

// together makes n calls at once and returns their errors.
func together(n int, call func() error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = call() })
	}
	wg.Wait()
	return errs
}

// wantUnavailable makes sure that a failure cannot be taken for an answer.
func wantUnavailable(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) || cause != nil && !errors.Is(err, cause) ||
		errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want it to be ErrUnavailable because of %v", err, cause)
	}
}

func (s *setup) wantTold(t *testing.T, health ...bool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !reflect.DeepEqual(s.health, health) && len(s.health)+len(health) > 0 {
		t.Errorf("told %v, want %v", s.health, health)
	}
	if s.logs.Len() != len(health) {
		t.Errorf("%d lines in the log, want %d: %v", s.logs.Len(), len(health), s.logs.All())
	}
}

// A Conn fulfills the contract of what is behind it.
func TestConnIsADriver(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Driver {
		c := store.NewConn(store.Options{Open: func(context.Context) (store.Driver, error) { return memory.New(), nil }})
		t.Cleanup(func() { c.Close() })
		return c
	}, storetest.Options{})
}

func TestConnOpensWhenNeeded(t *testing.T) {
	release := make(chan struct{})
	s := newSetup(t, works, func(o *store.Options) {
		open := o.Open
		o.Timeout = 5 * time.Second
		o.Open = func(ctx context.Context) (store.Driver, error) { <-release; return open(ctx) }
	})
	if s.opened.Load() != 0 {
		t.Error("opened by NewConn")
	}
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	for _, err := range together(50, func() error { return ask(s.Conn) }) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if s.opened.Load() != 1 || s.driver.asked.Load() != 50 {
		t.Errorf("opened %d times, asked %d times", s.opened.Load(), s.driver.asked.Load())
	}
}

// Opening goes on when whoever caused it has gone.
func TestConnOpeningOutlivesTheCaller(t *testing.T) {
	release, opening := make(chan struct{}), make(chan struct{})
	s := newSetup(t, works, func(o *store.Options) {
		open := o.Open
		o.Timeout = 5 * time.Second
		o.Open = func(ctx context.Context) (store.Driver, error) {
			close(opening)
			<-release
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return open(ctx)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-opening; cancel() }()
	wantUnavailable(t, s.Ping(ctx), context.Canceled)
	close(release)
	if err := ask(s.Conn); err != nil {
		t.Error(err)
	}
	if n := s.opened.Load(); n != 1 {
		t.Errorf("opened %d times", n)
	}
	s.wantTold(t)
}

// A store that is slow to open, or cannot be, costs a caller no more than its
// time, and the pauses between attempts grow.
func TestConnBacksOff(t *testing.T) {
	var attempts []time.Duration
	var s *setup
	s = newSetup(t, never, func(o *store.Options) {
		o.Open = func(context.Context) (store.Driver, error) {
			attempts = append(attempts, s.clock.elapsed())
			return nil, errBroken
		}
	})
	for s.clock.elapsed() < 25*time.Second {
		wantUnavailable(t, ask(s.Conn), nil)
		s.clock.add(10 * time.Millisecond)
	}
	for i, pause := range []time.Duration{250, 500, 1000, 2000, 4000, 5000, 5000} {
		if i+1 >= len(attempts) {
			t.Fatalf("attempts at %v", attempts)
		}
		// One question in 250 ms gets through by then.
		got, pause := attempts[i+1]-attempts[i], pause*time.Millisecond
		if got < pause || got > pause+270*time.Millisecond {
			t.Errorf("pause %d is %v, want %v", i+1, got, pause)
		}
	}
}

func TestConnOpenTimeout(t *testing.T) {
	s := newSetup(t, never, func(o *store.Options) {
		o.OpenTimeout = 20 * time.Millisecond
		o.Timeout = 5 * time.Second
		o.Open = func(ctx context.Context) (store.Driver, error) { <-ctx.Done(); return nil, ctx.Err() }
	})
	wantUnavailable(t, ask(s.Conn), context.DeadlineExceeded)
}

// STORE-02: a store that does not answer holds requests up for a bounded time,
// and a bounded number of them.
func TestSTORE02SlowStore(t *testing.T) {
	var now, most atomic.Int32
	before := runtime.NumGoroutine()
	s := newSetup(t, func(ctx context.Context) error {
		defer now.Add(-1)
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return hangs(ctx)
	}, func(o *store.Options) { o.Concurrency = 4 })
	began := time.Now()
	for _, err := range together(200, func() error { return ask(s.Conn) }) {
		wantUnavailable(t, err, nil)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v at a timeout of 50 ms", took)
	}
	if most.Load() != 4 {
		t.Errorf("%d calls at once, want 4", most.Load())
	}
	if n := s.failed.Load(); n < 4 || n > 200 {
		t.Errorf("%d failures counted", n)
	}
	s.wantTold(t, false)
	// Who comes later does not wait.
	asked := s.driver.asked.Load()
	began = time.Now()
	for _, err := range together(1000, func() error { return ask(s.Conn) }) {
		wantUnavailable(t, err, nil)
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("1000 calls of a store that is down took %v", took)
	}
	if n := s.driver.asked.Load(); n != asked {
		t.Errorf("asked %d times more", n-asked)
	}
	for i := 0; runtime.NumGoroutine() > before+2 && i < 100; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// A turn is given back whatever came of it.
func TestConnGivesTurnsBack(t *testing.T) {
	s := newSetup(t, works, func(o *store.Options) { o.Concurrency = 1 })
	for _, ping := range []func(context.Context) error{hangs, unknown, works, conflict, fails, works} {
		s.driver.ping = ping
		_ = ask(s.Conn)
	}
	s.driver.ping = works
	if err := ask(s.Conn); err != nil {
		t.Error(err)
	}
}

// STORE-01 and STORE-07: three failures in a row, and the store is left alone but
// for one call in 250 ms. The first answer brings it back.
func TestSTORE01And07Circuit(t *testing.T) {
	s := newSetup(t, fails)
	for range 2 {
		wantUnavailable(t, ask(s.Conn), errBroken)
	}
	s.wantTold(t)
	wantUnavailable(t, ask(s.Conn), errBroken)
	s.wantTold(t, false)
	for _, wait := range []time.Duration{0, 249 * time.Millisecond} {
		s.clock.add(wait)
		for _, err := range together(100, func() error { return ask(s.Conn) }) {
			wantUnavailable(t, err, nil)
		}
	}
	if n := s.driver.asked.Load(); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
	for range 3 {
		s.clock.add(250 * time.Millisecond)
		asked := s.driver.asked.Load()
		for _, err := range together(100, func() error { return ask(s.Conn) }) {
			wantUnavailable(t, err, nil)
		}
		if n := s.driver.asked.Load() - asked; n != 1 {
			t.Errorf("%d calls in 250 ms, want 1", n)
		}
	}
	if n := s.failed.Load(); n != 6 {
		t.Errorf("%d failures counted, want those 6 that the store had", n)
	}
	s.wantTold(t, false)

	s.driver.ping = works
	s.clock.add(250 * time.Millisecond)
	if err := ask(s.Conn); err != nil {
		t.Fatal(err)
	}
	for _, err := range together(100, func() error { return ask(s.Conn) }) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.wantTold(t, false, true)
	if s.opened.Load() != 1 {
		t.Errorf("opened %d times", s.opened.Load())
	}
	// The log names the cause.
	if line := s.logs.All()[0]; line.Level != zapcore.ErrorLevel || line.ContextMap()["error"] != errBroken.Error() {
		t.Errorf("%+v", line)
	}

	// It takes three in a row again.
	s.driver.ping = fails
	_, _ = ask(s.Conn), ask(s.Conn)
	s.driver.ping = works
	_ = ask(s.Conn)
	s.driver.ping = fails
	_, _ = ask(s.Conn), ask(s.Conn)
	s.wantTold(t, false, true)
	_ = ask(s.Conn)
	s.wantTold(t, false, true, false)
}

// "No such thing" is an answer: the store is well.
func TestConnNoIsAnAnswer(t *testing.T) {
	s := newSetup(t, unknown)
	for range 10 {
		if err := ask(s.Conn); !errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		s.driver.ping = fails
		if i%3 == 2 {
			s.driver.ping = conflict
		}
		_ = ask(s.Conn)
	}
	s.wantTold(t)
	if n := s.failed.Load(); n != 8 {
		t.Errorf("%d failures counted, want 8", n)
	}
}

// Who goes away says nothing about the store, neither well nor ill.
func TestConnCancelledCallers(t *testing.T) {
	s := newSetup(t, hangs, func(o *store.Options) { o.Timeout = time.Minute })
	gone := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		return s.Ping(ctx)
	}
	for range 5 {
		wantUnavailable(t, gone(), context.DeadlineExceeded)
	}
	if s.failed.Load() != 0 {
		t.Errorf("%d failures counted", s.failed.Load())
	}
	s.wantTold(t)

	s.driver.ping = fails
	for range 3 {
		_ = ask(s.Conn)
	}
	s.wantTold(t, false)
	// The call that was to find out whether it is back gave up: the next one may.
	s.clock.add(250 * time.Millisecond)
	s.driver.ping = hangs
	wantUnavailable(t, gone(), context.DeadlineExceeded)
	s.driver.ping = works
	if err := ask(s.Conn); err != nil {
		t.Error(err)
	}
	s.wantTold(t, false, true)
}

func TestConnClose(t *testing.T) {
	s := newSetup(t, works)
	if err := ask(s.Conn); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 5 {
		wantUnavailable(t, ask(s.Conn), nil)
	}
	if s.driver.asked.Load() != 1 || s.driver.closed.Load() != 1 || s.opened.Load() != 1 {
		t.Errorf("asked %d, closed %d, opened %d times", s.driver.asked.Load(), s.driver.closed.Load(), s.opened.Load())
	}
	// It is as it was wanted.
	s.wantTold(t)

	unused := newSetup(t, never)
	_ = unused.Close()
	wantUnavailable(t, ask(unused.Conn), nil)
	if unused.opened.Load() != 0 {
		t.Error("opened after it was closed")
	}
}

// Calls under way while the store is closed fail, and nothing else.
func TestConnCloseDuringCalls(t *testing.T) {
	s := newSetup(t, nil, func(o *store.Options) { o.Timeout = time.Minute })
	var once sync.Once
	asked, closed := make(chan struct{}), make(chan struct{})
	s.driver.ping = func(context.Context) error {
		once.Do(func() { close(asked) })
		<-closed
		return errors.New("use of closed connection")
	}
	go func() { <-asked; _ = s.Close(); close(closed) }()
	for _, err := range together(10, func() error { return ask(s.Conn) }) {
		wantUnavailable(t, err, nil)
	}
	s.wantTold(t)
	if s.failed.Load() != 0 {
		t.Errorf("%d failures counted", s.failed.Load())
	}
}

// RELOAD-02: a driver that opens when nobody wants it any more is closed, and who
// waited for it gets an error.
func TestConnCloseWhileOpening(t *testing.T) {
	for range 50 {
		s := newSetup(t, works, func(o *store.Options) { o.Timeout = time.Minute })
		var wg sync.WaitGroup
		wg.Go(func() {
			for s.opened.Load() == 0 {
				runtime.Gosched()
			}
			_ = s.Close()
		})
		for _, err := range together(100, func() error { return ask(s.Conn) }) {
			if err != nil {
				wantUnavailable(t, err, nil)
			}
		}
		wg.Wait()
		for i := 0; s.driver.closed.Load() != s.opened.Load() && i < 100; i++ {
			time.Sleep(time.Millisecond)
		}
		if s.driver.closed.Load() != s.opened.Load() {
			t.Fatalf("opened %d times, closed %d times", s.opened.Load(), s.driver.closed.Load())
		}
	}
}

// Every method is within the bounds but the one that takes as long as it takes.
func TestConnBoundsEveryMethod(t *testing.T) {
	s := newSetup(t, never, func(o *store.Options) {
		o.Open = func(context.Context) (store.Driver, error) { return nil, errBroken }
	})
	driver := reflect.TypeFor[store.Driver]()
	for i := range driver.NumMethod() {
		name := driver.Method(i).Name
		if name == "Close" {
			continue
		}
		m := reflect.ValueOf(s.Conn).MethodByName(name)
		in := []reflect.Value{reflect.ValueOf(context.Background())}
		for j := 1; j < m.Type().NumIn(); j++ {
			in = append(in, reflect.Zero(m.Type().In(j)))
		}
		out := m.Call(in)
		err, _ := out[len(out)-1].Interface().(error)
		if name == "WatchRevocations" {
			if !errors.Is(err, errBroken) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		s.clock.add(time.Second)
	}
}

func TestConnWatch(t *testing.T) {
	s := store.NewConn(store.Options{
		Open:    func(context.Context) (store.Driver, error) { return memory.New(), nil },
		Timeout: 10 * time.Millisecond, Concurrency: 1,
	})
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	heard, done := make(chan store.Revocation, 1), make(chan error, 1)
	synced := make(chan struct{}, 100)
	go func() {
		done <- s.WatchRevocations(ctx, time.Now(), func(r store.Revocation) { heard <- r }, func() { synced <- struct{}{} })
	}()
	<-synced
	time.Sleep(30 * time.Millisecond) // longer than a call may take
	want := store.Revocation{Kind: store.BySession, Key: "s1", At: time.Now(), Until: time.Now().Add(time.Hour)}
	if err := s.Revoke(ctx, want); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if got.Kind != want.Kind || got.Key != want.Key {
			t.Errorf("heard %+v", got)
		}
	case err := <-done:
		t.Fatalf("ended: %v", err)
	case <-time.After(2 * time.Second):
		t.Fatal("nothing heard")
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(2 * time.Second):
		t.Fatal("goes on after the context's end")
	}
}

func TestPage(t *testing.T) {
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := (store.SessionFilter{Limit: limit}).Page(); got != want {
			t.Errorf("%d: %d, want %d", limit, got, want)
		}
	}
}

func BenchmarkConn(b *testing.B) {
	d := &pinged{ping: works}
	c := store.NewConn(store.Options{Open: func(context.Context) (store.Driver, error) { return d, nil }})
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := ask(c); err != nil {
			b.Fatal(err)
		}
	}
}
