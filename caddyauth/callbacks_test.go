package caddyauth_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// TestCallbacks runs every callback in a real Caddy.
func TestCallbacks(t *testing.T) {
	for _, compat := range []string{"v4", "v5"} {
		t.Run(compat, func(t *testing.T) {
			s := start(t, siteWith("compat "+compat+`
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		headers {
			X-Role role
		}
		callbacks {
			sign_in `+"`user.?name.orValue('') == 'Bob Example' ? false : true`"+`
			redirect `+"`url.startsWith('https://docs.example.com/') ? url : baseUrl + '/home'`"+`
			jwt role `+"`user.?email.hasValue() ? optional.of(account.provider) : optional.none()`"+`
			jwt nick `+"`trigger == 'update' && session.?nick.hasValue() ? session.?nick : optional.none()`"+`
			jwt drop `+"`token.?nick.orValue('') == 'gone'`"+`
			session user.role `+"`token.?role`"+`
			session user.nick `+"`token.?nick`"+`
		}`))
			b := s.browser()
			a := b.password("alice", "alice", "/x")
			if to := a.Header.Get("Location"); to != s.Base+"/home" {
				t.Errorf("redirect: %s", to)
			}
			if a := b.get("/api/auth/session"); !strings.Contains(a.body, `"email":"alice@example.com","role":"credentials"},"expires":`) {
				t.Errorf("session: %s", a.body)
			}
			post := func(data string) string {
				return b.postJSON("/api/auth/session", `{"csrfToken":"`+b.csrf()+`","data":`+data+`}`).body
			}
			if got := post(`{"nick":"al"}`); !strings.Contains(got, `"role":"credentials","nick":"al"}`) {
				t.Errorf("update: %s", got)
			}
			if got := b.get("/api/auth/session").body; !strings.Contains(got, `"nick":"al"`) {
				t.Errorf("after the update: %s", got)
			}
			post(`{"nick":"gone"}`)
			if got := b.get("/x").StatusCode; got != http.StatusFound {
				t.Errorf("after the drop: %d", got)
			}
			bob := s.browser()
			if to := bob.password("bob", "bob", "/x").Header.Get("Location"); !strings.HasSuffix(to, "error=AccessDenied") {
				t.Errorf("bob: %s", to)
			}
			out := s.browser()
			out.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {out.csrf()}, "callbackUrl": {"https://docs.example.com/x"}})
			if a := out.get("/api/auth/session"); a.StatusCode != http.StatusOK {
				t.Errorf("session of nobody: %s", a.Status)
			}
		})
	}
}

// postJSON sends a JSON body as a script of the site's would.
func (b *browser) postJSON(target, body string) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, b.base+target, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

// TestRenewalRunsCallbacks checks that gated traffic that renews a session asks
// the jwt callback, and that what it drops is gone.
func TestRenewalRunsCallbacks(t *testing.T) {
	s := start(t, siteWith("secret "+secret+`
		provider dev
		callbacks {
			jwt seen `+"`now.getFullYear()`"+`
			jwt drop `+"`token.sub == 'mallory'`"+`
		}`))
	old := sessionCookie(plainName, seal(t, person("alice"), 48*time.Hour))
	a := s.browser().get("/x", "Cookie", old)
	if a.StatusCode != http.StatusOK || !strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), plainName+"=ey") {
		t.Errorf("renewal: %s %v", a.Status, a.Header.Values("Set-Cookie"))
	}
	dropped := sessionCookie(plainName, seal(t, person("mallory"), 48*time.Hour))
	a = s.browser().get("/x", "Cookie", dropped)
	if got := strings.Join(a.Header.Values("Set-Cookie"), "\n"); a.StatusCode != http.StatusFound || !strings.Contains(got, plainName+"=; Max-Age=0") {
		t.Errorf("drop: %s %s", a.Status, got)
	}
	if a := s.browser().get("/x", "Cookie", dropped); a.StatusCode != http.StatusFound {
		t.Errorf("after the drop: %s", a.Status)
	}
}

// TestCallbackErrors refuses a configuration whose expressions do not compile,
// wherever it comes from.
func TestCallbackErrors(t *testing.T) {
	_, _, err := adapt(t, "app.example.com {\n\tcaddyauth {\n\t\tusers users.yml\n\t\tcallbacks {\n\t\t\tjwt role `usr.role`\n\t\t}\n\t}\n}\n")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"callbacks jwt role: ", "usr", "did you mean 'user'", "`usr.role`, column 1", "at Caddyfile:5"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	s := newServer(t)
	err = caddy.Load([]byte(handlerJSON(s.Port, `"providers": [{"preset": "dev", "module": {}}],
		"callbacks": {"sign_in": "user.name ==", "jwt": [{"name": "exp", "expr": "1"}]}`)), true)
	if err == nil || !strings.Contains(err.Error(), "sign_in: `user.name ==`, column ") || !strings.Contains(err.Error(), "jwt exp: ") {
		t.Errorf("JSON: %v", err)
	}
}

// TestCallbacksCannotVerify checks that an e-mail address which a callback has
// put into the token is no address that rules and upstreams believe.
func TestCallbacksCannotVerify(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	bind 127.0.0.1
	caddyauth {
		secret `+secret+`
		provider dev
		headers
		allow any
		allow /boss/* email boss@example.com admin@example.com
		callbacks {
			jwt email `+"`trigger == 'update' ? session.?email : optional.none()`"+`
		}
	}
	reverse_proxy `+up.addr()+`
}
`)
	b := s.browser()
	b.persona("admin", s.Base+"/boss/x")
	if got := b.get("/boss/x").StatusCode; got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	a := b.postJSON("/api/auth/session", `{"csrfToken":"`+b.csrf()+`","data":{"email":"boss@example.com"}}`)
	if a.StatusCode != http.StatusOK || !strings.Contains(b.get("/api/auth/session").body, `"email":"boss@example.com"`) {
		t.Fatalf("update: %s", a.Status)
	}
	up.take()
	if got := b.get("/boss/x").StatusCode; got != http.StatusForbidden || len(up.take()) != 0 {
		t.Errorf("with an address made up: %d", got)
	}
	b.get("/x")
	if got := up.take(); len(got) != 1 || got[0].Header.Get("Remote-User") != "admin" {
		t.Errorf("the upstream got %v", got[0].Header)
	}
}
