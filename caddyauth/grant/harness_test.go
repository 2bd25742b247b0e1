package grant

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

var secrets = []string{"grant-test-secret-0123456789abcdefghij"}

// fake is a provider that replaces refresh tokens and, as those that detect
// replays, takes a spent one for a theft.
type fake struct {
	mu       sync.Mutex
	now      func() time.Time
	calls    int
	current  string
	fixed    bool // refresh tokens stay
	lifetime time.Duration
	err      error
	partial  bool          // the error comes when the refresh token has been replaced
	block    chan struct{} // closed: answer
	delay    time.Duration
	access   string // instead of a token of its own making
	noRenew  bool   // the answer has no refresh token
	revoked  []string
}

func (f *fake) Info() provider.Info { return provider.Info{ID: "op", Type: provider.TypeOIDC} }

func (f *fake) Refresh(ctx context.Context, r provider.RefreshRequest) (*provider.Account, error) {
	f.mu.Lock()
	f.calls++
	n, block, delay := f.calls, f.block, f.delay
	f.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, &provider.Error{Reason: provider.ReasonUnavailable, Err: ctx.Err()}
		}
	}
	time.Sleep(delay)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil && !f.partial {
		return nil, f.err
	}
	if !f.fixed && r.RefreshToken != f.current {
		return nil, refusal
	}
	if !f.fixed {
		f.current = "refresh-" + strconv.Itoa(n)
	}
	if f.partial {
		return &provider.Account{RefreshToken: f.current}, f.err
	}
	a := &provider.Account{
		AccessToken: "access-" + strconv.Itoa(n), RefreshToken: f.current, TokenType: "Bearer",
		ExpiresAt: f.now().Add(f.lifetime).Unix(),
	}
	if f.access != "" {
		a.AccessToken = f.access
	}
	if f.noRenew {
		a.RefreshToken = ""
	}
	return a, nil
}

func (f *fake) Revoke(_ context.Context, refreshToken string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, refreshToken)
	return true, f.err
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// set changes the provider under its lock.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

var (
	refusal = &provider.Error{Reason: provider.ReasonToken, Code: "invalid_grant", Err: errors.New("op.example says \"invalid_grant\"")}
	outage  = &provider.Error{Reason: provider.ReasonUnavailable, Err: errors.New("op.example answered 503")}
)

// clock is a settable one.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// site is a Keeper with all that it needs.
type site struct {
	*Keeper
	t     testing.TB
	op    *fake
	clock *clock
	names *cookie.Names
	logs  *observer.ObservedLogs
}

// newSite makes a site. Several may share a store, a provider and a clock.
func newSite(t testing.TB, d store.Driver, like *site) *site {
	t.Helper()
	s := &site{t: t, clock: &clock{t: time.Now().Truncate(time.Second)}}
	s.op = &fake{now: s.clock.now, current: "refresh-0", lifetime: time.Hour}
	if like != nil {
		s.clock, s.op = like.clock, like.op
	}
	names := [2]cookie.Names{cookie.NewNames(dialect.V4, "", false), cookie.NewNames(dialect.V4, "", true)}
	s.names = &names[1]
	ring, err := jwt.NewRing(dialect.V4, secrets, "")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	s.logs = logs
	if d != nil {
		if d, err = store.NewVault(d, secrets); err != nil {
			t.Fatal(err)
		}
	}
	sessions, err := session.New(session.Options{Ring: ring, Store: d, Now: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	s.Keeper, err = New(Options{
		Providers: []provider.Provider{s.op}, Sessions: sessions, Store: d, Dialect: dialect.V4, Secrets: secrets, Names: names,
		Now: s.clock.now, Log: zap.New(core), IDTokens: true, Shared: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tokens is what the provider granted at a sign-in, good for a span.
func (s *site) tokens(good time.Duration) provider.Account {
	return provider.Account{
		ProviderAccountID: "alice", AccessToken: "access-0", RefreshToken: "refresh-0", TokenType: "Bearer",
		ExpiresAt: s.clock.now().Add(good).Unix(),
	}
}

// signIn makes a session, keeps tokens for it and returns what the browser sends.
func (s *site) signIn(a provider.Account, change func(*session.Evidence)) (*session.Session, http.Header) {
	s.t.Helper()
	ctx := context.Background()
	e := session.Evidence{SID: session.NewID(), Provider: "op", Account: a.ProviderAccountID, AuthTime: s.clock.now().Unix()}
	if s.opts.Store != nil {
		u, err := s.opts.Store.UserByAccount(ctx, "op", a.ProviderAccountID)
		if errors.Is(err, store.ErrNotFound) {
			u, err = s.opts.Store.CreateUserAndAccount(ctx, store.User{}, store.Account{Type: "oidc", Provider: "op", ProviderAccountID: a.ProviderAccountID})
		}
		if err != nil {
			s.t.Fatal(err)
		}
		e.User = u.ID
	}
	if change != nil {
		change(&e)
	}
	cookies, made, err := s.opts.Sessions.Issue(ctx, http.Header{}, s.names, map[string]any{"sub": "alice", session.EvidenceClaim: e}, session.Client{})
	if err != nil {
		s.t.Fatal(err)
	}
	cookies = append(cookies, s.Keep(ctx, http.Header{}, s.names, made, a, cookies)...)
	return made, apply(http.Header{}, cookies)
}

// apply is what a browser sends after it was told to set cookies.
func apply(h http.Header, cookies []cookie.Cookie) http.Header {
	jar := map[string]string{}
	var order []string
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, "; ") {
			name, value, _ := strings.Cut(pair, "=")
			jar[name] = value
			order = append(order, name)
		}
	}
	for _, c := range cookies {
		if _, has := jar[c.Name]; !has {
			order = append(order, c.Name)
		}
		jar[c.Name] = cookie.Encode(c.Value)
	}
	var pairs []string
	for _, name := range order {
		if jar[name] != "" {
			pairs = append(pairs, name+"="+jar[name])
		}
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

func (s *site) forward(made *session.Session, h http.Header) Outcome {
	return s.Forward(context.Background(), h, s.names, made)
}

// readable reports whether a session is still one.
func (s *site) readable(h http.Header) error {
	_, err := s.opts.Sessions.Read(context.Background(), h, s.names)
	return err
}

// both runs a test without and with a store.
func both(t *testing.T, test func(t *testing.T, s *site)) {
	t.Run("cookie", func(t *testing.T) { test(t, newSite(t, nil, nil)) })
	t.Run("store", func(t *testing.T) { test(t, newSite(t, memory.New(), nil)) })
}

// crowd makes n requests at once and returns what they got.
func crowd(n int, request func(i int) Outcome) []Outcome {
	out := make([]Outcome, n)
	var begin, done sync.WaitGroup
	begin.Add(1)
	for i := range n {
		done.Go(func() {
			begin.Wait()
			out[i] = request(i)
		})
	}
	begin.Done()
	done.Wait()
	return out
}

// noLeaks fails if a token is in the log.
func (s *site) noLeaks() {
	s.t.Helper()
	for _, e := range s.logs.All() {
		enc := zapcore.NewMapObjectEncoder()
		for _, f := range e.Context {
			f.AddTo(enc)
		}
		for name, v := range enc.Fields {
			if text, ok := v.(string); ok && (strings.Contains(text, "access-") || strings.Contains(text, "refresh-")) {
				s.t.Errorf("%s: %s has %q", e.Message, name, text)
			}
		}
	}
}
