package session_test

import (
	"errors"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// What began at one portal ends together, and nothing else does.
func TestFamily(t *testing.T) {
	for name, database := range strategies {
		t.Run(name, func(t *testing.T) {
			spy := newSpy()
			m := newManager(t, session.Options{Store: spy, Database: database})
			u, err := spy.CreateUser(ctx, store.User{Email: "ada@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			made := func(sid, family string) map[string]any {
				c := claims(sid)
				e := c["caddyauth"].(session.Evidence)
				e.User, e.Family = u.ID, family
				c["caddyauth"] = e
				return c
			}
			portal, s := issue(t, m, made("s1", "f1"))
			member, _ := issue(t, m, made("s2", "f1"))
			other, _ := issue(t, m, made("s3", "f2"))
			alone, _ := issue(t, m, made("s4", ""))
			if s.Evidence.Family != "f1" {
				t.Fatalf("family %q", s.Evidence.Family)
			}
			// A token that somebody made in it is theirs to end.
			raw, err := session.TokenEvidence(s)
			if e, _, err2 := session.OpenEvidence(raw); err != nil || err2 != nil || e.Family != "" {
				t.Errorf("the token's evidence %s, %v", raw, err)
			}
			// Ending one for good leaves the others: another has taken its place.
			if _, err := m.EndAll(ctx, member, names); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Read(ctx, portal, names); err != nil {
				t.Errorf("the portal's after the member's: %v", err)
			}
			member, _ = issue(t, m, made("s5", "f1"))
			if _, err := m.SignOut(ctx, member, names); err != nil {
				t.Fatal(err)
			}
			for what, h := range map[string]error{"portal": readError(m.Read(ctx, portal, names)), "member": readError(m.Read(ctx, member, names))} {
				if h == nil {
					t.Errorf("the %s's session lives on", what)
				}
			}
			if err := readError(m.Read(ctx, other, names)); err != nil {
				t.Errorf("another family: %v", err)
			}
			if err := readError(m.Read(ctx, alone, names)); err != nil {
				t.Errorf("a session without one: %v", err)
			}
			list, err := spy.ListSessions(ctx, store.SessionFilter{UserID: u.ID}, s.IssuedAt)
			if err != nil || len(list) != 2 {
				t.Errorf("%d sessions are listed, %v", len(list), err)
			}
			// Whoever believes to be signed out everywhere must be.
			spy.broken("*", true)
			if _, err := m.SignOut(ctx, alone, names); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("with the store away: %v", err)
			}
		})
	}
}

func readError(_ *session.Session, err error) error { return err }

func TestFamilyOf(t *testing.T) {
	for raw, want := range map[string]string{`{"sid":"x","family":"f"}`: "f", `{"sid":"x"}`: "", ``: "", `[`: "", `"x"`: ""} {
		row := store.Session{Evidence: []byte(raw)}
		if raw == "" {
			row.Evidence = nil
		}
		if got := session.FamilyOf(row); got != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
}
