package authapi

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/zap"
)

// discard is a ResponseWriter without a recorder's copying.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkServe(b *testing.B) {
	for _, c := range []struct {
		name, target string
		signedIn     bool
	}{
		{"session", "/session", true},
		{"session/anonymous", "/session", false},
		{"csrf", "/csrf", false},
		{"providers", "/providers", false},
		{"signin", "/signin", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, func(o *Options) { o.Log = zap.NewNop() })
			browser := w.browser(b)
			browser.csrf()
			if c.signedIn {
				browser.signIn("op")
			}
			r := httptest.NewRequest("GET", "/", nil)
			for _, c := range browser.jar {
				r.Header.Add("Cookie", c.name+"="+c.value)
			}
			site := w.site
			site.Path = testBase + c.target
			b.ReportAllocs()
			for b.Loop() {
				w.api.Serve(discard{make(http.Header)}, r, site)
			}
		})
	}
}
