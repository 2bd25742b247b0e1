package session_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// site is what one site has in a dialect: names for both schemes, and the
// manager that serves both.
type site struct {
	manager       *session.Manager
	plain, secure *cookie.Names
}

func newSite(t testing.TB, d dialect.Dialect, o session.Options, secrets ...string) site {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []string{secret}
	}
	plain, secure := cookie.NewNames(d, "", false), cookie.NewNames(d, "", true)
	ring := func(salt string) *jwt.Ring {
		if d == dialect.V4 {
			salt = ""
		}
		r, err := jwt.NewRing(d, secrets, salt)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	o.Ring, o.SecureRing = ring(plain.Session), ring(secure.Session)
	return site{newManager(t, o), &plain, &secure}
}

// keep reads a session until it is among the opened tokens that are remembered,
// which shows in that reading it takes no memory.
func keep(t *testing.T, m *session.Manager, h http.Header, names *cookie.Names) {
	t.Helper()
	for range 4 {
		if _, err := m.Read(context.Background(), h, names); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = m.Read(context.Background(), h, names) }); n != 0 {
		t.Fatalf("%v allocations: the token is not remembered", n)
	}
}

// TestCOOK13SchemesAreSeparate: in v5 the cookie's name is a part of the key. A
// session over HTTP, which anybody on the way may have seen, is none over HTTPS,
// nor the other way round, remembered or not.
func TestCOOK13SchemesAreSeparate(t *testing.T) {
	s := newSite(t, dialect.V5, session.Options{})
	for _, tc := range []struct {
		name     string
		own, not *cookie.Names
	}{
		{"http", s.plain, s.secure},
		{"https", s.secure, s.plain},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cookies, issued, err := s.manager.Issue(context.Background(), http.Header{}, tc.own, claims("sid of "+tc.name), session.Client{})
			if err != nil {
				t.Fatal(err)
			}
			if len(cookies) != 1 || cookies[0].Name != tc.own.Session || cookies[0].Secure != tc.own.Secure {
				t.Fatalf("cookies %+v", cookies)
			}
			own := http.Header{"Cookie": {tc.own.Session + "=" + cookies[0].Value}}
			moved := http.Header{"Cookie": {tc.not.Session + "=" + cookies[0].Value}}
			refused := func(when string) {
				t.Helper()
				if got, err := s.manager.Read(context.Background(), moved, tc.not); !errors.Is(err, session.ErrInvalid) || got != nil {
					t.Errorf("%s: %+v, %v; want ErrInvalid", when, got, err)
				}
				if got, err := s.manager.Read(context.Background(), own, tc.not); !errors.Is(err, session.ErrNone) || got != nil {
					t.Errorf("%s, under its own name: %+v, %v; want ErrNone", when, got, err)
				}
				if got, _ := s.manager.EndAll(context.Background(), moved, tc.not); got != nil {
					t.Errorf("%s: ended %+v", when, got)
				}
			}
			for range 4 {
				refused("never seen")
			}
			keep(t, s.manager, own, tc.own)
			for range 4 {
				refused("remembered")
			}
			if got, err := s.manager.Read(context.Background(), own, tc.own); err != nil || got.JTI != issued.JTI {
				t.Errorf("the session itself: %+v, %v", got, err)
			}

			// Renewed, it is still of its own scheme.
			renewed, _, err := s.manager.Refresh(context.Background(), own, tc.own, issued, issued.Claims)
			if err != nil {
				t.Fatal(err)
			}
			moved.Set("Cookie", tc.not.Session+"="+renewed[0].Value)
			refused("renewed")
		})
	}
}

// TestV4SchemesAreOne: v4 has one key for both names, as NextAuth has it; what
// is remembered under one name does not stand in the way of the other.
func TestV4SchemesAreOne(t *testing.T) {
	s := newSite(t, dialect.V4, session.Options{})
	cookies, _, err := s.manager.Issue(context.Background(), http.Header{}, s.plain, claims("s1"), session.Client{})
	if err != nil {
		t.Fatal(err)
	}
	plain := http.Header{"Cookie": {s.plain.Session + "=" + cookies[0].Value}}
	secure := http.Header{"Cookie": {s.secure.Session + "=" + cookies[0].Value}}
	keep(t, s.manager, plain, s.plain)
	for range 3 {
		for names, h := range map[*cookie.Names]http.Header{s.plain: plain, s.secure: secure} {
			if got, err := s.manager.Read(context.Background(), h, names); err != nil || got.Evidence.SID != "s1" {
				t.Errorf("%s: %+v, %v", names.Session, got, err)
			}
		}
	}
}

// TestDialectsAreSeparate: a token of one dialect is no session in the other.
func TestDialectsAreSeparate(t *testing.T) {
	v4, v5 := newSite(t, dialect.V4, session.Options{}), newSite(t, dialect.V5, session.Options{})
	for _, tc := range []struct{ from, to site }{{v4, v5}, {v5, v4}} {
		cookies, _, err := tc.from.manager.Issue(context.Background(), http.Header{}, tc.from.secure, claims("s1"), session.Client{})
		if err != nil {
			t.Fatal(err)
		}
		for _, names := range []*cookie.Names{tc.to.plain, tc.to.secure} {
			h := http.Header{"Cookie": {names.Session + "=" + cookies[0].Value}}
			for range 3 {
				if got, err := tc.to.manager.Read(context.Background(), h, names); !errors.Is(err, session.ErrInvalid) || got != nil {
					t.Errorf("%s: %+v, %v", names.Session, got, err)
				}
			}
		}
	}
}

// TestV5ReadErrors: what is no session in v5.
func TestV5ReadErrors(t *testing.T) {
	s := newSite(t, dialect.V5, session.Options{}, "new", secret)
	sealed := func(secret, salt string) string {
		ring, err := jwt.NewRing(dialect.V5, []string{secret}, salt)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.SealClaims(ring, claims("s1"), time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	name := s.secure.Session
	good := sealed(secret, name)
	for title, tc := range map[string]struct {
		value string
		want  error
	}{
		"the older secret":             {good, nil},
		"the newer secret":             {sealed("new", name), nil},
		"a stranger's secret":          {sealed("another-secret-0123456789abcdef01234567", name), session.ErrInvalid},
		"STATE-08 a state cookie":      {sealed(secret, s.secure.State), session.ErrInvalid},
		"STATE-08 a notice":            {sealed(secret, s.secure.Notice), session.ErrInvalid},
		"a session of another prefix":  {sealed(secret, "__Secure-gate.session-token"), session.ErrInvalid},
		"COOK-01 one bit":              {flip(good, len(good)/2), session.ErrInvalid},
		"COOK-01 one bit of the kid":   {flip(good, 80), session.ErrInvalid},
		"COOK-02 one character less":   {good[:len(good)-1], session.ErrInvalid},
		"COOK-02 one block less":       {good[:len(good)-64] + good[len(good)-43:], session.ErrInvalid},
		"JWE-06 dots":                  {strings.Repeat(".", 50_000), session.ErrInvalid},
		"JWE-14 longer than any token": {strings.Repeat(good, 100), session.ErrInvalid},
	} {
		t.Run(title, func(t *testing.T) {
			for range 3 {
				got, err := s.manager.Read(context.Background(), http.Header{"Cookie": {name + "=" + tc.value}}, s.secure)
				if !errors.Is(err, tc.want) || (got == nil) != (tc.want != nil) {
					t.Errorf("%+v, %v; want %v", got, err, tc.want)
				}
			}
		})
	}
}

// TestV5Chunks: a long session is cut as Auth.js cuts it.
func TestV5Chunks(t *testing.T) {
	s := newSite(t, dialect.V5, session.Options{})
	c := claims("s1")
	c["x"] = strings.Repeat("x", 5000)
	cookies, _, err := s.manager.Issue(context.Background(), http.Header{}, s.secure, c, session.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cookies) != 2 || len(cookies[0].Value) != 3936 || cookies[1].Name != s.secure.Session+".1" {
		t.Errorf("%d cookies, the first of %d bytes", len(cookies), len(cookies[0].Value))
	}
	h := jar(http.Header{}, cookies)
	if _, err := s.manager.Read(context.Background(), h, s.secure); err != nil {
		t.Error(err)
	}
	h.Set("Cookie", strings.Replace(h.Get("Cookie"), ".0=", ".2=", 1))
	if _, err := s.manager.Read(context.Background(), h, s.secure); err == nil {
		t.Error("COOK-04 a gap between the chunks")
	}
}

// mintedSession is a session of the real NextAuth or Auth.js, see
// testdata/interop.
type mintedSession struct {
	Name, Dialect string
	Secure        bool
	Secrets       []string
	At            int64
	SetCookie     []string
	Claims        json.RawMessage
	Shown         *struct {
		User    json.RawMessage
		Expires string
	}
}

// TestMintedSessions reads the sessions that the real NextAuth and Auth.js made
// at a sign-in and at a renewal, shows them as they do, and renews them without
// losing a claim.
func TestMintedSessions(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/interop/tokens.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Sessions []mintedSession }
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	seen, shown := map[string]bool{}, 0
	for _, minted := range f.Sessions {
		scheme := map[bool]string{false: "http", true: "https"}[minted.Secure]
		t.Run(minted.Dialect+"/"+scheme+"/"+minted.Name, func(t *testing.T) { readMinted(t, minted) })
		seen[minted.Dialect+scheme] = true
		if minted.Shown != nil {
			shown++
		}
	}
	if len(seen) != 4 || shown < 8 {
		t.Errorf("sessions of %v, %d shown", seen, shown)
	}
}

func readMinted(t *testing.T, minted mintedSession) {
	d, err := dialect.Parse(minted.Dialect)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Unix(minted.At, 0) }
	s := newSite(t, d, session.Options{Now: now}, minted.Secrets...)
	names, other := s.plain, s.secure
	if minted.Secure {
		names, other = other, names
	}
	var pairs []string
	for _, line := range minted.SetCookie {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	h := http.Header{"Cookie": {strings.Join(pairs, "; ")}}

	read, err := s.manager.Read(context.Background(), h, names)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, read.Claims), tree(t, string(minted.Claims)); !reflect.DeepEqual(got, want) {
		t.Errorf("claims %v; want %v", got, want)
	}
	if _, err := s.manager.Read(context.Background(), h, other); !errors.Is(err, session.ErrNone) {
		t.Errorf("under the names of the other scheme: %v", err)
	}
	if minted.Shown != nil {
		want := fmt.Sprintf(`{"user":%s,"expires":%q}`, compact(t, minted.Shown.User), minted.Shown.Expires)
		expires, err := time.Parse(time.RFC3339, minted.Shown.Expires)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(session.Public(read, expires)); got != want {
			t.Errorf("shown %s\nwant  %s", got, want)
		}
	}

	cookies, renewed, err := s.manager.Refresh(context.Background(), h, names, read, read.Claims)
	if err != nil {
		t.Fatal(err)
	}
	got, want := tree(t, renewed.Claims), tree(t, read.Claims)
	for _, name := range []string{"iat", "exp", "jti"} {
		delete(got, name)
		delete(want, name)
	}
	if !reflect.DeepEqual(got, want) || renewed.JTI != read.JTI {
		t.Errorf("renewed %v; want %v", got, want)
	}
	if again, err := s.manager.Read(context.Background(), jar(h, cookies), names); err != nil || again.JTI != renewed.JTI {
		t.Errorf("after renewal: %+v, %v", again, err)
	}
	// NextAuth gives a session no name but the token's, so that has to last.
	_ = s.manager.End(context.Background(), renewed)
	if _, err := s.manager.Read(context.Background(), h, names); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the token before the renewal, after sign-out: %v", err)
	}
}

func tree(t *testing.T, text string) (m map[string]any) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

// compact takes out the white space of the file, and nothing else.
func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func BenchmarkReadV5(b *testing.B) {
	s := newSite(b, dialect.V5, session.Options{})
	request := func(sid string) http.Header {
		cookies, _, err := s.manager.Issue(context.Background(), http.Header{}, s.secure, claims(sid), session.Client{})
		if err != nil {
			b.Fatal(err)
		}
		return jar(http.Header{}, cookies)
	}
	read := func(b *testing.B, headers []http.Header, want error) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.manager.Read(context.Background(), headers[i%len(headers)], s.secure); !errors.Is(err, want) {
				b.Fatal(err)
			}
		}
	}
	b.Run("seen", func(b *testing.B) { read(b, []http.Header{request("s1")}, nil) })
	many := make([]http.Header, 20_000)
	for i := range many {
		many[i] = request(fmt.Sprint(i))
	}
	b.Run("never seen", func(b *testing.B) { read(b, many, nil) })
	b.Run("forged", func(b *testing.B) {
		value := many[0].Get("Cookie")
		read(b, []http.Header{{"Cookie": {flip(value, len(value)-80)}}}, session.ErrInvalid)
	})
	b.Run("of another site", func(b *testing.B) {
		cookies, _, err := newSite(b, dialect.V5, session.Options{}, "another").manager.Issue(context.Background(), http.Header{}, s.secure, claims("s1"), session.Client{})
		if err != nil {
			b.Fatal(err)
		}
		read(b, []http.Header{jar(http.Header{}, cookies)}, session.ErrInvalid)
	})
}
