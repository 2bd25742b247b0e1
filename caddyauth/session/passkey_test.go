package session_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// What a passkey keeps says who somebody is and what to deny them for, and nothing of
// how they signed in.
func TestPasskeyEvidence(t *testing.T) {
	full := session.Evidence{
		SID: "sid", Provider: "op", Realm: "r1", Account: "1", Login: "ada", Verified: true, Domain: "example.com",
		Roles: []string{"staff"}, Groups: []string{"math"}, Orgs: []string{"org"}, AuthTime: 1, ACR: "high", StepUp: "mark", User: "u1", Since: 2, Method: session.MethodPasskey, Passkey: "mark", Family: "family",
		IdPSession: "one", IdPSubject: "ada",
	}
	s := &session.Session{User: session.User{Email: "ada@example.com"}, Evidence: full, HasEvidence: true}
	raw, err := s.PasskeyEvidence()
	if err != nil {
		t.Fatal(err)
	}
	got, email, err := session.OpenEvidence(raw)
	want := session.Evidence{Provider: "op", Realm: "r1", Account: "1", Login: "ada", Verified: true, Domain: "example.com", User: "u1", IdPSubject: "ada",
		Roles: []string{"staff"}, Groups: []string{"math"}, Orgs: []string{"org"}}
	if err != nil || !reflect.DeepEqual(got, want) || email != "ada@example.com" {
		t.Errorf("evidence %+v of %q, %v, want %+v", got, email, err, want)
	}
	if !reflect.DeepEqual(s.Evidence, full) {
		t.Errorf("the session's became %+v", s.Evidence)
	}
	// All of it, or the next field is forgotten.
	value := reflect.ValueOf(full)
	for i := range value.NumField() {
		if value.Field(i).IsZero() {
			t.Errorf("%s is not tested", value.Type().Field(i).Name)
		}
	}
	for _, raw := range []string{"", "{", "[]", `"x"`, `{"provider":1}`} {
		if e, _, err := session.OpenEvidence(json.RawMessage(raw)); err == nil {
			t.Errorf("%s: %+v", raw, e)
		}
	}
}

// How somebody signed in is known for as long as the session lasts, in a token and in
// a row.
func TestMethod(t *testing.T) {
	for _, database := range []bool{false, true} {
		spy := newSpy()
		m := newManager(t, session.Options{Store: spy, Database: database})
		c := claims("sid")
		e := c["caddyauth"].(session.Evidence)
		u, err := spy.CreateUser(ctx, store.User{Email: "ada@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		e.User, e.Method, e.Passkey = u.ID, session.MethodPasskey, session.PasskeyMark("id")
		c["caddyauth"] = e
		h, _ := issue(t, m, c)
		s, err := m.Read(ctx, h, names)
		if err != nil || s.Evidence.Method != session.MethodPasskey || s.Evidence.Passkey != session.PasskeyMark("id") {
			t.Errorf("database %v: %+v, %v", database, s, err)
		}
	}
}

func TestPasskeyMark(t *testing.T) {
	if a, b := session.PasskeyMark("a"), session.PasskeyMark("b"); a == b || len(a) != 16 || a != session.PasskeyMark("a") {
		t.Errorf("%q and %q", a, b)
	}
}

func TestStanding(t *testing.T) {
	alive := true
	m := newManager(t, session.Options{
		Realms: map[string]string{"op": "r1"},
		Live: func(*session.Session) (groups, roles []string, ok bool) {
			return []string{"physics"}, nil, alive
		},
	})
	s, err := m.Preview(claims("sid"))
	if err != nil {
		t.Fatal(err)
	}
	now, err := m.Standing(s)
	if err != nil || !reflect.DeepEqual(now.Evidence.Groups, []string{"physics"}) || now.Evidence.Roles != nil || s.Evidence.Roles == nil {
		t.Errorf("%+v, %v", now, err)
	}
	alive = false
	if _, err := m.Standing(s); !errors.Is(err, session.ErrEnded) {
		t.Errorf("an account that is gone: %v", err)
	}
	alive = true
	for _, realms := range []map[string]string{{}, {"op": "r2"}, {"other": "r1"}} {
		m := newManager(t, session.Options{Realms: realms})
		if _, err := m.Standing(s); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("%v: %v", realms, err)
		}
	}
	// A session of NextAuth's own names no provider.
	s, err = m.Preview(map[string]any{"sub": "1"})
	if err != nil {
		t.Fatal(err)
	}
	if same, err := m.Standing(s); err != nil || same != s {
		t.Errorf("%+v, %v", same, err)
	}
}
