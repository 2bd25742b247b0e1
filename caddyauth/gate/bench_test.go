package gate

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

func browserHeader() http.Header {
	return http.Header{
		"Accept":                    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding":           {"gzip, deflate, br, zstd"},
		"Accept-Language":           {"en-US,en;q=0.5"},
		"Connection":                {"keep-alive"},
		"Cookie":                    {"theme=dark"},
		"Dnt":                       {"1"},
		"Referer":                   {"https://app.example.com/"},
		"Sec-Fetch-Dest":            {"document"},
		"Sec-Fetch-Mode":            {"navigate"},
		"Sec-Fetch-Site":            {"same-origin"},
		"Sec-Fetch-User":            {"?1"},
		"Upgrade-Insecure-Requests": {"1"},
		"User-Agent":                {"Mozilla/5.0"},
		"X-Requested-With":          {"XMLHttpRequest"},
	}
}

func BenchmarkDecide(b *testing.B) {
	s := &session.Session{
		User:        session.User{ID: "1", Email: "alice@example.com"},
		HasEvidence: true,
		Evidence:    session.Evidence{Provider: "keycloak", Groups: []string{"staff", "dev", "ops"}},
	}
	read := func() (*session.Session, error) { return s, nil }
	rules := Policy{Public: []Matcher{paths(b, "/public/*")}}
	for _, p := range []string{"/a/*", "/b/*", "/admin/*", "/c/*", "/app/*", "/d/*", "/e/*", "/metrics", "/app/x", "*.php"} {
		groups, err := NewSubject("group", []string{"staff", "admin", "ops"}, SubjectOptions{})
		if err != nil {
			b.Fatal(err)
		}
		rules.Allow = append(rules.Allow, Rule{Scope: p, Matcher: paths(b, p), Subject: groups})
	}
	refusing := rules
	refusing.Allow = nil
	for _, r := range rules.Allow {
		r.Subject, _ = NewSubject("group", []string{"x", "y", "z"}, SubjectOptions{})
		if r.Scope != "/app/*" && r.Scope != "/app/x" {
			refusing.Allow = append(refusing.Allow, r)
		}
	}
	for _, bench := range []struct {
		name, target string
		policy       Policy
	}{
		{"plain", "/app/dashboard/index.html", Policy{}},
		{"ten rules, three groups", "/app/dashboard/index.html", rules},
		{"ten rules, three groups, none of which matches", "/app/dashboard/index.html", refusing},
		{"percent-encoded", "/app/My%20File.pdf", rules},
		{"encoded slash", "/app/group%2Fname", rules},
		{"hostile", "/public/%252e%252e%5c..;x=1//app%23/%3b/../y", rules},
	} {
		b.Run(bench.name, func(b *testing.B) {
			policy := bench.policy
			if err := policy.Compile(); err != nil {
				b.Fatal(err)
			}
			r := httptest.NewRequest("GET", bench.target, nil)
			b.ReportAllocs()
			for b.Loop() {
				if d := policy.Decide(r, r.URL, read); d.Action != Pass && d.Action != Forbid {
					b.Fatal(d)
				}
			}
		})
	}
}

func BenchmarkOwnedStrip(b *testing.B) {
	o := NewOwned("X-Auth-User")
	h := browserHeader()
	b.ReportAllocs()
	for b.Loop() {
		o.Strip(h)
		o.SanitizeConnection(h)
	}
}

func BenchmarkSetHeaders(b *testing.B) {
	hs, err := NewHeaders(HeaderOptions{Preset: "remote"})
	if err != nil {
		b.Fatal(err)
	}
	s := alice()
	h := browserHeader()
	hs.Set(h, s) // grows the map, which the server has done for a real request
	b.ReportAllocs()
	for b.Loop() {
		hs.Set(h, s)
	}
}

func BenchmarkWriter(b *testing.B) {
	w := discard{http.Header{}}
	rules := ResponseRules{Owned: func(string) bool { return false }, Private: true}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		ww := NewWriter(w, rules)
		ww.WriteHeader(200)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
