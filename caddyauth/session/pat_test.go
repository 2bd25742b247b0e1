package session_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

func basic(userinfo string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))
}

func TestNewToken(t *testing.T) {
	form := regexp.MustCompile(`^caddyauth_pat_[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 1000 {
		token := session.NewToken()
		if !form.MatchString(token) || seen[token] {
			t.Fatalf("token %q", token)
		}
		seen[token] = true
	}
}

func TestTokenOf(t *testing.T) {
	token := session.NewToken()
	for name, c := range map[string]struct {
		fields []string
		want   bool
	}{
		"bearer":                       {[]string{"Bearer " + token}, true},
		"bearer, lower case":           {[]string{"bearer " + token}, true},
		"bearer, upper case":           {[]string{"BEARER " + token}, true},
		"bearer, spaces":               {[]string{"Bearer   " + token + " "}, true},
		"basic, git":                   {[]string{basic("git:" + token)}, true},
		"basic, no user":               {[]string{basic(":" + token)}, true},
		"basic, lower case":            {[]string{strings.Replace(basic("u:"+token), "Basic", "basic", 1)}, true},
		"basic, user of any kind":      {[]string{basic("Jörg Müller@host:" + token)}, true},
		"none":                         {nil, false},
		"empty":                        {[]string{""}, false},
		"scheme alone":                 {[]string{"Bearer"}, false},
		"no scheme":                    {[]string{token}, false},
		"another scheme":               {[]string{"Digest " + token}, false},
		"scheme glued on":              {[]string{"Bearer" + token}, false},
		"tab instead of a space":       {[]string{"Bearer\t" + token}, false},
		"scheme of two words":          {[]string{"Bearer Bearer " + token}, false},
		"token of somebody else's":     {[]string{"Bearer ghp_0123456789"}, false},
		"token in upper case":          {[]string{"Bearer " + strings.ToUpper(token)}, false},
		"a JSON Web Token":             {[]string{"Bearer eyJhbGciOiJub25lIn0.e30."}, false},
		"prefix inside":                {[]string{"Bearer x" + token}, false},
		"basic, token as the user":     {[]string{basic(token + ":")}, false},
		"basic, no colon":              {[]string{basic(token)}, false},
		"basic, ordinary password":     {[]string{basic("alice:hunter2")}, false},
		"basic, no base64":             {[]string{"Basic " + token}, false},
		"basic, base64 of URLs":        {[]string{"Basic " + base64.URLEncoding.EncodeToString([]byte("\xff\xff\xff:"+token))}, false},
		"basic, no padding":            {[]string{strings.TrimRight(basic("u:"+token), "=")}, false},
		"basic, too long":              {[]string{basic(strings.Repeat("u", 2000) + ":" + token)}, false},
		"basic, empty":                 {[]string{"Basic "}, false},
		"several fields":               {[]string{"Bearer " + token, "Bearer " + token}, false},
		"several fields, one of them":  {[]string{"Basic Og==", "Bearer " + token}, false},
		"several in one field, second": {[]string{"Basic Og==, Bearer " + token}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := session.TokenOf(http.Header{"Authorization": c.fields, "Proxy-Authorization": {"Bearer " + token}})
			if ok != c.want || ok && got != token {
				t.Errorf("got %q, %t", got, ok)
			}
		})
	}
	// A password may have colons in it, and what follows a token is a part of it:
	// there is no such token.
	for _, field := range []string{basic("u:" + token + ":x"), "Bearer " + token + ", Basic Og=="} {
		if got, _ := session.TokenOf(http.Header{"Authorization": {field}}); got == token {
			t.Errorf("%s passes for the token", field)
		}
	}
}

func FuzzTokenOf(f *testing.F) {
	token := session.TokenPrefix + strings.Repeat("A", 43)
	for _, seed := range []string{"Bearer " + token, basic("u:" + token), "basic Og==", "Bearer", "", "Basic \xff", "Bearer  \t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		got, ok := session.TokenOf(http.Header{"Authorization": {field}})
		if !ok {
			return
		}
		if !strings.HasPrefix(got, session.TokenPrefix) {
			t.Errorf("%q: %q is no token of ours", field, got)
		}
		if again, ok := session.TokenOf(http.Header{"Authorization": {basic("u:" + got)}}); len(field) < 500 && (!ok || again != got) {
			t.Errorf("%q: as a password it is %q", got, again)
		}
	})
}

// ledger is a store that counts what is asked of tokens, and can fail.
type ledger struct {
	store.Driver

	mu               sync.Mutex
	asked, touched   int
	failsAsk, failsT bool
}

func (l *ledger) TokenByHash(ctx context.Context, hash string) (store.Token, store.User, error) {
	l.mu.Lock()
	l.asked++
	fails := l.failsAsk
	l.mu.Unlock()
	if fails {
		return store.Token{}, store.User{}, errors.New("disk on fire")
	}
	return l.Driver.TokenByHash(ctx, hash)
}

func (l *ledger) TouchToken(ctx context.Context, id string, used time.Time) error {
	l.mu.Lock()
	l.touched++
	fails := l.failsT
	l.mu.Unlock()
	if fails {
		return errors.New("disk is full")
	}
	return l.Driver.TouchToken(ctx, id, used)
}

// holder is a user with a token.
type holder struct {
	t      testing.TB
	clock  *clock
	ledger *ledger
	user   store.User
	secret string
	token  store.Token
}

func newHolder(t testing.TB, change ...func(*store.Token)) *holder {
	t.Helper()
	h := &holder{t: t, clock: newClock(), ledger: &ledger{Driver: memory.New()}, secret: session.NewToken()}
	ctx := context.Background()
	var err error
	if h.user, err = h.ledger.CreateUser(ctx, store.User{Name: "Ada", Email: "ada@example.com"}); err != nil {
		t.Fatal(err)
	}
	e := session.Evidence{SID: "s1", Provider: "op", Realm: "r1", Account: "1", Login: "ada", Roles: []string{"staff"}, AuthTime: 1, User: h.user.ID, Since: 1000}
	h.token = store.Token{ID: "t1", UserID: h.user.ID, Hash: store.Hash(h.secret), Name: "CI", Created: h.clock.Now(), Paths: []string{"/repo/*"}, Methods: []string{"GET"}}
	if h.token.Evidence, err = session.TokenEvidence(&session.Session{HasEvidence: true, Evidence: e}); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&h.token)
	}
	if err := h.ledger.CreateToken(ctx, h.token); err != nil {
		t.Fatal(err)
	}
	return h
}

// node is one process with the store.
func (h *holder) node(change ...func(*session.Options)) *session.Manager {
	h.t.Helper()
	o := session.Options{Store: h.ledger, Now: h.clock.Now}
	for _, c := range change {
		c(&o)
	}
	return newManager(h.t, o)
}

func (h *holder) read(m *session.Manager) error {
	_, err := m.ReadToken(context.Background(), h.secret)
	return err
}

func (h *holder) want(m *session.Manager, want error) {
	h.t.Helper()
	if err := h.read(m); !errors.Is(err, want) {
		h.t.Errorf("got %v, want %v", err, want)
	}
}

func TestReadToken(t *testing.T) {
	h := newHolder(t)
	s, err := h.node().ReadToken(context.Background(), h.secret)
	if err != nil {
		t.Fatal(err)
	}
	if s.User != (session.User{ID: h.user.ID, Name: "Ada", Email: "ada@example.com"}) || s.Owner() != h.user.ID {
		t.Errorf("user %+v", s.User)
	}
	if s.PAT == nil || s.PAT.ID != "t1" || !slices.Equal(s.PAT.Paths, h.token.Paths) || !slices.Equal(s.PAT.Methods, h.token.Methods) {
		t.Errorf("token %+v", s.PAT)
	}
	e := s.Evidence
	if !s.HasEvidence || e.Provider != "op" || e.Login != "ada" || !slices.Equal(e.Roles, []string{"staff"}) || e.Since != 0 || e.SID == "s1" || e.SID == "" {
		t.Errorf("evidence %+v", e)
	}
	if s.Key() == "s1" || s.Key() == "t1" || s.Key() == "" {
		t.Errorf("key %q is that of a session", s.Key())
	}
}

// What is kept with a token names no session.
func TestTokenEvidence(t *testing.T) {
	raw, err := session.TokenEvidence(&session.Session{HasEvidence: true, Evidence: session.Evidence{SID: "secret-sid", Provider: "op", Since: 12345, AuthTime: 7}})
	if err != nil || strings.Contains(string(raw), "secret-sid") || strings.Contains(string(raw), "since") {
		t.Errorf("%s, %v", raw, err)
	}
	if raw, err := session.TokenEvidence(&session.Session{}); raw != nil || err != nil {
		t.Errorf("of a session without any: %s, %v", raw, err)
	}
}

func TestReadTokenGarbage(t *testing.T) {
	h := newHolder(t)
	m := h.node()
	for _, token := range []string{
		"", session.TokenPrefix, h.secret[:len(h.secret)-1], h.secret + "A", session.NewToken(), " " + h.secret[1:],
		store.Hash(h.secret), session.TokenPrefix + strings.Repeat("\x00", 43), session.TokenPrefix + strings.Repeat("A", 1<<20),
	} {
		if _, err := m.ReadToken(context.Background(), token); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("%.60q: %v", token, err)
		}
	}
	if h.ledger.asked > 4 {
		t.Errorf("the store was asked %d times: it is not for what cannot be a token", h.ledger.asked)
	}
	none := newManager(t, session.Options{Now: h.clock.Now})
	h.want(none, session.ErrInvalid)
}

func TestReadTokenExpired(t *testing.T) {
	h := newHolder(t, func(t *store.Token) { t.Expires = t.Created.Add(time.Second) })
	m := h.node()
	h.want(m, nil)
	h.clock.add(time.Second - time.Nanosecond)
	h.want(m, nil)
	// The cache has it for another second.
	h.clock.add(time.Nanosecond)
	h.want(m, session.ErrExpired)
	h.clock.add(time.Hour)
	h.want(m, session.ErrExpired)

	never := newHolder(t)
	m = never.node(func(o *session.Options) { o.MaxAge, o.Idle = time.Hour, time.Minute })
	never.clock.add(100 * 365 * 24 * time.Hour)
	never.want(m, nil)
}

func TestReadTokenCache(t *testing.T) {
	h := newHolder(t)
	m := h.node()
	for range 10 {
		h.want(m, nil)
	}
	if h.ledger.asked != 1 || h.ledger.touched != 1 {
		t.Errorf("asked %d times, touched %d times, want 1 and 1", h.ledger.asked, h.ledger.touched)
	}
	h.clock.add(2 * time.Second)
	h.want(m, nil)
	if h.ledger.asked != 2 || h.ledger.touched != 1 {
		t.Errorf("after two seconds: asked %d times, touched %d times, want 2 and 1", h.ledger.asked, h.ledger.touched)
	}
	h.clock.add(time.Minute)
	h.want(m, nil)
	if list, err := h.ledger.Tokens(context.Background(), h.user.ID); err != nil || !list[0].Used.Equal(h.clock.Now()) || h.ledger.touched != 2 {
		t.Errorf("last use %v, want %v; %v", list[0].Used, h.clock.Now(), err)
	}
	h.ledger.failsAsk = true
	h.want(m, nil)
	h.clock.add(2 * time.Second)
	h.want(m, session.ErrUnavailable)
	h.ledger.failsAsk, h.ledger.failsT = false, true
	h.clock.add(time.Hour)
	h.want(m, nil) // that its use cannot be noted is no reason to refuse it
}

func TestEndToken(t *testing.T) {
	ctx := context.Background()
	watching := func(h *holder) func(*session.Options) {
		return func(o *session.Options) {
			o.Ended = session.NewEnded()
			ctx, cancel := context.WithCancel(ctx)
			h.t.Cleanup(cancel)
			o.Ended.Watch(ctx, h.ledger, h.clock.Now, zap.NewNop())
		}
	}
	t.Run("here at once, elsewhere within a second", func(t *testing.T) {
		h := newHolder(t)
		here, there := h.node(), h.node(watching(h))
		h.want(here, nil)
		h.want(there, nil) // which keeps it, and no clock moves
		if err := here.EndToken(ctx, h.user.ID, "t1"); err != nil {
			t.Fatal(err)
		}
		h.want(here, session.ErrEnded)
		deadline := time.Now().Add(time.Second)
		for h.read(there) == nil && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		h.want(there, session.ErrEnded)
		h.clock.add(time.Hour)
		h.want(here, session.ErrInvalid) // it is gone
	})
	t.Run("by command", func(t *testing.T) {
		h := newHolder(t)
		m := h.node()
		h.want(m, nil)
		if err := session.RevokeToken(ctx, h.ledger, "", "t1", h.clock.Now()); err != nil {
			t.Fatal(err)
		}
		h.clock.add(2 * time.Second)
		h.want(m, session.ErrInvalid)
		if err := session.RevokeToken(ctx, h.ledger, "", "t1", h.clock.Now()); err != nil {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("of another", func(t *testing.T) {
		h := newHolder(t)
		m := h.node(watching(h))
		h.want(m, nil)
		mallory, err := h.ledger.CreateUser(ctx, store.User{Name: "Mallory"})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"t1", "", "t2"} {
			if err := m.EndToken(ctx, mallory.ID, id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		for range 20 {
			h.want(m, nil)
			time.Sleep(5 * time.Millisecond)
		}
		h.want(h.node(), nil)
	})
	t.Run("with the user", func(t *testing.T) {
		h := newHolder(t)
		m := h.node()
		h.want(m, nil)
		if err := h.ledger.DeleteUser(ctx, h.user.ID); err != nil {
			t.Fatal(err)
		}
		h.clock.add(2 * time.Second)
		h.want(m, session.ErrInvalid)
	})
	t.Run("not with the sessions", func(t *testing.T) {
		h := newHolder(t)
		m := h.node()
		if err := m.EndOwner(ctx, h.user.ID); err != nil {
			t.Fatal(err)
		}
		h.want(m, nil)
	})
	t.Run("the store fails", func(t *testing.T) {
		h := newHolder(t)
		broken := h.node(func(o *session.Options) { o.Store = failing{h.ledger} })
		if err := broken.EndToken(ctx, h.user.ID, "t1"); err == nil {
			t.Error("it says that the token has ended")
		}
		h.want(h.node(), nil)
	})
}

type failing struct{ store.Driver }

func (failing) DeleteToken(context.Context, string, string) error { return errors.New("read-only") }

// What the users file and the list of providers say counts for tokens as well,
// although their evidence has no sid.
func TestReadTokenLive(t *testing.T) {
	alive, asked := true, 0
	live := func(o *session.Options) {
		o.Live = func(s *session.Session) (groups, roles []string, ok bool) {
			asked++
			if s.Evidence.Provider != "op" || s.Evidence.Login != "ada" {
				t.Errorf("asked about %+v", s.Evidence)
			}
			return []string{"math"}, []string{"admin"}, alive
		}
	}
	h := newHolder(t)
	m := h.node(live)
	s, err := m.ReadToken(context.Background(), h.secret)
	if err != nil || !slices.Equal(s.Evidence.Groups, []string{"math"}) || !slices.Equal(s.Evidence.Roles, []string{"admin"}) || s.PAT == nil {
		t.Errorf("%+v, %v", s, err)
	}
	alive = false
	h.want(m, session.ErrEnded)
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

func TestReadTokenRealm(t *testing.T) {
	h := newHolder(t)
	for want, realms := range map[error]map[string]string{
		nil:                {"op": "r1", "github": ""},
		session.ErrInvalid: {"op": "r2"},
	} {
		h.want(h.node(func(o *session.Options) { o.Realms = realms }), want)
	}
	h.want(h.node(func(o *session.Options) { o.Realms = map[string]string{} }), session.ErrInvalid)
}

// Somebody vouched for an address once. That says nothing about the next one.
func TestReadTokenOtherAddress(t *testing.T) {
	h := newHolder(t, func(row *store.Token) {
		s := &session.Session{HasEvidence: true, User: session.User{Email: "ada@example.com"}, Evidence: session.Evidence{Provider: "op", Verified: true}}
		var err error
		if row.Evidence, err = session.TokenEvidence(s); err != nil {
			t.Fatal(err)
		}
	})
	for _, c := range []struct {
		email    string
		proved   bool
		verified bool
	}{{"ada@example.com", false, true}, {"boss@example.com", false, false}, {"boss@example.com", true, true}} {
		h.user.Email, h.user.EmailVerified = c.email, time.Time{}
		if c.proved {
			h.user.EmailVerified = h.clock.Now()
		}
		if err := h.ledger.UpdateUser(context.Background(), h.user); err != nil {
			t.Fatal(err)
		}
		s, err := h.node().ReadToken(context.Background(), h.secret)
		if err != nil || s.User.Email != c.email || s.Evidence.Verified != c.verified || s.PAT == nil {
			t.Errorf("%+v: %+v, %v", c, s, err)
		}
	}
}

// Evidence that nobody can read is no reason to go without it.
func TestReadTokenEvidence(t *testing.T) {
	for raw, want := range map[string]error{
		`{"provider":"op"}`:              nil,
		`{"sid":"x","provider":"op"}`:    nil,
		`{}`:                             session.ErrInvalid,
		`{"sid":"x"}`:                    session.ErrInvalid,
		`null`:                           session.ErrInvalid,
		`[]`:                             session.ErrInvalid,
		`{"provider":7}`:                 session.ErrInvalid,
		`{"provider":"op","roles":"no"}`: session.ErrInvalid,
	} {
		h := newHolder(t, func(t *store.Token) { t.Evidence = json.RawMessage(raw) })
		if err := h.read(h.node()); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", raw, err, want)
		}
	}
	h := newHolder(t, func(t *store.Token) { t.Evidence = nil })
	s, err := h.node().ReadToken(context.Background(), h.secret)
	if err != nil || s.HasEvidence || s.User.ID != h.user.ID {
		t.Errorf("without any: %+v, %v", s, err)
	}
}

// Many at once make few questions of it, and all get the same answer.
func TestReadTokenAtOnce(t *testing.T) {
	h := newHolder(t)
	m := h.node()
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 50 {
				if err := h.read(m); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if h.ledger.asked > 32 {
		t.Errorf("asked %d times", h.ledger.asked)
	}
}

func BenchmarkReadToken(b *testing.B) {
	h := newHolder(b)
	m := h.node()
	header := http.Header{"Authorization": {basic("git:" + h.secret)}}
	b.ReportAllocs()
	for b.Loop() {
		token, _ := session.TokenOf(header)
		if _, err := m.ReadToken(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCarriesToken(t *testing.T) {
	token := session.NewToken()
	encoded := func(e *base64.Encoding, text string) string { return e.EncodeToString([]byte(text)) }
	for field, want := range map[string]bool{
		"":                               false,
		"Bearer abc":                     false,
		"Basic":                          false,
		"Basic YTpi":                     false,
		"Basic ???":                      false,
		"Basically":                      false,
		"Negotiate YIIZG1hcg":            false,
		"Bearer " + token:                true,
		"bearer\t" + token:               true,
		"token " + token:                 true,
		"Bearer abc, Bearer " + token:    true,
		"Bearer " + token[:len(token)-1]: true,
		"Basic " + encoded(base64.StdEncoding, "a:"+token):                          true,
		"basic\t" + encoded(base64.StdEncoding, "a:"+token):                         true,
		"Basic  " + encoded(base64.RawStdEncoding, "ab:"+token):                     true,
		"Basic " + encoded(base64.URLEncoding, "\xff\xfe\xfd:"+token):               true,
		"Basic " + encoded(base64.StdEncoding, token+":x-oauth-basic"):              true,
		"Basic " + encoded(base64.StdEncoding, strings.Repeat("a", 4000)+":"+token): true,
		"Basic " + encoded(base64.StdEncoding, "a:"+token) + " x":                   true,
		"Basic " + encoded(base64.StdEncoding, "a:caddyauth"):                       false,
	} {
		if got := session.CarriesToken(field); got != want {
			t.Errorf("%.80q: %t", field, got)
		}
	}
}
