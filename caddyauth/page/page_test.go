package page

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

var (
	site = Common{Host: "app.example.com", BaseURL: "https://app.example.com/api/auth"}
	csrf = strings.Repeat("0123456789abcdef", 4)

	github = provider("github", "GitHub", "oauth")
	google = provider("google", "Google", "oauth")
	acme   = provider("acme", "Acme", "oidc")
	email  = provider("email", "Email", "email")
	users  = withFields(provider("users", "Credentials", "credentials"),
		Field{Name: "username", Required: true}, Field{Name: "password", Type: "password", Required: true})
	passkey = withOptions(provider("passkey", "Passkey", "webauthn"))
)

func provider(id, name, kind string) Provider {
	return Provider{ID: id, Name: name, Type: kind,
		SigninURL: site.BaseURL + "/signin/" + id, CallbackURL: site.BaseURL + "/callback/" + id}
}

func withFields(p Provider, fields ...Field) Provider {
	p.Fields = fields
	return p
}

func withOptions(p Provider) Provider {
	p.OptionsURL = site.BaseURL + "/webauthn-options/" + p.ID
	return p
}

func signIn(providers ...Provider) SignIn {
	return SignIn{Common: site, CSRFToken: csrf, CallbackURL: "https://app.example.com/members/?a=1&b=2", Providers: providers}
}

// pageFunc writes some page.
type pageFunc func(*Renderer, http.ResponseWriter, *http.Request)

// pageOf makes a pageFunc of a method and its view.
func pageOf[V any](method func(*Renderer, http.ResponseWriter, *http.Request, V), v V) pageFunc {
	return func(r *Renderer, w http.ResponseWriter, req *http.Request) { method(r, w, req, v) }
}

// somePages has every page, and every shape of each.
func somePages() map[string]pageFunc {
	failed := signIn(github, users)
	failed.ErrorCode, failed.Reference, failed.Username = "CredentialsSignin", "k3v9-2xqa", "octocat"
	down := github
	down.Unavailable = true
	broken := Error{Common: site, Code: "Configuration", Reference: "k3v9-2xqa"}
	pages := map[string]pageFunc{
		"sign in, one":        pageOf((*Renderer).SignIn, signIn(github)),
		"sign in, all kinds":  pageOf((*Renderer).SignIn, signIn(down, google, acme, email, users, passkey)),
		"sign in, passkey":    pageOf((*Renderer).SignIn, signIn(passkey)),
		"sign in, none":       pageOf((*Renderer).SignIn, signIn()),
		"sign in, failed":     pageOf((*Renderer).SignIn, failed),
		"sign out":            pageOf((*Renderer).SignOut, SignOut{Common: site, CSRFToken: csrf}),
		"sign out, named":     pageOf((*Renderer).SignOut, SignOut{Common: site, CSRFToken: csrf, Account: "octocat"}),
		"portal":              pageOf((*Renderer).Portal, Portal{Common: site, CSRFToken: csrf}),
		"portal, signed in":   pageOf((*Renderer).Portal, Portal{Common: site, CSRFToken: csrf, Account: "octocat"}),
		"error":               pageOf((*Renderer).Error, Error{Common: site}),
		"error Configuration": pageOf((*Renderer).Error, broken),
		"error AccessDenied":  pageOf((*Renderer).Error, Error{Common: site, Code: "AccessDenied"}),
		"error, account":      pageOf((*Renderer).Error, Error{Common: site, Code: "AccessDenied", Account: "octocat"}),
		"error Verification":  pageOf((*Renderer).Error, Error{Common: site, Code: "Verification"}),
		"verify request":      pageOf((*Renderer).VerifyRequest, VerifyRequest{Common: site}),
		"confirm e-mail":      confirmEmail(),
		"confirm, no host":    confirmEmail(func(v *ConfirmEmail) { v.Host = "" }),
		"denied":              pageOf((*Renderer).Denied, Denied{Common: site, Account: "octocat", Reference: "k3v9-2xqa"}),
		"step-up, old":        pageOf((*Renderer).StepUp, StepUp{Common: site, Account: "octocat", Provider: "Keycloak", Reference: "k3v9-2xqa"}),
		"step-up, weak":       pageOf((*Renderer).StepUp, StepUp{Common: site, Strength: true}),
		"step-up, weak form":  pageOf((*Renderer).StepUp, StepUp{Common: site, Strength: true, Form: true}),
		"step-up of a form":   pageOf((*Renderer).StepUpForm, StepUpForm{Common: site, CallbackURL: "https://app.example.com/form"}),
		"denied, unnamed":     pageOf((*Renderer).Denied, Denied{Common: site}),
		"unauthorized":        pageOf((*Renderer).Unauthorized, Unauthorized{Common: site}),
		"unauthorized, own":   pageOf((*Renderer).Unauthorized, Unauthorized{Common: site, Resend: true, DoneURL: site.BaseURL + "/signed-in", SessionURL: site.BaseURL + "/session"}),
		"signed in":           pageOf((*Renderer).SignedIn, SignedIn{Common: site, Account: "octocat"}),
		"unavailable":         pageOf((*Renderer).Unavailable, Unavailable{Common: site}),
		"bad request":         pageOf((*Renderer).BadRequest, BadRequest{Common: site}),
	}
	for _, cause := range append(Causes(), "other") {
		pages["loop, "+cause] = pageOf((*Renderer).Loop, Loop{Common: site, Cause: cause, Reference: "k3v9-2xqa"})
	}
	maps.Copy(pages, accountPages())
	return pages
}

func newRenderer(t testing.TB) *Renderer {
	t.Helper()
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// response is a page as a browser sees it.
type response struct {
	*httptest.ResponseRecorder
	root *html.Node
}

func get(t testing.TB, r *Renderer, f pageFunc) response {
	t.Helper()
	rec := httptest.NewRecorder()
	f(r, rec, httptest.NewRequest(http.MethodGet, "https://app.example.com/", nil))
	root, err := html.Parse(strings.NewReader(rec.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return response{rec, root}
}

// find returns the elements that match a simple selector: tag, .class, #id or
// tag[name].
func find(root *html.Node, selector string) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && matches(n, selector) {
			found = append(found, n)
		}
	}
	return found
}

func matches(n *html.Node, selector string) bool {
	if id, ok := strings.CutPrefix(selector, "#"); ok {
		return attr(n, "id") == id
	}
	if class, ok := strings.CutPrefix(selector, "."); ok {
		return slices.Contains(strings.Fields(attr(n, "class")), class)
	}
	tag, name, _ := strings.Cut(strings.TrimSuffix(selector, "]"), "[")
	return (tag == "" || n.Data == tag) && (name == "" || hasAttr(n, name))
}

// one returns the only match.
func one(t testing.TB, root *html.Node, selector string) *html.Node {
	t.Helper()
	found := find(root, selector)
	if len(found) != 1 {
		t.Fatalf("%d elements match %s, want 1", len(found), selector)
	}
	return found[0]
}

func hasAttr(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text returns what an element says, white space folded.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" && d.Parent.Data != "script" {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// inputs returns the fields of a form with their values, in order.
func inputs(form *html.Node) []string {
	var fields []string
	for _, n := range find(form, "input") {
		fields = append(fields, attr(n, "name")+"="+attr(n, "value"))
	}
	return fields
}

func TestNotices(t *testing.T) {
	const base = "https://app.example.com/api/auth"
	back := "https://app.example.com/members/?a=1&b=%C3%A9"
	escaped := "?callbackUrl=https%3A%2F%2Fapp.example.com%2Fmembers%2F%3Fa%3D1%26b%3D%25C3%25A9"
	tests := []struct {
		name    string
		page    pageFunc
		status  int
		wrapper string
		title   string // also the h1
		says    []string
		link    string // of the button
		home    bool
	}{
		{"error", pageOf((*Renderer).Error, Error{Common: site}),
			200, "error", "Error", []string{"Something went wrong", "Try again"}, base + "/signin", true},
		{"unknown code", pageOf((*Renderer).Error, Error{Common: site, Code: "Whatever"}),
			200, "error", "Error", []string{"Something went wrong"}, base + "/signin", true},
		{"default", pageOf((*Renderer).Error, Error{Common: site, Code: "Default"}),
			200, "error", "Error", []string{"Something went wrong"}, base + "/signin", true},
		{"Configuration", pageOf((*Renderer).Error, Error{Common: site, Code: "Configuration"}),
			500, "error", "Server error", []string{"There is a problem with the server configuration.", "server logs"}, base + "/signin", false},
		{"configuration", pageOf((*Renderer).Error, Error{Common: site, Code: "configuration"}),
			500, "error", "Server error", nil, base + "/signin", false},
		{"AccessDenied", pageOf((*Renderer).Error, Error{Common: site, Code: "AccessDenied"}),
			403, "error", "Access Denied", []string{"You do not have permission to sign in.", "another account"}, base + "/signin", false},
		{"AccessDenied, named", pageOf((*Renderer).Error, Error{Common: site, Code: "ACCESSDENIED", Account: "octocat", Reason: "access_denied"}),
			403, "error", "Access Denied", []string{"You signed in as octocat."}, base + "/signin", false},
		{"Verification", pageOf((*Renderer).Error, Error{Common: site, Code: "Verification"}),
			403, "error", "Unable to sign in", []string{"The sign in link is no longer valid.", "used already", "expired"}, base + "/signin", false},
		{"reason", pageOf((*Renderer).Error, Error{Common: site, Code: "Configuration", Reason: "provider_unavailable", ProviderName: "Acme"}),
			500, "error", "Server error", []string{"Acme did not answer."}, base + "/signin", false},
		{"reason, unnamed", pageOf((*Renderer).Error, Error{Common: site, Reason: "provider_unavailable"}),
			200, "error", "Error", []string{"The sign-in service did not answer."}, base + "/signin", true},
		{"reference", pageOf((*Renderer).Error, Error{Common: site, Reference: "k3v9-2xqa"}),
			200, "error", "Error", []string{"Reference: k3v9-2xqa"}, base + "/signin", true},
		{"verify request", pageOf((*Renderer).VerifyRequest, VerifyRequest{Common: site}),
			200, "verify-request", "Check your email", []string{"A sign in link has been sent to your email address."}, "", true},
		{"denied", pageOf((*Renderer).Denied, Denied{Common: site, Account: "octocat", CallbackURL: back, Reference: "k3v9-2xqa"}),
			403, "error", "Access denied", []string{"You are signed in as octocat.", "Use another account", "Reference: k3v9-2xqa"}, base + "/signout" + escaped, true},
		{"denied, unnamed", pageOf((*Renderer).Denied, Denied{Common: site}),
			403, "error", "Access denied", []string{"Your account does not have access"}, base + "/signout", true},
		{"unauthorized", pageOf((*Renderer).Unauthorized, Unauthorized{Common: site, CallbackURL: back}),
			401, "error", "Your session has ended", []string{"was not processed", "Sign in, then go back", "send it again"}, base + "/signin" + escaped, false},
		{"unavailable", pageOf((*Renderer).Unavailable, Unavailable{Common: site}),
			503, "error", "Temporarily unavailable", []string{"Signing in does not work", "again"}, "", false},
		{"bad request", pageOf((*Renderer).BadRequest, BadRequest{Common: site, Reference: "k3v9-2xqa"}),
			400, "error", "Bad request", []string{"could not be understood", "Reference: k3v9-2xqa"}, "", true},
	}
	r := newRenderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := get(t, r, tt.page)
			if res.Code != tt.status {
				t.Errorf("status is %d, want %d", res.Code, tt.status)
			}
			if got := text(one(t, res.root, "h1")); got != tt.title {
				t.Errorf("h1 is %q, want %q", got, tt.title)
			}
			if got, want := text(one(t, res.root, "title")), tt.title+" · app.example.com"; got != want {
				t.Errorf("title is %q, want %q", got, want)
			}
			card := one(t, res.root, ".card")
			if got := attr(card.Parent, "class"); got != tt.wrapper {
				t.Errorf("class is %q, want %q", got, tt.wrapper)
			}
			for _, want := range tt.says {
				if !strings.Contains(text(card), want) {
					t.Errorf("%q is missing in %q", want, text(card))
				}
			}
			var link string
			for _, a := range find(card, ".button") {
				link = attr(a, "href")
			}
			if link != tt.link {
				t.Errorf("link is %q, want %q", link, tt.link)
			}
			if got := len(find(card, ".site")) == 1; got != tt.home {
				t.Errorf("links home: %t, want %t", got, tt.home)
			}
		})
	}
}

// Whoever cannot go on is left with a way out.
func TestEveryPageLeadsOn(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		res := get(t, r, f)
		if ways := len(find(res.root, "a")) + len(find(res.root, "form")); ways == 0 && name != "sign in, none" {
			t.Errorf("%s: neither link nor form", name)
		}
	}
}

func TestSignOut(t *testing.T) {
	r := newRenderer(t)
	t.Run("plain", func(t *testing.T) {
		res := get(t, r, pageOf((*Renderer).SignOut, SignOut{Common: site, CSRFToken: csrf}))
		form := one(t, res.root, "form")
		if got, want := attr(form, "action"), "https://app.example.com/api/auth/signout"; got != want {
			t.Errorf("action is %q, want %q", got, want)
		}
		if got, want := attr(form, "method"), "POST"; got != want {
			t.Errorf("method is %q, want %q", got, want)
		}
		if got, want := inputs(form), []string{"csrfToken=" + csrf}; !slices.Equal(got, want) {
			t.Errorf("inputs are %q, want %q", got, want)
		}
		if got := text(one(t, form, "#submitButton")); got != "Sign out" {
			t.Errorf("button says %q", got)
		}
		if got := text(one(t, res.root, ".message")); got != "Are you sure you want to sign out?" {
			t.Errorf("page says %q", got)
		}
		one(t, res.root, ".signout")
	})
	t.Run("named", func(t *testing.T) {
		v := SignOut{Common: site, CSRFToken: csrf, CallbackURL: "/bye?a=1&b=2", Account: "octocat"}
		res := get(t, r, pageOf((*Renderer).SignOut, v))
		if got, want := inputs(one(t, res.root, "form")), []string{"csrfToken=" + csrf, "callbackUrl=/bye?a=1&b=2"}; !slices.Equal(got, want) {
			t.Errorf("inputs are %q, want %q", got, want)
		}
		if got := text(one(t, res.root, ".message")); !strings.HasPrefix(got, "You are signed in as octocat.") {
			t.Errorf("page says %q", got)
		}
	})
}

func TestUnavailableRetryAfter(t *testing.T) {
	r := newRenderer(t)
	for after, want := range map[time.Duration]string{
		0: "", -time.Second: "", time.Nanosecond: "1", time.Second: "1", 1500 * time.Millisecond: "2", time.Minute: "60",
	} {
		res := get(t, r, pageOf((*Renderer).Unavailable, Unavailable{Common: site, RetryAfter: after}))
		if got := res.Header().Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After is %q, want %q", after, got, want)
		}
	}
}

func TestStatusOf(t *testing.T) {
	for code, want := range map[string]int{
		"": 200, "default": 200, "constructor": 200, "__proto__": 200,
		"Configuration": 500, "configuration": 500, "CONFIGURATION": 500,
		"AccessDenied": 403, "accessdenied": 403, "Verification": 403, "verification": 403,
		"Configuration ": 200, "CredentialsSignin": 200,
	} {
		if got := StatusOf(code); got != want {
			t.Errorf("%q: %d, want %d", code, got, want)
		}
	}
}

func TestColorScheme(t *testing.T) {
	for scheme, want := range map[string]struct{ class, meta string }{
		"":      {"__next-auth-theme-auto", "light dark"},
		"auto":  {"__next-auth-theme-auto", "light dark"},
		"light": {"__next-auth-theme-light", "light"},
		"dark":  {"__next-auth-theme-dark", "dark"},
	} {
		r, err := New(Options{ColorScheme: scheme})
		if err != nil {
			t.Fatal(err)
		}
		res := get(t, r, pageOf((*Renderer).SignIn, signIn(github)))
		if got := attr(one(t, res.root, "body"), "class"); got != want.class {
			t.Errorf("%q: class is %q, want %q", scheme, got, want.class)
		}
		for _, m := range find(res.root, "meta") {
			if attr(m, "name") == "color-scheme" && attr(m, "content") != want.meta {
				t.Errorf("%q: color-scheme is %q, want %q", scheme, attr(m, "content"), want.meta)
			}
		}
	}
	if _, err := New(Options{ColorScheme: "sepia"}); err == nil || !strings.Contains(err.Error(), `"sepia"`) {
		t.Errorf("sepia: error is %v", err)
	}
}

// The structure that assistive technology relies on, on every page.
func TestStructure(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		t.Run(name, func(t *testing.T) {
			res := get(t, r, f)
			if got := attr(one(t, res.root, "html"), "lang"); got != "en" {
				t.Errorf("lang is %q", got)
			}
			if got := res.Header().Get("Content-Language"); got != "en" {
				t.Errorf("Content-Language is %q", got)
			}
			one(t, res.root, "main")
			one(t, res.root, "h1")
			ids := make(map[string]bool)
			for _, n := range find(res.root, "[id]") {
				if ids[attr(n, "id")] {
					t.Errorf("id %q is there twice", attr(n, "id"))
				}
				ids[attr(n, "id")] = true
			}
			labeled := make(map[string]bool)
			for _, n := range find(res.root, "label") {
				labeled[attr(n, "for")] = text(n) != ""
			}
			for _, n := range find(res.root, "input") {
				if attr(n, "type") != "hidden" && !labeled[attr(n, "id")] {
					t.Errorf("input %q has no label", attr(n, "name"))
				}
			}
			for _, n := range find(res.root, "[aria-describedby]") {
				if !ids[attr(n, "aria-describedby")] {
					t.Errorf("nothing has the id %q", attr(n, "aria-describedby"))
				}
			}
			for _, n := range slices.Concat(find(res.root, "button"), find(res.root, "a")) {
				if text(n) == "" {
					t.Error("a button or link says nothing")
				}
			}
			for _, n := range find(res.root, "meta") {
				if c := attr(n, "content"); strings.Contains(c, "user-scalable") || strings.Contains(c, "maximum-scale") {
					t.Errorf("zooming is restricted: %q", c)
				}
			}
		})
	}
}
