package caddyauth_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// warnings returns what the log warns of, with the fields that matter.
func (s *server) warnings() []string {
	s.t.Helper()
	var list []string
	for _, line := range s.logged() {
		if line["level"] != "warn" || !strings.Contains(line["logger"].(string), "caddyauth") {
			continue
		}
		text := line["msg"].(string)
		for _, field := range []string{"target", "header", "handler", "variable", "url"} {
			if v, ok := line[field].(string); ok {
				text += " " + field + "=" + v
			}
		}
		list = append(list, text)
	}
	return list
}

// TestWalkWarnings has what comes behind the handler and undermines it.
func TestWalkWarnings(t *testing.T) {
	const (
		rewrites = "a later rewrite leads from public requests to a private path target="
		sets     = "request_header sets an identity header after caddyauth did header="
		proxies  = "handle_errors proxies: requests reach that upstream without a session, and those that fail before caddyauth with the client's own identity headers and cookies, so it must trust neither; cookies that it sets are not filtered"
	)
	for _, c := range []struct {
		name, site string
		want       []string
	}{
		{"nothing", "reverse_proxy 127.0.0.1:9", nil},
		{"rewrite to a private path", "rewrite /open/x /members/x", []string{rewrites + "/members/x"}},
		{"rewrite of a query", "rewrite /open/x /members/x?{query}", []string{rewrites + "/members/x"}},
		{"rewrite in a block", "handle /open/* {\nrewrite * /members/x\n}", []string{rewrites + "/members/x"}},
		{"rewrite in a route behind", "route {\nrewrite * /members/x\n}", []string{rewrites + "/members/x"}},
		{"rewrite to a public path", "rewrite /open/x /open/y", nil},
		{"rewrite of what is asked for", "rewrite * /open{uri}", nil},
		{"try_files", "try_files {path} /index.html", nil},
		{"request_header on an owned name", "request_header Remote-User alice", []string{sets + "Remote-User"}},
		{"request_header that adds", "request_header +Remote-Groups admin", []string{sets + "Remote-Groups"}},
		{"request_header in a block", "handle /x/* {\nrequest_header X-Forwarded-User {header.X-User}\n}", []string{sets + "X-Forwarded-User"}},
		{"request_header on another name", "request_header X-Request-Start {time.now}", nil},
		{"request_header that deletes", "request_header -Remote-User", nil},
		{"handle_errors that proxies", "handle_errors {\nreverse_proxy 127.0.0.1:9\n}", []string{proxies}},
		{"handle_errors that proxies in a block", "handle_errors 502 {\nhandle /x {\nreverse_proxy 127.0.0.1:9\n}\n}", []string{proxies}},
		{"handle_errors that answers", "handle_errors {\nrespond oops\n}", nil},
		{"handle_errors that proxies in a named route", "handle_errors {\ninvoke proxied\n}", []string{proxies}},
		{"rewrite in a named route", "invoke rewritten", []string{rewrites + "/members/x"}},
		{"handle_errors of another site", "}\nhttp://127.0.0.1:{PORT} {\nhandle_errors {\nreverse_proxy 127.0.0.1:9\n}", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, `
&(proxied) {
	reverse_proxy 127.0.0.1:9
}
&(rewritten) {
	rewrite /open/x /members/x
}
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		public /open/*
		public /index.html
`+keycloak+`
	}
`+c.site+`
}
`)
			if got := s.warnings(); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
}

// TestEarlierAnswers has what answers some requests before the handler's turn.
func TestEarlierAnswers(t *testing.T) {
	const front = "a handler answers some requests before caddyauth is asked handler="
	for _, c := range []struct{ name, site, want string }{
		{"nothing", "{AUTH}", ""},
		{"behind by order", "respond /c ok\nabort /d\nreverse_proxy /e 127.0.0.1:9\nfile_server /f\n{AUTH}", ""},
		{"redir by order", "{AUTH}\nredir /a /b", front + "redir"},
		{"respond", "route {\nrespond /health ok\n{AUTH}\n}", front + "respond"},
		{"redir", "route {\nredir /a /b\n{AUTH}\n}", front + "redir"},
		{"abort", "route {\nabort /a\n{AUTH}\n}", front + "abort"},
		{"file_server", "route {\nfile_server /static/*\n{AUTH}\n}", front + "file_server"},
		{"file_server that passes on", "route {\nfile_server {\npass_thru\n}\n{AUTH}\n}", front + "file_server"},
		{"reverse_proxy", "route {\nreverse_proxy /hook 127.0.0.1:9\n{AUTH}\n}", front + "reverse_proxy"},
		{"reverse_proxy that passes on", "route {\nreverse_proxy 127.0.0.1:9 {\n@no status 404\nhandle_response @no {\nvars a b\n}\n}\n{AUTH}\n}", front + "reverse_proxy"},
		{"forward_auth", "route {\nforward_auth 127.0.0.1:9 {\nuri /verify\n}\n{AUTH}\n}", ""},
		{"error", "route {\nerror /.git/* 404\n{AUTH}\n}", ""},
		{"once for two", "route {\nrespond /a ok\nroute {\nredir /b /c\n{AUTH}\n}\n}", front + "respond"},
		{"in a block", "route {\nhandle /a/* {\nhandle /a/b {\nrespond ok\n}\n}\n{AUTH}\n}", front + "respond"},
		{"in a named route", "route {\n@a path /a\nhandle @a {\ninvoke open\n}\n{AUTH}\n}", front + "respond"},
		{"guarded by another one", "route {\nhandle /a/* {\ncaddyauth {\nbase_path /a/auth\nsession {\ncookie_prefix a\n}\n" + keycloak + "}\nrespond ok\n}\n{AUTH}\n}", ""},
		{"to https", "route {\nredir /a https://{host}{uri}\n{AUTH}\n}", ""},
		{"another site", "{AUTH}\n}\nhttp://longer.localhost:{PORT} {\nbind 127.0.0.1\nrespond /a ok", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := "\n&(open) {\nrespond ok\n}\nhttp://localhost:{PORT} {\nbind 127.0.0.1\n" + c.site + "\n}\n"
			config = strings.ReplaceAll(config, "{AUTH}", "caddyauth {\n"+keycloak+"}")
			if got := strings.Join(start(t, config).warnings(), "\n"); got != c.want {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
}

// TestAutoHTTPSIsSilent has the redirects that Caddy puts before a catch-all.
func TestAutoHTTPSIsSilent(t *testing.T) {
	s := newServer(t)
	s.Log = filepath.Join(t.TempDir(), "caddy.log")
	https, more := testport.Free(t), testport.Free(t)
	s.loadJSON(`{"admin": {"disabled": true}, "logging": {"logs": {"default": {"writer": {"output": "file", "filename": "` + s.Log + `"}}}},
		"apps": {"pki": {"certificate_authorities": {"local": {"install_trust": false}}}, "http": {"http_port": ` + s.Port + `, "https_port": ` + https + `, "servers": {
			"all":  {"listen": ["127.0.0.1:` + https + `"], "tls_connection_policies": [{}], "routes": [{"handle": [{"handler": "static_response"}]}]},
			"one":  {"listen": ["127.0.0.1:` + more + `"], "routes": [{"match": [{"host": ["localhost"]}], "handle": [{"handler": "static_response"}]}]},
			"http": {"listen": ["127.0.0.1:` + s.Port + `"], "routes": [{"handle": [{"handler": "caddyauth", "secret": ["` + secret + `"], "providers": [{"preset": "dev"}]}]}]}}}}}`)
	if got := s.warnings(); len(got) > 0 {
		t.Errorf("warnings %q", got)
	}
	if a := s.other().get("/api/auth/providers"); a.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("the redirect is not in front: %s", a.Status)
	}
}

// TestGlobalOptionAlone has a global option that no site uses.
func TestGlobalOptionAlone(t *testing.T) {
	const want = "the global option protects nothing by itself: write 'caddyauth' in each site"
	for _, c := range []struct{ name, global, site, want string }{
		{"no site", "caddyauth dev", "respond open", want},
		{"an empty one", "caddyauth", "respond open", ""},
		{"a site", "caddyauth dev", "caddyauth", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startWith(t, c.global, "\nhttp://localhost:{PORT} {\nbind 127.0.0.1\n"+c.site+"\n}\n")
			if got := strings.Join(s.warnings(), "\n"); got != c.want {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
}

// TestRecipeSPA runs the recipe of a static site with a real fallback: neither
// error nor warning, the endpoints work behind try_files, and the private part
// stays private although everything is served by one page.
func TestRecipeSPA(t *testing.T) {
	for _, id := range []string{"GITHUB", "GOOGLE"} {
		t.Setenv("AUTH_"+id+"_ID", "a")
		t.Setenv("AUTH_"+id+"_SECRET", "b")
	}
	golden, err := os.ReadFile("../testdata/caddyfile/recipe_4_spa.caddyfiletest")
	if err != nil {
		t.Fatal(err)
	}
	recipe, _, _ := strings.Cut(string(golden), dashes)
	index := fileIn(t, "index.html", "<title>app</title>")
	recipe = strings.NewReplacer(
		"www.example.com", "http://localhost:{PORT}",
		"/srv/www", strings.TrimSuffix(index, "/index.html"),
	).Replace(recipe)
	s := start(t, recipe)
	if got := s.warnings(); len(got) > 0 {
		t.Errorf("warnings %q", got)
	}
	b := s.browser()
	if got, want := b.statuses("/", "/about", "/deep/link", "/members/", "/members/x"), "/ OK, /about OK, /deep/link OK, /members/ Found, /members/x Found"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if a := b.get("/about"); !strings.Contains(a.body, "<title>app</title>") {
		t.Errorf("fallback: %s %q", a.Status, a.body)
	}
	if a := b.get("/api/auth/session", "Accept", "application/json"); a.body != "{}" {
		t.Errorf("session: %s %q", a.Status, a.body)
	}
	if got := b.providerIDs(); got != "github google" {
		t.Errorf("providers: %s", got)
	}
}

// TestNEXTAUTHURL has the environment's URL on the site that it names and on
// others.
func TestNEXTAUTHURL(t *testing.T) {
	const ignored = "an environment variable names another host and is ignored on this site variable=NEXTAUTH_URL url="
	config := `
http://localhost:{PORT} {
	bind 127.0.0.1
	caddyauth {
		secret ` + secret + `
` + keycloak + `
	}
	respond ok
}
http://:{PORT} {
	bind 127.0.0.1
	caddyauth {
		secret ` + secret + `
` + keycloak + `
	}
	respond ok
}
`
	for _, c := range []struct {
		name, url string
		// here and other are where a navigation without a session is sent, on the
		// site called localhost and on the catch-all.
		here, other string
		warnings    []string
	}{
		{"none", "", "http://localhost:{PORT}/api/auth/", "http://127.0.0.1:{PORT}/api/auth/", nil},
		{"this host", "https://LOCALHOST", "https://localhost/api/auth/", "https://localhost/api/auth/", nil},
		{"this host with a path", "https://localhost/shop/auth", "https://localhost/shop/auth/", "https://localhost/shop/auth/", nil},
		{"this host with a port", "https://localhost:8443/", "https://localhost:8443/api/auth/", "https://localhost:8443/api/auth/", nil},
		{"another host", "https://app.example.com/shop/auth", "http://localhost:{PORT}/api/auth/", "https://app.example.com/shop/auth/",
			[]string{ignored + "https://app.example.com"}},
		{"without a scheme", "app.example.com", "http://localhost:{PORT}/api/auth/", "https://app.example.com/api/auth/",
			[]string{ignored + "https://app.example.com"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NEXTAUTH_URL", c.url)
			s := start(t, config)
			if got := s.warnings(); strings.Join(got, "\n") != strings.Join(c.warnings, "\n") {
				t.Errorf("warnings %q, want %q", got, c.warnings)
			}
			for b, want := range map[*browser]string{s.browser(): c.here, s.other(): c.other} {
				a := b.get("/x")
				want = strings.ReplaceAll(want, "{PORT}", s.Port)
				if got := a.Header.Get("Location"); a.StatusCode != http.StatusFound || !strings.HasPrefix(got, want) && got != originOf(want)+"/x" {
					t.Errorf("%s: %s to %s, want %s...", b.base, a.Status, got, want)
				}
			}
		})
	}
}

// originOf cuts the path off a URL.
func originOf(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// TestURLPath checks that the path of url is the base path, and that base_path
// wins over it.
func TestURLPath(t *testing.T) {
	for lines, base := range map[string]string{
		"url http://localhost:{PORT}":                                "/api/auth",
		"url http://localhost:{PORT}/shop/auth":                      "/shop/auth",
		"url http://localhost:{PORT}/shop/auth/":                     "/shop/auth",
		"url http://localhost:{PORT}/shop/auth\nbase_path /my/auth/": "/my/auth",
		"url {env.SITE}\nbase_path {env.BASE}":                       "/from/env",
	} {
		t.Setenv("SITE", "http://localhost")
		t.Setenv("BASE", "/from/env")
		s := start(t, siteWith("secret "+secret+"\n"+keycloak+lines))
		if a := s.browser().get(base + "/providers"); !strings.Contains(a.body, base+"/callback/keycloak") {
			t.Errorf("%s: %s %s", lines, a.Status, a.body)
		}
	}
}

// TestCOOK14CookieDomain checks that a cookie whose name forbids a domain has
// none.
func TestCOOK14CookieDomain(t *testing.T) {
	s := start(t, `
http://app.localhost.test:{PORT} {
	bind 127.0.0.1
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		url https://app.localhost.test
		session {
			cookie_domain localhost.test
		}
	}
}
`)
	status, header, _ := s.raw("GET /api/auth/csrf HTTP/1.1\r\nHost: app.localhost.test:" + s.Port + "\r\nConnection: close\r\n\r\n")
	csrf := strings.Join(header.Values("Set-Cookie"), "\n")
	if status != http.StatusOK || !strings.Contains(csrf, "__Host-next-auth.csrf-token=") || strings.Contains(csrf, "Domain=") {
		t.Errorf("%d %s", status, csrf)
	}
}
