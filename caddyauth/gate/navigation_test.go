package gate

import (
	"net/http"
	"testing"
)

const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

func TestNavigation(t *testing.T) {
	type fields map[string]string
	for _, test := range []struct {
		name   string
		method string
		fields fields
		want   Kind
	}{
		{"page load", "GET", fields{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": chrome}, Navigate},
		{"page load, HEAD", "HEAD", fields{"Sec-Fetch-Mode": "navigate"}, Navigate},
		{"frame", "GET", fields{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, Navigate},
		{"plug-in", "GET", fields{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"}, Script},
		{"form", "POST", fields{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, NavigatePost},
		{"METH-08 fetch", "GET", fields{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"}, Script},
		{"METH-08 fetch that asks for HTML", "GET", fields{"Sec-Fetch-Mode": "same-origin", "Accept": chrome}, Script},
		{"METH-08 JSON", "GET", fields{"Accept": "application/json"}, Script},
		{"METH-09 fetch, POST", "POST", fields{"Sec-Fetch-Mode": "cors"}, Script},
		{"METH-09 form of an old browser", "POST", fields{"Accept": chrome}, NavigatePost},
		{"image", "GET", fields{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, Script},
		{"some Sec-Fetch, but no mode", "GET", fields{"Sec-Fetch-Site": "none", "Accept": chrome}, Script},
		{"old browser", "GET", fields{"Accept": chrome}, Navigate},
		{"curl", "GET", fields{"Accept": "*/*"}, Script},
		{"no Accept", "GET", nil, Script},
		{"axios", "GET", fields{"Accept": "application/json, text/plain, */*"}, Script},
		{"PUT", "PUT", fields{"Accept": chrome, "Sec-Fetch-Mode": "navigate"}, Script},
		{"OPTIONS", "OPTIONS", fields{"Accept": chrome}, Script},
		{"WebSocket", "GET", fields{"Upgrade": "websocket", "Connection": "Upgrade", "Accept": chrome}, Script},
		{"WebSocket of a browser", "GET", fields{"Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-Fetch-Mode": "websocket"}, Script},
		{"WebSocket without Connection", "GET", fields{"Upgrade": "WebSocket", "Sec-Fetch-Mode": "navigate"}, Script},
		{"another upgrade", "GET", fields{"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "Accept": chrome}, Script},
		{"an upgrade that nobody asks for", "GET", fields{"Upgrade": "h2c", "Accept": chrome}, Navigate},
		{"prefetch", "GET", fields{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch"}, Script},
		{"prerender", "GET", fields{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch;prerender"}, Script},
		{"prefetch of an old browser", "GET", fields{"Accept": chrome, "X-Moz": "prefetch"}, Script},
		{"preview", "GET", fields{"Accept": chrome, "X-Purpose": "preview"}, Script},
		{"event stream", "GET", fields{"Accept": "text/event-stream"}, Script},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := get(t, "/")
			r.Method = test.method
			for name, value := range test.fields {
				r.Header.Set(name, value)
			}
			if got := Navigation(r); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestPrefersHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		chrome:                                           true,
		"text/html":                                      true,
		"TEXT/HTML":                                      true,
		"application/xhtml+xml;profile=x":                true,
		"text/html, */*":                                 true,
		"*/*,text/html":                                  true,
		"text/html;q=0.5,*/*;q=0.5":                      true,
		"text/html;q=0.5,*/*":                            false,
		"text/html, */*;q=0.01":                          true,
		"text/html,application/json":                     true,
		"application/json,text/html":                     false,
		"application/json;q=0.9,text/html":               true,
		"text/html;q=0.5,application/json":               false,
		"text/html;q=0":                                  false,
		"text/html;q=0.0,*/*":                            false,
		"text/html;level=1;q=0.7,application/json;q=0.6": true,
		"text/html;q=0.8 , application/json ; q=0.81":    false,
		"text/html;q=x":                                  false,
		"text/html;q=2":                                  false,
		"text/html;q=0.1234":                             false,
		"text/html;q=1.000":                              true,
		"text/*":                                         false,
		"*/*":                                            false,
		"":                                               false,
		",,;q=1,":                                        false,
		"text/htmlx":                                     false,
		"x-text/html":                                    false,
	} {
		if got := prefersHTML([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if !prefersHTML([]string{"image/avif;q=0.1", "text/html"}) || prefersHTML([]string{"application/json", "text/html"}) {
		t.Error("several lines")
	}
}

func TestIsTunnel(t *testing.T) {
	r := get(t, "/")
	if IsTunnel(r) {
		t.Error("plain GET")
	}
	r.Header = http.Header{"Upgrade": {"foo"}, "Connection": {"close", "keep-alive, UPGRADE"}}
	if !IsTunnel(r) {
		t.Error("upgrade")
	}
}
