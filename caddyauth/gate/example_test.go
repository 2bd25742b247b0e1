package gate_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

func ExamplePolicy() {
	open, err := gate.NewPathMatcher("/public/*")
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := &gate.Policy{Public: []gate.Matcher{open}}
	if err := policy.Compile(); err != nil {
		fmt.Println(err)
		return
	}
	nobody := func() (*session.Session, error) { return nil, session.ErrNone }
	for _, target := range []string{"/public/logo.png", "/app", "/public/..;/app", "/public/%252e%252e/app", "/public/a%2Fb"} {
		d := policy.Decide(httptest.NewRequest(http.MethodGet, target, nil), nil, nobody)
		fmt.Println(target, d.Action)
	}
	// Output:
	// /public/logo.png pass
	// /app sign_in
	// /public/..;/app sign_in
	// /public/%252e%252e/app sign_in
	// /public/a%2Fb pass
}

func ExampleHeaders() {
	headers, err := gate.NewHeaders(gate.HeaderOptions{Preset: "remote"})
	if err != nil {
		fmt.Println(err)
		return
	}
	// To many an upstream, the same as Remote-User.
	forged := "Remote_User"
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header[forged] = []string{"admin"}
	r.Header.Set("Connection", "close, Remote-User")

	owned := gate.NewOwned(headers.Names()...)
	owned.StripRequest(r)
	owned.SanitizeConnection(r.Header)
	headers.Set(r.Header, &session.Session{
		User:        session.User{ID: "583231", Name: "Zoë"},
		HasEvidence: true,
		Evidence:    session.Evidence{Login: "octocat", Groups: []string{"dev", "a,admin"}},
	})
	for _, name := range []string{"Remote-User", "Remote-Name", "Remote-Groups", "Connection"} {
		fmt.Printf("%s: %s\n", name, r.Header.Get(name))
	}
	_, ok := r.Header[forged]
	fmt.Println(ok)
	// Output:
	// Remote-User: octocat
	// Remote-Name: Zo%C3%AB
	// Remote-Groups: dev,a%2Cadmin
	// Connection: close
	// false
}
