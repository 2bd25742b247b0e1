package authapi

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// ask posts a form, in both dialects' ways to ask for the address in a body or
// in neither. What a provider sends back is in the query and in the body, as
// each dialect looks in one place only.
func (b *browser) ask(target string, fields url.Values, asBody bool) reply {
	b.t.Helper()
	if strings.HasPrefix(target, "/callback/op") {
		target += "?" + fields.Encode()
	}
	if !asBody {
		return b.do("POST", target, fields.Encode())
	}
	fields.Set("json", "true")
	return b.do("POST", target, fields.Encode(), returnRedirect, "1")
}

// provoke are ways to fail, one for each kind.
var provoke = [kinds]func(b *browser, asBody bool) reply{
	kindCSRF: func(b *browser, asBody bool) reply {
		return b.ask("/signin/op", url.Values{"callbackUrl": {"/x"}}, asBody)
	},
	kindCSRFSignOut: func(b *browser, asBody bool) reply { return b.ask("/signout", url.Values{}, asBody) },
	kindUnsupported: func(b *browser, asBody bool) reply { return b.ask("/providers", url.Values{}, asBody) },
	kindProvider: func(b *browser, asBody bool) reply {
		return b.ask("/signin/unknown", url.Values{"csrfToken": {b.csrf()}}, asBody)
	},
	kindStart: func(b *browser, asBody bool) reply {
		b.op.startErr = errors.New("down")
		return b.ask("/signin/op", url.Values{"csrfToken": {b.csrf()}}, asBody)
	},
	kindDeclined: func(b *browser, asBody bool) reply {
		return b.ask("/callback/op", url.Values{"error": {"access_denied"}, "state": {b.start("op")}}, asBody)
	},
	kindCallback: func(b *browser, asBody bool) reply {
		b.start("op")
		return b.ask("/callback/op", url.Values{"code": {"x"}, "state": {"wrong"}}, asBody)
	},
	kindProfile: func(b *browser, asBody bool) reply {
		b.op.exchange = func(provider.CallbackRequest) (*provider.Identity, error) {
			return nil, &provider.Error{Reason: provider.ReasonProfile}
		}
		return b.ask("/callback/op", url.Values{"code": {"x"}, "state": {b.start("op")}}, asBody)
	},
	kindCredentials: func(b *browser, asBody bool) reply {
		return b.ask("/callback/credentials", url.Values{"csrfToken": {b.csrf()}, "username": {"bob"}, "password": {"x"}}, asBody)
	},
	kindAuthorize: func(b *browser, asBody bool) reply {
		b.pw.err = errors.New("users file: line 3")
		return b.ask("/callback/credentials", url.Values{"csrfToken": {b.csrf()}}, asBody)
	},
	kindSession: func(b *browser, asBody bool) reply {
		b.pw.person = func(id *provider.Identity) { id.User.Name = provider.String(strings.Repeat("A", 20000)) }
		return b.ask("/callback/credentials", url.Values{"csrfToken": {b.csrf()}, "username": {"bob"}, "password": {"hunter2-hunter2"}}, asBody)
	},
	kindDenied: func(b *browser, asBody bool) reply {
		b.identity(func(id *provider.Identity) { id.Login = "mallory" })
		return b.ask("/callback/op", url.Values{"code": {"x"}, "state": {b.start("op")}}, asBody)
	},

	// What takes a store.
	kindNotLinked: func(b *browser, asBody bool) reply {
		_, err := b.shelf.Driver.CreateUser(bg, store.User{Email: "alice@example.com"})
		if err != nil { // it is hers, who is signed in
			_, err = b.shelf.Driver.CreateUserAndAccount(bg, store.User{}, store.Account{Provider: "op", ProviderAccountID: "alice-id"})
		}
		if err != nil {
			b.t.Fatal(err)
		}
		return b.ask("/callback/op", url.Values{"code": {"x"}, "state": {b.start("op")}}, asBody)
	},
	kindPasskey: func(b *browser, asBody bool) reply {
		return b.ask("/callback/passkey", url.Values{"csrfToken": {b.csrf()}, "action": {"authenticate"}, "data": {"{}"}}, asBody)
	},
	kindPasskeyTaken: func(b *browser, asBody bool) reply {
		if b.session() == nil {
			b.signIn("github")
		}
		device := newDevice(b.t)
		u, err := b.shelf.Driver.CreateUser(bg, store.User{})
		if err != nil {
			b.t.Fatal(err)
		}
		b.shelf.foreign(b.t, u, credentialID(device))
		data := device.Get(b.options("authenticate"))
		return b.ask("/callback/passkey", url.Values{"csrfToken": {b.csrf()}, "action": {"authenticate"}, "data": {string(data)}}, asBody)
	},
	kindEmail: func(b *browser, asBody bool) reply {
		return b.ask("/signin/email", url.Values{"csrfToken": {b.csrf()}, "email": {"nobody"}}, asBody)
	},
	kindLink: func(b *browser, asBody bool) reply {
		return b.ask("/callback/email", url.Values{"csrfToken": {b.csrf()}}, asBody)
	},
	kindVerification: func(b *browser, asBody bool) reply {
		return b.ask("/callback/email?token=x&email=a%40example.com", url.Values{"csrfToken": {b.csrf()}}, asBody)
	},
	kindStore: func(b *browser, asBody bool) reply {
		b.shelf.down("UserByAccount")
		return b.ask("/callback/op", url.Values{"code": {"x"}, "state": {b.start("op")}}, asBody)
	},
	kindCreate: func(b *browser, asBody bool) reply {
		b.shelf.down("CreateUserAndAccount")
		return b.ask("/callback/credentials", url.Values{"csrfToken": {b.csrf()}, "username": {"bob"}, "password": {"hunter2-hunter2"}}, asBody)
	},
	kindCreateByEmail: func(b *browser, asBody bool) reply {
		b.post("/signin/email", "email", "grace@example.com")
		b.shelf.down("CreateUser")
		return b.ask("/callback/email?"+b.postman.link(b.t), url.Values{"csrfToken": {b.csrf()}}, asBody)
	},
}

// firstWithStore is the first of the kinds of failures that take a store.
const firstWithStore = kindNotLinked

// failing is a site for a kind of failure: with a store if that takes one, or if
// the test says so.
func failing(t *testing.T, k kind, stored bool, change ...func(*Options)) *world {
	t.Helper()
	change = append(change, func(o *Options) {
		o.Authorize = func(s *session.Session) bool { return s.Evidence.Login != "mallory" }
	})
	if k == kindPasskey || k == kindPasskeyTaken {
		change = append(change, withPasskeys)
	}
	if stored || k >= firstWithStore {
		return newLibrary(t, false, change...).world
	}
	return newWorld(t, change...)
}

// TestFailures is the table of failures: what is said, to whom, and how.
func TestFailures(t *testing.T) {
	const (
		text  = "" // not a redirect
		B     = baseURL
		oops  = B + "/error?error="
		login = B + "/signin?error="
	)
	fresh := []string{"csrf-token", "callback-url", "notice"}
	quiet := []string{"csrf-token", "callback-url"}
	noted := []string{"notice"}
	finished := []string{"state", "pkce.code_verifier", "nonce", "notice"}
	for k, c := range [kinds]struct {
		v4, v5   string // address
		status   int    // of v4 with a body
		reason   reason
		cookies4 []string
		cookies5 []string
	}{
		kindCSRF:        {B + "/signin?csrf=true", login + "MissingCSRF", 200, ReasonCSRF, fresh, fresh},
		kindCSRFSignOut: {B + "/signout?csrf=true", login + "MissingCSRF", 200, ReasonCSRF, quiet, fresh},
		kindUnsupported: {text, oops + "Configuration", 400, ReasonUnsupported, nil, fresh},
		kindProvider:    {B + "/signin?csrf=true", oops + "Configuration", 200, ReasonUnknownProvider, noted, noted},
		kindStart:       {oops + "OAuthSignin", oops + "Configuration", 200, ReasonProviderError, noted, noted},
		kindDeclined:    {oops + "Callback", login + "OAuthCallbackError", 200, ReasonDeclined, noted, noted},
		kindCallback:    {oops + "OAuthCallback", oops + "Configuration", 200, ReasonStateMismatch, noted, noted},
		kindProfile:     {B + "/signin", B + "/signin", 200, provider.ReasonProfile, []string{"state", "pkce.code_verifier", "nonce", "notice"}, noted},
		kindCredentials: {oops + "CredentialsSignin&provider=credentials", login + "CredentialsSignin&code=credentials", 401, provider.ReasonCredentials, noted, noted},
		kindAuthorize:   {oops + "CredentialsSignin&provider=credentials", oops + "Configuration", 401, ReasonProviderError, noted, noted},
		kindSession:     {oops + "Callback", oops + "Configuration", 200, ReasonSessionTooLarge, noted, noted},
		kindDenied:      {oops + "AccessDenied", oops + "AccessDenied", 403, ReasonAccessDenied, finished, noted},

		kindNotLinked:     {oops + "OAuthAccountNotLinked", login + "OAuthAccountNotLinked", 200, ReasonEmailTaken, finished, noted},
		kindPasskey:       {login + "WebAuthnVerificationError", oops + "WebAuthnVerificationError", 200, provider.ReasonPasskey, noted, noted},
		kindPasskeyTaken:  {oops + "OAuthAccountNotLinked", login + "AccountNotLinked", 200, ReasonAccountTaken, []string{"challenge", "notice"}, []string{"challenge", "notice"}},
		kindEmail:         {oops + "EmailSignin", oops + "Configuration", 200, ReasonAddress, noted, noted},
		kindLink:          {oops + "configuration", oops + "Configuration", 200, ReasonLink, noted, noted},
		kindVerification:  {oops + "Verification", oops + "Verification", 200, ReasonLink, noted, noted},
		kindStore:         {oops + "Callback", oops + "Configuration", 200, ReasonStore, finished, noted},
		kindCreate:        {oops + "OAuthCreateAccount", oops + "Configuration", 200, ReasonStore, noted, noted},
		kindCreateByEmail: {oops + "EmailCreateAccount", oops + "Configuration", 200, ReasonStore, noted, noted},
	} {
		if provoke[k] == nil {
			continue // TestEndings says so
		}
		for _, stored := range []bool{false, true} {
			for _, asBody := range []bool{false, true} {
				w := failing(t, kind(k), stored)
				r := provoke[k](w.browser(t), asBody)
				w.wantFailure(t, r, asBody, c.v4, c.status, c.cookies4)
				w.wantReason(t, c.v4, c.reason, c.v4 != text && kind(k) != kindCSRFSignOut)

				w = failing(t, kind(k), stored, inV5)
				r = provoke[k](w.browser(t), asBody)
				w.wantFailure(t, r, asBody, c.v5, 200, c.cookies5)
				w.wantReason(t, c.v5, c.reason, true)
			}
		}
	}
}

// wantFailure looks at where a failure leads to, "" for a text, and at the cookies
// set. The status is that for a client that wants the address in a body.
func (w *world) wantFailure(t *testing.T, r reply, asBody bool, want string, status int, cookies []string) {
	t.Helper()
	name := w.api.opts.Dialect.String() + " " + want
	switch {
	case want == "":
		equal(t, name+" status", r.status, 400)
		equal(t, name+" Location", r.location(), "")
	case asBody:
		equal(t, name+" status", r.status, status)
		equal(t, name+" Location", r.location(), "")
		equal(t, name+" body", r.body, `{"url":"`+want+`"}`)
	default:
		equal(t, name+" status", r.status, 302)
		equal(t, name+" Location", r.location(), want)
		equal(t, name+" body", r.body, "")
	}
	if !slices.Equal(r.names(), w.cookieNames(cookies...)) {
		t.Errorf("%s: cookies %q", name, r.names())
	}
}

// wantReason looks for the one line of the log that says why, if there has to
// be one.
func (w *world) wantReason(t *testing.T, name string, want reason, logged bool) {
	t.Helper()
	var lines []any
	for _, line := range w.logs.All() {
		if why, ok := line.ContextMap()["reason"]; ok {
			lines = append(lines, why)
		}
	}
	if logged && (len(lines) != 1 || lines[0] != string(want)) || !logged && len(lines) > 0 {
		t.Errorf("%s: reasons %v, want %s", name, lines, want)
	}
}

// Every kind has an ending in both dialects, and every ending a page.
func TestEndings(t *testing.T) {
	for name, c := range map[string]*contract{"v4": v4(), "v5": v5()} {
		for k, e := range c.endings {
			if _, ok := c.routes[e.page]; !ok {
				t.Errorf("%s: kind %d leads to the page %q", name, k, e.page)
			}
		}
	}
	for k, f := range provoke {
		if f == nil {
			t.Errorf("kind %d is not tested", k)
		}
	}
}

// A failure leaves the session that the browser has alone, in either dialect.
func TestFailuresKeepTheSession(t *testing.T) {
	for k, fail := range provoke {
		if fail == nil {
			continue
		}
		for _, change := range []func(*Options){func(*Options) {}, inV5} {
			for _, stored := range []bool{false, true} {
				w := failing(t, kind(k), stored, change)
				b := w.browser(t)
				b.signIn("github")
				before := b.session().Evidence.SID
				r := fail(b, false)
				if s := b.session(); s == nil || s.Evidence.SID != before {
					t.Errorf("%s kind %d: %d %q ends the session", w.api.opts.Dialect, k, r.status, r.location())
				}
				// With a session, a callback that belongs to no flow is one that has
				// succeeded before.
				if r.status == 302 && !strings.HasPrefix(r.location(), baseURL) && kind(k) != kindCallback {
					t.Errorf("%s kind %d: %d %q is no failure", w.api.opts.Dialect, k, r.status, r.location())
				}
			}
		}
	}
}
