package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

var (
	ctx      = context.Background()
	errStore = errors.New("connection refused")
)

// spy is a store that counts what is asked of it and fails on demand.
type spy struct {
	store.Driver

	mu     sync.Mutex
	counts map[string]int
	// fail makes the methods of that name fail, or all of them for "*".
	fail map[string]bool
	// delay is how long a question for a session takes.
	delay time.Duration
}

func newSpy() *spy {
	return &spy{Driver: memory.New(), counts: map[string]int{}, fail: map[string]bool{}}
}

func (s *spy) note(method string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[method]++
	if s.fail[method] || s.fail["*"] {
		return errStore
	}
	return nil
}

func (s *spy) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[method]
}

func (s *spy) broken(method string, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[method] = broken
}

func (s *spy) CreateSession(ctx context.Context, v store.Session) error {
	if err := s.note("CreateSession"); err != nil {
		return err
	}
	return s.Driver.CreateSession(ctx, v)
}

func (s *spy) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	if err := s.note("SessionByToken"); err != nil {
		return store.SessionAndUser{}, err
	}
	time.Sleep(s.delay)
	return s.Driver.SessionByToken(ctx, token)
}

func (s *spy) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	if err := s.note("SessionByID"); err != nil {
		return store.SessionAndUser{}, err
	}
	return s.Driver.SessionByID(ctx, id)
}

// ExtendSession also counts those that did it.
func (s *spy) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	if err := s.note("ExtendSession"); err != nil {
		return false, err
	}
	ok, err := s.Driver.ExtendSession(ctx, id, from, to, seen)
	if ok {
		_ = s.note("extended")
	}
	return ok, err
}

func (s *spy) DeleteSession(ctx context.Context, id string) error {
	if err := s.note("DeleteSession"); err != nil {
		return err
	}
	return s.Driver.DeleteSession(ctx, id)
}

func (s *spy) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	if err := s.note("DeleteUserSessions"); err != nil {
		return nil, err
	}
	return s.Driver.DeleteUserSessions(ctx, userID, except)
}

func (s *spy) Revoke(ctx context.Context, v store.Revocation) error {
	if err := s.note("Revoke"); err != nil {
		return err
	}
	return s.Driver.Revoke(ctx, v)
}

// stored is a site with a store and one user in it.
type stored struct {
	*session.Manager
	t     testing.TB
	clock *clock
	store *spy
	user  store.User
}

var strategies = map[string]bool{"jwt": false, "database": true}

func newStored(t testing.TB, o session.Options) *stored {
	t.Helper()
	s := &stored{t: t, clock: newClock(), store: newSpy()}
	if o.Store == nil {
		o.Store = s.store
	}
	if o.Now == nil {
		o.Now = s.clock.Now
	}
	s.Manager = newManager(t, o)
	var err error
	if s.user, err = s.store.CreateUser(ctx, store.User{Name: "Ada", Email: "ada@example.com"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// claims are those of a sign-in of the user.
func (s *stored) claims(sid string) map[string]any {
	c := claims(sid)
	e := c["caddyauth"].(session.Evidence)
	e.User, e.Since, e.AuthTime = s.user.ID, s.clock.Now().UnixMilli(), s.clock.Now().Unix()
	c["caddyauth"], c["sub"] = e, s.user.ID
	return c
}

// signIn returns the header of a browser that has just signed in.
func (s *stored) signIn(sid string) http.Header {
	s.t.Helper()
	h, _ := issue(s.t, s.Manager, s.claims(sid))
	return h
}

func (s *stored) read(h http.Header) (*session.Session, error) { return s.Read(ctx, h, names) }

func (s *stored) want(what string, h http.Header, want error) {
	s.t.Helper()
	got, err := s.read(h)
	if !errors.Is(err, want) || (got != nil) != (want == nil) {
		s.t.Errorf("%s: %+v, %v; want %v", what, got, err, want)
	}
}

// row is the session as it is kept.
func (s *stored) row(sid string) (store.Session, bool) {
	s.t.Helper()
	row, err := s.store.Driver.SessionByID(ctx, sid)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.t.Fatal(err)
	}
	return row.Session, err == nil
}

func tokenIn(h http.Header) string {
	_, token, _ := strings.Cut(h.Get("Cookie"), "=")
	return token
}

func cookieOf(token string) http.Header {
	return http.Header{"Cookie": {names.Session + "=" + token}}
}

func TestNewNeedsAStore(t *testing.T) {
	if _, err := session.New(session.Options{Ring: mustRing(t), Database: true}); err == nil {
		t.Error("strategy database without a store")
	}
}

func TestRows(t *testing.T) {
	s := newStored(t, session.Options{Database: true, MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	c := s.claims("s1")
	cookies, issued, err := s.Issue(ctx, http.Header{}, names, c, session.Client{UserAgent: "Firefox", IP: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	end := s.clock.Now().Add(10 * time.Hour)
	if len(cookies) != 1 || len(cookies[0].Value) != 36 || !cookies[0].Expires.Equal(end) || !cookies[0].HttpOnly {
		t.Fatalf("cookies %+v", cookies)
	}
	row, _ := s.row("s1")
	evidence := row.Evidence
	want := store.Session{
		ID: "s1", Token: cookies[0].Value, UserID: s.user.ID, Provider: "op", Account: "1", Expires: end,
		Created: s.clock.Now(), Seen: s.clock.Now(), UserAgent: "Firefox", IP: "192.0.2.1",
	}
	if row.Evidence = nil; !equalRows(row, want) {
		t.Errorf("kept %+v, want %+v", row, want)
	}
	var kept map[string]any
	if err := json.Unmarshal(evidence, &kept); err != nil || kept["sid"] != "s1" || kept["user"] != s.user.ID || kept["verified"] != true {
		t.Errorf("evidence %s", evidence)
	}
	h := jar(http.Header{}, cookies)
	got, err := s.read(h)
	if err != nil {
		t.Fatal(err)
	}
	for what, s2 := range map[string]*session.Session{"issued": issued, "read": got} {
		if s2.User != (session.User{ID: s.user.ID, Name: "Ada", Email: "ada@example.com"}) || !s2.Expires.Equal(end) ||
			!s2.IssuedAt.Equal(s.clock.Now()) || s2.Key() != "s1" || s2.JTI != "s1" || s2.Owner() != s.user.ID ||
			!s2.HasEvidence || s2.Evidence.Login != "ada" || s2.Evidence.Groups[0] != "math" || !s2.Evidence.Verified {
			t.Errorf("%s: %+v", what, s2)
		}
	}
	if v, ok := got.Claim("sub"); !ok || v.String() != s.user.ID {
		t.Errorf("claims %s", got.Claims)
	}
	if body := string(session.Public(got, got.Expires)); body != `{"user":{"name":"Ada","email":"ada@example.com","image":null},"expires":"2030-01-02T13:04:05.000Z"}` {
		t.Error(body)
	}

	// The user is as the store has it at the moment.
	s.user.Name = "Ada L."
	if err := s.store.UpdateUser(ctx, s.user); err != nil {
		t.Fatal(err)
	}
	s.clock.add(2 * time.Second)
	if got, _ = s.read(h); got == nil || got.User.Name != "Ada L." {
		t.Errorf("%+v", got)
	}
	if err := s.End(ctx, got); err != nil {
		t.Fatal(err)
	}
	if _, kept := s.row("s1"); kept {
		t.Error("the row is still there")
	}
}

// equalRows compares times as points in time.
func equalRows(a, b store.Session) bool {
	times := a.Expires.Equal(b.Expires) && a.Created.Equal(b.Created) && a.Seen.Equal(b.Seen)
	a.Expires, a.Created, a.Seen = b.Expires, b.Created, b.Seen
	left, err1 := json.Marshal(a)
	right, err2 := json.Marshal(b)
	return times && err1 == nil && err2 == nil && string(left) == string(right)
}

// IDENT-01: what the browser had before a sign-in, of whoever's making, names
// nothing after it.
func TestIDENT01NewTokenAtSignIn(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	planted := cookieOf("00000000-0000-4000-8000-000000000000")
	s.want("planted", planted, session.ErrInvalid)
	cookies, _, err := s.Issue(ctx, planted, names, s.claims("s1"), session.Client{})
	if err != nil {
		t.Fatal(err)
	}
	first := jar(planted, cookies)
	cookies, _, err = s.Issue(ctx, first, names, s.claims("s2"), session.Client{})
	if err != nil {
		t.Fatal(err)
	}
	second := jar(first, cookies)
	seen := map[string]bool{tokenIn(planted): true, tokenIn(first): true, tokenIn(second): true}
	if len(seen) != 3 {
		t.Errorf("tokens %v", seen)
	}
	s.want("planted, after the sign-in", planted, session.ErrInvalid)
	s.want("signed in", second, nil)
}

// STORE-05: an expired session is nobody's, and is removed.
func TestSTORE05ExpiredRow(t *testing.T) {
	for _, remembered := range []bool{false, true} {
		s := newStored(t, session.Options{Database: true, MaxAge: time.Hour})
		h := s.signIn("s1")
		s.clock.add(time.Hour - time.Second)
		if remembered {
			s.want("a second before its end", h, nil)
		}
		s.clock.add(time.Second)
		s.want("at its end", h, session.ErrExpired)
		if _, kept := s.row("s1"); kept {
			t.Error("the row is still there")
		}
		s.want("afterwards", h, session.ErrInvalid)
	}
	s := newStored(t, session.Options{Database: true, MaxAge: time.Hour})
	h := s.signIn("s1")
	s.clock.add(time.Hour)
	s.store.broken("DeleteSession", true)
	s.want("that cannot be removed", h, session.ErrExpired)
}

// STORE-08: a sign-out beside renewals. The row never comes back.
func TestSTORE08SignOutDuringRenewal(t *testing.T) {
	s := newStored(t, session.Options{Database: true, MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	for range 200 {
		sid := session.NewID()
		h := s.signIn(sid)
		s.clock.add(time.Hour)
		got, err := s.read(h)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if i == 2 {
					if err := s.End(ctx, got); err != nil {
						t.Error(err)
					}
					return
				}
				if _, _, err := s.Refresh(ctx, h, names, got, got.Claims); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, kept := s.row(sid); kept {
			t.Fatal("the row is back")
		}
		if got, err := s.read(h); err == nil {
			t.Fatalf("afterwards: %+v", got)
		}
	}
}

// A session is written once in UpdateAge, however many requests find it due. The
// answer has the old end, the cookie the new one, as with NextAuth.
func TestRowsAreRenewedOnce(t *testing.T) {
	s := newStored(t, session.Options{Database: true, MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	h := s.signIn("s1")
	began := s.clock.Now()
	refresh := func() (*session.Session, []cookie.Cookie) {
		got, err := s.read(h)
		if err != nil {
			t.Error(err)
			return nil, nil
		}
		cookies, renewed, err := s.Refresh(ctx, h, names, got, got.Claims)
		if err != nil || len(cookies) != 1 || cookies[0].Value != tokenIn(h) {
			t.Errorf("%+v, %v", cookies, err)
		}
		return renewed, cookies
	}
	s.clock.add(time.Hour - time.Millisecond)
	if got, cookies := refresh(); !got.Expires.Equal(began.Add(10*time.Hour)) || !cookies[0].Expires.Equal(s.clock.Now().Add(10*time.Hour)) {
		t.Errorf("ends %v, cookie %v", got.Expires, cookies[0].Expires)
	}
	if n := s.store.count("ExtendSession"); n != 0 {
		t.Errorf("%d writes before it was due", n)
	}
	for round := 1; round <= 3; round++ {
		s.clock.add(time.Hour)
		old, _ := s.row("s1")
		end := s.clock.Now().Add(10 * time.Hour)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				got, cookies := refresh()
				if got == nil || !got.Expires.Equal(old.Expires) && !got.Expires.Equal(end) || !cookies[0].Expires.Equal(end) {
					t.Errorf("round %d: %+v, cookies %+v", round, got, cookies)
				}
			})
		}
		wg.Wait()
		if n := s.store.count("extended"); n != round {
			t.Errorf("round %d: %d writes", round, n)
		}
		if row, _ := s.row("s1"); !row.Expires.Equal(end) || !row.Seen.Equal(s.clock.Now()) || !row.Created.Equal(began) {
			t.Errorf("round %d: %+v", round, row)
		}
	}
}

// Who comes just after a renewal finds the new end.
func TestRowsAfterRenewal(t *testing.T) {
	s := newStored(t, session.Options{Database: true, MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	h := s.signIn("s1")
	s.clock.add(time.Hour)
	got, _ := s.read(h)
	if _, _, err := s.Refresh(ctx, h, names, got, got.Claims); err != nil {
		t.Fatal(err)
	}
	got, err := s.read(h)
	if err != nil || s.Due(got) || !got.Expires.Equal(s.clock.Now().Add(10*time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRowsDue(t *testing.T) {
	s := newStored(t, session.Options{Database: true, MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	h := s.signIn("s1")
	for _, tc := range []struct {
		after time.Duration
		want  bool
	}{{time.Hour - time.Second, false}, {time.Second, true}} {
		s.clock.add(tc.after)
		got, err := s.read(h)
		if err != nil || s.Due(got) != tc.want {
			t.Errorf("%v later: %v, %v", tc.after, !tc.want, err)
		}
	}
}

// A page's requests ask once, and those that follow do not ask at all.
func TestRowsBurst(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	h := s.signIn("s1")
	s.store.delay = 20 * time.Millisecond
	for round := 1; round <= 3; round++ {
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { s.want("in a burst", h, nil) })
		}
		wg.Wait()
		if n := s.store.count("SessionByToken"); n != round {
			t.Errorf("burst %d: %d questions", round, n)
		}
		s.clock.add(2 * time.Second)
	}
}

// A question goes on when the one who asked first has gone.
func TestRowsAskerGone(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	h := s.signIn("s1")
	s.store.delay = 50 * time.Millisecond
	gone, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Read(gone, h, names); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the one who has gone: %v", err)
		}
	})
	time.Sleep(5 * time.Millisecond)
	wg.Go(func() { s.want("the one who joined", h, nil) })
	wg.Wait()
	if n := s.store.count("SessionByToken"); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// What this process ends is over at once, what others end after two seconds.
func TestRowsStaleness(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	ours, theirs := s.signIn("s1"), s.signIn("s2")
	s.want("ours", ours, nil)
	s.want("theirs", theirs, nil)
	asked := s.store.count("SessionByToken")

	got, _ := s.read(ours)
	if err := s.End(ctx, got); err != nil {
		t.Fatal(err)
	}
	s.want("ours, signed out", ours, session.ErrEnded)

	if err := s.store.Driver.DeleteSession(ctx, "s2"); err != nil {
		t.Fatal(err)
	}
	s.clock.add(2*time.Second - time.Millisecond)
	s.want("theirs, just signed out elsewhere", theirs, nil)
	if n := s.store.count("SessionByToken"); n != asked {
		t.Errorf("asked %d times more", n-asked)
	}
	s.clock.add(time.Millisecond)
	s.want("theirs, two seconds later", theirs, session.ErrInvalid)
	s.want("ours, two seconds later", ours, session.ErrInvalid)
}

func TestRowsTokenTooLong(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	s.want("too long", cookieOf(strings.Repeat("x", 513)), session.ErrInvalid)
	if n := s.store.count("SessionByToken"); n != 0 {
		t.Error("asked for what cannot be a token")
	}
	for _, token := range []string{strings.Repeat("x", 512), "' OR 1=1 --", "s1"} { // STORE-06
		s.want(token, cookieOf(token), session.ErrInvalid)
	}
	if n := s.store.count("SessionByToken"); n != 3 {
		t.Errorf("%d questions, want 3", n)
	}
}

// STORE-01: while the store is down nobody is let in, and nobody is told to have
// no session.
func TestSTORE01StoreDown(t *testing.T) {
	s := newStored(t, session.Options{Database: true, MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	h := s.signIn("s1")
	got, err := s.read(h)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.add(time.Hour)
	s.store.broken("*", true)
	for _, line := range []string{
		h.Get("Cookie"),
		names.Session + "=stale; " + h.Get("Cookie"),
		names.Session + "=" + strings.Repeat("x", 600) + "; " + h.Get("Cookie"),
		h.Get("Cookie") + "; " + names.Session + "=" + strings.Repeat("x", 600),
	} {
		s.want(line, http.Header{"Cookie": {line}}, session.ErrUnavailable)
		s.want(line, http.Header{"Cookie": {line}}, errStore)
	}
	for what, err := range map[string]error{
		"Issue":    errorOf3(s.Issue(ctx, h, names, s.claims("s2"), session.Client{})),
		"Refresh":  errorOf3(s.Refresh(ctx, h, names, got, got.Claims)),
		"End":      s.End(ctx, got),
		"EndAll":   errorOf2(s.EndAll(ctx, h, names)),
		"EndOwner": s.EndOwner(ctx, s.user.ID),
	} {
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, errStore) {
			t.Errorf("%s: %v", what, err)
		}
	}

	// STORE-07: it is back, and nobody has to sign in again.
	s.store.broken("*", false)
	s.want("afterwards", h, nil)
}

func errorOf2[A any](_ A, err error) error         { return err }
func errorOf3[A, B any](_ A, _ B, err error) error { return err }

// Beside a session that is over for sure, one that nobody can tell of keeps its
// cookie.
func TestSTORE01BesideAnEndedSession(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	over, unknown := s.signIn("s1"), s.signIn("s2")
	got, err := s.read(over)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.End(ctx, got); err != nil {
		t.Fatal(err)
	}
	s.store.broken("*", true)
	s.want("over", over, session.ErrEnded)
	for _, line := range []string{over.Get("Cookie") + "; " + unknown.Get("Cookie"), unknown.Get("Cookie") + "; " + over.Get("Cookie")} {
		s.want(line, http.Header{"Cookie": {line}}, session.ErrUnavailable)
	}
}

// A sign-out that the store does not hear of is none.
func TestSTORE01SignOutFails(t *testing.T) {
	for _, method := range []string{"Revoke", "DeleteSession"} {
		for name, database := range strategies {
			s := newStored(t, session.Options{Database: database})
			h := s.signIn("s1")
			s.store.broken(method, true)
			if _, err := s.EndAll(ctx, h, names); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s, %s fails: %v", name, method, err)
			}
			s.store.broken(method, false)
			if ended, err := s.EndAll(ctx, h, names); err != nil || ended == nil {
				t.Errorf("%s, %s works again: %+v, %v", name, method, ended, err)
			}
			s.want(name, h, session.ErrEnded)
			if _, kept := s.row("s1"); kept {
				t.Errorf("%s: the row is still there", name)
			}
		}
	}
}

// Another site's session, of the same store, is none here.
func TestRowsRealms(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	h := s.signIn("s1")
	for realm, want := range map[string]error{"r1": nil, "r2": session.ErrInvalid} {
		m := newManager(t, session.Options{Database: true, Store: s.store, Now: s.clock.Now, Realms: map[string]string{"op": realm}})
		if _, err := m.Read(ctx, h, names); !errors.Is(err, want) {
			t.Errorf("realm %s: %v, want %v", realm, err, want)
		}
	}
}

// The row says whose session it is, whatever is written in it.
func TestRowsEvidence(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	put := func(id string, evidence string) http.Header {
		t.Helper()
		row := store.Session{ID: id, Token: "token-" + id, UserID: s.user.ID, Expires: s.clock.Now().Add(time.Hour)}
		if evidence != "" {
			row.Evidence = json.RawMessage(evidence)
		}
		if err := s.store.CreateSession(ctx, row); err != nil {
			t.Fatal(err)
		}
		return cookieOf(row.Token)
	}
	got, err := s.read(put("a", `{"sid":"other","provider":"op","user":"other"}`))
	if err != nil || got.Key() != "a" || got.Owner() != s.user.ID {
		t.Errorf("%+v, %v", got, err)
	}
	// Auth.js has no evidence, nor does it say when a session began.
	h := put("b", "")
	got, err = s.read(h)
	if err != nil || got.HasEvidence || got.Key() != "b" || got.Owner() != s.user.ID || !got.Since().Equal(s.clock.Now()) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, broken := range []string{`{"sid":`, `[]`, `"x"`, `{"sid":"x"}`} {
		got, err := s.read(put("c"+broken, broken))
		if err == nil && got.HasEvidence {
			t.Errorf("%s: %+v", broken, got)
		}
	}
	if err := s.EndOwner(ctx, s.user.ID); err != nil {
		t.Fatal(err)
	}
	s.want("ended with the user's", h, session.ErrEnded)
	s.clock.add(5 * time.Second)
	s.want("begun by Auth.js afterwards", put("d", ""), nil)
}

// IDENT-04: a provider has vouched for an address. It has not for the one that the
// user, or somebody who has access to the database, puts in its place.
func TestIDENT04RowsOfAnotherAddress(t *testing.T) {
	s := newStored(t, session.Options{Database: true})
	h := s.signIn("s1")
	for _, tc := range []struct {
		email  string
		proved time.Time
		want   bool
	}{
		{"ada@example.com", time.Time{}, true},
		{"boss@example.com", time.Time{}, false},
		{"", time.Time{}, false},
		{"boss@example.com", s.clock.Now(), true},
		{"ada@example.com", time.Time{}, true},
	} {
		u := s.user
		u.Email, u.EmailVerified = tc.email, tc.proved
		if err := s.store.UpdateUser(ctx, u); err != nil {
			t.Fatal(err)
		}
		s.clock.add(3 * time.Second)
		got, err := s.read(h)
		if err != nil {
			t.Fatal(err)
		}
		claimed, _ := got.Claim("caddyauth.verified")
		if got.User.Email != tc.email || got.Evidence.Verified != tc.want || claimed.Bool() != tc.want || got.Key() != "s1" {
			t.Errorf("%q, proved %v: %+v", tc.email, tc.proved, got)
		}
	}
}

func TestIDENT08LiveUsersOfRows(t *testing.T) {
	alive := true
	s := newStored(t, session.Options{Database: true, Live: func(*session.Session) ([]string, []string, bool) { return []string{"new"}, nil, alive }})
	h := s.signIn("s1")
	if got, err := s.read(h); err != nil || len(got.Evidence.Groups) != 1 || got.Evidence.Groups[0] != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	alive = false
	s.want("removed from the users file", h, session.ErrEnded)
}

// The store never has an empty id, which would be everybody's.
func TestEndWithoutAKey(t *testing.T) {
	s := newStored(t, session.Options{})
	if err := s.End(ctx, &session.Session{}); err != nil {
		t.Fatal(err)
	}
	if n := s.store.count("Revoke") + s.store.count("DeleteSession"); n != 0 {
		t.Errorf("%d questions", n)
	}
}
