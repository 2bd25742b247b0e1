package authapi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// realWorld is a site whose provider "op" is an OpenID Provider that runs.
func realWorld(t *testing.T) (*world, *testop.OP) {
	t.Helper()
	op := testop.Start(t, testOrigin+testBase+"/callback/op")
	p, err := provider.New(provider.Config{
		Preset: "oidc", ID: "op", Issuer: op.URL, ClientID: op.ClientID, ClientSecret: op.ClientSecret,
	}, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Providers = []provider.Provider{p} })
	w.clock.t = time.Now() // the provider's clock is the real one
	return w, op
}

func TestRealProvider(t *testing.T) {
	w, op := realWorld(t)
	b := w.browser(t)
	start := b.post("/signin/op", "callbackUrl", "/members/?x=1")
	back := op.SignIn(t, start.location(), "alice")
	target := strings.TrimPrefix(back.Path, testBase) + "?" + back.RawQuery
	done := b.get(target)
	if done.location() != testOrigin+"/members/?x=1" {
		t.Fatalf("got %d %q\n%s", done.status, done.location(), w.logText(t))
	}
	body := b.get("/session").body
	if !strings.Contains(body, `"email":"alice@example.com"`) {
		t.Errorf("session %s", body)
	}

	t.Run("TOKEN-06 STATE-04 one token request", func(t *testing.T) {
		b.get(target)
		if n := op.Requests("/oauth/token"); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
	t.Run("NONCE-04 TOKEN-05 code of another flow", func(t *testing.T) {
		attacker := w.browser(t)
		theirs := op.SignIn(t, attacker.post("/signin/op").location(), "bob")
		victim := w.browser(t)
		state := victim.post("/signin/op").param("state")
		q := theirs.Query()
		q.Set("state", state)
		wantError(t, victim.get("/callback/op?"+q.Encode()), codeOAuthCallback)
		if victim.session() != nil {
			t.Error("signed in as the attacker")
		}
	})
	t.Run("LEAK-02", func(t *testing.T) {
		text := w.logText(t)
		for _, name := range []string{"code", "state"} {
			if v := back.Query().Get(name); v == "" || strings.Contains(text, v) {
				t.Errorf("%s is in the log", name)
			}
		}
	})
}

func TestProviderDown(t *testing.T) {
	p, err := provider.New(provider.Config{
		Preset: "oidc", ID: "op", Issuer: "http://127.0.0.1:1", ClientID: "x", ClientSecret: "y",
	}, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Providers = append([]provider.Provider{p}, o.Providers[1:]...) })
	b := w.browser(t)
	r := b.post("/signin/op")
	wantError(t, r, codeOAuthSignin)
	page := b.get("/signin?error=OAuthSignin")
	equal(t, "status", page.status, 200)
	if !strings.Contains(page.body, "did not answer a moment ago") {
		t.Errorf("the button does not say so: %s", page.body)
	}
	b.signIn("github") // the others work
}

func TestRealUsersFile(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.yml")
	yaml := "users:\n  carol:\n    displayname: Carol\n    email: carol@example.com\n    password: " + string(hash) + "\n    groups: [staff]\n"
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := provider.NewUsers("", path, provider.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Providers = []provider.Provider{users} })
	b := w.browser(t)
	if r := b.password("carol", "wrong"); r.location() != wrongPassword {
		t.Errorf("got %q", r.location())
	}
	if r := b.password("carol", "correct horse"); r.location() != testOrigin {
		t.Fatalf("got %q\n%s", r.location(), w.logText(t))
	}
	s := b.session()
	if s.Evidence.Login != "carol" || len(s.Evidence.Groups) != 1 || s.Evidence.Realm != users.Info().Realm {
		t.Errorf("evidence %+v", s.Evidence)
	}
}
