package provider

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func TestProfileValues(t *testing.T) {
	long := strings.Repeat("x", 600_000)
	for _, tc := range []struct {
		name   string
		claim  string
		value  any
		field  func(User) Text
		want   Text
		reason Reason
	}{
		{"name", "name", "Zoë", func(u User) Text { return u.Name }, String("Zoë"), ""},
		{"name null falls through to nothing", "name", json.RawMessage("null"), func(u User) Text { return u.Name }, Text{}, ""},
		{"UINFO-05 name an object", "name", map[string]any{}, func(u User) Text { return u.Name }, Text{}, ""},
		{"UINFO-05 name a number", "name", 42, func(u User) Text { return u.Name }, String("42"), ""},
		{"UINFO-05 email a list", "email", []string{"a@example.com"}, func(u User) Text { return u.Email }, Text{}, ""},
		{"email null stays null", "email", json.RawMessage("null"), func(u User) Text { return u.Email }, Null(), ""},
		{"email in lower case", "email", "A@EXAMPLE.com", func(u User) Text { return u.Email }, String("a@example.com"), ""},
		{"UINFO-05 picture of endless length", "picture", long, func(u User) Text { return u.Image }, Text{}, ""},
		{"picture empty", "picture", "", func(u User) Text { return u.Image }, String(""), ""},
		{"picture", "picture", "https://example.com/p.png", func(u User) Text { return u.Image }, String("https://example.com/p.png"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Claims = func(m map[string]any) { m[tc.claim] = tc.value }
			id, err := op.exchange(op.provider(nil))
			if ReasonOf(err) != tc.reason {
				t.Fatal(err)
			}
			if got := tc.field(id.User); got != tc.want {
				t.Errorf("got %#v, want %#v", got, tc.want)
			}
		})
	}
}

func TestProfileMapping(t *testing.T) {
	op := newEvil(t)
	op.Claims = func(m map[string]any) {
		m["extra"] = map[string]any{"uid": 1e6, "mail": "x@example.com"}
		m["first"], m["given_name"] = nil, "Given"
	}
	id, err := op.exchange(op.provider(func(c *Config) {
		c.Profile = map[string][]string{"id": {"missing", "extra.uid"}, "name": {"first", "given_name"}, "email": {"extra.mail"}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if id.User.ID != "1000000" || id.User.Name.String() != "Given" || id.User.Email.String() != "x@example.com" {
		t.Errorf("%+v", id.User)
	}
	for name, path := range map[string]string{"missing": "nope", "too long": "long", "empty": "empty", "a list": "list"} {
		t.Run("id "+name, func(t *testing.T) {
			op := newEvil(t)
			op.Claims = func(m map[string]any) {
				m["long"], m["empty"], m["list"] = strings.Repeat("x", maxID+1), "", []int{1}
			}
			_, err := op.exchange(op.provider(func(c *Config) { c.Profile = map[string][]string{"id": {path}} }))
			if ReasonOf(err) != ReasonProfile {
				t.Error(err)
			}
		})
	}
}

// A mapped address is vouched for only if it is the one that email_verified is
// about; otherwise any self-chosen claim could be mapped into a trusted one.
func TestVerifiedIsAboutTheEmailClaim(t *testing.T) {
	op := newEvil(t)
	op.Claims = func(m map[string]any) { m["mail"] = "boss@victim.example" }
	id, err := op.exchange(op.provider(func(c *Config) { c.Profile = map[string][]string{"email": {"mail"}} }))
	if err != nil {
		t.Fatal(err)
	}
	if id.Verified || id.Domain != "" {
		t.Errorf("%+v", id)
	}
}

func TestVerified(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value any
		want  bool
	}{
		{"true", true, true},
		{`IDENT-04 "true"`, "true", true},
		{"IDENT-04 false", false, false},
		{`IDENT-04 "false"`, "false", false},
		{"IDENT-04 absent", nil, false},
		{"IDENT-04 a number", 1, false},
		{"IDENT-04 a list", []bool{true}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Claims = lyingop.Set("email_verified", tc.value)
			id, err := op.exchange(op.provider(nil))
			if err != nil {
				t.Fatal(err)
			}
			if id.Verified != tc.want || (id.Domain == "example.com") != tc.want {
				t.Errorf("verified %v, domain %q", id.Verified, id.Domain)
			}
		})
	}
}

func TestEmailDomain(t *testing.T) {
	t.Run("IDENT-05 email domain", func(t *testing.T) {
		for address, want := range map[string]string{
			"a@company.com":                  "company.com",
			"a@COMPANY.com":                  "company.com",
			"first.last+tag@sub.company.com": "sub.company.com",
			"attacker@evil.com@company.com":  "",
			"a@company.com.evil":             "company.com.evil",
			"a＠evil.com@company.com":         "",
			"a＠company.com":                  "",
			"a@evil.com＠company.com":         "",
			"a@ｃompany.com":                  "",
			"a@company。com":                  "",
			`"a@evil.com"@company.com`:       "",
			"Name <a@company.com>":           "",
			"a@company.com ":                 "",
			"a@company.com.":                 "",
			"a@.company.com":                 "",
			"a@company..com":                 "",
			"a@-company.com":                 "",
			"a@company.com\x00":              "",
			"@company.com":                   "",
			"company.com":                    "",
			"a@":                             "",
			"":                               "",
			"a\n@company.com":                "",
		} {
			if got := EmailDomain(address); got != want {
				t.Errorf("EmailDomain(%q) = %q, want %q", address, got, want)
			}
		}
	})
}

func TestGoogleDomain(t *testing.T) {
	for _, tc := range []struct {
		name    string
		hd      any
		address string
		want    string
	}{
		{"Workspace", "Example.com", "example.com", "example.com"},
		{"Workspace, an alias domain as address", "example.com", "alias.example", "example.com"},
		{"private account with a company's address", nil, "example.com", ""},
		{"gmail", nil, "gmail.com", "gmail.com"},
		{"googlemail looks alike but is not listed", nil, "googlemail.com", ""},
		{"hd no string", []any{"example.com"}, "example.com", ""},
		{"hd no host", "exa mple", "example.com", ""},
	} {
		profile := map[string]any{}
		if tc.hd != nil {
			profile["hd"] = tc.hd
		}
		if got := googleDomain(profile, tc.address); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	s := &signIn{p: &oauthProvider{preset: presets["google"]}, profile: map[string]any{"hd": "example.com", "email_verified": false, "email": "a@example.com"}}
	id := &Identity{User: User{Email: String("a@example.com")}}
	if s.vouch(id); id.Domain != "" || id.Verified {
		t.Error("hd counts without a verified address")
	}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		text         Text
		want         any
		zero, isText bool
	}{{Text{}, nil, true, false}, {Null(), nil, false, false}, {String("x"), "x", false, true}, {String(""), "", false, true}} {
		if _, ok := tc.text.Get(); tc.text.Any() != tc.want || tc.text.IsZero() != tc.zero || ok != tc.isText {
			t.Errorf("%+v: %v, zero %v, string %v", tc.text, tc.text.Any(), tc.text.IsZero(), ok)
		}
	}
}

// A login goes into cookies, headers and logs.
func TestLoginIsBounded(t *testing.T) {
	for n, want := range map[int]bool{1: true, maxID: true, maxID + 1: false, 1 << 16: false} {
		op := newEvil(t)
		op.Claims = lyingop.Set("preferred_username", strings.Repeat("l", n))
		id, err := op.exchange(op.provider(nil))
		if err != nil {
			t.Fatal(err)
		}
		if (id.Login != "") != want {
			t.Errorf("a login of %d bytes became one of %d", n, len(id.Login))
		}
	}
}
