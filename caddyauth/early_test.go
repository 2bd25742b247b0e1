package caddyauth

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWIRE09EarlyData(t *testing.T) {
	s := &site{basePath: "/api/auth"}
	for _, tc := range []struct {
		method, path, field string
		tls                 *tls.ConnectionState
		want                bool
	}{
		{"GET", "/api/auth/callback/dev", "1", nil, true},
		{"GET", "/api/auth/callback/dev", "", &tls.ConnectionState{}, true},
		{"GET", "/api/auth/callback/dev", "", &tls.ConnectionState{HandshakeComplete: true}, false},
		{"GET", "/api/auth/callback/dev", "", nil, false},
		{"GET", "/api/auth/callback/dev", "0", nil, false},
		{"POST", "/api/auth/signin/dev", "1", nil, true},
		{"POST", "/api/auth/signout", "", &tls.ConnectionState{}, true},
		{"GET", "/api/auth/session", "1", nil, false},
		{"GET", "/api/auth/signed-out", "1", nil, true},
		{"GET", "/api/auth/login/op", "1", nil, true},
		{"GET", "/api/auth/frontchannel-logout/op", "1", nil, true},
		{"GET", "/api/auth/handoff", "1", nil, true},
		{"GET", "/api/auth/signed-in", "1", nil, false},
		{"HEAD", "/api/auth/signin", "", &tls.ConnectionState{}, false},
	} {
		r := httptest.NewRequest(tc.method, tc.path, http.NoBody)
		r.TLS = tc.tls
		if tc.field != "" {
			r.Header.Set("Early-Data", tc.field)
		}
		if got := s.tooEarly(r, r.URL); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
