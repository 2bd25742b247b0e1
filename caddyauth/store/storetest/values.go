package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) values(t *testing.T) {
	for _, v := range hostile() {
		t.Run(v.name, func(t *testing.T) {
			s.asValues(t, v.text, v.text)
			s.asNames(t, v.text)
		})
	}
	t.Run("empty", func(t *testing.T) { s.asValues(t, "", "") })
	t.Run("100 KiB", func(t *testing.T) {
		short := large()
		if s.opt.AuthJS {
			short = short[:255]
		}
		s.asValues(t, short, large())
	})
	t.Run("long ids", func(t *testing.T) {
		n := 1000
		if s.opt.AuthJS {
			n = 200
		}
		s.asNames(t, large()[:n])
	})
	t.Run("whole or not at all", s.wholeOrNot)
	t.Run("times", s.times)
	t.Run("by value", s.byValue)
}

// asValues puts a text into every field that is not a name. The first is for
// those that have a narrow column with Auth.js.
func (s *suite) asValues(t *testing.T, short, text string) {
	t.Helper()
	ctx := t.Context()
	u := must(s.CreateUser(ctx, store.User{Name: short, Email: unique("v") + "@example.com", Image: text}))(t)
	same(t, must(s.User(ctx, u.ID))(t), store.User{ID: u.ID, Name: short, Email: u.Email, Image: text})

	a := s.account(u.ID)
	a.Type, a.AccessToken, a.RefreshToken, a.IDToken = short, text, text, text
	a.TokenType, a.Scope, a.SessionState = text, text, text
	ok(t, s.LinkAccount(ctx, a))
	same(t, must(s.Account(ctx, a.Provider, a.ProviderAccountID))(t), a)
	ok(t, s.UpdateAccount(ctx, a))
	same(t, must(s.Accounts(ctx, u.ID))(t), []store.Account{a})

	session := s.session(u.ID)
	session.UserAgent, session.IP, session.Account = text, text, text
	s.kept(t, session)
	want := store.SessionAndUser{Session: session, User: u}
	same(t, must(s.SessionByToken(ctx, session.Token))(t), want)
	same(t, must(s.ListSessions(ctx, store.SessionFilter{UserID: u.ID}, base))(t), []store.SessionAndUser{want})

	k := s.authenticator(u.ID)
	k.Name, k.PublicKey = text, []byte(text)
	ok(t, s.CreateAuthenticator(ctx, k))
	same(t, must(s.Authenticator(ctx, k.CredentialID))(t), k)
	k.Counter++
	k.Counter /= 2
	ok(t, s.UpdateAuthenticator(ctx, k))
	same(t, must(s.Authenticators(ctx, u.ID))(t), []store.Authenticator{k})

	p := s.token(u.ID)
	p.Name = text
	ok(t, s.CreateToken(ctx, p))
	same(t, must(s.byHash(t, p.Hash))(t), tokenAndUser{p, u})
	s.has(t, belongings{u, a, session, k, p})
}

// asNames puts a text into everything that things are found by. Names that end
// differently are different.
func (s *suite) asNames(t *testing.T, text string) {
	t.Helper()
	ctx := t.Context()
	var pair [2]belongings
	for i := range pair {
		u := must(s.CreateUser(ctx, store.User{Email: unique("n") + text + string(rune('a'+i))}))(t)
		prefix, last := unique(""), string(rune('a'+i))
		a, session, k, p, v := s.account(u.ID), s.session(u.ID), s.authenticator(u.ID), s.token(u.ID), s.verification()
		a.Provider, a.ProviderAccountID = text, prefix+text+last
		session.ID, session.Token, session.Provider = prefix+text+last, prefix+text+last, text
		k.CredentialID, k.ProviderAccountID = prefix+text+last, text
		p.ID, p.Hash = prefix+text+last, prefix+text+last
		v.Identifier, v.Token = prefix+text, prefix+text+last
		ok(t, s.LinkAccount(ctx, a))
		ok(t, s.CreateSession(ctx, session))
		ok(t, s.CreateAuthenticator(ctx, k))
		ok(t, s.CreateToken(ctx, p))
		ok(t, s.CreateVerificationToken(ctx, v))
		f := store.SessionFilter{UserID: u.ID, Provider: text, Email: u.Email, After: prefix}
		same(t, must(s.ListSessions(ctx, f, base))(t), []store.SessionAndUser{{Session: session, User: u}})
		if !must(s.ExtendSession(ctx, session.ID, session.Expires, base.Add(2*time.Hour), session.Seen))(t) {
			t.Fatal("not extended")
		}
		session.Expires = base.Add(2 * time.Hour)
		p.Used = base
		ok(t, s.TouchToken(ctx, p.ID, base))
		notFound(s.UseVerificationToken(ctx, v.Identifier+"x", v.Token))(t)
		same(t, must(s.UseVerificationToken(ctx, v.Identifier, v.Token))(t), v)
		pair[i] = belongings{u, a, session, k, p}
	}
	s.has(t, pair[0])
	s.has(t, pair[1])

	b := pair[0]
	ok(t, s.UnlinkAccount(ctx, b.account.Provider, b.account.ProviderAccountID))
	ok(t, s.DeleteSession(ctx, b.session.ID))
	ok(t, s.DeleteAuthenticator(ctx, b.user.ID, b.authenticator.CredentialID))
	ok(t, s.DeleteToken(ctx, b.user.ID, b.token.ID))
	ok(t, s.DeleteUser(ctx, b.user.ID))
	s.hasNot(t, b)
	s.has(t, pair[1])
}

// wholeOrNot tries what some stores cannot keep. Nothing may be cut short or
// altered: then two things could get one name.
func (s *suite) wholeOrNot(t *testing.T) {
	ctx := t.Context()
	huge := large()
	for _, v := range []value{
		{"NUL", "a\x00b"}, {"not UTF-8", "a\xffb"}, {"half a surrogate", "a\xed\xa0\x80b"}, {"300 characters", huge[:300]}, {"huge", huge},
	} {
		t.Run(v.name, func(t *testing.T) {
			a, b := unique("w")+v.text, unique("w")+v.text
			u, err := s.CreateUser(ctx, store.User{Name: a, Email: a, Image: v.text})
			if err == nil {
				same(t, must(s.User(ctx, u.ID))(t), store.User{ID: u.ID, Name: a, Email: a, Image: v.text})
				same(t, must(s.UserByEmail(ctx, a))(t), u)
			} else {
				notFound(s.UserByEmail(ctx, a))(t)
			}
			notFound(s.UserByEmail(ctx, a[:len(a)-1]))(t)
			notFound(s.UserByEmail(ctx, strings.ToValidUTF8(b, "\ufffd")))(t)

			owner := s.user(t)
			session := s.session(owner.ID)
			session.ID, session.Token = a, b
			if err := s.CreateSession(ctx, session); err == nil {
				want := store.SessionAndUser{Session: session, User: owner}
				same(t, must(s.SessionByID(ctx, a))(t), want)
				same(t, must(s.SessionByToken(ctx, b))(t), want)
			} else {
				notFound(s.SessionByID(ctx, a))(t)
				notFound(s.SessionByToken(ctx, b))(t)
			}
			notFound(s.SessionByToken(ctx, b[:len(b)-1]))(t)

			account := s.account(owner.ID)
			account.ProviderAccountID = a
			if err := s.LinkAccount(ctx, account); err == nil {
				same(t, must(s.Account(ctx, account.Provider, a))(t), account)
			} else {
				notFound(s.Account(ctx, account.Provider, a))(t)
			}
			notFound(s.UserByAccount(ctx, account.Provider, a[:len(a)-1]))(t)
		})
	}
}

func (s *suite) times(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		time time.Time
	}{
		{"none", time.Time{}},
		{"the epoch", time.Unix(0, 0)},
		{"before the epoch", time.Date(1936, 2, 29, 23, 59, 59, 999_000_000, time.UTC)},
		{"milliseconds", base.Add(7 * time.Millisecond)},
		{"nanoseconds", base.Add(123_456 * time.Nanosecond)},
		{"elsewhere", base.In(time.FixedZone("", -11*3600))},
		{"this machine", time.Now().Truncate(time.Millisecond)},
		{"far", time.Date(9998, 12, 31, 12, 0, 0, 0, time.UTC)},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := must(s.CreateUser(ctx, store.User{EmailVerified: c.time}))(t)
			same(t, must(s.User(ctx, u.ID))(t), store.User{ID: u.ID, EmailVerified: c.time})
			a, k, p := s.session(u.ID), s.authenticator(u.ID), s.token(u.ID)
			a.Created, a.Seen, k.Created, k.Used, p.Created, p.Used, p.Expires = c.time, c.time, c.time, c.time, c.time, c.time, c.time
			s.kept(t, a)
			ok(t, s.CreateAuthenticator(ctx, k))
			ok(t, s.CreateToken(ctx, p))
			same(t, must(s.SessionByID(ctx, a.ID))(t), store.SessionAndUser{Session: a, User: must(s.User(ctx, u.ID))(t)})
			same(t, must(s.Authenticator(ctx, k.CredentialID))(t), k)
			same(t, must(s.byHash(t, p.Hash))(t).Token, p)
			if c.time.IsZero() {
				return
			}
			b := s.session(u.ID)
			b.Expires = c.time
			s.kept(t, b)
			same(t, must(s.SessionByToken(ctx, b.Token))(t).Session, b)
			r := revocation(store.ByUser)
			r.At, r.Until = c.time, base.Add(time.Hour)
			ok(t, s.Revoke(ctx, r))
		})
	}
}

// byValue alters what was given to the store, and what came from it.
func (s *suite) byValue(t *testing.T) {
	b := s.belongings(t)
	given := belongings{session: s.session(b.user.ID), authenticator: s.authenticator(b.user.ID), token: s.token(b.user.ID)}
	scribble := func(a store.Session, k store.Authenticator, p store.Token) {
		a.Evidence[0], k.PublicKey[0], k.AAGUID[0], k.Transports[0], k.Evidence[0] = '!', '!', '!', "!", '!'
		p.Paths[0], p.Methods[0], p.Evidence[0] = "!", "!", '!'
	}
	ok(t, s.CreateSession(t.Context(), given.session))
	ok(t, s.CreateAuthenticator(t.Context(), given.authenticator))
	ok(t, s.CreateToken(t.Context(), given.token))
	scribble(given.session, given.authenticator, given.token)
	if e := must(s.SessionByID(t.Context(), given.session.ID))(t).Session.Evidence; e[0] == '!' {
		t.Error("the evidence given is the one kept")
	}
	if k := must(s.Authenticator(t.Context(), given.authenticator.CredentialID))(t); k.PublicKey[0] == '!' || k.Evidence[0] == '!' || k.AAGUID[0] == '!' || k.Transports[0] == "!" {
		t.Error("the key given is the one kept")
	}
	if p := must(s.byHash(t, given.token.Hash))(t).Token; p.Paths[0] == "!" || p.Methods[0] == "!" || p.Evidence[0] == '!' {
		t.Error("the scopes given are those kept")
	}
	for range 2 {
		a := must(s.SessionByToken(t.Context(), b.session.Token))(t).Session
		k := must(s.Authenticator(t.Context(), b.authenticator.CredentialID))(t)
		p := must(s.byHash(t, b.token.Hash))(t).Token
		scribble(a, k, p)
		scribble(must(s.SessionByID(t.Context(), b.session.ID))(t).Session,
			must(s.Authenticators(t.Context(), b.user.ID))(t)[0], must(s.Tokens(t.Context(), b.user.ID))(t)[0])
		scribble(must(s.ListSessions(t.Context(), store.SessionFilter{UserID: b.user.ID}, base))(t)[0].Session, k, p)
	}
	same(t, must(s.Authenticator(t.Context(), b.authenticator.CredentialID))(t), b.authenticator)
	same(t, must(s.byHash(t, b.token.Hash))(t).Token, b.token)
	same(t, must(s.SessionByToken(t.Context(), b.session.Token))(t).Session, b.session)
}
