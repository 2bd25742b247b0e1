package grant

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// idTokenOf is an ID token, as far as anybody looks at it here.
func idTokenOf(sid string) string {
	payload := `{"sub":"alice"}`
	if sid != "" {
		payload = `{"sub":"alice","sid":"` + sid + `"}`
	}
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
}

func (s *site) hint(made *session.Session, h http.Header) string {
	return s.IDToken(context.Background(), h, s.names, made)
}

func TestIDTokenOfTheSession(t *testing.T) {
	for name, only := range map[string]bool{"beside the access token": false, "alone": true} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, s *site) {
				s.opts.IDTokensOnly = only
				in := func(sid string) (*session.Session, http.Header, string) {
					a := s.tokens(time.Hour)
					a.IDToken = idTokenOf(sid)
					made, h := s.signIn(a, func(e *session.Evidence) { e.IdPSession = session.IdPMark(sid) })
					return made, h, a.IDToken
				}
				phone, phoneHeader, phoneToken := in("s-phone")
				laptop, laptopHeader, laptopToken := in("s-laptop")
				if got := s.hint(phone, phoneHeader); got != phoneToken {
					t.Errorf("phone: %q", got)
				}
				if got := s.hint(laptop, laptopHeader); got != laptopToken {
					t.Errorf("laptop: %q", got)
				}
				// The cookie of one session is nothing to another. What the account has is
				// about the latest session at the provider.
				want := ""
				if s.opts.Store != nil {
					want = laptopToken
				}
				if got := s.hint(laptop, phoneHeader); got != want {
					t.Errorf("laptop elsewhere: %q", got)
				}
				if got := s.hint(phone, laptopHeader); got != "" {
					t.Errorf("phone elsewhere: %q", got)
				}
				if only && strings.Contains(s.forward(phone, phoneHeader).Token, "access") && s.opts.Store == nil {
					t.Error("an access token was kept that nobody asked for")
				}
				s.opts.Shared = false
				if got := s.hint(laptop, phoneHeader); got != "" {
					t.Errorf("not shared: %q", got)
				}
				s.opts.IDTokens = false
				if got := s.hint(phone, phoneHeader); got != "" {
					t.Errorf("not asked for: %q", got)
				}
				s.noLeaks()
			})
		})
	}
}

func TestIDTokensAreNotKeptInVain(t *testing.T) {
	s := newSite(t, nil, nil)
	s.opts.IDTokens = false
	a := s.tokens(time.Hour)
	a.IDToken = idTokenOf("s")
	made, h := s.signIn(a, nil)
	if b, ok := s.open(h, s.names, made); !ok || b.ID != "" || b.Access == "" {
		t.Errorf("%v %+v", ok, b)
	}
	s.opts.IDTokensOnly = true
	if _, h := s.signIn(a, nil); strings.Contains(h.Get("Cookie"), s.names.Tokens) {
		t.Error("a cookie for nothing")
	}
}

// The account's other tokens are those of whoever forwards them.
func TestIDTokensOnlyLeaveTheRowAlone(t *testing.T) {
	both(t, func(t *testing.T, s *site) {
		if s.opts.Store == nil {
			return
		}
		a := s.tokens(time.Hour)
		a.IDToken = idTokenOf("s1")
		s.signIn(a, nil)
		s.opts.IDTokensOnly = true
		a.AccessToken, a.RefreshToken, a.IDToken = "other", "other", idTokenOf("s2")
		s.signIn(a, nil)
		row, err := s.opts.Store.Account(t.Context(), "op", "alice")
		if want := (store.Account{AccessToken: "access-0", RefreshToken: "refresh-0", IDToken: a.IDToken}); err != nil ||
			row.AccessToken != want.AccessToken || row.RefreshToken != want.RefreshToken || row.IDToken != want.IDToken {
			t.Errorf("%+v, %v", row, err)
		}
	})
}

func TestIDTokenTooLarge(t *testing.T) {
	s := newSite(t, nil, nil)
	s.opts.IDTokensOnly = true
	a := s.tokens(time.Hour)
	a.IDToken = idTokenOf(strings.Repeat("x", 12<<10))
	made, h := s.signIn(a, nil)
	if got := s.hint(made, h); got != "" || len(h.Get("Cookie")) > maxCookies {
		t.Errorf("%d bytes of a token, %d of cookies", len(got), len(h.Get("Cookie")))
	}
	if s.logs.FilterMessageSnippet("too large").Len() != 1 {
		t.Errorf("log: %+v", s.logs.All())
	}
}
