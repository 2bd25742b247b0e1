package storetest

import (
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) verificationTokens(t *testing.T) {
	keep := func(t *testing.T) store.VerificationToken {
		t.Helper()
		v := s.verification()
		ok(t, s.CreateVerificationToken(t.Context(), v))
		return v
	}
	use := func(t *testing.T, v store.VerificationToken) store.VerificationToken {
		t.Helper()
		return must(s.UseVerificationToken(t.Context(), v.Identifier, v.Token))(t)
	}

	t.Run("once", func(t *testing.T) {
		v := keep(t)
		same(t, use(t, v), v)
		notFound(s.UseVerificationToken(t.Context(), v.Identifier, v.Token))(t)
	})
	t.Run("expired", func(t *testing.T) {
		v := s.verification()
		v.Expires = base.Add(-24 * time.Hour)
		ok(t, s.CreateVerificationToken(t.Context(), v))
		same(t, use(t, v), v)
		notFound(s.UseVerificationToken(t.Context(), v.Identifier, v.Token))(t)
	})
	t.Run("another identifier or token", func(t *testing.T) {
		a, b := keep(t), keep(t)
		for _, guess := range [][2]string{
			{b.Identifier, a.Token}, {a.Identifier, b.Token}, {"", a.Token}, {a.Identifier, ""}, {"", ""},
			{"%", a.Token}, {"*", "*"}, {a.Identifier, "' OR 1=1 --"}, {"' OR 1=1 --", a.Token},
			{a.Identifier + " ", a.Token}, {a.Identifier, a.Token + " "}, {a.Identifier + a.Token[:1], a.Token[1:]},
			{a.Identifier + "\x00", a.Token}, {a.Identifier, a.Token + "\x00"}, {"\xff", "\xff"},
			{large(), a.Token}, {a.Identifier, large()},
		} {
			notFound(s.UseVerificationToken(t.Context(), guess[0], guess[1]))(t)
		}
		same(t, use(t, a), a)
		same(t, use(t, b), b)
	})
	t.Run("several of one identifier", func(t *testing.T) {
		a, b := s.verification(), s.verification()
		b.Identifier = a.Identifier
		ok(t, s.CreateVerificationToken(t.Context(), a))
		ok(t, s.CreateVerificationToken(t.Context(), b))
		same(t, use(t, b), b)
		same(t, use(t, a), a)
	})
	t.Run("one winner", func(t *testing.T) {
		v := keep(t)
		oneWins(t, store.ErrNotFound, func(i int) error {
			got, err := s.UseVerificationToken(t.Context(), v.Identifier, v.Token)
			if err == nil && got.Token != v.Token {
				t.Errorf("got %v", got)
			}
			return err
		})
	})
	t.Run("one winner among wrong guesses", func(t *testing.T) {
		v, w := keep(t), keep(t)
		won := oneWins(t, store.ErrNotFound, func(i int) error {
			identifier := v.Identifier
			if i%2 == 1 {
				identifier = w.Identifier
			}
			_, err := s.UseVerificationToken(t.Context(), identifier, v.Token)
			return err
		})
		if won%2 == 1 {
			t.Fatal("another identifier won")
		}
		same(t, use(t, w), w)
	})
}
