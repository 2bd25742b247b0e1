package authapi

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// logText is everything that was logged, as JSON.
func (w *world) logText(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, line := range w.logs.All() {
		b.WriteString(line.Message + " ")
		if err := json.NewEncoder(&b).Encode(line.ContextMap()); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestLEAK02Logs sends secrets through every route, lets the provider put them
// into its errors, and looks for them in the log at debug level.
func TestLEAK02Logs(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	secrets := map[string]string{"password": "hunter2-hunter2", "code": "SECRET-CODE-1", "secret": testSecret, "wrong password": "my other password"}

	secrets["csrf"] = b.csrf()
	state := b.start("op")
	secrets["state"] = state
	fail := func(err error) {
		w.op.exchange = func(r provider.CallbackRequest) (*provider.Identity, error) { return nil, err }
		b.get("/callback/op?code=SECRET-CODE-1&state=" + state)
	}
	leaky := "code=SECRET-CODE-1 state=" + state + " " + url.QueryEscape("SECRET-CODE-1")
	fail(errors.New(leaky))
	fail(&provider.Error{Reason: provider.ReasonToken, Err: errors.New(`the token endpoint says "invalid_grant"`)})
	fail(&provider.Error{Reason: provider.ReasonIDToken, Err: errors.New("bad token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl")})
	secrets["id token"] = "eyJhbGciOiJSUzI1NiJ9"
	w.op.exchange = nil

	b.get("/callback/op?error=server_error&error_description=SECRET-CODE-1&code=SECRET-CODE-1&state=" + state)
	b.get("/callback/op?code=SECRET-CODE-1&state=" + state + "x")
	b.get("/callback/op?code=SECRET-CODE-1&state=" + state)
	b.get("/callback/op?code=SECRET-CODE-1&state=" + state)
	w.gh.startErr = errors.New("client rejected")
	b.post("/signin/github")
	b.password("bob", "my other password")
	b.password("bob", "hunter2-hunter2")
	for _, c := range b.jar {
		secrets[c.name] = c.value
	}
	b.do("POST", "/_log", url.Values{
		"code": {"CLIENT_FETCH_ERROR"}, "level": {"error"},
		"message": {"GET /callback/op?code=SECRET-CODE-1&state=" + state + " eyJhbGciOiJSUzI1NiJ9.x"},
		"url":     {"https://app/?code=SECRET-CODE-1"}, "stack": {state},
	}.Encode())
	b.post("/signout")
	delete(secrets, secure("callback-url"))

	text := w.logText(t)
	for name, secret := range secrets {
		if len(secret) > 5 && strings.Contains(text, secret) {
			t.Errorf("LEAK-02: %s is in the log:\n%s", name, text)
		}
	}
	for _, want := range []string{
		"signed in ", "signed out ", "sign-in failed ", `"reason":"token_endpoint_error"`, "invalid_grant",
		`"provider_error":"server_error"`, "CLIENT_FETCH_ERROR", `"user_id":"alice-id"`, `"client_ip":"192.0.2.7"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in the log:\n%s", want, text)
		}
	}
}

func TestSTATE13NothingReflected(t *testing.T) {
	const evil = `<script>alert(1)</script>`
	w := newWorld(t)
	b := w.browser(t)
	targets := []string{
		"/callback/op?error=" + url.QueryEscape(evil) + "&error_description=" + url.QueryEscape(evil),
		"/signin?error=" + url.QueryEscape(evil),
		"/error?error=" + url.QueryEscape(evil),
		"/error/" + url.PathEscape(evil),
		"/signin/" + url.PathEscape(evil),
		"/signin?email=" + url.QueryEscape(`"`+evil),
		"/signin?callbackUrl=" + url.QueryEscape(`/"`+evil),
		"/callback/" + url.PathEscape(evil),
		"/" + url.PathEscape(evil),
	}
	for _, target := range targets {
		r := b.get(target)
		if strings.Contains(r.body, evil) || strings.Contains(r.location(), "<") || strings.Contains(r.location(), "script") && strings.HasPrefix(target, "/callback") {
			t.Errorf("%s: %q %q", target, r.location(), r.body)
		}
	}
	b.password(evil, "x")
	if page := b.get("/signin?error=CredentialsSignin"); strings.Contains(page.body, evil) {
		t.Error("the user name is not escaped")
	}
}

func TestLEAK06ReasonsAreClosed(t *testing.T) {
	known := map[reason]bool{}
	for _, r := range Reasons() {
		known[r] = true
	}
	w := newWorld(t)
	b := w.browser(t)
	for _, target := range []string{"/callback/op?error=made-up-by-the-client", "/callback/op?code=x", "/callback/op?state=y"} {
		b.get(target)
	}
	b.do("POST", "/signin/made-up", "csrfToken="+b.csrf())
	b.do("POST", "/signin/made-up", "")
	for _, line := range w.logs.All() {
		m := line.ContextMap()
		if !known[reason(m["reason"].(string))] {
			t.Errorf("reason %v", m["reason"])
		}
		if p := m["provider"]; p != "op" && p != "" {
			t.Errorf("provider %v comes from the client", p)
		}
	}
}

func TestDescribe(t *testing.T) {
	w := newWorld(t)
	q := &request{api: w.api, query: parseForm("code=abcdefgh&state=a%2Fbcdefg&iss=https%3A%2F%2Fidp&x=ab")}
	for in, want := range map[string]string{
		"code abcdefgh":           "code [redacted]",
		"state a/bcdefg":          "state [redacted]",
		"state=a%2Fbcdefg":        "state=[redacted]",
		"iss https://idp wrong":   "iss https://idp wrong",
		"about cab":               "about cab",
		strings.Repeat("é", 300):  strings.Repeat("é", 256),
		"jwt eyJhbGciOiJSUzI1Ni.": "jwt [redacted]",
	} {
		equal(t, in, q.describe(errors.New(in)), want)
	}
}
