package authapi

import (
	_ "embed"
	"net/http"
)

// The client for pages without a bundler, and its types.
var (
	//go:embed client.js
	clientScript []byte
	//go:embed client.d.ts
	clientTypes []byte
)

// addClient makes the API serve the client. Its routes are none of NextAuth's.
func addClient(routes map[string]*route) {
	for name, f := range map[string]struct {
		contentType string
		content     []byte
	}{
		"client.js":   {"text/javascript; charset=utf-8", clientScript},
		"client.d.ts": {"text/plain; charset=utf-8", clientTypes},
	} {
		routes[name] = &route{extra: true, get: func(q *request) {
			q.w.Header().Set("Content-Type", f.contentType)
			q.write(http.StatusOK, f.content)
		}}
	}
}
