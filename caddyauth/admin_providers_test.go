package caddyauth_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// samples are the lines of the metrics that begin with a name.
func (a adminAPI) samples(name string) []string {
	a.t.Helper()
	status, body := a.call(http.MethodGet, "/metrics", nil)
	if status != http.StatusOK {
		a.t.Fatalf("metrics: %d", status)
	}
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// TestProviderHealthIsVisible looks at one provider that works and one that stops
// working, where operators and visitors see it.
func TestProviderHealthIsVisible(t *testing.T) {
	good, bad := lyingop.New(t), lyingop.New(t)
	site := siteWith("secret " + secret + "\nusers " + usersFile(t) + "\n" + oidcLines(t, good, "good") + oidcLines(t, bad, "bad") + "allow any\nlimit off")
	s, admin := startAdmin(t, site)
	health := func(id string) map[string]any {
		t.Helper()
		for _, p := range admin.list("/caddyauth/providers") {
			if p["id"] == id {
				return p
			}
		}
		t.Fatalf("%s is not listed", id)
		return nil
	}
	want := func(when, id, status string, sample string) {
		t.Helper()
		p := health(id)
		if p["status"] != status || (p["reason"] != nil) != (status == "down") || (p["since"] != nil) != (status != "unknown") {
			t.Errorf("%s: %v", when, p)
		}
		for _, line := range admin.samples("caddy_auth_idp_up{") {
			if strings.Contains(line, `provider="`+id+`"`) {
				if !strings.HasSuffix(line, " "+sample) {
					t.Errorf("%s: %s", when, line)
				}
				return
			}
		}
		if sample != "" {
			t.Errorf("%s: no sample of %s", when, id)
		}
	}
	count := func(message string) (n int) {
		for _, line := range s.logged() {
			if line["msg"] == message {
				n++
			}
		}
		return n
	}
	want("before anybody has asked", "good", "unknown", "")
	if p := health("credentials"); p["status"] != nil || p["host"] != nil {
		t.Errorf("a users file has no health: %v", p)
	}

	s.browser().oauth("good", "/api/auth/csrf")
	s.browser().oauth("bad", "/api/auth/csrf")
	want("after a sign-in", "good", "up", "1")
	want("after a sign-in", "bad", "up", "1")
	if p := health("bad"); p["host"] != strings.TrimPrefix(bad.URL, "http://") || p["discovered"] == nil || p["keys"] == nil {
		t.Errorf("%v", p)
	}

	bad.Replace(lyingop.Token, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) })
	for range 3 {
		b := s.browser()
		b.get(b.back("bad").String())
		s.nobody(t, b, "provider_unavailable")
	}
	want("while it is down", "bad", "down", "0")
	want("while another is down", "good", "up", "1")
	if n := count("an identity provider does not answer as it should"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	page := s.browser().get("/api/auth/signin")
	if !strings.Contains(page.body, `aria-describedby="note-for-bad-provider"`) || strings.Contains(page.body, "note-for-good-provider") {
		t.Errorf("the button says nothing\n%s", page.body)
	}

	if err := s.load(admin.global(), site); err != nil {
		t.Fatal(err)
	}
	want("after a reload", "bad", "down", "0")

	bad.Replace(lyingop.Token, nil)
	s.browser().oauth("bad", "/api/auth/csrf")
	want("when it is back", "bad", "up", "1")
	if n := count("an identity provider answers again"); n != 1 {
		t.Errorf("%d lines say that it is back", n)
	}
	if page := s.browser().get("/api/auth/signin"); strings.Contains(page.body, "note-for-") {
		t.Error("the note stays")
	}

	for _, r := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/caddyauth/providers", http.StatusMethodNotAllowed},
		{http.MethodGet, "/caddyauth/providers?site=x", http.StatusBadRequest},
		{http.MethodGet, "/caddyauth/providers/good", http.StatusNotFound},
	} {
		if status, body := admin.call(r.method, r.path, nil); status != r.status {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, body)
		}
	}
	if _, body := admin.call(http.MethodGet, "/caddyauth/providers", nil); strings.Contains(body, lyingop.ClientSecret) {
		t.Error("the list has a secret")
	}

	// What is not configured anymore has no value.
	without := siteWith("secret " + secret + "\n" + oidcLines(t, good, "good") + "allow any")
	if err := s.load(admin.global(), without); err != nil {
		t.Fatal(err)
	}
	if lines := admin.samples("caddy_auth_idp_up{"); len(lines) != 1 {
		t.Errorf("%q", lines)
	}
}

// The names of metrics are part of what operators rely on.
func TestMetricsOfTheStore(t *testing.T) {
	_, admin := startAdmin(t, siteWith("secret "+secret+"\nusers "+usersFile(t)+"\nstore memory\nallow any"))
	if lines := admin.samples("caddy_auth_store_up{"); !slices.Contains(lines, `caddy_auth_store_up{kind="memory"} 1`) {
		t.Errorf("%q", lines)
	}
}
