package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) sweep(t *testing.T) {
	ctx := t.Context()
	b := s.belongings(t)
	u := b.user

	old := s.session(u.ID)
	old.Expires = base.Add(-time.Hour)
	s.kept(t, old)
	extended := s.kept(t, s.session(u.ID))
	if !must(s.ExtendSession(ctx, extended.ID, extended.Expires, base.Add(48*time.Hour), base))(t) {
		t.Fatal("not extended")
	}
	shortened := s.kept(t, s.session(u.ID))
	if !must(s.ExtendSession(ctx, shortened.ID, shortened.Expires, base.Add(-time.Minute), base))(t) {
		t.Fatal("not shortened")
	}

	link, oldLink := s.verification(), s.verification()
	oldLink.Expires = base.Add(-time.Hour)
	ok(t, s.CreateVerificationToken(ctx, link))
	ok(t, s.CreateVerificationToken(ctx, oldLink))

	forever, oldToken := s.token(u.ID), s.token(u.ID)
	forever.Expires, oldToken.Expires = time.Time{}, base.Add(-time.Hour)
	ok(t, s.CreateToken(ctx, forever))
	ok(t, s.CreateToken(ctx, oldToken))

	news, oldNews := revocation(store.BySession), revocation(store.BySession)
	oldNews.Until = base.Add(-time.Hour)
	ok(t, s.Revoke(ctx, news))
	ok(t, s.Revoke(ctx, oldNews))

	t.Run("nothing before its time", func(t *testing.T) {
		ok(t, s.Sweep(t.Context(), base.Add(-2*time.Hour)))
		for _, id := range []string{old.ID, extended.ID, shortened.ID} {
			must(s.SessionByID(t.Context(), id))(t)
		}
		must(s.byHash(t, oldToken.Hash))(t)
		w, _ := s.watch(t, base.Add(-2*time.Hour))
		w.caughtUp(t)
		same(t, w.of(oldNews), []store.Revocation{oldNews})
	})
	t.Run("what has expired", func(t *testing.T) {
		_, errs := race(4, func(int) (any, error) { return nil, s.Sweep(t.Context(), base) })
		ok(t, errors.Join(errs...))
		for _, a := range []store.Session{old, shortened} {
			notFound(s.SessionByID(t.Context(), a.ID))(t)
			notFound(s.SessionByToken(t.Context(), a.Token))(t)
		}
		notFound(s.UseVerificationToken(t.Context(), oldLink.Identifier, oldLink.Token))(t)
		notFound(s.byHash(t, oldToken.Hash))(t)
		same(t, must(s.Accounts(t.Context(), u.ID))(t), []store.Account{b.account})
		w, _ := s.watch(t, base.Add(-2*time.Hour))
		w.caughtUp(t)
		if len(w.of(oldNews)) > 0 {
			t.Fatal("a revocation was not swept")
		}
		same(t, w.of(news), []store.Revocation{news})
	})
	t.Run("nothing else", func(t *testing.T) {
		same(t, must(s.SessionByToken(t.Context(), b.session.Token))(t).Session, b.session)
		must(s.SessionByToken(t.Context(), extended.Token))(t)
		same(t, must(s.byHash(t, forever.Hash))(t), tokenAndUser{forever, u})
		same(t, must(s.Tokens(t.Context(), u.ID))(t)[0].UserID, u.ID)
		same(t, must(s.Authenticators(t.Context(), u.ID))(t), []store.Authenticator{b.authenticator})
		same(t, must(s.UseVerificationToken(t.Context(), link.Identifier, link.Token))(t), link)
	})
	t.Run("names are free again", func(t *testing.T) {
		s.kept(t, old)
		ok(t, s.CreateToken(t.Context(), oldToken))
		ok(t, s.CreateVerificationToken(t.Context(), oldLink))
		ok(t, s.Revoke(t.Context(), oldNews))
	})
	t.Run("again", func(t *testing.T) {
		ok(t, s.Sweep(t.Context(), base))
		ok(t, s.Sweep(t.Context(), base))
		notFound(s.SessionByID(t.Context(), old.ID))(t)
	})
	t.Run("never a lock that is held", func(t *testing.T) {
		name := unique("lock")
		if !must(s.Lock(t.Context(), name, "a", time.Minute))(t) {
			t.Fatal("not locked")
		}
		ok(t, s.Sweep(t.Context(), time.Now()))
		if must(s.Lock(t.Context(), name, "b", time.Minute))(t) {
			t.Fatal("two have the lock")
		}
	})
}

// clock plays an hour before the machine's time: the clocks of nodes differ, and
// what has not expired by the caller's is alive.
func (s *suite) clock(t *testing.T) {
	now := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	u := s.user(t)
	a, link, p, r := s.session(u.ID), s.verification(), s.token(u.ID), revocation(store.BySession)
	a.Expires, link.Expires, p.Expires, r.Until = now.Add(time.Minute), now.Add(time.Minute), now.Add(time.Minute), now.Add(time.Minute)
	s.kept(t, a)
	ok(t, s.CreateVerificationToken(t.Context(), link))
	ok(t, s.CreateToken(t.Context(), p))
	ok(t, s.Revoke(t.Context(), r))
	ok(t, s.Sweep(t.Context(), now))

	want := []store.SessionAndUser{{Session: a, User: u}}
	same(t, must(s.ListSessions(t.Context(), store.SessionFilter{UserID: u.ID}, now))(t), want)
	same(t, must(s.SessionByToken(t.Context(), a.Token))(t), want[0])
	same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
	w, _ := s.watch(t, now)
	w.caughtUp(t)
	same(t, w.of(r), []store.Revocation{r})
	same(t, must(s.UseVerificationToken(t.Context(), link.Identifier, link.Token))(t), link)
	to := now.Add(2 * time.Minute)
	if !must(s.ExtendSession(t.Context(), a.ID, a.Expires, to, now))(t) {
		t.Fatal("not extended")
	}
	must(s.SessionByToken(t.Context(), a.Token))(t)
}
