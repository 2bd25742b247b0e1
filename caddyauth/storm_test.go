package caddyauth_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// words are what the random requests are made of: what attackers write, and
// what is valid, so that some requests get far.
var stormWords = struct{ methods, paths, pieces, names, values, bodies []string }{
	methods: []string{"GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "PRI", "X", "G\tT", ""},
	paths: []string{
		"/", "/app/x", "/app", "/public/x", "/api/auth/signin", "/api/auth/signin/dev", "/api/auth/signin/credentials", "/api/auth/callback/dev", "/api/auth/callback/credentials",
		"/api/auth/callback/nobody", "/api/auth/signout", "/api/auth/session", "/api/auth/csrf", "/api/auth/providers", "/api/auth/error", "/api/auth/verify-request", "/api/auth/_log",
		"/api/auth", "/api/auth/", "/api/auth/dev", "/api/auth/dev/authorize", "/api/auth/dev/login", "/api/auth/dev/oauth/token", "/api/auth/dev/keys", "/api/auth/dev/.well-known/openid-configuration",
		"/api/auth/dev/userinfo", "/api/auth/dev/authorize/callback", "/api/auth/dev/end_session", "/api/auth/nothing", "*", "http://evil.com/app", "//evil.com", "",
	},
	pieces: []string{
		"/..", "/.", "/%2e%2e", "%2f", "%5c", `\`, ";", ";a=b", "%00", "%", "%zz", "%ff", "\xff", "%c0%ae", "//", "?", "#", "%23", "%3f", "%25", "%2500", "%e2%80%ae", "\x01", "\x7f", "{env.HOME}", "'\"<>",
		"?callbackUrl=//evil.com", "?callbackUrl=%0d%0a", "?callbackUrl=/app&callbackUrl=x", "?error=AccessDenied", "?error=%3Cscript%3E", "?error[]=a", "?code=abc&state=def", "?state=%00", "?code=", "?iss=x&code=y&state=z",
		"?csrf=true", "?%", "?=&=&&", "?a;b", "?id=x", "?id=%00", "?response_type=code&client_id=caddyauth&scope=openid&redirect_uri=x", "?authRequestID=x", strings.Repeat("/a", 500), strings.Repeat("%2e%2e/", 200), "?" + strings.Repeat("a=b&", 1500),
	},
	names: []string{
		"Cookie", "Cookie", "Accept", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest", "Origin", "Referer", "Authorization", "Content-Type", "Connection", "Upgrade", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For",
		"Forwarded", "Remote-User", "Remote_User", "Host", "Trailer", "Transfer-Encoding", "Expect", "Range", "If-None-Match", "X-Auth-Return-Redirect", "Accept-Language", "TE", "Via", "Purpose", "Content-Encoding", "X Y", "\xff", "",
	},
	values: []string{
		"", "*", "navigate", "cors", "cross-site", "same-origin", "document", "text/html", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "null", "https://evil.com", "close", "Upgrade",
		"Remote-User, close", "websocket", "Bearer x", "Basic !!!", "{http.request.uri}", "a\tb", "\xff\xfe", "\"", strings.Repeat("x", 3000), "next-auth.session-token=x", "next-auth.session-token.0=a; next-auth.session-token.1=b", "next-auth.session-token=%",
		"next-auth.csrf-token=a%7Cb", "next-auth.csrf-token=%%%", "next-auth.state=x.y.z", "next-auth.callback-url=javascript:x", "next-auth.callback-url=%ff", "next-auth.notice=eyJ.x.y.z.w", "=; ;;=;", "a=b", "text/html;q=x", "text/html;q=0.0001,*/*;q=",
		"bytes=0-", "chunked", "identity", "100-continue", "evil.com", "[::1", "localhost:99999", "@", "for=\"[::1]:x\"", "en;q=nan, de", "0",
	},
	bodies: []string{
		"", "", "a=b", "csrfToken=x", "csrfToken=tok&callbackUrl=//evil", "{", "{}", "[]", "null", `{"csrfToken":1}`, `{"a":{"a":{"a":[[[[]]]]}}}`, strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 3000), "%", "a=%zz&&&=", "\x00\xff", "username=%00&password=%ff", "id=x&sub=y",
		"grant_type=authorization_code&code=x", "csrfToken=tok&username=alice&password=", "csrfToken=tok&json=true&redirect=false&callbackUrl=%0a", `{"csrfToken":"tok","data":{"x":1e999}}`, "0\r\n\r\n", "-1\r\nx",
	},
}

// TestStorm sends some thousand random requests to every endpoint and to gated
// paths. None may end in an error of ours or reach the upstream where it should
// not, and nothing may panic.
func TestStorm(t *testing.T) {
	n := 4000
	if testing.Short() {
		n = 400
	}
	s, up := members(t, "headers", nil)
	good := plainName + "=" + seal(t, person("eve"), 0) + "; next-auth.csrf-token=" + csrfPair("tok")
	rnd := rand.New(rand.NewPCG(20, 26))
	pick := func(list []string) string { return list[rnd.IntN(len(list))] }
	answered, refused := 0, 0
	for i := range n {
		method, target := pick(stormWords.methods), pick(stormWords.paths)
		for rnd.IntN(3) == 0 {
			target += pick(stormWords.pieces)
		}
		signed := rnd.IntN(3) == 0
		var header []string
		if signed {
			header = append(header, "Cookie: "+good)
		}
		for range rnd.IntN(5) {
			header = append(header, pick(stormWords.names)+": "+pick(stormWords.values))
		}
		if body := pick(stormWords.bodies); body != "" {
			header = append(header, "Content-Type: "+pick([]string{"application/x-www-form-urlencoded", "application/json", "text/plain", ";", "application/json; charset=\xff"}),
				fmt.Sprint("Content-Length: ", len(body)), "", body)
		}
		request := s.request(method+" "+target, append([]string{"Connection: close"}, header...)...)
		w := s.dial()
		w.send(request)
		a, err := w.read(method)
		for err == nil && a.StatusCode == http.StatusContinue {
			a, err = w.read(method)
		}
		w.conn.Close()
		got := up.take()
		if err != nil {
			refused++ // hung up on, or closed before the rest was read
			continue
		}
		answered++
		// 501 is net/http's word for a transfer coding that it does not know.
		if a.StatusCode >= 500 && a.StatusCode != http.StatusBadGateway && !(a.StatusCode == http.StatusNotImplemented && strings.Contains(request, "Transfer-Encoding")) && a.StatusCode != http.StatusHTTPVersionNotSupported {
			t.Errorf("request %d: %s\n%.2000q\n%s", i, a.Status, request, a.body)
		}
		for _, r := range got {
			if (r.URL.Path == "/app" || strings.HasPrefix(r.URL.Path, "/app/")) && r.Header.Get("Remote-User") != "dev:eve" {
				t.Errorf("request %d reached the upstream\n%.2000q", i, request)
			}
			if u := r.Header.Get("Remote-User"); u != "" && u != "dev:eve" {
				t.Errorf("request %d: Remote-User %q\n%.2000q", i, u, request)
			}
		}
		if location := a.Header.Get("Location"); location != "" && !strings.HasPrefix(location, "http://localhost") && !strings.HasPrefix(location, "/") {
			t.Errorf("request %d: Location %q\n%.2000q", i, location, request)
		}
		for _, values := range a.Header {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("request %d: header %q", i, values)
			}
		}
	}
	t.Logf("%d answered, %d refused", answered, refused)
	if answered < n*3/4 {
		t.Errorf("only %d of %d were answered", answered, n)
	}
	if text := s.logText(); strings.Contains(text, "panic") {
		t.Errorf("a panic: %.2000s", text[strings.Index(text, "panic"):])
	}
	if a := s.ask("GET /app/", "Cookie: "+good); a.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s", a.Status)
	}
}
