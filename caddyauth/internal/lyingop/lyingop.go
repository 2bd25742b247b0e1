package lyingop

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Leak is what every secret of an OP begins with.
const Leak = "leak-"

// The client that is registered unless a test changes it, and who signs in.
const (
	ClientID     = "client"
	ClientSecret = Leak + "client-secret"
	Subject      = "subject"
	Name         = "A User"
	Email        = "user@example.com"
)

// The paths of an OP.
const (
	Discovery     = "/.well-known/openid-configuration"
	Authorization = "/authorize"
	Token         = "/token"
	Userinfo      = "/userinfo"
	JWKS          = "/jwks"
	PushedRequest = "/par"
	EndSession    = "/end-session"
	Revocation    = "/revoke"
)

// OP is a running OpenID Provider on loopback. Its fields are read while it
// answers: they are set between requests, or by [OP.Change] during them. Functions
// among them run under the OP's lock, and may change its fields.
type OP struct {
	*httptest.Server

	// ClientID, ClientSecret and ClientAuth are those of the registered client.
	// Without a secret anybody is taken for it. ClientAuth is "basic", "post",
	// "private_key_jwt", or empty for either of the first two.
	ClientID, ClientSecret, ClientAuth string
	// ClientKey verifies assertions of private_key_jwt.
	ClientKey any

	// Now is the OP's clock. Default: time.Now.
	Now func() time.Time

	// Key signs, and Header changes the headers of ID tokens.
	Key    Key
	Header map[string]any
	// Claims changes the claims of an ID token, of one that comes with a refresh
	// as well. A claim that is nil is left out.
	Claims func(map[string]any)
	// Refreshed changes those that come with a refresh only, after Claims.
	Refreshed func(map[string]any)
	// Payload stands for the claims.
	Payload string
	// RawToken changes the signed ID token.
	RawToken func(string) string
	// Response changes the token response.
	Response func(map[string]any)
	// Metadata changes the discovery document. A member that is nil is left out.
	Metadata func(map[string]any)
	// Callback changes what the browser brings back.
	Callback func(url.Values)
	// Return changes what it brings back from signing out.
	Return func(url.Values)
	// Person is what the OP knows of who signs in: what userinfo answers.
	Person map[string]any
	// JWKS is what the key endpoint answers, at JWKSPath.
	JWKS     func() any
	JWKSPath string

	// Lifetime is that of access tokens. Default: five minutes.
	Lifetime time.Duration
	// Access is the access token, every time. Default: another one each time.
	Access string
	// Nonce makes the OP redeem any code and any refresh token, for ID tokens with
	// this nonce. Without it only those that it gave out are good.
	Nonce string
	// PushedOnly refuses authorization requests that were not pushed (RFC 9126).
	PushedOnly bool
	// Scoped keeps the person's claims to userinfo, and there to the scopes that
	// were asked for (OpenID Connect Core, section 5.4).
	Scoped bool
	// SignedUserinfo answers with a JWT.
	SignedUserinfo bool
	// Refuses refuses refresh tokens.
	Refuses bool

	// Tap sees every request before it is answered, outside the lock.
	Tap func(path string, r *http.Request)

	t testing.TB

	mu       sync.Mutex
	seen     map[string][]Seen
	replaced map[string]http.HandlerFunc
	grants   map[string]*grant // by code and refresh token
	access   map[string]*grant
	pushed   map[string]url.Values
	jtis     map[string]bool
	issued   map[string]int // by kind of secret
}

// Seen is a request that an OP has had.
type Seen struct {
	Method string
	Header http.Header
	// Query and Form are the parameters of the URL and of the body.
	Query, Form url.Values
}

// New starts an OP, which the end of the test ends, with the behaviors of the given
// names. See [OP.Behave].
func New(t testing.TB, behaviors ...string) *OP {
	t.Helper()
	op := &OP{
		ClientID: ClientID, ClientSecret: ClientSecret, Now: time.Now, Key: RSA(), JWKS: KeysOf(RSA()), JWKSPath: JWKS,
		Person:   map[string]any{"sub": Subject, "name": Name, "email": Email, "email_verified": true},
		Lifetime: 5 * time.Minute,

		t: t, seen: make(map[string][]Seen), replaced: make(map[string]http.HandlerFunc),
		grants: make(map[string]*grant), access: make(map[string]*grant),
		pushed: make(map[string]url.Values), jtis: make(map[string]bool), issued: make(map[string]int),
	}
	op.Server = httptest.NewServer(op)
	t.Cleanup(op.Close)
	for _, name := range behaviors {
		op.Behave(name)
	}
	return op
}

// ServeHTTP answers a request.
func (op *OP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	_ = r.ParseForm()
	op.mu.Lock()
	op.seen[r.URL.Path] = append(op.seen[r.URL.Path], Seen{r.Method, r.Header.Clone(), r.URL.Query(), r.PostForm})
	handler, tap := op.replaced[r.URL.Path], op.Tap
	op.mu.Unlock()
	if tap != nil {
		tap(r.URL.Path, r)
	}
	if handler == nil {
		handler = op.Answer
	}
	handler(w, r)
}

// Answer answers as if nothing had been replaced.
func (op *OP) Answer(w http.ResponseWriter, r *http.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	w.Header().Set("Date", op.Now().UTC().Format(http.TimeFormat))
	switch r.URL.Path {
	case Discovery:
		WriteJSON(w, op.metadata())
	case op.JWKSPath:
		WriteJSON(w, op.JWKS())
	case Authorization:
		op.authorize(w, r)
	case PushedRequest:
		op.push(w, r)
	case Token:
		op.token(w, r)
	case Userinfo:
		op.userinfo(w, r)
	case EndSession:
		op.endSession(w, r)
	case Revocation:
		op.revoke(w, r)
	default:
		http.NotFound(w, r)
	}
}

// WriteJSON answers with JSON.
func WriteJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (op *OP) metadata() map[string]any {
	m := map[string]any{
		"issuer": op.URL, "authorization_endpoint": op.URL + Authorization, "token_endpoint": op.URL + Token,
		"userinfo_endpoint": op.URL + Userinfo, "jwks_uri": op.URL + op.JWKSPath,
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "none", "HS256"},
	}
	if op.Metadata != nil {
		op.Metadata(m)
	}
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

// Change runs a function while no request is answered.
func (op *OP) Change(f func()) {
	op.mu.Lock()
	defer op.mu.Unlock()
	f()
}

// Replace puts another handler in the place of a path. Nil restores what was
// there.
func (op *OP) Replace(path string, h http.HandlerFunc) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.replaced[path] = h
}

// Seen returns the requests for a path so far.
func (op *OP) Seen(path string) []Seen {
	op.mu.Lock()
	defer op.mu.Unlock()
	return append([]Seen(nil), op.seen[path]...)
}

// Count returns how many there were.
func (op *OP) Count(path string) int {
	op.mu.Lock()
	defer op.mu.Unlock()
	return len(op.seen[path])
}

// Forget forgets the requests so far, for tests that make a great many.
func (op *OP) Forget() {
	op.mu.Lock()
	defer op.mu.Unlock()
	clear(op.seen)
}

// Grants returns how often tokens were asked for with a grant type, whatever
// became of it.
func (op *OP) Grants(grantType string) (n int) {
	for _, s := range op.Seen(Token) {
		if s.Form.Get("grant_type") == grantType {
			n++
		}
	}
	return n
}
