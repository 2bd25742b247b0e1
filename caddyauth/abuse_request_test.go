package caddyauth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// members is a site of which /app is private.
func members(t *testing.T, words string, answer http.HandlerFunc) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, answer)
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		public
		private /app/*
		`+words+`
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

func TestMethods(t *testing.T) {
	s, up := members(t, "", nil)
	user := "Cookie: " + signedIn(t, person("eve"))
	t.Run("METH-01 HEAD", func(t *testing.T) {
		for _, mode := range []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Mode: cors"} {
			head, get := s.ask("HEAD /app/x", mode), s.ask("GET /app/x", mode)
			if head.StatusCode != get.StatusCode || head.body != "" || head.Header.Get("Location") != get.Header.Get("Location") {
				t.Errorf("%s: HEAD %s, GET %s", mode, head.Status, get.Status)
			}
		}
		up.none(t)
		if a := s.ask("HEAD /app/x", user); a.StatusCode != http.StatusOK || up.one(t).Method != http.MethodHead {
			t.Error(a.Status)
		}
	})
	t.Run("METH-03 override", func(t *testing.T) {
		for _, h := range []string{"X-HTTP-Method-Override: DELETE", "X-Method-Override: GET", "X-HTTP-Method: HEAD"} {
			if a := s.ask("POST /app/x?_method=GET", h, "Sec-Fetch-Mode: navigate"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s", h, a.Status)
			}
			if a := s.ask("POST /api/auth/session?_method=GET", h); a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s %s", h, a.Status, a.body)
			}
		}
		up.none(t)
	})
	t.Run("METH-05 preflight", func(t *testing.T) {
		for _, h := range [][]string{
			{"Origin: https://evil.com", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-a"},
			{"Origin: https://evil.com"}, nil,
		} {
			a := s.ask("OPTIONS /app/x", h...)
			if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%v: %s %v", h, a.Status, a.Header)
			}
		}
		up.none(t)
	})
	t.Run("METH-06 no CORS on the endpoints", func(t *testing.T) {
		for _, path := range []string{"session", "csrf", "providers", "signin", "signout", "error"} {
			for _, origin := range []string{"https://evil.com", "null", s.Base} {
				a := s.ask("GET /api/auth/"+path, user, "Origin: "+origin, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors")
				if a.StatusCode != http.StatusOK || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s for %s: %s %v", path, origin, a.Status, a.Header)
				}
			}
		}
	})
	t.Run("METH-08 XHR", func(t *testing.T) {
		for _, h := range []string{"Accept: application/json", "Sec-Fetch-Mode: cors", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Mode: same-origin", "Sec-Fetch-Mode: websocket", "Accept: */*", "X-Nothing: 1"} {
			a := s.ask("GET /app/x", h)
			var body struct{ Error, SignIn string }
			if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Error != "SessionRequired" || body.SignIn != s.Base+"/api/auth/signin" {
				t.Errorf("%s: %s", h, a.body)
			}
			challenge := a.Header.Get("Www-Authenticate")
			if a.StatusCode != http.StatusUnauthorized || challenge == "" || strings.HasPrefix(strings.ToLower(challenge), "basic") || len(a.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %s %v", h, a.Status, a.Header)
			}
		}
	})
	t.Run("METH-09 POST", func(t *testing.T) {
		a := s.ask("POST /app/form", "Sec-Fetch-Mode: navigate", "Accept: text/html", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 11", "", "secret=body")
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Location") != "" || !strings.Contains(a.Header.Get("Content-Type"), "text/html") || strings.Contains(a.body, "secret=body") {
			t.Errorf("%s %v", a.Status, a.Header)
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			if a := s.ask(method+" /app/form", "Content-Length: 2", "", "{}"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s", method, a.Status)
			}
		}
		up.none(t)
	})
}

func TestSTATE11ParallelXHR(t *testing.T) {
	s, up := members(t, "", nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r, _ := http.NewRequest(http.MethodGet, fmt.Sprint(s.Base, "/app/data/", i), nil)
			r.Header.Set("Accept", "application/json")
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized || len(resp.Header["Set-Cookie"]) > 0 {
				t.Errorf("%s, sets %v", resp.Status, setCookies(resp.Header))
			}
		})
	}
	wg.Wait()
	up.none(t)

	t.Run("flows under way", func(t *testing.T) {
		// Many tabs begin to sign in: what the browser keeps does not grow.
		b := s.browser()
		for range 20 {
			if a := b.do(http.MethodPost, "/api/auth/signin/dev", url.Values{"csrfToken": {b.csrf()}}); a.StatusCode != http.StatusFound {
				t.Fatal(a.Status)
			}
		}
		if n := len(b.cookieHeader()); n > 12<<10 {
			t.Errorf("%d bytes of cookies", n)
		}
	})
}

func TestCaching(t *testing.T) {
	s, up := members(t, "", nil)
	user := "Cookie: " + signedIn(t, person("eve"))
	for _, line := range []string{
		"GET session", "GET csrf", "GET providers", "GET signin", "GET signout", "GET error", "GET verify-request", "GET callback/dev?error=access_denied",
		"GET nothing", "POST signout", "POST signin/dev", "POST session", "POST _log", "HEAD session", "GET signin/dev", "GET callback/credentials", "DELETE x", "GET dev/nothing",
	} {
		for _, cookie := range []string{"X-Nothing: 1", user} {
			method, path, _ := strings.Cut(line, " ")
			a := s.ask(method+" /api/auth/"+path, cookie)
			control := a.Header.Get("Cache-Control")
			switch {
			case strings.HasPrefix(path, "dev/"):
				if !strings.Contains(control, "no-store") {
					t.Errorf("CACHE-01 %s: %q", line, control)
				}
			case control != "private, no-cache, no-store", a.Header.Get("Pragma") != "no-cache", a.Header.Get("Expires") != "0",
				!strings.Contains(strings.Join(a.Header["Vary"], ","), "Cookie"):
				t.Errorf("CACHE-01 %s: %s %v", line, a.Status, a.Header)
			}
		}
	}
	for _, mode := range []string{"navigate", "cors"} {
		for _, line := range []string{"GET /app/x", "HEAD /app/x", "POST /app/x", "GET /app/x.css"} {
			a := s.ask(line, "Sec-Fetch-Mode: "+mode)
			if a.StatusCode != http.StatusFound && a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") ||
				a.Header.Get("Etag") != "" || !strings.Contains(strings.Join(a.Header["Vary"], ","), "Cookie") {
				t.Errorf("CACHE-02 %s: %s %v", line, a.Status, a.Header)
			}
		}
	}
	up.none(t)
}

// TestUpstreamCacheControl: what depends on the session is kept by nobody but
// the browser, whatever the upstream says.
func TestUpstreamCacheControl(t *testing.T) {
	s, _ := members(t, "", func(w http.ResponseWriter, r *http.Request) {
		if v := r.URL.Query().Get("cc"); v != "" {
			w.Header()["Cache-Control"] = strings.Split(v, "|")
			w.Header().Set("CDN-Cache-Control", "max-age=99")
		}
		if r.URL.Query().Get("status") == "304" {
			w.WriteHeader(http.StatusNotModified)
		}
	})
	user := "Cookie: " + signedIn(t, person("eve"))
	for cc, want := range map[string]string{
		"": "private, no-cache", "public": "private", "public, max-age=60": "max-age=60, private", "max-age=60": "max-age=60, private", "s-maxage=60, max-age=5": "max-age=5, private",
		"no-store": "no-store", "private, max-age=1": "max-age=1, private", "no-cache": "no-cache, private", "public|max-age=60": "max-age=60, private",
		"PUBLIC, S-MaxAge=9, immutable": "immutable, private",
	} {
		for _, path := range []string{"/app/x", "/x"} {
			for _, status := range []string{"200", "304"} {
				target := path + "?status=" + status + "&cc=" + url.QueryEscape(cc)
				a := s.ask("GET "+target, user)
				if got := a.Header["Cache-Control"]; !slices.Equal(got, []string{want}) || a.Header.Get("Cdn-Cache-Control") != "" {
					t.Errorf("CACHE-04 %s %s upstream %q: %q, want %q", path, a.Status, cc, got, want)
				}
			}
		}
		a := s.ask("GET /x?cc=" + url.QueryEscape(cc))
		if got := strings.Join(a.Header["Cache-Control"], "|"); got != cc {
			t.Errorf("public without a session: %q, want %q as it was", got, cc)
		}
	}
}

func TestCSRF12CrossSite(t *testing.T) {
	s, _ := members(t, "", nil)
	b := s.browser()
	b.password("alice", "alice", "/")
	signedIn := func() bool { return strings.Contains(b.get("/api/auth/session").body, "alice") }
	for _, h := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "cross-site", "Origin", s.Base},
		{"Sec-Fetch-Site", "", "Origin", "https://evil.com"}, {"Sec-Fetch-Site", "", "Origin", "null"}, {"Sec-Fetch-Site", "", "Origin", "http://localhost"},
		{"Sec-Fetch-Site", "", "Origin", s.Base + ".evil.com"},
	} {
		a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}}, h...)
		if location := a.Header.Get("Location"); location != s.Base+"/api/auth/signout?csrf=true" || !signedIn() {
			t.Errorf("%v: %s %s", h, a.Status, location)
		}
		a = b.do(http.MethodPost, "/api/auth/signin/dev", url.Values{"csrfToken": {b.csrf()}}, h...)
		if location := a.Header.Get("Location"); location != s.Base+"/api/auth/signin?csrf=true" {
			t.Errorf("%v: sign-in %s %s", h, a.Status, location)
		}
		if a := b.do(http.MethodPost, "/api/auth/session", url.Values{"csrfToken": {b.csrf()}}, h...); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: session %s", h, a.Status)
		}
	}
	if a := b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}}, "Sec-Fetch-Site", "", "Origin", s.Base); a.Header.Get("Location") != s.Base+"/" || signedIn() {
		t.Errorf("from our own page: %s %s", a.Status, a.Header.Get("Location"))
	}
	t.Run("CSRF-02 login CSRF by GET", func(t *testing.T) {
		for _, line := range []string{"GET /api/auth/signin/dev", "HEAD /api/auth/signin/dev", "GET /api/auth/signin/dev?csrfToken=x", "GET /api/auth/signout"} {
			a := s.ask(line, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
			if a.StatusCode != http.StatusOK || slices.ContainsFunc(setCookies(a.Header), func(n string) bool { return strings.Contains(n, "state") || strings.Contains(n, "pkce") }) {
				t.Errorf("%s: %s %v", line, a.Status, a.Header)
			}
		}
	})
}

// secure is a site on https, as a browser behind a TLS proxy sees it.
func secureSite(t *testing.T) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		url https://localhost
		public
		private /app/*
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

// csrfPair is a CSRF token and its cookie's value, made with the tests' secret.
func csrfPair(token string) (value string) {
	sum := sha256.Sum256([]byte(token + secret))
	return token + "%7C" + hex.EncodeToString(sum[:])
}

func TestCSRF13Fixation(t *testing.T) {
	s, _ := secureSite(t)
	const form = "csrfToken=attackers"
	post := func(name string) answer {
		return s.ask("POST /api/auth/signout", "Cookie: "+name+"="+csrfPair("attackers"), "Content-Type: application/x-www-form-urlencoded",
			fmt.Sprint("Content-Length: ", len(form)), "", form)
	}
	for _, name := range []string{"next-auth.csrf-token", "__Secure-next-auth.csrf-token", "__host-next-auth.csrf-token", " __Host-next-auth.csrf-token\u2000", "\u2000__Host-next-auth.csrf-token"} {
		if a := post(name); a.Header.Get("Location") != "https://localhost/api/auth/signout?csrf=true" || !slices.Contains(setCookies(a.Header), "__Host-next-auth.csrf-token") {
			t.Errorf("%q was believed: %s %v", name, a.Status, a.Header)
		}
	}
	if a := post("__Host-next-auth.csrf-token"); a.Header.Get("Location") != "https://localhost" {
		t.Errorf("the right one was not: %s %v", a.Status, a.Header)
	}
}

func TestCOOK13PrefixDowngrade(t *testing.T) {
	s, up := secureSite(t)
	token := seal(t, person("eve"), 0)
	for _, name := range []string{plainName, "__Host-" + plainName, "__secure-" + plainName, "__Secure-" + plainName + "x", "\u2000" + secureName, secureName + ".1", secureName + ".x"} {
		if a := s.ask("GET /app/", "Cookie: "+name+"="+token); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q: %s", name, a.Status)
		}
	}
	up.none(t)
	if a := s.ask("GET /app/", "Cookie: "+secureName+"="+token); a.StatusCode != http.StatusOK {
		t.Error(a.Status)
	}
	plain, _ := members(t, "", nil)
	if a := plain.ask("GET /app/", "Cookie: "+secureName+"="+token); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the other way round: %s", a.Status)
	}
}

// TestSessionCookies covers what browsers and their other sites can send for
// the session cookie, at the gate.
func TestSessionCookies(t *testing.T) {
	s, up := members(t, "headers", nil)
	eve, bob := seal(t, person("eve"), 0), seal(t, person("bob"), 0)
	huge := person("eve", map[string]any{"groups": slices.Repeat([]string{"a-group-with-quite-a-long-name"}, 120)})
	chunked := sessionCookie(plainName, seal(t, huge, 0))
	if n := strings.Count(chunked, plainName); n != 2 {
		t.Fatalf("%d pieces, want 2", n)
	}
	first, second, _ := strings.Cut(chunked, "; ")
	n := plainName
	// Sealed for another purpose with the same secret.
	other := func(name string) string { return n + "=" + name }
	for _, tc := range []struct{ id, cookie, user string }{
		{"good", n + "=" + eve, "eve"},
		{"COOK-12 stale duplicate first", n + "=bad; " + n + "=" + eve, "eve"},
		{"COOK-12 stale duplicate last", n + "=" + eve + "; " + n + "=bad", "eve"},
		{"COOK-12 two lines", "a=b\r\nCookie: " + n + "=" + eve, "eve"},
		{"COOK-05 stale unchunked beside good pieces", n + "=old; " + chunked, "eve"},
		{"COOK-05 stale pieces beside good unchunked", n + "=" + bob + "; " + n + ".0=stale; " + n + ".1=stale", "bob"},
		{"pieces in the other order", second + "; " + first, "eve"},
		{"COOK-02 first piece only", first, ""},
		{"COOK-02 last piece only", second, ""},
		{"COOK-02 truncated", n + "=" + eve[:len(eve)-1], ""},
		{"COOK-04 gap", first + "; " + strings.Replace(second, ".1=", ".2=", 1), ""},
		{"COOK-06 mixed", first + "; " + n + ".1=" + bob, ""},
		{"COOK-07 prefix collision", n + "-foo=x; " + n + ".evil=x; " + n + "X=x; " + n + "=" + eve, "eve"},
		{"COOK-07 alone", n + "-foo=" + eve + "; " + n + ".evil=" + eve + "; " + n + "X=" + eve, ""},
		{"COOK-15 case", strings.ToUpper(n) + "=" + eve, ""},
		{"COOK-15 $Version", "$Version=1; " + n + "=" + eve, "eve"},
		{"COOK-15 quoted", n + `="` + eve + `"`, "eve"},
		{"percent-encoded once", n + "=" + strings.ReplaceAll(eve, ".", "%2E"), "eve"},
		{"percent-encoded twice", n + "=" + strings.ReplaceAll(eve, ".", "%252E"), ""},
		{"STATE-08 something else", other("x.y.z"), ""},
		{"JWE-06 dots", n + "=" + strings.Repeat(".", 8000), ""},
		{"empty", n + "=", ""},
	} {
		a := s.ask("GET /app/", "Cookie: "+tc.cookie)
		switch {
		case tc.user == "":
			if a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s", tc.id, a.Status)
			}
			up.none(t)
		case a.StatusCode != http.StatusOK:
			t.Errorf("%s: %s", tc.id, a.Status)
		default:
			if h := up.one(t).Header; h.Get("Remote-User") != "dev:"+tc.user {
				t.Errorf("%s: Remote-User %q", tc.id, h.Get("Remote-User"))
			}
		}
	}
	t.Run("COOK-09 too many pieces", func(t *testing.T) {
		var pieces []string
		for i := range 500 {
			pieces = append(pieces, fmt.Sprint(n, ".", i, "=x"))
		}
		if a := s.ask("GET /app/", "Cookie: "+strings.Join(pieces, "; ")); a.StatusCode != http.StatusUnauthorized {
			t.Error(a.Status)
		}
	})
	t.Run("IDENT-06 a token that names nobody", func(t *testing.T) {
		for _, claims := range []map[string]any{{}, {"name": "x"}, {"SUB": "admin", "Email": "a@b"}, {"value": "state", "provider": "dev"}} {
			if a := s.ask("GET /app/", "Cookie: "+signedIn(t, claims)); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%v: %s", claims, a.Status)
			}
		}
	})
	t.Run("STATE-08 check cookies of a flow", func(t *testing.T) {
		b := s.browser()
		b.do(http.MethodPost, "/api/auth/signin/dev", url.Values{"csrfToken": {b.csrf()}})
		tried := 0
		for pair := range strings.SplitSeq(b.cookieHeader(), "; ") {
			if name, value, _ := strings.Cut(pair, "="); strings.Count(value, ".") == 4 {
				tried++
				if a := s.ask("GET /app/", "Cookie: "+n+"="+value); a.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s as a session: %s", name, a.Status)
				}
			}
		}
		if tried < 3 {
			t.Errorf("only %d check cookies", tried)
		}
	})
	t.Run("sessions of another site's provider", func(t *testing.T) {
		for _, evidence := range []map[string]any{{"realm": "other"}, {"provider": "github"}, {"provider": "credentials"}} {
			if a := s.ask("GET /app/", "Cookie: "+signedIn(t, person("eve", evidence))); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%v: %s", evidence, a.Status)
			}
		}
	})
}

// TestCOOK10BigSession: a person with forty kilobytes of groups gets a session
// that fits, with the groups that rules read.
func TestCOOK10BigSession(t *testing.T) {
	var groups []string
	for i := range 1200 {
		groups = append(groups, fmt.Sprintf("department-%04d-with-a-long-name", i))
	}
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev {
			persona big {
				groups `+strings.Join(groups, " ")+`
			}
			persona middle {
				groups `+strings.Join(groups[:140], " ")+`
			}
		}
		allow /app/* group department-1111-with-a-long-name department-0007-with-a-long-name
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
	for sub, want := range map[string]int{"big": 2, "middle": 140} {
		t.Run(sub, func(t *testing.T) {
			b := s.browser()
			a := b.persona(sub, "/app/")
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%s %s", a.Status, a.body)
			}
			if got := strings.Count(up.one(t).Header.Get("Remote-Groups"), "department"); got != want {
				t.Errorf("%d groups, want %d", got, want)
			}
			session, all := 0, 0
			for pair := range strings.SplitSeq(b.cookieHeader(), "; ") {
				if len(pair) > 4096-120 {
					t.Errorf("a cookie of %d bytes", len(pair))
				}
				all += len(pair)
				if strings.HasPrefix(pair, plainName) {
					session += len(pair)
				}
			}
			if session > 8<<10+200 || all > 12<<10 {
				t.Errorf("%d bytes of session, %d of cookies", session, all)
			}
			// The session endpoint and sign-out still work with that.
			if a := b.get("/api/auth/session"); !strings.Contains(a.body, `"expires"`) {
				t.Errorf("session %s", a.body)
			}
			b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
			if c := b.cookieHeader(); strings.Contains(c, plainName) {
				t.Errorf("OUT-02 left after signing out: %.80s", c)
			}
		})
	}
}

// TestCOOK21ParallelRenewals: each of the renewals that a browser provokes at
// once is good, and the session before them too.
func TestCOOK21ParallelRenewals(t *testing.T) {
	s, _ := members(t, "session {\nupdate_age 1h\n}", nil)
	old := sessionCookie(plainName, seal(t, person("eve"), 2*time.Hour))
	var mu sync.Mutex
	var tokens []string
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			r, _ := http.NewRequest(http.MethodGet, s.Base+"/app/", nil)
			r.Header.Set("Cookie", old)
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s %v", resp.Status, resp.Header)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, c := range resp.Cookies() {
				if c.Name == plainName {
					tokens = append(tokens, c.Value)
				}
			}
		})
	}
	wg.Wait()
	if len(tokens) == 0 {
		t.Fatal("no renewal")
	}
	for _, token := range append(tokens, strings.TrimPrefix(old, plainName+"=")) {
		if a := s.ask("GET /app/", "Cookie: "+plainName+"="+token); a.StatusCode != http.StatusOK || len(a.Header["Set-Cookie"]) != 0 {
			t.Fatalf("%s %v", a.Status, a.Header["Set-Cookie"])
		}
	}
	// One that is fresh is left alone, and so is one that scripts use.
	for _, request := range [][]string{
		{"Cookie: " + plainName + "=" + tokens[0], "Sec-Fetch-Mode: navigate"}, {"Cookie: " + old, "Sec-Fetch-Mode: cors"}, {"Cookie: " + old, "Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch"},
	} {
		if a := s.ask("GET /app/", request...); len(a.Header["Set-Cookie"]) != 0 {
			t.Errorf("%v renewed", request[1:])
		}
	}
	t.Run("all are ended by signing out", func(t *testing.T) {
		const form = "csrfToken=tok"
		s.ask("POST /api/auth/signout", "Cookie: "+plainName+"="+tokens[0]+"; next-auth.csrf-token="+csrfPair("tok"), "Content-Type: application/x-www-form-urlencoded",
			fmt.Sprint("Content-Length: ", len(form)), "", form)
		for _, token := range []string{tokens[0], tokens[len(tokens)-1], strings.TrimPrefix(old, plainName+"=")} {
			if a := s.ask("GET /app/", "Cookie: "+plainName+"="+token); a.StatusCode != http.StatusUnauthorized {
				t.Error(a.Status)
			}
		}
	})
}

// TestOwnCookies: our cookies stay between us and the browser.
func TestOwnCookies(t *testing.T) {
	sets := func(w http.ResponseWriter, _ *http.Request) {
		for _, c := range []string{
			plainName + "=evil; Path=/", plainName + ".0=evil", "next-auth.csrf-token=evil", "__Host-next-auth.csrf-token=evil; Secure; Path=/", "__Secure-next-auth.session-token=evil; Secure",
			"next-auth.anything=evil", " next-auth.state=evil", "app=1; HttpOnly", "next-authx=2",
		} {
			w.Header().Add("Set-Cookie", c)
		}
		w.Header().Add("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	}
	own := plainName + "=TOKEN; next-auth.csrf-token=x; next-auth.callback-url=y; __Host-next-auth.csrf-token=z; __Secure-next-auth.state=s; next-auth.pkce.code_verifier=p"
	for _, pass := range []bool{false, true} {
		t.Run(fmt.Sprint("pass_cookie ", pass), func(t *testing.T) {
			words := ""
			if pass {
				words = "session {\npass_cookie\n}"
			}
			s, up := members(t, words, sets)
			mine := strings.Replace(own, "TOKEN", seal(t, person("eve"), 0), 1)
			for _, target := range []string{"/app/", "/"} {
				w := s.dial()
				w.send(s.request("GET "+target, "Cookie: first=1; "+mine+"; last=2", "Cookie: third=3"))
				a := w.receive("GET")
				for a.StatusCode == http.StatusEarlyHints {
					for _, line := range a.Header["Set-Cookie"] {
						if strings.Contains(line, "=evil") && !pass {
							t.Errorf("early hints set %s", line)
						}
					}
					a = w.receive("GET")
				}
				got := strings.Join(up.one(t).Header["Cookie"], "; ")
				want := "first=1; last=2; third=3"
				if pass {
					want = "first=1; " + mine + "; last=2; third=3"
				}
				if got != want {
					t.Errorf("%s: the upstream got cookies %q", target, got)
				}
				evil := strings.Count(strings.Join(a.Header["Set-Cookie"], "\n"), "=evil")
				if !slices.Contains(a.Header["Set-Cookie"], "app=1; HttpOnly") || !slices.Contains(a.Header["Set-Cookie"], "next-authx=2") || pass != (evil > 0) {
					t.Errorf("%s: the browser gets %q", target, a.Header["Set-Cookie"])
				}
			}
		})
	}
}

// elsewhere are addresses that must not become a redirect.
var elsewhere = []struct{ id, to string }{
	{"REDIR-01", "//evil.com"}, {"REDIR-01", "///evil.com"}, {"REDIR-01", "////evil.com/x"},
	{"REDIR-02", `/\evil.com`}, {"REDIR-02", `/\\evil.com`}, {"REDIR-02", `\\evil.com`}, {"REDIR-02", `\/evil.com`}, {"REDIR-02", `/./\evil.com`},
	{"REDIR-03", "/\tevil.com"}, {"REDIR-03", "/\t/evil.com"}, {"REDIR-03", "\t//evil.com"}, {"REDIR-03", " //evil.com"}, {"REDIR-04", "/%09/evil.com"}, {"REDIR-04", "/%5cevil.com"}, {"REDIR-04", "/%2fevil.com"},
	{"REDIR-05", "/\r\nSet-Cookie: a=b"}, {"REDIR-05", "/x\r\n\r\n<script>"}, {"REDIR-05", "/x\x00y"},
	{"REDIR-06", "HTTP://HOST@evil.com"}, {"REDIR-06", "http://HOST%40evil.com"}, {"REDIR-06", "http://HOST:x@evil.com"}, {"REDIR-20", "http://user:pass@HOST/"},
	{"REDIR-07", "http://HOST.evil.com"}, {"REDIR-07", "http://HOSTevil.com"}, {"REDIR-07", "http://evilHOST"}, {"REDIR-07", "http://evil.com/HOST"}, {"REDIR-07", "http://evil.com?HOST"},
	{"REDIR-08", "javascript:alert(1)"}, {"REDIR-08", "JavaScript://HOST/%0aalert(1)"}, {"REDIR-08", "data:text/html,x"}, {"REDIR-08", "vbscript:x"}, {"REDIR-08", "file:///etc/passwd"},
	{"REDIR-08", "https:evil.com"}, {"REDIR-08", "https:/evil.com"}, {"REDIR-08", "https:///evil.com"}, {"REDIR-08", "ftp://HOST/"},
	{"REDIR-09", "https://HOST/"}, {"REDIR-10", "http://localhost:1/"}, {"REDIR-10", "http://localhost/"}, {"REDIR-10", "http://localhost:80/"},
	{"REDIR-11", "http://localhost.:PORT/"}, {"REDIR-12", "http://[::1"}, {"REDIR-12", "%zz"}, {"REDIR-12", "http://"}, {"REDIR-12", "/" + strings.Repeat("a", 64<<10)},
	{"REDIR-15", "evil.com"}, {"REDIR-15", "?x"}, {"REDIR-15", "#x"},
}

// TestRedirects: every endpoint that redirects validates where to, and writes
// an absolute address on the site's own origin.
func TestRedirects(t *testing.T) {
	s, _ := members(t, "limit off", nil)
	host := "localhost:" + s.Port
	csrf := "next-auth.csrf-token=" + csrfPair("tok")
	// stays fails unless a response leads to the origin itself.
	stays := func(t *testing.T, id, to string, a answer) {
		t.Helper()
		locations := a.Header["Location"]
		if a.StatusCode != http.StatusFound || len(locations) != 1 || locations[0] != s.Base {
			t.Errorf("%s %.60q: %s, Location %.200q", id, to, a.Status, locations)
		}
		for _, line := range a.Header["Set-Cookie"] {
			if strings.Contains(line, "evil") || strings.HasPrefix(line, "a=b") {
				t.Errorf("%s %.60q: cookie %s", id, to, line)
			}
		}
		if strings.Contains(a.body, "evil") {
			t.Errorf("%s %.60q: body %.200s", id, to, a.body)
		}
	}
	form := func(path string, fields url.Values, cookies ...string) answer {
		t.Helper()
		fields.Set("csrfToken", "tok")
		body := fields.Encode()
		return s.ask("POST "+path, "Cookie: "+strings.Join(append([]string{csrf}, cookies...), "; "), "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(body)), "", body)
	}
	for _, tc := range elsewhere {
		to := strings.NewReplacer("HOST", host, "PORT", s.Port).Replace(tc.to)
		stays(t, tc.id+" REDIR-17 signout", to, form("/api/auth/signout", url.Values{"callbackUrl": {to}}))
		if len(to) < 4000 {
			stays(t, tc.id+" signout by query", to, form("/api/auth/signout?callbackUrl="+url.QueryEscape(to), url.Values{}))
			stays(t, tc.id+" REDIR-14 signout by cookie", to, form("/api/auth/signout", url.Values{}, "next-auth.callback-url="+strings.ReplaceAll(url.QueryEscape(to), "+", "%20")))
		}
		stays(t, tc.id+" credentials", to, form("/api/auth/callback/credentials", url.Values{"callbackUrl": {to}, "username": {"alice"}, "password": {"alice"}}))
		// The page keeps none of it either.
		a := s.ask("GET /api/auth/signin?callbackUrl=" + url.QueryEscape(to)[:min(len(url.QueryEscape(to)), 8000)])
		if a.StatusCode != http.StatusOK || strings.Contains(a.body, "evil.com") || strings.Contains(strings.Join(a.Header["Set-Cookie"], ""), "evil") {
			t.Errorf("%s sign-in page with %.60q: %s", tc.id, to, a.Status)
		}
	}
	t.Run("JSON mode", func(t *testing.T) {
		for _, to := range []string{"//evil.com", `/\evil.com`, "javascript:alert(1)", "https:evil.com"} {
			if a := form("/api/auth/signout", url.Values{"callbackUrl": {to}, "json": {"true"}}); a.StatusCode != http.StatusOK || a.body != `{"url":"`+s.Base+`"}` {
				t.Errorf("%q: %s %s", to, a.Status, a.body)
			}
		}
	})
	t.Run("what may pass does", func(t *testing.T) {
		for to, want := range map[string]string{
			"/app/x?y=1&z=%2F#frag": s.Base + "/app/x?y=1&z=%2F#frag", s.Base + "/app": s.Base + "/app", "HTTP://LOCALHOST:" + s.Port + "/A": s.Base + "/A",
			"/x?u=//evil.example": s.Base + "/x?u=//evil.example", "/é": s.Base + "/%C3%A9", "/\u010d\u010aSet-Cookie:x": s.Base + "/%C4%8D%C4%8ASet-Cookie:x", "/api/auth/signout": s.Base + "/api/auth/signout",
		} {
			if a := form("/api/auth/signout", url.Values{"callbackUrl": {to}}); a.Header.Get("Location") != want {
				t.Errorf("%s: Location %s, want %s", to, a.Header.Get("Location"), want)
			}
		}
	})
	t.Run("REDIR-13 repeated", func(t *testing.T) {
		for _, values := range [][]string{{"/ok", "//evil.com"}, {"//evil.com", "/ok"}} {
			stays(t, "REDIR-13", values[0], form("/api/auth/signout", url.Values{"callbackUrl": values}))
		}
	})
	t.Run("REDIR-05 raw", func(t *testing.T) {
		for _, target := range []string{
			"/app/%0d%0aSet-Cookie:%20a=b", "/app/x?%0d%0aSet-Cookie:%20a=b", "/app/x?a=\rb", "/app/x?a=\x0bb", "/api/auth/signin?callbackUrl=/%0d%0aSet-Cookie:%20a=b",
			"/api/auth/error?error=%0d%0aSet-Cookie:%20a=b", "/api/auth/signin?error=%0d%0aLocation:%20//evil.com", "/api/auth/callback/dev?error=x%0d%0aSet-Cookie:%20a=b",
		} {
			w := s.dial()
			w.send(s.request("GET "+target, "Sec-Fetch-Mode: navigate", "Connection: close"))
			a, err := w.read("GET")
			if err != nil {
				t.Errorf("%q: %v", target, err)
				continue
			}
			if slices.Contains(setCookies(a.Header), "a") || strings.Contains(a.Header.Get("Location"), "evil") || a.StatusCode >= 500 {
				t.Errorf("%q: %s %v", target, a.Status, a.Header)
			}
			for _, values := range a.Header {
				if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
					t.Errorf("%q: header %q", target, values)
				}
			}
		}
	})
	t.Run("REDIR-16 callbackUrl to an action", func(t *testing.T) {
		b := s.browser()
		b.password("alice", "alice", "/api/auth/signout")
		if a := b.get("/api/auth/signout"); a.StatusCode != http.StatusOK || !strings.Contains(b.get("/api/auth/session").body, "alice") {
			t.Errorf("a GET signed out: %s", a.Status)
		}
	})
	t.Run("REDIR-14 poisoned cookie and the whole flow", func(t *testing.T) {
		b := s.browser()
		u, _ := url.Parse(s.Base)
		b.Jar.SetCookies(u, []*http.Cookie{{Name: "next-auth.callback-url", Value: "https%3A%2F%2Fevil.com", Path: "/"}})
		a := b.persona("alice", "")
		if a.Request.URL.Host != host {
			t.Errorf("ended at %s", a.Request.URL)
		}
		if c := b.cookieHeader(); strings.Contains(c, "evil") {
			t.Errorf("cookies %s", c)
		}
	})
}

func TestREDIR18RequestTargets(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
	}
	reverse_proxy `+up.addr()+`
}
`)
	back := func(a answer) string {
		location, err := a.Location()
		if err != nil || !strings.HasPrefix(location.String(), s.Base+"/api/auth/signin?") {
			return a.Status + " " + a.Header.Get("Location")
		}
		return location.Query().Get("callbackUrl")
	}
	for _, tc := range []struct{ target, want string }{
		{"//evil.com/x", s.Base + "//evil.com/x"},
		{"///evil.com", s.Base + "///evil.com"},
		{"//evil.com/%2e%2e", s.Base + "//evil.com/%2e%2e"},
		{`/\evil.com`, s.Base + "/%5Cevil.com"},
		{"/%5Cevil.com", s.Base + "/%5Cevil.com"},
		{"http://localhost:" + s.Port + "/x?y", s.Base + "/x?y"},
		{"http://localhost:" + s.Port + "//evil.com", s.Base + "//evil.com"},
		{"http://localhost:" + s.Port, s.Base + "/"},
		{"/@evil.com", s.Base + "/@evil.com"},
		{"/.evil.com", s.Base + "/.evil.com"},
	} {
		if got := back(s.ask("GET "+tc.target, "Sec-Fetch-Mode: navigate")); got != tc.want {
			t.Errorf("GET %s: back to %s, want %s", tc.target, got, tc.want)
		}
	}
	// Absolute-form with a host that is not the site's is not the site's affair.
	if a := s.ask("GET http://evil.com/x", "Sec-Fetch-Mode: navigate"); strings.Contains(a.Header.Get("Location"), "evil") {
		t.Errorf("Location %s", a.Header.Get("Location"))
	}
	up.none(t)

	t.Run("coming back", func(t *testing.T) {
		// What is odd enough to be taken for another host somewhere ends at the
		// origin; it never leads elsewhere.
		b := s.browser()
		a := b.password("alice", "alice", s.Base+"//evil.com/x")
		if location := a.Header.Get("Location"); !strings.HasPrefix(location, s.Base) {
			t.Errorf("Location %s", location)
		}
	})
}
