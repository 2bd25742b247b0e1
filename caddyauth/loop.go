package caddyauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
)

// stopsLoop answers a page load that would be sent to sign in, if the browser has
// just been there several times: the page says why that does not help. It is not
// for scripts, which get their 401 as ever.
func (h *Handler) stopsLoop(w http.ResponseWriter, r *http.Request, original *url.URL, site gate.Site, reference string) bool {
	e := h.site.engine.Load()
	if e == nil || gate.Navigation(r) != gate.Navigate {
		return false
	}
	back := safeurl.FromRequest(site.Origin, original)
	return e.api.StopLoop(w, r, h.site.apiSite(r, site.Origin, original), back, reference)
}

// ownForm reports whether a form comes from a page of the site itself, as the
// browser says. Nobody else's may be sent once more: a reload brings the cookies
// that SameSite kept away from it (RFC 6265bis, section 8.8.5). Where the browser
// says nothing, it counts as somebody else's.
func ownForm(r *http.Request, origin string) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	sent := r.Header["Origin"]
	return len(sent) == 1 && strings.EqualFold(sent[0], origin)
}
