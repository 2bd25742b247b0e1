package provider

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func respond(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		io.WriteString(w, body)
	}
}

func TestUserinfo(t *testing.T) {
	jwt := func(op *evilOP, s lyingop.Key, claims map[string]any) http.HandlerFunc {
		b, _ := json.Marshal(claims)
		return respond("application/jwt", s.Sign(string(b), nil))
	}
	for _, tc := range []struct {
		name   string
		lie    func(op *evilOP)
		reason Reason
	}{
		{"honest", func(op *evilOP) {}, ""},
		{"oidcc-client-test-userinfo-invalid-sub", func(op *evilOP) { op.Person["sub"] = "subject1" }, ReasonUserinfo},
		{"UINFO-02 sub missing", func(op *evilOP) { delete(op.Person, "sub") }, ReasonUserinfo},
		{"UINFO-02 sub null", func(op *evilOP) { op.Person["sub"] = nil }, ReasonUserinfo},
		{"UINFO-02 sub under another name", func(op *evilOP) { delete(op.Person, "sub"); op.Person["SUB"] = "subject" }, ReasonUserinfo},
		{"UINFO-05 sub a number", func(op *evilOP) { op.Person["sub"] = 7 }, ReasonUserinfo},
		{"UINFO-04 a page", func(op *evilOP) { op.Replace("/userinfo", respond("text/html", `{"sub":"subject"}`)) }, ReasonUserinfo},
		{"UINFO-04 no type", func(op *evilOP) { op.Replace("/userinfo", respond("", `{"sub":"subject"}`)) }, ""},
		{"UINFO-04 two values", func(op *evilOP) {
			op.Replace("/userinfo", respond("application/json", `{"sub":"subject"}{"sub":"x"}`))
		}, ReasonUserinfo},
		{"UINFO-04 huge", func(op *evilOP) {
			op.Replace("/userinfo", respond("application/json", `{"sub":"subject","x":"`+strings.Repeat("x", maxBody)+`"}`))
		}, ReasonUserinfo},
		{"UINFO-04 gzip bomb", func(op *evilOP) { op.Replace("/userinfo", bomb()) }, ReasonUserinfo},
		{"401", func(op *evilOP) { op.Replace("/userinfo", fail(401)) }, ReasonUserinfo},
		{"503", func(op *evilOP) { op.Replace("/userinfo", fail(503)) }, ReasonUnavailable},
		{"redirect elsewhere", func(op *evilOP) {
			op.Replace("/userinfo", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://localhost:1/", 302) })
		}, ReasonUserinfo},
		{"no endpoint", func(op *evilOP) { op.Metadata = lyingop.Set("userinfo_endpoint", nil) }, ReasonUserinfo},
		{"UINFO-04 signed", func(op *evilOP) {
			op.Replace("/userinfo", jwt(op, lyingop.RSA(), map[string]any{"iss": op.URL, "aud": evilClient, "sub": "subject", "email": "user@example.com"}))
		}, ""},
		{"UINFO-04 signed by another key", func(op *evilOP) {
			op.Replace("/userinfo", jwt(op, lyingop.OtherRSA(), map[string]any{"iss": op.URL, "aud": evilClient, "sub": "subject"}))
		}, ReasonUserinfo},
		{"UINFO-04 signed for another client", func(op *evilOP) {
			op.Replace("/userinfo", jwt(op, lyingop.RSA(), map[string]any{"iss": op.URL, "aud": "other", "sub": "subject"}))
		}, ReasonUserinfo},
		{"UINFO-04 signed by another issuer", func(op *evilOP) {
			op.Replace("/userinfo", jwt(op, lyingop.RSA(), map[string]any{"iss": "https://x.example", "aud": evilClient, "sub": "subject"}))
		}, ReasonUserinfo},
		{"UINFO-04 unsigned JWT", func(op *evilOP) {
			op.Replace("/userinfo", respond("application/jwt", lyingop.Base64(`{"alg":"none"}`)+"."+lyingop.Base64(`{"sub":"subject"}`)+"."))
		}, ReasonUserinfo},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			tc.lie(op)
			id, err := op.exchange(op.provider(func(c *Config) { c.Userinfo = "on" }))
			if ReasonOf(err) != tc.reason {
				t.Fatalf("%v, want %q", err, tc.reason)
			}
			if err == nil && id.User.ID != "subject" {
				t.Errorf("%+v", id)
			}
			if err != nil && strings.Contains(err.Error(), evilAccess) {
				t.Errorf("the access token is in %q", err)
			}
		})
	}
}

func TestUserinfoRequest(t *testing.T) {
	t.Run("UINFO-03 oidcc-client-test-userinfo-bearer-header", func(t *testing.T) {
		op := newEvil(t)
		var seen *http.Request
		op.Tap = func(path string, r *http.Request) {
			if path == "/userinfo" {
				seen = r
			}
		}
		if _, err := op.exchange(op.provider(func(c *Config) { c.Userinfo = op.URL + "/userinfo" })); err != nil {
			t.Fatal(err)
		}
		if seen == nil || seen.Header.Get("Authorization") != "Bearer "+evilAccess || seen.URL.RawQuery != "" || seen.Method != "GET" {
			t.Errorf("%+v", seen)
		}
		if seen.Header.Get("User-Agent") != userAgent {
			t.Errorf("User-Agent %q", seen.Header.Get("User-Agent"))
		}
	})
	t.Run("off by default", func(t *testing.T) {
		op := newEvil(t)
		if _, err := op.exchange(op.provider(nil)); err != nil || op.Count("/userinfo") != 0 {
			t.Errorf("%d requests, %v", op.Count("/userinfo"), err)
		}
	})
	t.Run("userinfo wins, but not over the claims about the sign-in", func(t *testing.T) {
		op := newEvil(t)
		op.Person = map[string]any{"sub": "subject", "name": "Another Name", "iss": "evil", "auth_time": 1, "nonce": "evil"}
		id, err := op.exchange(op.provider(func(c *Config) { c.Userinfo = "on" }))
		if err != nil {
			t.Fatal(err)
		}
		if id.User.Name.String() != "Another Name" || id.Profile["iss"] != op.URL || id.Profile["nonce"] != evilNonce || !id.AuthTime.IsZero() {
			t.Errorf("%+v", id)
		}
	})
}
