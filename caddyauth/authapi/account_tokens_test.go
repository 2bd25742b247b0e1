package authapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

var tokenPattern = regexp.MustCompile(`caddyauth_pat_[A-Za-z0-9_-]{43}\b`)

// makeToken makes a token with the form of the page and returns its secret.
func (m *members) makeToken(b *browser, more ...string) string {
	b.t.Helper()
	r := b.account("create_token", append([]string{"name", "Build server", "days", "30", "paths", "", "methods", ""}, more...)...)
	secrets := tokenPattern.FindAllString(r.body, -1)
	if r.status != 200 || len(secrets) != 1 {
		b.t.Fatalf("got %d %q with %d secrets", r.status, r.says(), len(secrets))
	}
	return secrets[0]
}

// tokens are everybody's.
func (m *members) tokens(t testing.TB) []store.Token {
	t.Helper()
	list, err := m.shelf.Tokens(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAccountCreateToken(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		m := newMembers(t, newLibrary(withAccount))
		aliceHad := *m.alice.session()
		r := m.alice.account("create_token", "name", " Build server ", "days", "30", "paths", "/repo/*\r\n /files/*", "methods", "get, put GET")
		equal(t, "status", r.status, 200)
		equal(t, "Cache-Control", r.header.Get("Cache-Control"), "private, no-cache, no-store")
		secrets := tokenPattern.FindAllString(r.body, -1)
		if len(secrets) != 1 || !strings.HasPrefix(r.says(), "Copy your token") {
			t.Fatalf("secrets %q, notice %q", secrets, r.says())
		}
		if got := r.items("tokens"); !slices.Equal(got, []string{"Build server"}) {
			t.Errorf("tokens %q", got)
		}
		again := m.alice.get("/account")
		if strings.Contains(again.body, session.TokenPrefix) || again.says() != "" {
			t.Error("the secret is shown again")
		}
		list := m.tokens(t)
		if len(list) != 1 {
			t.Fatalf("%d tokens", len(list))
		}
		got := list[0]
		now := m.clock.now()
		if got.UserID != m.user.ID || got.Name != "Build server" || got.Hash != store.Hash(secrets[0]) ||
			!slices.Equal(got.Paths, []string{"/repo/*", "/files/*"}) || !slices.Equal(got.Methods, []string{"GET", "PUT"}) ||
			!got.Created.Equal(now) || !got.Expires.Equal(now.Add(30*24*time.Hour)) || !got.Used.IsZero() {
			t.Errorf("kept %+v", got)
		}
		kept, err := json.Marshal(got)
		if err != nil || strings.Contains(string(kept), secrets[0][len(session.TokenPrefix):]) {
			t.Errorf("the secret is kept: %s %v", kept, err)
		}
		var e session.Evidence
		if err := json.Unmarshal(got.Evidence, &e); err != nil {
			t.Fatal(err)
		}
		want := aliceHad.Evidence
		want.SID, want.Since = "", 0
		if fmt.Sprint(e) != fmt.Sprint(want) || e.Provider != "op" || e.Login != "alice" {
			t.Errorf("evidence %+v, want %+v", e, want)
		}

		// It opens what its owner may see, also when the session is over.
		m.alice.account("end_all")
		s, err := m.sess.ReadToken(context.Background(), secrets[0])
		if err != nil || s.User.ID != m.user.ID || s.Evidence.Login != "alice" || s.PAT == nil || !slices.Equal(s.PAT.Paths, got.Paths) {
			t.Errorf("read %+v, %v", s, err)
		}
	})
}

func TestAccountTokenExpiry(t *testing.T) {
	m := newMembers(t, newLibrary(t, false, withAccount))
	for days, want := range map[string]time.Duration{"7": 7, "30": 30, "90": 90, "365": 365} {
		secret := m.makeToken(m.alice, "days", days)
		token, _, err := m.shelf.TokenByHash(context.Background(), store.Hash(secret))
		if err != nil || !token.Expires.Equal(m.clock.now().Add(want*24*time.Hour)) {
			t.Errorf("%s: %v %v", days, token.Expires, err)
		}
	}
	token, _, err := m.shelf.TokenByHash(context.Background(), store.Hash(m.makeToken(m.alice, "days", "0")))
	if err != nil || !token.Expires.IsZero() {
		t.Errorf("never: %v %v", token.Expires, err)
	}
	secret := m.makeToken(m.alice, "days", "7")
	m.clock.add(7*24*time.Hour + 3*time.Second)
	if _, err := m.sess.ReadToken(context.Background(), secret); !errors.Is(err, session.ErrExpired) {
		t.Errorf("after its time: %v", err)
	}
	if got := m.alice.get("/account").body; !strings.Contains(got, "<dt>Expired</dt>") {
		t.Error("the page does not say that it has expired")
	}
}

func TestAccountTokenForm(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	const (
		name    = "Please give the token a name"
		days    = "Please choose how long"
		paths   = "Paths begin with a slash"
		methods = "Methods are words"
	)
	both(t, func(t *testing.T, d func(*Options)) {
		m := newMembers(t, newLibrary(t, false, d, withAccount, func(o *Options) {
			o.Account.CheckPaths = func(patterns ...string) error {
				if slices.Contains(patterns, "/[") {
					return errors.New("no pattern")
				}
				return nil
			}
		}))
		good := map[string]string{"name": "CI", "days": "7", "paths": "/a/*", "methods": "GET"}
		for _, c := range []struct{ field, value, want string }{
			{"name", "", name}, {"name", " \t", name}, {"name", many("x", 101), name}, {"name", "a\x00b", name}, {"name", "a\u009bb", name},
			{"days", "", days}, {"days", "1", days}, {"days", "-7", days}, {"days", "7.0", days}, {"days", "9223372036854775808", days}, {"days", "x", days},
			{"paths", "repo", paths}, {"paths", "*", paths}, {"paths", "/a *", paths}, {"paths", "https://app.example.com/a", paths},
			{"paths", many("/a\n", 21), paths}, {"paths", "/" + many("a", 256), paths}, {"paths", "/[", paths},
			{"methods", "G3T", methods}, {"methods", "GET;PUT", methods}, {"methods", "*", methods}, {"methods", many("A", 33), methods}, {"methods", "ＧＥＴ", methods},
		} {
			form := []string{}
			for field, value := range good {
				if field == c.field {
					value = c.value
				}
				form = append(form, field, value)
			}
			r := m.alice.account("create_token", form...)
			wantRefused(t, r, 400, c.want)
			if !strings.Contains(r.body, `aria-invalid="true"`) || c.field != "name" && !strings.Contains(r.body, `value="CI"`) {
				t.Errorf("%s %.20q: the form is not as it was", c.field, c.value)
			}
			m.clock.add(2 * time.Second)
		}
		// Twenty of each are fine, and so is every other language.
		letters := []string{}
		for i := range 20 {
			letters = append(letters, string(rune('A'+i)))
		}
		m.makeToken(m.alice, "name", many("界", 100), "paths", many("/a\n", 20), "methods", strings.Join(letters, ","))
		m.makeToken(m.alice, "paths", " \r\n ", "methods", " , ")
		list := m.tokens(t)
		if len(list) != 2 || len(list[0].Paths)+len(list[1].Paths) != 20 || len(list[0].Methods)+len(list[1].Methods) != 20 {
			t.Errorf("tokens %+v", list)
		}
	})
}

// A field that comes twice, or is no text, must not pass for no limit.
func TestAccountTokenFieldTwice(t *testing.T) {
	m := newMembers(t, newLibrary(t, false, withAccount))
	token := m.alice.csrf()
	for _, field := range []string{"name", "days", "paths", "methods"} {
		form := "csrfToken=" + token + "&action=create_token&name=x&days=7&paths=/a&methods=GET&" + field + "=7"
		if r := m.alice.do("POST", "/account", form); r.status != 400 || strings.Contains(r.body, session.TokenPrefix) {
			t.Errorf("%s twice: %d", field, r.status)
		}
	}
	for _, field := range []string{"paths", "methods"} {
		body := `{"csrfToken":"` + token + `","action":"create_token","name":"x","days":"7","` + field + `":["/a"]}`
		if r := m.alice.do("POST", "/account", body, "Content-Type", "application/json"); r.status != 400 || strings.Contains(r.body, session.TokenPrefix) {
			t.Errorf("%s as a list: %d", field, r.status)
		}
	}
	if list := m.tokens(t); len(list) != 0 {
		t.Errorf("tokens %+v", list)
	}
}

func TestAccountTokenMany(t *testing.T) {
	m := newMembers(t, newLibrary(t, false, withAccount))
	for i := range session.MaxTokens {
		id := fmt.Sprint(i)
		if err := m.shelf.CreateToken(context.Background(), store.Token{ID: id, UserID: m.user.ID, Hash: id, Name: id}); err != nil {
			t.Fatal(err)
		}
	}
	wantRefused(t, m.alice.account("create_token", "name", "x", "days", "7"), 409, "You have as many tokens")
	m.makeToken(m.mallory)
	m.alice.wantDone(m.alice.account("end_token", "id", "7"), "The token has ended.")
	m.makeToken(m.alice)
}

func TestAccountEndToken(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		m := newMembers(t, newLibrary(withAccount))
		secret := m.makeToken(m.alice)
		read := func() error {
			_, err := m.sess.ReadToken(context.Background(), secret)
			return err
		}
		if err := read(); err != nil {
			t.Fatal(err)
		}
		id := m.tokens(t)[0].ID
		t.Run("another's", func(t *testing.T) {
			for _, name := range []string{id, "", "nothing"} {
				wantRefused(t, m.mallory.account("end_token", "id", name), 404, "That was not there anymore.")
			}
			if err := read(); err != nil || len(m.tokens(t)) != 1 {
				t.Errorf("a token of another's has ended: %v", err)
			}
		})
		m.clock.add(2 * time.Hour) // which takes no recent sign-in
		if err := read(); err != nil {
			t.Fatal(err)
		}
		m.alice.wantDone(m.alice.account("end_token", "id", id), "The token has ended.")
		if err := read(); !errors.Is(err, session.ErrEnded) {
			t.Errorf("at once: %v", err)
		}
		m.clock.add(3 * time.Second)
		if err := read(); !errors.Is(err, session.ErrInvalid) && !errors.Is(err, session.ErrEnded) {
			t.Errorf("later: %v", err)
		}
		wantRefused(t, m.alice.account("end_token", "id", id), 404, "That was not there anymore.")
	})
}

// A token has the evidence of the account that its owner was signed in with, and
// ends with that.
func TestAccountUnlinkEndsTokens(t *testing.T) {
	m := newMembers(t, newLibrary(t, false, withAccount))
	theirs, byOP := m.makeToken(m.mallory), m.makeToken(m.alice)
	if r := m.alice.as(m.gh, aliceHub); strings.Contains(r.location(), "error") {
		t.Fatal(r.location())
	}
	byHub := m.makeToken(m.alice)
	equal(t, "status", m.alice.account("unlink", "provider", "op", "account", "alice").status, 303)
	for secret, want := range map[string]error{theirs: nil, byOP: session.ErrInvalid, byHub: nil} {
		if _, err := m.sess.ReadToken(context.Background(), secret); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// What begins with an account or a passkey at the last moment ends as well.
func TestAccountUnlinkEndsWhatBeginsMeanwhile(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		m := newMembers(t, newLibrary(withAccount))
		if r := m.alice.as(m.gh, aliceHub); strings.Contains(r.location(), "error") {
			t.Fatal(r.location())
		}
		late, secret := m.browser(t), ""
		m.shelf.before["UnlinkAccount"] = func() {
			late.in(late.as(m.op, aliceOP))
			secret = m.makeToken(late)
		}
		equal(t, "status", m.alice.account("unlink", "provider", "op", "account", "alice").status, 303)
		if late.session() != nil {
			t.Error("the session goes on")
		}
		if _, err := m.sess.ReadToken(bg, secret); secret == "" || !errors.Is(err, session.ErrInvalid) {
			t.Errorf("the token %q: %v", secret, err)
		}
	})
}

// A token stands in for a session at the site, but cannot make another, nor do
// anything else on this page.
func TestAccountWithToken(t *testing.T) {
	m := newMembers(t, newLibrary(t, false, withAccount))
	secret := m.makeToken(m.alice)
	b := m.browser(t)
	token := b.csrf()
	for _, header := range []string{"Bearer " + secret, "Basic " + secret} {
		if r := b.do("GET", "/account", "", "Authorization", header); r.status != 302 {
			t.Errorf("GET: %d", r.status)
		}
		form := url.Values{"csrfToken": {token}, "action": {"create_token"}, "name": {"x"}, "days": {"0"}}
		if r := b.do("POST", "/account", form.Encode(), "Authorization", header); r.status != http.StatusSeeOther || strings.Contains(r.body, session.TokenPrefix) {
			t.Errorf("POST: %d", r.status)
		}
	}
	if len(m.tokens(t)) != 1 {
		t.Error("a token has made another")
	}
}
