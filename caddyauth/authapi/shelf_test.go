package authapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

// shelf is a store in memory whose calls tests watch, and make fail.
type shelf struct {
	store.Driver

	mu     sync.Mutex
	fails  string            // the method that fails, "*" for all
	before map[string]func() // what happens just before a method, once
	calls  map[string]int
}

func newShelf() *shelf {
	return &shelf{Driver: memory.New(), before: map[string]func(){}, calls: map[string]int{}}
}

// down makes a method fail, or all of them for "*", or none for "".
func (s *shelf) down(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = method
}

func (s *shelf) count(methods ...string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range methods {
		n += s.calls[m]
	}
	return n
}

func (s *shelf) called(method string) error {
	s.mu.Lock()
	s.calls[method]++
	fails, first := s.fails == method || s.fails == "*", s.before[method]
	delete(s.before, method)
	s.mu.Unlock()
	if first != nil {
		first()
	}
	if fails {
		// As store.Conn has it.
		return fmt.Errorf("%w: connection refused", store.ErrUnavailable)
	}
	return nil
}

// calling is a call with a result.
func calling[T any](s *shelf, method string, call func() (T, error)) (v T, err error) {
	if err := s.called(method); err != nil {
		return v, err
	}
	return call()
}

// doing is one without.
func doing(s *shelf, method string, call func() error) error {
	if err := s.called(method); err != nil {
		return err
	}
	return call()
}

func (s *shelf) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	return calling(s, "CreateUser", func() (store.User, error) { return s.Driver.CreateUser(ctx, u) })
}

func (s *shelf) User(ctx context.Context, id string) (store.User, error) {
	return calling(s, "User", func() (store.User, error) { return s.Driver.User(ctx, id) })
}

func (s *shelf) UserByEmail(ctx context.Context, email string) (store.User, error) {
	return calling(s, "UserByEmail", func() (store.User, error) { return s.Driver.UserByEmail(ctx, email) })
}

func (s *shelf) UserByAccount(ctx context.Context, p, id string) (store.User, error) {
	return calling(s, "UserByAccount", func() (store.User, error) { return s.Driver.UserByAccount(ctx, p, id) })
}

func (s *shelf) UpdateUser(ctx context.Context, u store.User) error {
	return doing(s, "UpdateUser", func() error { return s.Driver.UpdateUser(ctx, u) })
}

func (s *shelf) LinkAccount(ctx context.Context, a store.Account) error {
	return doing(s, "LinkAccount", func() error { return s.Driver.LinkAccount(ctx, a) })
}

func (s *shelf) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	return calling(s, "CreateUserAndAccount", func() (store.User, error) { return s.Driver.CreateUserAndAccount(ctx, u, a) })
}

func (s *shelf) UnlinkAccount(ctx context.Context, p, id string) error {
	return doing(s, "UnlinkAccount", func() error { return s.Driver.UnlinkAccount(ctx, p, id) })
}

func (s *shelf) DeleteAuthenticator(ctx context.Context, userID, id string) error {
	return doing(s, "DeleteAuthenticator", func() error { return s.Driver.DeleteAuthenticator(ctx, userID, id) })
}

func (s *shelf) DeleteUser(ctx context.Context, id string) error {
	return doing(s, "DeleteUser", func() error { return s.Driver.DeleteUser(ctx, id) })
}

func (s *shelf) CreateSession(ctx context.Context, v store.Session) error {
	return doing(s, "CreateSession", func() error { return s.Driver.CreateSession(ctx, v) })
}

func (s *shelf) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	return calling(s, "SessionByToken", func() (store.SessionAndUser, error) { return s.Driver.SessionByToken(ctx, token) })
}

func (s *shelf) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	return calling(s, "SessionByID", func() (store.SessionAndUser, error) { return s.Driver.SessionByID(ctx, id) })
}

func (s *shelf) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	return calling(s, "ExtendSession", func() (bool, error) { return s.Driver.ExtendSession(ctx, id, from, to, seen) })
}

func (s *shelf) DeleteSession(ctx context.Context, id string) error {
	return doing(s, "DeleteSession", func() error { return s.Driver.DeleteSession(ctx, id) })
}

func (s *shelf) Revoke(ctx context.Context, r store.Revocation) error {
	return doing(s, "Revoke", func() error { return s.Driver.Revoke(ctx, r) })
}

func (s *shelf) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	return doing(s, "CreateVerificationToken", func() error { return s.Driver.CreateVerificationToken(ctx, v) })
}

func (s *shelf) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	return calling(s, "UseVerificationToken", func() (store.VerificationToken, error) {
		return s.Driver.UseVerificationToken(ctx, identifier, token)
	})
}

// postman is an e-mail provider that keeps the links.
type postman struct {
	mu    sync.Mutex
	sent  []provider.Mail
	fails error // of every mail
	asked int   // how often the mail server was asked without a mail
}

func (p *postman) Info() provider.Info {
	return provider.Info{ID: "email", Name: "Email", Type: provider.TypeEmail}
}

func (p *postman) MaxAge() time.Duration { return 24 * time.Hour }

func (p *postman) Send(_ context.Context, m provider.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails != nil {
		return p.fails
	}
	p.sent = append(p.sent, m)
	return nil
}

// Check fails as Send does, unless that is because of the recipient.
func (p *postman) Check(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if errors.Is(p.fails, provider.ErrRecipient) {
		return nil
	}
	return p.fails
}

// link is the query of the link that was mailed last.
func (p *postman) link(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) == 0 {
		t.Fatal("no mail was sent")
	}
	u, err := url.Parse(p.sent[len(p.sent)-1].URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.RawQuery
}

// library is a world whose site has a store.
type library struct {
	*world

	mu     sync.Mutex
	events []event
	// judged are the sessions that the rules were asked about.
	judged []session.Session
}

// newLibrary makes the site; change edits its options, before the sessions are
// made with the store.
func newLibrary(t testing.TB, database bool, change ...func(*Options)) *library {
	t.Helper()
	l, shelf, postman := &library{}, newShelf(), &postman{}
	first := func(o *Options) {
		o.Store = shelf
		o.Providers = append(o.Providers, postman)
		o.Events = l.listen
		o.Authorize = l.judge
	}
	last := func(o *Options) {
		if o.Sessions != nil {
			return
		}
		so := sessionOptions(t, o.Now, o.Dialect, o.Secrets)
		so.Store, so.Database = shelf, database
		var err error
		if o.Sessions, err = session.New(so); err != nil {
			t.Fatal(err)
		}
	}
	l.world = newWorld(t, slices.Concat([]func(*Options){first}, change, []func(*Options){last})...)
	l.shelf, l.postman = shelf, postman
	return l
}

func (l *library) listen(ctx context.Context, name string, data func() map[string]any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event{name, data()})
	return ctx.Err()
}

func (l *library) judge(s *session.Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judged = append(l.judged, *s)
	return true
}

// everywhere runs a test in either dialect with either strategy.
func everywhere(t *testing.T, f func(t *testing.T, newLibrary func(...func(*Options)) *library)) {
	both(t, func(t *testing.T, d func(*Options)) {
		for name, database := range map[string]bool{"jwt": false, "database": true} {
			t.Run(name, func(t *testing.T) {
				f(t, func(change ...func(*Options)) *library {
					return newLibrary(t, database, append([]func(*Options){d}, change...)...)
				})
			})
		}
	})
}

// somebody is an identity as a provider returns it.
func somebody(account, email string, verified bool) *provider.Identity {
	id := &provider.Identity{
		User:     provider.User{ID: account, Name: provider.String("Name of " + account)},
		Account:  provider.Account{Type: provider.TypeOAuth, ProviderAccountID: account, AccessToken: "access-token-of-" + account},
		Profile:  map[string]any{"sub": account, "email_verified": verified},
		Login:    account,
		Verified: verified,
	}
	if email != "" {
		id.User.Email = provider.String(email)
	}
	return id
}

// as goes the whole way to a provider, which says that it is somebody.
func (b *browser) as(p *scripted, id *provider.Identity) reply {
	b.t.Helper()
	p.exchange = func(provider.CallbackRequest) (*provider.Identity, error) { return id, nil }
	return b.get("/callback/" + p.info.ID + "?code=the-code&state=" + b.start(p.info.ID))
}

// byMail asks for a link and opens it in the same browser.
func (l *library) byMail(b *browser, address string) reply {
	b.t.Helper()
	if r := b.post("/signin/email", "email", address); r.status != 302 {
		b.t.Fatalf("no link: %d %s", r.status, r.body)
	}
	return b.get("/callback/email?" + l.postman.link(b.t))
}

// in makes sure that a sign-in succeeded, and returns the session.
func (b *browser) in(r reply) *session.Session {
	b.t.Helper()
	s := b.session()
	if _, set := r.cookie(b.name("session-token")); r.status != 302 || r.location() != testOrigin || !set || s == nil {
		b.t.Fatalf("not signed in: %d %q, cookies %q, session %+v", r.status, r.location(), r.names(), s)
	}
	return s
}

// told returns what was emitted since it was last asked: the names, and of
// signIn whether the user is new.
func (l *library) told() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []string{}
	for _, e := range l.events {
		if v, ok := e.data["isNewUser"]; ok {
			list = append(list, fmt.Sprint(e.name, " ", v))
			continue
		}
		list = append(list, e.name)
	}
	l.events = nil
	return list
}

func (l *library) wantTold(t testing.TB, want ...string) {
	t.Helper()
	if got := l.told(); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// userOf is whose an account is, the zero value if nobody's.
func (l *library) userOf(t testing.TB, providerID, account string) store.User {
	t.Helper()
	u, err := l.shelf.Driver.UserByAccount(context.Background(), providerID, account)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return u
}

// accountsOf are the accounts of a user, as provider:id.
func (l *library) accountsOf(t testing.TB, userID string) []string {
	t.Helper()
	accounts, err := l.shelf.Driver.Accounts(context.Background(), userID)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, a := range accounts {
		list = append(list, a.Provider+":"+a.ProviderAccountID)
	}
	return list
}

// sessions are the listed sessions of everybody.
func (l *library) sessions(t testing.TB) []store.SessionAndUser {
	t.Helper()
	list, err := l.shelf.Driver.ListSessions(context.Background(), store.SessionFilter{}, l.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	return list
}
