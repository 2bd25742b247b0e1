package grant

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// A refresh token in a cookie is one session's. One in a store is of everybody who
// came with the account.
func TestRevoke(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		revoke := func(made *session.Session, h http.Header, want ...string) {
			t.Helper()
			s.op.set(func() { s.op.revoked = nil })
			if s.opts.Store != nil {
				want = nil
			}
			asked, err := s.Revoke(context.Background(), h, s.names, made)
			if asked != (want != nil) || err != nil || !slices.Equal(s.op.revoked, want) {
				t.Errorf("%v, %v, %q", asked, err, s.op.revoked)
			}
		}
		phone, phoneHeader := s.signIn(s.tokens(time.Hour), nil)
		revoke(phone, phoneHeader, "refresh-0")
		laptop, laptopHeader := s.signIn(s.tokens(time.Second), nil)
		revoke(laptop, phoneHeader) // another session's cookie
		revoke(phone, http.Header{})
		revoke(nil, phoneHeader)
		// The browser that was not told of a refresh has the token before.
		s.clock.wait(time.Minute)
		s.op.set(func() { s.op.current = "refresh-0" })
		if got := s.forward(laptop, laptopHeader); got.Token != "access-1" {
			t.Fatalf("%+v", got)
		}
		revoke(laptop, laptopHeader, "refresh-1")
		without := s.tokens(time.Hour)
		without.RefreshToken = ""
		if s.opts.Store == nil {
			made, h := s.signIn(without, nil)
			revoke(made, h)
		}
		s.noLeaks()
	})
}

func TestRevokeFails(t *testing.T) {
	s := newSite(t, nil, nil)
	made, h := s.signIn(s.tokens(time.Hour), nil)
	s.op.set(func() { s.op.err = outage })
	if asked, err := s.Revoke(context.Background(), h, s.names, made); !asked || !errors.Is(err, outage) {
		t.Errorf("%v, %v", asked, err)
	}
}
