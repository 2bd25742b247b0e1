package caddyauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// publish makes the public halves of a provider's keys known at
// {base}/jwks/{id}, for identity providers that fetch them (jwks_uri of OpenID
// Connect Dynamic Client Registration, section 2). Providers without keys have no
// such address.
func (s *site) publish(p provider.Provider) {
	holder, ok := p.(provider.KeyHolder)
	if !ok {
		return
	}
	keys := holder.PublicKeys()
	if keys == nil {
		return
	}
	if s.clientKeys == nil {
		s.clientKeys = make(map[string][]byte)
		s.addExtra("jwks/", serveClientKeys)
	}
	s.clientKeys[p.Info().ID] = keys
}

// serveClientKeys serves the keys of one provider, which are everybody's.
func serveClientKeys(h *Handler, w http.ResponseWriter, r *http.Request, _ *engine, _ string, original *url.URL) {
	id := strings.TrimPrefix(original.EscapedPath(), h.site.basePath+"/jwks/")
	keys, ok := h.site.clientKeys[id]
	if !ok {
		http.NotFound(w, r)
		return
	}
	serveKeys(w, r, keys, "")
}
