package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// at is a sign-in of an account, from a session at the provider.
func (s *stored) at(sid, account, idp string) http.Header {
	s.t.Helper()
	c := s.claims(sid)
	e := c["caddyauth"].(session.Evidence)
	e.Account, e.IdPSession = account, session.IdPMark(idp)
	c["caddyauth"] = e
	h, _ := issue(s.t, s.Manager, c)
	return h
}

func TestEndAtProvider(t *testing.T) {
	type logout = session.IdPLogout
	all := []string{"phone", "laptop", "old", "bob"}
	for _, tc := range []struct {
		name   string
		logout logout
		ends   []string
		listed []string // of these, those that are taken off the list
	}{
		{"one session", logout{Realm: "r1", SID: "i-phone"}, []string{"phone"}, nil},
		{"one session, with its person", logout{Realm: "r1", SID: "i-phone", Subject: "ada"}, []string{"phone", "old"}, []string{"old", "phone"}},
		{"one that is none of ours, with its person", logout{Realm: "r1", SID: "i-tv", Subject: "ada"}, []string{"old"}, []string{"old"}},
		{"all of a person's", logout{Realm: "r1", Subject: "ada"}, []string{"phone", "laptop", "old"}, []string{"laptop", "old", "phone"}},
		{"nobody's session", logout{Realm: "r1", SID: "i-tv"}, nil, nil},
		{"nobody", logout{Realm: "r1", Subject: "eve"}, nil, nil},
		{"another provider's session", logout{Realm: "r2", SID: "i-phone", Subject: "ada"}, nil, nil},
		{"a mark is no name", logout{Realm: "r1", SID: session.IdPMark("i-phone")}, nil, nil},
	} {
		for name, database := range strategies {
			t.Run(tc.name+", "+name, func(t *testing.T) {
				s := newStored(t, session.Options{Database: database})
				if err := s.store.LinkAccount(ctx, store.Account{UserID: s.user.ID, Type: "oidc", Provider: "op", ProviderAccountID: "ada"}); err != nil {
					t.Fatal(err)
				}
				browsers := map[string]http.Header{
					"phone": s.at("phone", "ada", "i-phone"), "laptop": s.at("laptop", "ada", "i-laptop"),
					"old": s.at("old", "ada", ""), "bob": s.at("bob", "bob", "i-bob"),
				}
				for range 3 {
					for name, h := range browsers {
						s.want(name, h, nil)
					}
				}
				tc.logout.Provider = "op"
				rows, err := s.EndAtProvider(ctx, tc.logout)
				if err != nil {
					t.Fatal(err)
				}
				var gone []string
				for _, r := range rows {
					gone = append(gone, r.ID)
				}
				if !slices.Equal(gone, tc.listed) {
					t.Errorf("taken off the list: %q, want %q", gone, tc.listed)
				}
				for _, name := range all {
					want := error(nil)
					if slices.Contains(tc.ends, name) {
						want = session.ErrEnded
					}
					s.want(name, browsers[name], want)
					if _, listed := s.row(name); listed == slices.Contains(tc.listed, name) {
						t.Errorf("%s: listed: %v", name, listed)
					}
				}
				s.clock.add(time.Millisecond)
				s.want("signed in again", s.at("again", "ada", "i-phone"), nil)
			})
		}
	}
}

// An account may be another name than the provider's own for the person.
func TestEndAtProviderBySubject(t *testing.T) {
	m := newManager(t, session.Options{Now: newClock().Now})
	c := claims("s1")
	e := c["caddyauth"].(session.Evidence)
	e.Account, e.IdPSubject = "ada@example.com", session.IdPMark("00u1")
	c["caddyauth"] = e
	h, made := issue(t, m, c)
	for _, nobody := range []string{"ada@example.com", "00u2"} {
		if _, err := m.EndAtProvider(ctx, session.IdPLogout{Provider: "op", Realm: "r1", Subject: nobody}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Read(ctx, h, names); err != nil {
			t.Errorf("%s: %v", nobody, err)
		}
	}
	l := session.IdPLogout{Provider: "op", Realm: "r1", Subject: "00u1"}
	if !l.About(made) {
		t.Error("it is about the session")
	}
	if _, err := m.EndAtProvider(ctx, l); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Read(ctx, h, names); !errors.Is(err, session.ErrEnded) {
		t.Error(err)
	}
}

// The sessions of a family say the same of the provider, and NextAuth's own tokens
// say nothing.
func TestEndAtProviderFamily(t *testing.T) {
	s := newStored(t, session.Options{})
	var browsers []http.Header
	for _, sid := range []string{"portal", "wiki", "shop"} {
		c := s.claims(sid)
		e := c["caddyauth"].(session.Evidence)
		e.Family, e.IdPSession = "family", session.IdPMark("i")
		c["caddyauth"] = e
		h, _ := issue(t, s.Manager, c)
		browsers = append(browsers, h)
	}
	foreign, _ := issue(t, s.Manager, map[string]any{"sub": "1"})
	if _, err := s.EndAtProvider(ctx, session.IdPLogout{Provider: "op", Realm: "r1", SID: "i"}); err != nil {
		t.Fatal(err)
	}
	for i, h := range browsers {
		s.want("member "+strconv.Itoa(i), h, session.ErrEnded)
	}
	s.want("NextAuth's own", foreign, nil)
}

// What a provider tells one node is known to all.
func TestEndAtProviderEverywhere(t *testing.T) {
	live, stop := context.WithCancel(ctx)
	defer stop()
	s := newStored(t, session.Options{})
	here, there := session.NewEnded(), session.NewEnded()
	here.Watch(live, s.store, s.clock.Now, nop)
	there.Watch(live, s.store, s.clock.Now, nop)
	a := newManager(t, session.Options{Store: s.store, Now: s.clock.Now, Ended: here})
	b := newManager(t, session.Options{Store: s.store, Now: s.clock.Now, Ended: there})
	h := s.at("s1", "ada", "i")
	within(t, 5*time.Second, func() bool { _, err := b.Read(ctx, h, names); return err == nil })
	if _, err := a.EndAtProvider(ctx, session.IdPLogout{Provider: "op", Realm: "r1", SID: "i"}); err != nil {
		t.Fatal(err)
	}
	within(t, 2*time.Second, func() bool { _, err := b.Read(ctx, h, names); return errors.Is(err, session.ErrEnded) })

	first, _, err := a.Once(ctx, "note", s.clock.Now().Add(time.Minute))
	if err != nil || !first {
		t.Fatal(first, err)
	}
	if again, _, err := b.Once(ctx, "note", s.clock.Now().Add(time.Minute)); err != nil || again {
		t.Errorf("the other node: %v, %v", again, err)
	}
}

func TestOnce(t *testing.T) {
	s := newStored(t, session.Options{})
	for name, m := range map[string]*session.Manager{"store": s.Manager, "process": newManager(t, session.Options{Now: s.clock.Now})} {
		until := s.clock.Now().Add(time.Minute)
		first, undo, err := m.Once(ctx, "a", until)
		if err != nil || !first {
			t.Fatalf("%s: %v, %v", name, first, err)
		}
		if first, _, err := m.Once(ctx, "a", until); err != nil || first {
			t.Errorf("%s: twice: %v", name, err)
		}
		if first, _, err := m.Once(ctx, "b", until); err != nil || !first {
			t.Errorf("%s: another: %v", name, err)
		}
		undo()
		if first, _, err := m.Once(ctx, "a", until); err != nil || !first {
			t.Errorf("%s: taken back: %v", name, err)
		}
	}
}

// Whoever can name sessions of a provider's must not make room for those that were
// signed out.
func TestLogoutsPushNothingOut(t *testing.T) {
	now := time.Now()
	e := session.NewEnded()
	e.Add("signed out", now, now.Add(time.Hour))
	for i := range 1_200_000 {
		e.AddLogout(fmt.Sprint(i), now, now, now.Add(time.Hour))
	}
	if !e.Has("signed out") {
		t.Error("forgotten")
	}
}

// BenchmarkReadAfterLogouts shows that what providers end costs sessions that were
// read before nothing.
func BenchmarkReadAfterLogouts(b *testing.B) {
	m := newManager(b, session.Options{})
	h, _ := issue(b, m, claims("s1"))
	for i := range 1000 {
		if _, err := m.EndAtProvider(ctx, session.IdPLogout{Provider: "op", Realm: "r1", SID: fmt.Sprint(i)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Read(ctx, h, names); err != nil {
			b.Fatal(err)
		}
	}
}
