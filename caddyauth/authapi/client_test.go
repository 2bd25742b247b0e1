package authapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestClient(t *testing.T) {
	both(t, func(t *testing.T, d func(*Options)) {
		w := newWorld(t, d, func(o *Options) { o.Client = true })
		for target, c := range map[string]struct{ contentType, content string }{
			"/client.js":   {"text/javascript; charset=utf-8", "export"},
			"/client.d.ts": {"text/plain; charset=utf-8", "export"},
		} {
			r := w.browser(t).get(target)
			equal(t, "status", r.status, 200)
			equal(t, "Content-Type", r.header.Get("Content-Type"), c.contentType)
			equal(t, "X-Content-Type-Options", r.header.Get("X-Content-Type-Options"), "nosniff")
			if !strings.Contains(r.body, c.content) || len(r.cookies) != 0 {
				t.Errorf("%s: %.80q, cookies %q", target, r.body, r.names())
			}
			srv := httptest.NewServer(serveAll(w))
			resp, err := http.Head(srv.URL + testBase + target)
			srv.Close()
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != c.contentType {
				t.Errorf("HEAD %s: %d %q", target, resp.StatusCode, resp.Header.Get("Content-Type"))
			}
			for _, method := range []string{"POST", "PUT", "OPTIONS"} {
				want := w.browser(t).do(method, "/unknown", "")
				if r := w.browser(t).do(method, target, ""); r.status != 400 || r.body != want.body || len(r.cookies) != 0 {
					t.Errorf("%s %s: %d %q", method, target, r.status, r.body)
				}
			}
		}
		off := newWorld(t, d)
		for _, target := range []string{"/client.js", "/client.d.ts"} {
			want := off.browser(t).get("/unknown")
			if r := off.browser(t).get(target); r.status != 400 || r.body != want.body {
				t.Errorf("without the option: %d %q", r.status, r.body)
			}
		}
	})
}
