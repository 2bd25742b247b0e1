package assertion

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/caddyauth/gateway/caddyauth/session"
)

var theTime = time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)

func signer(t testing.TB, at time.Time, secrets ...string) *Signer {
	t.Helper()
	s, err := New(Options{Secrets: secrets, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keys(t testing.TB, s *Signer) jose.JSONWebKeySet {
	t.Helper()
	body, etag, err := s.JWKS()
	if err != nil || len(etag) < 10 {
		t.Fatal(etag, err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

var ada = &session.Session{
	User: session.User{ID: "1", Name: `Ada "the" Countess`, Email: "ada@example.com"}, HasEvidence: true,
	Evidence: session.Evidence{SID: "s1", Provider: "github", Account: "1", Login: "ada", Verified: true, Roles: []string{"a", "b,c"}, Groups: []string{"g"}},
}

var request = Request{Origin: "https://app.example.com", Method: "POST", Path: "/x/%C3%A9"}

// claims verifies a token with a set and returns what is in it.
func claims(t testing.TB, set jose.JSONWebKeySet, raw string) map[string]any {
	t.Helper()
	tok, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]any)
	if err := tok.Claims(set, &got); err != nil {
		t.Fatalf("the published keys do not verify it: %v", err)
	}
	return got
}

func TestAssertion(t *testing.T) {
	s := signer(t, theTime, "secret")
	raw, err := s.Sign(request, ada)
	if err != nil {
		t.Fatal(err)
	}
	got := claims(t, keys(t, s), raw)
	jti, _ := got["jti"].(string)
	delete(got, "jti")
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"aud":"https://app.example.com","email":"ada@example.com","email_verified":true,"exp":1935817749,"groups":["g"],` +
		`"htm":"POST","htu":"https://app.example.com/x/%C3%A9","iat":1935817689,"iss":"https://app.example.com","name":"Ada \"the\" Countess","nbf":1935817689,` +
		`"orgs":[],"preferred_username":"ada","provider":"github","roles":["a","b,c"],"sid":"s1","sub":"github:1"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	again, err := s.Sign(request, ada)
	if err != nil || again == raw || claims(t, keys(t, s), again)["jti"] == jti || len(jti) < 22 {
		t.Errorf("jti %q is not new each time: %v", jti, err)
	}
}

func TestOptionalClaims(t *testing.T) {
	s, err := New(Options{Secrets: []string{"secret"}, Audience: "api", TTL: 5 * time.Minute, Now: func() time.Time { return theTime }})
	if err != nil {
		t.Fatal(err)
	}
	// A token of NextAuth's own.
	raw, err := s.Sign(Request{Origin: "https://a", Method: "GET", Path: "/" + strings.Repeat("a", maxPath)}, &session.Session{User: session.User{ID: "7"}, JTI: "j"})
	if err != nil {
		t.Fatal(err)
	}
	got := claims(t, keys(t, s), raw)
	for name, want := range map[string]any{"aud": "api", "sub": "7", "sid": "j", "htu": "https://a", "exp": float64(theTime.Unix() + 300)} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"email", "email_verified", "name", "provider", "preferred_username"} {
		if v, has := got[name]; has {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// Instances with one secret need not tell each other anything, and a verifier
// that has kept the keys since yesterday has today's.
func TestRotation(t *testing.T) {
	today := signer(t, theTime, "secret")
	raw, err := today.Sign(request, ada)
	if err != nil {
		t.Fatal(err)
	}
	id := func(s *Signer) string {
		d, err := s.today(s.opts.Now())
		if err != nil {
			t.Fatal(err)
		}
		return d.signing.id
	}
	for name, other := range map[string]*Signer{
		"another instance": signer(t, theTime, "secret"), "yesterday's keys": signer(t, theTime.Add(-Rotation), "secret"),
		"tomorrow's keys": signer(t, theTime.Add(Rotation), "secret"), "another secret in front": signer(t, theTime, "new", "secret"),
	} {
		claims(t, keys(t, other), raw)
		if (id(other) == id(today)) != (name == "another instance") {
			t.Errorf("%s: signs with %s", name, id(other))
		}
	}
	for name, other := range map[string]*Signer{
		"another secret": signer(t, theTime, "other"), "two days later": signer(t, theTime.Add(2*Rotation), "secret"), "two days before": signer(t, theTime.Add(-2*Rotation), "secret"),
	} {
		if set := keys(t, other); slices.ContainsFunc(set.Keys, func(k jose.JSONWebKey) bool { return k.KeyID == id(today) }) {
			t.Errorf("%s: the key is published", name)
		}
	}
	if n := len(keys(t, signer(t, theTime, "new", "old")).Keys); n != 6 {
		t.Errorf("%d keys of two secrets", n)
	}
}

// The same instance moves on by itself, whoever asks at that moment.
func TestMidnight(t *testing.T) {
	var mu sync.Mutex
	now := theTime
	s, err := New(Options{Secrets: []string{"secret"}, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := s.JWKS()
	mu.Lock()
	now = now.Add(Rotation)
	mu.Unlock()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			raw, err := s.Sign(request, ada)
			if err != nil {
				t.Error(err)
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(before, &set); err != nil {
				t.Error(err)
			}
			claims(t, set, raw)
		})
	}
	wg.Wait()
	if after, _, _ := s.JWKS(); string(after) == string(before) {
		t.Error("the keys stay the same")
	}
}

// recorded is the thumbprint of the key of "secret" in period 20000.
const recorded = "7PbCl3mxAxR5FkFMAgtgnYXTSQmZtwEVmt1NWelfyEg"

// Derivation is part of the contract among instances of different versions: what
// one publishes, the other signs with.
func TestDerivation(t *testing.T) {
	k, err := derive("secret", 20000)
	if err != nil {
		t.Fatal(err)
	}
	thumb, err := (&jose.JSONWebKey{Key: &k.private.PublicKey}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if got := base64.RawURLEncoding.EncodeToString(thumb); got != k.id {
		t.Errorf("kid %s is not the thumbprint %s", k.id, got)
	}
	if k.id != recorded {
		t.Errorf("the key is %s, it was %s", k.id, recorded)
	}
}

func TestPublicKeysOnly(t *testing.T) {
	body, _, err := signer(t, theTime, "secret").JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		for name := range k {
			if !slices.Contains([]string{"kty", "crv", "x", "y", "kid", "alg", "use"}, name) {
				t.Errorf("member %s", name)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no secret": {}, "empty secret": {Secrets: []string{""}}, "short": {Secrets: []string{"x"}, TTL: time.Second},
		"HDR-18 long": {Secrets: []string{"x"}, TTL: MaxTTL + 1}, "negative": {Secrets: []string{"x"}, TTL: -time.Minute},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s := signer(b, theTime, "secret")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(request, ada); err != nil {
			b.Fatal(err)
		}
	}
}
