// Package testop runs real OpenID Providers for tests, and walks through their
// sign-in pages the way a browser does.
//
// [Start] runs zitadel/oidc in this process, [StartNode] the npm package
// oidc-provider. Both listen on loopback only.
package testop

import (
	"net/http"
	"sync"
	"testing"

	jose "github.com/go-jose/go-jose/v4"
)

// OP is a running OpenID Provider with one registered client.
type OP struct {
	// URL is the issuer, without a slash at the end.
	URL string
	// ClientID and ClientSecret are those of the registered client, which
	// authenticates with client_secret_basic. Both need form encoding inside the
	// Authorization header (RFC 6749 2.3.1), so that its absence shows.
	ClientID     string
	ClientSecret string

	redirects []string

	mu     sync.Mutex
	counts map[string]int
	key    *jose.JSONWebKey
}

// The registered client.
const (
	clientID     = "test:client"
	clientSecret = "s3cret +&%/=:"
)

// User is somebody who can sign in. All have the password [Password].
type User struct {
	Username      string
	FirstName     string
	LastName      string
	Email         string
	EmailVerified bool
	Groups        []string
}

// Password is everybody's.
const Password = "correct horse"

// Users returns those who can sign in: alice, of the groups staff and admins
// and with a verified address, and bob, of no group and with an unverified one.
// Their subject is "id-" and the user name with zitadel, the user name with
// oidc-provider. With zitadel there is a crowd besides, of everybody whose name
// is "crowd" and anything.
func Users() []User {
	return []User{
		{Username: "alice", FirstName: "Alice", LastName: "Example", Email: "Alice@Example.com", EmailVerified: true, Groups: []string{"staff", "admins"}},
		{Username: "bob", FirstName: "Bob", LastName: "Builder", Email: "bob@example.org"},
	}
}

// UseKey makes the client one that authenticates with private_key_jwt and has a
// public key. Only providers from Start know of it.
func (o *OP) UseKey(public jose.JSONWebKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.key = &public
}

func (o *OP) clientKey() *jose.JSONWebKey {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.key
}

// Requests returns how many requests for a path the provider has had. Only
// providers from Start count.
func (o *OP) Requests(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[path]
}

func (o *OP) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.counts[r.URL.Path]++
		o.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// fatal stops the test if a step of the set-up failed.
func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
