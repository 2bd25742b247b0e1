package bearer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testissuer"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// standalone is an issuer that nobody signs in with, for the audience orders.
func standalone(t testing.TB, i *testissuer.Issuer, now func() time.Time) Issuer {
	t.Helper()
	p, err := provider.NewTokenIssuer(provider.TokenIssuerConfig{Issuer: i.URL}, provider.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return Issuer{Keys: p, Accounts: p, Standalone: true, Audience: []string{"orders"}}
}

// client is an issuer that people sign in with, as the client web.
func client(t testing.TB, i *testissuer.Issuer, audience ...string) Issuer {
	t.Helper()
	p, err := provider.New(provider.Config{Preset: "keycloak", Issuer: i.URL, ClientID: "web", ClientSecret: "s"}, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tokens := p.(provider.TokenIssuer)
	return Issuer{Keys: tokens, Accounts: tokens, Audience: audience}
}

func verifier(t testing.TB, opts Options, issuers ...Issuer) *Verifier {
	t.Helper()
	opts.Issuers = issuers
	v, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type m = map[string]any

func TestTokens(t *testing.T) {
	op := testissuer.New(t)
	v := verifier(t, Options{}, standalone(t, op, nil))
	now := time.Now().Unix()
	good := func(more m) string { return op.Token(t, op.Claims("orders", more)) }
	cut := func(token string, part int, change func(string) string) string {
		parts := strings.Split(token, ".")
		parts[part] = change(parts[part])
		return strings.Join(parts, ".")
	}
	flip := func(s string) string {
		b := []byte(s)
		b[3] ^= 1
		if b[3] == '.' || !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", rune(b[3])) {
			b[3] = 'Q'
		}
		return string(b)
	}
	text := func(claims string) string { return op.Token(t, claims) }
	plain, err := json.Marshal(op.Claims("orders"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		want        error
	}{
		{"ES256", good(nil), nil},
		{"RS256", op.Token(t, op.Claims("orders"), m{"alg": "RS256"}), nil},
		{"PS256", op.Token(t, op.Claims("orders"), m{"alg": "PS256"}), nil},
		{"EdDSA", op.Token(t, op.Claims("orders"), m{"alg": "EdDSA"}), nil},
		{"IDP-03 no key id", op.Token(t, op.Claims("orders"), m{"kid": nil}), nil},
		{"typ in full and in capitals", op.Token(t, op.Claims("orders"), m{"typ": "Application/AT+JWT"}), nil},
		{"typ JWT", op.Token(t, op.Claims("orders"), m{"typ": "JWT"}), nil},
		{"no typ", op.Token(t, op.Claims("orders"), m{"typ": nil}), nil},
		{"several audiences", op.Token(t, op.Claims([]string{"other", "orders"})), nil},
		{"expired within the tolerance", good(m{"exp": now - 20}), nil},
		{"issued ahead within the tolerance", good(m{"iat": now + 20, "nbf": now + 20}), nil},
		{"no iat", good(m{"iat": nil}), nil},
		{"a fraction of a second", good(m{"exp": float64(now) + 60.5}), nil},

		{"TOKEN-15 signature flipped", cut(good(nil), 2, flip), session.ErrInvalid},
		{"TOKEN-15 signature of another key", op.Token(t, op.Claims("orders"), m{"kid": "rsa"}), session.ErrInvalid},
		{"TOKEN-15 no signature", cut(good(nil), 2, func(string) string { return "" }), session.ErrInvalid},
		{"TOKEN-15 another payload", cut(good(nil), 1, func(string) string {
			return base64.RawURLEncoding.EncodeToString(plain)
		}), session.ErrInvalid},
		{"TOKEN-16 alg none", cut(op.Token(t, op.Claims("orders"), m{"alg": "none"}), 2, func(string) string { return "" }), session.ErrInvalid},
		{"TOKEN-16 alg None with a signature", op.Token(t, op.Claims("orders"), m{"alg": "None"}), session.ErrInvalid},
		{"TOKEN-18 HS256 with the RSA key", op.Token(t, op.Claims("orders"), m{"alg": "HS256"}), session.ErrInvalid},
		{"TOKEN-19 encrypted", "e30.a.b.c.d", session.ErrInvalid},
		{"TOKEN-02 issuer is another", good(m{"iss": "https://evil.example"}), session.ErrInvalid},
		{"TOKEN-02 issuer with a slash", good(m{"iss": op.URL + "/"}), session.ErrInvalid},
		{"TOKEN-02 no issuer", good(m{"iss": nil}), session.ErrInvalid},
		{"TOKEN-02 issuer is a list", good(m{"iss": []string{op.URL}}), session.ErrInvalid},
		{"TOKEN-08 another audience", op.Token(t, op.Claims("payments")), session.ErrInvalid},
		{"TOKEN-11 audience that begins so", op.Token(t, op.Claims("orders1")), session.ErrInvalid},
		{"TOKEN-11 audience null", op.Token(t, op.Claims(nil)), session.ErrInvalid},
		{"TOKEN-11 audience empty", op.Token(t, op.Claims("")), session.ErrInvalid},
		{"TOKEN-11 audience with a number", op.Token(t, op.Claims([]any{1, "orders"})), session.ErrInvalid},
		{"TOKEN-11 audience is an object", op.Token(t, op.Claims(m{"orders": true})), session.ErrInvalid},
		{"TOKEN-13 no subject", good(m{"sub": nil}), session.ErrInvalid},
		{"TOKEN-13 empty subject", good(m{"sub": ""}), session.ErrInvalid},
		{"TOKEN-13 endless subject", good(m{"sub": strings.Repeat("a", 256)}), session.ErrInvalid},
		{"TOKEN-13 subject is a number", good(m{"sub": 7}), session.ErrInvalid},
		{"expired", good(m{"exp": now - 40}), session.ErrExpired},
		{"no exp", good(m{"exp": nil}), session.ErrInvalid},
		{"exp is text", good(m{"exp": "9999999999"}), session.ErrInvalid},
		{"exp beyond reason", good(m{"exp": 1e300}), session.ErrInvalid},
		{"not yet", good(m{"nbf": now + 60}), session.ErrInvalid},
		{"issued in the future", good(m{"iat": now + 60}), session.ErrInvalid},
		{"nbf is no time", good(m{"nbf": "soon"}), session.ErrInvalid},
		{"an ID token with a nonce", good(m{"nonce": "n"}), session.ErrInvalid},
		{"an ID token with at_hash", good(m{"at_hash": "h"}), session.ErrInvalid},
		{"typ of an ID token", op.Token(t, op.Claims("orders"), m{"typ": "id_token+jwt"}), session.ErrInvalid},
		{"typ of a logout token", op.Token(t, op.Claims("orders"), m{"typ": "logout+jwt"}), session.ErrInvalid},
		{"typ is a number", op.Token(t, op.Claims("orders"), m{"typ": 1}), session.ErrInvalid},
		{"typ is null", op.Token(t, string(plain), m{"typ": json.RawMessage("null")}), session.ErrInvalid},
		{"events of a logout token", good(m{"events": m{}}), session.ErrInvalid},
		{"Keycloak's ID token", good(m{"typ": "ID"}), session.ErrInvalid},
		{"Keycloak's refresh token", good(m{"typ": "Refresh"}), session.ErrInvalid},
		{"Cognito's ID token", good(m{"token_use": "id"}), session.ErrInvalid},
		{"bound to a key", good(m{"cnf": m{"jkt": "x"}}), session.ErrInvalid},
		{"crit", op.Token(t, op.Claims("orders"), m{"crit": []string{"b64"}, "b64": false}), session.ErrInvalid},
		{"crit without content", op.Token(t, op.Claims("orders"), m{"crit": []string{}}), session.ErrInvalid},
		{"zip", op.Token(t, op.Claims("orders"), m{"zip": "DEF"}), session.ErrInvalid},
		{"a claim twice", text(string(plain[:len(plain)-1]) + `,"sub":"root"}`), session.ErrInvalid},
		{"a claim twice, once escaped", text(string(plain[:len(plain)-1]) + `,"\u0073ub":"root"}`), session.ErrInvalid},
		{"claims in capitals", text(strings.Replace(string(plain), `"sub"`, `"SUB"`, 1)), session.ErrInvalid},
		{"not an object", text(`["ada"]`), session.ErrInvalid},
		{"null", text(`null`), session.ErrInvalid},
		{"too long", good(m{"x": strings.Repeat("x", MaxToken)}), session.ErrInvalid},
		{"padding", good(nil) + "=", session.ErrInvalid},
		{"a line break", cut(good(nil), 1, func(s string) string { return s[:4] + "\n" + s[4:] }), session.ErrInvalid},
		{"two parts", "e30.e30", session.ErrInvalid},
		{"empty parts", "..", session.ErrInvalid},
		{"opaque", "abc", session.ErrInvalid},
		{"nothing", "", session.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from the cache, if it is kept
				s, err := v.Read(t.Context(), c.token)
				if !errors.Is(err, c.want) || (err == nil) != (s != nil) {
					t.Fatalf("got %v", err)
				}
				if err != nil && strings.Contains(err.Error(), c.token) && c.token != "" {
					t.Errorf("the error has the token: %v", err)
				}
			}
		})
	}
	if n := op.Requests("/keys"); n > 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func TestSessionOfToken(t *testing.T) {
	op := testissuer.New(t)
	claims := op.Claims([]string{"orders", "web", "other"}, m{
		"name": "Ada", "email": "Ada@Example.com", "email_verified": true, "preferred_username": "ada.l", "scp": []string{"extra"},
		"auth_time": 1000, "acr": "high", "groups": []string{"/staff"}, "azp": "spa",
		"roles": []string{"a"}, "realm_access": m{"roles": []string{"b", "a"}},
		"resource_access": m{"orders": m{"roles": []string{"c"}}, "web": m{"roles": []string{"d"}}, "spa": m{"roles": []string{"admin"}}},
		// What a session has to say of itself is not the issuer's to say.
		"caddyauth": m{"sid": "x", "provider": "github", "account": "root", "roles": []string{"root"}},
	})
	token := op.Token(t, claims)

	t.Run("of an issuer that people sign in with", func(t *testing.T) {
		s, err := verifier(t, Options{}, client(t, op, "orders")).Read(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		e := s.Evidence
		if !s.Bearer || s.PAT != nil || !s.HasEvidence || s.User.ID != "ada" || s.User.Name != "Ada" || s.User.Email != "ada@example.com" {
			t.Errorf("%+v", s)
		}
		if e.Provider != "keycloak" || e.Account != "ada" || e.Login != "ada.l" || !e.Verified || e.Domain != "example.com" || e.AuthTime != 1000 || e.User != "" {
			t.Errorf("%+v", e)
		}
		p, err := provider.New(provider.Config{Preset: "keycloak", Issuer: op.URL, ClientID: "web", ClientSecret: "s"}, provider.Options{})
		if err != nil || e.Realm != p.Info().Realm {
			t.Errorf("realm %q: %v", e.Realm, err)
		}
		if !slices.Equal(e.Roles, []string{"a", "b", "c", "d"}) || !slices.Equal(e.Groups, []string{"/staff"}) {
			t.Errorf("roles %q groups %q", e.Roles, e.Groups)
		}
		for path, want := range map[string]string{
			"scope": `"orders:read orders:write"`, "scopes": `["orders:read","orders:write","extra"]`, "client_id": `"cli"`,
			"caddyauth.acr": `"high"`, "caddyauth.account": `"ada"`, "iss": `"` + op.URL + `"`,
		} {
			if c, _ := s.Claim(path); c.Raw() != want {
				t.Errorf("claim %s: %s, want %s", path, c.Raw(), want)
			}
		}
		if !s.Expires.Equal(time.Unix(claims["exp"].(int64), 0)) {
			t.Errorf("expires %v", s.Expires)
		}
	})
	t.Run("with claim paths of the site's own", func(t *testing.T) {
		s, err := verifier(t, Options{Roles: []string{"resource_access.spa.roles"}, Groups: []string{"scp"}}, client(t, op, "orders")).Read(t.Context(), token)
		if err != nil || !slices.Equal(s.Evidence.Roles, []string{"admin"}) || !slices.Equal(s.Evidence.Groups, []string{"extra"}) {
			t.Errorf("%v %+v", err, s)
		}
	})
	t.Run("of a standalone issuer", func(t *testing.T) {
		s, err := verifier(t, Options{}, standalone(t, op, nil)).Read(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if want := op.URL + "#ada"; s.Evidence.Provider != "bearer" || s.Evidence.Account != want || s.User.ID != want || s.Evidence.Login != "" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("nobody vouches for an address that the issuer does not", func(t *testing.T) {
		s, err := verifier(t, Options{}, standalone(t, op, nil)).Read(t.Context(), op.Token(t, op.Claims("orders", m{"email": "root@example.com"})))
		if err != nil || s.Evidence.Verified || s.Evidence.Domain != "" {
			t.Errorf("%v %+v", err, s)
		}
	})
}

// An account that is called after the fragment of another issuer's is nobody
// else's, and neither is one of a provider's.
func TestAccountsOfIssuers(t *testing.T) {
	a, b := testissuer.New(t), testissuer.New(t)
	v := verifier(t, Options{}, standalone(t, a, nil), standalone(t, b, nil), client(t, a, "web-api"))
	seen := map[string]bool{}
	for _, token := range []string{
		a.Token(t, a.Claims("orders")), b.Token(t, b.Claims("orders")), a.Token(t, a.Claims("web-api")),
		a.Token(t, a.Claims("orders", m{"sub": b.URL + "#ada"})), a.Token(t, a.Claims("web-api", m{"sub": a.URL + "#ada"})),
	} {
		s, err := v.Read(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if who := s.Owner(); seen[who] {
			t.Errorf("two people are %s", who)
		} else {
			seen[who] = true
		}
	}
	if _, err := v.Read(t.Context(), b.Token(t, b.Claims("orders", m{"iss": a.URL}))); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("an issuer signs for another: %v", err)
	}
}

// Where the API has no name of its own, a token must say that it is no ID token.
func TestAudienceOfTheClient(t *testing.T) {
	op := testissuer.New(t)
	v := verifier(t, Options{}, client(t, op, "web"))
	jwt := m{"typ": "JWT"}
	for _, c := range []struct {
		name, token string
		good        bool
	}{
		{"an ID token after a refresh", op.Token(t, op.Claims("web", m{"scope": nil, "client_id": nil}), jwt), false},
		{"a scope", op.Token(t, op.Claims("web"), jwt), true},
		{"typ", op.Token(t, op.Claims("web", m{"scope": nil})), true},
		{"Keycloak's word", op.Token(t, op.Claims("web", m{"scope": nil, "typ": "Bearer"}), jwt), true},
	} {
		if _, err := v.Read(t.Context(), c.token); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	op := testissuer.New(t)
	strict := standalone(t, op, nil)
	strict.Types, strict.Algorithms = []string{"application/at+jwt"}, []string{"RS256"}
	v := verifier(t, Options{}, strict)
	for _, c := range []struct {
		header m
		good   bool
	}{
		{m{"alg": "RS256"}, true},
		{m{"alg": "ES256"}, false},
		{m{"alg": "RS256", "typ": "JWT"}, false},
		{m{"alg": "RS256", "typ": nil}, false},
	} {
		if _, err := v.Read(t.Context(), op.Token(t, op.Claims("orders"), c.header)); (err == nil) != c.good {
			t.Errorf("%v: %v", c.header, err)
		}
	}
	for name, change := range map[string]func(*Issuer){
		"no audience":    func(i *Issuer) { i.Audience = nil },
		"empty audience": func(i *Issuer) { i.Audience = []string{""} },
		"HS256":          func(i *Issuer) { i.Algorithms = []string{"HS256"} },
		"none":           func(i *Issuer) { i.Algorithms = []string{"none"} },
		"no keys":        func(i *Issuer) { i.Keys = nil },
		"no accounts":    func(i *Issuer) { i.Accounts = nil },
	} {
		i := standalone(t, op, nil)
		change(&i)
		if _, err := New(Options{Issuers: []Issuer{i}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("no issuer: no error")
	}
}

// Nobody who sends tokens decides what is fetched, or how often.
func TestFetches(t *testing.T) {
	op, stranger := testissuer.New(t), testissuer.New(t)
	v := verifier(t, Options{}, standalone(t, op, nil))
	for _, token := range []string{
		stranger.Token(t, stranger.Claims("orders")),
		stranger.Token(t, stranger.Claims("orders"), m{"jku": stranger.URL + "/keys", "x5u": stranger.URL + "/x"}),
		op.Token(t, op.Claims("payments")), op.Token(t, op.Claims("orders", m{"exp": 1})), op.Token(t, op.Claims("orders"), m{"alg": "HS256"}),
	} {
		if _, err := v.Read(t.Context(), token); err == nil {
			t.Error("accepted")
		}
	}
	if n := stranger.Requests("/keys") + stranger.Requests("/.well-known/openid-configuration") + op.Requests("/keys"); n != 0 {
		t.Errorf("%d fetches for tokens that cannot be good", n)
	}
	if _, err := v.Read(t.Context(), op.Token(t, op.Claims("orders"))); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 30 {
		token := op.Token(t, op.Claims("orders"), m{"kid": fmt.Sprint("made-up-", i), "jku": stranger.URL + "/keys"})
		wg.Go(func() {
			if _, err := v.Read(t.Context(), token); !errors.Is(err, session.ErrInvalid) {
				t.Errorf("an unknown key: %v", err)
			}
		})
	}
	wg.Wait()
	if n := op.Requests("/keys"); n != 2 { // the first and, as there may be new keys, one more
		t.Errorf("a storm of unknown keys caused %d fetches", n-1)
	}
	if n := stranger.Requests("/keys"); n != 0 {
		t.Errorf("a link in a header was followed %d times", n)
	}
}

func TestOutage(t *testing.T) {
	op := testissuer.New(t)
	op.SetDown(true)
	v := verifier(t, Options{}, standalone(t, op, nil))
	token := op.Token(t, op.Claims("orders"))
	for range 5 {
		if _, err := v.Read(t.Context(), token); !errors.Is(err, ErrUnavailable) || errors.Is(err, session.ErrInvalid) {
			t.Fatalf("got %v", err)
		}
	}
	if n := op.Requests("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d attempts in a moment", n)
	}
	if _, err := v.Read(t.Context(), op.Token(t, op.Claims("payments"))); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("what is refused anyway: %v", err)
	}
	t.Run("IDP-05 known keys bridge an outage", func(t *testing.T) {
		op := testissuer.New(t)
		v := verifier(t, Options{}, standalone(t, op, nil))
		if _, err := v.Read(t.Context(), op.Token(t, op.Claims("orders"))); err != nil {
			t.Fatal(err)
		}
		op.SetDown(true)
		if _, err := v.Read(t.Context(), op.Token(t, op.Claims("orders"))); err != nil {
			t.Error(err)
		}
		if _, err := v.Read(t.Context(), op.Token(t, op.Claims("orders"), m{"kid": "unknown"})); !errors.Is(err, session.ErrInvalid) {
			t.Errorf("an unknown key: %v", err)
		}
	})
}

// A verified token is believed for a minute, and never beyond its end.
func TestCache(t *testing.T) {
	op := testissuer.New(t)
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	v := verifier(t, Options{Now: clock}, standalone(t, op, clock))
	long, short := op.Token(t, op.Claims("orders", m{"exp": now.Unix() + 7200})), op.Token(t, op.Claims("orders", m{"exp": now.Unix() + 10}))
	read := func(token string) (*session.Session, error) { return v.Read(t.Context(), token) }
	first, err := read(long)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(short); err != nil {
		t.Fatal(err)
	}
	if again, _ := read(long); again != first {
		t.Error("verified twice in a moment")
	}
	op.NewKeys(t)
	pass(41 * time.Second)
	if _, err := read(short); !errors.Is(err, session.ErrExpired) {
		t.Errorf("kept beyond its end: %v", err)
	}
	if again, _ := read(long); again != first {
		t.Error("verified again within the minute")
	}
	pass(20 * time.Second)
	if again, err := read(long); err != nil || again == first {
		t.Errorf("not verified again after a minute: %v", err)
	}
	pass(time.Hour)
	if _, err := read(long); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("a key that the issuer has withdrawn is believed for longer than keys are kept: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("e30.e30.")
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lzc3VlciIsImF1ZCI6Im9yZGVycyIsInN1YiI6ImEiLCJleHAiOjF9.AA")
	f.Add("eyJhbGciOm51bGx9.bnVsbA.x")
	i := &Issuer{Audience: []string{"orders"}, Accounts: nobody{}, Algorithms: provider.SigningAlgs(), Types: DefaultTypes}
	f.Fuzz(func(t *testing.T, raw string) {
		tok, err := parse(raw)
		if err != nil {
			return
		}
		if len(raw) > MaxToken || tok.claims == nil && tok.payload != "null" {
			t.Errorf("%q was taken apart", raw)
		}
		if i.check(tok, time.Unix(0, 0)) == nil && (tok.claims["sub"] == nil || tok.claims["aud"] == nil || tok.claims["exp"] == nil) {
			t.Errorf("%q lacks something", tok.payload)
		}
		scopes(tok.claims)
	})
}

type nobody struct{ provider.TokenIssuer }

func (nobody) ClientID() string { return "" }

func BenchmarkRead(b *testing.B) {
	op := testissuer.New(b)
	v := verifier(b, Options{}, standalone(b, op, nil))
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		token := op.Token(b, op.Claims("orders", m{"name": "Ada", "email": "ada@example.com", "groups": []string{"a", "b"}}), m{"alg": alg})
		if _, err := v.Read(b.Context(), token); err != nil {
			b.Fatal(err)
		}
		b.Run(alg+"/seen before", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Read(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/never seen", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.verify(b.Context(), token, time.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
