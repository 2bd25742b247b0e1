package devidp

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestLoginPage(t *testing.T) {
	s := newSite(t)
	page, _ := s.open(s.authorizeURL(nil))
	for _, want := range []string{
		"admin@example.com", "Ada Admin", `<span class="tag">staff</span>`,
		"Alice Example", `name="sub" value="alice"`, `<span class="tag">user</span>`,
		"Zoë Ōta", "zoe@example.net (not verified)", "no groups",
		strings.TrimPrefix(s.server.URL, "http://"), `name="cancel"`,
	} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.body, "<script") {
		t.Error("a script")
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
	} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// The style sheet is applied only if the policy has the hash of the very bytes
// between the tags.
func TestLoginPolicyHasTheHashOfTheStyle(t *testing.T) {
	s := newSite(t)
	page, _ := s.open(s.authorizeURL(nil))
	_, rest, _ := strings.Cut(page.body, "<style>")
	style, _, ok := strings.Cut(rest, "</style>")
	if !ok {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style))
	want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, want) || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %s lacks %s", policy, want)
	}
}

func TestLoginPageEscapes(t *testing.T) {
	s := newSite(t, Persona{
		Sub: "x", Name: `<script>alert(1)</script>`, Email: `"<img src=x>"@example.com`,
		Groups: []string{`"><b>`}, Roles: []string{"{{.CSS}}"},
	})
	page, _ := s.open(s.authorizeURL(nil))
	for _, bad := range []string{"<script", "<img", "<b>"} {
		if strings.Contains(page.body, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "{{.CSS}}"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestCancel(t *testing.T) {
	s := newSite(t)
	_, id := s.open(s.authorizeURL(nil))
	a := s.post(s.issuer+loginPath, url.Values{"id": {id}, "cancel": {"1"}})
	u := a.location(t)
	q := u.Query()
	if !strings.HasPrefix(u.String(), s.redirectURI()+"?") || q.Get("error") != "access_denied" ||
		q.Get("state") != "the-state" || q.Get("iss") != s.issuer || q.Has("code") {
		t.Errorf("sent to %s", u)
	}
	// Back and on: the request is gone.
	if a := s.post(s.issuer+loginPath, url.Values{"id": {id}, "sub": {"alice"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("choosing after canceling: status %d", a.StatusCode)
	}
}

func TestChooseOnce(t *testing.T) {
	s := newSite(t)
	_, id := s.open(s.authorizeURL(nil))
	s.choose(id, "admin")
	a := s.post(s.issuer+loginPath, url.Values{"id": {id}, "sub": {"alice"}})
	if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, `href="`+s.server.URL+`/"`) {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	if a := s.get(s.issuer + loginPath + "?id=" + id); a.StatusCode != http.StatusBadRequest {
		t.Errorf("the page again: status %d", a.StatusCode)
	}
}

func TestChooseRefusals(t *testing.T) {
	s := newSite(t)
	_, id := s.open(s.authorizeURL(nil))
	right := url.Values{"id": {id}, "sub": {"alice"}}
	for name, c := range map[string]struct {
		form   url.Values
		header []string
		status int
	}{
		"nobody":          {url.Values{"id": {id}}, nil, http.StatusBadRequest},
		"stranger":        {url.Values{"id": {id}, "sub": {"root"}}, nil, http.StatusBadRequest},
		"no request":      {url.Values{"sub": {"alice"}}, nil, http.StatusBadRequest},
		"unknown request": {url.Values{"id": {"AAAAAAAAAAAAAAAAAAAAAA"}, "sub": {"alice"}}, nil, http.StatusBadRequest},
		"cross-site":      {right, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"same site":       {right, []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		"other origin":    {right, []string{"Origin", "http://localhost:1"}, http.StatusForbidden},
		"opaque origin":   {right, []string{"Origin", "null"}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			if a := s.post(s.issuer+loginPath, c.form, c.header...); a.StatusCode != c.status {
				t.Errorf("status %d", a.StatusCode)
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		if a := s.post(s.issuer+loginPath+"?"+right.Encode(), nil); a.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", a.StatusCode)
		}
	})
	// None of that spent the request.
	if s.choose(id, "alice").Query().Get("code") == "" {
		t.Error("no code")
	}
}
