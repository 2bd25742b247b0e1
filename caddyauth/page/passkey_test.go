package page

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// passkeyForm describes the form for passkeys, and what it may have to say.
func passkeyForm(t *testing.T, res response) (form *html.Node, notices []string) {
	t.Helper()
	form = one(t, res.root, "#passkey-form")
	for _, p := range find(form, "p") {
		if !hasAttr(p, "hidden") {
			t.Errorf("%q is shown", text(p))
		}
		notices = append(notices, attr(p, "data-passkey-text")+" "+attr(p, "role"))
	}
	// Where the script does not run, there is no button that does nothing.
	if !hasAttr(form, "hidden") {
		t.Error("the form is shown")
	}
	not := slices.DeleteFunc(find(res.root, "p"), func(p *html.Node) bool { return !hasAttr(p, "data-passkey-not") })
	if len(not) != 1 || hasAttr(not[0], "hidden") || text(not[0]) != "Passkeys need JavaScript, and a browser that knows them." {
		t.Errorf("instead of it: %d texts", len(not))
	}
	return form, notices
}

func TestSignInPasskey(t *testing.T) {
	r := newRenderer(t)
	v := signIn(passkey)
	res := get(t, r, pageOf((*Renderer).SignIn, v))
	form, notices := passkeyForm(t, res)
	if attr(form, "action") != passkey.CallbackURL || attr(form, "method") != "POST" ||
		attr(form, "data-passkey") != passkey.OptionsURL || attr(form, "data-passkey-action") != "authenticate" {
		t.Errorf("form %+v", form.Attr)
	}
	if got, want := inputs(form), []string{"csrfToken=" + csrf, "callbackUrl=" + v.CallbackURL}; !slices.Equal(got, want) {
		t.Errorf("inputs are %q, want %q", got, want)
	}
	if want := []string{"canceled status", "failed alert"}; !slices.Equal(notices, want) {
		t.Errorf("notices are %q, want %q", notices, want)
	}
	button := one(t, form, "button")
	if attr(button, "type") != "submit" || attr(button, "id") != "submitButton-passkey" || text(button) != "Sign in with a passkey" {
		t.Errorf("button %+v %q", button.Attr, text(button))
	}
	if n := len(find(button, "svg")); n != 1 {
		t.Errorf("%d logos", n)
	}
	named := passkey
	named.ID, named.Name = "keys", "Our keys"
	res = get(t, r, pageOf((*Renderer).SignIn, signIn(named)))
	if got := text(one(t, res.root, "#submitButton-keys")); got != "Sign in with Our keys" {
		t.Errorf("button %q", got)
	}
}

// Browsers offer passkeys where the name is typed, if there are any on the site.
func TestPasskeyAutofill(t *testing.T) {
	r := newRenderer(t)
	own := withFields(provider("own", "Own", "credentials"),
		Field{Name: "code", Autocomplete: "one-time-code"}, Field{Name: "mail", Autocomplete: "email"}, Field{Name: "username", Type: "password"})
	for _, with := range []bool{false, true} {
		v, suffix := signIn(email, users, own), ""
		if with {
			v.Providers, suffix = append(v.Providers, passkey), " webauthn"
		}
		v.Username = "octocat"
		res := get(t, r, pageOf((*Renderer).SignIn, v))
		for id, want := range map[string]string{
			"input-email-for-email-provider":    "email" + suffix,
			"input-username-for-users-provider": "username" + suffix,
			"input-password-for-users-provider": "current-password",
			"input-code-for-own-provider":       "one-time-code",
			"input-mail-for-own-provider":       "email" + suffix,
			"input-username-for-own-provider":   "current-password",
		} {
			if got := attr(one(t, res.root, "#"+id), "autocomplete"); got != want {
				t.Errorf("%s: autocomplete is %q, want %q", id, got, want)
			}
		}
		if got := attr(one(t, res.root, "#input-username-for-users-provider"), "value"); got != "octocat" {
			t.Errorf("user name %q", got)
		}
		// Every sign-in page has the one for fragments.
		if got := len(find(res.root, "script")); got != 1+len(suffix)/len(" webauthn") {
			t.Errorf("%d scripts", got)
		}
	}
}

func TestPasskeyRules(t *testing.T) {
	r := newRenderer(t)
	for _, tt := range []struct {
		providers []Provider
		want      int // rules
	}{
		{[]Provider{passkey}, 0},
		{[]Provider{github, passkey, google}, 0},
		{[]Provider{passkey, users}, 1},
		{[]Provider{users, passkey}, 1},
		{[]Provider{github, users, passkey}, 2},
	} {
		res := get(t, r, pageOf((*Renderer).SignIn, signIn(tt.providers...)))
		if got := len(find(res.root, "hr")); got != tt.want {
			t.Errorf("%d providers, %d rules, want %d", len(tt.providers), got, tt.want)
		}
		if submit := find(res.root, "#submitButton"); len(submit) > 0 && text(submit[0]) != "Sign in" {
			t.Errorf("#submitButton is %q", text(submit[0]))
		}
	}
}

// The form leads to no other site, so it does not widen the policy.
func TestPasskeyFormAction(t *testing.T) {
	narrow := github
	narrow.FormAction = []string{"https://github.com"}
	res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, signIn(narrow, passkey)))
	if got := directives(res)["form-action"]; got != "'self' https://github.com" {
		t.Errorf("form-action is %s", got)
	}
}

func TestAccountPasskey(t *testing.T) {
	r := newRenderer(t)
	res := get(t, r, pageOf((*Renderer).Account, account(addsPasskeys)))
	form, notices := passkeyForm(t, res)
	if attr(form, "action") != passkey.CallbackURL || attr(form, "data-passkey") != passkey.OptionsURL ||
		attr(form, "data-passkey-action") != "register" {
		t.Errorf("form %+v", form.Attr)
	}
	if got, want := inputs(form), []string{"csrfToken=" + csrf, "callbackUrl=" + site.BaseURL + "/account"}; !slices.Equal(got, want) {
		t.Errorf("inputs are %q, want %q", got, want)
	}
	if want := []string{"canceled status", "known status", "failed alert"}; !slices.Equal(notices, want) {
		t.Errorf("notices are %q, want %q", notices, want)
	}
	if got := text(one(t, form, "button")); got != "Add a passkey" {
		t.Errorf("button %q", got)
	}
	for name, change := range map[string]func(*Account){
		"no more":        func(v *Account) { v.Passkeys.Add = nil },
		"not recent":     func(v *Account) { v.Recent = false },
		"asks too often": bare,
		"no passkeys":    func(v *Account) { v.Passkeys = nil },
	} {
		res := get(t, r, pageOf((*Renderer).Account, account(addsPasskeys, change)))
		if len(find(res.root, "#passkey-form")) > 0 || len(find(res.root, "script")) > 0 {
			t.Errorf("%s: there is a form", name)
		}
	}
}

// What is sent is the script without comments and indentation, and all lines that do
// something.
func TestScript(t *testing.T) {
	b, err := assets.ReadFile("passkey.js")
	if err != nil {
		t.Fatal(err)
	}
	sent := string(newRenderer(t).passkeyScript.text)
	for line := range strings.Lines(sent) {
		if strings.HasPrefix(line, "//") || strings.TrimSpace(line) == "" || line != strings.TrimLeft(line, " ") {
			t.Errorf("line %q", line)
		}
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "//") && !strings.Contains(sent, line) {
			t.Errorf("%q is not sent", line)
		}
	}
	// Neither a string nor a template may look like what is stripped, nor end the
	// element (HTML standard, section 4.12.1.3).
	for _, never := range []string{"`", "/*", "</", "<!--"} {
		if strings.Contains(sent, never) {
			t.Errorf("there is %s", never)
		}
	}
}
