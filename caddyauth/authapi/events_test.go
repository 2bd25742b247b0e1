package authapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// event is one that was emitted.
type event struct {
	name string
	data map[string]any
}

// listen collects events; fails says which of them come back with an error.
func listen(events *[]event, fails ...string) func(*Options) {
	return func(o *Options) {
		o.Events = func(ctx context.Context, name string, data func() map[string]any) error {
			*events = append(*events, event{name, data()})
			if slices.Contains(fails, name) {
				return errors.New("handler says no to " + name)
			}
			return ctx.Err()
		}
	}
}

func names(events []event) (list []string) {
	for _, e := range events {
		list = append(list, e.name)
	}
	return list
}

func TestEvents(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		var events []event
		w := newWorld(t, d, listen(&events))
		b := w.browser(t)
		b.get("/session")
		b.password("bob", "wrong")
		b.get("/callback/op?code=x&state=y")
		b.post("/signout")
		if len(events) > 0 {
			t.Errorf("nothing happened, and there are %q", names(events))
		}
		b.signIn("op")
		b.get("/session")
		b.do("POST", "/session", "csrfToken="+b.csrf())
		b.post("/signout")
		b.password("bob", "hunter2-hunter2")
		if got := names(events); !slices.Equal(got, []string{"signIn", "session", "session", "signOut", "signIn"}) {
			t.Fatalf("events %q", got)
		}

		user := events[0].data["user"].(map[string]any)
		if w.api.opts.Dialect == dialect.V5 {
			if id := user["id"].(string); !uuid.MatchString(id) {
				t.Errorf("id %q", id)
			}
			user["id"] = "alice-id"
		}
		equal(t, "user", fmt.Sprint(user), "map[email:alice@example.com id:alice-id image:<nil> name:Alice]")
		typ := w.api.contract.providerType(w.op.info.Type)
		equal(t, "account", fmt.Sprint(events[0].data["account"]), "map[provider:op providerAccountId:alice-id type:"+typ+"]")
		equal(t, "profile", fmt.Sprint(events[0].data["profile"]), "map[groups:[staff] roles:[reader] sub:alice-id]")
		equal(t, "isNewUser", events[0].data["isNewUser"], any(false))

		shown := events[1].data["session"].(map[string]any)
		equal(t, "session", fmt.Sprint(shown), "map[expires:2026-12-23T12:00:00.000Z user:map[email:alice@example.com image:<nil> name:Alice]]")
		token := events[3].data["token"].(map[string]any)
		equal(t, "token", fmt.Sprintln(token["email"], token["name"], token["picture"]), "alice@example.com Alice <nil>\n")
		equal(t, "who", token["caddyauth"].(map[string]any)["account"], any("alice-id"))

		equal(t, "password", fmt.Sprint(events[4].data["user"], events[4].data["account"], events[4].data["profile"]),
			"map[id:bob name:Bob] map[provider:credentials providerAccountId:bob type:credentials] <nil>")
	})
}

func TestVeto(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		var events []event
		w := newWorld(t, d, listen(&events, "signIn", "signOut", "session"))
		b := w.browser(t)
		for _, r := range []reply{b.finish(), b.password("bob", "hunter2-hunter2")} {
			wantError(t, r, codeAccessDenied)
			if _, set := r.cookie(w.name("session-token")); set || b.session() != nil {
				t.Error("signed in")
			}
		}
		lines := w.logs.FilterMessage("sign-in refused").All()
		if len(lines) != 2 || lines[0].ContextMap()["reason"] != "vetoed" || !strings.Contains(lines[0].ContextMap()["error"].(string), "says no") {
			t.Errorf("log: %v", lines)
		}
		equal(t, "signed in", w.logs.FilterMessage("signed in").Len(), 0)
	})
	t.Run("others cannot", func(t *testing.T) {
		var events []event
		w := newWorld(t, listen(&events, "signOut", "session"))
		b := w.browser(t)
		b.signIn("op")
		if r := b.get("/session"); !strings.Contains(r.body, "Alice") {
			t.Errorf("session %s", r.body)
		}
		equal(t, "Location", b.post("/signout").location(), testOrigin)
		if b.session() != nil {
			t.Error("not signed out")
		}
		equal(t, "lines", w.logs.FilterMessage("event handler failed").Len(), 2)
	})
}

// Whom a handler refuses leaves nothing behind, and what was there stays.
func TestVetoLeavesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		var veto bool
		var events []string
		l := newLibrary(byAddress, func(o *Options) {
			o.Events = func(_ context.Context, name string, _ func() map[string]any) error {
				events = append(events, name)
				if veto && name == eventSignIn {
					return errors.New("no")
				}
				return nil
			}
		})
		old := l.browser(t)
		before := old.in(old.as(l.op, aliceOP))
		owner := l.userOf(t, "op", "alice").ID
		veto = true
		users := func() int { return l.shelf.count("CreateUser", "CreateUserAndAccount") - l.shelf.count("DeleteUser") }
		for name, c := range map[string]struct {
			way    func() reply
			events []string
		}{
			"new":       {func() reply { return l.browser(t).as(l.op, malloryOP) }, []string{eventCreateUser, eventLinkAccount, eventSignIn}},
			"password":  {func() reply { return l.browser(t).password("bob", "hunter2-hunter2") }, []string{eventCreateUser, eventLinkAccount, eventSignIn}},
			"by mail":   {func() reply { return l.byMail(l.browser(t), "new@example.com") }, []string{eventCreateUser, eventSignIn}},
			"connected": {func() reply { return old.as(l.gh, somebody("octo", "", false)) }, []string{eventLinkAccount, eventSignIn}},
			"known":     {func() reply { return l.browser(t).as(l.op, aliceOP) }, []string{eventSignIn}},
		} {
			events = nil
			wantError(t, c.way(), codeAccessDenied)
			if !slices.Equal(events, c.events) {
				t.Errorf("%s: events %q, want %q", name, events, c.events)
			}
			if n, left := users(), l.accountsOf(t, owner); n != 1 || !slices.Equal(left, []string{"op:alice"}) || len(l.sessions(t)) != 1 {
				t.Errorf("%s: %d users, accounts %q, %d sessions", name, n, left, len(l.sessions(t)))
			}
		}
		if s := old.session(); s == nil || s.Key() != before.Key() {
			t.Error("the earlier session has ended")
		}
		for _, email := range []string{"new@example.com", "mallory@example.com"} {
			if u, err := l.shelf.UserByEmail(bg, email); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s is %+v's, %v", email, u, err)
			}
		}
		t.Run("a store that fails is in the log", func(t *testing.T) {
			l.shelf.down("DeleteUser")
			wantError(t, l.browser(t).as(l.op, malloryOP), codeAccessDenied)
			equal(t, "lines", l.logs.FilterMessageSnippet("could not be removed").Len(), 1)
		})
	})
}

// Nobody is told of somebody new, nor of a sign-in, that the store has not kept.
func TestEventsAfterTheWrite(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		for method, want := range map[string][]string{
			"CreateUserAndAccount": {}, "CreateSession": {eventCreateUser, eventLinkAccount},
		} {
			l := newLibrary()
			l.shelf.down(method)
			if r := l.browser(t).as(l.op, malloryOP); r.param("error") == "" {
				t.Errorf("%s: signed in", method)
			}
			l.wantTold(t, want...)
		}
	})
}

// The event comes after the decision: whoever is refused, or has no session, was
// never announced.
func TestEventsAfterTheDecision(t *testing.T) {
	for name, c := range map[string]callbacks.Config{
		"denied":    {SignIn: "false"},
		"elsewhere": {SignIn: `"/x"`},
		"dropped":   {JWT: steps("drop", "true")},
	} {
		var events []event
		b := newWorld(t, listen(&events), with(t, c)).browser(t)
		b.finish()
		if len(events) > 0 {
			t.Errorf("%s: events %q", name, names(events))
		}
	}
}

// TestLEAKEvents lets callbacks keep the tokens of an account wherever they can,
// and looks for them, and for everything that is secret, in events.
func TestLEAKEvents(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		var events []event
		w := newWorld(t, d, listen(&events), with(t, callbacks.Config{
			JWT:     steps("access", "account.?access_token", "refresh", "account.?refresh_token", "id", "account.?id_token", "pw", "credentials.?password"),
			Session: steps("access", "token.?access", "user.access", "token.?access"),
		}))
		w.identity(func(id *provider.Identity) {
			id.Account.AccessToken, id.Account.RefreshToken, id.Account.IDToken = "SECRET-access", "SECRET-refresh", "SECRET-id"
			for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "Access_Token", "client_secret", "token", "password_hash"} {
				id.Profile[name] = "SECRET-" + name
			}
			id.Profile["federated"] = map[string]any{"access_token": "SECRET-nested", "hub": "north"}
			id.Profile["links"] = []any{map[string]any{"clientSecret": "SECRET-listed"}, "plain"}
			id.Profile["department"] = "research"
		})
		b := w.browser(t)
		state := b.start("op")
		b.get("/callback/op?code=SECRET-code&state=" + state)
		if body := b.get("/session").body; !strings.Contains(body, "SECRET-access") {
			t.Fatalf("the test keeps no token: %s", body)
		}
		b.post("/signout")
		b.password("bob", "hunter2-hunter2")
		b.post("/signout")
		text, err := json.Marshal(names(events))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "events", string(text), `["signIn","session","signOut","signIn","signOut"]`)
		for _, e := range events {
			text, err := json.Marshal(e.data)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range append([]string{"SECRET", "hunter2", state, testSecret, "eyJ"}, b.csrf()) {
				if strings.Contains(string(text), secret) {
					t.Errorf("LEAK-02 %s: %s is in %s", e.name, secret, text)
				}
			}
		}
		p := events[0].data["profile"].(map[string]any)
		if got := fmt.Sprintf("%v %v %v", p["department"], p["federated"], p["links"]); got != "research map[hub:north] [map[] plain]" {
			t.Errorf("profile %s", got)
		}
		if text := w.logText(t); strings.Contains(text, "SECRET") {
			t.Errorf("LEAK-02 log: %s", text)
		}
	})
}

// The data is the handler's: what it does to it changes nothing here.
func TestEventDataIsACopy(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Events = func(_ context.Context, _ string, get func() map[string]any) error {
			data := get()
			for _, v := range data {
				if m, ok := v.(map[string]any); ok {
					clear(m)
				}
			}
			clear(data)
			return nil
		}
	})
	b := w.browser(t)
	b.signIn("op")
	if body := b.get("/session").body; !strings.Contains(body, "Alice") || b.session().Evidence.Account != "alice-id" {
		t.Errorf("session %s", body)
	}
}
