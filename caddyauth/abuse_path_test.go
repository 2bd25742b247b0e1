package caddyauth_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ok is what the raw upstreams of these tests answer.
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nup"

// TestPaths: /public/* is open, everything else is not, and /admin/* is for
// administrators. Whoever is signed in is not one.
func TestPaths(t *testing.T) {
	up := newRawUpstream(t, ok)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		public /public/*
		public /api/me/*
		allow any
		allow /admin/* role admin
		headers
	}
	reverse_proxy `+up.Addr().String()+`
}
`)
	user := "Cookie: " + signedIn(t, person("eve"))
	const (
		open   = http.StatusOK
		closed = http.StatusUnauthorized
		bad    = http.StatusBadRequest
		denied = http.StatusForbidden
	)
	for _, tc := range []struct {
		id, target        string
		anonymous, signed int
	}{
		{"plain", "/public/x", open, open},
		{"plain", "/x", closed, open},
		{"plain", "/admin/x", closed, denied},
		{"PATH-01 dot segments", "/public/../admin", closed, denied},
		{"PATH-01 dot segments", "/public/x/../../admin/", closed, denied},
		{"PATH-01 dot segments", "/public/./../admin/x", closed, denied},
		{"PATH-01 dot segments", "/public/..", closed, open},
		{"PATH-01 dot segments", "/public/../../../../admin", closed, denied},
		{"PATH-01 harmless", "/public/a/../b", open, open},
		{"PATH-02 encoded dots", "/public/%2e%2e/admin", closed, denied},
		{"PATH-02 encoded dots", "/public/.%2e/admin", closed, denied},
		{"PATH-02 encoded dots", "/public/%2E./admin/", closed, denied},
		{"PATH-03 double-encoded dot", "/public/%252e%252e/admin", closed, denied},
		{"PATH-03 double-encoded dot", "/public/%25252e%25252e/admin", closed, denied},
		{"PATH-03 double-encoded dot", "/%2561dmin/x", closed, denied},
		{"PATH-04 encoded slash", "/public%2f..%2fadmin", closed, denied},
		{"PATH-04 encoded slash", "/public/..%2fadmin", closed, denied},
		{"PATH-04 encoded slash", "/public%2f..%2f..%2fadmin%2fx", closed, denied},
		{"PATH-04 encoded slash", "/public/..%252fadmin", closed, denied},
		{"PATH-04 encoded slash", "/public%2Fx", closed, open},
		{"PATH-05 backslash", `/public\..\admin`, closed, denied},
		{"PATH-05 backslash", `/public/..\admin`, closed, denied},
		{"PATH-05 backslash", "/public/..%5cadmin", closed, denied},
		{"PATH-05 backslash", "/public%5C..%5Cadmin%5Cx", closed, denied},
		{"PATH-05 backslash", "/public/%5c..%255c..%5cadmin", closed, denied},
		{"PATH-06 matrix parameter", "/public/..;/admin", closed, denied},
		{"PATH-06 matrix parameter", "/public/..;a=b/admin", closed, denied},
		{"PATH-06 matrix parameter", "/public/..%3b/admin", closed, denied},
		{"PATH-06 matrix parameter", "/admin;x=y", closed, denied},
		{"PATH-06 matrix parameter", "/admin;/x", closed, denied},
		{"PATH-06 matrix parameter", "/;/admin", closed, denied},
		{"PATH-06 harmless", "/public/x;v=1", open, open},
		{"PATH-07 double slash", "//admin/x", closed, denied},
		{"PATH-07 double slash", "/admin//x", closed, denied},
		{"PATH-07 double slash", "/public//../admin", closed, denied},
		{"PATH-07 double slash", "//public/x", closed, open},
		{"PATH-08 case of the escapes", "/public/..%2Fadmin", closed, denied},
		{"PATH-08 case of the escapes", "/%61%64%6D%69%6E/x", closed, denied},
		{"PATH-09 case of the letters", "/PUBLIC/x", closed, open},
		{"PATH-09 case of the letters", "/Admin/x", closed, denied},
		{"PATH-09 case of the letters", "/ADMIN", closed, denied},
		{"PATH-10 encoded question mark and hash", "/admin%3f", closed, denied},
		{"PATH-10 encoded question mark and hash", "/admin%23/../public/", closed, denied},
		{"PATH-10 encoded question mark and hash", "/admin%2523/../public/", closed, denied},
		{"PATH-10 encoded question mark and hash", "/admin%3f/../public/x", closed, denied},
		{"PATH-10 encoded question mark and hash", "/foo/secret%23/bar", closed, open},
		{"PATH-10 harmless", "/public/C%23", open, open},
		{"PATH-11 NUL and control bytes", "/public/x%00", bad, bad},
		{"PATH-11 NUL and control bytes", "/admin%00.css", bad, bad},
		{"PATH-11 NUL and control bytes", "/public/%01", bad, bad},
		{"PATH-11 NUL and control bytes", "/public/x%0d%0aX-Auth-User:%20a", bad, bad},
		{"PATH-11 NUL and control bytes", "/public/x%7f", bad, bad},
		{"PATH-11 NUL and control bytes", "/public/x%2500", bad, bad},
		{"PATH-11 raw", "/public/\x01", bad, bad},
		{"PATH-11 raw", "/public/\x7f", bad, bad},
		{"PATH-12 trailing dot and space", "/admin.", closed, denied},
		{"PATH-12 trailing dot and space", "/admin%20", closed, denied},
		{"PATH-12 trailing dot and space", "/admin%20/x", closed, denied},
		{"PATH-12 trailing dot and space", "/admin./x", closed, denied},
		{"PATH-12 trailing dot and space", "/admin/.", closed, denied},
		{"PATH-12 trailing dot and space", "/public/..%20/admin", closed, denied},
		{"PATH-12 trailing dot and space", "/admin/..%00/", bad, bad},
		{"PATH-13 suffix trick", "/admin/x.css", closed, denied},
		{"PATH-13 suffix trick", "/admin/users;.js", closed, denied},
		{"PATH-13 suffix trick", "/api/me/..%2f..%2flogo.png", closed, open},
		{"PATH-13 suffix trick", "/x/favicon.ico", closed, open},
		{"PATH-14 query", "/admin?x=/public/", closed, denied},
		{"PATH-14 query", "/admin?/api/auth/session", closed, denied},
		{"PATH-14 query", "/x?/../public/x", closed, open},
		{"PATH-15 not UTF-8", "/%c0%ae%c0%ae/admin", bad, bad},
		{"PATH-15 not UTF-8", "/%ff", bad, bad},
		{"PATH-15 not UTF-8", "/public/%ed%a0%80", bad, bad},
		{"PATH-15 not UTF-8", "/public/\xff", bad, bad},
		{"PATH-15 full-width", "/public/%EF%BC%8E%EF%BC%8E/admin", open, open},
		// Go escapes such paths anew before they are forwarded, %2f as a slash.
		{"PATH-04 escaped anew", "/public/|/..%2f..%2fadmin/x", closed, denied},
		{"PATH-04 escaped anew", "/{public}/..%2fadmin/x", closed, denied},
		{"broken escape", "/public/%", bad, bad},
		{"broken escape", "/public/%zz", bad, bad},
		{"broken escape", "/public/%2", bad, bad},
		{"not a path", "admin", bad, bad},
		{"not a path", "http:admin", bad, bad},
	} {
		for _, who := range []struct {
			cookie string
			want   int
		}{{"X-Nothing: 1", tc.anonymous}, {user, tc.signed}} {
			a := s.ask("GET "+tc.target, who.cookie)
			got := up.take()
			if a.StatusCode != who.want {
				t.Errorf("%s: GET %q (%.6s): %s, want %d", tc.id, tc.target, who.cookie, a.Status, who.want)
			}
			switch {
			case who.want != http.StatusOK && len(got) != 0:
				t.Errorf("%s: GET %q: refused, but the upstream got %q", tc.id, tc.target, got)
			case who.want == http.StatusOK && (len(got) != 1 || got[0] != "GET "+tc.target+" HTTP/1.1") && !strings.ContainsAny(tc.target, `\`):
				t.Errorf("%s: GET %q: the upstream got %q", tc.id, tc.target, got)
			}
		}
	}
}

// TestForwardedAsDecided: the upstream receives the path that was decided on,
// byte for byte, and so does the person who comes back from signing in.
func TestForwardedAsDecided(t *testing.T) {
	up := newRawUpstream(t, ok)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
	}
	reverse_proxy `+up.Addr().String()+`
}
`)
	user := "Cookie: " + signedIn(t, person("eve"))
	for _, target := range []string{
		"/", "/?", "/a?x=1&y=%2F%26", "/a%2Fb", "/a%2fb", "/%61", "/a//b", "/a/./b/../c", "/a;v=1;w/b", "/a%3Bb", "/%E9%A0%81?q=%E9%A0%81", "/C%23/x",
		"/a%3Fb?c", "/100%25", "/a+b?c+d=e+f", "/a%20b", "/@x:y,z=1!$&'()*~", "/a?b?c", "/a?%", "/a?%zz", "/a?x=%00", "/a?a;b=c", "//host/x", "/.well-known/x", "/x/",
		"/%2e%2e/x", "/a?x=[1]", "/a/%7Btest%7D", "/a?\"<>", "/a%22b",
	} {
		a := s.ask("GET "+target, user)
		if got := up.take(); a.StatusCode != http.StatusOK || len(got) != 1 || got[0] != "GET "+target+" HTTP/1.1" {
			t.Errorf("GET %s: %s, upstream got %q", target, a.Status, got)
		}
		a = s.ask("GET "+target, "Sec-Fetch-Mode: navigate")
		location, err := a.Location()
		if err != nil || a.StatusCode != http.StatusFound {
			t.Errorf("GET %s: %s %v", target, a.Status, err)
			continue
		}
		back := location.Query().Get("callbackUrl")
		u, err := url.Parse(back)
		if err != nil || u.Scheme+"://"+u.Host != s.Base {
			t.Errorf("GET %s: back to %s", target, back)
		}
		// What browsers never send bare is escaped.
		want := strings.NewReplacer(`"`, "%22", "<", "%3C", ">", "%3E", "?%zz", "?%25zz").Replace(s.Base + target)
		if strings.HasSuffix(want, "%") {
			want += "25"
		}
		if back != want {
			t.Errorf("REDIR-19 GET %s: back to %s, want %s", target, back, want)
		}
	}
}

// TestOddTargets covers the forms of a request target that are no path.
func TestOddTargets(t *testing.T) {
	up := newRawUpstream(t, ok)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		public
		private /app/*
	}
	reverse_proxy `+up.Addr().String()+`
}
`)
	host := "localhost:" + s.Port
	user := "Cookie: " + signedIn(t, person("eve"))
	for _, tc := range []struct {
		id, line string
		want     []int
	}{
		{"PATH-16 asterisk-form", "GET *", []int{400, 405}},
		{"PATH-16 asterisk-form", "OPTIONS *", []int{200, 204, 405}},
		{"PATH-16 asterisk-form", "POST *", []int{400, 405}},
		{"PATH-18 CONNECT", "CONNECT " + host, []int{405}},
		{"PATH-18 CONNECT", "CONNECT /app/", []int{400, 405}},
		{"METH-04 TRACE", "TRACE /", []int{405}},
		{"METH-04 TRACE", "TRACE /app/", []int{405}},
		{"METH-04 TRACE", "TRACE http://" + host + "/", []int{405}},
		{"METH-04 TRACE", "TRACK /app/", []int{401, 405}},
		{"absolute-form", "GET http://" + host + "/app/", []int{401}},
		{"absolute-form with another host", "GET http://evil.com/app/", []int{200, 400, 401}},
		{"empty", "GET  ", []int{400}},
		{"no method", " /", []int{400}},
		{"odd method", "G\x00T /app/", []int{400}},
		{"own method", "BREW /app/", []int{401}},
	} {
		for _, cookie := range []string{"X-Nothing: 1", user} {
			want := tc.want
			if cookie == user && slices.Contains(want, 401) {
				want = append(want, 200)
			}
			w := s.dial()
			w.send(s.request(tc.line, cookie))
			method, _, _ := strings.Cut(tc.line, " ")
			a, err := w.read(method)
			if err != nil && slices.Equal(want, []int{400}) {
				continue // hung up on before the rest was read
			}
			if err != nil {
				t.Fatal(tc.line, err)
			}
			if !slices.Contains(want, a.StatusCode) {
				t.Errorf("%s: %s: %s, want %v", tc.id, tc.line, a.Status, want)
			}
			got := up.take()
			if len(got) != 0 && (a.StatusCode != http.StatusOK || cookie != user) {
				t.Errorf("%s: %s: %s, and the upstream got %q", tc.id, tc.line, a.Status, got)
			}
		}
	}
	t.Run("METH-04 TRACE on the endpoints", func(t *testing.T) {
		for _, line := range []string{"TRACE /api/auth/session", "CONNECT /api/auth/session", "DELETE /api/auth/session", "PUT /api/auth/csrf", "OPTIONS /api/auth/signin"} {
			if a := s.ask(line, user, "X-Secret: reflected"); a.StatusCode < 400 || a.StatusCode >= 500 || strings.Contains(a.body, "reflected") {
				t.Errorf("%s: %s %s", line, a.Status, a.body)
			}
		}
	})
	if got := up.take(); len(got) != 0 {
		t.Errorf("the upstream got %q", got)
	}
}

// TestPATH19Rewrites: the rules are about the path that the client asked for,
// and about what earlier directives have made of it.
func TestPATH19Rewrites(t *testing.T) {
	up := newRawUpstream(t, ok)
	for _, tc := range []struct{ name, site, target string }{
		{"default order, uri", "uri strip_prefix /public\nAUTH\nPROXY", "/public/admin/x"},
		{"default order, rewrite", "rewrite /public/* /admin/x\nAUTH\nPROXY", "/public/x"},
		{"handle_path around everything", "handle_path /outer/* {\nPROXY\n}\nAUTH", "/outer/admin/x"},
		{"rewrite first", "route {\nrewrite /public/* /admin/x\nAUTH\nPROXY\n}", "/public/x"},
		{"strip_prefix first", "route {\nuri strip_prefix /public\nAUTH\nPROXY\n}", "/public/admin/x"},
		{"rewrite of a private path first", "route {\nrewrite /admin/* /public/x\nAUTH\nPROXY\n}", "/admin/x"},
		{"method first", "route {\nmethod GET\nAUTH\nPROXY\n}", "/admin/x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			site := strings.NewReplacer("AUTH", "caddyauth {\nsecret "+secret+"\nprovider dev\npublic\nprivate /admin/*\nprivate /outer/admin/*\n}",
				"PROXY", "reverse_proxy "+up.Addr().String()).Replace(tc.site)
			s := start(t, "http://localhost:{PORT} {\n"+site+"\n}\n")
			a := s.ask("GET " + tc.target)
			got := up.take()
			after := strings.HasPrefix(tc.name, "default order")
			switch {
			case after && a.StatusCode == http.StatusOK:
				// A rewrite behind the gate cannot be seen by it. That is said when
				// the configuration loads.
				if tc.name == "default order, rewrite" && !strings.Contains(s.logText(), "later rewrite") {
					t.Error("no warning")
				}
			case a.StatusCode != http.StatusUnauthorized || len(got) != 0:
				t.Errorf("%s, upstream got %q", a.Status, got)
			}
			if a := s.ask("GET /api/auth/session"); a.StatusCode != http.StatusOK || a.body != "{}" {
				t.Errorf("the endpoints: %s %s", a.Status, a.body)
			}
		})
	}
}

func TestPATH20BasePath(t *testing.T) {
	up := newRawUpstream(t, ok)
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
	}
	reverse_proxy `+up.Addr().String()+`
}
`)
	for _, tc := range []struct {
		target string
		want   []int
	}{
		{"/api/auth/signin", []int{200}},
		{"/api/auth/signin/", []int{200}},
		{"/api/auth/%73ignin", []int{200}},
		{"/api/auth/signin/dev/more", []int{200}},
		// Nobody's: the gate decides.
		{"/api/authsignin", []int{401}},
		{"/api/auth%2fsignin", []int{401}},
		{"/API/AUTH/signin", []int{401}},
		{"/Api/auth/signin", []int{401}},
		{"/api//auth/signin", []int{401}},
		{"//api/auth/signin", []int{401}},
		{"/api/%61uth/signin", []int{401}},
		{"/api/./auth/signin", []int{401}},
		{"/x/../api/auth/signin", []int{401}},
		{"/api/auth;x/signin", []int{401}},
		{"/api/auth.", []int{401}},
		// Below the base path, but no action.
		{"/api/auth", []int{400}},
		{"/api/auth/", []int{400}},
		{"/api/auth//signin", []int{400}},
		{"/api/auth/SIGNIN", []int{400}},
		{"/api/auth/../auth/signin", []int{400}},
		{"/api/auth/./signin", []int{400}},
		{"/api/auth/signin;x", []int{400}},
		{"/api/auth/signin%2f", []int{400}},
		{"/api/auth/%00", []int{400}},
		{"/api/auth/callback/x/../../../admin", []int{400}},
		{"/api/auth/..%2f..%2fadmin", []int{400}},
		{"/api/auth/../../admin", []int{400}},
		{"/api/auth/session%23/../../x", []int{400}},
		{"/api/auth/_log", []int{400}},
		{"/api/auth/callback/nobody", []int{400}},
		{"/api/auth/callback/credentials", []int{400}},
	} {
		a := s.ask("GET " + tc.target)
		if !slices.Contains(tc.want, a.StatusCode) {
			t.Errorf("PATH-20 GET %s: %s, want %v", tc.target, a.Status, tc.want)
		}
		if got := up.take(); len(got) != 0 {
			t.Errorf("PATH-21 GET %s fell through to the upstream: %q", tc.target, got)
		}
	}
	t.Run("PATH-21 with a session", func(t *testing.T) {
		user := "Cookie: " + signedIn(t, person("eve"))
		for _, target := range []string{"/api/auth/callback/x/../../../admin", "/api/auth/..%2f..%2fadmin", "/api/auth/nothing"} {
			if a := s.ask("GET "+target, user); a.StatusCode != http.StatusBadRequest || len(up.take()) != 0 {
				t.Errorf("%s: %s", target, a.Status)
			}
		}
		// Outside, whoever is signed in passes as everywhere.
		if a := s.ask("GET /api/authsignin", user); a.StatusCode != http.StatusOK || !slices.Equal(up.take(), []string{"GET /api/authsignin HTTP/1.1"}) {
			t.Error(a.Status)
		}
	})
}

// TestDirectiveMatcher: the directive's own matcher scopes the gate alone, and
// closes whatever could be meant.
func TestDirectiveMatcher(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, `
http://localhost:{PORT} {
	@app path /app/* /More/*
	caddyauth @app {
		secret `+secret+`
		provider dev
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
	for target, want := range map[string]int{
		"/": 200, "/other": 200, "/app/x": 401, "/app": 401, "/APP/x": 401, "/app;a/x": 401, "/x/../app/x": 401, "/x/..%2fapp/x": 401, "//app/x": 401, "/more/x": 401,
		"/api/auth/csrf": 200,
	} {
		if a := s.ask("GET "+target, "Remote-User: admin"); a.StatusCode != want {
			t.Errorf("%s: %s, want %d", target, a.Status, want)
		}
		for _, r := range up.take() {
			if r.Header.Get("Remote-User") != "" {
				t.Errorf("%s: Remote-User reached the upstream", target)
			}
		}
	}
}

// TestFiles puts a file server behind the gate.
func TestFiles(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"index.html": "front", "app/page.html": "member", "app/x.css": "css"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, `
http://localhost:{PORT} {
	root `+root+`
	caddyauth {
		secret `+secret+`
		provider dev
		public
		private /app/*
	}
	try_files {path} /index.html
	file_server
}
`)
	user := "Cookie: " + signedIn(t, person("eve"))
	a := s.ask("GET /app/page.html", user)
	if a.StatusCode != http.StatusOK || a.body != "member" || a.Header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	tag := a.Header.Get("Etag")
	if a := s.ask("GET /app/page.html", user, "If-None-Match: "+tag); a.StatusCode != http.StatusNotModified || a.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("304: %s %v", a.Status, a.Header)
	}
	for _, condition := range []string{"If-None-Match: " + tag, "If-None-Match: *", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "Range: bytes=0-1"} {
		if a := s.ask("GET /app/page.html", condition); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("CACHE-05 %s without a session: %s %v", condition, a.Status, a.Header)
		}
	}
	t.Run("COOK-20", func(t *testing.T) {
		// The session is due for renewal. An asset does not renew it, a page does,
		// and neither may be kept with the cookie.
		old := "Cookie: " + sessionCookie(plainName, seal(t, person("eve"), 48*3600e9))
		for _, header := range [][]string{{"Sec-Fetch-Mode: no-cors"}, {"Sec-Fetch-Mode: navigate"}, {"Sec-Fetch-Mode: navigate", "If-None-Match: " + tag}} {
			a := s.ask("GET /app/page.html", append(header, old)...)
			set := setCookies(a.Header)
			if len(set) > 0 && a.Header.Get("Cache-Control") != "private, no-cache, no-store" {
				t.Errorf("%v: Set-Cookie beside Cache-Control %q", header, a.Header["Cache-Control"])
			}
			if navigates := header[0] == "Sec-Fetch-Mode: navigate"; navigates != slices.Contains(set, plainName) {
				t.Errorf("%v: %s sets %v", header, a.Status, set)
			}
		}
	})
	if a := s.ask("GET /app/x.css", user, "Range: bytes=0-1"); a.StatusCode != http.StatusPartialContent || a.body != "cs" || a.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("range: %s %q", a.Status, a.body)
	}
	t.Run("public file without a session", func(t *testing.T) {
		if a := s.ask("GET /"); a.body != "front" || a.Header.Get("Cache-Control") != "" {
			t.Errorf("%s %v", a.Status, a.Header)
		}
	})
	t.Run("CACHE-04 cache deception", func(t *testing.T) {
		for _, target := range []string{"/app/page.html/x.css", "/app/nothing.css", "/app/page.html%2f..%2fstatic.css", "/app/page.html;x.css"} {
			if a := s.ask("GET "+target, user); a.StatusCode == http.StatusOK && !strings.Contains(a.Header.Get("Cache-Control"), "private") {
				t.Errorf("%s: %s %v", target, a.Status, a.Header)
			}
			if a := s.ask("GET " + target); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s without a session: %s", target, a.Status)
			}
		}
	})
	t.Run("try_files leaves the endpoints alone", func(t *testing.T) {
		if a := s.ask("GET /api/auth/session"); a.body != "{}" {
			t.Errorf("%s %s", a.Status, a.body)
		}
		if a := s.ask("GET /single/page/app"); a.body != "front" {
			t.Errorf("%s %s", a.Status, a.body)
		}
	})
}
