package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// A session whose token is sealed is listed, without anything that opens it.
func TestSealedSessionsAreListed(t *testing.T) {
	s := newStored(t, session.Options{MaxAge: 10 * time.Hour})
	c := s.claims("s1")
	cookies, issued, err := s.Issue(ctx, http.Header{}, names, c, session.Client{UserAgent: "Firefox", IP: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	row, ok := s.row("s1")
	want := store.Session{
		ID: "s1", UserID: s.user.ID, Provider: "op", Account: "1", Expires: s.clock.Now().Add(10 * time.Hour),
		Created: s.clock.Now(), Seen: s.clock.Now(), UserAgent: "Firefox", IP: "192.0.2.1", Evidence: row.Evidence,
	}
	if !ok || !equalRows(row, want) || len(row.Evidence) == 0 || strings.Contains(string(row.Evidence), cookies[0].Value) {
		t.Errorf("kept %+v, want %+v", row, want)
	}
	// The token is what counts: reading asks nobody.
	h := jar(http.Header{}, cookies)
	for range 3 {
		if got, err := s.read(h); err != nil || got.JTI != issued.JTI {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n := s.store.count("SessionByID") + s.store.count("SessionByToken"); n != 0 {
		t.Errorf("%d questions", n)
	}
}

// What no cookie can hold is not listed either, nor is a token of NextAuth's own.
func TestSealedSessionsThatAreNotListed(t *testing.T) {
	s := newStored(t, session.Options{})
	c := s.claims("s1")
	c["x"] = strings.Repeat("x", 10_000)
	if _, _, err := s.Issue(ctx, http.Header{}, names, c, session.Client{}); !errors.Is(err, session.ErrTooLarge) {
		t.Error(err)
	}
	issue(t, s.Manager, map[string]any{"sub": s.user.ID})
	if n := s.store.count("CreateSession"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestSTORE01SealedSessionNotListed(t *testing.T) {
	s := newStored(t, session.Options{})
	s.store.broken("CreateSession", true)
	if cookies, _, err := s.Issue(ctx, http.Header{}, names, s.claims("s1"), session.Client{}); !errors.Is(err, session.ErrUnavailable) || cookies != nil {
		t.Errorf("%+v, %v", cookies, err)
	}
}

// The list is written once in UpdateAge, although GET session seals each time.
func TestSealedSessionsAreExtendedOnce(t *testing.T) {
	s := newStored(t, session.Options{MaxAge: 10 * time.Hour, UpdateAge: time.Hour})
	h := s.signIn("s1")
	renew := func() {
		got, err := s.read(h)
		if err != nil {
			t.Error(err)
			return
		}
		cookies, renewed, err := s.Refresh(ctx, h, names, got, got.Claims)
		if err != nil || !renewed.Expires.Equal(s.clock.Now().Add(10*time.Hour)) {
			t.Errorf("%+v, %v", renewed, err)
		}
		if renewed.JTI != got.JTI && len(cookies) == 1 {
			return
		}
		t.Errorf("not sealed again: %+v", renewed)
	}
	renew()
	if n := s.store.count("SessionByID"); n != 0 {
		t.Errorf("asked %d times just after the sign-in", n)
	}
	for round := 1; round <= 3; round++ {
		s.clock.add(time.Hour)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(renew)
		}
		wg.Wait()
		if n := s.store.count("extended"); n != round {
			t.Errorf("round %d: %d writes", round, n)
		}
		if row, _ := s.row("s1"); !row.Expires.Equal(s.clock.Now().Add(10*time.Hour)) || !row.Seen.Equal(s.clock.Now()) {
			t.Errorf("round %d: %+v", round, row)
		}
	}
	// That the list is behind is no reason to refuse anybody.
	s.clock.add(time.Hour)
	s.store.broken("*", true)
	renew()
}

// OUT-02: a sign-out counts on every node within a second, whatever copies of the
// token there are.
func TestSignOutReachesOtherNodes(t *testing.T) {
	for name, database := range strategies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, cancel := context.WithCancel(ctx)
			defer cancel()
			here := session.NewEnded()
			s := newStored(t, session.Options{Database: database, Ended: here})
			there := session.NewEnded()
			here.Watch(live, s.store, s.clock.Now, nop)
			there.Watch(live, s.store, s.clock.Now, nop)
			other := newManager(t, session.Options{Store: s.store, Database: database, Now: s.clock.Now, Ended: there})
			readThere := func(h http.Header) error { _, err := other.Read(ctx, h, names); return err }

			out, stays, byUser := s.signIn("s1"), s.signIn("s2"), s.signIn("s3")
			for _, h := range []http.Header{out, stays, byUser} {
				for range 3 {
					if err := readThere(h); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := s.read(out)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.End(ctx, got); err != nil {
				t.Fatal(err)
			}
			s.want("here", out, session.ErrEnded)
			within(t, time.Second, func() bool { return errors.Is(readThere(out), session.ErrEnded) })
			if err := readThere(stays); err != nil {
				t.Errorf("another session: %v", err)
			}
			if _, kept := s.row("s1"); kept {
				t.Error("it is still listed")
			}

			if err := s.EndOwner(ctx, s.user.ID); err != nil {
				t.Fatal(err)
			}
			within(t, time.Second, func() bool { return errors.Is(readThere(byUser), session.ErrEnded) })
			if err := readThere(stays); !errors.Is(err, session.ErrEnded) {
				t.Errorf("another session of the user: %v", err)
			}
			s.clock.add(time.Millisecond)
			if err := readThere(s.signIn("s4")); err != nil {
				t.Errorf("signed in again: %v", err)
			}
			// A node that starts later learns of all that before it lets anybody in.
			late := session.NewEnded()
			late.Watch(live, s.store, s.clock.Now, nop)
			third := newManager(t, session.Options{Store: s.store, Database: database, Now: s.clock.Now, Ended: late})
			for _, h := range []http.Header{out, stays, byUser} {
				if got, err := third.Read(ctx, h, names); err == nil {
					t.Errorf("a node that has just started lets %s in", got.Key())
				}
			}
		})
	}
}

// within waits until something is so, no longer than the given time.
func within(t *testing.T, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v", limit)
		}
	}
}

// End writes what the other nodes need, for as long as they need it.
func TestEndIsKept(t *testing.T) {
	s := newStored(t, session.Options{MaxAge: 10 * time.Hour})
	heard := func() map[string]store.Revocation {
		t.Helper()
		all := map[string]store.Revocation{}
		live, cancel := context.WithCancel(ctx)
		_ = s.store.WatchRevocations(live, s.clock.Now(), func(r store.Revocation) { all[string(r.Kind)+" "+r.Key] = r }, cancel)
		return all
	}
	got, _ := s.read(s.signIn("s1"))
	if err := s.End(ctx, got); err != nil {
		t.Fatal(err)
	}
	foreign, own := issue(t, s.Manager, map[string]any{"sub": s.user.ID})
	if err := s.End(ctx, own); err != nil {
		t.Fatal(err)
	}
	s.want("NextAuth's own", foreign, session.ErrEnded)
	if err := s.EndOwner(ctx, "u1"); err != nil {
		t.Fatal(err)
	}
	now, all := s.clock.Now(), heard()
	for key, until := range map[string]time.Time{
		"session s1":             now.Add(30*24*time.Hour + time.Minute), // as long as NextAuth's tokens live
		"session " + own.Key():   now.Add(30*24*time.Hour + time.Minute), // as long as NextAuth's tokens live
		"user u1":                now.Add(30*24*time.Hour + time.Minute),
		"session of nobody else": {},
	} {
		if r := all[key]; !r.Until.Equal(until) || !until.IsZero() && !r.At.Equal(now) {
			t.Errorf("%s: %+v, want it until %v", key, r, until)
		}
	}
}

// The token itself is judged by the idle limit, as others who seal with the same
// secret may know no such limit.
func TestIdle(t *testing.T) {
	for name, database := range strategies {
		t.Run(name, func(t *testing.T) {
			o := session.Options{Database: database, MaxAge: 10 * time.Hour, UpdateAge: 24 * time.Hour, Idle: time.Hour}
			s := newStored(t, o)
			began := s.clock.Now()
			cookies, issued, err := s.Issue(ctx, http.Header{}, names, s.claims("s1"), session.Client{})
			if err != nil {
				t.Fatal(err)
			}
			if end := began.Add(time.Hour); !issued.Expires.Equal(end) || !cookies[0].Expires.Equal(end) {
				t.Errorf("ends %v, cookie %v", issued.Expires, cookies[0].Expires)
			}
			// In use every 25 minutes, it lasts its ten hours and no minute more.
			h := jar(http.Header{}, cookies)
			renewals := 0
			for s.clock.Now().Sub(began) < 10*time.Hour-30*time.Minute {
				s.clock.add(25 * time.Minute)
				got, err := s.read(h)
				if err != nil {
					t.Fatalf("after %v: %v", s.clock.Now().Sub(began), err)
				}
				if until := s.Until(got); until.After(began.Add(10 * time.Hour)) {
					t.Errorf("until %v", until)
				}
				if !s.Due(got) {
					continue
				}
				renewals++
				cookies, _, err := s.Refresh(ctx, h, names, got, got.Claims)
				if err != nil {
					t.Fatal(err)
				}
				if cookies[0].Expires.After(began.Add(10 * time.Hour)) {
					t.Errorf("cookie until %v", cookies[0].Expires)
				}
				h = jar(h, cookies)
			}
			if renewals < 9 {
				t.Errorf("%d renewals", renewals)
			}
			s.clock.add(began.Add(10*time.Hour + time.Second).Sub(s.clock.Now()))
			s.want("after ten hours", h, session.ErrExpired)

			// Not in use, it lasts an hour.
			h = s.signIn("s2")
			s.clock.add(time.Hour - time.Second)
			s.want("after 59 minutes and more", h, nil)
			s.clock.add(2 * time.Second)
			s.want("after an hour and more", h, session.ErrExpired)
		})
	}
}

// A token that somebody with the secret has given 30 days is over as early as ours.
func TestIdleOfForeignTokens(t *testing.T) {
	s := newStored(t, session.Options{MaxAge: 10 * time.Hour, Idle: time.Hour})
	token, err := jwt.SealClaims(mustRing(t), s.claims("s1"), s.clock.Now(), 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h := cookieOf(token)
	s.clock.add(time.Hour)
	s.want("after an hour", h, nil)
	s.clock.add(time.Second)
	s.want("a second later", h, session.ErrExpired)

	// Sealed again and again by others, it still ends with MaxAge.
	began := s.claims("s2")
	s.clock.add(9*time.Hour + 59*time.Minute)
	if token, err = jwt.SealClaims(mustRing(t), began, s.clock.Now(), 30*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	h = cookieOf(token)
	s.want("sealed again just before its end", h, nil)
	s.clock.add(time.Minute + time.Second)
	s.want("after its end", h, session.ErrExpired)
}

// With Idle a session ends so long after the sign-in, and not after what the
// provider says of an earlier one.
func TestIdleCountsFromTheSignIn(t *testing.T) {
	s := newStored(t, session.Options{MaxAge: 10 * time.Hour, Idle: time.Hour})
	c := s.claims("s1")
	e := c["caddyauth"].(session.Evidence)
	e.AuthTime = s.clock.Now().Add(-9*time.Hour - 59*time.Minute).Unix()
	c["caddyauth"] = e
	h, _ := issue(t, s.Manager, c)
	s.clock.add(30 * time.Minute)
	s.want("half an hour later", h, nil)
}

// TIME-02: lengths of time are what they are, whatever a clock on the wall does.
func TestTIME02Clocks(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]time.Time{
		"clocks go forward": time.Date(2030, 3, 10, 1, 30, 0, 0, newYork),
		"clocks go back":    time.Date(2030, 11, 3, 1, 30, 0, 0, newYork),
		"leap second":       time.Date(2016, 12, 31, 23, 59, 59, 500_000_000, time.UTC),
		"leap day":          time.Date(2032, 2, 29, 23, 30, 0, 0, time.UTC),
		"end of 32 bits":    time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC),
		"unsigned 32 bits":  time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC),
		"monotonic":         time.Now(),
	} {
		for strategy, database := range strategies {
			for _, idle := range []time.Duration{0, 2 * time.Hour} {
				t.Run(fmt.Sprint(name, " ", strategy, " ", idle), func(t *testing.T) {
					s := newStored(t, session.Options{Database: database, MaxAge: 2 * time.Hour, UpdateAge: time.Hour, Idle: idle})
					s.clock.now = start
					h := s.signIn("s1")
					row, _ := s.row("s1")
					if got := row.Expires.Sub(start); got > 2*time.Hour || got < 2*time.Hour-time.Second {
						t.Errorf("lasts %v", got)
					}
					s.clock.add(time.Hour + time.Second)
					got, err := s.read(h)
					if err != nil || !s.Due(got) && idle == 0 {
						t.Errorf("after an hour: %+v, %v", got, err)
					}
					s.clock.add(time.Hour - 2*time.Second)
					s.want("before its end", h, nil)
					s.clock.add(17 * time.Second) // what clocks may differ by, included
					s.want("after its end", h, session.ErrExpired)
				})
			}
		}
	}
}

// Reading a session takes no memory, whatever has to be known besides.
func TestReadAllocations(t *testing.T) {
	for name, database := range strategies {
		t.Run(name, func(t *testing.T) {
			live, cancel := context.WithCancel(ctx)
			defer cancel()
			ended := session.NewEnded()
			s := newStored(t, session.Options{Database: database, Ended: ended, Idle: time.Hour})
			ended.Watch(live, s.store, s.clock.Now, nop)
			h := s.signIn("s1")
			keep(t, s.Manager, h, names)
			// Of others that end as well.
			ended.Add("other", s.clock.Now(), s.clock.Now().Add(time.Hour))
			ended.AddUser("other", s.clock.Now(), s.clock.Now(), s.clock.Now().Add(time.Hour))
			keep(t, s.Manager, h, names)
		})
	}
}

func BenchmarkStrategies(b *testing.B) {
	run := func(name string, o session.Options, watched bool, headers int) {
		b.Run(name, func(b *testing.B) {
			live, cancel := context.WithCancel(ctx)
			defer cancel()
			o.Ended, o.Now = session.NewEnded(), time.Now
			s := newStored(b, o)
			s.clock.now = time.Now()
			if watched {
				o.Ended.Watch(live, s.store, time.Now, nop)
			}
			hs := make([]http.Header, headers)
			for i := range hs {
				hs[i] = s.signIn(session.NewID())
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := s.Read(ctx, hs[i%len(hs)], names); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("jwt", session.Options{}, false, 1)
	run("jwt watched", session.Options{}, true, 1)
	run("database cached", session.Options{Database: true}, true, 1)
	run("database uncached", session.Options{Database: true}, true, 20_000)
}
