package gate

import "net/http"

// CrossSite reports whether the script of a page that is none of ours asks for a
// WebSocket, or for another tunnel. Browsers send the cookies of the socket's
// site along and let the script read what comes back: neither CORS nor SameSite
// (where the cookie says None, or pages of a sibling host are not trusted) keeps
// it from using the session. Only Origin tells (RFC 6455 section 10.2).
//
// What sends no Origin is no browser. A bearer token is nothing that a browser
// adds by itself.
func CrossSite(r *http.Request, ours func(origin string) bool) bool {
	if !IsTunnel(r) {
		return false
	}
	for _, v := range r.Header["Authorization"] {
		if hasPrefixFold(v, "bearer ") {
			return false
		}
	}
	// A script cannot set this one (Fetch Metadata).
	site := first(r.Header, "Sec-Fetch-Site")
	switch origin := r.Header["Origin"]; {
	case site == "same-origin":
		return false
	case len(origin) == 0:
		return site == "cross-site"
	case len(origin) == 1:
		return !ours(origin[0])
	}
	return true
}

// WithoutSession is the decision for a request that must not use its session: it
// passes where none is needed, and is forbidden elsewhere.
func (d Decision) WithoutSession(why Reason) Decision {
	if d.Action != Pass || d.Session == nil {
		return d
	}
	d.Candidate, d.Session, d.Reason = d.Session, nil, why
	if !d.Public {
		d.Action = Forbid
	}
	return d
}
