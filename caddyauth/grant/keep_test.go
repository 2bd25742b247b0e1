package grant

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

func TestForward(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(s.tokens(time.Hour), nil)
		for range 3 {
			if o := s.forward(made, h); o.Token != "access-0" || o.Cookies != nil || o.Ended {
				t.Errorf("%+v", o)
			}
		}
		if strings.Contains(h.Get("Cookie"), "access-0") || strings.Contains(made.Claims, "access-0") {
			t.Error("the token is in the clear")
		}
		if s.op.count() != 0 {
			t.Error("a good token was renewed")
		}
		for name, change := range map[string]func(*session.Session){
			"personal access token": func(s *session.Session) { s.PAT = new(session.PAT) },
			"bearer token":          func(s *session.Session) { s.Bearer = true },
			"no evidence":           func(s *session.Session) { s.HasEvidence = false },
			"no sid":                func(s *session.Session) { s.Evidence.SID = "" },
		} {
			other := *made
			change(&other)
			if o := s.forward(&other, h); o.Token != "" {
				t.Errorf("%s: %+v", name, o)
			}
		}
	})
}

func TestNoTokens(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		made, h := s.signIn(provider.Account{ProviderAccountID: "alice"}, nil)
		if o := s.forward(made, h); o.Token != "" || o.Cookies != nil {
			t.Errorf("%+v", o)
		}
		a := s.tokens(-time.Second)
		a.RefreshToken, a.ProviderAccountID = "", "bob"
		made, h = s.signIn(a, nil)
		if o := s.forward(made, h); o.Token != "" || o.Ended || s.op.count() != 0 {
			t.Errorf("expired, and nothing to renew with: %+v", o)
		}
		a.ExpiresAt, a.ProviderAccountID = 0, "carol"
		made, h = s.signIn(a, nil)
		if o := s.forward(made, h); o.Token != "access-0" {
			t.Errorf("without an end: %+v", o)
		}
	})
}

// The cookie of one session is nothing to another, whoever puts it there.
func TestCookieOfAnotherSession(t *testing.T) {
	s := newSite(t, nil, nil)
	_, alice := s.signIn(s.tokens(time.Hour), nil)
	a := s.tokens(time.Hour)
	a.AccessToken = "access-of-bob"
	bob, bobs := s.signIn(a, nil)
	stolen, _ := cookie.Get(alice, s.names.Tokens)
	own, _ := cookie.Get(bobs, s.names.Tokens)
	sessionToken, _ := cookie.Get(bobs, s.names.Session)
	send := func(values ...string) Outcome {
		var pairs []string
		for _, v := range values {
			pairs = append(pairs, s.names.Tokens+"="+v)
		}
		return s.forward(bob, http.Header{"Cookie": {strings.Join(pairs, "; ")}})
	}
	for name, tc := range map[string]struct {
		values []string
		want   string
	}{
		"alone":           {[]string{stolen}, ""},
		"in front":        {[]string{stolen, own}, "access-of-bob"},
		"garbage":         {[]string{"x"}, ""},
		"changed":         {[]string{own[:len(own)-2] + "AA"}, ""},
		"a session token": {[]string{sessionToken}, ""},
	} {
		if o := send(tc.values...); o.Token != tc.want {
			t.Errorf("%s: %q", name, o.Token)
		}
	}
	// Neither is one of the same site over http.
	plain := s.opts.Names[0]
	if o := s.Forward(t.Context(), http.Header{"Cookie": {plain.Tokens + "=" + own}}, &plain, bob); o.Token != "" {
		t.Errorf("over http: %q", o.Token)
	}
}

func TestCookieBudget(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tc := range []struct {
		name                string
		access, refresh, id int
		groups              int
		kept, keptID        bool
	}{
		{"small", 40, 40, 900, 0, true, true},
		{"in chunks", 2500, 1500, 1500, 0, true, true},
		{"the ID token goes first", 2500, 1500, 5000, 0, true, false},
		{"too large", 9000, 100, 100, 0, false, false},
		{"beside a large session", 1200, 100, 3000, 5400, true, false},
		{"too large beside a large session", 4000, 100, 100, 5400, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, nil, nil)
			a := s.tokens(time.Hour)
			a.AccessToken, a.RefreshToken, a.IDToken = long(tc.access), long(tc.refresh), long(tc.id)
			made, h := s.signIn(a, func(e *session.Evidence) {
				for i := 0; len(e.Groups)*12 < tc.groups; i++ {
					e.Groups = append(e.Groups, "group-"+strconv.Itoa(1000+i)) // 13 bytes of JSON
				}
			})
			if n := len(h.Get("Cookie")); n > maxCookies {
				t.Errorf("%d bytes of cookies", n)
			}
			want := ""
			if tc.kept {
				want = a.AccessToken
			}
			if o := s.forward(made, h); o.Token != want {
				t.Errorf("token of %d bytes", len(o.Token))
			}
			if b, _ := s.open(h, s.names, made); (b.ID != "") != tc.keptID {
				t.Errorf("ID token of %d bytes", len(b.ID))
			}
			if got := s.logs.FilterMessageSnippet("too large").Len() > 0; got == tc.kept {
				t.Errorf("logged: %v", got)
			}
			if err := s.readable(h); err != nil {
				t.Errorf("the sign-in is broken: %v", err)
			}
		})
	}
}

// What is left in the browser of the session before must go.
func TestKeepClearsWhatWasThere(t *testing.T) {
	s := newSite(t, nil, nil)
	big := s.tokens(time.Hour)
	big.AccessToken = strings.Repeat("x", 6000)
	_, h := s.signIn(big, nil)
	if !strings.Contains(h.Get("Cookie"), s.names.Tokens+".1=") {
		t.Fatalf("one piece: %.200s", h.Get("Cookie"))
	}
	made, _ := s.signIn(s.tokens(time.Hour), nil)
	for name, a := range map[string]provider.Account{"smaller": s.tokens(time.Hour), "none": {}} {
		after := apply(h, s.Keep(t.Context(), h, s.names, made, a, nil))
		if strings.Contains(after.Get("Cookie"), s.names.Tokens+".") || strings.Contains(after.Get("Cookie"), s.names.Tokens+"=") != (a.AccessToken != "") {
			t.Errorf("%s: %.300s", name, after.Get("Cookie"))
		}
	}
	if left := apply(h, s.opts.Sessions.Clear(h, s.names)); left.Get("Cookie") != "" {
		t.Errorf("left after signing out: %.200s", left.Get("Cookie"))
	}
	if !s.names.Owned(s.names.Tokens) || !s.names.Owned(s.names.Tokens+".1") {
		t.Error("the upstream would see it")
	}
}

func TestControlCharacters(t *testing.T) {
	for _, bad := range []string{"a\r\nX-Admin: 1", "a\x00", "a b", "ä", "\x7f"} {
		both(t, func(t *testing.T, s *site) {
			a := s.tokens(time.Hour)
			a.AccessToken = bad
			made, h := s.signIn(a, nil)
			if o := s.forward(made, h); o.Token != "" {
				t.Errorf("at the sign-in: %q", o.Token)
			}
			a.AccessToken, a.ExpiresAt, a.ProviderAccountID = "access-0", s.clock.now().Unix()-1, "bob"
			s.op.access = bad
			made, h = s.signIn(a, nil)
			if o := s.forward(made, h); o.Token != "" || o.Ended {
				t.Errorf("renewed: %+v", o)
			}
		})
	}
}

// A token that lasts is kept for as long as the session is used.
func TestCookieLastsAsTheSession(t *testing.T) {
	s := newSite(t, nil, nil)
	a := s.tokens(time.Hour)
	a.ExpiresAt = 0
	made, h := s.signIn(a, nil)
	s.clock.wait(23 * time.Hour)
	if o := s.forward(made, h); o.Cookies != nil {
		t.Errorf("too early: %+v", o)
	}
	s.clock.wait(2 * time.Hour)
	o := s.forward(made, h)
	if len(o.Cookies) != 1 || !o.Cookies[0].Expires.Equal(s.opts.Sessions.Until(made)) || !o.Cookies[0].HttpOnly || !o.Cookies[0].Secure {
		t.Fatalf("%+v", o)
	}
	if o := s.forward(made, apply(h, o.Cookies)); o.Token != "access-0" || o.Cookies != nil {
		t.Errorf("%+v", o)
	}
}

func TestKeptWithTheAccount(t *testing.T) {
	d := memory.New()
	s := newSite(t, d, nil)
	made, h := s.signIn(s.tokens(time.Hour), nil)
	if strings.Contains(h.Get("Cookie"), s.names.Tokens) {
		t.Error("a cookie although there is a store")
	}
	raw, err := d.Account(t.Context(), "op", "alice")
	if err != nil || strings.Contains(raw.AccessToken+raw.RefreshToken, "-0") || raw.AccessToken == "" {
		t.Errorf("not sealed: %+v, %v", raw, err)
	}
	t.Run("signing in without a refresh token keeps the old one", func(t *testing.T) {
		a := s.tokens(2 * time.Hour)
		a.AccessToken, a.RefreshToken = "access-later", ""
		s.signIn(a, nil)
		kept, err := s.opts.Store.Account(t.Context(), "op", "alice")
		if err != nil || kept.AccessToken != "access-later" || kept.RefreshToken != "refresh-0" {
			t.Errorf("%+v, %v", kept, err)
		}
		if o := s.forward(made, h); o.Token != "access-later" {
			t.Errorf("the other session: %+v", o)
		}
	})
	t.Run("an account of somebody else's", func(t *testing.T) {
		other := *made
		other.Evidence.User = "another"
		if o := s.forward(&other, h); o.Token != "" {
			t.Errorf("%+v", o)
		}
		s.Keep(t.Context(), h, s.names, &other, provider.Account{AccessToken: "access-planted"}, nil)
		if kept, _ := s.opts.Store.Account(t.Context(), "op", "alice"); kept.AccessToken == "access-planted" {
			t.Error("somebody else's row was written")
		}
	})
	t.Run("unlinked", func(t *testing.T) {
		if err := s.opts.Store.UnlinkAccount(t.Context(), "op", "alice"); err != nil {
			t.Fatal(err)
		}
		s.clock.wait(3 * time.Second)
		if o := s.forward(made, h); o.Token != "" || o.Ended {
			t.Errorf("%+v", o)
		}
	})
	t.Run("no store to keep them", func(t *testing.T) {
		f := &failing{memory.New()}
		s := newSite(t, f, nil)
		made, _ := s.signIn(provider.Account{ProviderAccountID: "alice"}, nil)
		s.Keep(t.Context(), h, s.names, made, s.tokens(time.Hour), nil)
		if s.logs.FilterMessageSnippet("could not be kept").Len() != 1 {
			t.Errorf("%+v", s.logs.All())
		}
		s.noLeaks()
	})
}

type failing struct{ store.Driver }

func (failing) UpdateAccount(context.Context, store.Account) error { return errors.New("read-only") }

func TestMemoryIsBounded(t *testing.T) {
	m, now := NewMemory(), time.Now()
	for i := range 3 * maxKept {
		m.keep(strconv.Itoa(i), record{}, now, time.Minute)
	}
	if n := len(m.records); n > maxKept {
		t.Errorf("%d entries", n)
	}
	m.keep("x", record{pause: 1}, now, time.Minute)
	if m.record("x", now).pause != 1 || m.record("x", now.Add(time.Minute)).pause != 0 {
		t.Error("an entry does not last its time")
	}
}

func BenchmarkForwardCookie(b *testing.B) {
	s := newSite(b, nil, nil)
	a := s.tokens(time.Hour)
	a.AccessToken, a.RefreshToken, a.IDToken = strings.Repeat("a", 1500), strings.Repeat("r", 800), strings.Repeat("i", 1200)
	made, h := s.signIn(a, nil)
	b.ReportAllocs()
	for b.Loop() {
		if s.forward(made, h).Token == "" {
			b.Fatal("no token")
		}
	}
}

func BenchmarkForwardStore(b *testing.B) {
	s := newSite(b, memory.New(), nil)
	made, h := s.signIn(s.tokens(time.Hour), nil)
	b.ReportAllocs()
	for b.Loop() {
		if s.forward(made, h).Token == "" {
			b.Fatal("no token")
		}
	}
}

func TestParse(t *testing.T) {
	want := box{SID: "s", Sealed: 7, Grant: Grant{
		Access: "a\"\u00e4", Refresh: "r", ID: "i", Expires: 9,
		Said: provider.Said{Subject: "sub", AuthorizedParty: "azp", Nonce: "n", AuthTime: 5},
	}}
	plain, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parse(string(plain)); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "[]", "{", `{"at":1`} {
		if got, err := parse(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}
