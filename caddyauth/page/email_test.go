package page

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const signInLink = "https://app.example.com/api/auth/callback/email?callbackUrl=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3D1%26c%3D%C3%A9" +
	"&token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef&email=o%27neil%2Btag%40example.org"

func confirmEmail(change ...func(*ConfirmEmail)) pageFunc {
	v := ConfirmEmail{Common: site, CSRFToken: csrf, Email: "octocat@example.com", Action: signInLink}
	for _, c := range change {
		c(&v)
	}
	return pageOf((*Renderer).ConfirmEmail, v)
}

// A link that is opened where it was not asked for signs nobody in by itself.
func TestConfirmEmail(t *testing.T) {
	res := get(t, newRenderer(t), confirmEmail())
	if res.Code != http.StatusOK {
		t.Errorf("status is %d", res.Code)
	}
	assertInert(t, res)
	if got := text(one(t, res.root, "h1")); got != "Confirm sign-in" {
		t.Errorf("h1 is %q", got)
	}
	if got := text(one(t, res.root, "title")); got != "Confirm sign-in · app.example.com" {
		t.Errorf("title is %q", got)
	}
	says := text(one(t, res.root, ".message"))
	for _, want := range []string{
		"You are about to sign in to app.example.com as octocat@example.com.", "not asked for in this browser", "close this page",
	} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is missing in %q", want, says)
		}
	}
	form := one(t, res.root, "form")
	if attr(form, "action") != signInLink || attr(form, "method") != "POST" {
		t.Errorf("the form goes to %s %q", attr(form, "method"), attr(form, "action"))
	}
	if got, want := inputs(form), []string{"csrfToken=" + csrf}; !slices.Equal(got, want) {
		t.Errorf("inputs are %q, want %q", got, want)
	}
	button := one(t, res.root, "button")
	if attr(button, "id") != "submitButton" || attr(button, "type") != "submit" || text(button) != "Sign in" {
		t.Errorf("the button is %q %q %q", attr(button, "id"), attr(button, "type"), text(button))
	}
	// Whoever presses a key too many must not be signed in.
	if n := len(find(res.root, "[autofocus]")); n != 0 {
		t.Errorf("%d elements take the focus", n)
	}
	if n := len(find(res.root, "a")); n != 0 {
		t.Errorf("%d links", n)
	}
}

// referrerPolicyOf returns what a page of somePages should have.
func referrerPolicyOf(name string) string {
	if strings.HasPrefix(name, "confirm") {
		return "strict-origin"
	}
	return "same-origin"
}

// The token is in the page's address, which no other request may name; but the
// form has to come from this site.
func TestLEAK01ConfirmEmail(t *testing.T) {
	t.Run("LEAK-01 confirm e-mail", func(t *testing.T) {
		res := get(t, newRenderer(t), confirmEmail())
		if got := res.Header().Get("Referrer-Policy"); got != "strict-origin" {
			t.Errorf("Referrer-Policy is %q", got)
		}
		if got := strings.Count(res.Body.String(), "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef&amp;email"); got != 1 {
			t.Errorf("the token is there %d times", got)
		}
	})
}

func TestConfirmEmailBounds(t *testing.T) {
	r := newRenderer(t)
	t.Run("no host", func(t *testing.T) {
		res := get(t, r, confirmEmail(func(v *ConfirmEmail) { v.Host = "" }))
		if says := text(one(t, res.root, ".message")); !strings.HasPrefix(says, "You are about to sign in as octocat@example.com.") {
			t.Errorf("the page says %q", says)
		}
	})
	t.Run("long link", func(t *testing.T) {
		// Without an action the form goes to the page's own address.
		res := get(t, r, confirmEmail(func(v *ConfirmEmail) { v.Action += strings.Repeat("x", maxValue) }))
		if got := attr(one(t, res.root, "form"), "action"); got != "" {
			t.Errorf("action has %d bytes", len(got))
		}
	})
	t.Run("script", func(t *testing.T) {
		res := get(t, r, confirmEmail(func(v *ConfirmEmail) { v.Action = "javascript:alert(1)" }))
		assertInert(t, res)
	})
	t.Run("written from right to left", func(t *testing.T) {
		res := get(t, r, confirmEmail(func(v *ConfirmEmail) { v.Email = "مثال@example.org" }))
		if got := text(one(t, res.root, "bdi")); got != "مثال@example.org" {
			t.Errorf("isolated is %q", got)
		}
	})
}

func TestVerifyRequest(t *testing.T) {
	res := get(t, newRenderer(t), pageOf((*Renderer).VerifyRequest, VerifyRequest{site}))
	card := text(one(t, res.root, ".card"))
	for _, want := range []string{
		"Check your email", "A sign in link has been sent to your email address.", "in this browser", "asked to confirm", "spam",
	} {
		if !strings.Contains(card, want) {
			t.Errorf("%q is missing in %q", want, card)
		}
	}
	back := one(t, res.root, ".back")
	if attr(back, "href") != "https://app.example.com/api/auth/signin" || text(back) != "Back to sign in" {
		t.Errorf("back leads to %q: %q", attr(back, "href"), text(back))
	}
	if site := one(t, res.root, ".site"); attr(site, "href") != "/" {
		t.Errorf("home is %q", attr(site, "href"))
	}
}

// What next-auth 4 and Auth.js have in the form of an e-mail provider. Style
// sheets and scripts look for ids and classes, password managers for names.
func TestSignInEmailForm(t *testing.T) {
	for _, id := range []string{"email", "nodemailer"} {
		v := signIn(provider(id, "Postfach", "email"))
		v.Email = "octocat@example.com"
		res := get(t, newRenderer(t), pageOf((*Renderer).SignIn, v))
		form := one(t, res.root, "form")
		if attr(form, "action") != site.BaseURL+"/signin/"+id || attr(form, "method") != "POST" {
			t.Errorf("the form goes to %s %q", attr(form, "method"), attr(form, "action"))
		}
		label := one(t, form, "label")
		if attr(label, "class") != "section-header" || attr(label, "for") != "input-email-for-"+id+"-provider" || text(label) != "Email" {
			t.Errorf("the label is %q for %q: %q", attr(label, "class"), attr(label, "for"), text(label))
		}
		input := one(t, form, "#input-email-for-"+id+"-provider")
		for name, want := range map[string]string{
			"type": "email", "name": "email", "value": "octocat@example.com", "placeholder": "email@example.com", "required": "",
		} {
			if got := attr(input, name); !hasAttr(input, name) || got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		button := one(t, form, "button")
		if attr(button, "id") != "submitButton" || attr(button, "type") != "submit" || text(button) != "Sign in with Postfach" {
			t.Errorf("the button is %q %q: %q", attr(button, "id"), attr(button, "type"), text(button))
		}
	}
}
