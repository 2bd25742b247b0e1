package authapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// identity makes the OP vouch for somebody.
func (w *world) identity(change func(*provider.Identity)) {
	w.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
		id := alice()
		change(id)
		return id, nil
	}
}

func TestTokenClaims(t *testing.T) {
	w := newWorld(t)
	w.op.info.Realm = "realm-of-op"
	w.identity(func(id *provider.Identity) {
		id.User.Name = provider.Text{}
		id.AuthTime = time.Unix(1_790_000_000, 0)
	})
	b := w.browser(t)
	b.signIn("op")
	s := b.session()
	var claims map[string]any
	if err := json.Unmarshal([]byte(s.Claims), &claims); err != nil {
		t.Fatal(err)
	}
	if _, has := claims["name"]; has {
		t.Error("an undefined name became a claim")
	}
	if v, has := claims["picture"]; !has || v != nil {
		t.Errorf("a null picture became %v", v)
	}
	want := session.Evidence{
		SID: s.Evidence.SID, Provider: "op", Realm: "realm-of-op", Account: "alice-id", Login: "alice",
		Verified: true, Domain: "example.com", Roles: []string{"reader"}, Groups: []string{"staff"}, AuthTime: 1_790_000_000,
		Since: w.clock.now().UnixMilli(),
	}
	if fmt.Sprint(s.Evidence) != fmt.Sprint(want) || len(s.Evidence.SID) != 32 {
		t.Errorf("got %+v, want %+v", s.Evidence, want)
	}
	for _, secret := range []string{"access-token", "the-code"} {
		if strings.Contains(s.Claims, secret) {
			t.Errorf("LEAK-03: %s is in the token", secret)
		}
	}
}

func TestRolesAndGroups(t *testing.T) {
	profile := map[string]any{
		"azp":             "my.app",
		"aud":             []any{"my.app", "other"},
		"roles":           []any{"a", "b", "", 7},
		"realm_access":    map[string]any{"roles": []any{"b", "c"}},
		"resource_access": map[string]any{"my.app": map[string]any{"roles": []any{"d"}}, "other": map[string]any{"roles": []any{"no"}}},
		"groups":          []any{"g"},
		"custom":          map[string]any{"list": "single"},
	}
	for _, c := range []struct {
		name          string
		change        func(*Options)
		profile       map[string]any
		local         []string
		roles, groups string
	}{
		{"defaults", func(*Options) {}, profile, nil, "[a b 7 c d]", "[g]"},
		{"paths", func(o *Options) { o.Roles = []string{"custom.list", "groups"}; o.Groups = []string{"roles"} }, profile, nil, "[single g]", "[a b 7]"},
		{"none", func(o *Options) { o.Roles = []string{}; o.Groups = []string{} }, profile, nil, "[]", "[]"},
		{"users file", func(*Options) {}, nil, []string{"x", "y"}, "[]", "[x y]"},
		{"users file, groups as roles", func(o *Options) { o.Roles = []string{"groups"} }, nil, []string{"x"}, "[x]", "[x]"},
		{"one audience", func(*Options) {}, map[string]any{"aud": "solo", "resource_access": profile["resource_access"]}, nil, "[]", "[]"},
		{"audience is the client", func(*Options) {}, map[string]any{"aud": []any{"other"}, "resource_access": profile["resource_access"]}, nil, "[no]", "[]"},
		{"case-exact", func(*Options) {}, map[string]any{"Roles": []any{"admin"}, "GROUPS": []any{"admin"}}, nil, "[]", "[]"},
	} {
		w := newWorld(t, c.change)
		w.identity(func(id *provider.Identity) { id.Profile, id.Groups = c.profile, c.local })
		b := w.browser(t)
		b.signIn("op")
		e := b.session().Evidence
		if fmt.Sprint(e.Roles) != c.roles || fmt.Sprint(e.Groups) != c.groups {
			t.Errorf("%s: roles %v, groups %v", c.name, e.Roles, e.Groups)
		}
	}
}

func TestIDENT01NewSessionAtSignIn(t *testing.T) {
	w := newWorld(t)
	attacker := w.browser(t)
	attacker.signIn("op")
	planted := attacker.session().Evidence.SID
	victim := w.browser(t)
	victim.jar = slices.Clone(attacker.jar)
	victim.signIn("op")
	if got := victim.session().Evidence.SID; got == planted {
		t.Error("the planted session was taken over")
	}
	again := victim.session().Evidence.SID
	victim.signIn("op")
	if victim.session().Evidence.SID == again {
		t.Error("the sid is not new")
	}
}

// IDENT-04, known as nOAuth: an address that a provider tells is no key.
func TestIDENT04NoLinkByEmail(t *testing.T) {
	w := newWorld(t)
	w.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
		id := alice()
		id.User.ID, id.Account.ProviderAccountID, id.Verified = "other-id", "other-id", false
		return id, nil
	}
	b := w.browser(t)
	b.signIn("op")
	b.signIn("github")
	if s := b.session(); s.User.ID != "other-id" || s.Evidence.Provider != "github" || s.Evidence.Account != "other-id" {
		t.Errorf("got %+v", s)
	}
}

func TestIDENT06NoSubject(t *testing.T) {
	for name, exchange := range map[string]func(provider.CallbackRequest) (*provider.Identity, error){
		"no id": func(provider.CallbackRequest) (*provider.Identity, error) {
			id := alice()
			id.User.ID = ""
			return id, nil
		},
		"nothing": func(provider.CallbackRequest) (*provider.Identity, error) { return nil, nil },
	} {
		w := newWorld(t)
		w.op.exchange = exchange
		b := w.browser(t)
		state := b.start("op")
		r := b.get("/callback/op?code=x&state=" + state)
		if r.location() != testOrigin+testBase+"/signin" || b.session() != nil {
			t.Errorf("%s: got %q", name, r.location())
		}
	}
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Authorize = func(s *session.Session) bool { return s.Evidence.Login != "bob" && s.User.ID != "alice-id" }
	})
	t.Run("OAuth", func(t *testing.T) {
		b := w.browser(t)
		state := b.start("op")
		r := b.get("/callback/op?code=x&state=" + state)
		wantError(t, r, codeAccessDenied)
		if !slices.Equal(r.names(), []string{secure("state"), secure("pkce.code_verifier"), secure("nonce"), secure("notice")}) {
			t.Errorf("cookies %q", r.names())
		}
		if b.session() != nil {
			t.Error("there is a session")
		}
		page := b.get("/error?error=AccessDenied")
		equal(t, "status", page.status, 403)
		if !strings.Contains(page.body, "alice") {
			t.Errorf("the page does not name the account: %s", page.body)
		}
		lines := w.logs.FilterMessage("sign-in refused").All()
		if len(lines) != 1 {
			t.Fatalf("%d lines", len(lines))
		}
		for name, want := range map[string]any{"provider": "op", "user_id": "alice-id", "reason": "access_denied", "client_ip": "192.0.2.7", "error_code": "AccessDenied"} {
			equal(t, name, lines[0].ContextMap()[name], want)
		}
	})
	t.Run("password", func(t *testing.T) {
		for mode, status := range map[string]int{"true": 403, "": 302} {
			b := w.browser(t)
			r := b.post("/callback/credentials", "username", "bob", "password", "hunter2-hunter2", "json", mode)
			equal(t, "status", r.status, status)
			if b.session() != nil || !strings.Contains(r.location()+r.body, "/error?error=AccessDenied") {
				t.Errorf("got %q %q", r.location(), r.body)
			}
		}
	})
	t.Run("an earlier session survives", func(t *testing.T) {
		w.gh.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			id := alice()
			id.User.ID = "somebody-else"
			return id, nil
		}
		b := w.browser(t)
		b.signIn("github")
		state := b.start("op")
		b.get("/callback/op?code=x&state=" + state)
		if s := b.session(); s == nil || s.User.ID != "somebody-else" {
			t.Errorf("got %+v", s)
		}
	})
}

// COOK-10: servers refuse long headers, as Caddy does since 4fd8c87f5.
func TestCOOK10LargeSessions(t *testing.T) {
	groups := func(n int) []any {
		var list []any
		for i := range n {
			list = append(list, fmt.Sprintf("group-%06d-%s", i, strings.Repeat("x", 20)))
		}
		return list
	}
	needed := func(list, value string) bool { return list == "groups" && value < "group-000010" }
	for _, c := range []struct {
		name    string
		change  func(*provider.Identity)
		needed  func(string, string) bool
		ok      bool
		groups  int
		picture bool
	}{
		{"fits", func(id *provider.Identity) { id.Profile["groups"] = groups(20) }, needed, true, 20, true},
		{"unread groups go", func(id *provider.Identity) { id.Profile["groups"] = groups(1200) }, needed, true, 10, true},
		{"all of them without rules", func(id *provider.Identity) { id.Profile["groups"] = groups(1200) }, nil, true, 0, true},
		{"then the picture", func(id *provider.Identity) {
			id.User.Image = provider.String("data:image/png;base64," + strings.Repeat("A", 20000))
			id.Profile["groups"] = groups(20)
		}, needed, true, 10, false},
		{"then it is refused", func(id *provider.Identity) { id.User.Name = provider.String(strings.Repeat("A", 20000)) }, needed, false, 0, false},
		{"too large for any token", func(id *provider.Identity) { id.User.Name = provider.String(strings.Repeat("A", 200000)) }, needed, false, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) { o.Needed = c.needed })
			w.identity(func(id *provider.Identity) {
				id.User.Image = provider.String("https://img.example/a.png")
				c.change(id)
			})
			b := w.browser(t)
			state := b.start("op")
			r := b.get("/callback/op?code=x&state=" + state)
			for _, line := range r.header.Values("Set-Cookie") {
				if len(line) > 4096 {
					t.Errorf("a cookie of %d bytes", len(line))
				}
			}
			if !c.ok {
				wantError(t, r, codeCallback)
				if got := w.logs.FilterMessage("sign-in failed").All()[0].ContextMap()["reason"]; got != "session_too_large" {
					t.Errorf("reason %v", got)
				}
				return
			}
			s := b.session()
			if s == nil {
				t.Fatalf("not signed in: %q", r.location())
			}
			equal(t, "groups", len(s.Evidence.Groups), c.groups)
			equal(t, "picture", s.User.Image != "", c.picture)
		})
	}
}

func TestShorterSessionsThanNextAuths(t *testing.T) {
	w := newWorld(t)
	short, err := session.New(session.Options{Ring: ring(t), MaxAge: time.Hour, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, func(o *Options) { o.Sessions = short; o.Now = w.clock.now })
	b := w.browser(t)
	r := b.signIn("op")
	c, _ := r.cookie(secure("session-token"))
	if !strings.Contains(c.attributes, "Expires=Mon, 23 Nov 2026 13:00:00 GMT") {
		t.Errorf("attributes %q", c.attributes)
	}
	equal(t, "token", b.session().Expires.UTC().Format(time.RFC3339), "2026-11-23T13:00:00Z")
	if body := b.get("/session").body; !strings.Contains(body, `"expires":"2026-11-23T13:00:00.000Z"`) {
		t.Errorf("body %s", body)
	}
}
