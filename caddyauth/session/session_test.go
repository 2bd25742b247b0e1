package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

const secret = "session-test-secret-0123456789abcdef"

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func mustRing(t testing.TB) *jwt.Ring {
	t.Helper()
	ring, err := jwt.NewRing(dialect.V4, []string{secret}, "")
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newManager(t testing.TB, o session.Options) *session.Manager {
	t.Helper()
	if o.Ring == nil {
		o.Ring = mustRing(t)
	}
	m, err := session.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var names = func() *cookie.Names { n := cookie.NewNames(dialect.V4, "next-auth", true); return &n }()

// jar turns Set-Cookie lines into the header of the next request, as a browser
// keeps them.
func jar(h http.Header, cookies []cookie.Cookie) http.Header {
	kept := map[string]string{}
	var order []string
	set := func(name, value string) {
		if _, ok := kept[name]; !ok {
			order = append(order, name)
		}
		kept[name] = value
	}
	for _, c := range (&http.Request{Header: h}).Cookies() {
		set(c.Name, c.Value)
	}
	for _, c := range cookies {
		set(c.Name, c.Value)
	}
	var parts []string
	for _, name := range order {
		if kept[name] != "" {
			parts = append(parts, name+"="+kept[name])
		}
	}
	next := http.Header{}
	if len(parts) > 0 {
		next.Set("Cookie", strings.Join(parts, "; "))
	}
	return next
}

func claims(sid string) map[string]any {
	return map[string]any{
		"name": "Ada", "email": "ada@example.com", "picture": nil, "sub": "1",
		"caddyauth": session.Evidence{SID: sid, Provider: "op", Realm: "r1", Account: "1", Login: "ada", Verified: true,
			Domain: "example.com", Roles: []string{"staff"}, Groups: []string{"math"}, AuthTime: 1},
	}
}

func issue(t testing.TB, m *session.Manager, c map[string]any) (http.Header, *session.Session) {
	t.Helper()
	cookies, s, err := m.Issue(context.Background(), http.Header{}, names, c, session.Client{})
	if err != nil {
		t.Fatal(err)
	}
	return jar(http.Header{}, cookies), s
}

func TestIssueAndRead(t *testing.T) {
	clock := newClock()
	m := newManager(t, session.Options{Now: clock.Now})
	h, issued := issue(t, m, claims("s1"))
	for i := range 4 { // opened, remembered, kept, found
		s, err := m.Read(context.Background(), h, names)
		if err != nil {
			t.Fatal(i, err)
		}
		if s.User != (session.User{ID: "1", Name: "Ada", Email: "ada@example.com"}) {
			t.Errorf("user %+v", s.User)
		}
		if !s.HasEvidence || s.Evidence.Login != "ada" || s.Evidence.Groups[0] != "math" || !s.Evidence.Verified || s.Evidence.Domain != "example.com" {
			t.Errorf("evidence %+v", s.Evidence)
		}
		if s.JTI != issued.JTI || !s.Expires.Equal(clock.Now().Add(30*24*time.Hour)) {
			t.Errorf("jti %q expires %v", s.JTI, s.Expires)
		}
	}
}

// The attributes are NextAuth's: Expires and no Max-Age.
func TestSessionCookie(t *testing.T) {
	clock := newClock()
	m := newManager(t, session.Options{Now: clock.Now, MaxAge: time.Hour, Domain: "example.com"})
	cookies, _, err := m.Issue(context.Background(), http.Header{}, names, claims("s1"), session.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	line := cookies[0].String()
	_, attributes, _ := strings.Cut(line, "; ")
	if want := "Domain=example.com; Path=/; Expires=Wed, 02 Jan 2030 04:04:05 GMT; HttpOnly; Secure; SameSite=Lax"; attributes != want {
		t.Errorf("attributes\n%s, want\n%s", attributes, want)
	}
	if !strings.HasPrefix(line, "__Secure-next-auth.session-token=") {
		t.Error(line)
	}
}

// Deviation 2: a fresh token does not outlive a short session.
func TestSignInLifetime(t *testing.T) {
	for _, tc := range []struct{ maxAge, want time.Duration }{
		{time.Minute, time.Minute},
		{90 * 24 * time.Hour, 30 * 24 * time.Hour},
	} {
		clock := newClock()
		m := newManager(t, session.Options{Now: clock.Now, MaxAge: tc.maxAge})
		_, s := issue(t, m, claims("s1"))
		if got := s.Expires.Sub(clock.Now()); got != tc.want {
			t.Errorf("max age %v: token lives %v, want %v", tc.maxAge, got, tc.want)
		}
	}
}

func TestCOOK22ExpiryInsideTheToken(t *testing.T) {
	clock := newClock()
	m := newManager(t, session.Options{Now: clock.Now, MaxAge: time.Minute})
	h, _ := issue(t, m, claims("s1"))
	for range 3 { // make sure that it is kept
		if _, err := m.Read(context.Background(), h, names); err != nil {
			t.Fatal(err)
		}
	}
	clock.add(time.Minute + 14*time.Second)
	if _, err := m.Read(context.Background(), h, names); err != nil {
		t.Errorf("14 s after expiry: %v, want it to be tolerated", err)
	}
	clock.add(2 * time.Second)
	if _, err := m.Read(context.Background(), h, names); !errors.Is(err, session.ErrExpired) {
		t.Errorf("16 s after expiry: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	m := newManager(t, session.Options{})
	good, _ := issue(t, m, claims("s1"))
	value := strings.TrimPrefix(good.Get("Cookie"), names.Session+"=")
	state, err := jwt.NewRing(dialect.V4, []string{secret}, names.State)
	if err != nil {
		t.Fatal(err)
	}
	check, err := jwt.SealClaims(state, map[string]any{"value": "v", "provider": "op"}, time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other, err := jwt.NewRing(dialect.V4, []string{"another-secret-0123456789abcdef01234567"}, "")
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := jwt.SealClaims(other, claims("s1"), time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cookie string
		want   error
	}{
		"no cookie":                          {"", session.ErrNone},
		"another cookie":                     {"theme=dark", session.ErrNone},
		"COOK-13 unprefixed name":            {"next-auth.session-token=" + value, session.ErrNone},
		"COOK-07 name that begins alike":     {names.Session + "-foo=" + value + "; " + names.Session + ".evil=" + value, session.ErrNone},
		"garbage":                            {names.Session + "=garbage", session.ErrInvalid},
		"JWE-06 dots":                        {names.Session + "=" + strings.Repeat(".", 50_000), session.ErrInvalid},
		"STATE-08 a state cookie as session": {names.Session + "=" + check, session.ErrInvalid},
		"another secret":                     {names.Session + "=" + foreign, session.ErrInvalid},
		"COOK-01 one bit":                    {names.Session + "=" + flip(value, len(value)/2), session.ErrInvalid},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if s, err := m.Read(context.Background(), http.Header{"Cookie": {tc.cookie}}, names); !errors.Is(err, tc.want) || s != nil {
				t.Errorf("%v, %v; want %v", s, err, tc.want)
			}
		})
	}
}

func flip(s string, i int) string {
	b := []byte(s)
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// A stale cookie beside a good one locks nobody out, and is cleared when the
// session is sealed again.
func TestCOOK05And12StaleCookies(t *testing.T) {
	m := newManager(t, session.Options{})
	good, _ := issue(t, m, claims("s1"))
	value := strings.TrimPrefix(good.Get("Cookie"), names.Session+"=")
	for name, line := range map[string]string{
		"COOK-12 duplicates, good last":  names.Session + "=stale; " + names.Session + "=" + value,
		"COOK-12 duplicates, good first": names.Session + "=" + value + "; " + names.Session + "=stale",
		"COOK-05 stale chunks":           names.Session + ".0=stale; " + names.Session + ".1=stale; " + names.Session + "=" + value,
		"COOK-05 stale single":           names.Session + "=stale; " + names.Session + ".0=" + value[:len(value)-50] + "; " + names.Session + ".1=" + value[len(value)-50:],
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Cookie": {line}}
			s, err := m.Read(context.Background(), h, names)
			if err != nil {
				t.Fatal(err)
			}
			cookies, _, err := m.Refresh(context.Background(), h, names, s, s.Claims)
			if err != nil {
				t.Fatal(err)
			}
			if after := jar(h, cookies).Get("Cookie"); strings.Count(after, names.Session) != 1 {
				t.Errorf("after renewal the browser has %q", after)
			}
		})
	}
}

func TestRefreshKeepsClaims(t *testing.T) {
	clock := newClock()
	m := newManager(t, session.Options{Now: clock.Now, MaxAge: time.Hour})
	c := claims("s1")
	c["big"] = json.Number("12345678901234567890")
	c["nested"] = map[string]any{"a": []any{"<&>", 1.5, nil}}
	h, first := issue(t, m, c)
	clock.add(10 * time.Minute)
	cookies, second, err := m.Refresh(context.Background(), h, names, first, first.Claims)
	if err != nil {
		t.Fatal(err)
	}
	if second.JTI == first.JTI || second.Evidence.SID != "s1" || !second.Expires.Equal(clock.Now().Add(time.Hour)) {
		t.Errorf("%+v", second)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(second.Claims), &got); err != nil {
		t.Fatal(err)
	}
	if string(got["big"]) != "12345678901234567890" || string(got["nested"]) != `{"a":["<&>",1.5,null]}` {
		t.Errorf("claims %s", second.Claims)
	}
	if _, err := m.Read(context.Background(), jar(h, cookies), names); err != nil {
		t.Error(err)
	}
}

func TestDue(t *testing.T) {
	clock := newClock()
	m := newManager(t, session.Options{Now: clock.Now, UpdateAge: time.Hour})
	_, s := issue(t, m, claims("s1"))
	clock.add(59 * time.Minute)
	if m.Due(s) {
		t.Error("due after 59 minutes")
	}
	clock.add(time.Minute)
	if !m.Due(s) {
		t.Error("not due after an hour")
	}
}

func TestCOOK10Budget(t *testing.T) {
	m := newManager(t, session.Options{})
	c := claims("s1")
	c["x"] = strings.Repeat("x", 5000)
	h, _ := issue(t, m, c)
	if n := strings.Count(h.Get("Cookie"), names.Session+"."); n != 2 {
		t.Errorf("%d chunks", n)
	}
	if _, err := m.Read(context.Background(), h, names); err != nil {
		t.Error(err)
	}
	for _, n := range []int{7000, 40_000, 400_000} {
		c["x"] = strings.Repeat("x", n)
		if _, _, err := m.Issue(context.Background(), http.Header{}, names, c, session.Client{}); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestClear(t *testing.T) {
	m := newManager(t, session.Options{})
	h := http.Header{"Cookie": {names.Session + "=a; theme=dark; " + names.Session + ".0=b; " + names.Session + ".7=c"}}
	var lines []string
	for _, c := range m.Clear(h, names) {
		lines = append(lines, c.String())
	}
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	for _, l := range lines {
		if !strings.Contains(l, "=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("%q", l)
		}
	}
}

func TestOUT01EndedSessions(t *testing.T) {
	clock := newClock()
	ended := session.NewEnded()
	m := newManager(t, session.Options{Now: clock.Now, Ended: ended})
	h, s := issue(t, m, claims("s1"))
	other, _ := issue(t, m, claims("s2"))
	read := func(h http.Header) error { _, err := m.Read(context.Background(), h, names); return err }
	for range 3 {
		if err := errors.Join(read(h), read(other)); err != nil {
			t.Fatal(err)
		}
	}
	cookies, _, err := m.Refresh(context.Background(), h, names, s, s.Claims)
	if err != nil {
		t.Fatal(err)
	}
	_ = m.End(context.Background(), s)
	for i := range 3 {
		if err := read(h); !errors.Is(err, session.ErrEnded) {
			t.Errorf("read %d after sign-out: %v", i, err)
		}
		if err := read(jar(h, cookies)); !errors.Is(err, session.ErrEnded) {
			t.Errorf("OUT-03 a renewal in flight: %v", err)
		}
		if err := read(other); err != nil {
			t.Errorf("another session: %v", err)
		}
	}
	// A manager of the next configuration shares the memory.
	if _, err := newManager(t, session.Options{Now: clock.Now, Ended: ended}).Read(context.Background(), h, names); !errors.Is(err, session.ErrEnded) {
		t.Errorf("RELOAD-01 after a reload: %v", err)
	}
	foreign := map[string]any{"sub": "1"} // as NextAuth makes them
	fh, fs := issue(t, m, foreign)
	_ = m.End(context.Background(), fs)
	if err := read(fh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("token without a sid: %v", err)
	}
}

// A token may live longer than the sessions of today: it was made before
// max_age was lowered, or by NextAuth.
func TestOUT01LongTokens(t *testing.T) {
	clock := newClock()
	ended := session.NewEnded()
	long := newManager(t, session.Options{Now: clock.Now, Ended: ended})
	short := newManager(t, session.Options{Now: clock.Now, Ended: ended, MaxAge: time.Hour})
	h, s := issue(t, long, claims("s1"))
	_ = short.End(context.Background(), s)
	for range 3 {
		clock.add(9 * time.Hour)
		_, other := issue(t, short, claims(session.NewID()))
		_ = short.End(context.Background(), other)
	}
	if _, err := short.Read(context.Background(), h, names); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a day after sign-out: %v", err)
	}
}

func TestEndAll(t *testing.T) {
	m := newManager(t, session.Options{})
	first, _ := issue(t, m, claims("s1"))
	second, _ := issue(t, m, claims("s2"))
	both := http.Header{"Cookie": {first.Get("Cookie") + "; " + names.Session + "=garbage; " + second.Get("Cookie")}}
	if s, _ := m.EndAll(context.Background(), both, names); s == nil || s.Evidence.SID != "s1" {
		t.Errorf("%+v", s)
	}
	for _, h := range []http.Header{first, second} {
		if _, err := m.Read(context.Background(), h, names); !errors.Is(err, session.ErrEnded) {
			t.Error(err)
		}
	}
	if s, _ := m.EndAll(context.Background(), http.Header{}, names); s != nil {
		t.Errorf("%+v", s)
	}
}

func TestClaim(t *testing.T) {
	m := newManager(t, session.Options{})
	_, s := issue(t, m, map[string]any{
		"sub": "1", "a": map[string]any{"b": map[string]any{"c": 3}, "b.c": 2}, "a.b": map[string]any{"c": 4},
		"resource_access": map[string]any{"my.client": map[string]any{"roles": []string{"x"}}},
	})
	for path, want := range map[string]string{
		"sub": `"1"`, "a.b.c": "4", "resource_access.my.client.roles": `["x"]`, "a.b.d": "", "": "", "a.": "", ".": "", "sub.x": "",
	} {
		if v, ok := s.Claim(path); v.Raw() != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", path, v.Raw(), ok, want)
		}
	}
}

func TestEndedIsBounded(t *testing.T) {
	ended := session.NewEnded()
	now := time.Unix(1_900_000_000, 0)
	for i := range 1_250_000 {
		ended.Add(fmt.Sprint(i), now, now.Add(time.Hour))
	}
	if !ended.Has("1249999") {
		t.Error("the latest was forgotten")
	}
	if !ended.Has("750001") {
		t.Error("half of what may be kept was not")
	}
	if ended.Has("0") {
		t.Error("nothing was forgotten")
	}
	now = now.Add(2 * time.Hour)
	ended.Add("x", now, now.Add(time.Hour))
	now = now.Add(2 * time.Hour)
	ended.Add("y", now, now.Add(time.Hour))
	if ended.Has("1249999") || !ended.Has("y") {
		t.Error("what could not be valid any more was kept")
	}
}

func TestRealms(t *testing.T) {
	m := newManager(t, session.Options{Realms: map[string]string{"op": "r1"}})
	h, _ := issue(t, m, claims("s1"))
	for name, tc := range map[string]struct {
		realms map[string]string
		want   error
	}{
		"same provider":          {map[string]string{"op": "r1", "x": "y"}, nil},
		"same id, another realm": {map[string]string{"op": "r2"}, session.ErrInvalid},
		"no such provider":       {map[string]string{"other": "r1"}, session.ErrInvalid},
		"any":                    {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, session.Options{Realms: tc.realms})
			if _, err := m.Read(context.Background(), h, names); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
	foreign, _ := issue(t, m, map[string]any{"sub": "1", "email": "a@example.com"})
	if s, err := m.Read(context.Background(), foreign, names); err != nil || s.HasEvidence {
		t.Errorf("token of NextAuth's own: %+v, %v", s, err)
	}
}

func TestIDENT08LiveUsers(t *testing.T) {
	groups, roles, alive := []string{"math"}, []string{"staff"}, true
	m := newManager(t, session.Options{Live: func(*session.Session) ([]string, []string, bool) { return groups, roles, alive }})
	h, _ := issue(t, m, claims("s1"))
	for range 3 {
		if _, err := m.Read(context.Background(), h, names); err != nil {
			t.Fatal(err)
		}
	}
	groups = []string{"math", "admin"}
	s, err := m.Read(context.Background(), h, names)
	if err != nil || len(s.Evidence.Groups) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	roles = nil
	if s, err := m.Read(context.Background(), h, names); err != nil || len(s.Evidence.Roles) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	alive = false
	if _, err := m.Read(context.Background(), h, names); !errors.Is(err, session.ErrEnded) {
		t.Errorf("removed user: %v", err)
	}
	groups, roles, alive = []string{"math"}, []string{"staff"}, true
	if s, err := m.Read(context.Background(), h, names); err != nil || len(s.Evidence.Groups) != 1 {
		t.Errorf("back again: %+v, %v", s, err)
	}
}

// JWE-09: names of claims are case-exact.
func TestJWE09CaseExactClaims(t *testing.T) {
	m := newManager(t, session.Options{})
	_, s := issue(t, m, map[string]any{"SUB": "admin", "Email": "admin@example.com", "Caddyauth": map[string]any{"sid": "x", "provider": "op"}})
	if s.Identified() || s.HasEvidence {
		t.Errorf("%+v", s)
	}
}

func TestEvidenceMustBeOurs(t *testing.T) {
	m := newManager(t, session.Options{})
	for _, bad := range []any{nil, "x", 1, []any{}, map[string]any{}, map[string]any{"sid": "x"}, map[string]any{"provider": "op"}, map[string]any{"sid": 1, "provider": 2}} {
		_, s := issue(t, m, map[string]any{"sub": "1", "caddyauth": bad})
		if s.HasEvidence || s.Evidence.SID != "" || s.Evidence.Provider != "" {
			t.Errorf("%v: %+v", bad, s.Evidence)
		}
	}
}

func TestPublic(t *testing.T) {
	expires := time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.FixedZone("", 3600))
	m := newManager(t, session.Options{})
	for want, c := range map[string]map[string]any{
		`{"user":{"name":"J <b>&","email":"j@example.com","image":null},"expires":"2030-01-02T02:04:05.678Z"}`: {
			"name": "J <b>&", "email": "j@example.com", "picture": nil, "sub": "1", "access_token": "LEAK-03"},
		`{"user":{},"expires":"2030-01-02T02:04:05.678Z"}`:              {"sub": "1"},
		`{"user":{"email":"é\""},"expires":"2030-01-02T02:04:05.678Z"}`: {"email": "é\""},
	} {
		_, s := issue(t, m, c)
		if got := string(session.Public(s, expires)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// The cache stays within its bytes, whatever it is offered, and never answers
// for another token.
func TestManySessions(t *testing.T) {
	m := newManager(t, session.Options{})
	headers := make([]http.Header, 3000)
	for i := range headers {
		c := claims(fmt.Sprint("sid", i))
		c["sub"] = fmt.Sprint(i)
		c["x"] = strings.Repeat("x", i%3000)
		headers[i], _ = issue(t, m, c)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for round := range 3 {
				for i := range headers {
					n := (i + worker*700 + round) % len(headers)
					s, err := m.Read(context.Background(), headers[n], names)
					if err != nil || s.User.ID != fmt.Sprint(n) {
						t.Errorf("session %d: %+v, %v", n, s, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestNewNeedsKeys(t *testing.T) {
	if _, err := session.New(session.Options{}); err == nil {
		t.Error("a manager without keys")
	}
}

func TestNewID(t *testing.T) {
	a, b := session.NewID(), session.NewID()
	if a == b || len(a) != 32 {
		t.Errorf("%q %q", a, b)
	}
}

func BenchmarkRead(b *testing.B) {
	m := newManager(b, session.Options{})
	h, _ := issue(b, m, claims("s1"))
	b.Run("seen", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Read(context.Background(), h, names); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("never seen", func(b *testing.B) {
		headers := make([]http.Header, 20_000)
		for i := range headers {
			headers[i], _ = issue(b, m, claims(fmt.Sprint(i)))
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := m.Read(context.Background(), headers[i%len(headers)], names); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// People are called by what they know, and not by an id that was drawn at this
// sign-in, as the subject is in dialect v5.
func TestLabel(t *testing.T) {
	octocat := session.Evidence{Account: "583231", Login: "octocat"}
	for _, c := range []struct {
		session session.Session
		want    string
	}{
		{session.Session{User: session.User{ID: "drawn", Name: "Octo Cat", Email: "o@example.com"}, Evidence: octocat}, "o@example.com"},
		{session.Session{User: session.User{ID: "drawn", Name: "Octo Cat"}, Evidence: octocat}, "octocat"},
		{session.Session{User: session.User{ID: "drawn", Name: "Octo Cat"}}, "Octo Cat"},
		{session.Session{User: session.User{ID: "drawn", Name: " "}, Evidence: session.Evidence{Account: "583231"}}, "583231"},
		{session.Session{User: session.User{ID: "1"}}, "1"},
		{session.Session{}, ""},
	} {
		if got := c.session.Label(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.session, got, c.want)
		}
	}
}
