package store_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

const (
	oldSecret = "vault-test-old-secret-0123456789abcdef"
	newSecret = "vault-test-new-secret-0123456789abcdef"
)

func newVault(t testing.TB, d store.Driver, secrets ...string) *store.Vault {
	t.Helper()
	v, err := store.NewVault(d, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// must returns what a call that cannot fail returns.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func account(userID string) store.Account {
	return store.Account{
		UserID: userID, Type: "oidc", Provider: "op", ProviderAccountID: "alice",
		AccessToken: "access-of-alice", RefreshToken: "refresh-of-alice", IDToken: "eyJ.id.token",
		TokenType: "Bearer", Scope: "openid email", SessionState: "state", ExpiresAt: 1_900_000_000,
	}
}

func newAccount(t testing.TB, d store.Driver) (store.User, store.Account) {
	t.Helper()
	u := must[store.User](t)(d.CreateUser(context.Background(), store.User{Email: "alice@example.com"}))
	a := account(u.ID)
	if err := d.LinkAccount(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	return u, a
}

func TestVaultHashesSessionTokens(t *testing.T) {
	ctx, inner := context.Background(), memory.New()
	v := newVault(t, inner, newSecret)
	u := must[store.User](t)(v.CreateUser(ctx, store.User{Name: "Alice"}))
	in := store.Session{
		ID: "s1", Token: "the-token", UserID: u.ID, Provider: "op", Account: "alice",
		Expires: time.Unix(2_000_000_000, 0), Evidence: []byte(`{"sid":"s1"}`),
	}
	if err := v.CreateSession(ctx, in); err != nil {
		t.Fatal(err)
	}
	kept := must[store.SessionAndUser](t)(inner.SessionByID(ctx, "s1")).Session
	if kept.Token != store.Hash("the-token") || strings.Contains(kept.Token, "the-token") {
		t.Errorf("the store has %q", kept.Token)
	}
	if kept.Token = in.Token; !reflect.DeepEqual(kept, in) {
		t.Errorf("kept %+v, want %+v", kept, in)
	}
	if got := must[store.SessionAndUser](t)(v.SessionByToken(ctx, "the-token")); got.Session.ID != "s1" || got.User != u {
		t.Errorf("%+v", got)
	}
	// What can be read in the store opens nothing, nor does what was never there.
	for _, token := range []string{store.Hash("the-token"), "s1", "THE-TOKEN", "the-token ", "", "' OR 1=1 --"} {
		if _, err := v.SessionByToken(ctx, token); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", token, err)
		}
	}
	// A session outlives the secret.
	if _, err := newVault(t, inner, oldSecret).SessionByToken(ctx, "the-token"); err != nil {
		t.Error(err)
	}
}

// Sessions whose token is sealed have none here, any number of them.
func TestVaultEmptySessionTokens(t *testing.T) {
	ctx, v := context.Background(), newVault(t, memory.New(), newSecret)
	u := must[store.User](t)(v.CreateUser(ctx, store.User{}))
	for _, id := range []string{"s1", "s2"} {
		if err := v.CreateSession(ctx, store.Session{ID: id, UserID: u.ID}); err != nil {
			t.Error(err)
		}
	}
}

// Whatever way an account goes in, its tokens are sealed, and come out again.
func TestVaultSealsTokens(t *testing.T) {
	ctx := context.Background()
	for name, put := range map[string]func(v *store.Vault, a store.Account) (userID string, err error){
		"LinkAccount": func(v *store.Vault, a store.Account) (string, error) {
			u, _ := v.CreateUser(ctx, store.User{})
			a.UserID = u.ID
			return u.ID, v.LinkAccount(ctx, a)
		},
		"CreateUserAndAccount": func(v *store.Vault, a store.Account) (string, error) {
			u, err := v.CreateUserAndAccount(ctx, store.User{}, a)
			return u.ID, err
		},
		"UpdateAccount": func(v *store.Vault, a store.Account) (string, error) {
			before := a
			before.AccessToken, before.RefreshToken, before.IDToken = "x", "", "y"
			u, _ := v.CreateUserAndAccount(ctx, store.User{}, before)
			return u.ID, v.UpdateAccount(ctx, a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inner := memory.New()
			v := newVault(t, inner, newSecret)
			in := account("")
			id, err := put(v, in)
			if err != nil {
				t.Fatal(err)
			}
			kept := must[store.Account](t)(inner.Account(ctx, "op", "alice"))
			for _, value := range []string{kept.AccessToken, kept.RefreshToken, kept.IDToken} {
				if !strings.HasPrefix(value, "sealed:") || strings.Contains(value, "alice") || strings.Contains(value, "eyJ") {
					t.Errorf("the store has %q", value)
				}
			}
			want := account(id)
			if in != account("") {
				t.Error("the caller's account was changed")
			}
			if got := must[store.Account](t)(v.Account(ctx, "op", "alice")); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			list := must[[]store.Account](t)(v.Accounts(ctx, id))
			if len(list) != 1 || list[0] != want {
				t.Errorf("got %+v, want %+v", list, want)
			}
			// Only the tokens are, and what is kept is not what is handed out.
			kept.AccessToken, kept.RefreshToken, kept.IDToken = want.AccessToken, want.RefreshToken, want.IDToken
			if kept != want {
				t.Errorf("the store has %+v", kept)
			}
			if again := must[store.Account](t)(inner.Account(ctx, "op", "alice")); !strings.HasPrefix(again.AccessToken, "sealed:") {
				t.Error("reading has opened what is kept")
			}
		})
	}
}

func TestVaultSealsAnew(t *testing.T) {
	ctx, inner := context.Background(), memory.New()
	v := newVault(t, inner, newSecret)
	_, a := newAccount(t, v)
	first := must[store.Account](t)(inner.Account(ctx, "op", "alice"))
	if err := v.UpdateAccount(ctx, a); err != nil {
		t.Fatal(err)
	}
	if second := must[store.Account](t)(inner.Account(ctx, "op", "alice")); first.AccessToken == second.AccessToken {
		t.Error("one and the same token is sealed alike twice")
	}
	// No token is no secret.
	a.RefreshToken = ""
	if err := v.UpdateAccount(ctx, a); err != nil {
		t.Fatal(err)
	}
	if kept := must[store.Account](t)(inner.Account(ctx, "op", "alice")); kept.RefreshToken != "" {
		t.Errorf("%q", kept.RefreshToken)
	}
}

// RELOAD-05: with `new old` everything opens and the new one seals; when the old
// one is gone, so is what it sealed, without an error.
func TestVaultRotation(t *testing.T) {
	ctx, inner := context.Background(), memory.New()
	before := newVault(t, inner, oldSecret)
	u, a := newAccount(t, before)
	both, after := newVault(t, inner, newSecret, oldSecret), newVault(t, inner, newSecret)
	gone := a
	gone.AccessToken, gone.RefreshToken, gone.IDToken = "", "", ""

	want := func(when string, v *store.Vault, want store.Account) {
		t.Helper()
		got := must[store.Account](t)(v.Account(ctx, "op", "alice"))
		list := must[[]store.Account](t)(v.Accounts(ctx, u.ID))
		if got != want || len(list) != 1 || list[0] != want {
			t.Errorf("%s: got %+v and %+v, want %+v", when, got, list, want)
		}
	}
	want("sealed by old, read by both", both, a)
	want("sealed by old, read by new", after, gone)
	if err := both.UpdateAccount(ctx, a); err != nil {
		t.Fatal(err)
	}
	want("sealed by both, read by both", both, a)
	want("sealed by both, read by new", after, a)
	want("sealed by both, read by old", before, gone)
}

// A value opens only where it was put, and nothing else does.
func TestVaultWrongPlace(t *testing.T) {
	ctx, inner := context.Background(), memory.New()
	v := newVault(t, inner, newSecret)
	_, a := newAccount(t, v)
	kept := must[store.Account](t)(inner.Account(ctx, "op", "alice"))
	box := kept.AccessToken
	mallory := must[store.User](t)(inner.CreateUser(ctx, store.User{}))

	for name, moved := range map[string]store.Account{
		"another member":   {Provider: "op", ProviderAccountID: "m1", RefreshToken: box, IDToken: box},
		"another account":  {Provider: "op", ProviderAccountID: "mallory", AccessToken: box},
		"another provider": {Provider: "other", ProviderAccountID: "alice", AccessToken: box},
		"another border":   {Provider: "op\x00alice", ProviderAccountID: "", AccessToken: box},
		"no seal":          {Provider: "op", ProviderAccountID: "m2", AccessToken: "plain", RefreshToken: "eyJ.x.y", IDToken: " sealed:"},
		"nothing in it":    {Provider: "op", ProviderAccountID: "m3", AccessToken: "sealed:", RefreshToken: "sealed:AAAA", IDToken: "sealed:%"},
		"one bit":          {Provider: "op", ProviderAccountID: "m4", AccessToken: box[:len(box)-2] + "xx"},
		"cut off":          {Provider: "op", ProviderAccountID: "m5", AccessToken: box[:len(box)-4]},
		"the hash":         {Provider: "op", ProviderAccountID: "m6", AccessToken: store.Hash(a.AccessToken)},
	} {
		moved.UserID = mallory.ID
		if err := inner.LinkAccount(ctx, moved); err != nil {
			t.Fatal(name, err)
		}
		got := must[store.Account](t)(v.Account(ctx, moved.Provider, moved.ProviderAccountID))
		if got.AccessToken != "" || got.RefreshToken != "" || got.IDToken != "" {
			t.Errorf("%s: opened %+v", name, got)
		}
	}
	// The same damage at the right place.
	for _, broken := range []string{box[:len(box)-2] + "xx", box[:len(box)-4], box + "A", strings.ToUpper(box)} {
		kept.AccessToken = broken
		if err := inner.UpdateAccount(ctx, kept); err != nil {
			t.Fatal(err)
		}
		if got := must[store.Account](t)(v.Account(ctx, "op", "alice")); got.AccessToken != "" || got.RefreshToken != a.RefreshToken {
			t.Errorf("%q: opened %+v", broken, got)
		}
	}
}

// The rest is the driver's.
func TestVaultPassesThrough(t *testing.T) {
	ctx, inner := context.Background(), memory.New()
	v := newVault(t, inner, newSecret)
	u, _ := newAccount(t, v)
	if got := must[store.User](t)(inner.User(ctx, u.ID)); got != u {
		t.Errorf("%+v", got)
	}
	if _, err := v.Account(ctx, "op", "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	if err := v.LinkAccount(ctx, account(u.ID)); !errors.Is(err, store.ErrConflict) {
		t.Error(err)
	}
	if _, err := v.CreateUserAndAccount(ctx, store.User{Email: "b@example.com"}, account("")); !errors.Is(err, store.ErrConflict) {
		t.Error(err)
	}
	token := store.VerificationToken{Identifier: "a@example.com", Token: "hash", Expires: time.Unix(2_000_000_000, 0)}
	if err := v.CreateVerificationToken(ctx, token); err != nil {
		t.Fatal(err)
	}
	if got := must[store.VerificationToken](t)(inner.UseVerificationToken(ctx, token.Identifier, token.Token)); got != token {
		t.Errorf("%+v", got)
	}
	if err := v.Ping(ctx); err != nil {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if err := inner.Ping(ctx); err == nil {
		t.Error("the driver was not closed")
	}
}

func TestNewVaultNeedsSecrets(t *testing.T) {
	if _, err := store.NewVault(memory.New(), nil); err == nil {
		t.Error("a vault without a key")
	}
}

func TestHash(t *testing.T) {
	// FIPS 180-4: the SHA-256 of "abc".
	if got := store.Hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
	if store.Hash("") != "" {
		t.Error("the hash of no token finds something")
	}
}

func TestNewID(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := store.NewID()
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
}
