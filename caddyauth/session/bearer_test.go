package session_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

func TestBearerOf(t *testing.T) {
	for _, c := range []struct {
		fields []string
		token  string
		ok     bool
	}{
		{nil, "", false},
		{[]string{"Bearer abc"}, "abc", true},
		{[]string{"bEARER   abc "}, "abc", true},
		{[]string{"Bearer\tabc"}, "abc", true},
		{[]string{"Bearer"}, "", true},
		{[]string{"Bearer "}, "", true},
		{[]string{"Bearer a b"}, "", true},
		{[]string{"Bearer a,b"}, "", true},
		{[]string{"Bearer abc", "Bearer abc"}, "", true},
		{[]string{"Basic YTpi", "Bearer abc"}, "", true},
		{[]string{"Bearer abc", "Basic YTpi"}, "", true},
		{[]string{"Bearerabc"}, "", false},
		{[]string{"Bearers abc"}, "", false},
		{[]string{" Bearer abc"}, "", false},
		{[]string{"Basic YTpi"}, "", false},
		{[]string{""}, "", false},
	} {
		token, ok := session.BearerOf(http.Header{"Authorization": c.fields})
		if token != c.token || ok != c.ok {
			t.Errorf("%q: %q %v, want %q %v", c.fields, token, ok, c.token, c.ok)
		}
	}
}

// The session token is the same as the cookie's, and in dialect v5 good only for
// the scheme that it was made for.
func TestReadBearer(t *testing.T) {
	for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
		plain, secure := cookie.NewNames(d, d.CookiePrefix(), false), cookie.NewNames(d, d.CookiePrefix(), true)
		ring := func(name string) *jwt.Ring {
			if d == dialect.V4 {
				name = ""
			}
			r, err := jwt.NewRing(d, []string{"a secret"}, name)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		m, err := session.New(session.Options{Dialect: d, Ring: ring(plain.Session), SecureRing: ring(secure.Session)})
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.SealClaims(ring(plain.Session), map[string]any{"sub": "ada"}, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // the third time from the cache
			s, err := m.ReadBearer(t.Context(), &plain, token)
			if err != nil || !s.Bearer || s.User.ID != "ada" {
				t.Fatalf("%v: %v %+v", d, err, s)
			}
			s, err = m.Read(t.Context(), http.Header{"Cookie": {plain.Session + "=" + token}}, &plain)
			if err != nil || s.Bearer {
				t.Fatalf("%v: the cookie's session is marked: %v", d, err)
			}
		}
		if _, err := m.ReadBearer(t.Context(), &secure, token); (err == nil) != (d == dialect.V4) {
			t.Errorf("%v: on the other scheme: %v", d, err)
		}
		for _, bad := range []string{"", "abc", token[1:], token + "x", strings.Repeat("a", 70_000)} {
			if _, err := m.ReadBearer(t.Context(), &plain, bad); !errors.Is(err, session.ErrInvalid) {
				t.Errorf("%v: %.20q: %v", d, bad, err)
			}
		}
	}
}

func TestFromBearer(t *testing.T) {
	const evidence = `"caddyauth":{"sid":"s","provider":"op"}`
	for claims, good := range map[string]bool{
		`{"sub":"ada","exp":9999999999,` + evidence + `}`: true,
		`{"sub":"ada","exp":9999999999}`:                  false,
		`{"sub":"ada",` + evidence + `}`:                  false,
		`{"exp":9999999999,` + evidence + `}`:             false,
		`{"sub":"ada"`:                                    false,
	} {
		if s, err := session.FromBearer(claims); (err == nil) != good || good && !s.Bearer {
			t.Errorf("%s: %v", claims, err)
		}
	}
}
