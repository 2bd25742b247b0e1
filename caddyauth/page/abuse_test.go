package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are values that try to leave the place they are put into.
var hostile = map[string]string{
	"script":          `<script>alert(1)</script>`,
	"quotes":          `"><img src=x onerror=alert(1)>`,
	"single quotes":   `' autofocus onfocus='alert(1)`,
	"end of style":    `red}</style><script>alert(1)</script>`,
	"end of title":    `</title><script>alert(1)</script>`,
	"comment":         `<!--`,
	"template":        `{{.CSRFToken}}`,
	"slot":            `{provider}{account}{host}`,
	"javascript":      `javascript:alert(1)`,
	"entity":          `&lt;script&gt;&#x22;`,
	"line breaks":     "a\r\nSet-Cookie: x=y\r\n\r\n<script>",
	"NUL":             "a\x00b<script\x00>",
	"invalid UTF-8":   "\xff\xfe<\xc0\xbcscript>",
	"right to left":   "تجربة \u202egpj.exe\u202c \u2067x",
	"long":            strings.Repeat("x", 1<<16),
	"long, multibyte": strings.Repeat("界", 1<<14),
	"empty":           "",
	"space":           " \t ",
}

// hostilePages are all pages with one value everywhere a value can be.
func hostilePages(s string) map[string]pageFunc {
	c := Common{Host: s, BaseURL: s}
	p := Provider{ID: s, Name: s, Type: "oauth", SigninURL: s, CallbackURL: s, Logo: s, Unavailable: true, FormAction: []string{s}}
	form, mail, key := p, p, p
	form.Type, mail.Type, key.Type = "credentials", "email", "webauthn"
	key.OptionsURL = s
	form.Fields = []Field{{s, s, s, s, s, true}, {Name: s, Type: "hidden"}, {Name: "username"}}
	v := SignIn{Common: c, CSRFToken: s, CallbackURL: s, ErrorCode: s, Reason: s, Provider: s, Reference: s,
		Username: s, Email: s, Providers: []Provider{p, form, mail, key}}
	down := v
	down.Reason = "provider_unavailable"
	return map[string]pageFunc{
		"account":        pageOf((*Renderer).Account, hostileAccount(c, s)),
		"sign in":        pageOf((*Renderer).SignIn, v),
		"sign in, down":  pageOf((*Renderer).SignIn, down),
		"sign out":       pageOf((*Renderer).SignOut, SignOut{c, s, s, s}),
		"error":          pageOf((*Renderer).Error, Error{c, s, s, s, s, s, s, s}),
		"access denied":  pageOf((*Renderer).Error, Error{c, "AccessDenied", s, s, s, s, s, s}),
		"reason":         pageOf((*Renderer).Error, Error{c, s, "provider_unavailable", s, s, s, s, s}),
		"verify request": pageOf((*Renderer).VerifyRequest, VerifyRequest{c}),
		"confirm e-mail": pageOf((*Renderer).ConfirmEmail, ConfirmEmail{c, s, s, s}),
		"step-up":        pageOf((*Renderer).StepUp, StepUp{c, s, s, false, false, s, s}),
		"step-up, form":  pageOf((*Renderer).StepUpForm, StepUpForm{c, s, s, s}),
		"denied":         pageOf((*Renderer).Denied, Denied{c, s, s, s}),
		"unauthorized":   pageOf((*Renderer).Unauthorized, Unauthorized{Common: c, CallbackURL: s, Resend: true, DoneURL: s, SessionURL: s, Reference: s}),
		"loop":           pageOf((*Renderer).Loop, Loop{c, s, s, s}),
		"signed in":      pageOf((*Renderer).SignedIn, SignedIn{c, s}),
		"unavailable":    pageOf((*Renderer).Unavailable, Unavailable{c, 0, s}),
		"bad request":    pageOf((*Renderer).BadRequest, BadRequest{c, s}),
	}
}

// directiveCount is how many directives the policy of a page has.
func directiveCount(res response) int {
	switch body := res.Body.String(); {
	case strings.Contains(body, "fetch("):
		return 8
	case strings.Contains(body, "<script>"):
		return 7
	}
	return 6
}

// GHSA-gmfg was a policy that let scripts in.
func TestUI01Headers(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		t.Run("UI-01 "+name, func(t *testing.T) {
			res := get(t, r, f)
			for field, want := range map[string]string{
				"Content-Type":                 "text/html; charset=utf-8",
				"X-Content-Type-Options":       "nosniff",
				"X-Frame-Options":              "DENY",
				"Referrer-Policy":              referrerPolicyOf(name),
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := res.Header().Get(field); got != want {
					t.Errorf("%s is %q, want %q", field, got, want)
				}
			}
			policy := directives(res)
			for name, want := range map[string]string{
				"default-src": "'none'", "img-src": "'self' data:", "form-action": "'self' https:",
				"base-uri": "'none'", "frame-ancestors": "'none'",
			} {
				if policy[name] != want {
					t.Errorf("%s is %s, want %s", name, policy[name], want)
				}
			}
			if len(policy) != directiveCount(res) || strings.Contains(policy["style-src"], "unsafe") {
				t.Errorf("policy is %v", policy)
			}
			assertInert(t, res)
		})
	}
}

// Browsers check the redirect after a form against form-action as well, so
// the policy must let the form lead to the provider.
func TestUI02FormActionCoversProvider(t *testing.T) {
	r := newRenderer(t)
	t.Run("UI-02 any https", func(t *testing.T) {
		res := get(t, r, pageOf((*Renderer).SignIn, signIn(github)))
		if got := directives(res)["form-action"]; got != "'self' https:" {
			t.Errorf("form-action is %s", got)
		}
	})
	t.Run("UI-02 http on loopback", func(t *testing.T) {
		v := signIn(acme)
		v.Loopback = true
		res := get(t, r, pageOf((*Renderer).SignIn, v))
		if got := directives(res)["form-action"]; !strings.Contains(got, " http://localhost:*") || !strings.Contains(got, " http://127.0.0.1:*") {
			t.Errorf("form-action is %s", got)
		}
	})
}

func TestUI03ReflectedError(t *testing.T) {
	r := newRenderer(t)
	codes := []string{"<script>alert(1)</script>", "constructor", "__proto__", "toString", "code.default", "text",
		strings.Repeat("A", 1<<20), "\x00", "Configuration\r\nX-Evil: 1"}
	want := get(t, r, pageOf((*Renderer).Error, Error{Common: site})).Body.String()
	v := signIn(github)
	v.ErrorCode = "default"
	wantSignIn := get(t, r, pageOf((*Renderer).SignIn, v)).Body.String()
	for _, code := range codes {
		t.Run("UI-03 "+clip(code, 20), func(t *testing.T) {
			res := get(t, r, pageOf((*Renderer).Error, Error{Common: site, Code: code}))
			if res.Code != http.StatusOK || res.Body.String() != want {
				t.Errorf("status %d, or another page than the default one", res.Code)
			}
			v.ErrorCode = code
			if got := get(t, r, pageOf((*Renderer).SignIn, v)).Body.String(); got != wantSignIn {
				t.Error("another sign-in page than the default one")
			}
		})
	}
}

// caddy-security #273 showed values as they were.
func TestUI04HostileValues(t *testing.T) {
	r := newRenderer(t)
	for kind, s := range hostile {
		for name, f := range hostilePages(s) {
			t.Run("UI-04 "+kind+" "+name, func(t *testing.T) {
				res := get(t, r, f)
				assertInert(t, res)
				one(t, res.root, "main")
				one(t, res.root, "body")
				one(t, res.root, ".card")
				if got := res.Header().Get("Content-Security-Policy"); strings.ContainsAny(got, "\r\n<") || strings.Count(got, ";")+1 != directiveCount(res) {
					t.Errorf("policy is %q", got)
				}
			})
		}
	}
}

// A user name with markup is shown as it is, not run and not swallowed.
func TestUI05IdentifierEcho(t *testing.T) {
	r := newRenderer(t)
	for kind, s := range hostile {
		if s == "" || len(s) > 100 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r") {
			continue
		}
		t.Run("UI-05 "+kind, func(t *testing.T) {
			v := signIn(email, users)
			v.Email, v.Username = s, s
			res := get(t, r, pageOf((*Renderer).SignIn, v))
			for _, id := range []string{"#input-email-for-email-provider", "#input-username-for-users-provider"} {
				if got := attr(one(t, res.root, id), "value"); got != s {
					t.Errorf("%s is %q, want %q", id, got, s)
				}
			}
			res = get(t, r, pageOf((*Renderer).Denied, Denied{Common: site, Account: s}))
			want := "You are signed in as " + strings.Join(strings.Fields(s), " ")
			if got := text(one(t, res.root, ".message")); !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	t.Run("UI-05 direction is contained", func(t *testing.T) {
		name := "\u202eevil"
		res := get(t, r, pageOf((*Renderer).Denied, Denied{Common: site, Account: name}))
		if got := text(one(t, res.root, "bdi")); got != name {
			t.Errorf("isolated is %q", got)
		}
	})
	t.Run("UI-05 long names are shortened", func(t *testing.T) {
		res := get(t, r, pageOf((*Renderer).Denied, Denied{Common: site, Account: hostile["long"]}))
		if n := res.Body.Len(); n > 8<<10 {
			t.Errorf("the page has %d bytes", n)
		}
	})
}

// A request must not be answered with many times its size: the values of the
// hidden fields are repeated in every form.
func TestLongValuesAreDropped(t *testing.T) {
	r := newRenderer(t)
	for n, want := range map[int]bool{maxValue: true, maxValue + 1: false, 1 << 20: false} {
		s := strings.Repeat("x", n)
		v := signIn(github, email, users)
		v.CallbackURL, v.Email, v.Username = s, s, s
		if got := get(t, r, pageOf((*Renderer).SignIn, v)).Body.Len() > 5*maxValue; got != want {
			t.Errorf("sign in, %d: kept is %t", n, got)
		}
		out := SignOut{Common: site, CSRFToken: csrf, CallbackURL: s}
		if got := strings.Contains(get(t, r, pageOf((*Renderer).SignOut, out)).Body.String(), s); got != want {
			t.Errorf("sign out, %d: kept is %t", n, got)
		}
		denied := Denied{Common: site, CallbackURL: s}
		if got := strings.Contains(get(t, r, pageOf((*Renderer).Denied, denied)).Body.String(), s); got != want {
			t.Errorf("denied, %d: kept is %t", n, got)
		}
	}
}

func TestUI06Referer(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		t.Run("UI-06 "+name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodGet, "/?callbackUrl=javascript:alert(1)", nil)
			req.Header.Set("Referer", "javascript:alert(1)")
			rec := httptest.NewRecorder()
			f(r, rec, req)
			if rec.Body.String() != get(t, r, f).Body.String() {
				t.Error("the page depends on the request")
			}
		})
	}
}

func TestCACHE01NoStore(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		t.Run("CACHE-01 "+name, func(t *testing.T) {
			h := get(t, r, f).Header()
			if got := h.Get("Cache-Control"); got != "private, no-cache, no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
			if got := h.Get("Vary"); got != "Cookie" {
				t.Errorf("Vary is %q", got)
			}
			for _, field := range []string{"Etag", "Last-Modified", "Expires"} {
				if h.Get(field) != "" {
					t.Errorf("%s is %q", field, h.Get(field))
				}
			}
		})
	}
}

// No page loads anything, so nobody is told an address with a code in it; and
// links to other sites would not carry it either.
func TestLEAK01Referrer(t *testing.T) {
	r := newRenderer(t)
	for name, f := range somePages() {
		t.Run("LEAK-01 "+name, func(t *testing.T) {
			res := get(t, r, f)
			assertInert(t, res)
			if got := res.Header().Get("Referrer-Policy"); got != referrerPolicyOf(name) {
				t.Errorf("Referrer-Policy is %q", got)
			}
			for _, a := range find(res.root, "a") {
				if href := attr(a, "href"); href != "" && href != "/" && !strings.HasPrefix(href, site.BaseURL) {
					t.Errorf("there is a link to %q", href)
				}
			}
		})
	}
}
