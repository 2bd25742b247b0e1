package page

import (
	"slices"
	"strings"
	"testing"
)

// The forms are those of NextAuth.js 4, which scripts and password managers
// know, plus callbackUrl in all of them.
func TestSignInForms(t *testing.T) {
	v := signIn(github, email, users, google)
	v.Email = "octocat@example.com"
	res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, v))
	forms := find(res.root, "form")
	hidden := []string{"csrfToken=" + csrf, "callbackUrl=" + v.CallbackURL}
	tests := []struct {
		action, button string
		fields         []string
	}{
		{"https://app.example.com/api/auth/signin/github", "Sign in with GitHub", nil},
		{"https://app.example.com/api/auth/signin/email", "Email me a sign-in link", []string{"email=octocat@example.com"}},
		{"https://app.example.com/api/auth/callback/users", "Sign in", []string{"username=", "password="}},
		{"https://app.example.com/api/auth/signin/google", "Sign in with Google", nil},
	}
	if len(forms) != len(tests) {
		t.Fatalf("%d forms, want %d", len(forms), len(tests))
	}
	for i, tt := range tests {
		form := forms[i]
		if got := attr(form, "action"); got != tt.action {
			t.Errorf("action is %q, want %q", got, tt.action)
		}
		if got := attr(form, "method"); got != "POST" {
			t.Errorf("%s: method is %q", tt.action, got)
		}
		if got, want := inputs(form), slices.Concat(hidden, tt.fields); !slices.Equal(got, want) {
			t.Errorf("%s: inputs are %q, want %q", tt.action, got, want)
		}
		button := one(t, form, "button")
		if attr(button, "type") != "submit" || !matches(button, ".button") || text(button) != tt.button {
			t.Errorf("%s: button is %q %q %q", tt.action, attr(button, "type"), attr(button, "class"), text(button))
		}
		if got := attr(form.Parent, "class"); got != "provider" {
			t.Errorf("%s: class around the form is %q", tt.action, got)
		}
	}
	if got := attr(one(t, res.root, "#input-email-for-email-provider"), "type"); got != "email" {
		t.Errorf("the e-mail field is a %q", got)
	}
	one(t, res.root, "#input-username-for-users-provider")
	one(t, res.root, "#input-password-for-users-provider")
	if submit := one(t, res.root, "#submitButton"); submit.Parent != forms[1] {
		t.Error("#submitButton is not that of the e-mail form")
	}
}

func TestSignInWithoutCallbackURL(t *testing.T) {
	v := signIn(github, users)
	v.CallbackURL = ""
	res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, v))
	for _, n := range find(res.root, "input") {
		if attr(n, "name") == "callbackUrl" {
			t.Error("there is an empty callbackUrl")
		}
	}
}

func TestSignInRules(t *testing.T) {
	tests := []struct {
		name      string
		providers []Provider
		want      string // o: oauth, f: form with inputs, -: rule
	}{
		{"one button", []Provider{github}, "o"},
		{"buttons", []Provider{github, google}, "oo"},
		{"one form", []Provider{users}, "f"},
		{"form last", []Provider{github, users}, "o-f"},
		{"form first", []Provider{users, github}, "f-o"},
		{"form between", []Provider{github, users, google}, "o-f-o"},
		{"two forms", []Provider{github, email, users}, "o-f-f"},
	}
	r := newRenderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := get(t, r, pageOf((*Renderer).SignIn, signIn(tt.providers...)))
			var got strings.Builder
			for n := range one(t, res.root, ".card").Descendants() {
				switch {
				case n.Data == "hr":
					got.WriteByte('-')
					if attr(n, "data-text") != "or" {
						t.Errorf("the rule says %q", attr(n, "data-text"))
					}
				case n.Data == "form" && len(find(n, "label")) > 0:
					got.WriteByte('f')
				case n.Data == "form":
					got.WriteByte('o')
				}
			}
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got.String(), tt.want)
			}
		})
	}
}

func TestSignInHeading(t *testing.T) {
	r := newRenderer(t)
	res := get(t, r, pageOf((*Renderer).SignIn, signIn(github)))
	if got := text(one(t, res.root, "title")); got != "Sign in · app.example.com" {
		t.Errorf("title is %q", got)
	}
	if got := text(one(t, res.root, "h1")); got != "Sign in" {
		t.Errorf("h1 is %q", got)
	}
	if got := text(one(t, res.root, ".host")); got != "to continue to app.example.com" {
		t.Errorf("host is %q", got)
	}
	v := signIn(github)
	v.Host = ""
	res = get(t, r, pageOf((*Renderer).SignIn, v))
	if got := text(one(t, res.root, "title")); got != "Sign in" {
		t.Errorf("title without host is %q", got)
	}
	if len(find(res.root, ".host")) != 0 {
		t.Error("an empty host is shown")
	}
}

func TestSignInError(t *testing.T) {
	tests := []struct {
		code, reason, provider string
		want                   string // "" means no error
		info                   bool
	}{
		{code: ""},
		{reason: "unheard_of"},
		{code: "Signin", want: "The sign-in could not be started. Please try again."},
		{code: "OAuthSignin", want: "The sign-in could not be started. Please try again."},
		{code: "OAuthCallback", want: "The sign-in could not be completed. Please try again."},
		{code: "oauthcallback", want: "The sign-in could not be completed. Please try again."},
		{code: "Callback", want: "The sign-in was not completed. Try again, or use a different account."},
		{code: "OAuthCreateAccount", want: "Your account could not be created. Try again, or use a different account."},
		{code: "EmailCreateAccount", want: "Your account could not be created. Try again, or use a different email address."},
		{code: "OAuthAccountNotLinked", want: "To confirm your identity, sign in with the same account you used originally."},
		{code: "EmailSignin", want: "The email could not be sent. Check the address and try again."},
		{code: "CredentialsSignin", want: "Sign in failed. Check the details you provided are correct."},
		{code: "SessionRequired", want: "Please sign in to access this page.", info: true},
		{code: "default", want: "Unable to sign in. Please try again."},
		{code: "NoSuchCode", want: "Unable to sign in. Please try again."},
		{code: "Callback", reason: "unheard_of", want: "The sign-in was not completed. Try again, or use a different account."},
		{code: "Callback", reason: "declined", want: "Sign-in was canceled. You can try again, or use another account.", info: true},
		{code: "OAuthCallback", reason: "state_missing", want: "The sign-in took too long, or it was started in another window. Please try again."},
		{code: "OAuthSignin", reason: "provider_unavailable", provider: "github", want: "GitHub did not answer. Please try again in a moment."},
		{code: "OAuthSignin", reason: "provider_unavailable", provider: "gone", want: "The sign-in service did not answer. Please try again in a moment."},
		{code: "CredentialsSignin", reason: "too_many_attempts", want: "Too many attempts. Wait a few minutes, then try again."},
		{code: "AccessDenied", reason: "access_denied", want: "This account may not sign in here. Use another account, or ask the owner of this site for access."},
		{reason: "refresh_refused", provider: "github", want: "GitHub has ended your sign-in. Sign in again to continue.", info: true},
		{reason: "signed_out", want: "You have signed out.", info: true},
		{code: "Callback", reason: "session_too_large", provider: "github", want: "GitHub let you in, but your session could not be started. Only the owner of this site can fix that."},
		{reason: "csrf", want: "This page was open for too long, or your browser did not keep our cookie. Please try again."},
	}
	r := newRenderer(t)
	for _, tt := range tests {
		t.Run(tt.code+"/"+tt.reason, func(t *testing.T) {
			v := signIn(github, users)
			v.ErrorCode, v.Reason, v.Provider, v.Reference = tt.code, tt.reason, tt.provider, "k3v9-2xqa"
			res := get(t, r, pageOf((*Renderer).SignIn, v))
			if res.Code != 200 {
				t.Errorf("status is %d", res.Code)
			}
			if tt.want == "" {
				if len(find(res.root, ".error")) != 0 || len(find(res.root, ".reference")) != 0 {
					t.Error("an error is shown")
				}
				return
			}
			alert := one(t, res.root, ".error")
			if got, want := text(alert), tt.want+"Reference: k3v9-2xqa"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			role := "alert"
			if tt.info {
				role = "status"
			}
			if attr(alert, "role") != role {
				t.Errorf("role is %q, want %q", attr(alert, "role"), role)
			}
			if matches(alert, ".info") != tt.info {
				t.Errorf("is information: %t, want %t", !tt.info, tt.info)
			}
		})
	}
}

// The error stands above all methods, so nobody has to look for it.
func TestSignInErrorIsFirst(t *testing.T) {
	v := signIn(github, users)
	v.ErrorCode = "Callback"
	body := get(t, newRenderer(t), pageOf((*Renderer).SignIn, v)).Body.String()
	if alert, form := strings.Index(body, `role="alert"`), strings.Index(body, "<form"); alert < 0 || alert > form {
		t.Errorf("alert at %d, first form at %d", alert, form)
	}
}

func TestSignInFocus(t *testing.T) {
	staff := users
	staff.ID = "staff"
	pin := withFields(provider("pin", "PIN", "credentials"), Field{Name: "tenant", Type: "hidden"}, Field{Name: "pin", Type: "password"})
	tests := []struct {
		name      string
		providers []Provider
		code      string
		reason    string
		provider  string
		username  string
		want      string // id of the field with the focus
		invalid   bool
	}{
		{name: "one button", providers: []Provider{github}},
		{name: "many methods", providers: []Provider{github, users}},
		{name: "two forms", providers: []Provider{email, users}},
		{name: "only a form", providers: []Provider{users}, want: "input-username-for-users-provider"},
		{name: "only e-mail", providers: []Provider{email}, want: "input-email-for-email-provider"},
		{name: "only a form, name known", providers: []Provider{users}, username: "octocat", want: "input-password-for-users-provider"},
		{name: "hidden field first", providers: []Provider{pin}, want: "input-pin-for-pin-provider"},
		{name: "wrong password", providers: []Provider{github, users}, code: "CredentialsSignin", username: "octocat", want: "input-password-for-users-provider", invalid: true},
		{name: "wrong password, by reason", providers: []Provider{github, users}, reason: "credentials_invalid", username: "octocat", want: "input-password-for-users-provider", invalid: true},
		{name: "wrong password, name unknown", providers: []Provider{github, users}, code: "CredentialsSignin", want: "input-username-for-users-provider", invalid: true},
		{name: "wrong password, second form", providers: []Provider{users, staff}, code: "CredentialsSignin", provider: "staff", username: "octocat", want: "input-password-for-staff-provider", invalid: true},
		{name: "other error", providers: []Provider{github, users}, code: "Callback", username: "octocat"},
		{name: "too many attempts", providers: []Provider{github, users}, code: "CredentialsSignin", reason: "too_many_attempts", username: "octocat"},
	}
	r := newRenderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := signIn(tt.providers...)
			v.ErrorCode, v.Reason, v.Provider, v.Username = tt.code, tt.reason, tt.provider, tt.username
			res := get(t, r, pageOf((*Renderer).SignIn, v))
			var got string
			var invalid bool
			for _, n := range find(res.root, "[autofocus]") {
				got += attr(n, "id")
				invalid = attr(n, "aria-describedby") == "signin-error"
			}
			if got != tt.want || invalid != tt.invalid {
				t.Errorf("focus is on %q (invalid: %t), want %q (%t)", got, invalid, tt.want, tt.invalid)
			}
		})
	}
}

func TestSignInFields(t *testing.T) {
	p := withFields(provider("ldap", "Directory", "credentials"),
		Field{Name: "Login"},
		Field{Name: "secret", Type: "password", Label: "Passphrase"},
		Field{Name: "otp", Type: "text", Label: "Code", Autocomplete: "one-time-code", Placeholder: "123456"},
		Field{Name: "tenant", Type: "hidden"},
		Field{Name: "odd", Type: "image"},
	)
	v := signIn(github, p)
	v.Username = "octocat"
	res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, v))
	tests := []struct{ name, label, kind, value, autocomplete, placeholder string }{
		{"Login", "Login", "text", "octocat", "username", ""},
		{"secret", "Passphrase", "password", "", "current-password", ""},
		{"otp", "Code", "text", "", "one-time-code", "123456"},
		{"odd", "odd", "text", "", "", ""},
	}
	labels := make(map[string]string)
	for _, l := range find(res.root, "label") {
		labels[attr(l, "for")] = text(l)
	}
	for _, tt := range tests {
		n := one(t, res.root, "#input-"+tt.name+"-for-ldap-provider")
		got := [6]string{attr(n, "name"), labels[attr(n, "id")], attr(n, "type"), attr(n, "value"), attr(n, "autocomplete"), attr(n, "placeholder")}
		if want := [6]string{tt.name, tt.label, tt.kind, tt.value, tt.autocomplete, tt.placeholder}; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if hasAttr(n, "required") {
			t.Errorf("%s is required", tt.name)
		}
	}
	form := find(res.root, "form")[1]
	if !slices.Contains(inputs(form), "tenant=") {
		t.Errorf("the hidden field is missing in %q", inputs(form))
	}
	if got := text(one(t, form, "button")); got != "Sign in with Directory" {
		t.Errorf("button says %q", got)
	}
}

// What browsers need to fill in the usual fields by themselves.
func TestSignInAutofill(t *testing.T) {
	res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, signIn(email, users)))
	for id, want := range map[string]string{
		"#input-email-for-email-provider":    "email",
		"#input-username-for-users-provider": "username",
		"#input-password-for-users-provider": "current-password",
	} {
		n := one(t, res.root, id)
		if got := attr(n, "autocomplete"); got != want {
			t.Errorf("%s: autocomplete is %q, want %q", id, got, want)
		}
		if !hasAttr(n, "required") {
			t.Errorf("%s is not required", id)
		}
	}
}

// A password is never sent back, whatever a caller calls the field.
func TestSignInKeepsNoPassword(t *testing.T) {
	v := signIn(withFields(users, Field{Name: "username", Type: "password", Autocomplete: "username"}))
	v.Username = "octocat"
	if body := get(t, newRenderer(t), pageOf((*Renderer).SignIn, v)).Body.String(); strings.Contains(body, "octocat") {
		t.Error("the password field has a value")
	}
}

func TestSignInUnavailable(t *testing.T) {
	down := github
	down.Unavailable = true
	res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, signIn(down, google)))
	buttons := find(res.root, "button")
	if !matches(buttons[0], ".unavailable") || matches(buttons[1], ".unavailable") {
		t.Error("the wrong button is greyed")
	}
	if hasAttr(buttons[0], "disabled") {
		t.Error("the button cannot be used")
	}
	note := one(t, res.root, ".note")
	if got := text(note); got != "GitHub did not answer a moment ago. You can still try." {
		t.Errorf("note says %q", got)
	}
	if got := attr(buttons[0], "aria-describedby"); got != attr(note, "id") {
		t.Errorf("the button is described by %q, the note is %q", got, attr(note, "id"))
	}
}

func TestSignInLogos(t *testing.T) {
	tests := []struct {
		name   string
		p      Provider
		svg    bool
		letter string
	}{
		{"by id", github, true, ""},
		{"by logo", Provider{ID: "hub", Name: "Hub", Logo: "github"}, true, ""},
		{"letter", acme, false, "A"},
		{"lower case", Provider{ID: "x", Name: "élan"}, false, "É"},
		{"no Latin", Provider{ID: "x", Name: "会社"}, false, "会"},
		{"leading marks", Provider{ID: "x", Name: `"<3com`}, false, "3"},
		{"id as name", Provider{ID: "sso"}, false, "S"},
		{"no letter", Provider{ID: "-", Name: "—"}, true, ""},
		{"nothing", Provider{}, true, ""},
		{"unknown logo", Provider{ID: "x", Name: "X", Logo: "../styles.css"}, false, "X"},
	}
	r := newRenderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			button := one(t, get(t, r, pageOf((*Renderer).SignIn, signIn(tt.p))).root, "button")
			logo := one(t, button, ".provider-logo")
			if (logo.Data == "svg") != tt.svg || attr(logo, "data-text") != tt.letter {
				t.Errorf("logo is %s %q", logo.Data, attr(logo, "data-text"))
			}
			if attr(logo, "aria-hidden") != "true" || text(logo) != "" {
				t.Error("the logo is read aloud")
			}
		})
	}
	button := one(t, get(t, r, pageOf((*Renderer).SignIn, signIn(email))).root, "button")
	if len(find(button, ".provider-logo")) != 0 {
		t.Error("the e-mail form has a logo")
	}
}
