package caddyauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/internal/testissuer"
)

// apiSite is an API that people sign in to with Keycloak, and programs with its
// tokens, with those of another issuer, and with session tokens.
func apiSite(t testing.TB, words string) (*server, *upstream, *testissuer.Issuer, *testissuer.Issuer) {
	t.Helper()
	op, other, up := testissuer.New(t), testissuer.New(t), newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider keycloak `+op.URL+` {
			client_id web
			client_secret s
		}
		provider dev
		bearer audience orders
		bearer {
			issuer `+other.URL+`
			audience orders
		}
		bearer session
		public /open
		allow /staff/* role staff
		allow /ada/* user keycloak:ada "bearer:`+other.URL+`#grace"
		headers
		`+words+`
	}
	reverse_proxy `+up.addr()+`
}
`), up, op, other
}

// program sends what a program would.
func (s *server) program(path string, header ...string) answer {
	s.t.Helper()
	return s.ask("GET "+path, append([]string{"Accept: */*"}, header...)...)
}

func bearerField(token string) string { return "Authorization: Bearer " + token }

func TestBearerTokens(t *testing.T) {
	s, up, op, other := apiSite(t, "")
	ada := op.Token(t, op.Claims("orders", map[string]any{"preferred_username": "ada.l", "realm_access": map[string]any{"roles": []string{"staff"}}}))
	grace := other.Token(t, other.Claims("orders", map[string]any{"sub": "grace"}))
	posing := other.Token(t, other.Claims("orders", map[string]any{"sub": "ada", "preferred_username": "keycloak:ada"}))
	expired := op.Token(t, op.Claims("orders", map[string]any{"exp": 1}))
	payments := op.Token(t, op.Claims("payments"))
	member := seal(t, person("eve"), 0)
	const metadata = `resource_metadata="`
	for _, c := range []struct {
		name, path, authorization string
		status                    int
		who                       string // as the upstream is told
		passed                    bool   // whether the field reaches the upstream
		challenge                 string
	}{
		{"an access token", "/x", "Bearer " + ada, 200, "keycloak:ada.l", true, ""},
		{"bearer in lower case", "/x", "bearer " + ada, 200, "keycloak:ada.l", true, ""},
		{"on a public path", "/open", "Bearer " + ada, 200, "keycloak:ada.l", true, ""},
		{"roles", "/staff/x", "Bearer " + ada, 200, "keycloak:ada.l", true, ""},
		{"a rule for the account", "/ada/x", "Bearer " + ada, 200, "keycloak:ada.l", true, ""},
		{"a standalone issuer's", "/x", "Bearer " + grace, 200, "bearer:" + other.URL + "#grace", true, ""},
		{"a rule for it", "/ada/x", "Bearer " + grace, 200, "bearer:" + other.URL + "#grace", true, ""},
		{"another issuer's subject of that name", "/ada/x", "Bearer " + posing, 403, "", false, `error="insufficient_scope"`},
		{"without the role", "/staff/x", "Bearer " + grace, 403, "", false, `error="insufficient_scope"`},
		{"expired", "/x", "Bearer " + expired, 401, "", false, `error="invalid_token", error_description="the token has expired"`},
		{"expired on a public path", "/open", "Bearer " + expired, 200, "", true, ""},
		{"TOKEN-08 for another API", "/x", "Bearer " + payments, 401, "", false, `error="invalid_token"`},
		{"TOKEN-08 for another API on a public path", "/open", "Bearer " + payments, 200, "", true, ""},
		{"HDR-19 the upstream's own token", "/open", "Bearer abc", 200, "", true, ""},
		{"HDR-19 the upstream's own password", "/open", "Basic YTpi", 200, "", true, ""},
		{"HDR-19 a password is no token", "/x", "Basic YTpi", 401, "", false, `realm=`},
		{"JWE-20 a session token", "/x", "Bearer " + member, 200, "dev:eve", false, ""},
		{"JWE-20 encoded", "/x", "Bearer " + strings.ReplaceAll(member, ".", "%2E"), 200, "dev:eve", false, ""},
		{"JWE-20 on a public path", "/open", "Bearer " + member, 200, "dev:eve", false, ""},
		{"JWE-20 a spoiled session token", "/open", "Bearer " + member[:len(member)-4] + "AAAA", 200, "", false, ""},
		{"JWE-20 bad escapes", "/x", "Bearer %E0%A4%A", 401, "", false, `error="invalid_token"`},
		{"JWE-20 bad UTF-8", "/x", "Bearer %FF%FE", 401, "", false, `error="invalid_token"`},
		{"JWE-20 no token", "/x", "Bearer", 401, "", false, `error="invalid_token"`},
		{"JWE-20 only a space", "/x", "bearer ", 401, "", false, `error="invalid_token"`},
		{"two tokens in one field", "/x", "Bearer " + ada + ", Bearer " + grace, 401, "", false, `error="invalid_token"`},
		{"huge", "/x", "Bearer " + strings.Repeat("a", 9000) + ".b.c", 401, "", false, `error="invalid_token"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := s.program(c.path, "Authorization: "+c.authorization)
			got := up.take()
			if a.StatusCode != c.status || (len(got) == 1) != (c.status == 200) {
				t.Fatalf("%s, %d requests passed", a.Status, len(got))
			}
			if len(got) == 1 {
				field := got[0].Header.Get("Authorization")
				if who := got[0].Header.Get("Remote-User"); who != c.who || (field != "") != c.passed {
					t.Errorf("Remote-User %q, Authorization %.20q", who, field)
				}
			}
			challenge := strings.Join(a.Header.Values("Www-Authenticate"), "\n")
			if c.challenge == "" != (challenge == "") || !strings.Contains(challenge, c.challenge) {
				t.Errorf("challenge %q, want %q", challenge, c.challenge)
			}
			if c.challenge != "" && !strings.Contains(challenge, metadata+s.Base+"/.well-known/oauth-protected-resource\"") {
				t.Errorf("no link to the metadata: %q", challenge)
			}
			if len(setCookies(a.Header)) != 0 {
				t.Errorf("cookies are set: %q", a.Header["Set-Cookie"])
			}
		})
	}

	t.Run("a bad token is not made good by a cookie", func(t *testing.T) {
		cookies := "Cookie: " + signedIn(t, person("eve"))
		if a := s.program("/x", cookies, bearerField(expired)); a.StatusCode != http.StatusUnauthorized {
			t.Error(a.Status)
		}
		if a := s.program("/x", cookies, "Authorization: Basic YTpi"); a.StatusCode != http.StatusOK {
			t.Errorf("another scheme: %s", a.Status)
		}
		up.take()
	})
	t.Run("without a token there is no error to tell", func(t *testing.T) {
		a := s.program("/x")
		challenge := a.Header.Get("Www-Authenticate")
		if !strings.HasPrefix(challenge, `Bearer realm="`+s.Base+`"`) || strings.Contains(challenge, "error") {
			t.Errorf("%s %q", a.Status, challenge)
		}
	})
	t.Run("a page load with a bad token is not redirected", func(t *testing.T) {
		if a := s.browser().get("/x", "Authorization", "Bearer "+expired); a.StatusCode != http.StatusUnauthorized {
			t.Error(a.Status)
		}
	})
	t.Run("two fields", func(t *testing.T) {
		for _, second := range []string{bearerField(ada), "Authorization: Basic YTpi"} {
			if a := s.program("/x", bearerField(ada), second); a.StatusCode != http.StatusUnauthorized {
				t.Error(a.Status)
			}
		}
		s.program("/open", bearerField("other"), bearerField(member))
		if got := up.one(t); len(got.Header["Authorization"]) != 0 {
			t.Errorf("a session token was passed on: %q", got.Header["Authorization"])
		}
	})
	t.Run("a token counts in the header alone", func(t *testing.T) {
		if a := s.program("/x?access_token=" + ada); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("query: %s", a.Status)
		}
		body := "access_token=" + url.QueryEscape(ada)
		a := s.ask("POST /x", "Content-Type: application/x-www-form-urlencoded", fmt.Sprint("Content-Length: ", len(body)), "", body)
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("body: %s", a.Status)
		}
		up.none(t)
	})
	t.Run("it says nothing at the endpoints", func(t *testing.T) {
		for _, token := range []string{ada, member} {
			if a := s.program("/api/auth/session", bearerField(token)); a.body != "{}" {
				t.Errorf("session: %s", a.body)
			}
		}
	})
	t.Run("a session token is not renewed", func(t *testing.T) {
		old := seal(t, person("eve"), 48*3600e9)
		a := s.browser().get("/x", "Authorization", "Bearer "+old)
		if a.StatusCode != http.StatusOK || len(setCookies(a.Header)) != 0 {
			t.Errorf("%s %q", a.Status, a.Header["Set-Cookie"])
		}
		up.take()
	})
	t.Run("nothing of them is logged", func(t *testing.T) {
		text := s.logText()
		for _, token := range []string{ada, grace, expired, payments, member} {
			if strings.Contains(text, token) || strings.Contains(text, token[strings.LastIndexByte(token, '.'):]) {
				t.Error("the log has a token")
			}
		}
	})
}

// A session that was signed out is none as a bearer token either.
func TestBearerSessionEnds(t *testing.T) {
	s, up, _, _ := apiSite(t, "allow any")
	b := s.browser()
	b.persona("alice", "/x")
	_, token, _ := strings.Cut(b.cookieHeader(), plainName+"=")
	token, _, _ = strings.Cut(token, ";")
	up.take()
	if a := s.program("/x", bearerField(token)); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	b.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
	a := s.program("/x", bearerField(token))
	if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("Www-Authenticate"), "the session has ended") {
		t.Errorf("%s %q", a.Status, a.Header["Www-Authenticate"])
	}
}

func TestBearerPassCookie(t *testing.T) {
	s, up, _, _ := apiSite(t, "session {\n\t\t\tpass_cookie\n\t\t}")
	member := seal(t, person("eve"), 0)
	if s.program("/x", bearerField(member)); up.one(t).Header.Get("Authorization") != "Bearer "+member {
		t.Error("not passed on")
	}
}

// With strategy database, the token is a row's.
func TestBearerDatabaseSession(t *testing.T) {
	up := newUpstream(t, nil)
	s := start(t, "http://localhost:{PORT} {\n\tcaddyauth {\n\t\tsecret "+secret+"\n\t\tusers "+usersFile(t)+"\n\t\tstore memory\n\t\tsession {\n\t\t\tstrategy database\n\t\t}\n\t\tbearer session\n\t\theaders\n\t}\n\treverse_proxy "+up.addr()+"\n}\n")
	b := s.browser()
	b.password("alice", "alice", "/")
	_, token, _ := strings.Cut(b.cookieHeader(), plainName+"=")
	token, _, _ = strings.Cut(token, ";")
	up.take()
	if a := s.program("/x", bearerField(token)); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	if h := up.one(t).Header; h.Get("Remote-User") != "alice" || h.Get("Authorization") != "" {
		t.Errorf("%v", h)
	}
	if a := s.program("/x", bearerField(token+"x")); a.StatusCode != http.StatusUnauthorized {
		t.Error(a.Status)
	}
	if a := s.program("/.well-known/oauth-protected-resource"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("metadata without an issuer: %s", a.Status)
	}
}

func TestBearerIssuerDown(t *testing.T) {
	s, up, op, _ := apiSite(t, "")
	op.SetDown(true)
	token := op.Token(t, op.Claims("orders"))
	a := s.program("/x", bearerField(token))
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	up.none(t)
	if a := s.program("/open", bearerField(token)); a.StatusCode != http.StatusOK || up.one(t).Header.Get("Remote-User") != "" {
		t.Errorf("public: %s", a.Status)
	}
	for _, line := range s.logged() {
		if line["level"] == "error" {
			t.Errorf("an error for each request: %v", line)
		}
	}
}

func TestResourceMetadata(t *testing.T) {
	s, up, op, other := apiSite(t, "")
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource?x=1"} {
		a := s.program(path)
		var got struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Methods  []string `json:"bearer_methods_supported"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %s %v\n%s", path, a.Status, err, a.body)
		}
		if got.Resource != s.Base || fmt.Sprint(got.Servers) != fmt.Sprint([]string{op.URL, other.URL}) || fmt.Sprint(got.Methods) != "[header]" {
			t.Errorf("%s", a.body)
		}
	}
	if a := s.ask("HEAD /.well-known/oauth-protected-resource"); a.StatusCode != http.StatusOK || a.body != "" {
		t.Errorf("HEAD: %s", a.Status)
	}
	if a := s.ask("POST /.well-known/oauth-protected-resource", "Content-Length: 0"); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", a.Status)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource/x", "/.well-known/OAUTH-protected-resource", "/%2ewell-known/oauth-protected-resource"} {
		if a := s.program(path); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	up.none(t)
}

// A site that takes access tokens and nothing else has nobody to send to sign in.
func TestBearerOnly(t *testing.T) {
	op, up := testissuer.New(t), newUpstream(t, nil)
	s := startWith(t, trustLoopback, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		bearer {
			issuer `+op.URL+`
			audience orders
		}
		public /open
		allow /ada/* user "bearer:`+op.URL+`#ada"
		forward_auth
		headers
	}
	reverse_proxy `+up.addr()+`
}
`)
	grace := bearerField(op.Token(t, op.Claims("orders", map[string]any{"sub": "grace"})))
	ada := bearerField(op.Token(t, op.Claims("orders", map[string]any{"sub": "ada"})))
	browser := []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	challenge := `Bearer realm="` + s.Base + `", resource_metadata="` + s.Base + `/.well-known/oauth-protected-resource"`
	const required = `{"error":"SessionRequired","reference":"`
	for _, c := range []struct {
		name, line string
		header     []string
		status     int
		challenge  string
		body       string // the beginning
	}{
		{"a page", "GET /x", browser, 401, challenge, required},
		{"a form", "POST /x", append(browser, "Content-Length: 0"), 401, challenge, required},
		{"a script", "GET /x", nil, 401, challenge, required},
		{"a session of another site's", "GET /x", []string{"Cookie: next-auth.session-token=" + seal(t, person("eve"), 0)}, 401, challenge, required},
		{"a session token without evidence", "GET /x", []string{"Cookie: next-auth.session-token=" + seal(t, map[string]any{"sub": "1", "email": "eve@example.com"}, 0)}, 401, challenge, required},
		{"a token", "GET /x", []string{grace}, 200, "", ""},
		{"a token in a browser", "GET /x", append(browser, grace), 200, "", ""},
		{"a token with the rule's subject", "GET /ada/x", []string{ada}, 200, "", ""},
		{"a token that a rule refuses", "GET /ada/x", append(browser, grace), 403, `Bearer realm="` + s.Base + `", error="insufficient_scope"`, `{"error":"AccessDenied"`},
		{"a public path", "GET /open", nil, 200, "", ""},
		{"the providers", "GET /api/auth/providers", nil, 200, "", "{}"},
		{"the session", "GET /api/auth/session", nil, 200, "", "{}"},
		{"the sign-in page", "GET /api/auth/signin", browser, 200, "", "<!DOCTYPE html>"},
		{"a provider that is none", "GET /api/auth/callback/keycloak", browser, 400, "", ""},
		{"the metadata", "GET /.well-known/oauth-protected-resource", nil, 200, "", `{"resource":"` + s.Base},
		{"what another proxy asks about", "GET /api/auth/verify", append(browser, s.asking("GET", "/x")...), 401, challenge, required},
		{"what nginx asks about", "GET /api/auth/verify", append(browser, "X-Original-Method: GET", "X-Original-Url: /x"), 401, challenge, ""},
	} {
		// Opening a page again and again leads into no loop either.
		for range 6 {
			a := s.ask(c.line, c.header...)
			if got := a.Header.Get("WWW-Authenticate"); a.StatusCode != c.status || !strings.HasPrefix(got, c.challenge) || c.challenge == "" && got != "" || len(a.Header["Www-Authenticate"]) > 1 {
				t.Errorf("%s: %s, %q", c.name, a.Status, a.Header["Www-Authenticate"])
			}
			if sent := a.Header["X-Auth-Request-Redirect"]; sent != nil {
				t.Errorf("%s: sent to %v", c.name, sent)
			}
			if !strings.HasPrefix(a.body, c.body) || c.status == 401 && strings.Contains(a.body, "signin") {
				t.Errorf("%s: %s", c.name, a.body)
			}
		}
	}
}

// What is for people wants a way for them to sign in.
func TestBearerOnlyNeedsProvider(t *testing.T) {
	const issuer = "bearer {\nissuer https://issuer.example\naudience x\n}\n"
	for _, words := range []string{"bearer audience x", "bearer session\n" + issuer, "account\n" + issuer, "tokens\n" + issuer, "portal auth.localhost\n" + issuer} {
		err := loadError(t, "", "http://localhost:{PORT} {\n\tcaddyauth {\n\tsecret "+secret+"\n"+words+"\n\t}\n\trespond ok\n}\n")
		if err == nil || !strings.Contains(err.Error(), "no provider: name one") {
			t.Errorf("%s:\n%v", words, err)
		}
	}
}

func TestBearerMistakes(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"provider dev\nbearer audience x", "write a block with 'issuer' and 'audience'"},
		{"provider dev\nbearer {\naudience x\njwks https://issuer.example/keys\n}", "jwks without an issuer"},
		{"provider dev\nbearer {\nissuer http://issuer.example\naudience x\n}", "must be an https URL"},
		{"provider dev\nbearer {\nissuer https://issuer.example?x\naudience x\n}", "has a query"},
		{"provider dev\nbearer {\nissuer https://issuer.example\naudience x\nalg HS256\n}", "alg 'HS256' is not one of"},
		{"provider dev as bearer\nbearer {\nissuer https://issuer.example\naudience x\n}", "no provider can have that id"},
		{"provider dev\nbearer {\nissuer https://accounts.google.com\naudience x\n}", "anyone with a Google account"},
		{"provider dev\nassertion {\nttl 1h\n}", "is not between"},
		{"provider dev\nassertion {\nheader Cookie\n}", "cannot carry it"},
		{"provider dev\nassertion {\nheader Authorization\n}", "cannot carry it"},
		{"provider dev\nheaders\nassertion {\nheader remote-user\n}", "is an identity header of this site already"},
	} {
		err := loadError(t, "", "http://localhost:{PORT} {\n\tcaddyauth {\n\tsecret "+secret+"\n"+c.words+"\n\t}\n\trespond ok\n}\n")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n%v", c.words, err)
		}
	}
}

// BenchmarkBearer is all that the handler does to the request of a program.
func BenchmarkBearer(b *testing.B) {
	for _, words := range []string{"", "assertion"} {
		b.Run("assertion="+fmt.Sprint(words != ""), func(b *testing.B) {
			s, _, op, _ := apiSite(b, words)
			h, server := handler(b)
			token := op.Token(b, op.Claims("orders"))
			writer := &sink{http.Header{}}
			r := httptest.NewRequest(http.MethodGet, s.Base+"/app/orders/1", nil)
			repl := caddy.NewReplacer()
			r = caddyhttp.PrepareRequest(r, repl, writer, server)
			fresh := *repl
			next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
			b.ReportAllocs()
			for b.Loop() {
				*repl = fresh
				clear(writer.header)
				r.Header = http.Header{"Accept": {"*/*"}, "Authorization": {"Bearer " + token}}
				if err := h.ServeHTTP(writer, r, next); err != nil || r.Header.Get("Remote-User") == "" {
					b.Fatalf("%v %v", err, r.Header)
				}
			}
		})
	}
}
