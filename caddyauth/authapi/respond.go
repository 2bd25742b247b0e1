package authapi

import (
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// noStore forbids caching. NextAuth does so on some responses only; every one
// of them depends on cookies or sets some. The callback's address carries a
// code, which must not travel on in a Referer; pages replace that policy by one
// of their own.
func noStore(h http.Header) {
	h.Set("Cache-Control", "private, no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "0")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if h.Get("Vary") != "*" {
		h.Add("Vary", "Cookie")
	}
}

// set adds cookies to the response.
func (q *request) set(cookies ...cookie.Cookie) { q.cookies = append(q.cookies, cookies...) }

// writeCookies must come before the status.
func (q *request) writeCookies() {
	for _, c := range q.cookies {
		q.w.Header().Add("Set-Cookie", c.String())
	}
}

// newCookie has the attributes that all cookies but the session's share.
func (q *request) newCookie(name, value string) cookie.Cookie {
	return cookie.Cookie{
		Name: name, Value: value, Path: "/",
		HttpOnly: true, Secure: q.jar.names.Secure, SameSite: "Lax",
	}
}

// redirect sends the browser to an address, which the caller has built from the
// site's origin or got from the configuration or a provider.
func (q *request) redirect(to string) {
	q.send(to, http.StatusOK, q.api.contract.keepsLocation)
}

// send redirects with a 302, unless the client wants the address in a body. Then
// the status is the one given, and the header is there only if location is true.
func (q *request) send(to string, status int, location bool) {
	c := q.api.contract
	if c.vary != "" {
		q.w.Header().Add("Vary", c.vary)
	}
	body := q.wantsURL()
	if location || !body {
		q.w.Header().Set("Location", to)
	}
	if body {
		q.json(status, append(jwt.AppendString([]byte(`{"url":`), to), '}'))
		return
	}
	q.writeCookies()
	q.w.WriteHeader(http.StatusFound)
}

// wantsURL reports whether the client wants the address in a body. The client for
// passkeys asks in the way of v5 whatever the dialect, and a script may ask it in
// that of v4.
func (q *request) wantsURL() bool {
	if q.api.contract.wantsURL(q) {
		return true
	}
	if _, ok := q.api.providers[q.providerID].(provider.Passkeys); !ok || q.action != "callback" {
		return false
	}
	return wantsURLV5(q) || wantsURLV4(q)
}

// json writes a body that is JSON already.
func (q *request) json(status int, body []byte) {
	q.w.Header().Set("Content-Type", q.api.contract.jsonType)
	q.write(status, body)
}

// text writes a plain text, without a type as Next.js does. Nobody is to guess
// one either: X-Content-Type-Options makes text of it for browsers (MIME Sniffing
// standard, section 7), and nil keeps net/http from it.
func (q *request) text(status int, body string) {
	q.w.Header()["Content-Type"] = nil
	q.write(status, []byte(body))
}

func (q *request) write(status int, body []byte) {
	q.writeCookies()
	q.w.WriteHeader(status)
	// The client may be gone, which is nobody's concern.
	_, _ = q.w.Write(body)
}

// unsupported answers what no route does.
func (q *request) unsupported() { q.api.contract.unsupported(q) }
