package caddyauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// handler finds the running site's handler and its server.
func handler(t testing.TB) (*caddyauth.Handler, *caddyhttp.Server) {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	var find func(caddyhttp.RouteList) *caddyauth.Handler
	find = func(routes caddyhttp.RouteList) *caddyauth.Handler {
		for _, r := range routes {
			for _, h := range r.Handlers {
				switch h := h.(type) {
				case *caddyauth.Handler:
					return h
				case *caddyhttp.Subroute:
					if found := find(h.Routes); found != nil {
						return found
					}
				}
			}
		}
		return nil
	}
	for _, server := range app.(*caddyhttp.App).Servers {
		if h := find(server.Routes); h != nil {
			return h, server
		}
	}
	t.Fatal("no site has the handler")
	return nil, nil
}

// visitors makes requests of people who are signed in, as Chromium sends them.
type visitors struct {
	base   string
	claims string
	ring   *jwt.Ring
	server *caddyhttp.Server
	writer *sink
}

// newVisitors signs one person in; the others are alike.
func newVisitors(t testing.TB, s *server, server *caddyhttp.Server) *visitors {
	t.Helper()
	b := s.browser()
	b.persona("alice", s.Base+"/")
	ring, err := jwt.NewRing(dialect.V4, []string{secret}, "")
	if err != nil {
		t.Fatal(err)
	}
	var token string
	for _, pair := range strings.Split(b.cookieHeader(), "; ") {
		if v, ok := strings.CutPrefix(pair, "next-auth.session-token="); ok {
			token = v
		}
	}
	claims, err := ring.Open(nil, token)
	if err != nil {
		t.Fatalf("opening the session token: %v", err)
	}
	return &visitors{base: s.Base, claims: string(claims), ring: ring, server: server, writer: &sink{http.Header{}}}
}

// visit returns a request of a browser as Caddy's server prepares it, and what
// puts it back to how it arrived, with another token: making a new one would
// cost more than what is measured.
func (v *visitors) visit() (r *http.Request, arrive func(cookies string)) {
	r = httptest.NewRequest(http.MethodGet, v.base+"/app/dashboard/index.html?tab=1", nil)
	r.RequestURI = "/app/dashboard/index.html?tab=1"
	r.Header = http.Header{
		"Accept":             {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		"Accept-Encoding":    {"gzip, deflate, br, zstd"},
		"Accept-Language":    {"en-US,en;q=0.9"},
		"Connection":         {"keep-alive"},
		"Referer":            {v.base + "/"},
		"Sec-Ch-Ua":          {`"Chromium";v="142", "Not_A Brand";v="99"`},
		"Sec-Ch-Ua-Mobile":   {"?0"},
		"Sec-Ch-Ua-Platform": {`"Linux"`},
		"Sec-Fetch-Dest":     {"document"},
		"Sec-Fetch-Mode":     {"navigate"},
		"Sec-Fetch-Site":     {"same-origin"},
		"User-Agent":         {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"},
	}
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r, repl, v.writer, v.server)
	fresh, arrived := *repl, *r
	lines := make([]string, 1)
	return r, func(cookies string) {
		*repl, *r = fresh, arrived
		clear(v.writer.header)
		lines[0] = cookies
		r.Header["Cookie"] = lines
	}
}

// cookies is what the browser sends with a token that nobody has seen.
func (v *visitors) cookies(t testing.TB) string {
	t.Helper()
	token, err := jwt.Renew(v.ring, v.claims, "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return "theme=dark; next-auth.session-token=" + token
}

// sink takes a response and does nothing with it.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

// The sites of the benchmarks: the shortest there is, and one that names the
// person to the upstream and has rules.
var benchSites = []struct{ name, options string }{
	{"shortest", "provider dev"},
	{"rules and headers", `
		provider dev
		public /public/*
		allow domain example.com
		allow /app/* group staff users
		allow /admin/* role admin
		deny user somebody
		headers
	`},
}

func benchSite(t testing.TB, options string) (*caddyauth.Handler, *visitors) {
	t.Helper()
	s := start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		`+options+`
	}
	respond ok
}
`)
	h, server := handler(t)
	return h, newVisitors(t, s, server)
}

// visits are the two kinds of requests that signed-in people make.
var visits = []struct {
	name string
	// tokens is how many tokens come in turn. That many, and none is known
	// anymore when it comes again.
	tokens int
	// allocations is how many are meant at most.
	allocations float64
}{
	{"seen before", 1, 5},
	{"never seen", 10_000, 20},
}

// BenchmarkServeHTTP is all that the handler does to the request of somebody
// who is signed in: the identity headers of clients go, the session is read,
// the rules decide, the person is named to the upstream. The handler behind it
// does nothing.
func BenchmarkServeHTTP(b *testing.B) {
	for _, site := range benchSites {
		b.Run(site.name, func(b *testing.B) {
			h, v := benchSite(b, site.options)
			for _, visit := range visits {
				b.Run(visit.name, func(b *testing.B) {
					serve := v.serve(b, h, visit.tokens)
					b.ReportAllocs()
					for b.Loop() {
						serve()
					}
				})
			}
		})
	}
}

// What a request allocates moves the cost of a gateway more than its
// cryptography does, so it is held here.
func TestAllocations(t *testing.T) {
	for _, site := range benchSites {
		t.Run(site.name, func(t *testing.T) {
			h, v := benchSite(t, site.options)
			for _, visit := range visits {
				got := testing.AllocsPerRun(1000, v.serve(t, h, visit.tokens))
				if got > visit.allocations {
					t.Errorf("%s: %v allocations per request, at most %v are meant", visit.name, got, visit.allocations)
				}
			}
		})
	}
}

// serve returns what lets the handler serve one request after the other, which
// carry so many tokens in turn.
func (v *visitors) serve(t testing.TB, h *caddyauth.Handler, tokens int) func() {
	t.Helper()
	cookies := make([]string, tokens)
	for i := range cookies {
		cookies[i] = v.cookies(t)
	}
	passed := false
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		passed = true
		return nil
	})
	r, arrive := v.visit()
	i := 0
	serve := func() {
		arrive(cookies[i%tokens])
		i++
		passed = false
		if err := h.ServeHTTP(v.writer, r, next); err != nil || !passed {
			t.Fatalf("the request did not pass: %v", err)
		}
	}
	// A token is kept when it comes for the second time, and the map of header
	// fields takes its final size.
	serve()
	serve()
	return serve
}
