package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (s *suite) authenticators(t *testing.T) {
	keep := func(t *testing.T, a store.Authenticator) store.Authenticator {
		t.Helper()
		ok(t, s.CreateAuthenticator(t.Context(), a))
		return a
	}
	u, other := s.user(t), s.user(t)

	t.Run("all fields", func(t *testing.T) {
		full := s.authenticator(u.ID)
		bare := store.Authenticator{CredentialID: unique("bare"), UserID: u.ID, DeviceType: "singleDevice", PublicKey: []byte{1}, Created: base}
		for _, a := range []store.Authenticator{full, bare} {
			notFound(s.Authenticator(t.Context(), a.CredentialID))(t)
			keep(t, a)
			same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
		}
	})
	t.Run("all bytes", func(t *testing.T) {
		a := s.authenticator(u.ID)
		a.PublicKey, a.AAGUID = nil, nil
		for i := range 256 {
			a.PublicKey = append(a.PublicKey, byte(i))
		}
		a.AAGUID = a.PublicKey[240:]
		a.Evidence = json.RawMessage(`{ "a":"<&>\u0000", "n":1e400 }`)
		keep(t, a)
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
	})
	t.Run("the highest counter", func(t *testing.T) {
		a := s.authenticator(u.ID)
		a.Counter, a.Flags = 1<<32-1, 0xff
		keep(t, a)
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
	})
	t.Run("an id that is known", func(t *testing.T) {
		a := keep(t, s.authenticator(u.ID))
		for _, userID := range []string{u.ID, other.ID} {
			b := s.authenticator(userID)
			b.CredentialID = a.CredentialID
			is(t, s.CreateAuthenticator(t.Context(), b), store.ErrConflict)
		}
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
	})
	t.Run("one winner", func(t *testing.T) {
		id := unique("passkey")
		var racers [contenders]store.Authenticator
		i := oneWins(t, store.ErrConflict, func(i int) error {
			racers[i] = s.authenticator(u.ID)
			racers[i].CredentialID = id
			return s.CreateAuthenticator(t.Context(), racers[i])
		})
		same(t, must(s.Authenticator(t.Context(), id))(t), racers[i])
	})
	t.Run("of nobody", func(t *testing.T) {
		gone := s.user(t)
		ok(t, s.DeleteUser(t.Context(), gone.ID))
		a := s.authenticator(gone.ID)
		is(t, s.CreateAuthenticator(t.Context(), a), store.ErrNotFound)
		notFound(s.Authenticator(t.Context(), a.CredentialID))(t)
	})
	t.Run("ids that are none", func(t *testing.T) {
		a := keep(t, s.authenticator(u.ID))
		for _, id := range []string{"", "' OR 1=1", "%", "*", a.CredentialID + " ", a.CredentialID + "=", "\x00", "\xff", large()} {
			notFound(s.Authenticator(t.Context(), id))(t)
			ok(t, s.DeleteAuthenticator(t.Context(), u.ID, id))
		}
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
	})
	t.Run("the list", func(t *testing.T) {
		v := s.user(t)
		if list := must(s.Authenticators(t.Context(), v.ID))(t); len(list) != 0 {
			t.Fatalf("a new user has %v", list)
		}
		want := []store.Authenticator{s.authenticator(v.ID), s.authenticator(v.ID), s.authenticator(v.ID)}
		for i := range want {
			want[i].Created = base.Add(time.Duration(i) * time.Second)
		}
		for _, i := range []int{2, 0, 1} {
			keep(t, want[i])
		}
		same(t, must(s.Authenticators(t.Context(), v.ID))(t), want)
	})
	t.Run("UpdateAuthenticator", func(t *testing.T) {
		a, neighbor := keep(t, s.authenticator(u.ID)), keep(t, s.authenticator(u.ID))
		a.Counter, a.BackedUp, a.Flags, a.Used, a.Name = 7, false, 1, base.Add(time.Minute), "renamed"
		change := a
		change.UserID, change.DeviceType, change.PublicKey, change.AAGUID = other.ID, "singleDevice", []byte("forged"), nil
		change.Created, change.Transports, change.ProviderAccountID, change.Evidence = base, nil, "another", nil
		ok(t, s.UpdateAuthenticator(t.Context(), change))
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
		same(t, must(s.Authenticator(t.Context(), neighbor.CredentialID))(t), neighbor)

		a.Counter, a.Flags, a.Used, a.Name = 0, 0, time.Time{}, ""
		ok(t, s.UpdateAuthenticator(t.Context(), a))
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)

		unknown := s.authenticator(u.ID)
		is(t, s.UpdateAuthenticator(t.Context(), unknown), store.ErrNotFound)
		notFound(s.Authenticator(t.Context(), unknown.CredentialID))(t)
	})
	t.Run("DeleteAuthenticator", func(t *testing.T) {
		a, b := keep(t, s.authenticator(u.ID)), keep(t, s.authenticator(u.ID))
		for _, userID := range []string{other.ID, "", "' OR 1=1", "%"} {
			ok(t, s.DeleteAuthenticator(t.Context(), userID, a.CredentialID))
		}
		same(t, must(s.Authenticator(t.Context(), a.CredentialID))(t), a)
		for range 2 {
			ok(t, s.DeleteAuthenticator(t.Context(), u.ID, a.CredentialID))
			notFound(s.Authenticator(t.Context(), a.CredentialID))(t)
			is(t, s.UpdateAuthenticator(t.Context(), a), store.ErrNotFound)
		}
		same(t, must(s.Authenticator(t.Context(), b.CredentialID))(t), b)
		a.UserID = other.ID
		keep(t, a)
		same(t, must(s.Authenticators(t.Context(), other.ID))(t), []store.Authenticator{a})
	})
}
