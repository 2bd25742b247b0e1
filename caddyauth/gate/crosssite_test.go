package gate

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWIRE02CrossSite(t *testing.T) {
	const own = "https://app.example.com"
	tunnel := func(header ...string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Connection", "Upgrade")
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return r
	}
	page := tunnel("Origin", "https://evil.com")
	page.Header.Del("Upgrade")
	connect := httptest.NewRequest(http.MethodConnect, "/", nil)
	connect.ProtoMajor, connect.Proto = 3, "websocket"
	connect.Header.Set("Origin", "https://evil.com")
	for name, tc := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"own":              {tunnel("Origin", own), false},
		"another":          {tunnel("Origin", "https://evil.com"), true},
		"none":             {tunnel(), false},
		"null":             {tunnel("Origin", "null"), true},
		"two":              {tunnel("Origin", own, "Origin", own), true},
		"cross-site":       {tunnel("Sec-Fetch-Site", "cross-site"), true},
		"same-origin":      {tunnel("Sec-Fetch-Site", "same-origin", "Origin", "https://inner"), false},
		"bearer":           {tunnel("Origin", "https://evil.com", "Authorization", "bearer x"), false},
		"password":         {tunnel("Origin", "https://evil.com", "Authorization", "Basic x"), true},
		"no tunnel":        {page, false},
		"extended connect": {connect, true},
	} {
		if got := CrossSite(tc.r, func(o string) bool { return o == own }); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	s := alice()
	for _, d := range []Decision{{Action: Pass, Session: s}, {Action: Pass, Public: true, Session: s}} {
		got := d.WithoutSession(ReasonCrossSite)
		if got.Session != nil || got.Candidate != s || got.Reason != ReasonCrossSite || (got.Action == Pass) != d.Public {
			t.Errorf("%+v", got)
		}
	}
	if d := (Decision{Action: SignIn, Reason: ReasonNone}).WithoutSession(ReasonCrossSite); d.Action != SignIn || d.Reason != ReasonNone {
		t.Errorf("%+v", d)
	}
}
