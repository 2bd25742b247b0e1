// Package testop runs real OpenID Providers for tests, and walks through their
// sign-in pages the way a browser does.
//
// [Start] runs zitadel/oidc in this process, [StartNode] the npm package
// oidc-provider, [StartGlewlwyd] and [StartLemonLDAP] Debian's packages. All listen
// on loopback only.
package testop

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

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

	told func(testing.TB) []Event

	mu        sync.Mutex
	counts    map[string]int
	key       *jose.JSONWebKey
	lifetimes []time.Duration
	events    []Event
}

func newOP(url string) *OP {
	return &OP{URL: url, ClientID: clientID, ClientSecret: clientSecret, counts: make(map[string]int)}
}

// Event is something that a provider has done, under the name that oidc-provider has
// for it.
type Event struct {
	// Event is one of Pushed, Granted, Refused, LoggedOut and NotLoggedOut.
	Event string
	// GrantType and RefreshToken are what the client sent, of grants.
	GrantType    string `json:"grant_type"`
	RefreshToken string `json:"refresh_token"`
	// Error says why a client could not be told of a logout.
	Error string
}

// What providers do. Those from Start tell of Granted alone.
const (
	Pushed       = "pushed_authorization_request.success"
	Granted      = "grant.success"
	Refused      = "grant.error"
	LoggedOut    = "backchannel.success"
	NotLoggedOut = "backchannel.error"
)

// Events returns what the provider has done under a name so far.
func (o *OP) Events(t testing.TB, name string) []Event {
	t.Helper()
	return slices.DeleteFunc(o.told(t), func(e Event) bool { return e.Event != name })
}

// Refreshes returns the refresh tokens that the provider has taken.
func (o *OP) Refreshes(t testing.TB) (tokens []string) {
	t.Helper()
	for _, e := range o.Events(t, Granted) {
		if e.GrantType == "refresh_token" {
			tokens = append(tokens, e.RefreshToken)
		}
	}
	return tokens
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

// UseLifetimes says how long access tokens are good, the first one first; the last
// is that of all others. Only providers from Start know of it; theirs are good for
// five minutes otherwise.
func (o *OP) UseLifetimes(lifetimes ...time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lifetimes = lifetimes
}

// lifetime is that of the next access token, if it is not to be the usual one.
func (o *OP) lifetime() (next time.Duration, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lifetimes) == 0 {
		return 0, false
	}
	next = o.lifetimes[0]
	if len(o.lifetimes) > 1 {
		o.lifetimes = o.lifetimes[1:]
	}
	return next, true
}

// did notes what a provider from Start has done.
func (o *OP) did(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
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
