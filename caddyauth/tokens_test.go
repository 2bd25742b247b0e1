package caddyauth_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// personal is a site with personal access tokens.
func personal(t *testing.T) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, nil)
	return personalBefore(t, up), up
}

// personalBefore is such a site in front of an upstream.
func personalBefore(t *testing.T, up *upstream) *server {
	t.Helper()
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		store memory
		account /me
		tokens
		public /open
		allow /staff/* group staff
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
}

var madeToken = regexp.MustCompile(`caddyauth_pat_[\w-]{43}`)

// token makes a personal access token on the person's page.
func (b *browser) token(paths, methods string) string {
	b.t.Helper()
	a := b.do(http.MethodPost, "/me", url.Values{
		"csrfToken": {b.csrf()}, "action": {"create_token"}, "name": {"test"}, "days": {"7"}, "paths": {paths}, "methods": {methods},
	})
	token := madeToken.FindString(a.body)
	if token == "" {
		b.t.Fatalf("no token: %s %s", a.Status, a.body)
	}
	return token
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func TestPersonalAccessTokens(t *testing.T) {
	s, up := personal(t)
	alice := s.browser()
	alice.password("alice", "alice", "/")
	everywhere := alice.token("", "")
	reading := alice.token("/repo/*", "GET")
	up.take()

	program := func(method, path, authorization string) answer {
		b := s.browser()
		return b.do(method, path, nil, "Authorization", authorization, "User-Agent", "git/2.39", "Accept", "*/*", "Sec-Fetch-Mode", "", "Sec-Fetch-Site", "")
	}
	for _, c := range []struct {
		name, method, path, authorization string
		status                            int
		who                               string // as the upstream is told
		passed                            string // the Authorization that it gets
	}{
		{"bearer", "GET", "/x", "Bearer " + everywhere, 200, "alice", ""},
		{"basic", "GET", "/x", basic("anything", everywhere), 200, "alice", ""},
		{"rules", "GET", "/staff/x", "Bearer " + everywhere, 200, "alice", ""},
		{"on a public path", "GET", "/open", "Bearer " + everywhere, 200, "alice", ""},
		{"in scope", "GET", "/repo/x", "Bearer " + reading, 200, "alice", ""},
		{"another path", "GET", "/x", "Bearer " + reading, 403, "", ""},
		{"another path in disguise", "GET", "/repo/..%2fx", "Bearer " + reading, 403, "", ""},
		{"another method", "POST", "/repo/x", "Bearer " + reading, 403, "", ""},
		{"out of scope on a public path", "GET", "/open", "Bearer " + reading, 200, "", ""},
		{"made up", "GET", "/x", "Bearer caddyauth_pat_" + strings.Repeat("a", 43), 401, "", ""},
		{"cut", "GET", "/x", "Bearer " + everywhere[:40], 401, "", ""},
		{"somebody else's bearer", "GET", "/open", "Bearer abc", 200, "", "Bearer abc"},
		{"somebody else's password", "GET", "/open", basic("a", "b"), 200, "", basic("a", "b")},
	} {
		a := program(c.method, c.path, c.authorization)
		got := up.take()
		if a.StatusCode != c.status || (len(got) == 1) != (c.status == 200) {
			t.Errorf("%s: %s, %d requests passed", c.name, a.Status, len(got))
			continue
		}
		if len(got) == 1 && (got[0].Header.Get("Remote-User") != c.who || got[0].Header.Get("Authorization") != c.passed) {
			t.Errorf("%s: Remote-User %q, Authorization %q", c.name, got[0].Header.Get("Remote-User"), got[0].Header.Get("Authorization"))
		}
	}

	t.Run("a bad token is not made good by a cookie", func(t *testing.T) {
		a := alice.do("GET", "/x", nil, "Authorization", "Bearer caddyauth_pat_"+strings.Repeat("b", 43), "Sec-Fetch-Mode", "cors")
		if a.StatusCode != http.StatusUnauthorized {
			t.Error(a.Status)
		}
	})
	t.Run("programs are asked for a password, browsers are not", func(t *testing.T) {
		challenged := func(header ...string) bool {
			a := s.browser().do("GET", "/x", nil, header...)
			return slices.ContainsFunc(a.Header.Values("Www-Authenticate"), func(v string) bool { return strings.HasPrefix(v, "Basic ") })
		}
		if !challenged("User-Agent", "git/2.39", "Accept", "*/*", "Sec-Fetch-Mode", "", "Sec-Fetch-Site", "") {
			t.Error("git is not asked")
		}
		if challenged("User-Agent", "Mozilla/5.0", "Accept", "*/*", "Sec-Fetch-Mode", "") || challenged("Sec-Fetch-Mode", "cors", "User-Agent", "x") {
			t.Error("a browser is asked")
		}
	})
	t.Run("they say nothing at the endpoints", func(t *testing.T) {
		if a := program("GET", "/api/auth/session", "Bearer "+everywhere); a.body != "{}" {
			t.Errorf("session: %s", a.body)
		}
		if a := program("GET", "/me", "Bearer "+everywhere); a.StatusCode != http.StatusFound {
			t.Errorf("account page: %s", a.Status)
		}
	})
	t.Run("a second Authorization field does not carry one past", func(t *testing.T) {
		r, err := http.NewRequest("GET", s.Base+"/open", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = []string{"Bearer other", "Bearer " + everywhere}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := up.take(); len(got) != 1 || len(got[0].Header.Values("Authorization")) != 0 {
			t.Errorf("passed on: %v", got)
		}
	})
	t.Run("nothing of them is logged", func(t *testing.T) {
		if text := s.logText(); strings.Contains(text, everywhere) || strings.Contains(text, reading) {
			t.Error("the log has a token")
		}
	})
}

// The person's own page is where the configuration says, and nowhere else.
func TestAccountPage(t *testing.T) {
	s, up := personal(t)
	b := s.browser()
	a := b.get("/me")
	location, _ := a.Location()
	if a.StatusCode != http.StatusFound || location == nil || location.Query().Get("callbackUrl") != s.Base+"/me" {
		t.Fatalf("signed out: %s %v", a.Status, location)
	}
	b.password("alice", "alice", "/")
	if a := b.get("/me"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "alice@example.com") || !strings.Contains(a.body, `action="`+s.Base+`/me"`) {
		t.Errorf("signed in: %s %s", a.Status, a.body)
	}
	up.take()
	for _, path := range []string{"/me/", "/ME", "/%6de", "/me/x"} {
		b.get(path)
		if got := up.take(); len(got) != 1 {
			t.Errorf("%s is not the upstream's", path)
		}
	}
	for _, word := range []string{"account", "account on"} {
		s := start(t, "http://localhost:{PORT} {\n\tcaddyauth {\n\t\tsecret "+secret+"\n\t\tusers "+usersFile(t)+"\n\t\tstore memory\n\t\t"+word+"\n\t}\n\trespond ok\n}\n")
		b := s.browser()
		b.password("bob", "bob", "/")
		if a := b.get("/api/auth/account"); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", word, a.Status)
		}
	}
}

// Without the words there is neither a page nor a token.
func TestNoTokensUnlessAskedFor(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, "http://localhost:{PORT} {\n\tcaddyauth {\n\t\tsecret "+secret+"\n\t\tusers "+usersFile(t)+"\n\t\tstore memory\n\t\tpublic /open\n\t}\n\treverse_proxy "+up.addr()+"\n}\n")
	b := s.browser()
	b.password("alice", "alice", "/")
	if a := b.get("/api/auth/account"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("account: %s", a.Status)
	}
	up.take()
	// One that was meant for another site is none of the upstream's business.
	token := "caddyauth_pat_" + strings.Repeat("a", 43)
	for authorization, want := range map[string]string{
		"Bearer " + token: "", basic("a", token): "", basic(token, "x-oauth-basic"): "",
		"Bearer abc": "Bearer abc", basic("a", "b"): basic("a", "b"),
	} {
		s.browser().do("GET", "/open", nil, "Authorization", authorization)
		if got := up.take(); len(got) != 1 || got[0].Header.Get("Authorization") != want {
			t.Errorf("%s: passed on: %v", authorization, got)
		}
		if a := s.browser().do("GET", "/x", nil, "Authorization", authorization); a.StatusCode == http.StatusOK || len(up.take()) != 0 {
			t.Errorf("%s: it opens something: %s", authorization, a.Status)
		}
	}
}
